"""The fold: nothing is forgotten, the counters count, and a forged closing closes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import GENESIS, Event, head
from caseproof.domain.fold import apply, fold
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision
from tests.support.examples import examples
from tests.support.histories import (
    FAILED_AGAIN,
    FAILED_RUN,
    LOOPS,
    REF,
    REJECTED,
    REOPENED,
    START,
    Plan,
    Teller,
    tell,
)
from tests.support.mutations import INSERTS, OTHER

ASIDE = {kind for kind in Kind if not kind.spec.wakes}
LONG = Plan(Decision.AFTER_CHANGE, loops=tuple((name, Decision.AFTER_FIX) for name in LOOPS), chatter=True)


def closed_case() -> Teller:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    teller.run_successfully()
    teller.close()
    return teller


def test_nothing_is_forgotten() -> None:
    events = tell(LONG)
    case = fold(REF, events)
    assert list(case.events) == events
    assert case.version == len(events)
    assert case.head == head(events)


def test_folding_a_part_and_then_the_rest_gives_the_same_case() -> None:
    events = tell(LONG)
    case = fold(REF, events[:9])
    for event in events[9:]:
        case = apply(case, event)
    assert case == fold(REF, events)


def test_an_event_does_not_change_the_case_before_it() -> None:
    teller = closed_case()
    before = teller.cases[3]
    assert before == fold(REF, teller.events[:3])


def test_no_events_are_a_case_without_a_beginning() -> None:
    case = fold(REF, [])
    assert (case.opened, case.version, case.head, case.opening) == (None, 0, GENESIS, 0)
    with pytest.raises(BadInput, match=f"{REF} has no events.*case list"):
        _ = case.facts


@pytest.mark.parametrize(
    ("loops", "opening", "round_", "attempt"),
    [
        ((), 1, 1, 1),
        ((FAILED_RUN,), 1, 1, 2),
        ((FAILED_RUN, FAILED_RUN), 1, 1, 3),
        ((REJECTED,), 1, 2, 2),
        ((FAILED_AGAIN,), 1, 2, 2),
        ((REOPENED,), 2, 2, 2),
        ((REOPENED, REJECTED, REOPENED, FAILED_RUN), 3, 4, 5),
    ],
)
def test_openings_rounds_and_attempts_are_counted(
    loops: tuple[str, ...], opening: int, round_: int, attempt: int
) -> None:
    case = fold(REF, tell(Plan(loops=tuple((name, Decision.AFTER_FIX) for name in loops))))
    assert (case.opening, case.round, case.attempt) == (opening, round_, attempt)


def test_a_forged_closing_closes_nothing_wherever_it_stands() -> None:
    events = tell(Plan())[:-1]
    lie = Event(Kind.CLOSED, START, "nobody", {"proof": OTHER})
    for place in range(len(events) + 1):
        case = fold(REF, [*events[:place], lie, *events[place:]])
        assert not case.is_closed
        assert case.closed is None
        assert case.version == len(events) + 1


def test_a_late_word_on_a_closed_case_is_kept_and_leaves_it_closed() -> None:
    teller = closed_case()
    teller.confirm()
    assert teller.case.is_closed
    assert teller.case.closed is not None
    assert len(teller.case.confirmations) == 1


def test_j8_a_word_from_before_the_reopening_does_not_count_after_it() -> None:
    teller = closed_case()
    teller.confirm()
    teller.reopen()
    assert teller.case.confirmations == ()
    assert any(event.kind is Kind.CONFIRMATION_RECEIVED for event in teller.case.events)


def test_a_reply_is_kept_until_the_case_is_opened_again() -> None:
    teller = closed_case()
    teller.reply()
    assert teller.case.is_closed, "a late word changes nothing"
    assert len(teller.case.replies) == 1
    assert teller.case.confirmations == ()
    teller.reopen()
    assert teller.case.replies == ()
    assert any(event.kind is Kind.REPLY_RECEIVED for event in teller.case.events)


def test_a_reply_that_was_recorded_as_a_confirmation_is_no_open_reply() -> None:
    teller = waiting_case()
    teller.reply()
    teller.reply()
    first, second = teller.case.replies
    assert teller.case.open_replies == (first, second)
    taken = {name: second[name] for name in ("sender", "words", "evidence", "by_way_of")}
    teller.add(Kind.CONFIRMATION_RECEIVED, "operator", **taken)
    assert teller.case.open_replies == (first,)
    assert teller.case.replies == (first, second)


def test_whether_the_retailer_was_told_how_it_ended_is_asked_anew_after_a_reopening() -> None:
    teller = closed_case()
    teller.add(Kind.RECOVERY_TOLD, message_id="<r@example.com>", accepted=["shop@example.com"], evidence=OTHER)
    assert teller.case.recovery is not None
    assert teller.case.is_closed
    teller.reopen()
    assert teller.case.recovery is None


def test_a_reopened_case_is_the_same_case_and_starts_from_the_stop() -> None:
    teller = closed_case()
    ticket = teller.case.ticket
    teller.reopen()
    case = teller.case
    assert case.state is State.OPENED
    assert case.ticket is ticket
    names = "contained notice decision validated run verified live photo review look proof closed ticket_closed"
    assert [name for name in names.split() if getattr(case, name) is not None] == []
    assert case.attached == ()
    assert case.last_opened is not None
    assert case.opened is not None
    assert case.last_opened.seq > case.opened.seq


def test_j11_a_failed_run_takes_the_decision_with_it_but_not_the_stop() -> None:
    teller = Teller(Plan(Decision.AFTER_CHANGE))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    teller.run_badly()
    case = teller.case
    assert case.state is State.WAITING
    assert (case.decision, case.validated, case.run, case.verified) == (None, None, None, None)
    assert case.contained is not None
    assert case.notice is not None
    assert case.last_failure is not None


def test_j2_work_that_is_sent_back_voids_the_stop_and_the_notice() -> None:
    teller = Teller(Plan(loops=((REJECTED, Decision.AFTER_FIX),)))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    teller.run_successfully()
    teller.add(Kind.REVIEW_REJECTED, "team lead", why="another account")
    assert (teller.case.state, teller.case.contained, teller.case.notice) == (State.OPENED, None, None)


def test_keeping_paused_shows_until_when() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    teller.add(Kind.KEPT_PAUSED, "operator", until="2026-12-24", reason="The retailer is on holiday.")
    assert teller.case.decided is Decision.KEEP_PAUSED
    assert teller.case.paused_until == date(2026, 12, 24)


def test_trouble_stays_until_it_is_over() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.add(Kind.TROUBLE, step="stop", problem="The platform is down.", next_action="Wait.")
    assert teller.case.trouble is not None
    teller.add(Kind.TROUBLE_OVER, step="stop")
    assert teller.case.trouble is None


def test_a_question_is_remembered_by_its_number_with_its_answer() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.add(Kind.QUESTION_ASKED, number=1, form="decision", flow_run="a")
    teller.add(Kind.ANSWER_REFUSED, number=1, why="no reason")
    assert teller.case.refused is not None
    teller.add(Kind.QUESTION_ASKED, number=2, form="decision", flow_run="a")
    teller.add(Kind.QUESTION_ANSWERED, number=2, form="decision", answer={"by": "operator"})
    case = teller.case
    assert (case.question_number, sorted(case.asked), sorted(case.answered)) == (2, [1, 2], [2])
    assert case.refused is None


def test_stopped_jobs_are_those_of_the_last_stop() -> None:
    teller = Teller(Plan(neighbours=2))
    teller.open()
    assert teller.case.stopped_jobs == ()
    teller.stop()
    assert [job["was_active"] for job in teller.case.stopped_jobs] == [True, True, True]
    other = Teller(Plan(cannot_stop=True))
    other.open()
    other.stop()
    assert other.case.stopped_jobs == ()


def test_whose_job_it_is_can_be_corrected_and_the_first_word_of_it_is_not_forgotten() -> None:
    whose = {"retailer": "toy-store", "marketplace": "bazaar", "connection": None}
    events = [*tell(Plan())[:3], Event(Kind.FACTS_CORRECTED, START, "caseproof", whose)]
    case = fold(REF, events)
    assert case.facts["retailer"] == "toy-store"
    assert case.facts["job"] == events[0].data["job"]
    assert case.events[0].data["retailer"] == events[0].data["retailer"]


def test_a_second_opening_that_was_slipped_in_saves_nothing_of_the_first() -> None:
    events = tell(Plan(loops=((REOPENED, Decision.AFTER_FIX),)))
    again = Event(Kind.OPENED, events[-2].at, "nobody", dict(events[0].data))
    case = fold(REF, [*events[:-1], again, events[-1]])
    assert not case.is_closed
    assert case.opening == 3


# -- what happens beside the procedure ------------------------------------------------------------------------


def waiting_case() -> Teller:
    """The retailer was told, and the team is asked."""
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    teller.add(Kind.QUESTION_ASKED, number=1, form="decision", flow_run="a")
    return teller


def test_a_question_waits_until_it_is_answered_and_the_next_takes_its_place() -> None:
    teller = Teller(Plan())
    teller.open()
    assert (teller.case.question, teller.case.has_news) == (None, False)
    teller.add(Kind.QUESTION_ASKED, number=1, form="decision", flow_run="a")
    teller.add(Kind.QUESTION_ASKED, number=2, form="review", flow_run="a")
    assert teller.case.question is not None
    assert teller.case.question["form"] == "review"
    teller.add(Kind.QUESTION_ANSWERED, number=2, form="review", answer={})
    assert (teller.case.question, teller.case.has_news) == (None, False)


def test_an_answer_on_the_page_is_news_until_the_case_asks_again_and_one_in_prefect_is_none() -> None:
    """Prefect resumes the run that it was given to; our page writes the answer down, and the run has to be woken."""
    teller = waiting_case()
    teller.add(Kind.QUESTION_ANSWERED, number=1, form="decision", answer={}, known_by="login")
    assert (teller.case.question, teller.case.has_news) == (None, True)
    teller.add(Kind.QUESTION_ASKED, number=2, form="decision", flow_run="a")
    assert not teller.case.has_news
    teller.add(Kind.QUESTION_ANSWERED, number=2, form="decision", answer={}, known_by="said in Prefect's form")
    assert not teller.case.has_news


def test_a_reply_wakes_the_run_and_what_does_not_count_wakes_nobody() -> None:
    """A contact's question is a person's business; a stranger's mail or a bounce is no reason to ask anew."""
    teller = waiting_case()
    teller.add(Kind.CONFIRMATION_REFUSED, sender="x@example.com", why="a stranger", evidence=OTHER)
    teller.add(Kind.ADDRESS_BOUNCED, address="shop@example.com", why="no such user", evidence=OTHER)
    assert not teller.case.has_news
    teller.reply()
    assert teller.case.has_news


