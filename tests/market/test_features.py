"""Features: causal to the last bit, finite, stationary, and errors that name the culprit."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from btc_ai.config import BUILTIN_FEATURES
from btc_ai.errors import DataError
from btc_ai.market.candles import Candles
from btc_ai.market.features import FeatureRegistry, build_features, builtin_features

MakeCandles = Callable[..., Candles]

ALL = BUILTIN_FEATURES


def same_bits(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def test_registry_holds_the_guides_features(registry: FeatureRegistry) -> None:
    assert registry.names == ALL


@pytest.mark.parametrize("name", ALL)
def test_prefix_invariance_on_real_candles(
    btc_5m: Candles, registry: FeatureRegistry, name: str
) -> None:
    """Features on bars 0..t equal the full series' features up to t, bit for bit."""
    feature = registry.get(name)
    bars = btc_5m.take(btc_5m.segments[1])
    full = feature.function(bars)
    lengths = [*range(feature.lookback + 1, feature.lookback + 40), 1_000, 4_096, 50_001]
    for length in lengths:
        part = feature.function(bars.take(slice(0, length)))
        for column, values in part.items():
            assert same_bits(values, full[column][:length]), (name, column, length)


@pytest.mark.parametrize("stop", [23_500, 23_900, 24_100, 60_000, 104_814])
def test_matrix_is_prefix_invariant_over_the_hole(
    btc_5m: Candles, registry: FeatureRegistry, stop: int
) -> None:
    full = build_features(btc_5m, ALL, registry)
    part = build_features(btc_5m.take(slice(0, stop)), ALL, registry)
    assert part.values.tobytes() == full.values[:stop].tobytes()
    assert (part.valid == full.valid[:stop]).all()


def test_a_feature_that_sees_the_future_is_caught(
    btc_5m: Candles, registry: FeatureRegistry
) -> None:
    """The comparison of the tests above is able to fail."""
    bars = btc_5m.take(slice(0, 2_000))
    centred = bars.close - bars.close.mean()
    part = bars.take(slice(0, 1_000))
    assert not same_bits(centred[:1_000], part.close - part.close.mean())


def test_real_candles_give_about_thirty_finite_columns(
    btc_5m: Candles, btc_1h: Candles, registry: FeatureRegistry
) -> None:
    for candles in (btc_5m, btc_1h):
        matrix = build_features(candles, ALL, registry)
        assert matrix.values.shape == (len(candles), len(matrix.columns))
        assert matrix.values.dtype == np.float32
        assert 25 <= len(matrix.columns) <= 32
        assert np.isfinite(matrix.values).all()
        assert {column.split(".")[0] for column in matrix.columns} == set(ALL)


def test_warm_up_after_every_hole(btc_1h: Candles, registry: FeatureRegistry) -> None:
    matrix = build_features(btc_1h, ["price", "macd"], registry)
    assert matrix.lookback == 150
    for run in btc_1h.segments:
        assert not matrix.valid[run][:150].any()
        assert matrix.valid[run][150:].all()
    assert (matrix.values[~matrix.valid] == 0).all()


def test_no_column_knows_the_price_level(btc_5m: Candles, registry: FeatureRegistry) -> None:
    """Eight times the price and the volume: the same features."""
    bars = btc_5m.take(slice(0, 3_000))
    scaled = Candles.of(
        bars.symbol, bars.interval, bars.time,
        [8 * getattr(bars, name) for name in ("open", "high", "low", "close", "volume")],
        source=bars.source,
    )  # fmt: skip
    before = build_features(bars, ALL, registry).values
    after = build_features(scaled, ALL, registry).values
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-5)


def test_rsi_is_talibs_rsi(btc_5m: Candles, registry: FeatureRegistry) -> None:
    bars = btc_5m.take(slice(0, 2_000))
    ours = registry.get("rsi").function(bars)["rsi_14"][14:]
    np.testing.assert_allclose(ours, (talib.RSI(bars.close, 14)[14:] - 50) / 50, atol=1e-9)


def test_values_by_their_definition(btc_5m: Candles, registry: FeatureRegistry) -> None:
    bars, t = btc_5m.take(slice(0, 1_000)), 900
    get = {name: registry.get(name).function(bars) for name in ALL}
    assert get["price"]["return_6"][t] == pytest.approx(np.log(bars.close[t] / bars.close[t - 6]))
    median = np.median(bars.volume[t - 287 : t + 1])
    assert get["volume"]["level"][t] == pytest.approx(np.log(bars.volume[t] / median))
    high, low = bars.high[t - 287 : t + 1].max(), bars.low[t - 287 : t + 1].min()
    share = (bars.close[t] - low) / (high - low)
    assert get["fibonacci"]["place"][t] == pytest.approx(share - 0.5)
    levels = np.array([0, 0.236, 0.382, 0.5, 0.618, 0.786, 1])
    nearest = levels[np.argmin(np.abs(levels - share))]
    assert get["fibonacci"]["nearest"][t] == pytest.approx(share - nearest)
    kijun = (bars.high[t - 25 : t + 1].max() + bars.low[t - 25 : t + 1].min()) / 2
    assert get["ichimoku"]["kijun"][t] == pytest.approx(np.log(bars.close[t] / kijun))
    logs = np.log(bars.close[t - 19 : t + 1])
    band = (logs[-1] - logs.mean()) / (4 * logs.std())
    assert get["bollinger"]["percent_b"][t] == pytest.approx(band, rel=1e-6)


