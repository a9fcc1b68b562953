"""Cases with their events and proofs, intents, people, evidence, the embedded desk; and what guards them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations.guards import drop, make, of_dialect
from caseproof.store.migrations.guards_0001 import GUARDS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make everything."""
    of_dialect(GUARDS, op.get_bind().dialect.name)  # asked first: no tables without their guards
    _cases()
    _work()
    _people()
    _desk()
    make(op.get_bind(), GUARDS)


def downgrade() -> None:
    """Remove everything, data included."""
    drop(op.get_bind(), GUARDS)
    for name in (
        "ticket_attachments", "ticket_comments", "tickets", "evidence", "contacts", "retailers", "intents",
        "case_runs", "proofs", "events", "cases",
    ):  # fmt: skip
        op.drop_table(name)


def _case_id(**more: Any) -> sa.Column[int]:
    return sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False, **more)


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ref", sa.String, unique=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("job", sa.String, nullable=False),
        sa.Column("job_name", sa.String, nullable=False),
        sa.Column("retailer", sa.String, nullable=False),
        sa.Column("marketplace", sa.String, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("opening", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("proof", sa.String(64)),
        sa.Column("opened_at", _WHEN, nullable=False),
        sa.Column("updated_at", _WHEN, nullable=False),
        sa.Column("closed_at", _WHEN),
        sa.Column("paused_until", sa.Date),
        sa.Column("flow_run", sa.String),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.CheckConstraint("(state = 'closed') = closed", name="state_says_closed"),
        sa.CheckConstraint("(proof IS NOT NULL) = closed", name="closed_with_proof"),
        sqlite_autoincrement=True,
    )
    still_open = sa.column("closed", sa.Boolean).is_(False)
    op.create_index(
        "uq_cases_open_job", "cases", ["platform", "job"], unique=True,
        sqlite_where=still_open, postgresql_where=still_open,
    )  # fmt: skip
    op.create_index("ix_cases_platform_job", "cases", ["platform", "job"])
    op.create_table(
        "events",
        _case_id(primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proofs",
        sa.Column("digest", sa.String(64), primary_key=True),
        _case_id(index=True),
        sa.Column("opening", sa.Integer, nullable=False),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sqlite_with_rowid=False,
    )


def _work() -> None:
    op.create_table(
        "case_runs",
        sa.Column("flow_run", sa.String, primary_key=True),
        _case_id(),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.UniqueConstraint("case_id", "generation"),
    )
    op.create_table(
        "intents",
        sa.Column("key", sa.String, primary_key=True),
        _case_id(index=True),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("owner", sa.String, nullable=False),
        sa.Column("claimed_at", _WHEN, nullable=False),
        sa.Column("expires_at", _WHEN, nullable=False),
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("done_at", _WHEN),
        sa.Column("result", sa.JSON),
    )
    op.create_table(
        "evidence",
        _case_id(primary_key=True),
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
    )
    op.create_index("ix_evidence_digest", "evidence", ["digest"])


def _people() -> None:
    op.create_table(
        "retailers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("retailer_id", sa.Integer, sa.ForeignKey("retailers.id"), nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("folded", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.UniqueConstraint("retailer_id", "folded"),
    )


def _desk() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String, nullable=False, unique=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("created_at", _WHEN, nullable=False),
        sa.Column("updated_at", _WHEN, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ticket_comments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ticket", sa.Integer, sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.UniqueConstraint("ticket", "key"),
    )
    op.create_table(
        "ticket_attachments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("ticket", sa.Integer, sa.ForeignKey("tickets.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.UniqueConstraint("ticket", "name", "digest"),
    )
