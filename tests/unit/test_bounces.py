"""Returned mails: who did not get it, and which mail it was."""

from __future__ import annotations

import pytest

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
