"""Request Tracker 5 as a ticket desk, by its REST2 API.

It takes no idempotency key, so the key stands in a custom field and is looked for before a ticket is made
(``rt_finding``). A comment ends in a short mark by which it is known, and so does a ticket's first text. Whatever is
written is read back: RT answers 200 to a status that it refuses, and 201 to a field that it leaves empty. Whether a
ticket is closed says its lifecycle: statuses are called whatever an RT calls them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import quote

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
from caseproof.desks.lost_answers import found_after_all
from caseproof.desks.marks import cut, is_marked, mark_of, marked, unmarked
from caseproof.desks.rt_api import RtApi
from caseproof.desks.rt_files import Files, part_of
from caseproof.desks.rt_finding import Finder
from caseproof.desks.rt_wire import (
    COMMENT,
    CORRESPOND,
    CREATE,
    LARGEST_FILE,
    LONGEST_REFERENCE,
    LONGEST_SUBJECT,
    LONGEST_TEXT,
    MADE,
    RESULTS,
    USER,
    Queue,
    Row,
    RtAccount,
    Thing,
    quoted,
)
from caseproof.domain.visible import one_line, visible
from caseproof.http.api import READ_SECONDS
from caseproof.http.client import Answer, Transport

T = TypeVar("T")

_TRIES = 4
"""So often a change is tried on a ticket that others change meanwhile."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_ZONES = timedelta(days=2)
"""RT reads a time in the zone of whoever asks, and does not say which one that is."""

ABILITIES = all_but(DeskAbility, depends={DeskAbility.RAISED: "where the block names a queue"})
"""What Request Tracker as a desk is able to do."""
_NO_QUEUE = Lack(
    "The block names no queue for it, so no ticket of this desk becomes a case by itself.",
    "Name the queue whose tickets are for Caseproof in the block (raised), or raise the case by hand.",
)


