"""The envelope and its msgpack form, with hard limits; specified in `docs/messaging.md`."""

import math
import re
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import msgpack

from btc_ai.errors import BusError

VERSION: Final = 1
MAX_FRAME: Final = 1 << 20
MAX_DEPTH: Final = 16
MAX_ENTRIES: Final = 10_000
MAX_TEXT: Final = 1 << 18
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")

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
    try:
        frame: bytes = msgpack.packb(asdict(envelope), use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"{envelope.kind}: the body cannot be packed: {error}") from None
    if len(frame) > MAX_FRAME:
        raise FrameError(f"{envelope.kind}: {len(frame)} bytes; a frame has at most {MAX_FRAME}")
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
        raise VersionError(f"version {fields.get('v')!r}; this side speaks {VERSION}")
    _check(fields)
    return Envelope(**fields)


def _check(fields: Body) -> None:
    """Raise FrameError unless `fields` is an envelope within the limits."""
    types: dict[str, type | tuple[type, ...]] = {
        "v": int, "id": str, "parent_id": (str, type(None)), "kind": str,
        "source": str, "seq": int, "time": float, "body": dict,
    }  # fmt: skip
    if fields.keys() != types.keys():
        odd = sorted(fields.keys() ^ types.keys())
        raise FrameError(f"an envelope has exactly {', '.join(types)}; check {', '.join(odd)}")
    for name, expected in types.items():
        if not isinstance(fields[name], expected) or isinstance(fields[name], bool):
            raise FrameError(f"{name} has the wrong type")
    if not _KIND.fullmatch(fields["kind"]):
        raise FrameError("kind is no dotted lower-case name of at most 64 characters")
    if max(len(fields[name] or "") for name in ("id", "parent_id", "source")) > 64:
        raise FrameError("id, parent_id and source have at most 64 characters")
    _check_value(fields, MAX_DEPTH)


def _check_value(value: object, depth: int) -> None:
    if depth < 0:
        raise FrameError(f"deeper than {MAX_DEPTH} levels")
    if isinstance(value, float) and not math.isfinite(value):
        raise FrameError("numbers must be finite")
    if isinstance(value, dict):
        for inner in value.values():
            _check_value(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_value(inner, depth - 1)


def _map_without_duplicates(pairs: list[tuple[object, object]]) -> Body:
    made: Body = {}
    for key, value in pairs:
        if not isinstance(key, str) or key in made:
            raise FrameError(f"map key {key!r}: keys are strings, none twice")
        made[key] = value
    return made


def _no_extension(code: int, data: bytes) -> object:
    raise FrameError("extension types are not part of the protocol")
