"""A pool of processes, one thread each: the executor for one machine with several cores.

The processes are spawned, not forked: torch is not safe to fork. What is shared goes to each once,
as it starts. They die with their parent, whatever becomes of it.
"""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection

from btc_ai.api.executor import Done, Schedule, Shared, Task
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import UsageError
from btc_ai.execution.child import serve

ATTEMPTS = 3
"""How often a task is begun, at most, where its process dies."""

LOOK_S = 0.2
END_LIMIT_S = 2.0


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class ProcessExecutor:
    """Runs tasks in `workers` processes: as many as there are cores, unless told otherwise."""

    def __init__(self, workers: int | None = None) -> None:
        """Nothing is started yet. Raises UsageError for fewer than one."""
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers can do nothing; give at least 1")
        self.workers = workers or cores()

    def run(
        self, tasks: Sequence[Task], shared: Shared, should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        """Run them all; see `btc_ai.api.executor.Executor`."""
        schedule, idle, busy = Schedule(tasks), list[_Child](), dict[_Child, Task]()
        deaths = Counter[str]()
        try:
            while schedule.active:
                while len(busy) < self.workers and (task := schedule.next()) is not None:
                    child = idle.pop() if idle else _Child(shared)
                    busy[child] = task
                    child.begin(task)
                for child in _heard(busy):
                    task = busy.pop(child)
                    done = child.outcome()
                    if done is not None:
                        idle.append(child)
                        schedule.end(done)
                        continue
                    cause = child.cause()
                    deaths[task.key] += 1
                    if deaths[task.key] < ATTEMPTS:
                        schedule.again(task)
                    else:
                        schedule.end(Done(task.key, error=_died(cause)))
                yield from schedule.ended()
                if should_stop():
                    raise StepStoppedError("stopped; what is finished is kept")
        finally:
            for child in [*idle, *busy]:
                child.close()


class _Child:
    """One process of the pool."""

    def __init__(self, shared: Shared) -> None:
        """Start it; it is ready when it takes its first task."""
        spawn = multiprocessing.get_context("spawn")
        self.link, theirs = spawn.Pipe()
        self._process = spawn.Process(target=serve, args=(theirs, shared, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, task: Task) -> None:
        """Hand it a task; one that is dead is found out by `outcome`."""
        try:
            self.link.send(task)
        except OSError:
            self._process.kill()

    def outcome(self) -> Done | None:
        """How the task ended; None: the process died."""
        try:
            done: Done = self.link.recv()
        except (EOFError, OSError):
            return None
        return done

    def cause(self) -> str:
        """What it died of."""
        self._process.join(END_LIMIT_S)
        self.close()
        code = self._process.exitcode or 0
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End it at once: a task is idempotent, and training goes on from its last checkpoint."""
        self._process.kill()
        self._process.join()
        self.link.close()


def _heard(busy: dict[_Child, Task]) -> list[_Child]:
    """The children that have something to say, or are dead."""
    ready = connection.wait([child.link for child in busy], LOOK_S)
    return [child for child in busy if child.link in ready]


def _died(cause: str) -> str:
    return (
        f"the process that ran it died {ATTEMPTS} times (the last time: {cause}); where memory is "
        "short, use fewer --workers"
    )
