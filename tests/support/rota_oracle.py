"""Who is called at a minute, found out the slow way: by walking every minute, with another library's clocks.

It shares nothing with the product: a rota is written down here as plain rows, ``as_icalendar`` writes it as text for
the product to read, and ``Walk`` answers from the rows. Times on walls are minutes since 0001-01-01 of that wall; times
of the world are minutes since 1970 (UTC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from whenever import Instant

DAY = 1440


@dataclass(frozen=True)
class Repeated:
    """One who is on call again and again: from a wall time (``first``, naive), so long, every so many days.

    ``clock``: the name of a zone, or "floating" or "day" (both of the calendar's zone). ``gone`` are the occurrences
    that were taken out, ``moved`` those that stand elsewhere or are another's: (begins, ends, who).
    """

    who: str
    clock: str
    first: datetime
    minutes: int
    every: int = 1
    times: int = 1
    gone: frozenset[int] = frozenset()
    moved: dict[int, tuple[datetime, datetime, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Colleague:
    """One of the list: by their wall clock at work on ``days`` from ``begins`` to ``ends``, but on no holiday; away on
    the days of ``leave``."""

    name: str
    tier: str
    zone: str
    days: frozenset[int]
    begins: int
    ends: int
    holidays: frozenset[date] = frozenset()
    leave: tuple[tuple[date, date], ...] = ()


@dataclass(frozen=True)
class StandIn:
    """``who`` is on call for ``instead`` ("" for all) in these minutes of the world."""

    who: str
    begins: int
    ends: int
    instead: str = ""


@dataclass(frozen=True)
class Rota:
    """All of it. Each calendar has its zone and its rows."""

    list: tuple[Colleague, ...]
    tiers: tuple[str, ...]
    calendars: tuple[tuple[str, tuple[Repeated, ...]], ...]
    stand_ins: tuple[StandIn, ...] = ()


# -- the rota as text --------------------------------------------------------------------------------------------------


def as_icalendar(zone: str, rows: tuple[Repeated, ...], *, says_zone: bool = False) -> bytes:
    """A calendar as programs write it."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//rota//EN"]
    if says_zone:
        lines.append(f"X-WR-TIMEZONE:{zone}")
    for number, row in enumerate(rows):
        ends = row.first + timedelta(minutes=row.minutes)
        lines += ["BEGIN:VEVENT", f"UID:row-{number}", f"SUMMARY:{row.who}"]
        lines += [_said("DTSTART", row.first, row.clock), _said("DTEND", ends, row.clock)]
        if row.times > 1:
            weekly = row.every % 7 == 0
            often = f"WEEKLY;INTERVAL={row.every // 7}" if weekly else f"DAILY;INTERVAL={row.every}"
            lines.append(f"RRULE:FREQ={often};COUNT={row.times}")
        lines += [_said("EXDATE", _begins(row, nth), row.clock) for nth in sorted(row.gone)]
        lines.append("END:VEVENT")
        for nth, (begins, stops, who) in row.moved.items():
            lines += ["BEGIN:VEVENT", f"UID:row-{number}", f"SUMMARY:On call: {who}"]
            lines.append(_said("RECURRENCE-ID", _begins(row, nth), row.clock))
            lines += [_said("DTSTART", begins, row.clock), _said("DTEND", stops, row.clock), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def _said(what: str, when: datetime, clock: str) -> str:
    if clock == "day":
        return f"{what};VALUE=DATE:{when:%Y%m%d}"
    if clock == "floating":
        return f"{what}:{when:%Y%m%dT%H%M%S}"
    if clock == "Z":
        return f"{what}:{when:%Y%m%dT%H%M%S}Z"
    return f"{what};TZID={clock}:{when:%Y%m%dT%H%M%S}"


def _begins(row: Repeated, nth: int) -> datetime:
    return row.first + timedelta(days=nth * row.every)


# -- the walk ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=40)
def _wall(zone: str, first: int, last: int) -> list[int]:
    """What the wall clock of a zone shows at each of these minutes of the world."""
    shown = []
    for minute in range(first, last):
        there = Instant.from_timestamp(minute * 60).to_tz("UTC" if zone == "Z" else zone)
        shown.append(date(there.year, there.month, there.day).toordinal() * DAY + there.hour * 60 + there.minute)
    return shown


def _as_shown(wall: datetime) -> int:
    return wall.toordinal() * DAY + wall.hour * 60 + wall.minute


class Walk:
    """A rota walked through from one minute of the world to another."""

    def __init__(self, rota: Rota, first: int, last: int) -> None:
        self.rota, self.first, self.last = rota, first, last
        rows = [
            (place, *shift) for place, (zone, rows) in enumerate(rota.calendars) for shift in self._shifts(zone, rows)
        ]
        self.shifts = sorted(rows)

    def edges(self) -> set[int]:
        """The minutes at which a shift or a stand-in begins or ends."""
        return {edge for _, begins, ends, _ in self.shifts for edge in (begins, ends)} | {
            edge for one in self.rota.stand_ins for edge in (one.begins, one.ends)
        }

    def called(self, minute: int) -> list[tuple[str, str]]:
        """Who is called in this minute, in order, each with one word that says why."""
        answer: list[tuple[str, str]] = []
        working = [one.name for one in self._of_the_tiers() if self._works(one, minute)]
        for name, why in (
            *self._on_call(minute),
            *((name, "at work") for name in working),
            *((one.name, "next on the list") for one in self._of_the_tiers()),
        ):
            if name not in [known for known, _ in answer] and not self._is_away(name, minute):
                answer.append((name, why))
        if answer:
            return answer
        wanted = {name for name, _ in self._on_call(minute)} | {one.name for one in self._of_the_tiers()}
        return [(one.name, "on leave") for one in self.rota.list if one.name in wanted]

    def is_nobody(self, minute: int) -> bool:
        """Whether nobody is on duty."""
        return not any(why in ("on call", "stands in", "at work") for _, why in self.called(minute))

    def _of_the_tiers(self) -> list[Colleague]:
        return [one for one in self.rota.list if one.tier in self.rota.tiers]

    def _on_call(self, minute: int) -> list[tuple[str, str]]:
        names = [(name, "on call") for _, begins, ends, name in self.shifts if begins <= minute < ends]
        for one in self.rota.stand_ins:
            if not one.begins <= minute < one.ends:
                continue
            if one.instead:
                names = [(one.who, "stands in") if name == one.instead else (name, why) for name, why in names]
            else:
                names = [(one.who, "stands in")]
        return names

    def _works(self, one: Colleague, minute: int) -> bool:
        day, clock = divmod(self._shown(one.zone, minute), DAY)
        today = date.fromordinal(day)
        return today.weekday() in one.days and today not in one.holidays and one.begins <= clock < one.ends

    def _is_away(self, name: str, minute: int) -> bool:
        one = next(one for one in self.rota.list if one.name == name)
        today = date.fromordinal(self._shown(one.zone, minute) // DAY)
        return any(begins <= today <= ends for begins, ends in one.leave)

    def _shifts(self, zone: str, rows: tuple[Repeated, ...]) -> Iterator[tuple[int, int, str]]:
        for row in rows:
            clock = zone if row.clock in ("floating", "day") else row.clock
            for nth in range(row.times):
                begins = _begins(row, nth)
                ends, who = begins + timedelta(minutes=row.minutes), row.who
                if nth in row.moved:
                    begins, ends, who = row.moved[nth]
                elif nth in row.gone:
                    continue
                yield self._when(clock, _as_shown(begins)), self._when(clock, _as_shown(ends)), who

    def _when(self, zone: str, wanted: int) -> int:
        """The first minute of the world at which the wall clock shows this; one that it leaves out is so long after the
        last minute before it as it would have been. Outside the walk only before or after counts."""
        before = None
        for minute, shown in enumerate(_wall(zone, self.first, self.last), self.first):
            if shown == wanted:
                return minute
            if shown > wanted:
                return self.first - 1 if before is None else before[0] + wanted - before[1]
            before = (minute, shown)
        return self.last

    def _shown(self, zone: str, minute: int) -> int:
        return _wall(zone, self.first, self.last)[minute - self.first]