def test_cloud_over_a_bar_was_drawn_26_bars_before(
    btc_5m: Candles, registry: FeatureRegistry
) -> None:
    bars, t = btc_5m.take(slice(0, 1_000)), 700
    cloud = registry.get("ichimoku").function(bars)["cloud_top"]
    s = t - 26

    def middle(n: int) -> float:
        return float(bars.high[s - n + 1 : s + 1].max() + bars.low[s - n + 1 : s + 1].min()) / 2

    top = max((middle(9) + middle(26)) / 2, middle(52))
    assert cloud[t] == pytest.approx(np.log(bars.close[t] / top))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    flat=st.tuples(st.integers(0, 600), st.integers(0, 600)),
    length=st.integers(300, 599),
)
def test_any_sound_candles_give_finite_causal_features(
    seed: int, flat: tuple[int, int], length: int
) -> None:
    """Trading halts (flat price, no volume) included."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.standard_t(3, 600) * 1e-3))
    halt = slice(min(flat), max(flat))
    close[halt] = close[halt.start] if halt.start < 600 else close[halt]
    volume = rng.exponential(5, 600)
    volume[halt] = 0
    time = 300_000 * np.arange(600, dtype=np.int64)
    bars = Candles.of("X/Y", "5m", time, [close, close, close, close, volume], source="test")
    registry = builtin_features()
    full = build_features(bars, ALL, registry)
    part = build_features(bars.take(slice(0, length)), ALL, registry)
    assert np.isfinite(full.values).all()
    assert part.values.tobytes() == full.values[:length].tobytes()


def test_flat_market_is_neutral(make_candles: MakeCandles, registry: FeatureRegistry) -> None:
    flat = np.full(400, 30_000.0)
    bars = make_candles(400, open=flat, high=flat, low=flat, close=flat, volume=np.zeros(400))
    values = build_features(bars, ALL, registry)
    columns = [values.columns.index(name) for name in ("rsi.rsi_14", "volume.flow", "macd.line")]
    assert (values.values[values.valid][:, columns] == 0).all()


def test_unknown_feature_names_the_nearest(
    make_candles: MakeCandles, registry: FeatureRegistry
) -> None:
    with pytest.raises(DataError, match="did you mean 'bollinger'"):
        build_features(make_candles(), ["bolinger"], registry)


def test_too_few_bars_says_how_many(make_candles: MakeCandles, registry: FeatureRegistry) -> None:
    with pytest.raises(DataError, match="at least 73 bars without a hole, the longest run has 50"):
        build_features(make_candles(50), ["price"], registry)


def test_a_plugin_adds_a_feature(make_candles: MakeCandles) -> None:
    registry = builtin_features()
    registry.register("spread", lambda c: {"x": (c.high - c.low) / c.close}, lookback=0)
    matrix = build_features(make_candles(100), ["spread", "price"], registry)
    assert matrix.columns[0] == "spread.x"
    assert "spread" not in builtin_features().names
    with pytest.raises(DataError, match="registered already"):
        registry.register("spread", lambda c: {}, lookback=0)


def test_broken_features_are_named(make_candles: MakeCandles) -> None:
    candles = make_candles(2_000)
    hole_in = candles.close.copy()
    hole_in[1_500] = np.nan
    broken = {
        "short": (lambda c: {"x": c.close[:-1]}, "'short'.*shape"),
        "nan": (lambda c: {"x": hole_in}, "'nan'.*not finite at 2023-01-06 05:00"),
        "constant": (lambda c: {"x": np.ones(len(c))}, "constant over all 2000 bars: constant.x"),
        "empty": (lambda c: {}, "'empty'"),
    }
    for name, (function, message) in broken.items():
        registry = FeatureRegistry()
        registry.register(name, function, lookback=0)
        with pytest.raises(DataError, match=message):
            build_features(candles, [name], registry)


def test_columns_that_change_between_runs_are_refused(make_candles: MakeCandles) -> None:
    candles = make_candles(100)
    split = replace(candles, time=np.where(np.arange(100) < 50, candles.time, candles.time + 10**7))
    registry = FeatureRegistry()
    registry.register("moody", lambda c: {f"x{c.time[0] % 7}": c.close}, lookback=0)
    with pytest.raises(DataError, match="'moody' must give the same columns"):
        build_features(split, ["moody"], registry)
