"""The rows of the embedded desk: tickets, comments and attachments (whose bytes are in the vault)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, insert, select, update

from caseproof.store.rows import insert_once, next_number, row_number
from caseproof.store.tables import ticket_attachments, ticket_comments, tickets


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket; ``key`` is the idempotency key it was made with, ``status`` is "open" or "closed"."""

    id: int
    key: str
    subject: str
    body: str
    status: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CommentRow:
    """A comment on a ticket, written once a key."""

    ticket: int
    key: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """A file on a ticket: ``digest`` is its hex SHA-256, ``size`` counts bytes."""

    id: int
    ticket: int
    name: str
    digest: str
    size: int
    media_type: str
    at: datetime


class Tickets:
    """Every query about the embedded desk's tickets. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, key: str, subject: str, body: str, at: datetime) -> TicketRow:
        """Make a ticket, or give the one that this key made before."""
        made = self.find(key)
        if made is not None:
            return made
        row = {
            "id": next_number(self._connection, tickets),
            "key": key,
            "subject": subject,
            "body": body,
            "status": "open",
            "created_at": at,
            "updated_at": at,
        }
        insert_once(self._connection, insert(tickets).values(**row))
        return self._tickets(tickets.c.key == key)[0]

    def find(self, key: str) -> TicketRow | None:
        """The ticket that was made with this key."""
        return next(iter(self._tickets(tickets.c.key == key)), None)

    def get(self, number: int) -> TicketRow | None:
        """The ticket with this number."""
        return next(iter(self._tickets(tickets.c.id == row_number(number))), None)

    def rows(self) -> list[TicketRow]:
        """Every ticket, oldest first."""
        return self._tickets()

    def set_status(self, number: int, status: str, at: datetime) -> None:
        """Write the ticket's status."""
        change = update(tickets).where(tickets.c.id == number).values(status=status, updated_at=at)
        self._connection.execute(change)

    def comment(self, number: int, key: str, text: str, at: datetime) -> None:
        """Add a comment; once a key, the first text stays."""
        row = {"ticket": number, "key": key, "text": text, "at": at}
        if insert_once(self._connection, insert(ticket_comments).values(**row)) is not None:
            self._touch(number, at)

    def comments(self, number: int) -> list[CommentRow]:
        """The comments of a ticket, oldest first."""
        query = select(*(ticket_comments.c[name] for name in CommentRow.__dataclass_fields__))
        found = self._connection.execute(query.where(ticket_comments.c.ticket == number).order_by(ticket_comments.c.id))
        return [CommentRow(**row._mapping) for row in found]

    def attach(self, number: int, name: str, digest: str, size: int, media_type: str, at: datetime) -> AttachmentRow:
        """List a file with a ticket, or give the row of the same name and content."""
        row = {
            "ticket": number,
            "name": name,
            "digest": digest,
            "size": size,
            "media_type": media_type,
            "at": at,
        }
        if insert_once(self._connection, insert(ticket_attachments).values(**row)) is not None:
            self._touch(number, at)
        return next(a for a in self.attachments(number) if (a.name, a.digest) == (name, digest))

    def attachments(self, number: int) -> list[AttachmentRow]:
        """The files listed with a ticket, oldest first."""
        query = select(ticket_attachments).where(ticket_attachments.c.ticket == number)
        found = self._connection.execute(query.order_by(ticket_attachments.c.id))
        return [AttachmentRow(**row._mapping) for row in found]

    def _touch(self, number: int, at: datetime) -> None:
        self._connection.execute(update(tickets).where(tickets.c.id == number).values(updated_at=at))

    def _tickets(self, *where: ColumnElement[bool]) -> list[TicketRow]:
        found = self._connection.execute(select(tickets).where(*where).order_by(tickets.c.id))
        return [TicketRow(**row._mapping) for row in found]
