"""J5: what a retailer is told goes out as one letter a contact: none is lost, and none is another's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Barrier, Event

import pytest

from caseproof.channels.outbound.mail import Delivery, MailDown, MailError, MailRefused
from caseproof.config.settings import Settings
from caseproof.domain.codes import MailAnswer, mail_answers
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.signing import case_of_address, hidden_letter, read_answer_token
from caseproof.procedure.notify import telling
from caseproof.procedure.notify.outbox import LONGEST_SLEEP
from caseproof.procedure.notify.reminding import remind
from caseproof.procedure.notify.threads import Thread, find_thread
from tests.support.fakes import Killed
from tests.support.letters import at_its_pace
from tests.support.world import CONTACT, World

SECOND, THIRD = "buero@shop-a.example.com", "helper@shop-a.example.com"
ALL = [CONTACT, SECOND, THIRD]
PAGE = "https://answers.example.com"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Three contacts, one of whom reads German; retailers have a page and a mailbox to answer to."""
    return three(make_world(answers={"mailbox": "retailers"}))


def three(world: World) -> World:
    with world.services.store.uow() as uow:
        uow.people.add_contact("Shop A", CONTACT, "Shop Owner")
        uow.people.add_contact("Shop A", SECOND, "Büro", language="de-AT", role="office")
        uow.people.add_contact("Shop A", THIRD)
        uow.commit()
    settings = Settings(home=world.home, web_url="http://127.0.0.1:8321", answer_url=PAGE)
    world.services = replace(world.services, settings=settings)
    return world


def stopped(world: World, **more: str) -> str:
    ref = world.open(**more)
    world.walk(ref, until="ticket")
    return ref


def told(world: World, **more: str) -> str:
    ref = stopped(world, **more)
    world.step("tell", ref)
    return ref


def parsed(world: World) -> list[EmailMessage]:
    return [message_from_bytes(mail[0], policy=policy.default) for mail in world.mail.taken]


