import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from btc_ai.logs.files import MAIN
from btc_ai.logs.following import Follower
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Reader

LINE = "2026-11-26 10:00:00,000 - btc_ai.x - INFO - {}"
READER = Reader(Layout())


def lines(*numbers: object) -> str:
    return "".join(f"{LINE.format(number)}\n" for number in numbers)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / MAIN
    path.write_text(lines("old"))
    return path


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    with closing(Follower(log.parent, MAIN, READER)) as made:
        yield made


def add(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def seen(follower: Follower) -> str:
    """What two looks show; the second is without news."""
    return "".join(f"{one.text}\n" for _ in range(2) for one in follower.look())


def roll(path: Path, number: int) -> None:
    path.rename(path.with_name(f"{MAIN}.2026-11-26.{number}"))


def test_what_is_added(log: Path, follower: Follower) -> None:
    assert seen(follower) == ""
    add(log, lines(1, 2) + "\ttrace\n")
    assert seen(follower) == lines(1, 2) + "\ttrace\n"
    add(log, lines(3)[:-9])
    assert seen(follower) == ""
    add(log, lines(3)[-9:])
    assert seen(follower) == lines(3)


def test_a_traceback_that_comes_a_moment_later(log: Path, follower: Follower) -> None:
    add(log, lines(1, 2))
    assert [one.text for one in follower.look()] == [LINE.format(1)]
    add(log, "\ttrace\n" + lines(3))
    assert [one.text for one in follower.look()] == [f"{LINE.format(2)}\n\ttrace"]
    assert seen(follower) == lines(3)


def test_several_rolls_between_two_looks(log: Path, follower: Follower) -> None:
    for number in range(1, 5):
        add(log, lines(number))
        roll(log, number)
        log.touch()
    add(log, lines(5))
    assert seen(follower) == lines(1, 2, 3, 4, 5)


def test_so_many_rolls_that_the_followed_file_is_gone(log: Path, follower: Follower) -> None:
    add(log, lines(1))
    for number in range(1, 4):
        roll(log, number)
        log.write_text(lines(number + 1))
        os.utime(log, ns=(0, log.stat().st_mtime_ns + number * 10**9))
    log.with_name(f"{MAIN}.2026-11-26.1").unlink()
    assert seen(follower) == lines(1, 2, 3, 4)


def test_a_roll_with_nothing_after_it_yet(log: Path, follower: Follower) -> None:
    add(log, lines(1))
    roll(log, 1)
    assert seen(follower) == lines(1)
    log.write_text(lines(2))
    assert seen(follower) == lines(2)


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = tmp_path / "Logs"
    with closing(Follower(folder, MAIN, READER)) as follower:
        assert seen(follower) == ""
        folder.mkdir()
        assert seen(follower) == ""
        (folder / MAIN).write_text(lines(1))
        assert seen(follower) == lines(1)


def test_copied_and_truncated_by_logrotate(log: Path, follower: Follower) -> None:
    add(log, lines(1))
    assert seen(follower) == lines(1)
    os.truncate(log, 0)
    add(log, lines(2))
    assert seen(follower) + seen(follower) == lines(2)


def test_begins_behind_what_is_shown_before(log: Path) -> None:
    add(log, lines(1) + LINE[:9])
    with closing(Follower(log.parent, MAIN, READER)) as follower:
        roll(log, 1)
        log.write_text(lines(3))
        add(log.with_name(f"{MAIN}.2026-11-26.1"), LINE[9:].format(2) + "\n")
        assert follower.file is not None
        with closing(open_log(log.parent, MAIN)) as opened:
            opened.end_at(follower.file, follower.position)
            found = Search(opened, READER, Query()).all()
            before = "".join(f"{one.text}\n" for one in found)
        assert (before, seen(follower)) == (lines("old", 1), lines(2, 3))
