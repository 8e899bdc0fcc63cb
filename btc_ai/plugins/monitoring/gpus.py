"""Reads GPUs by NVML, and copes with a driver that is not there, goes, and comes back."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from btc_ai.plugins.monitoring.messages import GpuSample

RETRY_S = 30.0
MB = 1 << 20

GpuState = Literal["ok", "none", "lost"]


class Gpus:
    """Every GPU that NVML knows. Its calls block: a driver that hangs never answers."""

    def __init__(self, nvml: Any, clock: Callable[[], float] = time.monotonic) -> None:
        """nvml: the module `pynvml`; nothing is asked of it yet."""
        self._nvml, self._clock = nvml, clock
        self._begun = self._seen = False
        self._retry_at = 0.0
        self.state: GpuState = "none"
        self.detail = ""
        self.memory_of: dict[int, float] = {}

    def read(self) -> list[GpuSample]:
        """The GPUs that answer now; `state`, `detail` and `memory_of` (MiB by pid) go with them.

        Where one does not, the driver is begun anew, at most each RETRY_S.
        """
        found: list[GpuSample] = []
        self.memory_of = {}
        if not self._begin():
            return found
        problems = []
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError as error:
            count, problems = 0, [str(error)]
        for index in range(count):
            try:
                found.append(self._read_one(index))
            except self._nvml.NVMLError as error:
                problems.append(f"GPU {index}: {error}")
        self._seen = self._seen or bool(found)
        self._judge(problems)
        return found

    def _begin(self) -> bool:
        """Whether NVML is there to be asked."""
        if self._begun:
            return True
        if self._clock() < self._retry_at:
            return False
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            self._retry_at = self._clock() + RETRY_S
            self.state, self.detail = ("lost" if self._seen else "none"), str(error)
            return False
        self._begun = True
        return True

    def _judge(self, problems: list[str]) -> None:
        """Say how it stands; where something is amiss, begin anew at the next look but one."""
        if not problems:
            self.state, self.detail = ("ok" if self._seen else "none"), ""
            return
        self.state, self.detail = "lost", "; ".join(problems)
        if self._clock() >= self._retry_at:
            self._retry_at = self._clock() + RETRY_S
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlInit()
                return
            self._begun = False

    def _read_one(self, index: int) -> GpuSample:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        self._read_processes(handle)
        percent = self._optional(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        milliwatts = self._optional(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
        return GpuSample(
            index=index,
            name=_text(nvml.nvmlDeviceGetName(handle)),
            utilisation=None if percent is None else percent / 100,
            memory=round(int(memory.used) / int(memory.total), 4),
            memory_used_mb=round(int(memory.used) / MB, 1),
            memory_total_mb=round(int(memory.total) / MB, 1),
            temperature_c=self._optional(
                lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            ),
            power_w=None if milliwatts is None else milliwatts / 1000,
        )

    def _read_processes(self, handle: Any) -> None:
        with suppress(self._nvml.NVMLError):
            for one in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                used = round((one.usedGpuMemory or 0) / MB, 1)
                self.memory_of[one.pid] = self.memory_of.get(one.pid, 0.0) + used

    def _optional(self, ask: Callable[[], Any]) -> float | None:
        """What some GPUs do not tell."""
        try:
            return float(ask())
        except self._nvml.NVMLError as error:
            if error.value == self._nvml.NVML_ERROR_NOT_SUPPORTED:
                return None
            raise


def _text(name: object) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
