"""A survey of Prefect reads every run once, or fails: what it leaves out or makes up could stop a job wrongly.

The platform is the job farm's answers, without a process or a network around them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseproof.domain.errors import BadInput
from caseproof.platforms.base import PlatformDown, Run, RunState, Schedule, Survey
from caseproof.platforms.prefect import PrefectJobsClient
from sandbox.farm import FarmServer
from sandbox.farm_http import Asked
from tests.support.examples import examples

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=1)


class Platform:
    """A farm that a client asks directly. ``before`` is called before each answer; ``waits`` are the client's."""

    def __init__(self, *jobs: dict[str, Any]) -> None:
        self.farm = FarmServer(jobs, NOW - datetime.now(UTC))
        self.calls: Counter[str] = Counter()
        self.waits: list[float] = []
        self.before: Callable[[str], None] = lambda _: None

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/")
        self.calls[path] += 1
        self.before(path)
        body = json.loads(request.content) if request.content else {}
        reply = self.farm.answer(Asked(request.method, request.url.path, dict(request.url.params), body))
        if reply.drop:
            raise httpx.RemoteProtocolError("no")
        return httpx.Response(reply.status, json=reply.body, headers=reply.headers)

    def behaves(self, kind: str, path: str = "", **how: Any) -> None:
        told = [{"kind": kind, "path": path, **how}]
        assert self.farm.answer(Asked("POST", "/farm/behaviour", {}, told)).status == 200

    def survey(self, jobs: list[str] | None = None, since: datetime = SINCE) -> Survey:
        client = PrefectJobsClient(
            "http://farm/api", "http://farm", transport=httpx.MockTransport(self._answer), sleep=self.waits.append
        )
        return client.survey(since, jobs)

    def runs(self, jobs: list[str] | None = None) -> list[Run]:
        return [run for page in self.survey(jobs).pages for run in page]


def job(name: str, *runs: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"id": f"feed/{name}", "runs": list(runs), **facts}


def ran(hours_ago: float, state: str = "COMPLETED", **facts: Any) -> dict[str, Any]:
    return {"start": (NOW - timedelta(hours=hours_ago)).isoformat(), "state": state, **facts}


@pytest.fixture
def pages_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caseproof.platforms.prefect_lists.PAGE", 3)
    monkeypatch.setattr("caseproof.platforms.prefect_lists.NEW_MEANWHILE", 100)
    monkeypatch.setattr("caseproof.platforms.prefect_lists.MOST_ROWS", 100)


# -- what it gives


def test_our_own_deployments_on_the_same_server_are_no_customer_s_jobs_unless_named() -> None:
    platform = Platform(job("a", ran(1)), job("case-keeper", ran(1, "FAILED"), tags=["caseproof"]))
    assert [one.job.id for one in platform.survey().jobs] == ["feed/a"]
    assert {run.job for run in platform.runs()} == {"feed/a"}
    assert [one.job.id for one in platform.survey(["feed/case-keeper"]).jobs] == ["feed/case-keeper"]


def test_a_survey_gives_all_jobs_with_whose_they_are_and_their_active_schedules() -> None:
    hourly = {"interval": 3600.0, "anchor_date": "2026-01-01T01:00:00+01:00", "timezone": "Europe/Berlin"}
    daily = {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "day_or": True}
    platform = Platform(
        job("a", tags=["retailer:R1", "marketplace:M1"], schedules=[{"schedule": hourly}]),
        job("b", schedules=[{"schedule": daily}, {"schedule": hourly, "active": False}]),
        job("c", schedules=[{"schedule": {"rrule": "FREQ=DAILY", "timezone": "UTC"}}]),
        job("d", schedules=[{"schedule": daily}], paused=True),
        job("e", schedules=[{"schedule": daily, "active": False}]),
        job("f", schedules=[{"schedule": daily | {"day_or": False}}, {"schedule": {"interval": 0.0}}]),
    )

    survey = platform.survey()

    berlin = Schedule(cron="0 6 * * *", timezone="Europe/Berlin")
    every_hour = Schedule(every=timedelta(hours=1), anchor=datetime(2026, 1, 1, tzinfo=UTC), timezone="Europe/Berlin")
    assert {one.job.id: (one.active, one.schedules) for one in survey.jobs} == {
        "feed/a": (True, (every_hour,)),
        "feed/b": (True, (berlin,)),
        "feed/c": (True, (Schedule(),)),  # of a kind that we cannot follow
        "feed/d": (False, (berlin,)),
        "feed/e": (False, ()),
        "feed/f": (True, (Schedule(timezone="Europe/Berlin"), Schedule())),
    }
    whose = {one.job.id: (one.job.retailer, one.job.marketplace) for one in survey.jobs}
    assert whose["feed/a"] == ("R1", "M1")
    assert whose["feed/b"] == (None, None)  # reported, not dropped
    assert survey.clock is not None
    assert abs(survey.clock - NOW) < timedelta(minutes=5)


