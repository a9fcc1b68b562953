"""What people, their programs and odd texts do on the desk breaks nothing: a ticket that cannot be taken in holds up no
other, nothing is said to the wrong ticket, and no secret of a ticket comes into the store."""

from __future__ import annotations

import dataclasses

import pytest

from caseproof.desks.base import Comment, DeskDown, DeskError, Raised, Ticket, TicketStatus
from caseproof.desks.html_text import as_text
from caseproof.domain.job_failure.kinds import Kind
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.opening import Request
from caseproof.procedure.core.by_hand import name_ticket
from caseproof.procedure.keeper import looking_at_tickets, raised_on_the_desk
from caseproof.procedure.keeper.raising import want, wanted_cases
from caseproof.store.errors import Unreadable
from tests.support.peoples_desk import PeoplesDesk, with_people
from tests.support.world import DECIDER, JOB, World

SECRET = "password=hunter2hunter2"


@pytest.fixture
def world(world: World) -> World:
    return with_people(world)


# -- odd texts --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "line",
    ["Job:\xa0{}", "- **Job** : *{}*", "Job: \u200b{}\u200f", "\u202eJob: {}", "Job\uff1a {}",
     "Job: \u201c{}\u2003\u201d", "x\rJob: {}\ry"],
)  # fmt: skip
def test_a_line_counts_as_people_see_it_whatever_stands_in_it_unseen(world, keeper, line) -> None:
    world.desk.raise_one("It is late", line.format(JOB))
    assert len(keeper(minutes=1).raised) == 1


@pytest.mark.parametrize(
    "body", [f"Fine again.\n> Job: {JOB}", f"Fine.\n>> * Job: {JOB}", f"See below.\n | > Job: {JOB}"]
)
def test_j2_a_job_that_stands_in_a_quotation_is_only_mentioned(world, keeper, body) -> None:
    ticket = world.desk.raise_one("An old one", body)
    assert keeper(minutes=1).raised == []
    assert world.platform.is_active(JOB)
    world.desk.write(ticket, f"Job: {JOB}\n> Job: offers/feed-b")
    assert len(keeper(minutes=1).raised) == 1, "what an answer quotes is no second job"


def test_a_quotation_in_html_is_one_in_the_text_too() -> None:
    said = as_text("<div>Fine.</div><blockquote type='cite'>Job: a<br>b<blockquote>c</blockquote></blockquote>End<br>x")
    assert said.split("\n") == ["Fine.", "> Job: a", "> b", "> > c", "End", "x"]
    assert as_text("a < b <b>&lt;i&gt;</b>") == "a < b <i>"


def test_no_text_keeps_the_pass_busy_however_it_is_made(world, keeper) -> None:
    for body in (f"Job: a{' ' * 150_000}b", "Job" + ": " * 50_000, "Job: " + "x" * 150_000, ">" * 100_000):
        world.desk.raise_one("Odd", body)
    world.desk.raise_one(f"Job: {JOB}")
    assert len(keeper(minutes=1).raised) == 1
    assert max(map(len, world.desk.texts("T-000003"))) < 2_000
    assert len(as_text("<" * 400_000)) == len(as_text("<p" * 200_000)) == 400_000


def test_no_secret_of_a_ticket_comes_into_the_store(world, keeper) -> None:
    number = world.desk.raise_one("Late")
    there = Ticket(number, f"Late, {SECRET}\0", TicketStatus.OPEN, "")
    world.desk.by_people = [Raised(there, f"eve {SECRET}\0", f"{SECRET}\0 {SECRET}", world.clock())]
    keeper(minutes=1)
    world.desk.write(number, f"Job: {JOB}\n{SECRET}")
    assert len(keeper(minutes=1).raised) == 1
    world.services.store.close()
    assert b"hunter2" not in b"".join(file.read_bytes() for file in world.home.rglob("*") if file.is_file())


