"""Features of a whole market, run by run, as one matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.market.candles import Candles, iso
from btc_ai.market.features.registry import FeatureRegistry, RegisteredFeature

ENOUGH_TO_JUDGE = 1_000


@dataclass(frozen=True, eq=False)
class FeatureMatrix:
    """Features of every bar.

    `values` [bars, columns]; a row that is not `valid` (warm-up at the start of a hole-free run)
    holds zeros. `columns` are named `"<feature>.<column>"`. `lookback` is the longest warm-up.
    """

    values: NDArray[np.float32]
    columns: tuple[str, ...]
    valid: NDArray[np.bool_]
    lookback: int


def feature_of(column: str) -> str:
    """The feature that a matrix's column belongs to."""
    return column.partition(".")[0]


def build_features(
    candles: Candles, names: Sequence[str], registry: FeatureRegistry
) -> FeatureMatrix:
    """Compute the features `names` on each hole-free run of the candles.

    Raises DataError where a feature is unknown; where no run is longer than the warm-up; and,
    naming the feature, where it fails, where its columns have the wrong shape or change between
    runs, are not finite after the warm-up, or are constant over all of at least 1,000 bars.
    """
    if not names:
        raise DataError("no features: name at least one in FEATURES")
    features = [registry.get(name) for name in dict.fromkeys(names)]
    lookback = max(feature.lookback for feature in features)
    runs = [run for run in candles.segments if run.stop - run.start > lookback]
    if not runs:
        longest = max((run.stop - run.start for run in candles.segments), default=0)
        raise DataError(
            f"{candles.symbol} {candles.interval}: features {', '.join(names)} need at least "
            f"{lookback + 1} bars without a hole, the longest run has {longest}; get more candles"
        )
    valid = np.zeros(len(candles), dtype=np.bool_)
    for run in runs:
        valid[run.start + lookback : run.stop] = True
    blocks = [_block(candles, feature, runs, lookback) for feature in features]
    columns = tuple(name for _, block_names in blocks for name in block_names)
    values = np.concatenate([values for values, _ in blocks], axis=1)
    _refuse_constant(values, valid, columns)
    return FeatureMatrix(values, columns, valid, lookback)


def _block(
    candles: Candles, feature: RegisteredFeature, runs: Sequence[slice], lookback: int
) -> tuple[NDArray[np.float32], list[str]]:
    names: list[str] = []
    values = np.zeros((len(candles), 0), dtype=np.float32)
    for run in runs:
        bars = candles.take(run)
        columns = feature.columns(bars)
        if not names:
            names = list(columns)
            values = np.zeros((len(candles), len(names)), dtype=np.float32)
        _check(feature.name, columns, names, bars, lookback)
        for index, name in enumerate(names):
            values[run.start + lookback : run.stop, index] = columns[name][lookback:]
    return values, [f"{feature.name}.{name}" for name in names]


def _check(
    feature: str,
    columns: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
    bars: Candles,
    lookback: int,
) -> None:
    if not names or list(columns) != list(names):
        raise DataError(f"feature {feature!r} must give the same columns for every run of candles")
    for name, column in columns.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(column[lookback:].astype(np.float32))
        if not finite.all():
            time = iso(bars.time[lookback + int(np.argmin(finite))])
            raise DataError(
                f"feature {feature!r}: column {name!r} is not finite at {time} ({bars.symbol}); "
                "run `btc-ai data check`, or leave the feature out of FEATURES"
            )


def _refuse_constant(
    values: NDArray[np.float32], valid: NDArray[np.bool_], columns: Sequence[str]
) -> None:
    rows = values[valid]
    if len(rows) < ENOUGH_TO_JUDGE:
        return
    constant = np.flatnonzero(rows.max(axis=0) == rows.min(axis=0))
    if len(constant):
        names = ", ".join(columns[index] for index in constant.tolist())
        raise DataError(
            f"constant over all {len(rows)} bars: {names}; a feature that says nothing is an "
            "error in it or in the candles: run `btc-ai data check`"
        )
