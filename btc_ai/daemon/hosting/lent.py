"""Worker processes that the daemon runs for a plugin in another process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from btc_ai.api.service import Body, Health
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.children.workers import ProcessWorker
from btc_ai.daemon.hosting.context import Parts

Answer = Callable[[Envelope], Awaitable[Body]]


class LentWorkers:
    """The workers of one life of a plugin's process; they end with it."""

    def __init__(self, parts: Parts, tell: Callable[[str, str, Body], None]) -> None:
        """None yet; `tell` hears of each step's `progress` and each worker's `health`."""
        self._parts, self._tell = parts, tell
        self._workers: dict[str, ProcessWorker] = {}
        self._asking: dict[str, asyncio.Task[object] | None] = {}

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
        body, key = message.body, message.body["worker"]
        self._asking[key] = asyncio.current_task()
        return await self._worker(body).run(
            body["function"], body["arguments"], lambda said: self._tell("progress", key, said)
        )

    def _cancel(self, message: Envelope) -> None:
        """Nobody waits for a worker's step any more."""
        if asking := self._asking.pop(message.body["worker"], None):
            asking.cancel()

    async def _stop(self, message: Envelope) -> Body:
        await self._worker(message.body).stop()
        return {}

    async def _close(self, message: Envelope) -> Body:
        await self._worker(message.body).close()
        return {}

    def _worker(self, body: Body) -> ProcessWorker:
        key = body["worker"]
        if key not in self._workers:

            def hear(health: Health) -> None:
                self._tell("health", key, asdict(health))

            self._workers[key] = self._parts.worker(body["name"], body["limit_s"], hear)
        return self._workers[key]

    @property
    def alive(self) -> list[ProcessWorker]:
        """Those that may yet work."""
        return [worker for worker in self._workers.values() if not worker.ended]

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*(worker.close() for worker in self._workers.values()))