def test_what_happens_beside_the_procedure_wakes_no_run() -> None:
    """House rule 5: waiting costs nothing; a reminder is no reason to look at the case again."""
    teller = waiting_case()
    before = {event.kind for event in teller.events}
    teller.happen_beside()
    teller.add(Kind.LINK_RENEWED, message_id="<link@example.com>", accepted=["shop@example.com"], evidence="ab" * 32)
    assert {event.kind for event in teller.events} - before == ASIDE - {Kind.CAUSE_AWAITED}, "that is before the notice"
    assert not teller.case.has_news


NUMBERED = {Kind.ANSWER_REFUSED: {"number": 1}, Kind.STOPPED: {"jobs": []}, Kind.CANNOT_STOP: {"jobs": []}}
QUESTIONS = {Kind.QUESTION_ASKED, Kind.QUESTION_ANSWERED}


@pytest.mark.parametrize("kind", sorted(set(Kind) - ASIDE - QUESTIONS))
def test_everything_else_since_the_question_is_news(kind: Kind) -> None:
    later = Event(kind, START, "operator", dict.fromkeys(kind.spec.required, "x") | NUMBERED.get(kind, {}))
    assert fold(REF, [*waiting_case().events, later]).has_news


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from(sorted(ASIDE)), max_size=12), st.booleans())
def test_no_number_of_reminders_makes_news_and_none_hides_it(kinds: list[Kind], told: bool) -> None:
    events = waiting_case().events
    beside = [Event(kind, START, "caseproof", dict.fromkeys(kind.spec.required, "x") | {"number": 1}) for kind in kinds]
    asks = {"sender": "s", "words": "Which token?", "why": "asks", "evidence": OTHER, "by_way_of": "mail"}
    word = Event(Kind.REPLY_RECEIVED, START, "caseproof", asks)
    for place in range(len(beside) + 1):
        case = fold(REF, [*events, *beside[:place], *([word] if told else []), *beside[place:]])
        assert case.has_news is told


