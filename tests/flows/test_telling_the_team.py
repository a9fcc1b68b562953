"""The team is told what waits for it, by mail and on the board (J6)."""

from __future__ import annotations

from datetime import timedelta

from caseproof.channels.mail import MailRefused
from caseproof.domain.decisions import Decision
from caseproof.domain.events import Kind
from caseproof.procedure import incidents
from caseproof.procedure.board import board
from tests.support.keeper import Keeper, mails, waits
from tests.support.world import DECIDER


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
    assert all(world.office.case_url(ref) in mail.get_content() for ref in refs)


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
    assert incidents.gather(world.office) == ["IN-000001"]
    for ref in refs:
        world.walk(ref, until="tell")
        waits(world, ref, "decision")
    with world.office.store.unit() as unit:
        unit.incidents.attach_run("IN-000001", "run-of-all", 1)
        unit.commit()
    number = incidents.ask(world.office, "IN-000001", "run-of-all")
    (shown,) = board(world.office).incidents
    assert (shown.ref, shown.cases, shown.who(world.clock()), shown.run) == ("IN-000001", 3, "the team", "run-of-all")
    keeper = Keeper(world)
    told = [(hour, keeper(hours=1).team_told) for hour in range(1, 75)]
    assert [(hour, count) for hour, count in told if count] == [(8, 4), (24, 4), (72, 4)]
    mail = mails(world, "team@example.com")[0].get_content()
    assert "https://prefect.example.com/runs/run-of-all" in mail
    assert "IN-000001 (3 open cases: expired token on North)" in mail
    until = (world.clock() + timedelta(days=10)).date()
    incidents.decide_all(world.office, "IN-000001", Decision.KEEP_PAUSED, DECIDER, "They move.", until, question=number)
    incidents.ask(world.office, "IN-000001", "run-of-all")
    (shown,) = board(world.office).incidents
    assert (shown.who(world.clock()), shown.waits_for(world.clock())) == ("nobody", f"kept paused until {until} (J6)")
    keeper(days=9)
    assert not any("IN-000001 (" in mail.get_content() for mail in mails(world, "team@example.com")[3:])
    keeper(days=1, hours=9)
    assert "decide again for all of them" in mails(world, "team@example.com")[-1].get_content()
