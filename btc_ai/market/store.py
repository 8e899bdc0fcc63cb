"""Candles on disk: one parquet file per symbol and interval under DATA_DIR."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from btc_ai.durable import sync_directory
from btc_ai.errors import DataError
from btc_ai.market.candles import COLUMNS, Candles, check_symbol, interval_ms, iso
from btc_ai.market.quality import require_sound
from btc_ai.paths import candle_file

METADATA = b"btc_ai"
ABOUT = {"symbol", "interval", "source", "synthetic", "first", "last", "sha256"}
TIME_TYPE = pa.timestamp("ms", tz="UTC")
# What pyarrow raises on damaged files; a flipped bit in a column's name is a UnicodeDecodeError.
UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class CandleInfo:
    """What a stored file says about itself; `error` where it cannot be read."""

    path: Path
    symbol: str = ""
    interval: str = ""
    bars: int = 0
    first: str = ""
    last: str = ""
    source: str = ""
    synthetic: bool = False
    sha256: str = ""
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "path": str(self.path)}


class CandleStore:
    """The candles of one data directory.

    A file holds `timestamp` (bar open, UTC, ms) and open, high, low, close, volume (float64);
    its schema metadata, key `btc_ai`, holds symbol, interval, source, synthetic, first, last and
    the SHA-256 of the content.
    """

    def __init__(self, data_dir: Path) -> None:
        """The store in `data_dir`, which is made when something is saved."""
        self.data_dir = data_dir

    def path(self, symbol: str, interval: str) -> Path:
        """Where these candles are kept: `BTC-USDT_5m.parquet`."""
        interval_ms(interval)
        return candle_file(self.data_dir, check_symbol(symbol), interval)

    def exists(self, symbol: str, interval: str) -> bool:
        """Whether there are such candles."""
        return self.path(symbol, interval).is_file()

    def load(self, symbol: str, interval: str) -> Candles:
        """Sound candles, their content hash verified.

        Raises DataError, saying what to do, where the file is missing, empty, corrupt, not
        written by btc-ai, does not match its hash, or holds bars that `quality` calls errors.
        """
        path = self.path(symbol, interval)
        return require_sound(self.read(symbol, interval), str(path))

    def read(self, symbol: str, interval: str) -> Candles:
        """As `load`, but bars may be unsound: for `btc-ai data check`."""
        path = self.path(symbol, interval)
        if not path.is_file():
            raise DataError(
                f"no candles of {symbol} {interval}: {path} does not exist; "
                f"{_advice(symbol, interval)}; `btc-ai data list` shows what is there"
            )
        try:
            with pq.ParquetFile(path) as file:
                about = _about(path, file.schema_arrow)
                candles = _candles(file.read(["timestamp", *COLUMNS]), about)
        except UNREADABLE as error:
            raise DataError(_corrupt(path, error, symbol, interval)) from error
        if (candles.symbol, candles.interval) != (check_symbol(symbol), interval):
            raise DataError(
                f"{path} holds {candles.symbol} {candles.interval}, not {symbol} {interval}: "
                "it was renamed; give it its name back"
            )
        if candles.sha256 != about["sha256"]:
            raise DataError(_corrupt(path, "content does not match its SHA-256", symbol, interval))
        return candles

    def save(self, candles: Candles) -> Path:
        """Write the candles; a reader sees the old file or the new one, whole.

        Raises DataError where the disk is full or the directory is not writable; what was stored
        before is still there then.
        """
        path = self.path(candles.symbol, candles.interval)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                pq.write_table(_table(candles), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_directory(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise DataError(
                f"{path} cannot be written: {error.strerror or error}. Nothing stored was changed; "
                "make space, or let DATA_DIR name a directory that you may write"
            ) from error
        return path

    def list(self) -> tuple[CandleInfo, ...]:
        """What is stored, by name, from the files' metadata alone; unreadable files included."""
        return tuple(_info(path) for path in sorted(self.data_dir.glob("*.parquet")))


def _table(candles: Candles) -> pa.Table:
    about = {
        "symbol": candles.symbol,
        "interval": candles.interval,
        "source": candles.source,
        "synthetic": candles.synthetic,
        "first": iso(candles.time[0]) if len(candles) else "",
        "last": iso(candles.time[-1]) if len(candles) else "",
        "sha256": candles.sha256,
    }
    columns = {"timestamp": pa.array(candles.time).cast(TIME_TYPE)}
    columns |= {name: pa.array(getattr(candles, name)) for name in COLUMNS}
    return pa.table(columns).replace_schema_metadata({METADATA: json.dumps(about)})


def _candles(table: pa.Table, about: dict[str, Any]) -> Candles:
    time = table["timestamp"].cast(TIME_TYPE).to_numpy().astype("datetime64[ms]").astype(np.int64)
    values = [table[name].to_numpy().astype(np.float64, copy=True) for name in COLUMNS]
    return Candles.of(
        about["symbol"],
        about["interval"],
        time,
        values,
        source=about["source"],
        synthetic=about["synthetic"],
    )


def _about(path: Path, schema: pa.Schema) -> dict[str, Any]:
    stored = (schema.metadata or {}).get(METADATA)
    if stored is None:
        raise DataError(
            f"{path} was not written by btc-ai: move it elsewhere and import it with "
            "`btc-ai data import FILE --symbol … --interval …`"
        )
    try:
        about = dict(json.loads(stored))
    except (ValueError, TypeError) as error:
        raise pa.ArrowInvalid(f"its metadata is not readable: {error}") from error
    if about.keys() != ABOUT:
        raise pa.ArrowInvalid("its metadata is not complete")
    return about


def _info(path: Path) -> CandleInfo:
    try:
        with pq.ParquetFile(path) as file:
            about = _about(path, file.schema_arrow)
            return CandleInfo(path, bars=file.metadata.num_rows, **about)
    except UNREADABLE as error:
        return CandleInfo(path, error=f"unreadable: {_first_line(error)}")
    except DataError as error:
        return CandleInfo(path, error=str(error))


def _corrupt(path: Path, reason: object, symbol: str, interval: str) -> str:
    return f"{path} is corrupt ({_first_line(reason)}): remove it, then {_advice(symbol, interval)}"


def _advice(symbol: str, interval: str) -> str:
    if check_symbol(symbol).startswith("SAMPLE/"):
        return "make them with `btc-ai data sample`"
    options = f"--symbol {symbol} --interval {interval}"
    return f"get them with `btc-ai data import FILE {options}` or `btc-ai data download {options}`"


def _first_line(reason: object) -> str:
    return (str(reason).splitlines() or ["no reason given"])[0]
