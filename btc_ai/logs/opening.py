"""All files of one log, opened at one moment, so that rolling them loses and doubles nothing."""

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from btc_ai.logs.files import all_files

ATTEMPTS = 20
CLOCK_SLACK_S = 24 * 3600.0
"""How far the time of a file may be before that of a record in it: clocks are set back."""

_UNPACK: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open,
}  # fmt: skip
Identity = tuple[int, int]


@dataclass(frozen=True)
class OpenFile:
    """One file, to be read from its beginning; `stop`: only so many bytes of it."""

    path: Path
    file: BinaryIO
    stop: int | None = None


@dataclass
class OpenLog:
    """What could be opened, oldest first, and a sentence for each file that could not be read."""

    files: list[OpenFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    exists: bool = False
    """Whether there is any file of this log, be it opened or not."""

    def close(self) -> None:
        """Close the files."""
        for one in self.files:
            one.file.close()

    def end_at(self, last: BinaryIO, position: int) -> None:
        """Leave out what comes after this position of this file."""
        ids = [identity(os.fstat(one.file.fileno())) for one in self.files]
        if (own := identity(os.fstat(last.fileno()))) in ids:
            at = ids.index(own)
            self.files[at:] = [OpenFile(self.files[at].path, self.files[at].file, position)]


def status(path: Path) -> os.stat_result:
    """Of the file, or of a link that leads nowhere. Raises OSError."""
    try:
        return path.stat()
    except OSError:
        return path.lstat()


def identity(status: os.stat_result) -> Identity:
    """What tells a file from others, whatever it is called."""
    return status.st_dev, status.st_ino


def open_log(folder: Path, name: str, since: float | None = None) -> OpenLog:
    """Open the files of a log that may have records from `since` (Unix seconds) on.

    Raises OSError where the folder cannot be read.
    """
    log = OpenLog()
    for _ in range(ATTEMPTS):
        log.close()
        with suppress(FileNotFoundError):
            log = OpenLog()
            before = _listed(folder, name)
            _open(log, before, 0.0 if since is None else since - CLOCK_SLACK_S)
            if _listed(folder, name).keys() == before.keys():
                break
    return log


def unpacked(path: Path) -> BinaryIO:
    """A file, decompressed as its name says. Raises OSError where it cannot be opened."""
    return cast(BinaryIO, unpack(path)) if (unpack := _UNPACK.get(path.suffix)) else path.open("rb")


def _listed(folder: Path, name: str) -> dict[tuple[Path, Identity], float]:
    """The files, oldest first, and when they were written last; rolled over, one is another."""
    found = {path: status(path) for path in all_files(folder, name)}
    return {(path, identity(its)): its.st_mtime for path, its in found.items()}


def _open(log: OpenLog, listed: dict[tuple[Path, Identity], float], oldest: float) -> None:
    log.exists = bool(listed)
    for (path, _), written in listed.items():
        try:
            if written >= oldest:
                log.files.append(OpenFile(path, unpacked(path)))
        except OSError as error:
            log.problems.append(f"{path} cannot be read: {error.strerror}")
