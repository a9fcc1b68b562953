"""Closing is a theorem: whatever happens to a history, a closed case has what J7 or J8 asks for.

Hypothesis drives legal histories and spoils them. Each spoiled one is judged twice: as a list that somebody
forged (it is only folded), and as events that are offered one by one (each is refused or appended). Wherever
a case closes, an oracle that was written from the rules alone must agree. The seed is fixed, so the counts
are the same on every run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, refuse_event
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event, head
from caseproof.domain.fold import apply
from caseproof.domain.job_failure.conditions import CONDITIONS
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from tests.support.examples import examples
from tests.support.histories import DECIDER, LOOPS, REVIEWER, Plan, teller_of
from tests.support.mutations import ALTERATIONS, CLOSING, INSERTS, OTHER, PROOFS, Alteration, History

AT_LEAST, A_WAY, LEGAL = 24, 5, 500
"""Histories that lack one thing, of each thing and of each way to spoil it; and those that closed before they did."""
FIXED = settings(
    derandomize=True, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


# -- the oracle: J2, J3, J5 to J11 and "what counts as the successful job", over the raw list ----


def what_the_rules_miss(history: History) -> str:
    """What J7 and J8 still ask for when ``history`` ends with a closing; "" when they are satisfied."""

    places: dict[Kind, list[int]] = {}
    for i, event in enumerate(history[:-1]):
        places.setdefault(event.kind, []).append(i)

    def all_of(*kinds: Kind, after: int = -1) -> list[int]:
        return sorted(i for kind in kinds for i in places.get(kind, ()) if i > after)

    def last(*kinds: Kind, after: int = -1) -> int:
        return max(all_of(*kinds, after=after), default=-1)

    def says(index: int, name: str) -> Any:
        return history[index].data.get(name)

    births = all_of(Kind.OPENED)
    if not births:
        return "J1: the case was never opened"
    since, own_job = last(Kind.OPENED, Kind.REOPENED), says(births[0], "job")
    setback = last(Kind.FAILED_AGAIN, Kind.REVIEW_REJECTED, Kind.RUN_FAILED, Kind.REOPENED, Kind.OPENED)

    # J6: the last word about the account is a decision that brings it to an end, taken after the last setback
    decision = last(Kind.DECIDED, Kind.KEPT_PAUSED, after=setback)
    if decision < 0 or history[decision].kind is not Kind.DECIDED:
        return "J6: nothing is decided"
    choice = says(decision, "decision")
    if choice not in {str(d) for d in CLOSING}:
        return "J6: that decision closes nothing"

    # J2, J3 and J5: first the stop, then the notice, then the decision
    beginning = last(Kind.FAILED_AGAIN, Kind.REVIEW_REJECTED, Kind.REOPENED, Kind.OPENED)
    stops = all_of(Kind.STOPPED, Kind.CANNOT_STOP, after=beginning)
    good = [i for i in stops if i < decision and _stands_still(history[i], own_job)]
    if not good or not _stands_still(history[stops[-1]], own_job):
        return "J2: not stopped first"
    if not any(says(i, "accepted") and good[0] < i < decision for i in all_of(Kind.NOTICE_SENT, after=beginning)):
        return "J5: not told"
    ticket = last(Kind.TICKET_OPENED)
    if ticket < 0 or not says(ticket, "ticket"):
        return "J7: there is no ticket"

    # J8, J9, J11: the retailer's word, and for a change that somebody looked at it afterwards
    if choice != str(Decision.AFTER_FIX):
        words = [i for i in all_of(Kind.CONFIRMATION_RECEIVED, after=since) if _text(says(i, "words")) and i < decision]
        agreed = [i for i in all_of(Kind.WORD_AGREED, after=since) if i < decision]
        if not any(not says(i, "doubts") or any(_agrees(history, i, j) for j in agreed) for i in words):
            return "J8: not confirmed before it was decided"
        looked_at = [i for i in all_of(Kind.CHANGE_VALIDATED, after=max(setback, words[0])) if _text(says(i, "how"))]
        if choice == str(Decision.AFTER_CHANGE) and not looked_at:
            return "J8: not validated"

    # J10: the run
    start, read = last(Kind.RUN_STARTED), last(Kind.RUN_VERIFIED)
    if not decision < start < read or says(start, "run") != says(read, "run"):
        return "J10: no run of that decision was verified"
    wanted = "removal" if choice == str(Decision.REMOVE) else "rerun"
    if {says(start, "purpose"), says(read, "purpose")} != {wanted}:
        return "J10: the run was for something else"
    began, ended = _aware(says(read, "started_at")), _aware(says(read, "ended_at"))
    if began is None or ended is None or not history[decision].at <= began <= ended:
        return "J10: the run's times do not fit"

    # E8: whoever is called for the case need not be called any more
    raised = last(Kind.EMERGENCY_RAISED)
    ends = [i for i in all_of(Kind.EMERGENCY_OVER, after=raised) if says(i, "emergency") == says(raised, "emergency")]
    if raised >= 0 and not ends:
        return "E8: people are still called"

    # the end of it: live again, or gone for good
    live = last(Kind.SCHEDULE_LIVE, after=read)
    if wanted == "removal":
        if live >= 0 or says(read, "active") is not False or says(read, "waiting") != 0:
            return "J9: not gone"
    elif live < 0 or last(Kind.STOPPED) > live or (own_job, True) not in _standing(says(live, "jobs")):
        return "J6: not live"

    # the picture, its attachment and the review of it; then the look, then the proof, then the closing
    proof, look = last(Kind.PROOF_MADE), last(Kind.LOOKED_AGAIN)
    if look < max(read, live) or says(look, "failed") != []:
        return "J10: later runs were not looked at"
    if proof < max(look, ticket, stops[-1]):
        return "no proof of what is known now"
    used = {says(i, "evidence") for i in all_of(Kind.PROOF_MADE) if i < since}
    if says(proof, "evidence") in used or history[-1].data["proof"] != says(proof, "evidence"):
        return "the closing names another proof"
    if says(proof, "head") != head(history[:proof]):
        return "the proof was made of another history"
    if says(proof, "rule") != ("J7" if choice == str(Decision.AFTER_FIX) else "J8"):
        return "the proof says another rule"
    for photo in all_of(Kind.PHOTOGRAPHED, Kind.PICTURE_CONFIRMED, after=max(start, last(Kind.PICTURE_TAKEN_BACK))):
        taken = _aware(says(photo, "taken_at"))
        shows = says(photo, "names_run") is True and says(photo, "names_success") is True
        if not shows or says(photo, "run") != says(read, "run") or taken is None or taken < ended:
            continue
        if history[photo].kind is Kind.PICTURE_CONFIRMED and not _is_of_two(history, read, photo):
            continue
        for copy in all_of(Kind.ATTACHED, after=since):
            if (says(copy, "ticket"), says(copy, "evidence")) != (
                says(ticket, "ticket"),
                says(photo, "evidence"),
            ):
                continue
            if max(copy, photo) < look and _approved(history, decision, photo, look):
                return ""
    return "J7, J8: no reviewed picture of the successful run is on the ticket"


def _text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _agrees(history: History, word: int, agreement: int) -> bool:
    """Whether the one is somebody else's agreement to the other."""
    same = all(history[agreement].data[name] == history[word].data[name] for name in ("sender", "evidence"))
    return word < agreement and same and history[agreement].actor.lower().split() != history[word].actor.lower().split()


