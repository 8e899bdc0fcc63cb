"""Durable files: written whole or not at all, whatever happens to the process or the machine."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from btc_ai.errors import TrainingError

Write = Callable[[Path, bytes], None]
FULL = (errno.ENOSPC, errno.EDQUOT)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new file and fsync it; raises OSError."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace_durably(path: Path, content: bytes, write: Write = write_durably) -> None:
    """Write `path` so that a reader sees the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    write(temporary, content)
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into a TrainingError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise TrainingError(
                f"disk full while writing {path}; make space and run `btc-ai train --resume`"
            ) from error
        reason = error.strerror or str(error)
        raise TrainingError(
            f"cannot write {path}: {reason}; check the directory and its permissions, then run "
            "`btc-ai train --resume`"
        ) from error
