"""A file of candles, of any of the usual kinds, as a table of raw columns."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa

from btc_ai.errors import DataError

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".zip")
KLINES = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
    "trades", "taker_base_volume", "taker_quote_volume", "ignore",
)  # fmt: skip
HEADERLESS = {6: KLINES[:6], 12: KLINES}


def read_table(path: Path) -> pd.DataFrame:
    """The columns of a parquet, feather or CSV file (.csv, .csv.gz, .zip), as they stand.

    A CSV without a header is taken for an exchange's dump: 6 columns (time, open, high, low,
    close, volume) or the 12 of Binance's klines. Raises DataError where the file is missing,
    empty, damaged or of another kind.
    """
    name = path.name.lower()
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"{path} {what}: give the path of a parquet, feather or CSV file")
    try:
        if name.endswith((".parquet", ".pq")):
            table = pd.read_parquet(path)
        elif name.endswith((".feather", ".ftr")):
            table = pd.read_feather(path)
        elif name.endswith(TEXT_SUFFIXES):
            table = _csv(path, _text(path))
        else:
            raise DataError(f"{path}: unknown kind of file; use .parquet, .feather, .csv or .zip")
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} cannot be read: {reason}; get the file again") from error
    except pa.ArrowException as error:
        raise DataError(f"{path} cannot be read: {error}; get the file again") from error
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    if table.empty:
        raise DataError(f"{path} holds no candles: it is empty")
    return table


def _text(path: Path) -> str:
    if path.suffix.lower() == ".gz":
        with gzip.open(path, "rb") as file:
            return file.read().decode("utf-8-sig")
    if path.suffix.lower() != ".zip":
        return path.read_text("utf-8-sig")
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if not member.endswith("/")]
        if len(members) != 1:
            raise DataError(
                f"{path} holds {len(members)} files, one is expected: unpack it and import "
                "the right one"
            )
        return archive.read(members[0]).decode("utf-8-sig")


def _csv(path: Path, text: str) -> pd.DataFrame:
    lines = text.splitlines()
    preamble, separator = _layout(lines)
    if preamble == len(lines):
        raise DataError(f"{path} holds no candles: no line has five or more columns")
    first = [cell.strip().strip('"') for cell in lines[preamble].split(separator)]
    if not all(_is_number(cell) for cell in first[1:5]):
        return pd.read_csv(io.StringIO(text), sep=separator, skiprows=preamble)
    if len(first) not in HEADERLESS:
        raise DataError(
            f"{path} has no header and {len(first)} columns; without one, 6 (time, open, high, "
            "low, close, volume) or Binance's 12 are understood: add a header line"
        )
    names = list(HEADERLESS[len(first)])
    return pd.read_csv(io.StringIO(text), sep=separator, skiprows=preamble, names=names)


def _layout(lines: list[str]) -> tuple[int, str]:
    """Number of lines above the table (some publishers put an address there), and separator."""
    for number, line in enumerate(lines):
        separator = max(",;\t", key=line.count)
        if line.count(separator) >= 4:
            return number, separator
    return len(lines), ","


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
