"""What a mail server returned: which addresses a mail did not reach, and which mail that was.

A report that is not recognised is a letter that nobody knows to be lost, and one that is recognised wrongly only costs
a look. So whatever a mail server sends is a report, unless it says that all arrived; of what others send, what says so
in words is one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any

from flufl.bounce import all_failures

from caseproof.channels.inbound.automatic import automatic_by_words
from caseproof.channels.inbound.delivery_status import STATUS_PARTS, Fate, RecipientStatus, own_parts, statuses_of
from caseproof.channels.inbound.mail_habits import any_of
from caseproof.channels.inbound.mail_headers import Headers, addresses, clean, message_ids
from caseproof.config.mail_address import comparable

_SERVERS = re.compile(
    r"(?<![a-z\d])(?:mail(?:er)?[-_. ]?daemon|mdaemon|post[-_.]?master|mail delivery (?:sub)?system)(?![a-z\d])",
    re.IGNORECASE,
)
_NO_REPLY = re.compile(r"^(?:no|do[-_.]?not|dont)[-_.]?reply(?:$|[-_.+@\d])", re.IGNORECASE)
_RETURNED = re.compile(any_of("returned", verbatim=False))
# Dovecot, Sieve and Sendmail say behind the word what kind of automatic mail it is.
_SUBMITTED = re.compile(r"\((?:\w+[\s-])?(?:rejected|failure|failed|refused|bounced?)\b", re.IGNORECASE)
_HANDED_ON = re.compile(r"^\s{0,5}(?:fwd?|wg|tr|rv|i|vs|doorst)\s{0,3}:", re.IGNORECASE)
_HEADER = (
    r"[ \t>]{0,10}(?:received|from|to|cc|subject|date|return-path|mime-version|reply-to|x-[\w-]{1,60})[ \t]{0,3}:.*"
)
# Where a report goes over into the mail that it returns: two headers in a row, or its Message-ID.
_RETURNED_MAIL = re.compile(rf"^(?:{_HEADER}\n{_HEADER}|[ \t>]{{0,10}}message-id:)", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID_LINE = re.compile(r"^[>\s]{0,10}Message-ID:\s{0,5}(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_TO_LINE = re.compile(r"^[>\s]{0,10}(?:RCPT )?To:(.{1,1000})", re.IGNORECASE | re.MULTILINE)
_LETTERS = ("message/rfc822", "message/global")
_HEADERS_ALONE = ("text/rfc822-headers", "message/global-headers")
_LOOKED_AT = 256 * 1024
"""How many bytes are looked at: reports are short and stand before the returned mail."""
_WORDS = 6_000
_MOST = 50

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each detector's name, and what they stumble over


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail server's report about a mail that it could not deliver.

    ``failed``: addresses that will not get it; ``delayed``: addresses that it is still tried for; ``about``: the
    Message-IDs of the returned mail, with their brackets; ``why``: what the server said, on one line. Where neither
    names anybody, the mail that it is about was not delivered to whomever it was for.
    """

    failed: tuple[str, ...]
    delayed: tuple[str, ...]
    about: tuple[str, ...]
    why: str


def bounce_of(message: Message, headers: Headers, raw: bytes, sender: str, subject: str, words: str) -> Bounce | None:
    """The report that a message is, or None where it is none: an out-of-office reply or a read receipt is none.

    ``words``: its text. Whether a stranger made it up cannot be seen here: only what it is about can tell.
    """
    # The usual answer of a person, which most mails are, is passed by before anything is searched.
    if _report_type(message) not in ("", "delivery-status") and not _is_rejected(headers):
        return None  # it tells that a mail was read, or that somebody complains
    surely = _is_report(message, headers)
    suspect = surely or _is_a_programs(headers, sender)
    if not suspect and _is_answer(headers, subject):
        return None
    said, letter = _parted(words[:_WORDS])
    in_subject, in_words = (_RETURNED.search(text.casefold()) is not None for text in (subject, said))
    told = in_subject or in_words
    if not suspect and not told:
        return None
    message = message_from_bytes(raw[:_LOOKED_AT]) if len(raw) > _LOOKED_AT else message
    statuses = statuses_of(message, said)
    if statuses and all(one.fate is Fate.ARRIVED for one in statuses):
        return None  # it was delivered, or handed on
    late, lost = _by_library(message)
    tells_so = _tells_so(headers, sender, subject, said, told=told) if suspect else in_subject and in_words
    if not (surely or late or lost or tells_so):
        return None
    delayed = _readable(late) | _addresses_of(statuses, Fate.DELAYED)
    failed = _readable(lost) | _addresses_of(statuses, Fate.FAILED)
    failed |= set(addresses(headers.first("X-Failed-Recipients")).values())
    failed -= _addresses_of(statuses, Fate.ARRIVED)
    if not failed and (lost or not delayed or any(one.fate is Fate.FAILED for one in statuses)):
        named = _named(said, headers, sender) if surely or told else set()
        failed = _returned_to(message, letter) or named or delayed
    return Bounce(
        failed=_sorted(failed),
        delayed=_sorted(delayed - failed),
        about=_about(message, raw),
        why=_why(statuses, subject),
    )


# -- whether it is one ------------------------------------------------------------------------------------------------


def _is_report(message: Message, headers: Headers) -> bool:
    """Whether it is a report whatever it says."""
    return (
        _is_rejected(headers)
        or bool(headers.first("X-Failed-Recipients"))
        or any(part.get_content_type() in ("multipart/report", *STATUS_PARTS) for part in own_parts(message))
        or any(_SERVERS.search(sender) for sender in headers.all("From"))
    )


