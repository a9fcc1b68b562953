"""A case told by a real Postfix, and what comes back by a real Dovecot and its Sieve (`make test-postfix`)."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

import pytest

from blocks.inbox import RetailerMailbox
from caseproof.channels.inbound.imap import ImapInbox
from caseproof.channels.inbound.reading import read_mail
from caseproof.channels.outbound.mail import send
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.procedure.answers.inbox import MailIntake, read_inbox
from caseproof.procedure.answers.writing_back import send_written, write_mail
from caseproof.store import MessageRow
from tests.support.postfix import AUTHSERV, AWAY, CASES, GONE, OWNER, PASSWORD, POSTFIX, DovecotBox, log, mail_account
from tests.support.real_time import RealClock
from tests.support.retailer_mail import DONE, letter_of
from tests.support.world import DECIDER, World

SHOP = "Shop B"


@dataclass
class Mailed:
    """A world that tells by the saved mail account, and reads the saved mailbox."""

    world: World
    ours: DovecotBox
    theirs: DovecotBox
    away: DovecotBox

    def told(self, *contacts: str) -> str:
        """A case whose retailer, with these contacts, got the notice."""
        self.world.register(SHOP, *contacts)
        self.world.platform.add("feeds/b", retailer=SHOP)
        ref = self.world.open("feeds/b")
        self.world.walk(ref, until="tell")
        return ref

    def taken_in(self) -> list[MessageRow]:
        """All messages, once a pass took the next one in: it waits for that as the inbox does."""
        services, block = self.world.services, RetailerMailbox(
            host="127.0.0.1", port=POSTFIX["imap"], security="starttls", username=CASES, password=PASSWORD,
            authserv=AUTHSERV,
        )  # fmt: skip
        account = block.account(timeout_seconds=20)
        lock = services.settings.home_folder / "inbox" / "pass"
        intake = MailIntake(services.ledger, services.vault, services.replies, lock, account.authserv)
        with ImapInbox(account) as inbox:
            while not (done := read_inbox(intake, inbox, lambda _: None)) or not done.counts:
                assert inbox.wait(60), "no mail came"
        assert (done.counts.total(), done.problems) == (1, [])
        with services.store.reading() as uow:
            return [row for number in range(1, 20) if (row := uow.messages.get(number))]


@pytest.fixture
def mailed(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailed]:
    monkeypatch.setenv("SSL_CERT_FILE", POSTFIX["certificate"])
    world = make_world(answers={"mailbox": "retailers"})
    world.clock.__class__ = RealClock
    account = mail_account()
    world.send = lambda raw, sender, to: send(account, raw, sender=sender, recipients=to)
    with DovecotBox(CASES) as ours, DovecotBox(OWNER) as theirs, DovecotBox(AWAY) as away:
        yield Mailed(world, ours, theirs, away)


def answer_to(
    letter: EmailMessage, words: str = DONE, *, sender: str = OWNER, to: str = "", **headers: str
) -> EmailMessage:
    """What a person's mail program makes of *Answer*; ``headers`` are more of them, with _ for -."""
    mail = EmailMessage()
    mail["From"], mail["To"] = f"The owner <{sender}>", to or str(letter["Reply-To"])
    mail["Subject"], mail["Date"], mail["Message-ID"] = f"Re: {letter['Subject']}", formatdate(), make_msgid()
    mail["In-Reply-To"] = mail["References"] = str(letter["Message-ID"])
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(f"{words}\n\nOn Friday we wrote:\n> Please make the change, then tell us.\n")
    return mail


def written(mail: EmailMessage, letter: EmailMessage, *, by: str = "submission") -> None:
    """Hand it in as its sender, who logs in; by ``mx`` it comes from anywhere. The envelope has the signed address."""
    to, sender = (parseaddr(str(one))[1] for one in (letter["Reply-To"], mail["From"]))
    with smtplib.SMTP("127.0.0.1", POSTFIX[by], timeout=30) as server:
        if by == "submission":
            server.starttls(context=ssl.create_default_context(cafile=POSTFIX["certificate"]))
            server.login(sender, PASSWORD)
        server.send_message(mail, sender, [to])


def test_a_letter_arrives_as_it_was_sent_and_its_envelope_has_the_address_that_bounces_go_to(mailed: Mailed) -> None:
    ref = mailed.told(OWNER)
    [arrived] = mailed.theirs.wait_for(1)
    letter = letter_of(arrived)
    notice = mailed.world.case(ref).notice
    assert notice is not None
    assert letter["Message-ID"] == notice.data["message_id"]
    signed = parseaddr(str(letter["Reply-To"]))[1]
    assert signed.startswith(f"cases+{ref.lower()}-")
    assert str(letter["Return-Path"]) == f"<{signed}>"
    as_it_left = arrived[arrived.index(b"Message-ID: ") :]
    assert hashlib.sha256(as_it_left).hexdigest() in str(notice.data["sent"])


