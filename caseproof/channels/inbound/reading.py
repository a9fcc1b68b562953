"""Reads a mail as it came from outside. Nothing in it is trusted, and nothing in it can make the reading fail.

What the mail says about itself is told apart: who wrote it and whether our own server vouches for that
(`authenticity`), whether a program wrote it (`automatic`), whether it is a returned mail (`bounces`), and which of
its words are the writer's own (`own_words`). What these words mean is for `meaning`. Attachments are never opened.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message

from caseproof.channels.inbound.authenticity import Genuine, genuine_of
from caseproof.channels.inbound.automatic import automatic_by_headers, automatic_by_words
from caseproof.channels.inbound.bounces import Bounce, bounce_of
from caseproof.channels.inbound.html_words import LARGEST as LARGEST_HTML
from caseproof.channels.inbound.html_words import html_as_text
from caseproof.channels.inbound.mail_headers import (
    LONGEST,
    MOST,
    Headers,
    addresses,
    as_text,
    date_of,
    decoded,
    message_ids,
)
from caseproof.channels.inbound.meaning import Meaning, meaning_of
from caseproof.channels.inbound.own_words import CUT, told_apart
from caseproof.config.mail_address import domain_of
from caseproof.domain.errors import BadInput

__all__ = [
    "LARGEST", "MOST_WORDS", "Bounce", "Genuine", "Mail", "UnreadableMail", "headers_of", "read_mail", "recipients_of",
    "refuse_other_files",
]  # fmt: skip

LARGEST = 25 * 1024 * 1024
"""The largest message that is read, in bytes."""

MOST_WORDS = 200_000
"""How many characters of text are read; CUT stands behind them."""

_DEEPEST = 30
_MOST_PARTS = 300
_MOST_WORK = 5_000_000  # lines times nested parts: what the parser's time grows with
_LONGEST_MIME_HEADER = 10_000  # its parameters are parsed in time that grows with the square
_LONGEST_HEAD = 1024 * 1024
_NESTING = (b"multipart/", b"message/")
_MIME_HEADER = re.compile(rb"(?<![^\r\n])content-[^\r\n]*+(?:[\r\n]++[ \t][^\r\n]*+)*+")
_RECIPIENTS = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc")
_LOOK = "Open the message as it was kept, or ask its sender to write again in plain words."


class UnreadableMail(BadInput):
    """The bytes are no mail that could be read."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it was read.

    ``sender_address``: as spelt in From; empty where From does not name exactly one. ``date``: aware, UTC.
    ``message_id``: with its brackets, or empty. ``words``: the text, verbatim and with its quotes (HTML alone is
    turned into text). ``own_words``: the lines of it that the writer wrote, verbatim; empty where there are none.
    ``doubtful_words``: the lines of which nobody can tell who wrote them.
    ``recipients``: addresses, those of the envelope first. ``references``: Message-IDs with their brackets, that of
    In-Reply-To first, then the newest. ``genuine``: whether our own server vouches for the sender. ``automatic``: why
    a program wrote this, or empty. ``bounce``: a report about an undelivered mail, or None.
    """

    sender_address: str
    sender_name: str
    subject: str
    date: datetime | None
    message_id: str
    words: str
    own_words: str
    doubtful_words: str
    recipients: tuple[str, ...]
    references: tuple[str, ...]
    genuine: Genuine
    automatic: str
    bounce: Bounce | None

    @property
    def meaning(self) -> Meaning:
        """What its words mean. Beside words of which nobody knows whose they are, nothing is clear."""
        meaning = meaning_of(self.own_words)
        clear = meaning in (Meaning.CHANGED, Meaning.REMOVE)
        return Meaning.UNCLEAR if clear and self.doubtful_words.strip() else meaning


def read_mail(raw: bytes, *, authserv: str = "") -> Mail:
    """Read a raw message (RFC 5322 bytes). ``authserv``: the name by which our own mail server signs its findings.

    Raises Unreadable, and nothing else, for what is no mail or cannot be read with bounded work.
    """
    refuse_other_files(raw)
    try:
        return _read(_without_nul(raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")), authserv)
    except UnreadableMail:
        raise
    except Exception as error:  # a stranger's bytes must never stop the inbox, whatever a parser stumbles over
        raise UnreadableMail(
            f"The message is broken in a way that cannot be read ({type(error).__name__}).", _LOOK
        ) from error


def recipients_of(raw: bytes) -> tuple[str, ...]:
    """The addresses that a mail was sent to, as ``Mail.recipients`` has them; none of what has no headers."""
    return _recipients(Headers(message_from_bytes(_without_nul(headers_of(raw)))))


def headers_of(raw: bytes) -> bytes:
    """The headers of a mail with the empty line below them, or as much as is taken for such of what is no mail."""
    head = re.split(rb"\n\r?\n", raw[:_LONGEST_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"), maxsplit=1)[0]
    return head + b"\n\n"


def _read(raw: bytes, authserv: str) -> Mail:
    message = message_from_bytes(raw)
    if not message.keys():
        raise UnreadableMail("The message is not a mail: it has no headers.", _LOOK)
    headers = Headers(message)
    address, name = _sender(headers)
    subject = decoded(headers.first("Subject"))
    words = _limited(_words(message, _Parts()).strip("\r\n"))
    told = told_apart(words)
    return Mail(
        sender_address=address,
        sender_name=name,
        subject=subject,
        date=date_of(headers.first("Date")),
        message_id=_message_id(headers),
        words=words,
        own_words=told.own,
        doubtful_words=told.doubt,
        recipients=_recipients(headers),
        references=_references(headers),
        genuine=genuine_of(headers.items, domain_of(address) if address else "", authserv),
        automatic=automatic_by_headers(headers, message.get_content_type()) or automatic_by_words(subject, told.own),
        bounce=bounce_of(message, headers, raw, address, subject, words),
    )


def _without_nul(raw: bytes) -> bytes:
    """The mail with another byte for each NUL, which no mail may have and some have all the same.

    Nothing is taken out: a header that another server did not know for our own must not become one here. In the text
    it is a letter that is lost, and such words are read by a person.
    """
    if b"\0" not in raw:
        return raw
    head, blank, body = re.split(rb"(\n\r?\n|\Z)", raw, maxsplit=1)
    return head.replace(b"\0", b"?") + blank + body.replace(b"\0", b"\x1a")


def refuse_other_files(raw: bytes) -> None:
    """Refuse what is no mail, or could not be read with bounded work; this takes little. Raises UnreadableMail."""
    if not raw.strip():
        raise UnreadableMail("The message is empty.", _LOOK)
    if len(raw) > LARGEST:
        raise UnreadableMail(f"The message has {len(raw) / 1024 / 1024:.0f} MB; more than 25 MB are not read.", _LOOK)
    if raw.startswith(b"PK\x03\x04"):
        raise UnreadableMail("This is a Word document or an archive, not a mail.", _LOOK)
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableMail("This is an Outlook .msg (or an old Office) file, which cannot be read.", _LOOK)
    if raw.count(b"\0") * 8 > len(raw):
        raise UnreadableMail("This is not a mail but a binary file.", _LOOK)
    if len(raw) <= _LONGEST_MIME_HEADER:
        return  # too small to take long
    lower = raw.lower()  # and plain searches in it: a large file is passed over fifty times as fast as by an expression
    nested = sum(lower.count(kind) for kind in _NESTING)
    if nested > _MOST_PARTS or max(nested, 1) * (raw.count(b"\n") + raw.count(b"\r")) > _MOST_WORK:
        raise UnreadableMail("The message has too many parts or too many lines.", _LOOK)
    if _longest_mime_header(lower) > _LONGEST_MIME_HEADER:
        raise UnreadableMail("The message describes its parts in a header that is too long.", _LOOK)


def _longest_mime_header(lower: bytes) -> int:
    longest, at = 0, lower.find(b"content-")
    while at >= 0:
        found = _MIME_HEADER.match(lower, at)
        longest = max(longest, len(found[0]) if found else 0)
        at = lower.find(b"content-", found.end() if found else at + 1)
    return longest


def _sender(headers: Headers) -> tuple[str, str]:
    """The one address of the From header, as it is spelt there, and its display name."""
    senders = headers.all("From")
    found = {key: address for header in senders for key, address in addresses(header).items()}
    if len(senders) != 1 or len(found) != 1 or len(senders[0]) >= LONGEST - 1:
        return "", ""
    [address] = found.values()
    before = senders[0].partition("<")[0] if "<" in senders[0] else ""
    return address, decoded(before).strip('" ').replace('\\"', '"')


def _message_id(headers: Headers) -> str:
    value = headers.first("Message-ID")
    return next(iter(message_ids([value])), value[:250])


def _recipients(headers: Headers) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in _RECIPIENTS:
        for header in headers.all(name):
            if len(found) < MOST:
                found = {**found, **{key: address for key, address in addresses(header).items() if key not in found}}
    return tuple(found.values())[:MOST]


def _references(headers: Headers) -> tuple[str, ...]:
    newest_first = message_ids(headers.all("In-Reply-To")) + message_ids(headers.all("References"))[::-1]
    return tuple(dict.fromkeys(newest_first))[:MOST]


@dataclass(slots=True)
class _Parts:
    """How many parts were looked at, and how many characters of HTML were in them."""

    seen: int = 0
    html: int = 0


def _words(part: Message, parts: _Parts, depth: int = 0) -> str:
    """The words of a part: its inline texts, of alternatives the plain one; never an attached mail's."""
    parts.seen += 1
    if depth > _DEEPEST or parts.seen > _MOST_PARTS:
        raise UnreadableMail("The message has too many parts, one within another.", _LOOK)
    kind = part.get_content_type()
    if part.is_multipart():
        if part.get_content_maintype() != "multipart":
            return ""
        children = [child for child in part.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            plain_first = sorted(children, key=lambda child: child.get_content_type() != "text/plain")
            texts = (_words(child, parts, depth + 1) for child in plain_first)
            return next((words for words in texts if words.strip()), "")
        return "\n".join(words for child in children if (words := _words(child, parts, depth + 1)).strip())
    if kind not in ("text/plain", "text/html") or part.get_content_disposition() == "attachment" or part.get_filename():
        return ""
    content = part.get_payload(decode=True)
    text = as_text(content, part.get_content_charset()) if isinstance(content, bytes) else ""
    if kind == "text/html":
        left = max(LARGEST_HTML - parts.html, 0)  # of all parts together: a mail may have hundreds
        parts.html += len(text)
        return html_as_text(text[:left]) + (f"\n{CUT}" if len(text) > left else "")
    return text.replace("\r\n", "\n")


def _limited(words: str) -> str:
    return words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]}\n{CUT}"
