"""What people do on the desk: a ticket raised there becomes a case (J1), a comment reaches it (E12), and a ticket that
somebody closes while the case is open is opened again (J7, J8)."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from caseproof.desks.base import DeskDown, DeskError, TicketStatus
from caseproof.desks.zoho import ZohoDesk
from caseproof.desks.zoho_wire import ZohoAccount
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.known_jobs import note_jobs
from caseproof.procedure.keeper import looking_at_tickets
from caseproof.procedure.keeper.looking_at_tickets import MOST_REOPENINGS
from sandbox import zoho as simulated
from sandbox.provider import running
from sandbox.zoho import ZohoSimulator
from tests.support.peoples_desk import WHO, with_people
from tests.support.world import JOB, World


@pytest.fixture
def world(world: World) -> World:
    return with_people(world)


# -- a ticket that a person raised (J1) -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("subject", "body"),
    [(f"Job: {JOB}", ""), ("The feed of Shop A", f"It is late.\r\n**Job:** `{JOB}`\r\nThank you"),
     ("It is late", f"job : {JOB.upper()}\nPlatform: jobs")],
)  # fmt: skip
def test_j1_a_ticket_that_names_its_job_becomes_a_case_and_j2_its_job_is_stopped(world, keeper, subject, body) -> None:
    ticket = world.desk.raise_one(subject, body)
    [ref] = keeper(minutes=1).raised
    case = world.case(ref)
    assert (case.state, world.platform.is_active(JOB)) == (State.CONTAINED, False)
    assert (case.facts["ticket"], case.facts["how"], case.opened.actor) == (ticket, "a ticket on desk", WHO)
    world.step("ticket", ref)
    assert world.case(ref).ticket.data["adopted"] is True
    assert [keeper(minutes=1).raised for _ in range(3)] == [[], [], []], "it is one case, however often it is listed"


def test_a_job_that_is_only_mentioned_is_not_stopped_and_the_ticket_is_asked_once(world, keeper) -> None:
    ticket = world.desk.raise_one("Something is wrong", f"{JOB} works, but nothing else of Shop A does.")
    assert [keeper(minutes=1).raised for _ in range(3)] == [[], [], []]
    assert world.platform.is_active(JOB)
    [asked] = world.desk.texts(ticket)
    assert f"Job: {JOB}" in asked
    assert "/raise?ticket=" in asked
    world.desk.write(ticket, "I do not know.")
    assert keeper(minutes=1).raised == []
    world.desk.write(ticket, f"Ah, it is this one.\nJob: {JOB}")
    world.desk.write(ticket, "Thank you.", by="somebody else")
    [ref] = keeper(minutes=1).raised
    assert (world.case(ref).opened.actor, len(world.desk.texts(ticket))) == ("colleague", 1)


def test_a_job_that_there_is_not_is_told_on_the_ticket_and_another_answer_counts(world, keeper) -> None:
    ticket, other = (world.desk.raise_one("Job: offers/feed-x") for _ in range(2))
    done = [keeper(minutes=2) for _ in range(4)]
    assert not any(one.raised for one in done)
    assert len(world.desk.texts(other)) == 1, "each is asked"
    [told] = world.desk.texts(ticket)
    assert "offers/feed-x" in told
    assert "Answer in a comment here" in told
    world.desk.write(ticket, f"Job: {JOB}")
    assert len(keeper(minutes=2).raised) == 1


def test_a_platform_that_there_is_not_is_told_with_those_that_there_are(world, keeper) -> None:
    ticket = world.desk.raise_one("Job: offers/feed-x", "Platform: nowhere")
    keeper(minutes=1)
    [told] = world.desk.texts(ticket)
    assert "No platform is called nowhere. These are known: jobs." in told


def test_a_ticket_that_names_two_jobs_is_asked_for_one(world, keeper) -> None:
    world.platform.add("offers/feed-b")
    ticket = world.desk.raise_one("Two feeds", f"Job: {JOB}\nJob: {JOB}\nJob: offers/feed-b")
    assert keeper(minutes=1).raised == []
    assert f"It names several jobs: {JOB}, offers/feed-b." in world.desk.texts(ticket)[0]
    assert world.platform.is_active(JOB)
    assert world.platform.is_active("offers/feed-b")
    world.desk.write(ticket, f"Job: {JOB}\n\n> Job: {JOB}")
    assert len(keeper(minutes=1).raised) == 1


def test_a_job_that_two_platforms_have_is_asked_for_its_platform(world, keeper) -> None:
    note_jobs(world.services.store, world.clock, "others", [world.platform.job(JOB)])
    ticket = world.desk.raise_one(f"Job: {JOB}")
    assert keeper(minutes=1).raised == []
    assert f"There is a job {JOB} on jobs, others." in world.desk.texts(ticket)[0]
    world.desk.write(ticket, f"Platform: jobs\nJob: {JOB}")
    assert len(keeper(minutes=1).raised) == 1


def test_a_ticket_for_a_job_that_has_a_case_is_told_of_it(world, keeper) -> None:
    ref = world.open()
    ticket = world.desk.raise_one(f"Job: {JOB}")
    assert keeper(minutes=1).raised == []
    [told] = world.desk.texts(ticket)
    assert told.startswith(f"{ref} is open for this job already: ")
    keeper(minutes=1)
    assert len(world.desk.texts(ticket)) == 1


def test_a_ticket_that_carries_a_case_already_is_left_alone(world, keeper) -> None:
    ticket = world.desk.raise_one("The feed is late")
    world.open(ticket=ticket)
    keeper(minutes=1)
    assert [text for text in world.desk.texts(ticket) if "becomes a case" in text] == []


def test_a_desk_that_is_down_loses_no_ticket_and_holds_up_no_stop(world, keeper) -> None:
    keeper(minutes=1)
    world.desk.raise_one(f"Job: {JOB}")
    world.desk.down = True
    for _ in range(3):
        done = keeper(hours=6)
        assert list(done.problems.said) == ["tickets that people raised"]
    world.desk.down = False
    assert len(keeper(minutes=1).raised) == 1


def test_j2_a_desk_that_goes_down_after_a_ticket_was_heard_of_does_not_hold_up_the_stop(world, keeper) -> None:
    world.platform.faulty.fails("job", before=PlatformDown("It does not answer."))
    ticket = world.desk.raise_one(f"Job: {JOB}")
    assert keeper(minutes=1).raised == []
    world.desk.down = True
    [ref] = keeper(minutes=5).raised
    assert not world.platform.is_active(JOB)
    world.desk.down = False
    world.step("ticket", ref)
    assert world.case(ref).ticket.data["ticket"] == ticket


def test_a_ticket_that_turns_out_not_to_be_there_is_no_reason_to_have_none(world) -> None:
    world.desk.down = True
    ref = world.open(ticket="T-000099")
    world.desk.down = False
    world.step("contain", ref)
    world.step("ticket", ref)
    said = world.case(ref).ticket.data
    assert (said["adopted"], world.desk.ticket(said["ticket"]).status) == (False, TicketStatus.OPEN)


def test_a_crash_after_the_wish_and_before_its_note_makes_one_case(world, keeper, monkeypatch) -> None:
    from caseproof.procedure.keeper import raised_on_the_desk

    world.desk.raise_one(f"Job: {JOB}")
    with monkeypatch.context() as patch:
        patch.setattr(raised_on_the_desk._Hearing, "_note", lambda *_: 1 / 0)
        assert keeper(minutes=1).raised == []
    assert [len(keeper(minutes=1).raised) for _ in range(3)] == [1, 0, 0]


def test_a_ticket_that_somebody_deleted_or_closed_is_asked_no_more(world, keeper) -> None:
    closed = world.desk.raise_one("Something is wrong")
    keeper(minutes=1)
    world.desk.set_status(closed, TicketStatus.CLOSED)
    keeper(minutes=1)
    asked = world.desk.asked
    keeper(minutes=1)
    assert world.desk.asked == asked + 1, "it lists what is new, and no more"


# -- what is written on a case's ticket -------------------------------------------------------------------------------
def test_what_people_write_on_the_ticket_stands_in_the_case_once(world, keeper, waiting) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.write(ticket, "The shop called: password=hunter2hunter2 " + "x" * 5000)
    assert [keeper(minutes=1).said_on_ticket for _ in range(3)] == [[waiting], [], []]
    world.desk.write(ticket, "They called again.")
    keeper(minutes=1)
    first, second = world.case(waiting).every(Kind.SAID_ON_TICKET)
    assert (first["by"], second["words"], len(first["words"])) == ("colleague", "They called again.", 4000)
    assert "hunter2" not in first["words"]
    assert world.case(waiting).state is State.WAITING, "a colleague's words are no word of the retailer's (J8)"


def test_every_open_case_has_its_turn_however_many_there_are(world, keeper, monkeypatch) -> None:
    monkeypatch.setattr(looking_at_tickets, "AT_ONCE", 3)
    refs = []
    for number in range(5):
        world.platform.add(f"offers/feed-{number}")
        ref = world.open(f"offers/feed-{number}")
        world.step("contain", ref)
        world.step("ticket", ref)
        world.desk.write(world.case(ref).ticket.data["ticket"], "Hello.")
        refs.append(ref)
    heard = [keeper(minutes=1).said_on_ticket for _ in range(2)]
    assert [len(one) for one in heard] == [3, 2]
    assert sorted(heard[0] + heard[1]) == refs


# -- a ticket that is closed by hand ----------------------------------------------------------------------------------
def test_j7_a_ticket_closed_by_hand_while_its_case_is_open_is_opened_again_and_says_what_is_missing(
    world, keeper, waiting
) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    assert [keeper(minutes=1).tickets_opened_again for _ in range(2)] == [[waiting], []]
    assert world.desk.ticket(ticket).status is TicketStatus.OPEN
    [told] = [text for text in world.desk.texts(ticket) if "is open, so its ticket is open again" in text]
    assert "J10" in told
    assert world.case(waiting).ticket_reopened.data["why"].startswith("somebody closed it")
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    assert keeper(minutes=1).tickets_opened_again == [waiting], "a second time is another one"
    assert len([text for text in world.desk.texts(ticket) if "is open again" in text]) == 2


def test_a_rule_of_the_desk_that_closes_it_again_and_again_is_told_and_not_fought_for_ever(
    world, keeper, waiting
) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    for _ in range(MOST_REOPENINGS):
        world.desk.set_status(ticket, TicketStatus.CLOSED)
        assert keeper(minutes=1).tickets_opened_again == [waiting]
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    done = keeper(minutes=1)
    assert done.tickets_opened_again == []
    assert "closed on the desk once more" in done.problems.said[waiting]


@pytest.mark.parametrize("at", ["comment", "set_status"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_desk_that_goes_away_in_the_middle_is_told_once_and_opened_in_the_next_pass(
    world, keeper, waiting, at, when
) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    world.desk.faulty.fails(at, **{when: DeskDown("It went away.", "Wait.")})
    keeper(minutes=1)
    keeper(minutes=1)
    assert world.desk.ticket(ticket).status is TicketStatus.OPEN
    assert len([text for text in world.desk.texts(ticket) if "is open again" in text]) == 1


def test_a_desk_that_takes_no_comment_on_a_closed_ticket_is_opened_first(world, keeper, waiting) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    world.desk.faulty.fails("comment", before=DeskError("It is closed.", "Open it."))
    assert keeper(minutes=1).tickets_opened_again == [waiting]
    assert [text for text in world.desk.texts(ticket) if "is open again" in text]


def test_a_case_that_closes_in_between_has_its_ticket_closed(world, keeper, waiting) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.set_status(ticket, TicketStatus.CLOSED)
    read = world.services.ledger.case
    closed = dataclasses.replace(read(waiting), closed=read(waiting).ticket)
    looked = []

    def case(ref: str):
        looked.append(ref)
        return closed if looked.count(ref) > 1 else read(ref)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world.services.ledger), "case", lambda _, ref: case(ref))
        keeper(minutes=1)
    assert world.desk.ticket(ticket).status is TicketStatus.CLOSED, "it was closed with its case"


def test_the_first_look_at_a_desk_raises_no_old_tickets(world, keeper) -> None:
    world.desk.raise_one(f"Job: {JOB}")
    world.clock.move(hours=1)
    assert keeper().raised == []
    assert timedelta(0) < world.clock() - world.desk.by_people[0].at


# -- all of it, over real HTTP ----------------------------------------------------------------------------------------
def test_a_ticket_raised_in_zoho_desk_becomes_a_case_whose_comments_and_closing_there_are_seen(world, keeper) -> None:
    with running(ZohoSimulator()) as (zoho, address):
        account = ZohoAccount(
            "zoho", simulated.ORGANISATION, simulated.DEPARTMENT, simulated.CONTACT, simulated.CLIENT,
            simulated.SECRET, simulated.REFRESH, queue=simulated.QUEUE,
            api_url=f"{address}/api/v1", login_url=address,
        )  # fmt: skip
        world.desk = desk = ZohoDesk(account, world.home, lambda: datetime.now(UTC), sleep=lambda _: None)
        ticket = zoho.raise_ticket("The feed is late", f"<p>Since Monday.</p><p><b>Job:</b> {JOB}</p>", email=WHO)
        [ref] = keeper(minutes=1).raised
        world.step("ticket", ref)
        assert (world.case(ref).ticket.data["ticket"], world.case(ref).opened.actor) == (ticket, WHO)
        zoho.say(ticket, "<div>They called again.</div>", who="Front line")
        zoho.set(ticket, "Closed")
        done = keeper(minutes=1)
        assert (done.said_on_ticket, done.tickets_opened_again, done.raised) == ([ref], [ref], [])
        [said] = world.case(ref).every(Kind.SAID_ON_TICKET)
        assert (said["by"], said["words"]) == ("Front line", "They called again.")
        assert desk.ticket(ticket).status is TicketStatus.OPEN
        assert "J10" in desk.comments(ticket)[-1].text
        assert keeper(minutes=1).is_empty
        desk.close()
