"""Mail leaves by a real Postfix, and lies in a real Dovecot (`make test-postfix` starts them)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from caseproof.channels.inbound.imap import ImapInbox, Probed
from caseproof.channels.inbound.imap import probe as look_into
from caseproof.channels.outbound.kept_mail import KeptMail
from caseproof.channels.outbound.mail import MailAccount, MailRefused, probe, send
from tests.support.postfix import BOX, CASES, OWNER, POSTFIX, DovecotBox, log, mail_account

MANY = 1100
"""More messages than are asked for at once, twice."""


@pytest.fixture(autouse=True)
def _its_certificate_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", POSTFIX["certificate"])


@pytest.fixture
def box() -> Iterator[DovecotBox]:
    with DovecotBox(BOX) as made:
        yield made


def message(number: int = 1, to: str = BOX, size: int = 0) -> bytes:
    """The lines of its body begin with dots, end in blanks and are as long as they may be."""
    head = f"From: Caseproof <{CASES}>\r\nTo: {to}\r\nSubject: A notice\r\nMessage-ID: <{number}@example.com>\r\n"
    head += "Date: Fri, 20 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
    body = "Content-Type: text/plain; charset=utf-8\r\n\r\n.\r\n..two \r\n\tthree\t\r\n" + "ä" * 490 + "\r\n"
    return (head + body + "and more\r\n" * (size // 10)).encode()


def post(account: MailAccount, raw: bytes, *to: str) -> Any:
    return send(account, raw, sender=CASES, recipients=to)


def test_a_mail_leaves_byte_for_byte_by_the_block_over_starttls_and_a_login(box: DovecotBox) -> None:
    sent = message()
    assert post(mail_account(), sent, BOX).accepted == (BOX,)
    [found] = box.wait_for(1)
    assert found.endswith(sent)
    assert b"with ESMTPSA id" in found[: -len(sent)], "by TLS, with a login"


def test_mails_one_after_the_other_go_by_one_connection(box: DovecotBox) -> None:
    before = log().count("connect from localhost")
    kept = KeptMail(mail_account())
    for number in range(5):
        assert kept(message(number), CASES, (BOX,)).accepted == (BOX,)
    arrived = {one.partition(b"Message-ID: <")[2][:1] for one in box.wait_for(5)}
    assert arrived == {b"0", b"1", b"2", b"3", b"4"}, "in whichever order: Postfix hands on several at once"
    assert log().count("connect from localhost") == before + 1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"password": "hunter2"}, "535"), ({"username": "nobody@example.com"}, "535"), ({"username": None}, "554"),
        ({"security": "ssl"}, "465 goes with 'ssl'"), ({"security": "plain"}, "offers no login over 'plain'"),
    ],
    ids=["password", "user", "no login", "tls at once", "no tls"],
)  # fmt: skip
def test_what_postfix_does_not_take_from_us_is_refused_in_words(
    box: DovecotBox, other: dict[str, Any], words: str
) -> None:
    with pytest.raises(MailRefused) as refused:
        post(mail_account(**other), message(), BOX)
    said = str(refused.value)
    assert words in said
    assert "hunter2" not in said
    assert box.folder() == []


def test_an_unknown_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(MailRefused, match="certificate"):
        probe(mail_account())


def test_a_probe_logs_in_and_sends_nothing(box: DovecotBox) -> None:
    probe(mail_account())
    assert box.folder() == []


def test_one_recipient_that_is_refused_keeps_the_mail_from_no_other(box: DovecotBox) -> None:
    delivery = post(mail_account(), message(), BOX, "somebody@elsewhere.example.net")
    assert delivery.accepted == (BOX, "somebody@elsewhere.example.net"), "Postfix says no later, in a mail"
    assert len(box.wait_for(1)) == 1


def test_another_sender_than_who_logged_in_is_refused_with_what_postfix_says() -> None:
    with pytest.raises(MailRefused, match=r"553 5\.7\.1") as refused:
        send(mail_account(), message(), sender=OWNER, recipients=(BOX,))
    assert "not owned by user" in str(refused.value)


def test_a_mail_that_is_too_large_for_postfix_is_refused(box: DovecotBox) -> None:
    with pytest.raises(MailRefused, match=r"552 5\.3\.4"):
        post(mail_account(), message(size=1_200_000), BOX)
    assert box.folder() == []


def test_a_mailbox_of_many_pages_is_read_to_its_end_in_its_order_with_sizes(box: DovecotBox) -> None:
    for number in range(MANY):
        box.deliver(message(number, size=number * 10))
    assert look_into(box.account()) == Probed(MANY, has_done_folder=False)
    with ImapInbox(box.account()) as inbox:
        arrived = list(inbox.messages())
        assert [one.size for one in arrived] == [len(message(number, size=number * 10)) for number in range(MANY)]
        last = arrived[-1].uid
        assert inbox.fetch(last) == message(MANY - 1, size=(MANY - 1) * 10)
        inbox.put_away(last)
        inbox.put_away(last)
        assert [one.uid for one in inbox.messages()] == [one.uid for one in arrived[:-1]]
    assert len(box.folder("Caseproof")) == 1


def test_mail_that_postfix_hands_over_ends_the_wait(box: DovecotBox) -> None:
    with ImapInbox(box.account(security="starttls")) as inbox:
        assert list(inbox.messages()) == []
        post(mail_account(), message(), BOX)
        assert inbox.wait(60)
        [arrived] = inbox.messages()
        assert inbox.fetch(arrived.uid).endswith(message())
