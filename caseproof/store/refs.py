"""Case references: ``JF-000001``, in capitals or not."""

from __future__ import annotations

import re

from sqlalchemy import Connection, select

from caseproof.store.errors import UnknownCase
from caseproof.store.tables import cases

_REF = re.compile(r"JF-[0-9]{6,18}")


def make_ref(number: int) -> str:
    """The reference of the case with this row number."""
    return f"JF-{number:06d}"


def normal(ref: str) -> str:
    """The reference as the store spells it. Raises UnknownCase for what can be none."""
    spelled = ref.strip().upper()
    if not _REF.fullmatch(spelled):
        raise UnknownCase(ref)
    return spelled


def case_id(connection: Connection, ref: str) -> int:
    """The row number of a case. Raises UnknownCase."""
    found: int | None = connection.scalar(select(cases.c.id).where(cases.c.ref == normal(ref)))
    if found is None:
        raise UnknownCase(ref)
    return found
