"""Sources of candles that plugins add: the one in the guide, one over HTTP, and broken ones."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from btc_ai.errors import DataError, PluginError, UsageError
from btc_ai.market.candles import COLUMNS, Candles
from btc_ai.market.download import DownloadSettings, download
from btc_ai.market.importer import error_notes
from btc_ai.market.store import CandleStore
from tests.api.conftest import Site, site  # noqa: F401
from tests.market.test_download import STEP, Exchange, exchange  # noqa: F401

ROOT = Path(__file__).parents[2]
GUIDE = next(
    block
    for block in re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/plugins.md").read_text(), re.DOTALL
    )
    if "btc_ai_markets" in block
)


def install(site: Site, code: str, source: str) -> None:  # noqa: F811
    site.install("feed", code, manifest={"markets": [source]}, entry="plugin_feed")


def wanted(source: str, since: int | None = None, **changes: Any) -> DownloadSettings:
    given = {"symbol": "BTC/USDT", "interval": "5m", "source": source, **changes}
    return DownloadSettings("binance", since=since, **given)


MIRROR = """
import json, os, urllib.request
from http.client import HTTPException
from btc_ai.api import hookimpl

NAMES = ("time", "open", "high", "low", "close", "volume")

def mirror(symbol, interval, start, end):
    while start < end:
        url = f"{os.environ['MIRROR']}/klines?startTime={start}&limit=500"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                rows = json.load(answer)
        except (OSError, HTTPException) as error:
            raise ConnectionError(str(error)) from error
        if not rows:
            return
        yield dict(zip(NAMES, zip(*(row[:6] for row in rows))))
        start = rows[-1][0] + 300_000

@hookimpl
def btc_ai_markets(registry):
    registry.register("mirror", mirror)
"""


@pytest.fixture
def mirrored(
    site: Site,  # noqa: F811
    exchange: Exchange,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Exchange:
    """3,000 bars of 5 minutes, behind a plugin that asks for them over HTTP."""
    install(site, MIRROR, "mirror")
    monkeypatch.setenv("MIRROR", exchange.url)
    return exchange


def test_pages_come_with_progress_and_are_stored(tmp_path: Path, mirrored: Exchange) -> None:
    store, heard = CandleStore(tmp_path), list[tuple[int, int]]()
    since = int(mirrored.candles.time[0])
    until = int(mirrored.candles.time[1_200])
    settings = wanted("mirror", since, until=until)
    candles, new = download(store, settings, lambda *counts: heard.append(counts))
    assert candles.sha256 == mirrored.candles.take(slice(0, 1_200)).sha256
    assert store.load("BTC/USDT", "5m").sha256 == candles.sha256
    assert (new, candles.source) == (1_200, "plugin:mirror")
    assert heard == [(500, 1_200), (1_000, 1_200), (1_200, 1_200)]


def test_again_only_what_is_missing_is_asked_for(tmp_path: Path, mirrored: Exchange) -> None:
    store, bars = CandleStore(tmp_path), mirrored.candles
    first, last = int(bars.time[0]), int(bars.time[2_000])
    download(store, wanted("mirror", int(bars.time[1_000]), until=last))
    mirrored.klines.clear()
    candles, new = download(store, wanted("mirror", first, until=last + 100 * STEP))
    assert (new, len(candles)) == (1_100, 2_100)
    assert mirrored.klines == [first, int(bars.time[500]), last]
    assert download(store, wanted("mirror", first, until=last))[1] == 0


def test_without_since_it_gives_all_it_has(tmp_path: Path, mirrored: Exchange) -> None:
    heard: list[tuple[int, int]] = []
    until = int(mirrored.candles.time[-1]) + STEP
    settings = wanted("mirror", until=until)
    candles, _ = download(CandleStore(tmp_path), settings, lambda *counts: heard.append(counts))
    assert candles.sha256 == mirrored.candles.sha256
    assert heard[0] == (500, 3_000) and heard[-1] == (3_000, 3_000)


def test_network_faults_are_asked_again_for_what_is_left(
    tmp_path: Path, mirrored: Exchange
) -> None:
    pauses: list[float] = []

    def plant(done: int, expected: int) -> None:
        if done == 500:
            mirrored.faults = [503, 0]

    settings = wanted("mirror", int(mirrored.candles.time[0]), until=int(mirrored.candles.time[-1]))
    candles, _ = download(CandleStore(tmp_path), settings, plant, pauses.append)
    assert len(candles) == 2_999 and pauses == [1, 2]
    assert len(mirrored.klines) == 6


def test_an_interrupted_download_goes_on(tmp_path: Path, mirrored: Exchange) -> None:
    store, bars = CandleStore(tmp_path), mirrored.candles

    def plant(done: int, expected: int) -> None:
        if done == 1_000:
            mirrored.faults = [503] * 6

    settings = wanted("mirror", int(bars.time[0]), until=int(bars.time[-1]) + STEP)
    with pytest.raises(DataError, match=r"mirror cannot be reached.*run the same command again"):
        download(store, settings, plant, lambda seconds: None)
    assert len(store.load("BTC/USDT", "5m")) == 1_000
    mirrored.klines.clear()
    candles, new = download(store, settings)
    assert (new, candles.sha256) == (2_000, bars.sha256)
    assert mirrored.klines[0] == int(bars.time[1_000])


def test_ctrl_c_keeps_what_was_given(tmp_path: Path, mirrored: Exchange) -> None:
    store = CandleStore(tmp_path)

    def interrupt(done: int, expected: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(store, wanted("mirror", int(mirrored.candles.time[0])), interrupt)
    assert len(store.load("BTC/USDT", "5m")) == 500


def test_candles_of_elsewhere_are_not_mixed_in(tmp_path: Path, mirrored: Exchange) -> None:
    store = CandleStore(tmp_path)
    store.save(mirrored.candles.take(slice(0, 10)))
    with pytest.raises(DataError, match="those from 'plugin:mirror' are not mixed"):
        download(store, wanted("mirror"))


PAGES = """
from btc_ai.api import hookimpl
from btc_ai.api.errors import DataError
{top}

