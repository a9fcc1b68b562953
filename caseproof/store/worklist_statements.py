"""How the worklist asks the database: each group as pieces that an index has in order, put together once a shape.

Most groups are a few pieces, each in the order of an index, of which no more is read than the page needs: what is the
team's anyway, and what became the team's because time has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)

from caseproof.domain.turn import Turn
from caseproof.domain.worklist import NOBODY, SIZE, Age, Group, Order, WorkQuery
from caseproof.store.case_rows import CaseRow
from caseproof.store.column_types import UtcTime
from caseproof.store.logins import folded_name
from caseproof.store.owed import is_late
from caseproof.store.tables import cases, owed

AT_ONCE = 400  # so many values may stand in one question on every database


@dataclass(frozen=True, slots=True)
class Moment:
    """What the groups depend on beside the rows: the time, who looks (by the name as names are compared, "" for
    nobody), and since when a retailer who has not answered is late.

    ``theirs`` are the numbers of support cases that nobody has, in which a tier of who looks has to act (``of_tiers``):
    these wait for them, too. ``problems`` are the references of cases with which a program of ours could not go on;
    ``cut_off`` are retailers who cannot be reached any more. Both are the team's, whose turn it would be otherwise.
    """

    now: datetime
    viewer: str
    late_since: datetime
    problems: Collection[str] = ()
    cut_off: Collection[str] = ()
    theirs: Collection[int] = ()


# -- the groups ------------------------------------------------------------------------------------------------------

EXCLUSIVE = (Group.MINE, Group.TEAM, Group.RETAILER, Group.TIME, Group.CASEPROOF)
_C = cases.c
OPEN = _C.closed.is_(False)
_NOW = bindparam("now", type_=UtcTime())
_SNOOZED = and_(_C.snoozed_until > _NOW, _C.snoozed_at >= _C.turn_since)
_AWAKE = or_(_C.snoozed_until.is_(None), not_(_SNOOZED))
_TEAMS = _C.turn == literal_column(f"'{Turn.TEAM}'")
_RETAILERS = _C.turn == literal_column(f"'{Turn.RETAILER}'")
_PAUSED = _C.turn == literal_column(f"'{Turn.PAUSED}'")
_ITSELF = _C.turn == literal_column(f"'{Turn.ITSELF}'")
_OURS = _C.turn == literal_column(f"'{Turn.CASEPROOF}'")
_LATE = _C.turn_since <= bindparam("late_since", type_=UtcTime())
_PAUSE_IS_OVER = _C.paused_until <= bindparam("today")
_HELD = and_(_C.holder != literal_column("''"), _C.holder == bindparam("viewer"))
_THEIRS = _C.id.in_(bindparam("theirs", expanding=True))  # every index has the number
_OWING = _C.ref.in_(select(owed.c.ref).where(is_late))
_WORDS = (_C.ref, _C.job_name, _C.job, _C.retailer, _C.marketplace)

_OWN = ("turn_since", "holder", "held_since", "snoozed_at", "snoozed_until", "snoozed_by", "turn")
MORE = tuple(_C[name] for name in _OWN)


def _acts(one: Any) -> Mapping[str, ColumnElement[bool]]:
    """In which support cases a tier has to act, by the columns of their rows: as ``support.ladder.who_acts`` has it."""
    state, asked = one.state, one.asked_form
    pt_asked = state == literal_column("'pt_asked'")
    return {
        "L1": state == literal_column("'with_l1'"),
        "L2": or_(
            and_(state.in_(["with_l2", "pt_answered"]), asked != literal_column("'pt-asked'")),
            and_(pt_asked, asked == literal_column("'finish'")),
        ),
        "PT": or_(
            state == literal_column("'with_pt'"),
            and_(pt_asked, asked != literal_column("'finish'")),
            and_(state == literal_column("'pt_answered'"), asked == literal_column("'pt-asked'")),
        ),
        "DEV": state == literal_column("'with_development'"),
        "implementation": state == literal_column("'with_implementation'"),
    }


_IN: Mapping[str, tuple[str, ...]] = {
    "L1": ("with_l1",),
    "L2": ("with_l2", "pt_answered", "pt_asked"),
    "PT": ("with_pt", "pt_asked", "pt_answered"),
    "DEV": ("with_development",),
    "implementation": ("with_implementation",),
}
"""In which states that may be."""
SUPPORT = cases.alias("support")


def support_of(tiers: Collection[str], *also: ColumnElement[bool]) -> ColumnElement[bool]:
    """The support cases in which one of these tiers has to act: by their numbers, which every index has, so that no
    other case is read for them."""
    known = _acts(SUPPORT.c)
    any_of = [known[tier] for tier in sorted(tiers) if tier in known]
    if not any_of:
        return false()
    # Said of all of them, so that a database goes by the index of support cases.
    states = [state for tier, some in _IN.items() if tier in tiers for state in some]
    is_open = and_(SUPPORT.c.closed.is_(False), SUPPORT.c.procedure == literal_column("'SC'"))
    is_open = and_(is_open, SUPPORT.c.state.in_(sorted(set(states))))
    return _C.id.in_(select(SUPPORT.c.id).where(is_open, or_(*any_of), *also))


@lru_cache(maxsize=64)
def free_of(tiers: frozenset[str]) -> Select[Any]:
    """The statement that finds what nobody has."""
    free = support_of(tiers, SUPPORT.c.holder == literal_column("''"))
    return select(_C.id).where(free).order_by(_C.id).limit(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides how a statement reads, so that each is put together once: that takes longer than its answer."""

    filters: frozenset[str]
    person: str
    viewer: bool
    problems: bool
    cut_off: bool
    theirs: bool = False
    tier: str = ""

    @classmethod
    def of(cls, query: WorkQuery, at: Moment) -> Shape:
        given = query.filters.given
        person = {"": "", NOBODY: NOBODY}.get(query.filters.person, "somebody")
        flags = bool(at.viewer), bool(at.problems), bool(at.cut_off)
        return cls(frozenset(given) - {"person", "tier"}, person, *flags, bool(at.theirs), given.get("tier", ""))

    @property
    def where(self) -> list[ColumnElement[bool]]:
        """What the filters choose."""
        found = [_C[name] == bindparam(name) for name in sorted(self.filters - {"words", "age", "reopened"})]
        if "age" in self.filters:
            found += [_C.opened_at > bindparam("opened_after"), _C.opened_at <= bindparam("opened_until")]
        if "reopened" in self.filters:
            found.append(_C.opening > 1)
        if "words" in self.filters:
            found.append(or_(*(func.lower(one).like(bindparam("words"), escape="\\") for one in _WORDS)))
        if self.tier:
            found.append(support_of([self.tier]))
        if self.person == NOBODY:
            found.append(_C.holder == literal_column("''"))
        elif self.person:
            found += [_C.holder != literal_column("''"), _C.holder == bindparam("person")]
        return found

    @property
    def urgent(self) -> ColumnElement[bool]:
        """What is the team's, whose turn it would be otherwise."""
        any_of: list[ColumnElement[bool]] = []
        if self.problems:
            any_of.append(_C.ref.in_(bindparam("problems", expanding=True)))
        if self.cut_off:
            any_of.append(and_(_RETAILERS, _C.retailer.in_(bindparam("cut_off", expanding=True))))
        return or_(*any_of) if any_of else false()

    def pieces(self, group: Group) -> list[ColumnElement[bool]]:
        """The pieces that a group consists of: no case is in two of them, and an index has each in its order."""
        is_urgent = self.problems or self.cut_off
        calm: ColumnElement[bool] = true()
        put_off: ColumnElement[bool] = _SNOOZED
        awake: ColumnElement[bool] = _AWAKE
        teams = [_TEAMS, and_(_RETAILERS, _LATE), and_(_PAUSED, _PAUSE_IS_OVER)]
        if is_urgent:  # nobody puts off what nobody knew of
            calm, put_off = not_(self.urgent), and_(_SNOOZED, not_(self.urgent))
            awake = or_(_AWAKE, self.urgent)
            teams.append(and_(*(not_(one) for one in teams), self.urgent))
        match group:
            case Group.MINE:
                theirs = [and_(_THEIRS, awake, or_(*teams))] if self.theirs else []
                return [and_(_HELD, awake, or_(*teams)), *theirs] if self.viewer else []
            case Group.TEAM:
                free = _C.holder != bindparam("viewer") if self.viewer else true()
                others = not_(_THEIRS) if self.viewer and self.theirs else true()
                return [and_(one, awake, free, others) for one in teams]
            case Group.RETAILER:
                return [and_(_RETAILERS, not_(_LATE), calm, _AWAKE)]
            case Group.TIME:
                waits = [and_(_PAUSED, not_(_PAUSE_IS_OVER), calm, _AWAKE), and_(_ITSELF, calm, _AWAKE)]
                return [put_off, *waits]
            case Group.CASEPROOF:
                return [and_(_OURS, calm, _AWAKE)]
            case Group.ALL:
                return [_TEAMS, _RETAILERS, _PAUSED, _ITSELF, _OURS]
            case Group.OWED | Group.CLOSED:
                return []


