"""Memory of a GPU: as CUDA tells it, and as NVML does for the whole card."""

import gc
import os
from typing import Any

import torch

from btc_ai.learning.memory.backend import MemoryBackend, Reading


class CudaMemory:
    """`torch.cuda.mem_get_info`, which sees other processes too, and torch's own allocator."""

    name = "GPU"

    def __init__(self, device: torch.device) -> None:
        """Memory of one CUDA device."""
        self._device = device

    def read(self) -> Reading:
        """`own` is what torch has reserved, unused blocks included."""
        free, total = torch.cuda.mem_get_info(self._device)
        return Reading(total, free, torch.cuda.memory_reserved(self._device))

    def empty_cache(self) -> None:
        """Collect garbage, then return unused blocks to the card."""
        gc.collect()
        torch.cuda.empty_cache()


class NvmlMemory:
    """The whole card by NVML: adds utilisation and the memory of other processes."""

    name = "GPU"

    def __init__(self, cuda: MemoryBackend, nvml: Any, handle: Any) -> None:
        """nvml: the module `pynvml`, initialised. handle: its handle of the card."""
        self._cuda, self._nvml, self._handle = cuda, nvml, handle

    def read(self) -> Reading:
        """Total, free and others from NVML; `own` from torch, which knows it in containers too."""
        memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
        return Reading(
            int(memory.total),
            int(memory.free),
            self._cuda.read().own,
            others=self._others(),
            utilisation=self._utilisation(),
        )

    def _others(self) -> int | None:
        """None where this process is not in the list: then it shows another PID namespace."""
        try:
            listed = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._nvml.NVMLError:
            return None
        if os.getpid() not in [process.pid for process in listed]:
            return None
        return sum(one.usedGpuMemory or 0 for one in listed if one.pid != os.getpid())

    def _utilisation(self) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu) / 100
        except self._nvml.NVMLError:
            return None

    def empty_cache(self) -> None:
        """As CUDA does."""
        self._cuda.empty_cache()


def gpu_memory(device: torch.device) -> MemoryBackend:
    """NVML's view of a CUDA device; CUDA's where the driver's library cannot be used."""
    import pynvml

    cuda = CudaMemory(device)
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    try:
        pynvml.nvmlInit()
        backend = NvmlMemory(cuda, pynvml, pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        backend.read()
    except pynvml.NVMLError:
        return cuda
    return backend