@pytest.mark.parametrize("by", ["A\0B", "A\ud800B", "x" * 5_000])
def test_a_comment_by_somebody_with_an_odd_name_reaches_the_case(world, keeper, waiting, by) -> None:
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    world.desk.written[ticket] = [Comment("c0", by, "Hello \ud800\0", world.clock(), ours=False)]
    assert keeper(minutes=1).said_on_ticket == [waiting]
    [said] = world.case(waiting).every(Kind.SAID_ON_TICKET)
    assert said["by"].isprintable()
    assert len(said["by"]) <= 300


# -- a ticket, a case or a desk in which something is wrong -----------------------------------------------------------
def test_a_ticket_that_cannot_be_taken_in_holds_up_no_other_and_is_not_lost(world, keeper, monkeypatch) -> None:
    world.desk.raise_one("poison", f"Job: {JOB}")
    world.platform.add("offers/feed-b")
    world.desk.raise_one("The other", "Job: offers/feed-b")
    said = raised_on_the_desk._job_said
    with monkeypatch.context() as patch:
        patch.setattr(raised_on_the_desk, "_job_said", lambda text: 1 / 0 if "poison" in text else said(text))
        for minutes in (1, 30, 30):
            done = keeper(minutes=minutes)
            assert [about for about in done.problems.said if "T-000001" in about]
            assert len(done.raised) == (minutes == 1)
    assert len(keeper(minutes=1).raised) == 1, "it is listed again, though it is an hour old by now"


def test_tickets_that_cannot_be_told_do_not_keep_others_from_being_heard(world, keeper, monkeypatch) -> None:
    monkeypatch.setattr(raised_on_the_desk, "AT_ONCE", 4)
    said = PeoplesDesk.comment

    class Choosy(PeoplesDesk):
        def comment(self, ticket_id, key, text, **more):
            if ticket_id in refused:
                raise refused[ticket_id]
            return said(self, ticket_id, key, text, **more)

    world.desk.__class__ = Choosy
    refused = {}
    for number in range(5):
        ticket = world.desk.raise_one(f"Something {number}")
        refused[ticket] = DeskError("No.", "") if number % 2 else DeskDown("It hangs.", "")
    keeper(minutes=1)
    world.clock.move(minutes=1)
    heard = world.desk.raise_one("Something else")
    for _ in range(6):
        keeper(minutes=1)
    assert len(world.desk.texts(heard)) == 1


def test_j2_a_desk_that_refuses_to_show_a_ticket_holds_up_no_stop(world, keeper) -> None:
    world.desk.raise_one(f"Job: {JOB}")
    read = PeoplesDesk.ticket

    class Refusing(PeoplesDesk):
        def ticket(self, ticket_id):
            if refuses:
                raise DeskError("The token was taken back.", "Make a new one.")
            return read(self, ticket_id)

    world.desk.__class__, refuses = Refusing, [True]
    [ref] = keeper(minutes=1).raised
    assert not world.platform.is_active(JOB)
    refuses.clear()
    world.step("ticket", ref)
    assert world.case(ref).ticket.data["adopted"] is True


@pytest.mark.parametrize("by", ["", "\u200b"])
def test_j2_a_ticket_of_which_the_desk_does_not_tell_who_raised_it_stops_its_job(world, keeper, by) -> None:
    world.desk.raise_one(f"Job: {JOB}")
    world.desk.by_people = [dataclasses.replace(one, by=by) for one in world.desk.by_people]
    assert len(keeper(minutes=1).raised) == 1


def test_a_program_that_answers_each_question_with_no_job_is_asked_no_more(world, keeper, monkeypatch) -> None:
    monkeypatch.setattr(raised_on_the_desk, "MOST_ASKED", 2)
    ticket = world.desk.raise_one("Something is wrong")
    for _ in range(4):
        keeper(minutes=1)
        world.desk.write(ticket, "Job: one\nJob: another")
    assert len(world.desk.texts(ticket)) == 2


def test_a_case_that_cannot_be_read_keeps_no_ticket_from_becoming_one(world, keeper, monkeypatch) -> None:
    world.platform.add("offers/feed-b")
    broken = world.open("offers/feed-b")
    world.desk.raise_one(f"Job: {JOB}")
    from caseproof.store.cases import Cases

    get = Cases.get
    monkeypatch.setattr(Cases, "get", lambda self, ref: _unreadable() if ref == broken else get(self, ref))
    assert len(keeper(minutes=1).raised) == 1


