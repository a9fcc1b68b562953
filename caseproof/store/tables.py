"""The tables. The migrations make and guard them; the repositories query them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from caseproof.domain.errors import BadInput

REVISION = "0002"
"""The newest revision, so that opening a store need not load Alembic; a test holds it to the scripts."""

VERSION_TABLE = "caseproof_version"
"""A name of our own: another Alembic program's file must not look like a store of a newer version."""


class UtcTime(TypeDecorator[datetime]):
    """Aware datetimes in and out, in UTC, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise BadInput(f"The time {value} has no time zone.", "Pass an aware datetime.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _case_id(**more: Any) -> Column[int]:
    return Column("case_id", ForeignKey("cases.id"), nullable=False, **more)


cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ref", String, unique=True),  # made from the id, so it is empty for one statement
    Column("platform", String, nullable=False),
    Column("job", String, nullable=False),
    Column("job_name", String, nullable=False),
    Column("retailer", String, nullable=False),
    Column("marketplace", String, nullable=False),
    Column("cause", String, nullable=False),
    Column("state", String, nullable=False),
    Column("opening", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("closed", Boolean, nullable=False),
    # No foreign key: proofs point here already. The trigger asks for the proof, its case and its opening.
    Column("proof", String(64)),
    Column("opened_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Column("paused_until", Date),
    Column("flow_run", String),
    Column("generation", Integer, nullable=False),
    CheckConstraint("(state = 'closed') = closed", name="state_says_closed"),
    CheckConstraint("(proof IS NOT NULL) = closed", name="closed_with_proof"),
    sqlite_autoincrement=True,  # a reference is never given twice; PostgreSQL leaves a gap for one rolled back
)
_is_open = cases.c.closed.is_(False)
Index(
    "uq_cases_open_job",
    cases.c.platform,
    cases.c.job,
    unique=True,
    sqlite_where=_is_open,
    postgresql_where=_is_open,
)
Index("ix_cases_platform_job", cases.c.platform, cases.c.job)

# Without SQLite's hidden rowid: INSERT OR REPLACE naming a rowid would replace a row past every trigger.
events = Table(
    "events",
    metadata,
    _case_id(primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("actor", String, nullable=False),
    Column("data", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    sqlite_with_rowid=False,
)

proofs = Table(
    "proofs",
    metadata,
    Column("digest", String(64), primary_key=True),
    _case_id(index=True),
    Column("opening", Integer, nullable=False),
    Column("rule", String, nullable=False),
    Column("made_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

case_runs = Table(
    "case_runs",
    metadata,
    Column("flow_run", String, primary_key=True),
    _case_id(),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("case_id", "generation"),
)

intents = Table(
    "intents",
    metadata,
    Column("key", String, primary_key=True),
    _case_id(index=True),
    Column("step", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("done_at", UtcTime),
    Column("result", JSON(none_as_null=True)),
)

retailers = Table(
    "retailers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("retailer_id", ForeignKey("retailers.id"), nullable=False),
    Column("address", String, nullable=False),
    Column("folded", String, nullable=False),  # the address as it is compared: case does not matter
    Column("name", String, nullable=False),
    UniqueConstraint("retailer_id", "folded"),
)

evidence = Table(
    "evidence",
    metadata,
    _case_id(primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("name", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("ix_evidence_digest", "digest"),
)

tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("subject", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

ticket_comments = Table(
    "ticket_comments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("key", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("ticket", "key"),
)

ticket_attachments = Table(
    "ticket_attachments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket", ForeignKey("tickets.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("media_type", String, nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("ticket", "name", "digest"),
)
