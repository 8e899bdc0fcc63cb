"""What is signed is read as it was written; anything else is refused in words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.errors import UpdateError
from btc_ai.updates.index import Entry, decode_index, encode_index
from btc_ai.updates.release import Release, Wheel, decode_release

_versions = st.builds(
    lambda parts, end: ".".join(map(str, parts)) + end,
    st.lists(st.integers(0, 99), min_size=1, max_size=4),
    st.sampled_from(["", "rc1", ".post2", ".dev3", "+cpu", "a0.dev1"]),
)
_dates = st.dates().map(str)
_wheels = st.builds(
    Wheel,
    st.builds(
        "{}-{}-py3-none-any.whl".format, st.from_regex(r"[a-z]{1,9}", fullmatch=True), _versions
    ),
    st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    st.integers(0, 2**40),
)
_releases = st.builds(
    Release,
    version=_versions,
    released=_dates,
    min_from=_versions,
    python=st.sampled_from(["", ">=3.11", ">=3.11,==3.11.*"]),
    state=st.dictionaries(st.text(max_size=9), st.integers(0, 99), max_size=3),
    changelog=st.text(),
    wheels=st.lists(_wheels, max_size=4, unique_by=lambda one: one.filename).map(tuple),
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40)
@given(_releases)
def test_a_release_is_read_as_it_was_written(release: Release) -> None:
    assert decode_release(release.encode()) == release


@settings(max_examples=60)
@given(_releases, st.data())
def test_a_release_with_another_value_is_read_or_refused(
    release: Release, data: st.DataObject
) -> None:
    body: dict[str, Any] = json.loads(release.encode())
    place = data.draw(st.sampled_from([body, *body["wheels"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(_json)
    _read_or_refused(json.dumps(body).encode())


@given(st.binary() | _json.map(lambda value: json.dumps(value).encode()))
def test_anything_is_read_or_refused(content: bytes) -> None:
    _read_or_refused(content)


def _read_or_refused(content: bytes) -> None:
    for decode in (decode_release, decode_index):
        try:
            decode(content)
        except UpdateError:
            continue


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", "../1.0"), ("version", "v1.0"), ("version", " 1.0"), ("min_from", "1.0/"),
        ("released", "yesterday"), ("python", "three"), ("state", {"journal": True}),
        ("wheels", [{"filename": "a-1.0-py3-none-any.whl", "sha256": "0" * 64, "bytes": -1}]),
        ("wheels", [{"filename": "../a-1-py3-none-any.whl", "sha256": "0" * 64, "bytes": 1}]),
        ("wheels", [{"filename": "a-1.0-py3-none-any.whl", "sha256": "../../x", "bytes": 1}]),
    ],
)  # fmt: skip
def test_what_is_no_release(key: str, value: object) -> None:
    body = {
        "version": "1.0", "released": "2026-11-01", "min_from": "0", "python": "", "state": {},
        "changelog": "", "wheels": [],
    }  # fmt: skip
    decode_release(json.dumps(body).encode())
    with pytest.raises(UpdateError, match="cannot be read"):
        decode_release(json.dumps({**body, key: value}).encode())


def test_nesting_without_end() -> None:
    _read_or_refused(b"[" * 100_000)


def test_the_index_is_newest_first() -> None:
    entries = [Entry(one, "2026-11-01", "0") for one in ("0.9", "0.10", "0.10rc1")]
    assert [one.version for one in decode_index(encode_index(entries))] == [
        "0.10",
        "0.10rc1",
        "0.9",
    ]
