"""The Prefect job platform against a real server, without a worker: states are set through the API."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import PlatformRefused, RunState, UnknownJob, UnknownRun
from caseproof.platforms.prefect import PrefectJobsClient
from caseproof.platforms.tags import TagConvention
from sandbox.processes import PrefectServer
from tests.support.prefect_world import PrefectWorld as World


@pytest.fixture
def world(prefect_server: PrefectServer) -> Iterator[World]:
    with prefect_server.client() as api:
        yield World(api, f"feed-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def jobs(prefect_server: PrefectServer) -> Iterator[PrefectJobsClient]:
    with PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url) as client:
        yield client


# -- jobs


def test_a_job_says_whose_it_is_by_its_tags(
    world: World, jobs: PrefectJobsClient, prefect_server: PrefectServer
) -> None:
    job_id = world.deploy("shop 12", ("retailer:R12", "marketplace:M1", "connection:C7", "other"))

    job = jobs.job(job_id)

    assert (job.id, job.name) == (job_id, job_id)
    assert (job.retailer, job.marketplace, job.connection, job.stopped_by) == ("R12", "M1", "C7", None)
    assert job.url == f"{prefect_server.ui_url}/deployments/deployment/{world.deployment(job_id)['id']}"


def test_a_job_may_say_that_only_somebody_else_can_stop_it_j3(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("theirs", ("stopped-by:the retailer",))

    assert jobs.job(job_id).stopped_by == "the retailer"


def test_a_team_may_use_other_tags_or_none(world: World, prefect_server: PrefectServer) -> None:
    job_id = world.deploy("shop", ("kunde=R12", "retailer:wrong"))
    tags = TagConvention(retailer="kunde=", connection="", stopped_by="")

    with PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url, tags=tags) as jobs:
        job = jobs.job(job_id)
    assert (job.retailer, job.connection, job.stopped_by) == ("R12", None, None)


def test_an_unknown_job_is_answered_with_those_that_are_alike(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop-12")

    with pytest.raises(UnknownJob) as refused:
        jobs.job(f"{world.flow}/shop-21")

    assert job_id in refused.value.problem
    assert "flow/deployment" in refused.value.next_action


@pytest.mark.parametrize("typed", ["", "shop", "shop/", "/shop"])
def test_a_job_that_is_not_typed_as_flow_and_deployment_is_unknown(jobs: PrefectJobsClient, typed: str) -> None:
    with pytest.raises(UnknownJob, match="flow/deployment"):
        jobs.standing(typed)


def test_a_stop_of_a_marketplace_reaches_all_jobs_of_the_retailer_there(world: World, jobs: PrefectJobsClient) -> None:
    retailer, market = f"retailer:{world.flow}", "marketplace:M1"
    last = world.deploy("z-orders", (retailer, market))
    first = world.deploy("a-stock", (retailer, market, "connection:C1"))
    world.deploy("other-market", (retailer, "marketplace:M2"))
    world.deploy("other-retailer", ("retailer:somebody", market))

    assert [job.id for job in jobs.jobs_in(Scope.MARKETPLACE, jobs.job(last))] == [last, first]
    assert [job.id for job in jobs.jobs_in(Scope.CONNECTION, jobs.job(first))] == [first]
    assert [job.id for job in jobs.jobs_in(Scope.JOB, jobs.job(last))] == [last]


def test_a_wide_stop_of_a_job_that_does_not_say_whose_it_is_is_refused(world: World, jobs: PrefectJobsClient) -> None:
    job = jobs.job(world.deploy("lonely", ("retailer:R12",)))

    with pytest.raises(BadInput, match="marketplace:"):
        jobs.jobs_in(Scope.MARKETPLACE, job)
    with pytest.raises(BadInput, match="connection:"):
        jobs.jobs_in(Scope.CONNECTION, job)


# -- standing, stop, go live


def test_a_stop_pauses_the_schedule_and_leaves_nothing_queued_j2(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop", schedules=(True,))
    assert world.plan(job_id) >= 5
    before = jobs.standing(job_id)
    assert before.active
    assert before.waiting >= 5

    jobs.stop(job_id)

    after = jobs.standing(job_id)
    assert after.is_stopped
    assert (after.active, after.waiting, after.running) == (False, 0, 0)


def test_a_stop_cancels_late_pending_paused_and_running_runs(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop")
    scheduled = world.start(job_id)
    late = world.start(job_id, ("SCHEDULED", "Late"))
    retrying = world.start(job_id, ("RUNNING", None), ("SCHEDULED", "AwaitingRetry"))
    pending = world.start(job_id, ("PENDING", None))
    paused = world.start(job_id, ("RUNNING", None), ("PAUSED", None))
    running = world.start(job_id, ("RUNNING", None))
    done = world.start(job_id, ("RUNNING", None), ("COMPLETED", None))
    assert (jobs.standing(job_id).waiting, jobs.standing(job_id).running) == (5, 1)

    jobs.stop(job_id)

    assert {world.state(run) for run in (scheduled, late, retrying)} == {"CANCELLED"}
    # A worker may hold these: they can never run again, and end when it or Prefect has cleaned up.
    assert {world.state(run) for run in (pending, paused, running)} == {"CANCELLING"}
    assert world.state(done) == "COMPLETED"
    assert jobs.standing(job_id).is_stopped


def test_repeating_a_stop_is_harmless(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop", schedules=(True,))
    world.start(job_id, ("RUNNING", None))
    jobs.stop(job_id)
    first = jobs.standing(job_id)

    jobs.stop(job_id)

    assert jobs.standing(job_id) == first
    assert first.is_stopped
    assert first.running == 1  # it is being cancelled; nobody waits for the worker that is not there


def test_a_stop_reaches_more_runs_than_prefect_lists_at_once(
    world: World, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.platforms.prefect_lists.PAGE", 3)
    job_id = world.deploy("shop")
    for _ in range(7):
        world.start(job_id)

    with PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url) as jobs:
        assert jobs.standing(job_id).waiting == 7
        jobs.stop(job_id)
        assert jobs.standing(job_id).waiting == 0


def test_a_job_that_was_deleted_and_deployed_anew_since_the_look_is_the_one_that_is_stopped(
    world: World, jobs: PrefectJobsClient
) -> None:
    job_id = world.deploy("shop", schedules=(True,))
    assert jobs.standing(job_id).active
    world.delete(job_id)
    assert world.deploy("shop", schedules=(True,)) == job_id
    run = world.start(job_id)

    jobs.stop(job_id)

    assert jobs.standing(job_id).is_stopped
    assert world.state(run) == "CANCELLED"
    world.delete(job_id)
    with pytest.raises(UnknownJob):
        jobs.stop(job_id)


def test_a_run_made_while_the_job_is_paused_is_seen(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop", schedules=(True,))
    jobs.stop(job_id)

    world.start(job_id)

    standing = jobs.standing(job_id)
    assert (standing.active, standing.waiting, standing.is_stopped) == (False, 1, False)


def test_a_job_whose_schedules_are_all_switched_off_is_not_active(world: World, jobs: PrefectJobsClient) -> None:
    assert not jobs.standing(world.deploy("off", schedules=(False, False))).active
    assert jobs.standing(world.deploy("half", schedules=(False, True))).active


def test_a_job_without_a_schedule_is_active_until_it_is_paused(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("by-hand")
    assert jobs.standing(job_id).active

    jobs.stop(job_id)
    assert jobs.standing(job_id).is_stopped

    jobs.go_live(job_id)
    assert jobs.standing(job_id).active


def test_going_live_sets_the_schedule_active_and_repeating_it_is_harmless(
    world: World, jobs: PrefectJobsClient
) -> None:
    job_id = world.deploy("shop", schedules=(False, True))
    jobs.stop(job_id)

    jobs.go_live(job_id)
    jobs.go_live(job_id)

    assert jobs.standing(job_id).active
    assert sorted(one["active"] for one in world.deployment(job_id)["schedules"]) == [False, True]
    assert world.plan(job_id) >= 5  # the places that the stop took from the schedule come back


def test_going_live_without_any_active_schedule_is_refused_and_changes_nothing(
    world: World, jobs: PrefectJobsClient
) -> None:
    job_id = world.deploy("off", schedules=(False,))
    jobs.stop(job_id)

    with pytest.raises(PlatformRefused, match="switched off"):
        jobs.go_live(job_id)

    assert world.deployment(job_id)["paused"] is True


# -- runs


def test_one_key_starts_one_run_even_while_the_job_is_paused(
    world: World, jobs: PrefectJobsClient, prefect_server: PrefectServer
) -> None:
    job_id = world.deploy("shop", schedules=(True,))
    jobs.stop(job_id)

    first = jobs.start_run(job_id, "JF-000001:rerun:1")
    again = jobs.start_run(job_id, "JF-000001:rerun:1")

    assert first == again == jobs.run_by_key(job_id, "JF-000001:rerun:1") == jobs.run(first.id)
    assert (first.name, first.job, first.state) == ("jf-000001-rerun-1", job_id, RunState.WAITING)
    assert first.url == f"{prefect_server.ui_url}/runs/flow-run/{first.id}"
    assert (first.started_at, first.ended_at) == (None, None)
    assert jobs.standing(job_id).waiting == 1


def test_a_run_can_be_started_with_values_of_its_own(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("remove-integration", parameters={"shop": "12", "ref": "none"})

    run = jobs.start_run(job_id, "JF-000001:1", {"ref": "JF-000001"})

    assert world.parameters(run.id) == {"shop": "12", "ref": "JF-000001"}


def test_another_key_or_another_job_starts_another_run(world: World, jobs: PrefectJobsClient) -> None:
    one, other = world.deploy("shop-1"), world.deploy("shop-2")

    runs = {
        jobs.start_run(one, "JF-000001:1").id,
        jobs.start_run(one, "JF-000001:2").id,
        jobs.start_run(other, "JF-000001:1").id,
    }

    assert len(runs) == 3
    assert jobs.run_by_key(other, "JF-000001:2") is None


def test_a_run_that_was_executed_and_completed_has_succeeded_j10(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop")
    run_id = world.start(job_id, ("PENDING", None), ("RUNNING", None), ("COMPLETED", None))

    run = jobs.run(run_id)

    assert (run.state, run.said, run.job) == (RunState.SUCCEEDED, "Completed", job_id)
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.started_at <= run.ended_at
    assert run.started_at.utcoffset() == run.ended_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((("SCHEDULED", "Late"),), RunState.WAITING),
        ((("RUNNING", None), ("SCHEDULED", "AwaitingRetry")), RunState.WAITING),
        ((("PENDING", None),), RunState.WAITING),
        ((("PAUSED", "Suspended"),), RunState.WAITING),
        ((("RUNNING", None),), RunState.RUNNING),
        ((("RUNNING", None), ("CANCELLING", None)), RunState.RUNNING),
        ((("RUNNING", None), ("CANCELLED", None)), RunState.CANCELLED),
        ((("RUNNING", None), ("FAILED", None)), RunState.FAILED),
        ((("RUNNING", None), ("FAILED", "TimedOut")), RunState.FAILED),
        ((("PENDING", None), ("CRASHED", None)), RunState.FAILED),
        ((("RUNNING", None), ("COMPLETED", "Cached")), RunState.UNKNOWN),
        ((("RUNNING", None), ("COMPLETED", "Skipped")), RunState.UNKNOWN),
        # J11: called completed by somebody, without an execution or after a failed one
        ((("COMPLETED", None),), RunState.UNKNOWN),
        ((("RUNNING", None), ("FAILED", None), ("COMPLETED", None)), RunState.UNKNOWN),
        ((("RUNNING", None), ("CANCELLED", None), ("COMPLETED", None)), RunState.UNKNOWN),
    ],
    ids=lambda value: "-".join(said or kind for kind, said in value) if isinstance(value, tuple) else value,
)
def test_what_prefect_says_is_translated(
    world: World, jobs: PrefectJobsClient, states: tuple[tuple[str, str | None], ...], expected: RunState
) -> None:
    run = jobs.run(world.start(world.deploy("shop"), *states))

    assert run.state is expected
    kind, said = states[-1]
    assert run.said == (said or kind.capitalize())


def test_a_run_that_failed_at_first_and_completed_after_a_retry_has_succeeded(
    world: World, jobs: PrefectJobsClient
) -> None:
    states = (("RUNNING", None), ("SCHEDULED", "AwaitingRetry"), ("RUNNING", "Retrying"), ("COMPLETED", None))

    assert jobs.run(world.start(world.deploy("shop"), *states)).state is RunState.SUCCEEDED


def test_a_failed_run_tells_the_platforms_own_message(world: World, jobs: PrefectJobsClient) -> None:
    run_id = world.start(world.deploy("shop"), ("RUNNING", None))
    world.set(run_id, "FAILED", message="401 from the marketplace: token expired")

    assert jobs.run(run_id).message == "401 from the marketplace: token expired"


@pytest.mark.parametrize("run_id", [str(uuid.UUID(int=7)), "no-id-at-all", "../flows"])
def test_a_run_that_is_not_there_is_unknown(jobs: PrefectJobsClient, run_id: str) -> None:
    with pytest.raises(UnknownRun):
        jobs.run(run_id)


def test_a_run_whose_job_was_deleted_can_still_be_read(world: World, jobs: PrefectJobsClient) -> None:
    job_id = world.deploy("shop")
    run_id = world.start(job_id, ("RUNNING", None), ("COMPLETED", None))
    world.api.delete(f"deployments/{world.deployment(job_id)['id']}").raise_for_status()

    assert jobs.run(run_id).job == world.flow
    with pytest.raises(UnknownJob):
        jobs.standing(job_id)


def test_runs_since_are_those_that_started_after_that_moment_oldest_first(
    world: World, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseproof.platforms.prefect_lists.PAGE", 2)
    job_id = world.deploy("shop")
    done = (("RUNNING", None), ("COMPLETED", None))
    before = world.start(job_id, *done)
    later = [world.start(job_id, *done) for _ in range(4)]
    failed = world.start(job_id, ("RUNNING", None), ("FAILED", None))
    world.start(job_id)  # has not started

    with PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url) as jobs:
        since = jobs.run(before).started_at
        assert since is not None
        found = jobs.runs_since(job_id, since)
        elsewhere = jobs.runs_since(job_id, since.astimezone(datetime.now().astimezone().tzinfo))

    assert [run.id for run in found] == [*later, failed]  # the run of that very moment is not among them
    assert [run.state for run in found] == [RunState.SUCCEEDED] * 4 + [RunState.FAILED]
    assert elsewhere == found


def test_a_moment_without_a_time_zone_is_refused(world: World, jobs: PrefectJobsClient) -> None:
    with pytest.raises(BadInput, match="time zone"):
        jobs.runs_since(world.deploy("shop"), datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


# -- the page


def test_the_page_of_a_run_is_prefects_own_and_its_password_is_not_shown(
    world: World, jobs: PrefectJobsClient, prefect_server: PrefectServer
) -> None:
    run = jobs.run(world.start(world.deploy("shop"), name="good-run"))

    page = jobs.page(run)
    assert page.url.startswith(f"{prefect_server.ui_url}/runs/flow-run/{run.id}")
    assert (list(page.names), page.success, dict(page.storage)) == (["good-run", run.id], "Completed", {})

    with PrefectJobsClient(prefect_server.api_url, prefect_server.ui_url, auth="admin:s3cret") as other:
        locked = other.page(run)
    assert locked.storage == {"prefect-password": base64.b64encode(b"admin:s3cret").decode()}
    assert locked.storage["prefect-password"] not in repr(locked)


def test_an_address_that_is_not_the_api_is_not_taken_for_a_job_that_vanished(
    world: World, prefect_server: PrefectServer
) -> None:
    job_id = world.deploy("shop")

    with (
        PrefectJobsClient(f"{prefect_server.ui_url}/apu", prefect_server.ui_url) as jobs,
        pytest.raises(PlatformRefused),
    ):
        jobs.standing(job_id)
