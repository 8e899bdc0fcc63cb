"""What finished models say at the close of one candle, by the code that trained and tested them.

A model sees the candles up to that one, through `Dataset` with its own scales, and holds what it
would hold had it followed its policy from the first candle on, in all phases of its decisions.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from btc_ai.errors import DataError
from btc_ai.learning.dataset import Dataset, Scales, Splits
from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.evaluation.frozen import check_market
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.network import POSITIONS
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles, iso
from btc_ai.market.features import FeatureRegistry

BPS = 1e4
NAMES = {-1: "short", 0: "flat", 1: "long"}


@dataclass(frozen=True)
class Horizon:
    """`expected_bps`: predicted log-return over the next `bars`; `skill`: its R² on held-out bars,
    None where that is not known."""

    bars: int
    expected_bps: float
    skill: float | None


@dataclass(frozen=True)
class BucketSignal:
    """One model's view.

    abstains: it stays flat, for want of evidence on validation. position: mean over the accounts,
    −1…1. values_bps: U(x, a) less that of flat, of a position
    that has been paid for.
    """

    bucket: str
    weights_sha256: str
    abstains: bool
    position: float
    values_bps: dict[str, float]
    horizons: list[Horizon]


@dataclass(frozen=True)
class Signal:
    """What the models say together. time: the candle's close, ms. position: the buckets' mean.

    horizons: of each horizon the mean over the buckets that predict it, weighted by skill; those
    that nobody predicts with skill are left out.
    """

    symbol: str
    interval: str
    synthetic: bool
    time: int
    close: float
    buckets: list[BucketSignal]
    position: float
    horizons: list[Horizon]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return dataclasses.asdict(self)


def predict(
    models: Mapping[str, Path], candles: Candles, registry: FeatureRegistry, at: int | None = None
) -> Signal:
    """The models by bucket at the last candle that had closed `at`, ms; None: at the last one.

    Raises DataError where no candle had closed by then, where it is too early for a model's
    features, or where the candles are not a model's; TrainingError for a model that is not usable.
    """
    seen = _until(candles, at)
    buckets = [_of_bucket(name, folder, seen, registry) for name, folder in models.items()]
    return Signal(
        symbol=candles.symbol,
        interval=candles.interval,
        synthetic=candles.synthetic,
        time=int(seen.time[-1]) + seen.step,
        close=float(seen.close[-1]),
        buckets=buckets,
        position=float(np.mean([bucket.position for bucket in buckets])),
        horizons=combine([horizon for bucket in buckets for horizon in bucket.horizons]),
    )


def _until(candles: Candles, at: int | None) -> Candles:
    if at is None:
        return candles
    count = int(np.searchsorted(candles.time + candles.step, at, side="right"))
    if count == 0 or at > int(candles.time[-1]) + 2 * candles.step:
        raise DataError(
            f"{iso(at)} UTC does not lie within the candles of {candles.symbol} "
            f"{candles.interval}, which close from {iso(candles.time[0] + candles.step)} to "
            f"{iso(candles.time[-1] + candles.step)}; choose a time there, or download more candles"
        )
    return candles.take(slice(0, count))


def _of_bucket(
    name: str, folder: Path, candles: Candles, registry: FeatureRegistry
) -> BucketSignal:
    model = load_model(folder)
    check_market(model, folder, candles)
    settings = TrainingSettings.from_json(model.card["settings"])
    with reproducible(settings.threads):
        environment = serve(model, settings, candles, registry)
        if not environment.dataset.valid[-1]:
            raise DataError(
                f"{name}: the candle that closes at {iso(candles.time[-1] + candles.step)} follows "
                "a hole, or the first candle, too soon for the features; choose a later time"
            )
        position = float(environment.newest_positions(model.network).mean())
        with torch.inference_mode():
            values, expected = model.network(environment.dataset.features[-1:])
    units = values[0].double() * environment.scale * BPS
    sigma = float(environment.dataset.volatility[-1]) * BPS
    skill = model.card["horizon_skill"]
    return BucketSignal(
        bucket=name,
        weights_sha256=model.weights_sha256,
        abstains=model.card["validation"]["abstains"],
        position=position,
        values_bps={
            NAMES[a]: float(units[index] - units[FLAT]) for index, a in enumerate(POSITIONS)
        },
        horizons=[
            Horizon(h, float(expected[0, column]) * sigma * float(np.sqrt(h)), skill[str(h)])
            for column, h in enumerate(model.network.horizons)
        ],
    )


def serve(
    model: Model, settings: TrainingSettings, candles: Candles, registry: FeatureRegistry
) -> MarketEnvironment:
    """A model's market as it stands at the last candle; nothing is fitted."""
    everything = slice(0, len(candles))
    nothing = slice(len(candles), len(candles))
    dataset = Dataset.from_candles(
        candles, registry, settings,
        splits=Splits(everything, nothing, nothing),
        scales=Scales(model.scaler, model.card["reward_scale"]),
    )  # fmt: skip
    return MarketEnvironment(dataset, settings)


def combine(horizons: Sequence[Horizon]) -> list[Horizon]:
    """Means by horizon, weighted by skill; a prediction without skill has no weight."""
    combined = []
    for bars in sorted({horizon.bars for horizon in horizons}):
        skilled = [h for h in horizons if h.bars == bars and h.skill is not None and h.skill > 0]
        weights = [h.skill or 0.0 for h in skilled]
        if skilled:
            mean = float(np.average([h.expected_bps for h in skilled], weights=weights))
            combined.append(Horizon(bars, mean, max(weights)))
    return combined