def test_reminders_are_counted_from_the_notice_of_this_round() -> None:
    teller = waiting_case()
    assert teller.case.since_notice(Kind.REMINDER_SENT) == ()
    teller.remind()
    teller.remind()
    assert [event.data["number"] for event in teller.case.since_notice(Kind.REMINDER_SENT)] == [1, 2]
    teller.decide()
    teller.run_successfully()
    teller.add(Kind.REVIEW_REJECTED, "team lead", why="another account")
    assert teller.case.since_notice(Kind.REMINDER_SENT) == (), "nobody is told in this round yet"
    teller.until_waiting()
    assert teller.case.since_notice(Kind.REMINDER_SENT) == ()


def test_the_team_is_told_of_one_question_at_a_time() -> None:
    teller = waiting_case()
    teller.add(Kind.TEAM_TOLD, about="the question", number=1)
    assert len(teller.case.since_question(Kind.TEAM_TOLD)) == 1
    teller.add(Kind.QUESTION_ASKED, number=2, form="decision", flow_run="a")
    assert teller.case.since_question(Kind.TEAM_TOLD) == ()
    teller.add(Kind.QUESTION_ANSWERED, number=2, form="decision", answer={})
    assert teller.case.since_question(Kind.TEAM_TOLD) == ()


def test_an_incident_is_left_when_the_case_is_reopened() -> None:
    teller = Teller(Plan(chatter=True))
    teller.open()
    teller.until_waiting(first=True)
    teller.decide()
    teller.run_successfully()
    teller.close()
    assert teller.case.incident is not None
    assert teller.case.ticket_reopened is not None
    teller.reopen()
    assert (teller.case.incident, teller.case.ticket_reopened) == (None, None)


