"""What the ladder answers: what keeps a case from a tier, what a request lacks, and the table of all of it.

All of it is read from the declaration in ``steps`` and from the case's events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from caseproof.domain.case import Case
from caseproof.domain.closure import Blocker
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.domain.specs import EventKind
from caseproof.domain.substance import is_one_of, says_something
from caseproof.domain.support import payloads as says
from caseproof.domain.support.conditions import linked_jobs, opened_for
from caseproof.domain.support.efforts import since
from caseproof.domain.support.lifecycle import LABELS, OWNERS, State
from caseproof.domain.support.steps import LADDER, TAKES, Request, Step
from caseproof.domain.support.vocabulary import TIER_NAMES, Failing, Tier, Urgency, Way
from caseproof.domain.visible import one_line


def owner_of(case: Case) -> Tier | None:
    """The tier that owns the case; None where it is closed or does not exist."""
    return OWNERS.get(case.state) if case.version else None


def who_acts(case: Case) -> Tier | None:
    """The tier that has to act: the owner; PT where L2 waits for its answer, or says that its efforts are exhausted."""
    if case.state is State.PT_ASKED or (case.state is State.PT_ANSWERED and case.own.get("exhausted") is not None):
        return Tier.PT
    return owner_of(case)


def tiers_of(step: Step, state: State) -> tuple[Tier, ...]:
    """Who may make this request in this state; empty: anybody."""
    if step.by_anybody:
        return ()
    return step.by or (OWNERS[state],)


def way_to(request: Request, state: State) -> list[Request] | None:
    """The requests, one after the other, after which this one may be made; empty where it may be made now, None where
    no way leads there.

    It is the shortest way on the ladder; no exception of E6 is on it, for none is offered as a shortcut.
    """
    wanted = LADDER[request].before
    ways: deque[tuple[State, list[Request]]] = deque([(state, [])])
    seen = {state}
    while ways:
        here, way = ways.popleft()
        if here in wanted:
            return way
        for one, step in LADDER.items():
            if step.after is not None and not step.direct and here in step.before and step.after not in seen:
                seen.add(step.after)
                ways.append((step.after, [*way, one]))
    return None


def on_the_way(request: Request, state: State) -> list[Blocker]:
    """What has to happen before this request may be made in this state at all, the next first."""
    way, step = way_to(request, state), LADDER[request]
    if way is None:  # there is nothing to open again
        return [Blocker("closed", step.rule, "A closed case: this one is open.", "Work on it as it stands.")]
    owner = OWNERS.get(state)
    if way and owner is not None and step.after is not None and OWNERS[step.after] is owner and _gives_to(request):
        who = TIER_NAMES[owner]
        return [Blocker("already", step.rule, f"Another owner: {who}, has it already.", f"Let {who} go on with it.")]
    steps = [(one, LADDER[one]) for one in way]
    return [Blocker(str(one), step.rule, f"{step.says}.", step.do) for one, step in steps]


def _gives_to(request: Request) -> bool:
    """Whether it is made to let another tier own the case."""
    return LADDER[request].direct or request in TAKES.values()


def request_blockers(case: Case, request: Request) -> list[Blocker]:
    """What still stands before this request in this case, but for what the request itself brings."""
    state = State(case.state)
    needs = [need for need in LADDER[request].needs if not need.met(case)]
    return [*on_the_way(request, state), *(Blocker(n.code, n.rule, n.missing, n.next_action) for n in needs)]


def escalation_blockers(case: Case, tier: Tier) -> list[Blocker]:
    """What keeps the case from this tier, each with its rule and the next action; empty where the tier may have it now.

    It is computed anew from the events. What an exception of E6 would allow is not counted: that is a request of its
    own, which brings its evidence.
    """
    if owner_of(case) is tier or tier not in TAKES:
        return []
    return request_blockers(case, TAKES[tier])


def not_brought(case: Case, event: Event) -> list[Blocker]:
    """What this request lacks of what it must bring, and whether its tier may make it."""
    step = LADDER[Request(str(event.kind))]
    allowed = tiers_of(step, State(case.state))
    found: list[Blocker] = []
    if allowed and event.data.get("tier") not in allowed:
        who = " or ".join(TIER_NAMES[tier] for tier in allowed)
        found.append(Blocker("tier", step.rule, f"It is for {who} alone.", f"Let {who} do it."))
    brings = [one for one in step.brings if one.applies(event.data) and not one.met(case, event)]
    return found + [Blocker(one.code, one.rule, one.missing, one.next_action) for one in brings]


def missing(case: Case, kind: EventKind) -> Sequence[Blocker]:
    """What has to happen before an event of this kind may, where the state does not allow it; nothing of others."""
    if str(kind) not in set(Request) or not case.version:
        return ()
    return request_blockers(case, Request(str(kind)))


def named(kind: EventKind) -> str:
    """What a request is called in front of people; of what is none, the kind's value."""
    return LADDER[Request(str(kind))].says if str(kind) in set(Request) else str(kind)


