"""What of a calendar is refused before a library reads it: few lines can ask for more work than a machine has.

A rule that fires each second, one that never fires and is looked for until the year 9999, a time zone whose clock
changes by the minute: each is looked at here as text, or bounded.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from caseproof.domain.errors import BadInput

LARGEST = 2_000_000
"""The largest calendar that is read, in bytes: an emergency reads it, and has no time for more."""

_MOST_PARTS = 8_000
_MOST_ZONES = 50
_MOST_DAYS = 300_000
"""Over all rules, from their beginnings: 160 shifts that have repeated daily for five years."""
_MOST_STEPS = 3_000_000
"""Over all rules that may never fire; some seconds."""
_MOST_A_DAY = 200
"""So many shifts may begin on a day, by all rules together that have not ended yet."""
_EARLIEST = date(1970, 1, 1)
_STEPS_A_YEAR = {"DAILY": 366, "WEEKLY": 53, "MONTHLY": 40, "YEARLY": 20}
_TIMES_OF_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND")
_RANGES = {"BYMONTH": 12, "BYMONTHDAY": 31, "BYYEARDAY": 366, "BYWEEKNO": 53, "BYSETPOS": 366}
_BY_THE_DAY = "Let shifts repeat by the day, the week, the month or the year."
_FOLDED = re.compile(rb"\r?\n[ \t]")


class CalendarRefused(BadInput):
    """A calendar cannot be used; the text names it, the event, and what is wrong with that."""


def screen(content: bytes, name: str) -> None:
    """Refuse what is no calendar, or more of one than is read. Raises CalendarRefused."""
    if len(content) > LARGEST:
        raise refused(name, f"is larger than {LARGEST // 1_000_000} MB", "Let it hold the shifts alone.")
    lines = _FOLDED.sub(b"", content).upper()
    if b"BEGIN:VCALENDAR" not in lines[:100_000]:
        raise refused(name, "is no iCalendar", "Give the file or address that ends in .ics; a page's link is none.")
    if lines.count(b"\nBEGIN:") > _MOST_PARTS or lines.count(b"\nBEGIN:VTIMEZONE") > _MOST_ZONES:
        raise refused(name, "holds more events and time zones than are read", "Let it hold the shifts alone.")
    for zone in re.findall(rb"\nBEGIN:VTIMEZONE(.*?)\nEND:VTIMEZONE", lines, re.DOTALL):
        if any(b"FREQ=YEARLY" not in rule for rule in re.findall(rb"\nRRULE[^\r\n]*", zone)):
            raise refused(name, "has a time zone whose clock does not change by the year", "Name an IANA time zone.")
    if re.search(rb"[:;]INTERVAL=(0+|-\d*)(;|\r|\n)", lines):
        raise refused(name, "has a rule with the interval 0", "Correct the event that repeats so.")


class Work:
    """How much there is to count out in all rules of a calendar for [first, last): bounded before it is done."""

    def __init__(self, name: str, first: datetime, last: datetime) -> None:
        self._name = name
        self._first, self._last = first, last
        self._days = _MOST_DAYS
        self._steps = _MOST_STEPS
        self._a_day: float = _MOST_A_DAY

    def bound(self, rule: Any, begins: date, zone: tzinfo | None, event: str) -> None:
        """Refuse a rule (an icalendar ``vRecur``) that nobody can count out. Raises CalendarRefused.

        ``begins`` is when the event does. The end of the rule is brought into the form that it has to have; ``zone`` is
        that of an end without one.
        """
        often = str((_listed(rule.get("FREQ")) or [""])[0]).upper()
        if often not in _STEPS_A_YEAR or any(len(_listed(rule.get(part))) > 1 for part in _TIMES_OF_DAY):
            raise refused(self._name, f"has a rule that is none of shifts at {event}", _BY_THE_DAY)
        if _as_date(begins) < _EARLIEST:
            raise refused(self._name, f"repeats {event} since {_as_date(begins)}", "Correct when it begins.")
        if any(not isinstance(count, int) or count < 1 for count in _listed(rule.get("COUNT"))):
            raise refused(self._name, f"repeats {event} less than once", "Correct how often it repeats.")
        for part, most in _RANGES.items():
            if any(not 1 <= abs(int(number)) <= most for number in _listed(rule.get(part))):
                raise refused(self._name, f"has a rule with an impossible {part} at {event}", "Correct the event.")
        if until := [_in_form_of(begins, one, zone) for one in _listed(rule.get("UNTIL"))]:
            rule["UNTIL"] = until
        self._days -= max(0, (self._last.date() - _as_date(begins)).days)
        if not until or max(map(_as_date, until)) >= self._first.date():
            self._a_day -= _a_day(rule, often)
        if _may_never_fire(rule):
            self._steps -= _STEPS_A_YEAR[often] * (MAXYEAR - self._last.year)
        if self._days < 0 or self._steps < 0 or self._a_day < 0:
            raise refused(self._name, f"repeats more than can be counted out, at {event}", _BY_THE_DAY)


def _a_day(rule: Any, often: str) -> float:
    """How many shifts a rule brings on a day, or a few more; each day has one at most."""
    every = max([1, *(one for one in _listed(rule.get("INTERVAL")) if isinstance(one, int))])
    weekdays, days = len(_listed(rule.get("BYDAY"))), len(_listed(rule.get("BYMONTHDAY")))
    match often:
        case "DAILY":
            return 1 / every
        case "WEEKLY":
            return min(7, weekdays or 1) / 7 / every
        case "MONTHLY":
            return min(1, (days + 5 * weekdays or 1) / 28 / every)
        case _:
            by_the_day = weekdays or days or any(part in rule for part in ("BYYEARDAY", "BYWEEKNO"))
            return 1 if by_the_day else (len(_listed(rule.get("BYMONTH"))) or 1) / 365 / every


def _may_never_fire(rule: Any) -> bool:
    """Whether it may be looked for until the year 9999: with no more than days of the week, each week has one."""
    parts = {str(part).upper() for part in rule} - {"FREQ", "UNTIL", "COUNT", "WKST", *_TIMES_OF_DAY}
    return bool(parts - {"BYDAY"}) and parts != {"INTERVAL"}


def _in_form_of(begins: date, when: date, zone: tzinfo | None) -> date:
    """The end of a rule as it has to stand beside such a beginning: a day beside a day, else in UTC.

    A day beside a time of day is that whole day; a time without a zone is one of the event's.
    """
    if not isinstance(begins, datetime):
        return _as_date(when)
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(23, 59, 59))
    return when.replace(tzinfo=when.tzinfo or zone or UTC).astimezone(UTC)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _as_date(when: date) -> date:
    return when.date() if isinstance(when, datetime) else when


def window(begins: datetime, ends: datetime) -> tuple[datetime, datetime]:
    """[begins, ends) in UTC, and two days more on each side: no zone is further from another."""
    return begins.astimezone(UTC) - timedelta(days=2), ends.astimezone(UTC) + timedelta(days=2)


def refused(name: str, why: str, what_to_do: str) -> CalendarRefused:
    """The refusal of a calendar."""
    return CalendarRefused(f"The calendar '{name}' {why}.", what_to_do)