def test_a_survey_gives_the_runs_that_started_after_that_moment_with_what_became_of_them() -> None:
    platform = Platform(
        job("a", ran(30), ran(24), ran(3, "FAILED", message="401"), ran(2, "NEW_ONE"), ran(1, "RUNNING")),
        job("b", ran(4, "CANCELLED"), ran(5, "CRASHED"), ran(-2, "SCHEDULED")),
    )

    runs = platform.runs()

    assert [(run.job, run.state) for run in runs] == [
        ("feed/b", RunState.FAILED),
        ("feed/b", RunState.CANCELLED),
        ("feed/a", RunState.FAILED),
        ("feed/a", RunState.UNKNOWN),
        ("feed/a", RunState.RUNNING),
    ]
    failed, running = runs[2], runs[-1]
    assert (failed.message, failed.said, failed.started_at) == ("401", "Failed", NOW - timedelta(hours=3))
    assert failed.url.endswith(f"/runs/flow-run/{failed.id}")
    assert running.ended_at is None


def test_a_survey_tells_the_starts_that_the_scheduler_planned_and_nobody_made() -> None:
    platform = Platform(
        job("a", ran(30), ran(3, "SCHEDULED"), ran(1, "SCHEDULED"), ran(2), ran(-1, "SCHEDULED")),
        job("b", ran(4, "CANCELLED"), ran(2, "RUNNING")),
        job("c"),
    )
    by_hand = platform.farm.state.new_run(platform.farm.state.by_job["feed/c"])
    by_hand.planned = NOW - timedelta(hours=5)

    for jobs in (None, ["feed/a", "feed/c"]):
        late = {one.job.id: one.late for one in platform.survey(jobs).jobs}
        assert late.pop("feed/a") == (NOW - timedelta(hours=3), NOW - timedelta(hours=1))
        assert set(late.values()) == {()}


@pytest.mark.usefixtures("pages_of_three")
def test_late_runs_that_pile_up_are_read_as_far_as_they_count_and_the_latest_are_told() -> None:
    platform = Platform(job("a", *(ran(hours / 10, "SCHEDULED") for hours in range(300))))

    late = platform.survey().jobs[0].late

    assert len(late) == 25 * 3
    assert late[-1] > NOW - timedelta(minutes=7)
    assert list(late) == sorted(late)


def test_a_survey_of_some_jobs_gives_those_and_their_runs_alone() -> None:
    platform = Platform(job("a", ran(1)), job("b", ran(2)), {"id": "other/b", "runs": [ran(3)]})

    survey = platform.survey(["feed/b", "feed/gone", "no job at all"])

    assert [one.job.id for one in survey.jobs] == ["feed/b"]
    assert [run.job for page in survey.pages for run in page] == ["feed/b"]
    nothing = platform.survey([])
    assert (list(nothing.jobs), list(nothing.pages)) == ([], [])


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(BadInput, match="time zone"):
        Platform().survey(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_the_clock_of_a_survey_is_the_platforms_own_even_hours_off() -> None:
    platform = Platform(job("a"))
    platform.behaves("clock", value=5)

    clock = platform.survey().clock

    assert clock is not None
    assert abs(clock - NOW - timedelta(hours=5)) < timedelta(minutes=5)


# -- a success is an executed run (J10, J11)


def test_a_run_that_failed_and_was_called_completed_is_no_success_and_that_costs_no_call() -> None:
    platform = Platform(job("a", ran(3, "FAILED"), ran(2, forced=True), ran(1)))

    assert [run.state for run in platform.runs()] == [RunState.FAILED, RunState.UNKNOWN, RunState.SUCCEEDED]
    assert platform.calls["flow_run_states/"] == 0


def test_only_of_a_run_that_was_not_running_all_the_time_the_history_is_asked_for() -> None:
    platform = Platform(job("a", ran(4)))
    state = platform.farm.state
    found = state.by_job["feed/a"]
    steps = {
        "retried": ("RUNNING", "SCHEDULED", "RUNNING", "COMPLETED"),
        "called so while it waited for its retry": ("RUNNING", "SCHEDULED", "COMPLETED"),
        "called so without ever running": ("PENDING", "COMPLETED"),
    }
    for name, kinds in steps.items():
        run = state.new_run(found, name=name)
        for minute, kind in enumerate(kinds):
            run.becomes(kind, NOW - timedelta(hours=2) + timedelta(minutes=minute))
    state.changed()

    states = {run.name: run.state for run in platform.runs()}

    assert states == {
        "run-1": RunState.SUCCEEDED,
        "retried": RunState.SUCCEEDED,
        "called so while it waited for its retry": RunState.UNKNOWN,
        "called so without ever running": RunState.UNKNOWN,
    }
    assert platform.calls["flow_run_states/"] == 2


# -- lists that are hard to read to their end

ALL_KINDS = st.sampled_from(["well", "half pages", "repeats"])


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 6)), max_size=25), ALL_KINDS, st.booleans())
def test_every_run_comes_once_however_the_pages_are_cut(told: list[tuple[int, int]], kind: str, some: bool) -> None:
    # Few moments for many runs: pages end in the midst of runs that started together.
    runs: dict[int, list[dict[str, Any]]] = {0: [], 1: [], 2: []}
    for which, hours in told:
        runs[which].append(ran(24 - hours))
    platform = Platform(*(job(str(which), *mine) for which, mine in runs.items()))
    if kind != "well":
        platform.behaves(kind)
    jobs = ["feed/0", "feed/1"] if some else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("caseproof.platforms.prefect_lists.PAGE", 4)
        found = platform.runs(jobs)

    expected = sorted(
        (SINCE + timedelta(hours=hours), f"feed/{which}")
        for which, hours in told
        if hours > 0 and (which < 2 or not some)
    )
    assert sorted((run.started_at, run.job) for run in found) == expected
    assert len({run.id for run in found}) == len(found)


