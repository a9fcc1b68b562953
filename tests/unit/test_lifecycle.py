"""The life of a case, against a list of moves and facts that was written from the procedures."""

from __future__ import annotations

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import SENTENCES, State

MOVES = {(move.before, kind): move for kind in Kind for move in kind.spec.moves}
FACTS = [kind for kind in Kind if not kind.spec.moves]

# before, event, after, rule: what may happen, as the procedures tell it
STORY = [
    ("", "opened", "opened", "J1"),
    ("opened", "stopped", "contained", "J2"),
    ("opened", "cannot_stop", "contained", "J3"),
    ("contained", "notice_sent", "waiting", "J5"),
    ("waiting", "decided", "decided", "J6"),
    ("waiting", "kept_paused", "paused", "J6"),
    ("paused", "decided", "decided", "J6"),
    ("paused", "kept_paused", "paused", "J6"),
    ("decided", "run_started", "running", "J10"),
    ("decided", "run_failed", "waiting", "J11"),
    ("running", "run_verified", "verified", "J10"),
    ("running", "run_failed", "waiting", "J11"),
    ("verified", "review_approved", "reviewed", "J7"),
    ("verified", "review_rejected", "opened", "J2"),
    ("verified", "failed_again", "opened", "J2"),
    ("verified", "closed", "closed", "J7, J8"),
    ("reviewed", "review_approved", "reviewed", "J7"),
    ("reviewed", "review_rejected", "opened", "J2"),
    ("reviewed", "failed_again", "opened", "J2"),
    ("reviewed", "closed", "closed", "J7, J8"),
    ("verified", "picture_taken_back", "verified", "J7"),
    ("reviewed", "picture_taken_back", "verified", "J7"),
    ("closed", "reopened", "opened", "J2"),
]

# one thing for each state that must not happen in it, and why
REFUSED = [
    ("", "stopped", "there is no case yet"),
    ("opened", "notice_sent", "J2: the stop comes before the notice"),
    ("contained", "decided", "J5: the retailer is told before the account is settled"),
    ("waiting", "run_started", "J6: no run without a decision"),
    ("paused", "closed", "J6: keeping paused never closes a case"),
    ("decided", "run_verified", "J10: a run that was not started cannot be verified"),
    ("running", "closed", "J11: expecting it to work is not verification"),
    ("verified", "run_started", "one decision, one run"),
    ("reviewed", "decided", "what was approved is not decided anew behind the reviewer's back"),
    ("closed", "closed", "a case closes once an opening"),
    ("contained", "reminder_sent", "J5: nobody is reminded of what nobody was told"),
    ("contained", "link_renewed", "J5: nobody has a link who was told nothing"),
    ("opened", "stop_did_not_hold", "J2: what is not stopped yet cannot have run again"),
    ("opened", "ticket_reopened", "J2: the stop comes before the ticket"),
    ("closed", "ticket_reopened", "a reopened case opens its ticket again, not a closed one"),
    ("opened", "cause_awaited", "J2: nobody is asked why before the job is stopped"),
    ("waiting", "cause_left_open", "J5: the retailer was told already"),
    ("closed", "incident_joined", "about a closed case nothing is decided"),
    ("verified", "recovery_told", "J11: nobody is told that it works before the case is closed"),
    ("closed", "picture_taken_back", "J7: what the closing rests on stays as it was"),
    ("running", "change_validated", "J8: the change is looked at before the decision, or in the review"),
    ("closed", "change_validated", "J8: what the closing rests on was there before it"),
]

# what may be written down without moving the case
AT_ANY_TIME = {
    "confirmation_received", "confirmation_refused", "reply_received", "address_bounced", "question_asked",
    "question_answered", "answer_refused", "trouble", "trouble_over", "team_told", "given_up", "parked", "cause_chosen",
    "word_agreed", "noted", "said_on_ticket", "support_opened", "support_unlinked", "message_filed", "mail_written",
    "mail_sent",
    "probe_looked", "page_begun", "page_ended", "page_pressed",
    "review_kept", "recording_linked", "recording_unlinked", "no_recording",
}  # fmt: skip
IN_AN_EMERGENCY = {
    "emergency_raised", "emergency_taken", "taken_by_another", "calling_again", "whole_team_called", "nobody_to_call",
    "update_given", "emergency_over",
}  # fmt: skip
WHILE_OPEN = AT_ANY_TIME | IN_AN_EMERGENCY | {"incident_joined", "look_asked", "run_forced"}
CORRECTED = {"notice_corrected"}
ONCE_STOPPED = (
    WHILE_OPEN
    | CORRECTED
    | {"facts_corrected", "ticket_opened", "ticket_named", "ticket_reopened", "stop_did_not_hold"}
)
WHILE_PROVING = {
    "schedule_live", "neighbours_live", "photographed", "photo_refused", "attached", "looked_again", "proof_made",
    "picture_uploaded", "picture_confirmed", "picture_refused",
}  # fmt: skip
NOTED = {
    "opened": WHILE_OPEN,
    "contained": ONCE_STOPPED | {"cause_awaited", "cause_left_open"},
    "waiting": ONCE_STOPPED | {"change_validated", "reminder_sent", "link_renewed"},
    "paused": ONCE_STOPPED | {"change_validated", "reminder_sent", "link_renewed"},
    "decided": ONCE_STOPPED | {"change_validated"},
    "running": ONCE_STOPPED,
    "verified": ONCE_STOPPED | WHILE_PROVING | {"change_validated"},
    "reviewed": ONCE_STOPPED | WHILE_PROVING | {"change_validated"},
    "closed": AT_ANY_TIME | CORRECTED | {"ticket_closed", "recovery_told"},
}


