"""What models say together; for what one says, see the audit's train-serve equality."""

import dataclasses

import numpy as np
import pytest
import torch

from btc_ai.learning.dataset import Dataset, Scales
from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.signals import Horizon, combine, serve
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


def test_horizons_are_weighted_by_skill() -> None:
    said = [Horizon(24, 10.0, 0.03), Horizon(24, -2.0, 0.01), Horizon(72, 5.0, 0.02)]
    assert combine(said) == [
        Horizon(24, pytest.approx(7.0), 0.03),  # type: ignore[arg-type]
        Horizon(72, 5.0, 0.02),
    ]


@pytest.mark.parametrize("skill", [None, 0.0, -0.01])
def test_what_is_said_without_skill_has_no_weight(skill: float | None) -> None:
    assert combine([Horizon(24, 10.0, skill)]) == []
    assert combine([Horizon(24, 10.0, skill), Horizon(24, 3.0, 0.01)]) == [Horizon(24, 3.0, 0.01)]


@pytest.mark.parametrize("interval", [1, 5])
@pytest.mark.parametrize("bars", [5_300, 5_601, 5_900])
def test_what_is_held_now_is_what_a_rollout_holds_there(
    walk: Candles, small: TrainingSettings, bars: int, interval: int
) -> None:
    """With a hole at bar 5,600, just behind which nothing can be held yet."""
    settings = dataclasses.replace(small, min_horizon=interval)
    candles = walk.take(np.delete(np.arange(len(walk)), 5_600))
    registry = builtin_features()
    known = MarketEnvironment(Dataset.from_candles(candles, registry, settings), settings)
    scales = Scales(known.dataset.scaler, known.dataset.reward_scale)
    now = serve(candles.take(slice(0, bars)), registry, settings, scales)
    network = QNetwork(known.dataset.columns, settings.horizons, torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.values.weight.normal_(generator=torch.Generator().manual_seed(2))
        network.values.bias.copy_(torch.tensor([20.0, 0.0, 20.0]))
    later = known.rollout(network, slice(0, len(candles))).positions[:, bars - 1]
    held = now.newest_positions(network)
    assert held.tolist() == later.tolist()
    assert held.any() == (bars != 5_601)
