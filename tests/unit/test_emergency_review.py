"""The timeline of an emergency says when each thing began, who had it for how long, and every try: from its events."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.emergency.review import review_of
from caseproof.domain.emergency.vocabulary import Channel
from caseproof.domain.events import Event
from caseproof.domain.fold import apply
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.procedure.paging.review import steps_of
from tests.support.emergencies import emergency_data
from tests.support.support_cases import digest, in_state

START = datetime.fromisoformat("2026-11-27T20:00:00+00:00")
FIRST, SECOND = "first on call", "second on call"


class Told:
    """An emergency on a support case, told by the second."""

    def __init__(self, number: int = 1, case: Case | None = None, at: datetime = START) -> None:
        self.case, self.number, self.at = case or in_state(State.WITH_PT).case, number, at

    def note(self, seconds: float, kind: Kind, actor: str = "caseproof", **other: Any) -> Told:
        at = self.at + timedelta(seconds=seconds)
        data = emergency_data(Kind, at, digest("probe")).get(kind, {})
        event = Event(kind, at, actor, {**data, **({"emergency": self.number} if data else {}), **other})
        refuse_event(self.case, event)
        self.case = apply(self.case, event)
        return self

    def try_(self, seconds: float, attempt: int, channel: str, outcome: str, took: float, **other: Any) -> Told:
        until = (self.at + timedelta(seconds=seconds + 60)).isoformat()
        about = {"news": "raised", "about": 1} if channel != "call" else {"round": 1}
        begun = {"attempt": attempt, "channel": channel, "until": until, "worker": "w", **about, **other}
        at = self.at + timedelta(seconds=seconds)
        event = Event(Kind.PAGE_BEGUN, at, "caseproof", {"emergency": self.number, **begun})
        self.case = apply(self.case, event)
        return self.note(seconds + took, Kind.PAGE_ENDED, attempt=attempt, outcome=outcome, detail="d")


def whole() -> Told:
    told = Told().note(0, Kind.EMERGENCY_RAISED, "front line")
    told.try_(0.4, 1, "mail", "delivered", 1).try_(0.5, 2, "teams", "failed", 2)
    told.try_(0.6, 3, "call", "no_answer", 25, person=FIRST).try_(30, 4, "call", "answered", 10, person=SECOND)
    told.note(39, Kind.PAGE_PRESSED, SECOND, attempt=4, digit="1")
    told.note(40, Kind.EMERGENCY_TAKEN, SECOND, until=(START + timedelta(hours=1)).isoformat())
    tried = {"tier": "PT", "document": "", "step": "restarted the server", "outcome": "it solved the problem"}
    told.note(900, Kind.TRIED, "product technician", **tried, seen="orders go through")
    told.note(960, Kind.UPDATE_GIVEN, SECOND)
    return told.note(1800, Kind.EMERGENCY_OVER, SECOND)


def test_it_says_when_each_thing_began_and_how_long_all_of_it_took() -> None:
    review = review_of(whole().case)
    assert review is not None
    assert review.after(review.first_send) == timedelta(seconds=0.4)
    assert review.after(review.first_ring) == timedelta(seconds=0.6)
    assert (review.after(review.acknowledged), review.by) == (timedelta(seconds=40), SECOND)
    assert review.lasted == timedelta(minutes=30)
    assert review.held == {SECOND: timedelta(seconds=1760)}


def test_it_says_who_did_what_and_every_try_with_what_came_of_it() -> None:
    review = review_of(whole().case)
    assert review is not None
    assert [(str(one.fact.event.kind), one.who) for one in review.moments] == [
        ("emergency_raised", "front line"), ("page_pressed", SECOND), ("emergency_taken", SECOND),
        ("tried", "product technician"), ("update_given", SECOND), ("emergency_over", SECOND),
    ]  # fmt: skip
    assert review.people_called == [FIRST, SECOND]
    assert review.reached_by == {Channel.MAIL: (1, 1), Channel.TEAMS: (1, 0), Channel.CALL: (2, 1)}
    assert [one.number for one in review.paging.attempts] == [1, 2, 3, 4]


def test_that_a_form_was_answered_is_no_line_of_its_own_beside_what_the_answer_did() -> None:
    told = Told().note(0, Kind.EMERGENCY_RAISED, "front line")
    told.note(5, Kind.QUESTION_ASKED, number=1, form="pt", flow_run="f")
    told.note(9, Kind.QUESTION_ANSWERED, "product technician", number=1, form="pt", answer={})
    review = review_of(told.case)
    assert review is not None
    assert [one.fact.event.kind for one in review.moments] == [Kind.EMERGENCY_RAISED]


def test_what_happens_in_the_case_after_it_is_over_does_not_change_it_but_for_tries_that_end_late() -> None:
    told = whole()
    before = review_of(told.case)
    told.note(2000, Kind.NOTED, "front line", note="All quiet.")
    assert review_of(told.case) == before
    told.note(2100, Kind.PAGE_ENDED, attempt=2, outcome="delivered", detail="late")
    after = review_of(told.case)
    assert after is not None
    assert before is not None
    assert after.moments == before.moments


def test_one_that_goes_on_has_no_end_and_one_that_nobody_took_no_holder() -> None:
    review = review_of(Told().note(0, Kind.EMERGENCY_RAISED, "front line").case)
    assert review is not None
    assert (review.over, review.lasted, review.acknowledged, review.by, review.held) == (None, None, None, "", {})
    assert (review.first_send, review.first_ring) == (None, None)
    assert review_of(in_state(State.WITH_PT).case) is None


def test_a_call_that_something_answered_reached_nobody_unless_a_key_was_pressed_in_it() -> None:
    told = Told().note(0, Kind.EMERGENCY_RAISED, "front line")
    review = review_of(told.try_(1, 1, "call", "answered", 5, person=FIRST).case)
    assert review is not None
    assert review.reached_by[Channel.CALL] == (1, 0), "machines answer, too"
    assert ("Tries", "telephone: a key was pressed in 0 of 1") in steps_of(review)


def test_whoever_has_it_yet_did_not_have_it_for_an_hour() -> None:
    until = (START + timedelta(hours=1)).isoformat()
    told = Told().note(0, Kind.EMERGENCY_RAISED, "front line").note(60, Kind.EMERGENCY_TAKEN, FIRST, until=until)
    told.note(120, Kind.CALLING_AGAIN, FIRST).note(180, Kind.EMERGENCY_TAKEN, SECOND, until=until)
    review = review_of(told.case)
    assert review is not None
    assert review.held == {FIRST: timedelta(seconds=60)}


def test_given_back_and_taken_again_each_person_s_time_is_counted() -> None:
    until = (START + timedelta(hours=1)).isoformat()
    told = Told().note(0, Kind.EMERGENCY_RAISED, "front line").note(60, Kind.EMERGENCY_TAKEN, FIRST, until=until)
    told.note(120, Kind.CALLING_AGAIN, FIRST).note(180, Kind.EMERGENCY_TAKEN, SECOND, until=until)
    told.note(240, Kind.CALLING_AGAIN).note(300, Kind.EMERGENCY_TAKEN, FIRST, until=until)
    review = review_of(told.note(400, Kind.EMERGENCY_OVER, FIRST).case)
    assert review is not None
    assert review.held == {FIRST: timedelta(seconds=160), SECOND: timedelta(seconds=60)}


def test_each_emergency_of_a_case_has_a_timeline_of_its_own() -> None:
    first = whole()
    again = Told(2, first.case, START + timedelta(hours=5)).note(0, Kind.EMERGENCY_RAISED, "front line")
    one, two = review_of(again.case, 1), review_of(again.case)
    assert one is not None
    assert two is not None
    assert (one.paging.number, one.lasted, len(one.paging.attempts)) == (1, timedelta(minutes=30), 4)
    assert (two.paging.number, two.over, len(two.paging.attempts)) == (2, None, 0)
    assert review_of(again.case, 3) is None
