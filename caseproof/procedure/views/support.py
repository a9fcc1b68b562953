"""What people see of a support case: who has it, what was tried and what came of it, and what the next step lacks.

The page, the card and the question show the same; here it is gathered, once, from the case's events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from caseproof.domain.case import Case, FactOf
from caseproof.domain.closure import Blocker, closure_blockers
from caseproof.domain.support import payloads as says
from caseproof.domain.support.conditions import closed_with_a_run_of_before, linked_jobs
from caseproof.domain.support.efforts import documents, items, outcomes, since
from caseproof.domain.support.ladder import escalation_blockers, owner_of, who_acts
from caseproof.domain.support.lifecycle import OWNERS, State
from caseproof.domain.support.steps import TAKES
from caseproof.domain.support.vocabulary import TIER_NAMES, Tier

NEXT_TIERS = {Tier.L1: Tier.L2, Tier.L2: Tier.PT, Tier.PT: Tier.DEV}
"""To whom a case goes on from the tier that owns it, on the ordinary way."""
_ORDER = (State.WITH_L1, State.WITH_L2, State.WITH_PT, State.WITH_DEVELOPMENT)


@dataclass(frozen=True, slots=True)
class Effort:
    """Something that was tried: by which tier and whom, out of which document ("" for none), and what came of it.

    ``key`` is the number of PT's line that it answers, "" for a step of their own; ``outcome`` is "" as long as nobody
    said what came of that line.
    """

    tier: str
    by: str
    what: str
    document: str
    outcome: str
    seen: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class NextTier:
    """A tier that may take the case next: what keeps it from there, each with its rule and the next action."""

    tier: Tier
    name: str
    blockers: tuple[Blocker, ...]


@dataclass(frozen=True, slots=True)
class SupportView:
    """A support case as people see it; ``facts`` are names and values, in the order in which they are read."""

    owner: str
    acts: str
    facts: tuple[tuple[str, str], ...]
    said: str
    wrote: tuple[FactOf[says.ClientWrote], ...]
    documents: tuple[says.Document, ...]
    efforts: tuple[Effort, ...]
    open_items: tuple[Effort, ...]
    next_tiers: tuple[NextTier, ...]
    solution: FactOf[says.SolutionStated] | None


def support_view(case: Case) -> SupportView:
    """All of it, as the case is now."""
    owner, acts, done = owner_of(case), who_acts(case), efforts(case)
    return SupportView(
        owner=TIER_NAMES[owner] if owner else "nobody: it is closed",
        acts=TIER_NAMES[acts] if acts else "nobody",
        facts=tuple(facts(case)),
        said=str(case.facts["said"]),
        wrote=case.all_of(says.ClientWrote),
        documents=tuple(documents(case)),
        efforts=tuple(one for one in done if one.outcome),
        open_items=tuple(one for one in done if not one.outcome),
        next_tiers=tuple(next_tiers(case)),
        solution=case.own.get("solution"),
    )


def facts(case: Case) -> list[tuple[str, str]]:
    """What the case is about, by what people call it."""
    said = case.facts
    technician = case.own.get("technician")
    named = {
        "Client": said["client"],
        "Site": said.get("site") or "none given",
        "Product": said["product"],
        "Contract": said.get("contract") or "not known",
        "Urgency": said["urgency"],
        "A job fails": said["failing"],
        "Cases of failing jobs": ", ".join(_job(case, ref) for ref in linked_jobs(case)),
        "Earlier case": said.get("continues"),
        "Technician": technician.get("technician") if technician else None,
    }
    return [(name, str(value)) for name, value in named.items() if value]


def _job(case: Case, ref: str) -> str:
    early = ref in closed_with_a_run_of_before(case)
    return f"{ref} (closed with a run of before this case was opened: it has to close anew, J10)" if early else ref


def efforts(case: Case) -> list[Effort]:
    """What was tried in this opening, the oldest first; then PT's lines, each with its outcome, if anybody said it."""
    tried = [fact for fact in case.all_of(says.Tried) if fact.seq > since(case)]
    steps = [
        Effort(
            str(fact["tier"]), fact.actor, str(fact["step"]), str(fact["document"]), str(fact["outcome"]),
            str(fact["seen"]),
        )
        for fact in tried
    ]  # fmt: skip
    told = outcomes(case)
    for item in items(case):
        fact = told.get(item.key)
        outcome, seen, by = (str(fact["outcome"]), str(fact["seen"]), fact.actor) if fact else ("", "", "")
        what = f"{'Question' if item.is_question else 'Suggestion'} of PT: {item.words}"
        steps.append(Effort(Tier.L2, by, what, "", outcome, seen, item.key))
    return steps


def next_tiers(case: Case) -> list[NextTier]:
    """The tier to which the case goes on from here, and what is missing for that; none from a closed case."""
    owner = owner_of(case)
    tier = NEXT_TIERS.get(owner) if owner else None
    if tier is None or tier not in TAKES:
        return []
    return [NextTier(tier, TIER_NAMES[tier], tuple(escalation_blockers(case, tier)))]


def next_step(case: Case) -> str:
    """What has to happen next, in a sentence a person can act on."""
    tier = who_acts(case)
    if tier is None:
        return "Nothing: the case is closed, with its proof."
    if case.own.get("solution") is not None:
        blockers = closure_blockers(case)
        return blockers[0].next_action if blockers else "The case's run makes the proof and closes the case."
    name = TIER_NAMES[tier]
    if case.state is State.PT_ASKED:
        return f"{_begin(name)} answers L2 with suggestions or questions, in the case's form (E3)."
    if tier is Tier.PT and owner_of(case) is Tier.L2:
        return f"{_begin(name)} takes the case, or answers L2 once more, in the case's form (E4)."
    if waits := [item for item in items(case) if item.key not in outcomes(case)]:
        lines = ", ".join(item.key for item in waits)
        return f"{_begin(name)} says what came of PT's lines {lines}, in the case's form (E3)."
    return f"{_begin(name)} says in the case's form what it tried, what solved it, or to whom the case goes on."


def _begin(name: str) -> str:
    return name[:1].upper() + name[1:]


def on_the_way(case: Case) -> Sequence[State]:
    """The states that the page shows as a way: up the ladder, with where the case stands in its place."""
    owner = OWNERS.get(State(case.state))
    places = [State(case.state) if owner is OWNERS[one] else one for one in _ORDER]
    beside = [] if case.state in (*places, State.CLOSED) else [State(case.state)]  # the implementation team
    return [places[0], *beside, *places[1:], State.CLOSED]
