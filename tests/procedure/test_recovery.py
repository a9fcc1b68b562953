"""J5: whoever was told that a job failed is told when it works again, or was removed: once a closing, and after it."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from caseproof.channels.outbound.mail import MailDown, MailRefused
from caseproof.config.policy import BUILT_IN, MailPolicy, load_policy
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.owing import owes_recovery
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.signing import case_of_address
from caseproof.procedure.notify import recovery
from caseproof.procedure.notify.reminding import remind
from caseproof.procedure.notify.threads import find_thread
from tests.support.fakes import Killed
from tests.support.world import CONTACT, JOB, World

SECOND = "second@shop-a.example.com"


def mails(world: World) -> list[EmailMessage]:
    return [message_from_bytes(mail[0], policy=policy.default) for mail in world.mail.taken]


def words(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content()


def to(world: World) -> list[str]:
    return [address for *_, (address,) in world.mail.taken]


def remove(world: World, address: str) -> None:
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", address)
        uow.commit()


def test_whoever_was_told_is_told_once_that_it_works_again_in_the_same_thread(world: World) -> None:
    world.register("Shop A", SECOND)
    ref = world.closed()
    before = world.case(ref)
    case = world.walk(ref, until="the end")
    notices, again = mails(world)[:2], mails(world)[2:]
    assert to(world) == [CONTACT, SECOND] * 2
    assert [one["In-Reply-To"] for one in again] == [one["Message-ID"] for one in notices]
    assert [one["Subject"] for one in again] == [f"Re: {one['Subject']}" for one in notices]
    assert [one["Message-ID"] for one in again] == [
        "<jf-000001.1.notice.recovery@example.com>",
        "<jf-000001.1.notice-2.recovery@example.com>",
    ]
    assert all(JOB in words(one) and "running again" in words(one) for one in again)
    assert case.recovery["accepted"] == [CONTACT, SECOND]
    assert world.vault.read(case.recovery["evidence"]) == world.mail.taken[2][0]
    assert (case.is_closed, case.closed, case.proof) == (True, before.closed, before.proof)
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []
    world.restart()
    world.walk(ref, until="the end")
    assert len(world.mail.taken) == 4


def test_a_removal_is_told_as_what_it_is(world: World) -> None:
    ref = world.closed(Decision.REMOVE)
    world.step("recover", ref)
    said = words(mails(world)[-1])
    assert "out of service for good" in said
    assert "running again" not in said
    assert "Each of its schedules is switched off" in said
    assert "Nothing was deleted." in said
    assert "no schedule" not in said


def test_a_retailer_reads_how_it_ended_in_the_time_of_the_policy(make_world: Callable[..., World]) -> None:
    world = make_world(times={"timezone": "Europe/Berlin"})
    ref = world.closed()
    world.step("recover", ref)
    assert "(Berlin time)" in words(mails(world)[-1])
    assert "UTC" not in words(mails(world)[-1])
    elsewhere = load_policy(BUILT_IN).model_copy(update={"mail": MailPolicy(timezone="America/New_York")})
    assert str(elsewhere.letters_zone) == "America/New_York", "what mail says comes first"


def test_those_who_were_asked_nothing_hear_it_too(world: World) -> None:
    ref = world.open(cause="our_platform")
    world.walk(ref, until="the end")
    assert world.case(ref).notice["asks"] is False
    assert to(world) == [CONTACT, CONTACT]


def test_answers_to_it_go_to_the_signed_address_of_the_case(make_world: Callable[..., World]) -> None:
    world = make_world(answers={"mailbox": "retailers"})
    ref = world.open()
    world.walk(ref, until="the end")
    assert case_of_address(world.services.secret, world.mail.taken[-1][1]) == ref
    assert case_of_address(world.services.secret, str(mails(world)[-1]["Reply-To"])) == ref


# -- who --------------------------------------------------------------------------------------------------------------


def test_it_goes_to_those_whose_letter_was_taken_and_who_are_contacts_yet(world: World) -> None:
    world.register("Shop A", SECOND, "third@shop-a.example.com")
    world.mail.refuses = {SECOND}
    ref = world.closed()
    world.mail.refuses = set()
    remove(world, CONTACT)
    world.register("Shop A", "never-told@shop-a.example.com")
    world.step("recover", ref)
    assert to(world)[2:] == ["third@shop-a.example.com"]
    assert mails(world)[-1]["In-Reply-To"] == "<jf-000001.1.notice-3@example.com>"


def test_whoever_only_got_a_reminder_was_told_too(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="tell")
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="run")
    world.register("Shop A", SECOND)
    remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref)
    world.walk(ref, until="the end")
    assert to(world) == [CONTACT] + [CONTACT, SECOND] * 2
    assert mails(world)[-1]["In-Reply-To"] == mails(world)[2]["In-Reply-To"] == "<jf-000001.1.notice-2@example.com>"


def test_where_nobody_who_was_told_is_left_the_case_says_so_and_asks_nobody(world: World) -> None:
    ref = world.closed()
    remove(world, CONTACT)
    world.step("recover", ref)
    assert len(world.mail.taken) == 1
    assert world.case(ref).recovery["why"] == recovery.NOBODY
    assert not owes_recovery(world.case(ref))


# -- when -------------------------------------------------------------------------------------------------------------


def test_nothing_is_said_before_the_case_is_closed(world: World) -> None:
    ref = world.open()
    world.walk(ref, until="proof")
    world.step("recover", ref)
    assert world.case(ref).recovery is None
    assert len(world.mail.taken) == 1


def test_a_case_that_is_closed_once_more_tells_once_more(world: World) -> None:
    ref = world.closed()
    world.step("recover", ref)
    world.services.ledger.record(ref, Kind.REOPENED, why="It failed again.")
    world.walk(ref, until="the end")
    assert world.count(ref, Kind.RECOVERY_TOLD) == 2
    assert [one["Message-ID"] for one in mails(world)] == [
        "<jf-000001.1.notice@example.com>",
        "<jf-000001.1.notice.recovery@example.com>",
        "<jf-000001.2.notice@example.com>",
        "<jf-000001.2.notice.recovery@example.com>",
    ]


def test_cases_of_one_notice_tell_one_by_one_and_each_under_its_own_name(world: World) -> None:
    refs: list[str] = []
    for job in (JOB, "orders/b"):
        if job != JOB:
            world.platform.add(job)
        with world.services.store.uow() as uow:
            refs.append(uow.cases.create(opened(world, job, refs)).ref)
            uow.commit()
    for ref in refs:
        world.step("contain", ref)
    for ref in refs:
        world.walk(ref, until="the end")
    _, *again = mails(world)
    names = ["<jf-000001.check-pass-1.notice.recovery@", "<jf-000001.check-pass-1.notice.recovery-jf-000002@"]
    assert [one["Message-ID"] for one in again] == [f"{name}example.com>" for name in names]
    assert [[job in words(one).partition("\n>")[0] for job in (JOB, "orders/b")] for one in again] == [
        [True, False],
        [False, True],
    ]
    with world.services.store.reading() as uow:
        letters = [find_thread(uow, one["Message-ID"]) for one in again]
    assert [letter.cases for letter in letters] == [tuple(refs)] * 2


def opened(world: World, job: str, others: list[str]) -> Event:
    return world.services.ledger.event(
        Kind.OPENED, platform="jobs", job=job, job_name=job, retailer="Shop A", marketplace="North",
        cause="expired_token", summary="401", how="daily check", scope="job", check="pass-1",
        **({"shares_notice_with": others[0]} if others else {}),
    )  # fmt: skip


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [MailDown("It is down.", "Wait."), MailRefused("No.", "Change it.")], ids=type)
def test_a_mail_that_does_not_leave_is_tried_again_and_the_case_stays_closed(world: World, error: Exception) -> None:
    ref = world.closed()
    world.mail.faulty.fails("send", before=error)
    with pytest.raises(type(error)):
        world.step("recover", ref)
    assert world.case(ref).is_closed
    assert owes_recovery(world.case(ref))
    world.step("recover", ref)
    assert world.count(ref, Kind.RECOVERY_TOLD) == 1


def test_a_process_that_dies_after_a_letter_leaves_the_same_one_to_be_sent_again(world: World) -> None:
    world.register("Shop A", SECOND)
    ref = world.closed()
    world.mail.faulty.fails("send", after=Killed(), skip=1)
    with pytest.raises(Killed):
        world.step("recover", ref)
    world.restart(minutes=90)
    world.step("recover", ref)
    assert to(world)[2:] == [CONTACT, SECOND, SECOND]
    assert len({mail[0] for mail in world.mail.taken[2:]}) == 2


def test_a_case_that_is_opened_again_while_it_is_told_keeps_no_record_of_it(world: World) -> None:
    """The record belongs to the closing; the next one tells anew."""
    ref = world.closed()

    def reopens(_: str) -> None:
        world.services.ledger.record(ref, Kind.REOPENED, why="It failed again.")

    world.mail.faulty.during = reopens
    after = recovery.tell_recovery(world.services.ledger, world.services.dispatch(world.send), ref)
    world.mail.faulty.during = lambda _: None
    assert (after.recovery, after.is_closed) == (None, False)
    assert world.walk(ref, until="the end").recovery["message_id"] == "<jf-000001.2.notice.recovery@example.com>"


def test_a_case_from_before_there_were_letters_tells_all_of_them(world: World) -> None:
    world.register("Shop A", SECOND)
    ref = world.open()
    world.walk(ref, until="ticket")
    mail = b"Message-ID: <jf-000001.1.notice@example.com>\r\nSubject: Your job\r\n\r\nIt failed.\r\n"
    kept = world.services.files.keep(ref, mail, "notice-1.eml", "message/rfc822")
    world.services.ledger.record(
        ref, Kind.NOTICE_SENT, message_id="<jf-000001.1.notice@example.com>", accepted=[CONTACT, SECOND], evidence=kept
    )
    case: Case = world.walk(ref, until="the end")
    assert case.recovery["accepted"] == to(world) == [CONTACT, SECOND]
    assert {one["Subject"] for one in mails(world)} == {"Re: Your job"}
