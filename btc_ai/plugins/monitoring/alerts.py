"""Says when memory passes the thresholds of the configuration, and when it is below them again."""

from typing import Literal

from btc_ai.config import Config
from btc_ai.plugins.monitoring.messages import Alert, Sample

MARGIN = 0.02
"""A level is left this much below its threshold, so that who stands on it is told once."""

Level = Literal["ok", "warning", "limit"]
RANK: dict[Level, int] = {"ok": 0, "warning": 1, "limit": 2}
NAMES = {"limit": "MEMORY_LIMIT_PERCENT", "warning": "MEMORY_WARNING_PERCENT"}


class MemoryAlerts:
    """The level of each device's memory."""

    def __init__(self) -> None:
        """All is well."""
        self._levels: dict[str, Level] = {}

    def of(self, sample: Sample, config: Config) -> list[Alert]:
        """What has changed with this sample."""
        thresholds: dict[Level, float] = {
            "limit": config.MEMORY_LIMIT_PERCENT,
            "warning": config.MEMORY_WARNING_PERCENT,
        }
        devices = {"host": sample.host.memory}
        devices |= {f"gpu.{gpu.index}": gpu.memory for gpu in sample.gpus}
        found = []
        for device, share in devices.items():
            before = self._levels.get(device, "ok")
            level = self._levels[device] = _level(share, before, thresholds)
            if level != before:
                found.append(_alert(device, share, level, thresholds))
        return found


def _level(share: float, before: Level, thresholds: dict[Level, float]) -> Level:
    for level, threshold in thresholds.items():
        if share >= threshold - (MARGIN if RANK[before] >= RANK[level] else 0.0):
            return level
    return "ok"


def _alert(device: str, share: float, level: Level, thresholds: dict[Level, float]) -> Alert:
    threshold = thresholds["warning" if level == "ok" else level]
    said = (
        f"is below MEMORY_WARNING_PERCENT ({threshold:.0%}) again"
        if level == "ok"
        else f"is at or above {NAMES[level]} ({threshold:.0%})"
    )
    text = f"memory of {device.replace('gpu.', 'GPU ')}: {share:.0%} {said}"
    return Alert(
        what="memory", level=level, device=device, text=text, value=share, threshold=threshold
    )
