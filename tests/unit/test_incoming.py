"""What an operator gives as a retailer's message: read as it is, or refused with the next action."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.inbound.incoming import read_message, same_address
from caseproof.channels.inbound.reading import LARGEST
from caseproof.domain.errors import BadInput

HEAD = "From: Shop Owner <owner@shop.example>\r\nSubject: Re: [JF-000001]\r\nMessage-ID: <1@shop.example>\r\n"
WORDS = "We gave the app its permission again on Friday."


def mail(more: str = "", body: str = WORDS, head: str = HEAD) -> bytes:
    return (head + more + "\r\n" + body + "\r\n").encode()


def test_a_plain_answer_is_read_with_sender_date_and_words() -> None:
    read = read_message(mail("Date: Sat, 21 Nov 2026 21:51:00 +0100\r\n"))
    assert (read.sender_address, read.sender_name) == ("owner@shop.example", "Shop Owner")
    assert read.subject == "Re: [JF-000001]"
    assert read.date == datetime(2026, 11, 21, 20, 51, tzinfo=UTC)
    assert read.words == WORDS
    assert read.message_id == "<1@shop.example>"
    assert not read.automatic


def test_words_stay_verbatim_with_their_quotes() -> None:
    body = "It works again.\r\n\r\nOn Friday you wrote:\r\n> please look\r\n>> twice"
    assert read_message(mail(body=body)).words == body.replace("\r\n", "\n")


def test_of_two_alternatives_the_plain_one_is_read() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = "owner@shop.example"
    message.set_content("plain words\n")
    message.add_alternative("<p>html words</p>", subtype="html")
    message.add_attachment("attached words", filename="notes.txt")
    forwarded = EmailMessage()
    forwarded["From"] = "other@example.com"
    forwarded.set_content("forwarded words")
    message.add_attachment(forwarded)
    assert read_message(message.as_bytes()).words == "plain words"


def test_html_alone_becomes_text_and_its_quotes_keep_a_mark() -> None:
    html = (
        "<head><title>no</title><style>p {}</style></head><body><p>We did &amp; <b>checked</b><br>it</p>"
        "<ul><li>one</li><li>two</li></ul><script>no()</script>"
        "<blockquote><div>your words</div><blockquote>older</blockquote></blockquote></body></html>"
    )
    read = read_message(mail("Content-Type: text/html; charset=utf-8\r\n", html))
    assert read.words == "We did & checked\nit\n- one\n- two\n> your words\n> > older"


def test_an_empty_plain_alternative_falls_back_to_html() -> None:
    message = EmailMessage(policy=SMTP)
    message["From"] = "owner@shop.example"
    message.set_content(" \n")
    message.add_alternative("<p>html words</p>", subtype="html")
    assert read_message(message.as_bytes()).words == "html words"


@pytest.mark.parametrize("charset", ["utf-8", "no-such-charset", "us-ascii", ""])
def test_a_broken_charset_loses_letters_and_nothing_else(charset: str) -> None:
    raw = mail(f"Content-Type: text/plain; charset={charset}\r\n", "before ").rstrip() + b" \xff\xfe after\r\n"
    words = read_message(raw).words
    assert words.startswith("before ")
    assert words.endswith(" after")
    assert "\ufffd" in words


def test_encoded_names_and_subjects_are_decoded() -> None:
    head = "From: =?utf-8?q?J=C3=B6rg_Shop?= <j@shop.example>\r\n"
    head += "Subject: =?iso-8859-1?q?gr=FC=DFe?= =?bad?q?x?=\r\n"
    read = read_message(mail(head=head))
    assert read.sender_name == "J\u00f6rg Shop"
    assert read.subject.startswith("gr\u00fc\u00dfe")


@pytest.mark.parametrize(
    ("header", "address", "name"),
    [
        ("owner@shop.example", "owner@shop.example", ""),
        ('"Owner, the" <owner@shop.example>', "owner@shop.example", "Owner, the"),
        ('"boss@example.com" <owner@shop.example>', "owner@shop.example", "boss@example.com"),
        ("=?utf-8?q?boss=40example.com=2C?= <owner@shop.example>", "owner@shop.example", "boss@example.com,"),
        ("owner@shop.example <Owner@Shop.example>", "Owner@Shop.example", "owner@shop.example"),
        ("owner@shop.example (Shop)", "owner@shop.example", ""),
    ],
)
def test_the_sender_is_the_address_and_never_the_display_name(header: str, address: str, name: str) -> None:
    read = read_message(mail(head=f"From: {header}\r\n"))
    assert (read.sender_address, read.sender_name) == (address, name)


@pytest.mark.parametrize(
    "head",
    [
        "From: a@shop.example, b@shop.example\r\n",
        "From: a@shop.example\r\nFrom: b@shop.example\r\n",
        "From: a@shop.example\r\nfrom: a@shop.example\r\n",
        "From: boss@example.com <owner@shop.example>\r\n",
        "From: owner@shop.example)boss@example.com\r\n",
    ],
)
def test_several_senders_are_refused(head: str) -> None:
    with pytest.raises(BadInput, match="several senders"):
        read_message(mail(head=head))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "is empty"),
        (b" \r\n\t\n", "is empty"),
        (b"PK\x03\x04 whatever", "Word document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Outlook .msg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "binary"),
        ("From: a@example.com\r\n\r\nwords".encode("utf-16"), "binary"),
        (b"we did what you asked for\r\nregards\r\n", "no headers"),
        (b"Subject: no sender\r\n\r\nwords\r\n", "no From header"),
        (b"From: the shop\r\n\r\nwords\r\n", "not a mail address"),
        (b"From: a@shop.example\r\nSubject: empty\r\n\r\n  \r\n", "no words"),
        (b"From: a@shop.example\r\nContent-Type: text/html\r\n\r\n<img src=x><br>", "no words"),
        (b"From: a@shop.example\r\nContent-Type: image/png\r\n\r\nabc", "no words"),
        pytest.param(b"From: a@shop.example\r\n\r\n" + b"x" * LARGEST, "25 MB", id="too large"),
    ],
)
def test_what_cannot_be_a_retailers_word_is_refused_with_the_next_action(raw: bytes, problem: str) -> None:
    with pytest.raises(BadInput, match=problem) as caught:
        read_message(raw)
    assert caught.value.next_action


def test_a_byte_order_mark_and_blank_lines_in_front_do_no_harm() -> None:
    assert read_message(b"\xef\xbb\xbf\r\n\r\n" + mail()).words == WORDS


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Auto-Submitted: auto-replied", "Auto-Submitted: auto-replied"),
        ("Auto-Submitted: auto-generated; owner-email=x@example.com", "Auto-Submitted"),
        ("auto-submitted: AUTO-REPLIED (vacation)", "Auto-Submitted"),
        ("Return-Path: <>", "Return-Path"),
        ("Return-Path:  < > ", "Return-Path"),
        ('Content-Type: multipart/report; boundary="b"', "multipart/report"),
        ("Precedence: bulk", "Precedence: bulk"),
        ("Precedence: Junk", "Precedence"),
        ("Precedence: list", "Precedence"),
        ("Precedence: auto_reply", "Precedence"),
        ("X-Autoreply: yes", "X-Autoreply"),
        ("X-Autorespond: Out of office", "X-Autorespond"),
        ("List-Id: <shop.example.com>", "List-Id"),
    ],
)
def test_a_programs_message_is_told_with_its_reason(header: str, reason: str) -> None:
    body = f"--b\r\nContent-Type: text/plain\r\n\r\n{WORDS}\r\n--b--" if "report" in header else WORDS
    read = read_message(mail(header + "\r\n", body))
    assert read.automatic
    assert reason in read.automatic


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: No (a person)",
        "X-Auto-Response-Suppress: All",
        "Return-Path: <owner@shop.example>",
        "Precedence: first-class",
        "X-Autoreply: no",
    ],
)
def test_a_persons_message_is_not_called_automatic(header: str) -> None:
    assert read_message(mail(header + "\r\n")).automatic == ""


@pytest.mark.parametrize("date", ["", "Date: yesterday\r\n", "Date: Sat, 99 Nov 2026 99:99:99 +0000\r\n"])
def test_a_missing_or_broken_date_is_no_date(date: str) -> None:
    assert read_message(mail(date)).date is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("owner@shop.example", "OWNER@Shop.Example"),
        ("<owner@shop.example>", "owner@shop.example"),
        ("Shop Owner <owner@shop.example>", " owner@shop.example "),
        ("owner@b\u00fccher.example", "owner@xn--bcher-kva.example"),
        ("owner@stra\u00dfe.example", "owner@xn--strae-oqa.example"),
    ],
)
def test_spellings_of_one_address_are_the_same(one: str, other: str) -> None:
    assert same_address(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        ("owner", "owner"),
        ("owner@shop.example", "owner@shop.example.com"),
        ("owner@shop.example", "own\u0435r@shop.example"),
        ("kim@shop.example", "\u212aim@shop.example"),
        ("owner@stra\u00dfe.example", "owner@strasse.example"),
        ('"owner@shop.example" <thief@example.com>', "owner@shop.example"),
        ("owner@shop.example, thief@example.com", "owner@shop.example"),
    ],
)
def test_look_alikes_are_not_the_same(one: str, other: str) -> None:
    assert not same_address(one, other)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_and_never_crash(noise: bytes) -> None:
    for raw in (noise, HEAD.encode() + noise, HEAD.encode() + b"Content-Type: text/html\r\n\r\nx" + noise):
        refused = None
        try:
            words = read_message(raw).words
        except BadInput as error:
            refused, words = error, ""
        assert words.strip() if refused is None else refused.next_action
