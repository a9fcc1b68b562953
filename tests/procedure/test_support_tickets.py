"""A support case has its ticket on the desk, which says what happens and who has it; development's ticket carries all
that was tried (E5, E12). Each is made once, read back, and made up for when the desk was down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from caseproof.desks.base import DeskDown, DeskError, TicketStatus
from caseproof.desks.embedded import EmbeddedDesk
from caseproof.domain.case import Case
from caseproof.domain.emergency.raising import Raising, Sighting
from caseproof.domain.emergency.vocabulary import Criterion, OwnLadder
from caseproof.domain.owing import Debt
from caseproof.domain.support.efforts import documents, items
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.payloads import DevelopmentTicket
from caseproof.domain.support.vocabulary import Outcome
from caseproof.procedure.closing.ticket import ensure_ticket
from caseproof.procedure.core.by_hand import name_ticket
from caseproof.procedure.core.recordings import say_there_is_none
from caseproof.procedure.escalation.opening import SupportWanted, open_support_case
from caseproof.procedure.keeper.giving_up import give_up
from caseproof.procedure.keeper.owing import work_off
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.ways import Hands
from caseproof.procedure.paging.raising import end_emergency, raise_emergency
from caseproof.procedure.paging.updating import give_update
from caseproof.store.tickets import TicketRow
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, mails
from tests.support.support_cases import PEOPLE, SupportCase
from tests.support.support_cases import in_state as told_until
from tests.support.world import World

WANTED = SupportWanted(
    client="Example Foods", site="shop.example.com", product="WooCommerce", summary="The cart is empty",
    said="Customers see an empty cart.\n# Not a heading", how="telephone",
)  # fmt: skip
DOWN = DeskDown("The desk hangs.", "Wait.")
ROSTER = [{"name": name, "tier": tier, "mobile": f"+1202555010{n}"} for n, (tier, name) in enumerate(PEOPLE.items())]
MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(on_call={"people": ROSTER, "tiers": ["PT"]})


def opened(world: World, state: State = State.WITH_L1) -> str:
    """A support case of this world, to which the same happened as to the told one that stands there."""
    services = world.services
    case, _ = open_support_case(services.ledger, services.files, services.policy, WANTED, "front line")
    for event in told_until(state).case.events:
        if event.kind is Kind.OPENED:
            continue
        happens(world, case.ref, event.kind, event.actor, **_of_this(world.case(case.ref), event.data))
    return case.ref


def _of_this(case: Case, data: Any) -> dict[str, Any]:
    """PT's lines are numbered by the events of their own case."""
    if "of" not in data:
        return dict(data)
    place = str(data["of"]).partition(".")[2]
    return {**data, "of": next(item.key for item in items(case) if item.key.endswith(f".{place}"))}


def happens(world: World, ref: str, kind: Kind, actor: str = "caseproof", /, **data: Any) -> Case:
    world.clock.move(minutes=1)
    return world.services.ledger.record(ref, kind, actor, **data)


def work(world: World, minutes: float = 11, desks: dict[str, EmbeddedDesk] | None = None) -> Problems:
    """A pass of what is owed, once its time has come."""
    world.clock.move(minutes=minutes)
    services, problems = world.services, Problems()
    hands = Hands(
        services.ledger, services.effects, services.links, services.policy, lambda: world.desk,
        lambda: services.dispatch(world.send), services.files, (lambda name: desks[name]) if desks else None,
    )  # fmt: skip
    work_off(hands, problems, 60)
    return problems


def tickets(world: World) -> list[TicketRow]:
    with world.services.store.reading() as uow:
        return uow.tickets.rows()


def comments(world: World, ticket: int = 1) -> list[str]:
    with world.services.store.reading() as uow:
        return [row.text for row in uow.tickets.comments(ticket)]


def owed(world: World, ref: str) -> set[Debt]:
    with world.services.store.reading() as uow:
        return {row.what for row in uow.owed.of(ref)}