class RequestTracker:
    """A client of one queue of a Request Tracker. Safe to use from several threads."""

    def __init__(
        self,
        account: RtAccount,
        *,
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._account, self._sleep = account, sleep
        self._api = RtApi(account, transport=transport, sleep=sleep, read_seconds=read_seconds)
        self._finder = Finder(self._api)
        self._files = Files(self._api, self._finder)
        self._told: set[str] = set()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    @property
    def abilities(self) -> DeskAbilities:
        """What this desk, as it is set up, is able to do."""
        return ABILITIES.lacking({} if self._account.raised else {DeskAbility.RAISED: _NO_QUEUE})

    def probe(self) -> DeskProbe:
        """Whether it lets us in as who we say, has the queues and the field, takes the filter; what we may not do."""
        account = self._account
        answer = self._api.version()
        self._require_user()
        lacks = []
        queue = self._queue()
        if not queue.takes_tickets:
            lacks.append(f"Our account may not create tickets in {account.queue}. Give it CreateTicket there.")
        self._finder.find("caseproof doctor")
        mine = f"Queue = {quoted(account.queue)} AND Creator = '__CurrentUser__'"
        last = next(self._api.search(mine, newest_first=True), None)
        row = self._finder.read(last.id)[0] if last else None
        if row is not None:
            rights = {"comment": "CommentOnTicket", "correspond": "ReplyToTicket"}
            if queue.lifecycle == "default":  # another one may offer no status to those who may give it one
                rights["lifecycle"] = "ModifyTicket"
            lacks += [
                f"Our account has no right {right} in the queue {account.queue} (seen by #{row.id}). Give it that."
                for what, right in rights.items()
                if not row.allows(what)
            ]
        found = f"the queue {account.queue} can be read and searched"
        if account.raised:
            next(self._raised_after(answer.date or _LONG_AGO), None)  # what is wrong with the filter shows
            found += f"; so can {account.raised}"
        return DeskProbe(found, answer.date, tuple(lacks))

    def _require_user(self) -> None:
        account = self._account
        answer = self._api.call("GET", f"user/{quote(account.user, safe='')}")
        user = self._api.one(answer, USER) if answer.is_success else None
        if user is None or user.name.casefold() != account.user.casefold() or account.number not in ("", user.id):
            raise DeskError(
                f"{self._api.name} does not know us as '{account.user}': the token is another account's, or the "
                "account is none that RT lets see accounts.",
                "Give the name of the account that the token or the password is of, and make it a privileged one.",
            )

    # -- tickets ---------------------------------------------------------------------------------------------------

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any."""
        row = self._finder.find(key)
        return None if row is None else self._ticket(row)

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before; read back."""
        if not key.strip() or len(key) > LONGEST_REFERENCE:
            raise DeskError("A ticket without a reference, or with one this long, would not be found again.", "")
        standing = self.find(key)
        if standing is not None:
            return standing
        self._queue()
        account, subject = self._account, cut(one_line(subject), LONGEST_SUBJECT, len) or key
        nameless = self._finder.without_reference(key, subject)
        if nameless is not None:
            return self._named(nameless.id, key)
        wanted = {
            "Queue": account.queue,
            "Subject": subject,
            "Content": marked(visible(body), key, LONGEST_TEXT).lstrip(),
            "ContentType": "text/plain",
            "CustomFields": {account.reference_field: key},
            **({"Requestor": [account.requestor]} if account.requestor else {}),
        }
        try:
            answer = self._api.call("POST", "ticket", json=wanted)
        except DeskDown:
            return found_after_all(self.find, key, self._api.name, self._sleep)
        if not answer.is_success:
            raise self._api.refused(answer, f"Give our account the right CreateTicket in the queue {account.queue}.")
        return self._named(self._api.one(answer, MADE).id, key)

    def _named(self, number: str, key: str) -> Ticket:
        """The ticket that was made under this key, which is in its field: where RT left it empty, it is set now."""
        name = self._account.reference_field
        row = self._read(number)
        if not row.has(name, key):
            self._api.call("PUT", f"ticket/{number}", json={"CustomFields": {name: key}})
            row = self._read(number)
        if not row.has(name, key):
            raise DeskError(
                f"{self._api.name} made the ticket #{number} of {key} and does not keep its reference in {name}.",
                "Give our account the right ModifyCustomField for it; until then no other ticket is made.",
            )
        return self._ticket(row)

    def _queue(self) -> Queue:
        """Our queue. Raises DeskError where tickets would be made in it that are not found again."""
        account = self._account
        queue = self._api.queue(account.queue)
        if not queue.has_field(account.reference_field):
            raise DeskError(
                f"The queue {account.queue} of {self._api.name} has no custom field '{account.reference_field}' that "
                "our account sees, by which tickets are found.",
                "Make the field (docs/desk-rt.md), apply it to the queue, and give our account SeeCustomField for it.",
            )
        return queue

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket; of one that was merged into another, that other one. Raises UnknownTicket."""
        return self._ticket(self._read(ticket_id))

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Change the status where nobody else changed the ticket meanwhile, and read back. Raises UnknownTicket."""
        named = self._account.closed_status if status is TicketStatus.CLOSED else self._account.open_status
        self._alive(ticket_id)
        for _ in range(_TRIES):
            row, answer = self._asked(ticket_id)
            if self._status(row) is status:
                return
            headers = {"If-Match": _tag(answer)} if _tag(answer) else {}
            lost: DeskDown | None = None
            said = ""
            try:
                changed = self._api.call("PUT", f"ticket/{row.id}", json={"Status": named}, headers=headers)
            except DeskDown as down:
                lost = down
            else:
                if changed.status == 412:
                    continue
                said = self._results(changed)
            row = self._read(row.id)
            if self._status(row) is status:
                return
            raise lost or DeskError(
                f"{self._api.name} leaves #{row.id} '{row.status}', and not {status} ({said or 'it says nothing'}).",
                f"Name another status in the block, now '{named}', or give our account ModifyTicket; "
                f"RT offers as next: {', '.join(row.next_statuses) or 'none'}.",
            )
        raise DeskDown(
            f"The ticket #{ticket_id} in {self._api.name} was changed by somebody each time that its status was to be.",
            "It is tried again later.",
        )

    def _results(self, answer: Answer) -> str:
        """What RT says of a change, in a line: 200 says nothing."""
        if not answer.is_success:
            return str(self._api.refused(answer).problem)
        return "; ".join(one.strip() for one in self._api.one(answer, RESULTS) if one)[:300].rstrip(".")

    # -- comments and files ----------------------------------------------------------------------------------------

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        """Add a comment once a key, and read it back. ``public``: the requestor gets it, too. Raises UnknownTicket."""
        self._comment(self._alive(ticket_id), key, text, public=public)

    def _comment(self, row: Row, key: str, text: str, *, public: bool) -> None:
        mark = mark_of(key)
        if self._has(row, mark):
            return
        wanted = {"Content": marked(visible(text), key, LONGEST_TEXT).lstrip(), "ContentType": "text/plain"}
        if public and self._status(row) is TicketStatus.CLOSED:
            wanted["Status"] = row.status  # else what is said in public opens it again
        self._written(row, "correspond" if public else "comment", wanted, lambda: self._has(row, mark) or None)

    def _written(self, row: Row, how: str, wanted: Mapping[str, object], there: Callable[[], T | None]) -> T:
        """Write it, and see that it is there, also where the answer was lost: what ``there`` found."""
        lost: DeskDown | None = None
        try:
            answer = self._api.call("POST", f"ticket/{row.id}/{how}", json=wanted)
        except DeskDown as down:
            lost = down
        else:
            if not answer.is_success:
                raise self._api.refused(answer)
        found = there()
        if found is None:
            raise lost or DeskError(
                f"{self._api.name} took what was written on #{row.id} ({how}), and does not show it.",
                "Has our account the right ShowTicketComments? Look at the ticket; it is tried again.",
            )
        return found

    def _has(self, row: Row, mark: str) -> bool:
        """Whether our comment is there; what somebody else ends so is none."""
        said = self._finder.said(row.id, (COMMENT, CORRESPOND), by_us=True)
        return any(one.text.rstrip().endswith(mark) for one in said)

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        """What stands on the ticket, oldest first; ours without their marks. Raises UnknownTicket."""
        found = []
        for one in self._finder.said(self._read(ticket_id).id, (COMMENT, CORRESPOND)):
            ours = one.plain and is_marked(one.text) and self._api.is_us(one.done.creator)
            text = unmarked(one.text) if ours else one.text
            who = (one.done.creator or Thing()).who
            at = one.done.at.astimezone(UTC) if one.done.at else _LONG_AGO
            found.append(Comment(one.done.id, who, text, at, ours=ours, public=one.done.kind == CORRESPOND))
        return found

    def raised(self, since: datetime) -> Sequence[Raised]:
        """The open tickets that people raised in the queue after ``since``, oldest first. Raises DeskCannot."""
        require(self, DeskAbility.RAISED)
        account, found = self._account, []
        for row in self._raised_after(since):
            if row.created is None or row.created <= since:
                continue
            by = next((one.email for one in (*row.requestors, row.creator) if one and one.email), "")
            body = next((one.text for one in self._finder.said(row.id, (CREATE,))), "")
            ticket = Ticket(row.id, row.subject or "", TicketStatus.OPEN, account.page_of(row.id))
            found.append(Raised(ticket, by or (row.creator or Thing()).who, body, row.created.astimezone(UTC)))
        return sorted(found, key=lambda one: (one.at, int(one.ticket.id)))

    def _raised_after(self, since: datetime) -> Iterator[Row]:
        """The tickets that people raised after ``since``, and some that are a little older."""
        account = self._account
        asked = (
            f"Queue = {quoted(account.raised)} AND Status = '__Active__' AND Creator != '__CurrentUser__' "
            f"AND 'CF.{{{account.reference_field}}}' IS NULL AND Created > '{since.astimezone(UTC) - _ZONES:%Y-%m-%d}'"
        )
        if account.raised_filter.strip():
            asked += f" AND ({account.raised_filter.strip()})"
        self._api.queue(account.raised)  # the search knows no ticket of a queue that there is not
        yield from self._api.search(asked)

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file by a comment, and read it back byte for byte; what is there already is not attached twice.

        Raises UnknownTicket.
        """
        if not 0 < len(content) <= LARGEST_FILE:
            raise DeskError(
                f"{name} has {len(content)} bytes: {self._api.name} takes files of 1 byte to {LARGEST_FILE >> 20} MB.",
                "Attach a link to it by hand.",
            )
        row = self._alive(ticket_id)
        there = self._files.find(row.id, name, content)
        if there is not None:
            return there
        refuse_to_pile_up(self._api.name, f"#{row.id}", name, self._files.names(row.id))
        digest = hashlib.sha256(content).hexdigest()
        said = marked(one_line(name), f"{row.id} {name} {digest}", LONGEST_TEXT)
        wanted = {"Content": said, "ContentType": "text/plain", "Attachments": [part_of(name, content, media_type)]}
        return self._written(row, "comment", wanted, lambda: self._files.find(row.id, name, content))

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """The list of attachments, with what is in those that our account attached. Raises UnknownTicket."""
        return self._files.listed(self._read(ticket_id).id)

    # -- a ticket that is there, or that another one stands for ----------------------------------------------------

    def _asked(self, ticket_id: str) -> tuple[Row, Answer]:
        number = self._account.id_in(ticket_id)
        if not number:
            raise self._unknown(ticket_id)
        row, answer = self._finder.read(number)
        if answer.status == 403:
            raise self._api.refused(
                answer,
                f"Give our account the right ShowTicket in the queue of #{number}, where it may have been moved.",
            )
        if row is None:
            self._api.version()  # or there is no RT behind this address
            raise self._unknown(ticket_id)
        if row.is_deleted:
            raise self._unknown(ticket_id)
        return row, answer

    def _read(self, ticket_id: str) -> Row:
        return self._asked(ticket_id)[0]

    def _alive(self, ticket_id: str) -> Row:
        """The ticket that is written to: of one that was merged, the one that it was merged into, which is told so."""
        row, dead = self._read(ticket_id), self._account.id_in(ticket_id)
        if row.id != dead and dead not in self._told:
            said = f"The ticket #{dead} was merged into this one. Caseproof goes on here."
            self._comment(row, f"merged/{dead}", said, public=False)
            self._told.add(dead)
        return row

    def _unknown(self, ticket_id: str) -> UnknownTicket:
        return UnknownTicket(
            f"There is no ticket {ticket_id.strip()[:80]!r} in {self._api.name}, or it was deleted.",
            "Give it another status there if it was deleted, or name the ticket by its number or its page's address.",
        )

    def _status(self, row: Row) -> TicketStatus:
        return TicketStatus.CLOSED if self._finder.is_inactive(row) else TicketStatus.OPEN

    def _ticket(self, row: Row) -> Ticket:
        return Ticket(row.id, row.subject or "", self._status(row), self._account.page_of(row.id))


def _tag(answer: Answer) -> str:
    """The ETag as RT gave it: a web server in front that packs answers adds to it."""
    tag = answer.headers.get("etag", "").removeprefix("W/")
    return f'"{tag.strip(chr(34)).removesuffix("-gzip").removesuffix(";gzip")}"' if tag else ""
