"""Why a child process died, how often, and how long to wait before it is started again."""

import signal
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from btc_ai.api.step import WorkerFailedError
from btc_ai.errors import GO_ON

DEATHS_ALLOWED, DEATHS_WITHIN_S = 5, 60.0
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 15.0
NO_MEMORY = ("MemoryError", "Cannot allocate memory", "can't allocate memory", "bad_alloc")
"""How Python, the C library, torch and C++ say that an allocation failed."""


class Tally:
    """Deaths of one process by cause; says how long to wait before the next start."""

    def __init__(
        self, first_delay_s: float = FIRST_DELAY_S, *, what: str = "worker", remedy: str = GO_ON
    ) -> None:
        """No deaths yet of `what`; `remedy` is what to do once it has died too often."""
        self._first_delay_s = first_delay_s
        self._what, self._remedy = what, remedy
        self._times: deque[float] = deque()
        self._fruitless = 0
        self.causes: Counter[str] = Counter()

    def progressed(self) -> None:
        """It got somewhere since the last death."""
        self._fruitless = 0

    def record(self, cause: str) -> float:
        """Count a death; return the delay in seconds.

        Raises WorkerFailedError after 5 within 60 s, or 5 without progress in between.
        """
        now = time.monotonic()
        self.causes[cause] += 1
        self._fruitless += 1
        self._times.append(now)
        while now - self._times[0] > DEATHS_WITHIN_S:
            self._times.popleft()
        if max(len(self._times), self._fruitless) >= DEATHS_ALLOWED:
            raise WorkerFailedError(
                f"the {self._what} died too often ({self}); see the log, then {self._remedy}"
            )
        return float(min(self._first_delay_s * 2 ** (len(self._times) - 1), MAX_DELAY_S))

    def __str__(self) -> str:
        """Each cause and how often: `3 × exit code 7, 2 × signal SIGSEGV`."""
        return ", ".join(f"{count} × {cause}" for cause, count in self.causes.items())


class OomWatch:
    """Whether the kernel has lately killed processes for want of memory, here or in a group.

    It counts them for the machine in /proc/vmstat (`oom_kill`) and for each control group in its
    `memory.events`, or `memory.oom_control`. Which process it killed it does not say.
    """

    def __init__(self, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> None:
        """Count from now on."""
        self._files = [proc / "vmstat", *_event_files(proc / "self/cgroup", cgroups)]
        self._counts: deque[int] = deque(maxlen=2)
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._counts.clear()
        self.look()

    def look(self) -> None:
        """Note the count from time to time, so that what was long ago explains no later death."""
        self._counts.append(self._count())

    def struck(self) -> bool:
        """Whether the count has risen since the look before the last one."""
        return self._count() > self._counts[0]

    def _count(self) -> int:
        found = 0
        for path in self._files:
            with suppress(OSError, ValueError, IndexError):
                lines = (line.split() for line in path.read_text().splitlines())
                found += sum(int(line[1]) for line in lines if line[0] == "oom_kill")
        return found


def _event_files(membership: Path, cgroups: Path) -> Iterator[Path]:
    """Where the control groups of this process count their kills (version 2, hybrid, 1)."""
    with suppress(OSError):
        for line in membership.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if not controllers:
                for root in (cgroups, cgroups / "unified"):
                    yield root / group.strip("/") / "memory.events"
            elif "memory" in controllers.split(","):
                yield cgroups / "memory" / group.strip("/") / "memory.oom_control"


def cause_of(
    returncode: int, *, ours: str | None = None, oom: OomWatch | None = None,
    memory_mb: int | None = None, last_words: str = "",
) -> str:  # fmt: skip
    """The cause of a death, in words.

    returncode: as in `subprocess`; -N for signal N. ours: why this program killed it, where it did.
    memory_mb: the limit it had, MiB. last_words: the last that it wrote to stderr.
    """
    if ours:
        return ours
    if returncode == -signal.SIGKILL and oom is not None and oom.struck():
        return "out of memory (the kernel killed it)"
    exited = f"exit code {returncode}" if returncode >= 0 else f"signal {_signal(-returncode)}"
    if memory_mb and any(words in last_words for words in NO_MEMORY):
        return f"memory limit of {memory_mb} MiB ({exited})"
    return exited


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return str(number)
