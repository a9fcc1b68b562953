"""The overview for leads: how many cases are open and whose, and how long things take against the policy's targets.

Each table is counted by the database; a number leads to the list of the cases that it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from caseproof.config.policy import Policy
from caseproof.domain.durations import MEASURES, TIMES, in_two_units
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.procedure import called, procedures
from caseproof.domain.worklist import NOBODY, REOPENED, Age, Filters, Group, WorkQuery
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.texts import in_words
from caseproof.store.logins import folded_name
from caseproof.store.overview import Alike, Column, Took
from caseproof.store.uow import UnitOfWork

DAYS = (7, 30, 90)
"""Over how many days the times may be looked at."""
SHOWN = 20
"""How many rows of a table the page shows; the CSV has all."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a table: for people, for a program (a number, or a text), the cases that it counts, and how much
    of the most there is, from 0 to 1 (None: it is not compared)."""

    text: str
    value: str | int
    of: WorkQuery | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class OverviewTable:
    """A table with its heading and a note; ``columns`` as people read them, ``heads`` as a program does. The first
    cell of a row says what the row is about."""

    name: str
    title: str
    note: str
    columns: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def shown(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows that the page shows."""
        return self.rows[:SHOWN]

    @property
    def left_out(self) -> int:
        """How many rows only the CSV has."""
        return len(self.rows) - len(self.shown)


@dataclass(frozen=True, slots=True)
class OverviewPage:
    """The overview of so many days until ``at``; how many cases are open, were reopened among them, and how many
    reopenings and closings these days saw."""

    at: datetime
    days: int
    tables: tuple[OverviewTable, ...]
    open: Cell
    open_again: Cell
    reopenings: int
    closings: int

    def table(self, name: str) -> OverviewTable | None:
        """The table of this name."""
        return next((one for one in self.tables if one.name == name), None)


def overview(ledger: Ledger, policy: Policy, team: Callable[[], Sequence[str]], days: int) -> OverviewPage:
    """The overview as it is now. Raises StoreError."""
    now = ledger.clock()
    since = now - timedelta(days=days)
    with ledger.store.reading() as uow:
        took = uow.overview.took(since, now, policy.target_of)
        causes = uow.overview.by("cause", now)
        tables = (
            _states(uow, now), _times(took, policy, days), _holders(uow, team()),
            _alike(causes, "cause", now), _alike(uow.overview.by("retailer", now), "retailer", now),
        )  # fmt: skip
        reopenings, again = uow.overview.reopened(since), uow.overview.again()
        all_of_them = sum(uow.overview.by_state(now).values())
    return OverviewPage(
        now, days, tables, _count(all_of_them, Filters()), _count(again, Filters(reopened=REOPENED)), reopenings,
        took["close"].cases,
    )  # fmt: skip


# -- what is open -----------------------------------------------------------------------------------------------------

_OPEN_STATES = tuple(str(state) for state in State if state is not State.CLOSED)


def _states(uow: UnitOfWork, now: datetime) -> OverviewTable:
    found = uow.overview.by_state(now)
    states = [*_OPEN_STATES, *_others({state for state, _ in found})]
    totals = {state: sum(count for (one, _), count in found.items() if one == state) for state in states}
    rows = [
        (
            _says(called(state), Filters(state=state) if totals[state] else None, state),
            *(_count(found.get((state, age), 0), Filters(state=state, age=age)) for age in Age),
            _count(totals[state], Filters(state=state), max(totals.values())),
        )
        for state in states
    ]
    heads = ("State", *(age.words.capitalize() for age in Age), "All")
    note = "By how long ago a case was opened first."
    return OverviewTable("open", "Open, by state and age", note, heads, heads, tuple(rows))


def _others(found: Collection[str]) -> list[str]:
    """The states, of those found, that no job failure has: in the order of their procedures' lives."""
    every = dict.fromkeys(str(state) for one in procedures() for state in one.states)
    return [state for state in [*every, *sorted({*found} - {*every})] if state in found and state not in _OPEN_STATES]


