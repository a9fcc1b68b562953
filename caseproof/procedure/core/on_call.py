"""The call list as it stands at a moment: the policy's people, and what their calendars say, or said last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from caseproof.channels.calendars.copies import CalendarRefused, Copies, Copy, older_than
from caseproof.channels.calendars.shifts import OnTheList, Reading, Said, keep_shifts, kept_shifts, whom_they_name
from caseproof.config.on_call import DAYS, Calendar, ContractEntry, OnCallPolicy, RosterPerson, WorkingHours
from caseproof.config.policy import Policy
from caseproof.config.policy_check import zone_of
from caseproof.config.public_holidays import holidays_around
from caseproof.domain.on_call.duty import OnCall, Trouble
from caseproof.domain.on_call.roster import Contract, Hours, Leave, Override, Person
from caseproof.domain.on_call.turns import Turn, gaps
from caseproof.http.client import Transport

FOLDER = "calendars"
"""The folder of the home that holds the copies."""


READ_AHEAD = timedelta(days=31)
"""Calendars are read so far ahead at least: a call list for less finds their shifts read."""


def _midnight(at: datetime) -> datetime:
    return datetime.combine(at.astimezone(UTC), time(), UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """The time that calendars are read for, around the moment ``at``: [begins, ends)."""

    at: datetime
    begins: datetime
    ends: datetime

    @classmethod
    def around(cls, at: datetime, days: float) -> Window:
        """A day before ``at``, and so many after it."""
        return cls(at, at - timedelta(days=1), at + timedelta(days=days))

    @property
    def ahead(self) -> tuple[datetime, datetime]:
        """For when a calendar is read that has to be: so far ahead that nobody has to read it again for days, by whole
        days, so that who asks a little later asks for the same."""
        days = timedelta(days=1)
        first, last = min(self.begins, self.at - days), max(self.ends, self.at + READ_AHEAD)
        return _midnight(first) - days, _midnight(last) + 3 * days


def call_plan(
    policy: Policy, home: Path, window: Window, *, fetch: bool, transport: Transport | None = None, keep: bool = True
) -> OnCall:
    """All that `who_to_call` needs, for the moments of ``window``. Whatever is wrong with a calendar is told in it.

    ``fetch``: whether copies that are old are fetched anew; an emergency waits for no server, and takes the last ones.
    ``keep``: whether what is fetched and read is kept.
    """
    own = policy.on_call
    copies = Copies(home / FOLDER, own.fetch_seconds, transport, keeps=keep)
    people = tuple(OnTheList(one.name, one.mail) for one in own.people)
    readings = [_read(copies, one, people, window, own.refresh_minutes if fetch else None) for one in own.calendars]
    years = range(window.begins.year - 1, window.ends.year + 2)
    return OnCall(
        people=tuple(_person(own, one, years) for one in own.people),
        tiers=own.tiers,
        shifts=tuple(shift for reading in readings for shift in reading.shifts),
        overrides=tuple(Override(one.person, one.begins, one.ends, one.instead_of) for one in own.overrides),
        leave=tuple(Leave(one.person, one.first, one.last) for one in own.leave),
        contracts=contracts_of(policy.contracts, years),
        clients=policy.clients,
        troubles=tuple(trouble for reading in readings for trouble in reading.troubles),
    )


@dataclass(frozen=True, slots=True)
class LookedAt:
    """A calendar as it was found: what is ``wrong`` with it, in sentences ("": nothing), and of when its last good copy
    is (None: there is none)."""

    name: str
    wrong: str
    kept: datetime | None


def look_at_calendars(policy: Policy, home: Path, at: datetime, transport: Transport | None = None) -> list[LookedAt]:
    """Fetch and read each calendar as if there were no copy, and keep nothing of it."""
    copies = Copies(home / FOLDER, policy.on_call.fetch_seconds, transport, keeps=False)
    window = Window.around(at, policy.on_call.tell_gaps_days)
    return [_looked_at(copies, one, window) for one in policy.on_call.calendars]


def _looked_at(copies: Copies, calendar: Calendar, window: Window) -> LookedAt:
    kept, wrong = copies.kept(calendar), ""
    try:
        _shifts(copies, calendar, copies.fetched(calendar, window.at), window)
    except (CalendarRefused, OSError) as error:
        wrong = str(error)
    return LookedAt(calendar.name, wrong, kept.fetched if kept else None)


def coming_gaps(policy: Policy, plan: OnCall, at: datetime) -> list[Turn]:
    """When nobody will be on duty within the policy's days; none where no calendar is meant to fill them."""
    own = policy.on_call
    return gaps(at, at + timedelta(days=own.tell_gaps_days), plan) if own.people and own.calendars else []


