"""Writes the history from a thread of its own, so that nobody waits for a database.

A database that is locked, full or gone leaves the writer `degraded`: it says why and since when,
tries again by itself, and goes on where it was. What is not taken meanwhile, the bus is asked for.
"""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)

from btc_ai.api.messages import Heard, Position
from btc_ai.api.service import Logger
from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history.database import open_for_writing, reason
from btc_ai.history.recorder import EPISODES, MALFORMED, Recorder, load_position, save_position
from btc_ai.history.retention import Retention

ROOM: Final = 10_000
BATCH: Final = 500
GATHER_S: Final = 0.2
FIRST_DELAY_S: Final = 1.0
MAX_DELAY_S: Final = 30.0
THIN_EVERY_S: Final = 60.0


@dataclass(frozen=True)
class Backfill:
    """A run as `training.runs` tells it, whose folders are to be read for what is missing."""

    view: Mapping[str, Any]


Item = Heard | Backfill
OF_THE_DATABASE: Final = ("42P01", "42703", "42501", "3F000")
"""PostgreSQL's states for a table, column, right or schema that is not there."""


@dataclass(frozen=True)
class WriterStatus:
    """How the history is written. since: seconds since 1970. refused: malformed, and left out."""

    degraded: str | None
    since: float | None
    waiting: int
    written: int
    refused: int


class Writer:
    """Takes events and writes them, in batches of one transaction."""

    def __init__(
        self, config: Config, log: Logger, *, on_change: Callable[[WriterStatus], None],
        room: int = ROOM, first_delay_s: float = FIRST_DELAY_S, gather_s: float = GATHER_S,
        open_database: Callable[[Config], Engine] = open_for_writing,
    ) -> None:  # fmt: skip
        """Nothing runs yet. on_change hears, in the thread, of degrading and recovering."""
        self._config, self._log, self._on_change = config, log, on_change
        self._open, self._first_delay_s, self._gather_s = open_database, first_delay_s, gather_s
        self._queue: queue.Queue[Item] = queue.Queue(room)
        self._batch: list[Item] = []
        self._recorder = Recorder()
        self._retention = Retention(config.HISTORY)
        self._thinned = 0.0
        self._engine: Engine | None = None
        self._degraded: str | None = None
        self._since: float | None = None
        self._written = self._refused = 0
        self._position: Position | None = None
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)

    def start(self) -> None:
        """Open the database and begin, in the thread."""
        self._thread.start()

    def close(self, limit_s: float = 5.0) -> None:
        """Write what waits, where the database takes it, and end."""
        self._ending.set()
        self._thread.join(limit_s)

    def put(self, item: Item) -> bool:
        """Let something be written; False where there is no room. Never waits."""
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            return False
        return True

    @property
    def settled(self) -> bool:
        """Whether all that was put has been written."""
        return self._position is not None and not self._queue.unfinished_tasks

    @property
    def position(self) -> Position | None:
        """How far the tables have come; None before the database has been opened."""
        return self._position

    @property
    def status(self) -> WriterStatus:
        """How it goes now."""
        waiting = self._queue.unfinished_tasks
        return WriterStatus(self._degraded, self._since, waiting, self._written, self._refused)

    def _work(self) -> None:
        delay = self._first_delay_s
        while not (self._ending.is_set() and (self.settled or self._degraded)):
            try:
                self._step()
            except Exception as error:  # noqa: BLE001  # a fence: task guard
                self._fail(error)
                self._ending.wait(delay)
                delay = min(2 * delay, MAX_DELAY_S)
            else:
                self._recover()
                delay = self._first_delay_s
        if self._engine is not None:
            self._engine.dispose()

    def _step(self) -> None:
        """Open the database, write a batch, or thin out what is old. Raises where it will not."""
        engine = self._engine = self._engine or self._open(self._config)
        if self._position is None:
            with engine.begin() as connection:
                self._position = load_position(connection)
        self._gather()
        if self._batch:
            self._write(engine, self._batch)
        if time.monotonic() - self._thinned > THIN_EVERY_S:
            with engine.begin() as connection:
                self._retention.thin(connection, time.time())
            self._thinned = time.monotonic()

    def _gather(self) -> None:
        """Take what waits, and what comes within a moment; a batch that failed is tried again."""
        if self._batch:
            return
        try:
            self._batch.append(self._queue.get(timeout=self._gather_s))
            self._ending.wait(self._gather_s)
            while len(self._batch) < BATCH:
                self._batch.append(self._queue.get_nowait())
        except queue.Empty:
            return

    def _write(self, engine: Engine, batch: Sequence[Item]) -> None:
        assert self._position is not None
        try:
            with engine.begin() as connection:
                position = _after(self._position, batch)
                for item in self._new(batch):
                    self._record(connection, item)
                self._recorder.flush(connection)
                save_position(connection, position)
        except BaseException:
            self._recorder.forget()
            raise
        self._position, self._batch = position, []
        self._written += len(batch)
        for _ in batch:
            self._queue.task_done()

    def _new(self, batch: Sequence[Item]) -> list[Item]:
        """What the tables do not have yet."""
        known = self._position
        assert known is not None
        return [
            one for one in batch
            if isinstance(one, Backfill)
            or one.epoch != known.epoch or one.seq > known.seq.get(one.source, 0)
        ]  # fmt: skip

    def _record(self, connection: Connection, item: Item) -> None:
        """Write one, or leave it out where it is malformed: it must not hold up the others."""
        if isinstance(item, Backfill) or item.kind not in EPISODES:
            self._recorder.flush(connection)
        try:
            with connection.begin_nested():
                if isinstance(item, Backfill):
                    self._recorder.backfill(connection, item.view)
                else:
                    self._recorder.record(connection, item)
        except (SQLAlchemyError, *MALFORMED) as error:
            if not _is_refusal(error):
                raise
            self._recorder.forget_ids()
            self._refused += 1
            what = f"run {item.view.get('run')}" if isinstance(item, Backfill) else item.kind
            self._log.error(
                "event cannot be recorded", event_kind=what,
                reason=f"{type(error).__name__}: {error}"[:500],
            )  # fmt: skip

    def _fail(self, error: Exception) -> None:
        said = reason(error) if isinstance(error, SQLAlchemyError) else str(error)
        if not isinstance(error, SQLAlchemyError | HistoryError):
            self._log.error("the history's thread failed", exc_info=error)
        began, self._degraded = self._degraded is None, said
        if began:
            self._since = time.time()
            self._log.warning("the history cannot be written; trying again", reason=said)
            self._on_change(self.status)

    def _recover(self) -> None:
        if self._degraded is None:
            return
        self._degraded = self._since = None
        self._log.info("the history is written again", waiting=self.status.waiting)
        self._on_change(self.status)


def _is_refusal(error: Exception) -> bool:
    """Whether an event will never be taken, whatever becomes of the database."""
    if isinstance(error, InterfaceError | ProgrammingError):
        state = getattr(error.orig, "sqlstate", None)
        return state not in OF_THE_DATABASE and not error.connection_invalidated
    return (
        isinstance(error, (DataError, IntegrityError, *MALFORMED)) or type(error) is StatementError
    )


def _after(position: Position, batch: Sequence[Item]) -> Position:
    """How far the tables come with a batch."""
    for item in batch:
        if isinstance(item, Heard) and item.epoch:
            seq = position.seq if position.epoch == item.epoch else {}
            newest = max(item.seq, seq.get(item.source, 0))
            position = Position(item.epoch, {**seq, item.source: newest})
    return position
