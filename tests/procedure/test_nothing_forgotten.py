"""Nothing is forgotten: each effect fails for an hour, then works again, and nobody has to do anything.

A row of a table is an effect of the product that can fail late: what is down then, what has to happen all the same, and
how often. ``hours`` lets the clock move, with a pass of the keeper and the runs that it wakes, and no person.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from blocks.base import PrefectDown
from caseproof.channels.outbound.mail import MailDown
from caseproof.desks.base import DeskDown, TicketStatus
from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed
from caseproof.doctor.outside import contacts
from caseproof.doctor.store import StoreChecks
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed, NotOnTheTeam
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.owing import LONGEST, PASSES, Debt, next_try
from caseproof.domain.vocabulary import Disposition
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.answers.writing_back import write_mail
from caseproof.procedure.closing.ticket import note_words, words_to_note
from caseproof.procedure.containment.checking import plan_check
from caseproof.procedure.core import causes
from caseproof.procedure.core.contact_list import nobody_to_tell
from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import owing
from caseproof.procedure.keeper.giving_up import give_up
from caseproof.procedure.keeper.keeper import keep
from caseproof.procedure.keeper.owing import Worked, work_off
from caseproof.procedure.keeper.passes import Ran
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.ways import WAYS, Hands
from caseproof.procedure.notify.recovery import tell_recovery
from caseproof.procedure.views.board import board
from caseproof.store import OwedRow
from caseproof.web.app import create_app
from tests.support.command import for_home, runner
from tests.support.fakes import START, Faulty, Killed
from tests.support.keeper import Keeper, came, mails, untold, waits
from tests.support.world import CONTACT, REVIEWER, World

TEAM = "team@example.com"
PASSES_AN_HOUR = 2
"""Fewer than an installation makes: what is done with these is done with more."""
MakeWorld = Callable[..., World]


class Down:
    """Another system that is down, hanging or refusing as long as this stands: every call of it fails."""

    def __init__(self, faulty: Faulty, error: BaseException, *calls: str) -> None:
        self.faulty = faulty
        for call in calls:
            faulty.fails(call, before=error, times=10**9)

    def is_over(self) -> None:
        self.faulty.faults.clear()


def mail_down(world: World) -> Down:
    return Down(world.mail.faulty, MailDown("The mail server does not answer.", "Wait."), "send")


def desk_down(world: World) -> Down:
    return Down(
        world.desk.faulty, DeskDown("The desk does not answer.", "Wait."), "create", "comment", "attach", "set_status"
    )


def platform_down(world: World) -> Down:
    calls = ("probe", "survey", "survey page", "job", "jobs_in", "standing", "stop", "go_live", "start_run", "run")
    return Down(world.platform.faulty, PlatformDown("The platform does not answer.", "Wait."), *calls, "runs_since")


def owed(world: World, ref: str = "") -> list[OwedRow]:
    with world.services.store.reading() as uow:
        return uow.owed.of(ref) if ref else uow.owed.rows(1000)


def goes_on(world: World, ref: str) -> None:
    """The case's run is at work, with its team beside it; what it cannot do it writes down."""
    with world.services.store.uow() as uow:
        if uow.cases.run_of(ref) is None:
            uow.cases.attach_run(ref, f"run-of-{ref}", 1)
        uow.commit()
    with suppress(CaseproofError):
        world.walk(ref, until="the end")


def hours(world: World, keeper: Keeper, count: float = 1) -> None:
    """Time passes: passes of the keeper, and the runs that it wakes. Nobody presses anything."""
    for _ in range(int(count * PASSES_AN_HOUR)):
        before = len(keeper.woken)
        keeper(hours=1 / PASSES_AN_HOUR)
        for ref in dict.fromkeys(keeper.woken[before:]):
            with suppress(CaseproofError):
                world.walk(ref, until="the end")


# -- the table --------------------------------------------------------------------------------------------------------

COUNT = iter(range(10**6))


def a_case(world: World, until: str = "", **walk: Any) -> str:
    """A case of a job of its own that was carried so far."""
    job = f"table/job-{next(COUNT)}"
    world.platform.add(job, marketplace=f"Market {job}", connection=f"connection of {job}")
    ref = world.open(job)
    with world.services.store.uow() as uow:
        uow.cases.attach_run(ref, f"run-of-{ref}", 1)
        uow.commit()
    if until or walk:
        world.walk(ref, **({"until": until} if until else {}), **walk)
    return ref


