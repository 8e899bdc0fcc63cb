"""The bodies of the `signal.` commands and of the event `signal`; see `docs/messaging.md`."""

from pydantic import BaseModel, ConfigDict, Field

from btc_ai.api.messages import Event


class ModelsBody(BaseModel):
    """Which models: one bucket's, or all; on which candles: the models' own, or others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bucket: str | None = None
    symbol: str | None = None
    interval: str | None = None
    market: str | None = None


class PredictBody(ModelsBody):
    """`at`: ISO 8601, UTC; the newest candle where it is left out."""

    at: str | None = None


class HistoryBody(ModelsBody):
    """What one bucket's model would have held at the candles that open in [start, end).

    Times: ISO 8601, UTC; left out: the part held out from training, to the last candle. in_sample:
    take candles that the model was trained or chosen on, too.
    """

    bucket: str
    start: str | None = None
    end: str | None = None
    in_sample: bool = False


class FollowBody(ModelsBody):
    """Publish a signal for each new candle, for `seconds` from now."""

    seconds: float = Field(30.0, gt=0, le=3600)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Horizon(_Part):
    """A prediction: `expected_bps`, the log-return over the next `bars`; `skill`, its R² on
    held-out candles (None where it is not known)."""

    bars: int
    expected_bps: float
    skill: float | None


class BucketSignal(_Part):
    """One bucket's view.

    `abstains`: it stays flat, for want of evidence. `position`: held from the next open on, −1…1,
    the mean over the accounts that decide at each phase of MIN_HORIZON. `values_bps`: U(x, a), what
    holding short, flat or long is worth once the cost of getting there is paid, less that of flat.
    """

    bucket: str
    weights_sha256: str
    abstains: bool
    position: float
    values_bps: dict[str, float]
    horizons: list[Horizon]


class Signal(Event):
    """What the latest models say at the close of one candle (`time`: its close, ms since 1970).

    `position`: the mean over the buckets. `horizons`: where several buckets predict a horizon,
    their mean, weighted by skill.
    """

    kind = "signal"

    symbol: str
    interval: str
    synthetic: bool
    time: int
    close: float
    buckets: list[BucketSignal]
    position: float
    horizons: list[Horizon]
