"""The figures of a report: what is measured, what still waits, and what belongs to which week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from statistics import median

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.checks.report import MOST_WEEKS, Figures, Period, figures, how_long, period, top
from caseproof.checks.turns import TURNED
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.kinds import Kind
from tests.support.examples import examples

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
THREE_WEEKS = Period(MONDAY, MONDAY + timedelta(weeks=3))
Told = tuple[Kind, float]
"""An event, and how many hours after the beginning of the period it comes."""

STOPPED, TOLD, WORD = Kind.STOPPED, Kind.NOTICE_SENT, Kind.CONFIRMATION_RECEIVED


def figures_of(
    *cases: list[Told],
    over: Period = THREE_WEEKS,
    names: dict[int, str] | None = None,
    pauses: tuple[tuple[int, float, float], ...] = (),
    answered: tuple[tuple[int, float], ...] = (),
    asked_nothing: frozenset[str] = frozenset(),
) -> Figures:
    """The figures of these cases. ``pauses``: a case's number, from when until when; ``answered``: when we answered."""
    facts = pd.DataFrame(
        [(f"JF-{n}", (names or {}).get(n, "Shop A"), "North", "feed") for n in range(len(cases))],
        columns=["case", "retailer", "marketplace", "cause"],
    ).set_index("case")
    rows = [(f"JF-{n}", str(kind), moment(at)) for n, told in enumerate(cases) for kind, at in told]
    events = pd.DataFrame(rows, columns=["case", "kind", "at"]).astype({"at": "datetime64[us]"})
    besides = [(f"JF-{n}", "kept_paused", moment(at), moment(until)) for n, at, until in pauses]
    besides += [(f"JF-{n}", "question_answered", moment(at), pd.NaT) for n, at in answered]
    turned = pd.DataFrame(besides, columns=list(TURNED)).astype({"at": "datetime64[us]", "until": "datetime64[us]"})
    return figures(facts, events, over, turned=turned, asked_nothing=asked_nothing)


def moment(at: float) -> pd.Timestamp:
    return pd.Timestamp(MONDAY.replace(tzinfo=None)) + pd.Timedelta(hours=at)


def hours(span: object) -> float:
    assert isinstance(span, timedelta)
    return span / timedelta(hours=1)


def whole(opened: float = 0, closed: float = 20) -> list[Told]:
    return [
        (Kind.OPENED, opened),
        (STOPPED, opened + 1),
        (TOLD, opened + 2),
        (WORD, opened + 10),
        (Kind.CLOSED, closed),
    ]


def test_a_whole_case_gives_each_of_the_four_times() -> None:
    times = figures_of(whole()).times
    assert [hours(took) for took in times["median"]] == [1, 2, 8, 20]
    assert times["cases"].tolist() == [1, 1, 1, 1]
    assert times["waiting"].tolist() == [0, 0, 0, 0]


def test_what_has_not_ended_is_counted_with_its_age_and_is_in_no_median() -> None:
    found = figures_of(whole(), [(Kind.OPENED, 4), (STOPPED, 5), (TOLD, 6)])
    times = found.times
    assert times.loc["close", ["cases", "waiting"]].tolist() == [1, 1]
    assert hours(times.loc["close", "median"]) == 20
    assert hours(times.loc["close", "longest"]) == 3 * 168 - 4
    assert hours(times.loc["confirm", "longest"]) == 3 * 168 - 6
    assert found.open.index.tolist() == ["JF-1"]
    assert found.ages.to_dict() == {"under a day": 0, "1 to 7 days": 0, "7 to 30 days": 1, "over 30 days": 0}


def test_without_a_case_there_is_no_median_and_every_week_stands_there() -> None:
    found = figures_of()
    assert found.times["median"].isna().all()
    assert found.times["cases"].tolist() == [0, 0, 0, 0]
    assert len(found.weeks) == 3
    assert not found.weeks[["opened", "reopened", "closed", "open"]].to_numpy().any()
    assert found.by["retailer"].empty
    assert how_long(found.times.loc["close", "median"]) == "none"


def test_the_clock_of_a_reopened_case_runs_on_and_its_first_closing_is_not_measured() -> None:
    again = [(Kind.REOPENED, 190.0), (STOPPED, 193.0), (TOLD, 195.0), (WORD, 200.0), (Kind.CLOSED, 300.0)]
    found = figures_of([*whole(closed=20), *again])
    assert found.times.loc["close", "cases"] == 1
    assert hours(found.times.loc["close", "median"]) == 300
    assert found.times.loc["contain", "cases"] == 2
    assert hours(found.times.loc["contain", "median"]) == 2
    assert found.weeks["opened"].tolist() == [1, 0, 0]
    assert found.weeks["reopened"].tolist() == [0, 1, 0]
    assert found.weeks["closed"].tolist() == [1, 1, 0]
    assert found.weeks["close_cases"].tolist() == [0, 1, 0]


