import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from btc_ai.learning.memory.backend import MB, Reading, is_out_of_memory
from btc_ai.learning.memory.gpu import NvmlMemory
from btc_ai.learning.memory.host import HostMemory
from tests.learning.memory.faults import Card

GB = 1 << 30


def test_memory_that_torch_cannot_have_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(error.value)


def test_memory_that_numpy_cannot_have_is_out_of_memory() -> None:
    with pytest.raises(MemoryError) as error:
        np.zeros(1 << 60, dtype=np.uint8)
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling ..."), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_a_reading_gives_shares_and_mebibytes() -> None:
    reading = Reading(100 * MB, 25 * MB, 50 * MB, others=MB // 4)
    assert (reading.used_share, reading.own_share) == (0.75, 0.5)
    assert reading.to_json() == {
        "total_mb": 100,
        "free_mb": 25,
        "own_mb": 50,
        "others_mb": 0.2,
        "utilisation": None,
    }


def test_the_host_is_measured() -> None:
    reading = HostMemory().read()
    assert 0 <= reading.free <= reading.total <= psutil.virtual_memory().total
    ballast = bytearray(64 * MB)
    ballast[::4096] = b"x" * len(ballast[::4096])
    assert HostMemory().read().own - reading.own > 50 * MB


def test_freed_memory_goes_back_to_the_system() -> None:
    host = HostMemory()
    blocks = [bytearray(b"x") * (64 << 10) for _ in range(2000)]
    pinned = blocks[-1]
    del blocks
    before = host.read().own
    host.empty_cache()
    assert before - host.read().own > 50 * MB
    assert pinned


def _group(folder: Path, version: int, limit: str, usage: int, cache: int) -> None:
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        2: ("memory.max", "memory.current", "inactive_file"),
    }[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{names[2]} {cache}\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_control_group_counts_and_its_page_cache_is_free(
    tmp_path: Path, version: int
) -> None:
    unlimited = {1: str(0x7FFFFFFFFFFFF000), 2: "max"}[version]
    base = tmp_path / "memory" if version == 1 else tmp_path
    membership = tmp_path / "membership"
    membership.write_text({1: "4:cpu:/x\n3:memory:/a/b\n", 2: "0::/a/b\n"}[version])
    _group(base, version, unlimited, 9, 0)
    _group(base / "a", version, str(64 * MB), 40 * MB, 10 * MB)
    _group(base / "a/b", version, unlimited, 9, 0)
    reading = HostMemory(tmp_path, membership).read()
    assert (reading.total, reading.free) == (64 * MB, 34 * MB)


def test_without_control_groups_the_host_counts(tmp_path: Path) -> None:
    reading = HostMemory(tmp_path, tmp_path / "none").read()
    assert reading.total == psutil.virtual_memory().total


@dataclass
class Process:
    pid: int
    usedGpuMemory: int | None  # NVML's name


class Nvml:
    """A driver's library; a machine with a card cannot be had in tests."""

    class NVMLError(Exception):
        pass

    def __init__(self, processes: list[Process] | None) -> None:
        self.processes = processes

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Any:
        return type("Info", (), {"total": 80 * GB, "free": 30 * GB})

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Process]:
        if self.processes is None:
            raise self.NVMLError
        return self.processes

    def nvmlDeviceGetUtilizationRates(self, handle: str) -> Any:
        if self.processes is None:
            raise self.NVMLError
        return type("Rates", (), {"gpu": 40})


def test_nvml_sees_the_whole_card() -> None:
    processes = [Process(os.getpid(), 7 * GB), Process(1, 9 * GB), Process(2, None)]
    reading = NvmlMemory(Card(), Nvml(processes), "card").read()
    assert reading == Reading(80 * GB, 30 * GB, 10, others=9 * GB, utilisation=0.4)


@pytest.mark.parametrize("processes", [None, [Process(1, 9 * GB)]])
def test_what_nvml_does_not_tell_is_none(processes: list[Process] | None) -> None:
    assert NvmlMemory(Card(), Nvml(processes), "card").read().others is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_card_is_measured() -> None:
    from btc_ai.learning.memory.gpu import CudaMemory, gpu_memory

    device = torch.device("cuda")
    held = torch.empty(256 * MB, dtype=torch.uint8, device=device)
    for backend in (CudaMemory(device), gpu_memory(device)):
        reading = backend.read()
        assert reading.own >= 256 * MB
        assert 0 < reading.free < reading.total
    del held
    backend.empty_cache()
    assert backend.read().own < reading.own
