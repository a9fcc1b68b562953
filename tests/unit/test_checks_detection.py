"""Detection: what fails now, what flaps, what was not started; and none of these. A wrong stop is the worst."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.checks.detection import detect
from caseproof.checks.frames import jobs_frame, runs_frame, strangers
from caseproof.checks.tally import AHEAD
from caseproof.config.policy_check import CheckPolicy, Flapping, Maintenance, Missed, Patience, Signature
from caseproof.platforms.base import Run, RunState, Schedule
from tests.support.check_frames import HOURLY, NOW, history, listed, run, seen
from tests.support.examples import examples

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def verdict(letters: str, policy: CheckPolicy | None = None) -> str:
    return str(seen({"job": letters}, jobs=[listed("job")], policy=policy)[0].at["job", "verdict"])


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("", "fine"), ("s", "fine"), ("ssss", "fine"),
        # a refused token stops at once; a time-out after five, what nobody knows after three
        ("sT", "failing"), ("T", "failing"), ("sO", "watched"), ("sOOOO", "watched"), ("sOOOOO", "failing"),
        ("sFF", "watched"), ("sFFF", "failing"),
        # a success ends it, however long it was
        ("TTTTTTs", "fine"), ("FFFFFFs", "fine"), ("TTTTsT", "failing"), ("FFFFsFF", "watched"),
        # neither failure nor success
        ("sFFr", "watched"), ("sFFc", "watched"), ("sFFu", "watched"), ("sFcFuFr", "failing"), ("sTr", "failing"),
        ("cccc", "fine"), ("uuuu", "fine"), ("rrrr", "fine"),
        # each failure uses up its part: two of three and one of five are not all; one more of three is
        ("sFFO", "watched"), ("sFFOO", "failing"), ("sOOOOF", "failing"), ("sOOOF", "watched"), ("sOT", "failing"),
        # by turns
        ("sTsTsT", "flapping"), ("FsFsFs", "flapping"), ("sOsOsO", "flapping"), ("sTsT", "failing"),
        # it flapped, and now only fails: longer than it ever had to be watched
        ("sTsTsTTTT", "failing"), ("sTsTsTTT", "flapping"),
    ],
)  # fmt: skip
def test_a_job_is_what_its_runs_say(letters: str, expected: str) -> None:
    assert verdict(letters) == expected


def test_a_streak_of_several_kinds_has_the_cause_that_most_of_its_patience_went_to() -> None:
    found, _, runs = seen({"mixed": "sOOOOT", "others": "sTO"})
    assert list(found["cause"]) == ["expired_token", "expired_token"]
    assert runs.failures.at[found.at["others", "last_failure"], "message"].endswith("token expired")
    assert found.at["others", "failures"] == 2


def test_the_latest_failure_of_the_deciding_kind_is_the_one_that_is_shown() -> None:
    found, _, runs = seen({"job": "sFFF"})
    assert runs.frame.at[found.at["job", "last_failure"], "start"] == pd.Timestamp("2026-11-21 11:00")
    assert found.at["job", "failing_since"] == pd.Timestamp("2026-11-21 09:00")
    assert found.at["job", "last_success"] == pd.Timestamp("2026-11-21 08:01")
    assert found.at["job", "last_start"] == pd.Timestamp("2026-11-21 11:00")
    assert (
        found.at["job", "why"]
        == "It failed 3 times in a row since 2026-11-21 09:00 UTC: no signature fits its message."
    )


def test_patience_in_minutes_counts_from_the_first_failures_start_to_the_platforms_own_time() -> None:
    slow = (Signature(name="slow", cause="sync", says=("broke",), failures=1, minutes=60),)
    policy = CheckPolicy(signatures=slow)
    rows = [run("job", "F", NOW - 59 * MINUTE, NOW - 30 * MINUTE), run("job", "F", NOW - 20 * MINUTE, NOW)]
    assert seen(rows, policy=policy)[0].at["job", "verdict"] == "watched"
    assert seen(rows, policy=policy, now=NOW + MINUTE)[0].at["job", "verdict"] == "failing"
    why = seen(rows, policy=policy)[0].at["job", "why"]
    assert why.endswith("slow. That is watched for 1 failure and 60 minutes before a stop.")


def test_runs_are_ordered_by_their_end_and_not_by_how_they_came() -> None:
    long = run("job", "s", NOW - 5 * HOUR, NOW - MINUTE)  # started first, and ended last
    failed = [run("job", "F", NOW - back * HOUR, NOW - back * HOUR + MINUTE) for back in (4, 3, 2, 1)]
    for rows in ([long, *failed], [*failed, long], [*failed[::-1], long]):
        assert seen(rows)[0].at["job", "verdict"] == "fine"


def test_a_failure_at_the_very_moment_of_a_success_does_not_count() -> None:
    at = NOW - HOUR
    rows = [run("job", "T", at - MINUTE, at), run("job", "s", at - MINUTE, at)]
    assert seen(rows)[0].at["job", "verdict"] == "fine"


def test_a_run_without_an_end_is_placed_by_its_start_and_one_without_both_is_no_failure() -> None:
    rows = [run("a", "s", NOW - 3 * HOUR), *(run("a", "F", NOW - 2 * HOUR + i * MINUTE) for i in range(3))]
    rows += [run("b", "T", None), run("c", "T", None, NOW - HOUR)]
    found = seen(rows)[0]
    assert list(found["verdict"]) == ["failing", "fine", "failing"]
    assert found.at["c", "failing_since"] == pd.Timestamp("2026-11-21 11:00")


def test_a_success_whose_end_is_before_its_start_counts_from_its_start() -> None:
    good = run("job", "s", NOW - MINUTE, NOW - 30 * HOUR)  # by a worker whose clock was put right meanwhile
    assert seen([*history("job", "FFFFF"), good])[0].at["job", "verdict"] == "fine"


def test_a_success_of_which_no_time_is_known_keeps_a_job_from_being_stopped() -> None:
    found = seen([*history("job", "FFFFF"), run("job", "s", None)])[0]
    assert found.at["job", "verdict"] == "watched"
    assert "A success of which no time is known may be later." in found.at["job", "why"]


def test_times_in_the_future_are_no_times() -> None:
    ahead = NOW + AHEAD + HOUR
    lying = [run("a", "T", ahead, ahead), *history("b", "FFF"), run("b", "s", ahead, ahead)]
    half = [*history("c", "sFF"), run("c", "F", NOW - MINUTE, ahead)]  # its start can be, its end cannot
    found = seen([*lying, *half])[0]
    assert list(found["verdict"]) == ["fine", "watched", "failing"]
    assert found.at["a", "last_start"] is pd.NaT


def test_a_platform_whose_clock_is_hours_off_is_judged_by_that_clock() -> None:
    for off in (-7 * HOUR, 7 * HOUR):
        rows = history("job", "sFFF", last=NOW + off)
        assert seen(rows, now=NOW + off)[0].at["job", "verdict"] == "failing"


def test_runs_of_jobs_that_are_not_listed_are_kept_apart() -> None:
    found, jobs, runs = seen([*history("known", "s"), *history("stranger", "TTT")], jobs=[listed("known")])
    assert list(found.index) == ["known"]
    assert strangers(runs.frame, jobs).to_dict() == {"stranger": 3}


def test_there_may_be_no_runs_and_no_jobs() -> None:
    assert list(seen([], jobs=[listed("job")])[0]["verdict"]) == ["fine"]
    assert seen([], jobs=[])[0].empty
    assert seen(history("stranger", "T"), jobs=[])[0].empty


def test_failures_from_before_the_closing_of_a_case_are_settled() -> None:
    closed = {"job": NOW - 1.5 * HOUR}
    assert seen({"job": "TTT"}, settled=closed)[0].at["job", "failures"] == 1  # at 11:00
    assert seen(history("job", "TTT", last=NOW - HOUR), settled=closed)[0].at["job", "verdict"] == "fine"


# -- flapping ---------------------------------------------------------------------------------------------------------


def test_changes_are_counted_within_the_hours_of_the_policy() -> None:
    policy = CheckPolicy(flapping=Flapping(changes=4, hours=3.5))
    assert verdict("sFsFsFss", policy) == "fine"  # of the last 3.5 hours only "Fss" is left
    assert seen({"job": "sFsFsFsFs"})[0].at["job", "changes"] == 8


def test_a_time_so_long_that_it_hardly_fits_into_numbers_is_counted_all_the_same() -> None:
    policy = CheckPolicy(flapping=Flapping(changes=4, hours=10_000))
    rows = [one for number in range(3000) for one in history(f"job-{number}", "sFsFs" if number % 2 else "sssss")]
    found = seen(rows, policy=policy)[0]
    assert (found["changes"] == [4 if number % 2 else 0 for number in range(3000)]).all()


# -- missed -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_start", "expected"),
    [(NOW - 2.5 * HOUR, "missed"), (NOW - 2 * HOUR, "fine"), (NOW - 2 * HOUR - 30 * timedelta(seconds=1), "fine")],
)
def test_a_job_that_missed_so_many_planned_starts_is_told(last_start: datetime, expected: str) -> None:
    """Planned hourly, half an hour of grace: at 12:00 the starts of 11:00 and 10:00 should have been met."""
    rows = [run("job", "s", last_start, last_start + MINUTE)]
    found = seen(rows, jobs=[listed("job", schedules=[HOURLY])])[0]
    assert found.at["job", "verdict"] == expected


def test_the_platforms_own_plan_tells_what_was_missed_where_no_schedule_is_understood() -> None:
    late = (NOW - 3 * HOUR, NOW - 2 * HOUR, NOW - 10 * MINUTE)  # the last one is still within its grace
    rows = history("job", "s", last=NOW - 3 * HOUR)
    found = seen(rows, jobs=[replace(listed("job", schedules=[Schedule()]), late=late)])[0]
    assert found.at["job", "verdict"] == "missed"
    assert "that of 2026-11-21 09:00 UTC first" in found.at["job", "why"]
    met = seen(history("job", "s", last=NOW - HOUR), jobs=[replace(listed("job", schedules=[Schedule()]), late=late)])[
        0
    ]
    assert met.at["job", "verdict"] == "fine", "it started after all"


def test_a_plan_that_tells_too_little_leaves_it_to_the_schedule_for_a_scheduler_may_have_died() -> None:
    rows = history("job", "s", last=NOW - 5 * HOUR)
    one = replace(listed("job", schedules=[HOURLY]), late=(NOW - 5 * HOUR,))
    assert seen(rows, jobs=[one])[0].at["job", "verdict"] == "missed"


def test_the_sentence_on_a_missed_start_says_which() -> None:
    rows = [run("job", "s", NOW - 5 * HOUR, NOW - 5 * HOUR)]
    one = [listed("job", schedules=[HOURLY])]
    assert seen(rows, jobs=one)[0].at["job", "why"] == (
        "It missed 2 planned starts in a row, that of 2026-11-21 10:00 UTC first; "
        "it last started at 2026-11-21 07:00 UTC."
    )
    assert "its planned start" in seen(rows, jobs=one, policy=CheckPolicy(missed=Missed(starts=1)))[0].at["job", "why"]


def test_a_job_of_which_no_run_is_known_is_told_apart_for_it_may_be_new() -> None:
    assert list(seen([], jobs=[listed("job", schedules=[HOURLY])])[0]["verdict"]) == ["silent"]


def test_a_start_from_before_the_first_run_that_was_read_was_not_missed() -> None:
    weekly = Schedule(every=timedelta(days=7), anchor=NOW - timedelta(days=1))
    assert list(seen([], jobs=[listed("job", schedules=[weekly])])[0]["verdict"]) == ["fine"]


def test_a_job_that_is_switched_off_misses_nothing() -> None:
    assert list(seen([], jobs=[listed("job", active=False, schedules=[HOURLY])])[0]["verdict"]) == ["fine"]


def test_a_run_that_is_going_on_has_started() -> None:
    rows = [run("job", "r", NOW - HOUR)]
    assert seen(rows, jobs=[listed("job", schedules=[HOURLY])])[0].at["job", "verdict"] == "fine"


# -- maintenance ------------------------------------------------------------------------------------------------------


def window(**facts: object) -> CheckPolicy:
    told = {"why": "the bazaar moves", "begins": NOW - 4 * HOUR, "ends": NOW - 2.5 * HOUR} | facts
    return CheckPolicy(maintenance=(Maintenance.model_validate(told),))


def test_failures_in_a_maintenance_window_do_not_count_even_long_after_it() -> None:
    found = seen({"during": "sFF" + "c" * 2, "after": "sFFFF", "well": "sssss"}, policy=window())[0]
    assert list(found["verdict"]) == ["maintenance", "watched", "fine"]
    assert list(found["excused"]) == [2, 2, 0]
    assert found.at["during", "why"] == "It failed in a maintenance window only (2 times)."


def test_a_run_that_only_reached_into_the_window_is_excused_too() -> None:
    rows = [run("job", "T", NOW - 6 * HOUR, NOW - 3.9 * HOUR), run("later", "T", NOW - 2.4 * HOUR, NOW - 2 * HOUR)]
    assert list(seen(rows, policy=window())[0]["verdict"]) == ["maintenance", "failing"]


@pytest.mark.parametrize(
    ("facts", "excused"),
    [
        ({"platform": "shops"}, True), ({"platform": "other"}, False), ({"marketplace": "bazaar"}, True),
        ({"marketplace": "fair"}, False), ({"retailer": "garden-shop", "job": "job"}, True), ({"job": "jo"}, False),
        ({"job": "j*b"}, True), ({"job": "*"}, True), ({"job": "b*"}, False), ({"retailer": "other"}, False),
    ],
)  # fmt: skip
def test_a_window_is_for_the_jobs_that_fit_all_it_names(facts: dict[str, str], excused: bool) -> None:
    rows = [run("job", "T", NOW - 3 * HOUR, NOW - 3 * HOUR)]
    assert seen(rows, policy=window(**facts))[0].at["job", "verdict"] == ("maintenance" if excused else "failing")


def test_each_time_of_a_repeated_window_excuses() -> None:
    policy = window(
        begins=None, ends=None, cron="0 2 * * *", minutes=45, timezone="Europe/Berlin"
    )  # 01:00 to 01:45 UTC
    day = datetime(2026, 11, 19, 1, 30, tzinfo=UTC)
    rows = [run("job", "T", day + timedelta(days=n), day + timedelta(days=n, minutes=1)) for n in range(3)]
    found = seen(rows, policy=policy)[0]
    assert (found.at["job", "verdict"], found.at["job", "excused"]) == ("maintenance", 3)


# -- against an oracle ------------------------------------------------------------------------------------------------

PATIENCE = {"T": 1, "O": 5, "F": 3}
times = st.integers(0, 40).map(lambda half_hours: NOW - half_hours * timedelta(minutes=30))
any_run = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from("TOFFsssssssscru"),
    st.none() | times,
    st.none() | times | st.just(NOW + 5 * HOUR),
)


def oracle(rows: list[Run], job: str) -> tuple[str, int, int]:
    """(verdict, failures, changes) of a job, one run after another, in plain Python."""
    done, undated, well = [], False, datetime.min.replace(tzinfo=UTC)
    for one in rows:
        if one.job != job or one.state not in (RunState.SUCCEEDED, RunState.FAILED):
            continue
        place = one.ended_at if one.ended_at and one.ended_at <= NOW + AHEAD else one.started_at
        if place is None:
            undated |= one.state is RunState.SUCCEEDED
        else:
            if one.state is RunState.SUCCEEDED:  # an end before its start is in doubt
                well = max(well, place, one.started_at or place)
            # of equal times the failure comes first
            done.append((place, one.state is RunState.SUCCEEDED, next(k for k in "TOFs" if one.id.endswith(f"/{k}"))))
    done.sort(key=lambda entry: entry[:2])
    streak = [letter for place, good, letter in done if not good and place > well]
    lately = [good for place, good, _ in done if place >= NOW - timedelta(hours=24)]
    changes = sum(one != other for one, other in pairwise(lately))
    spent = sum(Fraction(1, PATIENCE[letter]) for letter in streak)
    flaps = changes >= 4
    if spent >= 1 and not undated and (not flaps or len(streak) >= 4):
        return "failing", len(streak), changes
    return ("flapping" if flaps else "watched" if streak else "fine"), len(streak), changes


@settings(max_examples=examples(25, full=600))
@given(st.lists(any_run, max_size=30), st.randoms(use_true_random=False))
def test_detection_says_what_a_slow_and_plain_reading_says(
    drawn: list[tuple[str, str, datetime | None, datetime | None]], shuffle: random.Random
) -> None:
    rows = list({one.id: one for one in (run(*each) for each in drawn)}.values())
    found = seen(rows, jobs=[listed(job) for job in "abc"])[0]
    for job in "abc":
        expected, failures, changes = oracle(rows, job)
        assert found.at[job, "verdict"] == expected
        assert found.at[job, "failures"] == failures
        assert found.at[job, "changes"] in (changes, 0 if changes < 4 else changes)
    again = [*rows, *shuffle.sample(rows, len(rows) // 2)]  # in another order, and some of them twice
    shuffle.shuffle(again)
    later = seen(again, jobs=[listed(job) for job in "abc"])[0]
    columns = ["verdict", "failures", "failing_since", "last_start", "last_success", "changes", "signature", "why"]
    pd.testing.assert_frame_equal(later[columns], found[columns])


@settings(max_examples=examples(12, full=300))
@given(st.lists(st.text(alphabet="TOFsscru", max_size=25), min_size=1, max_size=20), st.booleans())
def test_no_job_is_failing_while_its_last_finished_run_succeeded(before: list[str], impatient: bool) -> None:
    policy = CheckPolicy(otherwise=Patience(failures=1), flapping=Flapping(changes=1000)) if impatient else None
    ends = ("s", "sc", "sr", "su", "scru")
    found = seen({f"{told}-{end}": told + end for told in before for end in ends}, policy=policy)[0]
    assert set(found["verdict"]) <= ({"fine"} if impatient else {"fine", "flapping"})
    assert set(found["failures"]) == {0}


def test_the_rows_may_be_more_than_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = {f"job-{number}": "sFsFsFsF" if number % 3 else "sTTTTsOFFF" for number in range(30)}
    whole = seen(letters)[0]
    monkeypatch.setattr("caseproof.checks.tally.PIECE", 7)
    pd.testing.assert_frame_equal(seen(letters)[0], whole)


def test_runs_of_a_job_nobody_named_change_nothing() -> None:
    runs = runs_frame([history("job", "sFFF")], CheckPolicy().signatures)
    frame = runs.frame.copy()
    frame.loc[0, "job"] = None  # the success is nobody's
    found = detect(frame, jobs_frame([listed("job")], NOW, Missed()), NOW, CheckPolicy())
    assert (found.at["job", "failures"], found.at["job", "runs"]) == (3, 3)
    assert found.at["job", "last_success"] is pd.NaT
