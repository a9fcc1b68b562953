"""The team is told what waits for it, by mail and on the board (J6)."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from caseproof.channels.outbound.mail import MailDown, MailRefused
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.board import board
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, came, mails, untold, waits, writes
from tests.support.world import DECIDER, JOB


def test_the_team_is_told_of_a_question_that_waits_as_often_as_the_policy_says(keeper, world, waiting) -> None:
    world.confirm(waiting)
    waits(world, waiting, "decision")
    told = [(hour, keeper(hours=1).team_told) for hour in range(1, 75)]
    assert [hour for hour, count in told if count] == [8, 24, 72]
    assert [keeper(days=7).team_told for _ in range(4)] == [0, 1, 0, 1]
    about = world.case(waiting).since_question(Kind.TEAM_TOLD)
    assert [event.data["number"] for event in about] == [1, 2, 3, 4, 5]
    assert "decision" in about[0].data["about"]
    assert world.mail.faulty.did("send") == 1, "there is no address: the board has it"


def test_one_mail_tells_the_team_about_many_cases(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"})
    refs = []
    for job in ("a/a", "b/b", "c/c"):
        world.platform.add(job)
        ref = world.open(job)
        world.walk(ref, until="tell")
        world.confirm(ref)
        refs.append(waits(world, ref, "decision"))
    assert Keeper(world)(hours=9).team_told == 3
    (mail,) = mails(world, "team@example.com")
    assert "3 cases" in mail["Subject"]
    assert all(world.services.links.case_url(ref) in mail.get_content() for ref in refs)


def test_where_the_team_s_mail_is_refused_it_is_told_later(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"})
    ref = world.open()
    world.walk(ref, until="tell")
    world.confirm(ref)
    waits(world, ref, "decision")
    world.mail.faulty.fails("send", before=MailRefused("No such mailbox.", "Correct it."))
    keeper = Keeper(world)
    assert "No such mailbox." in keeper(hours=9).problems.said["telling the team"]
    assert world.count(ref, Kind.TEAM_TOLD) == 0
    assert keeper(minutes=2).team_told == 1


def test_the_team_is_told_of_an_incident_s_question_as_of_a_case_s(make_world) -> None:
    world = make_world(mail={"team": "team@example.com"}, check={"storm": {"cases": 3, "minutes": 60}})
    refs = []
    for job in ("a/a", "b/b", "c/c"):
        world.platform.add(job)
        refs.append(world.open(job))
    assert incidents.gather(world.services.ledger, world.services.policy.check.storm) == ["IN-000001"]
    for ref in refs:
        world.walk(ref, until="tell")
        waits(world, ref, "decision")
    with world.services.store.uow() as uow:
        uow.incidents.attach_run("IN-000001", "run-of-all", 1)
        uow.commit()
    number = incidents.ask(world.services.ledger, "IN-000001", "run-of-all")
    (shown,) = board(world.services.ledger, world.services.policy.keeper).incidents
    assert (shown.ref, shown.cases, shown.who(world.clock()), shown.run) == ("IN-000001", 3, "the team", "run-of-all")
    keeper = Keeper(world)
    told = [(hour, keeper(hours=1).team_told) for hour in range(1, 75)]
    assert [(hour, count) for hour, count in told if count] == [(8, 4), (24, 4), (72, 4)]
    mail = mails(world, "team@example.com")[0].get_content()
    assert "https://prefect.example.com/runs/run-of-all" in mail
    assert "IN-000001 (3 open cases: expired token on North)" in mail
    until = (world.clock() + timedelta(days=10)).date()
    incidents.decide_all(
        world.services.ledger,
        world.services.policy,
        "IN-000001",
        Decision.KEEP_PAUSED,
        DECIDER,
        "They move.",
        until,
        question=number,
    )
    incidents.ask(world.services.ledger, "IN-000001", "run-of-all")
    (shown,) = board(world.services.ledger, world.services.policy.keeper).incidents
    assert (shown.who(world.clock()), shown.waits_for(world.clock())) == ("nobody", f"kept paused until {until} (J6)")
    keeper(days=9)
    assert not any("IN-000001 (" in mail.get_content() for mail in mails(world, "team@example.com")[3:])
    keeper(days=1, hours=9)
    assert "decide again for all of them" in mails(world, "team@example.com")[-1].get_content()


# -- what came from retailers -----------------------------------------------------------------------------------------

TEAM = "team@example.com"


@pytest.fixture
def told(make_world) -> Keeper:
    """The keeper of a world whose team has an address."""
    return Keeper(make_world(mail={"team": TEAM}))


def asked(world) -> str:
    ref = world.open()
    world.walk(ref, until="tell")
    return waits(world, ref)


def test_the_team_is_told_once_of_what_came_from_retailers_who_ask_for_help_first(told) -> None:
    world = told.world
    ref = asked(world)
    came(world, Disposition.UNMATCHED, "it answers no mail of ours")
    came(world, Disposition.BOUNCE, "our mail did not arrive at owner@shop-a.example.com", ref=ref)
    writes(world, ref, "Where do I\r\nfind the token?" + " Please." * 100, choice="help")
    came(world, Disposition.COUNTED, "says that the change is made", ref=ref)
    assert (told().team_told, told(hours=2).team_told) == (3, 0)
    (mail,) = mails(world, TEAM)
    assert mail["Subject"] == "Caseproof: 3 messages from retailers"
    text = mail.get_content()
    assert f"{world.services.settings.public}/inbox" in text
    told_of = [line for line in text.splitlines() if ": " in line and not line.startswith("  ")]
    assert told_of == [
        f"{ref}, owner@shop-a.example.com: asks for help",
        "No case, stranger@example.com: it answers no mail of ours",
        f"{ref}, stranger@example.com: our mail did not arrive at owner@shop-a.example.com",
    ]
    (words,) = [line for line in text.splitlines() if line.startswith('  "')]
    assert words.startswith('  "Where do I find the token? Please. Please.')
    assert len(words) < 310
    assert untold(world) == []


def test_messages_and_cases_stand_in_one_mail(told) -> None:
    world = told.world
    ref = asked(world)
    world.confirm(ref)
    waits(world, ref, "decision")
    told(hours=7, minutes=50)
    writes(world, ref, "One more thing: which token?")
    assert told(minutes=11).team_told == 2
    (mail,) = mails(world, TEAM)
    assert mail["Subject"] == f"Caseproof: {ref} needs you, a message from a retailer"
    assert mail.get_content().index("which token?") < mail.get_content().index("These cases wait")


def test_without_an_address_the_board_alone_tells_of_messages(keeper, world) -> None:
    came(world, Disposition.UNMATCHED, "it answers no mail of ours")
    assert keeper().team_told == 1
    assert board(world.services.ledger, world.services.policy.keeper).from_retailers == {"unmatched": 1}
    assert (untold(world), world.mail.taken) == ([], [])


def test_messages_that_could_not_be_mailed_are_told_in_the_next_pass(told) -> None:
    world = told.world
    number = came(world, Disposition.UNREADABLE, "it is no mail")
    world.mail.faulty.fails("send", before=MailDown("It is down.", "Wait."))
    done = told()
    assert (done.team_told, untold(world)) == (0, [number])
    assert "It is down." in done.problems.said["telling the team"]
    assert (told(minutes=3).team_told, untold(world)) == (1, [])


def test_a_crash_between_the_mail_and_its_record_tells_twice_rather_than_never(told) -> None:
    world = told.world
    came(world, Disposition.REFUSED, "a stranger wrote it")
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        told()
    world.restart(minutes=3)
    assert told().team_told == 1
    first, second = mails(world, TEAM)
    assert first["Message-ID"] == second["Message-ID"]


def test_what_strangers_and_mail_servers_send_is_mailed_once_an_hour_and_a_retailers_reply_at_once(told) -> None:
    """The team's own address may be what mail comes back from: then each mail to it would make the next."""
    world, counts = told.world, []
    ref = asked(world)
    for number in range(40):
        came(world, Disposition.UNMATCHED, f"it tells of a mail that did not arrive: {number}")
        counts.append(told(minutes=3).team_told)
    assert [count for count in counts if count] == [1, 20]
    writes(world, ref, "Please call us.")
    assert told(minutes=3).team_told == 20, "and with it what had waited"


def test_a_case_that_cannot_be_read_hides_no_message(told) -> None:
    world = told.world
    ref = asked(world)
    writes(world, ref, "Which token?")
    with sqlite3.connect(world.services.settings.home_folder / "caseproof.sqlite") as raw:
        raw.execute("DROP TRIGGER events_unchanged")
        raw.execute("UPDATE events SET data = '{'")
    raw.close()
    assert told().team_told == 1
    assert f"{ref}, owner@shop-a.example.com: asks for help" in mails(world, TEAM)[0].get_content()


def test_a_stop_that_did_not_hold_delays_nothing_else_that_the_team_is_told(keeper, world, waiting) -> None:
    keeper(minutes=3)
    world.platform.held[JOB].active = True
    assert keeper(minutes=3).team_told == 1
    assert world.case(waiting).nudges == ()
    assert [keeper(days=1).team_told for _ in range(8)].index(1) == 6, "after seven days, as ever"
