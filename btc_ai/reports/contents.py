"""What a report holds: one tree of plain values, fit for JSON, that each form of it shows.

Times are seconds since 1970, UTC, or ISO text; values of policies are net bps a bar.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

Body = dict[str, Any]

Tone = Literal["good", "bad", "plain"]


@dataclass(frozen=True)
class Verdict:
    """What became of something, in words that say no more than the numbers do."""

    tone: Tone
    text: str


@dataclass(frozen=True)
class Finding:
    """One kind of trouble with candles."""

    kind: str
    severity: str
    count: int
    meaning: str
    first: list[str]


@dataclass(frozen=True)
class Data:
    """The candles of a run as they are stored now.

    sha256: of what is stored; trained_sha256: of what the models were trained on. problem: why
    no more can be said.
    """

    symbol: str
    interval: str
    synthetic: bool
    trained_sha256: list[str]
    source: str = ""
    first: str = ""
    last: str = ""
    bars: int = 0
    sha256: str | None = None
    findings: list[Finding] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True)
class Setting:
    """A key of the configuration that differs from its default."""

    key: str
    value: Any
    default: Any


@dataclass(frozen=True)
class Settings:
    """The configuration as it is when the report is made, secrets hidden."""

    sha256: str
    changed: list[Setting]
    whole: Body


@dataclass(frozen=True)
class Curve:
    """A metric over episodes, in columns of equal length.

    mean, low, high: of the episodes that share a point. smooth: the moving average, taken over all
    episodes first and then made coarser.
    """

    name: str
    arm: str
    episode: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    smooth: list[float]


@dataclass(frozen=True)
class Policy:
    """The results of the model or a baseline on the same bars; low, high: 95 %."""

    name: str
    net_bps_per_bar: float
    low: float | None
    high: float | None
    total_return: float
    sharpe: float | None
    max_drawdown: float
    win_rate: float | None
    profit_factor: float | None
    trades: int


@dataclass(frozen=True)
class Evaluated:
    """What `btc-ai evaluate` found: `frozen`, of the model as it is on a range, or `walk-forward`,
    of models trained anew as this one was.

    file: where all of it is. made: seconds since 1970. start, end: [start, end) in ms. over_hold:
    95 % interval of the difference to buying and holding. costs: net bps a bar at other costs a
    side; break_even_bps: that at which nothing is earned. seen: bars of the range that the model
    was trained or chosen on. The rest as in `docs/evaluation.md`.
    """

    kind: str
    job: str
    file: str
    made: float
    symbol: str
    episodes: int
    start: int
    end: int
    bars: int
    cost_bps: float
    verdict: Verdict
    policies: list[Policy]
    over_hold: list[float]
    costs: list[Body]
    break_even_bps: float | None
    trials: int
    deflated_sharpe: float | None
    overfitting: float | None
    seen: dict[str, int]
    notes: list[str]
    folds: list[Body]


@dataclass(frozen=True)
class Importance:
    """What the policy loses on validation without a feature; low, high: 95 %."""

    feature: str
    drop: float
    low: float
    high: float


@dataclass(frozen=True)
class Transfer:
    """What a bucket took over, and whether it helped: transferred less scratch on validation.

    comparisons: the paired differences at each milestone, as in `docs/transfer.md`.
    """

    source: str | None
    target: str
    kinds: list[str]
    decision: str | None
    verdict: Verdict
    difference: float | None
    low: float | None
    high: float | None
    matched: int
    new: int
    comparisons: list[Body]


@dataclass(frozen=True)
class Model:
    """A finished model: where it is, what it is, and what made it.

    parts: [start, end) in ms of train, validation and test; seen: of all parts that it, or a model
    it comes from, was trained or chosen on. over_hold: 95 % interval of the difference to buying
    and holding on the test part.
    """

    folder: str
    weights_sha256: str
    data_sha256: str
    created: str
    interval_ms: int
    settings: Body
    versions: dict[str, str]
    parts: dict[str, list[int]]
    seen: dict[str, list[list[int]]]
    validation: Body
    over_hold: list[float] | None
    ancestors: list[Body]


@dataclass(frozen=True)
class Bucket:
    """One bucket of the run.

    hold_on_validation: what buying and holding earned there, net bps a bar. model: None where none
    is finished, or its folder tells of none.
    """

    position: int
    bucket: str
    state: str
    learner: str
    episode: int
    episodes: int
    seconds: float | None
    verdict: Verdict
    curves: list[Curve]
    policies: list[Policy]
    importance: list[Importance]
    hold_on_validation: float | None
    transfer: Transfer | None
    memory: list[Body]
    degraded: bool
    restarts: dict[str, int]
    model: Model | None
    evaluations: list[Evaluated]


@dataclass(frozen=True)
class Peak:
    """The most memory that something used while the run went on, MiB."""

    what: str
    memory_mb: float


@dataclass(frozen=True)
class Report:
    """All of it. warnings: what to know before a number of it is believed. seed: if it is known."""

    run: str
    state: str
    error: str | None
    made: float
    created: float
    updated: float
    seed: int | None
    verdict: Verdict
    warnings: list[str]
    data: Data
    settings: Settings
    buckets: list[Bucket]
    peaks: list[Peak]
    versions: dict[str, str]
