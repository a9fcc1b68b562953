"""Answers that are given on the case's page and in Prefect: one procedure, and questions that say what is true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from caseproof.config.policy import ReviewPolicy
from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import NotAllowed
from caseproof.domain.forms import AccountDecision, Form, RetailersWord, Review, Verdict, Word, fields_of
from caseproof.domain.job_failure.claims import claims
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import BY_FORM, BY_LOGIN, Decision
from caseproof.procedure.answers.inbox_watch import Waker
from caseproof.procedure.closing.acting import Acting, act
from caseproof.procedure.core.answer_ledger import AnswerLedger, Overtaken
from caseproof.procedure.core.asked import choices_of, typed_before
from caseproof.procedure.views.questions import case_question, what_to_review
from tasks.forms.run_inputs import for_team
from tests.support.keeper import writes
from tests.support.world import DECIDER, REVIEWER, THE_END, World

MakeWorld = Callable[..., World]
WITHOUT = {"answered_by": DECIDER, "what": Word.WITHOUT}
FIX = {"answered_by": DECIDER, "decision": Decision.AFTER_FIX, "reason": "We renewed our side."}
APPROVE = {"answered_by": REVIEWER, "verdict": Verdict.APPROVE, "remark": "Seen."}
BY_LOGIN_ONLY = ReviewPolicy(identity="login")


def answers(world: World, ref: str, form: type[Form], **said: Any) -> None:
    """Somebody who is logged in answers the question that waits, on the case's page."""
    here, case = world.services, world.case(ref)
    assert case.question is not None
    given = here.ledger.event(
        Kind.QUESTION_ANSWERED, said["answered_by"], number=case.question["number"], form=form.slug,
        answer={name: str(value) for name, value in said.items()}, known_by=BY_LOGIN,
    )  # fmt: skip
    ledger = AnswerLedger(here.store, here.clock, BY_LOGIN, given, case.version)
    act(Acting(ledger, here.files, here.links, here.policy), ref, form(**said), case.question["number"])


def answers_in_prefect(world: World, ref: str, **said: Any) -> None:
    """Somebody answers the question that waits in Prefect, and its run reads that."""
    question, who = world.case(ref).question, said["answered_by"]
    assert question is not None
    told = {"number": question["number"], "form": question["form"], "known_by": BY_FORM}
    answer = {name: str(value) for name, value in said.items()}
    world.services.ledger.record(ref, Kind.QUESTION_ANSWERED, who, answer=answer, **told)


def asked(world: World, ref: str) -> str:
    """Which form waits, after the case's run went on as far as it can."""
    question = world.walk(ref, people=False, until=THE_END).question
    return str(question["form"]) if question else ""


def at_the_decision(world: World) -> str:
    """A case whose team goes on without the retailer's word, and is asked for the decision."""
    ref = world.open()
    asked(world, ref)
    answers(world, ref, RetailersWord, **WITHOUT)
    assert asked(world, ref) == "decision"
    return ref


def test_a_case_is_answered_on_its_page_from_the_first_question_to_the_proof(world: World) -> None:
    """The woken run finds each question handled, and goes on."""
    ref = world.open()
    assert asked(world, ref) == "retailers-word"
    answers(world, ref, RetailersWord, **WITHOUT)
    assert asked(world, ref) == "decision"
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "review"
    answers(world, ref, Review, **APPROVE)
    case = world.walk(ref, people=False, until=THE_END)
    assert case.is_closed
    approvals = claims(case)["approvals"]
    assert [(one["by"], one["known_by"]) for one in approvals] == [(DECIDER, BY_LOGIN), (REVIEWER, BY_LOGIN)]


def test_the_proof_says_of_an_answer_in_prefect_that_the_name_was_said_there(world: World) -> None:
    ref = world.open()
    case = world.walk(ref, until=THE_END, forms={"retailers-word": WITHOUT, "decision": FIX, "review": APPROVE})
    assert case.is_closed
    assert {one["known_by"] for one in claims(case)["approvals"]} == {BY_FORM}


@pytest.mark.parametrize("first", ["here", "in Prefect"])
def test_an_answer_given_in_both_places_ends_in_the_first_one(first: str, world: World) -> None:
    """Whoever was second is no part of the case: a name from a resumed run takes no answer's place."""
    ref = world.open()
    asked(world, ref)
    number = world.case(ref).question_number
    in_prefect = {"answered_by": REVIEWER, "what": Word.WROTE, "sender": "x@example.com", "message": "We did it."}
    if first == "here":
        answers(world, ref, RetailersWord, **WITHOUT)
        world.walk(ref, people=False)
        world.walker.given[number] = {name: str(value) for name, value in in_prefect.items()}
    else:
        answers_in_prefect(world, ref, **WITHOUT | {"answered_by": REVIEWER})
    if first == "in Prefect":
        late = world.services.ledger.event(
            Kind.QUESTION_ANSWERED, DECIDER, number=number, form="retailers-word", answer={}, known_by=BY_LOGIN
        )
        ledger = AnswerLedger(world.services.store, world.clock, BY_LOGIN, late, world.case(ref).version)
        acting = Acting(ledger, world.services.files, world.services.links, world.policy)
        with pytest.raises(Overtaken, match=REVIEWER):
            act(acting, ref, RetailersWord(**WITHOUT), number)
    assert asked(world, ref) == "decision"
    assert [fact.actor for fact in world.case(ref).every(Kind.QUESTION_ANSWERED)] == [
        DECIDER if first == "here" else REVIEWER
    ]


