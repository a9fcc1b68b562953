"""Since when a contact is registered. Of those that are there already nobody knows: they were known before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the time."""
    op.add_column("contacts", sa.Column("created_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("contacts", "created_at")
