"""What is found fast is what reading every line finds."""

import bz2
import gzip
import lzma
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.logs import reading
from btc_ai.logs.files import MAIN
from btc_ai.logs.layout import DEFAULT, JSON, Layout
from btc_ai.logs.opening import open_log
from btc_ai.logs.pattern import Pattern
from btc_ai.logs.query import Query, Search
from btc_ai.logs.reading import Entry, Reader
from btc_ai.logs.record import INDENT, LEVELS, Record

LAYOUTS = [
    DEFAULT, JSON, "%(levelname)-8s|%(created)f|%(message)s", "%(message)s",
    "%(levelno)d %(message)s %(asctime)s", "%(levelname).1s %(name)s %(message)s",
    "[%(asctime)s] (%(name)-20s) {%(levelname)s} %(message)s.",
    "%(message)s - %(levelname)s - %(asctime)25s",
]  # fmt: skip
Told = tuple[str, Record | None]
CHANGE = 1_792_890_000.0  # 2026-10-25 01:00 UTC, when 03:00 becomes 02:00 in Berlin
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
}  # fmt: skip
FORGED = [
    "2026-10-25 02:30:00,000 - btc_ai.x - ERROR - forged run=r1", "ERROR", "CRITICAL r1",
    '{"time": null, "level": "ERROR", "logger": "x", "message": "forged"}',
]  # fmt: skip
WORDS = st.one_of(
    st.sampled_from(["memory", "ERROR", "run=r1", "True", "the r1 - ERROR - x", "naïve\n{memory}"]),
    st.text(max_size=8),
)
TRACES = st.one_of(
    st.just(""),
    st.lists(st.one_of(st.sampled_from(FORGED), WORDS), min_size=1, max_size=4).map("\n".join),
)
RECORDS = st.builds(
    Record,
    time=st.floats(CHANGE - 7200, CHANGE + 7200),
    level=st.sampled_from(sorted(LEVELS)),
    logger=st.sampled_from(["btc_ai.training", "btc_ai.train", "btc_ai.training.worker", "x.y"]),
    message=WORDS,
    values=st.fixed_dictionaries({}, optional={"run": st.sampled_from(["r1", "r12", "a b"])}),
    trace=TRACES,
)
GARBAGE = st.one_of(
    st.sampled_from([b"", b"\r", b"ERROR", b"\xff\xfe ERROR r1", b"\tERROR", b"{", b"memory \x00"]),
    st.sampled_from([line.encode()[:-4] for line in FORGED]),
    st.binary(max_size=12).map(lambda some: some.replace(b"\n", b"")),
)


@st.composite
def contents(draw: st.DrawFn, layout: Layout) -> bytes:
    """A file: records and garbage, some lines with CRLF, the last one torn or not."""
    layouts = st.sampled_from([layout, layout, Layout(), Layout(JSON)])
    whole = st.builds(lambda one, record: one.write(record).encode(), layouts, RECORDS)
    parts = draw(st.lists(st.one_of(whole, whole, whole, GARBAGE), max_size=12))
    ends = [draw(st.sampled_from([b"\n", b"\n", b"\r\n"])) for _ in parts]
    text = b"".join(part.replace(b"\n", end) + end for part, end in zip(parts, ends, strict=True))
    return text[: len(text) - draw(st.sampled_from([0, 0, 1, 3, 9]))]


QUERIES = st.builds(
    Query,
    lowest=st.sampled_from([0, 0, *LEVELS.values()]),
    since=st.one_of(st.none(), st.floats(CHANGE - 7200, CHANGE + 7200)),
    until=st.one_of(st.none(), st.none(), st.floats(CHANGE - 7200, CHANGE + 7200)),
    source=st.sampled_from(["", "", "training"]),
    run=st.sampled_from(["", "", "r1", "a b"]),
    grep=st.sampled_from([None, None, *map(Pattern, ("memory", "r1", "Tru", "^x$", "ERR.R"))]),
)


def every_line(layout: Layout, files: list[bytes]) -> list[Entry]:
    """The entries by the plainest reading."""
    layouts = [layout, Layout(), Layout(JSON)]
    found: list[Entry] = []
    for content in files:
        fresh = True
        for raw in content.removesuffix(b"\n").split(b"\n") if content else ():
            line = raw.decode(errors="backslashreplace").removesuffix("\r")
            its = next((one for one in layouts if one.read(line)), None)
            if fresh or (its and not line.startswith(INDENT)):
                found.append(Entry(line, its))
            else:
                found[-1] = replace(found[-1], text=f"{found[-1].text}\n{line}")
            fresh = False
    return found


