"""What people do with messages from retailers: to which case they put one, and what they remark."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; nobody said anything of the messages that are there."""
    for name in ("remark", "filed"):
        op.add_column("messages", sa.Column(name, sa.String, nullable=False, server_default=""))


def downgrade() -> None:
    """Take both away again; the events of the cases stay."""
    for name in ("filed", "remark"):
        op.drop_column("messages", name)
