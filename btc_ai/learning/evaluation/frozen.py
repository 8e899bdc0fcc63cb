"""A finished model, replayed on any range of its market as it is: nothing is fitted again."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btc_ai.api.settings import LEAST_EVALUATED_DECISIONS
from btc_ai.errors import DataError, TrainingError
from btc_ai.learning.dataset import Dataset, Scales, Splits
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.evaluation.report import SEED, Report, Section, make_report, span
from btc_ai.learning.evaluation.trials import TrialLedger, trial_key
from btc_ai.learning.evaluation.verdict import Seen
from btc_ai.learning.model import Model, load_model
from btc_ai.learning.runtime import reproducible
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry


def evaluate_model(
    model_dir: Path,
    candles: Candles,
    registry: FeatureRegistry,
    *,
    ledger: TrialLedger,
    start: int | None = None,
    end: int | None = None,
    seed: int = SEED,
) -> Report:
    """The model in `model_dir` on the bars that open in [start, end), ms; twice the same.

    Without a range it is the held-out test part; with `start` alone the range reaches to the last
    candle. Earlier bars serve for look-back alone. Raises TrainingError (no such model), and
    DataError, naming both sides, where the candles are not those of the model: another symbol,
    interval or past, other feature columns; or where the range lies outside them or is too short.
    """
    model = load_model(model_dir)
    settings = TrainingSettings.from_json(model.card["settings"])
    check_market(model, model_dir, candles)
    notes = _check_past(model, model_dir, candles)
    part = _find(model, candles, settings, start, end)
    with reproducible(settings.threads):
        section = replay(model, candles.take(slice(0, part.stop)), registry, part)
    return make_report(
        "frozen",
        [section],
        series=trial_key(model_dir, model.weights_sha256),
        ledger=ledger,
        seen=_seen(model, candles.time[part]),
        notes=notes,
        seed=seed,
    )


def replay(model: Model, candles: Candles, registry: FeatureRegistry, part: slice) -> Section:
    """The model's greedy policy on `part` of `candles`, with its own scaler.

    Raises DataError where the features have other columns than the model's.
    """
    settings = TrainingSettings.from_json(model.card["settings"])
    splits = Splits(slice(0, part.start), slice(part.start, part.start), part)
    scales = Scales(model.scaler, model.card["reward_scale"])
    dataset = Dataset.from_candles(candles, registry, settings, splits=splits, scales=scales)
    environment = MarketEnvironment(dataset, settings)
    return Section(environment, candles, part, environment.rollout(model.network, part))


def check_market(model: Model, model_dir: Path, candles: Candles) -> None:
    """Raise TrainingError for a card too old to tell, DataError for candles of another market."""
    card = model.card
    lacking = [key for key in ("symbol", "parts", "seen", "reward_scale") if key not in card]
    if lacking:
        raise TrainingError(
            f"the model in {model_dir} was written by an earlier version, without "
            f"{', '.join(lacking)} in its card; train the bucket again to evaluate it"
        )
    theirs, ours = (card["symbol"], card["interval"]), (candles.symbol, candles.interval)
    if theirs != ours:
        raise DataError(
            f"the model in {model_dir} was trained on {' '.join(theirs)}, these candles are "
            f"{' '.join(ours)}; name the market that it knows, or train one on this market"
        )


def _check_past(model: Model, model_dir: Path, candles: Candles) -> list[str]:
    """Notes about newer bars; raises DataError where the model's own candles have changed."""
    bars, known = model.card["bars"], model.card["data_sha256"]
    if candles.sha256 == known:
        return []
    past = candles.take(slice(0, bars))
    if past.sha256 != known:
        raise DataError(
            f"the model in {model_dir} was trained on {bars:,} candles with hash {known[:12]}; "
            f"these candles' first {len(past):,} have {past.sha256[:12]}: the past has changed. "
            "Restore the candles it was trained on, or train the bucket again"
        )
    return [f"{len(candles) - bars:,} newer candles than the model was trained with"]


def _find(
    model: Model,
    candles: Candles,
    settings: TrainingSettings,
    start: int | None,
    end: int | None,
) -> slice:
    """The bars of the range."""
    test = model.card["parts"]["test"]
    first, last = int(candles.time[0]), int(candles.time[-1]) + candles.step
    if end is None:
        end = test[1] if start is None else last
    start = test[0] if start is None else start
    if start < first or end > last or start >= end:
        raise DataError(
            f"the range {span(start, end)} does not lie within the candles of {candles.symbol} "
            f"{candles.interval}, which go from {span(first, last)} (UTC); choose a range there, "
            "or download more candles"
        )
    low, high = np.searchsorted(candles.time, [start, end]).tolist()
    needed = LEAST_EVALUATED_DECISIONS * settings.min_horizon + 2
    if high - low < needed:
        raise DataError(
            f"the range {span(start, end)} has {high - low:,} candles; {settings.bucket}, which "
            f"decides every {settings.min_horizon}, needs at least {needed:,}: choose a longer one"
        )
    return slice(low, high)


def _seen(model: Model, time: NDArray[np.int64]) -> Seen:
    """How many of the bars at `time` shaped the weights, by the model's card."""
    seen: dict[str, Any] = model.card["seen"]
    counts = {
        kind: int(np.any([(time >= a) & (time < b) for a, b in ranges], axis=0).sum())
        for kind, ranges in seen.items()
    }
    return Seen(**counts)