def values_of(query: WorkQuery, at: Moment) -> dict[str, Any]:
    words = query.filters.words.lower()
    for letter in "\\%_":
        words = words.replace(letter, f"\\{letter}")
    said: dict[str, Any] = query.filters.given | {"words": f"%{words}%", "person": folded_name(query.filters.person)}
    if query.filters.age:
        said["opened_after"], said["opened_until"] = Age(query.filters.age).between(at.now)
    known = {"now": at.now, "today": at.now.date(), "late_since": at.late_since, "viewer": at.viewer}
    known["theirs"] = [*at.theirs]
    return said | known | {"problems": [*at.problems][:AT_ONCE], "cut_off": [*at.cut_off][:AT_ONCE]}


@lru_cache(maxsize=256)
def page_of(shape: Shape, group: Group, order: Order) -> Select[Any]:
    """The statement of a page: the numbers of its cases from the group's pieces, then their rows."""
    columns = (*(_C[name] for name in CaseRow.__dataclass_fields__), *MORE)
    if group is Group.CLOSED:
        latest = _C.closed_at.asc() if order is Order.OLDEST else _C.closed_at.desc()
        ends = _page_ends(select(*columns).where(_C.closed.is_(True), _C.closed_at.is_not(None), *shape.where))
        return ends.order_by(latest, _C.id)
    keys = _keys(order)
    if group is Group.OWED:
        return _page_ends(select(*columns).where(_OWING, *shape.where)).order_by(*keys, _C.id)
    pieces = shape.pieces(group) or [false()]
    some = [
        select(_C.id).where(OPEN, piece, *shape.where).order_by(*keys, _C.id).limit(bindparam("to")).subquery()
        for piece in pieces
    ]
    numbers = select(some[0].c.id) if len(some) == 1 else union_all(*(select(one.c.id) for one in some))
    return _page_ends(select(*columns).where(_C.id.in_(numbers))).order_by(*keys, _C.id)


