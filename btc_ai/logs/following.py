"""What comes into a log, as it comes, whatever files it is rolled into meanwhile."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from btc_ai.logs.files import all_files
from btc_ai.logs.opening import identity, status, unpacked
from btc_ai.logs.reading import Entry, Reader

EVERY_S = 0.05
TAIL = 1 << 16


class Follower:
    """Follows one log from its end on.

    A look takes what is whole: the last record waits for the next look, for lines of its traceback.
    """

    def __init__(self, folder: Path, name: str, reader: Reader) -> None:
        """Begins after the last line that is there. Raises OSError where it cannot be read."""
        self._folder, self._name, self._reader = folder, name, reader
        self._held = b""
        self.file: BinaryIO | None = None
        with suppress(FileNotFoundError):
            if files := all_files(folder, name):
                self.file = files[-1].open("rb")
                _seek_end(self.file)

    @property
    def position(self) -> int:
        """Bytes of `file` that are behind us."""
        return self.file.tell() if self.file else 0

    def close(self) -> None:
        """Let the file go."""
        if self.file:
            self.file.close()

    def entries(self) -> Iterator[Entry]:
        """Every entry from now on, for ever. Raises OSError where the log cannot be read."""
        while True:
            yield from self.look()
            time.sleep(EVERY_S)

    def look(self) -> Iterator[Entry]:
        """What has come since the last look."""
        yield from self._grown()
        with suppress(FileNotFoundError):  # rolled again at this moment; the next look sees it
            for path in self._newer():
                yield from self._grown()
                yield from self._rest()
                expected, file = identity(status(path)), unpacked(path)
                if identity(os.fstat(file.fileno())) != expected:
                    file.close()
                    return
                self.close()
                self.file = file
                yield from self._grown()

    def _grown(self) -> Iterator[Entry]:
        """What was added to the file, but for the last record; that too where nothing was."""
        if self.file is None:
            return
        more = self.file.read()
        held = self._held + more
        end = self._reader.last_start(held) if more else held.rfind(b"\n") + 1
        self._held = held[end:]
        if end:
            yield from self._reader.entries(held[:end])

    def _rest(self) -> Iterator[Entry]:
        """What is held of a file that has ended."""
        held, self._held = self._held, b""
        if held:
            yield from self._reader.entries(held)

    def _newer(self) -> list[Path]:
        """The files after ours, oldest first. Raises FileNotFoundError where one vanishes."""
        if self.file is None:
            return all_files(self._folder, self._name)
        own = os.fstat(self.file.fileno())
        with suppress(FileNotFoundError):
            current = (self._folder / self._name).stat()
            if identity(current) == identity(own):
                if current.st_size < self.position:  # logrotate's copytruncate
                    self.file.seek(0)
                return []
        files = all_files(self._folder, self._name)
        ids = [identity(status(path)) for path in files]
        if identity(own) in ids:
            return files[ids.index(identity(own)) + 1 :]
        return [path for path in files if status(path).st_mtime_ns > own.st_mtime_ns]


def _seek_end(file: BinaryIO) -> None:
    """To behind the last whole line."""
    start = max(0, file.seek(0, os.SEEK_END) - TAIL)
    file.seek(start)
    file.seek(start + file.read().rfind(b"\n") + 1)
