"""Candles from an exchange, through ccxt."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from btc_ai.errors import DataError
from btc_ai.market.candles import Candles
from btc_ai.market.patience import patiently

PAGE = 1_000
TIMEOUT_MS = 20_000


class Exchange:
    """The few calls of ccxt that are needed, with retries and readable errors."""

    def __init__(self, exchange: str, api_url: str | None, sleep: Callable[[float], None]) -> None:
        """Nothing is asked yet. Raises DataError for an exchange that ccxt does not know."""
        import ccxt

        if exchange not in ccxt.exchanges:
            near = difflib.get_close_matches(exchange, ccxt.exchanges, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "ccxt's manual lists them"
            raise DataError(f"unknown exchange {exchange!r}: {hint}")
        self._errors = ccxt
        self.name, self.source = exchange, f"ccxt:{exchange}"
        self._sleep = sleep
        self._api = getattr(ccxt, exchange)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
        if api_url:
            self._api.urls["api"] = _redirected(self._api.urls["api"], api_url.rstrip("/"))

    def open(self, symbol: str, interval: str) -> None:
        """Load the exchange's markets; raises DataError unless symbol and interval are there."""
        if interval not in (self._api.timeframes or {}):
            raise DataError(
                f"{self.name} has no {interval} candles: use one of "
                f"{', '.join(self._api.timeframes or {})}"
            )
        kinds = self._api.options.get("fetchMarkets")
        if isinstance(kinds, dict) and ":" not in symbol:
            self._api.options["fetchMarkets"] = {**kinds, "types": ["spot"]}
        markets = self._call(self._api.load_markets)
        if symbol not in markets:
            near = difflib.get_close_matches(symbol, markets, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "look on its site"
            raise DataError(f"{self.name} does not trade {symbol}: {hint}")

    def now(self) -> int:
        """The exchange's clock, ms; this machine's where the exchange does not tell."""
        if self._api.has.get("fetchTime"):
            return int(self._call(self._api.fetch_time))
        return int(self._api.milliseconds())

    def pages(self, like: Candles, start: int, stop: int) -> Iterator[tuple[Candles, int]]:
        """Bars of [start, stop), ms, and how far they reach; symbol and interval are those of
        `like`."""
        symbol, interval, step = like.symbol, like.interval, like.step
        page = min(PAGE, int(self._api.feature_value(symbol, "fetchOHLCV", "limit", PAGE)))
        while start < stop:
            limit = min(page, (stop - start) // step)
            rows = self._call(self._api.fetch_ohlcv, symbol, interval, start, limit)
            inside = [row for row in rows if start <= row[0] < stop]
            # An empty page is a hole, or a time before the market opened: look further on.
            start = inside[-1][0] + step if inside else start + limit * step
            yield _candles(inside, like), start

    def _call(self, function: Callable[..., Any], *arguments: object) -> Any:
        def ask() -> Any:
            return self._try(function, *arguments)

        try:
            return patiently(ask, self._errors.NetworkError, self._sleep)
        except self._errors.NetworkError as error:
            raise DataError(
                f"{self.name} cannot be reached: {_brief(error)}. What was fetched is stored; "
                "run the same command again to go on"
            ) from error

    def _try(self, function: Callable[..., Any], *arguments: object) -> Any:
        try:
            return function(*arguments)
        except self._errors.NetworkError:
            raise
        except self._errors.BaseError as error:
            raise DataError(f"{self.name} refused: {_brief(error)}") from error


def _candles(rows: Sequence[Sequence[float]], like: Candles) -> Candles:
    times = np.array([row[0] for row in rows], dtype=np.int64)
    values = np.array([row[1:6] for row in rows], dtype=np.float64).reshape(-1, 5).T
    return Candles.of(like.symbol, like.interval, times, list(values), source=like.source)


def _redirected(urls: Any, base: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, base) for name, url in urls.items()}
    return base + urlsplit(str(urls)).path


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
