# ruff: noqa: E501 - mails read best in their own lines
"""A mail from outside is read whatever is in it, with bounded work, or refused as unreadable."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.inbound.meaning import Meaning, meaning_of
from caseproof.channels.inbound.own_words import CUT
from caseproof.channels.inbound.reading import LARGEST, MOST_WORDS, UnreadableMail, read_mail

HEAD = b"From: Owner <owner@shop.example>\r\nSubject: Re: [JF-000001]\r\n"
HTML = HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n"


def mail(more: str, body: str = "Done.") -> bytes:
    return HEAD + more.encode() + b"\r\n" + body.encode()


def test_recipients_are_the_envelopes_first_and_each_once() -> None:
    head = "To: Cases <cases@example.com>, b@example.com\r\nCc: c@example.com\r\n"
    head += "Delivered-To: cases+jf-1-x@example.com\r\n"
    read = read_mail(mail(head + "X-Original-To: CASES@example.com\r\nEnvelope-To: e@example.com\r\n"))
    assert read.recipients == (
        "cases+jf-1-x@example.com", "CASES@example.com", "e@example.com", "b@example.com", "c@example.com"
    )  # fmt: skip


def test_references_begin_with_the_answered_mail_and_then_the_newest() -> None:
    read = read_mail(mail("References: <1@a> <2@a>\r\n <3@a>\r\nIn-Reply-To: your mail <3@a>\r\n"))
    assert read.references == ("<3@a>", "<2@a>", "<1@a>")


def test_several_senders_are_no_sender() -> None:
    found = b"Authentication-Results: m; dmarc=pass header.from=shop.example\r\n"
    raw = found + b"From: a@shop.example, b@shop.example\r\n\r\nx"
    read = read_mail(raw, authserv="m")
    assert read.sender_address == ""
    assert not read.genuine.ok


def test_a_sender_that_does_not_fit_is_no_sender() -> None:
    raw = b"From: " + b" " * 20_000 + b"x" * 16_000 + b" owner@shop.example.thief.example\r\n\r\nx"
    assert read_mail(raw).sender_address == ""


def test_our_servers_finding_makes_the_sender_genuine() -> None:
    raw = b"Authentication-Results: mail.example.com; dmarc=pass header.from=shop.example\r\n" + mail("")
    assert read_mail(raw, authserv="mail.example.com").genuine.ok
    assert not read_mail(raw).genuine.ok


# How mail programs quote in HTML.
HTML_QUOTES = {
    "Gmail": '<div>Done.</div><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Sat, Cases wrote:<br></div>'
    "<blockquote>Is it done?</blockquote></div>",
    "Gmail, forwarded": '<div>Done.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message'
    " ---------<br>From: Admin</div>It is not done.</div>",
    "Apple Mail": 'Done.<br><div><blockquote type="cite"><div>On 21 Nov 2026, Cases wrote:</div>Is '
    "it?</blockquote></div>",
    "Thunderbird": '<p>Done.</p><div class="moz-cite-prefix">On 21/11/2026, Cases wrote:<br></div><blockquote>Is it?'
    "</blockquote>",
    "Thunderbird, forwarded": '<p>Done.</p><div class="moz-forward-container">-------- Message --------<p>No</p></div>',
    "Outlook on the web": '<div>Done.</div><hr><div id="divRplyFwdMsg"><b>Fra:</b> Cases<br></div><div>Is it?</div>',
    "Outlook": '<p>Done.</p><div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
    "<p><b>Von:</b> Cases</p></div></div><p>Is it?</p>",
    "Outlook for conditions": "<!--[if mso]><p>not</p><![endif]--><p>Done.</p><blockquote>Is it?</blockquote>",
    "Zoho": '<div>Done.</div><div class="zmail_extra"><div>---- On Sat, Cases wrote ----</div>Is it?</div>',
    "Zoho, later": '<div>Done.</div><div class="zmail_extra_hr" style="border-top: 1px solid #ccc"></div><div>Is it?</div>',
    "a quote without a blockquote": '<div>Done.</div><div class="gmail_quote">Is it?</div>',
    "a quote by name": '<div>Done.</div><div class="quote">Is it?</div><section class="reply quoted">Yes</section>',
    "Samsung": '<div>Done.</div><div id="composer_quote_1" class="quoted_text">Is it?</div>',
    "Roundcube": '<p>Done.</p><p id="reply-intro">On 2026-11-21, Cases wrote:</p><div>Is it?</div>',
    "Outlook for Android": '<div>Done.</div><div class="ms-outlook-mobile-reference-message skipProofing">Is it?</div>',
    "Outlook for Mac": '<div>Done.</div><span id="OLK_SRC_BODY_SECTION"><div>Is it?</div></span>',
    "Outlook on the web, its mark alone": '<div>Done.</div><div id="appendonsend"></div><div>Is it?</div>',
    "Windows Mail": '<div>Done.</div><div style="padding-top:5px;border-top-color:#e5e5e5;border-top-style:solid"><b>Is</b> it?</div>',
    "Hotmail": '<p>Done.</p><hr id="stopSpelling"><p>Is it?</p>',
    "Tutanota": '<div>Done.</div><div class="tutanota_quote">Is it?</div>',
    "a web mailer": '<div>Done.</div><div name="quote" style="border-left:2px solid #C3D9E5;">Is it?</div>',
    "a table with a line": '<p>Done.</p><table style="border-left: solid 1px"><tr><td>Is it?</td></tr></table>',
    "a paragraph with a line": '<p>Done.</p><p style="margin-left:5px; border-left:1px dotted black">Is it?</p><p>Yes</p>',
    "from the right": '<p>Done.</p><div style="border-right: 2px solid blue">Is it?</div>',
    "Gmail in Outlook": '<div>Done.</div><div class="x_gmail_quote"><div class="x_gmail_attr">On Sat, Cases wrote:</div>'
    "<blockquote>Is it?</blockquote></div>",
    "Yahoo": '<div>Done.</div><div id="yahoo_quoted_1" class="yahoo_quoted">On Saturday, '
    "Cases wrote: <p>Is it?</p></div>",
}


@pytest.mark.parametrize("html", HTML_QUOTES.values(), ids=HTML_QUOTES.keys())
def test_in_html_only_the_writers_own_words_are_own(html: str) -> None:
    assert read_mail(HTML + f"<html><body>{html}</body></html>".encode()).own_words.strip() == "Done."


def test_answers_between_gmails_quotes_are_own() -> None:
    html = (
        "<div "
        'class="gmail_quote"><blockquote>Token?</blockquote><div>Yes.</div><blockquote>Works?</blockquote>No.</div>'
    )
    assert read_mail(HTML + html.encode()).own_words == "Yes.\nNo."


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "utf-16", "utf-7", "iso-2022-jp", "koi8-r"])
def test_words_in_base64_and_other_charsets_are_read(charset: str) -> None:
    body = base64.b64encode("Erledigt.".encode(charset)).decode()
    read = read_mail(
        mail(f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n", body)
    )
    assert meaning_of(read.own_words) is Meaning.CHANGED


def test_nothing_that_a_database_refuses_comes_out() -> None:
    body = base64.b64encode(b"a\x00b \xed\xa0\x80").decode()
    read = read_mail(
        mail("Content-Transfer-Encoding: base64\r\nX: \xff\r\n", body).replace(b"[JF", b"\xff=?utf-8?q?=00?=")
    )
    for text in (read.words, read.own_words, read.subject):
        assert "\x00" not in text
        assert text.encode()


def test_the_apostrophe_of_windows_is_read_where_the_charset_is_called_latin_1() -> None:
    raw = mail("Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n",
               "We haven=92t checked it. We have made the change.")  # fmt: skip
    read = read_mail(raw)
    assert read.own_words.startswith("We haven\u2019t")
    assert meaning_of(read.own_words) is not Meaning.CHANGED


def test_a_nul_byte_is_read_around() -> None:
    read = read_mail((Path(__file__).with_name("mail_cases") / "30-nul-byte.eml").read_bytes())
    assert read.sender_address == "a@example.org"
    assert meaning_of(read.own_words) is Meaning.CHANGED


@pytest.mark.parametrize(
    "odd", [b"Subject: a\0b\r\n", b"\0Odd: x\r\n", b"Content-Type: text/plain; x=\0\r\n", b"X: \r\n \0\r\n"]
)
def test_a_nul_byte_in_any_header_hides_no_other(odd: bytes) -> None:
    read = read_mail(HEAD.partition(b"Subject")[0] + odd + b"Message-ID: <1@x>\r\n\r\nWe have renewed the token.")
    assert (read.sender_address, read.message_id) == ("owner@shop.example", "<1@x>")
    assert read.own_words == "We have renewed the token."


def test_a_nul_byte_in_the_words_is_a_letter_that_is_lost() -> None:
    """What stands there may have been a "not"."""
    read = read_mail(mail("", "We have \0 renewed the token."))
    assert "renewed the token" in read.own_words
    assert meaning_of(read.own_words) is not Meaning.CHANGED


def test_no_nul_byte_makes_a_header_that_our_server_did_not_see_one_of_ours() -> None:
    forged = b"Authentication-Results\0: m; dmarc=pass header.from=shop.example\r\n"
    assert not read_mail(forged + mail(""), authserv="m").genuine.ok


def test_nothing_that_a_terminal_obeys_comes_out() -> None:
    raw = b"From: e\x1b[2Jvil@shop.example\r\nMessage-ID: <1\x1b]0;x\x07@shop.example>\r\n"
    raw += b"Subject: =?utf-8?q?=1B[2J=C2=9B2J?=\r\n\r\n\x1b[31mDone\x07\tby us.\r\nTwo"
    read = read_mail(raw)
    for text in (read.sender_address, read.message_id, read.subject, read.words, read.own_words):
        assert not re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", text), text
    assert read.words == "\ufffd[31mDone\ufffd\tby us.\nTwo"


def test_attachments_are_never_read() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = "owner@shop.example"
    message.set_content("Done.")
    message.add_attachment("not done", filename="notes.txt", disposition="inline")
    assert read_mail(message.as_bytes()).words.strip() == "Done."


def test_a_text_that_is_too_long_says_that_it_was_cut() -> None:
    read = read_mail(mail("", "Done.\r\n" * 50_000))
    assert len(read.words) <= MOST_WORDS + 100
    assert read.words.endswith(CUT)
    assert meaning_of(read.own_words) is Meaning.UNCLEAR


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"PK\x03\x04", b"\x89PNG\x00", b"no headers\r\n", b"x" * (LARGEST + 1)], ids=range(6)
)
def test_what_is_no_mail_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableMail) as caught:
        read_mail(raw)
    assert caught.value.next_action


def nested(kind: str, depth: int) -> bytes:
    return HEAD + b"".join(
        f"Content-Type: {kind}; boundary=b{at}\r\n\r\n--b{at}\r\n".encode() for at in range(depth)
    ) + b"\r\nx"  # fmt: skip


NASTY = {
    "spaces": mail("", " " * 100_000),
    "quote marks": mail("", ">" * 100_000),
    "addresses": mail("", "a@" * 100_000),
    "many lines": mail("", "done\n" * 200_000),
    "lines of spaces": mail("", (" " * 50 + "\n") * 4000),
    "On": mail("", "On " * 160 + "\n" + "On x\n" * 1400),
    "lines of dashes": mail("", ("-" * 60 + "a" + "- " * 200 + "\n") * 400),
    "lines of dates": mail("", ("21.11.2026 21:51 " * 28 + "\n") * 400),
    "headers in words": mail("", "From: x\nTo: y\n" * 20_000),
    "10,000 recipients": mail("To: " + ", ".join(f"user{at}@shop.example" for at in range(10_000)) + "\r\n"),
    "1 MB header": mail("X-Long: " + "a" * 1_000_000 + "\r\n"),
    "1 MB address": mail("To: " + "a" * 1_000_000 + "\r\n"),
    "1 MB of quotes": mail("Reply-To: x\r\nCc: " + '"\\' * 500_000 + "\r\n"),
    "1 MB of encoded words": mail("Subject: " + "=?a?q?" * 160_000 + "\r\n"),
    "1 MB of comments": mail("Authentication-Results: m; " + "(" * 1_000_000 + "\r\n"),
    "punycode": mail("Content-Type: text/plain; charset=punycode\r\n", "a-b" * 100_000),
    "lone <": HTML + b"<" * 500_000,
    "open comments": HTML + b"<!--" * 200_000,
    "open tags": HTML + b"<a " * 200_000,
    "open attributes": HTML + b"<div " + b'a="' * 200_000,
    "deep quotes": HTML + b"<blockquote>x" * 30_000,
}
REFUSED = {
    "1 MB of parameters": mail("Content-Type: text/plain" + ';a="' * 250_000 + "\r\n"),
    "folded parameters": mail("Content-Type: text/plain;\r\n" + ' a="\r\n' * 100_000),
    "deep multiparts": nested("multipart/mixed", 2000),
    "deep mails": nested("message/rfc822", 2000),
    "24 million lines": HEAD + b"\r\n" + b"\n" * 24_000_000,
}


@pytest.mark.parametrize("raw", NASTY.values(), ids=NASTY.keys())
@pytest.mark.timeout(120)
def test_nasty_mails_are_read_with_bounded_work(raw: bytes) -> None:
    read = read_mail(raw, authserv="m")
    assert len(read.recipients) <= 100
    assert meaning_of(read.own_words) is not Meaning.REMOVE


def test_the_html_of_all_parts_together_is_bounded_and_what_is_not_read_confirms_nothing() -> None:
    part = b"--b\r\nContent-Type: text/html\r\n\r\n<p>%s</p><!--" + b"y" * 1_200_000 + b"-->\r\n"
    parts = [part.replace(b"%s", words) for words in (b"We have made the change.", b"second", b"third")]
    raw = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(parts) + b"--b--"
    read = read_mail(raw)
    assert "second" in read.words
    assert "third" not in read.words
    assert CUT in read.own_words
    assert meaning_of(read.own_words) is Meaning.UNCLEAR


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.timeout(120)
def test_mails_that_nobody_could_read_with_bounded_work_are_refused(raw: bytes) -> None:
    with pytest.raises(UnreadableMail, match=r"too many|too long"):
        read_mail(raw)


def seed_mail() -> bytes:
    return (
        b"Return-Path: <>\r\nReceived: from a by m\r\nAuthentication-Results: m (c); "
        b'dkim=pass header.d="shop.example"\r\n'
        b"From: =?utf-8?q?Owner?= <owner@shop.example>\r\nTo: a@example.com\r\nDate: Sat, "
        b"21 Nov 2026 21:51:00 +0100\r\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: "
        b"base64\r\n\r\nPGRpdj5Eb25lPC9kaXY+\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; "
        b"m\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n"
        b"Action: failed\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: "
        b"<1@a>\r\n\r\nOn 1.1.2026 A wrote:\r\n> x\r\n"
        b"--b--\r\n"
    )


PIECES = (
    b"\r\n",
    b"\n",
    b"--b",
    b";",
    b'"',
    b"=",
    b"<",
    b">",
    b"(",
    b"\xff",
    b"=?utf-8?b?",
    b"multipart/",
    b"@",
    b":",
    b"> ",
)


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_mutated_mail_is_read_or_refused_and_no_parser_stumbles(luck: random.Random, times: int) -> None:
    raw = bytearray(seed_mail())
    for _ in range(times):
        at = luck.randrange(len(raw))
        raw[at : at + luck.randrange(12)] = luck.choice(PIECES) * luck.randrange(3)
    check(bytes(raw))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    for raw in (noise, HEAD + noise, HEAD + b"\r\n" + noise, HTML + noise, b"Content-Type: " + noise + b"\r\n\r\nx"):
        check(raw)


def check(raw: bytes) -> None:
    try:
        read = read_mail(raw, authserv="m")
    except UnreadableMail as error:
        assert "broken" not in error.problem  # noqa: PT017 - every refusal is one that we thought of
    else:
        assert read.own_words == "" or read.own_words.strip()
        assert [text for text in texts_of(read) if "\0" in text or text != text.encode(errors="replace").decode()] == []


def texts_of(value: object) -> Iterator[str]:
    """Every text in a mail as it was read."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        yield from (text for one in value for text in texts_of(one))
    elif is_dataclass(value):
        yield from (text for one in fields(value) for text in texts_of(getattr(value, one.name)))


