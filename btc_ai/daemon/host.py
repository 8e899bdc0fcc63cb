"""The plugin host: loads plugins, starts and stops their services; a failure is a status."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy

from btc_ai.api import hooks
from btc_ai.api.discovery import Found, discover
from btc_ai.api.messages import PluginState
from btc_ai.api.service import Body, Command, Service
from btc_ai.bus.codec import Envelope, encode
from btc_ai.daemon.context import LocalContext, Parts
from btc_ai.daemon.logs import logger
from btc_ai.daemon.workers import ProcessWorker
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
    commands: Sequence[Command] = ()

    def as_body(self) -> Body:
        """For `daemon.status`."""
        return {
            "name": self.name, "version": self.version, "state": self.state, "detail": self.detail,
            "status": self._status(),
        }  # fmt: skip

    def _status(self) -> Body:
        if self.service is None or self.state != "ready":
            return {}
        try:
            status = self.service.status()
            encode(Envelope("plugin.status", status, "daemon"))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: show the others
            return {"error": f"{type(error).__name__}: {error}"[:1000]}
        return status


class PluginHost:
    """Every plugin that was found, and its state."""

    def __init__(
        self, parts: Parts, *, start_limit_s: float = START_LIMIT_S,
        stop_limit_s: float = STOP_LIMIT_S,
    ) -> None:  # fmt: skip
        """No plugins yet."""
        self._parts = parts
        self._start_limit_s, self._stop_limit_s = start_limit_s, stop_limit_s
        self._log = logger("host")
        self.records: list[Record] = []

    @property
    def workers(self) -> list[ProcessWorker]:
        """The worker processes of every service."""
        contexts = [record.context for record in self.records if record.context is not None]
        return [worker for context in contexts for worker in context.workers if not worker.ended]

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
            event = PluginState(name=record.name, state=record.state, detail=record.detail[:1000])
            self._parts.announce(event, source="daemon")

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
            commands = list(service.commands())
            if others := [one.kind for one in commands if not one.kind.startswith(f"{name}.")]:
                raise PluginError(f"offers {', '.join(others)}: a command begins with {name}.")
            self._parts.dispatcher.add(commands)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a fence: plugin load
            self._log.error("plugin cannot be loaded", plugin=name, exc_info=True)
            return Record(name, version, "broken", f"{type(error).__name__}: {error}")
        return Record(name, version, "loaded", "", service, context, commands)

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
            if await _within(self._start_limit_s, record.service.start):
                record.state = "ready"
                return
            record.detail = f"not ready within {self._start_limit_s:g} s"
        except Exception as error:  # noqa: BLE001  # a fence: plugin start
            self._log.error("plugin cannot be started", plugin=record.name, exc_info=True)
            record.detail = f"{type(error).__name__}: {error}"
        record.state = "broken"
        reason = f"the plugin {record.name} is broken: {record.detail}"
        self._parts.dispatcher.withdraw(record.commands, reason[:1000])
        await self._close(record)

    async def stop(self) -> None:
        """Stop the services in reverse order, each within its limit."""
        for record in reversed(self.records):
            if record.service is None or record.state != "ready":
                continue
            try:
                if not await _within(self._stop_limit_s, record.service.stop):
                    self._log.error("plugin does not stop in time", plugin=record.name)
            except Exception:  # noqa: BLE001  # a fence: the others must stop too
                self._log.error("plugin does not stop", plugin=record.name, exc_info=True)
            await self._close(record)
            record.state = "stopped"

    async def _close(self, record: Record) -> None:
        """End what the service left running."""
        assert record.context is not None
        try:
            await record.context.close()
        except Exception:  # noqa: BLE001  # a fence: the others must go on
            self._log.error("plugin leaves something behind", plugin=record.name, exc_info=True)


async def _within(limit: float, work: Callable[[], Awaitable[None]]) -> bool:
    """Do `work`; False where it does not end in time, not even when it is told to."""

    async def guarded() -> None:
        try:
            await work()
        except SystemExit as error:
            raise PluginError(f"called sys.exit({error})") from error

    task = asyncio.create_task(guarded())
    done, _ = await asyncio.wait({task}, timeout=limit)
    if done:
        if not task.cancelled():
            task.result()
            return True
        raise PluginError("was cancelled from within")
    task.cancel()
    await asyncio.wait({task}, timeout=0.1)
    return False
