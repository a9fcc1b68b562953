"""J8: what a person writes to a retailer leaves once, in the case's thread, and to nobody who did not write."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest

from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.signing import case_of_address
from caseproof.procedure.answers.looking_through import is_the_word, put_to_case, say_it_is_the_word, take_off
from caseproof.procedure.answers.manual_confirmation import WordRefused
from caseproof.procedure.answers.writing_back import recipients, write_mail
from caseproof.procedure.core.answer_ledger import Overtaken
from caseproof.procedure.notify.threads import find_thread
from caseproof.procedure.views.case_page import sentence
from caseproof.store import MessageRow
from tests.support.fakes import Killed
from tests.support.keeper import Keeper, came, waits
from tests.support.world import CONTACT, DECIDER, REVIEWER, World

STRANGER, THEIRS = "stranger@example.com", "<question-1@shop-a.example.com>"
WORDS = "Please send us the new token's name.\n\nBest wishes"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Its mailbox is read, so that letters carry a signed address."""
    made = make_world()
    answers = made.policy.answers.model_copy(update={"mailbox": "retailers"})
    made.policy = made.policy.model_copy(update={"answers": answers})
    made.services = made.process(policy=made.policy)
    return made


def told(world: World) -> str:
    ref = world.open()
    world.walk(ref, until="tell")
    return waits(world, ref)


def asks(world: World, ref: str, sender: str = CONTACT, **more: Any) -> int:
    place = more.pop("place", Disposition.REPLY)
    return came(world, place, f"asks {sender}{more}", ref=ref, sender=sender, message_id=THEIRS, **more)


def write(world: World, number: int, to: str = CONTACT, words: str = WORDS, by: str = DECIDER, seen: int = 0) -> Case:
    return write_mail(world.services.ledger, number, to=to, words=words, by=by, seen=seen)


def last(world: World) -> EmailMessage:
    return message_from_bytes(world.mail.taken[-1][0], policy=policy.default)  # type: ignore[return-value]


def row(world: World, number: int) -> MessageRow:
    with world.services.store.reading() as uow:
        found = uow.messages.get(number)
    assert found is not None
    return found


def owed(world: World, ref: str) -> list[tuple[Debt, str]]:
    with world.services.store.reading() as uow:
        return [(one.what, one.code) for one in uow.owed.of(ref)]


def test_an_answer_leaves_once_in_the_thread_of_the_case_and_its_reply_is_known(world: World, keeper: Keeper) -> None:
    ref = told(world)
    number = asks(world, ref)
    before = len(world.mail.taken)
    case = write(world, number)
    assert (len(world.mail.taken), owed(world, ref)) == (before, [(Debt.MAIL, "")]), "written down, and owed"
    assert (row(world, number).done_by, row(world, number).remark) == (DECIDER, "Answered by mail.")
    assert sentence(case.events[-1]) == f"Mail to {CONTACT} written: Please send us the new token's name. Best wishes"

    keeper(minutes=3)
    keeper(minutes=3)
    assert len(world.mail.taken) == before + 1
    raw, envelope, to = world.mail.taken[-1]
    mail, letter = last(world), f"<{ref.lower()}.1.notice@example.com>"
    assert (to, mail["In-Reply-To"], mail["References"].split()) == ((CONTACT,), THEIRS, [letter, THEIRS])
    assert mail["Subject"].startswith("Re: ")
    assert mail["Auto-Submitted"] is None, "a person wrote it"
    assert mail.get_content().replace("\r\n", "\n").startswith(WORDS)
    assert f"[{ref}]" in mail.get_content()
    secret = world.services.secret
    assert case_of_address(secret, envelope) == case_of_address(secret, parseaddr(mail["Reply-To"])[1]) == ref
    with world.services.store.reading() as uow:
        thread = find_thread(uow, str(mail["Message-ID"]))
        files = [one.name for one in uow.evidence.of(ref)]
    assert thread is not None
    assert (thread.to, thread.cases) == (CONTACT, (ref,))

    [sent] = world.case(ref).every(Kind.MAIL_SENT)
    assert sentence(sent.event) == f"Mail that {DECIDER} wrote sent: {CONTACT}"
    kept = world.vault.read(sent["evidence"])
    assert (kept != raw, b"-hidden@" in kept, f"mail-{sent['of']}.eml" in files) == (True, True, True)
    assert owed(world, ref) == []


