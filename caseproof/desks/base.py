"""What Caseproof asks of a ticket desk: the embedded one, Zoho Desk, Jira and others implement it.

``key`` arguments are idempotency keys (the case reference, or the case and step): a desk that takes none must look
first and return what is there. Attachments and the status are read back from the desk; a success status proves nothing.

DeskError                  the desk could not do it: it answered, and said no
├── DeskDown               not reachable, hanging or overloaded: worth trying again later
├── DeskCannot             it is not able to: its client declares so (``desks/abilities.py``)
└── UnknownTicket          there is no such ticket (any more)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from caseproof.desks.abilities import DeskAbilities, DeskAbility
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.domain.visible import one_line
from caseproof.http.redaction import WordsOfOthers, redact, without_secrets

_HALVES = re.compile("[\ud800-\udfff]")
_NAME_READ, _LONGEST_NAME = 10_000, 300


class DeskError(WordsOfOthers):
    """The desk could not do it."""

    code = Code.DESK_REFUSED


class DeskDown(DeskError):
    """Not reachable, hanging or overloaded: worth trying again."""

    code = Code.DESK_DOWN


class DeskCannot(DeskError):
    """The desk is not able to do it, whoever asks and however often: why, and what a person does instead."""

    code = Code.DESK_CANNOT


class UnknownTicket(DeskError, BadInput):
    """There is no such ticket (any more)."""

    code = Code.TICKET_GONE


class TicketStatus(StrEnum):
    """Open or closed; a desk's own finer statuses map to these two."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as the desk tells it. ``url`` is where a person reads it, or empty."""

    id: str
    subject: str
    status: TicketStatus
    url: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", _words(self.subject))


def _words(text: str) -> str:
    """What people wrote, as the store takes it."""
    return _HALVES.sub("\ufffd", without_secrets(text))


def _name(text: str) -> str:
    return redact(one_line(text[:_NAME_READ]))[:_LONGEST_NAME]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on a ticket as the desk tells it; ``size`` in bytes; ``sha256`` where the desk can say it."""

    id: str
    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """What stands on a ticket. ``ours``: Caseproof wrote it; ``public``: the desk's customer reads it, too."""

    id: str
    by: str
    text: str
    at: datetime
    ours: bool
    public: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", _name(self.by))
        object.__setattr__(self, "text", _words(self.text))


@dataclass(frozen=True, slots=True)
class Raised:
    """A ticket that a person raised on the desk: ``by`` whom (an address where the desk tells it), when, and why.

    Somebody raised it, also where the desk does not tell who, or a name that nobody sees.
    """

    ticket: Ticket
    by: str
    body: str
    at: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", _name(self.by) or "somebody at the desk")
        object.__setattr__(self, "body", _words(self.body))


@dataclass(frozen=True, slots=True)
class DeskProbe:
    """What a desk answered when it was only asked whether it is there: ``found`` is a sentence for people.

    ``clock`` is the desk's own time when it answered, where it tells it. ``lacks``: what we are not allowed to do
    there, a sentence each with what to do about it.
    """

    found: str
    clock: datetime | None = None
    lacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", redact(self.found))
        object.__setattr__(self, "lacks", tuple(map(redact, self.lacks)))


class Desk(Protocol):
    """A client of one ticket desk.

    What it is not able to do, it declares in ``abilities`` and answers with DeskCannot (``require``).
    """

    @property
    def abilities(self) -> DeskAbilities:
        """What this desk, as it is set up, is able to do."""

    def close(self) -> None:
        """Close the connections. Repeating it is harmless."""

    def probe(self) -> DeskProbe:
        """Read a little of the desk's tickets: whether it answers, lets us in, and what its clock says."""

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any."""

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before."""

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket. Raises UnknownTicket."""

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        """Add a comment once a key: for the team alone, or one that the desk's customer reads, too."""

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        """What stands on the ticket, oldest first. Raises UnknownTicket."""

    def raised(self, since: datetime) -> Sequence[Raised]:
        """The tickets that people raised there after ``since`` and that are for us, oldest first; none of our own."""

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file; the same name with the same content is not attached twice."""

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """Read the list of attachments."""

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Ask for a status; read the ticket to see whether it took."""


MOST_OF_A_NAME = 5
"""So many files of one name may be on a ticket before another one is sent."""


def refuse_to_pile_up(desk: str, ticket: str, name: str, there: Iterable[str]) -> None:
    """Raises DeskError where so many files of this name are there that none is as it was sent: each try left one.

    ``desk`` and ``ticket`` are what people call them, ``there`` the names of all files on the ticket.
    """
    same = sum(one == name for one in there)
    if same >= MOST_OF_A_NAME:
        raise DeskError(
            f"{ticket} in {desk} has {same} files called {name}, and gives back none of them as it was sent.",
            "See what the desk does with files (a scanner that rewrites them?), and remove those; no more are sent.",
        )


def require(desk: Desk, ability: DeskAbility, of: str = "") -> None:
    """Raises DeskCannot where the desk lacks this ability: why, and what a person does instead.

    ``of`` is the ticket that it was asked for.
    """
    if lack := desk.abilities.lacks.get(ability):
        raise DeskCannot(f"{of}: {lack.why}" if of else lack.why, lack.instead)
