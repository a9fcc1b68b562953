"""What waits for somebody: what they have, and what nobody has where it is their tier's turn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from caseproof.config.policy import Policy
from caseproof.domain.decisions import require_member
from caseproof.domain.people import same_person
from caseproof.domain.support.vocabulary import Tier
from caseproof.domain.turn import Turn
from caseproof.procedure.core.parts import Ledger
from caseproof.procedure.core.support import people_of
from caseproof.procedure.escalation.requesting import everybody
from caseproof.store import CaseRow
from caseproof.store.logins import folded_name


@dataclass(frozen=True, slots=True)
class Mine:
    """A case that waits for somebody, or that they have. ``holder``: as names are compared, "" for nobody; ``since``:
    since when it waits for whom it waits for; ``is_turn``: whether it waits for people."""

    row: CaseRow
    holder: str
    since: datetime
    is_turn: bool


def tiers_of(policy: Policy, name: str) -> tuple[Tier, ...]:
    """The tiers that somebody is in."""
    people = people_of(policy)
    return tuple(tier for tier in Tier if any(same_person(name, one) for one in people[tier]))


def waits_for(ledger: Ledger, policy: Policy, name: str) -> tuple[str, list[Mine]]:
    """The name as the policy spells it, and what waits for them: what waits for people first, the oldest first.

    Raises NotOnTheTeam for who is neither on the team nor in a tier.
    """
    person = require_member(name, everybody(policy))
    with ledger.store.reading() as uow:
        rows = uow.worklist.waiting_for(folded_name(person), tiers_of(policy, person), ledger.clock())
    # A support case that no run has asked about yet waits for its tier all the same.
    found = [Mine(one.case, one.holder, one.since, one.turn == Turn.TEAM or not one.holder) for one in rows]
    return person, sorted(found, key=lambda one: (not one.is_turn, one.since, one.row.id))
