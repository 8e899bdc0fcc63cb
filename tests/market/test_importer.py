"""Import: the same candles from every kind of file, and refusal where there are two readings."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import DataError, UsageError
from btc_ai.market.candles import COLUMNS, Candles
from btc_ai.market.import_table import KLINES
from btc_ai.market.importer import ImportSettings, import_file, read_candles
from btc_ai.market.store import CandleStore

MakeCandles = Callable[..., Candles]
BTC = ImportSettings("BTC/USDT")
PER_MS = {"s": 1e-3, "ms": 1, "us": 1e3, "ns": 1e6}


@pytest.fixture
def candles(make_candles: MakeCandles) -> Candles:
    return make_candles(60)


@pytest.fixture
def table(candles: Candles) -> pd.DataFrame:
    values = {name: getattr(candles, name) for name in COLUMNS}
    return pd.DataFrame({"timestamp": candles.time, **values})


def write(table: pd.DataFrame, path: Path, **options: object) -> Path:
    table.to_csv(path, index=False, **options)  # type: ignore[call-overload]
    return path


def test_real_files(real_data: Path, btc_5m: Candles, btc_1h: Candles) -> None:
    for candles, name in ((btc_5m, "btcusdt_5m_2023"), (btc_1h, "btcusdt_1h_2017_2024")):
        imported = read_candles(real_data / f"{name}.parquet", BTC)
        assert imported.candles.sha256 == candles.sha256
        assert imported.candles.interval == candles.interval
        assert imported.notes == ()


@pytest.mark.parametrize(
    "name", ["c.parquet", "c.feather", "c.csv", "c.csv.gz", "c.zip", "c.CSV", "c.tsv", "c.txt"]
)
def test_every_kind_of_file(
    tmp_path: Path, table: pd.DataFrame, candles: Candles, name: str
) -> None:
    path = tmp_path / name
    text = table.to_csv(index=False, sep="\t" if name.endswith("tsv") else ",")
    match path.suffix:
        case ".parquet":
            table.to_parquet(path)
        case ".feather":
            table.to_feather(path)
        case ".gz":
            path.write_bytes(gzip.compress(text.encode()))
        case ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inner.csv", text)
        case _:
            path.write_text(text)
    assert read_candles(path, BTC).candles.sha256 == candles.sha256


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    unit=st.sampled_from(sorted(PER_MS)),
    time_name=st.sampled_from(["timestamp", "Open time", "unix", "DATE", "open_time"]),
    upper=st.booleans(),
    volume_name=st.sampled_from(["volume", "Vol", "Volume BTC", "v"]),
    bars=st.integers(2, 80),
)
def test_names_and_units(
    tmp_path_factory: pytest.TempPathFactory,
    make_candles: MakeCandles,
    unit: str,
    time_name: str,
    upper: bool,
    volume_name: str,
    bars: int,
) -> None:
    candles = make_candles(bars)
    columns: dict[str, object] = {time_name: (candles.time * PER_MS[unit]).astype(np.int64)}
    columns |= {n.upper() if upper else n[0]: getattr(candles, n) for n in COLUMNS[:4]}
    columns[volume_name] = candles.volume
    columns["Volume USDT"] = candles.volume * 20_000
    path = write(pd.DataFrame(columns), tmp_path_factory.mktemp("csv") / "c.csv")
    assert read_candles(path, BTC).candles.sha256 == candles.sha256


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("where", ["column", "index", "text"])
def test_dates(
    tmp_path: Path, table: pd.DataFrame, candles: Candles, zone: str | None, where: str
) -> None:
    moments = pd.to_datetime(candles.time, unit="ms", utc=True)
    dated = moments.tz_convert(zone) if zone else moments.tz_localize(None)
    path = tmp_path / ("c.csv" if where == "text" else "c.parquet")
    if where == "index":
        table.drop(columns="timestamp").set_index(dated.rename("date")).to_parquet(path)
    elif where == "column":
        table.assign(timestamp=dated).to_parquet(path)
    else:
        write(table.assign(timestamp=[moment.isoformat() for moment in dated]), path)
    assert read_candles(path, BTC).candles.sha256 == candles.sha256


@pytest.mark.parametrize("columns", [6, 12])
def test_exchange_dump_without_header(
    tmp_path: Path, table: pd.DataFrame, candles: Candles, columns: int
) -> None:
    extra = dict.fromkeys(KLINES[6:columns], 0)
    dump = table.assign(**extra)
    path = write(dump, tmp_path / "BTCUSDT-5m-2023-01.csv", header=False)
    assert read_candles(path, BTC).candles.sha256 == candles.sha256


def test_dump_that_changed_from_ms_to_us(
    tmp_path: Path, table: pd.DataFrame, candles: Candles
) -> None:
    table["timestamp"] *= np.where(np.arange(60) < 30, 1, 1_000)
    imported = read_candles(write(table, tmp_path / "c.csv"), BTC)
    assert imported.candles.sha256 == candles.sha256
    assert imported.notes == ("times of column 'timestamp' mix ms and us",)


def test_publisher_line_newest_first_and_two_times_that_agree(
    tmp_path: Path, table: pd.DataFrame, candles: Candles
) -> None:
    date = pd.to_datetime(table["timestamp"], unit="ms").astype(str)
    odd = table.rename(columns={"timestamp": "unix"}).assign(date=date, symbol="BTCUSDT")[::-1]
    path = tmp_path / "c.csv"
    path.write_text("https://example.com\n" + odd.to_csv(index=False))
    imported = read_candles(path, BTC)
    assert imported.candles.sha256 == candles.sha256
    assert "sorted" in imported.notes[0]


def test_two_times_that_differ_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table["date"] = table["timestamp"] + 3_600_000
    path = write(table, tmp_path / "c.csv")
    with pytest.raises(DataError, match=r"'timestamp', 'date' could each be.*--time-column"):
        read_candles(path, BTC)
    chosen = ImportSettings("BTC/USDT", time_column="date")
    assert read_candles(path, chosen).candles.time[0] == table["date"][0]


def test_two_volumes_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table["Volume BTC"] = table["volume"]
    path = write(table, tmp_path / "c.csv")
    with pytest.raises(DataError, match=r"'volume', 'Volume BTC' could each.*--volume-column"):
        read_candles(path, BTC)
    read_candles(path, ImportSettings("BTC/USDT", volume_column="Volume BTC"))


def refused(table: pd.DataFrame, folder: Path, settings: ImportSettings = BTC) -> str:
    with pytest.raises(DataError) as caught:
        read_candles(write(table, folder / "c.csv"), settings)
    return str(caught.value)


def test_columns_that_are_missing(tmp_path: Path, table: pd.DataFrame) -> None:
    quote = table.rename(columns={"volume": "Volume USDT"})
    assert "no column is recognised as volume" in refused(quote, tmp_path)
    assert "--time-column" in refused(table.rename(columns={"timestamp": "when"}), tmp_path)
    assert "rename the right one to 'low'" in refused(table.drop(columns="low"), tmp_path)
    assert "there is no column 'x'" in refused(
        table, tmp_path, ImportSettings("BTC/USDT", time_column="x")
    )


def test_times_that_are_unclear(tmp_path: Path, table: pd.DataFrame) -> None:
    american = pd.to_datetime(table["timestamp"], unit="ms").dt.strftime("%m/%d/%Y %H:%M")
    assert "ISO 8601" in refused(table.assign(timestamp=american), tmp_path)
    assert "no time between 2009 and 2100" in refused(table.assign(timestamp=range(60)), tmp_path)
    seconds = ImportSettings("BTC/USDT", time_unit="s")
    assert "no time between 2009 and 2100 in s" in refused(table, tmp_path, seconds)
    assert "use s, ms" in refused(table, tmp_path, ImportSettings("BTC/USDT", time_unit="h"))
    table["timestamp"] = table["timestamp"].astype("Int64")
    table.loc[3, "timestamp"] = pd.NA
    assert "row 4: no time" in refused(table, tmp_path)


def test_bars_by_their_close_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table["timestamp"] += 299_999
    assert "opening times by --time-column" in refused(table, tmp_path)


def test_off_grid_bars_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table["timestamp"] += np.where(table.index == 7, 60_000, 0)
    message = refused(table, tmp_path)
    assert "2023-01-01 00:36" in message
    assert "do not open at a multiple" in message


def test_interval_must_agree(tmp_path: Path, table: pd.DataFrame) -> None:
    hourly = ImportSettings("BTC/USDT", "1h")
    assert "holds 5m bars (59 of 59 gaps), not 1h" in refused(table, tmp_path, hourly)
    assert "say its interval" in refused(table[:1], tmp_path)
    path = write(table[:1], tmp_path / "c.csv")
    assert len(read_candles(path, ImportSettings("BTC/USDT", "5m")).candles) == 1


def test_duplicates(tmp_path: Path, table: pd.DataFrame, candles: Candles) -> None:
    twice = pd.concat([table, table[10:12]])
    imported = read_candles(write(twice, tmp_path / "c.csv"), BTC)
    assert imported.candles.sha256 == candles.sha256
    assert any("duplicate ×2" in note and "dropped" in note for note in imported.notes)
    twice["close"] *= np.where(np.arange(62) == 61, 1.01, 1)
    assert "not alike: 2023-01-01 00:55" in refused(twice, tmp_path)


def test_impossible_prices_are_kept_and_said(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[5, "high"] = 1
    table.loc[6, "close"] = np.nan
    imported = read_candles(write(table, tmp_path / "c.csv"), BTC)
    assert len(imported.candles) == 60
    assert sum("data check --repair" in note for note in imported.notes) == 2
    assert "'high', row 6: 'n/k' is no number" in refused(
        table.astype({"high": object}).assign(high=lambda t: t["high"].where(t.index != 5, "n/k")),
        tmp_path,
    )


def test_symbol_is_asked_for(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="--symbol"):
        read_candles(write(table, tmp_path / "c.csv"), ImportSettings(None))
    assert "sample market" in refused(table, tmp_path, ImportSettings("sample/usdt"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b""),
        ("c.csv", b"timestamp,open,high,low,close,volume\n"),
        ("c.csv", b"one,two\n1,2\n"),
        ("c.csv", b"\xff\xfe\x00garbage"),
        ("c.csv", b"1,2,3,4,5,6,7\n1,2,3,4,5,6,7\n"),
        ("c.parquet", b"garbage"),
        ("c.feather", b"garbage"),
        ("c.zip", b"garbage"),
        ("c.csv.gz", b"garbage"),
        ("c.csv.gz", gzip.compress(b"a" * 10_000, mtime=0)[:30]),
        ("c.xlsx", b"garbage"),
    ],
)
def test_files_that_are_no_candles(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_candles(path, BTC)


def test_missing_file_folder_and_zip_of_two(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_candles(tmp_path / "c.csv", BTC)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="is not a file"):
        read_candles(tmp_path / "folder.csv", BTC)
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("a.csv", "")
        archive.writestr("b.csv", "")
    with pytest.raises(DataError, match="holds 2 files"):
        read_candles(tmp_path / "c.zip", BTC)


def test_stored_candles_are_kept_without_replace(tmp_path: Path, table: pd.DataFrame) -> None:
    store = CandleStore(tmp_path / "data")
    path = write(table, tmp_path / "c.csv")
    import_file(store, path, BTC)
    before = store.load("BTC/USDT", "5m").sha256
    write(table[:50], path)
    with pytest.raises(DataError, match="--replace"):
        import_file(store, path, BTC)
    assert store.load("BTC/USDT", "5m").sha256 == before
    import_file(store, path, BTC, replace=True)
    assert len(store.load("BTC/USDT", "5m")) == 50
