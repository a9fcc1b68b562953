"""Only our own server's findings count, and only for the domain of From."""

from __future__ import annotations

import pytest

from caseproof.channels.inbound.authenticity import genuine_of

OURS = "mail.example.com"
BORDER = ("received", "from mx.shop.example by mail.example.com with ESMTPS; Sat, 21 Nov 2026 21:51:00 +0000")
INSIDE = ("received", "from mail.example.com by imap.example.com with LMTP; Sat, 21 Nov 2026 21:51:01 +0000")
THEIRS = ("received", "from laptop by mx.shop.example with ESMTPSA; Sat, 21 Nov 2026 21:50:00 +0000")


def found(value: str) -> tuple[str, str]:
    return ("authentication-results", value)


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com; dmarc=pass header.from=shop.example",
        "MAIL.example.com 1; spf=pass smtp.mailfrom=x@y.example; dmarc=pass (p=reject "
        "dis=none) header.from=Shop.Example",
        'mail.example.com (us); dkim=pass (2048-bit key; "a") header.d=shop.example header.s=s1',
        'mail.example.com; dkim=fail header.d=other.example; dkim=pass reason="good; really" header.d=shop.example',
        "mail.example.com; dkim=pass header.i=@shop.example; dmarc=none header.from=shop.example",
        "mail.example.com; dkim = pass header.d = shop.example",
    ],
)
def test_what_our_server_vouches_for_is_genuine(value: str) -> None:
    genuine = genuine_of([INSIDE, found(value), BORDER, THEIRS], "shop.example", OURS)
    assert genuine.ok
    assert "shop.example" in genuine.why


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com; dmarc=pass header.from=m\u00fcller.example",
        "mail.example.com; dmarc=pass header.from=XN--mller-kva.example",
        "mail.example.com; dkim=pass header.i=@m\u00fcller.example; dmarc=none header.from=xn--mller-kva.example",
    ],
)
def test_our_server_may_write_an_umlaut_domain_either_way(value: str) -> None:
    assert genuine_of([found(value), BORDER], "xn--mller-kva.example", OURS).ok
    assert not genuine_of([found(value), BORDER], "mller.example", OURS).ok


@pytest.mark.parametrize(
    "value",
    [
        "mail.example.com; none",
        "mail.example.com",
        "mail.example.com; dmarc=fail header.from=shop.example",
        "mail.example.com; dmarc=fail header.from=shop.example; dkim=pass header.d=shop.example",
        "mail.example.com; dmarc=pass",
        "mail.example.com; dmarc=pass header.from=other.example",
        "mail.example.com; spf=pass smtp.mailfrom=shop.example",
        "mail.example.com; dkim=pass header.d=other.example",
        "mail.example.com; dkim=pass header.d=example",
        "mail.example.com; dkim=pass header.d=",
        "mail.example.com; dkim=fail (dkim=pass header.d=shop.example)",
        "mail.example.com; dkim=fail (a (b) ; dkim=pass header.d=shop.example)",
        'mail.example.com; spf=fail smtp.mailfrom="x; dkim=pass header.d=shop.example"',
        "mail.example.com; dkim=neutral header.d=shop.example",
        "other.example.com; dmarc=pass header.from=shop.example",
        "mail.example.com.thief.example; dmarc=pass header.from=shop.example",
        "dmarc=pass header.from=shop.example; mail.example.com",
        # Another From than the one that is read here, or two findings of one method that cannot both be.
        "mail.example.com; dmarc=pass header.from=thief.example; dkim=pass header.d=shop.example",
        "mail.example.com; dmarc=pass header.from=thief.example; dmarc=pass header.from=shop.example",
        "mail.example.com; dmarc=none header.from=shop.example; dmarc=pass header.from=shop.example",
        "mail.example.com; dkim=none; dkim=pass header.d=shop.example",
        # A sender's address that a server repeats as it came: it ends the comment and goes on like a finding.
        'mail.example.com; spf=pass (domain of "a); dmarc=pass header.from=shop.example (b"@thief.example)',
        'mail.example.com; spf=pass (domain of "a); dkim=pass header.d=shop.example (b"@thief.example); dmarc=none',
    ],
)
def test_what_our_server_does_not_vouch_for_is_not_genuine(value: str) -> None:
    genuine = genuine_of([found(value), BORDER], "shop.example", OURS)
    assert not genuine.ok
    assert genuine.why


PASS = found("mail.example.com; dmarc=pass header.from=shop.example")
FAIL = found("mail.example.com; dmarc=fail header.from=shop.example")


@pytest.mark.parametrize(
    "headers",
    [
        [BORDER, THEIRS, PASS],
        [THEIRS, PASS],
        [("received", "from mail.example.com by thief.example"), PASS],
        [("received", "from mail.example.com"), PASS],
        [("received", "from x (by mail.example.com) by mx.thief.example with SMTP"), PASS],
        [("received", "from by (mail.example.com) by mx.thief.example with SMTP"), PASS],
        [FAIL, BORDER, PASS],
        [FAIL, PASS, BORDER],
        [("arc-authentication-results", PASS[1]), BORDER],
        [],
    ],
)
def test_a_forged_finding_further_down_never_counts(headers: list[tuple[str, str]]) -> None:
    assert not genuine_of(headers, "shop.example", OURS).ok


def test_a_house_that_hands_mail_on_by_numbers_above_its_findings_is_read() -> None:
    """The order of a large provider: its own hand-over on top, then the border, then what the border found."""
    by_number = ("received", "by 2002:a05:6a10:1234 with SMTP id x1csp1234567; Sat, 21 Nov 2026 21:51:02 +0000")
    vouched = found("mail.example.com; dkim=pass header.i=@shop.example; dmarc=pass header.from=shop.example")
    assert genuine_of([by_number, BORDER, vouched, THEIRS], "shop.example", OURS).ok
    assert not genuine_of([by_number, BORDER, THEIRS, vouched], "shop.example", OURS).ok, "below another's Received"


def test_without_the_name_of_our_server_or_one_sender_nothing_is_genuine() -> None:
    assert "no mail server of ours is named" in genuine_of([PASS], "shop.example", "").why
    assert not genuine_of([PASS], "", OURS).ok


@pytest.mark.parametrize(
    ("signed", "domain", "aligned"),
    [
        ("shop.example", "mail.shop.example", True),
        ("mail.shop.example", "shop.example", False),
        ("hop.example", "shop.example", False),
        ("co.uk", "shop.co.uk", False),
        ("shop.co.uk", "mail.shop.co.uk", True),
        ("com.au", "shop.com.au", False),
    ],
)
def test_a_signature_counts_for_its_domain_and_those_below_but_never_for_a_registrys(
    signed: str, domain: str, aligned: bool
) -> None:
    assert genuine_of([found(f"{OURS}; dkim=pass header.d={signed}")], domain, OURS).ok is aligned
