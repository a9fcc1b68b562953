"""A retailer who does not answer is reminded, and nobody else (J5)."""

from __future__ import annotations

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.views.board import board
from tests.support.keeper import mails, waits, writes
from tests.support.world import JOB


def test_a_retailer_is_reminded_when_the_policy_says_and_then_the_team_is_told(keeper, world, waiting) -> None:
    done = [keeper(days=1) for _ in range(8)]
    assert [one.reminded for one in done] == [[], [waiting], [], [], [waiting], [], [], []]
    assert [one.team_told for one in done] == [0, 0, 0, 0, 0, 0, 1, 0], "once the time for the answer is over"
    notice, first, second = mails(world)
    assert first["In-Reply-To"] == first["References"] == notice["Message-ID"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Subject"] == f"Re: {notice['Subject']}"
    text = first.get_body(("plain",)).get_content()
    assert waiting in text
    assert "What to do".upper() in text, "the notice itself stands below"
    told = [event for event in world.case(waiting).events if event.kind is Kind.REMINDER_SENT]
    assert [(e.data["number"], e.data["message_id"]) for e in told] == [
        (1, first["Message-ID"]),
        (2, second["Message-ID"]),
    ]
    assert world.vault.read(told[0].data["evidence"]) == world.mail.taken[1][0]
    assert world.case(waiting).state is State.WAITING
    assert not world.case(waiting).has_news, "nobody is woken for it"


def test_reminders_that_were_held_up_do_not_leave_on_one_day(keeper, world, waiting) -> None:
    assert keeper(days=6).reminded == [waiting]
    assert [keeper(hours=6).reminded for _ in range(4)] == [[], [], [], [waiting]]
    assert len(mails(world)) == 3


def test_nobody_is_reminded_who_wrote_whatever_they_wrote(keeper, world, waiting) -> None:
    """It is the team's turn then: it is told as of any question of its own."""
    writes(world, waiting, "Where do I find the token?", choice="help")
    assert keeper().woken == [waiting]
    waits(world, waiting)
    first = board(world.services.ledger, world.services.policy.keeper).lines[0]
    assert (first.who, first.what) == ("the team", "the retailer wrote: read it, and say whether it is their "
        "confirmation (J8)")  # fmt: skip
    told = [(hour, keeper(hours=1)) for hour in range(1, 73)]
    assert [hour for hour, done in told if done.team_told] == [8, 24, 72]
    assert not any(done.reminded for _, done in told)
    assert "the retailer wrote: read it" in world.case(waiting).nudges[0].data["about"]


def test_nobody_is_reminded_who_answered(keeper, world, waiting) -> None:
    world.confirm(waiting)
    done = keeper(days=2)
    assert (done.reminded, done.woken) == ([], [waiting]), "the run is woken instead"
    assert len(mails(world)) == 1


def test_a_retailer_who_is_not_at_fault_is_not_reminded_but_the_team_told(keeper, world) -> None:
    ref = world.open(cause="our_platform")
    world.walk(ref, until="tell")
    waits(world, ref)
    assert [keeper(days=1).team_told for _ in range(3)] == [1, 1, 1]
    assert len(mails(world)) == 1


def test_cases_of_one_notice_share_its_reminders(keeper, world) -> None:
    refs: list[str] = []
    for job in (JOB, "orders/feed-b"):
        world.platform.add(job)
        with world.services.store.uow() as uow:
            refs.append(uow.cases.create(world.services.ledger.event(
                Kind.OPENED, platform="jobs", job=job, job_name=job, retailer="Shop A", marketplace="North",
                cause="expired_token", summary="401", how="daily check", scope="job", check="pass-1",
                **({"shares_notice_with": refs[0]} if refs else {}),
            )).ref)  # fmt: skip
            uow.commit()
    for ref in refs:
        world.step("contain", ref)
    for ref in refs:
        world.walk(ref, until="tell")
        waits(world, ref)
    assert len(mails(world)) == 1
    assert sorted(keeper(days=2).reminded) == refs
    assert keeper(days=1).reminded == []
    _, reminder = mails(world)
    assert all(ref in reminder.get_body(("plain",)).get_content() for ref in refs)
    assert {world.case(ref).since_notice(Kind.REMINDER_SENT)[0].data["message_id"] for ref in refs} == {
        reminder["Message-ID"]
    }


def test_a_reminder_that_was_sent_before_a_crash_is_sent_again_as_the_same_mail(keeper, world, waiting) -> None:
    world.mail.faulty.fails("send", after=MailDown("The line was cut.", maybe_sent=True))
    assert waiting in keeper(days=2).problems.said
    world.restart(minutes=11)
    assert keeper().reminded == [waiting]
    _, first, second = world.mail.taken
    assert first == second, "byte for byte"
    assert world.count(waiting, Kind.REMINDER_SENT) == 1


def test_a_mail_server_that_is_down_is_asked_once_a_pass_and_again_in_the_next(keeper, world, waiting) -> None:
    world.mail.faulty.fails("send", before=MailDown("It is down.", "Wait."))
    done = keeper(days=2)
    assert "It is down." in done.problems.said[waiting]
    assert board(world.services.ledger, world.services.policy.keeper).lines[0].needs_us
    assert keeper(minutes=11).reminded == [waiting]
    assert not board(world.services.ledger, world.services.policy.keeper).lines[0].needs_us