def closed(world: World) -> str:
    """Closed, and all is done that comes after it."""
    return a_case(world, "the end")


def closed_just_now(world: World) -> str:
    return a_case(world, before="close ticket")


def told_and_waiting(world: World) -> str:
    return waits(world, a_case(world, "note"))


def says(world: World, ref: str, words: str = "It is done.") -> str:
    kept = world.services.files.keep(ref, f"{ref}{words}".encode(), "reply.eml", "message/rfc822")
    said = {"sender": CONTACT, "words": words, "evidence": kept, "by_way_of": "mail", "why": "asks for help"}
    world.services.ledger.record(ref, Kind.REPLY_RECEIVED, **said)
    return words


def wrong_cause(world: World) -> str:
    ref = closed(world)
    causes.correct_cause(world.services.ledger, world.services.policy.team, ref, "our_platform", by=REVIEWER)
    return ref


def stopped_again(world: World) -> str:
    ref = told_and_waiting(world)
    world.platform.held[world.case(ref).facts["job"]].active = True
    return ref


def failed_again(world: World) -> str:
    ref = closed(world)
    reopened = world.services.ledger.event(Kind.REOPENED, why="It fails again.")
    world.services.ledger.change(ref, lambda _: [reopened])
    return ref


def wrote_while_closing(world: World) -> str:
    """The word comes when the run has passed the note already, and the case closes."""
    ref = closed(world)
    says(world, ref)
    return ref


def answered_by_a_person(world: World) -> str:
    """Closed, and somebody answers what the retailer wrote after it."""
    ref = closed(world)
    number = came(world, Disposition.REPLY, f"asks about {ref}", ref=ref, sender=CONTACT)
    write_mail(world.services.ledger, number, to=CONTACT, words="Please wait.", by=REVIEWER, seen=0)
    return ref


def once(kind: Kind) -> Callable[[World, str], bool]:
    return lambda world, ref: world.count(ref, kind) == 1


def recovered_once(world: World, ref: str) -> bool:
    here = [mail for mail in mails(world) if f"{ref.lower()}.1.notice.recovery@" in str(mail["Message-ID"])]
    return len(here) == 1 and world.count(ref, Kind.RECOVERY_TOLD) == 1


def ticket_closed_once(world: World, ref: str) -> bool:
    fact = world.case(ref).ticket
    assert fact is not None
    return world.desk.ticket(fact["ticket"]).status is TicketStatus.CLOSED and once(Kind.TICKET_CLOSED)(world, ref)


def noted_once(world: World, ref: str) -> bool:
    fact = world.case(ref).ticket
    assert fact is not None
    with world.services.store.reading() as uow:
        comments = [one.text for one in uow.tickets.comments(int(str(fact["ticket"]).split("-")[-1]))]
    return sum("> It is done." in one for one in comments) == 1


def told_by_mail(words: str) -> Callable[[World, str], bool]:
    def is_told(world: World, ref: str) -> bool:
        bodies = [mail.get_content() for mail in mails(world, TEAM)]
        return sum(ref in body and words in body for body in bodies) == 1

    return is_told


