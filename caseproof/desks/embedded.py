"""The desk that comes with Caseproof: tickets in the store, their files in the vault."""

from __future__ import annotations

import re
from collections.abc import Sequence

from caseproof.config.clock import Clock
from caseproof.desks.base import Attachment, Ticket, TicketStatus, UnknownTicket
from caseproof.evidence.vault import Vault
from caseproof.store.store import Store
from caseproof.store.tickets import AttachmentRow, TicketRow
from caseproof.store.unit import UnitOfWork

_ID = re.compile(r"T-([0-9]{6,18})")


class EmbeddedDesk:
    """A ``Desk`` on the store. ``url_base`` is what a ticket's address starts with, or empty for none."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, url_base: str = "") -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._url_base = url_base.rstrip("/")

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any."""
        with self._store.reading() as unit:
            row = unit.tickets.find(key)
        return self._ticket(row) if row else None

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before."""
        with self._store.unit() as unit:
            row = unit.tickets.create(key, subject, body, self._clock())
            unit.commit()
        return self._ticket(row)

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket. Raises UnknownTicket."""
        with self._store.reading() as unit:
            return self._ticket(_known(unit, ticket_id))

    def comment(self, ticket_id: str, key: str, text: str) -> None:
        """Add a comment once a key. Raises UnknownTicket."""
        with self._store.unit() as unit:
            unit.tickets.comment(_known(unit, ticket_id).id, key, text, self._clock())
            unit.commit()

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file; the same name with the same content is not attached twice. Raises UnknownTicket.

        The bytes are in the vault before the ticket lists them.
        """
        self.ticket(ticket_id)
        file = self._vault.put(content, name, media_type)
        with self._store.unit() as unit:
            number = _known(unit, ticket_id).id
            row = unit.tickets.attach(number, name, file.digest, file.size, media_type, self._clock())
            unit.commit()
        return _attachment(row)

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """The files on the ticket whose bytes are in the vault, unchanged. Raises UnknownTicket."""
        with self._store.reading() as unit:
            rows = unit.tickets.attachments(_known(unit, ticket_id).id)
        return [_attachment(row) for row in rows if self._vault.has(row.digest)]

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Set the status; read the ticket to see whether it took. Raises UnknownTicket."""
        with self._store.unit() as unit:
            unit.tickets.set_status(_known(unit, ticket_id).id, str(status), self._clock())
            unit.commit()

    def _ticket(self, row: TicketRow) -> Ticket:
        ticket_id = f"T-{row.id:06d}"
        url = f"{self._url_base}/tickets/{ticket_id}" if self._url_base else ""
        return Ticket(ticket_id, row.subject, TicketStatus(row.status), url)


def _known(unit: UnitOfWork, ticket_id: str) -> TicketRow:
    match = _ID.fullmatch(ticket_id.strip().upper())
    row = unit.tickets.get(int(match[1])) if match else None
    if row is None:
        raise UnknownTicket(
            f"There is no ticket {ticket_id.strip()!r}.", "`caseproof case show` names a case's ticket."
        )
    return row


def _attachment(row: AttachmentRow) -> Attachment:
    return Attachment(f"A-{row.id:06d}", row.name, row.size, row.digest)
