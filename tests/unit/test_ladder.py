"""The ladder: each gate of E1 to E6 lets through what it should, refuses the rest, and says what is missing."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, refuse_event
from caseproof.domain.decisions import require_member
from caseproof.domain.errors import BadInput, ClosureRefused, NotAllowed, NotOnTheTeam
from caseproof.domain.people import same_person
from caseproof.domain.procedure import procedure_of
from caseproof.domain.substance import is_address, same_text, says_something, stands_in
from caseproof.domain.support import payloads
from caseproof.domain.support.conditions import closed_with_a_run_of_before, linked_jobs
from caseproof.domain.support.efforts import items, waits_for
from caseproof.domain.support.forms import Finish, form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.ladder import (
    cell,
    escalation_blockers,
    owner_of,
    refuse_stranger,
    request_blockers,
    require_tier,
    table,
)
from caseproof.domain.support.lifecycle import LABELS, OWNERS, SENTENCES, State
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import Failing, NewWork, Outcome, SameIssue, Tier, Told, Way
from caseproof.evidence.event_fields import FREE, unknown_names
from tests.support.support_cases import (
    ASKED_AGAIN,
    BRINGS,
    BY_CASE,
    GIVEN,
    MAIL,
    NAMED,
    PAGE,
    PEOPLE,
    STEP,
    SupportCase,
    digest,
    in_state,
    ready_for,
)


def refused(told: SupportCase, request: Request, /, **other: Any) -> str:
    """What the rules say to this request, which they must refuse; the case stays as it is."""
    with pytest.raises(NotAllowed) as error:
        refuse_event(told.case, told.event(request, **other))
    return str(error.value)


def codes(case: Case, tier: Tier) -> list[str]:
    return [f"{blocker.rule} {blocker.code}" for blocker in escalation_blockers(case, tier)]


# -- the table, written down a second time, from the rules --------------------------------------------------------

IN = dict(zip("12?!PDIx", State, strict=True))
"""L1, L2, L2 with PT asked (?) and answered (!), PT, development, implementation, closed."""
MAY = {
    Request.TRY: "12?!PI", Request.HAND_TO_L2: "1", Request.RETURN_TO_L1: "2!I", Request.ASK_PT: "2!",
    Request.ANSWER_L2: "?!", Request.TELL_OUTCOME: "2?!", Request.EXHAUST: "!", Request.TAKE: "!",
    Request.RETURN_TO_L2: "P", Request.RAISE_DEVELOPMENT: "P", Request.RETURN_TO_PT: "D", Request.REACH_L2: "1",
    Request.REACH_PT: "12?!", Request.SEND_TO_IMPLEMENTATION: "12?!", Request.WANT_DETAILS: "12?!PDI",
    Request.GIVE_DETAILS: "12?!PDI", Request.STATE_SOLUTION: "12?!PI", Request.TAKE_SOLUTION_BACK: "12?!PDI",
    Request.REOPEN: "x",
}  # fmt: skip


def test_the_table_of_the_ladder_is_complete_and_allows_what_the_rules_allow() -> None:
    assert Counter((one.state, one.request) for one in table()) == Counter((s, r) for s in State for r in Request)
    allowed = {(one.state, one.request) for one in table() if one.is_allowed}
    assert allowed == {(IN[sign], request) for request, signs in MAY.items() for sign in signs}


PAIRS = [pytest.param(state, request, id=f"{state}-{request}") for state in State for request in Request]


@pytest.mark.parametrize(("state", "request_"), PAIRS)
def test_each_request_in_each_state_is_taken_or_refused_as_the_table_says(state: State, request_: Request) -> None:
    said, told = cell(state, request_), ready_for(request_, state)
    assert told.case.state is state
    if not said.is_allowed:
        text = refused(told, request_)
        assert said.missing
        assert all(f"{one.rule}: {one.missing}" in text for one in said.missing)
        assert text.endswith(f"Next: {said.next_action}")
        return
    assert request_blockers(told.case, request_) == []
    told.do(request_)
    assert told.case.state is (LADDER[request_].after or state)


@pytest.mark.parametrize(("state", "request_"), PAIRS)
def test_no_tier_but_the_named_one_makes_a_request(state: State, request_: Request) -> None:
    said = cell(state, request_)
    if not said.is_allowed:
        return
    told = ready_for(request_, state)
    for tier in set(Tier) - set(said.by or Tier):
        assert "alone." in refused(told, request_, tier=tier)


@pytest.mark.parametrize("request_", Request)
def test_a_request_that_brings_nothing_is_refused_and_told_what_to_bring(request_: Request) -> None:
    state = LADDER[request_].before[-1]
    told = ready_for(request_, state)
    empty = {name: [] if isinstance(value, list) else "" for name, value in told._brings(request_).items()}
    if not empty:
        return
    text = refused(told, request_, **empty)
    ways = [one for one in LADDER[request_].brings if one.applies(empty)]
    assert ways
    assert any(f"{one.rule}: {one.missing}" in text for one in ways)


@pytest.mark.parametrize(
    ("other", "says"),
    [({"client": " "}, "the client"), ({"product": ""}, "the product"), ({"summary": None}, "the summary"),
     ({"key": ""}, "the key"), ({"said": "help"}, "the client's words"), ({"said": ["x"]}, "the client's words"),
     ({"urgency": "very"}, "the urgency"), ({"failing": "perhaps"}, "whether a job, a feed or a sync fails")],
)  # fmt: skip
def test_a_case_says_from_the_beginning_who_wants_what(other: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=f"E1: a support case lacks {says}"):
        SupportCase().opened(**other)


# -- E1 -----------------------------------------------------------------------------------------------------------


def test_l1_hands_over_to_l2_only_with_a_step_that_it_tried_and_that_did_not_solve_it() -> None:
    told = SupportCase().opened()
    assert owner_of(told.case) is Tier.L1
    assert codes(told.case, Tier.L2) == ["E1 l1_tried"]
    assert "E1: What L1 tried" in refused(told, Request.HAND_TO_L2)
    told.do(Request.TRY, document="")
    assert codes(told.case, Tier.L2) == []
    told.do(Request.TRY, document="", outcome=str(Outcome.SOLVED))
    assert codes(told.case, Tier.L2) == ["E1 l1_unsolved"]
    told.do(Request.TAKE_SOLUTION_BACK)
    told.do(Request.TRY, document="", outcome=str(Outcome.PARTLY)).do(Request.HAND_TO_L2)
    assert owner_of(told.case) is Tier.L2
    assert codes(told.case, Tier.L2) == []


def test_what_l1_tried_before_it_got_the_case_back_does_not_count_again() -> None:
    told = in_state(State.WITH_L2).do(Request.RETURN_TO_L1)
    assert codes(told.case, Tier.L2) == ["E1 l1_tried"]
    told.do(Request.TRY).do(Request.HAND_TO_L2)


# -- E2 and E3 ----------------------------------------------------------------------------------------------------


def test_l2_asks_pt_only_after_the_documentation_and_keeps_the_case() -> None:
    told = in_state(State.WITH_L1).do(Request.HAND_TO_L2)
    assert "E2: What L2 tried out of the product's documentation" in refused(told, Request.ASK_PT)
    told.do(Request.TRY).do(Request.ASK_PT)
    assert owner_of(told.case) is Tier.L2


@pytest.mark.parametrize("document", ["", "I know it", "https://example.com/elsewhere", None, [PAGE]])
def test_a_step_of_l2_comes_from_a_document_that_the_case_links(document: Any) -> None:
    told = in_state(State.WITH_L1).do(Request.HAND_TO_L2)
    assert "E2: Which document the step comes from" in refused(told, Request.TRY, document=document)


def test_where_no_document_is_linked_any_page_counts() -> None:
    told = SupportCase().note(Kind.OPENED, **ready_for(Request.TRY, State.WITH_L1).case.facts)
    told.do(Request.TRY, document="").do(Request.HAND_TO_L2)
    assert "E2" in refused(told, Request.TRY, document="somewhere")
    told.do(Request.TRY, document="https://example.com/elsewhere").do(Request.ASK_PT)


@pytest.mark.parametrize(
    ("step", "seen"),
    [("", "x"), ("n/a", "n/a"), ("done", "done"), ("cleared the cache", "Cleared  the cache"), ("---- -- ----", "ok"),
     ("aaaaaaaa aaaaaaaa", "the cart is empty"), ("cleared the cache", "\u200b\u200b"), (None, ["x"])],
)  # fmt: skip
def test_a_filled_field_is_no_step(step: Any, seen: Any) -> None:
    told = in_state(State.WITH_L2)
    assert "E2: Which step was taken" in refused(told, Request.TRY, step=step, seen=seen)
    answered = in_state(State.PT_ASKED).do(Request.ANSWER_L2)
    assert "E3: Which step was taken" in refused(answered, Request.TELL_OUTCOME, step=step, seen=seen)


def test_l2_asks_again_any_number_of_times_but_only_when_each_line_has_its_outcome() -> None:
    told = in_state(State.PT_ASKED).do(Request.ANSWER_L2)
    for _ in range(3):
        assert "E3: What came of each" in refused(told, Request.ASK_PT)
        first, second = items(told.case)[-2:]
        told.do(Request.TELL_OUTCOME, of=first.key)
        assert "E3: What came of each" in refused(told, Request.ASK_PT)
        told.do(Request.TELL_OUTCOME, of=second.key, outcome=str(Outcome.ANSWERED)).do(Request.ASK_PT)
        assert owner_of(told.case) is Tier.L2
        told.do(Request.ANSWER_L2)
    assert len({item.key for item in items(told.case)}) == 8


def test_an_outcome_is_about_a_line_of_pt_and_fits_it() -> None:
    told = in_state(State.PT_ASKED).do(Request.ANSWER_L2)
    suggestion, question = items(told.case)
    assert "E3: Which of PT's" in refused(told, Request.TELL_OUTCOME, of="99.1")
    assert "E3: Which of PT's" in refused(told, Request.TELL_OUTCOME, of=[suggestion.key])
    for item, outcome in ((suggestion, Outcome.ANSWERED), (question, Outcome.NO_CHANGE), (question, "whatever")):
        assert "E3: What came of it" in refused(told, Request.TELL_OUTCOME, of=item.key, outcome=str(outcome))
    told.do(Request.TELL_OUTCOME, of=question.key, outcome=str(Outcome.COULD_NOT))


def test_pt_answers_in_words_that_l2_can_act_on() -> None:
    told = in_state(State.PT_ASKED)
    for advice in ([], ["ok"], ["switch the cache plugin off", ""], "switch it off", [7]):
        assert "E3: A suggestion or a question" in refused(told, Request.ANSWER_L2, suggestions=advice, questions=[])
    told.do(Request.ANSWER_L2, suggestions=[], questions=["since when does it happen?"])


# -- E4 -----------------------------------------------------------------------------------------------------------


def test_nobody_goes_to_pt_before_every_earlier_point_of_escalation() -> None:
    told = SupportCase().opened()
    steps = ["E1 handed_to_l2", "E2, E3 pt_asked", "E3 pt_answered"]
    efforts = ["E2 documented", "E3 suggestion_tried", "E4 exhausted"]
    assert codes(told.case, Tier.PT) == [*steps, *efforts]
    told.do(Request.TRY).do(Request.HAND_TO_L2)
    assert codes(told.case, Tier.PT) == [*steps[1:], *efforts]
    told.do(Request.TRY)
    assert codes(told.case, Tier.PT) == [*steps[1:], *efforts[1:]]
    told.do(Request.ASK_PT)
    assert codes(told.case, Tier.PT) == [*steps[2:], *efforts[1:]]
    told.do(Request.ANSWER_L2)
    assert codes(told.case, Tier.PT) == ["E3 suggestion_tried", "E3 outcomes", "E4 exhausted"]
    told.told_all()
    assert codes(told.case, Tier.PT) == ["E4 exhausted"]
    told.do(Request.EXHAUST)
    assert codes(told.case, Tier.PT) == []
    told.do(Request.TAKE)
    assert (owner_of(told.case), codes(told.case, Tier.PT)) == (Tier.PT, [])


def test_l2_is_not_exhausted_while_something_is_left_or_solved_it() -> None:
    told = in_state(State.PT_ASKED).do(Request.ANSWER_L2)
    assert "E3: What came of each" in refused(told, Request.EXHAUST)
    told.told_all(Outcome.COULD_NOT)
    assert "E3: A suggestion of PT that L2 really tried" in refused(told, Request.EXHAUST)
    told.told_all(Outcome.SOLVED)
    assert "E3: That it is unsolved" in refused(told, Request.EXHAUST)
    told.do(Request.TAKE_SOLUTION_BACK).told_all(Outcome.PARTLY)
    for why in ("", "ok", "....................", None):
        assert "E4: Why nothing is left" in refused(told, Request.EXHAUST, why=why)
    told.do(Request.EXHAUST)


@pytest.mark.parametrize("request_", [Request.ANSWER_L2, Request.TELL_OUTCOME, Request.ASK_PT, Request.RETURN_TO_L1])
def test_what_happens_after_l2_said_that_it_is_exhausted_voids_it(request_: Request) -> None:
    told = in_state(State.PT_ANSWERED)
    assert codes(told.case, Tier.PT) == []
    told.do(request_)
    assert "E4 exhausted" in codes(told.case, Tier.PT)
    refused(told, Request.TAKE)


def test_what_solves_it_at_the_last_moment_keeps_it_with_l2() -> None:
    told = in_state(State.PT_ANSWERED).do(Request.TRY, step="switched the theme back", outcome=str(Outcome.SOLVED))
    for request in (Request.TAKE, Request.EXHAUST, Request.ASK_PT):
        assert "E3: That it is unsolved" in refused(told, request)
    told.do(Request.TAKE_SOLUTION_BACK).do(Request.TAKE)


def test_what_pt_got_by_an_exception_and_gave_back_climbs_the_ladder_from_the_documentation_on() -> None:
    told = SupportCase().opened().do(Request.REACH_PT).do(Request.RETURN_TO_L2).told_all()
    assert "E2: What L2 tried out of the product's documentation" in refused(told, Request.EXHAUST)
    told.do(Request.TRY).do(Request.EXHAUST).do(Request.TAKE)


def test_an_outcome_of_a_step_is_one_of_those_there_are() -> None:
    for outcome in ("", "great", str(Outcome.ANSWERED), ["x"]):
        assert "E2: What came of the step" in refused(in_state(State.WITH_L2), Request.TRY, outcome=outcome)


def test_what_was_tried_before_a_case_was_closed_opens_no_gate_after_it() -> None:
    told = in_state(State.PT_ANSWERED).closed().do(Request.REOPEN)
    assert codes(told.case, Tier.L2) == ["E1 l1_tried"]
    told.do(Request.TRY).do(Request.HAND_TO_L2)
    assert "E2: What L2 tried" in refused(told, Request.ASK_PT)


def test_pt_gives_it_back_with_what_is_still_to_be_tried_and_l2_tries_that_first() -> None:
    told = in_state(State.WITH_PT).do(Request.RETURN_TO_L2)
    assert owner_of(told.case) is Tier.L2
    assert codes(told.case, Tier.PT) == ["E3 outcomes", "E4 exhausted"]


# -- E5 -----------------------------------------------------------------------------------------------------------


def test_only_pt_raises_a_ticket_for_development_and_states_the_change() -> None:
    told = in_state(State.WITH_PT)
    for tier in (Tier.L1, Tier.L2, Tier.DEV, Tier.IMPLEMENTATION, "", None, ["PT"]):
        assert "E5: It is for PT, the product team alone" in refused(told, Request.RAISE_DEVELOPMENT, tier=tier or "x")
    for name in ("where", "change", "accepted_when"):
        assert "E5: " in refused(told, Request.RAISE_DEVELOPMENT, **{name: " "})
    told.do(Request.RAISE_DEVELOPMENT)
    assert owner_of(told.case) is Tier.DEV
    told.do(Request.RETURN_TO_PT)
    assert owner_of(told.case) is Tier.PT


def test_no_case_of_l1_or_l2_goes_to_development() -> None:
    for state in (State.WITH_L1, State.WITH_L2, State.PT_ASKED, State.PT_ANSWERED):
        told = in_state(state)
        assert escalation_blockers(told.case, Tier.DEV)
        assert "E4: PT takes the case." in refused(told, Request.RAISE_DEVELOPMENT, tier="PT")


# -- E6 -----------------------------------------------------------------------------------------------------------


def test_a_technician_is_reached_who_is_named_for_the_same_issue_in_a_mail_or_a_case() -> None:
    told = SupportCase().opened().do(Request.REACH_L2)
    assert (owner_of(told.case), told.case.own["technician"]["technician"]) == (Tier.L2, PEOPLE["L2"])
    assert owner_of(SupportCase().opened().do(Request.REACH_PT, **BY_CASE).case) is Tier.PT
    assert owner_of(in_state(State.WITH_L2).do(Request.REACH_PT).case) is Tier.PT


@pytest.mark.parametrize(
    ("other", "says"),
    [({"technician": "another technician"}, "that names this technician"),
     ({"technician": "product"}, None), ({"technician": "duct technician"}, "that names this technician"),
     ({"technician": ""}, "that names this technician"), ({"evidence": digest("of another case")}, "that names"),
     ({"evidence": ""}, "that names"), ({"naming": "a friend"}, "that names"), ({"naming": ["a mail"]}, "that names"),
     ({"same_issue": str(SameIssue.ANOTHER)}, "same issue of the same client"), ({"same_issue": ""}, "same issue"),
     ({"way": "because I want to"}, "Which of the three exceptions"), ({"way": ["x"]}, "Which of the three exceptions"),
     ({**BY_CASE, "there_client": "Other Foods"}, "same issue"), ({**BY_CASE, "there_product": "POS"}, "same issue"),
     ({**BY_CASE, "there_names": []}, "that names"), ({**BY_CASE, "there_names": "product technician"}, "that names"),
     ({**BY_CASE, "ref": "SC-000123"}, "that names"), ({**BY_CASE, "ref": ""}, "that names"),
     ({**BY_CASE, "same_issue": str(SameIssue.ANOTHER)}, "same issue")],
)  # fmt: skip
def test_a_name_without_its_evidence_reaches_nobody(other: dict[str, Any], says: str | None) -> None:
    told = SupportCase().opened()
    if says is None:
        told.do(Request.REACH_PT, **other)  # who that is, the roster says at the entry
        return
    assert "E6: " in (text := refused(told, Request.REACH_PT, **other))
    assert says in text


@pytest.mark.parametrize(
    ("other", "says"),
    [({"technician": "another technician"}, "that names this technician"),
     ({"same_issue": "another issue"}, "same issue"),
     ({"way": str(Way.ASKED), **GIVEN, "steps": "x"}, "and the steps that were taken")],
)  # fmt: skip
def test_l2_is_reached_directly_by_the_same_evidence(other: dict[str, Any], says: str) -> None:
    told = SupportCase().opened().do(Request.WANT_DETAILS, tier="L2")
    assert says in refused(told, Request.REACH_L2, **other)
    told.do(Request.REACH_L2, **ASKED_AGAIN)


def test_a_technician_says_what_they_want() -> None:
    told = SupportCase().opened()
    assert "E6: Details, or a call" in refused(told, Request.WANT_DETAILS, wants="a coffee")
    assert "E6: What the technician wants to know" in refused(told, Request.WANT_DETAILS, wanted="?")


def test_a_mail_that_comes_later_and_names_a_technician_counts_once_it_is_in_the_case() -> None:
    told, late = SupportCase().opened(said="The cart is empty."), digest("late")
    assert "that names this technician" in refused(told, Request.REACH_PT, evidence=late)
    told.note(Kind.CLIENT_WROTE, sender="shop@example.com", words="I want the product technician!", evidence=late)
    told.do(Request.REACH_PT, evidence=late)


def test_the_answer_goes_back_to_the_technician_who_asked_with_the_steps_taken() -> None:
    told = SupportCase().opened()
    assert "E6: The technician's own request" in refused(told, Request.REACH_PT, **ASKED_AGAIN)
    told.do(Request.WANT_DETAILS, tier="PT")
    assert "E6: The technician's own request" in refused(told, Request.REACH_PT, **ASKED_AGAIN, technician=PEOPLE["L2"])
    assert "E6: The technician's own request" in refused(told, Request.REACH_L2, **ASKED_AGAIN, technician=PEOPLE["PT"])
    for steps, answer in (("", "it happens in every browser"), ("x", "y"), (GIVEN["reply"], GIVEN["reply"])):
        text = refused(told, Request.REACH_PT, way=str(Way.ASKED), steps=steps, reply=answer)
        assert "E6: The answer, and the steps" in text
    told.do(Request.REACH_PT, **ASKED_AGAIN)
    assert owner_of(told.case) is Tier.PT
    assert "E6: A technician who asked" in refused(told, Request.GIVE_DETAILS, technician=PEOPLE["PT"]), "answered once"


def test_an_answer_to_pt_takes_no_case_from_l2() -> None:
    told = in_state(State.WITH_L2).do(Request.WANT_DETAILS, tier="PT")
    assert "E3: L2 keeps its case" in refused(told, Request.REACH_PT, **ASKED_AGAIN)
    assert "E6: A technician who asked" in refused(told, Request.GIVE_DETAILS, technician=PEOPLE["L2"])
    assert "E6: The answer, and the steps" in refused(told, Request.GIVE_DETAILS, technician=PEOPLE["PT"], steps="")
    told.do(Request.GIVE_DETAILS, technician=PEOPLE["PT"].upper())
    assert owner_of(told.case) is Tier.L2


@pytest.mark.parametrize("tier", [Tier.L1, Tier.DEV, Tier.IMPLEMENTATION])
def test_only_technicians_of_l2_and_pt_ask_for_details(tier: Tier) -> None:
    assert "alone." in refused(SupportCase().opened(), Request.WANT_DETAILS, tier=tier)


NEW = {"way": str(Way.IMPLEMENTATION), "request": str(NewWork.NEW_SITE), "words": "We also need a NEW site for Lyon"}


def test_new_work_goes_to_the_implementation_team_or_to_pt_in_the_clients_own_words() -> None:
    told = SupportCase().opened().do(Request.SEND_TO_IMPLEMENTATION)
    assert owner_of(told.case) is Tier.IMPLEMENTATION
    assert codes(told.case, Tier.IMPLEMENTATION) == []
    assert owner_of(SupportCase().opened().do(Request.REACH_PT, **NEW).case) is Tier.PT
    assert "belongs to the implementation team" in refused(SupportCase().opened(), Request.REACH_L2, **NEW)


@pytest.mark.parametrize("request_", [Request.SEND_TO_IMPLEMENTATION, Request.REACH_PT])
def test_a_fault_or_words_of_our_own_are_no_new_work(request_: Request) -> None:
    told = SupportCase().opened()
    for words in ("", "new", "they want something new", "eed a new site fo", None):
        assert "E6: The client's own words" in refused(told, request_, **(NEW | {"words": words}))
    assert "E6: Whether it is an implementation" in refused(told, request_, **(NEW | {"request": "a repair"}))
    failing = SupportCase().opened(failing=str(Failing.YES))
    assert "E6: That nothing fails" in refused(failing, request_, **NEW)
    assert "E6: That nothing fails" in refused(told.note(Kind.JOB_LINKED, ref="JF-000001"), request_, **NEW)


# -- who is in a tier, and what says something --------------------------------------------------------------------


def test_a_tier_has_its_people_by_the_policy() -> None:
    people = {Tier.PT: ["Product Technician"], Tier.L1: ["front line"]}
    assert require_tier(" product  technician ", Tier.PT, people) == "Product Technician"
    with pytest.raises(NotOnTheTeam, match="front line is not in PT, the product team"):
        require_tier("front line", Tier.PT, people)
    with pytest.raises(NotOnTheTeam, match="Nobody is in L2 by the policy"):
        require_tier("front line", Tier.L2, people)
    assert require_member("front line", people[Tier.L1])


def test_nobody_acts_for_a_tier_or_reaches_a_technician_of_it_who_is_not_in_it() -> None:
    people = {tier: [PEOPLE.get(tier, "team")] for tier in Tier}
    told = SupportCase().opened()
    for request in (Request.TRY, Request.HAND_TO_L2, Request.REACH_L2, Request.REACH_PT, Request.TAKE):
        refuse_stranger(told.event(request), people)
        with pytest.raises(NotOnTheTeam, match="somebody is not in"):
            refuse_stranger(told.event(request, actor="somebody"), people)
        for tier in ("", "L3", ["L1"]):
            with pytest.raises(NotOnTheTeam, match="acts for no tier"):
                refuse_stranger(replace(told.event(request), data={"tier": tier, **BRINGS[request]}), people)
    for request, technician in (
        (Request.REACH_PT, PEOPLE["L2"]),
        (Request.REACH_L2, PEOPLE["PT"]),
        (Request.REACH_L2, ""),
    ):
        with pytest.raises(NotOnTheTeam, match="is not in"):
            refuse_stranger(told.event(request, technician=technician), people)
    refuse_stranger(told.event(Request.REACH_PT, **NEW), people)
    refuse_stranger(told.event(Request.TAKE_SOLUTION_BACK, actor="anybody"), people)


def test_words_in_any_script_say_something_and_fillers_do_not() -> None:
    for text in ("cleared the cache", "カートのセッションを消去しました", "Очистил кэш корзины", "ล้างแคชของตะกร้า"):
        assert says_something(text), text
    for filler in ("", "  ", "x", "n/a", "-", "done", "tried everything"[:5], "aaaa aaaa aaaa", "1111 1111", 7, None):
        assert not says_something(filler), filler
    for filler in (
        "none, nothing", "see above / as above", "to be done", "n/a - not applicable", "tried it. done.", "asdf qwer",
        "nothing to do here", "test test testing", "siehe oben, nichts",
    ):  # fmt: skip
        assert not says_something(filler), filler
    for text in ("nothing changed", "it works again", "does not work", "the same error 500", "no order arrives"):
        assert says_something(text), text


def test_letters_that_make_no_word_say_nothing_and_short_or_odd_words_do() -> None:
    for keys in (
        "xx yy zz qq", "aa bb cc dd", "xxx yyy zzz", "qwe asd zxc", "abc def ghi", "fkjdslf kjdsfoi", "aaa eee ooo uuu",
        "lkjh fdsa poiu", "bcd fgh jkl mnp",
    ):  # fmt: skip
        assert not says_something(keys), keys
    for words in (
        "SSL: HTTP 503", "ran df -h again", "Rechtschreibung Sprachpaket", "purged CDN, DNS ok", "rhythms strengths",
        "order 4711", "Cron läuft", "PHP 8.3 update", "job ran at 12:40", "Login ok on iOS", "nginx -t ran clean",
    ):  # fmt: skip
        assert says_something(words), words


EXPECTED = (
    "it should work now", "Restarted the server, should be fixed.", "we hope that it holds", "Hopefully fixed for good",
    "I expect it to work from now on", "is expected to run tonight", "assuming the cache was it", "it probably works",
    "I think it is fixed", "that ought to do it", "supposed to be fine now", "Sollte jetzt wieder gehen.",
    "müsste behoben sein", "Das dürfte erledigt sein", "ich hoffe, dass es hält", "hoffentlich behoben und stabil",
    "vermutlich wieder in Ordnung", "ich denke, es geht wieder", "it shouldn\u2019t happen again",
    '"it should work now"',
)  # fmt: skip
SEEN = (
    "placed an order on the site, it arrived", "the page shows 200 as expected", "works as it should: order 4711 paid",
    'the message "value should be a number" is gone, order 12 went through', "Testbestellung kam an, wie erwartet",
    "Bestellung 12 sieht aus, wie sie sein sollte", "no unexpected line in the log since 12:00",
    "Hope Foods sees its cart again", "ich musste neu laden, dann war der Korb voll", "got the expected total of 20",
)  # fmt: skip


@pytest.mark.parametrize("checked", EXPECTED)
def test_what_should_be_so_was_not_checked(checked: str) -> None:
    told = in_state(State.WITH_L2)
    assert "leave out what should be so" in refused(told, Request.STATE_SOLUTION, checked=checked)


@pytest.mark.parametrize("checked", SEEN)
def test_what_was_seen_was_checked_whatever_words_it_has(checked: str) -> None:
    assert in_state(State.WITH_L2).do(Request.STATE_SOLUTION, checked=checked).case.own["solution"] is not None


def test_a_step_that_should_have_solved_it_has_not() -> None:
    told = in_state(State.WITH_L1)
    refused(told, Request.TRY, outcome=str(Outcome.SOLVED), seen="it should work now")
    told.do(Request.TRY, outcome=str(Outcome.NO_CHANGE), seen="the log says the key should be longer")


def test_a_name_is_one_however_its_accents_and_blanks_are_written() -> None:
    composed, apart = "Ren\u00e9  Technicienne", "Rene\u0301 TECHNICIENNE"
    assert same_person(composed, apart)
    assert stands_in(apart, f"please let {composed} call")
    assert same_text(composed, apart)
    assert not same_person(composed, "Rene Technicienne"), "another letter may be another person"
    told = SupportCase().opened().do(Request.WANT_DETAILS, actor=composed)
    assert waits_for(told.case, apart) is Tier.L2


def test_an_address_is_one_that_can_be_opened_again() -> None:
    assert is_address("https://example.com/a?b#c")
    for text in ("", "example.com", "file:///etc/hosts", "javascript:alert(1)", "https://", "https://[", "https://a b"):
        assert not is_address(text), text
    assert stands_in("Ana", "ask ana, please")
    assert not stands_in("Ana", "Diana or Anabel")


# -- closing ------------------------------------------------------------------------------------------------------


def missing(told: SupportCase) -> list[str]:
    return [blocker.code for blocker in closure_blockers(told.case)]


@pytest.mark.parametrize("state", [State.WITH_L1, State.WITH_L2, State.PT_ANSWERED, State.WITH_PT])
def test_a_case_closes_with_its_solution_and_the_client_told(state: State) -> None:
    told = in_state(state)
    assert missing(told) == ["solved", "told", "looked"]
    told.do(Request.STATE_SOLUTION)
    assert missing(told) == ["told", "looked"]
    told.closed()
    assert told.case.is_closed
    claims = SUPPORT.claims(told.case)
    assert claims["solution"]["tier"] == OWNERS[state]
    assert claims["client_told"]["how"] == Told.TELEPHONE


def test_a_solution_that_nobody_checked_is_none() -> None:
    told = in_state(State.WITH_L2)
    assert "J11: The solution." in refused(told, Request.STATE_SOLUTION, solution="ok")
    assert "J11: What was checked" in refused(told, Request.STATE_SOLUTION, checked="should work"[:6])
    with pytest.raises(ClosureRefused, match="J11: The solution is stated"):
        told.note(Kind.CLOSED, proof=digest("x"))


def test_what_the_client_writes_after_they_were_told_has_to_be_answered() -> None:
    told = in_state(State.WITH_L2).do(Request.STATE_SOLUTION)
    told.note(Kind.CLIENT_TOLD, how=str(Told.MAIL), to="shop@example.com", words="it works again")
    told.note(Kind.LOOKED_AGAIN, failed=[], evidence=digest("look"))
    assert missing(told) == []
    told.note(Kind.CLIENT_WROTE, sender="shop@example.com", words="No, it does not!", evidence=digest("no"))
    assert missing(told) == ["told"]
    told.do(Request.TAKE_SOLUTION_BACK)
    assert missing(told) == ["solved", "told", "looked"]


PROVEN = {"ref": "JF-000001", "rule": "J7", "evidence": digest("proof"), "closed_at": "2026-11-21T10:00:00+00:00",
          "run_started_at": "2026-11-20T08:00:00+00:00"}  # fmt: skip


def test_where_a_job_was_failing_its_own_case_is_closed_with_its_proof() -> None:
    told = SupportCase().opened(failing=str(Failing.YES)).do(Request.TRY).do(Request.STATE_SOLUTION)
    assert missing(told) == ["told", "proven", "looked"]
    told.note(Kind.JOB_PROVEN, **PROVEN)
    assert "proven" in missing(told), "nobody said that this case is about it"
    told.note(Kind.JOB_LINKED, ref="JF-000001").note(Kind.JOB_LINKED, ref="JF-000002")
    assert "proven" in missing(told)
    told.note(Kind.JOB_PROVEN, **(PROVEN | {"ref": "JF-000002", "rule": "J8"}))
    assert "proven" not in missing(told)
    assert SUPPORT.rule(told.case) == "J7, J8"


@pytest.mark.parametrize(
    "other",
    [{"rule": "J6"}, {"rule": ["J7"]}, {"evidence": "x"}, {"evidence": None},
     {"closed_at": "2026-11-20T07:59:59+00:00"}, {"closed_at": "yesterday"},
     {"closed_at": "2026-11-21T10:00:00"}, {"ref": "SC-000001"}, {"run_started_at": None},
     {"run_started_at": "2026-11-20T07:59:59+00:00"}, {"run_started_at": "2026-11-20T08:00:00"}],
)  # fmt: skip
def test_a_proof_of_before_or_of_something_else_proves_no_job(other: dict[str, Any]) -> None:
    told = SupportCase().opened().note(Kind.JOB_LINKED, ref=str(other.get("ref", "JF-000001")))
    told.do(Request.STATE_SOLUTION).note(Kind.JOB_PROVEN, **(PROVEN | other))
    assert "proven" in missing(told)


def test_a_case_that_closed_with_a_run_of_before_is_named_and_closes_anew() -> None:
    told = SupportCase().opened().note(Kind.JOB_LINKED, ref="JF-000001").do(Request.STATE_SOLUTION)
    told.note(Kind.CLIENT_TOLD, how=str(Told.MAIL), to="shop@example.com", words="it works again")
    assert form_for(told.case) is None, "its own case is at work"
    told.note(Kind.JOB_PROVEN, **(PROVEN | {"run_started_at": "2026-11-20T07:00:00+00:00"}))
    assert (closed_with_a_run_of_before(told.case), form_for(told.case)) == (["JF-000001"], Finish)
    told.note(Kind.JOB_PROVEN, **(PROVEN | {"evidence": digest("another")}))
    assert (closed_with_a_run_of_before(told.case), missing(told)) == ([], ["looked"])


@pytest.mark.parametrize("again", [False, True])
def test_who_is_in_two_tiers_does_not_answer_their_own_question(again: bool) -> None:
    told, asker = in_state(State.PT_ASKED), PEOPLE["L2"]
    if again:
        told.do(Request.ANSWER_L2)
    for name in (asker, f" {asker.upper()} "):
        assert "E3: An answer of somebody else" in refused(told, Request.ANSWER_L2, actor=name)
    told.do(Request.ANSWER_L2).told_all().do(Request.ASK_PT, actor="a colleague")
    assert "E3: An answer of somebody else" in refused(told, Request.ANSWER_L2, actor="a colleague")
    told.do(Request.ANSWER_L2, actor=asker)


def test_who_asked_for_details_does_not_give_them_to_themselves() -> None:
    told = in_state(State.WITH_L2).do(Request.WANT_DETAILS)
    for tier in ("L1", "L2", "PT"):
        assert "E6: The answer of somebody else" in refused(told, Request.GIVE_DETAILS, tier=tier, actor=PEOPLE["L2"])
    told.do(Request.GIVE_DETAILS, tier="L2", actor="a colleague")


def test_a_job_that_was_linked_by_mistake_is_unlinked_with_its_reason_and_by_nothing_else() -> None:
    told = SupportCase().opened().note(Kind.JOB_LINKED, ref="JF-000001").note(Kind.JOB_LINKED, ref="JF-000002")
    for data, said in (
        ({"ref": "JF-000003", "why": "another shop's feed"}, "JF-000003 is not linked to SC-000123"),
        ({"ref": "JF-000001", "why": "ok"}, "J10: it is not said why"),
    ):
        with pytest.raises((BadInput, NotAllowed), match=said):
            told.note(Kind.JOB_UNLINKED, **data)
    told.note(Kind.JOB_UNLINKED, ref="JF-000001", why="that is the feed of another shop")
    told.do(Request.STATE_SOLUTION)
    assert (linked_jobs(told.case), "proven" in missing(told)) == (["JF-000002"], True)
    told.note(Kind.JOB_UNLINKED, ref="JF-000002", why="that is the feed of another shop")
    assert (linked_jobs(told.case), "proven" in missing(told)) == ([], False)
    told.note(Kind.JOB_LINKED, ref="JF-000002")
    assert (linked_jobs(told.case), "proven" in missing(told)) == (["JF-000002"], True)


def test_who_unlinks_the_only_job_does_not_say_alone_that_none_fails() -> None:
    told = SupportCase().opened(failing=str(Failing.YES)).note(Kind.JOB_LINKED, ref="JF-000001")
    told.do(Request.STATE_SOLUTION).note(Kind.JOB_UNLINKED, "a colleague", ref="JF-000001", why="another shop's feed")
    assert "proven" in missing(told), "the client said that a job fails"
    about = {
        "client": "Example Foods",
        "product": "WooCommerce",
        "site": "",
        "contract": "",
        "failing": str(Failing.NO),
    }
    with pytest.raises(NotAllowed, match="J10: it was said that a job fails, and A Colleague unlinked JF-000001"):
        told.note(Kind.FACTS_CORRECTED, "A Colleague", **about)
    assert "proven" not in missing(told.note(Kind.FACTS_CORRECTED, "somebody else", **about))


def test_a_job_for_which_a_case_was_opened_is_never_unlinked() -> None:
    told = SupportCase().opened().note(Kind.JOB_LINKED, ref="JF-000001", opened_for=True)
    with pytest.raises(NotAllowed, match="J10: SC-000123 was opened because the job of JF-000001 fails"):
        told.note(Kind.JOB_UNLINKED, ref="JF-000001", why="that is another shop's feed")


def test_a_case_that_closed_before_the_runs_start_was_written_down_stays_closed() -> None:
    told = SupportCase().opened(failing=str(Failing.YES)).do(Request.TRY).note(Kind.JOB_LINKED, ref="JF-000001")
    told.do(Request.STATE_SOLUTION).note(
        Kind.CLIENT_TOLD, how=str(Told.TELEPHONE), to="the shop", words="it works again"
    )
    at = told._next().isoformat()
    told.note(Kind.JOB_PROVEN, ref="JF-000001", rule="J7", evidence=digest("jf"), closed_at=at)
    told.note(Kind.LOOKED_AGAIN, failed=[], evidence=digest("look"))
    assert missing(told) == []


# -- the procedure as data ----------------------------------------------------------------------------------------

SLOTS = {one.name for one in fields(Case)}
FOR_PEOPLE = {"_form", "_opened", "_lines", "_outcome", "_because"}


@pytest.mark.parametrize("kind", Kind)
def test_the_entry_of_each_kind_hangs_together(kind: Kind) -> None:
    spec = kind.spec
    names = set(spec.says.__annotations__)
    assert {name for _, name, _, _ in string.Formatter().parse(spec.sentence) if name} <= names | FOR_PEOPLE
    assert spec.gathered in ("", "attached")
    assert set(spec.counts) <= SLOTS
    kept = {slot for one in Kind for slot in (one.spec.kept, one.spec.gathered)}
    assert set(spec.voids) <= kept | {"closed", "trouble", "refused"}, "what is voided is kept by something"
    assert [one for one in Kind if one.spec.says is spec.says] == [kind]


def test_support_cases_are_known_by_their_prefix_and_begin_with_l1() -> None:
    assert procedure_of("SC-000001") is SUPPORT
    assert set(SENTENCES) == set(LABELS) == set(State) == set(SUPPORT.states)
    assert SUPPORT.states[0] is State.WITH_L1
    assert set(OWNERS) == set(State) - {State.CLOSED}
    assert set(LADDER) == set(Request) == set(BRINGS) | {Request.TELL_OUTCOME}
    assert {str(one) for one in Request} <= {str(kind) for kind in Kind}
    assert NAMED["evidence"] == MAIL
    assert STEP["outcome"] == Outcome.NO_CHANGE


def test_a_proof_has_no_free_field_of_a_support_case_but_what_was_typed_into_a_form() -> None:
    told = in_state(State.PT_ANSWERED).closed()
    assert unknown_names(told.case.events) == []
    ours = {name for kind in Kind if kind.spec.says.__module__ == payloads.__name__ for name in _names(kind)}
    assert ours & FREE == set()


def _names(kind: Kind) -> set[str]:
    return set(kind.spec.says.__annotations__)