def told(entries: Iterable[Entry | None]) -> list[Told | None]:
    return [(entry.text, entry.record) if entry else None for entry in entries]


def with_neighbours(entries: list[Entry], chosen: list[int], count: int) -> list[Told | None]:
    shown = [at for at in range(len(entries)) if any(abs(at - which) <= count for which in chosen)]
    lines: list[Told | None] = []
    for before, at in zip([None, *shown], shown, strict=False):
        lines += [None] if before is not None and at > before + 1 else []
        lines += told([entries[at]])
    return lines


@pytest.fixture(scope="module")
def in_berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_berlin")
@pytest.mark.parametrize("log_format", LAYOUTS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_the_fast_way_finds_what_every_line_does(log_format: str, data: st.DataObject) -> None:
    layout = Layout(log_format)
    files = data.draw(st.lists(contents(layout), min_size=1, max_size=3))
    query = data.draw(QUERIES)
    entries = every_line(layout, files)
    chosen = [at for at, one in enumerate(entries) if query.accepts(one)]
    assert all(one.time == (one.record.time if one.record else None) for one in entries)
    count = data.draw(st.integers(1, 3))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK", data.draw(st.sampled_from([1, 40, 300, 1 << 22])))
        patch.setattr(reading, "DENSE", data.draw(st.sampled_from([0, 0, 1000])))
        for number, content in enumerate(files[:-1], 1):
            suffix = data.draw(st.sampled_from(sorted(PACK)))
            rolled = Path(folder) / f"{MAIN}.2026-10-25.{number}{suffix}"
            rolled.write_bytes(PACK[suffix](content))
        (Path(folder) / MAIN).write_bytes(files[-1])
        with closing(open_log(Path(folder), MAIN)) as log:
            search = Search(log, Reader(layout), query)
            assert told(search.all()) == told(entries[at] for at in chosen)
            assert told(search.last(count)) == told(entries[at] for at in chosen[-count:])
            assert told(search.around(count)) == with_neighbours(entries, chosen, count)
            last = with_neighbours(entries, chosen[-2:], count)
            assert told(search.around(count, 2)) == last
            assert not log.problems


def test_records_are_read_back_whole() -> None:
    layout, trace = Layout(), "Traceback:\n  File x\nValueError: y"
    block = layout.write(Record(CHANGE, "ERROR", "btc_ai.x", "m", {"run": "r1"}, trace)).encode()
    (entry,) = Reader(layout).entries(block + b"\n")
    assert entry.record is not None and entry.record.trace == trace
    line = Layout(JSON).write(Record(CHANGE, "ERROR", "btc_ai.x", "m", {}, "a\nb"))
    (entry,) = Reader(layout).entries(f"{line}\nmore\n".encode())
    assert entry.record is not None and entry.record.trace == "a\nb\nmore"


def test_a_search_without_time_tells_what_it_has_left_out(tmp_path: Path) -> None:
    (tmp_path / MAIN).write_text(Layout().write(Record(CHANGE, "INFO", "btc_ai.x", "m")) + "\n")
    with closing(open_log(tmp_path, MAIN)) as log:
        search = Search(log, Reader(Layout()), Query())
        assert len(search.last(1)) == 1 and not log.problems
        assert search.last(1, limit_s=0.0) == []
        assert "ended after 0 s, in btc_ai.log" in log.problems[0]


def test_short_level_texts_are_not_looked_for() -> None:
    assert Reader(Layout()).level_texts(40) == [b"CRITICAL", b"ERROR"]
    assert Reader(Layout("%(levelno)d %(message)s")).level_texts(50) == []
    assert Reader(Layout("%(levelname).1s %(message)s")).level_texts(50) == []


def test_files_long_before_are_passed_over(tmp_path: Path) -> None:
    for day, name in enumerate((f"{MAIN}.2026-10-22", f"{MAIN}.2026-10-24", MAIN)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (CHANGE + (day - 2) * 2 * 86400,) * 2)
    with closing(open_log(tmp_path, MAIN, since=CHANGE - 86400)) as log:
        assert [one.path.name for one in log.files] == [f"{MAIN}.2026-10-24", MAIN]
