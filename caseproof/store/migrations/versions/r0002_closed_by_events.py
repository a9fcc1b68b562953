"""A proof is taken, and a case closed, only with the event that says so: no forged closure in two statements."""

from alembic import op

from caseproof.store.migrations.guards import drop, make
from caseproof.store.migrations.guards_0002 import GUARDS

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Guard the way to closure by its events; what is there already is not looked at: the audit does that."""
    make(op.get_bind(), GUARDS)


def downgrade() -> None:
    """Take these guards away; no data is touched."""
    drop(op.get_bind(), GUARDS)
