"""The guards of the newest revision: for a restore, which writes the rows of a backup in whatever order.

A restore owes the store an audit at its end: ``uow.cases.damaged()``.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from caseproof.store.migrations import (
    guards,
    guards_0001,
    guards_0002,
    guards_0003,
    guards_0004,
    guards_0005,
    guards_0006,
    guards_0007,
    guards_0009,
    guards_0011,
)
from caseproof.store.tables import metadata

_OLDER = (*guards_0001.GUARDS, *guards_0002.GUARDS, *guards_0003.GUARDS, *guards_0004.GUARDS)
_SINCE_0007 = (*guards_0007.GUARDS, *guards_0009.GUARDS, *guards_0011.GUARDS)
_NEWER = (*guards_0005.GUARDS, *guards_0006.GUARDS, *_SINCE_0007)
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
    return sorted(set(_wanted(connection)) - set(_in_force(connection)))


def guards_changed(connection: Connection) -> list[str]:
    """The guards that say something else than ours under the same name, and whatever else acts on our tables' rows: a
    trigger or a rule that is not ours could write what nobody asked for. Changes nothing.
    """
    wanted, found = _wanted(connection), _in_force(connection)
    return sorted(name for name, text in found.items() if wanted.get(name) != text)


def _wanted(connection: Connection) -> dict[str, str]:
    return guards.texts(connection, guards.of_dialect(GUARDS, connection.dialect.name))


def _in_force(connection: Connection) -> dict[str, str]:
    """What acts on rows of our tables in this database, by name, in the words of the database."""
    return guards.texts_found(connection, [table.name for table in metadata.sorted_tables])


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