@pytest.mark.parametrize("to", ["", CASES], ids=["to the signed address", "in Delivered-To alone"])
def test_a_persons_answer_is_the_retailers_word(mailed: Mailed, to: str) -> None:
    """The plus-address is kept by Postfix and Dovecot in Delivered-To, whatever To says."""
    ref = mailed.told(OWNER)
    letter = letter_of(mailed.theirs.wait_for(1)[0])
    signed = parseaddr(str(letter["Reply-To"]))[1]
    written(answer_to(letter, to=to), letter)
    [row] = mailed.taken_in()
    assert (row.place, row.sender) == (Disposition.COUNTED, OWNER)
    [word] = mailed.world.case(ref).words
    assert (word["words"].strip(), word["choice"], word["by_way_of"]) == (DONE, "changed", "mail")
    [kept] = mailed.ours.folder("Caseproof")
    assert letter_of(kept)["Delivered-To"] == signed
    assert mailed.ours.folder() == []
    assert mailed.world.decide(ref, Decision.AFTER_CHANGE).decided is Decision.AFTER_CHANGE, "it can stand on that word"


def test_no_vacation_answers_a_notice_for_that_says_that_a_program_wrote_it(mailed: Mailed) -> None:
    mailed.told(AWAY)
    mailed.away.wait_for(1)
    assert "discarding vacation response to auto-submitted message" in log()
    assert mailed.ours.folder() == []


@pytest.fixture
def vacation(mailed: Mailed) -> tuple[str, EmailMessage, bytes]:
    """The case, a mail that a person of ours wrote in it, and what Sieve answers to that."""
    ref = mailed.told(AWAY)
    notice = letter_of(mailed.away.wait_for(1)[0])
    written(answer_to(notice, "How do we renew the token?", sender=AWAY), notice)
    [asked] = mailed.taken_in()
    assert asked.place is Disposition.REPLY
    services = mailed.world.services
    write_mail(services.ledger, asked.id, to=AWAY, words="By its button in the shop.", by=DECIDER, seen=0)
    send_written(services.ledger, services.dispatch(mailed.world.send), ref)
    ours = letter_of(mailed.away.wait_for(2)[1])
    return ref, ours, mailed.ours.wait_for(1)[0]


def test_a_vacation_of_sieve_is_no_word_though_its_words_its_thread_and_its_sender_are_those_of_one(
    mailed: Mailed, vacation: tuple[str, EmailMessage, bytes]
) -> None:
    ref, ours, raw = vacation
    answer, read, before = letter_of(raw), read_mail(raw, authserv=AUTHSERV), mailed.world.case(ref).version
    assert answer["In-Reply-To"] == ours["Message-ID"]
    assert str(answer["References"]).split() == [*str(ours["References"]).split(), str(ours["Message-ID"])]
    assert answer["Delivered-To"] == parseaddr(str(ours["Reply-To"]))[1]
    assert (read.own_words.strip(), read.genuine.ok, read.sender_address) == (DONE, True, AWAY)
    row = mailed.taken_in()[-1]
    assert (row.place, row.needs_eye) == (Disposition.AUTOMATIC, False)
    assert "auto-replied (vacation)" in row.why
    assert mailed.world.case(ref).version == before, "nothing is written into the case"


def test_what_the_vacation_says_counts_where_a_person_sends_it(
    mailed: Mailed, vacation: tuple[str, EmailMessage, bytes]
) -> None:
    """So that the one above can fail: the same mail, without what only a program writes into its headers."""
    ref, _, raw = vacation
    assert mailed.taken_in()[-1].place is Disposition.AUTOMATIC
    person = letter_of(raw)
    for name in ("Auto-Submitted", "Precedence", "Return-Path"):
        del person[name]
    person.replace_header("Message-ID", make_msgid())
    mailed.ours.deliver(person.as_bytes())
    assert mailed.taken_in()[-1].place is Disposition.COUNTED
    assert mailed.world.case(ref).confirmations


def test_a_letter_that_postfix_returns_marks_the_contact_whom_it_did_not_reach_and_no_other(mailed: Mailed) -> None:
    ref = mailed.told(OWNER, GONE)
    assert len(mailed.theirs.wait_for(1)) == 1
    [row] = mailed.taken_in()
    assert row.place is Disposition.BOUNCE
    assert GONE in row.why
    [bounced] = [event for event in mailed.world.case(ref).events if event.kind is Kind.ADDRESS_BOUNCED]
    assert bounced.data["address"] == GONE
    assert "5.1.1" in str(bounced.data["why"])
    with mailed.world.services.store.reading() as uow:
        reached = {contact.address: contact.bounced_at is None for contact in uow.people.contacts(SHOP)}
    assert reached == {OWNER: True, GONE: False}


@pytest.mark.parametrize("claims", [False, True], ids=["and says nothing", "and vouches for itself"])
def test_who_writes_as_the_owner_from_anywhere_is_nobody(mailed: Mailed, claims: bool) -> None:
    ref = mailed.told(OWNER)
    letter = letter_of(mailed.theirs.wait_for(1)[0])
    forged = {"Authentication_Results": f"{AUTHSERV}; dmarc=pass header.from=shop-a.example.com"} if claims else {}
    written(answer_to(letter, **forged), letter, by="mx")
    [row] = mailed.taken_in()
    assert row.place is Disposition.REFUSED
    assert "says nothing about who sent it" in row.why
    assert mailed.world.case(ref).confirmations == ()
