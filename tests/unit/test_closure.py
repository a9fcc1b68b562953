"""What blocks a closure, in words; then each hole that the theorem must not have, by its shortest history."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from caseproof.domain.closure import closure_blockers, closure_rule, conditions_met, refuse_closure, refuse_event
from caseproof.domain.errors import BadInput, ClosureRefused, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.fold import fold
from caseproof.domain.job_failure.conditions import AT_THE_REVIEW, CONDITIONS, owes_validation
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision
from tests.support.histories import DECIDER, JOB, REF, REVIEWER, Plan, Teller, tell
from tests.support.mutations import OTHER, place

RULES = {
    "stopped": "J2, J3", "told": "J5", "ticket": "J1", "decided": "J6", "confirmed": "J8", "agreed": "J8",
    "validated": "J8, J9",
    "succeeded": "J7, J8, J10", "gone": "J8, J9", "live": "J6", "pictured": "J7, J8", "attached": "J7, J8",
    "reviewed": "J7, J8", "looked": "J10, J11", "emergency_over": "E8",
}  # fmt: skip


def decided(plan: Plan | None = None) -> Teller:
    teller = Teller(plan or Plan(review=""))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    return teller


def ready(plan: Plan | None = None) -> Teller:
    """Everything up to the attached picture."""
    teller = decided(plan)
    teller.run_successfully()
    return teller


def codes(teller: Teller) -> list[str]:
    return [blocker.code for blocker in closure_blockers(teller.case)]


def offer_closing(teller: Teller) -> None:
    assert teller.case.proof is not None
    teller.add(Kind.CLOSED, proof=teller.case.proof["evidence"])


# -- in words ---------------------------------------------------------------------------------------


def test_every_condition_names_its_rule() -> None:
    assert {condition.code: condition.rule for condition in CONDITIONS} == RULES


def test_a_new_case_is_told_everything_that_is_missing_with_its_reference() -> None:
    teller = Teller(Plan())
    teller.open()
    blockers = closure_blockers(teller.case)
    elsewhere = {"confirmed", "agreed", "validated", "gone", "emergency_over"}
    assert {blocker.code for blocker in blockers} == set(RULES) - elsewhere
    for blocker in blockers:
        assert blocker.rule == RULES[blocker.code]
        assert blocker.missing.endswith((".", ")"))
        assert blocker.next_action.endswith(".")
        assert "{" not in blocker.next_action
    assert any(f"`caseproof case wake {REF}`" in blocker.next_action for blocker in blockers)


def test_j8_what_else_is_missing_follows_from_the_decision() -> None:
    assert {"confirmed", "validated", "live"} & set(codes(decided(Plan(Decision.AFTER_CHANGE)))) == {"live"}
    removal = codes(decided(Plan(Decision.REMOVE)))
    assert "gone" in removal
    assert "live" not in removal
    without_words = [e for e in decided(Plan(Decision.REMOVE)).events if e.kind is not Kind.CONFIRMATION_RECEIVED]
    missing = {b.code: b for b in closure_blockers(fold(REF, without_words))}
    assert f"case confirm {REF}" in missing["confirmed"].next_action


def test_the_refusal_names_every_missing_item_with_its_rule_and_its_next_action() -> None:
    teller = decided()
    with pytest.raises(ClosureRefused) as refusal:
        refuse_closure(teller.case)
    for blocker in closure_blockers(teller.case):
        assert f"{blocker.rule}: {blocker.missing} ({blocker.next_action})" in refusal.value.problem
    assert refusal.value.next_action == f"`caseproof case why {REF}`"


def test_a_case_without_a_proof_is_refused_and_told_how_it_gets_one() -> None:
    teller = ready()
    teller.look()
    assert codes(teller) == []
    with pytest.raises(ClosureRefused, match=f"{REF} has no proof.*make the proof"):
        teller.add(Kind.CLOSED, proof=OTHER)


@pytest.mark.parametrize(
    ("decision", "rule"), [(Decision.AFTER_FIX, "J7"), (Decision.AFTER_CHANGE, "J8"), (Decision.REMOVE, "J8")]
)
def test_a_closed_case_says_which_rule_closed_it_and_what_it_rests_on(decision: Decision, rule: str) -> None:
    case = fold(REF, tell(Plan(decision)))
    met = {condition.code: found for condition, found in conditions_met(case)}
    assert closure_rule(case) == rule
    assert case.photo is not None
    assert met["pictured"].evidence == (case.photo["evidence"],)
    assert met["pictured"].events == (case.photo.seq,)
    assert ("gone" in met, "live" in met) == (decision is Decision.REMOVE, decision is not Decision.REMOVE)


def test_j6_keeping_paused_leads_to_no_closure() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    assert closure_rule(teller.case) is None
    teller.keep_paused()
    assert closure_rule(teller.case) is None
    assert "decided" in codes(teller)


def test_a_refused_event_says_what_the_case_is_doing_and_where_to_look() -> None:
    teller = Teller(Plan())
    with pytest.raises(NotAllowed, match=f"'stopped' cannot happen now: {REF} does not exist yet"):
        teller.stop()
    teller.open()
    with pytest.raises(NotAllowed, match=f"'notice_sent'.*{REF} is 'being stopped'.*case why {REF}"):
        teller.tell_retailer()


def test_j6_keeping_paused_is_not_recorded_as_a_decision_to_carry_out() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    with pytest.raises(NotAllowed, match="recorded as kept_paused"):
        teller.decide(Decision.KEEP_PAUSED)


# -- holes: what must not close ---------------------------------------------------------------------


@pytest.mark.parametrize("decision", [Decision.AFTER_CHANGE, Decision.REMOVE])
@pytest.mark.parametrize("words", [" \n", "", None], ids=["blank", "empty", "null"])
def test_j8_nobody_decides_on_a_word_that_says_nothing(decision: Decision, words: str | None) -> None:
    teller = Teller(Plan(decision))
    teller.open()
    teller.until_waiting(first=True)
    data = {"sender": "shop@example.com", "words": words, "evidence": OTHER, "by_way_of": "mail"}

    def decide_on_it() -> None:
        teller.add(Kind.CONFIRMATION_RECEIVED, **data)
        teller.add(Kind.CHANGE_VALIDATED, DECIDER, how="seen")
        teller.add(Kind.DECIDED, DECIDER, decision=str(decision), reason="r", review="")

    with pytest.raises((NotAllowed, BadInput), match=r"J8|words"):
        decide_on_it()


def test_j8_a_change_validated_after_an_empty_word_was_not_validated_after_the_confirmation() -> None:
    teller = Teller(Plan(Decision.AFTER_CHANGE, review=""))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    events = teller.events
    at = place(events, Kind.CONFIRMATION_RECEIVED)
    assert at is not None
    empty = replace(events[at], data={**events[at].data, "words": " "})
    late = [*events[:at], empty, *events[at + 1 :], events[at]]
    assert "validated" in {b.code for b in closure_blockers(fold(REF, late))}


def test_j8_nobody_decides_on_a_change_that_nobody_looked_at() -> None:
    teller = Teller(Plan(Decision.AFTER_CHANGE))
    teller.open()
    teller.until_waiting(first=True)
    teller.confirm()
    with pytest.raises(NotAllowed, match=r"J8.*validated"):
        teller.add(Kind.DECIDED, DECIDER, decision=str(Decision.AFTER_CHANGE), reason="r", review="")


def test_j9_a_word_that_came_after_the_removal_does_not_found_it() -> None:
    events = tell(Plan(Decision.REMOVE, review=""))
    at, verified = place(events, Kind.CONFIRMATION_RECEIVED), place(events, Kind.RUN_VERIFIED)
    assert at is not None
    assert verified is not None
    late = [*events[:at], *events[at + 1 : verified + 1], events[at], *events[verified + 1 :]]
    assert [b.code for b in closure_blockers(fold(REF, late))] == ["confirmed"]


def test_j9_a_removed_integration_that_goes_live_again_is_not_removed() -> None:
    teller = ready(Plan(Decision.REMOVE, review=""))
    live = Event(Kind.SCHEDULE_LIVE, teller.now, "caseproof", {"jobs": [{"job": JOB, "active": True}]})
    with pytest.raises(NotAllowed, match="remove"):
        refuse_event(teller.case, live)
    assert "gone" in {b.code for b in closure_blockers(fold(REF, [*teller.events, live]))}


def test_j6_a_job_that_was_stopped_again_after_it_went_live_is_not_live() -> None:
    teller = ready()
    jobs = [{"job": JOB, "active": False, "waiting": 0}]
    stop = Event(Kind.STOPPED, teller.now, "caseproof", {"scope": "job", "jobs": jobs, "evidence": OTHER})
    assert "live" in {b.code for b in closure_blockers(fold(REF, [*teller.events, stop]))}


def test_j7_a_ticket_without_a_name_is_no_ticket() -> None:
    teller = decided()
    events = [replace(e, data={**e.data, "ticket": ""}) if "ticket" in e.data else e for e in teller.events]
    assert "ticket" in {b.code for b in closure_blockers(fold(REF, events))}


def test_j10_a_look_from_before_the_attachment_is_not_a_look_at_closing_time() -> None:
    teller = decided()
    teller.run_successfully()
    events = teller.events[:-1]  # not attached yet, as the desk is down
    look = Event(Kind.LOOKED_AGAIN, teller.now, "caseproof", {"failed": [], "evidence": OTHER})
    late = replace(teller.events[-1], at=teller.now + timedelta(days=2))
    assert [b.code for b in closure_blockers(fold(REF, [*events, look, late]))] == ["looked"]


def test_j10_a_look_that_is_a_day_old_is_not_a_look_at_closing_time() -> None:
    teller = ready()
    teller.look()
    teller.prove()
    teller.now += timedelta(days=1)
    with pytest.raises(ClosureRefused, match="look"):
        offer_closing(teller)
    teller.look()
    teller.prove()
    offer_closing(teller)
    assert teller.case.is_closed


def test_j10_a_new_look_asks_for_a_new_proof() -> None:
    teller = ready()
    teller.look()
    teller.prove()
    teller.look()
    with pytest.raises(ClosureRefused, match="proof"):
        offer_closing(teller)


def test_a_reopened_case_does_not_close_with_the_proof_of_the_last_time() -> None:
    teller = ready()
    teller.close()
    assert teller.case.proof is not None
    old = teller.case.proof["evidence"]
    teller.reopen()
    teller.until_waiting()
    teller.decide()
    teller.run_successfully()
    teller.look()
    teller.add(Kind.PROOF_MADE, evidence=old, rule="J7", head=teller.case.head)
    with pytest.raises(ClosureRefused, match="proof"):
        teller.add(Kind.CLOSED, proof=old)


def test_a_reopened_case_does_not_close_with_the_picture_or_attachment_of_the_last_time() -> None:
    teller = ready()
    teller.close()
    old = [e for e in teller.events if e.kind in (Kind.PHOTOGRAPHED, Kind.ATTACHED)]
    teller.reopen()
    teller.until_waiting()
    teller.decide()
    assert {"pictured", "attached"} <= set(codes(teller))
    teller.run_successfully()
    fresh = [e for e in teller.events if e not in teller.events[-2:]]
    missing = [b.code for b in closure_blockers(fold(REF, [*fresh, *old]))]
    assert "pictured" in missing


def test_a_second_ticket_needs_the_picture_too() -> None:
    teller = ready()
    teller.add(Kind.TICKET_OPENED, desk="desk", ticket="T-99", adopted=True)
    assert "attached" in codes(teller)


# -- dead ends: what must still be able to close -----------------------------------------------------


def test_an_approval_by_the_decider_does_not_shut_out_the_other_person() -> None:
    teller = ready(Plan(review="another person"))
    teller.approve(DECIDER)
    assert "reviewed" in codes(teller)
    teller.close()
    assert teller.case.is_closed


def test_a_picture_that_was_taken_anew_can_be_approved_anew() -> None:
    teller = ready(Plan(review="another person"))
    teller.approve()
    assert teller.case.run is not None
    teller.take_picture(teller.case.run["run"])
    teller.attach()
    assert "reviewed" in codes(teller)
    teller.close()
    assert teller.case.is_closed


def test_what_was_approved_can_still_be_sent_back() -> None:
    teller = ready(Plan(review="another person"))
    teller.approve()
    teller.add(Kind.REVIEW_REJECTED, REVIEWER, why="The picture shows another account after all.")
    assert teller.case.state is State.OPENED


def test_j9_a_job_that_vanished_after_the_decision_can_be_removed_instead() -> None:
    teller = decided(Plan(Decision.AFTER_FIX))
    teller.add(Kind.RUN_FAILED, run="", why="The run could not be started: the platform has no such job any more.")
    teller.decide(Decision.REMOVE)
    teller.run_successfully()
    teller.close()
    assert teller.case.is_closed
    assert closure_rule(teller.case) == "J8"


def test_j6_a_decision_that_could_not_be_carried_out_can_give_way_to_keeping_paused() -> None:
    teller = decided()
    teller.add(Kind.RUN_FAILED, run="", why="The run could not be started.")
    teller.keep_paused()
    assert teller.case.state is State.PAUSED


def test_j8_the_word_of_before_a_failed_run_needs_a_new_validation() -> None:
    teller = decided(Plan(Decision.AFTER_CHANGE, review=""))
    teller.run_badly()
    with pytest.raises(NotAllowed, match="J8"):
        teller.add(Kind.DECIDED, DECIDER, decision=str(Decision.AFTER_CHANGE), reason="r", review="")
    teller.decide()
    teller.run_successfully()
    teller.close()
    assert teller.case.is_closed


# -- what goes on by itself is validated in the review -----------------------------------------------


def by_itself(review: str = "another person") -> Teller:
    """The retailer's clear word led to a decision that nobody took; the change was not looked at yet."""
    return decided(Plan(Decision.AFTER_CHANGE, review=review, by_itself=True))


