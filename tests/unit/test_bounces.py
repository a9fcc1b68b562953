# ruff: noqa: E501 - mails read best in their own lines
"""Returned mails: who did not get it, and which mail it was."""

from __future__ import annotations

import base64
import quopri
from email import message_from_bytes
from pathlib import Path

import pytest
from flufl.bounce import all_failures

from caseproof.channels.inbound.bounces import Bounce
from caseproof.channels.inbound.reading import read_mail

OURS = "<jf-000001.1.notice@example.com>"


def report(action: str = "failed", kind: str = "delivery-status", returned: str = "message/rfc822") -> bytes:
    return (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: "
        "cases@example.com\r\nSubject: Undelivered Mail\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n"
        f"Final-Recipient: rfc822; Owner@Shop.example\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        f"--b\r\nContent-Type: {returned}\r\n\r\nMessage-ID: {OURS}\r\nFrom: "
        f"cases@example.com\r\n\r\nPlease.\r\n--b--\r\n"
    ).encode()


def bounce(raw: bytes) -> Bounce:
    found = read_mail(raw).bounce
    assert found is not None
    return found


@pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
def test_a_report_names_who_did_not_get_which_mail_and_why(returned: str) -> None:
    assert bounce(report(returned=returned)) == Bounce(
        failed=("Owner@Shop.example",), delayed=(), about=(OURS,), why="550 5.1.1 no such user"
    )


def test_a_delay_is_no_failure() -> None:
    found = bounce(report("delayed"))
    assert (found.failed, found.delayed) == ((), ("Owner@Shop.example",))


def test_a_receipt_of_delivery_or_of_reading_is_no_bounce_but_automatic() -> None:
    for raw in (report("delivered"), report(kind="disposition-notification")):
        mail = read_mail(raw)
        assert mail.bounce is None
        assert mail.automatic


def test_a_report_that_is_only_text_is_read() -> None:
    raw = (
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n"
        "Hi. This is the qmail-send program at mx.example.net.\r\nI'm afraid I wasn't "
        "able to deliver your message.\r\n\r\n"
        "<owner@shop.example>:\r\n550 no such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n"
        f"Message-ID: {OURS}\r\n\r\nPlease.\r\n"
    )
    found = bounce(raw.encode())
    assert found.failed == ("owner@shop.example",)
    assert found.about == (OURS,)


def test_exims_header_names_who_did_not_get_it() -> None:
    raw = (
        b"From: Mail Delivery System "
        b"<Mailer-Daemon@mx.example.net>\r\nX-Failed-Recipients: owner@shop.example\r\n\r\nNo.\r\n"
    )
    assert bounce(raw).failed == ("owner@shop.example",)


@pytest.mark.parametrize(
    "raw",
    [
        b"Return-Path: <>\r\nFrom: owner@shop.example\r\nSubject: Automatic "
        b"reply\r\n\r\nowner@shop.example is away.\r\n",
        b"From: owner@shop.example\r\nSubject: Undelivered parcels\r\n\r\n<owner@shop.example>: all is well\r\n",
    ],
)
def test_an_out_of_office_reply_or_a_persons_mail_is_no_bounce(raw: bytes) -> None:
    assert read_mail(raw).bounce is None


def test_a_large_returned_mail_changes_nothing() -> None:
    large = report().replace(b"Please.", b"x" * 70 * 20_000)
    assert bounce(large).failed == ("Owner@Shop.example",)


# -- whatever says that it did not arrive -----------------------------------------------------------------------------

CASES = Path(__file__).with_name("mail_cases")


@pytest.mark.parametrize(
    ("name", "failed"),
    [
        ("20-dsn-ordinary", "shop@example.org"),
        ("21-dsn-action-expired", "shop@example.org"),
        ("22-dsn-failed-recipient-is-no-address", "shop@example.org"),
        ("23-dsn-global", "shop@example.org"),
        ("24-dsn-utf8-recipient", "shop@example.org"),
        ("25-dma-no-return-path", "shop@example.org"),
        ("26-auto-replied-rejected", "shop@example.org"),
        ("27-kddi", "shop@example.jp"),
        ("28-opensmtpd", "shop@example.org"),
        ("29-workmail", "shop@example.org"),
    ],
)
def test_returned_mail_is_recognised_and_names_who_did_not_get_it(name: str, failed: str) -> None:
    raw = (CASES / f"{name}.eml").read_bytes()
    found = bounce(raw)
    assert found.failed == (failed,)
    assert found.about == ((OURS,) if OURS.encode() in raw else ())


