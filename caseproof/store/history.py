"""What happened to many job failures, and when: plain rows for figures, without a word of what anybody wrote."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from caseproof.domain.forms import Word
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.vocabulary import NOT_THEIRS
from caseproof.store.errors import readable
from caseproof.store.tables import cases, events

CaseFacts = tuple[str, str, str, str]
"""A case's reference, retailer, marketplace and cause; "" for what is not known."""
Happened = tuple[str, str, datetime]
"""A case's reference, the kind of an event, and its time (aware, in UTC)."""
Turned = tuple[str, str, datetime, str]
"""The same, and the day until which a case is kept paused, as it was written down; "" of anything else."""


class History:
    """The queries of reports. They read times and kinds, and of an event's data no words: a pause's day, a choice."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def cases(self, since: datetime) -> list[CaseFacts]:
        """Every job failure that is open, or was closed at ``since`` or later, in the order of their opening."""
        query = select(cases.c.ref, cases.c.retailer, cases.c.marketplace, cases.c.cause)
        found = self._connection.execute(query.where(_lives(since)).order_by(cases.c.id))
        return [(ref, retailer, marketplace, cause) for ref, retailer, marketplace, cause in found]

    def events(self, since: datetime, kinds: Iterable[Kind]) -> list[Happened]:
        """The events of these kinds, from the first, of the cases that ``cases`` gives; each case's in their order."""
        query = (
            select(cases.c.ref, events.c.kind, events.c.at)
            .join_from(cases, events)
            .where(_lives(since), events.c.kind.in_([str(kind) for kind in kinds]))
            .order_by(cases.c.id, events.c.seq)  # so that a database begins with the cases, not with all events
        )
        with readable("An event"):
            return [(ref, kind, at) for ref, kind, at in self._connection.execute(query)]

    def turned(self, since: datetime) -> list[Turned]:
        """The pauses of the cases that ``cases`` gives, and where somebody answered a reply of theirs."""
        pauses = events.c.kind == str(Kind.KEPT_PAUSED)
        what = events.c.data[("answer", "what")].as_string()
        answered = and_(events.c.kind == str(Kind.QUESTION_ANSWERED), what == str(Word.ANSWERED))
        query = (
            select(cases.c.ref, events.c.kind, events.c.at, events.c.data["until"].as_string())
            .join_from(cases, events)
            .where(_lives(since), or_(pauses, answered))
            .order_by(cases.c.id, events.c.seq)
        )
        with readable("An event"):
            return [(ref, kind, at, until or "") for ref, kind, at, until in self._connection.execute(query)]

    def last_pressed(self) -> dict[str, datetime]:
        """When each person last pressed a digit in an emergency's call, by name: whoever was called."""
        query = select(events.c.actor, func.max(events.c.at)).where(events.c.kind == "page_pressed")
        return dict(self._connection.execute(query.group_by(events.c.actor)).all())  # type: ignore[arg-type]

    def asked_nothing(self, since: datetime) -> set[str]:
        """Those of the cases whose retailer owes no answer: the fault is not theirs, or nobody knows whose it is."""
        theirs = and_(cases.c.cause.not_in(NOT_THEIRS), cases.c.incident == "", cases.c.told_neutrally.is_(False))
        return set(self._connection.scalars(select(cases.c.ref).where(_lives(since), ~theirs)))


def _lives(since: datetime) -> ColumnElement[bool]:
    return (cases.c.procedure == JOB_FAILURE.prefix) & (cases.c.closed.is_(False) | (cases.c.closed_at >= since))