MAIL: dict[str, tuple[Callable[[World], str], str, Callable[[World, str], bool]]] = {
    "the notice": (lambda w: a_case(w, "ticket"), "run", once(Kind.NOTICE_SENT)),
    "that it works again": (closed_just_now, "run", recovered_once),
    "that it works again, where the run died at the closing": (closed_just_now, "", recovered_once),
    "the correction after the closing": (wrong_cause, "", once(Kind.NOTICE_CORRECTED)),
    "what somebody wrote": (answered_by_a_person, "", once(Kind.MAIL_SENT)),
    "the reminder": (told_and_waiting, "two days", once(Kind.REMINDER_SENT)),
    "that the stop did not hold": (stopped_again, "", told_by_mail("the stop did not hold")),
    "that it failed again": (failed_again, "", told_by_mail("failed again after the case was closed")),
}
DESK: dict[str, tuple[Callable[[World], str], str, Callable[[World, str], bool]]] = {
    "opening the ticket": (lambda w: a_case(w, "contain"), "run", once(Kind.TICKET_OPENED)),
    "opening it again": (failed_again, "run", once(Kind.TICKET_REOPENED)),
    "a note while the case is open": (lambda w: (ref := told_and_waiting(w), says(w, ref))[0], "", noted_once),
    "a note on a closed case": (wrote_while_closing, "", noted_once),
    "the picture": (lambda w: a_case(w, "photo"), "run", lambda w, r: len(w.attachments(r)) == 2),
    "closing the ticket": (closed_just_now, "run", ticket_closed_once),
    "closing it, where the run died at the closing": (closed_just_now, "", ticket_closed_once),
}
PLATFORM: dict[str, tuple[Callable[[World], str], str, Callable[[World, str], bool]]] = {
    "the stop": (lambda w: a_case(w), "run", once(Kind.STOPPED)),
    "the re-run": (lambda w: a_case(w, before="start"), "run", once(Kind.RUN_STARTED)),
    "reading the run": (lambda w: a_case(w, before="verify"), "run", once(Kind.RUN_VERIFIED)),
    "the live schedule": (lambda w: a_case(w, before="live"), "run", once(Kind.SCHEDULE_LIVE)),
    "the last look": (lambda w: a_case(w, before="look"), "run", once(Kind.CLOSED)),
}


@pytest.mark.parametrize(
    ("table", "goes_down"), [(MAIL, mail_down), (DESK, desk_down), (PLATFORM, platform_down)],
    ids=["the mail server", "the desk", "the platform"],
)  # fmt: skip
def test_what_failed_for_an_hour_is_done_an_hour_later_and_nobody_had_to_do_anything(
    make_world: MakeWorld, table: dict[str, Any], goes_down: Callable[[World], Down]
) -> None:
    world = make_world(mail={"team": TEAM})
    keeper = Keeper(world)
    refs = {name: arrange(world) for name, (arrange, _, _) in table.items()}
    if "the reminder" in refs:
        world.clock.move(days=2)
    down = goes_down(world)
    for name, (_, how, _) in table.items():
        if how == "run":
            goes_on(world, refs[name])
    hours(world, keeper)
    assert [name for name, (_, _, is_done) in table.items() if is_done(world, refs[name])] == []
    late = {row.ref for row in owed(world) if row.is_late}
    team_mail = {"that the stop did not hold", "that it failed again"}
    assert {name for name, ref in refs.items() if ref not in late} <= team_mail
    shown = board(world.services.ledger, world.services.policy.keeper)
    assert shown.owed_in_all == len([row for row in owed(world) if row.is_late])

    down.is_over()
    hours(world, keeper)
    assert [name for name, (_, _, is_done) in table.items() if not is_done(world, refs[name])] == []
    assert owed(world) == []
    assert board(world.services.ledger, world.services.policy.keeper).owed == ()


def test_what_came_from_a_retailer_is_told_to_the_team_after_an_hour_without_mail(make_world: MakeWorld) -> None:
    world = make_world(mail={"team": TEAM})
    keeper = Keeper(world)
    number = came(world, Disposition.REPLY, "asks for help")
    down = mail_down(world)
    hours(world, keeper)
    assert untold(world) == [number]
    [row] = owed(world)
    assert (row.ref, row.what, row.code, row.tries) == ("", Debt.TEAM_MAIL, Code.MAIL_DOWN, 2)
    down.is_over()
    hours(world, keeper, 1 / PASSES_AN_HOUR)
    assert (untold(world), owed(world)) == ([], [])


def test_a_new_link_is_owed_by_name_until_it_left(make_world: MakeWorld) -> None:
    world = make_world(answers={"mailbox": "retailers"})
    ref = told_and_waiting(world)
    keeper = Keeper(world)
    assert world.process().keys.renew() == 1
    down = mail_down(world)
    hours(world, keeper)
    assert [(row.ref, row.what) for row in owed(world)] == [(ref, Debt.LINK)]
    down.is_over()
    hours(world, keeper)
    assert (world.count(ref, Kind.LINK_RENEWED), owed(world)) == (1, [])


# -- the case that was seen --------------------------------------------------------------------------------------------