def words(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content()


def letter_in(world: World, message: EmailMessage) -> str:
    """The letter that every link in a message names, also those in the notice that it quotes."""
    links = re.findall(rf"{PAGE}/answer/(\S+)", words(message))
    [letter] = {read_answer_token(world.services.secret, token).letter for token in links}
    return letter


def found(world: World, name: str) -> Thread | None:
    with world.services.store.reading() as uow:
        return find_thread(uow, name)


def refuses(address: str, error: MailError, send: telling.Send) -> telling.Send:
    """A mail server that says this about every mail to one address."""

    def send_it(content: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        if list(recipients) == [address]:
            raise error
        return send(content, sender, recipients)

    return send_it


# -- to each their own ------------------------------------------------------------------------------------------------


def test_each_contact_gets_a_letter_of_their_own_in_their_language_and_with_their_own_link(world: World) -> None:
    ref = told(world)
    assert [to for *_, to in world.mail.taken] == [(address,) for address in ALL]
    letters = parsed(world)
    assert [str(letter["To"]) for letter in letters] == ALL, "nobody sees the others' addresses"
    assert [letter["Message-ID"] for letter in letters] == [
        "<jf-000001.1.notice@example.com>",
        "<jf-000001.1.notice-2@example.com>",
        "<jf-000001.1.notice-3@example.com>",
    ]
    assert [words(letter).splitlines()[0] for letter in letters] == ["Hello Shop Owner,", "Guten Tag Büro!", "Hello,"]
    names = [letter_in(world, letter) for letter in letters]
    assert names == ["jf-000001.1.notice", "jf-000001.1.notice-2", "jf-000001.1.notice-3"]
    assert [found(world, name).to for name in names] == ALL
    assert world.case(ref).notice["accepted"] == world.case(ref).notice["to"] == ALL
    with world.services.store.reading() as uow:
        kept = {file.name: file.digest for file in uow.evidence.of(ref)}
    files = ["notice-1.eml", "notice-1-2.eml", "notice-1-3.eml"]
    assert [world.vault.read(kept[name]) for name in files] == [hidden_letter(mail[0])[0] for mail in world.mail.taken]
    sent = [hashlib.sha256(mail[0]).hexdigest() for mail in world.mail.taken]
    assert world.case(ref).notice["sent"] == sent, "a mail server's log can be compared"


def test_a_letter_says_by_when_we_ask_for_an_answer_and_how_long_its_link_holds(world: World) -> None:
    told(world)
    now, letter = world.clock.now, parsed(world)[0]
    deadline = now + timedelta(days=world.policy.keeper.answer_within_days)
    assert f"{deadline.day} {deadline:%B %Y}" in words(letter)
    [token] = set(re.findall(rf"{PAGE}/answer/(\S+)", words(letter)))
    expires = read_answer_token(world.services.secret, token).expires
    assert abs(expires - now - timedelta(days=world.policy.answers.link_days)) < timedelta(minutes=5)


def test_a_notice_that_asks_nothing_has_no_link_and_says_so_in_its_record(world: World) -> None:
    ref = told(world, cause="our_platform")
    assert not any(PAGE in words(letter) for letter in parsed(world))
    assert world.case(ref).notice["asks"] is False
    assert found(world, "jf-000001.1.notice-2").asks is False


def test_an_installation_without_a_page_sends_no_links(make_world: Callable[..., World]) -> None:
    world = make_world()
    told(world)
    assert "/answer/" not in words(parsed(world)[0])


def test_one_contact_costs_one_intent_and_is_told_of_as_ever(make_world: Callable[..., World]) -> None:
    world = make_world()
    ref = told(world)
    assert list(world.case(ref).notice.event.data) == [
        "evidence", "message_id", "to", "cases", "asks", "cause", "links", "accepted", "refused",
    ]  # fmt: skip
    with world.services.store.reading() as uow:
        assert uow.intents.known(f"{ref}/1/notice") == dict(world.case(ref).notice.event.data)
        assert uow.intents.known(f"{ref}/1/notice-2") is None
    assert world.mail.taken[0][1] == world.policy.mail.sender
    assert parsed(world)[0]["Reply-To"] == "cases@example.com"


def test_answers_and_bounces_go_to_the_signed_address_of_the_case(make_world: Callable[..., World]) -> None:
    world = make_world(
        answers={"mailbox": "retailers"}, mail={"reply_to": '"Cases, \\"A\\" team" <cases@shops.example.com>'}
    )
    ref = told(world)
    [(_, envelope, _)] = world.mail.taken
    assert re.fullmatch(r"cases\+jf-000001-[a-z2-7]{16}@shops\.example\.com", envelope)
    assert case_of_address(world.services.secret, envelope) == ref
    [address] = parsed(world)[0]["Reply-To"].addresses
    assert (address.display_name, address.addr_spec) == ('Cases, "A" team', envelope)


def test_a_contact_whose_mail_came_back_still_gets_a_letter(world: World) -> None:
    with world.services.store.uow() as uow:
        uow.people.mark_bounced("Shop A", SECOND, "mailbox full", world.clock.now)
        uow.commit()
    told(world)
    assert [to for *_, (to,) in world.mail.taken] == ALL


# -- what the server does not take ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refused", ALL)
def test_one_contact_who_is_refused_holds_up_no_other_and_the_record_says_why(world: World, refused: str) -> None:
    ref = stopped(world)
    world.mail.refuses = {refused}
    world.step("tell", ref)
    others = [address for address in ALL if address != refused]
    assert [to for *_, (to,) in world.mail.taken] == others
    notice = world.case(ref).notice
    assert (notice["accepted"], notice["refused"]) == (others, {refused: "550 No such mailbox"})
    assert notice["message_id"] == "<jf-000001.1.notice@example.com>"
    world.restart()
    world.step("tell", ref)
    assert len(world.mail.taken) == 2, "nobody is told twice for it"


def test_a_mailbox_that_is_full_right_now_holds_up_no_other(world: World) -> None:
    ref = stopped(world)
    full = MailDown("It took none of the recipients.", "Wait.", answer=MailAnswer.FOR_NOW, reason="452 mailbox full")
    world.send = refuses(CONTACT, full, world.mail.send)
    world.step("tell", ref)
    assert world.case(ref).notice["accepted"] == [SECOND, THIRD]
    assert world.case(ref).notice["refused"] == {CONTACT: "452 mailbox full"}
    assert world.case(ref).notice["refused_codes"] == {CONTACT: "for_now"}


def test_what_a_version_without_codes_wrote_of_a_refusal_is_read_from_the_server_s_words() -> None:
    told = {"refused": {CONTACT: "452 mailbox full", SECOND: "550 No such mailbox", THIRD: "no words of its own"}}
    answers = {CONTACT: MailAnswer.FOR_NOW, SECOND: MailAnswer.FOR_GOOD, THIRD: MailAnswer.FOR_GOOD}
    assert mail_answers(told) == answers
    assert mail_answers({**told, "refused_codes": {SECOND: "for_now"}})[SECOND] is MailAnswer.FOR_NOW


def test_where_nobody_s_letter_is_taken_the_case_needs_help_and_corrected_addresses_are_reached(world: World) -> None:
    ref = stopped(world)
    world.mail.refuses = set(ALL)
    with pytest.raises(MailRefused, match=f"none of the letters.*{THIRD}: 550 No such mailbox") as no:
        world.step("tell", ref)
    assert "addresses" in no.value.next_action
    assert world.case(ref).notice is None
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", THIRD)
        uow.people.add_contact("Shop A", "new@shop-a.example.com")
        uow.commit()
    world.step("tell", ref)
    assert world.case(ref).notice["accepted"] == ["new@shop-a.example.com"]
    assert set(world.case(ref).notice["refused"]) == {CONTACT, SECOND}


def test_where_one_of_all_who_are_refused_may_be_taken_later_it_is_tried_again(world: World) -> None:
    ref = stopped(world)
    world.mail.refuses = {SECOND, THIRD}
    world.send = refuses(
        CONTACT, MailDown("None.", "Wait.", answer=MailAnswer.FOR_NOW, reason="452 mailbox full"), world.mail.send
    )
    with pytest.raises(MailDown, match="452 mailbox full"):
        world.step("tell", ref)
    world.send = world.mail.send
    world.step("tell", ref)
    assert world.case(ref).notice["accepted"] == [CONTACT]


@pytest.mark.parametrize(
    "error", [MailRefused("The login is refused.", "Correct it."), MailDown("It is down.", "Wait.")], ids=type
)
def test_a_server_that_fails_between_two_letters_loses_none_and_repeats_none(world: World, error: MailError) -> None:
    ref = stopped(world)
    world.mail.faulty.fails("send", before=error, skip=1)
    with pytest.raises(type(error)):
        world.step("tell", ref)
    assert world.case(ref).notice is None
    world.register("Shop A", "late@shop-a.example.com")
    world.clock.move(hours=3)
    world.step("tell", ref)
    assert [to for *_, (to,) in world.mail.taken] == ALL, "what was drafted is what is sent"
    assert world.case(ref).notice["refused"] == {}


# -- crashes, writers, pace -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("letters_out", [0, 1, 2])
def test_a_process_that_dies_between_two_letters_loses_none_and_repeats_only_the_one_in_doubt(
    world: World, letters_out: int, how: str
) -> None:
    ref = stopped(world)
    world.mail.faulty.fails("send", skip=letters_out, **{how: Killed()})
    with pytest.raises(Killed):
        world.step("tell", ref)
    world.restart(minutes=90)
    world.step("tell", ref)
    twice = [ALL[letters_out]] if how == "after" else []
    assert sorted(to for *_, (to,) in world.mail.taken) == sorted(ALL + twice)
    assert len({mail[0] for mail in world.mail.taken}) == 3, "a repeat is the same, byte for byte"
    assert world.case(ref).notice["accepted"] == ALL


def test_processes_that_tell_at_once_send_each_letter_once(world: World) -> None:
    ref = stopped(world)
    start = Barrier(3, timeout=60)

    def tells() -> None:
        services = world.process(sleep=lambda _: Event().wait(0.01))
        start.wait()
        telling.tell_retailer(services.ledger, services.dispatch(world.send), services.policy, ref)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(tells) for _ in range(3)]:
            done.result(timeout=60)
    assert sorted(to for *_, (to,) in world.mail.taken) == sorted(ALL)
    assert world.count(ref, Kind.NOTICE_SENT) == 1


def test_every_letter_takes_a_turn_of_the_mail_s_pace_and_none_is_lost_over_the_waiting(
    make_world: Callable[..., World],
) -> None:
    world = three(make_world(mail={"per_minute": 1}))
    ref = stopped(world)
    world.send = at_its_pace(world.services, world.mail.send)
    before = world.clock.now
    world.step("tell", ref)
    assert timedelta(minutes=2) <= world.clock.now - before < timedelta(minutes=2, seconds=LONGEST_SLEEP)
    assert [to for *_, (to,) in world.mail.taken] == ALL


# -- finding a letter -------------------------------------------------------------------------------------------------


def test_a_letter_is_found_by_its_name_and_by_every_message_in_its_thread(world: World) -> None:
    ref = told(world)
    for name, number in (
        ("jf-000001.1.notice", 1),
        ("jf-000001.1.notice-2", 2),
        ("<jf-000001.1.notice@example.com>", 1),
        ("jf-000001.1.notice-3@example.com", 3),
        (" <JF-000001.1.notice-2@EXAMPLE.com> ", 2),
        ("<jf-000001.1.notice-2.reminder-1@example.com>", 2),
        ("<jf-000001.1.notice.recovery@example.com>", 1),
        ("<jf-000001.1.notice-2.recovery-jf-000002@example.com>", 2),
    ):
        plain = "jf-000001.1.notice" + (f"-{number}" if number > 1 else "")
        assert found(world, name) == Thread(plain, number, ALL[number - 1], ref, (ref,), True, "1"), name


def test_what_we_never_sent_is_no_letter(world: World) -> None:
    told(world)
    names = (
        "", "notice", "jf-000001.1.notice-4", "jf-000001.1.notice-0", "jf-000001.1.notice-1", "jf-000001.2.notice",
        "jf-000002.1.notice", "<jf-000001.1.notice@elsewhere.example.com>", "<jf-000001.1.notice.other@example.com>",
        "<jf-000001.1.notice@example.com> <jf-000001.1.notice-2@example.com>", "jf-000001.1.notice-2\x00",
        "jf-000001.1/notice", "jf-000001.1.notice" + "-2" * 9, "JF-" + "0" * 4000, "jf-" + "\u0660" * 6 + ".1.notice",
    )  # fmt: skip
    assert [name for name in names if found(world, name) is not None] == []


def test_a_letter_whose_sender_died_before_it_could_say_so_is_found_all_the_same(world: World) -> None:
    """Its reader may answer before anybody repeats it."""
    ref = stopped(world)
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.step("tell", ref)
    assert found(world, "<jf-000001.1.notice@example.com>").cases == (ref,)


# -- what follows a letter --------------------------------------------------------------------------------------------


def waits(world: World, ref: str) -> None:
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="run")