def test_a_support_case_goes_on_in_the_ticket_that_a_person_names(world: World) -> None:
    ref = opened(world)
    work(world)
    other = world.desk.create("another", "The same, from the client's side", "")
    world.desk.set_status(other.id, TicketStatus.CLOSED)
    services = world.services
    name_ticket(services.ledger, services.policy.team, ref, other.id, "Merged by the front line.", by="operator")
    assert not work(world).said
    assert not work(world).said
    fact = world.case(ref).ticket
    assert fact is not None
    assert (fact["ticket"], fact["instead_of"], owed(world, ref)) == (other.id, "T-000001", set())
    assert world.desk.ticket(other.id).status is TicketStatus.OPEN
    (said,) = [one for one in comments(world, 2) if "goes on in this ticket" in one]
    assert "Merged by the front line." in said
    happens(world, ref, Kind.NOTED, "operator", note="x")
    work(world)
    assert len(tickets(world)) == 2


def test_the_ticket_says_whose_it_is_what_was_said_and_who_has_it(world: World) -> None:
    ref = opened(world)
    assert not work(world).said
    assert not work(world).said, "and it is made once"
    (ticket,) = tickets(world)
    assert (ticket.subject, ticket.key) == (f"[{ref}] Example Foods: The cart is empty", ref)
    for said in ("Client: Example Foods", "With: L1, the front line (front line)", "> Customers see an empty cart."):
        assert said in ticket.body
    assert "\n# Not" not in ticket.body, "no words of the client make a heading"
    fact = world.case(ref).ticket
    assert fact is not None
    assert (fact["desk"], fact["ticket"]) == (world.services.policy.desk, "T-000001")


def test_each_step_of_the_ladder_is_told_on_the_ticket_with_the_tier_and_its_people(world: World) -> None:
    ref = opened(world, State.WITH_PT)
    work(world)
    work(world)
    told = comments(world)
    assert any("PT took the case\nNow with PT, the product team (product technician)." in one for one in told)
    assert any("second-line technician (L2): L2 asked PT: which plugin empties the session?" in one for one in told)
    assert any("Now with L2 (second-line technician)." in one for one in told)
    assert len(told) == len(set(told)) == len([e for e in world.case(ref).events if e.data.get("tier")])
    assert owed(world, ref) == set()


def test_while_the_desk_is_down_the_case_goes_on_and_the_ticket_catches_up(world: World) -> None:
    ref = opened(world, State.WITH_L2)
    world.desk.faulty.fails("create", before=DOWN, times=2)
    assert work(world).said
    assert world.case(ref).ticket is None
    for _ in range(6):
        work(world, minutes=60)
    assert len(tickets(world)) == 1
    assert any("L1 handed over to L2" in one for one in comments(world))
    assert owed(world, ref) == set()


def test_the_ticket_closes_with_the_case_and_is_read_back_and_opens_again_with_it(world: World) -> None:
    ref = opened(world, State.WITH_L1)
    work(world)
    _close(world, ref)
    for _ in range(2):
        work(world)
    case = world.case(ref)
    assert case.ticket_closed is not None
    assert world.desk.ticket("T-000001").status is TicketStatus.CLOSED
    assert any(f"{ref} is closed." in one for one in comments(world))
    happens(world, ref, Kind.REOPENED, "front line", why="the client called again")
    work(world)
    assert world.desk.ticket("T-000001").status is TicketStatus.OPEN
    assert any("open again. the client called again" in one for one in comments(world))
    assert len(tickets(world)) == 1


@pytest.mark.parametrize("down", [0, 1, 3])
def test_what_happened_is_told_on_the_ticket_before_it_is_closed_in_the_order_in_which_it_happened(
    world: World, down: int
) -> None:
    ref = opened(world, State.WITH_L2)
    work(world)
    _close(world, ref)
    world.desk.faulty.fails("comment", what="/note/", before=DOWN, times=down)
    work(world, minutes=3)  # the closing is owed by now, and what happened is not yet
    for _ in range(6):
        work(world, minutes=60)
    assert owed(world, ref) == set()
    said = comments(world)
    assert f"{ref} is closed." in said[-1]
    times = [one.partition(" UTC")[0] for one in said[:-1]]
    assert times == sorted(times)
    assert len(times) == 5


