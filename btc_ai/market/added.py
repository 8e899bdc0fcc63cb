"""Candles from a source that a plugin adds, checked as a file to import is."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from btc_ai.api.discovery import added, unknown
from btc_ai.api.market import MarketSource, Table
from btc_ai.api.registration import reason, register_declared
from btc_ai.config import SAMPLE_SYMBOL
from btc_ai.errors import BtcAiError, DataError, PluginError, UsageError
from btc_ai.market.candles import COLUMNS, Candles, interval_name
from btc_ai.market.import_columns import parse_times
from btc_ai.market.importer import candles_of
from btc_ai.market.patience import patiently

NETWORK = (ConnectionError, TimeoutError)
ENOUGH_TO_JUDGE = 10
NAMES = ("time", *COLUMNS)
ADVICE = "mend or update its plugin"


class Markets:
    """Sources of candles by name."""

    def __init__(self) -> None:
        """None yet."""
        self._sources: dict[str, MarketSource] = {}

    def register(self, name: str, source: MarketSource) -> None:
        """Add a source; raises PluginError where the name is taken."""
        if name in self._sources:
            raise PluginError(f"market {name!r} is registered already: choose another name")
        self._sources[name] = source

    def get(self, name: str) -> MarketSource:
        """The source; raises PluginError where it is not registered."""
        if name not in self._sources:
            raise PluginError(f"market {name!r} is not registered by the plugin that declares it")
        return self._sources[name]


def find_source(name: str) -> MarketSource:
    """A source by its name; its plugin is imported.

    Raises UsageError where no usable plugin declares it, PluginError where its plugin fails.
    """
    if name not in (known := added("markets")):
        raise UsageError(f"unknown source: {unknown('markets', name, known)}")
    markets = Markets()
    register_declared("markets", name, markets)
    return markets.get(name)


class AddedSource:
    """A plugin's source as an origin of a download, with retries and readable errors."""

    def __init__(self, name: str, sleep: Callable[[float], None]) -> None:
        """Nothing is asked yet. Raises as `find_source`."""
        self.name, self.source = name, f"plugin:{name}"
        self._call = find_source(name)
        self._sleep = sleep

    def open(self, symbol: str, interval: str) -> None:
        """Refuse the sample market's name; what the source has shows when it is asked."""
        if symbol == SAMPLE_SYMBOL:
            raise DataError(f"{SAMPLE_SYMBOL} is the synthetic sample market: choose another")

    def now(self) -> int:
        """This machine's clock, ms."""
        return time.time_ns() // 1_000_000

    def pages(self, like: Candles, start: int, stop: int) -> Iterator[tuple[Candles, int]]:
        """Bars of [start, stop), ms, and how far they reach; a fault costs what was not given."""
        asked: Iterator[Table] | None = None

        def ask() -> Table | None:
            nonlocal asked
            try:
                if asked is None:
                    asked = iter(self._call(like.symbol, like.interval, start, stop))
                return next(asked, None)
            except BaseException:
                asked = None
                raise

        while start < stop and (table := self._answer(ask)) is not None:
            page = self._read(table, like)
            page = page.take((page.time >= start) & (page.time < stop))
            if len(page):
                start = int(page.time[-1]) + like.step
            yield page, start

    def _answer(self, ask: Callable[[], Table | None]) -> Table | None:
        try:
            return patiently(ask, NETWORK, self._sleep)
        except NETWORK as error:
            raise DataError(
                f"{self.name} cannot be reached: {error}. What was fetched is stored; run the same "
                "command again to go on"
            ) from error
        except BtcAiError:
            raise
        except (Exception, SystemExit) as error:  # a fence: it is a plugin's
            raise DataError(
                f"the source {self.name} failed: {reason(error)}. What was fetched is stored; "
                f"{ADVICE}"
            ) from error

    def _read(self, table: Any, like: Candles) -> Candles:
        """A page, in order of time; raises DataError where a file like it would be refused."""
        try:
            frame = pd.DataFrame(table)
        except (ValueError, TypeError) as error:
            raise DataError(f"the source {self.name} gives no table: {error}") from error
        if missing := [name for name in NAMES if name not in frame.columns]:
            raise DataError(f"the source {self.name} gives no column {', '.join(missing)}")
        if frame.empty:
            return like.take(slice(0, 0))
        try:
            times, _ = parse_times(frame["time"], advice=ADVICE)
            _require_interval(times, like)
            page, _ = candles_of(frame[list(NAMES)], times, like, advice=ADVICE)
        except DataError as error:
            raise DataError(f"the source {self.name}: {error}") from error
        return page


def _require_interval(times: NDArray[np.int64], like: Candles) -> None:
    """Raise DataError where many bars are given, and none follows another by the interval."""
    gaps = np.diff(np.unique(times))
    if len(gaps) >= ENOUGH_TO_JUDGE and not (gaps == like.step).any():
        found = interval_name(int(np.median(gaps)))
        raise DataError(f"its bars are of {found}, not of {like.interval}")
