"""Statements that SQLite and PostgreSQL have alike, and SQLAlchemy Core keeps apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]
Insert = postgresql.Insert | sqlite.Insert


def upsert(
    connection: Connection, table: Table, rows: Sequence[Row], *, by: Sequence[str] = ()
) -> None:
    """Insert rows; where there is one with the same key, the new one takes its place.

    by: the columns of the key; the primary key where none are named. All rows have the same ones.
    """
    if not rows:
        return
    keys = list(by) or [column.name for column in table.primary_key]
    insert = inserting(connection, table)
    others = {name: insert.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_=others), [dict(row) for row in rows]
    )


def insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert the rows that are not there yet."""
    if rows:
        insert = inserting(connection, table).on_conflict_do_nothing()
        connection.execute(insert, [dict(row) for row in rows])


def inserting(connection: Connection, table: Table) -> Insert:
    """An INSERT in the connection's dialect, which can say what to do about a conflict."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
