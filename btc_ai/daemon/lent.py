"""Worker processes that the daemon runs for a plugin in another process."""

from collections.abc import Awaitable, Callable

from btc_ai.api.service import Body
from btc_ai.bus.codec import Envelope
from btc_ai.daemon.context import Parts
from btc_ai.daemon.logs import logger
from btc_ai.daemon.workers import ProcessWorker

Answer = Callable[[Envelope], Awaitable[Body]]


class LentWorkers:
    """The workers of one life of a plugin's process; they end with it."""

    def __init__(self, parts: Parts, progress: Callable[[str, Body], None]) -> None:
        """None yet; `progress` hears of each step's progress."""
        self._parts, self._progress = parts, progress
        self._workers: dict[str, ProcessWorker] = {}

    @property
    def requests(self) -> dict[str, Answer]:
        """What the plugin's process may ask."""
        return {
            "plugin.worker_run": self._run,
            "plugin.worker_stop": self._stop,
            "plugin.worker_close": self._close,
        }

    async def _run(self, message: Envelope) -> Body:
        body, key = message.body, message.body["worker"]
        return await self._worker(body).run(
            body["function"], body["arguments"], lambda said: self._progress(key, said)
        )

    async def _stop(self, message: Envelope) -> Body:
        await self._worker(message.body).stop()
        return {}

    async def _close(self, message: Envelope) -> Body:
        await self._worker(message.body).close()
        return {}

    def _worker(self, body: Body) -> ProcessWorker:
        key = body["worker"]
        if key not in self._workers:
            parts = self._parts
            self._workers[key] = ProcessWorker(
                parts.broker, parts.runtime, logger(body["name"]), limit_s=body["limit_s"]
            )
        return self._workers[key]

    async def close(self) -> None:
        """End them all."""
        for worker in self._workers.values():
            await worker.close()
