import numpy as np
import pytest

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