DAY, FIRST = 86_400_000, 19_723 * 86_400_000

def bars(*days, open=1.0, high=2.0, step=DAY, shift=0):
    times = [FIRST + day * step + shift for day in days]
    some = [1.0] * len(times)
    return {{"time": times, "open": [open] * len(times), "high": [high] * len(times), "low": some,
            "close": some, "volume": some}}

def pages(symbol, interval, start, end):
    {body}

@hookimpl
def btc_ai_markets(registry):
    registry.register("{name}", pages)
"""


def paged(site: Site, body: str, *, top: str = "", name: str = "pages") -> DownloadSettings:  # noqa: F811
    """What is wanted of a plugin with this body: daily bars from 2024 on."""
    install(site, PAGES.format(body=body, top=top, name=name), "pages")
    return wanted("pages", interval="1d")


def days(candles: Candles) -> list[int]:
    return [int(day) for day in candles.time // 86_400_000 - 19_723]


def test_pages_may_overlap_hold_more_and_lie_in_any_order(site: Site, tmp_path: Path) -> None:  # noqa: F811
    settings = paged(site, "yield bars(2, 1, 0, 1)\n    yield bars()\n    yield bars(-9, 2, 4, 5)")
    candles, new = download(CandleStore(tmp_path), settings)
    assert days(candles) == [0, 1, 2, 4, 5]
    assert new == len(candles)


def test_impossible_prices_are_kept_and_noted(site: Site, tmp_path: Path) -> None:  # noqa: F811
    settings = paged(site, "yield bars(0, 1)\n    yield bars(2, high=0.5)")
    candles, _ = download(CandleStore(tmp_path), settings)
    assert days(candles) == [0, 1, 2]
    (note,) = error_notes(candles)
    assert note.startswith("ohlc ×1") and "`btc-ai data check --repair`" in note


def test_a_bar_that_is_still_open_is_not_stored(site: Site, tmp_path: Path) -> None:  # noqa: F811
    candles, _ = download(CandleStore(tmp_path), paged(site, "yield bars(*range(20_000))"))
    assert candles.time[0] == 19_723 * 86_400_000
    closed = int(candles.time[-1]) + candles.step
    assert closed <= time.time() * 1_000 < closed + 2 * candles.step  # it may be midnight


def test_an_endless_source_is_left_at_the_end(site: Site, tmp_path: Path) -> None:  # noqa: F811
    body = "day = 0\n    while True:\n        yield bars(day)\n        day += 1"
    settings = dataclasses.replace(paged(site, body), until=(19_723 + 40) * 86_400_000)
    assert days(download(CandleStore(tmp_path), settings)[0]) == list(range(40))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return None", "the source pages failed: TypeError"),
        ("yield bars(0)\n    raise KeyError('x')", r"pages failed: KeyError: 'x' \(__init__.py"),
        ("yield bars(0)\n    raise SystemExit(2)", "pages failed: SystemExit: 2"),
        ("raise DataError('no such coin')\n    yield", "^no such coin$"),
        ("yield 3", "the source pages gives no table"),
        ("yield {'time': [1], 'open': [1, 2]}", "the source pages gives no table"),
        ("yield {'time': [FIRST]}", "gives no column open, high, low, close, volume"),
        ("yield bars(0) | {'open': ['many']}", "the source pages: column 'open', row 1: 'many'"),
        ("yield bars(0) | {'time': ['soon']}", "the source pages: column 'time'"),
        ("yield bars(*range(20), step=7 * DAY)", "its bars are of 1w, not of 1d"),
        ("yield bars(*range(20), shift=5000)", "the source pages: off-grid ×20.*or mend or update"),
        ("yield bars(*range(20), shift=DAY - 1)", "timed by their close"),
        ("yield bars(0, 0) | {'open': [1.0, 1.5]}", "the source pages: conflict"),
        ("yield from ()", "pages has no candles of BTC/USDT 1d"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    site: Site,  # noqa: F811
    tmp_path: Path,
    body: str,
    says: str,
) -> None:
    with pytest.raises(DataError, match=says):
        download(CandleStore(tmp_path), paged(site, body))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"top": "import nothing_of_that_name"}, "the plugin feed cannot be used: ModuleNotFound"),
        ({"name": "other"}, "'pages' is not registered by the plugin that declares it"),
    ],
)
def test_a_plugin_that_fails_is_named(
    site: Site,  # noqa: F811
    tmp_path: Path,
    change: dict[str, str],
    says: str,
) -> None:
    with pytest.raises(PluginError, match=says):
        download(CandleStore(tmp_path), paged(site, "yield bars(0)", **change))


def test_an_unknown_source_is_told_with_the_nearest(site: Site, tmp_path: Path) -> None:  # noqa: F811
    settings = paged(site, "yield bars(0)")
    with pytest.raises(UsageError, match=r"'page' is not among the markets \(did you mean 'pages'"):
        download(CandleStore(tmp_path), wanted("page"))
    with pytest.raises(DataError, match="synthetic sample market"):
        download(CandleStore(tmp_path), wanted("pages", symbol="SAMPLE/USDT"))
    assert download(CandleStore(tmp_path), settings)[1] == 1


class Archive:
    """The guide's plugin, and the real command line."""

    def __init__(self, site: Site, folder: Path) -> None:  # noqa: F811
        install(site, GUIDE, "archive")
        self.files, self.config = folder / "archive", folder / "btc_ai.json"
        self.files.mkdir()
        self.config.write_text(json.dumps({"DATA_DIR": "Data"}))
        path = os.pathsep.join([str(site.folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.environment = os.environ | {"PYTHONPATH": path, "CANDLE_ARCHIVE": str(self.files)}

    def write(self, month: str, candles: Candles) -> None:
        columns = [candles.time, *(getattr(candles, name) for name in COLUMNS)]
        bars = zip(*(column.tolist() for column in columns), strict=True)
        rows = [",".join(map(repr, bar)) for bar in bars]
        head = ",".join(("time", *COLUMNS))
        (self.files / f"BTC-USDT_5m_{month}.csv").write_text("\n".join([head, *rows]))

    def run(self, *options: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "btc_ai.cli.app", "--config", str(self.config), "data"]
        done = subprocess.run(
            [*command, "download", *options], env=self.environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == code and "Traceback" not in said, said
        return said


@pytest.mark.slow
def test_the_guides_source_from_the_command_line(
    site: Site,  # noqa: F811
    tmp_path: Path,
    make_candles: Callable[..., Candles],
) -> None:
    archive, candles = Archive(site, tmp_path), make_candles(900)
    options = ("--source", "archive", "--symbol", "BTC/USDT", "--interval", "5m")
    assert "has no file BTC-USDT_5m_*.csv" in archive.run(*options, code=1)
    archive.write("2023-01", candles.take(slice(0, 400)))
    assert "downloaded 400 new bars from archive: 400 bars of BTC/USDT" in archive.run(*options)
    archive.write("2023-02", candles.take(np.r_[400:600, 610:900]))
    about = json.loads(archive.run(*options, "--json"))
    assert about["sha256"] == candles.take(np.r_[0:600, 610:900]).sha256
    assert (about["source"], about["notes"]) == ("plugin:archive", [])
    assert "exclude" not in archive.run("--source", "archive", "--exchange", "kraken", code=2)
    assert "--since" in archive.run("--exchange", "kraken", code=2)
    assert "did you mean 'archive'" in archive.run("--source", "archiv", code=2)