def refuse(case: Case, event: Event) -> None:
    """Raise NotAllowed for a request that a gate does not let through, naming each missing item and what to do.

    Raises BadInput for an opening that does not say who wants what.
    """
    if (opened := event.says(says.SupportOpened)) is not None:
        _refuse_empty(opened)
    if (corrected := event.says(says.SupportCorrected)) is not None:
        _refuse_unclear(case, corrected, event.actor)
    if (unlinked := event.says(says.JobUnlinked)) is not None:
        _refuse_unlinking(case, unlinked)
    if str(event.kind) not in set(Request):
        return
    request = Request(str(event.kind))
    blockers = [*request_blockers(case, request), *not_brought(case, event)]
    if blockers:
        raise NotAllowed(*in_sentences(case, request, blockers))


def _refuse_empty(opened: says.SupportOpened) -> None:
    texts = {"client": "the client", "product": "the product", "summary": "the summary", "key": "the key"}
    lacks = [what for name, what in texts.items() if not one_line(opened.get(name) or "")]
    if not says_something(opened["said"]):
        lacks.append("the client's words")
    if not is_one_of(opened["urgency"], Urgency):
        lacks.append("the urgency")
    if not is_one_of(opened["failing"], Failing):
        lacks.append("whether a job, a feed or a sync fails")
    if lacks:
        raise BadInput(f"E1: a support case lacks {', '.join(lacks)}.", "Ask the client, and write it down.")


def _refuse_unclear(case: Case, said: says.SupportCorrected, by: str) -> None:
    lacks = [what for what, text in (("client", said["client"]), ("product", said["product"])) if not one_line(text)]
    if lacks:
        raise BadInput(f"E1: it is not said which {' and which '.join(lacks)} it is about.", "Ask the client.")
    if not is_one_of(said["failing"], Failing):
        raise BadInput("J10: it is not said whether a job, a feed or a sync fails.", "Choose one.")
    if said["failing"] == Failing.NO and linked_jobs(case):
        raise NotAllowed(
            f"J10: {case.ref} links the case of a job that fails.",
            "Close that case; its proof serves this one. Where its job was never part of this matter, unlink it first.",
        )
    gone = [fact for fact in case.all_of(says.JobUnlinked) if fact.seq > since(case) and same_person(fact.actor, by)]
    if said["failing"] == Failing.NO and case.facts["failing"] != Failing.NO and gone:
        raise NotAllowed(
            f"J10: it was said that a job fails, and {by} unlinked {gone[-1].data['ref']}.",
            "Let another person say that none fails; or link the case of the job that does.",
        )


def _refuse_unlinking(case: Case, said: says.JobUnlinked) -> None:
    """J10: a job that fails leaves a case by its proof alone; what was never part of the matter is said to be so."""
    if said["ref"] not in linked_jobs(case):
        linked = ", ".join(linked_jobs(case)) or "none"
        raise BadInput(f"{said['ref']} is not linked to {case.ref}.", f"Linked to it: {linked}.")
    if opened_for(case, said["ref"]):
        raise NotAllowed(
            f"J10: {case.ref} was opened because the job of {said['ref']} fails, so that is part of it.",
            f"Close {said['ref']}; its proof serves {case.ref}.",
        )
    if not says_something(said["why"]):
        raise NotAllowed(
            f"J10: it is not said why the job of {said['ref']} was never part of {case.ref}.",
            "Say it in a sentence. A job that fails no more is no reason: its own case closes with the proof of that.",
        )