def _is_rejected(headers: Headers) -> bool:
    return _SUBMITTED.search(headers.first("Auto-Submitted")) is not None


def _is_a_programs(headers: Headers, sender: str) -> bool:
    """Whether no person sent it: a program did, or nobody can be answered."""
    submitted = headers.first("Auto-Submitted").lower()
    by_itself = bool(submitted) and not submitted.startswith("no")
    return by_itself or _from_nobody(headers) or bool(_NO_REPLY.match(sender) or headers.first("Precedence"))


def _is_answer(headers: Headers, subject: str) -> bool:
    return bool(headers.first("In-Reply-To") or headers.first("References") or _HANDED_ON.match(subject))


def _tells_so(headers: Headers, sender: str, subject: str, said: str, *, told: bool) -> bool:
    """Whether a program's mail is a report by its words, or by who sends it where nobody is to answer."""
    unanswerable = _from_nobody(headers) and (not sender or _NO_REPLY.match(sender) is not None)
    return (told or unanswerable) and not automatic_by_words(subject, said)


def _from_nobody(headers: Headers) -> bool:
    """Whether it left without an address that an answer would go to, as reports must (RFC 5321)."""
    return any(path.replace(" ", "") in ("<>", "<MAILER-DAEMON>") for path in headers.all("Return-Path"))


def _report_type(message: Message) -> str:
    if message.get_content_type() != "multipart/report":
        return ""
    given = message.get_param("report-type", "")
    return given.lower() if isinstance(given, str) else ""


# -- who did not get it -----------------------------------------------------------------------------------------------


def _by_library(message: Message) -> tuple[set[str], set[str]]:
    """Whose mail is delayed and who will not get it; not all are addresses, and none where it cannot be read."""
    try:
        delayed, failed = all_failures(message)
    except Exception:  # its detectors stumble over reports that are made up; what they cannot read names nobody
        return set(), set()
    return _spelt(delayed), _spelt(failed)


def _spelt(found: Any) -> set[str]:
    texts = (clean(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)) for item in found)
    return {text[:500] for text in texts if text}


def _readable(found: set[str]) -> set[str]:
    return {address for text in found for address in list(addresses(text).values())[:1]}


def _addresses_of(statuses: Sequence[RecipientStatus], fate: Fate) -> set[str]:
    return {one.address for one in statuses if one.fate is fate and one.address}


def _returned_to(message: Message, letter: str) -> set[str]:
    """To whom the returned mail was addressed, by its own headers."""
    found = [text for returned in _letters(message) for text in Headers(returned).all("To")]
    if not found:
        found = [line for text in [*_header_texts(message), letter] for line in _TO_LINE.findall(text)[:1]]
    return {address for text in found[:_MOST] for address in addresses(text).values()}


def _named(said: str, headers: Headers, sender: str) -> set[str]:
    """The addresses that a report's words name, without those that it is from and to."""
    own = {comparable(sender)} if sender else set()
    for name in ("To", "Delivered-To", "X-Original-To", "From", "Reply-To", "Cc"):
        own |= {key for text in headers.all(name) for key in addresses(text)}
    found = {spelt.rstrip(".") for spelt in addresses(said).values()}  # a sentence may end with it
    return {
        spelt
        for spelt in found
        if comparable(spelt) not in own and not _SERVERS.search(spelt) and not _NO_REPLY.match(spelt)
    }


def _sorted(found: set[str]) -> tuple[str, ...]:
    return tuple(sorted({comparable(address): address for address in sorted(found)}.values()))[:_MOST]


# -- which mail it was ------------------------------------------------------------------------------------------------


def _parted(words: str) -> tuple[str, str]:
    """A report's own words, and the mail that it returns below them."""
    words = words.replace("\r\n", "\n")
    found = _RETURNED_MAIL.search(words)
    at = found.start() if found else len(words)
    return words[:at], words[at:]


def _letters(message: Message) -> list[Message]:
    """The mails that lie in a report."""
    parts = [part for part in own_parts(message) if part.get_content_type() in _LETTERS and part.is_multipart()]
    return [inside for part in parts[:5] if isinstance(inside := part.get_payload(0), Message)]


def _header_texts(message: Message) -> list[str]:
    """The headers of a returned mail, where they come alone."""
    parts = [part for part in own_parts(message) if part.get_content_type() in _HEADERS_ALONE]
    return [_text(part) for part in parts[:5]]


def _text(part: Message) -> str:
    if part.is_multipart():  # the parser takes headers for a mail
        inside = part.get_payload(0)
        return (
            "\n".join(f"{name}: {value}" for name, value in inside.raw_items()) if isinstance(inside, Message) else ""
        )
    content = part.get_payload(decode=True)
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else ""


def _about(message: Message, raw: bytes) -> tuple[str, ...]:
    """The Message-IDs of the returned mail, from its part or, in a report that is only text, from its lines."""
    ids = [one for returned in _letters(message) for one in message_ids(Headers(returned).all("Message-ID"))]
    ids += [one for text in _header_texts(message) for one in _MESSAGE_ID_LINE.findall(text)]
    if not ids:
        body = re.split(rb"\r?\n\r?\n", raw[:_LOOKED_AT], maxsplit=1)[-1]
        ids = _MESSAGE_ID_LINE.findall(body.decode("utf-8", "replace"))
    return tuple(clean(one) for one in dict.fromkeys(ids))[:_MOST]


def _why(statuses: Sequence[RecipientStatus], subject: str) -> str:
    """What the server said: the diagnosis of the first address that did not get it, else the subject."""
    found = next((one.why for one in statuses if one.why and one.fate is not Fate.ARRIVED), "")
    return found or subject[:300] or "a mail server returned it"
