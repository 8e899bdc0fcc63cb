"""Memory of the host, or what this process is granted of it: control groups, RLIMIT_DATA."""

import contextlib
import ctypes
import gc
import resource
from collections.abc import Iterator
from pathlib import Path

from btc_ai.learning.memory.backend import Reading

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
UNLIMITED = 1 << 60


class HostMemory:
    """RSS of this process, against the host's memory or a tighter limit."""

    name = "host"

    def __init__(self, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> None:
        """Where the kernel shows the control groups, and those of this process."""
        self._cgroups, self._membership = cgroups, membership

    def read(self) -> Reading:
        """Free is what can be had without swapping; page cache counts as free."""
        import psutil

        memory = psutil.virtual_memory()
        rooms = [(memory.available, memory.total)]
        rooms += _limits(self._cgroups, self._membership)
        rooms += _granted()
        free, total = min(rooms)
        return Reading(total, max(free, 0), psutil.Process().memory_info().rss)

    def empty_cache(self) -> None:
        """Collect garbage, then have the C library return freed memory to the system."""
        gc.collect()
        with contextlib.suppress(AttributeError):  # malloc_trim is glibc's
            ctypes.CDLL(None).malloc_trim(0)


def granted_bytes() -> int | None:
    """What this process may allocate (RLIMIT_DATA: WORKER_MEMORY_MB); None: no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if limit == resource.RLIM_INFINITY else limit


def _granted() -> Iterator[tuple[int, int]]:
    """Free and total bytes of what this process is granted."""
    if (limit := granted_bytes()) is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
        yield limit - pages * resource.getpagesize(), limit


def _limits(cgroups: Path, membership: Path) -> Iterator[tuple[int, int]]:
    """Free and total bytes of every control group around this process that has a limit."""
    for line in membership.read_text().splitlines() if membership.is_file() else []:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names = ("memory.max", "memory.current", "inactive_file")
            yield from _walk(cgroups, path, *names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _walk(cgroups / "memory", path, *names)


def _walk(
    base: Path, path: str, limit: str, usage: str, reclaimable: str
) -> Iterator[tuple[int, int]]:
    """From the group itself up to `base`; in a container `base` is often the group."""
    inner = base / path.strip("/")
    for folder in (inner, *inner.parents):
        if not folder.is_relative_to(base):
            return
        with contextlib.suppress(OSError, ValueError):  # ValueError: the limit reads `max`
            total = int((folder / limit).read_text())
            used = int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
            statistics = dict(line.split() for line in lines)
            if total < UNLIMITED:
                yield total - used + int(statistics.get(reclaimable, 0)), total


class PeakMemory:
    """The most that this process has held since `reset`, as the kernel keeps it (proc(5))."""

    def __init__(self, process: Path = Path("/proc/self")) -> None:
        """Where the kernel shows this process."""
        self._process = process
        self._known = False

    def reset(self) -> None:
        """Begin again from what is held now; also what getrusage(2) tells of the process does."""
        with contextlib.suppress(OSError):
            (self._process / "clear_refs").write_text("5")
            self._known = True

    def read_mb(self) -> float | None:
        """MiB; None where the kernel does not say."""
        return self.of_process_mb() if self._known else None

    def of_process_mb(self) -> float | None:
        """MiB since the last reset, whoever made it; None where the kernel does not say."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in (self._process / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return round(int(line.split()[1]) / 1024, 1)
        return None
