"""Which evidence files belong to which case; their content is in the vault, under the digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from caseproof.store.refs import case_id, normal
from caseproof.store.rows import insert_once
from caseproof.store.tables import cases, evidence, messages, ticket_attachments


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """An evidence file of a case: ``digest`` is its hex SHA-256, ``size`` counts bytes."""

    ref: str
    digest: str
    name: str
    media_type: str
    size: int
    at: datetime


class EvidenceList:
    """Every query about evidence rows. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, ref: str, digest: str, name: str, media_type: str, size: int, at: datetime) -> None:
        """List a file with a case; twice is harmless (its first name stays). Raises UnknownCase."""
        row = {"digest": digest, "name": name, "media_type": media_type, "size": size, "at": at}
        insert_once(self._connection, insert(evidence).values(case_id=case_id(self._connection, ref), **row))

    def of(self, ref: str) -> list[EvidenceRow]:
        """The evidence of a case, oldest first. Raises UnknownCase for what can be no reference."""
        query = _query().where(cases.c.ref == normal(ref)).order_by(evidence.c.at, evidence.c.digest)
        return [_row(found) for found in self._connection.execute(query)]

    def find(self, digest: str) -> EvidenceRow | None:
        """The evidence with this digest, of the oldest case that has it."""
        found = self._connection.execute(_query().where(evidence.c.digest == digest).order_by(cases.c.id)).first()
        return _row(found) if found else None

    def cases_with(self, digest: str) -> list[str]:
        """The cases that have this very file, oldest first."""
        query = select(cases.c.ref).join_from(evidence, cases).where(evidence.c.digest == digest).order_by(cases.c.id)
        return [str(ref) for (ref,) in self._connection.execute(query)]

    def named(self) -> dict[str, str]:
        """Every file that the store names: by its digest, what it is, for people."""
        of_cases = select(evidence.c.digest, evidence.c.name, cases.c.ref).join_from(evidence, cases)
        of_tickets = select(ticket_attachments.c.digest, ticket_attachments.c.name, ticket_attachments.c.ticket)
        told = self._connection.execute
        found = {digest: f"message {number}" for digest, number in told(select(messages.c.digest, messages.c.id))}
        found |= {digest: f"{name} on T-{number:06d}" for digest, name, number in told(of_tickets)}
        return found | {digest: f"{name} of {ref}" for digest, name, ref in told(of_cases)}


def _query() -> Select[Any]:
    names = EvidenceRow.__dataclass_fields__.keys() - {"ref"}
    return select(cases.c.ref, *(evidence.c[name] for name in sorted(names))).join_from(evidence, cases)


def _row(found: Any) -> EvidenceRow:
    return EvidenceRow(**found._mapping)
