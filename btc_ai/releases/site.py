"""The folder that is published: static files, for any web server.

SITE/metadata/1.root.json … N.targets.json N.snapshot.json   never changed once written
SITE/metadata/timestamp.json                                 replaced last: it makes all else valid
SITE/targets/HASH.index.json
SITE/targets/releases/HASH.VERSION.json
SITE/targets/wheels/SHA256/HASH.NAME.whl
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from btc_ai.durable import replace_durably, sync_directory
from btc_ai.errors import UpdateError
from btc_ai.lock import Lock
from btc_ai.releases.keys import write_new

TAKEN = "another process ({holder}) is already changing {what}; wait until it has ended"


class Site:
    """Reads and writes it, so that whoever fetches from it meanwhile finds a whole state."""

    def __init__(self, folder: Path) -> None:
        """folder: is made where it is not there."""
        self.folder = folder
        self._metadata, self._targets = folder / "metadata", folder / "targets"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time."""
        self._metadata.mkdir(parents=True, exist_ok=True)
        lock = Lock(self.folder / ".lock", str(self.folder), TAKEN)
        try:
            yield
        finally:
            lock.release()

    def newest(self, role: str) -> int:
        """The highest version of a role's metadata, published or not; 0 where there is none."""
        numbers = [one.name.partition(".")[0] for one in self._metadata.glob(f"*.{role}.json")]
        return max((int(one) for one in numbers if one.isdigit()), default=0)

    def targets(self, version: int) -> Metadata[Targets]:
        """What was signed. Raises UpdateError where it cannot be read."""
        return Metadata[Targets].from_bytes(self._read(f"{version}.targets.json"))

    def timestamp(self) -> Metadata[Timestamp] | None:
        """What is published; None where nothing is."""
        if not (self._metadata / "timestamp.json").is_file():
            return None
        return Metadata[Timestamp].from_bytes(self._read("timestamp.json"))

    def snapshot(self, version: int) -> Metadata[Snapshot]:
        """A snapshot."""
        return Metadata[Snapshot].from_bytes(self._read(f"{version}.snapshot.json"))

    def add(self, metadata: "Metadata[Root] | Metadata[Targets] | Metadata[Snapshot]") -> None:
        """Write metadata; of a version that was not there."""
        signed = metadata.signed
        name = f"{signed.version}.{signed.type}.json"
        write_new(self._metadata / name, metadata.to_bytes())
        sync_directory(self._metadata)

    def publish(self, timestamp: Metadata[Timestamp]) -> None:
        """From now on, this is what the site offers."""
        replace_durably(self._metadata / "timestamp.json", timestamp.to_bytes())

    def put(self, target: TargetFile, source: Path) -> None:
        """Copy a target's file to where clients look for it, if it is not there."""
        place = self.place(target)
        if place.is_file() and place.stat().st_size == target.length:
            return
        draft = place.with_name(f".{place.name}.draft")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(place)
        for folder in (place.parent, place.parent.parent, self._targets):
            sync_directory(folder)

    def place(self, target: TargetFile) -> Path:
        """Where a target's file is."""
        return self._targets / target.get_prefixed_paths()[0]

    def check(self, target: TargetFile) -> None:
        """That a target's file is there and as it was signed. Raises UpdateError."""
        try:
            with self.place(target).open("rb") as file:
                target.verify_length_and_hashes(file)
        except (OSError, LengthOrHashMismatchError) as error:
            raise UpdateError(f"{self.place(target)} is not what was signed: {error}") from None

    def _read(self, name: str) -> bytes:
        try:
            return (self._metadata / name).read_bytes()
        except (OSError, DeserializationError) as error:
            raise UpdateError(f"{self._metadata / name} cannot be read: {error}") from None