def test_who_is_no_contact_is_answered_and_gets_nothing_that_is_signed(world: World, keeper: Keeper) -> None:
    ref = told(world)
    number = asks(world, ref, STRANGER, place=Disposition.REFUSED)
    write(world, number, STRANGER)
    keeper(minutes=3)
    raw, envelope, to = world.mail.taken[-1]
    mail = last(world)
    assert (to, mail["In-Reply-To"], mail["References"]) == ((STRANGER,), THEIRS, THEIRS)
    assert (envelope, mail["Reply-To"]) == (world.policy.mail.sender, world.policy.mail.reply_to)
    assert b"-hidden" not in raw
    with world.services.store.reading() as uow:
        assert find_thread(uow, str(mail["Message-ID"])) is None


def test_nobody_is_written_to_who_is_no_contact_and_did_not_write_and_no_program_either(world: World) -> None:
    ref = told(world)
    number = asks(world, ref)
    world.register("Shop B", "owner@shop-b.example.com")
    for to in (STRANGER, "", f"{CONTACT}.evil.example", f"{CONTACT}, {STRANGER}", "owner@shop-b.example.com"):
        with pytest.raises(NotAllowed, match="no registered contact of Shop A"):
            write(world, number, to)
    assert owed(world, ref) == []
    for place, sender in (
        (Disposition.BOUNCE, "mailer-daemon@example.com"), (Disposition.AUTOMATIC, "away@example.com"),
        (Disposition.UNREADABLE, ""), (Disposition.REFUSED, "a@b@c"), (Disposition.REFUSED, "x@x.org\r\nBcc: y@z"),
    ):  # fmt: skip
        number = asks(world, ref, sender, place=place)
        with world.services.store.reading() as uow:
            assert [one.address for one in recipients(uow, world.case(ref), row(world, number))] == [CONTACT], sender


def test_sent_twice_it_is_one_mail_and_of_two_colleagues_the_second_is_told(world: World, keeper: Keeper) -> None:
    ref = told(world)
    number = asks(world, ref)
    with pytest.raises(Overtaken):
        write(world, number, seen=-1)
    write(world, number)
    write(world, number)
    with pytest.raises(Overtaken):
        write(world, number, words="Another one.")
    with pytest.raises(Overtaken):
        write(world, number, by=REVIEWER)
    write(world, number, by=REVIEWER, seen=1)
    before = len(world.mail.taken)
    keeper(minutes=3)
    assert (len(world.mail.taken) - before, world.count(ref, Kind.MAIL_SENT)) == (2, 2)
    assert len({message_from_bytes(raw)["Message-ID"] for raw, *_ in world.mail.taken}) == len(world.mail.taken)


def test_a_crash_while_it_leaves_repeats_the_same_bytes(world: World, keeper: Keeper) -> None:
    ref = told(world)
    write(world, asks(world, ref))
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        keeper(minutes=3)
    world.restart(minutes=30)
    Keeper(world)(minutes=3)
    one, other = (raw for raw, *_ in world.mail.taken[-2:])
    assert (one == other, world.count(ref, Kind.MAIL_SENT)) == (True, 1)


def test_who_is_no_contact_any_more_gets_nothing_until_they_are_registered_again(world: World, keeper: Keeper) -> None:
    ref = told(world)
    number = asks(world, ref, "other@shop-a.example.com")
    write(world, number)
    with world.services.store.uow() as uow:
        uow.people.remove_contact("Shop A", CONTACT)
        uow.commit()
    before = len(world.mail.taken)
    keeper(minutes=3)
    assert (len(world.mail.taken), owed(world, ref)) == (before, [(Debt.MAIL, Code.NOBODY_TO_TELL)])
    world.register("Shop A", CONTACT)
    keeper(minutes=3)
    assert (len(world.mail.taken), owed(world, ref)) == (before + 1, [])


def test_one_that_is_refused_holds_up_no_other(world: World, keeper: Keeper) -> None:
    ref = told(world)
    world.mail.refuses = {STRANGER}
    write(world, asks(world, ref, STRANGER, place=Disposition.REFUSED), STRANGER)
    write(world, asks(world, ref), seen=1)
    keeper(minutes=3)
    assert ([mail["to"] for mail in world.case(ref).every(Kind.MAIL_SENT)], owed(world, ref)) == (
        [[CONTACT]], [(Debt.MAIL, Code.MAIL_REFUSED)],
    )  # fmt: skip


