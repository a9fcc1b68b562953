"""A new SQLite store is migrated once a process of tests; the others are made of what that came to.

The migrations take a seventh of a second of every test that begins with an empty home. tests/store/ goes without this.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from caseproof.store import migrate

Statement = tuple[str, tuple[Any, ...]]
_first: list[Statement] = []


def upgrade(connection: Connection) -> None:
    """What ``caseproof.store.migrate.upgrade`` does; for an empty SQLite file, by its result."""
    empty = connection.dialect.name == "sqlite" and not _schema(connection)
    if empty and _first:
        for statement, values in _first:
            connection.exec_driver_sql(statement, values)
        return
    migrate.upgrade(connection)
    if empty:
        _first[:] = [*((made, ()) for _, made in _schema(connection)), *_rows(connection)]


def _schema(connection: Connection) -> list[tuple[str, str]]:
    """The tables, indexes and triggers in the order in which they were made: their kinds, and how each is made."""
    made = "SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    return [(kind, statement) for kind, statement in connection.exec_driver_sql(made)]


def _rows(connection: Connection) -> list[Statement]:
    """What the migrations wrote into the tables: their revision, say."""
    found = []
    for (table,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").all():
        for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):  # noqa: S608
            found.append((f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", tuple(row)))  # noqa: S608
    return found