def _is_of_two(history: History, read: int, confirmed: int) -> bool:
    """Whether the run's page could not be photographed, one person uploaded this picture, and another confirmed it."""
    for_good = ("platform_cannot", "rendered_page")
    why = [
        i for i, e in enumerate(history)
        if i > read and e.kind is Kind.TROUBLE and e.data["step"] == "photograph the run" and e.data["code"] in for_good
    ]  # fmt: skip
    back = [i for i, e in enumerate(history[:confirmed]) if e.kind is Kind.PICTURE_TAKEN_BACK]
    since = max([*why[:1], *back], default=-1) if why else confirmed
    uploads = [i for i, e in enumerate(history[:confirmed]) if i > since and e.kind is Kind.PICTURE_UPLOADED]
    by = history[confirmed]
    return any(
        all(history[i].data[name] == by.data[name] for name in ("run", "evidence"))
        and history[i].data["known_by"] == by.data["known_by"] == "login"
        and history[i].actor.lower().split() != by.actor.lower().split()
        for i in uploads
    )


def _aware(text: Any) -> datetime | None:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else None


def _standing(jobs: Any) -> set[tuple[str, Any]]:
    return {(job["job"], job["active"]) for job in jobs}


def _stands_still(event: Event, own_job: str) -> bool:
    if event.kind is Kind.CANNOT_STOP:
        return _text(event.data["why"]) and _text(event.data["who_can"])
    queued = sum(job["waiting"] for job in event.data["jobs"])
    standing = _standing(event.data["jobs"])
    return (own_job, False) in standing and all(active is False for _, active in standing) and queued == 0


