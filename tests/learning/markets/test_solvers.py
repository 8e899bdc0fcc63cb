import dataclasses
import itertools

import numpy as np
import pytest

from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.markets.autoregressive import AutoregressiveMarket
from btc_ai.learning.markets.datasets import known_dataset
from btc_ai.learning.markets.market import BPS
from btc_ai.learning.markets.ornstein_uhlenbeck import OrnsteinUhlenbeck
from btc_ai.learning.markets.registry import known_markets
from btc_ai.learning.markets.sinusoid import Sinusoid
from btc_ai.learning.markets.solvers import Chain, autoregressive_chain, solve, tauchen
from btc_ai.learning.markets.telegraph import Telegraph
from btc_ai.learning.network import POSITIONS
from btc_ai.learning.settings import TrainingSettings

FIVE = 5e-4


@pytest.mark.parametrize(
    ("cost_bps", "value"), [(0, 1.596), (2, 1.280), (5, 1.017), (10, 0.723), (20, 0.363)]
)
def test_the_optimum_of_g2(cost_bps: float, value: float) -> None:
    assert AutoregressiveMarket().optimum(1, cost_bps / BPS).value_bps == pytest.approx(
        value, abs=0.0015
    )


@pytest.mark.parametrize(("interval", "value"), [(1, 1.0176), (6, 0.8396), (24, 0.4361)])
def test_the_optimum_of_g2_for_rarer_decisions(interval: int, value: float) -> None:
    found = AutoregressiveMarket().optimum(interval, FIVE)
    assert found.value_bps == pytest.approx(value, abs=0.0002)
    assert found.method == "dynamic"


@pytest.mark.parametrize(("cost_bps", "value"), [(0, 2.555), (5, 2.112), (10, 1.856)])
def test_the_optimum_of_g3(cost_bps: float, value: float) -> None:
    assert OrnsteinUhlenbeck().optimum(1, cost_bps / BPS).value_bps == pytest.approx(
        value, abs=0.0015
    )


@pytest.mark.parametrize(("switching", "value"), [(0.01, 1.9), (0.05, 1.5), (0.15, 0.5), (0.25, 0)])
def test_the_optimum_of_g1(switching: float, value: float) -> None:
    assert Telegraph(switching=switching).optimum(1, FIVE).value_bps == pytest.approx(value)


@pytest.mark.parametrize(("cost_bps", "value"), [(0, 120), (5, 100), (25, 20), (40, 0)])
def test_the_optimum_of_g4_a_cycle(cost_bps: float, value: float) -> None:
    market = Sinusoid()
    cycle = market.optimum(1, cost_bps / BPS).value_bps * market.period
    assert cycle == pytest.approx(value)


@pytest.mark.parametrize("interval", [1, 2, 6, 24])
@pytest.mark.parametrize("switching", [0.01, 0.05, 0.15, 0.25, 0.4])
def test_the_closed_form_of_g1_agrees_with_dynamic_programming(
    interval: int, switching: float
) -> None:
    stays = (1 + (1 - 2 * switching) ** interval) / 2
    regimes = np.array([-1.0, 1.0])
    faded = (1 - 2 * switching) ** np.arange(interval)
    market = Telegraph(switching=switching)
    chain = Chain(
        regimes,
        np.array([[stays, 1 - stays], [1 - stays, stays]]),
        market.drift * regimes * faded.sum(),
    )
    expected = solve(chain, FIVE).gain.mean() / interval * BPS
    assert market.optimum(interval, FIVE).value_bps == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("cost_bps", [0.0, 5.0, 25.0, 40.0])
def test_the_closed_form_of_g4_agrees_with_dynamic_programming(cost_bps: float) -> None:
    market = Sinusoid()
    phases = np.arange(market.period)
    heights = market.amplitude * np.sin(2 * np.pi * np.arange(market.period + 1) / market.period)
    rotation = np.eye(market.period)[(phases + 1) % market.period]
    gain = solve(Chain(phases.astype(float), rotation, np.diff(heights)), cost_bps / BPS).gain
    closed = market.optimum(1, cost_bps / BPS).value_bps
    assert gain * BPS == pytest.approx(np.full(market.period, closed), abs=1e-4)