def contracts_of(entries: Mapping[str, ContractEntry], years: range) -> dict[str, Contract]:
    """The contracts by name, with the public holidays of these years."""
    return {name: Contract(name, one.kind, _hours(one, years)) for name, one in entries.items()}


def _read(
    copies: Copies, calendar: Calendar, people: tuple[OnTheList, ...], window: Window, minutes: float | None
) -> Reading:
    """What a calendar says; what its last good copy says where it cannot be had. ``minutes`` None fetches nothing."""
    copy, said, troubles = copies.kept(calendar), None, []
    may_fetch = minutes is not None or bool(calendar.file)
    if may_fetch and (copy is None or (minutes is not None and older_than(copy, window.at, minutes))):
        try:
            fresh = copies.fetched(calendar, window.at)
            said = _shifts(copies, calendar, fresh, window)
        except (CalendarRefused, OSError) as error:
            troubles.append(_last_good(calendar.name, str(error), copy))
        else:
            copy, troubles = fresh, _not_kept(copies, calendar, fresh)
    if copy is None:
        return Reading((), tuple(troubles) or (_last_good(calendar.name, _NOT_FETCHED.format(calendar.name), None),))
    try:
        said = _shifts(copies, calendar, copy, window) if said is None else said
    except CalendarRefused as refused:  # read by other rules than it was kept by
        return Reading((), (Trouble(calendar.name, str(refused)),))
    found = whom_they_name(said, calendar.name, people, window.begins, window.ends)
    return Reading(found.shifts, (*troubles, *found.troubles))


_NOT_FETCHED = "The calendar '{}' was not fetched yet."


def _last_good(name: str, wrong: str, copy: Copy | None) -> Trouble:
    if copy is None:
        return Trouble(name, f"{wrong} There is no copy of it, so it puts nobody on call.")
    return Trouble(name, f"{wrong} Until then its copy of {copy.fetched:%Y-%m-%d %H:%M} UTC counts.")


def _not_kept(copies: Copies, calendar: Calendar, copy: Copy) -> list[Trouble]:
    try:
        copies.keep(calendar, copy)
    except OSError as error:
        told = (
            f"The calendar '{calendar.name}' is read, and no copy of it can be kept in {copies.folder}: "
            f"{error.strerror}. In an emergency an older one would count: make room, or make the folder writable."
        )
        return [Trouble(calendar.name, told)]
    return []


def _shifts(copies: Copies, calendar: Calendar, copy: Copy, window: Window) -> Sequence[Said]:
    """What this copy says of the window, from what was read of it before, else read now. Raises CalendarRefused."""
    name, zone = calendar.name, calendar.timezone
    kept = kept_shifts(copies.folder, name, copy, zone, window.begins, window.ends)
    if kept is not None:
        return kept
    from caseproof.channels.calendars.reading import read_calendar  # libraries that whoever finds it kept needs not

    begins, ends = window.ahead
    said = read_calendar(copy.content, name, begins, ends, zone_of(zone) if zone else None)
    if copies.keeps:
        with suppress(OSError):  # then it is read again the next time
            keep_shifts(copies.folder, name, copy, zone, begins, ends, said)
    return said


def _person(own: OnCallPolicy, one: RosterPerson, years: range) -> Person:
    return Person(one.name, one.tier, _hours(one, years), own.lines_of(one), one.mail, one.teams)


def _hours(one: WorkingHours, years: range) -> Hours:
    holidays: Mapping[date, str] = holidays_around(one.country, one.subdivision, years)
    days = frozenset(DAYS.index(day) for day in one.days)
    return Hours(zone_of(one.timezone), days, one.first_minute, one.last_minute, holidays)
