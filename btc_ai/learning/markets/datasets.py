"""Known markets through the door that real candles take."""

import dataclasses

import numpy as np
import torch

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.model import Model
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, build_features


def features_of(market: KnownMarket) -> FeatureRegistry:
    """A registry with the market's features alone."""
    registry = FeatureRegistry()
    market.register(registry)
    return registry


def settings_for(market: KnownMarket, settings: TrainingSettings, seed: int) -> TrainingSettings:
    """The same bucket with the market's features and cost, and this seed."""
    return dataclasses.replace(
        settings, features=market.features, cost_bps=market.cost_bps, seed=seed
    )


def known_dataset(market: KnownMarket, settings: TrainingSettings, bars: int) -> Dataset:
    """The market of the settings' seed, ready for learning."""
    return Dataset.from_candles(market.candles(bars, settings.seed), features_of(market), settings)


def seen_by(
    model: Model, candles: Candles, registry: FeatureRegistry, settings: TrainingSettings
) -> Dataset:
    """The candles on the scales of the model's training, of features and of rewards."""
    matrix = build_features(candles, settings.features, registry)
    scaled = np.where(matrix.valid[:, None], model.scaler.transform(matrix.values), 0)
    return dataclasses.replace(
        Dataset.from_candles(candles, registry, settings),
        features=torch.from_numpy(scaled.astype(np.float32)),
        scaler=model.scaler,
        reward_scale=model.card["reward_scale"],
    )
