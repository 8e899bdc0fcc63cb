from dataclasses import replace
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btc_ai.config import Logging
from btc_ai.logs.layout import DEFAULT, JSON, Layout, stamp
from btc_ai.logs.record import INDENT, LEVELS, Record, escape

LAYOUTS = [
    DEFAULT, JSON, "%(levelname)-8s|%(created)f|%(message)s", "%(message)s",
    "%(levelno)d %(message)s %(asctime)s", "%(levelname).1s %(process)d %(lineno)5d: %(message)s",
    "100%% [%(asctime)s] (%(name)-20s) {%(levelname)s} %(threadName)s %(message)s.",
    "%(message)s - %(levelname)s - %(asctime)25s",
]  # fmt: skip
WORDS = st.text(st.characters(codec=None), max_size=30)
RECORDS = st.builds(
    Record,
    time=st.floats(0, 4e9),
    level=st.sampled_from(sorted(LEVELS)),
    logger=st.sampled_from(["btc_ai.training", "btc_ai.x.worker", "somebody.elses"]),
    message=WORDS,
    values=st.dictionaries(
        st.sampled_from(["run", "bucket", "plugin", "command", "path", "time", "n"]), WORDS
    ),
    trace=st.one_of(st.just(""), WORDS, st.just("Traceback:\n  File\nValueError: x")),
)


def expected_in_json(record: Record) -> str:
    values = {f"{key}_" if key == "time" else key: v for key, v in record.values.items()}
    return replace(record, values=values).text


@pytest.mark.parametrize("log_format", LAYOUTS)
@given(record=RECORDS)
def test_what_is_written_is_read(log_format: str, record: Record) -> None:
    layout = Layout(log_format)
    first, *rest = layout.write(record).split("\n")
    assert all(line.startswith(INDENT) for line in rest)
    assert all(len(line.splitlines()) <= 1 for line in (first, *rest))
    assert not any(category(char) in {"Cc", "Cs"} for char in first if char != "\t")
    found = layout.read(first, "\n".join(rest))
    assert found is not None
    if layout.has_level:
        assert found.level == record.level
    if layout.has_logger:
        assert found.logger == record.logger
    if layout.has_time:
        assert found.time is not None and record.time is not None
        assert abs(found.time - record.time) < 0.002 or stamp(found.time) == stamp(record.time)
    if layout.is_json:
        assert found.text == expected_in_json(record)
    else:
        line = escape(record.text)
        assert found.text in (line, line.replace("\t", "\\t", 1))


@pytest.mark.parametrize("log_format", LAYOUTS)
def test_levels_are_found_by_their_text(log_format: str) -> None:
    layout = Layout(log_format)
    for level, number in LEVELS.items():
        line = layout.write(Record(0.0, level, "x", "y"))
        for lowest in LEVELS.values():
            texts = layout.level_texts(lowest)
            if layout.has_level and number >= lowest:
                assert any(text in line for text in texts)


def test_layouts_are_valid_settings() -> None:
    for log_format in LAYOUTS:
        assert log_format == Logging(LOG_FORMAT=log_format).LOG_FORMAT
    assert Logging().LOG_FORMAT == DEFAULT


def test_text_of_a_record() -> None:
    record = Record(0.0, "INFO", "x", "done", {"run": "r1", "path": "/a b", "empty": ""})
    assert record.text == 'done path="/a b" empty="" run=r1'


def test_bound_values_are_read_back() -> None:
    layout = Layout()
    record = Record(0.0, "INFO", "x", "run=no, but", {"n": "1", "run": 'a "b"', "bucket": "Long"})
    found = layout.read(layout.write(record))
    assert found is not None and found.message == "run=no, but n=1"
    assert found.values == {"run": 'a "b"', "bucket": "Long"}


GARBAGE = [
    "", " ", "{", "{}", "[1]", "null", "\x00", "2026-01-01", "a - b - ERROR - c", INDENT + "x",
    '{"time": 1, "level": "ERROR", "logger": "x", "message": "y"}',
    '{"time": null, "level": 1, "logger": "x", "message": "y"}',
]  # fmt: skip


@pytest.mark.parametrize("line", GARBAGE)
@pytest.mark.parametrize("log_format", [DEFAULT, JSON])
def test_what_is_no_record(log_format: str, line: str) -> None:
    assert Layout(log_format).read(line) is None
