"""Who has which case: claimed, handed to a colleague, let go, put off until a day.

These are the team's notes to each other, so they are rows with a trace and no events: nothing of them founds a decision
or a proof, they wake no run, and a step that is about to be written down is not disturbed by them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from caseproof.config.clock import Clock
from caseproof.domain.errors import BadInput
from caseproof.store import Store
from caseproof.store.logins import folded_name
from caseproof.store.worklist import Did

AT_ONCE = 100
"""How many cases may be handled together."""
LONGEST_SNOOZE = timedelta(days=90)
_REF = re.compile(r"[A-Z]{2}-[0-9]{6,18}", re.ASCII)


class Handle(StrEnum):
    """What somebody may do with cases in the worklist. The value is what a form sends."""

    CLAIM = "claim"
    RELEASE = "release"
    HAND_OVER = "hand over"
    SNOOZE = "snooze"
    WAKE = "wake"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted, for which cases. ``whom`` is who gets them, as the team list has the name ("" unless handed
    over); ``until`` is the moment at which they come back (None unless put off)."""

    what: Handle
    refs: tuple[str, ...]
    whom: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which cases it was done with, and why not with the others, by their reference."""

    done: tuple[str, ...]
    refused: dict[str, str]


def day_ahead(said: str, now: datetime) -> datetime:
    """The beginning (UTC) of the day that somebody typed as YYYY-MM-DD. Raises BadInput."""
    ask = f"Choose a day from tomorrow to {(now + LONGEST_SNOOZE).date()}, as YYYY-MM-DD."
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", said.strip(), re.ASCII):
        raise BadInput("Until which day?" if not said.strip() else f"{said.strip()[:40]!r} is no day.", ask)
    try:
        until = datetime.combine(date.fromisoformat(said.strip()), time(), UTC)
    except ValueError:
        raise BadInput(f"{said.strip()!r} is no day.", ask) from None
    if not now < until <= now + LONGEST_SNOOZE:
        raise BadInput(f"{said.strip()} is not between tomorrow and {(now + LONGEST_SNOOZE).date()}.", ask)
    return until


def handle(store: Store, clock: Clock, wish: Wish, actor: str) -> Outcome:
    """Do it, as ``actor``, with each case with which it can be done. Of two who claim a case at once, one gets it.

    A case that somebody else has is neither claimed nor let go by the way: it is handed over, which anybody may.
    Raises BadInput where no case was named, or too many, StoreError.
    """
    refs = list(dict.fromkeys(wish.refs))
    if not refs:
        raise BadInput("No case was ticked.", "Tick the cases first.")
    if len(refs) > AT_ONCE:
        raise BadInput(f"{len(refs)} cases are too many at once.", f"Tick up to {AT_ONCE}.")
    now = clock()
    with store.uow() as uow:
        standing = uow.worklist.standing([ref for ref in refs if _REF.fullmatch(ref)])
        refused = {ref: why for ref in refs if (why := _why_not(wish.what, standing.get(ref), folded_name(actor)))}
        done = [ref for ref in refs if ref not in refused]
        match wish.what:
            case Handle.CLAIM:
                uow.worklist.give(done, folded_name(actor), did=Did.CLAIMED, actor=actor, whom=actor, at=now)
            case Handle.RELEASE:
                uow.worklist.give(done, "", did=Did.RELEASED, actor=actor, whom="", at=now)
            case Handle.HAND_OVER:
                uow.worklist.give(done, folded_name(wish.whom), did=Did.HANDED, actor=actor, whom=wish.whom, at=now)
            case Handle.SNOOZE | Handle.WAKE:
                uow.worklist.snooze(done, wish.until, actor=actor, at=now)
        uow.commit()
    return Outcome(tuple(done), refused)


def _why_not(what: Handle, standing: tuple[bool, str] | None, actor: str) -> str:
    """Why it cannot be done with a case that stands so; "" where it can."""
    if standing is None:
        return "there is no such case"
    is_open, holder = standing
    if not is_open:
        return "it is closed"
    if holder and holder != actor and what in (Handle.CLAIM, Handle.RELEASE):
        return f"{holder} has it; hand it over instead"
    if holder != actor and what is Handle.RELEASE:
        return "nobody has it"
    return ""