def test_each_contact_is_reminded_in_the_thread_of_their_own_letter_with_their_own_link(world: World) -> None:
    ref = told(world)
    waits(world, ref)
    world.clock.move(days=2)
    assert remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref) == [ref]
    letters, reminders = parsed(world)[:3], parsed(world)[3:]
    assert [str(one["To"]) for one in reminders] == ALL
    assert [one["In-Reply-To"] for one in reminders] == [one["Message-ID"] for one in letters]
    assert [one["Subject"] for one in reminders] == [f"Re: {one['Subject']}" for one in letters]
    assert reminders[1]["Message-ID"] == "<jf-000001.1.notice-2.reminder-1@example.com>"
    assert [letter_in(world, one) for one in reminders] == [letter_in(world, one) for one in letters]
    assert case_of_address(world.services.secret, world.mail.taken[4][1]) == ref
    world.clock.move(days=3)
    assert remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref) == [ref]
    assert parsed(world)[-1]["Message-ID"] == "<jf-000001.1.notice-3.reminder-2@example.com>"


def test_a_contact_who_joined_since_is_reminded_under_a_name_of_their_own_for_good(world: World) -> None:
    ref = told(world)
    waits(world, ref)
    with world.services.store.uow() as uow:
        for gone in (CONTACT, THIRD):
            uow.people.remove_contact("Shop A", gone)
        for new in ("one@shop-a.example.com", "two@shop-a.example.com"):
            uow.people.add_contact("Shop A", new)
        uow.commit()
    remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref)
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", "one@shop-a.example.com")
        uow.commit()
    world.clock.move(days=3)
    remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref)
    sent = [(to, message["Message-ID"].partition("@")[0]) for (*_, (to,)), message in _pairs(world)[3:]]
    assert sent == [
        (SECOND, "<jf-000001.1.notice-2.reminder-1"),
        ("one@shop-a.example.com", "<jf-000001.1.notice-4.reminder-1"),
        ("two@shop-a.example.com", "<jf-000001.1.notice-5.reminder-1"),
        (SECOND, "<jf-000001.1.notice-2.reminder-2"),
        ("two@shop-a.example.com", "<jf-000001.1.notice-5.reminder-2"),
    ]
    for (*_, (to,)), message in _pairs(world)[3:]:
        assert letter_in(world, message) == message["In-Reply-To"].strip("<>").partition("@")[0]
        assert found(world, message["Message-ID"]).to == to
    assert found(world, "jf-000001.1.notice-4").to == "one@shop-a.example.com"


