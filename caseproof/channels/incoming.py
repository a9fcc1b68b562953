"""Reads what an operator gives as a retailer's message: a raw mail, as saved by a mail program (.eml).

It never trusts the message: several senders, a file that is no mail, or no words at all are refused with the
next action; whether a program wrote it is told, so that an out-of-office reply never counts as a word (J8).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

from caseproof.domain.errors import BadInput

LARGEST = 25 * 1024 * 1024
"""The largest message that is read, in bytes."""

_SAVE_AS = "Save the original message in the mail program as a file of type .eml, and give that."
_ATOM = r'[^\s<>@",;:()\[\]\\]+'
_ADDRESS = re.compile(rf"{_ATOM}@{_ATOM}")
_ENCODED_OR_QUOTED = re.compile(r'=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=|"(?:[^"\\]|\\.)*"')
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_BULK = {"bulk", "junk", "list", "auto_reply"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as it was read.

    ``words``: the text, verbatim and with its quotes (HTML alone is turned into text). ``date``: aware, UTC;
    None where the message has none. ``message_id``: with its brackets, or empty. ``automatic``: why this is a
    program's message and not a person's, or None.
    """

    sender_address: str
    sender_name: str
    subject: str
    date: datetime | None
    words: str
    message_id: str
    automatic: str | None