def test_a_case_that_is_reopened_and_open_counts_as_open_since_its_first_opening() -> None:
    found = figures_of([*whole(closed=20), (Kind.REOPENED, 190)])
    assert found.times.loc["close", "cases"] == 0
    assert hours(found.open.loc["JF-0", "age"]) == 3 * 168
    assert found.open.loc["JF-0", ["openings", "stands"]].tolist() == [2, "not stopped yet"]
    assert found.weeks["open"].tolist() == [0, 1, 1]


def test_a_word_before_the_notice_or_after_the_closing_answers_nothing() -> None:
    early = [(Kind.OPENED, 0), (STOPPED, 1), (WORD, 2), (TOLD, 3)]
    late = [(Kind.OPENED, 0), (STOPPED, 1), (TOLD, 2), (Kind.CLOSED, 3), (WORD, 4)]
    times = figures_of(early, late).times
    assert times.loc["confirm", ["cases", "waiting"]].tolist() == [0, 1]


def test_a_job_that_cannot_be_stopped_is_no_containment_and_waits_for_none() -> None:
    found = figures_of([(Kind.OPENED, 0), (Kind.CANNOT_STOP, 1)])
    assert found.cannot_stop == 1
    assert found.times.loc["contain", ["cases", "waiting"]].tolist() == [0, 0]
    assert found.open["stands"].tolist() == ["the retailer is not told yet"]


def test_a_time_belongs_to_the_week_in_which_it_ended_and_an_empty_week_has_none() -> None:
    weeks = figures_of(whole(), whole(opened=400, closed=480)).weeks
    assert weeks["close_cases"].tolist() == [1, 0, 1]
    assert weeks["close"].isna().tolist() == [False, True, False]
    assert hours(weeks["close"].iloc[2]) == 80


def test_what_happened_after_the_period_is_not_known_in_it() -> None:
    first_week = Period(MONDAY, MONDAY + timedelta(weeks=1))
    found = figures_of(whole(closed=200), whole(opened=180, closed=190), over=first_week)
    assert found.open.index.tolist() == ["JF-0"]
    assert found.weeks["opened"].tolist() == [1]
    assert found.times.loc["close", "cases"] == 0


def test_what_ended_before_the_period_is_not_in_it_and_what_is_open_since_then_is() -> None:
    last_week = Period(MONDAY + timedelta(weeks=2), MONDAY + timedelta(weeks=3))
    found = figures_of([(Kind.OPENED, 0), (STOPPED, 1), (TOLD, 2)], over=last_week)
    assert found.times["cases"].tolist() == [0, 0, 0, 0]
    assert found.weeks["open"].tolist() == [1]
    assert found.by["retailer"].loc["Shop A", ["opened", "open"]].tolist() == [0, 1]


def test_a_clock_that_went_back_makes_no_time_negative() -> None:
    assert hours(figures_of([(Kind.OPENED, 5), (STOPPED, 4.9)]).times.loc["contain", "median"]) == 0


def test_the_most_opened_come_first_and_the_others_are_left_together() -> None:
    names = {n: f"Shop {n if n < 1000 else 7}" for n in range(1010)}
    found = figures_of(*(whole() for _ in names), names=names).by["retailer"]
    shown, others = top(found)
    assert shown.index[0] == "Shop 7"
    assert (len(shown), len(others)) == (10, 990)
    assert shown["opened"].sum() + others["opened"].sum() == 1010
    assert top(found.iloc[:11])[1].empty, "a single other one has its own name"


def test_a_ninetieth_percentile_is_a_time_that_some_case_took() -> None:
    times = figures_of(*(whole(closed=20 + n) for n in range(10))).times
    assert hours(times.loc["close", "p90"]) == 29


@settings(max_examples=examples(10, full=250))
@given(st.lists(st.tuples(st.integers(0, 500), st.none() | st.integers(1, 300)), max_size=30))
def test_the_weeks_add_up_whatever_came_and_went(cases: list[tuple[int, int | None]]) -> None:
    told = [[(Kind.OPENED, float(at)), *([(Kind.CLOSED, float(at + took))] if took else [])] for at, took in cases]
    found = figures_of(*told)
    end = 3 * 168
    took = [took for at, took in cases if took and at + took < end]
    known = [at for at, _ in cases if at < end]
    assert found.weeks["opened"].sum() == len(known)
    assert (
        found.weeks["closed"].sum()
        == found.times.loc["close", "cases"]
        == found.weeks["close_cases"].sum()
        == len(took)
    )
    assert found.weeks["open"].iloc[-1] == len(found.open) == found.ages.sum() == len(known) - len(took)
    if took:
        assert hours(found.times.loc["close", "median"]) == median(took)