def _pairs(world: World) -> list[tuple[tuple[bytes, str, tuple[str, ...]], EmailMessage]]:
    return list(zip(world.mail.taken, parsed(world), strict=True))


def test_a_reminder_whose_second_letter_did_not_leave_is_gone_on_with_there(world: World) -> None:
    ref = told(world)
    waits(world, ref)
    world.mail.faulty.fails("send", before=MailDown("It is down.", "Wait."), skip=1)
    with pytest.raises(MailDown):
        remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref)
    assert world.count(ref, Kind.REMINDER_SENT) == 0
    world.restart(minutes=20)
    assert remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref) == [ref]
    assert [to for *_, (to,) in world.mail.taken[3:]] == ALL
    assert world.case(ref).since_notice(Kind.REMINDER_SENT)[0].data["accepted"] == ALL


# -- notices from before there were letters ---------------------------------------------------------------------------


def of_old(world: World) -> str:
    """One mail that went to all three, as an older version wrote it down."""
    ref = stopped(world)
    mail = b"Message-ID: <jf-000001.1.notice@example.com>\r\nSubject: Your job\r\n\r\nIt failed.\r\n"
    data = {
        "evidence": world.services.files.keep(ref, mail, "notice-1.eml", "message/rfc822"), "to": ALL, "accepted": ALL,
        "message_id": "<jf-000001.1.notice@example.com>", "cases": [ref], "asks": True, "refused": {},
    }  # fmt: skip
    with world.services.store.uow() as uow:
        now = world.clock.now
        uow.intents.claim(f"{ref}/1/notice", ref, "notice", owner="old", now=now, seconds=1, plan=data)
        uow.intents.finish(f"{ref}/1/notice", owner="old", result=data, now=now)
        uow.commit()
    world.services.ledger.record(ref, Kind.NOTICE_SENT, **data)
    waits(world, ref)
    return ref


