"""The envelope and its msgpack form, with hard limits; specified in `docs/messaging.md`."""

import math
import re
import reprlib
import time
import uuid
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
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    time: float = field(default_factory=time.time)
    v: int = VERSION


def encode(envelope: Envelope) -> bytes:
    """The frame of an envelope. Raises FrameError where it would break a limit."""
    fields = {name: getattr(envelope, name) for name in _TYPES}
    try:
        frame: bytes = msgpack.packb(fields, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
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
        if not isinstance(fields[name], expected) or isinstance(fields[name], bool):
            raise FrameError(f"{name} has the wrong type")
    if not _KIND.fullmatch(fields["kind"]):
        raise FrameError("kind is no dotted lower-case name of at most 64 characters")
    if max(len(fields[name] or "") for name in ("id", "parent_id", "source")) > 64:
        raise FrameError("id, parent_id and source have at most 64 characters")
    _check_value(fields, MAX_DEPTH)


def _check_value(value: object, levels: int) -> None:
    """Raise FrameError where `value` breaks a limit or nests deeper than `levels`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise FrameError("numbers must be finite")
    if isinstance(value, str) and len(value) > MAX_TEXT // 4 and len(value.encode()) > MAX_TEXT:
        raise FrameError(f"a string is longer than {MAX_TEXT} bytes")
    if isinstance(value, bytes | bytearray | memoryview | msgpack.Timestamp):
        raise FrameError(f"{type(value).__name__} is not part of the protocol")
    if not isinstance(value, dict | list | tuple):
        return
    if levels <= 0:
        raise FrameError(f"deeper than {MAX_DEPTH} levels")
    if len(value) > MAX_ENTRIES:
        raise FrameError(f"an array or map has more than {MAX_ENTRIES} entries")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise FrameError(f"map key {_short(key)}: keys are strings")
            _check_value(key, levels)
    for inner in value.values() if isinstance(value, dict) else value:
        _check_value(inner, levels - 1)


def _short(value: object) -> str:
    return reprlib.repr(value)


def _map_without_duplicates(pairs: list[tuple[object, object]]) -> Body:
    made: Body = {}
    for key, value in pairs:
        if not isinstance(key, str) or key in made:
            raise FrameError(f"map key {_short(key)}: keys are strings, none twice")
        made[key] = value
    return made


def _no_extension(code: int, data: bytes) -> object:
    raise FrameError("extension types are not part of the protocol")
