"""Patience at the job's own pace: every kind of failure of every pace is found on the day that the table names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from caseproof.checks.paces import window_for_job, windows
from caseproof.config.policy_check import CheckPolicy, Patience
from caseproof.platforms.base import Job, Listed, RunState, Schedule
from tests.support.paced_jobs import (
    CRONS,
    DAY_0,
    FIRST,
    FOUND_ON,
    MORNINGS,
    PacedPlatform,
    every_kind,
    kinds,
    morning,
    plain,
    starts_of,
)

DAY = timedelta(days=1)
POLICY = plain(CheckPolicy())


FEWER = (*range(8), *range(8, MORNINGS, 3))
"""Each morning of the first week, in which all are found; then every third, so that each day of a week is met."""


def mornings(
    platform: PacedPlatform, policy: CheckPolicy = POLICY, days: Iterable[int] = range(MORNINGS)
) -> pd.DataFrame:
    """The verdicts: a row a job, a column a day."""
    return pd.DataFrame({day: platform.judged(morning(day), policy)["verdict"] for day in days})


def found_on(verdicts: pd.DataFrame) -> dict[str, int | None]:
    """The day on which each job was found; it must have been watched on each before, and failing on each after."""
    days = {}
    for job, told in verdicts.iterrows():
        day = next((day for day, verdict in told.items() if verdict == "failing"), None)
        before = told.index < (MORNINGS if day is None else day)
        assert set(told[before]) <= {"watched"}, job
        assert set(told[~before]) <= {"failing"}, job
        days[str(job)] = day
    return days


@pytest.mark.parametrize("planned", [True, False], ids=["by a plan", "by its own pace"])
def test_each_pace_and_signature_is_found_on_the_day_of_the_table_and_never_fine(planned: bool) -> None:
    expected = {
        f"{pace}/{number}": FOUND_ON[patience.failures, patience.days][pace]
        for pace in CRONS
        for number, (_, patience) in enumerate(kinds(POLICY))
    }
    assert len(expected) == 4 * 46
    assert found_on(mornings(every_kind(POLICY, planned=planned), days=FEWER)) == expected


def test_a_list_of_ones_own_that_counts_failures_alone_is_read_as_far_as_these_go() -> None:
    """The failures are counted, however long that takes; a job that waits for them is watched all the time."""
    patient = POLICY.model_copy(update={"signatures": (), "otherwise": Patience(failures=3, days=None)})
    found = found_on(mornings(every_kind(patient), patient, (0, 1, 2, 3, 8, 13, 14, 15, 30, 58, 59)))
    assert found == {"hourly/0": 1, "daily/0": 2, "weekly/0": 14, "monthly/0": 59}
    longer = POLICY.model_copy(update={"signatures": (), "otherwise": Patience(failures=10, days=None)})
    assert found_on(mornings(every_kind(longer), longer, (0, 1, 2, 8, 9, 10, 30, 59))) == {
        "hourly/0": 1, "daily/0": 9, "weekly/0": None, "monthly/0": None,
    }  # fmt: skip


def test_days_can_be_more_than_the_shipped_ones_and_minutes_hold_in_any_case() -> None:
    slow = POLICY.model_copy(update={"signatures": (), "otherwise": Patience(failures=100, days=20)})
    assert found_on(mornings(every_kind(slow), slow, (0, 1, 4, 5, 6, 12, 19, 20, 21, 29))) == {
        "hourly/0": 5, "daily/0": 20, "weekly/0": 20, "monthly/0": 20,
    }  # fmt: skip
    late = POLICY.model_copy(update={"signatures": (), "otherwise": Patience(failures=2, days=1, minutes=8 * 24 * 60)})
    assert found_on(mornings(every_kind(late), late, (0, 1, 7, 8, 9, 29))) == dict.fromkeys(
        ("hourly/0", "daily/0", "weekly/0", "monthly/0"), 8
    )


@pytest.mark.parametrize("pace", ["hourly", "daily", "weekly", "monthly"])
def test_a_success_makes_it_fine_and_the_days_begin_anew(pace: str) -> None:
    platform = PacedPlatform()
    starts = list(starts_of(pace, FIRST - 95 * DAY, DAY_0 + 60 * DAY))
    platform.add("job", starts, [Schedule(cron=CRONS[pace])], "nobody knows")
    at = morning(1) - timedelta(minutes=10)  # somebody ran it by hand
    platform.runs["job"].append(platform.a_run("job", at, None))
    again = {"hourly": 2, "daily": 2, "weekly": 7, "monthly": 28}[pace]
    fine = {1, again // 2, again - 1}
    told = mornings(platform, days=sorted({0, *fine, again, again + 3})).loc["job"]
    assert {told[day] for day in fine} == {"fine"}
    assert told[again] == ("failing" if pace == "hourly" else "watched")
    assert told[again + 3] == "failing"


def test_what_was_cancelled_for_weeks_after_it_failed_is_not_fine() -> None:
    platform = PacedPlatform()
    for pace in ("daily", "weekly"):
        starts = [start for start in starts_of(pace, FIRST - 95 * DAY, DAY_0 + 60 * DAY) if start <= FIRST]
        platform.add(pace, starts, [Schedule(cron=CRONS[pace])], "nobody knows")
        later = [start for start in starts_of(pace, FIRST, DAY_0 + 60 * DAY) if start > FIRST]
        platform.runs[pace] += [platform.a_run(pace, start, None, RunState.CANCELLED) for start in later]
    told = mornings(platform, days=FEWER)
    assert "fine" not in set(told.to_numpy().ravel())
    assert found_on(told) == {"daily": 3, "weekly": 3}


def test_days_do_not_make_a_missed_start_a_failure() -> None:
    """It failed once, then the worker died: nothing tries any more, so nothing fails."""
    platform = PacedPlatform()
    platform.add("job", [FIRST - timedelta(hours=1), FIRST], [Schedule(cron=CRONS["hourly"])], "nobody knows")
    told = list(mornings(platform, days=range(10)).loc["job"])
    assert told[0] == "watched"
    assert set(told[1:]) <= {"missed", "silent"}


def test_a_run_that_is_under_way_is_waited_for_but_not_for_ever() -> None:
    platform = PacedPlatform()
    for pace in ("weekly", "monthly"):
        starts = [start for start in starts_of(pace, FIRST - 95 * DAY, DAY_0 + 60 * DAY) if start <= FIRST]
        platform.add(pace, starts, [Schedule(cron=CRONS[pace])], "nobody knows")
        again = platform.a_run(pace, FIRST + 2 * DAY, None, RunState.RUNNING)
        platform.runs[pace].append(replace(again, ended_at=None))
    assert found_on(mornings(platform, days=range(14))) == {"weekly": 5, "monthly": 5}


def test_a_weekly_and_a_monthly_job_that_stopped_starting_are_missed() -> None:
    platform = PacedPlatform()
    for pace in ("weekly", "monthly"):
        starts = [start for start in starts_of(pace, FIRST - 95 * DAY, DAY_0) if start < FIRST]
        platform.add(pace, starts, [Schedule(cron=CRONS[pace])], "nobody knows")
    told = mornings(platform, days=(0, 6, 7, 12, 13, 27, 28, 48, 49, 59))
    assert list(told.loc["weekly"]) == ["fine"] * 2 + ["missed"] * 2 + ["silent"] * 6
    assert list(told.loc["monthly"]) == ["fine"] * 6 + ["missed"] * 2 + ["silent"] * 2


def test_what_somebody_tried_once_without_a_plan_is_never_stopped_and_never_fine() -> None:
    platform = PacedPlatform()
    platform.add("once", [FIRST], [], "nobody knows")
    platform.add("thrice", [FIRST, FIRST + timedelta(minutes=20), FIRST + timedelta(minutes=40)], [], "nobody knows")
    told = mornings(platform, days=FEWER)
    assert set(told.loc["once"]) == {"watched"}
    assert list(told.loc["thrice"]) == ["failing"] * 3 + ["watched"] * (len(FEWER) - 3)
    why = platform.judged(morning(9), POLICY).at["once", "why"]
    assert why.endswith("It was not started since 2026-02-01 05:00 UTC, and no plan says when it will be.")


def test_the_page_tells_the_days_of_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "daily-check.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if re.match(r"\| (hourly|daily|weekly|monthly) \|", line)]
    columns = [(1, 3), (2, 1), (3, 3), (5, 3)]
    told = {row[0].strip("| "): [int(re.findall(r"on the (\d)", cell)[0]) - 1 for cell in row[2:]] for row in rows}
    assert told == {pace: [FOUND_ON[column][pace] for column in columns] for pace in CRONS}
    assert {row[0].strip("| "): row[1] for row in rows} == {
        pace: "72 hours"
        if window_in_days(Schedule(cron=cron)) == 3
        else f"{window_in_days(Schedule(cron=cron)):g} days"
        for pace, cron in CRONS.items()
    }


# -- how far is read --------------------------------------------------------------------------------------------------


def window_in_days(*schedules: Schedule, policy: CheckPolicy = POLICY) -> float:
    one = Listed(Job("job", "job", "", None, None, None), True, schedules)
    first = timedelta(hours=policy.look_back_hours)
    return window_for_job(one, morning(30), policy, windows(first)) / DAY


def test_a_window_follows_from_the_jobs_own_schedule() -> None:
    assert {pace: window_in_days(Schedule(cron=cron)) for pace, cron in CRONS.items()} == {
        "hourly": 3, "daily": 5, "weekly": 20, "monthly": 80,
    }  # fmt: skip
    every = {days: window_in_days(Schedule(every=days * DAY, anchor=FIRST)) for days in (1 / 24, 1, 7, 30, 365)}
    assert every == {1 / 24: 3, 1: 5, 7: 20, 30: 80, 365: 400}
    assert window_in_days(Schedule(cron="0 5 * * *"), Schedule(cron="0 5 1 * *")) == 5  # the next failure is near
    assert window_in_days() == window_in_days(Schedule()) == window_in_days(Schedule(cron="no cron")) == 3


def test_a_window_follows_from_the_patience_too() -> None:
    ten = POLICY.model_copy(update={"signatures": (), "otherwise": Patience(failures=10, days=None)})
    assert window_in_days(Schedule(cron="0 5 * * *"), policy=ten) == 20
    assert window_in_days(Schedule(cron="0 * * * *"), policy=ten) == 3
    assert window_in_days(Schedule(cron="0 5 * * sun"), policy=ten) == 80
    assert window_in_days(Schedule(cron="0 5 1 * *"), policy=ten) == 400
    assert window_in_days(Schedule(cron="0 * * * *"), policy=CheckPolicy(look_back_hours=2400)) == 100


def test_an_hourly_jobs_month_is_not_read_for_a_monthly_jobs_sake() -> None:
    platform = PacedPlatform()
    for pace, count in {"hourly": 20, "daily": 10, "weekly": 5, "monthly": 2}.items():
        for number in range(count):
            starts = [s for s in starts_of(pace, FIRST - 95 * DAY, DAY_0) if s < FIRST]
            platform.add(f"{pace}/{number}", starts, [Schedule(cron=CRONS[pace])], "")
    platform.judged(DAY_0, POLICY)
    assert platform.asked == [(3 * DAY, 37), (5 * DAY, 10), (20 * DAY, 5), (80 * DAY, 2)]
    assert platform.pages == 8 + 3  # of 200 rows: 1,440 and a few of 72 hours, then the slow ones'


def test_what_a_short_window_leaves_open_is_read_further_until_it_is_known() -> None:
    """Without a plan: until it succeeded, or failed as often as any patience takes; what stands still not at all."""
    platform = PacedPlatform()
    hourly = list(starts_of("hourly", FIRST - 2 * DAY, DAY_0 + 4 * DAY))
    platform.add("works", [start for start in hourly if start < FIRST], [], "")
    platform.add("fails", hourly, [], "nobody knows")
    platform.add("never", [], [], "")
    stopped = Listed(Job("stopped", "stopped", "", None, None, None), False, ())
    platform.jobs["stopped"], platform.runs["stopped"] = stopped, []
    platform.judged(morning(4), POLICY)
    assert platform.asked == [(3 * DAY, 4), (5 * DAY, 2), (20 * DAY, 1), (80 * DAY, 1), (400 * DAY, 1)]


def test_no_job_is_told_worse_by_being_read_further() -> None:
    """The same jobs, read by one window for all as far as the longest: the same verdicts on each morning."""
    far = POLICY.model_copy(update={"look_back_hours": 2400})
    platform = every_kind(POLICY)
    for day in (0, 3, 31):
        now = morning(day)
        assert Counter(platform.judged(now, POLICY)["verdict"]) == Counter(platform.judged(now, far)["verdict"]), day
