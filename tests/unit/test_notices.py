"""J5: the notice is well-formed, plain, safe, and never holds words that could be quoted as a "yes"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.inbound.incoming import read_message
from caseproof.channels.outbound.languages import LANGUAGES
from caseproof.channels.outbound.notice import JobTold, NoticeFacts, compose, message_id
from caseproof.domain.errors import BadInput
from caseproof.domain.vocabulary import CAUSES, NOT_THEIRS

DATE = datetime(2026, 11, 21, 20, 51, tzinfo=UTC)
FACTS = NoticeFacts(
    ref="JF-000001",
    language="en",
    retailer="Example Shop",
    contact_name="Shop Owner",
    job_name="feeds/products",
    marketplace="Example Market",
    cause="expired_token",
    summary="401 Unauthorized",
    failed_at=DATE,
    stopped=True,
    cannot_stop_why="",
    who_can="",
    other_jobs=(),
    again=False,
    deadline=datetime(2026, 11, 27, 9, tzinfo=UTC),
    answer_url="https://answers.example.com/answer/a-link",
)
GERMAN = replace(FACTS, language="de")
HEADINGS = {
    "en": ("What is wrong", "What to do", "What happens next"),
    "de": ("Was nicht funktioniert", "Was zu tun ist", "Wie es weitergeht"),
}

TWO = (
    JobTold("JF-000001", "feeds/products", True),
    JobTold("JF-000002", "feeds/prices", False, "It runs on your server.", "your web host", again=True),
)


def made(facts: NoticeFacts = FACTS, **more: object) -> EmailMessage:
    options = {
        "sender": "Caseproof <cases@example.com>",
        "reply_to": "answers@example.com",
        "recipient": "owner@example.com",
        "message_id": "<jf-000001.1.notice@example.com>",
        "date": DATE,
    }
    return compose(facts, **(options | more))  # type: ignore[arg-type]


def arrived(message: EmailMessage) -> EmailMessage:
    return message_from_bytes(message.as_bytes(), policy=policy.default)


def parts(message: EmailMessage) -> tuple[str, str]:
    plain, html = arrived(message).iter_parts()
    contents = (part.get_content().replace("\r\n", "\n") for part in (plain, html))  # type: ignore[attr-defined]
    return next(contents), next(contents)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("marketplace", ["Example Market", None])
@pytest.mark.parametrize("stopped", [True, False])
def test_every_cause_says_what_is_wrong_what_to_do_and_what_happens_next(
    language: str, cause: str, marketplace: str | None, stopped: bool
) -> None:
    facts = replace(FACTS, language=language, cause=cause, marketplace=marketplace, stopped=stopped)
    message = arrived(made(facts))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not any(part.defects for part in message.walk())
    text, html = parts(made(facts))
    assert f'<html lang="{language}">' in html
    for heading in HEADINGS[language]:
        assert heading.upper() in text
        assert heading in html
    assert "\n1. " in text
    assert "\n3. " in text
    assert html.count("<li") >= 3
    said = {"en": "has failed. We have stopped it", "de": "ist fehlgeschlagen. Wir haben sie angehalten"}[language]
    assert (said in text) == stopped
    assert "None" not in text + html
    assert "{" not in text + re.sub(r'style="[^"]*"', "", html)


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("more", [{}, {"jobs": TWO}, {"many_shops": True}], ids=["one", "two", "incident"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_text_and_html_say_the_same(language: str, cause: str, more: dict[str, Any]) -> None:
    where = {"language": language, "marketplace": "A & B <Market>", "other_jobs": ("prices",)}
    facts = replace(FACTS, cause=cause, again=True, **where, **more)
    text, html = parts(made(facts))
    from_html = read_message(b"From: a@example.com\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + html.encode())
    read_aloud = " ".join(
        re.sub(r"[-\u201c\u201d\u201e\":]|^\d+\. ", " ", from_html.words, flags=re.MULTILINE).lower().split()
    )
    for line in text.splitlines():
        plain = " ".join(re.sub(r"^\d+\. |[-\u201c\u201d\u201e\":]", " ", line).lower().split())
        assert plain in read_aloud or line == FACTS.answer_url, "the button has the link in HTML"


def test_the_headers_are_those_that_were_asked_for() -> None:
    message = arrived(made())
    assert message["Message-ID"] == "<jf-000001.1.notice@example.com>"
    assert message["Date"].datetime == DATE
    assert message["From"] == "Caseproof <cases@example.com>"
    assert message["To"] == "owner@example.com"
    assert message["Reply-To"] == "answers@example.com"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Subject"] == "[JF-000001] The access to Example Market has run out"


def test_our_own_notice_reads_as_automatic_so_it_can_never_confirm_itself() -> None:
    assert read_message(made().as_bytes()).automatic == "Auto-Submitted: auto-generated"


def test_the_same_facts_give_the_same_bytes_in_seven_bits_with_crlf() -> None:
    raw = made().as_bytes()
    assert raw == made().as_bytes()
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n", raw)
    headers, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, headers.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 78


def test_the_message_id_is_stable_and_names_the_case_and_the_round() -> None:
    assert message_id("JF-000001", 2, "Caseproof <cases@Example.com>") == "<jf-000001.2.notice@example.com>"
    assert message_id("JF-000001", "check-a:1 <b>", "c@example.com") == "<jf-000001.check-a-1--b-.notice@example.com>"
    assert message_id("JF-000001", 1, "c@b\u00fccher.example") == "<jf-000001.1.notice@xn--bcher-kva.example>"


def test_html_from_outside_is_escaped_in_html_and_plain_in_text() -> None:
    evil = "<script>alert(1)</script> & co"
    facts = replace(
        FACTS,
        job_name=evil,
        retailer=evil,
        marketplace=evil,
        summary=evil,
        contact_name=evil,
        other_jobs=(evil,),
    )
    for cause in CAUSES:
        text, html = parts(made(replace(facts, cause=cause)))
        assert "<script" not in html
        assert "&amp;lt;" not in html
        assert html.count("&lt;script&gt;") >= 5
        assert evil in text


def test_line_breaks_from_outside_make_no_header_and_no_step() -> None:
    evil = "feeds\r\nBcc: thief@example.com\r\n\r\n1. Pay here\u2028\x00"
    facts = replace(FACTS, job_name=evil, summary=evil, marketplace=evil, ref="JF-000001\r\nX-Evil: 1")
    message = arrived(made(facts))
    assert message["Bcc"] is None
    assert message["X-Evil"] is None
    assert "feeds Bcc: thief@example.com 1. Pay here" in message["Subject"]
    assert "\n1. Pay here" not in parts(made(facts))[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"message_id": "<a@example.com>\r\nBcc: thief@example.com"},
        {"sender": "Caseproof\r\nBcc: thief@example.com <cases@example.com>"},
        {"reply_to": "a@example.com\r\nBcc: thief@example.com"},
        {"recipient": "a@example.com\nBcc: thief@example.com"},
        {"recipient": "a@example.com, b@example.com"},
        {"recipient": ""},
        {"date": datetime(2026, 11, 21)},  # noqa: DTZ001 - a time without a zone is what is refused here
    ],
)
def test_what_would_spoil_a_header_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        made(**wrong)


@pytest.mark.parametrize("url", ["javascript:alert(1)", 'https://example.com/" onclick=x', "https://a b"])
def test_a_link_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="CASEPROOF_ANSWER_URL"):
        made(replace(FACTS, answer_url=url))


def test_an_unknown_cause_is_refused_with_the_list() -> None:
    with pytest.raises(BadInput, match="retailer_offboarded"):
        made(replace(FACTS, cause="../notice"))


@given(st.text(max_size=300), st.text(max_size=100))
def test_any_text_survives_as_one_subject_and_two_parts(job: str, marketplace: str) -> None:
    message = arrived(made(replace(FACTS, job_name=job, marketplace=marketplace, summary=job, retailer=job)))
    assert message["Subject"].startswith("[JF-000001] ")
    assert message["Message-ID"] == "<jf-000001.1.notice@example.com>"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert set(message.keys()) == {
        *("Message-ID", "Date", "From", "To", "Reply-To", "Subject"),
        *("Auto-Submitted", "MIME-Version", "Content-Type"),
    }


def test_a_long_subject_in_another_script_arrives_whole() -> None:
    market = "\u0441\u0438\u043d\u0445\u0440\u043e\u043d \u0442\u043e\u0432\u0430\u0440\u043e\u0432 " * 3 + "\U0001f6d2"
    assert arrived(made(replace(FACTS, cause="feed", marketplace=market)))["Subject"].endswith(f"({market})")


def test_an_address_that_many_servers_cannot_carry_is_refused() -> None:
    with pytest.raises(BadInput, match="plain letters"):
        made(recipient="j\u00f6rg@example.com")


def test_names_and_domains_outside_ascii_keep_their_meaning() -> None:
    message = arrived(made(recipient="owner@b\u00fccher.example", sender='"M\u00fcller, Shop" <c@example.com>'))
    assert message["To"].addresses[0].addr_spec == "owner@xn--bcher-kva.example"
    assert message["From"].addresses[0].display_name == "M\u00fcller, Shop"
    assert message["From"].addresses[0].addr_spec == "c@example.com"


def test_a_job_that_could_not_be_stopped_says_why_and_who_can() -> None:
    facts = replace(FACTS, stopped=False, cannot_stop_why="It runs on your server.", who_can="your web host")
    for words in parts(made(facts)):
        assert "Why we could not stop it: It runs on your server." in words
        assert "Who can stop it: your web host." in words
        assert "stays stopped" not in words


def test_jobs_that_were_stopped_along_are_counted_and_named_below() -> None:
    for words in parts(made(replace(FACTS, other_jobs=("prices", "orders")))):
        assert "We stopped 2 more jobs along with it" in words
        assert "Stopped along with it: prices, orders" in words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("jobs", [(), TWO], ids=["one", "two"])
def test_a_retailer_reads_what_failed_in_plain_words_and_the_raw_message_and_our_names_below_a_line_after_the_question(
    language: str, jobs: tuple[JobTold, ...]
) -> None:
    facts = replace(
        FACTS, language=language, jobs=jobs, other_jobs=("feeds/stock",), again=True, stopped=False,
        cannot_stop_why="403 Forbidden", summary="HTTPError: 401 Unauthorized for url",
    )  # fmt: skip
    message = made(facts)
    (plain, below), html = parts(message)[0].split("----------"), parts(message)[1]
    line = html.index("<hr ")
    for internal in (
        "feeds/products",
        "feeds/stock",
        "HTTPError: 401 Unauthorized for url",
        *(job.job_name for job in jobs),
    ):
        assert internal not in plain + message["Subject"], internal
        assert internal in below, internal
        assert html.index(internal) > line, internal
    assert facts.answer_url in plain, "the question stands above"
    assert ("403 Forbidden" in below) is not bool(jobs)
    assert "403 Forbidden" not in plain


def test_a_retailer_reads_when_it_failed_and_until_when_to_answer_by_local_clocks() -> None:
    facts = replace(FACTS, zone=ZoneInfo("Asia/Tokyo"), deadline=datetime(2026, 11, 26, 16, tzinfo=UTC))
    for words in parts(made(facts)):
        assert "Failed on: 22 November, 05:51 (Tokyo time)" in re.sub("<[^>]*>", "", words)
        assert "by Friday, 27 November 2026" in words


def test_a_later_round_says_that_it_failed_again() -> None:
    message = made(replace(FACTS, again=True))
    assert "Again: " in message["Subject"]
    assert all("ran again and failed again" in words for words in parts(message))


def test_what_is_not_known_is_left_out() -> None:
    text, html = parts(
        made(
            replace(FACTS, contact_name="", marketplace=None, summary="", failed_at=None, deadline=None, answer_url="")
        )
    )
    assert text.startswith("Hello,\n")
    for missing in ("Marketplace:", "Failed on:", "Message of the system:", "answer by", "on the web", "href"):
        assert missing not in text + html


# -- several jobs, and whose fault it is ----------------------------------------------------------------------------


def test_a_mail_about_several_jobs_names_each_with_its_case_and_what_became_of_it() -> None:
    message = made(replace(FACTS, jobs=TWO))
    assert message["Subject"] == "[JF-000001] The access to Example Market has run out (2 jobs)"
    for words in parts(message):
        assert "2 of your jobs for Example Market have failed in the same way. We have stopped 1 of them" in words
        assert "JF-000001: feeds/products. Stopped." in words
        assert (
            "JF-000002: feeds/prices. Not stopped. We wrote to you about it before, and it failed again. Why we could "
            "not stop it: It runs on your server."
        ) in words
        assert "Who can stop it: your web host. Please ask them" in words
        assert "This mail is about the cases JF-000001 and JF-000002." in words
        assert "We wrote to you about this before" not in words
        assert "This is case" not in words


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("many_shops", [True, False])
def test_where_it_is_not_the_retailers_fault_the_notice_says_so_and_asks_nothing(cause: str, many_shops: bool) -> None:
    text, _ = parts(made(replace(FACTS, cause=cause, many_shops=many_shops)))
    theirs = cause not in NOT_THEIRS and not many_shops
    assert ("1. You need to change nothing." in text) is not theirs
    assert bool(re.search("not a fault of yours|not in your shop and not in your account", text)) is not theirs


def test_the_greeting_names_the_one_who_gets_the_letter() -> None:
    assert parts(made())[0].startswith("Hello Shop Owner,\n")
    assert parts(made(GERMAN))[0].startswith("Guten Tag Shop Owner!\n")


def test_secrets_in_the_jobs_error_message_are_not_mailed() -> None:
    summary = "GET https://api.example.com/v1?api_key=abc123&page=2 failed, Authorization: Bearer s3cr3t-token-0815"
    for words in parts(made(replace(FACTS, summary=summary))):
        assert "api.example.com" in words
        assert "page=2" in words
        assert not re.search("abc123|s3cr3t", words)


# -- the answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "by", "without", "button"),
    [
        (FACTS, "Please answer by Friday, 27 November 2026.", "the job stays stopped", "Answer on the web"),
        (
            GERMAN, "Bitte antworten Sie bis Freitag, den 27. November 2026.", "bleibt die Aufgabe angehalten",
            "Auf der Seite antworten",
        ),
    ],
)  # fmt: skip
def test_it_says_by_when_to_answer_what_is_the_case_without_and_where(
    facts: NoticeFacts, by: str, without: str, button: str
) -> None:
    text, html = parts(made(facts))
    assert by in text
    assert without in text
    assert f"{button}:\n{facts.answer_url}\n" in text
    assert re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', html) == [(facts.answer_url, button)]


def test_without_a_link_an_answer_by_mail_is_asked_for() -> None:
    for words in parts(made(replace(FACTS, answer_url=""))):
        assert "Please answer this mail. One or two sentences" in words
        assert "on the web" not in words
        assert "href" not in words


@pytest.mark.parametrize("more", [{"cause": "our_platform"}, {"cause": "website_changed"}, {"many_shops": True}])
def test_where_nothing_is_asked_there_is_no_deadline_and_no_button(more: dict[str, Any]) -> None:
    facts = replace(FACTS, **more)
    assert not facts.asks
    for words in parts(made(facts)):
        assert "27 November" not in words
        assert facts.answer_url not in words


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ((TWO[0], replace(TWO[0], ref="JF-000003")), "Without an answer these jobs stay stopped."),
        (TWO, "Without an answer what is stopped stays stopped."),
        ((TWO[1], replace(TWO[1], ref="JF-000003")), "Without an answer from you we cannot go on."),
    ],
)
def test_what_stays_stopped_without_an_answer_is_what_is_stopped(jobs: tuple[JobTold, ...], said: str) -> None:
    assert said in parts(made(replace(FACTS, jobs=jobs)))[0]


def test_a_job_that_somebody_started_again_is_told_in_the_mails_language() -> None:
    facts = replace(GERMAN, stopped=False, started_again=True, cannot_stop_why="It was started again")
    for words in parts(made(facts)):
        assert "danach hat sie jemand wieder gestartet" in words
        assert "It was started again" not in words
