"""Whose turn it is in each open case, who of the team has it, and until when it may wait."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0011

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)
_OPEN = sa.column("closed", sa.Boolean).is_(False)
_INDEXES: tuple[tuple[str, list[str], Any], ...] = (
    ("ix_cases_turn", ["turn", "turn_since", "snoozed_until", "snoozed_at", "holder", "paused_until"], _OPEN),
    ("ix_cases_holder", ["holder", "turn_since"], _OPEN & (sa.column("holder", sa.String) != sa.literal_column("''"))),
    ("ix_cases_snoozed", ["snoozed_until"], _OPEN & sa.column("snoozed_until", _WHEN).is_not(None)),
)


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("turn", sa.String, nullable=False, server_default=""),
        sa.Column("turn_since", _WHEN),
        sa.Column("holder", sa.String, nullable=False, server_default=""),
        sa.Column("held_since", _WHEN),
        sa.Column("snoozed_at", _WHEN),
        sa.Column("snoozed_until", _WHEN),
        sa.Column("snoozed_by", sa.String, nullable=False, server_default=""),
    )


# As ``domain/job_failure/turn.py`` had it then.
_TURN = """
UPDATE cases SET
  turn = CASE
    WHEN rest_until IS NOT NULL THEN 'team'
    WHEN asked_form = '' THEN 'caseproof'
    WHEN asked_form = 'try-again' THEN
      CASE WHEN state = 'running' AND trouble_code = 'still_running' THEN 'itself' ELSE 'team' END
    WHEN state = 'paused' AND paused_until IS NOT NULL AND notice_at IS NOT NULL THEN 'paused'
    WHEN asked_form = 'shared-cause' THEN 'itself'
    WHEN asked_form <> 'retailers-word' OR notice_at IS NULL THEN 'team'
    WHEN cause IN ('our_platform', 'website_changed') OR incident <> '' OR told_neutrally THEN 'team'
    ELSE 'retailer' END,
  turn_since = CASE
    WHEN rest_until IS NOT NULL OR asked_form = '' THEN updated_at
    WHEN asked_form = 'retailers-word' AND notice_at IS NOT NULL
      AND NOT (state = 'paused' AND paused_until IS NOT NULL)
      AND NOT (cause IN ('our_platform', 'website_changed') OR incident <> '' OR told_neutrally) THEN notice_at
    ELSE COALESCE(asked_at, updated_at) END
WHERE NOT closed
"""


def upgrade() -> None:
    """Add these. Nobody has a case yet."""
    for column in _columns():
        op.add_column("cases", column)
    op.execute(_TURN)
    for name, columns, where in _INDEXES:
        op.create_index(name, "cases", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "case_handling",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("whom", sa.String, nullable=False, server_default=""),
        sa.Column("until", _WHEN),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_case_handling_case_id", "case_handling", ["case_id"])
    guards.make(op.get_bind(), guards_0011.GUARDS)


def downgrade() -> None:
    """Take them away again: who has which case is forgotten; the cases stay as they are."""
    guards.drop(op.get_bind(), guards_0011.GUARDS)
    op.drop_table("case_handling")
    for name, _, _ in _INDEXES:
        op.drop_index(name, "cases")
    for column in _columns():
        op.drop_column("cases", column.name)