def _unreadable():
    raise Unreadable("An event")


def test_a_new_ticket_folds_no_case_that_has_nothing_to_do_with_it(world, keeper, monkeypatch) -> None:
    from caseproof.store.cases import Cases

    for number in range(4):
        world.platform.add(f"offers/feed-{number}")
        world.open(f"offers/feed-{number}")
    keeper(minutes=1)
    folded, get = [], Cases.get
    monkeypatch.setattr(Cases, "get", lambda self, ref: folded.append(ref) or get(self, ref))
    world.desk.raise_one("It is late")
    assert raised_on_the_desk.open_case_with(world.services.ledger, world.desk.by_people[0].ticket.id, "desk") is None
    assert folded == []


# -- which ticket is told what ----------------------------------------------------------------------------------------
def test_two_tickets_for_one_job_are_one_case_and_the_other_ticket_is_told_of_it(world, keeper) -> None:
    tickets = [world.desk.raise_one("Late", f"Job: {JOB}") for _ in range(2)]
    raised = [ref for _ in range(3) for ref in keeper(minutes=1).raised]
    [ref] = raised
    world.step("ticket", ref)
    own = world.case(ref).ticket.data["ticket"]
    [other] = set(tickets) - {own}
    assert [text.split(":")[0] for text in world.desk.texts(other)] == [f"{ref} is open for this job already"]
    assert not [text for text in world.desk.texts(own) if "already" in text]


def test_j2_of_two_tickets_for_one_job_the_one_that_is_deleted_does_not_take_the_others_case_with_it(
    world, keeper
) -> None:
    world.platform.faulty.fails("job", before=PlatformDown("It does not answer."))
    tickets = [world.desk.raise_one(subject, f"Job: {JOB}") for subject in ("Late", "Late, too")]
    assert keeper(minutes=1).raised == []
    with world.services.store.reading() as uow:
        [wanted] = wanted_cases(uow)
    world.desk.delete(wanted.request.ticket)
    [ref] = [ref for _ in range(3) for ref in keeper(minutes=5).raised]
    case = world.case(ref)
    assert case.facts["ticket"] in set(tickets) - world.desk.deleted
    assert not world.platform.is_active(JOB)


def test_j2_what_somebody_wants_by_hand_is_not_taken_over_by_a_ticket_for_the_same_job(world, keeper) -> None:
    world.platform.faulty.fails("job", before=PlatformDown("It does not answer."))
    want(world.services.ledger, Request("jobs", JOB, "operator", "the web app", cause="feed"))
    ticket = world.desk.raise_one(f"Job: {JOB}")
    assert keeper(minutes=1).raised == []
    world.desk.delete(ticket)
    [ref] = [ref for _ in range(2) for ref in keeper(minutes=5).raised]
    assert (world.case(ref).facts["cause"], world.case(ref).opened.actor) == ("feed", "operator")


def test_a_ticket_whose_case_another_keeper_opened_meanwhile_is_not_told_that_there_is_one(
    world, keeper, monkeypatch
) -> None:
    ticket = world.desk.raise_one(f"Job: {JOB}")
    carries = raised_on_the_desk.open_case_with

    def other_keeper(ledger, number, desk):
        found = carries(ledger, number, desk)
        world.open(ticket=number)
        return found

    monkeypatch.setattr(raised_on_the_desk, "open_case_with", other_keeper)
    keeper(minutes=1)
    keeper(minutes=1)
    assert world.desk.texts(ticket) == []


def test_what_a_ticket_says_that_was_merged_into_the_cases_own_stands_in_the_case_once(world, keeper, waiting) -> None:
    world.step("ticket", waiting)
    before = world.case(waiting).ticket.data["ticket"]
    world.desk.write(before, "They called.")
    keeper(minutes=1)
    after = world.desk.raise_one("The other one")
    world.desk.written[after] = world.desk.written[before]
    ledger = world.services.ledger
    opened = {"desk": "desk", "ticket": after, "url": "", "adopted": True, "instead_of": before}
    ledger.change(waiting, lambda _: [ledger.event(Kind.TICKET_OPENED, **opened)])
    keeper(minutes=1)
    assert len(world.case(waiting).every(Kind.SAID_ON_TICKET)) == 1


