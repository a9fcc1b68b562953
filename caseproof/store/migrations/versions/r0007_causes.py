"""The causes that operators chose, by the shape of the message; and which cases wait for one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0007

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)
_AWAITED = sa.column("cause_shape", sa.String) != sa.literal_column("''")
_IN_FORCE = sa.column("undone_at", _WHEN).is_(None)


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("cause_shape", sa.String, nullable=False, server_default=""),
        sa.Column("cause_since", _WHEN),
        sa.Column("told_neutrally", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def upgrade() -> None:
    """Add these. No older case waits for its cause, and none was told neutrally: there was no such thing."""
    for column in _columns():
        op.add_column("cases", column)
    op.create_index("ix_cases_cause_shape", "cases", ["cause_shape"], sqlite_where=_AWAITED, postgresql_where=_AWAITED)
    op.create_table(
        "chosen_causes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("shape", sa.String(64), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("example", sa.Text, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("corrects", sa.Boolean, nullable=False),
        sa.Column("chosen_by", sa.String, nullable=False),
        sa.Column("chosen_at", _WHEN, nullable=False),
        sa.Column("ref", sa.String, nullable=False),
        sa.Column("used", sa.Integer, nullable=False),
        sa.Column("undone_at", _WHEN),
        sa.Column("undone_by", sa.String, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_chosen_causes_in_force", "chosen_causes", ["shape"], unique=True, sqlite_where=_IN_FORCE,
        postgresql_where=_IN_FORCE,
    )  # fmt: skip
    guards.make(op.get_bind(), guards_0007.GUARDS)


def downgrade() -> None:
    """Take them away again; what the events of the cases say of their causes stays."""
    guards.drop(op.get_bind(), guards_0007.GUARDS)
    op.drop_table("chosen_causes")
    op.drop_index("ix_cases_cause_shape", "cases")
    for column in _columns():
        op.drop_column("cases", column.name)
