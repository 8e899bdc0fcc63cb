"""`btc-ai data download`: candles from an exchange, through ccxt.

What is stored is never fetched again: every hole between the first wanted bar and the last closed
one is asked for, so an interrupted download goes on where it stopped. A bar that is still open is
never stored.
"""

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles, check_symbol, interval_ms, iso
from btc_ai.market.store import CandleStore

PAGE = 1_000
PAGES_PER_SAVE = 20
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
TIMEOUT_MS = 20_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DownloadSettings:
    """What to download; times in ms since the epoch, `until` is exclusive (None: up to now)."""

    exchange: str
    symbol: str
    interval: str
    since: int
    until: int | None = None
    api_url: str | None = None


def download(
    store: CandleStore,
    settings: DownloadSettings,
    progress: Progress = lambda done, expected: None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Candles, int]:
    """Download what is not stored yet; returns all candles and how many bars are new.

    Progress is saved every 20 pages and whenever the download ends, however it ends. `progress`
    hears bars fetched and bars expected. Network errors are tried again, six times in all, after
    1, 2, 4, 8 and 16 seconds. Raises DataError where the exchange, the symbol or the interval is
    unknown, the network stays down, or the stored candles came from elsewhere.
    """
    symbol, step = check_symbol(settings.symbol), interval_ms(settings.interval)
    source = f"ccxt:{settings.exchange}"
    stored = _stored(store, symbol, settings.interval, source)
    client = _Client(settings.exchange, settings.api_url, sleep)
    client.open(symbol, settings.interval)
    now = client.now()
    end = min(settings.until or now, now) // step * step
    ranges = missing_ranges(stored.time, -(-settings.since // step) * step, end, step)
    expected = sum((stop - start) // step for start, stop in ranges)
    pending: list[Candles] = []
    done = new = 0
    try:
        for start, stop in ranges:
            for rows, upto in client.pages(symbol, settings.interval, start, stop):
                pending.append(_candles(rows, stored, now - step))
                new += len(pending[-1])
                progress(done + (upto - start) // step, expected)
                if len(pending) == PAGES_PER_SAVE:
                    stored = _save(store, stored, pending)
            done += (stop - start) // step
    finally:
        stored = _save(store, stored, pending)
    if len(stored) == 0:
        raise DataError(
            f"{settings.exchange} has no candles of {symbol} {settings.interval} from "
            f"{iso(settings.since)} to {iso(end)}: choose other times"
        )
    return stored, new


def missing_ranges(
    times: NDArray[np.int64], since: int, until: int, step: int
) -> list[tuple[int, int]]:
    """Ranges [start, stop) in [since, until) of bars that are not in `times` (sorted)."""
    inside = times[(times >= since) & (times < until)].tolist()
    starts = [since, *(moment + step for moment in inside)]
    return [(a, b) for a, b in zip(starts, [*inside, until], strict=True) if a < b]


class _Client:
    """The few calls of ccxt that are needed, with retries and readable errors."""

    def __init__(self, exchange: str, api_url: str | None, sleep: Callable[[float], None]) -> None:
        import ccxt

        if exchange not in ccxt.exchanges:
            near = difflib.get_close_matches(exchange, ccxt.exchanges, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "ccxt's manual lists them"
            raise DataError(f"unknown exchange {exchange!r}: {hint}")
        self._errors = ccxt
        self._name = exchange
        self._sleep = sleep
        self._api = getattr(ccxt, exchange)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
        if api_url:
            self._api.urls["api"] = _redirected(self._api.urls["api"], api_url.rstrip("/"))

    def open(self, symbol: str, interval: str) -> None:
        """Load the exchange's markets; symbol and interval must be among them."""
        if interval not in (self._api.timeframes or {}):
            raise DataError(
                f"{self._name} has no {interval} candles: use one of "
                f"{', '.join(self._api.timeframes or {})}"
            )
        kinds = self._api.options.get("fetchMarkets")
        if isinstance(kinds, dict) and ":" not in symbol:
            self._api.options["fetchMarkets"] = {**kinds, "types": ["spot"]}
        markets = self._call(self._api.load_markets)
        if symbol not in markets:
            near = difflib.get_close_matches(symbol, markets, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "look on its site"
            raise DataError(f"{self._name} does not trade {symbol}: {hint}")

    def now(self) -> int:
        """The exchange's clock, ms; this machine's where the exchange does not tell."""
        if self._api.has.get("fetchTime"):
            return int(self._call(self._api.fetch_time))
        return int(self._api.milliseconds())

    def pages(
        self, symbol: str, interval: str, start: int, stop: int
    ) -> Iterator[tuple[list[list[float]], int]]:
        """Rows (time, open, high, low, close, volume) of [start, stop), and how far they reach."""
        step = interval_ms(interval)
        page = min(PAGE, int(self._api.feature_value(symbol, "fetchOHLCV", "limit", PAGE)))
        while start < stop:
            limit = min(page, (stop - start) // step)
            rows = self._call(self._api.fetch_ohlcv, symbol, interval, start, limit)
            inside = [row for row in rows if start <= row[0] < stop]
            # An empty page is a hole, or a time before the market opened: look further on.
            start = inside[-1][0] + step if inside else start + limit * step
            yield inside, start

    def _call(self, function: Callable[..., Any], *arguments: object) -> Any:
        for pause in PAUSES:
            try:
                return self._try(function, *arguments)
            except self._errors.NetworkError:
                self._sleep(pause)
        try:
            return self._try(function, *arguments)
        except self._errors.NetworkError as error:
            raise DataError(
                f"{self._name} cannot be reached: {_brief(error)}. What was fetched is stored; "
                "run the same command again to go on"
            ) from error

    def _try(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except self._errors.NetworkError:
            raise
        except self._errors.BaseError as error:
            raise DataError(f"{self._name} refused: {_brief(error)}") from error


def _stored(store: CandleStore, symbol: str, interval: str, source: str) -> Candles:
    if not store.exists(symbol, interval):
        return Candles.of(symbol, interval, np.empty(0, np.int64), [np.empty(0)] * 5, source=source)
    stored = store.load(symbol, interval)
    if stored.source != source:
        path = store.path(symbol, interval)
        raise DataError(
            f"{path} holds candles from {stored.source!r}; those from {source!r} are not mixed "
            "into them: move that file away first"
        )
    return stored


def _save(store: CandleStore, stored: Candles, pending: list[Candles]) -> Candles:
    if not any(len(page) for page in pending):
        pending.clear()
        return stored
    parts = [stored, *pending]
    times, first = np.unique(np.concatenate([part.time for part in parts]), return_index=True)
    values = [np.concatenate([getattr(p, name) for p in parts])[first] for name in COLUMNS]
    merged = Candles.of(stored.symbol, stored.interval, times, values, source=stored.source)
    store.save(merged)
    pending.clear()
    return merged


def _candles(rows: Sequence[Sequence[float]], like: Candles, newest: int) -> Candles:
    closed = [row for row in rows if row[0] <= newest]
    times = np.array([row[0] for row in closed], dtype=np.int64)
    values = np.array([row[1:6] for row in closed], dtype=np.float64).reshape(-1, 5).T
    return Candles.of(like.symbol, like.interval, times, list(values), source=like.source)


def _redirected(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, base) for name, url in urls.items()}
    return base + urlsplit(str(urls)).path


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