@pytest.mark.parametrize("action", ["failed", "expired", "error", "failure (gave up)", "Failed", "bounced", "x-odd"])
def test_what_became_of_it_is_a_failure_unless_it_says_otherwise(action: str) -> None:
    assert bounce(report(action)).failed == ("Owner@Shop.example",)


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded", "Relayed (to a list)"])
def test_a_mail_that_arrived_everywhere_is_not_returned(action: str) -> None:
    assert read_mail(report(action)).bounce is None


def test_a_report_counts_as_delivered_only_where_every_recipient_got_it() -> None:
    other = b"\r\nFinal-Recipient: rfc822; two@shop.example\r\nAction: expired\r\n\r\n--b\r\nContent-Type: message/rfc"
    raw = report("delivered").replace(b"--b\r\nContent-Type: message/rfc", other, 1)
    assert bounce(raw).failed == ("two@shop.example",)


@pytest.mark.parametrize(("status", "fate"), [("5.1.1", "failed"), ("4.4.1", "delayed"), ("", "failed")])
def test_a_report_without_an_action_goes_by_its_status(status: str, fate: str) -> None:
    found = bounce(report().replace(b"Action: failed\r\n", b"").replace(b"Status: 5.1.1", f"Status: {status}".encode()))
    assert getattr(found, fate) == ("Owner@Shop.example",)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("rfc822; shop@example.org", "shop@example.org"),
        ("RFC822;shop@example.org", "shop@example.org"),
        ("<shop@example.org>", "shop@example.org"),
        ("shop@example.org", "shop@example.org"),
        ("utf-8; shop@example.org", "shop@example.org"),
        ("utf-8; b\u00fccher@example.org", "b\u00fccher@example.org"),
        (r"utf-8; b\x{FC}cher@example.org", "b\u00fccher@example.org"),
        (r"utf-8; b\x{FFFFFF}x@example.org", "b\ufffdx@example.org"),
        ("rfc822;\r\n shop@example.org", "shop@example.org"),
    ],
)
def test_a_recipient_is_read_however_it_is_written(given: str, read: str) -> None:
    assert bounce(report().replace(b"rfc822; Owner@Shop.example", given.encode())).failed == (read,)


@pytest.mark.parametrize(
    "given", ["rfc822; @mx.example.org", "x400; /C=de/S=owner", "rfc822;", "|/usr/bin/procmail", "\xff"]
)
@pytest.mark.parametrize(
    "returned", ["message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"]
)
def test_where_nobody_is_named_the_returned_letter_says_whom(given: str, returned: str) -> None:
    raw = report(returned=returned).replace(b"rfc822; Owner@Shop.example", given.encode("latin-1"))
    raw = raw.replace(b"From: cases@example.com", b"From: cases@example.com\r\nTo: The owner <owner@shop.example>")
    assert bounce(raw).failed == ("owner@shop.example",)


def test_one_that_names_nobody_at_all_is_a_returned_mail_all_the_same() -> None:
    found = bounce(report().replace(b"rfc822; Owner@Shop.example", b"x400; somebody"))
    assert (found.failed, found.delayed, found.about) == ((), (), (OURS,))


@pytest.mark.parametrize("how", ["7bit", "base64", "quoted-printable"])
def test_the_status_of_utf_8_mail_is_read_however_it_is_encoded(how: str) -> None:
    fields = "Reporting-MTA: dns; mx.example.net\r\n\r\nFinal-Recipient: utf-8; b\u00fccher@example.org\r\nAction: failed\r\n"
    content = fields.encode()
    if how == "base64":
        content = base64.encodebytes(content)
    elif how == "quoted-printable":
        content = quopri.encodestring(content)
    head, _, rest = report().partition(b"--b\r\nContent-Type: message/delivery-status\r\n\r\n")
    status = f"--b\r\nContent-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: {how}\r\n\r\n".encode()
    raw = head + status + content + b"\r\n--b\r\n" + rest.partition(b"--b\r\n")[2]
    assert bounce(raw).failed == ("b\u00fccher@example.org",)


