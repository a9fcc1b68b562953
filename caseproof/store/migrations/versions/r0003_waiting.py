"""What a keeper needs to know of a case without folding it; incidents; and marks, which say what was last done when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0001, guards_0002, guards_0003
from caseproof.store.migrations.standing_0003 import rows_standing

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)
_OPEN = sa.column("closed", sa.Boolean).is_(False)
_HAS_NO_RUN = sa.column("flow_run").is_(None)
_IN_INCIDENT = sa.column("incident", sa.String) != ""
_DUE = sa.column("due_at", _WHEN).is_not(None)
_RESTS = sa.column("rest_until", _WHEN).is_not(None)
_NEEDS_HELP = sa.column("asked_form", sa.String) == sa.literal_column("'try-again'")
_INCIDENT_OPEN = sa.column("closed_at", _WHEN).is_(None)

# name, columns, which rows (None: all of them)
_INDEXES: tuple[tuple[str, list[str], Any], ...] = (
    ("ix_cases_closed_job", ["platform", "job"], sa.column("closed", sa.Boolean).is_(True)),
    ("ix_cases_due_at", ["due_at"], _DUE),
    ("ix_cases_incident", ["incident"], _IN_INCIDENT),
    ("ix_cases_without_run", ["flow_run", "id"], _HAS_NO_RUN & _OPEN),
    ("ix_cases_cause", ["platform", "marketplace", "cause"], _OPEN),
    ("ix_cases_last_opened_at", ["last_opened_at"], _OPEN),
    ("ix_cases_in_need", ["id"], _OPEN & (_RESTS | _NEEDS_HELP)),
    ("ix_cases_closed_at", ["closed_at", "id"], None),
)
_TIMES = {
    "cases": ("opened_at", "updated_at", "closed_at"),
    "events": ("at",),
    "proofs": ("made_at",),
    "intents": ("claimed_at", "expires_at", "done_at"),
    "evidence": ("at",),
    "tickets": ("created_at", "updated_at"),
    "ticket_comments": ("at",),
    "ticket_attachments": ("at",),
}


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("last_opened_at", _WHEN),
        sa.Column("asked_form", sa.String, nullable=False, server_default=""),
        sa.Column("asked_at", _WHEN),
        sa.Column("has_news", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("notice_at", _WHEN),
        sa.Column("reminders", sa.Integer, nullable=False, server_default="0"),
        sa.Column("nudges", sa.Integer, nullable=False, server_default="0"),
        sa.Column("trouble", sa.String, nullable=False, server_default=""),
        sa.Column("incident", sa.String, nullable=False, server_default=""),
        sa.Column("ticket_closed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("due_at", _WHEN),
        sa.Column("crashes", sa.Integer, nullable=False, server_default="0"),
        sa.Column("rest_until", _WHEN),
        sa.Column("rest_why", sa.String, nullable=False, server_default=""),
    )


def upgrade() -> None:
    """Add these, and fill them from the events of the cases that are there. Every case that has work left is due."""
    connection = op.get_bind()
    for column in _columns():
        op.add_column("cases", column)
    # Past the guards: one that was forged before they were there must not stop a migration, and times are no events.
    guards.drop(connection, _OLDER)
    _write_times(connection, _AS_NUMBER)
    _write_digests(connection, _AS_BYTES)
    _fill(connection)
    guards.make(connection, _OLDER)
    op.drop_index("ix_intents_case_id", "intents")
    op.drop_index("ix_cases_platform_job", "cases")
    _with_rowid(False)
    for name, columns, where in _INDEXES:
        only = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
        op.create_index(name, "cases", columns, **only)
    _new_tables()
    guards.make(connection, guards_0003.GUARDS)


def downgrade() -> None:
    """Take them away again; incidents and marks are lost, what the events say of them is not."""
    connection = op.get_bind()
    guards.drop(connection, (*guards_0003.GUARDS, *_OLDER))
    _write_times(connection, _AS_TEXT)
    _write_digests(connection, _AS_HEX)
    guards.make(connection, _OLDER)
    _with_rowid(True)
    op.create_index("ix_intents_case_id", "intents", ["case_id"])
    op.create_index("ix_cases_platform_job", "cases", ["platform", "job"])
    op.drop_table("marks")
    op.drop_table("incidents")
    for name, _, _ in _INDEXES:
        op.drop_index(name, "cases")
    for column in _columns():
        op.drop_column("cases", column.name)


def _fill(connection: sa.Connection) -> None:
    cases = sa.table("cases", sa.column("id"), *(sa.column(c.name) for c in _columns()))
    filled = sa.update(cases).where(cases.c.id == sa.bindparam("case_id"))
    for rows in rows_standing(connection):
        connection.execute(filled, rows)
    connection.exec_driver_sql("UPDATE cases SET due_at = updated_at WHERE NOT (closed AND ticket_closed)")


_OLDER = (*guards_0001.GUARDS, *guards_0002.GUARDS)

# SQLite has no type for times. It kept them as texts, which take three times the room of a number.
_AS_NUMBER = (
    "UPDATE {table} SET {name} = COALESCE(CAST(strftime('%s', {name}) AS INTEGER) * 1000000"
    " + CAST(substr({name} || '000000', 21, 6) AS INTEGER), {name}) WHERE typeof({name}) = 'text'"
)
_AS_TEXT = (
    "UPDATE {table} SET {name} = strftime('%Y-%m-%d %H:%M:%S', ({name} - {part}) / 1000000, 'unixepoch')"
    " || printf('.%06d', {part}) WHERE typeof({name}) = 'integer'"
)


def _write_times(connection: sa.Connection, statement: str) -> None:
    """Write every time of the tables of 0002 in another way. PostgreSQL has a type for them."""
    if connection.dialect.name != "sqlite":
        return
    for table, names in _TIMES.items():
        for name in names:
            part = f"((({name} % 1000000) + 1000000) % 1000000)"  # of a second; before 1970, too
            connection.exec_driver_sql(statement.format(table=table, name=name, part=part))


_DIGESTS = {"cases": "head", "events": "digest", "evidence": "digest"}
_AS_BYTES = (
    "UPDATE {table} SET {name} = caseproof_unhex({name}) WHERE typeof({name}) = 'text' AND length({name}) = 64"
    " AND {name} NOT GLOB '*[^0-9a-f]*'"
)
_AS_HEX = "UPDATE {table} SET {name} = lower(hex({name})) WHERE typeof({name}) = 'blob'"


def _write_digests(connection: sa.Connection, statement: str) -> None:
    """Write each digest as bytes or as the text of them, on SQLite too: the half of its room, five times a case."""
    if connection.dialect.name != "sqlite":
        return
    driver: Any = connection.connection.driver_connection
    driver.create_function("caseproof_unhex", 1, bytes.fromhex, deterministic=True)
    for table, name in _DIGESTS.items():
        connection.exec_driver_sql(statement.format(table=table, name=name))


def _with_rowid(rowid: bool) -> None:
    """Two tables with or without SQLite's hidden row number, which makes them keep their keys twice."""
    if op.get_bind().dialect.name == "sqlite":
        for table in ("evidence", "intents"):
            with op.batch_alter_table(table, recreate="always", table_kwargs={"sqlite_with_rowid": rowid}):
                pass


def _new_tables() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ref", sa.String, nullable=False, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("marketplace", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("opened_at", _WHEN, nullable=False),
        sa.Column("closed_at", _WHEN),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("decided_by", sa.String, nullable=False),
        sa.Column("decided_at", _WHEN),
        sa.Column("asked", sa.Integer, nullable=False),
        sa.Column("flow_run", sa.String),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("due_at", _WHEN),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_incidents_open", "incidents", ["platform", "marketplace", "cause"], unique=True,
        sqlite_where=_INCIDENT_OPEN, postgresql_where=_INCIDENT_OPEN,
    )  # fmt: skip
    op.create_table(
        "marks",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
    )
