import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.learning.transfer.importance import block_permutation, feature_importance

SETTINGS = TrainingSettings("B", 2, 72, ("noise", "signal"), cost_bps=5)
PART = slice(0, 6_000)


@pytest.fixture(scope="module")
def environment() -> MarketEnvironment:
    market = AutoregressiveMarket(beta=0.3)
    return MarketEnvironment(known_dataset(market, SETTINGS, bars=10_000), SETTINGS)


def follower(environment: MarketEnvironment, column: str) -> QNetwork:
    """Long where a column is high, short where it is low."""
    columns = environment.dataset.columns
    network = QNetwork(columns, SETTINGS.horizons, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.input_layer.weight.zero_()
        network.input_layer.weight[:, columns.index(column)] = torch.linspace(-1, 1, 128)
        network.input_layer.bias.zero_()
        hidden = network.encode(torch.eye(len(columns))[[columns.index(column)]])
        low = network.encode(-torch.eye(len(columns))[[columns.index(column)]])
        network.values.weight[2], network.values.weight[0] = (hidden - low)[0], (low - hidden)[0]
        network.values.bias.zero_()
    return network


def test_the_feature_that_is_followed_is_what_counts(environment: MarketEnvironment) -> None:
    found = feature_importance(environment, follower(environment, "signal.x"), PART, seed=1)
    assert list(found) == ["noise", "signal"]
    assert found["noise"].to_json() == {"drop": 0, "se": 0, "low": 0, "high": 0}
    signal = found["signal"]
    assert 0 < signal.low < signal.drop < signal.high
    assert signal.se > 0


def test_following_noise_shows_nothing(environment: MarketEnvironment) -> None:
    found = feature_importance(environment, follower(environment, "noise.3"), PART, seed=1)
    assert found["noise"].se > 0
    assert found["noise"].low < 0 < found["noise"].high
    assert found["signal"].drop == 0


def test_the_same_seed_gives_the_same_and_another_another(environment: MarketEnvironment) -> None:
    network = follower(environment, "signal.x")
    first, again, other = (
        feature_importance(environment, network, PART, seed)["signal"] for seed in (1, 1, 2)
    )
    assert first == again != other


def test_the_market_stays_as_it_is(environment: MarketEnvironment) -> None:
    before = environment.dataset.features.clone()
    feature_importance(environment, follower(environment, "signal.x"), PART, seed=1)
    assert torch.equal(environment.dataset.features, before)


def test_a_part_that_is_shorter_than_two_blocks_still_gives_numbers(
    environment: MarketEnvironment,
) -> None:
    network = follower(environment, "signal.x")
    found = feature_importance(environment, network, slice(0, 200), seed=1)["signal"]
    assert np.isfinite(dataclasses.astuple(found)).all()
    assert found.se == abs(found.drop) > 0
    assert found.low < 0 < found.high


@given(st.integers(0, 2_000), st.integers(1, 300), st.integers(0, 99))
def test_whole_blocks_of_valid_bars_change_places(bars: int, block: int, seed: int) -> None:
    valid = np.random.default_rng(seed).random(bars) < 0.9
    order = block_permutation(valid, block, np.random.default_rng(seed))
    assert np.array_equal(np.sort(order), np.arange(bars))
    assert np.array_equal(order[~valid], np.flatnonzero(~valid))
    assert_blocks(order, np.flatnonzero(valid), block)


def assert_blocks(order: NDArray[np.int64], usable: NDArray[np.int64], block: int) -> None:
    rank = np.full(len(order), -1)
    rank[usable] = np.arange(len(usable))
    jumps = np.count_nonzero(np.diff(rank[order[usable]]) % max(1, len(usable)) != 1)
    if len(usable) >= 2 * block:
        assert jumps <= len(usable) // block
        assert np.count_nonzero(order[usable] == usable) <= len(usable) // block
