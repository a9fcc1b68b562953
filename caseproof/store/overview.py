"""The figures of the overview: open cases in groups, and how long things took, all of it counted by the database.

How long is measured as in a report (``checks.report``), for what ended since a time and for what has not ended yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Float,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from caseproof.domain.durations import MEASURES
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.worklist import Age
from caseproof.store.column_types import UtcTime
from caseproof.store.tables import cases, events

_C, _E = cases.c, events.c
_OPEN = _C.closed.is_(False)
_JOB_FAILURE = _C.procedure == literal_column(f"'{JOB_FAILURE.prefix}'", String)
"""Of what is measured, and of whose cause and retailer; cases of another procedure are counted by their states."""
_SINCE, _NOW = (bindparam(name, type_=UtcTime()) for name in ("since", "now"))
Column = Literal["cause", "retailer"]
"""What open cases have in common."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Open cases that have something in common: how many, how many of them were reopened or are older than all but
    the last ``Age``, and when the oldest was opened first."""

    name: str
    cases: int
    reopened: int
    old: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Took:
    """How long something took, where it ended: in how many cases, the middle of them, nine in ten, and in how many it
    took longer than its target. Where it has not ended: in how many, how many of them are over the target already, and
    for how long the longest goes on. None where there is none."""

    cases: int = 0
    median: timedelta | None = None
    p90: timedelta | None = None
    missed: int = 0
    waiting: int = 0
    late: int = 0
    longest: timedelta | None = None


class Overview:
    """Every query of the overview. None of them changes anything."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_state(self, now: datetime) -> dict[tuple[str, Age], int]:
        """How many open cases there are in each state, by their age."""
        bounds = {age: age.between(now)[0] for age in Age}
        age = case(*((_C.opened_at > after, str(age)) for age, after in bounds.items()), else_=str(Age.OLDER))
        found = self._connection.execute(_grouped(_C.state, age.label("age")))
        return {(state, Age(name)): count for state, name, count in found}

    def by_holder(self) -> dict[tuple[str, str], int]:
        """How many open cases everybody has, by the state; by the name as names are compared, "" for nobody."""
        return {(holder, state): count for holder, state, count in self._connection.execute(_HELD)}

    def by(self, column: Column, now: datetime) -> list[Alike]:
        """The open job failures by what they have in common, most first."""
        count, name = func.count(), _C[column]
        old = _C.opened_at <= Age.OLDER.between(now)[1]
        query = select(name, count, _how_many(_C.opening > 1), _how_many(old), func.min(_C.opened_at, type_=UtcTime()))
        found = self._connection.execute(query.where(_OPEN, _JOB_FAILURE).group_by(name).order_by(count.desc(), name))
        return [Alike(*row) for row in found]

    def again(self) -> int:
        """How many open cases were reopened."""
        return self._connection.scalar(select(func.count()).select_from(cases).where(_OPEN, _C.opening > 1)) or 0

    def reopened(self, since: datetime) -> int:
        """How many times a case was reopened since."""
        again = select(func.count()).join_from(cases, events).where(_C.opening > 1, _E.kind == str(Kind.REOPENED))
        return self._connection.scalar(again.where(_E.at >= since)) or 0

    def took(self, since: datetime, now: datetime, targets: Mapping[str, timedelta]) -> dict[str, Took]:
        """How long each of ``MEASURES`` took in job failures, for what ended since; against its target."""
        seconds = {f"{name}_target": targets[name].total_seconds() for name in MEASURES}
        query = _took(self._connection.dialect.name == "sqlite")
        found: dict[str, dict[str, Any]] = {name: {} for name in MEASURES}
        for row in self._connection.execute(query, {"since": since, "now": now} | seconds):
            if row.waits:
                found[row.measure] |= {"waiting": row.cases, "late": row.over, "longest": _span(row.most)}
            else:
                ended = {"median": _span(row.median), "p90": _span(row.p90)}
                found[row.measure] |= {"cases": row.cases, "missed": row.over, **ended}
        return {name: Took(**said) for name, said in found.items()}


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=float(seconds))


def _how_many(of_these: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((of_these, 1)))


def _grouped(*names: ColumnElement[Any]) -> Select[Any]:
    return select(*names, func.count()).where(_OPEN).group_by(*names)


_HELD = _grouped(_C.holder, _C.state)


# -- how long it took -----------------------------------------------------------------------------------------------

_BEGINS = (Kind.OPENED, Kind.REOPENED)
_ENDS = (Kind.STOPPED, Kind.CANNOT_STOP, Kind.NOTICE_SENT, Kind.CONFIRMATION_RECEIVED, Kind.CLOSED)