def state(name: str) -> State | None:
    return State(name) if name else None


@pytest.mark.parametrize(("before", "by", "after", "rule"), STORY)
def test_the_procedure_has_this_transition(before: str, by: str, after: str, rule: str) -> None:
    step = MOVES[state(before), Kind(by)]
    assert (step.after, step.rule) == (State(after), rule)
    assert Kind(by).spec.allowed(state(before))
    assert Kind(by).spec.target is State(after)


@pytest.mark.parametrize(("before", "by", "why"), REFUSED)
def test_the_procedure_refuses_this_event_in_this_state(before: str, by: str, why: str) -> None:
    assert not Kind(by).spec.allowed(state(before)), why
    assert (state(before), Kind(by)) not in MOVES, why


def test_each_state_has_a_refused_event_in_this_file() -> None:
    assert {before for before, _, _ in REFUSED} == {"", *State}


def test_there_is_no_transition_that_the_procedures_do_not_tell() -> None:
    moves = [(str(m.before or ""), str(kind), str(m.after), m.rule) for kind in Kind for m in kind.spec.moves]
    assert sorted(moves) == sorted(STORY)


def test_every_state_has_a_sentence() -> None:
    assert set(SENTENCES) == set(State)
    assert all(text[0].isupper() and text.endswith(".") for text in SENTENCES.values())
    assert len(set(SENTENCES.values())) == len(State)


@pytest.mark.parametrize("before", State)
def test_a_fact_is_noted_where_the_procedures_have_it_and_nowhere_else(before: State) -> None:
    moves = {by for b, by, _, _ in STORY if b == before}
    assert {str(kind) for kind in Kind if kind.spec.allowed(before)} == NOTED[before] | moves


def test_nothing_but_the_opening_happens_to_a_case_that_does_not_exist() -> None:
    assert [kind for kind in Kind if kind.spec.allowed(None)] == [Kind.OPENED]


def test_j2_nothing_that_we_do_comes_before_the_stop() -> None:
    ours = {kind for kind in Kind if kind.spec.allowed(State.OPENED)} - {Kind(name) for name in WHILE_OPEN}
    assert ours == {Kind.STOPPED, Kind.CANNOT_STOP}
    for kind in (
        Kind.TICKET_OPENED,
        Kind.NOTICE_SENT,
        Kind.DECIDED,
        Kind.KEPT_PAUSED,
        Kind.RUN_STARTED,
        Kind.CLOSED,
    ):
        assert not kind.spec.allowed(State.OPENED)


def test_j2_after_a_setback_the_stop_comes_first_again() -> None:
    for kind in (Kind.REOPENED, Kind.FAILED_AGAIN, Kind.REVIEW_REJECTED):
        assert kind.spec.target is State.OPENED


def test_a_fact_moves_nothing_and_a_move_is_no_fact() -> None:
    moves = {by for _, by, _, _ in STORY}
    assert all(kind.spec.target is None for kind in FACTS)
    assert {str(kind) for kind in FACTS} & moves == set()
    assert {str(kind) for kind in FACTS} | moves == set(Kind)


def test_every_state_can_be_reached_and_every_open_one_leads_on_to_the_closing() -> None:
    ahead = {b: {a for before, _, a, _ in STORY if before == b} for b in ["", *State]}

    def reach(start: str) -> set[str]:
        found, todo = set(), [start]
        while todo:
            for after in ahead[todo.pop()] - found:
                found.add(after)
                todo.append(after)
        return found

    assert reach("") == set(State)
    assert all("closed" in reach(before) for before in State)
