"""Finding the ticket of a key in Request Tracker, and what stands on a ticket.

RT's search asks its database, so a ticket is found as soon as it was made. Its search does not tell capitals from small
letters and leaves out what was merged into another ticket, unless it is asked about ``EffectiveId``: the field of what
is found is compared, and merged tickets are asked for. One that was deleted is not found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from caseproof.desks.base import DeskError
from caseproof.desks.html_text import as_text
from caseproof.desks.marks import mark_of
from caseproof.desks.rt_api import RtApi
from caseproof.desks.rt_wire import (
    COMMENT,
    CORRESPOND,
    CREATE,
    PARTS,
    ROW,
    TRANSACTIONS,
    Part,
    Row,
    Transaction,
    quoted,
)
from caseproof.http.client import Answer

_PEOPLE = "EmailAddress,RealName"
_TEXTS = (_PLAIN, _FORMATTED) = ("text/plain", "text/html")
"""What words are in. A list that is asked for the content of its rows gives that of pictures, too, if it has some."""
_AT_ONCE = 30
"""What so many transactions hold is asked for at once: more would not fit into an address."""


@dataclass(frozen=True, slots=True)
class Said:
    """A transaction and its words, as people read them."""

    done: Transaction
    text: str
    plain: bool
    """Whether they are plain text, as ours are."""


class Finder:
    """Safe to use from several threads."""

    def __init__(self, api: RtApi) -> None:
        self._api = api
        self._field = api.account.reference_field
        self._cf = f"'CF.{{{self._field}}}'"

    def find(self, key: str) -> Row | None:
        """The oldest ticket of this key, or the one that it was merged into; None where there is none."""
        for found in self._api.search(f"{self._cf} = {quoted(key)} AND EffectiveId > 0"):
            if not self._is_of(found, key):
                continue
            row, answer = self.read(found.effective or found.id)
            if answer.status == 403:
                raise self.not_shown(answer, found.id)
            if row is not None and not row.is_deleted:
                return row
        return None

    def _is_of(self, found: Row, key: str) -> bool:
        """Whether it has this key: one in a queue without the field is found by it, and does not show it."""
        return found.has(self._field, key) or (not found.shows(self._field) and self._begins_as(found, key))

    def _begins_as(self, found: Row, key: str) -> bool:
        """Whether we made it under this key, as its first text says."""
        return any(one.text.rstrip().endswith(mark_of(key)) for one in self.said(found.id, (CREATE,), by_us=True))

    def not_shown(self, answer: Answer, number: str) -> DeskError:
        """The error for a ticket that is there, and that our account may not see."""
        return self._api.refused(
            answer, f"Give our account ShowTicket in the queue of #{number}; it may have been moved to another."
        )

    def without_reference(self, key: str, subject: str) -> Row | None:
        """A ticket that we made under this key, and whose field RT left empty: we may not set it, say."""
        asked = (
            f"Queue = {quoted(self._api.account.queue)} AND Creator = '__CurrentUser__' AND {self._cf} IS NULL "
            f"AND Subject = {quoted(subject)}"
        )
        for found in self._api.search(asked):
            if self._begins_as(found, key):
                return found
        return None

    def read(self, number: str) -> tuple[Row | None, Answer]:
        """The ticket with this number, and the answer; None where it is not shown."""
        answer = self._api.call("GET", f"ticket/{number}", params={"fields[Creator]": _PEOPLE})
        if not answer.is_success:
            return None, answer
        row = self._api.one(answer, ROW)
        if not row.status:
            raise self._api.not_the_api()
        return row, answer

    def is_inactive(self, row: Row) -> bool:
        """Whether it has a status that its lifecycle calls inactive, whatever the status is called."""
        return any(self._api.search(f"id = {row.id} AND Status = '__Inactive__'"))

    def said(self, number: str, kinds: Collection[str], *, by_us: bool = False) -> Iterator[Said]:
        """What was said on a ticket in transactions of these kinds, the oldest first; or of it what we said."""
        done = self._history(number, kinds, by_us)
        plain: dict[str, Part] = {}
        formatted: dict[str, Part] = {}
        for part in self._parts(number, done, "TransactionId,Filename,ContentType,Content", kinds=_TEXTS):
            if not part.name:
                (plain if part.kind == _PLAIN else formatted).setdefault(part.of, part)
        for one in done:
            found = plain.get(one.id) or formatted.get(one.id)
            text = (found.content or "") if found else ""
            is_plain = found is None or found.kind == _PLAIN
            yield Said(one, text if is_plain else as_text(text), is_plain)

    def files(self, number: str, *, by_us: bool = False) -> list[Part]:
        """The files on a ticket, or those that we attached; not what is in them."""
        done = self._history(number, (CREATE, COMMENT, CORRESPOND), by_us)
        parts = self._parts(number, done, "TransactionId,Filename,ContentType,ContentLength,Creator")
        return [one for one in parts if one.name]

    def _history(self, number: str, kinds: Collection[str], by_us: bool) -> list[Transaction]:
        asked = {**self._api.limits(Type=kinds), "fields": "Type,Creator,Created", "fields[Creator]": _PEOPLE}
        history = self._api.pages(f"ticket/{number}/history", TRANSACTIONS, asked)
        return [one for one in history if not by_us or self._api.is_us(one.creator)]

    def _parts(
        self, number: str, done: Sequence[Transaction], fields: str, kinds: Sequence[str] = ()
    ) -> Iterator[Part]:
        """Texts and files of these transactions, or those of these kinds: a list of all that a ticket has counts what
        we may not see, too."""
        for start in range(0, len(done), _AT_ONCE):
            some = [one.id for one in done[start : start + _AT_ONCE]]
            asked = {**self._api.limits(TransactionId=some, ContentType=kinds), "fields": fields}
            yield from self._api.pages(f"ticket/{number}/attachments", PARTS, asked)
