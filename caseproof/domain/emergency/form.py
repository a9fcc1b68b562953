"""The form that raises an emergency: filled in within thirty seconds, on a telephone, and read here once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from caseproof.domain.emergency.raising import EmergencyRefused, Missing, Raising, ShortCase, Sighting, Terminals
from caseproof.domain.emergency.vocabulary import CRITERIA, Criterion, OwnLadder
from caseproof.domain.forms import Form

EMERGENCY = "emergency"


class Down(StrEnum):
    """What is down, as a person chooses it: the names are those of ``Criterion``."""

    STORE_DOWN = CRITERIA[Criterion.STORE_DOWN]
    ORDERING_DOWN = CRITERIA[Criterion.ORDERING_DOWN]
    PAYMENTS_DOWN = CRITERIA[Criterion.PAYMENTS_DOWN]
    TERMINALS_FAIL = CRITERIA[Criterion.TERMINALS_FAIL]
    STAFF_LOCKED_OUT = CRITERIA[Criterion.STAFF_LOCKED_OUT]
    ECM_DOWN = CRITERIA[Criterion.ECM_DOWN]


class Ladder(StrEnum):
    """Whether the caller's own ladder was used: the names are those of ``OwnLadder``, and no answer is no choice."""

    USED = "yes, and they could not solve it"
    NOT_USED = "not yet"
    NONE = "we have none, or nobody answers there"


class Whom(StrEnum):
    """Who is called."""

    IN_TURN = "one after the other, until somebody has it"
    EVERYBODY = "everybody at once"


@dataclass(frozen=True)
class EmergencyForm(Form):
    """What the caller says. Either ``case`` is filled in, or ``client`` and ``said``: a case is written of them."""

    slug = EMERGENCY
    waits_for = "waits for the emergency's facts"

    down: Down = field(metadata={"title": "What is down? (E7)", "description": "The one that hurts most."})
    seen: str = field(
        metadata={
            "title": "What was seen?",
            "description": "Who saw what: a message, a page, a number.",
            "is_long": True,
            "shortest": 1,
        }
    )
    site: str = field(metadata={"title": "Which site?", "description": "Its address, as in a browser.", "shortest": 1})
    own_ladder: Ladder = field(
        metadata={
            "title": "Did you call your own L1, L2, L3? (E9)",
            "description": "They come first. Whatever you say here, people are called.",
        }
    )
    whom: Whom = field(metadata={"title": "Who is called?", "description": "Everybody at once only if it must be."})
    since: str = field(
        default="",
        metadata={"title": "Since when?", "description": "19:50, or 2026-11-27 19:50. Empty if nobody knows."},
    )
    tried: str = field(
        default="",
        metadata={"title": "What was tried?", "description": "By support, in a few words.", "is_long": True},
    )
    terminals: str = field(
        default="",
        metadata={
            "title": "Payment terminals that fail",
            "description": "As in: 3 of 5. An estimate is enough.",
            "only_with": (str(Down.TERMINALS_FAIL),),
            "needed_with": (str(Down.TERMINALS_FAIL),),
        },
    )
    case: str = field(
        default="", metadata={"title": "The case, if there is one (E9)", "description": "As in: SC-000123."}
    )
    client: str = field(
        default="", metadata={"title": "No case yet: the client", "description": "A case is written of it."}
    )
    said: str = field(
        default="",
        metadata={"title": "No case yet: what they say", "description": "One sentence is enough.", "is_long": True},
    )


class Reply(StrEnum):
    """What somebody says in Prefect's form while people are called."""

    HAVE_IT = "I have it"
    EVERYBODY = "call everybody at once"
    UPDATE = "tell those who wait how it stands"
    OVER = "it is over: nobody need be called"


@dataclass(frozen=True)
class EmergencyReply(Form):
    """The form that stands on an emergency's flow run while people are called: one of the ways to say "I have it"."""

    slug = "emergency-reply"
    waits_for = "waits for somebody who has it"

    what: Reply = field(metadata={"title": "What do you say? (E8)", "description": "The first who has it, has it."})
    why: str = field(
        default="",
        metadata={
            "title": "In a sentence",
            "description": "Where it is over: what solved it, or who goes on. To those who wait: how it stands (E12).",
            "is_long": True,
            "only_with": (str(Reply.OVER), str(Reply.EVERYBODY), str(Reply.UPDATE)),
            "needed_with": (str(Reply.OVER), str(Reply.UPDATE)),
        },
    )


def raising_of(form: EmergencyForm, now: datetime, zone: tzinfo, within_contract: bool | None = None) -> Raising:
    """What the form says, with times on the clocks of ``zone``. Raises EmergencyRefused for a time that is none."""
    return Raising(
        site=form.site,
        sightings=(Sighting(Criterion[form.down.name], form.seen),),
        since=since_of(form.since, now, zone),
        tried=form.tried,
        own_ladder=OwnLadder[form.own_ladder.name],
        case=form.case,
        new_case=None if form.case.strip() else ShortCase(form.client, form.said),
        terminals=terminals_of(form.terminals),
        within_contract=within_contract,
        all_team=form.whom is Whom.EVERYBODY,
    )


_CLOCK = re.compile(r"(?P<hour>[0-9]{1,2})[:.h](?P<minute>[0-9]{2})", re.ASCII)


def since_of(text: str, now: datetime, zone: tzinfo) -> datetime | None:
    """When it began, on the clocks of ``zone``; a time of day is the last one that has passed, None for no words.

    Raises EmergencyRefused for words that are no time.
    """
    text = text.strip()
    if not text:
        return None
    here = now.astimezone(zone)
    try:
        if clock := _CLOCK.fullmatch(text):
            at = here.replace(hour=int(clock["hour"]), minute=int(clock["minute"]), second=0, microsecond=0)
            return at if at <= here else at - timedelta(days=1)
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        what = f"{text[:40]!r} is no time"
        raise EmergencyRefused([Missing("since", "E7", what, "Write it as 19:50, or leave it empty.")]) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def terminals_of(text: str) -> Terminals | None:
    """How many terminals fail of how many, as in "3 of 5"; None for other words: then the figures are asked for."""
    found = re.findall(r"[0-9]{1,6}", text)
    return Terminals(int(found[0]), int(found[1])) if len(found) == 2 else None