# -- whose turn it was ------------------------------------------------------------------------------------------------


def waited(found: Figures) -> dict[str, float]:
    """The hours that each side had the turn, all cases together."""
    return {str(whose): hours(total) for whose, total in found.turns["total"].dropna().items()}


def test_the_report_says_whose_turn_a_wait_was() -> None:
    """Told after 2 hours, the retailer wrote after 10, and the case closed after 20."""
    found = figures_of(whole())
    assert waited(found) == {"ours": 12, "the retailer's": 8}
    assert hours(found.turns.loc["ours", "longest"]) == 10
    assert found.turns["now"].tolist() == [0, 0, 0]


def test_a_wait_for_a_date_is_a_dates_until_that_day_and_then_ours() -> None:
    found = figures_of([(Kind.OPENED, 0), (STOPPED, 1), (TOLD, 2)], pauses=((0, 30, 72),), over=THREE_WEEKS)
    assert waited(found) == {"ours": 2 + 3 * 168 - 72, "the retailer's": 28, "a date's": 42}
    assert found.open["turn"].tolist() == ["ours"]
    paused = figures_of([(Kind.OPENED, 0), (TOLD, 2)], pauses=((0, 30, 9000),))
    assert paused.open["turn"].tolist() == ["a date's"]
    assert paused.turns["now"].tolist() == [0, 0, 1]


def test_a_word_during_a_pause_makes_it_our_turn_at_once() -> None:
    found = figures_of([(Kind.OPENED, 0), (TOLD, 2), (WORD, 40), (Kind.CLOSED, 50)], pauses=((0, 30, 72),))
    assert waited(found) == {"ours": 12, "the retailer's": 28, "a date's": 10}


def test_a_reply_is_our_turn_until_somebody_answers_it() -> None:
    found = figures_of([(Kind.OPENED, 0), (TOLD, 2), (Kind.REPLY_RECEIVED, 10), (WORD, 30), (Kind.CLOSED, 31)],
                       answered=((0, 14),))  # fmt: skip
    assert waited(found) == {"ours": 2 + 4 + 1, "the retailer's": 8 + 16}


def test_a_retailer_who_was_asked_nothing_never_has_the_turn() -> None:
    found = figures_of(whole(), asked_nothing=frozenset({"JF-0"}))
    assert waited(found) == {"ours": 20}


def test_what_was_waited_before_the_period_or_after_the_closing_is_in_no_turn() -> None:
    second = Period(MONDAY + timedelta(weeks=1), MONDAY + timedelta(weeks=2))
    told = [(Kind.OPENED, 0), (TOLD, 2), (WORD, 170), (Kind.CLOSED, 172), (WORD, 180), (Kind.REOPENED, 330)]
    assert waited(figures_of(told, over=second)) == {"the retailer's": 2, "ours": 2 + 6}


# -- the period and the words ------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 18, 15, 30, tzinfo=UTC)  # a Wednesday


def test_a_period_is_so_many_whole_weeks_and_the_one_under_way() -> None:
    over = period(NOW, 8)
    assert over == Period(datetime(2026, 9, 21, tzinfo=UTC), NOW)
    assert len(figures_of(over=over).weeks) == 9
    assert figures_of(over=over).under_way
    assert not figures_of().under_way


def test_a_period_begins_on_the_monday_of_its_first_day_and_ends_with_its_last() -> None:
    over = period(NOW, since=date(2026, 11, 5), until=date(2026, 11, 8))
    assert over == Period(MONDAY, MONDAY + timedelta(weeks=1))
    assert period(NOW, 2, until=date(2026, 11, 15)) == Period(MONDAY, MONDAY + timedelta(weeks=2))
    assert period(NOW, until=date(2030, 1, 1)).until == NOW


@pytest.mark.parametrize(
    "asked",
    [
        {"weeks": 0},
        {"weeks": MOST_WEEKS + 1},
        {"since": date(2026, 11, 19)},
        {"since": date(2026, 11, 9), "until": date(2026, 11, 8)},
        {"since": date(2000, 1, 1)},
        {"until": date(1, 1, 1)},
    ],
)
def test_a_period_that_cannot_be_is_refused_with_the_next_step(asked: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        period(NOW, **asked)  # type: ignore[arg-type]
    assert refused.value.next_action


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0, "0 s"), (59.6, "1 min"), (581, "9 min 41 s"), (7200, "2 h"), (65_100, "18 h 5 min"), (273_600, "3 d 4 h")],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float, says: str) -> None:
    assert how_long(timedelta(seconds=seconds)) == says
