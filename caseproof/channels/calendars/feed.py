"""Who is on call as a calendar that others subscribe to; gaps in cover stand in it, so that they are seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

import icalendar

from caseproof.domain.on_call.turns import Turn


def feed(turns: Iterable[Turn], made: datetime, name: str = "On call") -> bytes:
    """The turns as iCalendar (RFC 5545), times in UTC. An event keeps its UID as long as it is about the same."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Caseproof//On call//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for turn in turns:
        if turn.on_call or turn.is_gap:
            calendar.add_component(_event(turn, made))
    made_of: bytes = calendar.to_ical()
    return made_of


def _event(turn: Turn, made: datetime) -> icalendar.Event:
    title = f"On call: {', '.join(turn.on_call)}" if turn.on_call else "NOBODY is on call"
    about = hashlib.sha256(f"{turn.begins.isoformat()} {title}".encode()).hexdigest()[:32]
    event = icalendar.Event()
    event.add("uid", f"{about}@caseproof")
    event.add("dtstamp", made)
    event.add("dtstart", turn.begins)
    event.add("dtend", turn.ends)
    event.add("summary", title)
    event.add("transp", "TRANSPARENT")
    return event