def in_sentences(case: Case, request: Request, blockers: Sequence[Blocker]) -> tuple[str, str]:
    """A refusal as people read it: what is missing, each with its rule, and the first thing to do about it."""
    lines = " ".join(f"{one.rule}: {one.missing}" for one in blockers)
    return f"{case.ref} is {LABELS[case.state]}. {LADDER[request].says}: not yet. Missing: {lines}", (
        blockers[0].next_action
    )


def require_tier(name: str, tier: Tier, people: Mapping[Tier, Collection[str]]) -> str:
    """The name as the tier's list spells it. Raises NotOnTheTeam where nobody of that name is in this tier."""
    members = people.get(tier, ())
    if not members:
        raise NotOnTheTeam(
            f"Nobody is in {TIER_NAMES[tier]} by the policy.", "Name its people under `ladder` in policy.yaml."
        )
    try:
        return require_member(name, members)
    except NotOnTheTeam as error:
        raise NotOnTheTeam(
            f"{name.strip() or 'Nobody'} is not in {TIER_NAMES[tier]}.",
            f"Let one of {', '.join(sorted(members))} do it, or name them there in policy.yaml.",
        ) from error


def acts_after(request: Request) -> Tier | None:
    """The tier that has to act once this request is made; None where it leads nowhere else."""
    after = LADDER[request].after
    return Tier.PT if after is State.PT_ASKED else OWNERS.get(after) if after is not None else None


def refuse_nobody(request: Request, people: Mapping[Tier, Collection[str]]) -> None:
    """Raise NotOnTheTeam where a case would go to a tier in which nobody is by the policy: it would lie there.

    The development team may work with its own desk alone: PT answers for it.
    """
    tier = acts_after(request)
    if tier is not None and tier is not Tier.DEV and not people.get(tier):
        step = LADDER[request]
        raise NotOnTheTeam(
            f"{step.rule}: nobody is in {TIER_NAMES[tier]} by the policy, so nobody could go on with it.",
            "Name its people under `ladder` in policy.yaml; the case stays where it is until then.",
        )


def refuse_stranger(event: Event, people: Mapping[Tier, Collection[str]]) -> None:
    """Raise NotOnTheTeam where whoever makes a request is not in the tier as which they act, or where a technician who
    is reached directly is not in the tier that is reached (E6). ``people`` are the policy's; asked at the entry."""
    tier = event.data.get("tier")
    if str(event.kind) not in set(Request) or LADDER[Request(str(event.kind))].by_anybody:
        return
    if not is_one_of(tier, Tier):
        raise NotOnTheTeam(f"{event.actor} acts for no tier.", f"Name one of {', '.join(Tier)}.")
    require_tier(event.actor, Tier(str(tier)), people)
    reached = {says.ReachedL2: Tier.L2, says.ReachedPt: Tier.PT}.get(event.kind.spec.says)
    if reached is not None and event.data.get("way") in (Way.NAMED, Way.ASKED):
        require_tier(str(event.data.get("technician") or ""), reached, people)


# -- the whole table ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of a request in a state. ``needs``: what is asked there besides, where it may be made;
    ``missing``: what has to happen first, where it may not."""

    state: State
    request: Request
    is_allowed: bool
    rule: str
    by: tuple[Tier, ...]
    needs: tuple[str, ...]
    missing: tuple[Blocker, ...]
    next_action: str


def cell(state: State, request: Request) -> Cell:
    """What the declaration says of this request in this state."""
    step, first = LADDER[request], tuple(on_the_way(request, state))
    if first:
        return Cell(state, request, False, first[0].rule, (), (), first, first[0].next_action)
    needs = (*(one.missing for one in step.needs), *(one.missing for one in step.brings))
    return Cell(state, request, True, step.rule, tiers_of(step, state), tuple(dict.fromkeys(needs)), (), step.do)


def table() -> list[Cell]:
    """Every pair of a state and a request."""
    return [cell(state, request) for state in State for request in Request]
