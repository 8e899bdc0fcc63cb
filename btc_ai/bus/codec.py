"""The envelope and its msgpack form, with hard limits; specified in `docs/messaging.md`."""

import math
import os
import re
import reprlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from btc_ai.errors import BusError

VERSION: Final = 1
MAX_FRAME: Final = 1 << 20
MAX_DEPTH: Final = 16
MAX_ENTRIES: Final = 10_000
MAX_TEXT: Final = 1 << 18
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "v": int, "id": str, "parent_id": (str, type(None)), "kind": str,
    "source": str, "seq": int, "time": float, "body": dict,
}  # fmt: skip
_FIRST_BUFFER = 4096
_HARMLESS = frozenset({int, bool, type(None)})
_SURELY_SHORT = MAX_TEXT // 4
_CONTAINERS = (dict, list, tuple)
_NO_VALUES = (bytes, bytearray, memoryview, msgpack.Timestamp)

Body = dict[str, Any]


class FrameError(BusError):
    """A frame that breaks the specification."""

    code = "bad_frame"


class VersionError(BusError):
    """A frame of another version of the bus."""

    code = "bad_version"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message. `seq` counts the events of a source; it is 0 in commands and replies."""

    kind: str
    body: Body
    source: str
    parent_id: str | None = None
    seq: int = 0
    id: str = field(default_factory=lambda: os.urandom(16).hex())
    time: float = field(default_factory=time.time)
    v: int = VERSION


def encode(envelope: Envelope) -> bytes:
    """The frame of an envelope. Raises FrameError where it would break a limit."""
    fields = {name: getattr(envelope, name) for name in _TYPES}
    try:
        frame: bytes = msgpack.packb(fields, use_bin_type=True, buf_size=_FIRST_BUFFER)
    except OverflowError:
        raise FrameError(f"{envelope.kind}: a whole number is beyond −2⁶³ … 2⁶⁴−1") from None
    except (TypeError, ValueError) as error:
        raise FrameError(f"{envelope.kind}: the body cannot be packed: {error}") from None
    if len(frame) > MAX_FRAME:
        raise FrameError(f"{envelope.kind}: {len(frame)} bytes; a frame has at most {MAX_FRAME}")
    _check(fields)
    return frame


def decode(frame: bytes) -> Envelope:
    """The envelope in a frame. Raises FrameError or VersionError; never anything else."""
    if len(frame) > MAX_FRAME:
        raise FrameError(f"{len(frame)} bytes; a frame has at most {MAX_FRAME}")
    try:
        fields = msgpack.unpackb(
            frame,
            raw=False,
            object_pairs_hook=_map_without_duplicates,
            ext_hook=_no_extension,
            max_array_len=MAX_ENTRIES,
            max_map_len=MAX_ENTRIES,
            max_str_len=MAX_TEXT,
            max_bin_len=0,
            max_ext_len=0,
        )
    except FrameError:
        raise
    except (ValueError, msgpack.UnpackException, TypeError, RecursionError) as error:
        raise FrameError(f"no msgpack within the limits: {error}") from None
    if not isinstance(fields, dict):
        raise FrameError("an envelope is a map")
    if fields.get("v") != VERSION:
        raise VersionError(f"version {_short(fields.get('v'))}; this side speaks {VERSION}")
    _check(fields)
    return Envelope(**fields)


def _check(fields: Body) -> None:
    """Raise FrameError unless `fields` is an envelope within the limits."""
    if fields.keys() != _TYPES.keys():
        odd = _short(sorted(fields.keys() ^ _TYPES.keys()))
        raise FrameError(f"an envelope has exactly {', '.join(_TYPES)}; check {odd}")
    for name, expected in _TYPES.items():
        value = fields[name]
        if not isinstance(value, expected) or value is True or value is False:
            raise FrameError(f"{name} has the wrong type")
    if not _KIND.fullmatch(fields["kind"]):
        raise FrameError("kind is no dotted lower-case name of at most 64 characters")
    if len(fields["id"]) > 64 or len(fields["source"]) > 64 or len(fields["parent_id"] or "") > 64:
        raise FrameError("id, parent_id and source have at most 64 characters")
    if not math.isfinite(fields["time"]):
        raise FrameError("numbers must be finite")
    check_value(fields["body"], MAX_DEPTH - 1)


def _check_all(values: Iterable[object], levels: int) -> None:
    """`check_value` of each; most values are scalars and need no call of their own."""
    for value in values:
        kind = type(value)
        if kind in _HARMLESS:
            continue
        if kind is float and math.isfinite(value):  # type: ignore[arg-type]  # it is a float
            continue
        if kind is str and len(value) <= _SURELY_SHORT:  # type: ignore[arg-type]  # it is a str
            continue
        check_value(value, levels)


def check_value(value: object, levels: int) -> None:
    """Raise FrameError where `value` breaks a limit or nests deeper than `levels`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise FrameError("numbers must be finite")
    if isinstance(value, str) and len(value) > _SURELY_SHORT and len(value.encode()) > MAX_TEXT:
        raise FrameError(f"a string is longer than {MAX_TEXT} bytes")
    if isinstance(value, _NO_VALUES):
        raise FrameError(f"{type(value).__name__} is not part of the protocol")
    if not isinstance(value, _CONTAINERS):
        return
    if levels <= 0:
        raise FrameError(f"deeper than {MAX_DEPTH} levels")
    if len(value) > MAX_ENTRIES:
        raise FrameError(f"an array or map has more than {MAX_ENTRIES} entries")
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str or len(key) > _SURELY_SHORT:
                _check_key(key)
        value = value.values()
    _check_all(value, levels - 1)


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise FrameError(f"map key {_short(key)}: keys are strings")
    check_value(key, 0)


def _short(value: object) -> str:
    return reprlib.repr(value)


def _map_without_duplicates(pairs: list[tuple[str, object]]) -> Body:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise FrameError("map keys are strings, none twice")
    return made


def _no_extension(code: int, data: bytes) -> object:
    raise FrameError("extension types are not part of the protocol")
