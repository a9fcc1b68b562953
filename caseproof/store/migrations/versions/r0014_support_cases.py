"""Support cases are found by whose turn it is: an index of those that are open."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OPEN = sa.column("closed", sa.Boolean).is_(False) & (sa.column("procedure", sa.String) == sa.literal_column("'SC'"))


def upgrade() -> None:
    """Make the index."""
    columns = ["state", "asked_form", "holder"]
    op.create_index("ix_cases_support", "cases", columns, sqlite_where=_OPEN, postgresql_where=_OPEN)


def downgrade() -> None:
    """Take it away again."""
    op.drop_index("ix_cases_support", "cases")
