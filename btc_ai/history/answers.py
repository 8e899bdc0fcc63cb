"""What the history answers. Times are seconds since 1970, UTC, unless a field says otherwise."""

from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class BucketRow:
    """One bucket of a run.

    arm: whose weights are the model, `main` or, after a rollback, `scratch`. detail: the bucket as
    `training.run` tells it (`StepView`): newest metrics, transfer, verdict, memory, outcome.
    """

    run: str
    position: int
    bucket: str
    state: str
    learner: str
    episodes: int
    episode: int
    eta_s: float | None
    arm: str
    started: float | None
    ended: float | None
    directory: str | None
    degraded: bool
    detail: Body


@dataclass(frozen=True)
class RunRow:
    """One run and its buckets, in order. seed: None where that is not known."""

    run: str
    state: str
    error: str | None
    created: float
    updated: float
    symbol: str
    interval: str
    synthetic: bool
    seed: int | None
    transfer: bool
    buckets: list[BucketRow]


@dataclass(frozen=True)
class Curve:
    """A metric over episodes, in columns of equal length.

    episode: the last of those that share a point. low, high: their least and greatest value, before
    smoothing. whole: no two episodes share a point.
    """

    name: str
    arm: str
    episode: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    whole: bool = True


@dataclass(frozen=True)
class Series:
    """Samples of the system, in columns of equal length."""

    name: str
    time: list[float]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class TransferRow:
    """A transfer between two buckets.

    kinds: what was carried over; none: nothing, for the `reason`. decision: `kept`, `rolled_back`
    or None, not measured (yet). difference, low, high: impact in net bps a bar on validation, with
    its 95 % interval, at `share` of the budget. detail: `transfer` and `verdict`, whole.
    state: of the bucket that it was handed to.
    """

    transfer: str
    run: str
    position: int
    source: str | None
    target: str
    kinds: list[str]
    time: float
    decision: str | None
    reason: str | None
    difference: float | None
    low: float | None
    high: float | None
    share: float | None
    detail: Body
    state: str


@dataclass(frozen=True)
class CheckpointRow:
    """A folder to go on from (`checkpoint`), or a finished `model`."""

    path: str
    run: str
    position: int
    kind: str
    episode: int
    bytes: int
    sha256: str | None
    time: float


@dataclass(frozen=True)
class SignalRow:
    """What the models said at the close of a candle (`time`, ms); detail: the event `signal`."""

    symbol: str
    interval: str
    time: int
    synthetic: bool
    close: float
    position: float
    detail: Body


@dataclass(frozen=True)
class EventRow:
    """An event of the bus; `id` counts up."""

    id: int
    epoch: str
    source: str
    seq: int
    time: float
    kind: str
    run: str | None
    body: Body
