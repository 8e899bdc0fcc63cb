"""Sources of candles: what a plugin writes so that `btc-ai data download` can fetch from it."""

from collections.abc import Iterator
from typing import Any, Protocol

Table = Any
"""Bars by column: a mapping of names to sequences, or a pandas table.

Columns: time (of opening, UTC: ms, s, us or ns since 1970, or ISO 8601), open, high, low, close,
and volume in the base currency. Read as a file of `btc-ai data import` is.
"""


class MarketSource(Protocol):
    """A source of candles, called once for each stretch of bars that is not stored yet."""

    def __call__(self, symbol: str, interval: str, start: int, end: int) -> Iterator[Table]:
        """The bars of [start, end), ms since 1970, page by page, each later than the last.

        symbol: as BTC/USDT; interval: as 5m. Each page is stored soon after it comes, so short ones
        lose little. Bars outside of [start, end) are left out, a missing bar is a hole.

        Raises DataError, in words, for a symbol or an interval that it has not; ConnectionError or
        TimeoutError where the network fails: it is called again for what is left, up to five times.
        """


class MarketRegistry(Protocol):
    """Takes sources of candles by name."""

    def register(self, name: str, source: MarketSource) -> None:
        """Add a source. Raises PluginError where the name is taken."""