@pytest.mark.parametrize(
    "odd",
    [b"=?utf-8?b?AAECAw==?=", b"=?utf-8?q?=00=ED=A0=80?=", b"=?utf-16?b?ANgA2A==?=", b"=?utf-7?q?+2AA-?=",
     b"\xed\xa0\x80", b"\xff", b"&#0;&#xD800;", b"=00=ED=A0=80"],
)  # fmt: skip
def test_every_text_of_a_mail_is_one_that_every_database_takes(odd: bytes) -> None:
    head = b"From: %b <o@example.com>\r\nSubject: %b\r\nMessage-ID: <%b@x>\r\nAuto-Submitted: %b\r\n" % (
        odd,
        odd,
        odd,
        odd,
    )
    head += b"Authentication-Results: m; dmarc=pass %b header.from=%b\r\nTo: a%b@example.com\r\n" % (odd, odd, odd)
    report = (
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; x%b\r\n\r\nFinal-Recipient: rfc822; a%b@example.com\r\nAction: failed\r\n"
        b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 %b\r\n\r\n--b--\r\n" % (odd, odd, odd)
    )
    check(head + report)
    for kind in (b"plain", b"html"):
        for how in (b"8bit", b"quoted-printable"):
            check(head + b"Content-Type: text/%b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n" % (kind, how, odd))