def test_the_mail_that_it_works_again_leaves_after_an_outage_of_ninety_seconds(world: World) -> None:
    """The case closed, its mail never left, and everything said that all is well."""
    ref = closed_just_now(world)
    down = mail_down(world)
    case = world.walk(ref, until="the end")
    assert case.is_closed
    assert (world.count(ref, Kind.TROUBLE), case.trouble) == (0, None), "nobody is asked about a closed case"
    assert case.ticket_closed is not None, "what failed holds nothing else up"
    [row] = owed(world)
    assert (row.what, row.code, row.tries) == (Debt.RECOVERY, Code.MAIL_DOWN, 1)
    shown = board(world.services.ledger, world.services.policy.keeper)
    assert (shown.open, [line.row.ref for line in shown.owed]) == (0, [ref])
    assert "the mail server does not answer" in shown.owed[0].sentence.lower()
    down.is_over()
    assert Keeper(world)(seconds=90).done_late == [ref]
    assert (recovered_once(world, ref), owed(world)) == (True, [])


def test_a_ticket_that_cannot_be_closed_holds_up_no_mail(world: World) -> None:
    ref = closed_just_now(world)
    desk_down(world)
    world.walk(ref, until="the end")
    assert (recovered_once(world, ref), [row.what for row in owed(world)]) == (True, [Debt.TICKET])


# -- crashes, two at once, one that fails ------------------------------------------------------------------------------


def test_a_crash_between_the_mail_and_its_record_sends_the_same_mail_again(world: World) -> None:
    ref = closed_just_now(world)
    world.step("close ticket", ref)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        Keeper(world)(minutes=3)
    assert [row.what for row in owed(world)] == [Debt.RECOVERY]
    world.restart(minutes=5)
    Keeper(world)()
    first, second = [mail for mail in mails(world) if "recovery" in str(mail["Message-ID"])]
    assert first.as_bytes() == second.as_bytes()
    assert (world.count(ref, Kind.RECOVERY_TOLD), owed(world)) == (1, [])


def test_what_left_while_the_list_said_that_it_is_owed_is_not_sent_again(world: World) -> None:
    """Two writers: the run told the retailer after the keeper had read the list."""
    ref = closed_just_now(world)
    tell_recovery(world.services.ledger, world.services.dispatch(world.send), ref)
    with world.services.store.uow() as uow:
        uow.owed.failed(ref, Debt.RECOVERY, "1", "mail_down", "It was down.", world.clock())
        uow.commit()
    hours(world, Keeper(world))
    assert (recovered_once(world, ref), owed(world)) == (True, [])


def test_two_keepers_at_once_send_it_once(world: World) -> None:
    ref = closed_just_now(world)
    world.clock.move(minutes=3)
    both = threading.Barrier(2, timeout=60)

    def keeps(services: Services) -> Worked:
        hands = Hands(
            services.ledger, services.effects, services.links, services.policy, lambda: world.desk,
            lambda: services.dispatch(world.send), services.files,
        )  # fmt: skip
        both.wait()
        return work_off(hands, Problems(), 60)

    with ThreadPoolExecutor(2) as pool:
        # Who waits lets the other work, and no time pass: else the clock outruns the lease on a busy machine.
        list(pool.map(keeps, [world.process(sleep=lambda _: time.sleep(0)) for _ in range(2)]))
    hours(world, Keeper(world))
    assert (recovered_once(world, ref), ticket_closed_once(world, ref), owed(world)) == (True, True, [])


def test_a_note_is_settled_in_the_transaction_that_records_it(world: World) -> None:
    ref = told_and_waiting(world)
    says(world, ref)
    assert [row.what for row in owed(world, ref)] == [Debt.NOTE]
    note_words(world.services.ledger, world.services.effects, world.services.links, world.desk, ref)
    assert (noted_once(world, ref), owed(world, ref)) == (True, [])


@pytest.mark.parametrize("first", [0, 1])
def test_one_case_whose_mail_fails_for_good_holds_up_no_other(world: World, first: int) -> None:
    refs = [closed_just_now(world) for _ in range(3)]
    for ref in refs:
        world.step("close ticket", ref)
    error = MailDown("Only this one hangs.", "Wait.")
    world.mail.faulty.fails("send", before=error, times=1, skip=first)
    broken = refs[first]
    keeper = Keeper(world)
    keeper(minutes=3)
    late = {row.ref: row.tries for row in owed(world) if row.is_late}
    assert late == dict.fromkeys(refs[first:], 0) | {broken: 1}, "the others are late for the same reason, and next"
    keeper(seconds=30)
    assert [row.ref for row in owed(world)] == [broken], "it is behind the others now"
    hours(world, keeper, 0.5)
    assert (owed(world), all(recovered_once(world, ref) for ref in refs)) == ([], True)


