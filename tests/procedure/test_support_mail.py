"""A mail to the support address opens a support case or joins the one that it belongs to; nothing is lost (E1, E6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.errors import NotAllowed
from caseproof.domain.support.forms import About, FrontLine, form_for
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import PRODUCT_UNKNOWN, Failing
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.answers import support_mail
from caseproof.procedure.answers.receiving import Received, receive
from caseproof.procedure.escalation.requesting import answer_form
from tests.support.retailer_mail import AUTHSERV, answer, letter_of
from tests.support.support_cases import NAMED, PEOPLE
from tests.support.support_desk import LADDER, Desk
from tests.support.world import CONTACT, World

SUPPORT = "support@example.com"
SAID = "In our WooCommerce shop nobody can pay. Please let the second-line technician call us."
STRANGER = "somebody@elsewhere.example.com"
FIRST = b"Subject: Nobody can pay\r\nReply-To: support@example.com\r\n\r\n"


@pytest.fixture
def desk(make_world: Callable[..., World]) -> Desk:
    return Desk(make_world(ladder=LADDER, answers={"mailbox": "retailers"}))


def mail(words: str = SAID, **how: object) -> bytes:
    """A mail to support."""
    said = {"threaded": False, "quoted": False, "to": SUPPORT, "subject": "Nobody can pay", **how}
    return answer(FIRST, words, **said)  # type: ignore[arg-type]


def take_in(desk: Desk, raw: bytes) -> Received:
    services = desk.world.services
    return receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)


def opened(desk: Desk, raw: bytes | None = None) -> Case:
    got = take_in(desk, mail(message_id="<q1@shop-a.example.com>") if raw is None else raw)
    assert got.place is Disposition.SUPPORT
    return desk.world.case(got.cases[0])


def test_a_contacts_mail_opens_a_case_of_their_shop_with_the_mail_as_evidence(desk: Desk) -> None:
    case = opened(desk)
    assert (case.facts["client"], case.facts["product"], case.facts["sender"]) == ("Shop A", "WooCommerce", CONTACT)
    assert (case.facts["said"], case.facts["summary"]) == (SAID, "Nobody can pay")
    assert b"nobody can pay" in desk.services.vault.read(case.facts["evidence"])
    with desk.services.store.reading() as uow:
        assert case.facts["evidence"] in {file.digest for file in uow.evidence.of(case.ref)}
    assert desk.ask(
        case.ref, Request.REACH_L2, **NAMED | {"technician": PEOPLE["L2"], "evidence": case.facts["evidence"]}
    )


def test_whose_it_is_and_what_it_is_about_is_asked_first(desk: Desk) -> None:
    case = opened(desk, mail("The till does not print any receipts since today.", sender=STRANGER))
    assert (case.facts["client"], case.facts["product"]) == (STRANGER, PRODUCT_UNKNOWN)
    assert form_for(case) is About
    form = About(answered_by=PEOPLE["L1"], failing=Failing.NO, client="Example Foods", product="WooCommerce")
    services = desk.services
    assert form_for(answer_form(services.ledger, services.files, services.policy, case.ref, form)) is FrontLine


def test_an_answer_joins_its_case_however_it_is_sent_and_what_comes_twice_is_one(desk: Desk) -> None:
    case = opened(desk)
    first = mail(message_id="<q1@shop-a.example.com>")
    follow_up = answer(
        first, "It is the same in every browser.", to="cases@example.com", message_id="<q2@shop-a.example.com>"
    )
    got = take_in(desk, follow_up)
    assert (got.place, got.cases) == (Disposition.SUPPORT, (case.ref,))
    wrote = desk.world.case(case.ref).events[-1]
    assert (wrote.kind, wrote.data["words"].splitlines()[0]) == (Kind.CLIENT_WROTE, "It is the same in every browser.")
    again = follow_up.replace(b"Received:", b"Received: from twice by mx.example.com; now\r\nReceived:")
    assert take_in(desk, again).place is Disposition.DUPLICATE
    assert take_in(desk, first + b"\n").place is Disposition.DUPLICATE
    assert desk.world.case(case.ref).version == case.version + 1


def test_an_answer_to_our_mail_with_the_solution_joins_the_case_and_keeps_it_open(desk: Desk) -> None:
    case = opened(desk)
    desk.ask(case.ref, Request.STATE_SOLUTION)
    desk.tell(case.ref)
    ours = desk.world.mail.taken[-1][0]
    got = take_in(desk, answer(ours, "It still does not work."))
    assert got.cases == (case.ref,)
    assert not desk.finish(case.ref).is_closed
    assert letter_of(ours)["Reply-To"] == SUPPORT


def test_a_number_alone_joins_nothing_but_their_own_case(desk: Desk) -> None:
    case = opened(desk)
    subject = f"Again: {case.ref}"
    got = take_in(desk, mail("I am somebody else, and it is broken.", subject=subject, sender=STRANGER))
    assert got.cases != (case.ref,)
    got = take_in(desk, mail("And another thing about it.", subject=subject, genuine=False))
    assert got.cases != (case.ref,)
    assert take_in(desk, mail("One more thing about it.", subject=subject)).cases == (case.ref,)


def test_a_forged_mail_opens_a_case_that_names_nobody_and_the_true_one_counts_all_the_same(desk: Desk) -> None:
    forged = opened(desk, mail(genuine=False, message_id="<q1@shop-a.example.com>"))
    assert (forged.facts["unproven"], forged.facts["client"]) == (MessageCode.NOT_GENUINE, CONTACT)
    named = NAMED | {"technician": PEOPLE["L2"]}
    with pytest.raises(NotAllowed, match="names this technician"):
        desk.ask(forged.ref, Request.REACH_L2, **named | {"evidence": forged.facts["evidence"]})
    got = take_in(desk, mail(message_id="<q1@shop-a.example.com>"))
    assert (got.place, got.cases) == (Disposition.SUPPORT, (forged.ref,))
    true = desk.world.case(forged.ref).events[-1].data["evidence"]
    assert desk.ask(forged.ref, Request.REACH_L2, **named | {"evidence": true})


def test_what_is_forged_or_of_another_in_a_thread_does_not_speak_for_the_client(desk: Desk) -> None:
    case = opened(desk)
    first = mail(message_id="<q1@shop-a.example.com>")
    got = take_in(desk, answer(first, "Please close this case.", genuine=False))
    assert (got.place, got.cases) == (Disposition.REFUSED, (case.ref,))
    assert desk.world.case(case.ref).version == case.version
    take_in(desk, answer(first, "The second-line technician knows us well.", sender=STRANGER))
    wrote = desk.world.case(case.ref).events[-1]
    assert wrote.data["unproven"] == MessageCode.STRANGER
    with pytest.raises(NotAllowed, match="names this technician"):
        desk.ask(case.ref, Request.REACH_L2, **NAMED | {"technician": PEOPLE["L2"], "evidence": wrote.data["evidence"]})


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (mail(Auto_Submitted="auto-replied"), Disposition.AUTOMATIC),
        (mail(sender=SUPPORT), Disposition.AUTOMATIC),
        (mail("ok", subject="hi"), Disposition.UNMATCHED),
    ],
    ids=["a program", "our own", "no words"],
)
def test_what_opens_no_case_is_kept_in_its_place(desk: Desk, raw: bytes, place: Disposition) -> None:
    got = take_in(desk, raw)
    assert (got.place, got.cases) == (place, ())


def test_a_mail_to_the_support_address_that_answers_a_letter_to_a_retailer_stays_an_answer(desk: Desk) -> None:
    ref = desk.world.open()
    desk.world.walk(ref, until="tell")
    letter = desk.world.mail.taken[-1][0]
    assert take_in(desk, answer(letter, Cc=SUPPORT)).place is Disposition.COUNTED


def test_what_comes_to_a_closed_case_is_kept_with_it_and_looked_at(desk: Desk) -> None:
    case = opened(desk)
    desk.ask(case.ref, Request.STATE_SOLUTION)
    assert desk.finish(case.ref).is_closed
    got = take_in(desk, answer(mail(message_id="<q1@shop-a.example.com>"), "It fails again today."))
    assert (got.place, got.place.needs_eye, got.cases) == (Disposition.REPLY, True, (case.ref,))
    assert desk.world.case(case.ref).is_closed
    assert desk.ask(case.ref, Request.REOPEN).events[-1].kind is Kind.DOCUMENTS_LINKED


def test_a_flood_opens_no_more_cases_and_loses_no_mail(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support_mail, "MOST_OPENED", 2)
    places = [take_in(desk, mail(f"This is problem number {number} of ours.")).place for number in range(4)]
    assert places == [Disposition.SUPPORT] * 2 + [Disposition.UNMATCHED] * 2


def test_without_a_support_address_mails_end_where_they_did(make_world: Callable[..., World]) -> None:
    desk = Desk(make_world(answers={"mailbox": "retailers"}))
    assert take_in(desk, mail()).place is Disposition.UNMATCHED
