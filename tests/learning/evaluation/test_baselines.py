import dataclasses

import numpy as np
import pytest

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import MarketEnvironment, Rollout
from btc_ai.learning.evaluation.baselines import (
    baselines,
    constant,
    macd_signal,
    momentum_signal,
    shifted,
)
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.candles import Candles
from btc_ai.market.features import builtin_features


def environment(candles: Candles, settings: TrainingSettings) -> MarketEnvironment:
    return MarketEnvironment(Dataset.from_candles(candles, builtin_features(), settings), settings)


def random_policy(market: MarketEnvironment, part: slice, seed: int) -> Rollout:
    """Mostly holds on, as a trader does."""
    generator = np.random.default_rng(seed)
    table = np.tile(np.arange(3), (part.stop - part.start, 1))
    moved = generator.random(len(table)) < 0.2
    table[moved] = generator.integers(0, 3, (int(moved.sum()), 1))
    return market.replay(table, part)


@pytest.fixture
def market(walk: Candles, small: TrainingSettings) -> MarketEnvironment:
    return environment(walk, dataclasses.replace(small, min_horizon=3))


def test_flat_earns_nothing_and_holding_earns_the_market_less_two_trades(
    market: MarketEnvironment,
) -> None:
    test = market.dataset.splits.test
    rollouts = constant(market, test)
    assert not rollouts["flat"].net.any()
    hold = rollouts["buy_and_hold"]
    moved = market.dataset.log_open[test.stop - 1] - market.dataset.log_open[test.start + 1]
    assert hold.net[0].sum() == pytest.approx(moved - 2 * market.cost)
    assert hold.changes.sum(axis=1).tolist() == [2, 2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_the_random_baseline_trades_as_much_as_the_model(
    market: MarketEnvironment, seed: int
) -> None:
    test = market.dataset.splits.test
    model = random_policy(market, test, seed)
    random = shifted(market, test, model, np.random.default_rng(seed))
    assert not np.array_equal(random.positions, model.positions)
    # An end of the circle may cut a trade in two in each of the three accounts.
    assert random.changes.sum() == pytest.approx(model.changes.sum(), abs=12)
    assert np.abs(random.positions).mean() == pytest.approx(
        np.abs(model.positions).mean(), rel=0.02
    )
    again = shifted(market, test, model, np.random.default_rng(seed))
    assert np.array_equal(again.positions, random.positions)


def test_the_random_baseline_knows_nothing(walk: Candles, small: TrainingSettings) -> None:
    """Even of a model that sees the future it earns, on average, what its positions cost."""
    market = environment(walk, dataclasses.replace(small, min_horizon=1))
    test = market.dataset.splits.test
    ahead = np.sign(np.nan_to_num(market.returns[test])).astype(np.int64) + 1
    model = market.replay(np.repeat(ahead[:, None], 3, axis=1), test)
    generator = np.random.default_rng(0)
    draws = [shifted(market, test, model, generator) for _ in range(200)]
    gross = [float((d.positions * d.returns).mean()) for d in draws]
    mean, error = np.mean(gross), np.std(gross) / np.sqrt(200)
    drift = float(model.positions.mean() * model.returns.mean())
    assert abs(mean - drift) < 4 * error
    assert float((model.positions * model.returns).mean()) > 10 * np.std(gross)


def test_signals_see_the_past_alone(walk: Candles) -> None:
    for known in (500, 501):
        past = walk.take(slice(0, known))
        assert np.array_equal(macd_signal(walk)[:known], macd_signal(past))
        assert np.array_equal(momentum_signal(walk, 24)[:known], momentum_signal(past, 24))


def test_signals_do_not_look_over_a_hole(walk: Candles) -> None:
    holed = walk.take(np.setdiff1d(np.arange(1_000), [500]))
    behind = walk.take(slice(501, 1_000))
    assert np.array_equal(momentum_signal(holed, 24)[500:], momentum_signal(behind, 24))
    assert np.array_equal(macd_signal(holed)[500:], macd_signal(behind))
    assert not momentum_signal(holed, 24)[500:524].any()


def test_momentum_follows_the_return_over_its_look_back(walk: Candles) -> None:
    signal = momentum_signal(walk, 24)
    assert signal[1_000] == np.sign(walk.close[1_000] / walk.close[976] - 1)
    assert momentum_signal(walk.take(slice(0, 10)), 24).tolist() == [0.0] * 10


def test_all_baselines_stand_on_the_same_bars_at_the_same_cost(
    walk: Candles, market: MarketEnvironment
) -> None:
    test = market.dataset.splits.test
    model = random_policy(market, test, 0)
    rollouts = baselines(market, walk, test, model, np.random.default_rng(0))
    assert list(rollouts) == ["flat", "buy_and_hold", "random", "macd", "momentum"]
    for rollout in rollouts.values():
        assert rollout.positions.shape == model.positions.shape
        assert np.array_equal(rollout.returns, model.returns)
        assert rollout.cost == model.cost
    # Account p decides at bars p, p + 3, … by the signal of that bar.
    signal = momentum_signal(walk, market.settings.max_horizon)[test]
    assert rollouts["momentum"].positions[1, 1:-3:3].tolist() == signal[1:-3:3].tolist()