def _approved(history: History, decision: int, photo: int, look: int) -> bool:
    asked = history[decision].data["review"]
    names = [e.actor for i, e in enumerate(history) if e.kind is Kind.REVIEW_APPROVED and photo < i < look]
    if asked == "another person":
        decider = history[decision].actor.lower().split()
        names = [name for name in names if name.lower().split() != decider]
    return bool(names) or asked == ""


# -- histories -----------------------------------------------------------------------------------


def _kinds_of_plan() -> list[Plan]:
    """Every mix of decision, review, reviewer, stop, neighbours and chatter; with a review also by itself."""
    reviewers = [("", REVIEWER), ("anybody", DECIDER), ("anybody", REVIEWER), ("another person", REVIEWER)]
    word = ({}, {"by_itself": True}, {"doubted": True}, {"uploaded": True})
    mixes = product(CLOSING, reviewers, (False, True), (0, 2), (False, True), word)
    return [
        Plan(decision, review, reviewer, (), cannot_stop, neighbours, chatter=chatter, **brought)
        for decision, (review, reviewer), cannot_stop, neighbours, chatter, brought in mixes
        if review or "by_itself" not in brought
    ]


KINDS_OF_PLAN = _kinds_of_plan()
LOOP = st.sampled_from(list(product(LOOPS, CLOSING)))
MOSTLY_STRAIGHT = st.one_of(st.just(()), st.just(()), st.tuples(LOOP))


@cache
def plans(alteration: Alteration | None = None) -> st.SearchStrategy[Plan]:
    fitting = [kind for kind in KINDS_OF_PLAN if alteration is None or alteration.fits(kind)]
    loops = MOSTLY_STRAIGHT if alteration else st.lists(LOOP, max_size=2).map(tuple)
    return st.tuples(st.sampled_from(fitting), loops, st.integers(2, 600)).map(
        lambda drawn: replace(drawn[0], loops=drawn[1], pace=drawn[2])
    )


def legal(plan: Plan) -> tuple[History, list[Case]]:
    """A legal history and the case before each of its events, then after the last: every event is allowed."""
    teller = teller_of(plan)
    assert teller.case.is_closed, closure_blockers(teller.case)
    assert what_the_rules_miss(teller.events) == ""
    return teller.events, teller.cases


def kept(events: History, spoiled: History) -> int:
    """How many events at the beginning are as they were."""
    pairs = zip(events, spoiled, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one is not other), min(len(events), len(spoiled)))


def of_this_history(event: Event, case: Case) -> Event:
    """A forger does his sums: a proof speaks of the history it stands in, unless it is wrong on purpose."""
    if event.kind is not Kind.PROOF_MADE or event.data["head"] == OTHER:
        return event
    return replace(event, data={**event.data, "head": case.head})


def forged(case: Case, rest: History) -> Case:
    """Lenient: whatever stands in the list is folded. Wherever the case closes, the oracle agrees."""
    for given_event in rest:
        after = apply(case, of_this_history(given_event, case))
        if after.is_closed and after.closed is not case.closed:
            assert (missing := what_the_rules_miss(list(after.events))) == "", f"closed, but {missing}"
        case = after
    return case


def offered(case: Case, rest: History) -> Case:
    """Strict: each event is refused or appended. Wherever the case closes, the oracle agrees."""
    for given_event in rest:
        event = of_this_history(given_event, case)
        try:
            refuse_event(case, event)
        except NotAllowed:
            continue
        case = apply(case, event)
        assert case.is_closed or event.kind is not Kind.CLOSED, "an allowed closing did not close"
        if event.kind is Kind.CLOSED:
            assert (missing := what_the_rules_miss(list(case.events))) == "", f"closed, but {missing}"
    return case


