"""The guards of the newest revision: for a restore, which writes the rows of a backup in whatever order.

A restore owes the store an audit at its end: ``uow.cases.damaged()``.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from caseproof.store.migrations import (
    guards,
    guards_0001,
    guards_0002,
    guards_0003,
    guards_0004,
    guards_0005,
    guards_0006,
    guards_0007,
)
from caseproof.store.tables import metadata

_OLDER = (*guards_0001.GUARDS, *guards_0002.GUARDS, *guards_0003.GUARDS, *guards_0004.GUARDS)
_NEWER = (*guards_0005.GUARDS, *guards_0006.GUARDS, *guards_0007.GUARDS)
GUARDS = (*(guard for guard in _OLDER if guard.name not in guards_0005.NAMES), *_NEWER)


def guards_off(connection: Connection) -> None:
    """Drop every guard, in the connection's open transaction. Only the tables' owner may."""
    guards.drop(connection, GUARDS)


def guards_on(connection: Connection) -> None:
    """Make every guard anew, in the connection's open transaction; new rows are numbered after those that are there."""
    guards_off(connection)
    guards.make(connection, GUARDS)
    _count_on(connection)


def guards_missing(connection: Connection) -> list[str]:
    """The guards that somebody dropped or switched off. Changes nothing."""
    wanted = {guard.name for guard in guards.of_dialect(GUARDS, connection.dialect.name)}
    if connection.dialect.name == "sqlite":
        found = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    else:
        found = text(
            "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
        )
    return sorted(wanted - set(connection.scalars(found)))


def _count_on(connection: Connection) -> None:
    """On PostgreSQL a sequence knows nothing of rows that came with their numbers; SQLite looks at the rows."""
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            highest = connection.scalar(select(func.max(column)))
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            if highest is not None:
                connection.execute(select(func.setval(sequence, highest)))
