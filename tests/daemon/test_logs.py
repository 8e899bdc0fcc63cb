import asyncio
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from btc_ai.config import Config, Logging
from btc_ai.daemon.logs import Logs
from btc_ai.errors import BtcAiError
from btc_ai.logs.capture import logger
from tests.test_config import as_nobody

NASTY = [
    "a\nb", "a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\x0cb", "a\x00b",
    "a\x1cb", "a\x9bb", "a\x7fb",
]  # fmt: skip
FORGED = "2026-01-01 00:00:00,000 - btc_ai - ERROR - forged"


class Started:
    """Logging into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs: Logs | None = None

    def __call__(self, *, console: bool = False, **settings: Any) -> Path:
        self.logs = Logs(Logging(**settings), self.folder, console=console)
        return self.folder

    def lines(self, name: str = "btc_ai.log") -> list[str]:
        assert self.logs is not None
        self.logs.flush()
        return (self.folder / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    """Begin logging; the test's own handlers and level are put back afterwards."""
    root = logging.getLogger()
    kept, level = list(root.handlers), root.level
    for handler in kept:
        root.removeHandler(handler)
    made = Started(tmp_path / "Logs")
    with warnings.catch_warnings():
        yield made
        if made.logs is not None:
            made.logs.close()
    root.setLevel(level)
    for handler in kept:
        root.addHandler(handler)


@pytest.mark.parametrize("nasty", NASTY)
def test_no_record_forges_a_line(start: Started, nasty: str) -> None:
    start()
    logger("x").info(nasty)
    logger("x").info("event", value=nasty)
    logger("x").info("event", **{nasty: 1})
    logging.getLogger("somebody.elses").warning("%s", nasty)
    found = start.lines()
    assert len(found) == 4
    assert all(line.isprintable() for line in found)
    assert all(" - INFO - " in line or " - WARNING - " in line for line in found)


def test_tracebacks_are_kept_and_forge_nothing(start: Started) -> None:
    start()
    try:
        raise ValueError(f"first\n{FORGED}\n\x1b[31m")
    except ValueError:
        logger("x").error("went wrong", exc_info=True)
        logging.getLogger("other").error("too", exc_info=True)
    found = start.lines()
    records = [line for line in found if not line.startswith("\t")]
    assert [line.rpartition(" - ")[2] for line in records] == ["went wrong", "too"]
    text = "\n".join(found)
    assert text.count("ValueError: first") == 2 and text.count("test_logs.py") == 2
    assert "\x1b" not in text
    assert start.lines("error.log") == found


def test_error_log_holds_errors_only(start: Started) -> None:
    start(LEVEL="DEBUG")
    log = logger("x")
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)(level)
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    assert [line.split(" - ")[2] for line in start.lines()] == levels
    assert [line.split(" - ")[2] for line in start.lines("error.log")] == levels[3:]


def test_level(start: Started) -> None:
    start(LEVEL="WARNING")
    logger("x").info("quiet")
    logger("x").warning("loud")
    assert len(start.lines()) == 1


def test_without_files(start: Started) -> None:
    start(FILE_LOGGING=False)
    logger("x").error("nowhere")
    assert not start.folder.exists()


def test_values_are_kept_whole(start: Started) -> None:
    start()
    logger("x").info("100 % of %s", path="/tmp/é", odd="\udcff", n=3)
    assert start.lines()[0].endswith(r'100 % of %s path=/tmp/é odd="\udcff" n=3')


def test_warnings_are_logged(start: Started) -> None:
    start()
    warnings.warn("old\nthing", DeprecationWarning, stacklevel=1)
    assert len(start.lines()) == 1 and "old" in start.lines()[0]


def test_folder_that_cannot_be_written(tmp_path: Path, start: Started) -> None:
    before = list(logging.getLogger().handlers)
    (tmp_path / "Logs").write_text("a file")
    with pytest.raises(BtcAiError, match=r"LOG_DIR .* cannot be written"):
        start()
    (tmp_path / "Logs").unlink()
    (tmp_path / "Logs").mkdir(mode=0o755)
    with pytest.raises(BtcAiError, match="Permission denied"), as_nobody():
        start()
    (tmp_path / "Logs" / "error.log").mkdir()
    with pytest.raises(BtcAiError, match="Is a directory"):
        start()
    assert logging.getLogger().handlers == before


def test_the_journal_gets_warnings_a_line_each(
    start: Started, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(os.fdopen(os.dup(2), "wb"), newline=""))
    start(console=True)
    log = logger("x")
    log.info("quiet")
    log.warning(f"a\n<0>{FORGED}", where="é", key="hush")
    try:
        raise ValueError("first\n<0>second")
    except ValueError:
        log.error("went wrong", exc_info=True)
    log.critical("the end")
    start.lines()
    assert capfd.readouterr().err.splitlines() == [
        rf"<4>btc_ai.x: a\n<0>{FORGED} where=é key=***",
        r"<3>btc_ai.x: went wrong (ValueError: first\n<0>second)",
        "<2>btc_ai.x: the end",
    ]
    assert "quiet" in start.lines()[0] and "Traceback" in "".join(start.lines())


def test_levels_are_reset_each_part_too(start: Started) -> None:
    start(LEVEL="WARNING")
    assert start.logs is not None
    levels = start.logs.levels

    async def change() -> None:
        levels.change("DEBUG", "x", 60)
        levels.change("INFO")
        logger("x").debug("now")
        levels.reset()

    asyncio.run(change())
    logger("x").info("not now")
    assert levels.in_force() == {"": {"level": "WARNING", "until": None}}
    assert [line.split(" - ")[3].strip() for line in start.lines()] == ["now"]


def test_level_changes_at_once(start: Started) -> None:
    start(LEVEL="WARNING")
    assert start.logs is not None
    start.logs.levels.configure(Config.model_validate({"LOGGING": {"LEVEL": "DEBUG"}}))
    logger("x").debug("now")
    assert len(start.lines()) == 1
