"""Candles: one market's bars at one interval, and the grid that they lie on."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from btc_ai.config import SYMBOL_PATTERN
from btc_ai.errors import DataError

SYMBOL = re.compile(SYMBOL_PATTERN)
COLUMNS = ("open", "high", "low", "close", "volume")
UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# The epoch was a Thursday; exchanges open weekly bars on Mondays.
MONDAY = 4 * UNITS["d"]

Times = NDArray[np.int64]
Prices = NDArray[np.float64]


def interval_ms(interval: str) -> int:
    """Length of a bar in milliseconds: `"5m"` is 300,000.

    Raises DataError for anything but a whole number of s, m, h, d or w.
    """
    match = re.fullmatch(r"([1-9]\d{0,5})([smhdw])", interval)
    if match is None:
        raise DataError(f"interval {interval!r} is not known: use one such as 1m, 5m, 1h, 1d or 1w")
    return int(match[1]) * UNITS[match[2]]


def interval_name(step: int) -> str:
    """The shortest name of a bar of `step` milliseconds: 300,000 is `"5m"`."""
    for unit, length in sorted(UNITS.items(), key=lambda item: -item[1]):
        if step > 0 and step % length == 0 and not (unit == "w" and step > length):
            return f"{step // length}{unit}"
    raise DataError(f"bars {step} ms apart have no interval name: use bars of whole seconds")


def check_symbol(symbol: str) -> str:
    """The symbol in upper case; raises DataError unless it looks like `BTC/USDT`."""
    upper = symbol.strip().upper()
    if SYMBOL.fullmatch(upper) is None:
        raise DataError(f"symbol {symbol!r} is not known: write it as BASE/QUOTE, such as BTC/USDT")
    return upper


def iso(time: int | np.integer) -> str:
    """A bar's time, UTC, to read: `2023-01-01 00:05`."""
    text = str(np.datetime64(int(time), "ms")).replace("T", " ")
    return text.removesuffix(".000").removesuffix(":00")


@dataclass(frozen=True, eq=False)
class Candles:
    """Bars of one market, sorted by time; a bar that is missing is absent, never filled in.

    `time` is each bar's OPEN time in ms since the epoch, UTC, shape [bars]; prices in the quote
    currency; volume in the base currency. Whether the bars are sound is for
    `quality.check_candles` to say; `CandleStore.load` gives sound ones only.
    """

    symbol: str
    interval: str
    time: Times
    open: Prices
    high: Prices
    low: Prices
    close: Prices
    volume: Prices
    source: str
    synthetic: bool = False

    def __post_init__(self) -> None:
        """Raise DataError where arrays differ in length or type."""
        for name in ("time", *COLUMNS):
            array = getattr(self, name)
            kind = np.int64 if name == "time" else np.float64
            if array.dtype != kind or array.shape != (len(self.time),):
                raise DataError(
                    f"candles of {self.symbol}: {name} must be [{len(self.time)}] "
                    f"{np.dtype(kind)}, not {list(array.shape)} {array.dtype}"
                )

    @classmethod
    def of(
        cls,
        symbol: str,
        interval: str,
        time: Times,
        values: Sequence[Prices],
        *,
        source: str,
        synthetic: bool = False,
    ) -> "Candles":
        """Candles from open, high, low, close and volume, [5][bars], in this order."""
        opens, highs, lows, closes, volumes = values
        return cls(symbol, interval, time, opens, highs, lows, closes, volumes, source, synthetic)

    @classmethod
    def empty(cls, symbol: str, interval: str, *, source: str) -> "Candles":
        """Candles without a bar."""
        nothing = [np.empty(0)] * len(COLUMNS)
        return cls.of(symbol, interval, np.empty(0, np.int64), nothing, source=source)

    def __len__(self) -> int:
        """Number of bars."""
        return len(self.time)

    def take(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> "Candles":
        """These bars alone."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ("time", *COLUMNS)})

    @property
    def step(self) -> int:
        """Length of a bar, ms."""
        return interval_ms(self.interval)

    @property
    def off_grid(self) -> NDArray[np.bool_]:
        """True where a bar does not open at a whole multiple of the interval, shape [bars]."""
        origin = MONDAY if self.interval.endswith("w") else 0
        return np.asarray((self.time - origin) % self.step != 0)

    @cached_property
    def segment_ids(self) -> Times:
        """Number of the hole-free run that each bar is in, from 0, shape [bars]."""
        starts = np.diff(self.time, prepend=self.time[:1]) != self.step
        return np.cumsum(starts, dtype=np.int64) - 1

    @cached_property
    def segments(self) -> list[slice]:
        """Maximal runs without a hole: bars on either side of a hole are never adjacent."""
        starts = np.flatnonzero(np.diff(self.segment_ids, prepend=-1))
        ends = [*starts[1:].tolist(), len(self)]
        return [slice(start, end) for start, end in zip(starts.tolist(), ends, strict=False)]

    @cached_property
    def sha256(self) -> str:
        """Hash of what the candles say, whatever file they come from."""
        digest = hashlib.sha256(f"{self.symbol}\n{self.interval}\n{len(self)}\n".encode())
        digest.update(np.ascontiguousarray(self.time, dtype="<i8").tobytes())
        for name in COLUMNS:
            digest.update(np.ascontiguousarray(getattr(self, name), dtype="<f8").tobytes())
        return digest.hexdigest()
