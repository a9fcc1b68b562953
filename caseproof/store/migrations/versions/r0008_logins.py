"""Who of the team can log in, by which links that wait, and which log-ins are under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WHEN = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the three tables. Nobody has a login yet."""
    op.create_table(
        "logins",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("folded", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False, server_default=""),
        sa.Column("password", sa.String, nullable=False, server_default=""),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.UniqueConstraint("folded"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "login_links",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("login_id", sa.Integer, sa.ForeignKey("logins.id"), nullable=False),
        sa.Column("until", _WHEN, nullable=False),
    )
    op.create_table(
        "login_sessions",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("login_id", sa.Integer, sa.ForeignKey("logins.id"), nullable=False),
        sa.Column("way", sa.String, nullable=False),
        sa.Column("made_at", _WHEN, nullable=False),
        sa.Column("seen_at", _WHEN, nullable=False),
    )


def downgrade() -> None:
    """Take them away again: everybody is logged out, and nobody can log in."""
    for name in ("login_sessions", "login_links", "logins"):
        op.drop_table(name)
