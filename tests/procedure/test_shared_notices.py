"""J5: jobs of one retailer, marketplace and cause that one check found share one mail, and mail is paced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.utils import format_datetime
from itertools import pairwise

import pytest

from caseproof.channels.outbound.mail import MailDown
from caseproof.domain.case import Case
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.signing import case_of_address
from caseproof.platforms.base import PlatformRefused
from caseproof.procedure.answers import manual_confirmation
from caseproof.procedure.answers.writing_back import send_written, write_mail
from caseproof.procedure.core import causes
from caseproof.procedure.core.services import Services
from caseproof.procedure.notify import telling
from caseproof.procedure.notify.correcting import tell_correction
from caseproof.procedure.notify.threads import find_thread
from caseproof.store import Store
from caseproof.store.errors import Unreadable
from tests.support.fakes import Killed
from tests.support.keeper import came
from tests.support.letters import at_its_pace
from tests.support.retailer_mail import AUTHSERV, answer
from tests.support.world import CONTACT, REVIEWER, World

JOBS = ("offers/a", "orders/b", "stock/c")


def opens(world: World, *jobs: str, check: str = "pass-1", **facts: object) -> list[str]:
    """What a check does: one case a job; those after the first name it."""
    refs: list[str] = []
    for job in jobs:
        if job not in world.platform.held:
            world.platform.add(job)
        known = world.platform.held[job].job
        opened = {
            "platform": "jobs", "job": job, "job_name": job, "job_url": known.url, "retailer": known.retailer,
            "marketplace": known.marketplace, "connection": known.connection, "cause": "expired_token",
            "summary": "401 Unauthorized", "how": "daily check", "scope": "job", "check": check,
        } | ({"shares_notice_with": refs[0]} if refs else {}) | facts  # fmt: skip
        with world.services.store.uow() as uow:
            refs.append(uow.cases.create(world.services.ledger.event(Kind.OPENED, **opened)).ref)
            uow.commit()
    return refs


def told(world: World, refs: list[str]) -> list[str]:
    """The Message-ID of each case's notice."""
    return [world.case(ref).notice["message_id"] for ref in refs]


def text(world: World, number: int = 0) -> str:
    message = message_from_bytes(world.mail.taken[number][0], policy=policy.default)
    return f"{message['Subject']}\n{message.get_body(('plain',)).get_content()}"


def stop(world: World, refs: list[str]) -> None:
    for ref in refs:
        world.step("contain", ref)


def walk(world: World, refs: list[str]) -> list[str]:
    for ref in refs:
        world.walk(ref, until="tell")
    return told(world, refs)


def test_three_jobs_of_one_retailer_get_one_mail_and_each_case_its_own_record(world: World) -> None:
    refs = opens(world, *JOBS)
    stop(world, refs)
    ids = walk(world, [refs[1], refs[0], refs[2]])  # whoever comes first sends it
    assert len(world.mail.taken) == 1
    assert len(set(ids)) == 1
    said = text(world)
    assert "3 of your jobs for North have failed in the same way. We have stopped them" in said
    for ref, job in zip(refs, JOBS, strict=True):
        assert f"- {ref}: {job}. Stopped." in said
        fact = world.case(ref).notice
        assert fact["accepted"] == ["owner@shop-a.example.com"]
        assert fact["cases"] == refs
        with world.services.store.reading() as uow:
            notices = [file for file in uow.evidence.of(ref) if file.name == "notice-1.eml"]
        assert [file.digest for file in notices] == [fact["evidence"]]


