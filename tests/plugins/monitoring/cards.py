"""GPUs for tests: what `pynvml` would say of a machine that this one is not."""

import threading
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 1 << 30


class Cards:
    """Stands for the module `pynvml`, with its own errors; a test breaks it and mends it."""

    NVMLError = pynvml.NVMLError
    NVML_ERROR_NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.begun = 0
        self.driver: int | None = None
        """The error that every call raises."""
        self.lost: set[int] = set()
        self.mute: set[str] = set()
        """Calls that a card does not support."""
        self.used = [4 * GIB] * count
        self.answers = threading.Event()
        self.answers.set()

    def nvmlInit(self) -> None:
        self._call()
        self.begun += 1

    def nvmlShutdown(self) -> None:
        self._call()

    def nvmlDeviceGetCount(self) -> int:
        self._call()
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._call()
        if index in self.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:
        return f"Card {handle}"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        self._call()
        return SimpleNamespace(total=16 * GIB, used=self.used[handle])

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        self._call("utilisation")
        return SimpleNamespace(gpu=50)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        self._call("power")
        return 70_500

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:
        self._call("temperature")
        return 61

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        self._call("processes")
        return [
            SimpleNamespace(pid=42, usedGpuMemory=GIB),
            SimpleNamespace(pid=43, usedGpuMemory=None),
        ]

    def _call(self, what: str = "") -> None:
        self.answers.wait(30)
        if self.driver is not None:
            raise pynvml.NVMLError(self.driver)
        if what in self.mute:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
