"""Reads an iCalendar into shifts: what repeats is counted out, what was moved or swapped stands where it is now.

A shift begins and ends by the clock on the wall of its time zone, through each clock change. A whole day is one of the
calendar's time zone, so that one day ends where the next begins. Where the clock is set back, a time that there are
two of is the first; where it is set forward, one that there is not is as long after the change as it would have been
(RFC 5545, 3.3.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events
import x_wr_timezone

from caseproof.channels.calendars.screening import CalendarRefused, Work, refused, screen, window
from caseproof.channels.calendars.shifts import Said
from caseproof.config.policy_check import zone_of

_TIMES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")
_ONCE = ("UID", "DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID", "SUMMARY", "STATUS", "SEQUENCE")
_SAYS_ZONE = "X-WR-TIMEZONE"


def read_calendar(content: bytes, name: str, begins: datetime, ends: datetime, zone: ZoneInfo | None) -> list[Said]:
    """What the calendar called ``name`` says of [begins, ends); ``zone`` is for times that have none of their own.

    Raises CalendarRefused, for the calendar as a whole: half a rota is worse than the last whole one.
    """
    screen(content, name)
    with _of_the_calendar(name):
        calendar: Any = icalendar.Calendar.from_ical(content)  # its types name each kind of value there is
    says = str(calendar.get(_SAYS_ZONE, "")).strip()
    zone = zone or (_known_zone(says, name) if says else None)
    first, last = window(begins, ends)
    work = Work(name, first, last)
    for event in calendar.walk("VEVENT"):
        with _of_the_calendar(name, event):
            _check(event, name, zone)
            for rule in _listed(event.get("RRULE")):
                starts = event["DTSTART"].dt
                work.bound(rule, starts, getattr(starts, "tzinfo", None) or zone, _title(event))
    _refuse_same(calendar.walk("VEVENT"), name)
    with _of_the_calendar(name):
        if zone is not None:
            calendar = (_Converting if says else _Placing)(zone).walk(calendar)
        events = recurring_ical_events.of(calendar).between(first, last)
    return list(_said(events, name, begins, ends, zone))


class _Converting(x_wr_timezone.UTCChangingWalker):  # type: ignore[misc] # without types
    """For a calendar that says its time zone: times in UTC are meant by its clock, and follow it through the year."""


class _Placing(_Converting):
    """For one that does not: what is in UTC stays so, only times without a zone are the policy's."""

    def is_UTC(self, dt: datetime) -> bool:  # noqa: ARG002 - the library's name
        """Whether this is to be converted."""
        return False


def _said(events: list[Any], name: str, begins: datetime, ends: datetime, zone: ZoneInfo | None) -> Iterator[Said]:
    for event in events:
        with _of_the_calendar(name, event):
            starts, stops = _instant(event.start, zone), _instant(event.end, zone)
            if starts >= stops or stops <= begins or starts >= ends or _text(event, "STATUS").upper() == "CANCELLED":
                continue
            said = Said(int(starts.timestamp()), int(stops.timestamp()), _text(event, "SUMMARY"), _guests(event))
        yield said


def _guests(event: Any) -> tuple[str, ...]:
    """Who takes part, but for those who declined."""
    return tuple(
        str(guest).lower().removeprefix("mailto:")
        for guest in _listed(event.get("ATTENDEE"))
        if str(getattr(guest, "params", {}).get("PARTSTAT", "")).upper() != "DECLINED"
    )


@contextmanager
def _of_the_calendar(name: str, event: Any = None) -> Iterator[None]:
    """Whatever a library raises over what it was given is the calendar's fault."""
    try:
        yield
    except CalendarRefused:
        raise
    except Exception as error:
        where = f" at {_title(event)}" if event is not None else ""
        raise refused(
            name,
            f"cannot be read{where}: {type(error).__name__}, {str(error)[:200]}",
            "Correct it there, or export it anew.",
        ) from error


