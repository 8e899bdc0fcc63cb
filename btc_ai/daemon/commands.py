"""The daemon's own commands: ping, status, reload, stop."""

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from btc_ai import __version__
from btc_ai.api.service import Body, Call, Command
from btc_ai.daemon.hosting.context import Parts
from btc_ai.daemon.hosting.host import PluginHost
from btc_ai.daemon.hosting.record import Record
from btc_ai.daemon.reload import Reload

ENABLE_LIMIT_S = 75.0


class Nothing(BaseModel):
    """An empty body."""

    model_config = ConfigDict(extra="forbid")


class PluginBody(BaseModel):
    """A plugin, by its name."""

    model_config = ConfigDict(extra="forbid")

    plugin: str


class DaemonCommands:
    """Answers the commands that begin with `daemon.`."""

    def __init__(
        self, parts: Parts, host: PluginHost, reload: Reload, stop: asyncio.Event, *, managed: bool
    ) -> None:
        """Commands over the daemon's parts; `stop` ends it. `managed`: systemd runs it."""
        self._parts, self._host, self._reload, self._stop = parts, host, reload, stop
        self._managed = managed
        self._started = time.time()
        self._steering: set[asyncio.Task[Record]] = set()

    def commands(self) -> Sequence[Command]:
        """The rows of the dispatch table."""
        return (
            Command("daemon.ping", Nothing, self._ping, role="viewer"),
            Command("daemon.status", Nothing, self._status, role="viewer"),
            Command("daemon.reload", Nothing, self._read_anew),
            Command("daemon.stop", Nothing, self._end),
            Command("daemon.plugin", PluginBody, self._plugin, role="viewer"),
            Command("daemon.enable", PluginBody, self._enable, ENABLE_LIMIT_S),
            Command("daemon.disable", PluginBody, self._disable, ENABLE_LIMIT_S),
        )

    async def _ping(self, body: Nothing, call: Call) -> Body:
        return {"version": __version__, "pid": os.getpid()}

    async def _status(self, body: Nothing, call: Call) -> Body:
        config = self._reload.config
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(time.time() - self._started, 1),
            "memory_mb": round(_resident_bytes() / 1e6, 1),
            "config_file": str(self._reload.path) if self._reload.path else None,
            "managed": self._managed,
            "models_dir": str(self._parts.config.MODELS_DIR),
            "data_dir": str(config.DATA_DIR),
            "log_dir": str(self._parts.config.LOG_DIR),
            "logs": self._parts.logs.status(),
            "plugins": [record.as_body() for record in self._host.records],
            "workers": [worker.as_body() for worker in self._host.workers],
        }

    async def _read_anew(self, body: Nothing, call: Call) -> Body:
        return self._reload.reload()

    async def _plugin(self, body: PluginBody, call: Call) -> Body:
        return self._host.record(body.plugin).described()

    async def _enable(self, body: PluginBody, call: Call) -> Body:
        return (await self._to_its_end(self._host.enable(body.plugin))).as_body()

    async def _disable(self, body: PluginBody, call: Call) -> Body:
        return (await self._to_its_end(self._host.disable(body.plugin))).as_body()

    async def _to_its_end(self, work: Coroutine[Any, Any, Record]) -> Record:
        """What it returns; it goes on where who asked ends before, as with a plugin's own end."""
        task = asyncio.create_task(work)
        self._steering.add(task)
        task.add_done_callback(self._steering.discard)
        return await asyncio.shield(task)

    async def _end(self, body: Nothing, call: Call) -> Body:
        self._stop.set()
        return {"stopping": True}


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
