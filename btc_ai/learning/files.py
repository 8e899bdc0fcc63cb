"""Files of a run: hashed, their errors in words, rows that are cut back to a checkpoint."""

import errno
import hashlib
import inspect
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from btc_ai.errors import GO_ON, TrainingError

FULL = (errno.ENOSPC, errno.EDQUOT)

_log = logging.getLogger(__name__)


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


def code_sha256(function: object) -> str:
    """Hash of the file that a function stands in; a change of what that imports is not noticed."""
    file = getattr(inspect.getmodule(function), "__file__", None)
    return sha256(Path(file).read_bytes() if file else b"")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into a TrainingError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise TrainingError(
                f"disk full while writing {path}; make space, then {GO_ON}"
            ) from error
        reason = error.strerror or str(error)
        raise TrainingError(
            f"cannot write {path}: {reason}; check the directory and its permissions, then {GO_ON}"
        ) from error


class RowsFile:
    """A file of JSON lines that is cut back to the checkpoint when a run is resumed."""

    def __init__(self, path: Path) -> None:
        """Nothing is written yet."""
        self.path = path

    def cut(self, size: int) -> None:
        """Keep the first `size` bytes; raises TrainingError when the disk will not."""
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                if file.tell() < size:
                    _log.warning("%s has lost lines; what is left is kept", self.path)
                file.truncate(min(size, file.tell()))

    def append(self, row: dict[str, Any]) -> int:
        """Add a line and give the file's size in bytes."""
        with disk_errors(self.path), self.path.open("ab") as file:
            file.write(json.dumps(row).encode() + b"\n")
            return file.tell()

    def sync(self) -> None:
        """Make the lines survive a power cut."""
        with disk_errors(self.path), self.path.open("ab") as file:
            os.fsync(file.fileno())


def whole_lines(path: Path) -> list[bytes]:
    """The lines of a file that may still be written to; one without its end is left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content[: content.rfind(b"\n") + 1].splitlines()
