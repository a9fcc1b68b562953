"""Mail that follows a notice: a reminder to the retailer in the notice's thread, and what the team is told.

A reminder holds the notice itself, so that whoever reads it needs no other mail. As in a notice, no words of ours may
read as a "yes": they come back quoted below the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from caseproof.channels.composing import HTML, TEXT, greeting, message_of, one_line, tidy_text
from caseproof.domain.errors import BadInput

_MOST_LINES = 100
"""How many cases a mail to the team names; the board has all."""


@dataclass(frozen=True, slots=True)
class ReminderFacts:
    """What a reminder tells. ``jobs`` are lines of text, a case each; ``told_at`` is when the notice left.

    ``number`` counts from 1; ``last``: no other follows.
    """

    contact_names: tuple[str, ...]
    jobs: tuple[str, ...]
    told_at: datetime
    stopped: bool
    number: int
    last: bool


def reminder_id(notice_id: str, number: int) -> str:
    """The Message-ID of a notice's n-th reminder: always the same, so that a repeat counts once."""
    head, _, domain = notice_id.strip("<>").rpartition("@")
    if not head or not domain:
        raise BadInput(f"{notice_id!r} is not a Message-ID.", "Give the notice's own.")
    return f"<{head}.reminder-{number}@{domain}>"


def compose_reminder(
    notice: bytes,
    facts: ReminderFacts,
    *,
    sender: str,
    reply_to: str,
    recipients: Sequence[str],
    message_id: str,
    date: datetime,
) -> EmailMessage:
    """The reminder as a message of text and HTML; the same arguments give the same bytes (CRLF lines).

    ``notice`` is the mail it follows, as it was sent. Raises BadInput for what is no mail or no address.
    """
    first = message_from_bytes(notice, policy=default)
    thread = str(first["Message-ID"] or "").strip()
    if not thread:
        raise BadInput("The notice has no Message-ID, so nothing can follow it.", "Restore the evidence from a backup.")
    if not recipients:
        raise BadInput("The reminder has no recipient.", "Add a contact for this retailer.")
    subject = one_line(str(first["Subject"] or "Your job"), 300)
    words = _words(first, facts, subject)
    return message_of(
        sender=sender, recipients=recipients, date=date, message_id=message_id, reply_to=reply_to, follows=thread,
        subject=f"Re: {subject}",  # mail programs keep a thread together only under the same subject
        text=tidy_text(TEXT.get_template("reminder.txt.j2").render(**words)),
        html=HTML.get_template("reminder.html.j2").render(**words),
    )  # fmt: skip


def _words(first: EmailMessage, facts: ReminderFacts, subject: str) -> dict[str, object]:
    body = first.get_body(("plain",))
    told = facts.told_at.astimezone(UTC)
    return {
        "title": subject,
        "greeting": greeting(facts.contact_names),
        "told_on": f"{told.day} {told:%B %Y}",
        "jobs": [one_line(job, 200) for job in facts.jobs],
        "stopped": facts.stopped,
        "last": facts.last,
        "notice": [one_line(line, 2000) for line in (body.get_content() if body else "").strip().splitlines()],
    }  # fmt: skip


def team_mail(
    lines: Sequence[tuple[str, str, str, str]], *, sender: str, to: str, date: datetime, board: str = ""
) -> EmailMessage:
    """What the team is told: a line a case (reference, job, what it waits for, link), in one mail of plain text."""
    many = f"{len(lines)} cases need you" if len(lines) > 1 else f"{lines[0][0]} needs you"
    told = [
        f"{ref} ({one_line(job, 100)})\n  {one_line(about, 300)}\n  {url}"
        for ref, job, about, url in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        told.append(f"... and {len(lines) - _MOST_LINES} more: the board in the Prefect UI has all of them.")
    parts = ["These cases wait for the team:", *told, board, "This mail was written by a program."]
    text = "\n\n".join(part for part in parts if part)
    return message_of(sender=sender, recipients=[to], subject=f"Caseproof: {many}", text=text, date=date)
