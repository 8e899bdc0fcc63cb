"""What a release is: its version, what it can be installed over, and its wheels by hash."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from btc_ai.errors import UpdateError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
_KEYS = {"version", "released", "min_from", "python", "state", "changelog", "wheels"}


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file's name, SHA-256 and size."""

    filename: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Release:
    """A release as its publisher describes it, in the signed target `releases/VERSION.json`.

    released: a date. min_from: the oldest version that it can be installed over. python: the
    versions of Python it runs with, `>=3.11`. state: the newest schema that it can read, by what is
    stored (`journal`, `history`). changelog: what is new, Markdown. wheels: BTC-AI's own and every
    dependency's, one of each.
    """

    version: str
    released: str
    min_from: str
    python: str
    state: dict[str, int]
    changelog: str
    wheels: tuple[Wheel, ...]

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"


def decode_release(content: bytes) -> Release:
    """A release from its JSON. Raises UpdateError for anything that is none."""
    try:
        body: dict[str, Any] = json.loads(content)
        if set(body) != _KEYS:
            raise UpdateError(f"a release has the keys {', '.join(sorted(_KEYS))}, no others")
        wheels = tuple(_wheel(one) for one in body.pop("wheels"))
        release = Release(**body, wheels=wheels)
        check_version(release.version)
        check_version(release.min_from)
        date.fromisoformat(release.released)
        SpecifierSet(release.python)
        sound = isinstance(release.changelog, str) and all(
            isinstance(key, str) and type(value) is int for key, value in release.state.items()
        )
    except (AttributeError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise UpdateError(f"the server describes a release that cannot be read: {error}") from None
    if not sound or len({one.filename for one in wheels}) < len(wheels):
        raise UpdateError("the server describes a release that cannot be read")
    return release


def check_version(text: str) -> Version:
    """A version, written as it is in file names. Raises ValueError for anything else."""
    version = Version(text)
    if str(version) != text:
        raise ValueError(f"{text!r} is not how the version {version} is written")
    return version


def _wheel(body: dict[str, Any]) -> Wheel:
    wheel = Wheel(**body)
    sound = _FILENAME.fullmatch(wheel.filename) and _SHA256.fullmatch(wheel.sha256)
    if not sound or type(wheel.bytes) is not int or wheel.bytes < 0:
        raise ValueError(f"{wheel.filename!r} is no wheel")
    try:
        parse_wheel_filename(wheel.filename)
    except InvalidWheelFilename as error:
        raise ValueError(str(error)) from None
    return wheel
