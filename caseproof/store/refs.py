"""Case references: ``JF-000001``, in capitals or not. The prefix is the procedure's, the number the row's.

A number is given once in a store, whatever the procedure: nobody takes JF-000007 for another procedure's 7.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, select

from caseproof.domain.procedure import prefixes
from caseproof.store.errors import UnknownCase
from caseproof.store.tables import cases

_REF = re.compile(r"([A-Z]{2})-[0-9]{6,18}")


def make_ref(prefix: str, number: int) -> str:
    """The reference of the case with this row number, of the procedure with this prefix."""
    return f"{prefix}-{number:06d}"


def normal(ref: str) -> str:
    """The reference as the store spells it. Raises UnknownCase for what can be none."""
    spelled = ref.strip().upper()
    found = _REF.fullmatch(spelled)
    if found is None or found[1] not in prefixes():
        raise UnknownCase(ref)
    return spelled


def case_id(connection: Connection, ref: str) -> int:
    """The row number of a case. Raises UnknownCase."""
    found: int | None = connection.scalar(select(cases.c.id).where(cases.c.ref == normal(ref)))
    if found is None:
        raise UnknownCase(ref)
    return found
