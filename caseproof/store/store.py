"""The store: one database, SQLite by default, and the units of work on it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.store.errors import ConcurrentChange, StoreDown, StoreError, explained
from caseproof.store.migrate import Standing, refuse_unusable, standing, upgrade
from caseproof.store.unit import UnitOfWork

_BUSY_SECONDS = 30.0
_TRIES = 5
_PRAGMAS = ("foreign_keys = ON", "recursive_triggers = ON", "synchronous = FULL")
_WRITES = "caseproof_writes"


class Store:
    """The truth about every case. Safe to share between threads, and to keep across a fork.

    ``url`` is an SQLAlchemy URL (``sqlite:////folder/caseproof.sqlite``); for SQLite its ``?timeout=`` says
    how many seconds a writer waits for another (default 30). Nothing is opened before it is used.
    """

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
        except ArgumentError:
            # Not shown: it may hold a password.
            raise StoreError(
                "The store's URL cannot be read.",
                "Write CASEPROOF_DATABASE_URL like sqlite:////folder/file.sqlite.",
            ) from None
        self._sqlite = self._url.get_backend_name() == "sqlite"
        if self._sqlite and self._url.database in (None, "", ":memory:"):
            raise StoreError("A store in memory forgets its cases.", "Name a file in CASEPROOF_DATABASE_URL.")
        self._engine: Engine | None = None
        self._process = 0
        self._checked = False
        self._lock = threading.Lock()
        self._thread = threading.local()

    def __repr__(self) -> str:
        return f"Store({self._name})"

    @property
    def _name(self) -> str:
        """What to call the database in front of people: no user, no password, no options."""
        return f"{self._url.get_backend_name()}:{self._url.database}"

    # -- units of work -------------------------------------------------------------------------------------

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """A transaction that may write: rolled back unless ``commit`` was called. Two writers queue.

        Raises StoreDown, StoreError; StoreError too for a second one inside the first in one thread, for it
        would wait for itself.
        """
        with explained(), self._alone(), self._transaction(writes=True) as connection:
            yield UnitOfWork(connection, writes=True)

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """A transaction that only reads, and never waits for writers."""
        with explained(), self._transaction(writes=False) as connection:
            yield UnitOfWork(connection, writes=False)

    def case(self, ref: str) -> Case:
        """The case as it is now. Raises UnknownCase, StoreDown."""
        with self.reading() as unit:
            return unit.cases.get(ref)

    def change(self, ref: str, decide: Callable[[Case], Sequence[Event]]) -> Case:
        """Read the case, ask ``decide`` what happens, write that; ask again if the case changed meanwhile.

        ``decide`` is asked up to five times and must not write; no events, nothing written. The last time it
        is asked while nobody else can write, so that somebody who is always slower gets a turn.
        Raises UnknownCase, NotAllowed, StoreDown and what ``decide`` raises.
        """
        for _ in range(_TRIES - 1):
            case = self.case(ref)
            with self._alone():
                events = decide(case)
            if not events:
                return case
            try:
                with self.unit() as unit:
                    after = unit.cases.append(case, *events)
                    unit.commit()
            except ConcurrentChange:
                continue
            return after
        with self.unit() as unit:
            case = unit.cases.get(ref)
            after = unit.cases.append(case, *decide(case))
            unit.commit()
        return after

    # -- opening and migrating -----------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the database to this version's revision, making it if it is not there.

        Two at once are harmless: the second waits and finds it done. Raises StoreError for a database of
        another program or of a newer version, StoreDown.
        """
        with explained():
            if self._look() is not Standing.CURRENT:
                with self._connect(writes=True) as connection, connection.begin():
                    upgrade(connection)
            self._write_ahead()
            self._checked = True

    def close(self) -> None:
        """Let go of the database; used again, the store opens it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose(close=self._process == os.getpid())
            self._engine, self._checked = None, False

    def _look(self) -> Standing:
        """How the database stands. Raises StoreError for one that is not ours to touch."""
        if self._sqlite and not Path(str(self._url.database)).exists():
            return Standing.EMPTY  # looking would make the file
        with self._connect(writes=False) as connection:
            found = standing(connection)
        refuse_unusable(found, self._name)
        return found

    def _write_ahead(self) -> None:
        """Readers beside a writer: SQLite's WAL, which stays with the file; set outside transactions."""
        if not self._sqlite:
            return
        connection = self._opened().raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            pass  # another process has the file; without WAL it is only slower, and the next start sets it
        finally:
            connection.close()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        if not self._checked:
            if self._look() is not Standing.CURRENT:
                raise StoreError(
                    f"{self._name} is not a store of this version yet.",
                    "Run `caseproof doctor`; every `caseproof` command brings the store up to date first.",
                )
            self._checked = True
        with self._connect(writes=writes) as connection:
            connection.begin()
            yield connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if getattr(self._thread, "writing", False):
            raise StoreError(
                "A unit of work that writes is open in this thread already.", "Use that one, or end it first."
            )
        self._thread.writing = True
        try:
            yield
        finally:
            self._thread.writing = False

    def _connect(self, *, writes: bool) -> Connection:
        return self._opened().connect().execution_options(**{_WRITES: writes})

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is not None and self._process != os.getpid():
                self._engine.dispose(close=False)  # after a fork: the connections are the parent's
                self._engine = None
            if self._engine is None:
                self._process = os.getpid()
                self._engine = _engine(self._url, sqlite=self._sqlite)
            return self._engine


def _engine(url: Any, *, sqlite: bool) -> Engine:
    """The engine. Its errors never show values: these are retailers' words and addresses."""
    if not sqlite:
        try:
            return create_engine(url, hide_parameters=True, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise StoreDown(f"The database's driver is not installed: {error}.", "Install it with pip.") from error
    waits = {} if "timeout" in url.query else {"timeout": _BUSY_SECONDS}
    engine = create_engine(url, hide_parameters=True, connect_args=waits)

    # SQLAlchemy's recipe for pysqlite: the driver must not begin transactions by itself ...
    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    # ... so that we can: writers take the lock at once and queue; later they could only fail.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