def test_j8_a_decision_may_leave_the_validation_to_the_review_and_the_closure_still_asks_for_it() -> None:
    teller = by_itself()
    assert teller.case.state is State.DECIDED
    teller.run_successfully()
    assert codes(teller) == ["validated", "reviewed", "looked"]
    assert owes_validation(teller.case)


def test_j8_j11_an_approval_of_a_change_that_nobody_looked_at_is_refused_with_what_to_do() -> None:
    teller = by_itself()
    teller.run_successfully()
    with pytest.raises(NotAllowed, match=r"J8: .*nobody has looked.*Look at the change in the system.*J11"):
        teller.add(Kind.REVIEW_APPROVED, REVIEWER)
    assert teller.case.state is State.VERIFIED
    teller.add(Kind.CHANGE_VALIDATED, REVIEWER, how="The token is new.")
    assert not owes_validation(teller.case)
    teller.add(Kind.REVIEW_APPROVED, REVIEWER)
    assert teller.case.state is State.REVIEWED


@pytest.mark.parametrize(
    "how", ["", " \n", "ok", "checked it", "It should work now.", "Sollte jetzt wieder gehen.", "we hope that it holds"]
)
def test_j8_a_validation_that_says_nothing_or_what_is_expected_is_none_in_the_review_either(how: str) -> None:
    teller = by_itself()
    teller.run_successfully()
    with pytest.raises(NotAllowed, match=r"J8.*Look at the changed setting in the system, and write down what you saw"):
        teller.add(Kind.CHANGE_VALIDATED, REVIEWER, how=how)
    with pytest.raises(NotAllowed, match="J8"):
        teller.add(Kind.REVIEW_APPROVED, REVIEWER)


