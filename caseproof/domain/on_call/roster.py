"""The people who can be called, when they work, and what a client's contract says: what the answers are made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

MINUTES_A_DAY = 24 * 60

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Closed(StrEnum):
    """Why it is not within somebody's hours."""

    HOLIDAY = "public holiday"
    DAY = "not a working day"
    TIME = "outside the hours"


@dataclass(frozen=True, slots=True)
class Hours:
    """Working hours by the clock on the wall: ``days`` (Monday is 0), from ``begins`` up to ``ends`` in minutes of the
    day (1440 is its end), in ``zone``; on none of the public ``holidays``, which have their names.
    """

    zone: ZoneInfo
    days: frozenset[int]
    begins: int
    ends: int
    holidays: Mapping[date, str] = field(default_factory=dict)

    def closed(self, at: datetime) -> Closed | None:
        """Why ``at`` (aware) is outside these hours; None within them."""
        local = at.astimezone(self.zone)
        if local.date() in self.holidays:
            return Closed.HOLIDAY
        if local.weekday() not in self.days:
            return Closed.DAY
        return None if self.begins <= local.hour * 60 + local.minute < self.ends else Closed.TIME

    def told(self) -> str:
        """The hours for people, like "Mon, Tue 09:00-17:00 Europe/Berlin"."""
        days = ", ".join(_WEEKDAYS[day] for day in sorted(self.days))
        return f"{days} {_clock(self.begins)}-{_clock(self.ends)} {self.zone.key}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@dataclass(frozen=True, slots=True)
class Line:
    """A way to ring somebody: a ``number`` (+ and digits), and the ``extension`` to dial once that answers ("": none).

    In an extension ``w`` is a pause of half a second, ``W`` one of a second, a comma one of two; ``pause_seconds`` is
    how long the number speaks before it listens.
    """

    number: str
    extension: str = ""
    pause_seconds: float = 0

    def told(self) -> str:
        """As people read it."""
        return f"{self.number} ext. {self.extension}" if self.extension else self.number


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the call list. ``lines`` are tried in their order; ``teams`` is who they are in Teams."""

    name: str
    tier: str
    hours: Hours
    lines: tuple[Line, ...]
    mail: str = ""
    teams: str = ""


@dataclass(frozen=True, slots=True)
class Shift:
    """``person`` is on call from ``begins`` up to ``ends`` (UTC), says the calendar ``source``."""

    person: str
    begins: datetime
    ends: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Override:
    """From ``begins`` up to ``ends`` ``person`` is on call for ``instead_of``; for everybody where that is ""."""

    person: str
    begins: datetime
    ends: datetime
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Leave:
    """``person`` is away from the ``first`` day to the ``last`` one, both included, by the clock of their zone."""

    person: str
    first: date
    last: date


class Kind(StrEnum):
    """What a contract says about the time of support (E11)."""

    ALWAYS = "24x7"
    BUSINESS_HOURS = "business hours"
    TIME_AND_MATERIALS = "time and materials"


@dataclass(frozen=True, slots=True)
class Contract:
    """A client's contract; ``hours`` are those of its support, None where there are none to keep."""

    name: str
    kind: Kind
    hours: Hours | None = None


def clock_changes(zone: ZoneInfo, begins: datetime, ends: datetime) -> list[datetime]:
    """The instants in [begins, ends) from which another offset counts in ``zone``, in UTC, to the second."""
    found = []
    before = begins
    while before < ends:
        after = before + timedelta(hours=1)
        if _offset(zone, before) != _offset(zone, after):
            found.append(_change_between(zone, before, after))
        before = after
    return found


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = _offset(zone, before)
    seconds, most = 0, int((after - before).total_seconds())
    while most - seconds > 1:
        half = (seconds + most) // 2
        if _offset(zone, before + timedelta(seconds=half)) == old:
            seconds = half
        else:
            most = half
    return before + timedelta(seconds=most)


def _offset(zone: ZoneInfo, at: datetime) -> timedelta | None:
    return at.astimezone(zone).utcoffset()
