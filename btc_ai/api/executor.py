"""Executor: where the tasks of a study run, and what a plugin writes to run them elsewhere."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from btc_ai.api.step import StepStoppedError, find_function
from btc_ai.errors import BtcAiError, UsageError

Body = dict[str, Any]
Shared = Mapping[str, Any]
"""What every task reads and none changes (candles); its values can be pickled."""


@dataclass(frozen=True)
class Task:
    """One piece of work: `package.module:function` called as `function(arguments, shared, stop)`.

    It returns a body, and is idempotent: run again, wholly or in part, it gives the same. `stop()`
    tells it to end early, by an error with the code `stopped`. arguments: JSON. needs: keys of
    tasks that are to be done before.
    """

    key: str
    function: str
    arguments: Body
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """A task has ended: `result` is what it returned, or `error` says why it did not."""

    key: str
    result: Body | None = None
    error: str | None = None


class Executor(Protocol):
    """Runs tasks; the same tasks give the same results on every executor, to the last bit."""

    def run(
        self, tasks: Sequence[Task], shared: Shared, should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        """Run them all, what a task needs before it; each is told once, as it ends.

        `shared` goes once to wherever tasks run, not with each. A task whose process, or machine,
        dies is run again, a few times. A task that needs a failed one fails too. Nothing runs any
        more once the iterator is closed. Raises StepStoppedError once `should_stop` says so, and
        BtcAiError where nothing can be run at all.
        """


MakeExecutor = Callable[[int | None, str | None], Executor]
"""Makes an executor of at most so many tasks at once (None: its own choice), at an address.

Raises UsageError for what it cannot use, and BtcAiError where something is missing.
"""


class ExecutorRegistry(Protocol):
    """Takes executors by name."""

    def register(self, name: str, make: MakeExecutor) -> None:
        """Add an executor."""


class Schedule:
    """Which tasks can begin: those whose needs are done, the first in the sequence first."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        """Nothing has begun. Raises UsageError where a need is unknown, or goes in a circle."""
        self._in_order = tuple(tasks)
        self._tasks = {task.key: task for task in tasks}
        self._place = {task.key: place for place, task in enumerate(tasks)}
        missing = {need for task in tasks for need in task.needs} - self._tasks.keys()
        if missing or len(self._tasks) < len(tasks):
            raise UsageError(f"tasks need {sorted(missing)}, or two have the same key")
        self._sorter = TopologicalSorter({task.key: task.needs for task in tasks})
        try:
            self._sorter.prepare()
        except CycleError as error:
            raise UsageError(f"tasks need each other: {error.args[1]}") from None
        self._failed: set[str] = set()
        self._waiting: list[int] = []
        self._unheard: list[Done] = []
        self._release()

    @property
    def active(self) -> bool:
        """Whether some have not ended, or are not told of."""
        return bool(self._unheard) or self._sorter.is_active()

    def next(self) -> Task | None:
        """A task that can begin now; None: all that can have begun."""
        if not self._waiting:
            return None
        return self._in_order[heapq.heappop(self._waiting)]

    def again(self, task: Task) -> None:
        """The task did not end; it can begin once more."""
        heapq.heappush(self._waiting, self._place[task.key])

    def end(self, done: Done) -> None:
        """A task has ended; what needs it can begin, or fails with it."""
        if done.error is not None:
            self._failed.add(done.key)
        self._unheard.append(done)
        self._sorter.done(done.key)
        self._release()

    def ended(self) -> Iterator[Done]:
        """What has ended since this was last asked."""
        while self._unheard:
            yield self._unheard.pop(0)

    def _release(self) -> None:
        for key in self._sorter.get_ready():
            failed = [need for need in self._tasks[key].needs if need in self._failed]
            if failed:
                self.end(Done(key, error=f"needs {failed[0]}, which failed"))
            else:
                heapq.heappush(self._waiting, self._place[key])


def attempt(task: Task, shared: Shared, should_stop: Callable[[], bool]) -> Done:
    """Run a task here; a BtcAiError is how it ended.

    Raises StepStoppedError for an error with the code `stopped`, and whatever is no BtcAiError.
    """
    try:
        function = find_function(task.function)
        return Done(task.key, result=function(task.arguments, shared, should_stop))
    except BtcAiError as error:
        if error.code == StepStoppedError.code:
            raise StepStoppedError(str(error)) from None
        return Done(task.key, error=str(error))
