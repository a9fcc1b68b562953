"""The store: one database, SQLite by default, and the units of work on it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.store.database_urls import database_of
from caseproof.store.errors import ConcurrentChange, StoreError, explained
from caseproof.store.folds import Folds
from caseproof.store.migrate import SchemaState, refuse_unusable, standing, upgrade
from caseproof.store.uow import UnitOfWork

_TRIES = 5


class Store:
    """The truth about every case. Safe to share between threads, and to keep across a fork.

    ``url`` is an SQLAlchemy URL (``sqlite:////folder/caseproof.sqlite``, ``postgresql://user:password@host/name``);
    its ``?timeout=`` says how many seconds a writer waits for another (default 30). ``patience``: how many seconds
    connecting is tried while a server is away. ``on_news`` is called when a case was given news that its run has to
    look at, after they were written down. Nothing is opened before it is used. Raises StoreError for a URL that names
    no lasting store.
    """

    def __init__(self, url: str, *, patience: float = 15.0, on_news: Callable[[], None] = lambda: None) -> None:
        self._database = database_of(url, patience)
        self._on_news = on_news
        self._engine: Engine | None = None
        self._process = 0
        self._checked = False
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._folds = Folds()

    @property
    def name(self) -> str:
        """What to call it in front of people: no user, no password, no options."""
        return self._database.name

    def __repr__(self) -> str:
        return f"Store({self.name})"

    # -- units of work -------------------------------------------------------------------------------------

    @contextmanager
    def uow(self) -> Iterator[UnitOfWork]:
        """A transaction that may write: rolled back unless ``commit`` was called. Two writers queue.

        Raises StoreDown, StoreError; StoreError too for a second one inside the first in one thread, for it
        would wait for itself.
        """
        with explained(), self._alone(), self._transaction(writes=True) as connection:
            yield UnitOfWork(connection, writes=True, on_news=self._on_news, folds=self._folds)

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        """A transaction that only reads, and never waits for writers."""
        with explained(), self._transaction(writes=False) as connection:
            yield UnitOfWork(connection, writes=False, folds=self._folds)

    def case(self, ref: str) -> Case:
        """The case as it is now. Raises UnknownCase, StoreDown."""
        with self.reading() as uow:
            return uow.cases.get(ref)

    def read_anew(self) -> None:
        """Have each case read from its beginning the next time: so is found what was edited, before anybody acts."""
        self._folds.forget()

    def note(self, name: str, value: str, at: datetime) -> None:
        """Note a mark, in a transaction of its own (``Cursors.set``). Raises StoreDown, StoreError."""
        with self.uow() as uow:
            uow.cursors.set(name, value, at)
            uow.commit()

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
                with self.uow() as uow:
                    after = uow.cases.append(case, *events)
                    uow.commit()
            except ConcurrentChange:
                continue
            return after
        with self.uow() as uow:
            case = uow.cases.get(ref)
            after = uow.cases.append(case, *decide(case))
            uow.commit()
        return after

    # -- opening and migrating -----------------------------------------------------------------------------

    def migrate(self) -> None:
        """Bring the database to this version's revision, making it if it is not there.

        Two at once are harmless: the second waits and finds it done. Raises StoreError for a database of
        another program or of a newer version, StoreDown.
        """
        with explained():
            if self._look() is not SchemaState.CURRENT:
                with self._connect(writes=True) as connection, connection.begin():
                    upgrade(connection)
            self._database.settle(self._opened())
            self._checked = True

    def close(self) -> None:
        """Let go of the database; used again, the store opens it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose(close=self._process == os.getpid())
            self._engine, self._checked = None, False

    def _look(self) -> SchemaState:
        """How the database stands. Raises StoreError for one that is not ours to touch."""
        if not self._database.is_there():
            return SchemaState.EMPTY
        with self._connect(writes=False) as connection:
            found = standing(connection)
        refuse_unusable(found, self._database.name)
        return found

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[Connection]:
        if not self._checked:
            if self._look() is not SchemaState.CURRENT:
                raise StoreError(
                    f"{self._database.name} is not a store of this version yet.",
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
        return self._opened().connect().execution_options(**self._database.options(writes=writes))

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is not None and self._process != os.getpid():
                self._engine.dispose(close=False)  # after a fork: the connections are the parent's
                self._engine = None
            if self._engine is None:
                self._process = os.getpid()
                self._engine = self._database.engine()
            return self._engine
