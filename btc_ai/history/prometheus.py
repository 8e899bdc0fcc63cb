"""What is measured, for Prometheus: a registry of its own, filled when it is asked.

`docs/monitoring.md` lists the names. Whoever has a web server mounts
`prometheus_client.make_wsgi_app(metrics_registry(…))` or its ASGI sibling.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from btc_ai import __version__
from btc_ai.history.rows import numbers

Body = Mapping[str, Any]
MIB: Final = 1 << 20


@dataclass(frozen=True)
class Snapshot:
    """What is known now.

    sample: the newest `monitoring.sample`. history: the status of its writer. episodes: the newest
    `training.progress` of each bucket in training.
    """

    sample: Body | None = None
    history: Body = field(default_factory=dict)
    episodes: Sequence[Body] = ()


Family = tuple[str, str, float, str]
"""The key in a sample, the name, the unit that the sample counts in, and what it is."""

HOST: Final[tuple[Family, ...]] = (
    ("cpu", "cpu_ratio", 1, "Share of all cores in use"),
    ("load", "load1", 1, "Load average over a minute"),
    ("memory_used_mb", "memory_used_bytes", MIB, "Memory that is not available"),
    ("memory_total_mb", "memory_total_bytes", MIB, "Memory of the machine"),
    ("disk", "disk_used_ratio", 1, "Share in use of the disk of MODELS_DIR"),
    ("disk_free_mb", "disk_free_bytes", MIB, "Free on the disk of MODELS_DIR"),
    ("disk_read_mb_s", "disk_read_bytes_per_second", MIB, "Read from all disks"),
    ("disk_written_mb_s", "disk_written_bytes_per_second", MIB, "Written to all disks"),
    ("network_sent_mb_s", "network_sent_bytes_per_second", MIB, "Sent, but for the loopback"),
    ("network_received_mb_s", "network_received_bytes_per_second", MIB, "Received, as sent"),
)
GPU: Final[tuple[Family, ...]] = (
    ("utilisation", "gpu_utilisation_ratio", 1, "Share of the time that the GPU was busy"),
    ("memory_used_mb", "gpu_memory_used_bytes", MIB, "GPU memory in use, by all processes"),
    ("memory_total_mb", "gpu_memory_total_bytes", MIB, "GPU memory"),
    ("temperature_c", "gpu_temperature_celsius", 1, "GPU temperature"),
    ("power_w", "gpu_power_watts", 1, "GPU power"),
)
PROCESS: Final[tuple[Family, ...]] = (
    ("cpu", "process_cpu_cores", 1, "Cores that a process uses"),
    ("memory_mb", "process_memory_bytes", MIB, "Resident memory of a process"),
    ("gpu_memory_mb", "process_gpu_memory_bytes", MIB, "GPU memory of a process"),
)


def metrics_registry(snapshot: Callable[[], Snapshot]) -> CollectorRegistry:
    """A registry that tells what `snapshot` gives, each time that it is asked."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return registry


class _Collector(Collector):
    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Every family, whether or not there is anything in it."""
        now = self._snapshot()
        sample = now.sample or {"host": {}, "gpus": (), "processes": ()}
        build = GaugeMetricFamily("btc_ai_build_info", "The version", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from _families(HOST, [([], sample["host"])], [])
        yield from _families(
            GPU,
            [([str(one["index"]), one["name"]], one) for one in sample["gpus"]],
            ["gpu", "name"],
        )
        yield from _families(
            PROCESS, [([one["name"]], one) for one in sample["processes"]], ["process"]
        )
        yield from _training(now.episodes)
        yield from _history(now.history)


def _families(
    families: Sequence[Family], things: Sequence[tuple[list[str], Body]], labels: list[str]
) -> Iterable[Metric]:
    for key, name, unit, said in families:
        family = GaugeMetricFamily(f"btc_ai_{name}", said, labels=labels)
        for values, thing in things:
            if thing.get(key) is not None:
                family.add_metric(values, thing[key] * unit)
        yield family


def _training(episodes: Sequence[Body]) -> Iterable[Metric]:
    labels = ["run", "bucket"]
    number = GaugeMetricFamily("btc_ai_episode", "Newest episode of a bucket", labels=labels)
    left = GaugeMetricFamily("btc_ai_eta_seconds", "Until a bucket is trained", labels=labels)
    metric = GaugeMetricFamily(
        "btc_ai_training_metric", "A metric of the newest episode", labels=[*labels, "metric"]
    )
    for one in episodes:
        values = [one["run"], one["bucket"]]
        number.add_metric(values, one["episode"])
        left.add_metric(values, one["eta_s"])
        for name, value in numbers(one["metrics"]):
            metric.add_metric([*values, name], value)
    yield from (number, left, metric)


def _history(status: Body) -> Iterable[Metric]:
    degraded = GaugeMetricFamily("btc_ai_history_degraded", "1 while the history cannot be written")
    waiting = GaugeMetricFamily("btc_ai_history_waiting", "What waits to be written")
    written = CounterMetricFamily("btc_ai_history_written", "What has been written since the start")
    if status:
        degraded.add_metric([], float(status["degraded"] is not None))
        waiting.add_metric([], status["waiting"])
        written.add_metric([], status["written"])
    yield from (degraded, waiting, written)
