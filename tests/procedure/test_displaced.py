"""An unauthenticated message never displaces a genuine one, and marks no address (J5, J8)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, update

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.signing import answer_token, reply_address
from caseproof.procedure.answers.answer_link import LinkState, asked
from caseproof.procedure.answers.kept_mail import without_keys
from caseproof.procedure.answers.mail_triage import FLOOD
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.closing import deciding
from caseproof.store import Contact
from caseproof.store.tables import intents
from tests.support.examples import examples
from tests.support.retailer_mail import AUTHSERV, DONE, answer, letter_of, returned
from tests.support.world import CONTACT, DECIDER, World

SECOND = "second@shop-a.example.com"
GENUINE = "<1@shop-a.example.com>"
STRANGER = "stranger@elsewhere.example.com"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose policy names a mailbox, and whose retailer has two contacts."""
    world = make_world(answers={"mailbox": "retailers"})
    world.register("Shop A", SECOND)
    return world


@pytest.fixture
def told(world: World) -> tuple[str, bytes, bytes]:
    """A case whose retailer got the notice; the case, and the letters to both contacts."""
    return tells(world)


def tells(world: World, job: str = "offers/feed-a") -> tuple[str, bytes, bytes]:
    if job != "offers/feed-a":
        world.platform.add(job)
    ref = world.open(job=job)
    world.walk(ref, until="tell")
    first, second = (taken[0] for taken in world.mail.taken[-2:])
    return ref, first, second


def take_in(world: World, raw: bytes) -> Received:
    return receive(world.services.ledger, world.services.vault, world.services.replies, raw, authserv=AUTHSERV)


def contacts(world: World) -> list[Contact]:
    with world.services.store.reading() as uow:
        return uow.people.contacts("Shop A")


def marked(world: World) -> list[str]:
    return [contact.address for contact in contacts(world) if contact.bounced_at is not None]


def report(letter: bytes, message_id: str, *failed: str) -> bytes:
    """A mail server's report with the Message-ID and the sender of somebody else's mail."""
    raw = returned(letter, *failed).replace(b"From: Mail Delivery System <mailer-daemon@mail.example.net>", FROM)
    head, _, rest = raw.partition(b"Message-ID: <bounce-")
    return head + b"Message-ID: " + message_id.encode() + rest[rest.index(b"\r\n") :]


FROM = b"From: The owner <" + CONTACT.encode() + b">"
FORGED: dict[str, Callable[[bytes], bytes]] = {
    "an automatic reply": lambda letter: answer(
        letter, "I am away.", genuine=False, message_id=GENUINE, Auto_Submitted="auto-replied"
    ),
    "an automatic reply past every address of ours": lambda letter: answer(
        letter, "I am away.", genuine=False, message_id=GENUINE, to="cases@example.com", threaded=False,
        Precedence="bulk",
    ),
    "a mailing list's mail": lambda letter: answer(
        letter, genuine=False, message_id=GENUINE, List_Id="<list.example.com>"
    ),
    "a report about our letter": lambda letter: report(letter, GENUINE, CONTACT),
    "a report that it is late": lambda letter: report(letter, GENUINE, CONTACT).replace(
        b"Action: failed", b"Action: delayed"
    ),
    "a forged answer": lambda letter: answer(letter, genuine=False, message_id=GENUINE),
    "a forged answer of another meaning": lambda letter: answer(
        letter, "Not yet.", genuine=False, message_id=GENUINE
    ),
    "an answer of which our server says nothing": lambda letter: answer(letter, message_id=GENUINE).partition(
        b"\r\n"
    )[2],
    "a mail that answers nothing": lambda letter: answer(letter, genuine=False, message_id=GENUINE, threaded=False),
    "a mail to nobody of ours": lambda letter: answer(
        letter, genuine=False, message_id=GENUINE, to="x@example.com"
    ),
    "a mail with words alone of ours": lambda letter: answer(letter, "", genuine=False, message_id=GENUINE),
    "bytes that are hardly a mail": lambda _: f"Message-ID: {GENUINE}\r\nFrom: {CONTACT}\r\n\r\n\xff".encode("latin-1"),
    "a stranger's own genuine mail": lambda letter: answer(letter, sender=STRANGER, message_id=GENUINE),
}  # fmt: skip
"""Messages of nobody whom our server vouches for as the contact, with the Message-ID of the contact's answer."""


