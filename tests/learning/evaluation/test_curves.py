import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.learning.environment import Rollout
from btc_ai.learning.evaluation import accounting
from btc_ai.learning.evaluation.curves import (
    COSTS_BPS,
    MOST_POINTS,
    Series,
    break_even_bps,
    cost_curve,
    thin,
)

DAY = 24 * 3600 * 1000


@pytest.fixture
def rollout() -> Rollout:
    generator = np.random.default_rng(0)
    positions = np.repeat(generator.integers(-1, 2, (2, 100)), 5, axis=1).astype(np.float64)
    return Rollout(positions, 0.01 * generator.standard_normal(500) + 0.001, 6e-4)


def test_the_cost_curve_prices_the_same_positions(rollout: Rollout) -> None:
    points = cost_curve(rollout, DAY)
    assert [point.cost_bps for point in points] == [0, 1, 2, 5, 7.5, 10, 20] == list(COSTS_BPS)
    turnover, gross = rollout.changes.mean(), (rollout.positions * rollout.returns).mean() * 1e4
    for point in points:
        assert point.net_bps_per_bar == pytest.approx(gross - point.cost_bps * turnover)
    returns = [point.total_return for point in points]
    assert returns == sorted(returns, reverse=True)


def test_at_the_break_even_cost_nothing_is_earned(rollout: Rollout) -> None:
    cost = break_even_bps(rollout)
    assert cost is not None
    priced = dataclasses.replace(rollout, cost=cost / 1e4)
    assert accounting.net_bps(priced) == pytest.approx(0, abs=1e-9)
    assert break_even_bps(Rollout(np.zeros((1, 9)), np.ones(9), 0.1)) is None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), bars=st.integers(1, 12_000))
def test_a_thinned_series_keeps_ends_and_extremes(seed: int, bars: int) -> None:
    steps = 0.01 * np.random.default_rng(seed).standard_normal(bars)
    curve = np.exp(np.cumsum(steps))
    drawn = Series.of(curve, DAY * np.arange(bars))
    assert len(drawn.time) <= MOST_POINTS
    assert len(drawn.time) == len(drawn.equity) == len(drawn.drawdown)
    assert (drawn.time[0], drawn.time[-1]) == (0, DAY * (bars - 1))
    assert drawn.time == sorted(set(drawn.time))
    assert (max(drawn.equity), min(drawn.equity)) == (curve.max(), curve.min())
    assert max(drawn.drawdown) == accounting.max_drawdown(curve)
    assert json.loads(json.dumps(drawn.to_json())) == drawn.to_json()


def test_a_short_series_is_whole() -> None:
    curve = np.linspace(1, 2, MOST_POINTS)
    assert thin(curve, accounting.drawdowns(curve)).tolist() == list(range(MOST_POINTS))
