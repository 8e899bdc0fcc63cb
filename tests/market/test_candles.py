"""Candles: grid, holes, hash."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.market.candles import Candles, check_symbol, interval_ms, interval_name, iso

MakeCandles = Callable[..., Candles]


@pytest.mark.parametrize(
    ("interval", "step"),
    [("1s", 1_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000), ("1w", 604_800_000)],
)
def test_interval_and_back(interval: str, step: int) -> None:
    assert interval_ms(interval) == step
    assert interval_name(step) == interval


@pytest.mark.parametrize("interval", ["", "5", "m", "0m", "5M", "1.5h", "-1m", "5 m"])
def test_unknown_interval(interval: str) -> None:
    with pytest.raises(DataError, match="interval"):
        interval_ms(interval)


@pytest.mark.parametrize(
    "symbol", ["BTC", "../etc/passwd", "BTC/USDT/X", "", "BTC USDT", "/", "A/"]
)
def test_symbols_that_are_none(symbol: str) -> None:
    with pytest.raises(DataError, match="BASE/QUOTE"):
        check_symbol(symbol)


def test_symbol_is_upper_case() -> None:
    assert check_symbol(" btc/usdt ") == "BTC/USDT"


@settings(max_examples=50, derandomize=True)
@given(kept=st.lists(st.booleans(), min_size=1, max_size=40))
def test_segments_are_the_maximal_runs_without_a_hole(kept: list[bool]) -> None:
    time = 300_000 * np.flatnonzero(kept).astype(np.int64)
    candles = Candles.of("BTC/USDT", "5m", time, [np.ones(len(time))] * 5, source="test")
    assert sum(run.stop - run.start for run in candles.segments) == len(time)
    for number, run in enumerate(candles.segments):
        assert (np.diff(time[run]) == 300_000).all()
        assert (candles.segment_ids[run] == number).all()
        if number:
            assert time[run.start] - time[run.start - 1] > 300_000


def test_real_candles_have_one_hole(btc_5m: Candles) -> None:
    assert len(btc_5m.segments) == 2
    assert iso(btc_5m.time[btc_5m.segments[1].start]) == "2023-03-24 14:00"


def test_hash_says_what_the_candles_say(make_candles: MakeCandles) -> None:
    candles = make_candles()
    assert candles.sha256 == make_candles().sha256
    assert candles.sha256 == replace(candles, source="elsewhere").sha256
    moved = candles.volume.copy()
    moved[7] = np.nextafter(moved[7], 0)
    others = [
        replace(candles, volume=moved),
        replace(candles, symbol="ETH/USDT"),
        candles.take(slice(0, 49)),
    ]
    assert candles.sha256 not in {other.sha256 for other in others}


def test_weekly_bars_open_on_mondays() -> None:
    monday = np.array([np.datetime64("2024-01-01", "ms").astype(np.int64)])
    weekly = Candles.of("BTC/USDT", "1w", monday, [np.ones(1)] * 5, source="test")
    assert not weekly.off_grid.any()
    assert replace(weekly, time=monday + 86_400_000).off_grid.all()


@pytest.mark.parametrize("volume", [np.ones(3), np.ones(50, dtype=np.float32)])
def test_wrong_shape_or_type_is_refused(make_candles: MakeCandles, volume: object) -> None:
    with pytest.raises(DataError, match="volume must be"):
        make_candles(volume=volume)