def test_each_case_of_a_shared_notice_keeps_every_contact_s_letter(world: World) -> None:
    world.register("Shop A", "second@shop-a.example.com")
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    assert set(walk(world, refs)) == {"<jf-000001.check-pass-1.notice@example.com>"}
    assert [mail[2] for mail in world.mail.taken] == [("owner@shop-a.example.com",), ("second@shop-a.example.com",)]
    for ref in refs:
        assert world.case(ref).notice["accepted"] == ["owner@shop-a.example.com", "second@shop-a.example.com"]
        with world.services.store.reading() as uow:
            kept = {file.name: file.digest for file in uow.evidence.of(ref)}
            letter = find_thread(uow, "jf-000001.check-pass-1.notice-2")
        assert [world.vault.read(kept[name]) for name in ("notice-1.eml", "notice-1-2.eml")] == [
            mail[0] for mail in world.mail.taken
        ]
        assert (letter.to, list(letter.cases)) == ("second@shop-a.example.com", refs)


def test_a_job_that_cannot_be_stopped_is_in_the_mail_with_its_reason(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    world.platform.faulty.fails("stop", what=JOBS[1], before=PlatformRefused("It is not ours.", "Ask the host."))
    stop(world, refs)
    walk(world, refs)
    assert len(world.mail.taken) == 1
    assert "We have stopped 1 of them" in text(world)
    assert f"- {refs[1]}: {JOBS[1]}. Not stopped. Why we could not stop it: " in text(world)


def test_a_job_that_is_not_stopped_yet_is_not_in_the_mail_and_is_told_of_later(world: World) -> None:
    """J2 before J5, for every job that the mail says is stopped."""
    refs = opens(world, *JOBS)
    stop(world, refs[1:])
    first = walk(world, refs[1:])
    assert refs[0] not in text(world)
    late = walk(world, refs[:1])
    assert len(world.mail.taken) == 2
    assert set(first).isdisjoint(late)
    assert [ref in text(world, 1) for ref in refs] == [True, False, False]


def test_another_retailer_another_check_and_another_cause_have_their_own_mails(world: World) -> None:
    refs = opens(world, JOBS[0]) + opens(world, JOBS[1], check="pass-2") + opens(world, JOBS[2], cause="feed")
    stop(world, refs)
    assert len(set(walk(world, refs))) == len(world.mail.taken) == 3


def test_a_case_that_was_corrected_since_tells_alone(world: World) -> None:
    world.register("Shop B", "b@shop-b.example.com")
    refs = opens(world, *JOBS)
    stop(world, refs)
    world.services.ledger.record(refs[1], Kind.FACTS_CORRECTED, retailer="Shop B", marketplace="North", connection=None)
    ids = walk(world, refs)
    assert ids[0] == ids[2] != ids[1]
    assert [mail[2] for mail in world.mail.taken] == [("owner@shop-a.example.com",), ("b@shop-b.example.com",)]
    assert refs[1] not in text(world)


def test_a_later_round_of_one_case_tells_of_that_case_alone(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    walk(world, refs)
    world.walk(refs[0], until="attach")
    world.services.ledger.record(refs[0], Kind.REVIEW_REJECTED, "team lead", why="The picture shows another run.")
    walk(world, refs[:1])
    assert len(world.mail.taken) == 2
    assert "Again: " in text(world, 1)
    assert refs[1] not in text(world, 1)


def test_cases_that_one_check_reopened_share_a_mail_again(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    for ref in refs:
        assert world.walk(ref).is_closed
    world.services.ledger.record(refs[0], Kind.REOPENED, why="It failed again.", check="pass-9")
    world.services.ledger.record(
        refs[1], Kind.REOPENED, why="It failed again.", check="pass-9", shares_notice_with=refs[0]
    )
    stop(world, refs)
    ids = walk(world, refs)
    assert len(set(ids)) == 1
    assert len(world.mail.taken) == 2
    assert "We wrote to you about this before: these jobs ran again" in text(world, 1)


def test_a_case_that_was_reopened_alone_does_not_follow_its_old_lead(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    for ref in refs:
        world.walk(ref)
    world.services.ledger.record(refs[1], Kind.REOPENED, why="It failed again.")
    walk(world, refs[1:])
    assert len(world.mail.taken) == 2
    assert refs[0] not in text(world, 1)


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_process_that_dies_at_the_sending_leaves_one_message_for_all(world: World, how: str) -> None:
    refs = opens(world, *JOBS)
    stop(world, refs)
    world.walk(refs[0], until="ticket")
    world.mail.faulty.fails("send", **{how: Killed()})
    with pytest.raises(Killed):
        world.step("tell", refs[0])
    world.restart(minutes=10)
    ids = walk(world, [refs[2], refs[1], refs[0]])
    assert len(set(ids)) == 1
    assert len({mail[0] for mail in world.mail.taken}) == 1, "the same bytes"
    assert len(world.mail.taken) == (2 if how == "after" else 1)


def test_a_mail_that_did_not_leave_is_written_anew_for_those_who_are_stopped_by_then(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs[:1])
    world.mail.faulty.fails("send", before=MailDown("The mail server is down.", "Wait."))
    with pytest.raises(MailDown):
        telling.tell_retailer(
            world.services.ledger, world.services.dispatch(world.send), world.services.policy, refs[0]
        )
    stop(world, refs[1:])
    walk(world, refs)
    assert len(world.mail.taken) == 1
    assert all(ref in text(world) for ref in refs)


def test_a_mail_that_may_have_left_before_its_writer_died_is_repeated_as_it_was_also_where_it_has_to_wait(
    make_world: Callable[..., World],
) -> None:
    """Else a case that came since stood in other bytes under the same Message-ID, and its retailer never read of it."""
    world = make_world(mail={"per_minute": 1})
    world.send = sends(world)
    refs = opens(world, *JOBS)
    stop(world, refs[:2])
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        telling.tell_retailer(
            world.services.ledger, world.services.dispatch(world.send), world.services.policy, refs[0]
        )
    stop(world, refs[2:])
    world.restart(minutes=10)
    sends(world)(b"x", "a@example.com", ["b@example.com"])  # another's mail: the next turn is a minute away
    ids = walk(world, refs)
    notices = [mail for mail, _, _ in world.mail.taken if mail != b"x"]
    assert notices[0] == notices[1]
    assert ids[0] == ids[1] != ids[2]
    assert [refs[2] in text(world, number) for number, mail in enumerate(world.mail.taken) if mail[0] != b"x"] == [
        False, False, True,
    ]  # fmt: skip


# -- nothing untrue -------------------------------------------------------------------------------------------------


def test_a_job_that_was_started_again_behind_our_back_is_not_called_stopped(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    read = {"job": JOBS[1], "active": True, "waiting": 0, "running": 0}
    world.services.ledger.record(
        refs[1], Kind.STOP_DID_NOT_HOLD, jobs=[read], why="it was active again", evidence="0" * 64
    )
    walk(world, refs)
    assert "We have stopped 1 of them" in text(world)
    assert f"{refs[0]}: {JOBS[0]}. Stopped." in text(world)
    assert f"{refs[1]}: {JOBS[1]}. Not stopped. We had stopped it, and then somebody started it again." in text(world)


def test_a_job_that_was_started_again_and_stands_still_since_is_stopped(world: World) -> None:
    (ref,) = opens(world, JOBS[0])
    stop(world, [ref])
    for active in (True, False):
        read = {"job": JOBS[0], "active": active, "waiting": 0, "running": 0}
        world.services.ledger.record(
            ref, Kind.STOP_DID_NOT_HOLD, jobs=[read], why="it was active again", evidence="0" * 64
        )
    walk(world, [ref])
    assert "We have stopped it" in text(world)


def test_a_job_that_stood_still_before_is_not_among_those_that_we_stopped_along(world: World) -> None:
    world.platform.add(JOBS[1])
    world.platform.add(JOBS[2])
    world.platform.stop(JOBS[2])  # by the retailer, long ago
    (ref,) = opens(world, JOBS[0], scope="marketplace")
    stop(world, [ref])
    walk(world, [ref])
    assert "We stopped 2 more jobs along with it" in text(world)
    along = text(world).partition("Stopped along with it:")[2]
    assert JOBS[1] in along
    assert JOBS[2] not in along


def test_a_case_that_a_reviewer_sent_back_does_not_say_that_its_job_failed_again(world: World) -> None:
    refs = opens(world, JOBS[0])
    stop(world, refs)
    walk(world, refs)
    world.walk(refs[0], until="attach")
    world.services.ledger.record(refs[0], Kind.REVIEW_REJECTED, "team lead", why="The picture shows another run.")
    walk(world, refs)
    assert "Again: " in text(world, 1)
    assert "We wrote to you about this before, and it is not settled yet." in text(world, 1)
    assert "failed again" not in text(world, 1)


def test_two_cases_that_tell_at_once_send_one_mail(world: World) -> None:
    refs = opens(world, *JOBS)
    stop(world, refs)
    start = threading.Barrier(len(refs), timeout=60)

    def tells(ref: str) -> Case:
        services = world.process(sleep=lambda _: threading.Event().wait(0.01))
        start.wait()
        return telling.tell_retailer(services.ledger, services.dispatch(world.send), services.policy, ref)

    with ThreadPoolExecutor(len(refs)) as pool:
        list(pool.map(tells, refs))
    assert len(world.mail.taken) == 1
    assert len(set(told(world, refs))) == 1
    for ref in refs:
        with world.services.store.reading() as uow:
            assert len([file for file in uow.evidence.of(ref) if file.name == "notice-1.eml"]) == 1


def test_a_first_case_that_is_closed_by_then_still_holds_the_record_of_the_mail(world: World) -> None:
    refs = opens(world, *JOBS)
    stop(world, refs)
    assert world.walk(refs[0]).is_closed
    assert len(set(walk(world, refs[1:]))) == 1
    assert len(world.mail.taken) == 1


class Damaged(Store):
    """A store one of whose cases cannot be read."""

    broken = ""

    def case(self, ref: str) -> Case:
        if ref == self.broken:
            raise Unreadable(f"An event of {ref}")
        return super().case(ref)


@pytest.fixture
def damaged(world: World) -> Iterator[Callable[[str], Services]]:
    """An installation that cannot read one case."""
    store = Damaged(world.services.settings.database)

    def breaks(ref: str) -> Services:
        store.broken = ref
        return world.process(store=store)

    yield breaks
    store.close()


def test_a_first_case_that_cannot_be_read_holds_up_no_other(world: World, damaged: Callable[[str], Services]) -> None:
    refs = opens(world, *JOBS)
    stop(world, refs)
    services = damaged(refs[0])
    for ref in refs[1:]:
        telling.tell_retailer(services.ledger, services.dispatch(world.send), services.policy, ref)
    assert len(world.mail.taken) == 1
    assert [ref in text(world) for ref in refs] == [False, True, True]


def test_an_answer_to_the_shared_mail_counts_for_each_of_its_cases(world: World) -> None:
    refs = opens(world, *JOBS[:2])
    stop(world, refs)
    walk(world, refs)
    written = format_datetime(world.clock())
    raw = answer(world.mail.taken[0][0], "We renewed both.", sender="owner@shop-a.example.com", Date=written)
    for ref in refs:
        case = manual_confirmation.confirm_by_message(
            world.services.ledger, world.services.files, world.services.replies, ref,
            sender="owner@shop-a.example.com", raw=raw, recorded_by="operator", authserv=AUTHSERV,
        )  # fmt: skip
        assert len(case.words) == 1


# -- the pace -------------------------------------------------------------------------------------------------------


def sends(world: World, services: Services | None = None) -> telling.Send:
    return at_its_pace(services or world.services, world.mail.send)


def test_mails_leave_no_faster_than_the_policy_says_whichever_process_sends(
    make_world: Callable[..., World],
) -> None:
    world = make_world(mail={"per_minute": 30})
    at: list[datetime] = []
    world.mail.faulty.during = lambda _: at.append(world.clock.now)
    for _ in range(5):
        for services in (world.services, world.process()):
            sends(world, services)(b"x", "a@example.com", ["b@example.com"])
    apart = [later - earlier for earlier, later in pairwise(at)]
    assert len(apart) == 9
    assert all(timedelta(seconds=1.9) < gap < timedelta(seconds=2.2) for gap in apart)


def test_a_single_mail_does_not_wait(world: World) -> None:
    before = world.clock.now
    sends(world)(b"x", "a@example.com", ["b@example.com"])
    world.clock.move(minutes=5)
    sends(world)(b"x", "a@example.com", ["b@example.com"])
    assert world.clock.now - before < timedelta(minutes=5, seconds=1)


def test_many_who_send_at_once_each_get_a_turn_of_their_own(world: World) -> None:
    waits: list[float] = []
    services = world.process(sleep=waits.append)  # nobody's clock moves: all want to send at the same moment
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(sends(world, services), b"x", "a@example.com", ["b@example.com"]) for _ in range(12)]:
            done.result(timeout=60)
    assert [round(wait) for wait in sorted(waits)] == list(range(12))


def test_a_turn_that_is_too_far_away_is_not_waited_for_and_not_taken(world: World) -> None:
    services = world.process(sleep=lambda _: None)
    for _ in range(13):
        sends(world, services)(b"x", "a@example.com", ["b@example.com"])
    for _ in range(3):
        with pytest.raises(MailDown, match="paced at 60 a minute") as paced:
            sends(world, services)(b"x", "a@example.com", ["b@example.com"])
        assert not paced.value.maybe_sent
    world.clock.move(seconds=2)
    sends(world, services)(b"x", "a@example.com", ["b@example.com"])


def test_a_notice_waits_until_its_turn_comes_and_nobody_has_to_help(make_world: Callable[..., World]) -> None:
    world = make_world(mail={"per_minute": 1})
    world.send = sends(world)
    refs = opens(world, JOBS[0]) + opens(world, JOBS[1], check="pass-2") + opens(world, JOBS[2], check="pass-3")
    stop(world, refs)
    before = world.clock.now
    walk(world, refs)
    assert len(world.mail.taken) == 3
    assert timedelta(minutes=2) <= world.clock.now - before < timedelta(minutes=3)


@pytest.mark.parametrize("says", ["", "nonsense", "2026-11-20T08:00:00", "2031-01-01T00:00:00+00:00"])
def test_a_file_that_says_nothing_that_can_be_true_holds_no_mail_up(world: World, says: str) -> None:
    (world.services.settings.home_folder / "mail-pace").write_text(says)
    before = world.clock.now
    sends(world)(b"x", "a@example.com", ["b@example.com"])
    assert world.clock.now - before < timedelta(seconds=1)


def test_what_follows_about_one_of_its_cases_asks_to_answer_to_an_address_that_is_signed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(answers={"mailbox": "retailers"})
    first, second = opens(world, *JOBS[:2])
    stop(world, [first, second])
    walk(world, [first, second])
    number = came(world, Disposition.REPLY, "asks", ref=second, sender=CONTACT)
    write_mail(world.services.ledger, number, to=CONTACT, words="Please wait.", by=REVIEWER, seen=0)
    send_written(world.services.ledger, world.services.dispatch(world.send), second)
    world.walk(second, until="the end")
    causes.correct_cause(world.services.ledger, world.policy.team, second, "feed", by=REVIEWER)
    tell_correction(world.services.ledger, world.services.dispatch(world.send), world.policy, second)
    names = []
    for raw, *_ in world.mail.taken[1:]:
        mail = message_from_bytes(raw, policy=policy.default)
        names.append(str(mail["Message-ID"]).partition("@")[0].rpartition(".")[2])
        assert case_of_address(world.services.secret, str(mail["Reply-To"])) in (first, second), names[-1]
    assert [name.partition("-")[0] for name in names] == ["mail", "recovery", "correction"]
    assert names[0].startswith(f"mail-{second.lower()}-")
