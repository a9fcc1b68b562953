"""The desk that comes with Caseproof: tickets in the store, their files in the vault."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from caseproof.config.clock import Clock
from caseproof.desks.abilities import DeskAbilities, DeskAbility, Lack, all_but
from caseproof.desks.base import (
    Attachment,
    Comment,
    DeskProbe,
    Raised,
    Ticket,
    TicketStatus,
    UnknownTicket,
    require,
)
from caseproof.evidence.vault import Vault
from caseproof.store.store import Store
from caseproof.store.tickets import AttachmentRow, TicketRow
from caseproof.store.uow import UnitOfWork

ABILITIES = all_but(
    DeskAbility,
    {
        DeskAbility.COMMENT_PUBLIC: Lack(
            "Nobody but the team reads its tickets.", "The retailer is told by mail, on the case's page."
        ),
        DeskAbility.RAISED: Lack(
            "Its tickets are made by Caseproof alone.",
            "Raise the case on the page Cases, or with `caseproof case open`.",
        ),
        DeskAbility.CLOCK: Lack(
            "It is in Caseproof's own store, and has no clock of its own.", "Nobody has to: the store's is compared."
        ),
    },
)
"""What the desk that comes with Caseproof is able to do."""

_ID = re.compile(r"T-([0-9]{6,18})")


class EmbeddedDesk:
    """A ``Desk`` on the store. ``url_base`` is what a ticket's address starts with, or empty for none."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, url_base: str = "") -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._url_base = url_base.rstrip("/")

    @property
    def abilities(self) -> DeskAbilities:
        """What this desk is able to do."""
        return ABILITIES

    def close(self) -> None:
        """Nothing is open between two calls."""

    def probe(self) -> DeskProbe:
        """Read whether the store's tickets can be read."""
        self.find("caseproof doctor")
        return DeskProbe("its tickets can be read")

    def find(self, key: str) -> Ticket | None:
        """The ticket that was created with this key, if any."""
        with self._store.reading() as uow:
            row = uow.tickets.find(key)
        return self._ticket(row) if row else None

    def create(self, key: str, subject: str, body: str) -> Ticket:
        """Create a ticket, or return the one that this key created before."""
        with self._store.uow() as uow:
            row = uow.tickets.create(key, subject, body, self._clock())
            uow.commit()
        return self._ticket(row)

    def ticket(self, ticket_id: str) -> Ticket:
        """Read a ticket. Raises UnknownTicket."""
        with self._store.reading() as uow:
            return self._ticket(_known(uow, ticket_id))

    def comment(self, ticket_id: str, key: str, text: str, *, public: bool = False) -> None:
        """Add a comment once a key. Raises UnknownTicket, DeskCannot."""
        if public:
            require(self, DeskAbility.COMMENT_PUBLIC)
        with self._store.uow() as uow:
            uow.tickets.comment(_known(uow, ticket_id).id, key, text, self._clock())
            uow.commit()

    def comments(self, ticket_id: str) -> Sequence[Comment]:
        """What stands on the ticket, oldest first. Raises UnknownTicket."""
        with self._store.reading() as uow:
            rows = uow.tickets.comments(_known(uow, ticket_id).id)
        return [Comment(row.key, "Caseproof", row.text, row.at, ours=True) for row in rows]

    def raised(self, since: datetime) -> Sequence[Raised]:  # noqa: ARG002
        """Raises DeskCannot: nobody but Caseproof makes a ticket here."""
        require(self, DeskAbility.RAISED)
        return []

    def attach(self, ticket_id: str, name: str, content: bytes, media_type: str) -> Attachment:
        """Attach a file; the same name with the same content is not attached twice. Raises UnknownTicket.

        The bytes are in the vault before the ticket lists them.
        """
        self.ticket(ticket_id)
        file = self._vault.put(content, name, media_type)
        with self._store.uow() as uow:
            number = _known(uow, ticket_id).id
            row = uow.tickets.attach(number, name, file.digest, file.size, media_type, self._clock())
            uow.commit()
        return _attachment(row)

    def attachments(self, ticket_id: str) -> Sequence[Attachment]:
        """The files on the ticket whose bytes are in the vault, unchanged. Raises UnknownTicket."""
        with self._store.reading() as uow:
            rows = uow.tickets.attachments(_known(uow, ticket_id).id)
        return [_attachment(row) for row in rows if self._vault.has(row.digest)]

    def set_status(self, ticket_id: str, status: TicketStatus) -> None:
        """Set the status; read the ticket to see whether it took. Raises UnknownTicket."""
        with self._store.uow() as uow:
            uow.tickets.set_status(_known(uow, ticket_id).id, str(status), self._clock())
            uow.commit()

    def _ticket(self, row: TicketRow) -> Ticket:
        ticket_id = f"T-{row.id:06d}"
        url = f"{self._url_base}/tickets/{ticket_id}" if self._url_base else ""
        return Ticket(ticket_id, row.subject, TicketStatus(row.status), url)


def _known(uow: UnitOfWork, ticket_id: str) -> TicketRow:
    match = _ID.fullmatch(ticket_id.strip().upper())
    row = uow.tickets.get(int(match[1])) if match else None
    if row is None:
        raise UnknownTicket(
            f"There is no ticket {ticket_id.strip()!r}.", "`caseproof case show` names a case's ticket."
        )
    return row


def _attachment(row: AttachmentRow) -> Attachment:
    return Attachment(f"A-{row.id:06d}", row.name, row.size, row.digest)