@lru_cache(maxsize=2)
def _took(is_sqlite: bool) -> CompoundSelect[Any]:
    """A row a measure and whether it still waits. It is put together once a database: that takes longer than asking."""
    spans = _spans(is_sqlite).cte("spans")
    s = spans.c
    many = select(s.measure, func.count().label("n")).where(s.waits == 0).group_by(s.measure).subquery()
    place = func.row_number().over(partition_by=s.measure, order_by=s.took).label("place")
    ranked = select(s.measure, s.took, s.target, place).where(s.waits == 0).subquery()
    r, n, one = ranked.c, many.c.n, literal_column("1", Integer)
    middle = (r.place + r.place).between(n, n + one + one)
    # Nine in ten were at least as fast as a time that some case really took.
    ninth = (r.place - one) * literal_column("10", Integer) >= (n - one) * literal_column("9", Integer)
    ended = select(
        r.measure, literal_column("0").label("waits"), func.count().label("cases"),
        func.avg(case((middle, r.took))).label("median"), func.min(case((ninth, r.took))).label("p90"),
        func.max(r.took).label("most"), _how_many(r.took > r.target).label("over"),
    ).join_from(ranked, many, r.measure == many.c.measure).group_by(r.measure)  # fmt: skip
    waits = select(
        s.measure, one, func.count(), null(), null(), func.max(s.took), _how_many(s.took > s.target)
    ).where(s.waits == 1).group_by(s.measure)  # fmt: skip
    return union_all(ended, waits)


def _spans(is_sqlite: bool) -> Any:
    """A row a time that ended since, or that still goes on: its measure, how many seconds, its target."""
    told = _told()
    first = _openings(told)
    word, o = _words(told, first), first.c
    heard = and_(word.c.case_id == o.case_id, word.c.opening == o.opening)
    parts = [
        _part("contain", o.began, o.stopped, and_(o.is_open, o.cannot_stop == 0), is_sqlite).select_from(first),
        _part("notify", o.began, o.told, o.is_open, is_sqlite).select_from(first),
        _part("confirm", o.told, word.c.at, o.is_open, is_sqlite).select_from(first.outerjoin(word, heard)),
        _part("close", _C.opened_at, _C.closed_at, _OPEN, is_sqlite).select_from(cases).where(_JOB_FAILURE),
    ]
    return union_all(*parts)


def _part(
    measure: str, began: ColumnElement[Any], ended: ColumnElement[Any], still: ColumnElement[bool], is_sqlite: bool
) -> Select[Any]:
    waits = and_(ended.is_(None), still)
    seconds = _seconds(began, func.coalesce(ended, _NOW, type_=UtcTime()), is_sqlite)
    return select(
        literal_column(f"'{measure}'").label("measure"),
        case((ended.is_(None), 1), else_=0).label("waits"),
        # Two machines' clocks may differ by a little; nothing takes less than no time.
        case((seconds < 0, 0.0), else_=seconds).label("took"),
        bindparam(f"{measure}_target", type_=Float()).label("target"),
    ).where(began.is_not(None), or_(ended >= _SINCE, waits))


def _seconds(begin: ColumnElement[Any], end: ColumnElement[Any], is_sqlite: bool) -> ColumnElement[Any]:
    if is_sqlite:  # there, a time is whole microseconds
        whole = type_coerce(end, BigInteger()) - type_coerce(begin, BigInteger())
        return cast(whole, Float()) / literal_column("1e6", Float())
    return cast(extract("epoch", end - begin), Float())


def _literals(*kinds: Kind) -> list[ColumnElement[str]]:
    """The kinds as they stand in a statement."""
    return [literal_column(f"'{kind}'", String) for kind in kinds]


def _openings(told: Any) -> Any:
    """A row an opening of a case: when it began, when each kind of event first came in it, whether it is open."""
    t = told.c

    def first(column: Any, *kinds: Kind) -> ColumnElement[Any]:
        return func.min(case((t.kind.in_(_literals(*kinds)), column)), type_=column.type)

    is_open = and_(t.closed.is_(False), t.opening == t.last)
    query = select(
        t.case_id,
        t.opening,
        first(t.at, *_BEGINS).label("began"),
        first(t.at, Kind.STOPPED).label("stopped"),
        first(t.at, Kind.NOTICE_SENT).label("told"),
        first(t.seq, Kind.NOTICE_SENT).label("told_by"),
        first(t.seq, Kind.CLOSED).label("closed_by"),
        _how_many(t.kind.in_(_literals(Kind.CANNOT_STOP))).label("cannot_stop"),
        is_open.label("is_open"),
    )
    return query.where(t.opening > 0).group_by(t.case_id, t.opening, is_open).cte("openings")


def _told() -> Any:
    """The events that are measured, each with the number of its opening; of the cases that live since."""
    begins = case((_E.kind.in_(_literals(*_BEGINS)), 1), else_=0)
    opening = func.sum(begins).over(partition_by=_E.case_id, order_by=_E.seq)
    # Asked so that a database begins with these cases, and not with all events.
    lives = _E.case_id.in_(select(_C.id).where(_JOB_FAILURE, or_(_OPEN, _C.closed_at >= _SINCE)))
    query = select(
        _E.case_id, _E.seq, _E.kind, _E.at, opening.label("opening"), _C.closed, _C.opening.label("last")
    )  # fmt: skip
    return query.join_from(cases, events).where(lives, _E.kind.in_(_literals(*_BEGINS, *_ENDS))).cte("told")


def _words(told: Any, first: Any) -> Any:
    """The first word of each opening that came after the notice and before the closing."""
    t, o = told.c, first.c
    between = and_(t.seq > o.told_by, or_(o.closed_by.is_(None), t.seq < o.closed_by))
    return (
        select(t.case_id, t.opening, func.min(t.at, type_=UtcTime()).label("at"))
        .join_from(told, first, and_(t.case_id == o.case_id, t.opening == o.opening))
        .where(t.kind.in_(_literals(Kind.CONFIRMATION_RECEIVED)), between)
        .group_by(t.case_id, t.opening)
        .subquery()
    )