def test_a_note_that_the_desk_refuses_for_good_holds_up_no_closing(world: World) -> None:
    ref = opened(world, State.WITH_L1)
    work(world)
    _close(world, ref)
    world.desk.faulty.fails(
        "comment", what="/note/", before=DeskError("It holds a word that is not allowed."), times=99
    )
    work(world, minutes=3)
    assert world.desk.ticket("T-000001").status is TicketStatus.CLOSED
    assert owed(world, ref) == {Debt.NOTE}


def _close(world: World, ref: str) -> None:
    told = SupportCase(world.case(ref))
    before = told.case.version
    for event in told.closed().case.events[before:]:
        data = dict(event.data)
        if event.kind is Kind.PROOF_MADE:
            data["head"] = world.case(ref).head
        happens(world, ref, event.kind, event.actor, **data)


def test_a_case_that_closed_while_the_desk_was_down_gets_its_ticket_and_it_is_closed(world: World) -> None:
    ref = opened(world, State.WITH_L1)
    _close(world, ref)
    work(world)
    work(world)
    assert world.desk.ticket("T-000001").status is TicketStatus.CLOSED
    assert owed(world, ref) == set()


def test_the_policy_names_a_desk_for_support_and_one_for_development(make_world: MakeWorld) -> None:
    world = make_world(desks={"support": "zoho", "development": "code"})
    here = world.services
    desks = {
        "zoho": EmbeddedDesk(here.store, here.vault, here.clock, "https://zoho.example.com"),
        "code": EmbeddedDesk(here.store, here.vault, here.clock, "https://code.example.com"),
    }
    ref = opened(world, State.WITH_DEVELOPMENT)
    work(world, desks=desks)
    case = world.case(ref)
    assert case.ticket is not None
    assert (case.ticket["desk"], case.ticket["url"][:24]) == ("zoho", "https://zoho.example.com")
    development = case.own["development_ticket"]
    assert (development["desk"], development["url"][:24]) == ("code", "https://code.example.com")


# -- development ----------------------------------------------------------------------------------------------------


def development(world: World) -> str:
    ref = opened(world, State.WITH_PT)
    work(world)
    raising = Raising(
        site="shop.example.com", sightings=(Sighting(Criterion.ORDERING_DOWN, "500 at the checkout"),), since=None,
        tried="restarted the shop", own_ladder=OwnLadder.USED, case=ref,
    )  # fmt: skip
    raise_emergency(world.services.store, world.clock, raising, "front line", open_case=lambda _, by: by)
    happens(world, ref, Kind.PROBE_LOOKED, emergency=1, evidence="ab" * 32, found="checkout: 500")
    asked = {"where": "cart service", "change": "keep the session when the currency changes", "tier": "PT"}
    happens(world, ref, Kind.DEVELOPMENT_RAISED, PEOPLE["PT"], **asked, accepted_when="a cart survives it")
    return ref


def test_development_s_ticket_carries_the_change_what_was_tried_with_its_outcome_and_the_history(world: World) -> None:
    ref = development(world)
    work(world)
    work(world)
    support, ticket = tickets(world)
    for said in (
        "Where: cart service", "The change: keep the session when the currency", "Done when: a cart survives it",
        f"PT suggested: switch the cache plugin off. L2: cleared the session table: {Outcome.NO_CHANGE}",
        "L1 tried: cleared the session table", "Consulted: ", "the site was looked at: checkout: 500",
        "The ticket of support: T-000001", f"/cases/{ref}",
    ):  # fmt: skip
        assert said in ticket.body, said
    with world.services.store.reading() as uow:
        (file,) = uow.tickets.attachments(ticket.id)
    whole = world.services.vault.read(file.digest).decode()
    for said in (
        "## The history",
        "L2 asked PT: which plugin empties the session?",
        "PT took the case",
        "Emergency at",
    ):
        assert said in whole, said
    page = next(one["address"] for one in documents(world.case(ref)))
    assert f"({page})" in whole, "a link, in markdown"
    assert "https: //" not in ticket.body + "".join(comments(world, support.id)), "the policy's pages can be clicked"
    fact = world.case(ref).own["development_ticket"]
    assert (fact["ticket"], fact["adopted"], fact["evidence"]) == ("T-000002", False, file.digest)
    assert any("Ticket T-000002 opened for the development team" in one for one in comments(world, support.id))


