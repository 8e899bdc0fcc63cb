"""Durable files: written whole or not at all, whatever happens to the process or the machine."""

import os
from collections.abc import Callable
from pathlib import Path

Write = Callable[[Path, bytes], None]


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