def test_what_is_written_holds_no_key_and_a_message_without_words_or_case_none_at_all(world: World) -> None:
    ref = told(world)
    raw = world.mail.taken[-1][0]
    address = parseaddr(str(message_from_bytes(raw)["Reply-To"]))[1]
    assert case_of_address(world.services.secret, address) == ref
    case = write(world, asks(world, ref), words=f"You wrote to {address}.\0")
    assert case_of_address(world.services.secret, str(case.events[-1].data["words"])) is None
    assert "\0" not in case.events[-1].data["words"]
    for words in ("", " \n ", "x" * 20_001):
        with pytest.raises(BadInput):
            write(world, asks(world, ref, f"{len(words)}@shop-a.example.com"), words=words, seen=1)
    with pytest.raises(BadInput, match="of no case"):
        write(world, asks(world, "", STRANGER, place=Disposition.UNMATCHED), STRANGER)


# -- put to a case ----------------------------------------------------------------------------------------------------


def test_a_message_that_is_put_to_a_case_is_its_evidence_and_can_be_answered_there(world: World) -> None:
    ref, ledger = told(world), world.services.ledger
    digest = world.vault.put(b"From: s@example.com\r\n\r\nhello", "message.eml", "message/rfc822").digest
    number = asks(world, "", STRANGER, place=Disposition.UNMATCHED, digest=digest)
    for _ in range(2):
        case = put_to_case(ledger, number, f" {ref.lower()} ", by=DECIDER, remark=" about\n the token ")
    [fact] = case.every(Kind.MESSAGE_FILED)
    assert sentence(fact.event) == f"A message from {STRANGER} put to this case by hand: Hello. about the token"
    found = row(world, number)
    assert (found.ref, found.about, found.done_by, found.remark) == ("", ref, DECIDER, "about the token")
    with world.services.store.reading() as uow:
        assert digest in {one.digest for one in uow.evidence.of(ref)}
    write(world, number, STRANGER)
    assert owed(world, ref) == [(Debt.MAIL, "")]
    with pytest.raises(BadInput, match="stands there"):
        put_to_case(ledger, asks(world, ref), ref, by=DECIDER)
    with pytest.raises(BadInput):
        put_to_case(ledger, number, "JF-999999", by=DECIDER)
    with pytest.raises(BadInput):
        put_to_case(ledger, 999, ref, by=DECIDER)


def test_a_mail_counts_by_hand_once_somebody_else_agrees_and_a_strangers_never(world: World) -> None:
    ref, services = told(world), world.services
    numbers = []
    for sender in (CONTACT, STRANGER):
        raw = f"From: {sender}\r\nDate: {world.clock():%a, %d %b %Y %H:%M:%S +0000}\r\n\r\nWe renewed the token.\r\n"
        digest = world.vault.put(raw.encode(), "m.eml", "message/rfc822").digest
        numbers.append(asks(world, "", sender, place=Disposition.UNMATCHED, digest=digest))
    with pytest.raises(BadInput):
        say_it_is_the_word(services.ledger, services.files, services.replies, numbers[0], by=DECIDER)
    for number in numbers:
        put_to_case(services.ledger, number, ref, by=DECIDER)
    case = say_it_is_the_word(services.ledger, services.files, services.replies, numbers[0], by=DECIDER)
    assert [(one["sender"], one.event.data["known_by"]) for one in case.doubted] == [(CONTACT, "login")]
    assert [is_the_word(case, row(world, number)) for number in numbers] == [True, False]
    with pytest.raises(WordRefused):
        say_it_is_the_word(services.ledger, services.files, services.replies, numbers[1], by=DECIDER)


def test_what_somebody_remarked_first_stays_and_nothing_is_taken_off_that_is_not_there(world: World) -> None:
    number, ledger = asks(world, "", STRANGER, place=Disposition.UNMATCHED), world.services.ledger
    with pytest.raises(BadInput, match="nothing was taken off"):
        take_off(ledger, [number, 77], by=DECIDER)
    assert row(world, number).needs_eye
    assert take_off(ledger, [number], by=DECIDER, remark="an advert") == 1
    assert take_off(ledger, [number], by=REVIEWER, remark="no") == 0
    assert (row(world, number).done_by, row(world, number).remark) == (DECIDER, "an advert")
