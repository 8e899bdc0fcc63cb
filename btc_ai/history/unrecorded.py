"""Runs that no database has, because monitoring is off or it is gone: read from their folders."""

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, delete, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from btc_ai.config import Config
from btc_ai.history import schema
from btc_ai.history.answers import Curve
from btc_ai.history.curves import POINTS
from btc_ai.history.database import NoHistoryError, reason
from btc_ai.history.files import METRICS, read_transfers
from btc_ai.history.found import RunFolder, Stamp, look, main_of, read_run, stamp_of, state_of
from btc_ai.history.queries import History
from btc_ai.history.recorder import MALFORMED, Recorder
from btc_ai.lock import is_held
from btc_ai.paths import models_lock_file, transfers_file

Body = Mapping[str, Any]

NOTE: Final = "shown from the run folders; there is no history"
UNREAD: Final = "shown from the run folders; the history cannot be read"
LOOK_S: Final = 1.0
"""How often a folder is looked at, at most: a page asks many things at once."""
MOST_RUNS: Final = 200
KEPT: Final = ("position", "bucket", "directory")
WAIT_S: Final = 300.0
"""How long a question may wait for another one."""
CACHE_KIB: Final = 2048
"""What is held of the tables in memory; SQLite puts the rest into a file of its own in TMPDIR."""


def open_history(config: Config, *, read_only: bool = False) -> History:
    """The history of a configuration; where there is none, what the run folders tell.

    read_only: as in `History.open`. Raises HistoryError where there is one that cannot be read.
    """
    with suppress(NoHistoryError):
        return History.open(config, read_only=read_only)
    found = FolderHistory(config.MODELS_DIR)
    found.refresh()
    return found


@contextmanager
def history_of(view: Body) -> Iterator[History]:
    """A history of one run as the daemon's `training.show` tells it.

    It has what the run's folders hold, and no samples of the system.
    """
    engine, recorder = _temporary(), Recorder()
    with engine.begin() as connection:
        recorder.backfill(connection, view)
        recorder.flush(connection)
    with History(engine, "memory") as history:
        yield history


