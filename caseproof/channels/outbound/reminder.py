"""Mail that follows a notice: a reminder to the retailer in the notice's thread, and what the team is told.

A reminder holds the notice itself, so that whoever reads it needs no other mail. As in a notice, no words of ours may
read as a "yes": they come back quoted below the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from caseproof.channels.outbound.composing import greeting, message_of, one_line, rendered, web_link
from caseproof.channels.outbound.languages import TEMPLATES, Phrases
from caseproof.domain.errors import BadInput

_MOST_LINES = 100
"""How many cases, and how many messages, a mail to the team names; the board and the inbox have all."""


@dataclass(frozen=True, slots=True)
class FromRetailer:
    """A message that the team is told of: its case ("" for none), who wrote it, why it has to be read, its words (""
    where they are not mailed)."""

    ref: str
    sender: str
    why: str
    words: str


@dataclass(frozen=True, slots=True)
class ReminderFacts:
    """What a reminder tells. ``jobs`` are lines of text, a case each; ``told_at`` is when the notice left.

    ``number`` counts from 1; ``last``: no other follows. ``deadline``: by when we ask for an answer, or None; one that
    is past is called past. ``answer_url``: this contact's own link to the confirmation page, or "". ``renews``: it
    reminds of nothing but brings a new link and address, because those of the notice are void. ``zone``: whose time
    it tells.
    """

    language: str
    contact_name: str
    jobs: tuple[str, ...]
    told_at: datetime
    stopped: bool
    number: int
    last: bool
    deadline: datetime | None
    answer_url: str
    renews: bool = False
    zone: tzinfo = UTC


def reminder_id(notice_id: str, number: int) -> str:
    """The Message-ID of a notice's n-th reminder: always the same, so that a repeat counts once."""
    head, _, domain = notice_id.strip("<>").rpartition("@")
    if not head or not domain:
        raise BadInput(f"{notice_id!r} is not a Message-ID.", "Give the notice's own.")
    return f"<{head}.reminder-{number}@{domain}>"


def renewal_id(notice_id: str, key: str) -> str:
    """The Message-ID of the mail that brings new links after this notice; ``key`` is the new key's fingerprint."""
    return reminder_id(notice_id, 0).replace(".reminder-0@", f".renewal-{key}@")


def compose_reminder(
    notice: bytes,
    facts: ReminderFacts,
    *,
    sender: str,
    reply_to: str,
    recipient: str,
    message_id: str,
    date: datetime,
    templates: Path = TEMPLATES,
) -> EmailMessage:
    """The reminder as a message of text and HTML; the same arguments give the same bytes (CRLF lines).

    ``notice`` is the mail it follows, as it was sent. Raises BadInput for what is no mail, no address or no link, and
    BrokenWords.
    """
    first = message_from_bytes(notice, policy=default)
    thread = str(first["Message-ID"] or "").strip()
    if not thread:
        raise BadInput("The notice has no Message-ID, so nothing can follow it.", "Restore the evidence from a backup.")
    say = Phrases(facts.language, folder=templates, zone=facts.zone)
    subject = one_line(str(first["Subject"] or ""), 300)
    body = rendered(
        templates, "reminder", _words(first, facts, say, date) | {"title": subject or say("reminder_title")}
    )
    return message_of(
        sender=sender, recipients=[recipient], date=date, message_id=message_id, reply_to=reply_to, follows=thread,
        subject=f"Re: {subject}",  # mail programs keep a thread together only under the same subject
        text=body.text, html=body.html,
    )  # fmt: skip


def _words(first: EmailMessage, facts: ReminderFacts, say: Phrases, date: datetime) -> dict[str, object]:
    body, told_on = first.get_body(("plain",)), say.day(facts.told_at)
    return {
        "say": say,
        "language": facts.language,
        "greeting": greeting(say, facts.contact_name),
        "told": say.count("renewal_told" if facts.renews else "reminder_told", len(facts.jobs), day=told_on),
        "told_on": told_on,
        "jobs": [one_line(job, 200) for job in facts.jobs],
        "stopped": facts.stopped,
        "last": facts.last,
        "deadline": _deadline(facts.deadline, date, say),
        "answer_url": web_link(facts.answer_url),
        "notice": [one_line(line, 2000) for line in (body.get_content() if body else "").strip().splitlines()],
    }  # fmt: skip


def _deadline(deadline: datetime | None, now: datetime, say: Phrases) -> str:
    if deadline is None:
        return ""
    return say("deadline", day=say.weekday(deadline)) if deadline > now else say("overdue", day=say.day(deadline))


def team_mail(
    lines: Sequence[tuple[str, str, str, str]],
    *,
    sender: str,
    to: str,
    date: datetime,
    messages: Sequence[FromRetailer] = (),
    inbox: str = "",
    rules: str = "",
) -> EmailMessage:
    """What the team is told, in one mail of plain text: what came from retailers, with the link to the ``inbox``, then
    a line a case (reference, job, what it waits for, link). One of the two may be empty. ``rules``: where J1 to J11 are
    explained."""
    subject = ", ".join(part for part in (_how_many(lines), _how_many_messages(messages)) if part)
    parts = [
        *_from_retailers(messages, inbox),
        *_waiting(lines),
        *_explained(lines, rules),
        "This mail was written by a program.",
    ]
    text = "\n\n".join(parts)
    return message_of(sender=sender, recipients=[to], subject=f"Caseproof: {subject}", text=text, date=date)


def _how_many(lines: Sequence[tuple[str, str, str, str]]) -> str:
    if len(lines) > 1:
        return f"{len(lines)} cases need you"
    return f"{lines[0][0]} needs you" if lines else ""


def _how_many_messages(messages: Sequence[FromRetailer]) -> str:
    if len(messages) > 1:
        return f"{len(messages)} messages from retailers"
    return "a message from a retailer" if messages else ""


def _from_retailers(messages: Sequence[FromRetailer], inbox: str) -> list[str]:
    told = [_message(one) for one in messages[:_MOST_LINES]]
    if len(messages) > _MOST_LINES:
        told.append(f"... and {len(messages) - _MOST_LINES} more.")
    return [f"From retailers, to look at:\n{inbox}", *told] if told else []


def _message(one: FromRetailer) -> str:
    said = f"{one.ref or 'No case'}, {one_line(one.sender, 100) or 'nobody named'}: {one_line(one.why, 300)}"
    return f'{said}\n  "{one_line(one.words, 300)}"' if one.words.strip() else said


def _waiting(lines: Sequence[tuple[str, str, str, str]]) -> list[str]:
    told = [
        f"{ref} ({one_line(job, 100)})\n  {one_line(about, 300)}\n  {url}"
        for ref, job, about, url in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        told.append(f"... and {len(lines) - _MOST_LINES} more: the worklist has all of them.")
    return ["These cases wait for the team:", *told] if told else []


def _explained(lines: Sequence[tuple[str, str, str, str]], rules: str) -> list[str]:
    return [f"What J1 to J11 mean: {rules}"] if lines and rules else []
