"""Named background tasks with a guard: a failure is logged, and so is an unexpected end."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from btc_ai.api.service import Logger

END_LIMIT_S = 5.0


def asked_to_end() -> bool:
    """Whether a CancelledError in the running task is its owner's, not some future's inside it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


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
            if asked_to_end():
                raise
            self._log.error("task was cancelled from within", task=name)
        except (Exception, SystemExit):  # noqa: BLE001  # a fence: others must go on
            self._log.error("task failed", task=name, exc_info=True)
        else:
            if forever:
                self._log.error("task finished unexpectedly", task=name)

    async def cancel(self) -> None:
        """End all and wait until they have; one that does not end is left behind."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=END_LIMIT_S)
            for task in left:
                self._log.error("task does not end", task=task.get_name())
