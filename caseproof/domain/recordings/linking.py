"""Linking a recording: what is refused, each with its rule and the next action."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from caseproof.domain.case import Case
from caseproof.domain.emergency.paging import paging_of
from caseproof.domain.errors import BadInput
from caseproof.domain.people import same_person
from caseproof.domain.recordings import payloads as says
from caseproof.domain.recordings.listing import EVERYBODY, TIERS
from caseproof.domain.substance import is_address, says_something
from caseproof.domain.visible import one_line

LONGEST_KEPT = timedelta(days=3660)
LONGEST = 2000
"""How many characters an address may have; topic and names have a tenth of it."""
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Link:
    """What somebody says of a recording. Either ``address`` is filled in, or ``file``, the digest of evidence.

    ``consent`` is a line for each person who agreed: the name, a colon, and how they said so.
    """

    topic: str
    made_by: str
    consent: str
    listeners: Sequence[str]
    kept_until: str
    address: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a link lacks: the rule, what is missing, and the next action."""

    code: str
    rule: str
    missing: str
    next_action: str


class LinkRefused(BadInput):
    """The recording is not linked. ``lacking`` says each thing and its next action."""

    def __init__(self, lacking: Sequence[Lacking]) -> None:
        self.lacking = tuple(lacking)
        told = "; ".join(f"{one.rule}: {one.missing}" for one in lacking)
        super().__init__(f"The recording is not linked yet: {told}.", " ".join(one.next_action for one in lacking))


def _lacks(code: str, missing: str, next_action: str) -> Lacking:
    return Lacking(code, "E12", missing, next_action)


def lacking_in(link: Link, today: date, people: Collection[str]) -> list[Lacking]:
    """What keeps it from being linked; empty when nothing does. ``people`` are the names that the policy knows."""
    found = []
    if bool(link.address.strip()) == bool(link.file.strip()):
        found.append(
            _lacks(
                "where",
                "its address is not said, or two are",
                "Give the address that the meeting or telephone system has for it, or the file's digest.",
            )
        )
    elif link.address.strip() and not _can_be_opened(link.address.strip()):
        found.append(_lacks("address", "its address is none that can be opened", "It begins with https://."))
    elif link.file.strip() and not _DIGEST.fullmatch(link.file.strip()):
        found.append(_lacks("file", "the file is not named by its digest", "Take the digest from the case's page."))
    if not says_something(link.topic) or len(link.topic) > LONGEST // 10:
        found.append(
            _lacks(
                "topic",
                "nobody would find it again: its topic is not said, or far too long",
                "Say in a few words what one learns from it.",
            )
        )
    consent, wrong = consent_of(link.consent)
    if not consent or wrong:
        found.append(
            _lacks(
                "consent",
                "it is not said who agreed to being recorded, and how",
                "Write a line for each person who is heard: their name, a colon, and how they agreed; "
                "whoever did not agree is not recorded, or the recording is deleted where it was made.",
            )
        )
    heard_by, strange = listeners_of(link.listeners, people)
    if not heard_by or strange:
        who = f"nobody knows {', '.join(strange)}" if strange else "it is not said who may hear it"
        found.append(_lacks("listeners", who, f"Choose tiers ({', '.join(TIERS)}), names of the team, or {EVERYBODY}."))
    if (lack := _kept(link.kept_until, today)) is not None:
        found.append(lack)
    return found  # fmt: skip


def _can_be_opened(address: str) -> bool:
    return is_address(address) and address.isprintable() and len(address) <= LONGEST


def _kept(text: str, today: date) -> Lacking | None:
    latest = today + LONGEST_KEPT
    ask = f"Give the last day on which it is kept, as YYYY-MM-DD, from {today} to {latest}."
    try:
        day = date.fromisoformat(text.strip()) if re.fullmatch(r"\d{4}-\d\d-\d\d", text.strip(), re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        return _lacks("kept_until", "it is not said how long it is kept", ask)
    return None if today <= day <= latest else _lacks("kept_until", f"{day} is over, or too far ahead", ask)


def consent_of(text: str) -> tuple[list[says.Consent], list[str]]:
    """Who agreed and how, a line each, and the lines that do not say both."""
    found, wrong = list[says.Consent](), list[str]()
    for line in filter(None, map(one_line, text.splitlines())):
        who, _, how = (part.strip() for part in line.partition(":"))
        if any(sign.isalpha() for sign in who) and any(sign.isalpha() for sign in how) and len(line) <= LONGEST // 10:
            found.append(says.Consent(who=who, how=how))
        else:
            wrong.append(line)
    return found, wrong


def listeners_of(given: Iterable[str], people: Collection[str]) -> tuple[list[str], list[str]]:
    """Who may hear it, as the lists spell them, and who is in none of them."""
    found, strange = list[str](), list[str]()
    known = (EVERYBODY, *TIERS, *people)
    for one in filter(None, map(one_line, given)):
        spelt = next((name for name in known if same_person(name, one)), None)
        (strange if spelt is None else found).append(spelt or one[:60])
    return list(dict.fromkeys(found)), strange


def linked_by(link: Link, case: Case, today: date, people: Collection[str]) -> says.RecordingLinked:
    """What the event says that links it. Raises LinkRefused with all that it lacks."""
    if found := lacking_in(link, today, people):
        raise LinkRefused(found)
    paging = paging_of(case)
    return says.RecordingLinked(
        recording=len(case.all_of(says.RecordingLinked)) + 1,
        emergency=paging.number if paging is not None else 0,
        topic=one_line(link.topic),
        made_by=one_line(link.made_by)[: LONGEST // 10],
        link=digest_of(link),
        is_file=bool(link.file.strip()),
        consent=consent_of(link.consent)[0],
        listeners=listeners_of(link.listeners, people)[0],
        kept_until=link.kept_until.strip(),
    )


def digest_of(link: Link) -> str:
    """By what a recording is known again: its file's digest, or that of its address."""
    return link.file.strip() or hashlib.sha256(link.address.strip().encode()).hexdigest()