@dataclass
class _Known:
    """A run as far as it has been read.

    steps: its buckets. placed: of each folder, position and inode of its metrics. metrics: what is
    there to be read, read: what has been. left_out: how many lines of a folder are no episodes.
    """

    state: tuple[Any, ...] = ()
    steps: list[Body] = field(default_factory=list)
    placed: dict[str, tuple[int, int]] = field(default_factory=dict)
    metrics: dict[str, Stamp] = field(default_factory=dict)
    read: dict[str, Stamp] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class FolderHistory(History):
    """The newest runs of a models folder, in which nothing is written.

    Episodes are read when their run is asked for, and those that come then, once they have come.
    """

    def __init__(self, models_dir: Path, why: str = "") -> None:
        """Nothing is read yet. why: there is a history, and it cannot be read."""
        super().__init__(_temporary(), str(models_dir))
        self._models_dir, self.why = models_dir, why
        self._begun = time.time()
        self._recorder = Recorder()
        self._known: dict[str, _Known] = {}
        self._older = 0
        self._looked: float | None = None
        self._lock = threading.Lock()

    @property
    def note(self) -> str:
        """Where its answers come from."""
        return UNREAD if self.why else NOTE

    @property
    def problems(self) -> Sequence[str]:
        """What could not be read."""
        found = [self.why] if self.why else []
        found += [f"{self._older} older runs are not shown"] if self._older else []
        for known in list(self._known.values()):
            found += known.problems
            found += [
                f"{folder}/{METRICS}: {count} lines are no episodes, and are left out"
                for folder, count in known.left_out.items()
                if count
            ]
        return found

    def refresh(self) -> None:
        """Look which runs there are, and how they are now."""
        with self._lock:
            now = time.time()
            if self._looked is not None and 0 <= now - self._looked < LOOK_S:
                return
            self._looked = now
            self._look(now)

    def look_again(self) -> None:
        """Let the next `refresh` look, however soon it comes: something has changed."""
        with self._lock:
            self._looked = None

    def metric_names(self, run: str) -> list[str]:
        """As `History` has it."""
        self._fill(run)
        return super().metric_names(run)

    def curves(
        self, run: str, position: int, names: Sequence[str], *, first: int | None = None,
        last: int | None = None, max_points: int = POINTS, smoothing: float = 0.0,
    ) -> list[Curve]:  # fmt: skip
        """As `History` has it."""
        self._fill(run)
        return super().curves(
            run, position, names, first=first, last=last, max_points=max_points,
            smoothing=smoothing,
        )  # fmt: skip

    def _look(self, now: float) -> None:
        ledger = transfers_file(self._models_dir)
        found, written = look(self._models_dir), stamp_of(ledger)
        newest = sorted(found, key=lambda run: -max(one.last for one in found[run]))[:MOST_RUNS]
        self._older = len(found) - len(newest)
        for run in self._known.keys() - set(newest):
            with self._engine.begin() as connection:
                self._forget(connection, run)
        since = 0.0 if is_held(models_lock_file(self._models_dir)) else self._begun
        states = {run: (written, state_of(found[run], now, since)) for run in newest}
        news = [run for run in newest if self._of(run).state != states[run]]
        transfers = _transfers(ledger) if news else []
        for run in news:
            self._read(run, found[run], transfers, now, since)
            self._of(run).state = states[run]

    def _of(self, run: str) -> _Known:
        return self._known.setdefault(run, _Known())

    def _read(
        self, run: str, folders: Sequence[RunFolder], transfers: Sequence[Body], now: float,
        since: float,
    ) -> None:  # fmt: skip
        """Read how a run is now, without its episodes."""
        try:
            view = read_run(run, folders, transfers, now, since)
            steps = [] if view is None else view["steps"]
            placed = _places(steps, folders)
            with self._engine.begin() as connection:
                if not self._of(run).placed.items() <= placed.items():
                    self._forget(connection, run)
                if view is not None:
                    self._recorder.run(connection, view)
        except (SQLAlchemyError, *MALFORMED) as error:
            self._fail(run, error)
        else:
            known = self._of(run)
            known.placed = placed
            known.problems = [
                f"{one.path}/{METRICS} holds no episode: damaged, or another program's"
                for one in folders
                if any(one.metrics) and str(one.path) not in placed
            ]
            known.steps = [{key: one[key] for key in KEPT} for one in steps]
            known.metrics = {str(one.path): one.metrics for one in folders if any(one.metrics)}

    def _fill(self, run: str) -> None:
        """Read the episodes of a run that have come since it was last asked for."""
        with self._lock:
            known = self._known.get(run)
            if known is None or known.read == known.metrics:
                return
            try:
                with self._engine.begin() as connection:
                    found = self._recorder.read(
                        connection, run, known.steps,
                        wanted=lambda folder: known.metrics.get(folder) != known.read.get(folder),
                    )  # fmt: skip
                    self._recorder.flush(connection)
            except (SQLAlchemyError, *MALFORMED) as error:
                self._fail(run, error)
            else:
                known.left_out |= found
            known.read = dict(known.metrics)

    def _fail(self, run: str, error: Exception) -> None:
        self._recorder.forget()
        said = reason(error) if isinstance(error, SQLAlchemyError) else repr(error)
        self._of(run).problems = [f"run {run} cannot be read from its folders: {said[:500]}"]

    def _forget(self, connection: Connection, run: str) -> None:
        """Drop a run that has gone, or whose folders are others now."""
        self._known.pop(run, None)
        self._recorder.forget_ids()
        buckets = select(schema.buckets.c.id).where(schema.buckets.c.run == run)
        curves = select(schema.curves.c.id).where(schema.curves.c.bucket_id.in_(buckets))
        metrics, episodes = schema.metrics, schema.episodes
        connection.execute(delete(metrics).where(metrics.c.curve_id.in_(curves)))
        for table in (schema.curves, episodes):
            connection.execute(delete(table).where(table.c.bucket_id.in_(buckets)))
        for table in (schema.transfers, schema.checkpoints, schema.buckets, schema.runs):
            connection.execute(delete(table).where(table.c.run == run))


def _places(steps: Sequence[Body], folders: Sequence[RunFolder]) -> dict[str, tuple[int, int]]:
    """Where in its run each folder stands, and the inode of its metrics."""
    positions = {main_of(Path(one["directory"])): one["position"] for one in steps}
    return {
        str(one.path): (positions[one.main], one.metrics[0])
        for one in folders
        if one.main in positions
    }


def _transfers(ledger: Path) -> list[dict[str, Any]]:
    try:
        return read_transfers(ledger)
    except OSError:
        return []


def _temporary() -> Engine:
    """A database of this process alone, with the tables; a second connection would see another."""

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect("", check_same_thread=False)
        made.isolation_level = None
        made.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return made

    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=WAIT_S,
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    schema.metadata.create_all(engine)
    return engine