def test_j8_it_is_closed_with_the_word_the_validation_in_the_review_and_the_picture() -> None:
    teller = by_itself()
    teller.run_successfully()
    teller.close()
    assert teller.case.is_closed
    assert closure_rule(teller.case) == "J8"
    met = {condition.code: found.events for condition, found in conditions_met(teller.case)}
    assert met["confirmed"] < met["decided"] < met["succeeded"] < met["validated"] < met["reviewed"]


def test_j8_nothing_goes_on_without_a_word() -> None:
    teller = Teller(Plan(Decision.AFTER_CHANGE))
    teller.open()
    teller.until_waiting(first=True)
    teller.reply()
    with pytest.raises(NotAllowed, match=r"J8: .*needs the retailer's written confirmation"):
        decide_at_the_review(teller)


def test_j8_nothing_goes_on_where_no_review_follows() -> None:
    teller = Teller(Plan(Decision.AFTER_CHANGE))
    teller.open()
    teller.until_waiting(first=True)
    teller.confirm()
    with pytest.raises(NotAllowed, match=r"J8: .*validated"):
        decide_at_the_review(teller, review="")


def test_j11_a_word_from_before_a_failed_run_leads_to_no_second_run_by_itself() -> None:
    teller = by_itself()
    teller.run_badly()
    with pytest.raises(NotAllowed, match=r"J8: .*validated"):
        decide_at_the_review(teller)
    teller.confirm()
    decide_at_the_review(teller)
    assert teller.case.state is State.DECIDED


def decide_at_the_review(teller: Teller, review: str = "anybody") -> None:
    what = {"decision": str(Decision.AFTER_CHANGE), "reason": "They said so.", "review": review}
    teller.add(Kind.DECIDED, **what, validation=AT_THE_REVIEW)
