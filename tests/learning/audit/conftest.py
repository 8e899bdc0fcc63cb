"""Planted leaks, each one piece of an otherwise sound pipeline, and a subject for them."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from btc_ai.learning.audit.subject import QUICK, Subject
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.markets.gap import GapMarket
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import Feature, FeatureRegistry, build_features, builtin_features
from btc_ai.market.scaler import RobustScaler

Columns = Mapping[str, NDArray[np.float64]]
HOUR = 12


def log_ratio(candles: Candles, other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(other / candles.close))


def chikou(candles: Candles) -> Columns:
    """The close of 26 bars later, drawn back over this bar."""
    later = np.minimum(np.arange(len(candles)) + 26, len(candles) - 1)
    return {"span": log_ratio(candles, candles.close[later])}


def hourly(candles: Candles) -> Columns:
    """The hour's close, known from the hour's first 5-minute bar on."""
    hour = candles.time // 3_600_000
    last = np.searchsorted(hour, hour, side="right") - 1
    return {"close": log_ratio(candles, candles.close[last])}


def hourly_by_its_end(candles: Candles) -> Columns:
    """The close of the last hour that is over; sound."""
    hour = (candles.time + 300_000) // 3_600_000
    first = np.searchsorted(hour, hour, side="left")
    return {"close": log_ratio(candles, candles.close[np.minimum(first, np.arange(len(candles)))])}


def leaking_registry(**features: Feature) -> FeatureRegistry:
    registry = builtin_features()
    for name, function in features.items():
        registry.register(name, function, lookback=HOUR)
    return registry


def filled_at_the_close(
    candles: Candles, registry: FeatureRegistry, settings: TrainingSettings
) -> Dataset:
    """What a decision earns counts from the close that it was taken on."""
    dataset = Dataset.from_candles(candles, registry, settings)
    closes = np.concatenate([dataset.log_open[:1], np.log(candles.close)[:-1]])
    return dataclasses.replace(dataset, log_open=closes)


def scaled_on_everything(
    candles: Candles, registry: FeatureRegistry, settings: TrainingSettings
) -> Dataset:
    dataset = Dataset.from_candles(candles, registry, settings)
    matrix = build_features(candles, settings.features, registry)
    scaler = RobustScaler.fit(matrix.values[matrix.valid], matrix.columns)
    scaled = np.where(matrix.valid[:, None], scaler.transform(matrix.values), np.float32(0))
    return dataclasses.replace(dataset, scaler=scaler, features=torch.from_numpy(scaled))


def centred_volatility(candles: Candles) -> NDArray[np.float64]:
    """A mean of absolute returns that looks four bars ahead."""
    log_close = np.log(candles.close)
    moved = np.abs(np.diff(log_close, prepend=log_close[0]))
    return np.asarray(np.convolve(moved, np.ones(9) / 9, mode="same") + 1e-5)


def with_centred_volatility(
    candles: Candles, registry: FeatureRegistry, settings: TrainingSettings
) -> Dataset:
    dataset = Dataset.from_candles(candles, registry, settings)
    return dataclasses.replace(dataset, volatility=centred_volatility(candles))


class EarlyEnvironment(MarketEnvironment):
    """Training rewards of the bar that the decision was taken on: it has been seen."""

    def __init__(self, dataset: Dataset, settings: TrainingSettings) -> None:
        log_open = dataset.log_open
        earlier = np.concatenate([log_open[:1], log_open[:-1]])
        super().__init__(dataclasses.replace(dataset, log_open=earlier), settings)


@pytest.fixture
def holed(walk: Candles) -> Candles:
    """Six thousand bars with four holes, one of them a bar from another."""
    return walk.take(np.setdiff1d(np.arange(len(walk)), [700, 701, 2_900, 5_200, 5_202]))


@pytest.fixture
def audited(walk: Candles, small: TrainingSettings) -> Callable[..., Subject]:
    """A subject on random candles; `**changes` are its fields, `features` the bucket's."""

    def make(
        candles: Candles = walk, *, features: Any = ("price", "rsi"), **changes: Any
    ) -> Subject:
        settings = dataclasses.replace(small, features=tuple(features))
        usual = {"registry": builtin_features(), "effort": QUICK, "settings": settings}
        return Subject(candles, **{**usual, **changes})

    return make


@pytest.fixture
def gaps() -> Candles:
    """G7, where an open is not the close before it."""
    return GapMarket().candles(6_000, seed=0)
