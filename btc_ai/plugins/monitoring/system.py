"""Reads the machine and the daemon's processes by psutil."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from btc_ai.plugins.monitoring.messages import HostSample, ProcessSample

MB = 1 << 20


class System:
    """The machine; shares and rates are of the time since the last look."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """folder: whose disk is looked at."""
        self._folder, self._clock = folder, clock
        self._counted: tuple[float, dict[str, int]] = (clock(), _counters())
        self._processes: dict[int, psutil.Process] = {}
        self._used = _cpu_times()

    def host(self) -> HostSample:
        """The machine now."""
        memory = psutil.virtual_memory()
        used = memory.total - memory.available
        disk = None
        with suppress(OSError):
            disk = psutil.disk_usage(str(self._folder))
        rates = self._rates()
        return HostSample(
            cpu=self._cpu(),
            load=round(os.getloadavg()[0], 2),
            memory=round(used / memory.total, 4),
            memory_used_mb=round(used / MB, 1),
            memory_total_mb=round(memory.total / MB, 1),
            disk=round(disk.percent / 100, 4) if disk else None,
            disk_free_mb=round(disk.free / MB, 1) if disk else None,
            disk_read_mb_s=rates.get("disk_read"),
            disk_written_mb_s=rates.get("disk_written"),
            network_sent_mb_s=rates.get("network_sent"),
            network_received_mb_s=rates.get("network_received"),
        )

    def processes(
        self, named: Mapping[str, int], gpu_memory_mb: Mapping[int, float]
    ) -> list[ProcessSample]:
        """The processes of these ids, by name; those that have ended are left out."""
        self._processes = {
            pid: one for pid, one in self._processes.items() if pid in named.values()
        }
        found = []
        for name, pid in named.items():
            with suppress(psutil.Error):
                found.append(self._process(name, pid, gpu_memory_mb.get(pid)))
        return found

    def _process(self, name: str, pid: int, gpu_memory_mb: float | None) -> ProcessSample:
        process = self._processes.get(pid)
        if process is None or not process.is_running():  # or its id is another's by now
            process = self._processes[pid] = psutil.Process(pid)
        with process.oneshot():
            return ProcessSample(
                name=name,
                pid=pid,
                cpu=round(process.cpu_percent() / 100, 4),
                memory_mb=round(process.memory_info().rss / MB, 1),
                gpu_memory_mb=gpu_memory_mb,
            )

    def _cpu(self) -> float:
        """The share in use since the last look; psutil's own forgets it in another thread."""
        (busy, total), self._used = self._used, _cpu_times()
        passed = max(self._used[1] - total, 1e-3)
        return round(min(1.0, max(0.0, self._used[0] - busy) / passed), 4)

    def _rates(self) -> dict[str, float]:
        """MiB a second since the last look."""
        (before, old), now = self._counted, self._clock()
        self._counted = now, (new := _counters())
        passed = max(now - before, 1e-3)
        return {
            name: round(max(0, new[name] - old[name]) / MB / passed, 3)
            for name in new
            if name in old
        }


def _cpu_times() -> tuple[float, float]:
    """Seconds so far that all processors were busy, and of all; a guest's are the user's too."""
    found = psutil.cpu_times()
    total = float(sum(found) - found.guest - found.guest_nice)
    return total - found.idle - found.iowait, total


def _counters() -> dict[str, int]:
    """Bytes so far; what the machine does not tell is left out."""
    found: dict[str, int] = {}
    if (disk := psutil.disk_io_counters()) is not None:
        found |= {"disk_read": disk.read_bytes, "disk_written": disk.write_bytes}
    cards = [one for name, one in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    if cards:
        found["network_sent"] = sum(one.bytes_sent for one in cards)
        found["network_received"] = sum(one.bytes_recv for one in cards)
    return found