def test_a_run_is_woken_by_an_answer_on_the_page_and_not_by_one_in_prefect(world: World) -> None:
    woken: list[str] = []
    ref = world.open()
    asked(world, ref)
    with world.services.store.uow() as uow:
        uow.cases.attach_run(ref, world.run_of(ref), 1)
        uow.commit()
    waker = Waker(world.services, _ports(woken))
    waker.round()
    assert woken == []
    answers(world, ref, RetailersWord, **WITHOUT)
    waker.round()
    assert woken == [ref]


def _ports(woken: list[str]) -> Any:
    class Wakes:
        """Of the inbox's ports the one that the waker uses."""

        @staticmethod
        def say(_: str) -> None: ...

        @staticmethod
        def wake(_: Any, runs: dict[str, str]) -> list[str]:
            woken.extend(runs)
            return []

    return Wakes()


# -- the review by another login ---------------------------------------------------------------------------------------


def test_where_the_policy_asks_for_a_login_a_review_from_prefect_is_refused_with_the_pages_address(
    make_world: MakeWorld,
) -> None:
    world = make_world(review=BY_LOGIN_ONLY)
    ref = at_the_decision(world)
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "review"
    answers_in_prefect(world, ref, **APPROVE)
    assert asked(world, ref) == "review", "asked again"
    case = world.case(ref)
    assert case.review is None
    assert case.refused is not None
    assert f"/cases/{ref}#question" in case.refused["why"]
    answers(world, ref, Review, **APPROVE)
    assert world.walk(ref, people=False, until=THE_END).is_closed


def test_a_review_without_a_login_closes_nothing_where_the_decision_asked_for_one(make_world: MakeWorld) -> None:
    """J8: by the rules themselves, whatever wrote the event."""
    world = make_world(review=BY_LOGIN_ONLY)
    ref = at_the_decision(world)
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "review"
    for more in ({}, {"known_by": BY_FORM}):
        with pytest.raises(NotAllowed, match="logged in"):
            world.services.ledger.record(ref, Kind.REVIEW_APPROVED, REVIEWER, **more)
    assert "reviewed" in {one.code for one in closure_blockers(world.case(ref))}


# -- questions that say what is true -----------------------------------------------------------------------------------


def test_a_failed_fix_leads_back_to_the_decision(world: World) -> None:
    world.platform.outcome = "failed"
    ref = at_the_decision(world)
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "decision"
    assert "**The last run failed (J11).**" in case_question(world.case(ref), "https://c.example.com", "")


def test_the_review_does_not_say_that_the_last_run_failed_where_one_succeeded_since(world: World) -> None:
    world.platform.outcome = "failed"
    ref = at_the_decision(world)
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "decision"
    world.platform.outcome = "succeeded"
    answers(world, ref, AccountDecision, **FIX)
    assert asked(world, ref) == "review"
    assert "failed" not in case_question(world.case(ref), "https://c.example.com", "")


def test_a_refused_decision_asks_for_the_decision_again_with_what_was_typed(world: World) -> None:
    ref = at_the_decision(world)
    answers_in_prefect(world, ref, answered_by=DECIDER, decision=Decision.REMOVE, reason="They left.", checked="")
    assert asked(world, ref) == "decision"
    case = world.case(ref)
    assert case.refused is not None
    assert typed_before(case, AccountDecision) == {"reason": "They left."}
    assert typed_before(case, Review) == {}


def test_what_was_sent_back_or_failed_before_a_reopening_is_not_called_the_last_failed_run(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="attach")
    world.send_back(ref, "The picture shows another run.")
    said = case_question(world.case(ref), "https://c.example.com", "")
    assert "**The review sent the case back (J7, J8).** The picture shows another run." in said
    assert "last run failed" not in said


def test_a_reply_is_offered_to_count_in_prefect_only_where_one_stands_above(world: World) -> None:
    ref = world.open()
    asked(world, ref)
    for reply, offered in ((False, {Word.WROTE, Word.WITHOUT}), (True, set(Word))):
        if reply:
            writes(world, ref, "Which token do you mean?")
        what = next(one for one in fields_of(RetailersWord) if one.name == "what")
        schema = for_team(
            RetailersWord, (DECIDER,), "?", {"what": choices_of(world.case(ref), what)}, {"message": "typed"}
        ).model_json_schema()
        [enum] = [one["enum"] for one in schema["$defs"].values()]
        assert set(enum) == {str(one) for one in offered}
        assert "what" in schema["required"]
        assert schema["properties"]["message"]["default"] == "typed"


def test_the_review_of_a_removal_asks_about_a_removal(world: World) -> None:
    """J9: no job ran, so that none succeeded."""
    world.decision = Decision.REMOVE
    ref = world.open()
    world.walk(ref, until="attach")
    said = what_to_review(world.case(ref), lambda digest: f"/evidence/{digest}")
    assert "every schedule of the integration is switched off and nothing is queued" in said
    assert "Caseproof deleted none. To have it back one day, switch them on again" in said
    assert "succeeded" not in said
