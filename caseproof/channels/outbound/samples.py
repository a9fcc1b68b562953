"""Every mail to a retailer with made-up facts: for the check at start, for the preview, and for the tests.

The facts are those that go wrong first: nothing known, several jobs, not stopped, stopped along, written before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from caseproof.channels.outbound.languages import LANGUAGES, TEMPLATES, check_phrases, languages_in
from caseproof.channels.outbound.notice import JobTold, NoticeFacts, compose, message_id
from caseproof.channels.outbound.recovery import RecoveryFacts, compose_recovery
from caseproof.channels.outbound.reminder import ReminderFacts, compose_reminder, reminder_id
from caseproof.domain.vocabulary import CAUSES

AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KINDS = ("notice", "reminder", "recovery")
ADDRESSES = {
    "sender": "Caseproof <cases@example.com>",
    "reply_to": "cases@example.com",
    "recipient": "owner@example.com",
}
LINK = "https://answers.example.com/answer/sample"
_NOTICE = message_id("JF-000001", 1, ADDRESSES["sender"])
_TWO = (
    JobTold("JF-000001", "feeds/products", True, again=True),
    JobTold("JF-000002", "feeds/prices", False, "It runs on your server", "your web host", again=True, sent_back=True),
)


_SAID = {
    "expired_token": "401 Unauthorized",
    "connection": "No answer from shop.example.com within 30 seconds",
    "feed": "products.csv is empty",
    "sync": "Stopped after 120 of 300 orders",
    "website_changed": "The button 'Export' was not found",
    "our_platform": "No space left on device",
    "retailer_offboarded": "403 account_closed",
    "unknown": "Exit code 1",
}
"""What a system says, by the cause that it points to."""


def notice_facts(language: str, cause: str) -> NoticeFacts:
    """An ordinary notice about one job that is stopped."""
    return NoticeFacts(
        ref="JF-000001",
        language=language,
        retailer="Garden Shop",
        contact_name="Shop owner",
        job_name="feeds/products",
        marketplace="Example Market",
        cause=cause,
        summary=_SAID[cause],
        failed_at=AT,
        stopped=True,
        cannot_stop_why="",
        who_can="",
        other_jobs=(),
        again=False,
        deadline=AT + timedelta(days=7),
        answer_url=LINK,
    )


def reminder_facts(language: str) -> ReminderFacts:
    """An ordinary reminder, the first of two."""
    return ReminderFacts(
        language=language,
        contact_name="Shop owner",
        jobs=("JF-000001: feeds/products",),
        told_at=AT,
        stopped=True,
        number=1,
        last=False,
        deadline=AT + timedelta(days=7),
        answer_url=LINK,
    )


def recovery_facts(language: str) -> RecoveryFacts:
    """An ordinary case whose job works again."""
    return RecoveryFacts(
        ref="JF-000001",
        language=language,
        contact_name="Shop owner",
        job_names=("feeds/products",),
        marketplace="Example Market",
        removed=False,
        live_since=AT + timedelta(days=2, hours=1),
        run_ended=AT + timedelta(days=2),
    )


def notice(facts: NoticeFacts, templates: Path = TEMPLATES) -> EmailMessage:
    """The notice with these facts, between made-up addresses."""
    return compose(facts, message_id=_NOTICE, date=AT, templates=templates, **ADDRESSES)


def reminder(facts: ReminderFacts, first: EmailMessage, templates: Path = TEMPLATES) -> EmailMessage:
    """The reminder of a notice with these facts, three days after the notice."""
    named, date = reminder_id(str(first["Message-ID"]), facts.number), AT + timedelta(days=3)
    return compose_reminder(first.as_bytes(), facts, message_id=named, date=date, templates=templates, **ADDRESSES)


def recovery(facts: RecoveryFacts, first: EmailMessage, templates: Path = TEMPLATES) -> EmailMessage:
    """The last mail in the thread of a notice, with these facts."""
    follows, date = str(first["Message-ID"]), AT + timedelta(days=2, hours=1)
    named = follows.replace("@", ".recovery@")
    return compose_recovery(
        facts, message_id=named, date=date, follows=follows, subject=str(first["Subject"]), templates=templates,
        **ADDRESSES,
    )  # fmt: skip


_AWKWARD: Mapping[str, Mapping[str, Any]] = {
    "ordinary": {},
    "bare": {
        "contact_name": "", "marketplace": None, "summary": "", "failed_at": None, "stopped": False, "deadline": None,
        "answer_url": "",
    },
    "not stopped": {"stopped": False, "cannot_stop_why": "It runs on your server", "who_can": "your web host"},
    "started again": {"stopped": False, "started_again": True, "marketplace": None},
    "again": {"again": True, "other_jobs": ("feeds/stock", "feeds/orders")},
    "sent back": {"again": True, "sent_back": True, "answer_url": ""},
    "several": {"jobs": _TWO, "again": True},
    "several, nowhere": {"jobs": (_TWO[0], replace(_TWO[0], ref="JF-000003")), "marketplace": None, "deadline": None},
    "neutral": {"neutral": True},
    "neutral, nowhere": {"neutral": True, "marketplace": None, "jobs": _TWO},
    "corrects": {"corrects": "wrong", "told_at": AT},
    "corrects what was not known": {"corrects": "not known", "told_at": AT, "many_shops": True},
    "corrects what is over": {"corrects": "wrong", "told_at": AT, "is_over": True},
    "corrects what was not known and is over": {"corrects": "not known", "told_at": AT, "is_over": True},
    "many shops": {"many_shops": True},
    "many shops, nowhere": {"many_shops": True, "marketplace": None, "jobs": _TWO},
}  # fmt: skip
_WITH_ALL, _WITH_EVERY_CAUSE = "expired_token", ("ordinary", "bare", "several")
_REMINDED: Mapping[str, Mapping[str, Any]] = {
    "ordinary": {},
    "last": {"number": 2, "last": True, "deadline": AT},
    "renews": {"renews": True},
    "renews, several": {"renews": True, "jobs": ("a", "b"), "answer_url": ""},
    "bare": {"contact_name": "", "stopped": False, "deadline": None, "answer_url": "", "jobs": ("a", "b")},
}
_RECOVERED: Mapping[str, Mapping[str, Any]] = {
    "ordinary": {},
    "several": {"job_names": ("feeds/products", "feeds/prices", "feeds/stock")},
    "bare": {"contact_name": "", "marketplace": None, "live_since": None, "run_ended": None},
    "removed": {"removed": True, "live_since": None},
    "removed, several": {"removed": True, "job_names": ("feeds/products", "feeds/prices"), "marketplace": None},
}


def every_mail(language: str, templates: Path = TEMPLATES) -> Iterator[tuple[str, EmailMessage]]:
    """Every mail of a language, each with a name for people, made one by one.

    A cause's own words know of a marketplace and of several jobs at the most: the other facts are tried with one cause.
    """
    for cause in CAUSES:
        for name, more in _AWKWARD.items():
            if cause != _WITH_ALL and name not in _WITH_EVERY_CAUSE:
                continue
            yield f"notice, {cause}, {name}", notice(replace(notice_facts(language, cause), **more), templates)
    first = notice(notice_facts(language, _WITH_ALL), templates)
    for name, more in _REMINDED.items():
        yield f"reminder, {name}", reminder(replace(reminder_facts(language), **more), first, templates)
    for name, more in _RECOVERED.items():
        yield f"recovery, {name}", recovery(replace(recovery_facts(language), **more), first, templates)


def check_templates(templates: Path = TEMPLATES) -> str:
    """Make every mail in every language, so that a broken template is found at start; gives what was found, in words.

    Raises BrokenWords, which names the file and the line. Takes less than a second.
    """
    check_phrases(templates)
    languages = LANGUAGES if templates == TEMPLATES else languages_in(templates)
    many = sum(1 for language in languages for _ in every_mail(language, templates))
    return f"{many} mails in {', '.join(languages)}"
