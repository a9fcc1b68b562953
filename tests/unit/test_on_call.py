"""Whom to call, in which order and why (E8, E10, E11): the order of the list, its alarms, and what a contract says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest

from caseproof.channels.calendars.feed import feed
from caseproof.domain.on_call.calling import Alarm, CaseToCall, Coverage, WhoToCall, Why, who_to_call
from caseproof.domain.on_call.duty import OnCall, Trouble
from caseproof.domain.on_call.roster import Contract, Hours, Kind, Leave, Line, Override, Person, Shift
from caseproof.domain.on_call.turns import duty_ends, gaps, turns

BERLIN, NEW_YORK, TOKYO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")
WEEKDAYS = frozenset(range(5))
NIGHT = datetime(2026, 12, 1, 2, tzinfo=UTC)  # a Tuesday: 3 in Berlin, 21 the day before in New York, 11 in Tokyo
DAY = datetime(2026, 12, 1, 10, tzinfo=UTC)


def person(name: str, zone: ZoneInfo = BERLIN, tier: str = "PT", holidays: dict[date, str] | None = None) -> Person:
    hours = Hours(zone, WEEKDAYS, 9 * 60, 17 * 60, holidays or {})
    return Person(name, tier, hours, (Line("+442079460100"),))


LEAD, ENGINEER, SECOND = person("Product Lead"), person("Product Engineer", NEW_YORK), person("Second Engineer")
FRONT = person("Front Line", tier="L1")
PLAN = OnCall(
    people=(LEAD, ENGINEER, SECOND, FRONT),
    tiers=("PT",),
    shifts=(Shift("Second Engineer", NIGHT - timedelta(hours=4), NIGHT + timedelta(hours=4), "nights"),),
    contracts={
        "Always": Contract("Always", Kind.ALWAYS),
        "Office": Contract("Office", Kind.BUSINESS_HOURS, Hours(BERLIN, WEEKDAYS, 9 * 60, 17 * 60)),
        "Paid": Contract("Paid", Kind.TIME_AND_MATERIALS, Hours(BERLIN, WEEKDAYS, 9 * 60, 17 * 60)),
    },
    clients={"Client One": "Office"},
)


def told(answer: WhoToCall) -> list[tuple[str, Why]]:
    return [(call.person.name, call.why) for call in answer.calls]


def alarms(answer: WhoToCall) -> list[Alarm]:
    return [code for code, _ in answer.alarms]


def test_after_hours_the_calendar_says_whom_to_call_first() -> None:
    answer = who_to_call(NIGHT, CaseToCall(), PLAN)
    assert told(answer) == [
        ("Second Engineer", Why.ON_CALL), ("Product Lead", Why.NEXT), ("Product Engineer", Why.NEXT),
    ]  # fmt: skip
    assert alarms(answer) == []


def test_within_their_hours_those_at_work_are_called_before_those_who_sleep() -> None:
    plan = replace(PLAN, people=(ENGINEER, LEAD, SECOND))
    assert told(who_to_call(DAY, CaseToCall(), plan)) == [
        ("Product Lead", Why.AT_WORK), ("Second Engineer", Why.AT_WORK), ("Product Engineer", Why.NEXT),
    ]  # fmt: skip


def test_on_their_public_holiday_nobody_is_at_work_and_the_reason_says_which() -> None:
    plan = replace(PLAN, people=(person("Product Lead", holidays={DAY.date(): "Founders' Day"}), SECOND), shifts=())
    answer = who_to_call(DAY, CaseToCall(), plan)
    assert told(answer) == [("Second Engineer", Why.AT_WORK), ("Product Lead", Why.NEXT)]
    assert "Founders' Day" in answer.calls[1].because


def test_nobody_on_call_goes_to_the_next_on_the_list_and_raises_an_alarm() -> None:
    answer = who_to_call(NIGHT, CaseToCall(), replace(PLAN, shifts=()))
    assert told(answer) == [("Product Lead", Why.NEXT), ("Product Engineer", Why.NEXT), ("Second Engineer", Why.NEXT)]
    assert alarms(answer) == [Alarm.NOBODY_ON_DUTY]


def test_who_is_on_leave_is_passed_over_though_the_calendar_has_them() -> None:
    leave = (Leave("second engineer", date(2026, 12, 1), date(2026, 12, 1)),)
    answer = who_to_call(NIGHT, CaseToCall(), replace(PLAN, leave=leave))
    assert told(answer) == [("Product Lead", Why.NEXT), ("Product Engineer", Why.NEXT)]
    assert alarms(answer) == [Alarm.NOBODY_ON_DUTY]
    assert [(one.person.name, one.because) for one in answer.passed_over] == [
        ("Second Engineer", "on leave, though a calendar has them on call.")
    ]


def test_leave_is_by_the_day_where_the_person_lives() -> None:
    leave = (Leave("Product Engineer", date(2026, 12, 1), date(2026, 12, 1)),)
    plan = replace(PLAN, leave=leave)
    assert "Product Engineer" in [name for name, _ in told(who_to_call(NIGHT, CaseToCall(), plan))]  # still November
    assert "Product Engineer" not in [name for name, _ in told(who_to_call(DAY, CaseToCall(), plan))]


def test_when_everybody_is_on_leave_they_are_called_all_the_same() -> None:
    leave = tuple(Leave(one.name, date(2026, 11, 1), date(2026, 12, 31)) for one in PLAN.people)
    answer = who_to_call(NIGHT, CaseToCall(), replace(PLAN, leave=leave))
    assert [why for _, why in told(answer)] == [Why.LAST_RESORT] * 3
    assert alarms(answer) == [Alarm.EVERYBODY_AWAY]
    assert answer.passed_over == ()


def test_an_empty_list_says_so_instead_of_calling_nobody_in_silence() -> None:
    assert alarms(who_to_call(NIGHT, CaseToCall(), OnCall((), ("PT",)))) == [Alarm.NOBODY_TO_CALL]


def test_an_override_stands_in_for_one_or_for_everybody_while_it_lasts() -> None:
    swap = Override("Product Lead", NIGHT, NIGHT + timedelta(hours=1), instead_of="Second Engineer")
    answer = who_to_call(NIGHT, CaseToCall(), replace(PLAN, overrides=(swap,)))
    assert told(answer)[0] == ("Product Lead", Why.STANDS_IN)
    assert "stands in for Second Engineer" in answer.calls[0].because
    for at in (NIGHT - timedelta(minutes=1), NIGHT + timedelta(hours=1)):
        assert told(who_to_call(at, CaseToCall(), replace(PLAN, overrides=(swap,))))[0][0] == "Second Engineer"
    for_all = replace(swap, instead_of="")
    assert told(who_to_call(NIGHT, CaseToCall(), replace(PLAN, shifts=(), overrides=(for_all,))))[0] == (
        "Product Lead", Why.STANDS_IN,
    )  # fmt: skip


def test_an_override_for_one_who_is_not_on_call_puts_nobody_on_call() -> None:
    swap = Override("Product Lead", NIGHT, NIGHT + timedelta(hours=1), instead_of="Product Engineer")
    answer = who_to_call(NIGHT, CaseToCall(), replace(PLAN, overrides=(swap,)))
    assert told(answer)[0] == ("Second Engineer", Why.ON_CALL)


def test_a_case_may_ask_for_another_tier() -> None:
    assert told(who_to_call(DAY, CaseToCall(tier="L1"), replace(PLAN, shifts=())))[0] == ("Front Line", Why.AT_WORK)


@pytest.mark.parametrize(
    ("case", "at", "coverage", "says"),
    [
        (CaseToCall(contract="Always"), NIGHT, Coverage.COVERED, "at all hours"),
        (CaseToCall(contract="Office"), DAY, Coverage.COVERED, "has support now"),
        (CaseToCall(client="Client One"), NIGHT, Coverage.OUTSIDE, "the caller decides, and it is recorded"),
        (CaseToCall(contract="Paid"), DAY, Coverage.BILLED, "is billed"),
        (CaseToCall(contract="Paid"), NIGHT, Coverage.OUTSIDE, "the caller decides"),
        (CaseToCall(client="Nobody Knows"), NIGHT, Coverage.UNKNOWN, "the caller decides"),
        (CaseToCall(contract="Gone"), NIGHT, Coverage.UNKNOWN, "'Gone' is not in the policy"),
    ],
)
def test_a_contract_advises_and_forbids_no_call(case: CaseToCall, at: datetime, coverage: Coverage, says: str) -> None:
    answer = who_to_call(at, case, PLAN)
    assert (answer.coverage, len(answer.calls)) == (coverage, 3)
    assert says in answer.advice
    assert answer.explanation[-1] == answer.advice


def test_the_answer_explains_itself_with_what_is_wrong_first() -> None:
    plan = replace(PLAN, shifts=(), troubles=(Trouble("nights", "The calendar 'nights' cannot be read."),))
    said = who_to_call(NIGHT, CaseToCall(client="Client One"), plan).explanation
    assert said[0].startswith("Nobody is on call and nobody is at work")
    assert said[1] == "The calendar 'nights' cannot be read."
    assert said[2] == "1. Product Lead (PT): next on the list; it is Tue 03:00 there (E8)."


def test_a_gap_in_cover_is_found_days_ahead_to_the_minute() -> None:
    plan = replace(PLAN, people=(SECOND,), shifts=(Shift("Second Engineer", DAY, DAY + timedelta(hours=20), "nights"),))
    found = gaps(DAY, DAY + timedelta(days=2), plan)  # at work in Berlin from 8 to 16 UTC
    assert [(one.begins, one.ends) for one in found] == [
        (datetime(2026, 12, 2, 6, tzinfo=UTC), datetime(2026, 12, 2, 8, tzinfo=UTC)),
        (datetime(2026, 12, 2, 16, tzinfo=UTC), datetime(2026, 12, 3, 8, tzinfo=UTC)),
    ]


def test_a_duty_ends_with_the_last_of_what_follows_on_each_other() -> None:
    latest = NIGHT + timedelta(days=2)
    shift_into_work = Shift("Second Engineer", NIGHT, DAY, "nights")  # who is at work from 8 to 16 UTC
    plan = replace(PLAN, shifts=(shift_into_work,))
    assert duty_ends("second engineer", NIGHT, latest, plan) == datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert duty_ends("Second Engineer", NIGHT, NIGHT + timedelta(hours=1), plan) == NIGHT + timedelta(hours=1)
    assert duty_ends("Product Lead", NIGHT, latest, plan) is None


def test_the_feed_says_who_is_on_call_and_when_nobody_is() -> None:
    plan = replace(PLAN, people=(SECOND,))
    made = feed(turns(NIGHT, NIGHT + timedelta(hours=8), plan), NIGHT)
    events = icalendar.Calendar.from_ical(made).walk("VEVENT")
    assert [(str(one["SUMMARY"]), one.start, one.end) for one in events] == [
        ("On call: Second Engineer", NIGHT, NIGHT + timedelta(hours=4)),
        ("NOBODY is on call", NIGHT + timedelta(hours=4), NIGHT + timedelta(hours=6)),
    ]
    assert made == feed(turns(NIGHT, NIGHT + timedelta(hours=8), plan), NIGHT)
