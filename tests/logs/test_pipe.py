import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.log_flood import flood
from btc_ai.logs.inlet import Budget, Inlet
from btc_ai.logs.layout import Layout
from btc_ai.logs.pipe import MAX_TEXT, MAX_TRACE, PipeLog, decode, encode, frames
from btc_ai.logs.record import Record
from btc_ai.logs.rolling import Rolling
from btc_ai.logs.writer import LogWriter
from tests.logs.test_layout import RECORDS


@given(records=st.lists(RECORDS, max_size=5), cut=st.integers(0, 40))
def test_frames(records: list[Record], cut: int) -> None:
    data = b"".join(encode(record) for record in records)
    found, rest = frames(data)
    assert [decode(body) for body in found] == records and rest == b""
    found, rest = frames(data[: len(data) - cut])
    assert [decode(body) for body in found] == records[: len(found)]
    assert b"".join(encode(one) for one in records[: len(found)]) + rest == data[: len(data) - cut]


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no record|frame"):
        decode(data)
    try:
        frames(data)
    except ValueError as error:
        assert "frame" in str(error)


def test_values_become_plain_and_short() -> None:
    values: dict[str, Any] = {
        "path": Path("/x"), "large": 2**70, "none": None, "list": [1, "a"], "text": "y" * 10**6,
        "yes": True, "float": 0.5, "int": 3,
    }  # fmt: skip
    found = decode(encode(Record(1.0, "INFO", "x", "m" * 10**6, values, "t" * 10**6))[4:])
    assert found.values["path"] == "/x" and found.values["large"] == str(2**70)
    assert found.values["list"] == "[1, 'a']" and found.values["none"] == "None"
    assert [found.values[key] for key in ("yes", "float", "int")] == [True, 0.5, 3]
    assert len(found.values["text"]) == MAX_TEXT + 1 and len(found.message) == MAX_TEXT
    assert len(found.trace) == MAX_TRACE


def drain(inlet: Inlet) -> list[Record]:
    """All that comes until the pipe's end."""
    found: list[Record] = []
    while (some := inlet.read()) is not None:
        found += some
    inlet.close()
    return found


def said(number: int, length: int = 10) -> Record:
    return Record(time.time(), "INFO", "lib", "x" * length, {"number": number})


def test_a_full_pipe_makes_nobody_wait_and_loses_what_it_tells_of() -> None:
    inlet = Inlet("btc_ai.child", bound={"plugin": "child"})
    pipe = PipeLog(os.dup(inlet.writing), queue_bytes=200_000)
    began = time.perf_counter()
    for number in range(10_000):
        pipe.put(said(number, 1000))
    assert time.perf_counter() - began < 5
    reading: list[Record] = []
    reader = threading.Thread(target=lambda: reading.extend(drain(inlet)))
    reader.start()
    assert pipe.flush(10)
    pipe.put(said(10_000))
    pipe.close()
    os.close(pipe._fd)
    inlet.close_writing()
    reader.join(10)
    numbers = [one.values["number"] for one in reading if "number" in one.values]
    dropped = [one.values["dropped"] for one in reading if "dropped" in one.values]
    assert numbers == [*range(len(numbers) - 1), 10_000]
    assert len(numbers) > 200 and len(numbers) + sum(dropped) == 10_001
    assert {(one.logger, one.values["plugin"]) for one in reading} == {("btc_ai.child", "child")}
    assert reading[0].values["logger"] == "lib"


def test_where_the_daemon_is_gone_stderr_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    inlet = Inlet("btc_ai.child")
    pipe = PipeLog(os.dup(inlet.writing))
    pipe.put(said(0))
    inlet.close()
    for number in range(1, 4):
        pipe.put(said(number))
    pipe.close()
    lines = capfd.readouterr().err.splitlines()
    assert [line.rpartition("number=")[2] for line in lines] == ["1", "2", "3"]
    os.close(pipe._fd)
    inlet.close_writing()


def test_a_fork_leaves_the_pipe_to_its_parent(capfd: pytest.CaptureFixture[str]) -> None:
    inlet = Inlet("btc_ai.child")
    pipe = PipeLog(os.dup(inlet.writing))
    if (pid := os.fork()) == 0:
        pipe.put(said(1))
        os._exit(0)
    os.waitpid(pid, 0)
    pipe.put(said(2))
    assert [one.values["number"] for one in inlet.read() or ()] == [2]
    assert "number=1" in capfd.readouterr().err
    inlet.close()
    inlet.close_writing()
    os.close(pipe._fd)


def test_a_child_that_writes_no_frames_is_read_no_more() -> None:
    inlet = Inlet("btc_ai.child")
    os.write(inlet.writing, b"\xff" * 100)
    told = inlet.read()
    assert told and "read no more" in told[0].message and told[0].level == "WARNING"
    os.write(inlet.writing, encode(said(1)))
    assert inlet.read() is None
    inlet.close()
    inlet.close_writing()


def test_a_flood_is_read_slowly_and_loses_nothing_that_is_in_the_pipe(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, Layout(), Rolling())
    ended = threading.Event()
    inlet = Inlet("btc_ai.child", budget=Budget(20_000, 200_000), on_end=ended.set)
    data = b"".join(encode(said(number, 200)) for number in range(2000))
    began = time.monotonic()
    writer.follow(inlet)
    threading.Thread(target=lambda: _write(inlet, data)).start()
    assert ended.wait(20)
    assert time.monotonic() - began > 0.5 * (len(data) - 84_000) / 200_000
    writer.close()
    lines = (tmp_path / "btc_ai.log").read_text().splitlines()
    assert [line.split("number=")[1].split()[0] for line in lines] == [str(n) for n in range(2000)]


def _write(inlet: Inlet, data: bytes) -> None:
    while data:
        data = data[os.write(inlet.writing, data) :]
    inlet.close_writing()


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    found = flood(
        tmp_path, processes=4, records=3_000, kills=3, max_bytes=20_000, days=3, pause_s=0.02
    )
    assert found.lost == [] and found.torn == []
    assert found.kills == 3 and found.day_rolls == 3 and found.size_rolls > 20
