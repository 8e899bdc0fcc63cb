"""freqtrade's own backtesting with the strategy, and the strategy as a dry run uses it.

One thing is made up: the exchange's list of markets, which would be asked for over the network.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from btc_ai_freqtrade.cli import STRATEGY
from btc_ai_freqtrade.signals import METADATA
from btc_ai_freqtrade.strategy import COLUMN
from freqtrade.commands.optimize_commands import setup_optimize_configuration
from freqtrade.data.dataprovider import DataProvider
from freqtrade.data.history import get_datahandler
from freqtrade.enums import CandleType, RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers import ExchangeResolver, StrategyResolver

from btc_ai.api.testing_daemon import running_daemon

PAIR, STEP, BARS = "SAMPLE/USDT", 300_000, 2000
BEGIN = 1_700_000_100_000
MARKET = {
    "id": "SAMPLEUSDT", "symbol": PAIR, "base": "SAMPLE", "quote": "USDT", "active": True,
    "spot": True, "swap": False, "linear": None, "inverse": None, "type": "spot", "contract": False,
    "precision": {"price": 0.01, "amount": 0.00001}, "taker": 0.001, "maker": 0.001,
    "limits": {
        "amount": {"min": 0.00001, "max": None}, "cost": {"min": 1.0, "max": None},
        "price": {"min": 0.01, "max": None}, "leverage": {"min": None, "max": None},
    },
    "info": {},
}  # fmt: skip


def write_candles(folder: Path) -> pd.DataFrame:
    walk = 30_000 * np.exp(np.cumsum(np.random.default_rng(5).standard_normal(BARS + 1) * 1e-3))
    opened, close = walk[:-1], walk[1:]
    frame = pd.DataFrame(
        {
            "date": pd.to_datetime(BEGIN + np.arange(BARS) * STEP, unit="ms", utc=True),
            "open": opened, "high": np.maximum(opened, close) * 1.0001,
            "low": np.minimum(opened, close) * 0.9999,
            "close": close, "volume": 1.0,
        }
    )  # fmt: skip
    get_datahandler(folder, "feather").ohlcv_store(PAIR, "5m", frame, CandleType.SPOT)
    return frame


def write_signals(path: Path, positions: np.ndarray, **about: Any) -> None:
    """Positions for the candles, at their closes."""
    told = {"symbol": PAIR, "interval": "5m", "in_sample": False, **about}
    times = BEGIN + (1 + np.arange(len(positions), dtype=np.int64)) * STEP
    table = pa.table({"time": times, "position": positions.astype(np.float64)})
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(told)}), path)


def configure(folder: Path, mode: RunMode, **btc_ai: Any) -> dict[str, Any]:
    """freqtrade's configuration, with its own checks, from a file and a command's options."""
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / "BtcAi.py").write_text(STRATEGY.format(timeframe="5m"))
    (folder / "data").mkdir(exist_ok=True)
    written = {
        "stake_currency": "USDT", "stake_amount": 1000, "dry_run": True, "dry_run_wallet": 10_000,
        "max_open_trades": 1, "dataformat_ohlcv": "feather", "fee": 0.0006,
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}], "entry_pricing": {"price_side": "same"},
        "exit_pricing": {"price_side": "same"}, "btc_ai": btc_ai,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(written))
    options = {
        "config": [str(folder / "config.json")], "strategy": "BtcAi",
        "strategy_path": str(folder / "strategies"), "datadir": str(folder / "data"),
        "user_data_dir": str(folder), "export": "none", "backtest_cache": "none",
    }  # fmt: skip
    made: dict[str, Any] = setup_optimize_configuration(options, RunMode.BACKTEST)
    made["runmode"] = mode
    return made


def backtest(config: dict[str, Any]) -> pd.DataFrame:
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    exchange._markets = {PAIR: MARKET}
    exchange._api.set_markets([MARKET])
    exchange._last_markets_refresh = 2**62  # they are known, and stay so
    tested = Backtesting(config, exchange)
    try:
        tested.start()
        return pd.DataFrame(tested.results["strategy"]["BtcAi"]["trades"])
    finally:
        Backtesting.cleanup()
        exchange.close()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


def test_backtesting_trades_at_the_open_behind_each_signal(house: Path) -> None:
    """Long from 100 to 199, from 300 to 399, …: in and out at the very opens that follow.

    The last one ends with the candles.
    """
    candles = write_candles(house / "data")
    positions = (np.arange(BARS) // 100 % 2).astype(float)
    write_signals(house / "signals", positions)
    trades = backtest(configure(house, RunMode.BACKTEST, signals=str(house / "signals")))
    entries = np.arange(100, BARS, 200) + 1
    assert len(trades) == len(entries) == 10
    opens = candles.set_index("date")["open"]
    assert pd.to_datetime(trades["open_date"]).tolist() == candles["date"][entries].tolist()
    assert np.allclose(trades["open_rate"], opens.iloc[entries], rtol=1e-6)
    exits = pd.to_datetime(trades["close_date"]).tolist()
    assert exits[:-1] == candles["date"][entries[:-1] + 100].tolist()
    assert trades["exit_reason"].tolist() == ["exit_signal"] * 9 + ["force_exit"]
    earned = trades["close_rate"] * (1 - 0.0006) / (trades["open_rate"] * (1 + 0.0006)) - 1
    assert np.allclose(trades["profit_ratio"], earned, atol=1e-5)


def test_where_nothing_is_known_nothing_is_done(house: Path) -> None:
    """Unknown, half, long, half, unknown again, flat: one trade, from the long to the flat one."""
    candles = write_candles(house / "data")
    positions = np.full(1000, np.nan)
    positions[500:700], positions[510], positions[900] = 0.3, 0.6, 0.0
    write_signals(house / "signals", positions)
    trades = backtest(configure(house, RunMode.BACKTEST, signals={PAIR: str(house / "signals")}))
    [opened], [closed] = (pd.to_datetime(trades[one]) for one in ("open_date", "close_date"))
    assert [opened, closed] == candles["date"][[511, 901]].tolist()


@pytest.mark.parametrize(
    ("about", "said"),
    [({"interval": "1h"}, "are for SAMPLE/USDT 1h"), ({"symbol": "BTC/USDT"}, "for BTC/USDT 5m")],
)
def test_signals_of_another_market_end_the_backtest(
    house: Path, about: dict[str, str], said: str
) -> None:
    write_candles(house / "data")
    write_signals(house / "signals", np.ones(BARS), **about)
    with pytest.raises(OperationalException, match=said):
        backtest(configure(house, RunMode.BACKTEST, signals=str(house / "signals")))


def test_without_signals_the_backtest_ends(house: Path) -> None:
    write_candles(house / "data")
    with pytest.raises(OperationalException, match="freqtrade export"):
        backtest(configure(house, RunMode.BACKTEST))


def test_signals_in_sample_are_said_to_be(house: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_candles(house / "data")
    write_signals(house / "signals", np.ones(BARS), in_sample=True)
    with caplog.at_level(logging.WARNING, "btc_ai_freqtrade.strategy"):
        backtest(configure(house, RunMode.BACKTEST, signals=str(house / "signals")))
    assert "IN SAMPLE" in caplog.text


def test_a_dry_run_asks_the_daemon(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = {"MIN_HORIZON": 2, "MAX_HORIZON": 24, "FEATURES": ["price", "rsi"]}
    config = configure(house, RunMode.DRY_RUN, bucket="Quick", timeout_s=120)
    strategy = StrategyResolver.load_strategy(config)
    strategy.dp = DataProvider(config, None)
    with running_daemon(house, {"BUCKET_CONFIGS": {"Quick": bucket}}) as daemon:
        daemon.run("train", "--bucket", "Quick", "--market", "sample", "--episodes", "2")
        said = daemon.call("signal.predict", {"bucket": "Quick"})
        monkeypatch.setenv("BTC_AI_RUNTIME_DIR", str(daemon.runtime))
        frame = analysed(strategy, int(said["time"]))
        assert frame[COLUMN].iloc[-1] == said["position"]
        assert frame[COLUMN].iloc[:-1].isna().all()
        assert bool((frame["enter_long"] == 1).any()) is (said["position"] >= strategy.enter_at)
        late = analysed(strategy, int(said["time"]) + STEP)
        assert late[COLUMN].isna().all()
    gone = analysed(strategy, int(said["time"]))
    assert gone[COLUMN].isna().all()
    assert not (gone["enter_long"] == 1).any() and not (gone["exit_long"] == 1).any()


def analysed(strategy: Any, close: int) -> pd.DataFrame:
    """Five candles, the last of which closes at `close`, as freqtrade hands them over."""
    opens = close - STEP * np.arange(5, 0, -1)
    frame = pd.DataFrame({"date": pd.to_datetime(opens, unit="ms", utc=True)})
    frame[["open", "high", "low", "close", "volume"]] = 1.0
    frame[["enter_long", "exit_long"]] = 0
    for step in (
        strategy.populate_indicators, strategy.populate_entry_trend, strategy.populate_exit_trend,
    ):  # fmt: skip
        frame = step(frame, {"pair": PAIR})
    return frame
