"""Zoho Desk as a ticket desk.

It takes no idempotency key, so the case's reference stands in a custom field and is looked for before a ticket is made:
by the search, and as that lags, among the newest tickets too. A comment ends in a short mark by which it is known.
Whatever is written is read back. Whether a ticket is closed says its ``statusType``: statuses can be renamed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from caseproof.config.clock import Clock
from caseproof.desks.abilities import DeskAbilities, DeskAbility, Lack, all_but
from caseproof.desks.base import (
    Attachment,
    Comment,
    DeskDown,
    DeskError,
    DeskProbe,
    Raised,
    Ticket,
    TicketStatus,
    UnknownTicket,
    refuse_to_pile_up,
    require,
)
from caseproof.desks.html_text import as_html, as_text
from caseproof.desks.lost_answers import attempt, found_after_all
from caseproof.desks.marks import cut, is_marked, mark_of, marked, units, unmarked
from caseproof.desks.wire import Numbered
from caseproof.desks.zoho_api import MOST_ROWS, PAGE, ZohoApi, ZohoRefused
from caseproof.desks.zoho_finding import Finder
from caseproof.desks.zoho_names import Names
from caseproof.desks.zoho_wire import (
    COMMENTS,
    FILES,
    LARGEST_FILE,
    LONGEST_COMMENT,
    LONGEST_REFERENCE,
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    ROW,
    ROWS,
    CommentRow,
    File,
    Page,
    Row,
    ZohoAccount,
    is_id,
)
from caseproof.domain.visible import one_line
from caseproof.http.api import READ_SECONDS
from caseproof.http.client import Answer, Transport

N = TypeVar("N", bound=Numbered)

_CLOSED = "closed"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

ABILITIES = all_but(
    DeskAbility,
    lacks={
        DeskAbility.DIGEST: Lack(
            "Zoho Desk tells a file's name and size, and not what is in it.",
            "Nothing has to be done: name and size are compared, and the proof names the file by its digest.",
        )
    },
    depends={DeskAbility.RAISED: "where the block names a queue"},
)
_NO_QUEUE = Lack(
    "The block names no queue, so no ticket of this desk becomes a case by itself.",
    "Name the department whose tickets are for Caseproof in the block (queue), or raise the case by hand.",
)


class ZohoDesk:
    """A client of one organisation in Zoho Desk; ``home`` is the installation's folder. Safe for several threads."""

    def __init__(
        self,
        account: ZohoAccount,
        home: Path,
        clock: Clock,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._account, self._sleep = account, sleep
        self._api = ZohoApi(account, home, clock, transport=transport, sleep=sleep, read_seconds=read_seconds)
        self._names = Names(self._api, account)
        self._finder = Finder(self._api, account.reference_field, self._names.department, clock)
        self._told: set[str] = set()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    @property
    def abilities(self) -> DeskAbilities:
        """What this desk, as it is set up, is able to do."""
        return ABILITIES.lacking({} if self._account.queue else {DeskAbility.RAISED: _NO_QUEUE})

    def probe(self) -> DeskProbe:
        """Whether it lets us in, and has what the block names: the department, the contact, the field, the queue."""
        _, answer = self._api.page("tickets", ROWS, {"limit": "1", "departmentId": self._names.department()})
        self._names.contact()
        queue = self._names.queue() if self._account.queue else ""
        try:
            self._finder.find("caseproof doctor")
        except ZohoRefused as refused:
            if not refused.fields:
                raise
            raise DeskError(
                f"{self._api.name} has no field {self._account.reference_field} that tickets are found by.",
                "Make the custom field (docs/desk-zoho.md), or correct its API name in the block.",
            ) from refused
        lacks = []
        try:
            self._names.statuses(closed=False)
        except ZohoRefused as refused:
            lacks.append(
                f"The names of the statuses cannot be read ({refused.problem}) Add the scope Desk.settings.READ."
            )
        found = "its tickets can be read, and found by their reference" + ("; so is the queue" if queue else "")
        return DeskProbe(found, answer.date, tuple(lacks))

    # -- tickets ---------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any. Raises DeskDown where that cannot be said for sure."""
        row = self._finder.find(key)
        return None if row is None else _ticket(row)

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before; read back."""
        if not key or len(key) > LONGEST_REFERENCE:
            raise DeskError("A ticket without a reference, or with one this long, would not be found again.", "")
        standing = self.find(key)
        if standing is not None:
            return standing
        subject = cut(one_line(subject), LONGEST_SUBJECT) or key
        nameless = self._finder.nameless(key, subject)
        if nameless is not None:
            return self._named(nameless, key)
        wanted = {
            "subject": subject,
            "description": as_html(marked(body, key, LONGEST_TEXT, lambda some: units(as_html(some))).lstrip()),
            "departmentId": self._names.department(),
            "contactId": self._names.contact(),
            "cf": {self._account.reference_field: key},
        }
        try:
            made = self._api.one(self._api.call("POST", "tickets", json=wanted), ROW)
        except DeskDown:
            return found_after_all(self.find, key, self._api.name, self._sleep)
        return self._named(made.id, key)

    def _named(self, number: str, key: str) -> Ticket:
        """The ticket that was made under this key, with its reference: where it kept none, it is written once more."""
        field = self._account.reference_field
        try:
            row = self._read(number)
            if row.reference(field) != key:
                self._known(self._api.call("PATCH", f"tickets/{row.id}", json={"cf": {field: key}}), row.id)
                row = self._read(number)
        except UnknownTicket as error:
            raise DeskError(
                f"{self._api.name} took the ticket of {key}, and does not show it.", "Look there; it is tried again."
            ) from error
        if row.reference(field) != key:
            raise DeskError(
                f"{self._api.name} made the ticket #{row.number} without its reference: it would not be found again.",
                f"Put the field {field} into the department's layout; the ticket is taken then, and no other one made.",
            )
        self._finder.note(key, row.id)
        return _ticket(row)

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket; of one that was merged into another, that other one. Raises UnknownTicket."""
        return _ticket(self._read(ticket_id))

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Ask for a status of this type; read the ticket to see whether it took. Raises UnknownTicket."""
        row = self._alive(ticket_id)
        if _status(row) is status:
            return
        named = self._account.closed_status if status is TicketStatus.CLOSED else self._account.open_status
        if not named and status is TicketStatus.CLOSED:  # asks for no name
            self._known(self._api.call("POST", "closeTickets", json={"ids": [row.id]}), ticket_id)
            return
        try:
            self._set(row, named or "Open", ticket_id)
        except ZohoRefused as refused:
            if "status" not in refused.fields:
                raise
            names = [name for name in self._names.statuses(closed=status is TicketStatus.CLOSED) if name != named]
            if names:
                self._set(row, names[0], ticket_id)
            elif status is TicketStatus.CLOSED:
                self._known(self._api.call("POST", "closeTickets", json={"ids": [row.id]}), ticket_id)
            else:
                raise

    def _set(self, row: Row, named: str, ticket_id: str) -> None:
        self._known(self._api.call("PATCH", f"tickets/{row.id}", json={"status": named}), ticket_id)

    # -- comments and files ----------------------------------------------------------------------------------------

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        """Add a comment once a key, and read it back. ``public``: the contact sees it, too. Raises UnknownTicket."""
        self._comment(self._alive(ticket_id), key, text, public or self._account.public_comments)

    def _comment(self, row: Row, key: str, text: str, public: bool) -> None:
        mark = mark_of(key)
        if self._has(row, mark):
            return
        wanted = {"content": marked(text, key, LONGEST_COMMENT), "isPublic": public, "contentType": "plainText"}
        lost = attempt(lambda: self._known(self._api.call("POST", f"tickets/{row.id}/comments", json=wanted), row.id))
        if not self._has(row, mark):
            raise lost or DeskError(
                f"{self._api.name} took a comment on #{row.number}, and does not show it.",
                "Look at the ticket; it is tried again.",
            )

    def _has(self, row: Row, mark: str) -> bool:
        return any(mark in (comment.content or "") for comment in self._comments(row.id))

    def _comments(self, number: str) -> Iterator[CommentRow]:
        """The comments of a ticket, the newest first, page by page."""
        return self._listed(number, "comments", COMMENTS, sortBy="-commentedTime")

    def _files(self, number: str) -> Iterator[File]:
        return self._listed(number, "attachments", FILES)

    def _listed(self, number: str, what: str, shape: TypeAdapter[Page[N]], **asked: str) -> Iterator[N]:
        """What a ticket has of these. Raises UnknownTicket, and DeskError for a list that comes to no end."""
        seen = set[str]()
        for start in range(0, MOST_ROWS, PAGE):
            params = {"from": str(start), "limit": str(PAGE), **asked}
            page, answer = self._api.page(f"tickets/{number}/{what}", shape, params)
            if answer.is_missing:
                raise _unknown(number)
            new = [one for one in page if one.id not in seen]
            yield from new
            seen.update(one.id for one in new)
            if len(page) < PAGE or not new:
                return
        raise DeskError(f"The ticket {number} has more {what} than can be read.", "Use another ticket.")

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        """What stands on the ticket, oldest first; what the contact wrote by mail is none. Raises UnknownTicket."""
        return [_comment(one) for one in reversed(list(self._comments(self._read(ticket_id).id)))]

    def raised(self, since: datetime) -> Sequence[Raised]:
        """The open tickets that people raised in the queue after ``since``, oldest first. Raises DeskCannot."""
        require(self, DeskAbility.RAISED)
        found = []
        for row in self._finder.newest(self._names.queue(), since):
            if row.created is None or row.created <= since or row.reference(self._account.reference_field):
                continue
            try:
                whole = self._read(row.id)
            except UnknownTicket:  # deleted since the list was read
                continue
            if (
                whole.id != row.id
                or whole.reference(self._account.reference_field)  # the list does not show it everywhere
                or _status(whole) is TicketStatus.CLOSED
                or not whole.fits(self._account.queue_filter)
                or is_marked(as_text(whole.description or ""))  # one of ours that kept no reference
            ):
                continue
            found.append(Raised(_ticket(whole), whole.email or "", as_text(whole.description or ""), row.created))
        return sorted(found, key=lambda one: (one.at, int(one.ticket.id)))

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file, and read it back by name and size; what has both is there already. Raises UnknownTicket."""
        row = self._alive(ticket_id)
        if len(content) > LARGEST_FILE:
            raise DeskError(
                f"{name} is larger than the {LARGEST_FILE // 1_000_000} MB that {self._api.name} takes.",
                "Attach a link to it by hand.",
            )
        there = self._file(row.id, name, len(content))
        if there is not None:
            return there
        refuse_to_pile_up(self._api.name, f"#{row.number}", name, [one.name for one in self._files(row.id)])
        part = {"file": (name, content, media_type)}
        params = {"isPublic": "false"}
        lost = attempt(
            lambda: self._known(
                self._api.call("POST", f"tickets/{row.id}/attachments", params=params, files=part), ticket_id
            )
        )
        there = self._file(row.id, name, len(content))
        if there is not None:
            return there
        raise lost or DeskError(
            f"{self._api.name} took {name} for #{row.number}, and does not list it with its {len(content)} bytes.",
            "Look at the ticket's attachments; it is tried again.",
        )

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """Read the list of attachments. Raises UnknownTicket."""
        return [Attachment(one.id, one.name, one.size, None) for one in self._files(self._read(ticket_id).id)]

    def _file(self, number: str, name: str, size: int) -> Attachment | None:
        same = (one for one in self._files(number) if (one.name, one.size) == (name, size))
        return next((Attachment(one.id, one.name, one.size, None) for one in same), None)

    # -- a ticket that is there, or that another one stands for ----------------------------------------------------

    def _read(self, ticket_id: str) -> Row:
        if not is_id(ticket_id.strip()):
            raise _unknown(ticket_id)
        answer = self._known(self._api.call("GET", f"tickets/{ticket_id.strip()}"), ticket_id)
        row = self._api.one(answer, ROW)
        if row.trashed:
            raise _unknown(ticket_id)
        if not row.status_type:
            raise self._api.not_the_api()
        return row

    def _alive(self, ticket_id: str) -> Row:
        """The ticket that is written to: of one that was merged, the one that it was merged into, which is told so."""
        row = self._read(ticket_id)
        dead = ticket_id.strip()
        if row.id != dead and dead not in self._told:
            said = f"The ticket {dead} was merged into this one. Caseproof goes on here."
            self._comment(row, f"merged/{dead}", said, public=False)
            self._told.add(dead)
        return row

    def _known(self, answer: Answer, ticket_id: str) -> Answer:
        if answer.is_missing:
            raise _unknown(ticket_id)
        return answer


def _comment(row: CommentRow) -> Comment:
    """As others read it: one of ours without its mark. What people write is HTML, and a quotation of ours is theirs."""
    said, ours = (row.content or "").rstrip(), False
    if row.kind == "html":
        said = as_text(said)
    else:
        said, ours = unmarked(said), is_marked(said)
    return Comment(row.id, row.who, said, row.at or _LONG_AGO, ours=ours, public=row.is_public)


def _status(row: Row) -> TicketStatus:
    return TicketStatus.CLOSED if row.status_type.strip().lower() == _CLOSED else TicketStatus.OPEN


def _ticket(row: Row) -> Ticket:
    return Ticket(row.id, row.subject or "", _status(row), row.url or "")


def _unknown(ticket_id: str) -> UnknownTicket:
    return UnknownTicket(
        f"There is no ticket {ticket_id.strip()!r} in Zoho Desk, or it was deleted.",
        "Restore it from the recycle bin there, or give the number in the address of its page (not the short #number).",
    )
