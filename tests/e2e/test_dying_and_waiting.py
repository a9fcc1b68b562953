"""The case's process is killed at the worst moments, and systems are down: nothing is lost, the next run goes on."""

from __future__ import annotations

import pytest

from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.up.processes import wait_until
from sandbox.world import World
from tests.support.killer import proxy_before
from tests.support.own_job import OwnJob, deploy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SAVE_PLATFORM = (
    "import sys; from blocks.platforms import PrefectJobs as P; P(api_url={api!r}, ui_url={ui!r}).save({name!r})"
)


def start_from_the_ui(world: World, job: OwnJob, platform: str) -> str:
    """Start a case from the run form, but only later, so that its id is known before it begins; returns the id."""
    deployment = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
    asked = {"parameters": {"platform": platform, "job": job.id, "opened_by": "operator", "cause": "feed"}}
    run = world.call(world.server, "POST", f"deployments/{deployment['id']}/create_flow_run", json=asked).json()
    return str(run["id"])


def crashed(world: World, flow_run: str) -> bool:
    return str(world.flow_run(flow_run)["state"]["type"]) == "CRASHED"


def case_of(world: World, flow_run: str) -> str:
    with world.office.store.reading() as unit:
        ref = unit.cases.by_flow_run(flow_run)
    assert ref is not None
    return ref


def test_j2_killed_between_the_stop_and_its_record_the_next_run_finds_the_job_stopped_and_stops_it_no_second_time(
    world: World,
) -> None:
    job = deploy(world, "killed-at-the-stop", every=3600)
    with proxy_before(world.jobs_server.api_url) as proxy:
        ui = world.jobs_server.ui_url
        world.python("-c", SAVE_PLATFORM.format(api=proxy.url, ui=ui, name="behind-a-proxy"))
        proxy.kill_after = "/pause_deployment"
        proxy.victim = start_from_the_ui(world, job, "behind-a-proxy")
        assert proxy.killed.wait(120)
        wait_until("Prefect to see the crash", lambda: crashed(world, proxy.victim), 60)
        ref = case_of(world, proxy.victim)
        assert job.deployment()["paused"], "the stop took place"
        assert world.office.case(ref).state is State.OPENED, "and nobody wrote it down"

        world.caseproof("case", "wake", ref)
        world.await_question(ref, "retailers-word", seconds=300)
        assert proxy.count("/pause_deployment") == 1, "read back, not repeated"
    case = world.office.case(ref)
    assert case.contained is not None
    assert case.contained["jobs"][0]["was_active"] is True, "what stood before the stop is not forgotten"
    assert [e.kind for e in case.events][:2] == [Kind.OPENED, Kind.STOPPED]


def test_a_mail_server_that_is_down_makes_the_case_say_so_and_wait_until_somebody_says_try_again(world: World) -> None:
    job = deploy(world, "no-mail")
    world.mailbox.on_message = lambda _: "451 4.3.0 try later"
    try:
        ref = job.open_case("--cause", "connection")
        number = world.await_question(ref, "try-again", seconds=120)
    finally:
        world.mailbox.on_message = None
    case = world.office.case(ref)
    assert case.trouble is not None
    assert case.trouble["step"] == "tell the retailer"
    assert case.trouble["next_action"]
    assert case.notice is None
    assert "tell the retailer" in world.python("-m", "caseproof.cli", "case", "show", ref).stdout

    empty = world.resume(ref)
    assert empty["status"] == "REJECT", "Prefect itself refuses an empty form: who answers has no default"
    world.answer(ref, "try-again", answered_by="operator", remark="the mail server is up again")
    world.await_question(ref, "retailers-word", after=number, seconds=120)
    case = world.office.case(ref)
    assert case.trouble is None
    assert case.notice is not None
    assert len([mail for mail in world.mailbox.messages if job.contact in mail.rcpt_tos]) == 1
