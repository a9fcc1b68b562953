"""The headers of a mail as plain text, whoever wrote them: unfolded, bounded, and never trusted.

Everything here takes time in proportion to what it reads, so that a header of a megabyte does no harm.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from caseproof.config.mail_address import comparable

LONGEST = 16_000
"""How many characters of one header are read."""

MOST = 100
"""How many headers of one name are read, and how many addresses or Message-IDs."""

_NO_ATOM = r'\s<>@",;:()\[\]\\'
# Only at the start of an atom, and possessive: a long run without an @ is looked at once.
_ADDRESS = re.compile(rf"(?<![^{_NO_ATOM}])[^{_NO_ATOM}]++@[^{_NO_ATOM}]++")
# A quote that is never closed hides the rest: it names nobody.
_ENCODED_OR_QUOTED = re.compile(r'=\?[^?\s]+\?[bBqQ]\?[^?\s]*\?=|"(?:[^"\\]|\\.)*+(?:"|\\?$)', re.DOTALL)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
# No mail is written in these, and some of them take time that grows with the square of the text.
_NO_CHARSETS = {"punycode", "idna", "undefined", "unicode_escape", "raw_unicode_escape", "unicode-escape"}

# What is called so is Windows' own, as browsers read it: else the apostrophe of "haven't" is a control character.
_REALLY = {"iso8859-1": "cp1252"}
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")  # ends of lines and tabs stay


class Headers:
    """The headers of one message, top first, with lower-case names."""

    def __init__(self, message: Message) -> None:
        self.items = [(name.lower(), _plain(value)) for name, value in message.raw_items()]
        self._named: dict[str, list[str]] = {}
        for name, value in self.items:
            named = self._named.setdefault(name, [])
            if len(named) < MOST:
                named.append(value)

    def all(self, name: str) -> list[str]:
        return self._named.get(name.lower(), [])

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")


def _plain(value: object) -> str:
    """A header's text on one line; bytes outside ASCII are read as UTF-8."""
    text = str(value)[:LONGEST]
    if not text.isascii():
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return clean(" ".join(text.split()))


def addresses(text: str) -> dict[str, str]:
    """The addresses in a text outside quotes and encoded words: what they compare as -> as they are spelt."""
    if len(text) >= LONGEST - 1:  # cut somewhere: the last one may be half an address
        text = text.rpartition(",")[0]
    plain = _ENCODED_OR_QUOTED.sub(" ", text)
    found: dict[str, str] = {}
    for match in _ADDRESS.finditer(plain):
        found[comparable(match[0])] = match[0]
        if len(found) >= MOST:
            break
    return found


def message_ids(values: Iterable[str]) -> list[str]:
    """The Message-IDs in header values, with their brackets, in their order."""
    return [match for value in values for match in _MESSAGE_ID.findall(value)]


def decoded(text: str) -> str:
    """A header with its encoded words decoded; what cannot be decoded stays readable as far as it is."""
    text = text[:2000]
    try:
        pieces = decode_header(text)
    except (HeaderParseError, ValueError):
        return text
    words = "".join(p if isinstance(p, str) else as_text(p, charset) for p, charset in pieces)
    return " ".join(words.split())


def as_text(content: bytes, charset: str | None) -> str:
    """Bytes as text; a missing or unknown charset is tried as UTF-8, and what is broken is replaced.

    Who says ASCII and writes more than that means UTF-8, too.
    """
    try:
        name = codecs.lookup(charset or "utf-8").name
        name = "utf-8" if name in _NO_CHARSETS or name == "ascii" else _REALLY.get(name, name)
        text = content.decode(name, "replace")
    except (LookupError, ValueError):
        text = content.decode("utf-8", "replace")
    return clean(text)


def clean(text: str) -> str:
    """A text that every database takes, and that does nothing to a terminal: no half or control characters."""
    text = _CONTROLS.sub("\ufffd", text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def date_of(text: str) -> datetime | None:
    """The moment a Date header names (aware, UTC), or None."""
    try:
        date = parsedate_to_datetime(text[:200])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
