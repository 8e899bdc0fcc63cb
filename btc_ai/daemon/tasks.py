"""Named background tasks with a guard: a failure is logged, and so is an unexpected end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from btc_ai.api.service import Logger


class Tasks:
    """The background tasks of one owner, ended together."""

    def __init__(self, log: Logger) -> None:
        """Tasks whose failures go to `log`."""
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, name: str, work: Coroutine[Any, Any, None], *, forever: bool = False) -> None:
        """Run `work` as a task; one that is to run `forever` must not return."""
        task = asyncio.create_task(self._guard(name, work, forever), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __len__(self) -> int:
        """How many are running."""
        return len(self._tasks)

    async def _guard(self, name: str, work: Coroutine[Any, Any, None], forever: bool) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001  # a fence: one task's failure must not take others down
            self._log.error("task failed", task=name, exc_info=True)
        else:
            if forever:
                self._log.error("task finished unexpectedly", task=name)

    async def cancel(self) -> None:
        """End all and wait until they have."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
