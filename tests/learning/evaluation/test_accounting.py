import math
from typing import Any

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evaluation.results import Evaluation

DAY = 24 * 3600 * 1000


def rollout(positions: list[list[float]], returns: list[float], cost: float = 0.01) -> Rollout:
    return Rollout(np.array(positions), np.array(returns), cost)


def test_trades_pay_entry_and_exit_and_turning_is_two_trades() -> None:
    path = rollout([[1, 1, -1, 0, 0, 1]], [0.05, 0.01, -0.04, 0.5, 0.5, -0.03])
    assert accounting.trade_returns(path) == pytest.approx([0.04, 0.02, -0.05])
    assert path.changes.tolist() == [[1, 0, 2, 1, 0, 2]]


def test_trades_add_up_to_the_net_return_whatever_the_path() -> None:
    generator = np.random.default_rng(0)
    positions = generator.integers(-1, 2, (5, 400)).astype(np.float64)
    path = Rollout(positions, generator.standard_normal(400) * 0.01, 0.0006)
    assert accounting.trade_returns(path).sum() == pytest.approx(path.net.sum())


def test_ratios_that_are_not_defined_are_none() -> None:
    nothing = np.zeros(0)
    assert accounting.win_rate(nothing) is None
    assert accounting.profit_factor(np.array([0.1, 0.2])) is None
    assert accounting.profit_factor(np.array([0.3, -0.1])) == pytest.approx(3)
    assert accounting.sharpe(np.ones(10), DAY) is None


def test_drawdown_is_measured_from_the_start_too() -> None:
    assert accounting.max_drawdown(np.array([0.9, 1.2, 0.6, 1.5])) == pytest.approx(0.5)
    assert accounting.max_drawdown(np.array([0.8, 0.9])) == pytest.approx(0.2)


def test_sharpe_is_annualised_over_365_days() -> None:
    curve = np.array([1.01, 1.01 * 0.99, 1.01 * 0.99 * 1.03])
    returns = np.array([0.01, -0.01, 0.03])
    expected = returns.mean() / returns.std(ddof=1) * np.sqrt(365)
    assert accounting.sharpe(curve, DAY) == pytest.approx(expected)


def test_capital_is_split_over_the_lanes() -> None:
    path = rollout([[1, 1, 1], [0, 0, 0]], np.log([1.1, 1.1, 1.1]).tolist(), cost=0)
    assert accounting.equity(path) == pytest.approx([1.05, 1.105, 1.1655])


def test_an_evaluation_survives_json() -> None:
    path = rollout([[1, 1, 0], [0, -1, -1]], [0.02, -0.01, 0.03])
    evaluation = Evaluation.of(path, DAY)
    assert evaluation.trades == 2
    assert Evaluation.from_json(evaluation.to_json()) == evaluation
    assert evaluation.net_bps_per_bar == pytest.approx(path.net.mean() * 1e4)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(2, 800), drift=st.floats(-2e-3, 2e-3))
def test_figures_are_those_of_empyrical(seed: int, bars: int, drift: float) -> None:
    generator = np.random.default_rng(seed)
    returns = drift + 0.01 * generator.standard_t(5, bars)
    curve = np.cumprod(1 + returns).astype(np.float64)
    hour, year = DAY // 24, 365 * 24
    assert accounting.simple_returns(curve) == pytest.approx(returns, abs=1e-12)
    theirs: dict[str, Any] = {
        "sharpe": empyrical.sharpe_ratio(returns, annualization=year),
        "sortino": empyrical.sortino_ratio(returns, annualization=year),
        "volatility": empyrical.annual_volatility(returns, annualization=year),
        "annual_return": empyrical.annual_return(returns, annualization=year),
        "calmar": empyrical.calmar_ratio(returns, annualization=year),
        "max_drawdown": -empyrical.max_drawdown(returns),
    }
    ours = {
        "sharpe": accounting.sharpe(curve, hour),
        "sortino": accounting.sortino(curve, hour),
        "volatility": accounting.volatility(curve, hour),
        "annual_return": accounting.annual_return(curve, hour),
        "calmar": accounting.calmar(curve, hour),
        "max_drawdown": accounting.max_drawdown(curve),
    }
    for name, value in theirs.items():
        expected = float(value)
        if ours[name] is None:
            assert not math.isfinite(expected), name
        else:
            assert ours[name] == pytest.approx(expected, rel=1e-6, abs=1e-9), name


def test_ratios_without_a_loss_are_none_and_huge_ones_do_not_overflow() -> None:
    rising = np.cumprod(np.full(50, 1.5))
    assert accounting.sortino(rising, DAY) is None
    assert accounting.calmar(rising, DAY) is None
    assert accounting.annual_return(rising, 1_000) is None


def test_moments_of_known_distributions() -> None:
    coin = np.array([1.0, -1.0] * 50)
    assert accounting.skewness(coin) == pytest.approx(0)
    assert accounting.kurtosis(coin) == pytest.approx(1)
    spike = np.array([0.0, 0.0, 0.0, 4.0])
    assert accounting.skewness(spike) == pytest.approx(24 / 4 / 3**1.5)
    assert accounting.kurtosis(np.zeros(5)) == 3
