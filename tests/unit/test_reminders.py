"""J5: what follows a notice: a reminder that holds it, and the last word in its thread."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from caseproof.channels.inbound.incoming import read_message
from caseproof.channels.outbound.notice import NoticeFacts, compose, message_id
from caseproof.channels.outbound.recovery import RecoveryFacts, compose_recovery
from caseproof.channels.outbound.reminder import ReminderFacts, compose_reminder, reminder_id, team_mail
from caseproof.domain.errors import BadInput

DATE = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SENDER = "Caseproof <cases@example.com>"
ADDRESSES = {"sender": SENDER, "reply_to": "answers@example.com", "recipient": "owner@example.com"}
NOTICE_ID = message_id("JF-000001", 1, SENDER)
NOTICE = compose(
    NoticeFacts(
        ref="JF-000001", language="en", retailer="Garden Shop", contact_name="Jo", job_name="offers/garden",
        marketplace="Bazaar", cause="expired_token", summary="401 Unauthorized", failed_at=DATE, stopped=True,
        cannot_stop_why="", who_can="", other_jobs=(), again=False, deadline=None, answer_url="",
    ),
    message_id=NOTICE_ID, date=DATE, **ADDRESSES,  # type: ignore[arg-type]
).as_bytes()  # fmt: skip
FACTS = ReminderFacts(
    language="en", contact_name="Jo", jobs=("JF-000001: offers/garden",), told_at=DATE, stopped=True, number=1,
    last=False, deadline=datetime(2026, 11, 27, 8, 0, tzinfo=UTC), answer_url="https://answers.example.com/answer/a",
)  # fmt: skip
LAST = replace(FACTS, number=2, last=True)


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
        assert "Hello Jo," in part
        assert "JF-000001: offers/garden" in part
        assert "20 November 2026" in part
        assert "What happens next".casefold() in part.casefold()


@pytest.mark.parametrize(
    ("language", "by", "past", "button"),
    [
        ("en", "answer by Friday, 27 November 2026", "asked you to answer by 27 November 2026", "Answer on the web"),
        (
            "de", "antworten Sie bis Freitag, den 27. November 2026", "gebeten, bis zum 27. November 2026 zu antworten",
            "Auf der Seite antworten",
        ),
    ],
)  # fmt: skip
def test_it_says_by_when_to_answer_and_where_and_calls_a_day_that_is_past_past(
    language: str, by: str, past: str, button: str
) -> None:
    facts = replace(FACTS, language=language)
    for part in parts(made(facts)):
        assert by in part
        assert past not in part
        assert button in part
        assert facts.answer_url in part
    for part in parts(made(facts, date=DATE + timedelta(days=9))):
        assert past in part
        assert by not in part


def test_without_a_deadline_and_a_link_it_asks_for_an_answer_by_mail() -> None:
    for part in parts(made(replace(FACTS, deadline=None, answer_url=""))):
        assert "Please answer this mail." in part
        assert "27 November" not in part
        assert "on the web" not in part


def test_it_speaks_the_contacts_language_around_the_notice_as_it_was() -> None:
    text, html = parts(made(replace(FACTS, language="de")))
    assert '<html lang="de">' in html
    assert text.startswith("Guten Tag Jo!\r\n") or text.startswith("Guten Tag Jo!\n")
    assert "Am 20. November 2026 haben wir Ihnen wegen einer fehlgeschlagenen Aufgabe geschrieben." in text
    assert "> WHAT IS WRONG" in text


def test_several_jobs_are_spoken_of_as_several() -> None:
    assert "about a job that had failed" in parts(made())[0]
    assert "about jobs that had failed" in parts(made(replace(FACTS, jobs=("a", "b"))))[0]


def test_the_last_one_says_that_it_is_the_last() -> None:
    assert "not remind you by mail again" not in parts(made())[0]
    assert "not remind you by mail again" in parts(made(LAST))[0]


def test_what_comes_from_outside_draws_nothing_into_it() -> None:
    evil = replace(FACTS, contact_name="<b>Jo</b>\r\nBcc: x@example.com", jobs=("<script>x</script>",))
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


# -- the last mail: it works again, or the integration is out --------------------------------------------------------


WORKS = RecoveryFacts(
    ref="JF-000001", language="en", contact_name="Jo", job_names=("offers/garden",), marketplace="Bazaar",
    removed=False, live_since=DATE + timedelta(days=2, hours=1), run_ended=DATE + timedelta(days=2),
)  # fmt: skip


def last_mail(facts: RecoveryFacts = WORKS, **more: object) -> EmailMessage:
    named = {"message_id": "<jf-000001.1.notice.recovery@example.com>", "follows": NOTICE_ID, "date": DATE}
    return compose_recovery(facts, **(ADDRESSES | named | more))  # type: ignore[arg-type]


def test_it_works_again_stands_in_the_notices_thread_and_says_when_it_ran_and_since_when_it_is_live() -> None:
    subject = str(message_from_bytes(NOTICE, policy=policy.default)["Subject"])
    there = arrived(last_mail(subject=subject))
    assert there["In-Reply-To"] == there["References"] == NOTICE_ID
    assert there["Subject"] == f"Re: {subject}"
    assert read_message(there.as_bytes()).automatic
    for part in parts(last_mail(subject=subject)):
        assert "Your job is running again".casefold() in part.casefold()
        assert "offers/garden" in part
        assert "ended without a fault on 22 November, 08:00 (UTC)" in part
        assert "back on its schedule since 22 November, 09:00 (UTC)" in part
        assert "asks nothing of you" in part


def test_it_works_again_leaves_out_what_is_not_known_and_has_a_subject_of_its_own_without_a_thread() -> None:
    there = last_mail(replace(WORKS, live_since=None, run_ended=None), reply_to="")
    assert there["Subject"] == "[JF-000001] Your job is running again"
    text = parts(there)[0]
    assert "schedule" not in text
    assert "ended" not in text


def test_a_removal_is_never_called_a_success_of_the_job() -> None:
    for part in parts(last_mail(replace(WORKS, removed=True))):
        assert "out of service for good" in part
        assert "We looked on 22 November, 08:00 (UTC)" in part
        assert "What you have at Bazaar itself" in part
        assert "running again" not in part
        assert "schedule since" not in part


def test_the_last_mail_speaks_german_and_of_several_jobs() -> None:
    facts = replace(WORKS, language="de", job_names=("angebote", "preise"))
    assert last_mail(facts)["Subject"] == "[JF-000001] Ihre Aufgaben laufen wieder"
    text, html = parts(last_mail(facts))
    assert '<html lang="de">' in html
    assert "Seit dem 22. November, 09:00 Uhr (UTC) laufen sie wieder nach ihrem Zeitplan." in text


def test_the_last_mail_escapes_what_comes_from_outside_and_needs_a_job_and_a_notice() -> None:
    evil = "<script>x</script>\r\nBcc: x@example.com"
    there = last_mail(replace(WORKS, job_names=(evil,), marketplace=evil, contact_name=evil, removed=True))
    assert arrived(there)["Bcc"] is None
    assert "<script>" not in parts(there)[1]
    with pytest.raises(BadInput, match="no job"):
        last_mail(replace(WORKS, job_names=()))
    with pytest.raises(BadInput, match="no notice"):
        last_mail(follows="")


# -- the team -------------------------------------------------------------------------------------------------------


def test_a_mail_to_the_team_names_a_hundred_cases_and_counts_the_others() -> None:
    lines = [(f"JF-{n:06d}", "job", "waits", f"https://example.com/{n}") for n in range(1, 131)]
    mail = team_mail(lines, sender=SENDER, to="team@example.com", date=DATE)
    assert mail["Subject"] == "Caseproof: 130 cases need you"
    assert "docs/rules" not in mail.get_content()
    explained = team_mail(
        lines, sender=SENDER, to="team@example.com", date=DATE, rules="https://example.com/docs/rules"
    )
    assert "What J1 to J11 mean: https://example.com/docs/rules" in explained.get_content()
    assert "JF-000100" in mail.get_content()
    assert "JF-000101" not in mail.get_content()
    assert "and 30 more" in mail.get_content()
    one = team_mail(lines[:1], sender=SENDER, to="team@example.com", date=DATE)
    assert one["Subject"] == "Caseproof: JF-000001 needs you"
