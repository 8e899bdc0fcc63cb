"""The seven rungs: what is done when memory runs short, results-preserving first.

    1  free the cache and retry            same weights, to the last bit
    2  keep the dataset on the host        same weights
    3  accumulate gradients by chunks      same weights
    4  halve the lock-step seeds           (this engine trains one seed at a time)
    5  halve the windows of an update      other weights: the run is marked degraded
    6  go on on the CPU                    other rounding
    7  checkpoint and stop

A rung is passed over where it cannot help; 2 to 6 are taken once a run.
"""

import dataclasses
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any


class Rung(IntEnum):
    """What can be done, cheapest first."""

    FREE = 1
    HOST = 2
    ACCUMULATE = 3
    SEEDS = 4
    WINDOWS = 5
    CPU = 6
    STOP = 7


class Phase(StrEnum):
    """Where a run is."""

    DATASET = "dataset"
    START = "start"
    UPDATE = "update"
    VALIDATION = "validation"
    CHECKPOINT = "checkpoint"
    EVALUATION = "evaluation"


ACTIONS = {
    Rung.FREE: "frees the cache and tries again",
    Rung.HOST: "keeps the dataset on the host",
    Rung.ACCUMULATE: "accumulates gradients, a chunk of windows at a time",
    Rung.SEEDS: "halves the seeds trained in lock-step",
    Rung.WINDOWS: "halves the windows of an update",
    Rung.CPU: "goes on on the CPU",
    Rung.STOP: "stops at a checkpoint",
}

PRESERVING = (Rung.FREE, Rung.HOST, Rung.ACCUMULATE)
UPDATE_ALONE = (Rung.ACCUMULATE, Rung.WINDOWS)
ON_THE_HOST = (Phase.DATASET, Phase.CHECKPOINT)
"""Phases that need memory of the host, whatever the run computes on."""


@dataclass(frozen=True)
class Footprint:
    """How a run economises: the rungs taken that stay taken. Part of the checkpoint."""

    host: bool = False
    accumulated: bool = False
    halved: bool = False
    cpu: bool = False

    def after(self, rung: Rung) -> "Footprint":
        """With one more rung; 1, 4 and 7 leave nothing behind."""
        fields = {
            Rung.HOST: "host",
            Rung.ACCUMULATE: "accumulated",
            Rung.WINDOWS: "halved",
            Rung.CPU: "cpu",
        }
        return dataclasses.replace(self, **{fields[rung]: True}) if rung in fields else self

    def joined(self, other: "Footprint") -> "Footprint":
        """What either has taken."""
        taken = {name: value or getattr(other, name) for name, value in self.to_json().items()}
        return Footprint(**taken)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Situation:
    """What decides whether a rung can help.

    on_gpu: the run computes on a GPU. chunks: of an update. freed: why rung 1 is of no use any
    more, None while it is.
    """

    phase: Phase
    on_gpu: bool
    footprint: Footprint
    chunks: int
    windows: int
    freed: str | None

    def obstacle(self, rung: Rung) -> str | None:
        """Why `rung` cannot help here; None where it can."""
        if rung in (Rung.HOST, Rung.CPU) and not self.on_gpu:
            return "the run is on the CPU"
        if rung in UPDATE_ALONE and self.phase is not Phase.UPDATE:
            return f"it makes updates smaller, not the {self.phase}"
        if rung in (Rung.HOST, Rung.CPU) and self.phase in ON_THE_HOST:
            return f"the {self.phase} needs memory of the host"
        return self._used_up(rung)

    def _used_up(self, rung: Rung) -> str | None:
        reasons = {
            Rung.FREE: self.freed,
            Rung.HOST: "it is there already" if self.footprint.host else None,
            Rung.ACCUMULATE: self._not_in_chunks(),
            Rung.SEEDS: "one seed is trained at a time",
            Rung.WINDOWS: self._not_halvable(),
        }
        return reasons.get(rung)

    def _not_in_chunks(self) -> str | None:
        if self.footprint.accumulated:
            return "gradients are accumulated already"
        return "an update is a single chunk" if self.chunks <= 1 else None

    def _not_halvable(self) -> str | None:
        if self.footprint.halved:
            return "they are halved already"
        return "an update is a single window" if self.windows <= 1 else None
