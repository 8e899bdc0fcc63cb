"""Download: through the real ccxt from a real HTTP server that speaks Binance's API."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles
from btc_ai.market.download import DownloadSettings, download, missing_ranges
from btc_ai.market.store import CandleStore

MakeCandles = Callable[..., Candles]
STEP = 300_000
SYMBOL = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "baseAssetPrecision": 8, "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": [],
    "isSpotTradingAllowed": True, "isMarginTradingAllowed": False, "permissions": ["SPOT"],
    "filters": [],
}  # fmt: skip


class Exchange(ThreadingHTTPServer):
    """Candles, a clock, and the next answers to get wrong (HTTP status; 0: hang up)."""

    def __init__(self, candles: Candles, clock: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.candles = candles
        self.clock = clock
        self.klines: list[int] = []
        self.faults: list[int] = []
        self.stall_from: int | None = None
        self.stalled = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, query: dict[str, list[str]]) -> object:
        if path.endswith("/exchangeInfo"):
            return {"symbols": [SYMBOL], "rateLimits": [], "timezone": "UTC"}
        if path.endswith("/time"):
            return {"serverTime": self.clock}
        start, limit = int(query["startTime"][0]), int(query["limit"][0])
        self.klines.append(start)
        if self.stall_from is not None and start >= self.stall_from:
            self.stalled.set()
            while self.stall_from is not None:
                time.sleep(0.01)
        bars = self.candles
        rows = np.flatnonzero((bars.time >= start) & (bars.time <= self.clock))[:limit]
        return [
            [int(bars.time[row]), *(str(getattr(bars, name)[row]) for name in COLUMNS),
             int(bars.time[row]) + STEP - 1, "0", 0, "0", "0", "0"]
            for row in rows.tolist()
        ]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    server: Exchange

    def do_GET(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.reply()

    def reply(self) -> None:
        address = urlsplit(self.path)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault == 0:
            self.close_connection = True
            return
        answer = None if fault else self.server.answer(address.path, parse_qs(address.query))
        body = b"<html>planted</html>" if fault else json.dumps(answer).encode()
        self.send_response(fault or 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def exchange(make_candles: MakeCandles) -> Iterator[Exchange]:
    candles = make_candles(3_000)
    server = Exchange(candles, clock=int(candles.time[-1]) + 60_000)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def wanted(exchange: Exchange) -> DownloadSettings:
    first = int(exchange.candles.time[0])
    return DownloadSettings("binance", "BTC/USDT", "5m", first, api_url=exchange.url)


def test_all_closed_bars_and_not_the_open_one(tmp_path: Path, exchange: Exchange) -> None:
    store, heard = CandleStore(tmp_path), list[tuple[int, int]]()
    candles, new = download(store, wanted(exchange), lambda *counts: heard.append(counts))
    assert candles.sha256 == exchange.candles.take(slice(0, 2_999)).sha256
    assert store.load("BTC/USDT", "5m").sha256 == candles.sha256
    assert new == 2_999
    assert heard == [(1_000, 2_999), (2_000, 2_999), (2_999, 2_999)]
    assert candles.source == "ccxt:binance"


def test_again_fetches_only_what_is_new(tmp_path: Path, exchange: Exchange) -> None:
    store = CandleStore(tmp_path)
    exchange.clock -= 500 * STEP
    download(store, wanted(exchange))
    exchange.klines.clear()
    exchange.clock += 500 * STEP
    candles, new = download(store, wanted(exchange))
    assert (new, len(candles)) == (500, 2_999)
    assert exchange.klines == [int(exchange.candles.time[2_499])]
    assert download(store, wanted(exchange))[1] == 0
    assert len(exchange.klines) == 1


def test_earlier_bars_and_holes_are_filled(tmp_path: Path, exchange: Exchange) -> None:
    store = CandleStore(tmp_path)
    kept = exchange.candles.take(np.r_[100:200, 260:300])
    store.save(replace(kept, source="ccxt:binance"))
    candles, new = download(store, wanted(exchange))
    assert new == 2_999 - 140
    assert candles.sha256 == exchange.candles.take(slice(0, 2_999)).sha256


def test_a_hole_at_the_exchange_stays_a_hole(tmp_path: Path, exchange: Exchange) -> None:
    bars = exchange.candles
    exchange.candles = bars.take(np.r_[0:500, 1_800:3_000])
    early = replace(wanted(exchange), since=int(bars.time[0]) - 2_000 * STEP)
    candles, _ = download(CandleStore(tmp_path), early)
    assert candles.sha256 == exchange.candles.take(slice(0, 1_699)).sha256


def test_until_is_exclusive(tmp_path: Path, exchange: Exchange) -> None:
    until = int(exchange.candles.time[700])
    candles, _ = download(CandleStore(tmp_path), replace(wanted(exchange), until=until))
    assert len(candles) == 700


def test_network_errors_are_tried_again(tmp_path: Path, exchange: Exchange) -> None:
    exchange.faults = [503, 429, 0]
    pauses: list[float] = []
    candles, _ = download(CandleStore(tmp_path), wanted(exchange), sleep=pauses.append)
    assert len(candles) == 2_999
    assert pauses == [1, 2, 4]


def test_interrupted_download_goes_on(tmp_path: Path, exchange: Exchange) -> None:
    store = CandleStore(tmp_path)

    def interrupt(done: int, expected: int) -> None:
        if done == 2_000:
            exchange.faults = [503] * 6

    with pytest.raises(DataError, match=r"cannot be reached.*run the same command again"):
        download(store, wanted(exchange), interrupt, sleep=lambda seconds: None)
    assert len(store.load("BTC/USDT", "5m")) == 2_000
    exchange.klines.clear()
    candles, new = download(store, wanted(exchange))
    assert (new, len(candles)) == (999, 2_999)
    assert exchange.klines == [int(exchange.candles.time[2_000])]


def test_ctrl_c_keeps_what_was_fetched(tmp_path: Path, exchange: Exchange) -> None:
    store = CandleStore(tmp_path)

    def interrupt(done: int, expected: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(store, wanted(exchange), interrupt)
    assert len(store.load("BTC/USDT", "5m")) == 1_000


def run_command(exchange: Exchange, folder: Path, *options: str) -> subprocess.Popen[str]:
    config = folder / "btc_ai.json"
    config.write_text(json.dumps({"DATA_DIR": "Data"}))
    command = [sys.executable, "-m", "btc_ai.cli.app", "--config", str(config), "data", "download"]
    wishes = ["--since", "2023-01-01", "--api-url", exchange.url, *options]
    return subprocess.Popen(
        [*command, *wishes], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_from_the_command_line(tmp_path: Path, exchange: Exchange) -> None:
    said, _ = run_command(exchange, tmp_path, "--until", "2023-01-02T00:00").communicate()
    assert "downloaded 288 new bars from binance: 288 bars of BTC/USDT 5m" in said
    said, _ = run_command(exchange, tmp_path, "--json").communicate()
    about = json.loads(said)
    assert about["sha256"] == exchange.candles.take(slice(0, 2_999)).sha256
    assert about["notes"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_killed_command_leaves_sound_candles(
    tmp_path: Path, exchange: Exchange, by: signal.Signals, code: int
) -> None:
    store = CandleStore(tmp_path / "Data")
    run_command(exchange, tmp_path, "--until", "2023-01-02").communicate()
    exchange.stall_from = int(exchange.candles.time[1_288])
    command = run_command(exchange, tmp_path)
    assert exchange.stalled.wait(30)
    command.send_signal(by)
    command.communicate()
    assert command.returncode == code
    exchange.stall_from = None
    assert len(store.load("BTC/USDT", "5m")) == (1_288 if by == signal.SIGINT else 288)
    assert (
        download(store, wanted(exchange))[0].sha256 == exchange.candles.take(slice(0, 2_999)).sha256
    )


def test_no_exchange_there(tmp_path: Path) -> None:
    nowhere = DownloadSettings("binance", "BTC/USDT", "5m", 0, api_url="http://127.0.0.1:9")
    with pytest.raises(DataError, match="binance cannot be reached"):
        download(CandleStore(tmp_path), nowhere, sleep=lambda seconds: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"exchange": "binanse"}, "unknown exchange 'binanse': did you mean binance"),
        ({"symbol": "BTC/USDC"}, "does not trade BTC/USDC: did you mean BTC/USDT"),
        ({"symbol": "bitcoin"}, "BASE/QUOTE"),
        ({"interval": "7m"}, "binance has no 7m candles: use one of"),
        ({"interval": "soon"}, "interval 'soon' is not known"),
        ({"since": 4_000_000_000_000}, "binance has no candles of BTC/USDT 5m from 2096"),
    ],
)
def test_wrong_wishes(
    tmp_path: Path, exchange: Exchange, change: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        download(CandleStore(tmp_path), replace(wanted(exchange), **change))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_imported_candles_are_not_mixed_in(tmp_path: Path, exchange: Exchange) -> None:
    store = CandleStore(tmp_path)
    store.save(exchange.candles.take(slice(0, 10)))
    with pytest.raises(DataError, match="holds candles from 'random'"):
        download(store, wanted(exchange))
    assert len(store.load("BTC/USDT", "5m")) == 10


@pytest.mark.parametrize(
    ("times", "ranges"),
    [
        ([], [(0, 5)]),
        ([0, 1, 2, 3, 4], []),
        ([1, 2], [(0, 1), (3, 5)]),
        ([-3, 0, 2, 9], [(1, 2), (3, 5)]),
    ],
)
def test_missing_ranges(times: list[int], ranges: list[tuple[int, int]]) -> None:
    assert missing_ranges(np.array(times, dtype=np.int64), 0, 5, 1) == ranges
