"""The job journal in SQLite: every change is on disk before the call returns."""

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from btc_ai.api.journal import Job, Step
from btc_ai.errors import GO_ON, BtcAiError

Body = dict[str, Any]

SCHEMA_VERSION = 1
OLDEST_READER = 1
"""The oldest version of the schema whose code can use this one: after an update is undone, it has
to. Columns and tables may be added; what is there stays what it is."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, spec TEXT NOT NULL,
    parent_id TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, error TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS steps (
    job TEXT NOT NULL REFERENCES jobs (id), position INTEGER NOT NULL, name TEXT NOT NULL,
    state TEXT NOT NULL, spec TEXT NOT NULL, result TEXT NOT NULL, started REAL, ended REAL,
    PRIMARY KEY (job, position)
) STRICT;
CREATE TABLE IF NOT EXISTS readers (oldest INTEGER NOT NULL) STRICT;
"""


class SqliteJournal:
    """Jobs and their steps in one database file."""

    def __init__(self, path: Path) -> None:
        """Open or make the database. Raises BtcAiError where that cannot be."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise self._unusable("opened", error) from None
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise self._unusable("opened", error) from None
        except BtcAiError:
            self._db.close()
            raise

    def _open(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION and self._oldest_reader(version) > SCHEMA_VERSION:
            raise BtcAiError(f"{self._path} was written by a newer BTC-AI; install that version")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if version < SCHEMA_VERSION:
            self._db.executescript(_SCHEMA)
            self._db.execute("DELETE FROM readers")
            self._db.execute("INSERT INTO readers (oldest) VALUES (?)", (OLDEST_READER,))
            self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _oldest_reader(self, version: int) -> int:
        """What a newer schema says of itself; what says nothing is for its own code alone."""
        try:
            found = self._db.execute("SELECT oldest FROM readers").fetchone()
        except sqlite3.OperationalError:
            return version
        return int(found[0]) if found else version

    def _unusable(self, done: str, error: Exception) -> BtcAiError:
        return BtcAiError(
            f"the job journal {self._path} cannot be {done}: {error}; check its permissions and "
            "the space on its disk, or move it away to start with an empty one"
        )

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def add(self, kind: str, spec: Body, steps: Sequence[tuple[str, Body]], parent_id: str) -> Job:
        """Write a new job in state `queued`, its steps `waiting`."""
        job, now = self._new_id(), time.time()
        self._write(
            [("INSERT INTO jobs (id, kind, state, spec, parent_id, created, updated) "
              "VALUES (?, ?, 'queued', ?, ?, ?, ?)",
              (job, kind, json.dumps(spec), parent_id, now, now)),
             *(self._insert_step(job, at, name, of) for at, (name, of) in enumerate(steps))]
        )  # fmt: skip
        return self.job(job)

    def add_step(self, job: str, name: str, spec: Body) -> Job:
        """Append a step to a job."""
        self._write([self._insert_step(job, len(self.job(job).steps), name, spec)])
        return self.job(job)

    @staticmethod
    def _insert_step(job: str, at: int, name: str, spec: Body) -> tuple[str, tuple[object, ...]]:
        insert = (
            "INSERT INTO steps (job, position, name, state, spec, result) "
            "VALUES (?, ?, ?, 'waiting', ?, '{}')"
        )
        return insert, (job, at, name, json.dumps(spec))

    def jobs(self, kind: str, limit: int = 100) -> list[Job]:
        """The newest jobs of a kind, newest first."""
        rows = self._read(
            "SELECT id FROM jobs WHERE kind = ? ORDER BY created DESC, rowid DESC LIMIT ?",
            (kind, limit),
        )
        return [self.job(row[0]) for row in rows]

    def job(self, job: str) -> Job:
        """One job, by its id. Raises BtcAiError where there is none."""
        found = self._read(
            "SELECT id, kind, state, spec, parent_id, created, updated, error FROM jobs "
            "WHERE id = ?", (job,),
        )  # fmt: skip
        if not found:
            raise BtcAiError(f"there is no job {job}")
        steps = self._read(
            "SELECT position, name, state, spec, result, started, ended FROM steps "
            "WHERE job = ? ORDER BY position", (job,),
        )  # fmt: skip
        name, kind, state, spec, parent_id, created, updated, error = found[0]
        return Job(
            name, kind, state, json.loads(spec), parent_id, created, updated, error,
            tuple(
                Step(at, name, state, json.loads(spec), json.loads(result), started, ended)
                for at, name, state, spec, result, started, ended in steps
            ),
        )  # fmt: skip

    def set_job(
        self, job: str, *, state: str | None = None, spec: Body | None = None,
        error: str | None = None,
    ) -> Job:  # fmt: skip
        """Change what is given; `error` is cleared where it is not."""
        self._write(
            [("UPDATE jobs SET state = coalesce(?, state), spec = coalesce(?, spec), error = ?, "
              "updated = ? WHERE id = ?",
              (state, None if spec is None else json.dumps(spec), error, time.time(), job))]
        )  # fmt: skip
        return self.job(job)

    def set_step(self, job: str, position: int, *, state: str, result: Body | None = None) -> Job:
        """Change a step's state; the first `running` sets its start, `done` its end."""
        if all(step.position != position for step in self.job(job).steps):
            raise BtcAiError(f"job {job} has no step {position}")
        now = time.time()
        self._write(
            [("UPDATE steps SET state = ?, result = coalesce(?, result), "
              "started = coalesce(started, ?), ended = ? WHERE job = ? AND position = ?",
              (state, None if result is None else json.dumps(result),
               now if state == "running" else None, now if state == "done" else None,
               job, position)),
             ("UPDATE jobs SET updated = ? WHERE id = ?", (now, job))]
        )  # fmt: skip
        return self.job(job)

    def _write_anew(self) -> None:
        """Someone has deleted the file; the open one still holds all of it.

        A log left of the old file would be replayed into the new one. Raises sqlite3.Error.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary)) as copy:
            self._db.backup(copy)
        self._db.close()
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        temporary.replace(self._path)
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._open()

    def _new_id(self) -> str:
        while True:
            made = "".join(secrets.choice(_ALPHABET) for _ in range(6))
            if not self._read("SELECT 1 FROM jobs WHERE id = ?", (made,)):
                return made

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            raise self._unusable("read", error) from None

    def _write(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        """All of it in one transaction, or nothing."""
        try:
            if not self._path.exists():
                self._write_anew()
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in statements:
                    self._db.execute(statement, values)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError, UnicodeError, OverflowError) as error:
            raise BtcAiError(
                f"the job journal {self._path} cannot be written: {error}; make space or mend its "
                f"permissions, then {GO_ON}"
            ) from None
