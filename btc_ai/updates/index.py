"""What a server offers: all its releases, in the signed target `index.json`."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from packaging.version import Version

from btc_ai.errors import UpdateError
from btc_ai.updates.release import check_version

INDEX = "index.json"


@dataclass(frozen=True)
class Entry:
    """A release, in short. yanked: withdrawn by its publisher; nobody is given it any more."""

    version: str
    released: str
    min_from: str
    yanked: bool = False


def release_target(version: str) -> str:
    """The signed target that describes a release."""
    return f"releases/{version}.json"


def wheel_target(sha256: str, filename: str) -> str:
    """The signed target that is a wheel."""
    return f"wheels/{sha256}/{filename}"


def encode_index(entries: Iterable[Entry]) -> bytes:
    """As JSON, newest first."""
    newest_first = sorted(entries, key=lambda one: Version(one.version), reverse=True)
    return json.dumps([asdict(one) for one in newest_first], indent=1).encode() + b"\n"


def decode_index(content: bytes) -> tuple[Entry, ...]:
    """The releases, newest first. Raises UpdateError for anything that is no index."""
    try:
        body: list[dict[str, Any]] = json.loads(content)
        entries = [Entry(**one) for one in body]
        for one in entries:
            check_version(one.version)
            check_version(one.min_from)
            date.fromisoformat(one.released)
        sound = all(isinstance(one.yanked, bool) for one in entries)
    except (TypeError, ValueError, RecursionError) as error:
        raise UpdateError(f"the server's list of releases cannot be read: {error}") from None
    if not sound or len({one.version for one in entries}) < len(entries):
        raise UpdateError("the server's list of releases cannot be read")
    return tuple(sorted(entries, key=lambda one: Version(one.version), reverse=True))
