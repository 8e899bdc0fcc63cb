"""`btc-ai data download`: candles from an exchange, or from a source that a plugin adds.

What is stored is never fetched again: every hole between the first wanted bar and the last closed
one is asked for, so an interrupted download goes on where it stopped. A bar that is still open is
never stored.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from btc_ai.errors import DataError
from btc_ai.market.added import AddedSource
from btc_ai.market.candles import COLUMNS, Candles, check_symbol, interval_ms, iso
from btc_ai.market.exchange import Exchange
from btc_ai.market.store import CandleStore

PAGES_PER_SAVE = 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class DownloadSettings:
    """What to download; times in ms since the epoch.

    exchange: unless `source`, a plugin's, is given. since: None for all that there is. until:
    exclusive; None for up to now.
    """

    exchange: str
    symbol: str
    interval: str
    since: int | None
    until: int | None = None
    api_url: str | None = None
    source: str | None = None


class Origin(Protocol):
    """Where candles come from. source: what stored ones say of it."""

    name: str
    source: str

    def open(self, symbol: str, interval: str) -> None:
        """Raise DataError where it has no such candles, as far as it can tell."""

    def now(self) -> int:
        """Its clock, ms."""

    def pages(self, like: Candles, start: int, stop: int) -> Iterator[tuple[Candles, int]]:
        """Bars of [start, stop), ms, and how far they reach, in order."""


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
    unknown, the network stays down, or the stored candles came from elsewhere; UsageError for a
    source that no plugin adds, PluginError for one that cannot be used.
    """
    symbol, step = check_symbol(settings.symbol), interval_ms(settings.interval)
    origin = _origin(settings, sleep)
    stored = _stored(store, symbol, settings.interval, origin.source)
    origin.open(symbol, settings.interval)
    now = origin.now()
    end = min(settings.until or now, now) // step * step
    ranges = missing_ranges(stored.time, -(-(settings.since or 0) // step) * step, end, step)
    expected = sum((stop - start) // step for start, stop in ranges)
    pending: list[Candles] = []
    done = new = 0
    try:
        for start, stop in ranges:
            for page, upto in origin.pages(stored, start, stop):
                if settings.since is None and new == 0 and len(page):  # here its history begins
                    before = (int(page.time[0]) - start) // step
                    done, expected = done - before, expected - before
                pending.append(page.take(page.time <= now - step))
                new += len(pending[-1])
                progress(done + (upto - start) // step, expected)
                if len(pending) == PAGES_PER_SAVE:
                    stored = _save(store, stored, pending)
            done += (stop - start) // step
    finally:
        stored = _save(store, stored, pending)
    if len(stored) == 0:
        raise DataError(
            f"{origin.name} has no candles of {symbol} {settings.interval} from "
            f"{iso(settings.since or 0)} to {iso(end)}: choose other times"
        )
    return stored, new


def missing_ranges(
    times: NDArray[np.int64], since: int, until: int, step: int
) -> list[tuple[int, int]]:
    """Ranges [start, stop) in [since, until) of bars that are not in `times` (sorted)."""
    inside = times[(times >= since) & (times < until)].tolist()
    starts = [since, *(moment + step for moment in inside)]
    return [(a, b) for a, b in zip(starts, [*inside, until], strict=True) if a < b]


def _origin(settings: DownloadSettings, sleep: Callable[[float], None]) -> Origin:
    if settings.source is not None:
        return AddedSource(settings.source, sleep)
    return Exchange(settings.exchange, settings.api_url, sleep)


def _stored(store: CandleStore, symbol: str, interval: str, source: str) -> Candles:
    if not store.exists(symbol, interval):
        return Candles.empty(symbol, interval, source=source)
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
