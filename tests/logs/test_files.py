import os
from datetime import date
from pathlib import Path

import pytest

from btc_ai.logs.files import ERRORS, MAIN, TRAINING, UPDATES, all_files, belongs, next_name


def test_files_in_order(tmp_path: Path) -> None:
    names = [
        "btc_ai.log.2026-11-24", "btc_ai.log.2026-11-24.1.gz", "btc_ai.log.2026-11-24.2",
        "btc_ai.log.2026-11-24.10", "btc_ai.log.2026-11-25.xz", "btc_ai.log",
    ]  # fmt: skip
    others = ["btc_ai.log.bak", "btc_ai.log.2026-11-24.x", "error.log", "abtc_ai.log.2026-11-24"]
    for name in (*reversed(names), *others):
        (tmp_path / name).touch()
    assert [path.name for path in all_files(tmp_path, MAIN)] == names


def test_files_of_logrotate(tmp_path: Path) -> None:
    for days_ago, name in enumerate(("btc_ai.log", "btc_ai.log.1", "btc_ai.log-20260102.gz")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (10**9 - days_ago * 86400,) * 2)
    found = [path.name for path in all_files(tmp_path, MAIN)]
    assert found == ["btc_ai.log-20260102.gz", "btc_ai.log.1", "btc_ai.log"]


def test_next_name_is_never_taken(tmp_path: Path) -> None:
    day = date(2026, 11, 24)
    for expected in ("", ".1", ".2"):
        path = next_name(tmp_path, MAIN, day)
        assert path.name == f"btc_ai.log.2026-11-24{expected}"
        path.touch()
    path.rename(f"{path}.gz")
    (tmp_path / "btc_ai.log.2026-11-24").unlink()
    assert next_name(tmp_path, MAIN, day).name == "btc_ai.log.2026-11-24.3"
    assert next_name(tmp_path, ERRORS, day).name == "error.log.2026-11-24"


@pytest.mark.parametrize(
    ("logger", "severity", "logs"),
    [
        ("btc_ai.daemon", 20, {MAIN}),
        ("btc_ai.training", 20, {MAIN, TRAINING}),
        ("btc_ai.training.worker", 40, {MAIN, TRAINING, ERRORS}),
        ("btc_ai.trainings", 20, {MAIN}),
        ("btc_ai.update", 50, {MAIN, UPDATES, ERRORS}),
        ("update", 20, {MAIN, UPDATES}),
    ],
)
def test_what_belongs_where(logger: str, severity: int, logs: set[str]) -> None:
    assert {n for n in (MAIN, ERRORS, TRAINING, UPDATES) if belongs(n, logger, severity)} == logs