# What mail servers write in their own words: headers, text, and who did not get it.
PLAIN_TEXT = {
    "a filter": ("From: filter@mx.example.net\nAuto-Submitted: auto-replied (rejected)", "It is rejected.\n", ""),
    "Sendmail's mark": ("From: x@mx.example.net\nAuto-Submitted: auto-generated (failure)", "<owner@shop.example>\n", "owner"),
    "nobody's address": ("From: MAILER-DAEMON <>", "There was an error delivering to <owner@shop.example>.\n", "owner"),
    "an empty sender": ("Return-Path: <>\nFrom: <>\nSubject: Status", "The disk of owner@shop.example is full.\n", "owner"),
    "no-reply": ("Return-Path: <>\nFrom: noreply@mx.example.net", "Mailbox full: <owner@shop.example>\n", "owner"),
    "no-reply, no path": ("From: do-not-reply@mx.example.net", "Could not be delivered to: <owner@shop.example>\n", "owner"),
    "no-reply, unknown words": ("Return-Path: <>\nFrom: no-reply@mx.example.net\nSubject: Post", "Hyv\u00e4\u00e4 p\u00e4iv\u00e4\u00e4\n", ""),
    "a person's name": ("Return-Path: <>\nFrom: admin@mx.example.net", "owner@shop.example: 550 5.1.1 No such user\n", "owner"),
    "German": ("From: postmaster@mx.example.net", "Nicht zustellbar an: owner@shop.example\n", "owner"),
    "German, others": ("Return-Path: <>\nFrom: it@mx.example.net", "Ihre Mail konnte nicht zugestellt werden: <owner@shop.example>\n", "owner"),
    "French": ("From: x@mx.example.net\nPrecedence: bulk", "Votre message n'a pas pu \u00eatre remis \u00e0 owner@shop.example\n", "owner"),
    "Japanese": ("From: no-reply@mx.example.net", "\u9001\u4fe1\u3067\u304d\u307e\u305b\u3093\u3067\u3057\u305f <owner@shop.example>\n", "owner"),
    "subject and words": ("From: ndr@mx.example.net\nSubject: Mail delivery failed", "It was not delivered to owner@shop.example.\n", "owner"),
    "fields as text": ("From: MAILER-DAEMON@mx.example.net", "Action: failed\nFinal-Recipient: rfc822; owner@shop.example\n", "owner"),
    "fields, expired": ("From: postmaster@mx.example.net", "Final-Recipient: rfc822; owner@shop.example\nAction: expired\n", "owner"),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "text", "who"), PLAIN_TEXT.values(), ids=PLAIN_TEXT.keys())
def test_a_report_in_a_servers_own_words_is_a_returned_mail(headers: str, text: str, who: str) -> None:
    raw = f"{headers}\nTo: cases@example.com\nContent-Type: text/plain; charset=utf-8\n\n{text}\nMessage-ID: {OURS}\n"
    found = bounce(raw.encode())
    assert found.failed == ((f"{who}@shop.example",) if who else ())
    assert found.about == (OURS,)


def test_of_a_report_in_words_the_letter_it_returns_says_whom_before_any_address_in_the_words() -> None:
    raw = (
        b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nTo: cases@example.com\n\nSorry, it did not arrive. Ask "
        b"help@mx.example.net.\n\nFrom: cases@example.com\nTo: owner@shop.example\nSubject: x\n\nHello\n"
    )
    assert bounce(raw).failed == ("owner@shop.example",)


@pytest.mark.parametrize(
    "raw",
    [
        b"From: owner@shop.example\nIn-Reply-To: <1@example.com>\n\nYour mail could not be delivered to <two@shop.example>.\n",
        b"From: owner@shop.example\nSubject: Fwd: Returned mail\n\nThe following addresses had permanent fatal errors\n",
        b"From: owner@shop.example\nSubject: Undelivered parcels\n\nWhere are they? <owner@shop.example>\n",
        b"Return-Path: <>\nFrom: owner@shop.example\nSubject: Automatic reply: x\n\nMy mailbox is full. I am away.\n",
        b"Return-Path: <>\nFrom: no-reply@shop.example\nSubject: Ticket\n\nWe have received your message.\n",
        b"From: owner@shop.example\nSubject: x\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nI got this.\n--c\n"
        b"Content-Type: message/rfc822\n\n" + report() + b"\n--c--\n",
    ],
    ids=["an answer", "handed on", "parcels", "away", "a ticket", "attached"],
)
def test_what_a_person_or_an_automatic_reply_says_of_returned_mail_is_none(raw: bytes) -> None:
    assert read_mail(raw).bounce is None


def test_never_fewer_are_found_than_the_library_finds_alone() -> None:
    reports = [report(action) for action in ("failed", "delayed", "error")]
    reports += [f"{headers}\n\n{text}".encode() for headers, text, _ in PLAIN_TEXT.values()]
    reports += [one.read_bytes() for one in CASES.glob("*.eml")]
    for raw in reports:
        late, lost = all_failures(message_from_bytes(raw))
        read = (
            {address.lower() for address in (found.failed + found.delayed)}
            if (found := read_mail(raw).bounce)
            else set()
        )
        named = {one.decode().lower() for one in late | lost if b"@" in one.lstrip(b"@")}
        assert named <= read
