"""Finding a ticket in Zoho Desk by the case's reference, though the search knows a new ticket only a while later.

What the search does not know yet, the list of the newest tickets has. It is read back as far as the search may lag;
who asks again reads what came since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from caseproof.config.clock import Clock
from caseproof.desks.base import DeskDown
from caseproof.desks.marks import mark_of
from caseproof.desks.zoho_api import MOST_ROWS, PAGE, ZohoApi
from caseproof.desks.zoho_wire import ROW, ROWS, Row

LAG = timedelta(minutes=10)
"""The search knows every ticket that is older."""
OVERLAP = timedelta(seconds=5)
"""A ticket may show in the list a little later than one that was made after it."""


class Finder:
    """``field`` holds the reference; ``department`` gives the id. Safe to use from several threads."""

    def __init__(self, api: ZohoApi, field: str, department: Callable[[], str], clock: Clock) -> None:
        self._api, self._field, self._department, self._clock = api, field, department, clock
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._nameless: dict[str, set[str]] = {}
        self._read_to = datetime(2000, 1, 1, tzinfo=UTC)

    def note(self, key: str, number: str) -> None:
        """This ticket has this reference."""
        self._known.setdefault(key, number)

    def find(self, key: str) -> Row | None:
        """The oldest ticket with this reference; None where there is none. Raises DeskDown where nobody can say."""
        found = self._read(key)
        if found is None:
            self._search(key)
            found = self._read(key)
        if found is None:
            self._read_newest()
            found = self._read(key)
        return found

    def nameless(self, key: str, subject: str) -> str | None:
        """The ticket that we made under this key, and that did not keep its reference: its description has our mark.

        To be asked after ``find`` has read the newest tickets. The search finds what begins so, too.
        """
        rows, _ = self._api.page("tickets/search", ROWS, {"subject": subject, "limit": str(PAGE), "from": "0"})
        found = {row.id for row in rows if row.subject == subject and not row.reference(self._field)}
        for number in sorted(found | self._nameless.get(subject, set()), key=int):
            answer = self._api.call("GET", f"tickets/{number}")
            row = None if answer.is_missing else self._api.one(answer, ROW)
            if row is None or row.trashed or row.reference(self._field):
                continue
            if mark_of(key) in (row.description or ""):
                return row.id
        return None

    def _read(self, key: str) -> Row | None:
        number = self._known.get(key)
        if number is None:
            return None
        answer = self._api.call("GET", f"tickets/{number}")
        row = None if answer.is_missing else self._api.one(answer, ROW)
        merged = row is not None and row.id != number
        if row is None or row.trashed or not (merged or row.reference(self._field) == key):
            self._known.pop(key, None)  # it is gone, or of another case by now
            return None
        return row

    def _search(self, key: str) -> None:
        """What the search knows: it may take others for it that only begin so, or have some of its words."""
        numbers = []
        for start in range(0, MOST_ROWS, PAGE):
            params = {"customField1": f"{self._field}:{key}", "limit": str(PAGE), "from": str(start)}
            rows, _ = self._api.page("tickets/search", ROWS, params)
            numbers += [int(row.id) for row in rows if self._reference(row) == key and not row.trashed]
            if numbers or len(rows) < PAGE:
                break
        else:
            raise DeskDown(
                f"The search of {self._api.name} takes more tickets for {key} than can be looked through.",
                f"Look whether many tickets have something like it in the field {self._field}; it is tried again.",
            )
        if numbers:
            self.note(key, str(min(numbers)))  # whoever looks takes the same, should there be two

    def _reference(self, row: Row) -> str | None:
        """What the field holds; where a list does not show it, the ticket itself is read."""
        said = row.reference(self._field)
        if said is not None:
            return said
        answer = self._api.call("GET", f"tickets/{row.id}")
        return None if answer.is_missing else self._api.one(answer, ROW).reference(self._field)

    def newest(self, department: str, since: datetime, lag: timedelta = timedelta()) -> list[Row]:
        """The tickets of a department that were made since then (and in the last ``lag`` only, if there is one), the
        newest first. Raises DeskDown where they are more than Zoho Desk lets be listed."""
        found = dict[str, Row]()
        for start in range(0, MOST_ROWS, PAGE):
            params = {
                "from": str(start), "limit": str(PAGE), "sortBy": "-createdTime", "departmentId": department,
                "fields": f"subject,createdTime,{self._field}",
            }  # fmt: skip
            rows, answer = self._api.page("tickets", ROWS, params)
            if start == 0 and lag:  # by the clock of the other side, where it says its time
                since = max((answer.date or self._clock()) - lag, since)
            found |= {row.id: row for row in rows}
            made = [row.created for row in rows if row.created is not None]
            if len(rows) < PAGE or (made and min(made) < since):
                return list(found.values())
        raise DeskDown(
            f"{self._api.name} made more tickets lately than can be looked through.",
            "Try again in ten minutes: its search knows them by then.",
        )

    def _read_newest(self) -> None:
        with self._lock:
            rows = self.newest(self._department(), self._read_to, LAG)
            for row in reversed(rows):  # the oldest first
                if said := self._reference(row):
                    self.note(said, row.id)
                elif row.subject:
                    self._nameless.setdefault(row.subject, set()).add(row.id)
            made = [row.created for row in rows if row.created is not None]
            self._read_to = max(made, default=self._read_to + OVERLAP) - OVERLAP
