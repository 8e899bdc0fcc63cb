"""Which column is which, and what its times mean; what is ambiguous is refused."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from btc_ai.errors import DataError

ALIASES = {
    "time": {
        "timestamp", "time", "date", "datetime", "open_time", "opentime", "unix", "ts", "t",
        "unix_time", "unix_timestamp", "date_time", "datetime_utc", "date_utc", "time_utc",
        "open_timestamp", "start", "start_time", "gmt_time",
    },
    "open": {"open", "o", "open_price", "price_open"},
    "high": {"high", "h", "high_price", "price_high"},
    "low": {"low", "l", "low_price", "price_low"},
    "close": {"close", "c", "close_price", "price_close"},
    "volume": {"volume", "vol", "v", "base_volume", "volume_base", "base_asset_volume"},
}  # fmt: skip
PER_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
OPTIONS = "name the right column by --time-column, or its unit by --time-unit"
# Bitcoin's first year and a far end: in these years the four units never overlap.
EARLIEST, LATEST = 1_230_768_000_000, 4_102_444_800_000


def candidates(table: pd.DataFrame, field: str, base: str = "") -> list[str]:
    """Columns that can be `field` by their name; `base` (`"BTC"`) tells base volume from quote."""
    known = ALIASES[field]
    if field == "volume" and base:
        known = known | {f"volume_{base.lower()}", f"vol_{base.lower()}"}
    return [str(name) for name in table.columns if _plain(str(name)) in known]


def value_column(
    table: pd.DataFrame, field: str, base: str = "", chosen: str | None = None
) -> NDArray[np.float64]:
    """Prices or volumes, [rows]; raises DataError where the column is unclear or not numbers."""
    found = [chosen] if chosen else candidates(table, field, base)
    if len(found) != 1 or found[0] not in table.columns:
        raise DataError(_unclear(table, field, found, chosen))
    column = table[found[0]]
    numbers = pd.to_numeric(column, errors="coerce")
    unread = numbers.isna() & column.notna()
    if unread.any():
        row = int(np.argmax(unread.to_numpy()))
        raise DataError(f"column {found[0]!r}, row {row + 1}: {column.iloc[row]!r} is no number")
    return numbers.to_numpy(dtype=np.float64)


def time_column(
    table: pd.DataFrame, chosen: str | None = None, unit: str | None = None
) -> tuple[NDArray[np.int64], list[str]]:
    """Bar open times, ms since the epoch UTC, [rows]; and remarks on how they were read.

    Several columns that say the same are one. Raises DataError where they differ, where there is
    none, or where a time cannot be read without guessing.
    """
    found = [chosen] if chosen else candidates(table, "time")
    if not found or any(name not in table.columns for name in found):
        raise DataError(_unclear(table, "time", found, chosen))
    if len(found) == 1:
        return parse_times(table[found[0]], unit)
    try:
        parsed = [parse_times(table[name], unit) for name in found]
    except DataError as error:
        raise DataError(f"{_unclear(table, 'time', found, None)} ({error})") from error
    if any((times != parsed[0][0]).any() for times, _ in parsed[1:]):
        raise DataError(_unclear(table, "time", found, None))
    return parsed[0]


def parse_times(
    column: pd.Series, unit: str | None = None, advice: str = OPTIONS
) -> tuple[NDArray[np.int64], list[str]]:
    """Times as ms since the epoch UTC, and remarks; `advice` is for times that cannot be read.

    Numbers: s, ms, us or ns by `unit`, else by their size, each for itself (Binance's dumps
    changed from ms to us in 2025). Text: ISO 8601. Times without a zone are taken as UTC.
    """
    if unit is not None and unit not in PER_MS:
        raise DataError(f"time unit {unit!r} is not known: use {', '.join(PER_MS)}")
    if column.isna().any():
        row = int(np.argmax(column.isna().to_numpy())) + 1
        raise DataError(f"column {column.name!r}, row {row}: no time; remove the row")
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return _milliseconds(pd.to_datetime(column, utc=True)), []
    numbers = pd.to_numeric(column, errors="coerce")
    if not numbers.isna().any():
        return _from_numbers(numbers, unit, str(column.name), advice)
    try:
        parsed = pd.to_datetime(column, utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"column {column.name!r}: times such as {column.iloc[0]!r} can be read in more ways "
            "than one, or in none: write them in ISO 8601 (2023-01-31 23:55:00) or as a Unix "
            f"time, or {advice}"
        ) from error
    return _milliseconds(parsed), []


def _from_numbers(
    numbers: pd.Series, unit: str | None, name: str, advice: str
) -> tuple[NDArray[np.int64], list[str]]:
    values = numbers.to_numpy()
    times = np.full(len(values), -1, dtype=np.int64)
    used: list[str] = []
    for candidate in [unit] if unit else list(PER_MS):
        per_ms = PER_MS[candidate]
        scaled = values // round(1 / per_ms) if per_ms < 1 else np.round(values * per_ms)
        fits = (scaled >= EARLIEST) & (scaled < LATEST)
        times[fits] = scaled[fits].astype(np.int64)
        used += [candidate] if fits.any() else []
    if (times < 0).any():
        row = int(np.argmax(times < 0))
        raise DataError(
            f"column {name!r}, row {row + 1}: {values[row]} is no time between 2009 and 2100 in "
            f"{unit or 's, ms, us or ns'}: {advice}"
        )
    return times, [f"times of column {name!r} mix {' and '.join(used)}"] if len(used) > 1 else []


def _milliseconds(times: pd.Series) -> NDArray[np.int64]:
    moments: NDArray[np.datetime64] = times.dt.tz_localize(None).to_numpy().astype("datetime64[ms]")
    return moments.astype(np.int64)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _unclear(
    table: pd.DataFrame, field: str, found: Sequence[str | None], chosen: str | None
) -> str:
    columns = ", ".join(repr(str(name)) for name in table.columns)
    option = f"--{field}-column" if field in {"time", "volume"} else None
    advice = f"name it by {option}" if option else f"rename the right one to {field!r}"
    if chosen:
        return f"there is no column {chosen!r}; the file has {columns}"
    if found:
        return f"{', '.join(map(repr, found))} could each be the {field} column: {advice}"
    return f"no column is recognised as {field}; the file has {columns}: {advice}"
