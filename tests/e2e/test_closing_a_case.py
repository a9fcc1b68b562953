"""Whole cases through a real Prefect, real mail and a real browser, on jobs that are no part of the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.procedure.proving import proof_path
from caseproof.up.processes import wait_until
from sandbox.world import OUR_POOL, PLATFORM, World
from tests.support.own_job import OwnJob, deploy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

WITHOUT = {"answered_by": "operator", "what": "decide without the retailer's word"}
APPROVE = {"answered_by": "team lead", "verdict": "approve"}


def decided(decision: Decision, by: str = "operator", **more: str) -> dict[str, str]:
    """The decision form, filled in."""
    return {"answered_by": by, "decision": decision, "reason": "Seen and settled.", **more}


@pytest.fixture(scope="module")
def world(world_with_jobs_elsewhere: World) -> World:
    return world_with_jobs_elsewhere


def written_by(job: OwnJob, world: World, words: str) -> str:
    """A mail from the job's contact, saved as a file; returns its path."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = job.contact, "cases@example.com", "Re: your notice"
    mail["Message-ID"] = f"<reply@{job.name}.example.com>"
    mail.set_content(words)
    path = world.home / f"{job.name}.eml"
    path.write_bytes(mail.as_bytes())
    return str(path)


def test_j7_a_case_on_a_scheduled_job_elsewhere_closes_after_our_fix_and_the_job_runs_by_itself_again(
    world: World,
) -> None:
    """Also sees a schedule start runs by itself: with the wrong library versions Prefect makes none."""
    job = deploy(world, "night", every=15)
    wait_until("a scheduled run to fail by itself", lambda: _ended(job, "FAILED"), 90)
    ref = job.open_case("--cause", "our_platform", "--by", "operator")
    assert job.deployment()["paused"], "J2: opening the case stopped the job, before any flow run"
    assert job.open_case() == ref, "a second case for the same job is the open one"
    notice = next(m for m in world.mailbox.wait_for(1, 90) if job.contact in m.rcpt_tos).parsed
    assert notice.get_content_type() == "multipart/alternative"
    assert ref in str(notice["Subject"])

    world.answer(ref, "retailers-word", **WITHOUT)
    refused = world.answer(ref, "decision", **decided(Decision.AFTER_CHANGE, checked="I saw it."))
    world.await_question(ref, "retailers-word", after=refused)
    assert "J8" in world.office.case(ref).refused["why"], "no word of the retailer, no such decision"
    job.mend()
    world.answer(ref, "retailers-word", **WITHOUT)
    world.answer(ref, "decision", **decided(Decision.AFTER_FIX))
    own = world.answer(ref, "review", answered_by="operator", verdict="approve", seconds=150)
    world.await_question(ref, "review", after=own)
    assert "another person" in world.office.case(ref).refused["why"]
    world.answer(ref, "review", **APPROVE)
    case = world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None, 120)

    proof = proof_path(world.office, case)
    assert proof is not None
    assert all(check.ok for check in verify_proof(proof)), verify_proof(proof)
    assert read_proof(proof)["rule"] == "J7"
    assert case.photo["url"].startswith(world.jobs_server.ui_url), "the picture is the customers' own page"
    wait_until("the case's run to end", lambda: _state(world, ref) == "COMPLETED", 60)
    since = case.closed.at.isoformat()
    wait_until("the schedule to run the job by itself", lambda: _ended(job, "COMPLETED", since=since), 90)
    world.call(world.jobs_server, "POST", f"deployments/{job.deployment()['id']}/pause_deployment")  # enough seen


def _state(world: World, ref: str) -> str:
    return str(world.flow_run(world.flow_run_of(ref))["state"]["type"])


def _ended(job: OwnJob, state: str, since: str = "") -> bool:
    """Whether a run that the scheduler made ended like this (after ``since``)."""
    floor = datetime.fromisoformat(since) if since else datetime(2000, 1, 1, tzinfo=UTC)
    return any(
        run["state"]["type"] == state and run["auto_scheduled"] and datetime.fromisoformat(run["start_time"]) > floor
        for run in job.runs()
        if run["start_time"]
    )


