"""No key lies in the store: the one that was there is void, and whoever waits for a retailer sends them a new link."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from caseproof.store.migrations import guards, guards_0009

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MARKS = sa.table("marks", sa.column("name"), sa.column("value"), sa.column("at"))
_CASES = sa.table(
    "cases",
    *(sa.column(name) for name in ("opened_at", "due_at", "asked_form", "notice_at")),
    sa.column("closed", sa.Boolean),
)
_SECRET, _VOID, _LINKS_VOID = "secret", "answer-secret-void", "answer-links-void"


def upgrade() -> None:
    """Void the key that is there: the program moves it out of the store when it opens it, to know addresses of before.

    Every open case that waits for its retailer is due, so that the keeper sends a letter with a new link.
    """
    op.add_column("messages", sa.Column("original", sa.String(64), nullable=False, server_default=""))
    connection = op.get_bind()
    guards.make(connection, guards_0009.GUARDS)
    at = connection.execute(sa.select(_MARKS.c.at).where(_MARKS.c.name == _SECRET)).scalar_one_or_none()
    if at is None:
        return
    connection.execute(_MARKS.update().where(_MARKS.c.name == _SECRET).values(name=_VOID))
    connection.execute(_MARKS.insert().values(name=_LINKS_VOID, value="", at=at))
    waits = (_CASES.c.closed.is_(False), _CASES.c.asked_form == "retailers-word", _CASES.c.notice_at.is_not(None))
    connection.execute(_CASES.update().where(*waits).values(due_at=_CASES.c.opened_at))


def downgrade() -> None:
    """Take it away again. The key of before signs again where it still lies in the store."""
    connection = op.get_bind()
    guards.drop(connection, guards_0009.GUARDS)
    op.drop_column("messages", "original")
    connection.execute(_MARKS.delete().where(_MARKS.c.name.in_([_LINKS_VOID, "answer-key"])))
    connection.execute(_MARKS.update().where(_MARKS.c.name == _VOID).values(name=_SECRET))
