"""PQN and Double DQN find what there is to be found on G2; for CF-Q see tests/learning/markets."""

import dataclasses

import pytest
import torch

from btc_ai.learning.environment import MarketEnvironment
from btc_ai.learning.horizons import horizon_skill
from btc_ai.learning.learners.base import QLearner
from btc_ai.learning.learners.registry import make_learner
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket, score_network, solve
from btc_ai.learning.network import QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.names import LearnerName

MARKET = AutoregressiveMarket()
G2 = TrainingSettings("G2", 1, 72, ("signal",), cost_bps=5, episodes=50)


def trained(learner: LearnerName, seed: int, episodes: int) -> QLearner:
    settings = dataclasses.replace(G2, learner=learner, seed=seed, episodes=episodes)
    market = MarketEnvironment(MARKET.dataset(200_000, seed, settings), settings)
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(market.dataset.columns, settings.horizons, generator)
    made = make_learner(market, network, settings, generator=generator)
    for _ in range(settings.updates):
        made.update()
    assert isinstance(made, QLearner)
    return made


def share_of_the_optimum(learner: QLearner, seed: int) -> float:
    market = learner.environment
    learned, _ = score_network(MARKET, learner.policy, market, bars=500_000, seed=seed)
    return learned / solve(MARKET, market.cost).value_bps


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_pqn_reaches_85_percent_of_the_optimum(seed: int) -> None:
    assert share_of_the_optimum(trained("pqn", seed, episodes=100), seed) >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_double_dqn_beats_following_the_sign_of_the_signal(seed: int) -> None:
    """Which earns 16 %."""
    assert share_of_the_optimum(trained("dqn", seed, episodes=25), seed) >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["pqn", "dqn"])
def test_the_horizon_head_learns_too(learner: LearnerName) -> None:
    """The signal explains 1 % of a bar, so 1 % is the most that can be had at horizon 1."""
    made = trained(learner, 0, episodes=25)
    part = made.environment.dataset.splits.validation
    skill = horizon_skill(made.policy, made.environment.dataset, part)
    assert (skill[1] or 0) > 0.003
