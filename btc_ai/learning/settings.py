"""What one bucket is trained with, and what must stay the same for a run to be resumed."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from btc_ai.api.settings import WINDOW
from btc_ai.errors import ConfigError

REFERENCE_HORIZON = 72
"""MAX_HORIZON, in bars, at which GAMMA is the discount per bar."""

PQN_LANES = 128
"""Accounts that PQN acts with at once, about: a multiple of `batch_size`."""

DQN_LANES = 64
"""Accounts that Double DQN acts with at once, as far as its buffer holds a step of them all."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one bucket. Horizons count bars, `cost_bps` is per side and unit of position.

    An update is `lanes` windows of `window` decisions; an episode is `buffer_size` decisions,
    rounded to whole updates. `batch_size` is what a gradient step learns from: windows, but with
    the learner dqn transitions. `trace_decay` is CF-Q's λ. The thread count is part of the
    result: sums in another order round differently.
    """

    bucket: str
    min_horizon: int
    max_horizon: int
    features: tuple[str, ...]
    learning_rate: float = 5e-4
    gamma: float = 0.99
    batch_size: int = 32
    buffer_size: int = 10_000
    episodes: int = 100
    seed: int = 0
    cost_bps: float = 6.0
    use_gpu: bool = False
    threads: int = 1
    learner: str = "cfq"
    window: int = WINDOW
    trace_decay: float = 0.9
    validate_every: int = 2

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with; raises ConfigError."""
        if not 1 <= self.min_horizon < self.max_horizon:
            raise ConfigError(
                f"{self.bucket}: MIN_HORIZON {self.min_horizon} must be at least 1 and below "
                f"MAX_HORIZON {self.max_horizon}; change BUCKET_CONFIGS.{self.bucket}"
            )
        if not 0 < self.gamma < 1:
            raise ConfigError(f"GAMMA is {self.gamma}; it must lie between 0 and 1")
        counts = ("batch_size", "buffer_size", "episodes", "threads", "window", "validate_every")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name.upper()} is {getattr(self, name)}; it must be at least 1")

    @property
    def discount(self) -> float:
        """γ per bar: GAMMA ^ (72 / MAX_HORIZON), so that long buckets are not blind."""
        return float(self.gamma ** (REFERENCE_HORIZON / self.max_horizon))

    @property
    def cost(self) -> float:
        """Cost of one unit of turnover as a fraction."""
        return self.cost_bps * 1e-4

    @property
    def horizons(self) -> tuple[int, ...]:
        """At most five prediction horizons in bars, geometric in [MIN_HORIZON, MAX_HORIZON]."""
        ratio = self.max_horizon / self.min_horizon
        return tuple(sorted({round(self.min_horizon * ratio ** (i / 4)) for i in range(5)}))

    @property
    def lanes(self) -> int:
        """Windows an update: those of a batch; for pqn and dqn one for each account that acts."""
        if self.learner == "pqn":
            return self.batch_size * max(1, round(PQN_LANES / self.batch_size))
        if self.learner == "dqn":
            return min(DQN_LANES, self.buffer_size)
        return self.batch_size

    @property
    def updates_per_episode(self) -> int:
        """Whole updates nearest to `buffer_size` decisions, at least one."""
        return max(1, round(self.buffer_size / (self.lanes * self.window)))

    @property
    def updates(self) -> int:
        """Updates of the whole run; the learning rate reaches zero at the last one."""
        return self.episodes * self.updates_per_episode

    def halved(self) -> "TrainingSettings":
        """Half the windows an update and as many updates: for a run that is short of memory."""
        windows = max(1, self.batch_size // 2)
        decisions = self.updates_per_episode * windows * self.window
        return dataclasses.replace(self, batch_size=windows, buffer_size=decisions)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary that `from_json` takes back."""
        return {**dataclasses.asdict(self), "features": list(self.features)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TrainingSettings":
        """Rebuild from `to_json`'s dictionary; raises ConfigError for unknown or missing keys."""
        try:
            return cls(**{**values, "features": tuple(values["features"])})
        except (KeyError, TypeError) as error:
            raise ConfigError(f"these training settings cannot be read: {error}") from error


def fingerprint(
    settings: TrainingSettings, *, data_sha256: str, device: str, origin: str | None
) -> dict[str, Any]:
    """All that decides the result of a run, as JSON; `origin` is `Start.origin`."""
    surroundings = {"candles": data_sha256, "device": device, "initial model": origin}
    plain = {**settings.to_json(), **surroundings}
    del plain["use_gpu"]
    return plain


def differences(recorded: dict[str, Any], present: dict[str, Any]) -> list[str]:
    """One line for every value that changed since the run began, naming both sides."""
    return [
        f"{name}: {recorded.get(name)} in the run, {present.get(name)} now"
        for name in sorted(recorded.keys() | present.keys())
        if recorded.get(name) != present.get(name)
    ]
