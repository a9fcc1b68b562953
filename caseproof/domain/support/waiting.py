"""How long a tier may have a case before it is reminded, and before the policy hands it on. Nobody skips a gate by
waiting: where one is closed, the tier's lead hears what is missing, and the case stays where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from caseproof.domain.case import Case
from caseproof.domain.closure import Blocker, closure_blockers
from caseproof.domain.support.forms import form_for
from caseproof.domain.support.ladder import escalation_blockers, owner_of, who_acts
from caseproof.domain.support.payloads import ClientWrote
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import Tier


@dataclass(frozen=True, slots=True)
class Limit:
    """After how long in one state the tier that has to act is nudged, and then the case handed on; None: never."""

    nudge: timedelta
    hand_on: timedelta | None = None


class Late(StrEnum):
    """What a time limit asks for; and first, before anything is late, what a case asks for that came to a tier."""

    CAME = "came"
    """Its people are told that it is theirs now."""
    NUDGE = "nudge"
    HAND_ON = "hand on"
    TELL_LEAD = "tell the lead"
    """It should be handed on, and a gate is closed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What time asks for: of which tier, since when it is due, to which tier it goes on, and what is missing for that.

    ``to`` is None for a nudge, and where the next tier takes a case by itself (PT, E4) or by its own judgement.
    """

    what: Late
    tier: Tier
    since: datetime
    to: Tier | None = None
    missing: tuple[Blocker, ...] = ()


_NEXT = {Tier.L1: Tier.L2, Tier.L2: Tier.PT}
"""To whom a case goes on when its tier's time is over. What goes to development, PT alone says (E5)."""


def begins_with(case: Case) -> int:
    """The number of the event since which the case stands where it does, with whom it does; 0 before it is opened. What
    a tier tries moves its own time, for it is at work; while it waits for another, it does not move that one's."""
    tier, work = who_acts(case), {str(Request.TRY), str(Request.TELL_OUTCOME)}
    tried = [n for n, event in enumerate(case.events, 1) if str(event.kind) in work and event.data["tier"] == tier]
    return max([came_to_its_tier(case), *tried])


def came_to_its_tier(case: Case) -> int:
    """The number of the event with which the case came to the tier that has to act; 0 before it is opened."""
    moves = {str(one) for one, step in LADDER.items() if step.after is not None} | {str(Request.EXHAUST)}
    came = [number for number, event in enumerate(case.events, 1) if str(event.kind) in moves]
    return max([*came, *([case.last_opened.seq] if case.last_opened else [])], default=0)


def stands_since(case: Case) -> datetime | None:
    """When that was; None before the case is opened."""
    number = begins_with(case)
    return case.events[number - 1].at if number else None


def who_has_to_hear(case: Case) -> Asked | None:
    """The tier that has to act, which has to hear since when; None for a case that nobody works on, or that is solved.

    The limits are looked at before: where the tier is late already, its reminder says the same.
    """
    tier, came = who_acts(case), came_to_its_tier(case)
    if tier is None or not came or case.own.get("solution") is not None:
        return None
    return Asked(Late.CAME, tier, case.events[came - 1].at)


def what_is_left_to_ask(case: Case, limits: Mapping[Tier, Limit], now: datetime) -> Asked | None:
    """What the time limits ask for once a case is solved: that its owner takes the last steps, while a person has to.

    None where nothing is late, and where nobody is asked: a case that waits for a job's own case reminds nobody.
    """
    owner, solution = owner_of(case), case.own.get("solution")
    if owner is None or solution is None or owner not in limits or form_for(case) is None:
        return None
    since, limit = _left_since(case, solution.seq), limits[owner]
    if limit.hand_on is not None and now - since >= limit.hand_on:
        return Asked(Late.TELL_LEAD, owner, since + limit.hand_on, None, tuple(closure_blockers(case)))
    return Asked(Late.NUDGE, owner, since + limit.nudge) if now - since >= limit.nudge else None


def _left_since(case: Case, solution: int) -> datetime:
    """Since when somebody has to take the last steps: the solution, or what the client wrote after it."""
    wrote = max((fact.seq for fact in case.all_of(ClientWrote)), default=0)
    return case.events[max(wrote, solution) - 1].at


def what_time_asks(case: Case, limits: Mapping[Tier, Limit], now: datetime) -> Asked | None:
    """What the time limits ask for now; None where nothing is late, or something was solved already."""
    tier, since = who_acts(case), stands_since(case)
    if tier is None or since is None or tier not in limits or case.own.get("solution") is not None:
        return None
    limit = limits[tier]
    if limit.hand_on is not None and now - since >= limit.hand_on:
        to = _NEXT.get(tier) if tier is owner_of(case) else None
        missing = tuple(escalation_blockers(case, to)) if to else ()
        return Asked(Late.HAND_ON if to and not missing else Late.TELL_LEAD, tier, since + limit.hand_on, to, missing)
    if now - since >= limit.nudge:
        return Asked(Late.NUDGE, tier, since + limit.nudge)
    return None