@pytest.mark.parametrize("step", ["create", "attach"])
def test_it_is_made_once_whoever_dies_on_the_way(world: World, step: str) -> None:
    ref = development(world)
    world.desk.faulty.fails(step, what="development", before=DOWN)
    world.desk.faulty.fails(step, what="development", after=Killed())
    with suppress(Killed):
        work(world)
        work(world, minutes=60)
    for _ in range(5):
        world.restart()
        work(world, minutes=60)
    with world.services.store.reading() as uow:
        found = [(row.id, len(uow.tickets.attachments(row.id))) for row in uow.tickets.rows()]
    assert len(found) == 2
    assert found[1][1] == 1
    assert [e.kind for e in world.case(ref).events].count(Kind.DEVELOPMENT_TICKET) == 1


def test_a_ticket_that_pt_raised_itself_is_taken_and_gets_the_bundle(world: World) -> None:
    ref = opened(world, State.WITH_PT)
    mine = world.desk.create("by hand", "Cart", "please look").id
    asked = {"where": "cart service", "change": "keep the session", "tier": "PT", "ticket": mine}
    happens(world, ref, Kind.DEVELOPMENT_RAISED, PEOPLE["PT"], **asked, accepted_when="a cart survives it")
    work(world)
    fact = world.case(ref).own["development_ticket"]
    assert (fact["ticket"], fact["adopted"]) == (mine, True)
    assert len(world.desk.attachments(mine)) == 1


def test_development_s_answer_comes_back_from_its_desk_and_from_the_case(world: World) -> None:
    ref = development(world)
    work(world)
    keeper = Keeper(world)
    keeper()
    assert Kind.DEVELOPMENT_ANSWERED not in [e.kind for e in world.case(ref).events]
    world.desk.set_status("T-000002", TicketStatus.CLOSED)
    for _ in range(2):
        keeper(minutes=3)
    assert f"{ref}: the development team closed its ticket (E5)" in keeper.said
    assert [e.kind for e in world.case(ref).events].count(Kind.DEVELOPMENT_ANSWERED) == 1
    assert world.case(ref).state is State.WITH_DEVELOPMENT, "a desk decides nothing: a person gives it back"
    happens(world, ref, Kind.RETURNED_TO_PT, "developer", tier="DEV", result="released in version 2.4")
    for _ in range(2):
        keeper(minutes=11)
    assert [one.splitlines()[0] for one in comments(world, 2)] == [
        "developer gave it back to PT: released in version 2.4"
    ]


# -- an emergency ---------------------------------------------------------------------------------------------------


def test_when_an_emergency_is_over_its_timeline_is_kept_and_on_the_ticket_and_its_recording_is_asked_for(
    world: World,
) -> None:
    ref = development(world)
    work(world)
    give_update(world.services.store, world.clock, ref, "front line", "The database is being restored.")
    assert Debt.REVIEW not in owed(world, ref)
    end_emergency(world.services.store, world.clock, ref, PEOPLE["PT"], "the server was restarted")
    assert {Debt.REVIEW, Debt.RECORDING} <= owed(world, ref)
    work(world)
    work(world)
    assert owed(world, ref) == {Debt.RECORDING}, "that a person says"
    (file,) = [one for one in world.desk.attachments("T-000001") if one.name == f"{ref}-emergency-1.md"]
    text = world.services.vault.read(file.sha256 or "").decode()
    for said in ("# Emergency 1", "the server was restarted", "Told those who wait: The database is being restored"):
        assert said in text.replace("\\", ""), said
    told = comments(world)
    assert any("Emergency at shop.example.com" in one for one in told)
    assert any("The emergency is over: the server was restarted" in one for one in told)