def _page_ends(query: Select[Any]) -> Select[Any]:
    return query.limit(SIZE).offset(bindparam("begin"))


def _keys(order: Order) -> list[ColumnElement[Any]]:
    match order:
        case Order.NEWEST:
            return [_C.turn_since.desc()]
        case Order.RETAILER:
            return [_C.retailer, _C.turn_since]
        case Order.MARKETPLACE:
            return [_C.marketplace, _C.turn_since]
        case _:
            return [_C.turn_since]


@lru_cache(maxsize=256)
def counting(shape: Shape) -> Select[Any]:
    """The statement that counts each group."""
    owing = select(func.count()).select_from(cases).where(_OWING, *shape.where).scalar_subquery().label("in_owed")
    owes = exists(select(literal_column("1")).where(is_late)).label("owes")
    counts = []
    for group in EXCLUSIVE:
        pieces = [
            select(func.count())
            .select_from(
                select(literal_column("1"))
                .select_from(cases)
                .where(OPEN, piece, *shape.where)
                .limit(bindparam("bound"))
                .subquery()
            )
            .scalar_subquery()
            for piece in shape.pieces(group)
        ]
        counts.append(sum(pieces[1:], pieces[0]) if pieces else literal_column("0"))
    return select(*(count.label(f"in_{group}") for group, count in zip(EXCLUSIVE, counts, strict=True)), owing, owes)
