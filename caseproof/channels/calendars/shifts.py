"""The shifts of a calendar as they were read once: kept beside its copy, so that an emergency reads no calendar.

Kept is what its events say, not whom that names: the list may change, and the same shifts then name others. Whatever is
wrong with a kept file, it counts as none, and the calendar is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from caseproof.channels.calendars.copies import Copy
from caseproof.config.given_files import read_plain
from caseproof.config.whole_file import put_whole
from caseproof.domain.on_call.duty import Trouble
from caseproof.domain.on_call.roster import Shift
from caseproof.domain.people import same_person

_READ_BY = 1
"""The way in which calendars are read: another number, and what was kept counts no more."""

_LARGEST = 50_000_000
_BETWEEN_NAMES = re.compile(r"\s*(?:[,;/&+]|\band\b)\s*")


@dataclass(frozen=True, slots=True)
class OnTheList:
    """Somebody whom an event may name: by name in its title, or by mail address among its attendees."""

    name: str
    mail: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What an event says once: from ``begins`` up to ``ends`` (whole seconds since 1970, UTC), its title, and the mail
    addresses of those who take part, in small letters."""

    begins: int
    ends: int
    title: str
    guests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The shifts of a calendar in a window, in the order of their beginnings, and what in it names nobody."""

    shifts: tuple[Shift, ...]
    troubles: tuple[Trouble, ...]


def whom_they_name(
    said: Sequence[Said], name: str, people: tuple[OnTheList, ...], begins: datetime, ends: datetime
) -> Reading:
    """The shifts in [begins, ends) of the calendar called ``name``, and the names in it that nobody on the list has."""
    first, last = begins.timestamp(), ends.timestamp()
    known: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str]]] = {}
    found: dict[Shift, int] = {}
    unknown: dict[str, Trouble] = {}
    for one in said:
        if one.ends <= first or one.begins >= last:
            continue
        asked = (one.title, one.guests)
        if asked not in known:
            known[asked] = _named(one, people)
        named, strange = known[asked]
        starts, stops = (datetime.fromtimestamp(edge, UTC) for edge in (one.begins, one.ends))
        for place, person in enumerate(named):
            found.setdefault(Shift(person, starts, stops, name), place)
        for who in strange:
            unknown.setdefault(who, _nobody(name, who, starts))
    ordered = sorted(found, key=lambda one: (one.begins, one.ends, found[one], one.person))
    return Reading(tuple(ordered), tuple(unknown.values()))


def _named(one: Said, people: tuple[OnTheList, ...]) -> tuple[list[str], list[str]]:
    """Whom an event names: of the list, and others. Its title counts, else who takes part."""
    after = one.title.rpartition(":")[2].strip()
    whole = [text for text in (one.title, after) if any(same_person(o.name, text) for o in people)]
    parts = whole[:1] or [part for part in _BETWEEN_NAMES.split(after) if part]
    known = [person.name for part in parts for person in people if same_person(person.name, part)]
    if known:
        return known, [part for part in parts if not any(same_person(part, name) for name in known)]
    taking_part = [person.name for person in people if person.mail and person.mail.lower() in one.guests]
    return taking_part, [] if taking_part else [one.title or "an event without a title"]


def _nobody(name: str, who: str, begins: datetime) -> Trouble:
    return Trouble(
        name,
        f"The calendar '{name}' names '{who[:100]}' on {begins:%Y-%m-%d %H:%M} UTC, who is not on the list: write the "
        "name as on_call.people has it.",
    )


# -- kept -----------------------------------------------------------------------------------------------------------


def kept_shifts(folder: Path, name: str, copy: Copy, zone: str, begins: datetime, ends: datetime) -> list[Said] | None:
    """What was read of this copy for [begins, ends), or for longer; None where that has to be read."""
    try:
        head, _, body = read_plain(_path(folder, name), _LARGEST).partition(b"\n")
        told = json.loads(head)
        fits = (
            told["of"] == _of(copy, zone) and told["begins"] <= begins.timestamp() and ends.timestamp() <= told["ends"]
        )
        if not fits or told["sha256"] != hashlib.sha256(body).hexdigest():
            return None
        return _unpacked(json.loads(body), begins.timestamp(), ends.timestamp())
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def keep_shifts(
    folder: Path, name: str, copy: Copy, zone: str, begins: datetime, ends: datetime, said: Sequence[Said]
) -> None:
    """Keep what was read of this copy for [begins, ends). Raises OSError."""
    body = json.dumps(_packed(said), separators=(",", ":")).encode()
    head = {
        "of": _of(copy, zone),
        "begins": begins.timestamp(),
        "ends": ends.timestamp(),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    put_whole(_path(folder, name), json.dumps(head).encode() + b"\n" + body)


def _packed(said: Sequence[Said]) -> dict[str, list[Any]]:
    """As few values as there can be: they are read while somebody waits to be called."""
    words = {asked: place for place, asked in enumerate(dict.fromkeys((one.title, one.guests) for one in said))}
    return {
        "words": list(words),
        "begins": [one.begins for one in said],
        "ends": [one.ends for one in said],
        "says": [words[one.title, one.guests] for one in said],
    }


def _unpacked(held: Any, first: float, last: float) -> list[Said]:
    words = [(str(title), tuple(map(str, guests))) for title, guests in held["words"]]
    rows = zip(held["begins"], held["ends"], held["says"], strict=True)
    return [Said(begins, ends, *words[say]) for begins, ends, say in rows if begins < last and ends > first]


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.shifts"


def _of(copy: Copy, zone: str) -> str:
    return f"{_READ_BY} {copy.digest} {zone}"
