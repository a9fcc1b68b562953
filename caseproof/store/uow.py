"""The unit of work: one transaction, and the only thing that commits."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from caseproof.store.bulk import Bulk
from caseproof.store.cases import Cases
from caseproof.store.causes import ChosenCauses
from caseproof.store.cursors import Cursors
from caseproof.store.errors import StoreError
from caseproof.store.evidence import EvidenceList
from caseproof.store.folds import Folds
from caseproof.store.guards import guards_changed, guards_missing
from caseproof.store.history import History
from caseproof.store.incidents import Incidents
from caseproof.store.intents import Intents
from caseproof.store.logins import Logins
from caseproof.store.messages import Messages
from caseproof.store.overview import Overview
from caseproof.store.owed import OwedList
from caseproof.store.people import People
from caseproof.store.tickets import Tickets
from caseproof.store.worklist import Worklist


class UnitOfWork:
    """A transaction and the repositories in it. What comes after the last ``commit`` is rolled back.

    Once committed it goes on in a new transaction. ``Store.uow`` and ``Store.reading`` make it.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        writes: bool,
        on_news: Callable[[], None] = lambda: None,
        folds: Folds | None = None,
    ) -> None:
        self._connection = connection
        self._writes = writes
        self._on_news = on_news
        self.cases = Cases(connection, folds)
        self.bulk = Bulk(connection)
        self.causes = ChosenCauses(connection)
        self.intents = Intents(connection)
        self.history = History(connection)
        self.incidents = Incidents(connection)
        self.cursors = Cursors(connection)
        self.messages = Messages(connection)
        self.overview = Overview(connection)
        self.owed = OwedList(connection)
        self.people = People(connection)
        self.logins = Logins(connection)
        self.evidence = EvidenceList(connection)
        self.tickets = Tickets(connection)
        self.worklist = Worklist(connection)

    def guards_missing(self) -> list[str]:
        """The guards of the store that somebody dropped or switched off."""
        return guards_missing(self._connection)

    def guards_changed(self) -> list[str]:
        """The guards that somebody replaced by others of the same name, and triggers that are not ours."""
        return guards_changed(self._connection)

    def commit(self) -> None:
        """Make it last. Raises StoreError in a unit that only reads."""
        if not self._writes:
            raise StoreError("This unit of work only reads.", "Write in `store.unit()`.")
        self._connection.commit()
        if self.cases.has_news or self.bulk.has_news:
            self.cases.has_news = self.bulk.has_news = False
            self._on_news()
