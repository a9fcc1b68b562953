"""What Caseproof asks of a ticket desk: the embedded one, Zoho Desk, Jira and others implement it.

``key`` arguments are idempotency keys (the case reference, or the case and step): a desk that takes none must look
first and return what is there. Attachments and the status are read back from the desk; a success status proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.http.redaction import WordsOfOthers


class DeskError(WordsOfOthers):
    """The desk could not do it."""

    code = Code.DESK_REFUSED


class DeskDown(DeskError):
    """Not reachable, hanging or overloaded: worth trying again."""

    code = Code.DESK_DOWN


class UnknownTicket(DeskError, BadInput):
    """There is no such ticket."""


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


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file on a ticket as the desk tells it; ``size`` in bytes; ``sha256`` where the desk can say it."""

    id: str
    name: str
    size: int
    sha256: str | None


class Desk(Protocol):
    """A client of one ticket desk."""

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any."""

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before."""

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket. Raises UnknownTicket."""

    def comment(self, ticket_id: str, key: str, text: str) -> None:
        """Add a comment once a key."""

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file; the same name with the same content is not attached twice."""

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """Read the list of attachments."""

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Ask for a status; read the ticket to see whether it took."""
