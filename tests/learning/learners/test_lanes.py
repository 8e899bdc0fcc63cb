import numpy as np
import pytest
import torch

from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.learners.lanes import LAST_EPSILON, Lanes, exploration
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.network import POSITIONS
from btc_ai.learning.settings import TrainingSettings

SETTINGS = TrainingSettings("G2", 3, 72, ("signal", "noise"), cost_bps=5)


@pytest.fixture(scope="module")
def environment() -> MarketEnvironment:
    return MarketEnvironment(known_dataset(AutoregressiveMarket(), SETTINGS, bars=3_000), SETTINGS)


def make_lanes(environment: MarketEnvironment, lanes: int) -> Lanes:
    held = environment.held_returns(1.0) / environment.scale
    return Lanes(
        environment,
        torch.from_numpy(environment.starts(environment.dataset.splits.train)),
        torch.from_numpy(held),
        lanes,
        torch.Generator().manual_seed(0),
    )


def test_a_lane_earns_what_a_rollout_of_the_environment_earns(
    environment: MarketEnvironment,
) -> None:
    lanes = make_lanes(environment, 1)
    lanes.held = torch.tensor([FLAT])
    start = int(lanes.bars)
    actions = torch.randint(3, (32,), generator=torch.Generator().manual_seed(4)).tolist()
    rewards = sum(float(lanes.step(torch.tensor([action]))) for action in actions)
    part = slice(start, start + 3 * 32 + 2)
    table = np.full((3 * 32 + 2, 3), FLAT)
    table[: 3 * 32] = np.repeat(actions, 3)[:, None]
    net = environment.replay(table, part).net[0].sum() / environment.scale
    left_at_the_end = abs(POSITIONS[actions[-1]]) * environment.cost_scaled
    assert rewards - left_at_the_end == pytest.approx(net, abs=1e-9)


def test_what_is_seen_is_the_features_of_the_bar_alone(environment: MarketEnvironment) -> None:
    lanes = make_lanes(environment, 8)
    first = lanes.bars.clone()
    lanes.step(lanes.held)
    assert torch.equal(lanes.bars, first + 3)
    assert torch.equal(lanes.features(), environment.dataset.features[first + 3])


def test_restarted_lanes_are_anywhere_with_any_position(environment: MarketEnvironment) -> None:
    lanes = make_lanes(environment, 5_000)
    before = lanes.bars
    lanes.restart()
    assert not torch.equal(lanes.bars, before)
    assert torch.bincount(lanes.held, minlength=3).min() > 1_500
    assert torch.bincount(lanes.bars % 3).min() > 1_500
    window = 3 * SETTINGS.window + 2
    assert lanes.bars.max() + window <= environment.dataset.splits.train.stop


@pytest.mark.parametrize(("epsilon", "expected"), [(0.0, 1.0), (0.3, 0.8), (1.0, 1 / 3)])
def test_exploration_strays_in_its_share_of_decisions(
    environment: MarketEnvironment, epsilon: float, expected: float
) -> None:
    lanes = make_lanes(environment, 20_000)
    greedy = torch.tensor([[2, 0, 1]]).expand(20_000, 3)
    actions = lanes.explore(greedy, epsilon)
    best = torch.tensor([2, 0, 1])[lanes.held]
    assert float((actions == best).double().mean()) == pytest.approx(expected, abs=0.015)


def test_exploration_falls_in_the_first_tenth() -> None:
    assert exploration(0.0) == 1.0
    assert exploration(0.05) == pytest.approx((1 + LAST_EPSILON) / 2)
    assert exploration(0.1) == pytest.approx(exploration(0.9)) == pytest.approx(LAST_EPSILON)
