"""The simplest executor: one task after the other, in this process."""

from collections.abc import Callable, Iterator, Sequence

from btc_ai.api.executor import Done, Schedule, Shared, Task, attempt
from btc_ai.api.step import StepStoppedError


class InlineExecutor:
    """Runs tasks here; `should_stop` reaches into the running one."""

    def run(
        self, tasks: Sequence[Task], shared: Shared, should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        """Run them all; see `btc_ai.api.executor.Executor`."""
        schedule = Schedule(tasks)
        while schedule.active:
            if (task := schedule.next()) is not None:
                schedule.end(_run(task, shared, should_stop))
            yield from schedule.ended()


def _run(task: Task, shared: Shared, should_stop: Callable[[], bool]) -> Done:
    if should_stop():
        raise StepStoppedError("stopped; what is finished is kept")
    return attempt(task, shared, should_stop)
