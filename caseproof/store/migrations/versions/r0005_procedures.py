"""A case has a procedure, and what belongs to an incident's questions has a table of its own, not strings in marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0001, guards_0005

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_IS_OPEN = sa.column("closed", sa.Boolean).is_(False)
_BEFORE = tuple(guard for guard in guards_0001.GUARDS if guard.name in guards_0005.NAMES)

# Times without a type: as the database has them, and as they go back.
_INCIDENTS = sa.table("incidents", sa.column("id"), sa.column("ref"), sa.column("asked"))
_MARKS = sa.table("marks", sa.column("name"), sa.column("value"), sa.column("at"))
_QUESTIONS = sa.table(
    "incident_questions",
    sa.column("incident_id"), sa.column("number"), sa.column("flow_run"), sa.column("asked_at"),
    sa.column("refused"), sa.column("nudges"),
)  # fmt: skip
_IN_MARKS = ("question", "refused", "told")


def upgrade() -> None:
    """Every case that is there is a job failure. What marks say of incidents moves; all other marks stay."""
    connection = op.get_bind()
    guards.drop(connection, _BEFORE)
    op.add_column("cases", sa.Column("procedure", sa.String, nullable=False, server_default="JF"))
    _one_open_case("platform", "job", "procedure")
    guards.make(connection, guards_0005.GUARDS)
    op.create_table(
        "incident_questions",
        sa.Column("incident_id", sa.Integer, sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("flow_run", sa.String, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("refused", sa.String, nullable=False, server_default=""),
        sa.Column("nudges", sa.Integer, nullable=False, server_default="0"),
    )
    for row in connection.execute(sa.select(_INCIDENTS).order_by(_INCIDENTS.c.id)).all():
        if found := list(_questions(connection, row)):
            connection.execute(sa.insert(_QUESTIONS), found)
        connection.execute(sa.delete(_MARKS).where(_MARKS.c.name.in_([_mark(row.ref, what) for what in _IN_MARKS])))


def downgrade() -> None:
    """Take them away again, and write the latest of each incident's questions back into marks."""
    connection = op.get_bind()
    guards.drop(connection, guards_0005.GUARDS)
    for row in connection.execute(sa.select(_INCIDENTS).order_by(_INCIDENTS.c.id)).all():
        if found := list(_marks(connection, row)):
            connection.execute(sa.insert(_MARKS), found)
    op.drop_table("incident_questions")
    _one_open_case("platform", "job")
    op.drop_column("cases", "procedure")
    guards.make(connection, _BEFORE)


def _one_open_case(*columns: str) -> None:
    op.drop_index("uq_cases_open_job", "cases")
    op.create_index(
        "uq_cases_open_job", "cases", list(columns), unique=True, sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN
    )


def _mark(ref: str, what: str) -> str:
    return f"incident/{ref}/{what}"


def _questions(connection: sa.Connection, incident: Any) -> Iterator[dict[str, Any]]:
    """The rows that an incident's marks come to: its latest question, and one before it whose answer was refused."""
    names = {_mark(incident.ref, what): what for what in _IN_MARKS}
    found = connection.execute(sa.select(_MARKS).where(_MARKS.c.name.in_(names)))
    noted = {names[row.name]: row for row in found}
    number, flow_run = _pair(noted.get("question"))
    about, times = _pair(noted.get("told"))
    refused = noted["refused"].value if "refused" in noted else ""
    row = {"incident_id": incident.id, "refused": "", "nudges": 0}
    waits = number == str(incident.asked)
    if number and number.isdecimal():
        told = int(times) if about == number and times.isdecimal() else 0
        asked_at = noted["question"].at
        why = "" if waits else refused
        yield {**row, "number": int(number), "flow_run": flow_run, "asked_at": asked_at, "refused": why, "nudges": told}
    if refused and (waits or not number) and incident.asked > 1:
        yield {
            **row, "number": incident.asked - 1, "flow_run": "", "asked_at": noted["refused"].at, "refused": refused,
        }  # fmt: skip


def _pair(mark: Any) -> tuple[str, str]:
    first, _, second = mark.value.partition(" ") if mark is not None else ("", "", "")
    return first, second


def _marks(connection: sa.Connection, incident: Any) -> Iterator[dict[str, Any]]:
    mine = sa.select(_QUESTIONS).where(_QUESTIONS.c.incident_id == incident.id).order_by(_QUESTIONS.c.number)
    rows = connection.execute(mine).all()
    for row in rows[-1:]:
        if row.flow_run:
            yield _noted(incident.ref, "question", f"{row.number} {row.flow_run}", row.asked_at)
        if row.nudges:
            yield _noted(incident.ref, "told", f"{row.number} {row.nudges}", row.asked_at)
    for row in [row for row in rows if row.refused][-1:]:
        yield _noted(incident.ref, "refused", row.refused, row.asked_at)


def _noted(ref: str, what: str, value: str, at: Any) -> dict[str, Any]:
    return {"name": _mark(ref, what), "value": value, "at": at}
