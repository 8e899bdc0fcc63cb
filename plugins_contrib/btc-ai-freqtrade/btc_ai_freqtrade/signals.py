"""A file of signals, as `btc-ai freqtrade export` writes it, on the candles of freqtrade."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from btc_ai.api.errors import DataError

METADATA = b"btc_ai"
UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@dataclass(frozen=True)
class Signals:
    """Positions of one frozen model.

    position: −1…1, held from the open behind each candle on; its index is the candle's close, ms
    since 1970. about: which model, and what it has seen; see `signal.history` in BTC-AI's
    docs/messaging.md.
    """

    position: "pd.Series[float]"
    about: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Signals":
        """Read a file. Raises DataError for anything else."""
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[METADATA])
            index = pd.Index(table["time"].to_pandas(), name="time")
            position = pd.Series(table["position"].to_numpy(), index=index, dtype="float64")
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise DataError(
                f"{path} is no file of signals ({type(error).__name__}); write one with "
                "`btc-ai freqtrade export`"
            ) from None
        return cls(position, about)

    def require(self, pair: str, timeframe: str) -> None:
        """Raise DataError unless these are signals for the candles of freqtrade."""
        theirs = (self.about["symbol"], self.about["interval"])
        if theirs != (symbol_of(pair), timeframe):
            raise DataError(
                f"these signals are for {' '.join(theirs)}, the strategy trades {pair} "
                f"{timeframe}; export those of a model for that market"
            )

    def onto(self, dates: "pd.Series[Any]", timeframe: str) -> "pd.Series[float]":
        """The position behind each candle, NaN where there is none; dates: opens, UTC [candles].

        Raises DataError where there is none at all.
        """
        found = self.position.reindex(closes(dates, timeframe)).to_numpy()
        made = pd.Series(found, index=dates.index, dtype="float64")
        if len(made) and made.isna().all():
            raise DataError(
                "none of the signals falls on these candles; choose a --timerange within "
                f"{moment(self.position.index[0])} to {moment(self.position.index[-1])}"
            )
        return made


def symbol_of(pair: str) -> str:
    """BTC-AI's symbol of a pair of freqtrade; a future goes by the price of the spot pair."""
    return pair.partition(":")[0]


def step_ms(timeframe: str) -> int:
    """Milliseconds of a candle. Raises DataError for what is no timeframe."""
    match = re.fullmatch(r"([1-9]\d*)([mhdw])", timeframe)
    if match is None:
        raise DataError(f"{timeframe!r} is no timeframe such as 5m, 1h or 1d")
    return int(match[1]) * UNIT_MS[match[2]]


def closes(dates: "pd.Series[Any]", timeframe: str) -> "pd.Index[int]":
    """When candles close, ms since 1970, from when they open."""
    opened = dates.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ms]")
    made: pd.Index[int] = pd.Index(opened.astype("int64") + step_ms(timeframe))
    return made


def moment(time: int) -> str:
    """A time in ms, to read."""
    return f"{pd.Timestamp(time, unit='ms'):%Y-%m-%d %H:%M} UTC"
