"""What is owed yet, as a list of its own: nothing that failed late is forgotten, closed cases' mail and tickets too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)
_LATELY = timedelta(days=7)
"""How long ago a case may have closed that is looked at once more: as long as its run was looked after before."""


def upgrade() -> None:
    """Make the list, and put on it what open cases have trouble with, and what lately closed ones may owe.

    What turns out to be owed to nobody is taken off with the first look.
    """
    op.create_table(
        "owed",
        sa.Column("ref", sa.String, primary_key=True),
        sa.Column("what", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("since", _WHEN, nullable=False),
        sa.Column("next_at", _WHEN),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("told", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_owed_next_at", "owed", ["next_at"])
    op.create_index("ix_owed_key", "owed", ["key"])
    connection = op.get_bind()
    rows = [*_troubles(connection), *_closed(connection)]
    if rows:
        columns = ("ref", "what", "key", "since", "next_at", "tries", "code", "trouble", "told")
        connection.execute(sa.insert(sa.table("owed", *(sa.column(name) for name in columns))), rows)


def _cases() -> sa.TableClause:
    columns = ("id", "ref", "opening", "trouble", "trouble_code", "ticket_closed", "closed", "closed_at")
    return sa.table("cases", *(sa.column(name) for name in columns))


_EVENTS = sa.table("events", *(sa.column(name) for name in ("case_id", "seq", "kind", "at", "data")))


def _troubles(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    """The open cases in which a step needs help: the step stands in the latest of these events alone. Those before it
    are over, and nothing would ever take them off the list."""
    cases = _cases()
    query = (
        sa.select(cases.c.ref, cases.c.trouble, cases.c.trouble_code, _EVENTS.c.at, _EVENTS.c.data)
        .join_from(cases, _EVENTS, _EVENTS.c.case_id == cases.c.id)
        .where(cases.c.closed.is_(False), cases.c.trouble != "", _EVENTS.c.kind == "trouble")
        .order_by(cases.c.id, _EVENTS.c.seq)
    )
    latest = {row.ref: row for row in connection.execute(query)}
    for row in latest.values():
        if step := _step(row.data):
            code = row.trouble_code or "other"
            again = None if code == "still_running" else row.at
            yield _row(row.ref, "step", step, row.at, again, code, row.trouble)


def _step(data: object) -> str:
    """The step that an event names; "" where it was damaged or forged: such a case stops no migration."""
    try:
        said = json.loads(data) if isinstance(data, str | bytes) else data
    except ValueError:
        return ""
    step = said.get("step") if isinstance(said, dict) else None
    return step if isinstance(step, str) and "\0" not in step else ""


def _closed(connection: sa.Connection) -> Iterator[dict[str, Any]]:
    cases = _cases()
    query = sa.select(cases.c.ref, cases.c.opening, cases.c.ticket_closed, cases.c.closed_at).where(
        cases.c.closed_at >= _as_kept(connection, datetime.now(UTC) - _LATELY)
    )
    for row in connection.execute(query):
        key = str(row.opening)
        yield _row(row.ref, "recovery", key, row.closed_at, row.closed_at)
        if not row.ticket_closed:
            yield _row(row.ref, "ticket", key, row.closed_at, row.closed_at)


def _as_kept(connection: sa.Connection, at: datetime) -> object:
    """A time as the database has it: microseconds since 1970 in SQLite, which has no type for it."""
    since = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return since if connection.dialect.name == "sqlite" else at


def _row(
    ref: str, what: str, key: str, since: object, again: object, code: str = "", trouble: str = ""
) -> dict[str, Any]:
    """Times go through as the database has them."""
    about = {"ref": ref, "what": what, "key": key, "since": since, "next_at": again}
    return {**about, "tries": 0, "code": code, "trouble": trouble, "told": 0}


def downgrade() -> None:
    """Take it away again; the events stay, and with them what follows from them."""
    op.drop_table("owed")