def _check(event: Any, name: str, zone: ZoneInfo | None) -> None:
    """Refuse an event whose times cannot be relied on."""
    for what, why in event.errors:
        if what in _TIMES:
            raise refused(
                name, f"has a {what} that cannot be read at {_title(event)}: {why[:200]}", "Correct the event."
            )
    for what in _ONCE:
        if isinstance(event.get(what), list):
            raise refused(name, f"says {what} twice at {_title(event)}", "Correct the event.")
    if "DTSTART" not in event:
        raise refused(name, f"has no beginning at {_title(event)}", "Correct the event.")
    _check_order(event, name, zone)
    for what in _TIMES:
        for value in _listed(event.get(what)):
            times = [one.dt for one in value.dts] if hasattr(value, "dts") else [getattr(value, "dt", None)]
            for when in times:
                _check_zone(when, value, event, name, zone)


def _check_order(event: Any, name: str, zone: ZoneInfo | None) -> None:
    begins, ends = event["DTSTART"].dt, event["DTEND"].dt if "DTEND" in event else None
    if ends is not None and isinstance(begins, datetime) is not isinstance(ends, datetime):
        raise refused(name, f"begins by the day and ends by the hour, or so, at {_title(event)}", "Correct the event.")
    # By the clock on the wall: an hour that the clock leaves out is no mistake of the event's.
    if ends is not None and _placed(begins, zone) > _placed(ends, zone):
        raise refused(name, f"ends before it begins at {_title(event)}", "Correct the event.")


def _refuse_same(events: list[Any], name: str) -> None:
    """Refuse two events with one UID that are not one moved from the other: only one of them would count."""
    seen: dict[tuple[str, bytes, str], Any] = {}
    for event in events:
        moved = event.get("RECURRENCE-ID")
        with _of_the_calendar(name, event):
            key = (_text(event, "UID"), b"" if moved is None else moved.to_ical(), _text(event, "SEQUENCE"))
        if not key[0]:
            raise refused(name, f"has no UID at {_title(event)}", "Give each event a UID of its own.")
        if key in seen:
            raise refused(
                name, f"has one UID for {_title(seen[key])} and {_title(event)}", "Give each event a UID of its own."
            )
        seen[key] = event


def _check_zone(when: Any, value: Any, event: Any, name: str, zone: ZoneInfo | None) -> None:
    if not isinstance(when, date) or (isinstance(when, datetime) and when.tzinfo is not None):
        return
    said = str(getattr(value, "params", {}).get("TZID", ""))
    if said and isinstance(when, datetime):
        raise refused(name, f"has the unknown time zone '{said}' at {_title(event)}", "Name an IANA zone there.")
    if zone is None:
        raise refused(
            name,
            f"has no time zone at {_title(event)}",
            f"Give on_call.calendars.{name}.timezone in the policy, or X-WR-TIMEZONE in the calendar.",
        )


def _known_zone(said: str, name: str) -> ZoneInfo:
    try:
        return zone_of(said)
    except ValueError:
        raise refused(
            name, f"says the unknown time zone '{said[:100]}'", f"Give on_call.calendars.{name}.timezone in the policy."
        ) from None


def _instant(when: date, zone: ZoneInfo | None) -> datetime:
    return _placed(when, zone).astimezone(UTC)


def _placed(when: date, zone: ZoneInfo | None) -> datetime:
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), zone)
    return when.replace(tzinfo=when.tzinfo or zone)


def _title(event: Any) -> str:
    """An event as a refusal names it, whatever is wrong with it."""
    for begins in _listed(event.get("DTSTART"))[:1]:
        said = begins.to_ical()
        when = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"the event '{_text(event, 'SUMMARY')[:100]}' of {when[:40]}"
    return f"the event '{_text(event, 'SUMMARY')[:100]}'"


def _text(event: Any, what: str) -> str:
    return str(event.get(what, "")).strip()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
