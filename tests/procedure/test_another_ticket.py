"""A case whose ticket was merged into another, or deleted: it goes on in the other one, with all that closing needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from caseproof.desks.base import UnknownTicket
from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import ZohoAccount
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.proof import verify_proof
from caseproof.procedure.containment.opening import open_case_with
from caseproof.procedure.core.by_hand import name_ticket
from caseproof.procedure.core.sentences import whole_sentence
from caseproof.procedure.escalation.opening import SupportWanted, open_support_case
from caseproof.procedure.keeper.looking_at_tickets import look_at_tickets
from caseproof.procedure.keeper.owing import work_off
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.ways import Hands
from sandbox.provider import running
from sandbox.zoho import CLIENT, CONTACT, DEPARTMENT, ORGANISATION, REFRESH, SECRET, ZohoSimulator
from tests.support.world import DECIDER, World


@pytest.fixture
def zoho(world: World) -> Iterator[ZohoSimulator]:
    """A Zoho Desk as the world's desk."""
    with running(ZohoSimulator()) as (zoho, address):
        account = ZohoAccount(
            "zoho", ORGANISATION, DEPARTMENT, CONTACT, CLIENT, SECRET, REFRESH,
            api_url=f"{address}/api/v1", login_url=address,
        )  # fmt: skip
        desk = ZohoDesk(account, world.home, lambda: datetime.now(UTC), sleep=lambda _: None)
        world.desk = desk  # type: ignore[assignment]
        yield zoho
        desk.close()


def number_of(world: World, ref: str) -> str:
    fact = world.case(ref).ticket
    assert fact is not None
    return str(fact["ticket"])


def name(world: World, ref: str, ticket: str, by: str = DECIDER, why: str = "It was merged into that one.") -> None:
    name_ticket(world.services.ledger, world.services.policy.team, ref, ticket, why, by=by)


def refused(world: World, ref: str) -> UnknownTicket:
    with pytest.raises(UnknownTicket) as gone:
        world.walk(ref)
    return gone.value


def closes_there(world: World, zoho: ZohoSimulator, ref: str, ticket: str) -> None:
    """The case closes, and with it this ticket, which has the picture of the run, the proof and where the case is."""
    assert world.walk(ref).is_closed
    assert number_of(world, ref) == ticket
    there = zoho.tickets[ticket]
    assert there.status == "Closed"
    names = [str(file["name"]) for file in there.files]
    assert len([one for one in names if "successful-run" in one]) == 1
    assert len([one for one in names if one.endswith(".json")]) == 1
    assert all(check.ok for check in verify_proof(world.proof(ref)))


def test_a_merged_ticket_whose_number_leads_to_the_other_one_needs_nobody(world: World, zoho: ZohoSimulator) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    old, other = number_of(world, ref), zoho.raise_ticket("The same job", "", department=DEPARTMENT)
    zoho.merge(old, other)
    assert world.walk(ref).is_closed
    assert zoho.tickets[other].status == "Closed"
    assert any("successful-run" in file["name"] for file in zoho.tickets[other].files)


def test_a_merged_ticket_whose_number_leads_nowhere_is_followed_where_the_other_one_has_its_reference(
    world: World, zoho: ZohoSimulator
) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    old, other = number_of(world, ref), zoho.raise_ticket("The same job", "", department=DEPARTMENT)
    zoho.merge(old, other, gone=True, fields=True)
    refused(world, ref)
    trouble = world.case(ref).trouble
    assert trouble is not None
    assert trouble["code"] == Code.TICKET_GONE
    closes_there(world, zoho, ref, other)
    assert world.count(ref, Kind.TICKET_OPENED) == 2


@pytest.mark.parametrize("until", ["tell", "attach", "look"])
def test_a_ticket_that_is_gone_is_asked_for_and_the_one_that_a_person_names_takes_its_place(
    world: World, zoho: ZohoSimulator, until: str
) -> None:
    ref = world.open()
    world.walk(ref, until=until)
    old, other = number_of(world, ref), zoho.raise_ticket("The same job", "", department=DEPARTMENT)
    zoho.set(other, "Closed")
    zoho.merge(old, other, gone=True)
    zoho.tickets[other].files.clear()
    assert f"/cases/{ref}/hand#ticket" in refused(world, ref).next_action
    assert f"/cases/{ref}/hand#ticket" in refused(world, ref).next_action, "trying again helps nothing"
    name(world, ref, other)
    carries = open_case_with(world.services.ledger, other, world.services.policy.desk)
    assert carries is not None
    assert carries.ref == ref, "it becomes no case of its own"
    closes_there(world, zoho, ref, other)
    (said,) = [one["content"] for one in zoho.tickets[other].comments if "goes on in this ticket" in one["content"]]
    assert f"instead of {old}, as {DECIDER} says: It was merged into that one." in said
    assert "takes the place of" in " ".join(told(world, ref))


def told(world: World, ref: str) -> list[str]:
    return [whole_sentence(event) for event in world.case(ref).events]


def test_a_ticket_that_there_is_not_is_not_taken_and_a_right_one_may_be_named_then(
    world: World, zoho: ZohoSimulator
) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    old, other = number_of(world, ref), zoho.raise_ticket("Its place", "", department=DEPARTMENT)
    zoho.delete(old)
    name(world, ref, "4711")
    assert "4711" in refused(world, ref).problem
    assert number_of(world, ref) == old
    name(world, ref, other, why="Mistyped before.")
    closes_there(world, zoho, ref, other)


def test_who_names_a_ticket_says_which_and_why_and_is_on_the_team(world: World) -> None:
    ref = world.open()
    with pytest.raises(NotAllowed, match="has no ticket yet"):
        name(world, ref, "T-000007")
    world.walk(ref, until="tell")
    for ticket, why, said in (
        (" ", "x", "which ticket"),
        ("T-7", " ", "why"),
        (number_of(world, ref), "x", "as it is"),
    ):
        with pytest.raises(BadInput, match=said):
            name(world, ref, ticket, why=why)
    with pytest.raises(NotOnTheTeam):
        name(world, ref, "T-7", by="a stranger")
    assert world.walk(ref).is_closed
    with pytest.raises(NotAllowed, match="is closed"):
        name(world, ref, "T-7")


def test_a_support_case_s_ticket_that_is_gone_is_owed_with_where_to_name_another(
    world: World, zoho: ZohoSimulator
) -> None:
    services = world.services
    wanted = SupportWanted(
        client="Example Foods",
        site="",
        product="WooCommerce",
        summary="The cart is empty",
        said="Customers see an empty cart.",
        how="telephone",
    )
    ref = open_support_case(services.ledger, services.files, services.policy, wanted, "front line")[0].ref

    def pass_by() -> str:
        world.clock.move(minutes=15)
        problems = Problems()
        hands = Hands(
            services.ledger, services.effects, services.links, services.policy, lambda: world.desk,
            lambda: services.dispatch(world.send), services.files,
        )  # fmt: skip
        work_off(hands, problems, 60)
        look_at_tickets(hands, problems, 60)
        return " ".join(problems.said.values())

    assert pass_by() == ""
    old, other = number_of(world, ref), zoho.raise_ticket("Its place", "", department=DEPARTMENT)
    zoho.delete(old)
    assert f"/cases/{ref}/hand#ticket" in pass_by()
    name(world, ref, other)
    assert pass_by() == ""
    assert number_of(world, ref) == other
