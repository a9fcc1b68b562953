"""The plan: what is done about each job, and why; nothing is done twice, and nothing that works is stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.checks.planning import LONGEST_SUMMARY, Known, PlanEntry, plan
from caseproof.config.policy_check import CheckPolicy, Flapping, Maintenance, Missed
from caseproof.domain.vocabulary import Scope
from caseproof.http.redaction import HIDDEN
from caseproof.platforms.base import Listed, Run
from tests.support.check_frames import HOURLY, NOW, history, listed, run, seen
from tests.support.examples import examples

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def planned(
    histories: dict[str, str] | list[Run],
    known: Known | None = None,
    *,
    jobs: list[Listed] | None = None,
    policy: CheckPolicy | None = None,
    scopes: dict[str, Scope] | None = None,
) -> dict[str, PlanEntry]:
    policy, known = policy or CheckPolicy(), known or Known()
    closed = {job: at for job, (_, at) in known.closed.items()}
    found, table, runs = seen(histories, jobs=jobs, policy=policy, settled=closed)
    lines = plan(found, table, runs, known, policy, NOW, "shops", scopes)
    assert [line.job for line in lines] == sorted(found.index)
    return {line.job: line for line in lines}


def test_what_fails_is_stopped_and_everything_else_is_left_alone_or_reported() -> None:
    lines = planned({"fails": "sT", "flaps": "sTsTsT", "watched": "sO", "well": "ss"})
    assert {job: line.act for job, line in lines.items()} == {
        "fails": "stop", "flaps": "report", "watched": "leave", "well": "leave",
    }  # fmt: skip
    assert lines["well"].verdict == "fine"
    assert (lines["fails"].cause, lines["well"].cause) == ("expired_token", "")


def test_a_line_tells_the_facts_of_the_failure() -> None:
    line = planned({"job": "sFFF"})["job"]
    assert line.summary == "Something broke."
    assert line.run.startswith("job@2026-11-21 11:00")
    assert line.run_url.endswith(line.run)
    assert line.failed_at == datetime(2026, 11, 21, 11, 1, tzinfo=UTC)
    assert (line.retailer, line.marketplace, line.failures) == ("garden-shop", "bazaar", 3)
    assert line.failing_since == datetime(2026, 11, 21, 9, tzinfo=UTC)
    assert line.last_success == datetime(2026, 11, 21, 8, 1, tzinfo=UTC)


def test_a_failure_without_an_end_is_told_with_its_start() -> None:
    assert planned([run("job", "T", NOW - HOUR)])["job"].failed_at == NOW - HOUR


def test_the_summary_shows_no_secret_and_does_not_go_on_for_ever() -> None:
    secret = "answered 401 for https://api.example.com?token=abcdef123456 " + "and so on " * 5000
    line = planned([run("job", "T", NOW - HOUR, NOW, message=secret)])["job"]
    assert "abcdef" not in line.summary
    assert HIDDEN in line.summary
    assert len(line.summary) <= LONGEST_SUMMARY + 4


def test_the_summary_keeps_the_last_line_of_a_traceback() -> None:
    told = "Traceback:\n" + '  File "a.py", line 7, in sync\n' * 2000 + "TitleTooLong: the title is too long"
    line = planned([run("job", "T", NOW - HOUR, NOW, message=told)])["job"]
    assert line.summary.startswith("Traceback:")
    assert line.summary.endswith("\nTitleTooLong: the title is too long")
    assert len(line.summary) <= LONGEST_SUMMARY


def test_a_job_without_a_retailer_is_stopped_like_any_other_and_told() -> None:
    """J2: the stop comes first; the case asks for the tag then."""
    line = planned({"job": "T"}, jobs=[listed("job", retailer=None)])["job"]
    assert (line.act, line.retailer) == ("stop", None)
    assert line.why.endswith("It names no retailer; its case will ask for one.")


# -- J4: no second report of the same failure -------------------------------------------------------------------------


def test_a_job_with_an_open_case_is_left_alone() -> None:
    line = planned({"job": "TTT"}, Known(open={"job": "JF-000007"}))["job"]
    assert (line.act, line.ref, line.why) == ("leave", "JF-000007", "JF-000007 is open for it.")


@pytest.mark.parametrize("letters", ["TTT", "sss", "sO"])
def test_an_open_case_whose_stop_is_not_written_down_is_gone_on_with_whatever_the_job_does_now(letters: str) -> None:
    known = Known(open={"job": "JF-000007"}, uncontained={"JF-000007"})
    line = planned({"job": letters}, known)["job"]
    assert (line.act, line.ref) == ("resume", "JF-000007")


def test_a_job_that_was_stopped_along_with_another_is_left_alone() -> None:
    line = planned({"job": "TTT"}, Known(held={"job": "JF-000007"}))["job"]
    assert (line.act, line.ref) == ("leave", "JF-000007")


def test_a_job_that_somebody_stopped_already_is_left_alone() -> None:
    line = planned({"job": "TTT"}, jobs=[listed("job", active=False)])["job"]
    assert line.act == "leave"
    assert line.why.startswith("Somebody stopped it already")


# -- fixed stays fixed ------------------------------------------------------------------------------------------------


def test_a_job_that_fails_again_after_its_case_closed_reopens_that_case() -> None:
    known = Known(closed={"job": ("JF-000007", NOW - 90 * MINUTE)})
    line = planned({"job": "sT"}, known)["job"]
    assert (line.act, line.ref) == ("reopen", "JF-000007")
    assert line.why.startswith("It fails again though JF-000007 closed. It failed once since 2026-11-21 11:00 UTC")


def test_it_reopens_with_its_causes_patience_only() -> None:
    known = Known(closed={"job": ("JF-000007", NOW - 2.5 * HOUR)})
    assert planned({"job": "FFFFF"}, known)["job"].act == "leave"  # two of its failures are newer


def test_failures_older_than_the_closing_reopen_nothing() -> None:
    assert planned({"job": "TTTT"}, Known(closed={"job": ("JF-000007", NOW)}))["job"].verdict == "fine"


def test_starts_that_were_planned_while_a_case_held_the_job_were_not_missed() -> None:
    known = Known(closed={"job": ("JF-000007", NOW - HOUR)})
    jobs = [listed("job", schedules=[HOURLY])]
    rows = history("job", "s", last=NOW - 5 * HOUR)
    assert planned(rows, known, jobs=jobs)["job"].act == "leave"
    assert planned(rows, jobs=jobs)["job"].act == "report"


# -- the policy's own words -------------------------------------------------------------------------------------------


def test_what_was_not_started_is_stopped_only_where_the_policy_says_so() -> None:
    rows, jobs = history("job", "s", last=NOW - 5 * HOUR), [listed("job", schedules=[HOURLY])]
    assert planned(rows, jobs=jobs)["job"].act == "report"
    line = planned(rows, jobs=jobs, policy=CheckPolicy(missed=Missed(stop=True)))["job"]
    assert (line.act, line.cause, line.run) == ("stop", "unknown", "")


def test_a_job_that_may_just_be_new_is_never_stopped() -> None:
    policy = CheckPolicy(missed=Missed(stop=True))
    assert planned([], jobs=[listed("job", schedules=[HOURLY])], policy=policy)["job"].act == "report"


def test_what_flaps_is_stopped_only_where_the_policy_says_so_and_its_last_run_failed() -> None:
    policy = CheckPolicy(flapping=Flapping(stop=True))
    lines = planned({"failed": "sTsTsT", "well": "TsTsTs"}, policy=policy)
    assert (lines["failed"].act, lines["failed"].cause) == ("stop", "expired_token")
    assert lines["well"].act == "report"


def test_while_a_maintenance_window_is_open_nothing_is_stopped() -> None:
    window = Maintenance(why="the bazaar moves", marketplace="bazaar", begins=NOW - MINUTE, ends=NOW + HOUR)
    policy = CheckPolicy(maintenance=(window,))
    lines = planned(
        {"job": "TTT", "else": "T"}, jobs=[listed("job"), listed("else", marketplace="fair")], policy=policy
    )
    assert lines["job"].act == "leave"
    assert lines["job"].why.startswith("Maintenance (the bazaar moves). It failed 3 times")
    assert lines["else"].act == "stop"


# -- a wider stop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("neighbour", "facts", "alone"),
    [
        ("ssssss", {}, True),  # it works while the other does not
        ("sOOOOO", {}, False),  # it fails as well
        ("ssssss", {"connection": "other"}, False),  # not reached by the stop
        ("ssssss", {"retailer": "other"}, False),
    ],
)
def test_a_job_is_stopped_alone_where_a_wider_stop_would_hit_one_that_works(
    neighbour: str, facts: dict[str, str], alone: bool
) -> None:
    jobs = [listed("job"), listed("neighbour", **facts)]
    scopes = {"connection": Scope.CONNECTION}
    assert planned({"job": "sOOOOO", "neighbour": neighbour}, jobs=jobs, scopes=scopes)["job"].alone is alone
    assert not planned({"job": "sOOOOO", "neighbour": neighbour}, jobs=jobs)["job"].alone


def test_a_case_that_is_reopened_may_have_any_scope_so_that_no_neighbour_works_has_to_hold_for_all() -> None:
    known = Known(closed={"job": ("JF-000007", NOW - 10 * HOUR)})
    jobs = [listed("job"), listed("neighbour", connection="other")]
    for neighbour, alone in (("ssssss", True), ("TTTTTT", False)):
        line = planned({"job": "sTTTTT", "neighbour": neighbour}, known, jobs=jobs)["job"]
        assert (line.act, line.alone) == ("reopen", alone)


# -- the whole plan ---------------------------------------------------------------------------------------------------

letters = st.text(alphabet="TOFsssscru", max_size=12)


@settings(max_examples=examples(20))
@given(st.dictionaries(st.sampled_from("abcdef"), letters, max_size=6), st.data())
def test_the_same_input_gives_the_same_plan_and_stops_nothing_that_last_succeeded(
    histories: dict[str, str], data: st.DataObject
) -> None:
    jobs = [listed(job, active=data.draw(st.booleans()), schedules=[HOURLY]) for job in histories]
    refs = {job: f"JF-{number:06}" for number, job in enumerate(histories)}
    opened = {job: ref for job, ref in refs.items() if data.draw(st.booleans())}
    known = Known(open=opened, closed={job: (f"{ref}0", NOW - 9 * HOUR) for job, ref in refs.items()})
    rows = [one for job, told in histories.items() for one in history(job, told)]
    lines = planned(rows, known, jobs=jobs)
    assert lines == planned(list(reversed(rows)), known, jobs=list(reversed(jobs)))
    assert set(lines) == set(histories)
    for job, line in lines.items():
        finished = [letter for letter in histories[job] if letter in "TOFs"]
        if line.act in ("stop", "reopen"):
            assert finished[-1] != "s"
            assert job not in opened
        if job in opened:
            assert (line.act, line.ref) == ("leave", opened[job])