def test_a_reopened_case_may_say_anew_why_it_fails_and_its_clock_runs_on() -> None:
    teller = closed_case()
    first = teller.case.opened
    anew = {"cause": "website_changed", "summary": "404 from the shop", "failed_run": "run-77"}
    teller.add(Kind.REOPENED, "caseproof", why="It failed again.", **anew, failed_at="2026-11-28T05:00:00+00:00")
    case = teller.case
    assert {name: case.facts[name] for name in anew} == anew
    assert case.opened is first
    assert case.facts["job"] == closed_case().case.facts["job"]
    assert case.last_opened is not None
    assert first is not None
    assert case.last_opened.at > first.at


def test_a_reopening_that_says_nothing_of_the_failure_leaves_what_was_said() -> None:
    teller = closed_case()
    teller.reopen()
    assert (teller.case.facts["cause"], teller.case.facts["summary"]) == ("expired_token", "401 from the marketplace")


def any_history() -> st.SearchStrategy[list[Event]]:
    events = {e.kind: e for e in tell(LONG)} | {
        kind: Event(kind, START, "operator", dict(data)) for kind, data in INSERTS.values()
    }
    events[Kind.CANNOT_STOP] = Event(Kind.CANNOT_STOP, START, "caseproof", {"why": "w", "who_can": "x"})
    whose = {"retailer": "toy-store", "marketplace": "bazaar", "connection": None}
    events[Kind.FACTS_CORRECTED] = Event(Kind.FACTS_CORRECTED, START, "caseproof", whose)
    events[Kind.NEIGHBOURS_LIVE] = Event(Kind.NEIGHBOURS_LIVE, START, "caseproof", {"jobs": []})
    chosen = {"cause": "feed", "by": "operator", "on": START.isoformat(), "how": "h", "was": "unknown", "shape": ""}
    of_the_cause: dict[Kind, dict[str, Any]] = {
        Kind.CAUSE_AWAITED: {"shape": "ab", "words": "it is odd"},
        Kind.CAUSE_CHOSEN: chosen,
        Kind.CAUSE_LEFT_OPEN: {"why": "nobody knows"},
        Kind.NOTICE_CORRECTED: {
            "message_id": "<c@example.com>", "accepted": [], "evidence": "ab", "cause": "feed", "asks": True,
        },
        Kind.LOOK_ASKED: {},
        Kind.SUPPORT_OPENED: {"ref": "SC-000002"},
        Kind.SUPPORT_UNLINKED: {"ref": "SC-000002", "why": "another client's feed"},
        Kind.LINK_RENEWED: {"message_id": "<l@example.com>", "accepted": [], "evidence": "ab"},
    }  # fmt: skip
    events |= {kind: Event(kind, START, "operator", data) for kind, data in of_the_cause.items()}
    assert set(events) | {Kind.ANSWER_REFUSED} == set(Kind)
    legal = [*tell(LONG), *tell(Plan(Decision.REMOVE))]
    return st.lists(st.sampled_from([*events.values(), *legal]), max_size=25)


