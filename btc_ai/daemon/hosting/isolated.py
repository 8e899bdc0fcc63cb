"""The Context of a service in a process of its own, over the link to the daemon."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from structlog.contextvars import get_contextvars

from btc_ai.api.discovery import Found
from btc_ai.api.service import Body, Health, Worker
from btc_ai.api.step import StepStoppedError, WorkerFailedError
from btc_ai.bus.client import RemoteError
from btc_ai.bus.link import Link
from btc_ai.config import Config
from btc_ai.daemon.hosting.context import ServiceContext
from btc_ai.journal import SqliteJournal
from btc_ai.logs.capture import logger
from btc_ai.paths import journal_file


class IsolatedContext(ServiceContext):
    """The Context of a service in a process of its own."""

    def __init__(self, found: Found, config: Config, config_file: Path | None, runtime: Path,
                 link: Link) -> None:  # fmt: skip
        """Over the link to the daemon."""
        assert found.manifest is not None
        super().__init__(found.manifest, config, config_file, runtime, logger(found.name))
        self._link = link
        self._journal: SqliteJournal | None = None
        self._workers = 0
        self.progress: dict[str, Callable[[Body], None]] = {}
        self.health: dict[str, Callable[[Health], None]] = {}

    @property
    def journal(self) -> SqliteJournal:
        """The job journal: the same file that the daemon writes."""
        if self._journal is None:
            self._journal = SqliteJournal(journal_file(self.config.MODELS_DIR))
        return self._journal

    def worker(
        self, name: str, limit_s: float = 14.0, on_health: Callable[[Health], None] | None = None
    ) -> Worker:
        """A worker process, the daemon's child, which ends with this service."""
        self._workers += 1
        if on_health is not None:
            self.health[str(self._workers)] = on_health
        return LentWorker(self._link, self.progress, str(self._workers), name, limit_s)

    def _publish(self, kind: str, body: Body, parent_id: str | None) -> None:
        if not self._link.tell("plugin.event", {"kind": kind, "body": body}, parent_id):
            self._tell_dropped(self._link.dropped)

    def _tell_dropped(self, dropped: int) -> None:
        """Log the first, the second, the fourth, …: a flood of events is to be no flood of logs."""
        if dropped & (dropped - 1) == 0:
            self.log.warning("events dropped: too many are unsent", dropped=dropped)

    async def _call(self, kind: str, body: Body) -> Body:
        return await self._link.ask("plugin.call", {"kind": kind, "body": body})

    async def close(self) -> None:
        """End what the service left running."""
        await super().close()
        if self._journal is not None:
            self._journal.close()


class LentWorker:
    """A `btc_ai.api.service.Worker` that the daemon runs for this process."""

    def __init__(
        self, link: Link, progress: dict[str, Callable[[Body], None]], key: str, name: str,
        limit_s: float,
    ) -> None:  # fmt: skip
        """Starts with its first step."""
        self._link, self._progress = link, progress
        self._key, self._steps = key, 0
        self._worker: Body = {"worker": key, "name": name, "limit_s": limit_s}

    async def run(
        self, function: str, arguments: Body, on_progress: Callable[[Body], None]
    ) -> Body:
        """Run one step."""
        self._progress[self._key] = on_progress
        self._steps += 1
        step = str(self._steps)
        try:
            return await self._ask(
                "run", step=step, function=function, arguments=arguments, bound=get_contextvars()
            )
        except asyncio.CancelledError:
            self._link.tell("plugin.worker_cancel", {"worker": self._key, "step": step})
            raise

    async def stop(self) -> None:
        """Stop the step at a checkpoint."""
        await self._ask("stop")

    async def close(self) -> None:
        """End the process."""
        await self._ask("close")
        self._progress.pop(self._key, None)

    async def _ask(self, what: str, **more: Any) -> Body:
        try:
            return await self._link.ask(f"plugin.worker_{what}", self._worker | more)
        except RemoteError as error:
            for kind in (StepStoppedError, WorkerFailedError):
                if error.code == kind.code:
                    raise kind(str(error)) from None
            raise
