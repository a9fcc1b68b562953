"""What a mail server returned: which addresses a mail did not reach, and which mail that was."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from email import message_from_bytes
from email.iterators import typed_subpart_iterator
from email.message import Message
from typing import Any, cast

from flufl.bounce import all_failures

from caseproof.channels.inbound.mail_headers import Headers, addresses, clean, message_ids
from caseproof.config.mail_address import comparable

_SERVERS = frozenset(
    {"mailer-daemon", "mailer_daemon", "mailerdaemon", "mail-daemon", "maildaemon", "mdaemon", "postmaster"}
)
_SUBJECTS = (
    "undeliver", "delivery status notification", "delivery failure", "delivery has failed", "delivery notification",
    "mail delivery failed", "mail delivery failure", "mail delivery system", "returned mail", "failure notice",
    "message delivery failure", "non delivery", "non-delivery", "warning: message", "delayed mail", "delayed:",
    "unzustellbar", "zustellung fehlgeschlagen", "zustellungsbenachrichtigung", "nicht zustellbar", "unzustellbare",
    "non remis", "échec de la remise", "no se puede entregar", "non recapitabile", "niet te bezorgen",
    "rejected:", "address not found",
)  # fmt: skip
_MESSAGE_ID_LINE = re.compile(r"^[>\s]{0,10}Message-ID:\s{0,5}(<[^<>\s]{1,250}>)", re.IGNORECASE | re.MULTILINE)
_LOOKED_AT = 256 * 1024
"""How many bytes are looked at: reports are short and stand before the returned mail."""
_MOST = 50

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each detector's name, and what they stumble over


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail server's report about a mail that it could not deliver.

    ``failed``: addresses that will not get it; ``delayed``: addresses that it is still tried for; ``about``: the
    Message-IDs of the returned mail, with their brackets; ``why``: what the server said, on one line.
    """

    failed: tuple[str, ...]
    delayed: tuple[str, ...]
    about: tuple[str, ...]
    why: str


def bounce_of(message: Message, headers: Headers, raw: bytes, sender: str, subject: str) -> Bounce | None:
    """The report that a message is, or None where it is none: an out-of-office reply or a read receipt is none.

    Whether a stranger made it up cannot be seen here: only what it is about can tell.
    """
    if not _is_report(message, headers, sender, subject):
        return None
    if len(raw) > _LOOKED_AT:
        raw = raw[:_LOOKED_AT]
        message = message_from_bytes(raw)
    delayed, failed = _failures(message)
    failed |= set(addresses(headers.first("X-Failed-Recipients")).values())
    if not failed and not delayed and _report_type(message) == "delivery-status" and _actions(message):
        return None  # it was delivered, or handed on
    return Bounce(
        failed=_sorted(failed),
        delayed=_sorted(delayed - failed),
        about=_about(message, raw),
        why=_why(message, subject),
    )


def _is_report(message: Message, headers: Headers, sender: str, subject: str) -> bool:
    if message.get_content_type() == "multipart/report":
        return _report_type(message) in ("delivery-status", "")
    if headers.first("X-Failed-Recipients"):
        return True
    if sender.partition("@")[0].lower() in _SERVERS:
        return True
    by_a_server = any(path.replace(" ", "") == "<>" for path in headers.all("Return-Path"))
    return by_a_server and subject.casefold().startswith(_SUBJECTS)


def _report_type(message: Message) -> str:
    if message.get_content_type() != "multipart/report":
        return ""
    given = message.get_param("report-type", "")
    return given.lower() if isinstance(given, str) else ""


def _failures(message: Message) -> tuple[set[str], set[str]]:
    """Delayed and failed addresses; none where the library cannot read the report."""
    try:
        delayed, failed = all_failures(message)
    except Exception:  # its detectors stumble over reports that are made up; what they cannot read names nobody
        return set(), set()
    return _spelt(delayed), _spelt(failed)


def _spelt(found: Any) -> set[str]:
    texts = (clean(item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)) for item in found)
    return {address for text in texts for address in list(addresses(text[:500]).values())[:1]}


def _sorted(found: set[str]) -> tuple[str, ...]:
    return tuple(sorted({comparable(address): address for address in sorted(found)}.values()))[:_MOST]


def _statuses(message: Message) -> list[Message]:
    """The header blocks of a report's delivery-status part."""
    blocks: list[Message] = []
    for part in cast("list[Message]", list(typed_subpart_iterator(message, "message", "delivery-status"))):
        if part.is_multipart():
            blocks.extend(block for block in part.get_payload() if isinstance(block, Message))
    return blocks[:_MOST]


def _actions(message: Message) -> bool:
    return any(block.get("Action") for block in _statuses(message))


def _about(message: Message, raw: bytes) -> tuple[str, ...]:
    """The Message-IDs of the returned mail, from its part or, in a report that is only text, from its lines."""
    ids: list[str] = []
    for kind in ("rfc822", "global"):
        for part in cast("list[Message]", list(typed_subpart_iterator(message, "message", kind)))[:5]:
            returned = part.get_payload(0) if part.is_multipart() else None
            if isinstance(returned, Message):
                ids += message_ids(Headers(returned).all("Message-ID"))
    for part in cast("list[Message]", list(typed_subpart_iterator(message, "text", "rfc822-headers")))[:5]:
        content = part.get_payload(decode=True)
        ids += _MESSAGE_ID_LINE.findall(content.decode("utf-8", "replace")) if isinstance(content, bytes) else []
    if not ids and not message.is_multipart():
        body = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[-1]
        ids = _MESSAGE_ID_LINE.findall(body.decode("utf-8", "replace"))
    return tuple(clean(one) for one in dict.fromkeys(ids))[:_MOST]


def _why(message: Message, subject: str) -> str:
    """What the server said: the diagnosis of the first address that failed, else the subject."""
    for block in _statuses(message):
        for name in ("Diagnostic-Code", "Status"):
            said = " ".join(clean(str(block.get(name, ""))).split())
            if said and str(block.get("Action", "")).strip().lower() not in ("delivered", "relayed", "expanded"):
                return said.partition(";")[2].strip()[:300] or said[:300]
    return subject[:300] or "a mail server returned it"
