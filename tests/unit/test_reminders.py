"""J5: a reminder stands in the notice's thread, holds the notice, and no word that could be quoted as a "yes"."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from caseproof.channels.incoming import read_message
from caseproof.channels.notice import NoticeFacts, compose, message_id
from caseproof.channels.reminder import ReminderFacts, compose_reminder, reminder_id, team_mail
from caseproof.domain.errors import BadInput

DATE = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SENDER = "Caseproof <cases@example.com>"
ADDRESSES = {"sender": SENDER, "reply_to": "answers@example.com", "recipients": ["owner@example.com"]}
NOTICE_ID = message_id("JF-000001", 1, SENDER)
NOTICE = compose(
    NoticeFacts(
        ref="JF-000001", retailer="Garden Shop", contact_names=("Jo",), job_name="offers/garden", marketplace="Bazaar",
        cause="expired_token", summary="401 Unauthorized", failed_at=DATE, stopped=True, cannot_stop_why="", who_can="",
        other_jobs=(), again=False, case_url="",
    ),
    message_id=NOTICE_ID, date=DATE, **ADDRESSES,  # type: ignore[arg-type]
).as_bytes()  # fmt: skip
FACTS = ReminderFacts(("Jo", "Kim"), ("JF-000001: offers/garden",), DATE, stopped=True, number=1, last=False)
YES = re.compile(
    r"\b(yes|yep|ok|okay|done|confirm\w*|agree\w*|fixed|resolved|solved|complet\w+|approv\w+|renewed|removed?|"
    r"updated|corrected|go ahead)\b",
    re.IGNORECASE,
)


def made(facts: ReminderFacts = FACTS, **more: object) -> EmailMessage:
    options = {"message_id": reminder_id(NOTICE_ID, facts.number), "date": DATE, **ADDRESSES} | more
    return compose_reminder(NOTICE, facts, **options)  # type: ignore[arg-type]


def arrived(message: EmailMessage) -> EmailMessage:
    return message_from_bytes(message.as_bytes(), policy=policy.default)


def parts(message: EmailMessage) -> tuple[str, str]:
    there = arrived(message)
    text, html = there.get_body(("plain",)), there.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def test_it_follows_the_notice_in_its_thread() -> None:
    there, notice = arrived(made()), message_from_bytes(NOTICE, policy=policy.default)
    assert there["In-Reply-To"] == there["References"] == notice["Message-ID"] == NOTICE_ID
    assert there["Subject"] == f"Re: {notice['Subject']}"
    assert there["Message-ID"] == "<jf-000001.1.notice.reminder-1@example.com>"


def test_both_parts_hold_the_jobs_and_the_notice() -> None:
    for part in parts(made()):
        assert "Hello Jo and Kim," in part
        assert "JF-000001: offers/garden" in part
        assert "20 November 2026" in part
        assert "What happens next".casefold() in part.casefold()


@pytest.mark.parametrize("facts", [FACTS, ReminderFacts((), ("x",), DATE, stopped=False, number=2, last=True)])
def test_no_word_of_it_can_be_quoted_as_a_yes(facts: ReminderFacts) -> None:
    for part in parts(made(facts)):
        assert not YES.search(part), YES.search(part)


def test_the_last_one_says_that_it_is_the_last() -> None:
    assert "not remind you by mail again" not in parts(made())[0]
    assert "not remind you by mail again" in parts(made(ReminderFacts((), ("x",), DATE, False, 2, last=True)))[0]


def test_what_comes_from_outside_draws_nothing_into_it() -> None:
    evil = ReminderFacts(("<b>Jo</b>\r\nBcc: x@example.com",), ("<script>x</script>",), DATE, False, 1, False)
    there = made(evil)
    assert "Bcc" not in arrived(there)
    assert "<script>" not in parts(there)[1]
    assert "<b>Jo" not in parts(there)[1]


def test_the_same_arguments_make_the_same_bytes() -> None:
    assert made().as_bytes() == made().as_bytes()
    assert b"\n" not in made().as_bytes().replace(b"\r\n", b"")


def test_it_reads_as_automatic_so_it_can_never_confirm_itself() -> None:
    assert read_message(made().as_bytes()).automatic


def test_a_mail_without_a_message_id_cannot_be_reminded_of() -> None:
    with pytest.raises(BadInput):
        compose_reminder(b"Subject: x\r\n\r\nx\r\n", FACTS, message_id="<a@b>", date=DATE, **ADDRESSES)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        reminder_id("none", 1)


def test_a_mail_to_the_team_names_a_hundred_cases_and_counts_the_others() -> None:
    lines = [(f"JF-{n:06d}", "job", "waits", f"https://example.com/{n}") for n in range(1, 131)]
    mail = team_mail(lines, sender=SENDER, to="team@example.com", date=DATE)
    assert mail["Subject"] == "Caseproof: 130 cases need you"
    assert "JF-000100" in mail.get_content()
    assert "JF-000101" not in mail.get_content()
    assert "and 30 more" in mail.get_content()
    one = team_mail(lines[:1], sender=SENDER, to="team@example.com", date=DATE)
    assert one["Subject"] == "Caseproof: JF-000001 needs you"