@pytest.mark.usefixtures("pages_of_three")
def test_runs_that_start_while_the_pages_are_read_move_nothing() -> None:
    platform = Platform(job("a", *(ran(hours) for hours in range(20, 2, -1))))
    state = platform.farm.state
    before = set(state.runs)

    def meanwhile(path: str) -> None:
        if path == "flow_runs/filter":
            state.describe(job("new", ran(1 / platform.calls[path], "RUNNING")))
            oldest = state.in_order()[0]
            state.delete(oldest)  # as a clean-up does: a count of rows would now skip one

    platform.before = meanwhile
    found = [run.id for run in platform.runs()]

    assert len(found) == len(set(found))
    assert set(state.runs) & before <= set(found)


@pytest.mark.usefixtures("pages_of_three")
def test_a_run_of_a_job_that_was_made_meanwhile_waits_for_the_next_survey() -> None:
    platform = Platform(job("a", ran(2)))
    survey = platform.survey()
    platform.farm.state.describe(job("new", ran(1)))

    assert [run.job for page in survey.pages for run in page] == ["feed/a"]


@pytest.mark.usefixtures("pages_of_three")
@pytest.mark.parametrize(
    ("kind", "path", "says"),
    [
        ("endless", "flow_runs/filter", "without an end"),
        ("growing", "flow_runs/filter", "without an end"),
        ("cut short", "flow_runs/filter", "gave [1-9]+ of 10 runs"),
        ("endless", "deployments/filter", "without an end"),
        ("growing", "deployments/filter", "without an end"),
        ("endless", "flows/filter", "without an end"),
        ("cut short", "deployments/filter", "gave 3 of 10 deployments"),
    ],
)
def test_a_list_that_cannot_be_read_to_its_end_is_never_judged(kind: str, path: str, says: str) -> None:
    platform = Platform(*({"id": f"feed-{hours}/shop", "runs": [ran(hours)]} for hours in range(1, 11)))
    platform.behaves(kind, path)

    with pytest.raises(PlatformDown, match=says) as error:
        platform.runs()

    assert "again" in error.value.next_action
    assert sum(platform.calls.values()) < 500


@pytest.mark.parametrize(
    ("kind", "waits"),
    [("too many", [7.0, 7.0]), ("unavailable", [pytest.approx(0.5, abs=0.3), pytest.approx(1, abs=0.6)])],
)
def test_a_busy_platform_is_waited_for(kind: str, waits: list[float]) -> None:
    platform = Platform(job("a", ran(1)))
    platform.behaves(kind, "flow_runs", times=2, value=7)

    assert len(platform.runs()) == 1
    assert platform.waits == waits


def test_a_connection_that_breaks_while_a_page_is_read_costs_nothing_and_one_that_stays_broken_is_down() -> None:
    platform = Platform(job("a", ran(1)))
    platform.behaves("drop", "flow_runs/count", times=2)
    assert len(platform.runs()) == 1

    platform.behaves("drop", "flow_runs/count")
    with pytest.raises(PlatformDown, match="broke off"):
        platform.runs()
