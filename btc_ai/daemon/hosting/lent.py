"""Worker processes that the daemon runs for a plugin in another process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from structlog.contextvars import bound_contextvars

from btc_ai.api.service import Body, Health
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.hosting.context import Parts
from btc_ai.errors import PluginError

AT_ONCE = 8
NAME_LENGTH = 64

Answer = Callable[[Envelope], Awaitable[Body]]


class LentWorkers:
    """The workers of one life of a plugin's process; they end with it."""

    def __init__(self, plugin: str, parts: Parts, tell: Callable[[str, str, Body], None]) -> None:
        """None yet; `tell` hears of each step's `progress` and each worker's `health`."""
        self._plugin, self._parts, self._tell = plugin, parts, tell
        self._workers: dict[str, ProcessWorker] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[object] | None] = {}

    @property
    def requests(self) -> dict[str, Answer]:
        """What the plugin's process may ask."""
        return {
            "plugin.worker_run": self._run,
            "plugin.worker_stop": self._stop,
            "plugin.worker_close": self._close,
        }

    @property
    def notices(self) -> dict[str, Callable[[Envelope], None]]:
        """What the plugin's process may say."""
        return {"plugin.worker_cancel": self._cancel}

    async def _run(self, message: Envelope) -> Body:
        body, key = message.body, str(message.body["worker"])
        self._asking[one := _step(body)] = asyncio.current_task()
        try:
            with bound_contextvars(**body["bound"]):
                return await self._worker(body).run(
                    body["function"], body["arguments"],
                    lambda said: self._tell("progress", key, said),
                )  # fmt: skip
        finally:
            self._asking.pop(one, None)

    def _cancel(self, message: Envelope) -> None:
        """Nobody waits for a worker's step any more."""
        if asking := self._asking.get(_step(message.body)):
            asking.cancel()

    async def _stop(self, message: Envelope) -> Body:
        await self._worker(message.body).stop()
        return {}

    async def _close(self, message: Envelope) -> Body:
        await self._worker(message.body).close()
        return {}

    def _worker(self, body: Body) -> ProcessWorker:
        key, name = str(body["worker"]), str(body["name"])[:NAME_LENGTH]
        if key not in self._workers:
            self._workers = {one: it for one, it in self._workers.items() if not it.ended}
            if len(self._workers) >= AT_ONCE:
                raise PluginError(f"a plugin has {AT_ONCE} workers at once, at most")

            def hear(health: Health) -> None:
                self._tell("health", key, asdict(health))

            limit_s = float(body["limit_s"])
            self._workers[key] = self._parts.worker(self._plugin, name, limit_s, hear)
        return self._workers[key]

    @property
    def alive(self) -> list[ProcessWorker]:
        """Those that may yet work."""
        return [worker for worker in self._workers.values() if not worker.ended]

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))


def _step(body: Body) -> tuple[str, str]:
    return str(body["worker"]), str(body["step"])