def _holders(uow: UnitOfWork, team: Sequence[str]) -> OverviewTable:
    """Everybody on the team, whether they hold anything or not; then others who still do, and what nobody has."""
    found = uow.overview.by_holder()
    spelt = {folded_name(name): name for name in team}
    others = sorted({holder for holder, _ in found} - {*spelt, ""})
    known = [*_OPEN_STATES, *_others({state for _, state in found})]
    states = [state for state in known if any(one == state for _, one in found)]
    holders = [*spelt, *others, ""]
    totals = {one: sum(count for (holder, _), count in found.items() if holder == one) for one in holders}
    rows = []
    for holder in holders:
        name = spelt.get(holder, holder) or NOBODY
        counts = (_count(found.get((holder, state), 0), Filters(person=name, state=state)) for state in states)
        mine = Filters(person=name)
        rows.append(
            (_says(name, mine if totals[holder] else None), *counts, _count(totals[holder], mine, max(totals.values())))
        )
    columns = ("Who", *(called(state).capitalize() for state in states), "All")
    heads = ("Who", *states, "All")
    return OverviewTable("holders", "Who has what", "Open cases, by their states.", columns, heads, tuple(rows))


def _alike(found: Sequence[Alike], column: Column, now: datetime) -> OverviewTable:
    most = max((one.cases for one in found), default=0)
    rows = []
    for number, one in enumerate(found):
        # What nobody knows cannot be looked for; and the rows that only the file has need no addresses.
        same = Filters(**{column: one.name}) if one.name and number < SHOWN else None
        rows.append(
            (
                _says((in_words(one.name) if column == "cause" else one.name) or "not known", same, one.name),
                _count(one.cases, same, most),
                _count(one.old, same and Filters(**{column: one.name}, age=Age.OLDER)),
                _count(one.reopened, same and Filters(**{column: one.name}, reopened=REOPENED)),
                _how_long(max(now - one.oldest, timedelta())),
            )
        )
    heads = (column.capitalize(), "Open", Age.OLDER.words.capitalize(), "Reopened", "The oldest")
    title, note = f"Open, by {column}", "" if rows else "No case is open."
    return OverviewTable(f"{column}s", title, note, heads, (*heads[:4], f"{heads[4]} (seconds)"), tuple(rows))


# -- how long it took -------------------------------------------------------------------------------------------------


def _times(took: dict[str, Took], policy: Policy, days: int) -> OverviewTable:
    rows = tuple(tuple(_time(name, took[name], policy.target_of[name])) for name in MEASURES)
    columns = (
        "Time", "Target", "Cases", "Median", "90th percentile", "Missed", "Not yet", "Late already",
        "The longest waits",
    )  # fmt: skip
    spans = ("Target", "Median", "90th percentile", "The longest waits")
    heads = tuple(f"{name} (seconds)" if name in spans else name for name in columns)
    note = (
        f"What ended in the last {days} days; “missed” took longer than the target. What has not ended is in no "
        "median, but stands under “not yet”, and under “late already” where it is over the target. A reopened case is "
        "stopped, told and answered anew, and its time to close runs on."
    )
    return OverviewTable("times", f"How long it took, {days} days", note, columns, heads, rows)


def _time(name: str, took: Took, target: timedelta) -> Iterator[Cell]:
    yield Cell(f"{TIMES[name]}, {MEASURES[name]}", name)
    yield _how_long(target)
    yield _count(took.cases)
    yield _how_long(took.median)
    yield _how_long(took.p90)
    yield _count(took.missed, None, took.cases)
    yield _count(took.waiting)
    yield _count(took.late, None, took.waiting)
    yield _how_long(took.longest)


# -- cells ------------------------------------------------------------------------------------------------------------


def _says(text: str, of: Filters | None, value: str | None = None) -> Cell:
    """A name; ``value`` is what a program reads, if it is another."""
    return Cell(text, text if value is None else value, _list_of(of))


def _count(number: int, of: Filters | None = None, most: int | None = None) -> Cell:
    """A number; nothing leads to an empty list."""
    share = None if most is None else number / most if most else 0.0
    return Cell(f"{number:,}", number, _list_of(of) if number else None, share)


def _how_long(span: timedelta | None) -> Cell:
    return Cell("none", "") if span is None else Cell(in_two_units(span), round(span.total_seconds()))


def _list_of(filters: Filters | None) -> WorkQuery | None:
    """The list of these open cases; None where its address would ask for others: for a name with gaps, say."""
    query = None if filters is None else WorkQuery(Group.ALL, filters=filters)
    return query if query is not None and WorkQuery.of(parse_qs(query.address)) == query else None
