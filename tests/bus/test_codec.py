import dataclasses
import math
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btc_ai.bus.codec import (
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_FRAME,
    MAX_TEXT,
    Envelope,
    FrameError,
    VersionError,
    decode,
    encode,
)

quick = settings(derandomize=True, deadline=None, max_examples=200)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | TEXT | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)  # fmt: skip
BODIES = st.dictionaries(TEXT, VALUES, max_size=5)


def fields(**changes: Any) -> dict[str, Any]:
    return dataclasses.asdict(Envelope("training.run", {"a": 1}, "test")) | changes


def packed(**changes: Any) -> bytes:
    return bytes(msgpack.packb(fields(**changes)))


def refusal(frame: bytes) -> str:
    with pytest.raises(FrameError) as caught:
        decode(frame)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@quick
@given(body=BODIES, parent=st.none() | st.uuids().map(lambda one: one.hex), seq=st.integers(0))
def test_round_trip(body: dict[str, Any], parent: str | None, seq: int) -> None:
    envelope = Envelope("training.run", body, "test", parent, min(seq, 2**64 - 1))
    assert decode(encode(envelope)) == envelope


@quick
@given(frame=st.binary(max_size=200))
def test_any_bytes(frame: bytes) -> None:
    with pytest.raises((FrameError, VersionError)):
        decode(frame)


@quick
@given(body=BODIES, data=st.data())
def test_mutated_frames(body: dict[str, Any], data: st.DataObject) -> None:
    frame = bytearray(encode(Envelope("a.b", body, "test")))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        frame = frame[: data.draw(st.integers(0, len(frame)))]
    try:
        envelope = decode(bytes(frame))
    except (FrameError, VersionError):
        return
    assert decode(encode(envelope)) == envelope


@quick
@given(value=st.recursive(VALUES | st.binary(max_size=3) | st.floats(), st.lists))
def test_any_body_that_is_encoded_can_be_decoded(value: object) -> None:
    try:
        frame = encode(Envelope("a.b", {"value": value}, "test"))
    except FrameError:
        return
    decode(frame)


def nested(levels: int) -> object:
    return [] if levels == 1 else [nested(levels - 1)]


LIMITS: dict[str, tuple[Any, Any]] = {
    # what just passes (inside envelope and body, which are two levels), what does not
    "depth": (nested(MAX_DEPTH - 2), nested(MAX_DEPTH - 1)),
    "array": ([0] * MAX_ENTRIES, [0] * (MAX_ENTRIES + 1)),
    "map": (
        {str(key): 0 for key in range(MAX_ENTRIES)},
        {str(key): 0 for key in range(MAX_ENTRIES + 1)},
    ),
    "text": ("x" * MAX_TEXT, "x" * (MAX_TEXT + 1)),
    "text in bytes": ("é" * (MAX_TEXT // 2), "é" * (MAX_TEXT // 2 + 1)),
    "frame": (["x" * (MAX_TEXT - 100)] * 4, ["x" * MAX_TEXT] * 4),
    "bytes": ("", b"x"),
    "no bytes": ("", b""),
    "nan": (0.5, math.nan),
    "infinity": (1e308, math.inf),
    "timestamp": (1, msgpack.Timestamp(1)),
    "extension": (1, msgpack.ExtType(5, b"x")),
    "empty extension": (1, msgpack.ExtType(5, b"")),
    "number as a key": ({"1": 1}, {1: 1}),
    "integer": (2**64 - 1, 2**64),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limit(name: str) -> None:
    within, beyond = LIMITS[name]
    assert decode(encode(Envelope("a.b", {"x": within}, "t"))).body == {"x": within}
    with pytest.raises(FrameError):
        encode(Envelope("a.b", {"x": beyond}, "t"))
    if name != "integer":  # msgpack has none larger
        refusal(packed(body={"x": beyond}))


@pytest.mark.parametrize("levels", [500, 600, 3000])
def test_far_too_deep(levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    with pytest.raises(FrameError):
        encode(Envelope("a.b", {"x": value}, "t"))
    refusal(b"\x91" * levels + b"\x01")


def test_body_that_holds_itself() -> None:
    body: dict[str, Any] = {}
    body["x"] = body
    with pytest.raises(FrameError):
        encode(Envelope("a.b", body, "t"))


def test_duplicate_key() -> None:
    assert "twice" in refusal(b"\x82\xa1v\x01\xa1v\x01")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"v": True}, "v has the wrong type"),
        ({"v": 1.0}, "v has the wrong type"),
        ({"seq": True}, "seq has the wrong type"),
        ({"seq": 1.5}, "seq has the wrong type"),
        ({"time": 1}, "time has the wrong type"),
        ({"id": None}, "id has the wrong type"),
        ({"body": []}, "body has the wrong type"),
        ({"body": None}, "body has the wrong type"),
        ({"kind": "Training"}, "kind is no"),
        ({"kind": "a\n"}, "kind is no"),
        ({"kind": ""}, "kind is no"),
        ({"kind": "a" * 65}, "kind is no"),
        ({"source": "x" * 65}, "at most 64"),
        ({"extra": 1}, "check \\['extra'\\]"),
    ],
)
def test_wrong_envelope(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(FrameError, match=expected):
        decode(packed(**changes))


def test_missing_key_is_named() -> None:
    made = fields()
    del made["source"]
    assert "source" in refusal(msgpack.packb(made))


@pytest.mark.parametrize("frame", [b"", b"\xc0", b"\x90", b"\x93\x01\x02\x03", packed() + b"\x00"])
def test_not_one_map(frame: bytes) -> None:
    refusal(frame)


@pytest.mark.parametrize("version", [0, 2, None, "1", [1], "x" * MAX_TEXT])
def test_other_version(version: object) -> None:
    with pytest.raises(VersionError) as caught:
        decode(packed(v=version))
    assert len(str(caught.value)) < 200


def test_message_of_many_odd_keys_is_short() -> None:
    refusal(packed(**{f"{'k' * 100}{number}": 0 for number in range(5000)}))


def test_memory_of_a_frame_of_nils() -> None:
    frame = b"\xdd" + (MAX_FRAME - 5).to_bytes(4, "big") + b"\xc0" * (MAX_FRAME - 5)
    packs = b"\x91" + (b"\xdc\x27\x10" + b"\xc0" * 10_000) * 100
    tracemalloc.start()
    try:
        refusal(frame)
        refusal(packs[:MAX_FRAME])
        refusal(b"\xdc\x00\x64" + packs[1:][: MAX_FRAME - 3])
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
