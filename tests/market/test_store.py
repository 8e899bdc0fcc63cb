"""The store: round trips, atomic writes, and files that are not what they should be."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles
from btc_ai.market.store import CandleStore

MakeCandles = Callable[..., Candles]


@settings(max_examples=20, derandomize=True, deadline=None)
@given(bars=st.integers(1, 200), seed=st.integers(0, 99), synthetic=st.booleans())
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    make_candles: MakeCandles,
    bars: int,
    seed: int,
    synthetic: bool,
) -> None:
    store = CandleStore(tmp_path_factory.mktemp("data"))
    candles = make_candles(bars, seed, synthetic=synthetic)
    assert store.save(candles).name == "BTC-USDT_5m.parquet"
    loaded = store.load("btc/usdt", "5m")
    assert (loaded.symbol, loaded.interval) == (candles.symbol, candles.interval)
    assert (loaded.source, loaded.synthetic) == (candles.source, candles.synthetic)
    for name in ("time", *COLUMNS):
        assert getattr(loaded, name).tobytes() == getattr(candles, name).tobytes()
    (info,) = store.list()
    assert (info.bars, info.sha256, info.synthetic) == (bars, candles.sha256, synthetic)


def test_real_candles_keep_their_hash(tmp_path: Path, btc_5m: Candles) -> None:
    store = CandleStore(tmp_path)
    store.save(btc_5m)
    assert store.load("BTC/USDT", "5m").sha256 == btc_5m.sha256


def test_missing_candles_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="btc-ai data import FILE --symbol BTC/USDT"):
        CandleStore(tmp_path).load("BTC/USDT", "5m")
    with pytest.raises(DataError, match="btc-ai data sample"):
        CandleStore(tmp_path / "nowhere").load("SAMPLE/USDT", "5m")


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_truncated_file_is_corrupt(tmp_path: Path, make_candles: MakeCandles, keep: int) -> None:
    store = CandleStore(tmp_path)
    path = store.save(make_candles())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"is corrupt.*remove it, then get them"):
        store.load("BTC/USDT", "5m")
    assert "unreadable" in str(store.list()[0].error)


def test_every_flipped_bit_is_noticed(tmp_path: Path, make_candles: MakeCandles) -> None:
    """Either the content still matches its hash, or the file is refused: never other candles."""
    store, candles = CandleStore(tmp_path), make_candles()
    path = store.save(candles)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(whole), 150).tolist():
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            assert store.load("BTC/USDT", "5m").sha256 == candles.sha256
        except DataError:
            refused += 1
    assert refused > 50


def test_changed_values_are_noticed(tmp_path: Path, make_candles: MakeCandles) -> None:
    store = CandleStore(tmp_path)
    path = store.save(make_candles())
    table = pq.read_table(path)
    volume = table["volume"].to_numpy().copy()
    volume[3] += 1
    pq.write_table(table.set_column(5, "volume", [volume]), path)
    with pytest.raises(DataError, match="does not match its SHA-256"):
        store.load("BTC/USDT", "5m")


def test_strange_parquet_is_not_ours(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "BTC-USDT_5m.parquet")
    store = CandleStore(tmp_path)
    with pytest.raises(DataError, match=r"was not written by btc-ai.*data import"):
        store.load("BTC/USDT", "5m")
    assert "not written by btc-ai" in str(store.list()[0].error)


def test_renamed_file_is_refused(tmp_path: Path, make_candles: MakeCandles) -> None:
    store = CandleStore(tmp_path)
    store.save(make_candles()).rename(tmp_path / "ETH-USDT_5m.parquet")
    with pytest.raises(DataError, match="holds BTC/USDT 5m, not ETH/USDT 5m"):
        store.load("ETH/USDT", "5m")


def test_no_candles_and_unsound_candles_are_refused(
    tmp_path: Path, make_candles: MakeCandles
) -> None:
    store, candles = CandleStore(tmp_path), make_candles()
    store.save(candles.take(slice(0, 0)))
    with pytest.raises(DataError, match="holds no candles"):
        store.load("BTC/USDT", "5m")
    store.save(replace(candles, high=candles.low * 0.9))
    with pytest.raises(DataError, match="data check --repair"):
        store.load("BTC/USDT", "5m")


def test_full_disk_keeps_what_was_stored(tmp_path: Path, make_candles: MakeCandles) -> None:
    """A write that fails half-way: /dev/full accepts no byte."""
    store = CandleStore(tmp_path)
    old = make_candles(seed=1)
    path = store.save(old)
    path.with_name(f".{path.name}.{os.getpid()}.tmp").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"No space left on device.*Nothing stored was changed"):
        store.save(make_candles(seed=2))
    assert store.load("BTC/USDT", "5m").sha256 == old.sha256
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_unwritable_directory(tmp_path: Path, make_candles: MakeCandles) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        CandleStore(tmp_path / "file" / "data").save(make_candles())


@pytest.mark.parametrize("symbol", ["../X", "BTC/../../X", ".", "BTC/USDT\0"])
def test_a_symbol_cannot_leave_the_directory(tmp_path: Path, symbol: str) -> None:
    with pytest.raises(DataError, match="symbol"):
        CandleStore(tmp_path).path(symbol, "5m")
