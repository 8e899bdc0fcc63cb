"""What a backup says of itself: a hash of each part, and one of the whole."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from btc_ai.backups.contents import Kind
from btc_ai.errors import BtcAiError

FORMAT = 1
MANIFEST, FILES = "manifest.json", "files"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A part of a backup. A link has a target, everything else a size in bytes and a SHA-256."""

    name: str
    kind: Kind
    bytes: int = 0
    sha256: str = ""
    mode: int = 0o600
    target: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, who made it (`version` of BTC-AI), when (ISO 8601, UTC) and why."""

    created: str
    version: str
    reason: str
    models_dir: str
    notes: list[str]
    entries: list[Entry]

    def encode(self) -> bytes:
        """The manifest with its own hash, which tells a damaged one."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps({**body, "sha256": _hash_of(body)}, indent=1).encode() + b"\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup. Raises BtcAiError where it is none, or damaged."""
    try:
        body: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        told, found = body.pop("sha256"), body.pop("format")
        if found != FORMAT:
            raise BtcAiError(f"{folder} was made by another BTC-AI (format {found}); use that")
        if told != _hash_of({"format": found, **body}):
            raise BtcAiError(f"{folder} is damaged: its manifest does not match its SHA-256")
        return Manifest(**{**body, "entries": [Entry(**one) for one in body["entries"]]})
    except OSError as error:
        raise BtcAiError(f"{folder} is no backup: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BtcAiError(f"{folder} is no backup, or damaged: {error}") from None


def faults(folder: Path, manifest: Manifest) -> list[str]:
    """What of a backup is missing or not as it was, in words; each file is read whole."""
    found = []
    for entry in manifest.entries:
        path = folder / FILES / entry.name
        if entry.kind == "link":
            continue
        try:
            if hash_file(path) != entry.sha256:
                found.append(f"{entry.name} does not match its SHA-256")
        except OSError as error:
            found.append(f"{entry.name}: {error.strerror}")
    return found


def hash_file(path: Path) -> str:
    """SHA-256 of a file. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _hash_of(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
