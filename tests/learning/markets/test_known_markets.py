import numpy as np
import pytest

from btc_ai.learning.environment import bar_returns
from btc_ai.learning.markets.datasets import features_of
from btc_ai.learning.markets.market import KnownMarket
from btc_ai.learning.markets.martingale import Martingale
from btc_ai.learning.markets.registry import known_markets
from btc_ai.learning.markets.signals import noise
from btc_ai.market.features import build_features
from btc_ai.market.quality import require_sound

NAMES = tuple(known_markets())


@pytest.fixture(params=NAMES)
def market(request: pytest.FixtureRequest) -> KnownMarket:
    return known_markets()[request.param]


def test_candles_are_sound_synthetic_and_the_same_for_the_same_seed(market: KnownMarket) -> None:
    candles = require_sound(market.candles(5_000, 3), market.name)
    assert len(candles) == 5_000
    assert candles.synthetic
    assert candles.sha256 == market.candles(5_000, 3).sha256 != market.candles(5_000, 4).sha256
    opens_at_the_close = bool((candles.open[1:] == candles.close[:-1]).all())
    assert opens_at_the_close == (market.name != "G7")


def test_features_are_functions_of_the_past_alone(market: KnownMarket) -> None:
    """Bit for bit the same on bars 0 … t, and whatever part of the path is looked at."""
    candles = market.candles(3_000, 3)
    registry = features_of(market)
    whole = build_features(candles, market.features, registry).values
    for part in (slice(0, 1_000), slice(0, 2_999), slice(500, 1_500)):
        alone = build_features(candles.take(part), market.features, registry).values
        assert np.array_equal(alone, whole[part])


def test_a_bar_earns_what_was_foretold_at_the_close_before(market: KnownMarket) -> None:
    """Returns less their conditional means are white: nothing seen foretells what is left."""
    candles = market.candles(200_000, 3)
    earned = bar_returns(np.log(candles.open), candles.segment_ids)[:-2]
    left = earned - market.expected_returns(candles)[:-2]
    assert abs(left.mean()) < 4 * left.std() / np.sqrt(len(left))
    values = build_features(candles, market.features, features_of(market)).values[:-2]
    for column in values.T:
        assert abs(np.corrcoef(column, left)[0, 1]) < 4.5 / np.sqrt(len(left))
    assert abs(np.corrcoef(left[1:], left[:-1])[0, 1]) < 4.5 / np.sqrt(len(left))


@pytest.mark.parametrize(("name", "r2"), [("G1", 0.0099), ("G2", 0.0099), ("G3", 0.025)])
def test_means_explain_what_they_should(name: str, r2: float) -> None:
    market = known_markets()[name]
    candles = market.candles(200_000, 3)
    means = market.expected_returns(candles)
    earned = np.diff(np.log(candles.close))
    assert means.var() / earned.var() == pytest.approx(r2, rel=0.1)


def test_noise_is_standard_normal_and_says_nothing_of_other_columns_or_bars() -> None:
    candles = known_markets()["G2"].candles(100_000, 3)
    columns = np.array(list(noise(candles).values()))
    assert len(columns) == 12
    assert columns.mean(axis=1) == pytest.approx(np.zeros(12), abs=0.015)
    assert columns.std(axis=1) == pytest.approx(np.ones(12), abs=0.012)
    assert (columns**4).mean(axis=1) == pytest.approx(np.full(12, 3.0), abs=0.2)
    both = np.corrcoef(
        np.concatenate([columns[:, 1:], columns[:, :-1], [np.log(candles.volume[1:])]])
    )
    assert np.abs(both - np.eye(len(both))).max() < 0.016


def test_garch_has_wild_stretches_and_the_same_volatility() -> None:
    garch, plain = known_markets()["G5-GARCH"], Martingale()
    squares, steady = (
        np.diff(np.log(market.candles(200_000, 3).close)) ** 2 for market in (garch, plain)
    )
    assert np.corrcoef(squares[1:], squares[:-1])[0, 1] > 0.1
    assert abs(np.corrcoef(steady[1:], steady[:-1])[0, 1]) < 0.02
    assert np.sqrt(squares.mean()) == pytest.approx(20e-4, rel=0.15)
    assert (squares**2).mean() / squares.mean() ** 2 > 6
