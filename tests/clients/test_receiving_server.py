"""The small world's receiving mail server: what it says of a sender is what Caseproof believes (J8)."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from sandbox.imap import ImapServer
from sandbox.mailbox import Mailbox
from sandbox.receiving import AUTHSERV, Receiver

OWNER, OTHER = "owner@garden-shop.example.com", "owner@book-corner.example.com"
CASES = "cases@example.com"


@pytest.fixture
def inbox() -> Iterator[ImapServer]:
    with ImapServer() as running:
        yield running


@pytest.fixture
def smtp(inbox: ImapServer) -> Iterator[Mailbox]:
    with Mailbox(senders={OWNER: "one", OTHER: "two"}, receiver=Receiver(CASES, inbox)) as running:
        yield running


def written(to: str = CASES, sender: str = f"Owner <{OWNER}>") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, "Re: [JF-000001]"
    message.set_content("The new token is in place.\n")
    return message


def received(inbox: ImapServer) -> EmailMessage:
    (raw,) = inbox.folder()
    return message_from_bytes(raw, policy=policy.default)


def results_of(message: EmailMessage) -> list[str]:
    return [" ".join(str(value).split()) for value in message.get_all("Authentication-Results", [])]


def test_mail_of_whoever_logged_in_as_the_froms_domain_is_genuine(inbox: ImapServer, smtp: Mailbox) -> None:
    smtp.hand_in(written("Cases <cases+jf-000001.signed@example.com>, someone@example.com"), user=OWNER)
    message = received(inbox)
    assert results_of(message) == [f"{AUTHSERV}; dmarc=pass header.from=garden-shop.example.com"]
    assert list(message.keys())[:5] == ["Return-Path", "Delivered-To", "Authentication-Results", "Received", "From"]
    assert message["Delivered-To"] == "cases+jf-000001.signed@example.com"
    assert message["Return-Path"] == f"<{OWNER}>"
    assert message.get_content() == "The new token is in place.\r\n"
    assert [kept.rcpt_tos for kept in smtp.messages] == [
        ("cases+jf-000001.signed@example.com", "someone@example.com")
    ], "what is for others too is kept as everything else"


@pytest.mark.parametrize("user", ["", OTHER])
def test_mail_of_anybody_else_under_that_name_is_not(inbox: ImapServer, smtp: Mailbox, user: str) -> None:
    smtp.hand_in(written(), user=user)
    assert results_of(received(inbox)) == [f"{AUTHSERV}; dmarc=fail header.from=garden-shop.example.com"]
    assert smtp.messages == []


def test_a_result_that_a_stranger_wrote_under_our_name_is_taken_out(inbox: ImapServer, smtp: Mailbox) -> None:
    message = written()
    for name in (AUTHSERV, AUTHSERV.upper(), f'"{AUTHSERV}"', "other.example.com"):
        message["Authentication-Results"] = f"{name}; dmarc=pass header.from=garden-shop.example.com"
    smtp.hand_in(message)
    ours, *others = results_of(received(inbox))
    assert ours == f"{AUTHSERV}; dmarc=fail header.from=garden-shop.example.com"
    assert others == ["other.example.com; dmarc=pass header.from=garden-shop.example.com"]


def test_two_senders_are_nobody(inbox: ImapServer, smtp: Mailbox) -> None:
    smtp.hand_in(written(sender=f"{OWNER}, {OTHER}"), user=OWNER, mail_from=OWNER)
    assert results_of(received(inbox)) == [f"{AUTHSERV}; dmarc=fail header.from=unknown"]


def test_an_automatic_reply_has_no_envelope_sender(inbox: ImapServer, smtp: Mailbox) -> None:
    smtp.hand_in(written(), user=OWNER, mail_from="")
    assert received(inbox)["Return-Path"] == "<>"


def test_mail_to_anybody_else_is_kept_and_not_put_into_the_mailbox(inbox: ImapServer, smtp: Mailbox) -> None:
    smtp.hand_in(written(to=f"{OTHER}, cases@book-corner.example.com"), user=OWNER)
    assert inbox.folder() == []
    assert len(smtp.messages) == 1
