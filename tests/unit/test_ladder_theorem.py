"""No sequence of requests skips a gate: whatever is asked, in whatever order, by whomever, with whatever it brings.

Hypothesis asks; the rules take or refuse. An oracle that was written from E1 to E6 alone reads the raw list of what was
taken, and must find, for each tier that came to own the case, all that had to happen before.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.support.efforts import items
from caseproof.domain.support.ladder import escalation_blockers, owner_of
from caseproof.domain.support.lifecycle import WITH_L2, State
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import Outcome, Tier, Way
from tests.support.examples import examples
from tests.support.support_cases import ASKED_AGAIN, BY_CASE, PEOPLE, SAID, SupportCase

FIXED = settings(
    derandomize=True, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck), max_examples=examples(200, full=6_000),
)  # fmt: skip
ENTERS = {
    "handed_to_l2": Tier.L2, "reached_l2": Tier.L2, "taken_by_pt": Tier.PT, "reached_pt": Tier.PT,
    "development_raised": Tier.DEV, "sent_to_implementation": Tier.IMPLEMENTATION,
}  # fmt: skip
SPOILS: tuple[dict[str, Any], ...] = (
    {"tier": "L1"}, {"tier": "PT"}, {"tier": ["PT"]}, {"step": "n/a"}, {"seen": ""}, {"why": None}, {"document": "x"},
    {"technician": "somebody else"}, {"evidence": "0" * 64}, {"same_issue": "another issue"}, {"words": "new site, ok"},
    {"steps": ""}, {"ticket": ""}, {"change": "ok"}, {"suggestions": [], "questions": []}, {"of": "1.1"},
    {"outcome": str(Outcome.SOLVED)}, {"outcome": str(Outcome.COULD_NOT)}, {"outcome": []}, {"way": "x"}, {"wanted": 1},
)  # fmt: skip


# -- the oracle: E1 to E6 over the raw list -----------------------------------------------------------------------


def what_was_skipped(history: list[Event]) -> str:
    """What had to happen before the last event of this list, and did not; "" where nothing is missing."""
    last, kind = history[-1], str(history[-1].kind)
    begun = max(i for i, event in enumerate(history) if event.kind in ("opened", "reopened"))
    earlier = history[begun:-1]
    of = Counter(str(event.kind) for event in earlier)
    if kind == "handed_to_l2":
        back = max((i for i, event in enumerate(earlier) if event.kind == "returned_to_l1"), default=-1)
        tried = [e for e in earlier[back + 1 :] if e.kind == "tried" and e.data["tier"] == "L1"]
        return "" if tried and all(e.data["step"] and e.data["seen"] for e in tried) else "E1: nothing tried by L1"
    if kind == "pt_asked" and not any(e.kind == "tried" and e.data["tier"] == "L2" for e in earlier):
        return "E2: no documentation"
    if kind == "taken_by_pt":
        return _pt_skipped(earlier, of)
    if kind == "development_raised":
        return "" if last.data["tier"] == "PT" and last.data["change"] else "E5: not by PT"
    if kind in ("reached_l2", "reached_pt", "sent_to_implementation"):
        return _exception_skipped(last, earlier)
    return ""


def _pt_skipped(earlier: list[Event], of: Counter[str]) -> str:
    if not any(e.kind == "tried" and e.data["tier"] == "L2" for e in earlier):
        return "E2: no documentation"
    places = {str(event.kind): i for i, event in enumerate(earlier)}
    advice = max(places.get("pt_answered", -1), places.get("returned_to_l2", -1))
    told = places.get("outcome_told", -1)
    if advice < 0 or not of["outcome_told"]:
        return "E3: PT never advised, or L2 never said what came of it"
    if not advice < told < places.get("efforts_exhausted", -1):
        return "E4: L2's efforts are not exhausted"
    lines = sum(len(e.data["suggestions"]) + len(e.data["questions"])
                for e in earlier if e.kind in ("pt_answered", "returned_to_l2"))  # fmt: skip
    if len({e.data["of"] for e in earlier if e.kind == "outcome_told"}) != lines:
        return "E3: a suggestion without its outcome"
    return ""


def _exception_skipped(last: Event, earlier: list[Event]) -> str:
    said = last.data
    way = said["way"] if last.kind != "sent_to_implementation" else ""  # the others have the one way only
    if way == Way.NAMED:
        named = said["technician"] in SAID or said["technician"] in said.get("there_names", [])
        return "" if named and said["same_issue"] == "the same issue" else "E6: not named for the same issue"
    if way == Way.ASKED:
        wishes = [e.actor for e in earlier if e.kind == "details_wanted"]
        return "" if said["technician"] in wishes and said["steps"] and said["reply"] else "E6: nobody asked"
    return "" if said["words"] and said["words"].casefold() in SAID.casefold() else "E6: not the client's words"


# -- whoever asks -------------------------------------------------------------------------------------------------

asked = st.tuples(
    st.sampled_from([*Request, Request.TRY, Request.ASK_PT, Request.ANSWER_L2, Request.TELL_OUTCOME, Request.EXHAUST]),
    st.sampled_from([{}, {}, {}, {}, {}, BY_CASE, ASKED_AGAIN, *SPOILS]),
    st.integers(0, 9),
)
straight = st.sampled_from([0, 1, 1, 2, 3, 4, 5, 6, 6, 7])
CLIMB = (
    Request.TRY, Request.HAND_TO_L2, Request.TRY, Request.ASK_PT, Request.ANSWER_L2, Request.EXHAUST, Request.TAKE,
)  # fmt: skip
seen: Counter[str] = Counter()


def ask(told: SupportCase, request: Request, other: dict[str, Any], pick: int) -> None:
    """Make the request; where it is taken, the oracle must agree, and so must what was said to be missing before."""
    before, known = told.case, items(told.case)
    blocked = {tier: escalation_blockers(before, tier) for tier in Tier}
    if request is Request.TELL_OUTCOME and known and "of" not in other:
        item = known[-1 - pick % len(known)]
        fits = Outcome.ANSWERED if item.is_question else Outcome.NO_CHANGE
        other = {"of": item.key, "outcome": str(fits), **other}
    try:
        told.do(request, **other)
    except CaseproofError:  # nothing else is ever raised
        seen["refused"] += 1
        assert told.case is before
        return
    kind = str(request)
    assert what_was_skipped(list(told.case.events)) == "", [str(event.kind) for event in told.case.events]
    if kind in ENTERS:
        seen[kind] += 1
        assert owner_of(told.case) is ENTERS[kind]
        assert LADDER[request].direct or blocked[ENTERS[kind]] == []
    elif owner_of(told.case) is not owner_of(before):
        assert kind in ("returned_to_l1", "returned_to_l2", "returned_to_pt", "reopened"), "nobody climbs but by a gate"
    if owner_of(told.case) is Tier.L2:
        assert told.case.state in WITH_L2


@FIXED
@given(straight, st.lists(asked, min_size=8, max_size=25))
def climbs(begun: int, requests: list[tuple[Request, dict[str, Any], int]]) -> None:
    told = SupportCase().opened()
    for request in CLIMB[:begun]:
        if request is Request.EXHAUST:
            told.told_all()
        told.do(request)
    for request, other, pick in requests:
        ask(told, request, other, pick)


def test_no_sequence_of_requests_skips_a_gate() -> None:
    seen.clear()
    climbs()
    assert set(ENTERS) <= set(seen), "each tier was reached in some of them"
    assert seen["refused"] > 300


def test_the_oracle_sees_what_a_gate_left_open_would_let_through() -> None:
    told = SupportCase().opened()
    for request, rule in ((Request.HAND_TO_L2, "E1"), (Request.ASK_PT, "E2"), (Request.TAKE, "E2")):
        assert what_was_skipped([*told.case.events, told.event(request)]).startswith(rule)
    bad = told.event(Request.RAISE_DEVELOPMENT, tier="L2")
    assert what_was_skipped([*told.case.events, bad]).startswith("E5")
    for spoiled in ({"technician": "somebody"}, {"same_issue": "another issue"}, {"way": str(Way.ASKED), "steps": "x"}):
        event = told.event(Request.REACH_PT, **{"technician": PEOPLE["PT"], "reply": "y", **spoiled})
        assert what_was_skipped([*told.case.events, event]).startswith("E6")
    assert told.case.state is State.WITH_L1
