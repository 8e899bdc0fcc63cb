import dataclasses

import numpy as np
import pytest

from btc_ai.learning.dataset import Dataset
from btc_ai.learning.environment import FLAT, MarketEnvironment
from btc_ai.learning.evaluation.accounting import net_bps
from btc_ai.learning.markets.gap import GapMarket
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.network import POSITIONS
from btc_ai.learning.settings import TrainingSettings
from btc_ai.market.features import FeatureRegistry, build_features
from btc_ai.market.quality import check_candles

MARKET: KnownMarket = GapMarket()
BARS = 100_000


def earned(market: GapMarket, *, at_the_close: bool) -> float:
    """Bps a bar of holding the direction of the bar that closed."""
    candles, registry = market.candles(BARS, 1), FeatureRegistry()
    market.register(registry)
    settings = TrainingSettings("G7", 1, 24, market.features, cost_bps=market.cost_bps)
    dataset = Dataset.from_candles(candles, registry, settings)
    if at_the_close:
        closes = np.concatenate([dataset.log_open[:1], np.log(candles.close)[:-1]])
        dataset = dataclasses.replace(dataset, log_open=closes)
    direction = np.sign(candles.close / candles.open - 1).astype(np.int64) + FLAT
    table = np.repeat(direction[:, None], len(POSITIONS), axis=1)
    return net_bps(MarketEnvironment(dataset, settings).replay(table, slice(0, BARS)))


def test_candles_are_sound_and_the_same_for_the_same_seed() -> None:
    candles = MARKET.candles(5_000, 3)
    assert not check_candles(candles).errors
    assert candles.synthetic
    assert candles.sha256 == MARKET.candles(5_000, 3).sha256 != MARKET.candles(5_000, 4).sha256


def test_the_open_jumps_on_in_the_direction_of_the_bar() -> None:
    candles = GapMarket(gap_bps=30).candles(5_000, 0)
    gap = np.log(candles.open[1:] / candles.close[:-1])
    direction = np.sign(candles.close / candles.open - 1)[:-1]
    np.testing.assert_allclose(gap, 30e-4 * direction, atol=1e-9)


@pytest.mark.parametrize("gap_bps", [0.0, 10.0, 40.0])
def test_right_timing_earns_nothing_before_cost(gap_bps: float) -> None:
    market = GapMarket(gap_bps=gap_bps, cost_bps=0.0)
    assert earned(market, at_the_close=False) == pytest.approx(0, abs=4 * 45 / BARS**0.5)
    assert market.optimum(1, 0.0).value_bps == 0.0
    assert not market.expected_returns(market.candles(100, 0)).any()


@pytest.mark.parametrize(("gap_bps", "cost_bps"), [(20.0, 0.0), (20.0, 5.0), (10.0, 9.0)])
def test_filling_at_the_close_leaks_gap_less_cost(gap_bps: float, cost_bps: float) -> None:
    market = GapMarket(gap_bps=gap_bps, cost_bps=cost_bps)
    leak = market.leak_bps(cost_bps * 1e-4)
    assert leak == gap_bps - cost_bps
    assert earned(market, at_the_close=True) == pytest.approx(leak, abs=4 * 30 / BARS**0.5)
    assert market.leak_bps(gap_bps * 1e-4 + 1e-4) == 0.0


def test_its_features_show_the_direction() -> None:
    registry, candles = FeatureRegistry(), MARKET.candles(2_000, 0)
    MARKET.register(registry)
    matrix = build_features(candles, MARKET.features, registry)
    assert matrix.columns == ("bar_direction.sign", "bar_direction.move")
    assert (matrix.values[:, 0] == np.sign(candles.close - candles.open)).all()
