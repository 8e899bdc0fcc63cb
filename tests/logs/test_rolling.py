import errno
import os
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.logs.files import MAIN, all_files
from btc_ai.logs.rolling import LogFile, Rolling

NOON = datetime(2026, 11, 24, 12).timestamp()
HOUR_S, DAY_S = 3600.0, 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def log_file(folder: Path, clock: Clock, rolling: Rolling | None = None) -> LogFile:
    def began(line: bytes) -> float | None:
        return float(line.split()[0]) if line[:1].isdigit() else None

    return LogFile(folder, MAIN, rolling or Rolling(keep=0), began=began, now=clock)


def write(file: LogFile, *lines: str) -> None:
    for line in lines:
        assert file.add(f"{line}\n".encode())
    file.flush()


def content(folder: Path) -> list[str]:
    return [line for path in all_files(folder, MAIN) for line in path.read_text().splitlines()]


def names(folder: Path) -> list[str]:
    return [path.name.removeprefix(MAIN) for path in all_files(folder, MAIN)]


def test_rolls_by_size_and_by_day(tmp_path: Path, clock: Clock) -> None:
    file = log_file(tmp_path, clock, Rolling(max_bytes=10, keep=0))
    for day in range(3):
        for number in range(4):
            write(file, f"{day}-{number}")
        clock.now += DAY_S
    file.close()
    assert names(tmp_path) == [
        ".2026-11-24", ".2026-11-24.1", ".2026-11-25", ".2026-11-25.1", ".2026-11-26", "",
    ]  # fmt: skip
    assert content(tmp_path) == [f"{day}-{number}" for day in range(3) for number in range(4)]
    assert (tmp_path / MAIN).stat().st_mode & 0o777 == 0o640


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from([0.0, 1.0, HOUR_S, DAY_S, -HOUR_S])),
        max_size=60,
    ),
    when=st.sampled_from(["midnight", "d", "h", "w0", "w6", "never"]),
    max_bytes=st.sampled_from([0, 50, 500]),
    reopen=st.sets(st.integers(0, 60)),
)
def test_nothing_is_lost_or_overwritten(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, float]], when: str,
    max_bytes: int, reopen: set[int],
) -> None:  # fmt: skip
    folder, clock = tmp_path_factory.mktemp("logs"), Clock()
    rolling, expected = Rolling(max_bytes, when, keep=0), list[str]()
    file = log_file(folder, clock, rolling)
    for number, (length, seconds) in enumerate(steps):
        expected.append(f"{clock.now} {number} {'x' * length}")
        write(file, expected[-1])
        clock.now += seconds
        if number in reopen:
            file.close()
            file = log_file(folder, clock, rolling)
    file.close()
    assert content(folder) == expected
    if max_bytes:
        for path in all_files(folder, MAIN):
            assert path.stat().st_size <= max_bytes or path.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("when", "after", "rolls"),
    [
        ("midnight", 11 * HOUR_S, False), ("midnight", 13 * HOUR_S, True), ("d", DAY_S, True),
        ("h", 0.9 * HOUR_S, False), ("h", HOUR_S, True), ("never", 400 * DAY_S, False),
        ("w2", 6 * DAY_S, True), ("w1", 6 * DAY_S, False), ("w1", 7 * DAY_S, True),
        ("W2", 0.5 * DAY_S, True), ("H", HOUR_S, True), ("midnight", -13 * HOUR_S, False),
    ],
)  # fmt: skip
def test_when(tmp_path: Path, clock: Clock, when: str, after: float, rolls: bool) -> None:
    file = log_file(tmp_path, clock, Rolling(0, when, 0))
    write(file, "first")
    clock.now += after
    write(file, "second")
    file.close()
    assert (len(names(tmp_path)) == 2) is rolls


def test_a_clock_that_was_years_ahead(tmp_path: Path, clock: Clock) -> None:
    file = log_file(tmp_path, clock)
    clock.now += 1000 * DAY_S
    write(file, "in the future")
    clock.now = NOON
    write(file, "now")
    clock.now += DAY_S
    write(file, "a day later")
    file.close()
    assert names(tmp_path) == [".2026-11-24", ""]


def test_goes_on_with_the_file_of_the_last_daemon(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / MAIN).write_text(f"{NOON - 2 * DAY_S} old\ntorn")
    os.utime(tmp_path / MAIN, (NOON, NOON))
    file = log_file(tmp_path, clock)
    write(file, "new")
    file.close()
    assert names(tmp_path) == [".2026-11-22", ""]
    assert content(tmp_path)[1:] == ["torn", "new"]


def test_keeps_so_many(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / f"{MAIN}.2026-01-01.gz").touch()
    (tmp_path / "other.log.2026-01-01").touch()
    file = log_file(tmp_path, clock, Rolling(1, "midnight", keep=3))
    write(file, *"abcdefgh")
    file.close()
    assert content(tmp_path) == list("efgh")
    assert (tmp_path / "other.log.2026-01-01").exists()


def test_outside_rotation_is_noticed(tmp_path: Path, clock: Clock) -> None:
    file = log_file(tmp_path, clock)
    write(file, "a")
    (tmp_path / MAIN).rename(tmp_path / f"{MAIN}.1")
    write(file, "b")
    (tmp_path / MAIN).unlink()
    write(file, "c")
    os.truncate(tmp_path / MAIN, 0)
    write(file, "d")
    file.close()
    assert (tmp_path / f"{MAIN}.1").read_text() == "a\n"
    assert (tmp_path / MAIN).read_text() == "d\n"


def test_a_folder_that_is_removed_is_made_anew(tmp_path: Path, clock: Clock) -> None:
    file = log_file(tmp_path / "Logs", clock)
    write(file, "a")
    (tmp_path / "Logs" / MAIN).unlink()
    (tmp_path / "Logs").rmdir()
    write(file, "b")
    file.close()
    assert content(tmp_path / "Logs") == ["b"]


class FullDisk:
    """os.write, of which so many bytes still fit."""

    def __init__(self, room: int) -> None:
        self.room, self._write = room, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", range(0, 14))
def test_full_disk_tears_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    file = log_file(tmp_path, clock)
    write(file, "first")
    disk = FullDisk(room)
    monkeypatch.setattr("btc_ai.logs.rolling.to_disk", disk)
    with pytest.raises(OSError, match="No space left"):
        write(file, "one", "two", "three")
    assert content(tmp_path) == ["first", "one", "two"][: 1 + room // 4]
    disk.room = 10**6
    write(file, "four")
    file.close()
    assert content(tmp_path) == ["first", "one", "two", "three", "four"]


def test_what_waits_for_a_disk_is_bounded(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = log_file(tmp_path, clock)
    file.open()
    taken = sum(file.add(b"x" * 1023 + b"\n") for _ in range(10_000))
    assert taken == 8 << 10
    file.flush()
    assert file.add(b"more\n")
    file.flush()
    file.close()
    assert (tmp_path / MAIN).stat().st_size == (8 << 20) + 5


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_days_of_23_and_25_hours() -> None:
    rolling = Rolling(when="midnight")
    for day in ("2026-03-29", "2026-10-25"):
        start = datetime.fromisoformat(day).timestamp()
        hours = [rolling.period(start + hour * HOUR_S)[0] for hour in range(26)]
        assert hours.count(date.fromisoformat(day)) == (23 if day == "2026-03-29" else 25)
    hourly = Rolling(when="h")
    start = datetime.fromisoformat("2026-10-25").timestamp()
    periods = [hourly.period(start + hour * HOUR_S) for hour in range(26)]
    assert periods == sorted(periods)
