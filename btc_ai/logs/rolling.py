"""A log file that rolls over by size and by time. Only one process may write it."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from btc_ai.logs.files import MODE, next_name, rolled

FOLDER_MODE = 0o750
DAY_S = 86_400.0
PENDING_BYTES = 8 << 20
"""What may wait for a disk that takes nothing."""

to_disk = os.write
"""Where tests let the disk be full."""


@dataclass(frozen=True)
class Rolling:
    """When a log is rolled over, and how much of it is kept.

    max_bytes, 0: whatever the size. when: `midnight`, `d` (the same), `h` (each full hour), `w0` to
    `w6` (each Monday to Sunday), `never`. keep: how many rolled files stay, 0: all.
    """

    max_bytes: int = 10 << 20
    when: str = "midnight"
    keep: int = 5

    def period(self, at: float) -> tuple[date, int]:
        """The period of local time that `at` is in; a later one is greater."""
        local = time.localtime(at)
        day, when = date(local.tm_year, local.tm_mon, local.tm_mday), self.when.lower()
        if when == "h":
            return day, local.tm_hour
        if when.startswith("w"):
            return day - timedelta(days=(local.tm_wday - int(when[1])) % 7), 0
        return (date.min if when == "never" else day), 0


class LogFile:
    """The log `folder/name`: what is added is written by `flush`, whole and in order.

    What another program does to the file is noticed before each write: where it was renamed or
    removed, a new one is begun; the folder too is made anew.
    """

    def __init__(
        self, folder: Path, name: str, rolling: Rolling, *,
        began: Callable[[bytes], float | None] = lambda line: None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """Nothing is opened yet. began: tells of a file's first line when it was written."""
        self.path = folder / name
        self._pending, self._waiting = deque[bytes](), 0
        self._rolling, self._line_time, self._now = rolling, began, now
        self._fd = -1
        self._size, self._began = 0, 0.0

    def open(self) -> None:
        """Open or make the file. Raises OSError."""
        self.path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            self._fd = os.open(self.path, flags | os.O_EXCL, MODE)
            os.fchmod(self._fd, MODE)
        except FileExistsError:
            self._fd = os.open(self.path, flags, MODE)
        try:
            self._take_up()
        except OSError:
            self.close()
            raise

    def _take_up(self) -> None:
        """Go on with what the file holds; a torn last line gets its end."""
        found = os.fstat(self._fd)
        self._size, self._began = found.st_size, self._now()
        if found.st_size:
            first = os.pread(self._fd, 4096, 0).partition(b"\n")[0]
            self._began = self._line_time(first) or found.st_mtime
            if os.pread(self._fd, 1, found.st_size - 1) != b"\n":
                self._size += to_disk(self._fd, b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def add(self, record: bytes) -> bool:
        """Take a record's lines, to be written; False where too much is pending."""
        if self._pending and self._waiting + len(record) > PENDING_BYTES:
            return False
        self._pending.append(record)
        self._waiting += len(record)
        return True

    def flush(self) -> None:
        """Write what is pending. Raises OSError; what could not be written is still pending."""
        if not self._pending:
            return
        self._be_current()
        while self._pending:
            if self._is_due(len(self._pending[0])):
                self._roll()
            self._append(self._batch())

    def _be_current(self) -> None:
        """Have the file open that the path names."""
        if self._fd >= 0:
            opened = os.fstat(self._fd)
            try:
                named = self.path.stat()
            except FileNotFoundError:
                named = None
            if named is None or (named.st_dev, named.st_ino) != (opened.st_dev, opened.st_ino):
                self.close()
            else:
                self._size = opened.st_size
        if self._fd < 0:
            self.open()

    def _is_due(self, more: int) -> bool:
        now, limit = self._now(), self._rolling.max_bytes
        if self._began > now + DAY_S:
            self._began = now  # the clock was wrong then, or is now
        if self._size == 0:
            self._began = now
            return False
        too_large = bool(limit) and self._size + more > limit
        return too_large or self._rolling.period(now) > self._rolling.period(self._began)

    def _roll(self) -> None:
        day = date.fromtimestamp(self._began)
        self.path.rename(next_name(self.path.parent, self.path.name, day))
        self.close()
        self.open()
        if self._rolling.keep:
            for old in rolled(self.path.parent, self.path.name)[: -self._rolling.keep]:
                with contextlib.suppress(OSError):
                    old.unlink()

    def _batch(self) -> list[bytes]:
        """The next lines that belong into this file: at least one."""
        batch, size = [self._pending.popleft()], self._size
        size += len(batch[0])
        limit = self._rolling.max_bytes or float("inf")
        while self._pending and size + len(self._pending[0]) <= limit:
            size += len(self._pending[0])
            batch.append(self._pending.popleft())
        return batch

    def _append(self, lines: list[bytes]) -> None:
        """Write lines; of those that do not fit on the disk nothing is left in the file."""
        data, written = b"".join(lines), 0
        try:
            while written < len(data):
                written += to_disk(self._fd, data[written:])
        except OSError:
            self._take_back(lines, written)
            raise
        self._size += written
        self._waiting -= written

    def _take_back(self, lines: list[bytes], written: int) -> None:
        whole = 0
        while lines and whole + len(lines[0]) <= written:
            whole += len(lines.pop(0))
        self._pending.extendleft(reversed(lines))
        if written > whole:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - (written - whole))
        self._size += whole
        self._waiting -= whole