def test_j9_a_removal_closes_with_a_proof_of_its_own_and_never_says_that_the_job_succeeded(world: World) -> None:
    job = deploy(world, "leaving", every=3600)
    world.run_job(job.id)
    run = _start_from_the_ui(world, job, cause="retailer_offboarded")
    ref = str(wait_until("the run to open its case", lambda: _case_of(world, run), 60))
    world.await_question(ref, "retailers-word")
    confirmed = world.caseproof(
        "case", "confirm", ref, "--from", job.contact, "--message", written_by(job, world, "We stopped selling there.")
    )
    assert confirmed["recorded"]
    world.answer(ref, "decision", **decided(Decision.REMOVE))
    world.answer(ref, "review", seconds=150, **APPROVE)
    case = world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None, 120)

    proof = read_proof(proof_path(world.office, case))
    assert (proof["rule"], proof["kind"], proof["run"]["purpose"]) == ("J8", "removal", "removal")
    assert "succeed" not in proof["statement"]
    assert "ran successfully" not in proof["statement"]
    assert all(check.ok for check in verify_proof(proof_path(world.office, case)))
    assert case.photo["url"].startswith(world.server.ui_url), "the picture is of our own removal run"
    assert world.flow_run(case.run["run"])["deployment_id"] is not None
    assert job.deployment()["paused"], "stopped for good"
    assert case.confirmations[0]["words"].strip() == "We stopped selling there."


def _start_from_the_ui(world: World, job: OwnJob, **fields: str) -> str:
    """Start a case from the run form of the deployment, through the call that the form makes."""
    deployment = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
    assert deployment["work_pool_name"] == OUR_POOL
    asked = {"parameters": {"platform": PLATFORM, "job": job.id, "opened_by": "operator", **fields}}
    return str(
        world.call(world.server, "POST", f"deployments/{deployment['id']}/create_flow_run", json=asked).json()["id"]
    )


def _case_of(world: World, flow_run: str) -> str | None:
    with world.office.store.reading() as unit:
        return unit.cases.by_flow_run(flow_run)


def test_j6_keeping_paused_leaves_the_case_open_with_its_date_and_forcing_its_run_changes_nothing(
    world: World,
) -> None:
    job = deploy(world, "resting")
    ref = job.open_case("--cause", "sync")
    world.answer(ref, "retailers-word", **WITHOUT)
    until = (datetime.now(UTC) + timedelta(days=14)).date().isoformat()
    asked = world.answer(ref, "decision", **decided(Decision.KEEP_PAUSED, paused_until=until))
    world.await_question(ref, "decision", after=asked)
    case = world.office.case(ref)
    assert case.state is State.PAUSED
    assert case.paused_until is not None
    assert case.paused_until.isoformat() == until
    assert [row["paused_until"] for row in world.caseproof("case", "list") if row["ref"] == ref] == [until]

    first = world.flow_run_of(ref)
    forced = {"state": {"type": "COMPLETED", "name": "Completed"}, "force": True}
    assert world.call(world.server, "POST", f"flow_runs/{first}/set_state", json=forced).json()["status"] == "ACCEPT"
    why = world.caseproof("case", "why", ref)
    assert why["status"] == "paused", "whoever has the UI can force a run; a case they cannot"
    assert {"decided", "succeeded", "pictured", "attached"} <= {missing["code"] for missing in why["missing"]}
    assert all(missing["rule"] and missing["next_action"] for missing in why["missing"])

    world.caseproof("case", "wake", ref)
    number = world.await_question(ref, "decision", after=world.office.case(ref).question_number)
    second = world.office.case(ref).asked[number]["flow_run"]
    assert second != first, "a run of the next generation carries it on"
    told = [e for e in world.office.case(ref).events if e.kind is Kind.NOTICE_SENT]
    assert len(told) == 1, "what was done is not done again"


def test_a_run_from_the_form_for_a_job_that_does_not_exist_fails_with_a_sentence_and_opens_nothing(
    world: World,
) -> None:
    deployment = world.call(world.server, "GET", "deployments/name/job-failure-case/job-failure-case").json()
    asked = {"parameters": {"platform": PLATFORM, "job": "nightly-export/nobody"}}
    run = world.call(world.server, "POST", f"deployments/{deployment['id']}/create_flow_run", json=asked).json()["id"]

    def failed() -> str | None:
        state = world.flow_run(run)["state"]
        return state["message"] if state["type"] == "FAILED" else None

    message = wait_until("the run to fail", failed, 90)
    assert "nightly-export/nobody" in message
    assert "Next:" in message
    assert _case_of(world, run) is None
