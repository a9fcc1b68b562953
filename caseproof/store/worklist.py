"""The worklist in the database: a page of it in one statement, how many cases wait for whom, and who has which case.

How the statements read, ``worklist_statements`` has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from caseproof.domain.procedure import procedure_of
from caseproof.domain.worklist import MOST_COUNTED, SIZE, Group, WorkQuery
from caseproof.store.case_rows import CaseRow
from caseproof.store.errors import readable
from caseproof.store.refs import normal
from caseproof.store.tables import case_handling, cases, events
from caseproof.store.worklist_statements import (
    AT_ONCE,
    EXCLUSIVE,
    MORE,
    OPEN,
    SUPPORT,
    Moment,
    Shape,
    counting,
    free_of,
    page_of,
    support_of,
    values_of,
)


@dataclass(frozen=True, slots=True)
class WorkRow:
    """A case in the worklist: its row, since when it waits for whom, who has it ("" for nobody), and until when it was
    put off by whom (None: it was not, or something was asked since); ``turn`` is a ``Turn``."""

    case: CaseRow
    since: datetime
    holder: str
    held_since: datetime | None
    snoozed_until: datetime | None
    snoozed_by: str
    turn: str = ""


class Did(StrEnum):
    """What somebody did with a case in the worklist. The value is what the store writes down."""

    CLAIMED = "claimed"
    RELEASED = "released"
    HANDED = "handed over"
    SNOOZED = "snoozed"
    WOKEN = "woken"


@dataclass(frozen=True, slots=True)
class Handled:
    """Something that was done with a case: by whom, when, for whom or until when."""

    ref: str
    at: datetime
    actor: str
    what: Did
    whom: str
    until: datetime | None


class Counts(NamedTuple):
    """How many cases each group has; ``owes``: whether anything is owed, of a case or of none, that came too late."""

    of: dict[Group, int]
    owes: bool


class Worklist:
    """Every query about who has which case, and whom cases wait for. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # -- reading -------------------------------------------------------------------------------------------

    def page(self, query: WorkQuery, group: Group, at: Moment) -> list[WorkRow]:
        """The cases of a page of this group, in their order."""
        begin = (query.page - 1) * SIZE
        shape = Shape.of(query, at)
        values = {**values_of(query, at), "to": begin + SIZE, "begin": begin}
        with readable("A row of the worklist"):
            found = self._connection.execute(page_of(shape, group, query.order), values).all()
            return [_work_row(row, at.now) for row in found]

    def counts(self, query: WorkQuery, at: Moment) -> Counts:
        """How many cases that fit the filters are in each group (but the closed), and whether anything is owed at all.

        Where it is more than MOST_COUNTED, it is any number above it: nobody waits for ten thousand to be counted.
        """
        values = {**values_of(query, at), "bound": MOST_COUNTED + 1}
        row = self._connection.execute(counting(Shape.of(query, at)), values).one()
        found = {group: int(count) for group, count in zip(EXCLUSIVE, row, strict=False)}
        return Counts(found | {Group.ALL: sum(found.values()), Group.OWED: int(row.in_owed)}, bool(row.owes))

    def open_of(self, prefix: str, limit: int, now: datetime) -> list[WorkRow]:
        """The open cases of the procedure with this prefix, those that wait longest first."""
        columns = (*(cases.c[name] for name in CaseRow.__dataclass_fields__), *MORE)
        query = (
            select(*columns)
            .where(OPEN, cases.c.procedure == prefix)
            .order_by(cases.c.turn_since, cases.c.id)
            .limit(limit)
        )
        with readable("A row of the worklist"):
            return [_work_row(row, now) for row in self._connection.execute(query)]

    def of_tiers(self, tiers: Collection[str]) -> list[int]:
        """The row numbers of the support cases that nobody has and in which one of these tiers has to act; of a few
        hundred at most, the first that were opened."""
        return list(self._connection.scalars(free_of(frozenset(tiers)))) if tiers else []

    def waiting_for(self, person: str, tiers: Collection[str], now: datetime) -> list[WorkRow]:
        """The open cases that somebody has (by the name as names are compared), and the support cases that nobody has
        and in which one of these tiers has to act, oldest first."""
        columns = (*(cases.c[name] for name in CaseRow.__dataclass_fields__), *MORE)
        theirs = and_(cases.c.holder == bindparam("person"), cases.c.holder != literal_column("''"))
        free = support_of(tiers, SUPPORT.c.holder == literal_column("''"))
        query = select(*columns).where(OPEN, or_(theirs, free)).order_by(cases.c.turn_since, cases.c.id)
        with readable("A row of the worklist"):
            return [_work_row(row, now) for row in self._connection.execute(query, {"person": person})]

    def open_of_incident(self, incident: str) -> int:
        """How many open cases joined this incident."""
        here = (cases.c.incident == incident, cases.c.incident != literal_column("''"), OPEN)
        return self._connection.scalar(select(func.count()).select_from(cases).where(*here)) or 0

    def latest_actors(self, refs: Sequence[str], kind: str) -> dict[str, tuple[str, dict[str, Any]]]:
        """Who did the latest of this kind in each of these cases, and what it says; of a few hundred at most."""
        query = (
            select(cases.c.ref, events.c.actor, events.c.data)
            .join_from(events, cases)
            .where(cases.c.ref.in_(refs[:AT_ONCE]), events.c.kind == kind)
            .order_by(events.c.case_id, events.c.seq)
        )
        with readable("An event of the worklist"):
            return {row.ref: (row.actor, row.data) for row in self._connection.execute(query)}

    def standing(self, refs: Sequence[str]) -> dict[str, tuple[bool, str]]:
        """Whether each of these cases is open, and who has it, locked until the unit ends; unknown ones are left out.

        At most a few hundred.
        """
        query = select(cases.c.ref, cases.c.closed, cases.c.holder).where(cases.c.ref.in_(refs[:AT_ONCE]))
        rows = self._connection.execute(query.order_by(cases.c.id).with_for_update())
        return {row.ref: (not row.closed, row.holder) for row in rows}

    def handling(self, ref: str) -> list[Handled]:
        """What was done with a case, oldest first."""
        query = (
            select(cases.c.ref, *(case_handling.c[name] for name in ("at", "actor", "what", "whom", "until")))
            .join_from(case_handling, cases)
            .where(cases.c.ref == normal(ref))
            .order_by(case_handling.c.id)
        )
        with readable(f"What was done with {ref}"):
            rows = self._connection.execute(query).all()
            return [Handled(row.ref, row.at, row.actor, Did(row.what), row.whom, row.until) for row in rows]

    # -- writing -------------------------------------------------------------------------------------------

    def give(self, refs: Sequence[str], holder: str, *, did: Did, actor: str, whom: str, at: datetime) -> None:
        """Write down who has these cases from now; "" for nobody. Who had one before, ``handling`` tells."""
        self._set(refs, {"holder": holder, "held_since": at if holder else None}, did, actor, at, whom=whom)

    def snooze(self, refs: Sequence[str], until: datetime | None, *, actor: str, at: datetime) -> None:
        """Put these cases off until then, or (None) take that back. It ends by itself when something new is asked."""
        values = {"snoozed_until": until, "snoozed_at": at if until else None, "snoozed_by": actor if until else ""}
        self._set(refs, values, Did.SNOOZED if until else Did.WOKEN, actor, at, until=until)

    def _set(
        self, refs: Sequence[str], values: Mapping[str, Any], did: Did, actor: str, at: datetime, *,
        whom: str = "", until: datetime | None = None,
    ) -> None:  # fmt: skip
        if not refs:
            return
        these = cases.c.ref.in_(refs[:AT_ONCE])
        self._connection.execute(update(cases).where(these).values(**values))
        trace = {"at": at, "actor": actor, "what": str(did), "whom": whom, "until": until}
        numbers = self._connection.scalars(select(cases.c.id).where(these).order_by(cases.c.id)).all()
        self._connection.execute(insert(case_handling), [{"case_id": number, **trace} for number in numbers])


def _work_row(row: Any, now: datetime) -> WorkRow:
    number, ref, state, *rest = row
    since, holder, held_since, snoozed_at, until, by, turn = rest[-len(MORE) :]
    case = CaseRow(number, ref, procedure_of(ref).state(state), *rest[: -len(MORE)])
    since = since or case.updated_at
    is_snoozed = until is not None and until > now and snoozed_at is not None and snoozed_at >= since
    put_off = (until, by) if is_snoozed else (None, "")
    return WorkRow(case, since, holder, held_since, put_off[0], put_off[1], turn)
