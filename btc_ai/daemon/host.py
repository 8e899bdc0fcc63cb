"""The plugin host: loads plugins, starts and stops their services; a failure is a status."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pluggy

from btc_ai.api import hooks
from btc_ai.api.discovery import Found, discover
from btc_ai.api.service import Body, Service
from btc_ai.daemon.context import LocalContext, Parts
from btc_ai.daemon.logs import logger
from btc_ai.errors import PluginError

START_LIMIT_S = 10.0
STOP_LIMIT_S = 60.0


@dataclass
class Record:
    """What became of one plugin.

    States: `refused` (manifest missing, wrong, or another contract), `broken` (its import, hooks or
    start failed), `ready`, `idle` (it offers no service), `stopped`.
    """

    name: str
    version: str
    state: str
    detail: str = ""
    service: Service | None = None
    context: LocalContext | None = None

    def as_body(self) -> Body:
        """For `daemon.status`."""
        return {
            "name": self.name, "version": self.version, "state": self.state, "detail": self.detail,
            "status": self.service.status() if self.service and self.state == "ready" else {},
        }  # fmt: skip


class PluginHost:
    """Every plugin that was found, and its state."""

    def __init__(self, parts: Parts) -> None:
        """No plugins yet."""
        self._parts = parts
        self._log = logger("host")
        self.records: list[Record] = []

    async def start(self) -> None:
        """Load every plugin, then start the services in order; what fails is recorded."""
        found = discover()
        for one in found:
            self.records.append(self._load(one))
        for record in self.records:
            if record.service is not None:
                await self._start(record)
            level = self._log.info if record.state in ("ready", "idle") else self._log.error
            level("plugin", plugin=record.name, state=record.state, detail=record.detail)

    def _load(self, found: Found) -> Record:
        name = found.entry_point.name
        version = found.manifest.version if found.manifest else "?"
        if found.problem:
            return Record(name, version, "refused", found.problem)
        context = LocalContext(name, self._parts)
        try:
            service = self._service(found, context)
            if service is None:
                return Record(name, version, "idle")
            self._parts.dispatcher.add(service.commands())
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
            self._log.error("plugin cannot be loaded", plugin=name, exc_info=True)
            return Record(name, version, "broken", f"{type(error).__name__}: {error}")
        return Record(name, version, "loaded", service=service, context=context)

    @staticmethod
    def _service(found: Found, context: LocalContext) -> Service | None:
        manager = pluggy.PluginManager("btc_ai")
        manager.add_hookspecs(hooks)
        manager.register(found.load())
        manager.check_pending()
        services: list[Any] = manager.hook.btc_ai_service(context=context)
        if len(services) > 1:
            raise PluginError("offers more than one service")
        return services[0] if services else None

    async def _start(self, record: Record) -> None:
        assert record.service is not None
        try:
            await asyncio.wait_for(record.service.start(), START_LIMIT_S)
        except TimeoutError:
            record.state, record.detail = "broken", f"not ready within {START_LIMIT_S:g} s"
        except Exception as error:  # noqa: BLE001  # a fence: plugin start
            self._log.error("plugin cannot be started", plugin=record.name, exc_info=True)
            record.state, record.detail = "broken", f"{type(error).__name__}: {error}"
        else:
            record.state = "ready"

    async def stop(self) -> None:
        """Stop the services in reverse order, each within its limit."""
        for record in reversed(self.records):
            if record.service is None or record.context is None:
                continue
            try:
                await asyncio.wait_for(record.service.stop(), STOP_LIMIT_S)
            except Exception:  # noqa: BLE001  # a fence: the others must stop too
                self._log.error("plugin does not stop", plugin=record.name, exc_info=True)
            await record.context.close()
            record.state = "stopped"
