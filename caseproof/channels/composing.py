"""What every mail of ours is made with: clean words, safe addresses, two renderers of the templates, one envelope."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import jinja2

from caseproof.channels.mail import ascii_address, named_address
from caseproof.domain.errors import BadInput

TEMPLATES = Path(__file__).with_name("templates")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F], None)


def one_line(text: str, longest: int) -> str:
    """Text from outside on one line: no control characters, no direction tricks, and not too long."""
    whole = text[: longest * 20].encode("utf-8", "replace").decode("utf-8").translate(_BIDI)
    clean = "".join(" " if unicodedata.category(c) == "Cc" else c for c in whole)
    tidy = " ".join(clean.split())
    return tidy if len(tidy) <= longest else f"{tidy[: longest - 1].rstrip()}\u2026"


def joined(names: Sequence[str]) -> str:
    """One name, or several as people list them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def greeting(names: Sequence[str]) -> str:
    """How a mail begins, with the names of those who get it, as far as they are known."""
    known = [name for name in (one_line(one, 60) for one in names) if name]
    return f"Hello {joined(known)}," if known else "Hello,"


def header_address(text: str) -> Address:
    """An address as it may stand in a header. Raises BadInput for one that many mail servers cannot carry."""
    name, given = named_address(text)
    address = ascii_address(given)
    if not address.isascii():
        raise BadInput(
            f"Many mail servers cannot carry the address {one_line(given, 100)}: its name is not ASCII.",
            "Ask for another address of plain letters, and put that one in its place.",
        )
    return Address(display_name=one_line(name, 80), addr_spec=address)


def _renderer(*, html: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["j2"] if html else []),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


TEXT, HTML = _renderer(html=False), _renderer(html=True)
"""Both parts of a mail come from the same words; the second escapes them."""


def tidy_text(text: str) -> str:
    """Rendered plain text without the gaps that left-out parts leave."""
    return re.sub(r"\n{4,}", "\n\n\n", text)


def message_of(
    *,
    sender: str,
    recipients: Sequence[str],
    subject: str,
    text: str,
    date: datetime,
    html: str = "",
    message_id: str = "",
    reply_to: str = "",
    follows: str = "",
) -> EmailMessage:
    """The message; the same arguments give the same bytes (CRLF lines).

    ``html`` is the same once more; ``follows`` is the Message-ID of the mail whose thread it belongs to.
    Raises BadInput for an address, a Message-ID or a time that cannot be used.
    """
    if date.tzinfo is None:
        raise BadInput("The date of the mail has no time zone.", "Pass an aware datetime.")
    for one in (message_id, follows):
        if one and not _MESSAGE_ID.fullmatch(one):
            raise BadInput(f"{one_line(one, 80)!r} is not a Message-ID.", "Make it with message_id().")
    # Seven bits and CRLF lines survive every mail server.
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    headers: dict[str, object] = {
        "Message-ID": message_id,
        "In-Reply-To": follows,
        "References": follows,
        "Date": date.astimezone(UTC),
        "From": header_address(sender),
        "To": [header_address(one) for one in recipients],
        "Reply-To": header_address(reply_to) if reply_to else "",
        "Subject": subject,
        "Auto-Submitted": "auto-generated",
    }
    for name, value in headers.items():
        if value:
            message[name] = value
    message.set_content(text, cte="quoted-printable")
    if html:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        # A boundary made by chance would make two messages out of one; "=_" never stands in quoted-printable.
        message.set_boundary(f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:32]}")
    if subject.isascii():
        # Python folds a plain subject right after "Subject:", which some programs show as a blank in front.
        message.policy = message.policy.clone(max_line_length=900)
    return message
