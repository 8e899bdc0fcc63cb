"""The machine and its processes, read for real."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from btc_ai.config import Config
from btc_ai.plugins.monitoring.alerts import MemoryAlerts
from btc_ai.plugins.monitoring.messages import GpuSample, HostSample, Sample
from btc_ai.plugins.monitoring.system import System

BUSY = "kept = b'x' * (64 << 20)\nprint('ready', flush=True)\nwhile True: pass"


def test_a_process_that_works_is_seen_until_it_ends(tmp_path: Path) -> None:
    system = System(tmp_path)
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            named = {"daemon": os.getpid(), "worker.x": process.pid}
            system.processes(named, {})
            time.sleep(0.3)
            own, busy = system.processes(named, {process.pid: 5.0})
        finally:
            process.kill()
    assert (own.name, own.pid, own.gpu_memory_mb) == ("daemon", os.getpid(), None)
    assert (busy.name, busy.gpu_memory_mb) == ("worker.x", 5.0)
    assert 64 < busy.memory_mb < 200 and busy.cpu > 0.1
    assert [one.name for one in system.processes(named, {})] == ["daemon"]


def test_the_machine(tmp_path: Path) -> None:
    clock = iter([0.0, 2.0, 4.0])
    system = System(tmp_path, lambda: next(clock))
    (tmp_path / "file").write_bytes(bytes(1 << 20))
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass
    with ThreadPoolExecutor(1) as another:
        host = another.submit(system.host).result()
    assert 0 < host.cpu <= 1 and 0 < host.memory < 1 and host.disk is not None
    assert 0 < host.memory_used_mb < host.memory_total_mb
    assert host.disk_read_mb_s is None or host.disk_read_mb_s >= 0
    gone = System(tmp_path / "gone", lambda: 0.0).host()
    assert (gone.disk, gone.disk_free_mb) == (None, None)


def sample(host: float, gpu: float) -> Sample:
    rates = dict.fromkeys(
        ("disk_read_mb_s", "disk_written_mb_s", "network_sent_mb_s", "network_received_mb_s")
    )
    machine = HostSample(
        cpu=0, load=0, memory=host, memory_used_mb=1, memory_total_mb=1, disk=0, disk_free_mb=1,
        **rates,
    )  # fmt: skip
    card = GpuSample(
        index=0, name="Card", utilisation=None, memory=gpu, memory_used_mb=1, memory_total_mb=1,
        temperature_c=None, power_w=None,
    )  # fmt: skip
    return Sample(host=machine, gpu_state="ok", gpu_detail="", gpus=[card], processes=[])


@pytest.mark.parametrize("device", ["host", "gpu.0"])
def test_thresholds_are_told_once_each_way(device: str) -> None:
    config = Config.model_validate({"MEMORY_WARNING_PERCENT": 0.65, "MEMORY_LIMIT_PERCENT": 0.85})
    alerts = MemoryAlerts()
    shares = [0.6, 0.65, 0.64, 0.66, 0.86, 0.84, 0.82, 0.62, 0.9, 0.1]
    told = [
        [(one.device, one.level) for one in alerts.of(one, config)]
        for one in (sample(0.1, share) if device == "gpu.0" else sample(share, 0.1)
                    for share in shares)
    ]  # fmt: skip
    expected = ["", "warning", "", "", "limit", "", "warning", "ok", "limit", "ok"]
    assert told == [[(device, level)] if level else [] for level in expected]


def test_an_alert_says_what_and_how_much() -> None:
    (alert,) = MemoryAlerts().of(sample(0.1, 0.9), Config())
    assert alert.text == "memory of GPU 0: 90% is at or above MEMORY_LIMIT_PERCENT (85%)"
    assert (alert.value, alert.threshold) == (0.9, 0.85)
