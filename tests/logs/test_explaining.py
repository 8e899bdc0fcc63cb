"""Repeated errors as one, and what is known about them."""

import ast
import errno
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from btc_ai.logs.explaining import explain, normalised
from btc_ai.logs.known import KNOWN, Known, find_known
from btc_ai.logs.record import Record

ROOT = Path(__file__).parents[2]


def record(message: str, time: float = 0.0, trace: str = "", **values: object) -> Record:
    return Record(time, "ERROR", "btc_ai.training", message, values, trace)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("step 12 took 3.5e-3 s", "step 7 took 11 s"),
        ("cannot write /a/b-1/c.json: x", "cannot write ~/models/Short: x"),
        ("job 20261126-103000-ab12 ended", "job 20250101-000000-9f ended"),
        ("hash deadbeef01, at 0x7f3a", "hash 0123456789, at 0x1"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id 00000000-1111-4222-8333-abcdefabcdef"),
        ("at 10:03:11,123", "at 09:00:00,001"),
    ],
)
def test_what_is_the_same_but_for_numbers(one: str, other: str) -> None:
    assert normalised(one) == normalised(other) != one


def test_words_are_told_apart() -> None:
    assert len({normalised(text) for text in ("Short", "Long", "exit code 1", "signal")}) == 4


def test_groups_with_their_times() -> None:
    trace = "Traceback:\n  File /x, line {}\nValueError: bad {}"
    records = [
        record("step failed", 30.0, trace.format(1, 2), run="r1"),
        record("step failed", 10.0, trace.format(3, 4), run="r2"),
        record("step failed", 20.0, "KeyError: 'x'", run="r1"),
        record("other", 5.0),
    ]
    first, *others = explain(records)
    assert (first.count, first.first, first.last) == (2, 10.0, 30.0)
    assert first.newest is records[1] and [one.count for one in others] == [1, 1]
    assert first.to_json()["error"] == "ValueError: bad 4"


def _texts_of_the_program() -> list[str]:
    """What is logged and raised in `btc_ai/`: each string, its gaps filled with a number."""
    texts = []
    for path in (ROOT / "btc_ai").rglob("*.py"):
        if path.name == "known.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                texts.append("".join(_part(part) for part in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"%[sgd]", "7", node.value))
    return texts


def _part(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "7"


def _texts_of_the_system() -> list[str]:
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EMFILE)
    with (
        closing(sqlite3.connect(":memory:")) as small,
        pytest.raises(sqlite3.OperationalError) as full,
    ):
        small.execute("PRAGMA max_page_count = 1")
        small.execute("CREATE TABLE one (x)")
    return [*map(os.strerror, numbers), str(full.value), repr(MemoryError())]


def test_each_known_problem_is_one_that_the_program_or_the_system_reports() -> None:
    texts = [*_texts_of_the_program(), *_texts_of_the_system()]
    for known in KNOWN:
        for pattern in _alternatives(known):
            assert any(re.search(pattern, text) for text in texts), pattern


def _alternatives(known: Known) -> list[str]:
    """The ways in which it reads, each of which must be found."""
    return re.split(r"\|(?![^(]*\))", known.pattern)


def test_a_full_disk_is_known() -> None:
    with pytest.raises(OSError) as caught, Path("/dev/full").open("w") as full:
        full.write("x")
        full.flush()
    assert find_known(str(caught.value)) is KNOWN[1]


def test_the_guides_troubleshooting_is_known() -> None:
    memory = find_known('worker died; restarting it cause="out of memory (the kernel killed it)"')
    transfer = find_known('no transfer reason="Short and Long share no feature" run=r1')
    files = find_known('journal error="cannot write /x: Permission denied"')
    assert memory and transfer and files
    for word in ("BATCH_SIZE", "KNOWLEDGE_TRANSFER", "fewer buckets", "GPU"):
        assert word in memory.todo
    for word in ("source bucket was trained", "only some kinds", "more episodes", "BUCKET_CONFIGS"):
        assert word in transfer.todo
    assert "permissions" in files.todo
    assert find_known("something else") is None