def test_no_policy_of_a_small_chain_beats_the_solved_one() -> None:
    """All 27² deterministic policies of a two-state chain, each by its stationary distribution."""
    chain = Chain(np.array([0.0, 1.0]), np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([-9e-4, 3e-4]))
    positions = np.asarray(POSITIONS, dtype=float)
    best = -np.inf
    for policy in itertools.product(range(3), repeat=6):
        table = np.array(policy).reshape(2, 3)
        transition, reward = np.zeros((6, 6)), np.zeros(6)
        for x, k in itertools.product(range(2), range(3)):
            a = table[x, k]
            reward[3 * x + k] = positions[a] * chain.earned[x]
            reward[3 * x + k] -= FIVE * abs(positions[a] - positions[k])
            transition[3 * x + k, [a, 3 + a]] = chain.transition[x]
        lazy = np.linalg.matrix_power((np.eye(6) + transition) / 2, 4096)
        best = max(best, float((lazy @ reward).max()))
    assert solve(chain, FIVE).gain == pytest.approx([best, best], abs=1e-12)


def test_g2_is_entered_above_0_74_at_five_bps() -> None:
    chain = autoregressive_chain(0.9, 2e-4, 1)
    table = solve(chain, FIVE).table
    assert chain.states[table[:, FLAT] == POSITIONS.index(1)].min() == pytest.approx(0.74, abs=0.03)


@pytest.mark.parametrize(
    ("rho", "mean", "value"), [(0.9, 2e-4, 1.017), (0.9, 0.9 * 2e-4, 0.880), (0, 20e-4, 11.45)]
)
def test_the_values_of_the_lag_test(rho: float, mean: float, value: float) -> None:
    """In time; a bar late, when x has faded by ρ; and with the coming bar's noise seen."""
    gain = solve(autoregressive_chain(rho, mean, 1), FIVE).gain.mean()
    assert gain * BPS == pytest.approx(value, rel=0.003)


def test_tauchen_keeps_mean_and_variance() -> None:
    grid, transition = tauchen(0.9)
    assert len(grid) >= 401
    assert transition.sum(axis=1) == pytest.approx(np.ones(len(grid)))
    stationary = np.linalg.matrix_power(transition, 512)[0]
    assert stationary @ grid == pytest.approx(0, abs=1e-9)
    assert stationary @ grid**2 == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("interval", [1, 6, 24])
@pytest.mark.parametrize(("rho", "mean"), [(0.9, 2e-4), (0.95, -3.2e-4)])
def test_monte_carlo_of_the_solved_policy_is_within_one_percent(
    rho: float, mean: float, interval: int
) -> None:
    """The continuous AR(1), stepped bar by bar, decided on by the grid's table."""
    chain = autoregressive_chain(rho, mean, interval)
    solution = solve(chain, FIVE)
    generator = np.random.default_rng(5)
    x, held = generator.standard_normal(10_000), np.full(10_000, FLAT)
    positions = np.asarray(POSITIONS, dtype=float)
    earned, bars = 0.0, 1_200
    for bar in range(bars):
        if bar % interval == 0:
            chosen = solution.table[chain.nearest(x), held]
            earned -= FIVE * np.abs(positions[chosen] - positions[held]).mean()
            held = chosen
        earned += float((positions[held] * mean * x).mean())
        x = rho * x + np.sqrt(1 - rho**2) * generator.standard_normal(len(x))
    assert earned / bars == pytest.approx(solution.gain.mean() / interval, rel=0.01)


@pytest.mark.parametrize("interval", [1, 6])
@pytest.mark.parametrize("name", ["G1", "G2", "G3", "G4"])
def test_the_best_policy_earns_the_optimum_in_the_environment(name: str, interval: int) -> None:
    """Through candles, features and all phases, by the conditional means; 2.5 SE and more."""
    market, bars = known_markets()[name], 200_000
    settings = TrainingSettings("B", interval, 72, ("signal",), cost_bps=5, seed=4)
    settings = dataclasses.replace(settings, features=market.features)
    environment = MarketEnvironment(known_dataset(market, settings, bars), settings)
    candles, optimum = market.candles(bars, 4), market.optimum(interval, FIVE)
    rollout = environment.replay(optimum.policy(candles), slice(0, bars))
    earned = dataclasses.replace(rollout, returns=market.expected_returns(candles))
    assert accounting.net_bps(earned) == pytest.approx(optimum.value_bps, rel=0.04)
