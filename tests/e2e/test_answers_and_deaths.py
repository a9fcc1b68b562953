"""Cases on the very server that runs the jobs, through a real SMTP and a real IMAP server.

Nobody's mail but the contact's own leads to the re-run and to a closed case, and when the job fails again the keeper
reopens it (how the confirmation page leads there is in test_the_demo.py). And the case's process is killed at the worst
moment, or the mail server is down: nothing is lost, the next run goes on.
"""

from __future__ import annotations

import pytest

from caseproof.domain.case import Case
from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.proving import proof_path
from caseproof.store import Place
from caseproof.up.processes import wait_until
from sandbox.marketplace import expire_token
from sandbox.retailer import Retailer
from sandbox.world import CONTACTS, World
from tests.support.killer import proxy_before
from tests.support.own_job import OwnJob, deploy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

GARDEN, *_ = CONTACTS
JOB, NEIGHBOUR = f"marketplace-orders/{GARDEN}", f"stock-feed/{GARDEN}"
STRANGER = "reseller@elsewhere.example.net"


def artifact(world: World, key: str) -> str:
    """The newest artifact of this key, as people see it."""
    found = world.call(world.server, "GET", f"artifacts/{key}/latest").json()
    return f"{found['description']}\n{found['data']}"


def is_paused(world: World, job: str) -> bool:
    return bool(world.call(world.server, "GET", f"deployments/name/{job}").json()["paused"])


def fails(world: World, retailer: str) -> str:
    """The retailer's job fails, and the daily check opens a case for it, which is returned."""
    expire_token(world.marketplace_url, retailer)
    assert "401" in world.run_job(f"marketplace-orders/{retailer}")["state"]["message"]
    before = set(refs(world))
    assert world.run_ours("daily-job-check")["state"]["type"] == "COMPLETED"
    (ref,) = set(refs(world)) - before
    return ref


def refs(world: World) -> list[str]:
    with world.office.store.reading() as unit:
        return [row.ref for row in unit.cases.rows()]


def person(world: World, retailer: str) -> Retailer:
    return Retailer(world.mailbox, CONTACTS[retailer], f"The owner of {retailer}")


def places(world: World, ref: str) -> list[Place]:
    """Where the messages about the case ended, oldest first."""
    with world.office.store.reading() as unit:
        return [row.place for row in unit.messages.of_case(ref)]


def read_the_mailbox(world: World) -> None:
    assert world.run_ours("retailer-inbox")["state"]["type"] == "COMPLETED"
    assert world.inbox is not None
    assert world.inbox.folder("INBOX") == [], "what was read is put away"


def nothing_counts_but_the_contacts_own_word(world: World, ref: str, owner: Retailer) -> None:
    """A vacation reply and a stranger's, in the very thread of the notice: the case waits on as before (J8)."""
    letter = owner.letters[-1]
    before, run = world.office.case(ref), world.flow_run_of(ref)
    owner.is_away(letter)
    world.mailbox.senders[STRANGER] = "genuine, and a stranger all the same"
    owner.passed_on(letter, STRANGER, "We renewed the access, you can use it again.")
    read_the_mailbox(world)
    assert places(world, ref)[-2:] == [Place.AUTOMATIC, Place.REFUSED]
    case = world.office.case(ref)
    (event,) = case.events[len(before.events) :]
    assert event.kind is Kind.CONFIRMATION_REFUSED
    assert STRANGER in event.data["why"], "an operator reads why"
    assert (case.words, case.state, case.question) == ((), before.state, before.question)
    assert world.flow_run_of(ref) == run
    assert world.flow_run(run)["state"]["name"] == "Suspended", "nobody woke it"


def closed_after_a_mail(world: World, ref: str, owner: Retailer) -> Case:
    """The contact answers the notice, the team decides and reviews."""
    world.renew_access(GARDEN)
    owner.answer(owner.letters[-1], "Hello,\nwe renewed the access yesterday.\n\nThe owner")
    read_the_mailbox(world)
    case = world.office.case(ref)
    (word,) = case.words
    assert (word["sender"], word["by_way_of"]) == (owner.address, "mail")
    assert word["words"].startswith("Hello,\nwe renewed the access yesterday."), "verbatim, without what it quotes"
    decided = {"reason": "They renewed it.", "checked": "The new token is set."}
    world.answer(ref, "decision", answered_by="operator", decision=Decision.AFTER_CHANGE, **decided)
    world.answer(ref, "review", seconds=150, answered_by="team lead", verdict="approve")
    return world.await_case(ref, "closed, and the retailer told", lambda case: case.recovery is not None, 120)


def ticket_status(world: World, ref: str) -> str:
    with world.office.store.reading() as unit:
        (ticket,) = [ticket for ticket in unit.tickets.rows() if ticket.key == ref]
    return ticket.status


def test_a_contacts_mail_closes_the_case_nobody_elses_does_and_a_job_that_fails_again_reopens_it(world: World) -> None:
    ref, owner = fails(world, GARDEN), person(world, GARDEN)
    case = world.office.case(ref)
    assert [event.kind for event in case.events][:2] == [Kind.OPENED, Kind.STOPPED]
    assert (case.facts["job"], case.facts["cause"]) == (JOB, "expired_token"), "the cause is found by itself"
    assert (is_paused(world, JOB), is_paused(world, NEIGHBOUR)) == (True, False)
    assert ref in artifact(world, "check-sandbox")
    assert ref in artifact(world, "failing-sandbox")
    world.await_question(ref, "retailers-word")
    nothing_counts_but_the_contacts_own_word(world, ref, owner)
    closed = closed_after_a_mail(world, ref, owner)
    proof = proof_path(world.office, closed)
    assert proof is not None
    assert [check for check in verify_proof(proof) if not check.ok] == []
    assert not is_paused(world, JOB)
    assert ticket_status(world, ref) == "closed"
    assert "running again" in owner.letters[-1].get_body(("plain",)).get_content().lower()

    deleted = world.flow_run_of(ref)
    world.call(world.server, "DELETE", f"flow_runs/{deleted}")
    expire_token(world.marketplace_url, GARDEN)
    assert "401" in world.run_job(JOB)["state"]["message"]
    assert world.run_ours("case-keeper")["state"]["type"] == "COMPLETED"
    assert refs(world) == [ref], "the same case"
    again = [event.kind for event in world.office.case(ref).events][len(closed.events) :]
    assert again[:2] == [Kind.REOPENED, Kind.STOPPED], "J2: nothing comes before the stop"
    assert is_paused(world, JOB)
    assert ref in artifact(world, "caseproof-board")
    world.await_question(ref, "retailers-word")
    assert world.flow_run(world.flow_run_of(ref))["state"]["name"] == "Suspended", "a new run carries it"
    assert ticket_status(world, ref) == "open"
    assert "again" in owner.letters[-1]["Subject"].lower()
    assert len(owner.letters) == 3, "a notice, its good end, and a notice: what was done is not done again"


# -- a process that is killed, and a mail server that is down ----------------------------------------------------------

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