def read_message(raw: bytes) -> Incoming:
    """Read a raw message. Raises BadInput for what is not one message of one sender with words in it."""
    _refuse_other_files(raw)
    message = message_from_bytes(raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"))
    address, name = _sender(message)
    words = _words(message).strip("\r\n")
    if not words.strip():
        raise BadInput(
            "The message has no words in it, only pictures, files or nothing.",
            "Ask the retailer to answer in words, and give that answer.",
        )
    return Incoming(
        sender_address=address,
        sender_name=name,
        subject=_one_line(_decoded(_first(message, "Subject"))),
        date=_date(_first(message, "Date")),
        words=words,
        message_id=_first(message, "Message-ID"),
        automatic=_automatic(message),
    )


def same_address(a: str, b: str) -> bool:
    """Whether two texts hold the same mail address; display names, brackets and A-Z/a-z do not matter.

    Letters outside ASCII must be the same ones: a look-alike is another address. Empty texts never match.
    """
    one, other = _addresses(a), _addresses(b)
    return len(one) == len(other) == 1 and set(one) == set(other)


def _refuse_other_files(raw: bytes) -> None:
    if not raw.strip():
        raise BadInput("The message is empty.", _SAVE_AS)
    if len(raw) > LARGEST:
        raise BadInput(
            f"The message has {len(raw) / 1024 / 1024:.0f} MB; more than 25 MB are not read.",
            "Save it without its attachments, and give that.",
        )
    if raw.startswith(b"PK\x03\x04"):
        raise BadInput("This is a Word document or an archive, not a mail.", _SAVE_AS)
    if raw.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadInput("This is an Outlook .msg (or an old Office) file, which cannot be read.", _SAVE_AS)
    if b"\x00" in raw:
        raise BadInput("This is not a mail but a binary file.", _SAVE_AS)


def _sender(message: Message) -> tuple[str, str]:
    """The one address of the From header, as it is spelt there, and its display name."""
    headers = _all(message, "From")
    if not headers:
        what = "names no sender (no From header)" if message.keys() else "is not a mail: it has no headers"
        raise BadInput(f"The message {what}.", _SAVE_AS)
    found = {key: address for header in headers for key, address in _addresses(header).items()}
    if len(headers) > 1 or len(found) > 1:
        raise BadInput(
            "The message names several senders, so nobody can tell whose word it is.",
            "Ask the retailer to answer again from one address.",
        )
    if not found:
        raise BadInput("The message's sender is not a mail address.", _SAVE_AS)
    [address] = found.values()
    before = headers[0].partition("<")[0] if "<" in headers[0] else ""
    name = _one_line(_decoded(before)).strip('" ').replace('\\"', '"')
    return address, name


def _addresses(text: str) -> dict[str, str]:
    """The addresses in a text outside quotes and encoded words: what they compare as -> as they are spelt."""
    plain = _ENCODED_OR_QUOTED.sub(" ", text)
    return {_comparable(address): address for address in _ADDRESS.findall(plain)}


def _comparable(address: str) -> str:
    local, _, domain = address.translate(_LOWER).rpartition("@")
    if not domain.isascii():
        with suppress(UnicodeError):  # no domain can be so; it equals only itself
            domain = domain.encode("idna").decode("ascii")
    return f"{local}@{domain}"


def _all(message: Message, name: str) -> list[str]:
    """All headers of a name as plain text, unfolded; bytes outside ASCII are read as UTF-8."""
    found = [value for key, value in message.raw_items() if key.lower() == name.lower()]
    return [
        " ".join(str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace").split()) for value in found
    ]


def _first(message: Message, name: str) -> str:
    return next(iter(_all(message, name)), "")


def _decoded(text: str) -> str:
    """A header with its encoded words decoded; what cannot be decoded stays readable as far as it is."""
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    return "".join(p if isinstance(p, str) else _text(p, charset) for p, charset in pieces)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _text(content: bytes, charset: str | None) -> str:
    """Bytes as text; a missing or unknown charset is tried as UTF-8, and what is broken is replaced."""
    try:
        return content.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _automatic(message: Message) -> str | None:
    """Why a program wrote this, by what standards and mail servers put into headers, or None."""
    submitted = _first(message, "Auto-Submitted")
    if submitted and re.split(r"[;\s(]", submitted.lower())[0] != "no":
        return f"Auto-Submitted: {submitted}"
    if any(path.replace(" ", "") == "<>" for path in _all(message, "Return-Path")):
        return "Return-Path: <> (sent by a mail server)"
    if message.get_content_type() == "multipart/report":
        return "Content-Type: multipart/report (a delivery report)"
    for precedence in _all(message, "Precedence"):
        if precedence.lower() in _BULK:
            return f"Precedence: {precedence}"
    for name in ("X-Autoreply", "X-Autorespond", "List-Id"):
        if (value := _first(message, name)) and value.lower() != "no":
            return f"{name}: {value}"
    return None


def _words(part: Message) -> str:
    """The words of a part: its inline texts, of alternatives the plain one; never an attached mail's."""
    kind = part.get_content_type()
    if part.is_multipart():
        if part.get_content_maintype() != "multipart":
            return ""
        children = [child for child in part.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            plain_first = sorted(children, key=lambda child: child.get_content_type() != "text/plain")
            return next((words for child in plain_first if (words := _words(child)).strip()), "")
        return "\n".join(words for child in children if (words := _words(child)).strip())
    if kind not in ("text/plain", "text/html") or part.get_content_disposition() == "attachment":
        return ""
    content = part.get_payload(decode=True)
    text = _text(content, part.get_content_charset()) if isinstance(content, bytes) else ""
    return _html_as_text(text) if kind == "text/html" else text.replace("\r\n", "\n")


def _html_as_text(html: str) -> str:
    reader = _HtmlWords()
    reader.feed(html)
    reader.close()
    return reader.text()


class _HtmlWords(HTMLParser):
    """Turns HTML into text: a line a block, list items with a dash, quoted blocks with "> "."""

    # fmt: off
    _BLOCKS = frozenset({
        "address", "article", "blockquote", "div", "dl", "dd", "dt", "h1", "h2",
        "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "table", "tr", "ul",
    })
    # fmt: on
    _SILENT = frozenset({"head", "script", "style", "title", "template"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[tuple[int, str]] = []
        self._now = ""
        self._silent = 0
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in self._SILENT:
            self._silent += 1
        elif tag == "body":
            self._silent = 0  # a head that was never closed hides nothing
        elif tag == "br" or tag in self._BLOCKS:
            self._end_line(keep_empty=tag == "br")
        if tag == "blockquote":
            self._depth += 1
        elif tag == "li":
            self._now = "- "
        elif tag == "td" and self._now:
            self._now += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in self._SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in self._BLOCKS:
            self._end_line()
        if tag == "blockquote":
            self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._now += re.sub(r"\s+", " ", data)

    def _end_line(self, *, keep_empty: bool = False) -> None:
        line = _one_line(self._now)
        if line or keep_empty:
            self._lines.append((self._depth, line))
        self._now = ""

    def text(self) -> str:
        self._end_line()
        return "\n".join(f"{'> ' * depth}{line}" for depth, line in self._lines)
