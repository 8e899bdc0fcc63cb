"""The history as it is now: opened when it is asked, anew where it is another, in threads.

Where there is none that can be read, the run folders stand in for it.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from btc_ai.api.threads import in_thread
from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history.database import NoHistoryError
from btc_ai.history.queries import History
from btc_ai.history.unrecorded import FolderHistory
from btc_ai.paths import history_file

AT_ONCE = 2
"""Questions at once: they keep each other waiting anyway, and memory for a long curve each."""

T = TypeVar("T")
_Stamp = tuple[tuple[int, int, int, int] | None, ...]


class Store:
    """Answers questions to the history of a configuration.

    Read-only, as it begins, it writes nothing into the folder, not even a lock: no daemon uses
    that, so it may be anybody's.
    """

    def __init__(self, config: Config) -> None:
        """Nothing is opened yet."""
        self.config, self._read_only = config, True
        self._history: History | None = None
        self._left: list[History] = []
        self._asking = 0
        self._stamp: _Stamp = ()
        self._lock = threading.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def ask(self, question: Callable[[History], T]) -> T:
        """The answer to a question. Raises HistoryError."""
        async with self._slots:
            return await in_thread(lambda: self._answer(question))

    async def state(self) -> tuple[bool, str]:
        """Whether it can be read, and why not, or what stands in for it."""

        def ask(history: History) -> tuple[bool, str]:
            history.runs(limit=1)
            why = history.why if isinstance(history, FolderHistory) else ""
            return not why, why or history.note

        try:
            return await self.ask(ask)
        except HistoryError as error:
            return False, str(error)

    async def set_read_only(self, read_only: bool) -> None:
        """From the next question on; that waits until those before it are answered."""
        async with AsyncExitStack() as every_slot:
            for _ in range(AT_ONCE):
                await every_slot.enter_async_context(self._slots)
            if read_only != self._read_only:
                await in_thread(self.close)
                self._read_only = read_only

    def look_again(self) -> None:
        """The folder has changed: the next answer knows of it."""
        with self._lock:
            if isinstance(self._history, FolderHistory):
                self._history.look_again()

    def close(self) -> None:
        """Let the database go."""
        with self._lock:
            self._drop()

    def _answer(self, question: Callable[[History], T]) -> T:
        with self._lock:
            history = self._opened()
            self._asking += 1
        try:
            return question(history)
        finally:
            with self._lock:
                self._asking -= 1
                self._close_left()

    def _opened(self) -> History:
        stamp = self._look()
        if (
            self._history is None
            or stamp != self._stamp
            or isinstance(self._history, FolderHistory)
        ):
            self._open()
            self._stamp = stamp
        assert self._history is not None
        self._history.refresh()
        return self._history

    def _open(self) -> None:
        """The folders stand in for one that cannot be read, too."""
        try:
            opened = History.open(self.config, read_only=self._read_only)
        except HistoryError as error:
            why = "" if isinstance(error, NoHistoryError) else str(error)
            if isinstance(self._history, FolderHistory) and self._history.why == why:
                return
            opened = FolderHistory(self.config.MODELS_DIR, why)
        self._drop()
        self._history = opened

    def _drop(self) -> None:
        if self._history is not None:
            self._left.append(self._history)
            self._history = None
        self._close_left()

    def _close_left(self) -> None:
        """Not under a question: to close a database that is not a file is to lose its tables."""
        while self._left and not self._asking:
            self._left.pop().close()

    def _look(self) -> _Stamp:
        """What tells this database from another in its place; read-only, from itself later."""
        path = history_file(self.config.MODELS_DIR)
        names = [path, path.with_name(f"{path.name}-wal")] if self._read_only else [path]
        found: list[tuple[int, int, int, int] | None] = []
        for name in names:
            try:
                status = name.stat()
            except OSError:
                found.append(None)
                continue
            version = (status.st_size, status.st_mtime_ns) if self._read_only else (0, 0)
            found.append((status.st_dev, status.st_ino, *version))
        return tuple(found)
