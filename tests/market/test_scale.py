"""Volatility and the robust scaler."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.market.candles import Candles
from btc_ai.market.scaler import RobustScaler
from btc_ai.market.volatility import FLOOR, volatility

MakeCandles = Callable[..., Candles]


@pytest.mark.parametrize("stop", [1, 2, 3, 17, 1_000, 23_700, 24_000, 99_999])
def test_volatility_is_prefix_invariant(btc_5m: Candles, stop: int) -> None:
    full = volatility(btc_5m)
    assert volatility(btc_5m.take(slice(0, stop))).tobytes() == full[:stop].tobytes()


def test_volatility_finds_sigma(make_candles: MakeCandles) -> None:
    sigma = volatility(make_candles(5_000))
    assert np.median(sigma) == pytest.approx(1e-3, rel=0.05)
    assert (sigma >= FLOOR).all()


def test_return_across_a_hole_is_left_out(make_candles: MakeCandles) -> None:
    candles = make_candles(1_000)
    late = np.arange(1_000) >= 500
    jump = np.where(late, 2.0, 1.0)
    split = replace(
        candles,
        time=np.where(late, candles.time + 3_600_000, candles.time),
        close=candles.close * jump,
    )
    assert volatility(split)[500] == volatility(split)[499]
    assert volatility(split).max() < 0.01
    assert volatility(replace(candles, close=candles.close * jump))[500] > 0.01


def test_volatility_of_nothing(make_candles: MakeCandles) -> None:
    assert volatility(make_candles(5).take(slice(0, 0))).shape == (0,)


def test_scaler_is_robust(make_candles: MakeCandles) -> None:
    rng = np.random.default_rng(0)
    values = (3 + 2 * rng.standard_normal((20_000, 2))).astype(np.float32)
    values[:200, 0] = 1e6
    scaler = RobustScaler.fit(values, ["a", "b"])
    np.testing.assert_allclose(scaler.median, 3, atol=0.1)
    np.testing.assert_allclose(scaler.sigma, 2, atol=0.1)
    scaled = scaler.transform(values)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() == 5
    assert np.median(scaled, axis=0) == pytest.approx([0, 0], abs=1e-3)


def test_scaler_goes_by_name() -> None:
    values = np.random.default_rng(0).standard_normal((100, 2)).astype(np.float32)
    scaler = RobustScaler.fit(values, ["a", "b"])
    swapped = scaler.transform(values[:, ::-1], ["b", "a"])
    np.testing.assert_array_equal(swapped, scaler.transform(values))
    with pytest.raises(DataError, match="'a'"):
        scaler.transform(values, ["b", "c"])


@settings(max_examples=50, derandomize=True)
@given(seed=st.integers(0, 1_000), columns=st.integers(1, 5))
def test_scaler_survives_json(seed: int, columns: int) -> None:
    values = np.random.default_rng(seed).standard_cauchy((50, columns)).astype(np.float32)
    scaler = RobustScaler.fit(values, [f"f.{index}" for index in range(columns)])
    again = RobustScaler.from_json(scaler.to_json())
    assert again.columns == scaler.columns
    assert again.transform(values).tobytes() == scaler.transform(values).tobytes()


def test_scaler_refuses() -> None:
    with pytest.raises(DataError, match=r"flat.*constant"):
        RobustScaler.fit(np.ones((10, 1), dtype=np.float32), ["flat"])
    with pytest.raises(DataError, match="cannot be fitted"):
        RobustScaler.fit(np.ones((0, 1), dtype=np.float32), ["none"])
    for text in ("{", "[1]", '{"a": {"median": 0}}', '{"a": 3}'):
        with pytest.raises(DataError, match="not a scaler"):
            RobustScaler.from_json(text)
