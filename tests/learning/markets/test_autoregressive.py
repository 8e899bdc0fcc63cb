import numpy as np
import pytest
import torch

from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.learners.cfq import CounterfactualQ
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket, score, score_network, solve
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings

MARKET = AutoregressiveMarket()


@pytest.mark.parametrize(
    ("cost_bps", "value"), [(0, 1.596), (2, 1.280), (5, 1.017), (10, 0.723), (20, 0.363)]
)
def test_the_exact_optimum_of_g2(cost_bps: float, value: float) -> None:
    assert solve(MARKET, cost_bps * 1e-4).value_bps == pytest.approx(value, abs=0.002)


def test_the_band_at_five_bps_is_entered_above_0_74() -> None:
    best = solve(MARKET, 5e-4)
    enters = best.grid[best.table[:, FLAT] == POSITIONS.index(1)]
    assert enters.min() == pytest.approx(0.74, abs=0.03)


def test_monte_carlo_of_the_solved_policy_is_within_one_percent() -> None:
    best = solve(MARKET, 5e-4)
    paths = MARKET.signal(4_000, np.random.default_rng(5), lanes=250)
    values = [score(MARKET, path, best.table_for(path), 5e-4) for path in paths]
    assert np.mean(values) == pytest.approx(best.value_bps, rel=0.01)


def test_following_the_sign_pays_too_much() -> None:
    path = MARKET.signal(400_000, np.random.default_rng(5))[0]
    sign = np.repeat(np.where(path > 0, 2, 0)[:, None], 3, axis=1)
    assert score(MARKET, path, sign, 5e-4) == pytest.approx(0.161, abs=0.03)


def test_a_decision_earns_what_its_own_signal_foretold() -> None:
    settings = TrainingSettings("G2", 1, 72, ("signal",))
    market = MarketEnvironment(MARKET.dataset(200_000, 0, settings), settings)
    signal = market.dataset.features[:-2, 0].numpy()
    assert np.corrcoef(signal, market.returns[:-2])[0, 1] == pytest.approx(0.1, abs=0.01)
    assert abs(np.corrcoef(signal[1:], market.returns[:-3])[0, 1]) < 0.095


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_cfq_reaches_95_percent_of_the_optimum(seed: int) -> None:
    settings = TrainingSettings("G2", 1, 72, ("signal",), cost_bps=5, seed=seed)
    market = MarketEnvironment(MARKET.dataset(200_000, seed, settings), settings)
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(market.dataset.columns, settings.horizons, generator)
    learner = CounterfactualQ(market, network, settings, generator=generator)
    for _ in range(settings.updates):
        learner.update()
    learned, best = score_network(MARKET, learner.policy, market, bars=500_000, seed=seed)
    assert learned >= 0.95 * best
    assert learned >= 0.95 * solve(MARKET, market.cost).value_bps
