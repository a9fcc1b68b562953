"""The ladder's forms, and its time limits: what each answer asks for, and that nobody skips a gate by waiting."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import timedelta

import pytest

from caseproof.domain.errors import NotAllowed
from caseproof.domain.forms import FormField, fields_of
from caseproof.domain.support.answers import asks_for, request_of
from caseproof.domain.support.choices import PtAnswers
from caseproof.domain.support.efforts import items
from caseproof.domain.support.forms import (
    FORMS,
    FrontLine,
    ProductTeam,
    PtAnswer,
    SecondLine,
    SupportRequest,
    TierForm,
    form_for,
    opening,
    tiers_answering,
    tiers_choosing,
)
from caseproof.domain.support.ladder import cell, request_blockers, who_acts
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import Failing, Tier, Urgency, Way
from caseproof.domain.support.waiting import Asked, Late, Limit, what_time_asks
from tests.support.support_cases import BRINGS, BY_CASE, MAIL, OPENED, PAGE, PEOPLE, START, STEP, SupportCase, in_state

TEXTS = {
    "document": PAGE, "step": STEP["step"], "seen": STEP["seen"], "source": MAIL, "technician": PEOPLE["L2"],
    "clients_words": "we also need a new site", "suggestions": "switch the cache plugin off\n\n", "questions": "",
    **BRINGS[Request.STATE_SOLUTION], **BRINGS[Request.RAISE_DEVELOPMENT], "result": "released in version 2.4",
    "ticket": "",
    "wanted": "which plugin empties the session?", "why": "every document and suggestion is tried",
}  # fmt: skip
STANDS = {
    "l1": State.WITH_L1, "l2": State.WITH_L2, "pt-asked": State.PT_ASKED, "pt": State.WITH_PT,
    "development": State.WITH_DEVELOPMENT, "implementation": State.WITH_IMPLEMENTATION,
}  # fmt: skip
CHOICES = [(form, choice) for form in FORMS.values() for choice in fields_of(form)[0].choices or ()]


def ready(form: type[TierForm], choice: str) -> SupportCase:
    """A case in which this choice may be made."""
    if choice.startswith("ITEM_"):
        return in_state(State.PT_ASKED).do(Request.ANSWER_L2)
    if choice in ("EXHAUSTED", "TAKE") or (form is PtAnswer and choice == "ASK_PT"):
        return in_state(State.PT_ANSWERED)
    told = in_state(STANDS[form.slug])
    if choice in ("ANSWER_L2", "ANSWER_PT", "GIVE_DETAILS"):
        told.do(Request.WANT_DETAILS, tier="PT" if choice == "ANSWER_PT" else "L2")
    return told


@pytest.mark.parametrize(("form", "choice"), CHOICES, ids=lambda one: getattr(one, "name", getattr(one, "slug", "")))
def test_each_choice_of_each_form_asks_for_what_the_rules_then_take(form: type[TierForm], choice) -> None:  # type: ignore[no-untyped-def]
    told, said = ready(form, choice.name), dict(TEXTS)
    if "PT" in choice.name:
        said["technician"] = PEOPLE["PT"]
    if choice.name.endswith("CASE"):
        said["source"] = BY_CASE["ref"]
    lines = [item.key for item in items(told.case) if item.is_question is (choice.name == "ITEM_ANSWERED")]
    said["item"] = lines[0] if lines else ""
    asked = {one.name for one in fields_of(form) if one.is_asked_with(str(choice))} - {"what", "answered_by"}
    answer = form(answered_by="x", what=choice, **{name: said[name] for name in asked})  # type: ignore[arg-type]
    request, data = asks_for(answer)
    there = {name: BY_CASE[name] for name in BY_CASE if name.startswith("there_")} if "BY_CASE" in choice.name else {}
    if there and "L2" in choice.name:
        there["there_names"] = [PEOPLE["L2"]]
    event = told.event(request)
    assert set(data) <= set(event.kind.spec.says.__annotations__)
    by = "a colleague" if choice.name == "GIVE_DETAILS" else PEOPLE.get(data["tier"], "team")
    told.note(event.kind, by, **data, **there)


@pytest.mark.parametrize(("form", "choice"), CHOICES, ids=lambda one: getattr(one, "name", getattr(one, "slug", "")))
def test_a_form_left_empty_is_refused_by_the_gate_and_not_only_by_the_form(form: type[TierForm], choice) -> None:  # type: ignore[no-untyped-def]
    if choice.name == "TAKE":
        return  # it brings nothing
    told = ready(form, choice.name)
    request, data = asks_for(form(answered_by="x", what=choice))
    with pytest.raises(NotAllowed, match="Missing: "):
        told.note(told.event(request).kind, "x", **data)


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_a_form_is_flat_and_fills_in_nothing_that_decides(form: type[TierForm]) -> None:
    shown = fields_of(form)
    assert (shown[0].name, shown[-1].name) == ("what", "answered_by")
    assert [one.name for one in fields(form) if one.default is MISSING] == ["answered_by", "what"]
    assert all(one.default in ("", MISSING) for one in fields(form))
    values = {str(choice) for choice in shown[0].choices or ()}
    assert all(set(one.only_with) | set(one.needed_with) <= values for one in shown)
    assert [one.name for one in shown if one.choices is None and one.name != "answered_by" and not one.only_with] == []
    assert SUPPORT.questions[form.slug] == form.called


def test_a_case_is_raised_by_a_form_that_fills_in_nothing_that_decides() -> None:
    assert {one.name for one in fields_of(SupportRequest) if not one.is_needed} == {"site", "contract", "continues"}
    said = {name: OPENED[name] for name in ("client", "product", "summary", "said", "site")}
    answer = SupportRequest(answered_by="front line", urgency=Urgency.STOPS, failing=Failing.NO, **said)
    assert opening(answer, OPENED["key"], OPENED["how"]) == OPENED


def test_whoever_has_to_act_is_asked_with_the_form_of_their_tier() -> None:
    for state in State:
        form = form_for(in_state(state).case)
        if state is State.PT_ANSWERED:
            assert form is PtAnswer, "L2 is exhausted there"
        else:
            assert (form.slug if form else "") == next((slug for slug, one in STANDS.items() if one is state), "")
    assert form_for(in_state(State.PT_ASKED).do(Request.ANSWER_L2).case) is SecondLine
    assert form_for(SupportCase().case) is None


def test_every_request_of_a_person_is_on_a_form_of_its_tier() -> None:
    offered = {asks_for(form(answered_by="x", what=choice))[0] for form, choice in CHOICES}  # type: ignore[arg-type]
    assert set(Request) - offered == {Request.TAKE_SOLUTION_BACK, Request.REOPEN}, "these are on the case's own page"
    for form, choice in CHOICES:
        request, _ = asks_for(form(answered_by="x", what=choice))  # type: ignore[arg-type]
        assert any(cell(state, request).is_allowed for state in State)


EXCEPTIONS = {Request.REACH_PT, Request.SEND_TO_IMPLEMENTATION}
HELD_BACK = {Request.RETURN_TO_L1, Request.TELL_OUTCOME, Request.EXHAUST, *EXCEPTIONS}
"""What L2 says again when the turn is its own: PT owes it an answer, or is to take the case."""
BESIDE = {Request.WANT_DETAILS, Request.ANSWER_L2, Request.TAKE_SOLUTION_BACK, Request.REOPEN}
"""What is said whichever tier has to act."""


def test_whatever_the_table_allows_has_a_door_in_the_state_that_it_is_allowed_in() -> None:
    both = in_state(State.PT_ASKED).do(Request.ANSWER_L2), in_state(State.PT_ANSWERED)
    stands = [in_state(state) for state in State if state is not State.PT_ANSWERED]
    for told in (*stands, *both):
        form = form_for(told.case)
        here = {request_of(form, str(one)) for one in fields_of(form)[0].choices or ()} if form else set()  # type: ignore[arg-type]
        reaches = {Request.GIVE_DETAILS} if form is FrontLine else set()  # L1's answer reaches them with the case (E6)
        held = HELD_BACK if form is PtAnswer else set()
        allowed = {request for request in Request if not request_blockers(told.case, request)}
        assert allowed - here - BESIDE - reaches - held == set(), (told.case.state, form)


def test_while_pt_owes_an_answer_l2_goes_on_with_the_case_that_it_owns() -> None:
    for choice, tier in ((PtAnswers.TRIED_NOTHING, Tier.L2), (PtAnswers.SOLVED, Tier.L2), (PtAnswers.ADVISE, Tier.PT)):
        assert tiers_choosing(PtAnswer(answered_by="x", what=choice))[0] is tier
    told = in_state(State.PT_ASKED)
    assert tiers_answering(told.case, PtAnswer) == (Tier.PT, Tier.L2)
    assert set(tiers_choosing(PtAnswer(answered_by="x", what=PtAnswers.WANT_CALL))) == {Tier.PT, Tier.L2}


def test_each_way_of_each_exception_has_its_choice() -> None:
    asked = [asks_for(form(answered_by="x", what=choice)) for form, choice in CHOICES]  # type: ignore[arg-type]
    ways = {(request, said.get("way")) for request, said in asked}
    for request, way in (
        (Request.REACH_L2, Way.NAMED), (Request.REACH_L2, Way.ASKED), (Request.REACH_PT, Way.NAMED),
        (Request.REACH_PT, Way.ASKED), (Request.REACH_PT, Way.IMPLEMENTATION), (Request.SEND_TO_IMPLEMENTATION, None),
    ):  # fmt: skip
        assert (request, str(way) if way else None) in ways, "each exception of E6 can be asked for"


def test_a_field_is_needed_with_the_choice_that_needs_it() -> None:
    def needed(form: type[TierForm], choice: str) -> set[str]:
        does = fields_of(form)[0].choices
        assert does is not None
        return {one.name for one in fields_of(form) if _needs(one, str(does[choice]))} - {"what", "answered_by"}

    assert needed(FrontLine, "TRIED_NOTHING") == {"step", "seen"}
    assert needed(SecondLine, "TRIED_NOTHING") == {"document", "step", "seen"}
    assert needed(SecondLine, "ITEM_NOTHING") == {"item", "step", "seen"}
    assert needed(ProductTeam, "DEVELOP") == {"where", "change", "accepted_when"}


def _needs(one: FormField, choice: str) -> bool:
    return one.needs_a_word_with(choice)


# -- time ---------------------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
LIMITS = {
    Tier.L1: Limit(HOUR, 2 * HOUR), Tier.L2: Limit(4 * HOUR, 8 * HOUR), Tier.PT: Limit(4 * HOUR, 24 * HOUR),
    Tier.IMPLEMENTATION: Limit(24 * HOUR),
}  # fmt: skip


def late(told: SupportCase, after: timedelta) -> Asked | None:
    return what_time_asks(told.case, LIMITS, told.case.events[-1].at + after)


def test_a_tier_that_waits_too_long_is_nudged_and_then_the_case_goes_on() -> None:
    told = in_state(State.WITH_L1)
    assert late(told, HOUR - timedelta(seconds=1)) is None
    nudged = late(told, HOUR)
    assert nudged is not None
    assert (nudged.what, nudged.tier, nudged.since) == (Late.NUDGE, Tier.L1, told.case.events[-1].at + HOUR)
    handed = late(told, 2 * HOUR)
    assert handed is not None
    assert (handed.what, handed.to, handed.missing) == (Late.HAND_ON, Tier.L2, ())


def test_nobody_skips_a_gate_by_waiting() -> None:
    for told, to, rule in (
        (SupportCase().opened(), Tier.L2, "E1"),
        (in_state(State.WITH_L2), Tier.PT, "E2, E3"),
    ):
        for days in (1, 365):
            found = late(told, timedelta(days=days))
            assert found is not None
            assert (found.what, found.to, found.missing[0].rule) == (Late.TELL_LEAD, to, rule)


def test_whoever_owes_the_next_step_is_who_is_nudged() -> None:
    asked = in_state(State.PT_ASKED)
    assert who_acts(asked.case) is Tier.PT
    found = late(asked, 30 * HOUR)
    assert found is not None
    assert (found.what, found.tier, found.to) == (Late.TELL_LEAD, Tier.PT, None), "L2 keeps the case"
    assert who_acts(in_state(State.PT_ANSWERED).case) is Tier.PT, "L2 is exhausted: PT takes it"
    assert late(in_state(State.WITH_DEVELOPMENT), timedelta(days=99)) is None, "the policy has no limit for it"
    assert late(in_state(State.WITH_L2).do(Request.STATE_SOLUTION), timedelta(days=9)) is None
    assert late(in_state(State.CLOSED), timedelta(days=9)) is None
    assert what_time_asks(SupportCase().case, LIMITS, START) is None


def test_what_l2_tries_while_pt_owes_an_answer_gives_pt_no_more_time() -> None:
    told = in_state(State.PT_ASKED)
    begun = told.case.events[-1].at
    told.do(Request.TRY, step="asked for another browser")
    found = what_time_asks(told.case, LIMITS, begun + 4 * HOUR)
    assert found is not None
    assert (found.what, found.tier) == (Late.NUDGE, Tier.PT)


def test_what_a_tier_tries_is_work_and_begins_its_time_anew() -> None:
    told = in_state(State.WITH_L1)
    begun = told.case.events[-1].at
    told.note(told.event(Request.WANT_DETAILS).kind, "x", tier="L2", **BRINGS[Request.WANT_DETAILS])
    assert what_time_asks(told.case, LIMITS, begun + HOUR) is not None, "a question from above is none of it"
    told.do(Request.TRY, step="asked for another browser")
    assert what_time_asks(told.case, LIMITS, begun + HOUR) is None
