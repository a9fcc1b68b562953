"""A support case's ticket, on which support and the product team work together (E12): what it says of the case, and
what it is told of each thing that happens."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from caseproof.domain.case import Case, Fact
from caseproof.domain.support import payloads as says
from caseproof.domain.support.efforts import documents, linked_addresses
from caseproof.domain.support.ladder import owner_of
from caseproof.domain.support.lifecycle import OWNERS
from caseproof.domain.support.vocabulary import TIER_NAMES, Tier
from caseproof.procedure.core.parts import Links
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.core.texts import in_ticket, quoted_in_ticket, short

People = Mapping[Tier, Collection[str]]
"""Who is in each tier by the policy."""
_LONGEST = 4000
"""How many characters of an event a comment has; the case has all of it."""


def subject_of(case: Case) -> str:
    """The ticket's subject."""
    return f"[{case.ref}] {in_ticket(case.facts['client'])}: {in_ticket(short(case.facts['summary']))}"


def body_of(links: Links, case: Case, people: People) -> str:
    """What the ticket says when it is opened: who wants what, who has it, and where the case is."""
    facts = case.facts
    named = {name.capitalize(): facts.get(name) for name in ("client", "site", "product", "contract", "urgency")}
    owner = owner_of(case)
    lines = [f"{name}: {in_ticket(value)}" for name, value in named.items() if value]
    lines += [f"With: {with_whom(owner, people)}"] if owner else []
    lines += ["", "What the client said:", "", quoted_in_ticket(short(facts["said"], _LONGEST)), ""]
    lines += [f"Documentation: {in_ticket(one['title'])}, {one['address']}" for one in documents(case)]
    return "\n".join([*lines, f"Case: {links.case_url(case.ref)}"])


def with_whom(tier: Tier, people: People) -> str:
    """A tier as people read it, with the people in it."""
    names = ", ".join(in_ticket(name) for name in people.get(tier, ()))
    return f"{TIER_NAMES[tier]} ({names})" if names else TIER_NAMES[tier]


def comment_of(links: Links, case: Case, fact: Fact, people: People) -> str:
    """What the ticket is told of an event: when, who, what, and who has the case from then on."""
    tier = fact.get("tier")
    who = f"{in_ticket(fact.actor)} ({in_ticket(tier)})" if tier else in_ticket(fact.actor)
    said = short(whole_sentence(fact.event), _LONGEST)
    told = f"{fact.at:%Y-%m-%d %H:%M} UTC, {who}: {in_ticket(said, linked_addresses(case))}"
    target = fact.event.kind.spec.target
    owner = OWNERS.get(target) if target is not None else None
    lines = [told, *([f"Now with {with_whom(owner, people)}."] if owner else [])]
    if fact.says(says.ClientWrote) and fact.get("evidence"):
        lines.append(f"As it arrived: {links.evidence_url(fact['evidence'])}")
    return "\n".join([*lines, f"Case: {links.case_url(case.ref)}"])
