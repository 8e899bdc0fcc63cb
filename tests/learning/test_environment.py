import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import FLAT, MarketEnvironment, bar_returns
from btc_ai.learning.evaluation.accounting import net_bps
from btc_ai.learning.network import POSITIONS, QNetwork
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features

ONE_BAR = TrainingSettings("One", 1, 24, ("price", "rsi"), cost_bps=5)
GAP = 20e-4


def environment(candles: Candles, settings: TrainingSettings) -> MarketEnvironment:
    return MarketEnvironment(Dataset.from_candles(candles, builtin_features(), settings), settings)


def with_holes(candles: Candles, *holes: int) -> Candles:
    return candles.take(np.setdiff1d(np.arange(len(candles)), holes))


def trained_like(environment: MarketEnvironment, seed: int = 0) -> QNetwork:
    """A network whose policy trades: its value head is not zero."""
    generator = torch.Generator().manual_seed(seed)
    network = QNetwork(environment.dataset.columns, (1, 24), generator)
    with torch.no_grad():
        network.values.weight.normal_(generator=generator)
    return network


@pytest.fixture
def gap_canary(make_candles: Callable[..., Candles]) -> Candles:
    """G7: the next open jumps on in the direction of the bar; within the bar all is chance."""
    moves = np.random.default_rng(11).standard_normal(6_000) * 20e-4
    gaps = GAP * np.sign(moves)
    log_close = np.cumsum(moves + np.concatenate([[0], gaps[:-1]]))
    return make_candles(np.exp(log_close), np.exp(log_close - moves))


def follow_the_bar(candles: Candles) -> NDArray[np.int64]:
    """Take the direction of the bar that just closed, whatever is held."""
    direction = np.sign(candles.close / candles.open - 1).astype(np.int64) + FLAT
    return np.repeat(direction[:, None], len(POSITIONS), axis=1)


def test_a_decision_at_bar_t_earns_from_the_next_open_to_the_one_after() -> None:
    log_open = np.log([100.0, 101, 103, 102, 108])
    earned = bar_returns(log_open, np.zeros(5, dtype=np.int64))
    assert earned[:3] == pytest.approx(np.log([103 / 101, 102 / 103, 108 / 102]))
    assert np.isnan(earned[3:]).all()


def test_no_return_reaches_over_a_hole() -> None:
    earned = bar_returns(np.arange(8.0), np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert np.isnan(earned).tolist() == [False, False, True, True, False, False, True, True]


def test_filling_at_the_close_is_a_leak_that_the_gap_canary_shows(gap_canary: Candles) -> None:
    honest = environment(gap_canary, ONE_BAR)
    test = honest.dataset.splits.test
    table = follow_the_bar(gap_canary)[test]
    # The planted leak: orders filled at the close that the decision was taken on.
    closes = np.concatenate([[0.0], np.log(gap_canary.close)[:-1]])
    leaking = MarketEnvironment(dataclasses.replace(honest.dataset, log_open=closes), ONE_BAR)
    assert net_bps(honest.replay(table, test)) < 0
    assert net_bps(leaking.replay(table, test)) > 10


def test_scrambling_the_future_changes_no_action_before_it(walk: Candles) -> None:
    bar = 5_500
    order = np.concatenate([np.arange(bar), np.random.default_rng(1).permutation(500) + bar])
    scrambled = dataclasses.replace(walk.take(order), time=walk.time)
    before, after = environment(walk, ONE_BAR), environment(scrambled, ONE_BAR)
    network, test = trained_like(before), before.dataset.splits.test
    known = bar - test.start
    ours = before.rollout(network, test).positions[:, :known]
    assert np.array_equal(ours, after.rollout(network, test).positions[:, :known])
    assert (ours != 0).any()
    assert not np.array_equal(
        before.rollout(network, test).positions, after.rollout(network, test).positions
    )


def test_windows_keep_to_their_segment_their_part_and_valid_bars(walk: Candles) -> None:
    six = dataclasses.replace(ONE_BAR, min_horizon=6, window=16)
    market = environment(with_holes(walk, 1_500, 1_501, 2_800), six)
    data, length = market.dataset, 6 * 16 + 2
    starts = set(market.starts(data.splits.train).tolist())
    for start in range(data.splits.train.stop):
        window = slice(start, start + length)
        possible = (
            window.stop <= data.splits.train.stop
            and len(set(data.segment_ids[window].tolist())) == 1
            and bool(data.valid[window].all())
        )
        assert (start in starts) == possible


def test_holes_everywhere_leave_no_window(walk: Candles) -> None:
    long = dataclasses.replace(ONE_BAR, min_horizon=12)
    shredded = with_holes(walk, *range(0, 6_000, 300))
    with pytest.raises(DataError, match=r"windows of 386 candles without a hole"):
        environment(shredded, long).starts(slice(0, 4_000))


def test_a_rollout_is_flat_over_a_hole_and_pays_for_leaving(walk: Candles) -> None:
    market = environment(with_holes(walk, 5_600), dataclasses.replace(ONE_BAR, min_horizon=3))
    test = market.dataset.splits.test
    always_long = np.full((test.stop - test.start, 3), POSITIONS.index(1))
    rollout = market.replay(always_long, test)
    hole = int(np.flatnonzero(np.diff(market.dataset.segment_ids[test]))[0]) + 1
    closed = ~market.dataset.valid[test]
    assert (rollout.positions[:, hole - 2 : hole] == 0).all()
    assert (rollout.positions[:, closed] == 0).all()
    assert (rollout.positions[:, hole - 3] == 1).all()
    assert rollout.changes.sum(axis=1).tolist() == [4, 4, 4]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    interval=st.integers(1, 7),
    hole=st.integers(5_200, 5_900),
    seed=st.integers(0, 2**32 - 1),
)
def test_replay_equals_walking_bar_by_bar(
    make_candles: Callable[..., Candles], interval: int, hole: int, seed: int
) -> None:
    shocks = np.random.default_rng(3).standard_normal(6_000) * 20e-4
    candles = with_holes(make_candles(np.exp(np.cumsum(shocks))), hole)
    market = environment(candles, dataclasses.replace(ONE_BAR, min_horizon=interval))
    test = market.dataset.splits.test
    table = np.random.default_rng(seed).integers(0, 3, (test.stop - test.start, 3))
    rollout = market.replay(table, test)
    returns = bar_returns(market.dataset.log_open[test], market.dataset.segment_ids[test])
    closed = np.isnan(returns) | ~market.dataset.valid[test]
    for lane in range(interval):
        held, net = FLAT, []
        for bar, row in enumerate(table):
            before = held
            if closed[bar]:
                held = FLAT
            elif bar >= lane and (bar - lane) % interval == 0:
                held = int(row[held])
            change = abs(POSITIONS[held] - POSITIONS[before])
            net.append(POSITIONS[held] * np.nan_to_num(returns[bar]) - market.cost * change)
        assert rollout.net[lane] == pytest.approx(net, abs=1e-12)


def test_held_returns_discount_each_bar_of_the_interval(walk: Candles) -> None:
    market = environment(walk, dataclasses.replace(ONE_BAR, min_horizon=4))
    expected = sum(0.9**j * market.returns[100 + j] for j in range(4))
    assert market.held_returns(0.9)[100] == pytest.approx(expected)
