"""Who is on call when, over days: turns one after the other, and the gaps in which nobody is.

What is asked of a moment is asked of each moment at which the answer may change, so turns can never say anything
else than the answer at that moment does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from caseproof.domain.on_call.duty import OnCall, on_duty
from caseproof.domain.on_call.roster import Hours, Override, Person, Shift, clock_changes
from caseproof.domain.people import same_person


@dataclass(frozen=True, slots=True)
class Turn:
    """From ``begins`` up to ``ends`` (UTC) the same people are on duty, by name; neither is a gap in cover."""

    begins: datetime
    ends: datetime
    on_call: tuple[str, ...]
    at_work: tuple[str, ...]

    @property
    def is_gap(self) -> bool:
        """Whether nobody is on duty."""
        return not (self.on_call or self.at_work)


def turns(begins: datetime, ends: datetime, plan: OnCall) -> list[Turn]:
    """The turns of [begins, ends), without a hole between them."""
    marks = sorted({begins.astimezone(UTC), *_changes(begins.astimezone(UTC), ends.astimezone(UTC), plan)})
    found: list[Turn] = []
    for here, after in zip(marks, [*marks[1:], ends.astimezone(UTC)], strict=True):
        duty = on_duty(here, plan)
        turn = Turn(
            here, after, tuple(one.person.name for one in duty.on_call), tuple(one.name for one in duty.at_work)
        )
        if found and (found[-1].on_call, found[-1].at_work) == (turn.on_call, turn.at_work):
            found[-1] = Turn(found[-1].begins, after, turn.on_call, turn.at_work)
        else:
            found.append(turn)
    return found


def gaps(begins: datetime, ends: datetime, plan: OnCall) -> list[Turn]:
    """The parts of [begins, ends) in which nobody is on duty."""
    return [turn for turn in turns(begins, ends, plan) if turn.is_gap]


def duty_ends(name: str, at: datetime, latest: datetime, plan: OnCall) -> datetime | None:
    """When somebody who is on duty at ``at`` is so no more (UTC), at the latest ``latest``; None who is not on duty."""
    ends = None
    for turn in turns(at, latest, plan):
        if not any(same_person(name, one) for one in (*turn.on_call, *turn.at_work)):
            break
        ends = turn.ends
    return ends


def _changes(begins: datetime, ends: datetime, plan: OnCall) -> Iterator[datetime]:
    named: tuple[Shift | Override, ...] = (*plan.shifts, *plan.overrides)
    yield from (edge for one in named for edge in (one.begins, one.ends) if begins < edge < ends)
    for zone in {one.hours.zone for one in plan.people}:
        yield from (edge for edge in clock_changes(zone, begins, ends) if begins < edge < ends)
    for minutes, zone in {edge for one in plan.people for edge in _daily(one)}:
        yield from (edge for edge in _each_day(minutes, zone, begins, ends) if begins < edge < ends)


def _daily(person: Person) -> Iterator[tuple[int, ZoneInfo]]:
    """When something may change each day, by the clock of their zone: the hours, and the day itself."""
    hours: Hours = person.hours
    yield from ((minutes, hours.zone) for minutes in {0, hours.begins % 1440, hours.ends % 1440})


def _each_day(minutes: int, zone: ZoneInfo, begins: datetime, ends: datetime) -> Iterator[datetime]:
    """That time of each day in UTC; where the clock is set back over it, both times that it is so late."""
    day = begins.astimezone(zone).date() - timedelta(days=1)
    while day <= ends.astimezone(zone).date():
        late = datetime.combine(day, time(minutes // 60, minutes % 60), zone)
        yield from (late.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        day += timedelta(days=1)
