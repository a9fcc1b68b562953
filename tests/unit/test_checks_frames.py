"""Frames from what a platform tells, however badly it tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from caseproof.checks.frames import jobs_frame, runs_frame
from caseproof.config.policy_check import CheckPolicy, Missed
from caseproof.platforms.base import RunState
from tests.support.check_frames import HOURLY, NOW, history, listed, run

POLICY = CheckPolicy()


def test_runs_become_one_row_each_with_naive_utc_times_and_a_signature_where_they_failed() -> None:
    berlin = timezone(timedelta(hours=1))
    start = datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=berlin)
    frame = runs_frame([[run("job", "T", start, None), run("job", "s", start, start)]], POLICY.signatures).frame
    assert list(frame.dtypes.astype(str)) == ["category", "category", "datetime64[us]", "datetime64[us]", "category"]
    assert frame.at[0, "start"] == pd.Timestamp("2026-11-21 08:00:00.123456")
    assert frame.at[0, "end"] is pd.NaT
    assert list(frame["signature"].astype(object).fillna("none")) == ["the token is refused", "none"]
    assert list(frame["state"].cat.categories) == [str(state) for state in RunState]


def test_the_failures_keep_who_they_were_under_the_same_label() -> None:
    runs = runs_frame([history("a", "sT"), history("b", "F")], POLICY.signatures)
    assert list(runs.failures.index) == [1, 2]
    assert list(runs.failures["message"])[1] == "Something broke."
    assert runs.failures.at[1, "url"].startswith("https://runs.example.com/a@")
    assert runs.frame.at[2, "signature"] == ""


def test_a_run_that_comes_again_counts_once_and_as_it_was_told_last() -> None:
    rows = [
        run("job", letter, NOW, NOW if letter != "r" else None, id="same", message="answered 401: no")
        for letter in "rTs"
    ]
    for told, failures in ((rows, 0), ([rows[0], rows[1]], 1), ([rows[2], rows[1]], 1), ([rows[1], rows[1]], 1)):
        runs = runs_frame([told[:1], told[1:]], POLICY.signatures)
        assert len(runs.frame) == 1
        assert runs.repeated == len(told) - 1
        assert len(runs.failures) == failures
        assert runs.frame["signature"].isna().sum() == 1 - failures


def test_pages_are_taken_one_at_a_time_and_what_one_raises_comes_through() -> None:
    def pages():  # type: ignore[no-untyped-def]
        yield history("job", "s")
        raise ConnectionError("half a page")

    with pytest.raises(ConnectionError, match="half a page"):
        runs_frame(pages(), POLICY.signatures)


def test_no_runs_make_an_empty_frame_of_the_same_columns() -> None:
    runs = runs_frame([[], []], POLICY.signatures)
    assert len(runs.frame) == 0
    assert list(runs.frame.columns) == list(runs_frame([history("job", "s")], POLICY.signatures).frame.columns)


def test_times_at_the_edges_of_the_calendar_are_kept() -> None:
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    frame = runs_frame([[run("job", "s", first, last)]], POLICY.signatures).frame
    assert (frame.at[0, "start"].year, frame.at[0, "end"].year) == (1, 9999)


def test_jobs_become_one_row_each_and_the_one_told_last_stays() -> None:
    jobs = jobs_frame([listed("a", active=False), listed("a"), listed("b", retailer=None)], NOW, Missed())
    assert list(jobs.index) == ["a", "b"]
    assert list(jobs["active"]) == [True, True]
    assert jobs.at["b", "retailer"] is None
    assert jobs["due"].isna().all()


def test_a_job_is_due_only_while_it_can_run_by_itself() -> None:
    jobs = jobs_frame(
        [listed("on", schedules=[HOURLY]), listed("off", active=False, schedules=[HOURLY])], NOW, Missed()
    )
    assert jobs.at["on", "due"] == pd.Timestamp("2026-11-21 10:00")
    assert jobs.at["off", "due"] is pd.NaT
    assert jobs_frame([], NOW, Missed()).empty


def test_a_closing_is_kept_with_its_job() -> None:
    jobs = jobs_frame([listed("a"), listed("b")], NOW, Missed(), {"a": NOW, "gone": NOW})
    assert jobs.at["a", "settled"] == pd.Timestamp("2026-11-21 12:00")
    assert jobs.at["b", "settled"] is pd.NaT
