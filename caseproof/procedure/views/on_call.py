"""Who is on call, now and next, as a page shows it; and the same as a calendar that others subscribe to.

No calendar's server is waited for: the keeper fetches the copies, and what is shown is what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from caseproof.channels.calendars.feed import feed
from caseproof.config.policy import Policy
from caseproof.domain.on_call.calling import CaseToCall, WhoToCall, who_to_call
from caseproof.domain.on_call.duty import OnCall
from caseproof.domain.on_call.roster import Leave, Override
from caseproof.domain.on_call.turns import Turn, turns
from caseproof.procedure.core.on_call import Window, call_plan, coming_gaps

DAYS = (7, 14, 30)
"""How many days ahead one may look; the first, where nothing is said."""
_FEED_AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A public holiday, and who of the list has it."""

    day: date
    name: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownOnCall:
    """Who would be called ``at`` this moment and why; turns, overrides, leave and holidays of the next ``days``; and
    the gaps of the days that the policy tells ahead, ``gap_days``."""

    at: datetime
    days: int
    client: str
    clients: tuple[str, ...]
    is_set_up: bool
    answer: WhoToCall
    turns: Sequence[Turn]
    gaps: Sequence[Turn]
    gap_days: float
    overrides: Sequence[Override]
    leave: Sequence[Leave]
    holidays: Sequence[Holiday]


def on_call_shown(policy: Policy, home: Path, at: datetime, days: int, client: str = "") -> ShownOnCall:
    """The page's words for the moment ``at`` (aware) and ``days`` after it, about ``client`` ("" for nobody's)."""
    own = policy.on_call
    plan = call_plan(policy, home, Window.around(at, max(days, own.tell_gaps_days)), fetch=False)
    ends = at + timedelta(days=days)
    return ShownOnCall(
        at=at,
        days=days,
        client=client,
        clients=tuple(sorted(policy.clients, key=str.casefold)),
        is_set_up=bool(plan.people),
        answer=who_to_call(at, CaseToCall(client=client), plan),
        turns=turns(at, ends, plan) if plan.people else (),
        gaps=coming_gaps(policy, plan, at),
        gap_days=own.tell_gaps_days,
        overrides=sorted((one for one in plan.overrides if at < one.ends and one.begins < ends), key=_begins),
        leave=sorted((one for one in plan.leave if at.date() <= one.last and one.first <= ends.date()), key=_first),
        holidays=_holidays(plan, at.date(), ends.date()),
    )


def _begins(one: Override) -> datetime:
    return one.begins


def _first(one: Leave) -> date:
    return one.first


def _holidays(plan: OnCall, first: date, last: date) -> list[Holiday]:
    found: dict[tuple[date, str], list[str]] = {}
    for person in plan.people:
        for day, name in person.hours.holidays.items():
            if first <= day <= last:
                found.setdefault((day, name), []).append(person.name)
    return [Holiday(day, name, tuple(people)) for (day, name), people in sorted(found.items())]


def calendar_of(policy: Policy, home: Path, at: datetime) -> bytes:
    """Who is on call as iCalendar, from the month before ``at`` (aware, UTC) to sixty days after it.

    It is the same, byte for byte, from one midnight to the next as long as nobody changes anything, so that a program
    that asks again gets nothing new; and it begins with a month, so that what is under way keeps its beginning.
    """
    today = at.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    window = Window(at, begins, today + _FEED_AHEAD)
    plan = call_plan(policy, home, window, fetch=False)
    return feed(turns(begins, window.ends, plan) if plan.people else (), today)
