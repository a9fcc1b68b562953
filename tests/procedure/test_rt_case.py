"""Cases whose tickets are in Request Tracker: over real HTTP, and with `make test-rt` on a real one (J1, J7, J10)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from caseproof.desks.base import TicketStatus
from caseproof.desks.rt import RequestTracker
from caseproof.desks.rt_wire import RtAccount
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.containment.known_jobs import note_jobs
from sandbox.rt import PASSWORD, QUEUE, RAISED, USER
from tests.support.keeper import Keeper
from tests.support.rt_desks import RTS, request_tracker_of
from tests.support.world import JOB, World


@pytest.fixture(params=RTS)
def people(request: pytest.FixtureRequest, world: World) -> Iterator[Any]:
    """Those who work there; the world's desk is a client of it."""
    with request_tracker_of(request.param) as (people, url):
        account = RtAccount("rt", url, USER, QUEUE, password=PASSWORD, raised=RAISED)
        desk = RequestTracker(account, sleep=lambda _: None)
        world.desk = desk  # type: ignore[assignment]
        yield people
        desk.close()


def test_a_case_closes_with_its_picture_on_the_ticket_that_its_own_was_merged_into(world: World, people: Any) -> None:
    ref = world.open()
    world.walk(ref, until="live")
    dead = world.case(ref).ticket.data["ticket"]  # type: ignore[union-attr]
    alive = people.raise_ticket("The feed is late", "It is.")
    people.merge(dead, alive)
    closed = world.walk(ref)
    assert closed.is_closed
    assert all(check.ok for check in verify_proof(world.proof(ref)))
    ticket = world.desk.find(ref)
    assert ticket is not None
    assert (ticket.id, ticket.status) == (alive, TicketStatus.CLOSED)
    there = {one.sha256 for one in world.desk.attachments(alive)}
    picture = world.vault.read(world.case(ref).photo["evidence"])
    assert hashlib.sha256(picture).hexdigest() in there
    said = [one.text for one in world.desk.comments(alive) if one.ours]
    assert len(said) == len(set(said)), "nothing twice"


def test_a_ticket_raised_there_becomes_a_case_whose_comments_and_closing_there_are_seen(
    world: World, people: Any
) -> None:
    note_jobs(world.services.store, world.clock, "jobs", [world.platform.job(JOB)])
    keeper = Keeper(world)
    ticket = people.raise_ticket("The feed is late", f"Since Monday.\nJob: {JOB}")
    [ref] = keeper(minutes=1).raised
    world.step("ticket", ref)
    assert world.case(ref).ticket.data["ticket"] == ticket  # type: ignore[union-attr]
    assert world.case(ref).opened.actor == "shop@example.com"
    people.say(ticket, "They called again.")
    people.set(ticket, "resolved")
    done = keeper(minutes=1)
    assert (done.said_on_ticket, done.tickets_opened_again, done.raised) == ([ref], [ref], [])
    [said] = world.case(ref).every(Kind.SAID_ON_TICKET)
    assert said["words"] == "They called again."
    assert world.desk.ticket(ticket).status is TicketStatus.OPEN
    assert "J10" in world.desk.comments(ticket)[-1].text
    assert keeper(minutes=1).is_empty