@settings(max_examples=examples(150))
@given(any_history())
def test_the_fold_takes_any_events_in_any_order(events: list[Event]) -> None:
    case = fold(REF, events)
    assert list(case.events) == events
    assert case.state in State


@settings(max_examples=examples(100))
@given(st.permutations(tell(Plan(Decision.AFTER_CHANGE))))
def test_the_fold_takes_a_whole_history_in_any_order(events: list[Event]) -> None:
    assert fold(REF, events).version == len(events)


NO_TEXT = [None, "", " ", 0, False, []]
NO_TIME = [*NO_TEXT, "x", "2026-11-21", "2026-11-21T10:00:00"]
WRONG = [
    *[(Kind.RUN_VERIFIED, "started_at", odd) for odd in NO_TIME],
    *[(Kind.RUN_VERIFIED, "ended_at", odd) for odd in NO_TIME],
    *[(Kind.PHOTOGRAPHED, "taken_at", odd) for odd in NO_TIME],
    *[(Kind.DECIDED, "decision", odd) for odd in (None, "", "x", 0)],
    *[(Kind.CONFIRMATION_RECEIVED, "words", odd) for odd in NO_TEXT],
    *[(Kind.CHANGE_VALIDATED, "how", odd) for odd in NO_TEXT],
]


@pytest.mark.parametrize(("kind", "name", "odd"), WRONG)
def test_a_value_of_the_wrong_kind_is_refused_or_blocks_and_never_crashes(kind: Kind, name: str, odd: object) -> None:
    def spoiled(event: Event) -> Event:
        return replace(event, data={**event.data, name: odd}) if event.kind is kind else event

    try:
        events = [spoiled(event) for event in tell(Plan(Decision.AFTER_CHANGE))]
    except BadInput:
        return
    assert not fold(REF, events).is_closed


def test_an_unknown_decision_is_refused_with_a_sentence() -> None:
    teller = Teller(Plan())
    teller.open()
    teller.until_waiting(first=True)
    with pytest.raises((BadInput, NotAllowed), match="give it away"):
        teller.add(Kind.DECIDED, "operator", decision="give it away", reason="r", review="")
