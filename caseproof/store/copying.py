"""Whole tables out and in, for backups: rows as plain JSON, the same from every database and for every other.

Both ways look at the tables as the database has them, so that a backup of an older revision goes into tables of that
revision. Times are ISO 8601 in UTC, days are YYYY-MM-DD; rows come in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Date,
    DateTime,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
)

from caseproof.store.column_types import Digest, UtcTime
from caseproof.store.errors import StoreError, explained, readable
from caseproof.store.guards import guards_off, guards_on
from caseproof.store.migrate import SchemaState, _known, downgrade, standing, upgrade
from caseproof.store.store import Store
from caseproof.store.tables import REVISION, VERSION_TABLE, login_links, login_sessions, logins, marks, metadata
from caseproof.store.uow import UnitOfWork

Row = dict[str, Any]

_NOT_COPIED = frozenset({login_links.name, login_sessions.name})
"""Who is logged in, and by which links somebody may: a restore brings nobody back who was logged out since."""

_LEFT_EMPTY = frozenset({(logins.name, logins.c.password.name)})
"""What is empty in every copy: a restore brings back no password that was changed since, and a login of somebody who
was removed since opens nothing. Everybody chooses a new one, by a link."""

TABLES = frozenset(metadata.tables) - _NOT_COPIED
"""Every table of the newest revision that is saved; the one that holds the revision's number is none of them."""

_BATCH = 500
_DIGESTS = {
    (table.name, each.name) for table in metadata.sorted_tables for each in table.c if isinstance(each.type, Digest)
}


def can_hold(revision: str) -> bool:
    """Whether this version knows the revision, so that it can take rows of it."""
    return revision in _known()


# -- out --------------------------------------------------------------------------------------------------------------


class Snapshot:
    """Tables as they were at one moment, however long the reading takes; ``snapshot`` makes it.

    ``tables`` are their names, each after those that it points to.
    """

    def __init__(self, connection: Connection, names: Iterable[str]) -> None:
        self._connection = connection
        self._tables = {table.name: table for table in _tables(connection, names).sorted_tables}
        self.tables = tuple(self._tables)

    def count(self, name: str) -> int:
        """How many rows the table has."""
        return self._connection.scalar(select(func.count()).select_from(self._tables[name])) or 0

    def rows(self, name: str) -> Iterator[Row]:
        """The rows as JSON values, in the order of their keys; read in batches, so that a long table fits."""
        here, empty = self._tables[name], {column for table, column in _LEFT_EMPTY if table == name}
        order = [self._by_character(key) for key in here.primary_key]
        found = self._connection.execute(select(here).order_by(*order), execution_options={"yield_per": _BATCH})
        with readable(f"A row of the table {name}"):
            for row in found.mappings():
                yield {column: "" if column in empty else _plain(value) for column, value in row.items()}

    def _by_character(self, key: Column[Any]) -> Any:
        """One order of texts on every database, whatever country PostgreSQL was set up for."""
        is_text = isinstance(key.type, String) and self._connection.dialect.name == "postgresql"
        return key.collate("C") if is_text else key


@contextmanager
def snapshot(store: Store) -> Iterator[Snapshot]:
    """Look at the whole store as it is now, beside whoever writes. Raises StoreDown, StoreError."""
    with store.reading() as uow:
        yield Snapshot(uow._connection, TABLES)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value  # a datetime is a date too


# -- in ---------------------------------------------------------------------------------------------------------------


def rows_in(store: Store) -> int:
    """How many rows of ours the database holds, not counting marks; 0 too for one that was never used.

    Marks are notes of a program to itself: nobody misses those of a store that holds nothing else. Raises StoreError
    and StoreDown.
    """
    with explained():
        if store._look() is SchemaState.EMPTY:
            return 0
        with store._connect(writes=False) as connection:
            return _count(connection)


class Loading(Snapshot):
    """One transaction that fills an empty store: load each of ``tables``, look, ``finish``, look again, ``commit``."""

    def load(self, name: str, rows: Iterable[Row]) -> Iterator[int]:
        """Insert the rows; tells after every batch how many it was. Raises StoreError for one that does not fit."""
        here, left = self._tables[name], iter(rows)
        while batch := [_typed(here, row) for row in islice(left, _BATCH)]:
            self._connection.execute(insert(here), batch)
            yield len(batch)

    def finish(self) -> UnitOfWork:
        """Bring the rows to the newest revision and guard them again; the caller looks at what has become."""
        upgrade(self._connection)
        guards_on(self._connection)  # they are the newest revision's, and number new rows after these
        return UnitOfWork(self._connection, writes=False)

    def commit(self) -> None:
        """Make it last."""
        self._connection.commit()


@contextmanager
def loading(store: Store, revision: str) -> Iterator[Loading]:
    """An empty store at a revision, its guards off, in one transaction: unless it is committed, nothing happened.

    Raises StoreError if the store has rows, if nobody knows the revision, and for rows that the database refuses.
    """
    with explained(), store._alone(), store._connect(writes=True) as connection:
        connection.begin()
        names = _emptied_at(connection, revision)
        guards_off(connection)
        yield Loading(connection, names)


def _emptied_at(connection: Connection, revision: str) -> set[str]:
    """Bring an empty store to a revision, and give the names of its tables. Another program's tables stay apart."""
    now = standing(connection)
    if now is not SchemaState.EMPTY and _count(connection):
        raise StoreError("The store got rows meanwhile.", "Stop what writes to it, or name an empty store.")
    if now is SchemaState.CURRENT and revision == REVISION:
        connection.execute(delete(marks))  # they were not counted, and the backup brings its own
        return set(TABLES)
    if now is not SchemaState.EMPTY:
        downgrade(connection, "base")
    before = _names(connection)
    upgrade(connection, revision)
    return _names(connection) - before - {VERSION_TABLE} - _NOT_COPIED


def _count(connection: Connection) -> int:
    ours = _tables(connection, _names(connection) & (TABLES - {marks.name})).tables.values()
    return sum(connection.scalar(select(func.count()).select_from(each)) or 0 for each in ours)


# -- both -------------------------------------------------------------------------------------------------------------


def _names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _tables(connection: Connection, names: Iterable[str]) -> MetaData:
    """The tables as the database has them, with our way of keeping times, digests and missing values."""
    found = MetaData()
    found.reflect(connection, only=sorted(names))
    for here in found.tables.values():
        for each in here.columns:
            if isinstance(each.type, DateTime):
                each.type = UtcTime()
            elif isinstance(each.type, JSON):
                each.type = JSON(none_as_null=True)
            elif (here.name, each.name) in _DIGESTS:
                each.type = Digest()
    return found


def _typed(here: Table, row: Row) -> Row:
    """The row as the database takes it."""
    wrong = "it has other columns" if row.keys() != set(here.columns.keys()) else ""
    try:
        typed = {} if wrong else {each.name: _value(each, row[each.name]) for each in here.columns}
    except (ValueError, TypeError) as error:
        wrong = str(error)
    if wrong:
        raise StoreError(f"A row for the table {here.name} does not fit: {wrong}.", "Take another backup.")
    return typed


def _value(here: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(here.type, UtcTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(here.type, Date) else value