def test_a_notice_from_before_there_were_letters_is_found_and_reminded_of(world: World) -> None:
    ref = of_old(world)
    assert found(world, "<jf-000001.1.notice@example.com>").cases == (ref,)
    world.register("Shop A", "late@shop-a.example.com")
    assert remind(world.services.ledger, world.services.dispatch(world.send), world.services.policy, ref) == [ref]
    assert [to for *_, (to,) in world.mail.taken] == [*ALL, "late@shop-a.example.com"]
    names = [letter_in(world, message) for message in parsed(world)[:3]]
    assert [found(world, name).to for name in names] == ALL
    assert all("It failed." in words(message) for message in parsed(world)[:3])


def test_a_mail_to_all_that_was_under_way_when_the_version_changed_goes_out_as_it_was_drafted(world: World) -> None:
    ref = stopped(world)
    mail = b"Message-ID: <jf-000001.1.notice@example.com>\r\nSubject: Your job\r\n\r\nIt failed.\r\n"
    plan = {
        "evidence": world.services.files.keep(ref, mail, "notice-1.eml", "message/rfc822"), "to": ALL,
        "message_id": "<jf-000001.1.notice@example.com>", "cases": [ref], "asks": True,
    }  # fmt: skip
    with world.services.store.uow() as uow:
        uow.intents.claim(f"{ref}/1/notice", ref, "notice", owner="old", now=world.clock.now, seconds=60, plan=plan)
        uow.commit()
    world.restart(minutes=10)
    world.step("tell", ref)
    [(content, _, to)] = world.mail.taken
    assert (content, list(to)) == (mail, ALL)
    assert world.case(ref).notice["accepted"] == ALL