def spoil(events: History, way: tuple[str, Any], one: int, other: int) -> History:
    """One mutation: of the list, of an event's data, or something slipped in."""
    what, detail = way
    i, j = one % len(events), other % len(events)
    rest = events[:i] + events[i + 1 :]
    match what:
        case "drop":
            return rest
        case "duplicate":
            return [*events[:j], events[i], *events[j:]]
        case "swap":
            return [*events[: max(i - 1, 0)], *reversed(events[max(i - 1, 0) : i + 1]), *events[i + 1 :]]
        case "move":
            return [*rest[:j], events[i], *rest[j:]]
        case "alter":
            return detail.change(events, one % 2)
        case "proof":
            return PROOFS[detail](events, 0)
        case _:
            kind, data = INSERTS[detail]
            return [*events[:i], Event(kind, events[i].at, DECIDER, dict(data)), *events[i:]]


WAYS: list[tuple[str, Any]] = [
    *[(what, None) for what in ("drop", "duplicate", "swap", "move")] * 12,
    *[("alter", alteration) for alteration in ALTERATIONS],
    *[("proof", name) for name in PROOFS] * 2,
    *[("insert", name) for name in INSERTS] * 3,
]
MUTATION = st.tuples(st.sampled_from(WAYS), st.integers(0, 60), st.integers(0, 60))
MUTATIONS = st.one_of(st.tuples(MUTATION), st.tuples(MUTATION, MUTATION), st.tuples(MUTATION, MUTATION, MUTATION))


# -- the theorem ---------------------------------------------------------------------------------


@pytest.mark.timeout(3000)  # with ten times the examples, on a busy machine
def test_a_case_closes_with_what_j7_or_j8_ask_and_with_nothing_less() -> None:
    alone: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    def one_thing_missing(alteration: Alteration, one_of: int) -> None:
        """Each history lacks one thing, and the refusal names just that."""

        @settings(FIXED, max_examples=examples(max(A_WAY, -(-AT_LEAST // one_of)), full=1_000 // one_of))
        @given(plans(alteration))
        def drive(plan: Plan) -> None:
            events, cases = legal(plan)
            seen["legal closures"] += 1
            spoiled = alteration.change(events, 0)
            same = kept(events, spoiled)
            case = forged(cases[same], spoiled[same:])
            assert what_the_rules_miss(list(case.events)), f"the oracle does not see that {alteration.name}"
            assert [b.code for b in closure_blockers(case)] == [alteration.lacks], alteration.name
            assert not case.is_closed, alteration.name
            alone[alteration.lacks] += 1
            offered(cases[same], spoiled[same:])

        drive()

    @settings(FIXED, max_examples=examples(40, full=1_200))
    @given(plans(), st.sampled_from(sorted(PROOFS)))
    def no_proof_of_what_is_known(plan: Plan, name: str) -> None:
        events, cases = legal(plan)
        spoiled = PROOFS[name](events, 0)
        same = kept(events, spoiled)
        case = forged(cases[same], spoiled[same:])
        assert not closure_blockers(case), name
        assert not case.is_closed, name
        offered(cases[same], spoiled[same:])
        seen["refused for the proof alone"] += 1

    @settings(FIXED, max_examples=examples(100, full=2_000))
    @given(plans(), MUTATIONS)
    def anything(plan: Plan, changes: tuple[Any, ...]) -> None:
        events, cases = legal(plan)
        seen["legal closures"] += 1
        spoiled = events
        for change in changes:
            spoiled = spoil(spoiled, *change)
        same = kept(events, spoiled)
        folded = forged(cases[same], spoiled[same:])
        appended = offered(cases[same], spoiled[same:])
        seen[f"{len(changes)} mutations, folded: {'closed' if folded.is_closed else 'open'}"] += 1
        seen[f"{len(changes)} mutations, offered: {'closed' if appended.is_closed else 'open'}"] += 1

    for condition in CONDITIONS:
        ways = [alteration for alteration in ALTERATIONS if alteration.lacks == condition.code]
        assert ways, condition.code
        for alteration in ways:
            one_thing_missing(alteration, one_of=len(ways))
    no_proof_of_what_is_known()
    anything()
    print("\n" + "\n".join(f"{n:6}  alone missing: {code}" for code, n in sorted(alone.items())))  # noqa: T201
    print("\n".join(f"{n:6}  {what}" for what, n in sorted(seen.items())))  # noqa: T201
    assert seen["legal closures"] >= LEGAL
    assert all(alone[c.code] >= AT_LEAST for c in CONDITIONS), alone
    assert {alteration.lacks for alteration in ALTERATIONS} == set(alone)
