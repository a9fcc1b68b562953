"""A case that the check opened and people closed: its job fails again, the keeper reopens it, and it closes anew."""

from __future__ import annotations

import pytest

from caseproof.domain.case import Case
from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.procedure.proving import proof_path
from sandbox.marketplace import expire_token
from sandbox.world import CONTACT, RETAILER, World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

JOB, NEIGHBOUR = f"marketplace-orders/{RETAILER}", f"stock-feed/{RETAILER}"


def artifact(world: World, key: str) -> str:
    """The newest artifact of this key, as people see it."""
    found = world.call(world.server, "GET", f"artifacts/{key}/latest").json()
    return f"{found['description']}\n{found['data']}"


def is_paused(world: World, job: str) -> bool:
    return bool(world.call(world.server, "GET", f"deployments/name/{job}").json()["paused"])


def fails(world: World) -> None:
    expire_token(world.marketplace_url, RETAILER)
    assert "401" in world.run_job(JOB)["state"]["message"]


def refs(world: World) -> list[str]:
    with world.office.store.reading() as unit:
        return [row.ref for row in unit.cases.rows()]


def carried_to_its_close(world: World, ref: str) -> Case:
    """What the retailer and the team do, through the forms."""
    world.renew_access()
    said = {"what": "the retailer wrote: record it", "sender": CONTACT, "message": "We renewed it, please use it."}
    world.answer(ref, "retailers-word", answered_by="operator", **said)
    decided = {"reason": "They renewed it.", "checked": "The new token is set."}
    world.answer(ref, "decision", answered_by="operator", decision=Decision.AFTER_CHANGE, **decided)
    world.answer(ref, "review", seconds=150, answered_by="team lead", verdict="approve")
    return world.await_case(ref, "closed, with its ticket", lambda case: case.ticket_closed is not None, 120)


def ticket_status(world: World) -> str:
    with world.office.store.reading() as unit:
        (ticket,) = unit.tickets.rows()
    return ticket.status


def notices(world: World) -> list[str]:
    return [str(mail.parsed["Subject"]) for mail in world.mailbox.messages if CONTACT in mail.rcpt_tos]


def test_what_the_check_found_and_the_case_closed_is_reopened_by_the_keeper_when_it_fails_again(world: World) -> None:
    fails(world)
    assert world.run_ours("daily-job-check")["state"]["type"] == "COMPLETED"
    (ref,) = refs(world)
    case = world.office.case(ref)
    assert [event.kind for event in case.events][:2] == [Kind.OPENED, Kind.STOPPED]
    assert (case.facts["job"], case.facts["cause"]) == (JOB, "expired_token"), "the cause is found by itself"
    assert (is_paused(world, JOB), is_paused(world, NEIGHBOUR)) == (True, False)
    assert world.flow_run_of(ref), "the case has its run"
    assert ref in artifact(world, "check-sandbox")
    assert ref in artifact(world, "failing-sandbox")
    closed = carried_to_its_close(world, ref)
    first = proof_path(world.office, closed)
    assert not is_paused(world, JOB)
    assert ticket_status(world) == "closed"

    deleted = world.flow_run_of(ref)
    world.call(world.server, "DELETE", f"flow_runs/{deleted}")
    fails(world)
    assert world.run_ours("case-keeper")["state"]["type"] == "COMPLETED"
    assert refs(world) == [ref], "the same case"
    again = [event.kind for event in world.office.case(ref).events][len(closed.events) :]
    assert again[:2] == [Kind.REOPENED, Kind.STOPPED], "J2: nothing comes before the stop"
    assert is_paused(world, JOB)
    assert ref in artifact(world, "caseproof-board")
    world.await_question(ref, "retailers-word")
    assert world.flow_run(world.flow_run_of(ref))["state"]["name"] == "Suspended", "a new run carries it"
    assert ticket_status(world) == "open"
    told = notices(world)
    assert len(told) == 2
    assert "again" in told[1].lower()

    case = carried_to_its_close(world, ref)
    second = proof_path(world.office, case)
    assert first is not None
    assert second is not None
    assert read_proof(first)["run"] != read_proof(second)["run"]
    assert [check for check in verify_proof(second) if not check.ok] == []
    assert case.opening == 2
    assert notices(world) == told, "what was done is not done again"
    assert ticket_status(world) == "closed"
    assert not is_paused(world, JOB)
