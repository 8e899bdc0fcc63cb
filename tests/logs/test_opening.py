import gzip
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from btc_ai.logs import opening
from btc_ai.logs.files import MAIN
from btc_ai.logs.layout import Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Reader

ROLLED = f"{MAIN}.2026-11-24"


def read(folder: Path) -> tuple[list[str], list[str]]:
    with closing(open_log(folder, MAIN)) as log:
        search = Search(log, Reader(Layout("%(message)s")), Query())
        return [entry.text for entry in search.all()], log.problems


def interfere(patch: pytest.MonkeyPatch, change: Callable[[], Any]) -> None:
    """Have something happen between the listing and the opening, once."""
    real, left = opening.unpacked, [change]

    def unpacked(path: Path) -> Any:
        if left:
            left.pop()()
        return real(path)

    patch.setattr(opening, "unpacked", unpacked)


def test_rolled_over_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ROLLED).write_text("one\n")
    (tmp_path / MAIN).write_text("two\n")

    def roll() -> None:
        (tmp_path / MAIN).rename(tmp_path / f"{ROLLED}.1")
        (tmp_path / MAIN).write_text("three\n")

    interfere(monkeypatch, roll)
    assert read(tmp_path) == (["one", "two", "three"], [])


def test_compressed_or_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in ((ROLLED, "one\n"), (f"{ROLLED}.1", "two\n"), (MAIN, "three\n")):
        (tmp_path / name).write_text(text)

    def compress() -> None:
        (tmp_path / f"{ROLLED}.1.gz").write_bytes(gzip.compress(b"two\n"))
        (tmp_path / f"{ROLLED}.1").unlink()
        (tmp_path / ROLLED).unlink()

    interfere(monkeypatch, compress)
    assert read(tmp_path) == (["two", "three"], [])


def test_one_that_is_being_compressed_is_read_once(tmp_path: Path) -> None:
    (tmp_path / ROLLED).write_text("one\n")
    (tmp_path / f"{ROLLED}.gz").write_bytes(gzip.compress(b"one\n")[:9])
    assert read(tmp_path) == (["one"], [])


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_a_damaged_file_is_named_and_the_rest_read(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"{ROLLED}{suffix}").write_bytes(b"\x1f\x8b and no more")
    (tmp_path / MAIN).write_text("last\n")
    texts, problems = read(tmp_path)
    assert texts == ["last"] and len(problems) == 1
    assert problems[0].startswith(f"{tmp_path / ROLLED}{suffix} cannot be read")


def test_there_is_none(tmp_path: Path) -> None:
    assert not open_log(tmp_path, MAIN).exists
    assert not open_log(tmp_path / "missing", MAIN).exists
