"""A pool of processes, one thread each: the executor for one machine with several cores.

The processes are new ones, not forked: torch is not safe to fork. What is shared goes to each once,
as it starts. They die with their parent, whatever becomes of it.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection

from btc_ai.api.executor import Done, Schedule, Shared, Task
from btc_ai.api.step import StepStoppedError
from btc_ai.errors import UsageError

ATTEMPTS = 3
"""How often a task is begun, at most, where its process dies."""

START_LIMIT_S = 60.0
LOOK_S = 0.2
END_LIMIT_S = 2.0
STOPPED = "stopped; what is finished is kept"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


class ProcessExecutor:
    """Runs tasks in `workers` processes: as many as there are cores, unless told otherwise."""

    def __init__(self, workers: int | None = None, *, start_limit_s: float = START_LIMIT_S) -> None:
        """Nothing is started yet. Raises UsageError for fewer than one."""
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers can do nothing; give at least 1")
        self.workers = workers or cores()
        self._start_limit_s = start_limit_s

    def run(
        self, tasks: Sequence[Task], shared: Shared, should_stop: Callable[[], bool]
    ) -> Iterator[Done]:
        """Run them all; see `btc_ai.api.executor.Executor`."""
        schedule, idle, busy = Schedule(tasks), list[_Child](), dict[_Child, Task]()
        deaths = Counter[str]()
        try:
            while schedule.active:
                while len(busy) < self.workers and (task := schedule.next()) is not None:
                    child = idle.pop() if idle else _Child()
                    busy[child] = task
                    if not child.ready:
                        child.take(shared, self._start_limit_s, should_stop)
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
                    raise StepStoppedError(STOPPED)
        finally:
            for child in [*idle, *busy]:
                child.close()


class _Child:
    """One process of the pool."""

    def __init__(self) -> None:
        """Start it; it takes what is shared, and then tasks."""
        self.ready = False
        self._late = ""
        self.link, theirs = multiprocessing.Pipe()
        number = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "btc_ai.execution.child", str(number), str(os.getpid())],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[number],
        )
        theirs.close()

    def take(self, shared: Shared, limit_s: float, should_stop: Callable[[], bool]) -> None:
        """Hand it what is shared, once it reads; it is killed where that takes over `limit_s`.

        Until then a large value would fill the pipe, and sending never end. Raises StepStoppedError
        once `should_stop` says so.
        """
        end = time.monotonic() + limit_s
        while not self.link.poll(LOOK_S):
            if should_stop():
                raise StepStoppedError(STOPPED)
            if time.monotonic() > end:
                self._late = f"it did not start within {limit_s:g} s"
                self._process.kill()
        with suppress(EOFError, OSError):
            self.link.recv()
        self.ready = True
        self._send(sys.path)
        self._send(dict(shared))

    def begin(self, task: Task) -> None:
        """Hand it a task."""
        self._send(task)

    def _send(self, value: object) -> None:
        """Send; a child that is dead is found out by `outcome`."""
        with suppress(OSError):
            self.link.send(value)

    def outcome(self) -> Done | None:
        """How the task ended; None: the process died."""
        try:
            done: Done = self.link.recv()
        except (EOFError, OSError):
            return None
        return done

    def cause(self) -> str:
        """What it died of."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_LIMIT_S)
        self.close()
        code = self._process.wait()
        if self._late:
            return self._late
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End it at once: a task is idempotent, and training goes on from its last checkpoint."""
        self._process.kill()
        self._process.wait()
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