def test_the_team_is_told_that_a_recording_is_asked_for_until_somebody_says_where_it_is(make_world: MakeWorld) -> None:
    world = make_world(mail={"team": "team@example.com"})
    ref = opened(world)
    raising = Raising(
        site="shop.example.com", sightings=(Sighting(Criterion.ORDERING_DOWN, "500 at the checkout"),), since=None,
        tried="restarted the shop", own_ladder=OwnLadder.USED, case=ref,
    )  # fmt: skip
    raise_emergency(world.services.store, world.clock, raising, "front line", open_case=lambda _, by: by)
    end_emergency(world.services.store, world.clock, ref, "operator", "the server was restarted")
    keeper = Keeper(world)
    keeper(minutes=3)
    keeper(minutes=3)
    told = [mail.get_content() for mail in mails(world, "team@example.com")]
    asked = [one for one in told if "the recording of the emergency's session" in " ".join(one.split())]
    assert len(asked) == 1, "once, and then as of a question"
    assert "tried" not in asked[0], "nothing failed"
    with world.services.store.reading() as uow:
        assert [row.is_late for row in uow.owed.of(ref) if row.what is Debt.RECORDING] == [False]
    say_there_is_none(world.services.ledger, ref, "nobody pressed the button", by="operator")
    keeper(days=30)
    again = [mail for mail in mails(world, "team@example.com") if "the recording of the" in mail.get_content()]
    assert len(again) == 1
    assert Debt.RECORDING not in owed(world, ref)


def test_an_emergency_of_a_job_failure_is_told_on_its_ticket_too(world: World) -> None:
    ref = world.open()
    world.step("contain", ref)
    world.step("ticket", ref)
    raising = Raising(
        site="shop.example.com", sightings=(Sighting(Criterion.PAYMENTS_DOWN, "no payment goes through"),), since=None,
        tried="", own_ladder=OwnLadder.USED, case=ref,
    )  # fmt: skip
    raise_emergency(world.services.store, world.clock, raising, "front line", open_case=lambda _, by: by)
    end_emergency(world.services.store, world.clock, ref, "operator", "the gateway works again")
    work(world)
    work(world)
    told = comments(world)
    assert [one.partition(", ")[2].splitlines()[0] for one in told] == [
        "front line: Emergency at shop.example.com", "operator: The emergency is over: the gateway works again",
    ]  # fmt: skip
    assert [one.name for one in world.desk.attachments("T-000001")] == [f"{ref}-emergency-1.md"]
    assert owed(world, ref) == {Debt.RECORDING}


def test_a_ticket_that_nobody_wants_any_more_is_opened_by_nobody(world: World) -> None:
    ref = opened(world)
    give_up(world.services.ledger, ["operator"], ref, "ticket_opening", by="operator", reason="It is on paper.")
    work(world)
    here = world.services
    ensure_ticket(here.ledger, here.effects, here.links, world.desk, ref, desk_name="desk")
    assert tickets(world) == []
    assert owed(world, ref) == set()


def test_a_support_cases_ticket_that_is_closed_by_hand_is_opened_again_and_developments_is_not(world: World) -> None:
    ref, keeper = opened(world, State.WITH_DEVELOPMENT), Keeper(world)
    keeper(minutes=5)
    case = world.case(ref)
    own, theirs = (case.ticket or pytest.fail("no ticket"))["ticket"], case.all_of(DevelopmentTicket)[-1]["ticket"]
    for ticket in (own, theirs):
        world.desk.set_status(ticket, TicketStatus.CLOSED)
    assert keeper(minutes=5).tickets_opened_again == [ref]
    assert [world.desk.ticket(one).status for one in (own, theirs)] == [TicketStatus.OPEN, TicketStatus.CLOSED]
    assert f"{ref} is open, so its ticket is open again" in world.desk.comments(own)[-1].text
