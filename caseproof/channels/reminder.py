"""Mail that follows a notice: a reminder to the retailer in the notice's thread, and what the team is told.

A reminder holds the notice itself, so that whoever reads it needs no other mail. As in a notice, no words of ours may
read as a "yes": they come back quoted below the answer.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path

import jinja2

from caseproof.channels.mail import ascii_address, named_address
from caseproof.domain.errors import BadInput

_TEMPLATES = Path(__file__).with_name("templates")
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], None)
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
    subject = _line(str(first["Subject"] or "Your job"), 300)
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["Message-ID"] = message_id
    message["In-Reply-To"] = thread
    message["References"] = thread
    message["Date"] = date.astimezone(UTC)
    message["From"] = _address(sender)
    message["To"] = [_address(one) for one in recipients]
    message["Reply-To"] = _address(reply_to)
    # Mail programs keep a thread together only under the same subject.
    message["Subject"] = f"Re: {subject}"
    message["Auto-Submitted"] = "auto-generated"
    words = _words(first, facts, subject)
    message.set_content(_render("reminder.txt.j2", words, html=False), cte="quoted-printable")
    message.add_alternative(_render("reminder.html.j2", words, html=True), subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    if subject.isascii():
        message.policy = message.policy.clone(max_line_length=900)
    return message


def _words(first: EmailMessage, facts: ReminderFacts, subject: str) -> dict[str, object]:
    names = [name for name in (_line(one, 60) for one in facts.contact_names) if name]
    body = first.get_body(("plain",))
    told = facts.told_at.astimezone(UTC)
    return {
        "title": subject,
        "greeting": f"Hello {' and '.join([', '.join(names[:-1]), names[-1]] if names[1:] else names)}," if names else
        "Hello,",
        "told_on": f"{told.day} {told:%B %Y}",
        "jobs": [_line(job, 200) for job in facts.jobs],
        "stopped": facts.stopped,
        "last": facts.last,
        "notice": [_line(line, 2000) for line in (body.get_content() if body else "").strip().splitlines()],
    }  # fmt: skip


def _render(template: str, words: dict[str, object], *, html: bool) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(["j2"] if html else []),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template(template).render(**words)
    return text if html else re.sub(r"\n{4,}", "\n\n\n", text)


def _line(text: str, longest: int) -> str:
    """Text on one line: no control characters, no direction tricks, and not too long."""
    whole = text[: longest * 4].encode("utf-8", "replace").decode("utf-8").translate(_BIDI)
    tidy = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in whole).split())
    return tidy if len(tidy) <= longest else f"{tidy[: longest - 1].rstrip()}\u2026"


def _address(text: str) -> Address:
    name, given = named_address(text)
    address = ascii_address(given)
    if not address.isascii():
        raise BadInput(
            "Many mail servers cannot carry an address whose name is not ASCII.",
            "Ask for another address of plain letters, and put that one in its place.",
        )
    return Address(display_name=_line(name, 80), addr_spec=address)


def team_mail(
    lines: Sequence[tuple[str, str, str, str]], *, sender: str, to: str, date: datetime, board: str = ""
) -> EmailMessage:
    """What the team is told: a line a case (reference, job, what it waits for, link), in one mail of plain text."""
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["Date"] = date.astimezone(UTC)
    message["From"] = _address(sender)
    message["To"] = [_address(to)]
    many = f"{len(lines)} cases need you" if len(lines) > 1 else f"{lines[0][0]} needs you"
    message["Subject"] = f"Caseproof: {many}"
    message["Auto-Submitted"] = "auto-generated"
    told = [
        f"{ref} ({_line(job, 100)})\n  {_line(about, 300)}\n  {url}" for ref, job, about, url in lines[:_MOST_LINES]
    ]
    if len(lines) > _MOST_LINES:
        told.append(f"... and {len(lines) - _MOST_LINES} more: the board in the Prefect UI has all of them.")
    parts = ["These cases wait for the team:", *told, board, "This mail was written by a program."]
    message.set_content("\n\n".join(part for part in parts if part), cte="quoted-printable")
    return message
