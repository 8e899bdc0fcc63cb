import dataclasses

import numpy as np
import pytest

from btc_ai.errors import DataError
from btc_ai.learning.dataset import Dataset, Scales, Splits, needed_candles
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


def test_parts_are_in_order_and_a_purge_apart() -> None:
    splits = Splits.by_time(10_000, purge=73)
    assert (splits.train, splits.validation, splits.test) == (
        slice(0, 7_000 - 73),
        slice(7_000, 8_500 - 73),
        slice(8_500, 10_000),
    )


def test_all_buckets_are_tested_on_the_same_bars() -> None:
    short, long = Splits.by_time(9_999, purge=73), Splits.by_time(9_999, purge=577)
    assert short.test == long.test
    assert short.validation.start == long.validation.start


def test_too_few_candles_says_how_many_are_needed(walk: Candles, small: TrainingSettings) -> None:
    found = walk.take(slice(0, 200))
    with pytest.raises(DataError, match=r"Small needs at least \d+ candles.*there are 200"):
        Dataset.from_candles(found, builtin_features(), small)


def test_as_many_candles_as_needed_are_enough(walk: Candles, small: TrainingSettings) -> None:
    registry = builtin_features()
    lookback = max(registry.get(name).lookback for name in small.features)
    enough = walk.take(slice(0, needed_candles(small, lookback)))
    dataset = Dataset.from_candles(enough, registry, small)
    assert len(MarketEnvironment(dataset, small).starts(dataset.splits.train)) >= 1
    with pytest.raises(DataError, match=f"at least {len(enough):,} candles"):
        Dataset.from_candles(enough.take(slice(0, len(enough) - 1)), registry, small)


def test_the_scaler_sees_the_training_part_only(walk: Candles, small: TrainingSettings) -> None:
    later = slice(4_200, None)
    wild = walk.close.copy()
    wild[later] *= np.exp(np.cumsum(np.random.default_rng(0).standard_normal(1_800) * 0.05))
    registry = builtin_features()
    calm = Dataset.from_candles(walk, registry, small)
    stormy = Dataset.from_candles(dataclasses.replace(walk, close=wild), registry, small)
    assert stormy.scaler.to_json() == calm.scaler.to_json()
    assert stormy.reward_scale == calm.reward_scale
    assert not np.array_equal(stormy.features, calm.features)


def test_real_candles_are_finite_clipped_and_quick(
    btc_2023: Candles, small: TrainingSettings
) -> None:
    everything = dataclasses.replace(small, features=builtin_features().names)
    dataset = Dataset.from_candles(btc_2023, builtin_features(), everything)
    assert dataset.features.abs().max() == 5
    assert dataset.features.isfinite().all()
    assert 5e-4 < dataset.reward_scale < 5e-3


def test_explicit_parts_are_taken_as_they_are_and_fitted_on_alone(
    walk: Candles, small: TrainingSettings
) -> None:
    registry = builtin_features()
    splits = Splits(slice(500, 2_001), slice(2_200, 2_500), slice(2_600, 3_000))
    dataset = Dataset.from_candles(walk, registry, small, splits=splits)
    assert dataset.splits == splits
    alone = Dataset.from_candles(walk.take(slice(0, 3_000)), registry, small, splits=splits)
    assert alone.scaler.to_json() == dataset.scaler.to_json()
    seen = dataset.features[500:2_001]
    assert seen.median(dim=0).values.abs().max() < 1e-6
    opened = np.diff(np.log(walk.open[500:2_001]))
    assert dataset.reward_scale == pytest.approx(opened.std())


def test_with_a_models_scales_nothing_is_fitted(walk: Candles, small: TrainingSettings) -> None:
    registry = builtin_features()
    fitted = Dataset.from_candles(walk, registry, small)
    scales = Scales(fitted.scaler, fitted.reward_scale)
    part = Splits(slice(0, 0), slice(0, 0), slice(0, 300))
    frozen = Dataset.from_candles(
        walk.take(slice(0, 300)), registry, small, splits=part, scales=scales
    )
    assert np.array_equal(frozen.features, fitted.features[:300])
    assert frozen.reward_scale == fitted.reward_scale


def test_the_times_of_parts_reach_to_the_end_of_their_last_bar(walk: Candles) -> None:
    splits = Splits.by_time(6_000, purge=25)
    assert splits.times(walk) == {
        "train": [0, (4_200 - 25) * walk.step],
        "validation": [4_200 * walk.step, (5_100 - 25) * walk.step],
        "test": [5_100 * walk.step, 6_000 * walk.step],
    }