@pytest.fixture
def moved(world, make_world) -> PeoplesDesk:
    """Since its case has a ticket, the team works on another desk: the number is somebody else's there."""
    world.walk(world.open(), until="tell")
    another = make_world()
    desk = PeoplesDesk(another.services.store, another.vault, another.clock)
    desk.create("a stranger's", "Something else", "")
    world.desks, world.desk = {"desk": world.desk, "another": desk}, desk
    world.services = world.process(policy=world.policy.model_copy(update={"desk": "another"}))
    return desk


def test_a_case_keeps_its_ticket_on_the_desk_that_it_is_on_though_the_policy_names_another(
    world, keeper, moved
) -> None:
    old, ref, number = world.desks["desk"], "JF-000001", "T-000001"
    old.set_status(number, TicketStatus.CLOSED)
    old.write(number, "It works.")
    done = keeper(minutes=1)
    assert (done.tickets_opened_again, done.said_on_ticket, done.problems.said) == ([ref], [ref], {})
    assert world.walk(ref).is_closed
    assert (old.ticket(number).status, len(old.attachments(number))) == (TicketStatus.CLOSED, 2)
    told = (moved.ticket(number).status, moved.texts(number), moved.attachments(number))
    assert told == (TicketStatus.OPEN, [], []), "a stranger's ticket is told nothing"


def test_what_a_closed_case_owes_its_ticket_is_made_up_for_on_the_desk_that_it_is_on(world, keeper, moved) -> None:
    old, ref, number = world.desks["desk"], "JF-000001", "T-000001"
    assert world.walk(ref, until="close").is_closed
    assert old.ticket(number).status is TicketStatus.OPEN
    assert ref in keeper(days=1).done_late
    assert (old.ticket(number).status, moved.ticket(number).status) == (TicketStatus.CLOSED, TicketStatus.OPEN)


def test_j2_a_ticket_raised_on_the_new_desk_is_heard_though_a_case_has_one_of_that_number_on_the_old(
    world, keeper, moved
) -> None:
    world.platform.add("offers/feed-b")
    keeper(minutes=1)
    moved.by_people = [Raised(moved.ticket("T-000001"), "eve", "Job: offers/feed-b\nPlatform: jobs", world.clock())]
    [ref] = keeper(minutes=1).raised
    assert not world.platform.is_active("offers/feed-b")
    world.step("ticket", ref)
    fact = world.case(ref).ticket
    assert (fact.data["ticket"], fact.data["desk"], fact.data["adopted"]) == ("T-000001", "another", True)


def test_a_ticket_that_a_person_names_is_on_the_desk_that_the_policy_names_by_now(world, moved) -> None:
    ref, other = "JF-000001", moved.create("by a person", "The same job", "").id
    name_ticket(world.services.ledger, world.services.policy.team, ref, other, "We moved.", by=DECIDER)
    assert world.walk(ref).is_closed
    assert world.case(ref).ticket.data["desk"] == "another"
    assert (moved.ticket(other).status, len(moved.attachments(other))) == (TicketStatus.CLOSED, 2)


def test_a_robot_that_writes_on_the_ticket_all_day_does_not_fill_the_case(world, keeper, waiting, monkeypatch) -> None:
    monkeypatch.setattr(looking_at_tickets, "MOST_COMMENTS", 5)
    world.step("ticket", waiting)
    ticket = world.case(waiting).ticket.data["ticket"]
    for _ in range(looking_at_tickets.MOST_COMMENTS + 5):
        world.desk.write(ticket, "Still open.")
    keeper(minutes=1)
    world.desk.write(ticket, "Still open.")
    keeper(minutes=1)
    said = world.case(waiting).every(Kind.SAID_ON_TICKET)
    assert len(said) == looking_at_tickets.MOST_COMMENTS
    assert "read it there" in said[-1]["words"]
