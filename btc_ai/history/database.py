"""Opens the history's database: SQLite in MODELS_DIR, or PostgreSQL by HISTORY_URL."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from btc_ai.config import Config
from btc_ai.errors import HistoryError
from btc_ai.history.schema import VERSION, readers
from btc_ai.paths import history_file
from btc_ai.redaction import redact_urls

BUSY_S: Final = 2.0
"""How long SQLite waits for a lock."""
MIGRATION_LOCK: Final = 0x627463_6169
"""PostgreSQL's advisory lock: one at a time migrates."""
POSTGRESQL: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "tcp_user_timeout": 15_000,
    "options": "-c statement_timeout=60000 -c timezone=UTC",
    "application_name": "btc-ai",
}

Begin = Literal["BEGIN", "BEGIN IMMEDIATE"]


class NoHistoryError(HistoryError):
    """There is none, or none yet: it is being made."""


def open_for_writing(config: Config) -> Engine:
    """The database, made or brought up to this version's schema where it has to be.

    Raises HistoryError, and SQLAlchemyError where the database does not answer or is locked.
    """
    engine = _engine(config, begin="BEGIN IMMEDIATE")
    try:
        with engine.connect() as connection:
            found = _usable_version(connection, describe(config))
        if found != VERSION:
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from btc_ai.history.migrations import upgrade  # Alembic: 12 MB that few starts need

            with engine.begin() as connection:
                _lock(connection)
                if _usable_version(connection, describe(config)) != VERSION:
                    upgrade(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_for_reading(config: Config) -> Engine:
    """The database as the daemon keeps it. Raises HistoryError where there is none to be read."""
    if config.HISTORY_URL is None and not history_file(config.MODELS_DIR).exists():
        raise NoHistoryError(
            f"there is no history in {config.MODELS_DIR} yet; the daemon writes it as it runs "
            "(MONITORING.ENABLED)"
        )
    return _checked(_engine(config, begin="BEGIN"), describe(config))


def open_read_only(config: Config) -> Engine:
    """The database of a folder that may be anybody's, in which nothing is written.

    While somebody has it open, it is read as it changes; otherwise as it lies there: then it has to
    be opened anew once it is another. Raises HistoryError where there is none to be read.
    """
    path, waiting = history_file(config.MODELS_DIR), Path(f"{history_file(config.MODELS_DIR)}-wal")
    if config.HISTORY_URL is not None or not path.exists():
        return open_for_reading(config)
    in_use = waiting.exists() and waiting.stat().st_size > 0
    if in_use and not Path(f"{path}-shm").exists():
        raise HistoryError(
            f"{path} was left open, and cannot be read without writing there: copy {path.name}-shm "
            "beside it too, or let a daemon with this MODELS_DIR mend it"
        )
    options = "mode=ro" if in_use else "mode=ro&immutable=1"

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect(
            f"{path.as_uri()}?{options}", uri=True, timeout=BUSY_S, check_same_thread=False
        )
        made.isolation_level = None
        return made

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return _checked(engine, str(path))


def _checked(engine: Engine, where: str) -> Engine:
    """The engine, if its database is of this version. Raises HistoryError, and closes it."""
    try:
        with database_errors(where), engine.connect() as connection:
            found = _usable_version(connection, where)
            tables = inspect(connection).get_table_names()
        if not tables:
            raise NoHistoryError(f"{where} has no history in it yet")
        if found is None and "runs" not in tables:
            raise HistoryError(f"{where} has no history in it; it is another program's")
        if found != VERSION:
            raise HistoryError(
                f"{where} is of an older BTC-AI; `btc-ai daemon restart` brings it up to date"
            )
    except BaseException:
        engine.dispose()
        raise
    return engine


def describe(config: Config) -> str:
    """The database in words, without its password."""
    if config.HISTORY_URL is None:
        return str(history_file(config.MODELS_DIR))
    return redact_urls(config.HISTORY_URL)


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """A database that fails as a HistoryError: one line, without password or traceback."""
    try:
        yield
    except SQLAlchemyError as error:
        raise HistoryError(f"the history in {where} cannot be used: {reason(error)}") from None


def reason(error: SQLAlchemyError) -> str:
    """One line on what a database, or its driver, said."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    first = next((line for line in str(said).splitlines() if line.strip()), type(said).__name__)
    return redact_urls(first.strip())[:500]


def _engine(config: Config, begin: Begin) -> Engine:
    if config.HISTORY_URL is not None:
        return _postgresql(config.HISTORY_URL)
    path = history_file(config.MODELS_DIR)
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_S}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _postgresql(url: str) -> Engine:
    try:
        parsed = make_url(url).set(drivername="postgresql+psycopg")
        return create_engine(parsed, connect_args=POSTGRESQL, pool_pre_ping=True, pool_size=2)
    except ModuleNotFoundError:
        raise HistoryError(
            "HISTORY_URL needs a driver for PostgreSQL; pip install 'btc-ai[postgres]'"
        ) from None
    except (ArgumentError, ValueError):
        raise HistoryError(
            "HISTORY_URL is no address of a database, postgresql://user:password@host:port/database"
        ) from None


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Transactions begin where SQLAlchemy says so, and a commit waits for no disk."""
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -8000"):
        connection.execute(f"PRAGMA {pragma}")


def _usable_version(connection: Connection, where: str) -> str | None:
    """The schema's version, or ours where a newer one says that ours will do; None: no tables.

    Raises HistoryError where it will not.
    """
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is None or str(found) <= VERSION:
        return None if found is None else str(found)
    oldest = None
    if inspect(connection).has_table(readers.name):
        oldest = connection.execute(select(readers.c.oldest)).scalar()
    if oldest is None or str(oldest) > VERSION:
        raise HistoryError(
            f"{where} is of a newer BTC-AI (schema {found}; this one knows {VERSION}): update "
            "BTC-AI, or let HISTORY_URL or MODELS_DIR name another place. It is left as it is"
        )
    return VERSION


def _lock(connection: Connection) -> None:
    """Let one at a time migrate; SQLite's own transaction does that already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
