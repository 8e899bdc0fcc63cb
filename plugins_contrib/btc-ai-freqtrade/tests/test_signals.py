import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from btc_ai_freqtrade.signals import METADATA, Signals, closes, step_ms, symbol_of

from btc_ai.api.errors import DataError

STEP = 300_000
BEGIN = 1_700_000_100_000


def write(path: Path, times: list[int], positions: list[float], **about: Any) -> Path:
    told = {"symbol": "BTC/USDT", "interval": "5m", "in_sample": False, **about}
    table = pa.table({"time": np.asarray(times, np.int64), "position": np.asarray(positions)})
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(told)}), path)
    return path


def dates(first: int, count: int) -> "pd.Series[Any]":
    """As freqtrade has them: when each candle opens, with a time zone."""
    return pd.Series(pd.to_datetime(np.arange(count) * STEP + first, unit="ms", utc=True))


def test_a_position_stands_at_the_candle_whose_close_it_was_made_at(tmp_path: Path) -> None:
    path = write(tmp_path / "s", [BEGIN + STEP, BEGIN + 3 * STEP], [1.0, -0.5])
    found = Signals.read(path).onto(dates(BEGIN, 4), "5m")
    assert found.isna().tolist() == [False, True, False, True]
    assert found.dropna().tolist() == [1.0, -0.5]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit(unit: Any) -> None:
    given = dates(BEGIN, 2).dt.as_unit(unit)
    assert closes(given, "5m").tolist() == [BEGIN + STEP, BEGIN + 2 * STEP]


def test_signals_of_another_market_are_refused(tmp_path: Path) -> None:
    signals = Signals.read(write(tmp_path / "s", [BEGIN], [1.0]))
    signals.require("BTC/USDT", "5m")
    signals.require("BTC/USDT:USDT", "5m")
    for pair, timeframe in (("ETH/USDT", "5m"), ("BTC/USDT", "1h")):
        with pytest.raises(DataError, match=r"are for BTC/USDT 5m"):
            signals.require(pair, timeframe)


def test_candles_without_any_signal_are_refused(tmp_path: Path) -> None:
    signals = Signals.read(write(tmp_path / "s", [BEGIN], [1.0]))
    with pytest.raises(DataError, match="2023-11-14"):
        signals.onto(dates(BEGIN + STEP, 3), "5m")
    assert len(signals.onto(dates(BEGIN, 0), "5m")) == 0


def test_no_file_of_signals(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no parquet")
    pq.write_table(pa.table({"time": [1], "position": [1.0]}), tmp_path / "bare")
    for name in ("text", "bare", "missing"):
        with pytest.raises(DataError, match="freqtrade export"):
            Signals.read(tmp_path / name)


def test_timeframes_and_pairs() -> None:
    assert [step_ms(one) for one in ("1m", "5m", "4h", "1d")] == [
        60_000, 300_000, 14_400_000, 86_400_000,
    ]  # fmt: skip
    with pytest.raises(DataError, match="no timeframe"):
        step_ms("5")
    assert symbol_of("BTC/USDT:USDT") == symbol_of("BTC/USDT") == "BTC/USDT"