def test_what_is_owed_no_more_is_taken_off_without_reaching_anything(world: World) -> None:
    """An older version's list may hold it; where nothing is set up to do it with, it would stay for ever."""
    ref, waiting = closed(world), a_case(world, "contain")
    with world.services.store.uow() as uow:
        for what, key in ((Debt.TICKET, "1"), (Debt.RECOVERY, "1"), (Debt.REMINDER, ""), (Debt.STEP, "stop the job")):
            uow.owed.begin(ref, what, key, world.clock())
        uow.owed.begin(waiting, Debt.STEP, "stop the job", world.clock())
        uow.commit()

    def nothing_set_up() -> Any:
        raise BadInput("There is no such block.", "Save one.")

    ports = dataclasses.replace(Keeper(world).ports(), desk=nothing_set_up, sender=nothing_set_up)
    world.clock.move(minutes=40)
    assert keep(world.services, ports, patience=0)
    assert owed(world) == []


def test_much_mail_that_waits_for_its_server_holds_up_no_ticket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owing, "AT_MOST", 1)
    world.step("close ticket", closed_just_now(world))
    world.clock.move(minutes=10)
    last = closed_just_now(world)
    mail_down(world)
    Keeper(world)(minutes=3)
    assert ticket_closed_once(world, last)


# -- how often, and who is told ----------------------------------------------------------------------------------------


def test_a_step_is_tried_ever_more_seldom_and_the_team_is_told_as_of_a_question(make_world: MakeWorld) -> None:
    world = make_world(mail={"team": TEAM})
    ref = a_case(world, "contain")
    desk_down(world)
    goes_on(world, ref)
    keeper = Keeper(world)
    told = []
    for hour in range(1, 26):
        before = len(keeper.woken)
        keeper(hours=1)
        if keeper.woken[before:]:
            goes_on(world, ref)
        told += [hour] * (world.count(ref, Kind.TEAM_TOLD) - len(told))
    assert told == [8, 24]
    assert len(keeper.woken) == 25, "in each pass, and each try asks anew"
    assert "The desk does not answer." in mails(world, TEAM)[0].get_content()


def test_a_step_is_tried_once_prefect_is_there_again_and_not_only_at_its_next_turn(world: World) -> None:
    ref, keeper = a_case(world, "contain"), Keeper(world)
    trouble = {"step": "open the ticket", "code": "desk_refused", "problem": "It refuses.", "next_action": "Look."}
    world.services.ledger.record(ref, Kind.TROUBLE, **trouble)
    waits(world, ref, form="try-again")

    def down(*_: object) -> Ran:
        raise PrefectDown("It does not answer.", "Wait.")

    world.clock.move(hours=1)
    assert keep(world.services, dataclasses.replace(keeper.ports(), runs=down), patience=0)
    assert [row.tries for row in owed(world, ref)] == [0]
    keeper(minutes=3)
    assert (keeper.woken, [row.tries for row in owed(world, ref)]) == ([ref], [1])
    keeper(minutes=3)
    assert keeper.woken == [ref]


def test_a_person_who_says_try_again_is_first(world: World) -> None:
    ref = a_case(world, "contain")
    down = desk_down(world)
    goes_on(world, ref)
    down.is_over()
    world.services.ledger.record(ref, Kind.TROUBLE_OVER, REVIEWER, step="open the ticket")
    assert owed(world) == []


@pytest.mark.parametrize("code", [*sorted(PASSES), Code.OTHER, Code.NOBODY_TO_TELL])
def test_no_try_is_later_than_a_day_and_what_passes_by_itself_soon(code: Code) -> None:
    for late in range(0, 5000, 7):
        now = START + timedelta(hours=late)
        pause = next_try(code, START, now) - now
        assert timedelta(minutes=1) <= pause <= (LONGEST / 48 if code in PASSES else LONGEST)


