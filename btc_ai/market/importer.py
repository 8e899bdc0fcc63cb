"""`btc-ai data import`: candles from a file, taken only where there is one way to read it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from btc_ai.config import SAMPLE_SYMBOL
from btc_ai.errors import DataError, UsageError
from btc_ai.market.candles import (
    COLUMNS,
    Candles,
    check_symbol,
    interval_ms,
    interval_name,
    iso,
)
from btc_ai.market.import_columns import time_column, value_column
from btc_ai.market.import_table import read_table
from btc_ai.market.quality import Finding, find_errors
from btc_ai.market.store import CandleStore


@dataclass(frozen=True)
class ImportSettings:
    """How to read a file where its columns do not say it themselves."""

    symbol: str | None
    interval: str | None = None
    time_column: str | None = None
    volume_column: str | None = None
    time_unit: str | None = None


@dataclass(frozen=True)
class Imported:
    """The candles of a file, and what was done to get them."""

    candles: Candles
    notes: tuple[str, ...]


def import_file(
    store: CandleStore, path: Path, settings: ImportSettings, replace: bool = False
) -> Imported:
    """Read a file and store its candles; raises DataError, with nothing stored changed."""
    imported = read_candles(path, settings)
    candles = imported.candles
    target = store.path(candles.symbol, candles.interval)
    if target.exists() and not replace:
        raise DataError(
            f"there are candles of {candles.symbol} {candles.interval} already ({target}): "
            "give --replace to put these in their place"
        )
    store.save(candles)
    return imported


def read_candles(path: Path, settings: ImportSettings) -> Imported:
    """The candles in a file, sorted, each once; see `read_table` for the kinds of file.

    Raises UsageError where the symbol is missing, and DataError where a column or a time is
    ambiguous, two bars of one time differ, bars lie off the grid, or the interval is not the one
    asked for. Bars with impossible prices are kept, and noted: dropping them is for
    `btc-ai data check --repair`.
    """
    symbol = _symbol(path, settings.symbol)
    table = read_table(path)
    times, notes = time_column(table, settings.time_column, settings.time_unit)
    interval = _interval(path, np.unique(times), settings.interval)
    like = Candles.empty(symbol, interval, source=path.name)
    try:
        candles, tidied = candles_of(
            table, times, like, volume_column=settings.volume_column,
            advice="name the column of opening times by --time-column",
        )  # fmt: skip
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return Imported(candles, (*notes, *tidied, *error_notes(candles)))


def candles_of(
    table: pd.DataFrame, times: NDArray[np.int64], like: Candles, *, advice: str,
    volume_column: str | None = None,
) -> tuple[Candles, list[str]]:  # fmt: skip
    """The bars of a table, sorted, each once, and what was done to get them.

    times: of its rows, ms [rows]. like: whose symbol, interval and source they have. Raises
    DataError as `read_candles`; `advice` says what to do about times that lie off the grid.
    """
    base = like.symbol.split("/")[0]
    chosen = {"volume": volume_column}
    values = [value_column(table, name, base, chosen.get(name)) for name in COLUMNS]
    raw = Candles.of(like.symbol, like.interval, times, values, source=like.source)
    found = {finding.kind: finding for finding in find_errors(raw)}
    _refuse(raw, found, advice)
    done = {"unsorted": "sorted", "duplicate": "dropped the copies"}
    return _tidy(raw), [f"{found[kind]}: {what}" for kind, what in done.items() if kind in found]


def error_notes(candles: Candles) -> list[str]:
    """What of the bars has to be mended before they can be trained on."""
    advice = "`btc-ai data check --repair` before training"
    return [f"{finding}: {advice}" for finding in find_errors(candles)]


def _symbol(path: Path, symbol: str | None) -> str:
    if not symbol:
        raise UsageError(f"whose candles are in {path.name}? Say it by --symbol, such as BTC/USDT")
    checked = check_symbol(symbol)
    if checked == SAMPLE_SYMBOL:
        raise DataError(f"{SAMPLE_SYMBOL} is the synthetic sample market: choose another --symbol")
    return checked


def _interval(path: Path, times: NDArray[np.int64], wanted: str | None) -> str:
    """The commonest distance between bars; must be the interval asked for."""
    if len(times) < 2:
        if wanted is None:
            raise DataError(f"{path} holds one bar: say its interval by --interval")
        interval_ms(wanted)
        return wanted
    steps, counts = np.unique(np.diff(times), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if wanted is not None and interval_ms(wanted) == step:
        return wanted
    found = interval_name(step)
    if wanted is not None:
        raise DataError(
            f"{path} holds {found} bars ({counts.max()} of {counts.sum()} gaps), not {wanted}: "
            f"give --interval {found}, or another file"
        )
    return found


def _refuse(raw: Candles, found: dict[str, Finding], advice: str) -> None:
    if "conflict" in found:
        raise DataError(
            f"{found['conflict']}. Keep the right ones; are they bars of several markets?"
        )
    if "off-grid" not in found:
        return
    offsets = np.unique(raw.time % raw.step)
    if len(offsets) == 1 and offsets[0] in (raw.step - 1, raw.step - 1000):
        raise DataError(f"bars are timed by their close ({iso(raw.time[0])}): {advice}")
    raise DataError(
        f"{found['off-grid']}. Are times those of opening, in UTC, and is the interval "
        f"{raw.interval}? Correct them, or {advice}"
    )


def _tidy(raw: Candles) -> Candles:
    """In order of time, each bar once; nothing else is dropped."""
    _, first = np.unique(raw.time, return_index=True)
    return raw.take(first.astype(np.int64))
