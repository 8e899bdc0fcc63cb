"""Quality: each fault planted is found, repair drops exactly what is provably wrong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles
from btc_ai.market.checkup import check_store
from btc_ai.market.quality import check_candles, find_errors, repair
from btc_ai.market.store import CandleStore

MakeCandles = Callable[..., Candles]


def plant(candles: Candles, kind: str) -> Candles:
    """Bar 10 gets the fault."""
    values = {name: getattr(candles, name).copy() for name in ("time", *COLUMNS)}
    match kind:
        case "price":
            values["close"][10] = np.nan
        case "volume":
            values["volume"][10] = -1
        case "ohlc":
            values["high"][10] = values["low"][10] * 0.99
        case "off-grid":
            values["time"][10] += 1_000
        case "unsorted":
            values = {name: np.roll(array, 1) for name, array in values.items()}
        case "duplicate" | "conflict":
            values = {n: np.insert(array, 11, array[10]) for n, array in values.items()}
            values["close"][11] += 0.001 if kind == "conflict" else 0
    return replace(candles, **values)


@pytest.mark.parametrize(
    "kind", ["price", "volume", "ohlc", "off-grid", "unsorted", "duplicate", "conflict"]
)
def test_each_error_is_found_and_only_it(make_candles: MakeCandles, kind: str) -> None:
    candles = make_candles(200)
    bad = plant(candles, kind)
    (finding,) = check_candles(bad).errors
    assert (finding.kind, finding.count) == (kind, 1)
    if kind != "unsorted":
        assert finding.first[0].startswith("2023-01-01 00:50")
    mended, dropped = repair(bad)
    if kind == "conflict":
        assert dropped == {}
        assert len(mended) == 201
    elif kind in {"unsorted", "duplicate"}:
        assert mended.sha256 == candles.sha256
    else:
        assert dropped == {kind: 1}
        assert mended.sha256 == candles.take(np.arange(200) != 10).sha256


@settings(max_examples=40, derandomize=True, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_repair_leaves_sound_bars_of_the_original(make_candles: MakeCandles, seed: int) -> None:
    """Whatever is wrong: afterwards nothing provable is, and no bar was invented or altered."""
    rng = np.random.default_rng(seed)
    candles = make_candles(60, seed)
    values = {name: getattr(candles, name).copy() for name in COLUMNS}
    for _ in range(8):
        name = COLUMNS[rng.integers(5)]
        values[name][rng.integers(60)] = rng.choice([np.nan, np.inf, -1.0, 0.0, 1e9])
    time = candles.time.copy()
    time[rng.integers(60, size=3)] += rng.integers(1, 300_000, 3)
    order = rng.permutation(60)
    bad = replace(candles, time=time, **values).take(order)
    mended, dropped = repair(bad)
    assert find_errors(mended) == []
    assert len(mended) + sum(dropped.values()) == 60
    originals = {tuple(row) for row in np.stack([getattr(bad, n) for n in ("time", *COLUMNS)], 1)}
    kept = [tuple(row) for row in np.stack([getattr(mended, n) for n in ("time", *COLUMNS)], 1)]
    assert set(kept) <= originals


def test_warnings(make_candles: MakeCandles) -> None:
    candles = make_candles(1_000)
    close, volume = candles.close.copy(), candles.volume.copy()
    close[500] *= 1.1
    volume[600:603] = 0
    odd = replace(candles, close=close, high=np.maximum(candles.high, close), volume=volume).take(
        np.r_[0:700, 710:1_000]
    )
    report = check_candles(odd)
    found = {finding.kind: finding for finding in report.findings}
    assert report.errors == ()
    assert found["hole"].meaning == "10 bars missing, next bar"
    assert found["hole"].first == ("2023-01-03 11:10",)
    assert found["zero-volume"].count == 3
    assert found["spike"].first == ("2023-01-02 17:40",)
    assert found["outlier"].count == 1
    assert repair(odd)[0].sha256 == odd.sha256


def test_real_candles_are_sound(btc_5m: Candles, btc_1h: Candles) -> None:
    for candles, holes in ((btc_5m, 1), (btc_1h, 28)):
        report = check_candles(candles)
        found = {finding.kind: finding for finding in report.findings}
        assert report.errors == ()
        assert found["hole"].count == holes
        assert found["outlier"].count < 10


def test_checkup_repairs_the_store(tmp_path: Path, make_candles: MakeCandles) -> None:
    store = CandleStore(tmp_path)
    store.save(plant(make_candles(200), "ohlc"))
    (tmp_path / "X-Y_5m.parquet").write_bytes(b"garbage")
    before = {checkup.path.name: checkup for checkup in check_store(store)}
    assert not before["BTC-USDT_5m.parquet"].ok
    assert "unreadable" in str(before["X-Y_5m.parquet"].unreadable)
    (mended,) = check_store(store, "btc/usdt", mend=True)
    assert mended.ok
    assert mended.dropped == {"ohlc": 1}
    assert len(store.load("BTC/USDT", "5m")) == 199
    with pytest.raises(DataError, match="no candles of ETH/USDT"):
        check_store(store, "ETH/USDT")


def test_repair_never_leaves_an_empty_file(tmp_path: Path, make_candles: MakeCandles) -> None:
    store, candles = CandleStore(tmp_path), make_candles(20)
    store.save(replace(candles, volume=-candles.volume - 1))
    (checkup,) = check_store(store, mend=True)
    assert not checkup.ok
    assert len(store.read("BTC/USDT", "5m")) == 20
