"""lnav's format file reads what is written."""

import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from btc_ai.logs.layout import DEFAULT, JSON, Layout
from btc_ai.logs.record import LEVELS, Record

FORMATS = Path(__file__).parents[2] / "config/lnav/btc_ai.json"
RECORDS = [
    Record(1.79e9, level, "btc_ai.training", "a - ERROR - b", {"run": "r 1", "bucket": "Short"})
    for level in LEVELS
]
TRACED = Record(1.79e9, "ERROR", "btc_ai.x", "failed", {"n": 1}, "Traceback:\nValueError: x")


@pytest.mark.parametrize("record", [*RECORDS, TRACED])
def test_its_pattern_matches(record: Record) -> None:
    known = json.loads(FORMATS.read_text())["btc_ai_log"]
    pattern = known["regex"]["default"]["pattern"].replace("(?<", "(?P<")
    found = re.fullmatch(pattern, Layout().write(record))
    assert found is not None
    assert (found["logger"], found["level"]) == (record.logger, record.level)
    assert re.search(known["level"][record.level.lower()], found["level"])
    assert found["run"] == ('"r 1"' if record is not TRACED else None)
    assert found["body"] == ("a - ERROR - b" if record is not TRACED else "failed n=1")


@pytest.mark.skipif(shutil.which("lnav") is None, reason="lnav is not installed")
@pytest.mark.parametrize(("log_format", "table"), [(DEFAULT, "log"), (JSON, "json_log")])
def test_lnav_reads_it(tmp_path: Path, log_format: str, table: str) -> None:
    formats = tmp_path / "lnav/formats/btc_ai"
    formats.mkdir(parents=True)
    shutil.copy(FORMATS, formats)
    layout, log = Layout(log_format), tmp_path / "btc_ai.log"
    log.write_text("".join(f"{layout.write(one)}\n" for one in [*RECORDS, TRACED]))
    query = f";SELECT log_level, logger, log_body, trace FROM btc_ai_{table}"
    place = ("-I", str(tmp_path / "lnav"))
    done = subprocess.run(
        ["lnav", "-n", *place, "-c", query, "-c", ":write-csv-to -", str(log)],
        env=os.environ | {"HOME": str(tmp_path), "TERM": "dumb"},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    rows = list(csv.DictReader(done.stdout.splitlines(keepends=True)))
    assert [row["log_level"].upper() for row in rows] == [*LEVELS, "ERROR"], done.stdout
    assert all(row["log_body"] == "a - ERROR - b" for row in rows[:-1])
    assert rows[-1]["trace"].split() == ["Traceback:", "ValueError:", "x"]
