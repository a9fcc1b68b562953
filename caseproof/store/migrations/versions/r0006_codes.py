"""Codes beside the sentences: what is wrong in a case, why it rests, and why a message ended where it did."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.domain.old_words import old_message, old_rest, old_trouble
from caseproof.store.migrations import guards, guards_0006

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS = {"cases": ("trouble_code", "rest_code"), "messages": ("code",)}
_CASES = sa.table("cases", *(sa.column(name) for name in ("id", "trouble", "rest_until", "rest_why", "rest_code")))
_EVENTS = sa.table(
    "events",
    sa.column("case_id", sa.Integer),
    sa.column("seq", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("data", sa.JSON),
)
_MESSAGES = sa.table("messages", sa.column("id"), sa.column("place"), sa.column("why"))
_OTHER = "other"


def upgrade() -> None:
    """Add these, and fill them for what is there by the frozen tables of ``domain/old_words.py``."""
    for table, names in _COLUMNS.items():
        for name in names:
            op.add_column(table, sa.Column(name, sa.String, nullable=False, server_default=""))
    connection = op.get_bind()
    _write(connection, "cases", "trouble_code", _troubles(connection))
    rests = sa.select(_CASES.c.id, _CASES.c.rest_why).where(_CASES.c.rest_until.is_not(None))
    _write(connection, "cases", "rest_code", _each(connection, rests, old_rest))
    replies = sa.select(_MESSAGES.c.id, _MESSAGES.c.why).where(_MESSAGES.c.place == "reply")
    _write(connection, "messages", "code", _each(connection, replies, lambda why: old_message(why) or _OTHER))
    guards.make(connection, guards_0006.GUARDS)


def downgrade() -> None:
    """Take them away again; the sentences stay, by which the program of before decides."""
    guards.drop(op.get_bind(), guards_0006.GUARDS)
    for table, names in _COLUMNS.items():
        for name in names:
            op.drop_column(table, name)


def _each(connection: sa.Connection, query: sa.Select[Any], code: Callable[[str], str]) -> list[tuple[int, str]]:
    return [(number, code(str(why))) for number, why in connection.execute(query)]


def _troubles(connection: sa.Connection) -> Iterable[tuple[int, str]]:
    """The code of the trouble that each case is in: few are in any."""
    for number in connection.scalars(sa.select(_CASES.c.id).where(_CASES.c.trouble != "")).all():
        latest = (
            sa.select(_EVENTS.c.data)
            .where(_EVENTS.c.case_id == number, _EVENTS.c.kind == "trouble")
            .order_by(_EVENTS.c.seq.desc())
            .limit(1)
        )
        with suppress(sa.exc.OperationalError, ValueError):  # damaged past us: the audit finds it, not a migration
            data = connection.scalar(latest)
            if isinstance(data, dict):
                old = old_trouble(str(data.get("step", "")), str(data.get("problem", "")))
                yield number, str(data.get("code") or old or _OTHER)


def _write(connection: sa.Connection, table: str, name: str, codes: Iterable[tuple[int, str]]) -> None:
    here = sa.table(table, sa.column("id"), sa.column(name))
    for number, code in codes:
        # A case that was forged is refused by the guards: it stops no migration, and the audit names it all the same.
        with suppress(sa.exc.DatabaseError), connection.begin_nested():
            connection.execute(sa.update(here).where(here.c.id == number).values({name: code}))
