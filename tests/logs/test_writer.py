import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from btc_ai.logs.files import ERRORS, MAIN, TRAINING, UPDATES
from btc_ai.logs.layout import Layout
from btc_ai.logs.record import Record
from btc_ai.logs.rolling import Rolling
from btc_ai.logs.writer import QUEUE, LogWriter
from tests.logs.test_rolling import FullDisk


class Desk:
    """A writer, and what it says of trouble."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, list[str | None]()
        self.ahead = 0.0
        self.writer = LogWriter(
            folder, Layout(), Rolling(), on_trouble=self.told.append,
            now=lambda: time.time() + self.ahead,
        )  # fmt: skip

    def log(self, text: str, *, level: str = "INFO", logger: str = "btc_ai.x") -> None:
        self.writer.put(Record(time.time() + self.ahead, level, logger, text))

    def texts(self, name: str = MAIN) -> list[str]:
        self.writer.flush()
        lines = (self.folder / name).read_text().splitlines()
        return [line.split(" - ", 3)[3] for line in lines]

    def until(self, true: Callable[[], object]) -> None:
        end = time.monotonic() + 10
        while not true():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("btc_ai.logs.writer.RETRY_S", 0.05)
    made = Desk(tmp_path / "Logs")
    yield made
    made.writer.close()


def test_each_record_into_its_files(desk: Desk) -> None:
    desk.log("a")
    desk.log("b", level="ERROR")
    desk.log("c", logger="btc_ai.training")
    desk.log("d", level="CRITICAL", logger="btc_ai.update.download")
    assert desk.texts() == ["a", "b", "c", "d"]
    assert desk.texts(ERRORS) == ["b", "d"]
    assert desk.texts(TRAINING) == ["c"] and desk.texts(UPDATES) == ["d"]
    assert {path.stat().st_mode & 0o777 for path in desk.folder.iterdir()} == {0o640}


def test_full_disk_is_told_and_over_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.log("before")
    assert desk.texts() == ["before"]
    disk = FullDisk(60)
    monkeypatch.setattr("btc_ai.logs.rolling.to_disk", disk)
    for number in range(5):
        desk.log(f"while {number}", level="ERROR")
    desk.until(lambda: desk.told)
    assert desk.writer.trouble == os.strerror(errno.ENOSPC)
    assert desk.texts()[0] == "before"
    disk.room = 10**9
    desk.until(lambda: len(desk.told) == 2)
    assert desk.told == [os.strerror(errno.ENOSPC), None] and desk.writer.trouble is None
    expected = ["before", *(f"while {number}" for number in range(5))]
    told = [text for text in desk.texts() if "written" in text]
    assert [text for text in desk.texts() if text not in told] == expected
    assert [text.partition(" reason")[0] for text in told] == [
        "logs cannot be written", "logs can be written again",
    ]  # fmt: skip
    assert set(expected[1:]) <= set(desk.texts(ERRORS))


def test_what_a_full_disk_costs_is_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btc_ai.logs.rolling.PENDING_BYTES", 2_000)
    disk = FullDisk(0)
    monkeypatch.setattr("btc_ai.logs.rolling.to_disk", disk)
    for number in range(100):
        desk.log(f"record {number}")
    desk.writer.flush()
    lost = desk.writer.lost
    disk.room = 10**9
    desk.until(lambda: len(desk.told) == 2)
    texts = desk.texts()
    assert len(texts) - 1 + lost == 100 + 1  # that logs cannot be written is a record too
    assert lost > 50 and texts[-1].endswith(f"lost={lost}")


def test_a_folder_that_is_deleted_comes_back(desk: Desk) -> None:
    desk.log("before")
    desk.writer.flush()
    shutil.rmtree(desk.folder)
    desk.log("after")
    assert desk.texts() == ["after"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give up rights: run as root")
def test_a_folder_that_becomes_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("btc_ai.logs.writer.RETRY_S", 0.05)
    folder = tmp_path / "Logs"
    desk = Desk(folder)

    def refuse(path: object, *args: object, **more: object) -> int:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    try:
        shutil.rmtree(folder)
        with monkeypatch.context() as patch:
            patch.setattr("btc_ai.logs.rolling.os.open", refuse)
            desk.log("while it cannot be written")
            desk.until(lambda: desk.told)
        desk.until(lambda: len(desk.told) == 2)
        assert desk.texts()[0] == "while it cannot be written"
    finally:
        desk.writer.close()


def test_the_clock_steps_back_an_hour(desk: Desk) -> None:
    desk.log("a")
    desk.writer.flush()
    desk.ahead = -3600.0
    desk.log("b")
    desk.ahead = 0.0
    desk.log("c")
    assert desk.texts() == ["a", "b", "c"]


def test_more_than_can_be_written_is_counted(desk: Desk) -> None:
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        go.wait(30)

    desk.writer._ask(hold)
    assert held.wait(10)
    for number in range(QUEUE + 10):
        desk.log(str(number))
    go.set()
    texts = desk.texts()
    assert [text for text in texts if "lost" not in text] == list(map(str, range(QUEUE)))
    assert [text.partition("lost=")[2] for text in texts if "lost" in text] == ["10"]


def test_a_failure_of_its_own_ends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(desk.writer._layout, "write", None)
        desk.log("lost")
        desk.until(lambda: desk.writer.lost)
    desk.log("kept")
    assert desk.texts()[0] == "kept" and "TypeError" in capfd.readouterr().err


def test_no_record_waits_for_another(desk: Desk) -> None:
    def chatter() -> None:
        for number in range(3_000):
            desk.log(str(number))
            if number % 7 == 0:
                time.sleep(0.0001)

    talking = [threading.Thread(target=chatter) for _ in range(3)]
    for thread in talking:
        thread.start()
    for thread in talking:
        thread.join()
    for _ in range(500):
        desk.log("one")
        desk.until(lambda: not desk.writer._queue)
        desk.writer.flush()