def test_a_genuine_answer_counts_after_any_forged_message_with_its_message_id(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    """All of them first, and the true one last."""
    ref, letter, _ = told
    for name, forged in FORGED.items():
        got = take_in(world, forged(letter))
        assert got.place not in (Disposition.COUNTED, Disposition.REPLY), name
    got = take_in(world, answer(letter, message_id=GENUINE))
    assert (got.place, got.cases) == (Disposition.COUNTED, (ref,))
    assert [word["words"].strip() for word in world.case(ref).words] == [DONE]


@pytest.mark.parametrize("name", ["an automatic reply", "a report about our letter"])
def test_a_forged_automatic_reply_with_the_message_id_of_the_answer_does_not_make_it_seen_before(
    world: World, told: tuple[str, bytes, bytes], name: str
) -> None:
    _, letter, _ = told
    take_in(world, FORGED[name](letter))
    assert take_in(world, answer(letter, message_id=GENUINE)).place is Disposition.COUNTED


def test_a_forged_mail_that_differs_in_the_signed_address_alone_does_not_make_the_true_one_seen_before(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    """What is kept of both looks the same but for the digest of what came: our keys are hidden in it."""
    ref, letter, _ = told
    raw = answer(letter, message_id=GENUINE)
    signature = re.search(rb"\+jf-000001-([a-z2-7]{16})@", raw)
    assert signature is not None
    forged = raw.replace(signature[1], b"a" * 16)
    assert take_in(world, forged).place is not Disposition.COUNTED
    got = take_in(world, raw)
    assert (got.place, got.new, len(world.case(ref).words)) == (Disposition.COUNTED, True, 1)
    assert not take_in(world, raw).new
    assert not take_in(world, forged).new


def test_a_mail_that_is_made_like_what_is_kept_of_another_is_no_twin_of_it(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    _, letter, _ = told
    raw = answer(letter, message_id=GENUINE)
    take_in(world, without_keys(raw).content)
    assert take_in(world, raw).place is Disposition.COUNTED
    with world.services.store.reading() as uow:
        assert len(uow.messages.settled(9)) + len(uow.messages.to_look_at(9)) == 2


def test_a_forged_message_after_the_genuine_one_changes_nothing_and_passes_for_no_copy_of_it(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    ref, letter, _ = told
    take_in(world, answer(letter, message_id=GENUINE))
    before = world.case(ref).words
    got = take_in(world, FORGED["a forged answer of another meaning"](letter))
    assert got.place is Disposition.REFUSED
    for forged in FORGED.values():
        take_in(world, forged(letter))
    case = world.case(ref)
    assert (case.words, case.replies, case.question) == (before, (), None)
    assert take_in(world, answer(letter, message_id=GENUINE, subject="sent twice")).place is Disposition.DUPLICATE


@settings(
    max_examples=examples(6), deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(order=st.lists(st.sampled_from(sorted(FORGED)), max_size=4), place=st.integers(0, 4))
def test_in_whichever_order_forged_and_genuine_arrive_the_genuine_one_counts(
    world: World, told: tuple[str, bytes, bytes], order: list[str], place: int
) -> None:
    _, letter, _ = told
    mark = f"<{world.clock.now.timestamp()}@shop-a.example.com>"
    mails = [FORGED[name](letter).replace(GENUINE.encode(), mark.encode()) for name in order]
    genuine = answer(letter, message_id=mark)
    mails.insert(min(place, len(mails)), genuine)
    places = {raw: take_in(world, raw).place for raw in mails}
    assert places[genuine] is Disposition.COUNTED
    assert list(places.values()).count(Disposition.COUNTED) == 1
    world.clock.move(hours=25)  # a case takes down so many words a day


def test_the_same_forged_bytes_are_one_message_however_often_they_come(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    _, letter, _ = told
    raw = answer(letter, genuine=False, message_id=GENUINE)
    assert [take_in(world, raw).new for _ in range(5)] == [True, False, False, False, False]
    with world.services.store.reading() as uow:
        assert len(uow.messages.to_look_at(99)) == 1


def test_no_forged_mail_uses_up_the_link_of_the_letter_that_it_says_it_answers(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    ref, letter, _ = told
    for forged in FORGED.values():
        take_in(world, forged(letter))
    name = str(letter_of(letter)["Message-ID"]).strip("<>").partition("@")[0]
    services = world.services
    token = answer_token(services.replies.secret(), name, world.clock.now.replace(year=2027))
    [job] = asked(services.store, services.replies, token).jobs
    assert (job.ref, job.standing, job.colleague) == (ref, LinkState.OPEN, None)


def test_a_flood_of_forged_mail_takes_nothing_off_the_list_that_did_not_stand_above_the_form(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    """Among what a flood keeps out of the case may be a true mail of which our server said nothing."""
    ref, letter, _ = told
    for number in range(FLOOD):
        take_in(world, answer(letter, f"Forged {number}", genuine=False))
    kept_out = take_in(world, answer(letter).partition(b"\r\n")[2])
    asked_now = {"number": 1, "form": "retailers-word", "flow_run": "a flow run"}
    world.services.ledger.record(ref, Kind.QUESTION_ASKED, **asked_now)
    deciding.looked_at(world.services.ledger, ref, by=DECIDER, question=1)
    with world.services.store.reading() as uow:
        assert [row.id for row in uow.messages.to_look_at(99)] == [kept_out.row_id]


# -- bounces ----------------------------------------------------------------------------------------------------------


def test_a_report_of_the_letter_that_went_to_an_address_marks_that_address_alone(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    ref, _, second = told
    take_in(world, returned(second, SECOND))
    assert marked(world) == [SECOND]
    assert world.case(ref).events[-1].kind is Kind.ADDRESS_BOUNCED


def guessed(_: World, letter: bytes, __: bytes) -> bytes:
    """A stranger knows how we name our mails, and not the key in the address that reports are sent to."""
    return returned(letter, CONTACT, to=f"cases+jf-000001-{'a' * 16}@example.com")


def of_a_letter_to_another(_: World, letter: bytes, __: bytes) -> bytes:
    return returned(letter, SECOND)


def of_no_letter(_: World, letter: bytes, __: bytes) -> bytes:
    return returned(letter.replace(b"jf-000001.1.notice", b"jf-000001.7.notice"), CONTACT, to=str(told_to(letter)))


def of_a_newsletter(_: World, letter: bytes, __: bytes) -> bytes:
    return returned(letter.replace(b"jf-000001.1.notice", b"newsletter.1"), CONTACT, to=str(told_to(letter)))


def without_any_letter(_: World, letter: bytes, __: bytes) -> bytes:
    raw = returned(letter, CONTACT)
    return raw.replace(b"Message-ID: " + str(letter_of(letter)["Message-ID"]).encode() + b"\r\n", b"")


def of_another_case(world: World, letter: bytes, _: bytes) -> bytes:
    _, other, _ = tells(world, "offers/feed-b")
    return returned(other, CONTACT, to=str(told_to(letter)))


def in_words_alone(_: World, letter: bytes, __: bytes) -> bytes:
    return (
        f"From: mailer-daemon@mail.example.net\r\nTo: {told_to(letter)}\r\nSubject: Undelivered mail\r\n\r\n"
        f"Your mail could not be delivered to {CONTACT}: no such user.\r\n"
    ).encode()


def told_to(letter: bytes) -> object:
    return letter_of(letter)["Reply-To"]


@pytest.mark.parametrize(
    "made",
    [
        guessed, of_a_letter_to_another, of_no_letter, of_a_newsletter, without_any_letter, of_another_case,
        in_words_alone,
    ],
)  # fmt: skip
def test_a_report_that_names_no_letter_of_ours_to_that_address_marks_nobody_and_is_shown(
    world: World, told: tuple[str, bytes, bytes], made: Callable[[World, bytes, bytes], bytes]
) -> None:
    ref, first, second = told
    raw = made(world, first, second)
    version = world.case(ref).version
    got = take_in(world, raw)
    assert (got.place, got.place.needs_eye) == (Disposition.BOUNCE, True)
    assert (marked(world), world.case(ref).version) == ([], version)


def test_of_the_addresses_that_a_report_names_only_the_letters_own_is_marked(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    _, first, _ = told
    take_in(world, returned(first, SECOND, CONTACT))
    assert marked(world) == [CONTACT]


def test_a_report_about_a_mail_that_went_to_all_contacts_marks_the_one_that_it_names(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    """As notices were before each contact got a letter of their own."""
    ref, first, _ = told
    with world.services.store.reading() as uow:
        one = uow.intents.known(f"{ref}/1/notice")
        assert one is not None
        result = {name: value for name, value in one.items() if name != "more"}
    engine = create_engine(world.services.settings.database)
    with engine.begin() as connection:
        connection.execute(update(intents).where(intents.c.key == f"{ref}/1/notice").values(result=result))
    engine.dispose()
    take_in(world, returned(first, SECOND))
    assert marked(world) == [SECOND]


def test_a_report_to_a_signed_address_of_another_installation_marks_nobody(
    world: World, told: tuple[str, bytes, bytes]
) -> None:
    ref, first, _ = told
    take_in(world, returned(first, CONTACT, to=reply_address(b"another key", "cases@example.com", ref)))
    assert marked(world) == []


def test_many_unproven_reports_keep_no_true_one_from_marking(world: World, told: tuple[str, bytes, bytes]) -> None:
    _, first, second = told
    for number in range(21):
        take_in(world, of_a_letter_to_another(world, first, second).replace(b"No such user", b"Nobody %d" % number))
    take_in(world, returned(first, CONTACT))
    assert marked(world) == [CONTACT]
