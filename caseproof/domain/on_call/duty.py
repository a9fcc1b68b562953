"""Who is on duty at a moment: by the calendars, with overrides, without those who are away; and who is at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from caseproof.domain.on_call.roster import Contract, Leave, Override, Person, Shift
from caseproof.domain.people import same_person


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something about a calendar that a person has to put right; ``told`` is a sentence."""

    calendar: str
    told: str


@dataclass(frozen=True, slots=True)
class OnCall:
    """All that the answers are made from, for the time that ``shifts`` were read for.

    ``people`` is the call list in its order; ``tiers`` are those that an emergency calls. The order of ``shifts`` is
    that of their calendars. ``clients`` names each client's contract.
    """

    people: tuple[Person, ...]
    tiers: tuple[str, ...]
    shifts: tuple[Shift, ...] = ()
    overrides: tuple[Override, ...] = ()
    leave: tuple[Leave, ...] = ()
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    clients: Mapping[str, str] = field(default_factory=dict)
    troubles: tuple[Trouble, ...] = ()

    def person(self, name: str) -> Person | None:
        """Who has this name on the list, in whatever spelling."""
        return next((one for one in self.people if same_person(one.name, name)), None)


@dataclass(frozen=True, slots=True)
class OnShift:
    """A person whom the calendars name now, and why: a calendar's name, or whom they stand in for.

    ``stands_in`` is whether an override says so; ``source`` is then whom for, "" for everybody.
    """

    person: Person
    source: str
    stands_in: bool = False


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on duty: ``on_call`` first. ``away`` are those who would be on call, and are on leave."""

    on_call: tuple[OnShift, ...]
    at_work: tuple[Person, ...]
    away: tuple[Person, ...]

    @property
    def is_nobody(self) -> bool:
        """Whether there is nobody on duty at all."""
        return not (self.on_call or self.at_work)


def on_duty(at: datetime, plan: OnCall) -> Duty:
    """Who is on duty at ``at`` (aware)."""
    named = _by_the_calendars(at, plan)
    for override in plan.overrides:
        if override.begins <= at < override.ends:
            named = _overridden(named, override, plan)
    on_call, away = [], []
    for one in _each_once(named):
        if is_away(one.person, at, plan.leave):
            away.append(one.person)
        else:
            on_call.append(one)
    at_work = tuple(
        one
        for one in plan.people
        if one.tier in plan.tiers and one.hours.closed(at) is None and not is_away(one, at, plan.leave)
    )
    return Duty(tuple(on_call), at_work, tuple(away))


def is_away(person: Person, at: datetime, leave: tuple[Leave, ...]) -> bool:
    """Whether a person is on leave, by the day in their own time zone."""
    today = at.astimezone(person.hours.zone).date()
    return any(same_person(one.person, person.name) and one.first <= today <= one.last for one in leave)


def _by_the_calendars(at: datetime, plan: OnCall) -> list[OnShift]:
    found = ((plan.person(one.person), one.source) for one in plan.shifts if one.begins <= at < one.ends)
    return [OnShift(person, source) for person, source in found if person is not None]


def _overridden(named: list[OnShift], override: Override, plan: OnCall) -> list[OnShift]:
    person = plan.person(override.person)
    if person is None:
        return named
    stand_in = OnShift(person, override.instead_of, stands_in=True)
    if not override.instead_of:
        return [stand_in]
    return [stand_in if same_person(one.person.name, override.instead_of) else one for one in named]


def _each_once(named: list[OnShift]) -> list[OnShift]:
    first: dict[str, OnShift] = {}
    for one in named:
        first.setdefault(one.person.name, one)
    return list(first.values())
