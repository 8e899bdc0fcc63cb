"""What is told about memory, and from which shares on."""

from dataclasses import dataclass, field
from typing import Any

from btc_ai.learning.memory.backend import Reading


@dataclass(frozen=True)
class MemoryLimits:
    """MEMORY_LIMIT_PERCENT and MEMORY_WARNING_PERCENT: shares of the GPU's memory, or the host's
    where the run is on the CPU, whoever uses it."""

    limit: float = 0.85
    warning: float = 0.65


@dataclass(frozen=True)
class MemoryNote:
    """What a person is told about memory.

    what: `rung` (one was taken), `warning` (use has risen above the warning share), `limit` (it is
    above the limit and no rung helps that keeps the results), `no_gpu` (USE_GPU and there is none).
    passed: rungs passed over, and why. before, after: None where nothing was measured.
    """

    what: str
    text: str
    backend: str
    phase: str
    episode: int
    rung: int | None = None
    reason: str = ""
    passed: dict[str, str] = field(default_factory=dict)
    degraded: bool = False
    before: Reading | None = None
    after: Reading | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, readings in MiB."""
        readings = {"before": self.before, "after": self.after}
        return {**vars(self), **{k: v and v.to_json() for k, v in readings.items()}}
