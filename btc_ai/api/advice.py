"""What the guide advises before training, and what goes against it; `btc-ai doctor` asks it too."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from btc_ai.config import Config

LEAST_EPISODES = 50
LEAST_GPU_GB = 6.0
LEAST_HOST_MB = 1024
NVML_LIMIT_S = 15.0
_NVML = """
import json, pynvml as nvml
nvml.nvmlInit()
cards = [nvml.nvmlDeviceGetHandleByIndex(one) for one in range(nvml.nvmlDeviceGetCount())]
memory = [(nvml.nvmlDeviceGetName(one), nvml.nvmlDeviceGetMemoryInfo(one)) for one in cards]
print(json.dumps([[str(name), int(one.total), int(one.free)] for name, one in memory]))
"""


@dataclass(frozen=True)
class Gpu:
    """A graphics card; memory in GB (10⁹ bytes), as makers count it."""

    name: str
    total_gb: float
    free_gb: float


def find_gpus(devices: Path = Path("/dev")) -> list[Gpu]:
    """The cards that NVML knows, asked in a process of its own; none where it cannot be asked."""
    if not any((devices / name).exists() for name in ("nvidiactl", "dxg")):
        return []
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _NVML],
            capture_output=True, timeout=NVML_LIMIT_S, check=True,
        )  # fmt: skip
        return [Gpu(name, total / 1e9, free / 1e9) for name, total, free in json.loads(done.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return []


def training_advice(config: Config, sequence: Sequence[str], episodes: int) -> list[str]:
    """What goes against the guide in a run of these buckets, a sentence each."""
    return [*few_episodes(episodes), *out_of_order(config, sequence), *little_memory(config)]


def few_episodes(episodes: int) -> list[str]:
    """Each bucket wants at least 50 to 100 episodes."""
    if episodes >= LEAST_EPISODES:
        return []
    return [
        f"{episodes} episodes a bucket are few; the guide advises at least 50 to 100 "
        "(--episodes, EPISODES_PER_BUCKET)"
    ]


def out_of_order(config: Config, sequence: Sequence[str]) -> list[str]:
    """Short horizons come first."""
    horizons = {name: config.BUCKET_CONFIGS[name].MAX_HORIZON for name in sequence}
    ordered = sorted(sequence, key=lambda name: horizons[name])
    if [horizons[name] for name in ordered] == [horizons[name] for name in sequence]:
        return []
    return [
        f"the buckets are out of order, longer horizons before shorter ones: {' '.join(sequence)}; "
        f"the guide advises {' '.join(ordered)}"
    ]


def little_memory(config: Config) -> list[str]:
    """6 GB of GPU memory, else 1 GiB of the host's."""
    gpus = find_gpus() if config.USE_GPU else []
    if gpus and max(gpu.total_gb for gpu in gpus) < LEAST_GPU_GB:
        return [f"the GPU has {gpus[0].total_gb:.1f} GB of memory; the guide advises 6 GB"]
    free = free_host_mb(config)
    if not gpus and free < LEAST_HOST_MB:
        return [
            f"{free:.0f} MiB of memory are free for a worker; a run wants about "
            f"{LEAST_HOST_MB} MiB. Close other programs, or lower BATCH_SIZE"
        ]
    return []


def free_host_mb(config: Config, meminfo: Path = Path("/proc/meminfo")) -> float:
    """MiB that a worker can have: what is available, and what it is granted."""
    rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    available = int(rows["MemAvailable"].split()[0]) / 1024
    return min(available, config.SUPERVISION.WORKER_MEMORY_MB or available)