def test_a_clock_that_was_set_back_leaves_nothing_behind(world: World) -> None:
    ref = closed_just_now(world)
    world.clock.move(days=400)
    down = mail_down(world)
    Keeper(world)(minutes=3)
    down.is_over()
    world.clock.move(days=-400)
    Keeper(world)(minutes=3)
    assert recovered_once(world, ref)


# -- where people see it ----------------------------------------------------------------------------------------------


def test_doctor_the_case_and_its_page_say_what_a_closed_case_owes(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ref = closed_just_now(world)
    mail_down(world)
    world.walk(ref, until="the end")
    doctor = StoreChecks(world.services.settings.database, Clocks())
    for checked in (doctor.nothing_owed, lambda: doctor.kept(3)):
        with pytest.raises(Failed):
            checked()
    with pytest.raises(Failed, match=f"1 owed, and not done yet. {ref}: The mail to the retailer that says how it"):
        doctor.nothing_owed()
    for_home(world.home, monkeypatch)
    run = runner(monkeypatch, capsys)
    [told] = run("case", "why", ref, "--json").json["owed"]
    assert (told["what"], told["code"], told["tries"]) == ("recovery", "mail_down", 1)
    assert f"caseproof case waive {ref} recovery" in run("case", "why", ref).out
    with TestClient(create_app(world.services), base_url="http://127.0.0.1:8321") as client:
        page = client.get(f"/cases/{ref}").text
    assert "Owed yet" in page
    assert "The mail server does not answer." in page
    assert "Owed yet" in str(world.walker.shown[f"{ref.lower()}-case"])

    given_up = run("case", "waive", ref, "recovery", "--by", REVIEWER, "--reason", "By telephone.")
    assert (given_up.code, "Given up: the mail to the retailer" in given_up.out) == (0, True)
    assert run("case", "why", ref, "--json").json["owed"] == []
    assert doctor.nothing_owed() == "Nothing is late"
    doctor.store.close()


def test_what_is_under_way_is_not_late(world: World) -> None:
    closed_just_now(world)
    doctor = StoreChecks(world.services.settings.database, Clocks())
    assert doctor.nothing_owed() == "Nothing is late; 2 things are under way"
    doctor.store.close()


# -- giving up ---------------------------------------------------------------------------------------------------------


def test_what_a_person_gives_up_is_owed_no_more_and_the_case_says_who_and_why(world: World) -> None:
    ref = closed_just_now(world)
    mail_down(world)
    world.walk(ref, until="the end")
    team = world.services.policy.team
    give_up(world.services.ledger, team, ref, "recovery", by=REVIEWER, reason="They were told by telephone.")
    assert owed(world) == []
    [fact] = world.case(ref).every(Kind.GIVEN_UP)
    assert (fact.actor, fact["reason"]) == (REVIEWER, "They were told by telephone.")
    world.mail.faulty.faults.clear()
    hours(world, Keeper(world), 2)
    assert world.count(ref, Kind.RECOVERY_TOLD) == 0


def test_what_was_given_up_is_not_done_by_the_run_of_the_case_either(world: World) -> None:
    """A desk that refuses a comment for good would hold up the case whose comment nobody wants any more."""
    team, open_one, ref = world.services.policy.team, told_and_waiting(world), closed_just_now(world)
    says(world, open_one)
    for one, what in ((open_one, "note"), (ref, "recovery"), (ref, "ticket")):
        give_up(world.services.ledger, team, one, what, by=REVIEWER, reason="No more.")
    assert words_to_note(world.services.store, world.case(open_one)) == []
    world.walk(ref, until="the end")
    fact = world.case(ref).ticket
    assert fact is not None
    assert world.desk.ticket(fact["ticket"]).status is TicketStatus.OPEN
    assert (world.count(ref, Kind.RECOVERY_TOLD), owed(world)) == (0, [])


def test_what_stands_on_the_list_alone_can_be_given_up_too(world: World) -> None:
    ref, team = closed(world), world.services.policy.team
    with world.services.store.uow() as uow:
        uow.owed.failed(ref, Debt.TICKET, "9", "nothing_saved", "There is no desk.", world.clock())
        uow.commit()
    give_up(world.services.ledger, team, ref, "ticket", by=REVIEWER, reason="There is no desk.")
    assert owed(world) == []


def test_a_case_that_closes_again_owes_its_mail_anew(world: World) -> None:
    ref = closed_just_now(world)
    give_up(world.services.ledger, world.services.policy.team, ref, "recovery", by=REVIEWER, reason="By telephone.")
    world.services.ledger.change(ref, lambda _: [world.services.ledger.event(Kind.REOPENED, why="It fails again.")])
    world.walk(ref, before="close ticket")
    assert Debt.RECOVERY in [row.what for row in owed(world, ref)]


def test_a_step_of_an_open_case_cannot_be_given_up_nor_what_is_not_owed(world: World) -> None:
    ref = a_case(world, "contain")
    desk_down(world)
    goes_on(world, ref)
    for what, refusal in (("step", NotAllowed), ("recovery", BadInput)):
        with pytest.raises(refusal):
            give_up(world.services.ledger, world.services.policy.team, ref, what, by=REVIEWER, reason="No.")


def test_nothing_is_given_up_without_a_reason_or_by_somebody_who_is_not_on_the_team(world: World) -> None:
    ref, team = closed_just_now(world), world.services.policy.team
    for by, reason, refusal in ((REVIEWER, " ", BadInput), ("a stranger", "No.", NotOnTheTeam)):
        with pytest.raises(refusal):
            give_up(world.services.ledger, team, ref, "recovery", by=by, reason=reason)
    assert Debt.RECOVERY in [row.what for row in owed(world, ref)]


# -- every kind has its entry ------------------------------------------------------------------------------------------


def test_every_kind_of_debt_has_one_entry_and_a_row_of_the_table() -> None:
    assert set(WAYS) == set(Debt)
    assert all((way.do is None) <= bool(way.instead) for way in WAYS.values()), "who does it otherwise is said"


# -- contacts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def nobody(world: World) -> str:
    """A case that waits for a contact of its retailer."""
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", CONTACT)
        uow.commit()
    ref = a_case(world, "ticket")
    goes_on(world, ref)
    [row] = owed(world)
    assert (row.what, row.code) == (Debt.STEP, Code.NOBODY_TO_TELL)
    return ref


def test_a_contact_wakes_the_cases_that_waited_for_it(world: World, nobody: str) -> None:
    keeper = Keeper(world)
    keeper(minutes=3)
    assert keeper.woken == []
    world.register("Shop B", "owner@shop-b.example.com")
    keeper(seconds=1)
    assert keeper.woken == []
    world.register(" Shop A\u200b", CONTACT)
    keeper(seconds=1)
    assert keeper.woken == [nobody]
    world.walk(nobody, people=False)
    assert (world.case(nobody).state, owed(world)) == (State.WAITING, [])


def test_the_command_says_which_cases_waited_for_the_contact(
    world: World, nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for_home(world.home, monkeypatch)
    run = runner(monkeypatch, capsys)
    file = world.home.parent / "contacts.csv"
    file.write_text(f"retailer,address\nShop A,{CONTACT}\n")
    for arguments in (
        ("import", file, "--dry-run"),
        ("import", file),
        ("add", "--retailer", "Shop A", "--address", CONTACT),
    ):
        ended = run("contact", *arguments)
        assert (ended.code, nobody in ended.out) == (0, "--dry-run" not in arguments)


def test_a_check_names_the_retailers_without_a_contact_before_one_of_their_jobs_fails(world: World) -> None:
    world.platform.add("other/job", retailer="Shop B")
    world.platform.add("other/job-2", retailer="Shop B")
    here = world.services
    looked = plan_check(here.ledger, here.policy, "jobs", world.platform)
    assert (looked.without_contact, looked.targets) == ({"Shop B": 2}, ())
    assert "Shop B (2 jobs)" in nobody_to_tell(looked.without_contact)
    with pytest.raises(Failed, match=r"No contact is registered for Shop B \(2 jobs\)"):
        contacts("jobs", lambda: world.platform, here.store)
    world.register("Shop B", "owner@shop-b.example.com")
    assert "every retailer of its 3 jobs has a contact" in contacts("jobs", lambda: world.platform, here.store)


def test_what_is_saved_anew_has_all_tried_at_once_that_could_not_be_done(world: World, nobody: str) -> None:
    with world.services.store.uow() as uow:
        assert uow.owed.try_at_once() == 1
        uow.commit()
    keeper = Keeper(world)
    keeper(seconds=1)
    assert keeper.woken == [nobody]
