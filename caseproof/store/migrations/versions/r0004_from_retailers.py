"""What came from retailers, one row a message; and of a contact its language, its role and whether mail comes back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0004

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)
_HAS_MESSAGE_ID = sa.column("message_id", sa.String) != sa.literal_column("''")
_TO_LOOK_AT = sa.column("done_at", _WHEN).is_(None) & sa.column("place", sa.String).in_(
    [sa.literal_column(f"'{place}'") for place in ("bounce", "refused", "reply", "unmatched", "unreadable")]
)

# name, columns, which rows (None: all of them)
_INDEXES: tuple[tuple[str, list[str], Any], ...] = (
    ("ix_messages_case_id", ["case_id"], None),
    ("ix_messages_message_id", ["message_id"], _HAS_MESSAGE_ID),
    ("ix_messages_to_look_at", ["id"], _TO_LOOK_AT),
)


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("language", sa.String, nullable=False, server_default=""),
        sa.Column("role", sa.String, nullable=False, server_default=""),
        sa.Column("bounced_at", _WHEN),
        sa.Column("bounce", sa.String, nullable=False, server_default=""),
    )


def upgrade() -> None:
    """Add these. Contacts that are there have no language of their own and get the policy's."""
    for column in _columns():
        op.add_column("contacts", column)
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("message_id", sa.String, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("way", sa.String, nullable=False),
        sa.Column("place", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id")),
        sa.Column("at", _WHEN, nullable=False),
        sa.Column("told_at", _WHEN),
        sa.Column("done_at", _WHEN),
        sa.Column("done_by", sa.String, nullable=False, server_default=""),
        sqlite_autoincrement=True,
    )
    for name, columns, where in _INDEXES:
        only = {} if where is None else {"sqlite_where": where, "postgresql_where": where}
        op.create_index(name, "messages", columns, **only)
    guards.make(op.get_bind(), guards_0004.GUARDS)


def downgrade() -> None:
    """Take them away again; what the events of the cases say of the messages stays, and so do their files."""
    guards.drop(op.get_bind(), guards_0004.GUARDS)
    op.drop_table("messages")
    for column in _columns():
        op.drop_column("contacts", column.name)
