"""What a report about a mail says in fields (RFC 3464, RFC 6533): which recipient, what became of it, and why.

The fields stand in a part of their own, which some servers send as plain text, encoded, or under the name that it has
where addresses may be UTF-8. What they say is read the same way from all of these.
"""

from __future__ import annotations

import base64
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum

from caseproof.channels.inbound.mail_headers import addresses, clean

STATUS_PARTS = ("message/delivery-status", "message/global-delivery-status")
_ARRIVED = ("delivered", "relayed", "expanded")
_FIELD = re.compile(
    r"^[ \t>]{0,8}((?:original|x-actual|final)-recipient|action|status|diagnostic-code)[ \t]{0,5}:(.*)$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+")
_UTF8 = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")  # how RFC 6533 writes a letter in an address that must be ASCII
_MOST = 50
_LONGEST = 2000


class Fate(StrEnum):
    """What became of a mail to one recipient. What is none of the first two is a failure: nothing else is sure."""

    ARRIVED = "arrived"
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What a report says of one recipient; ``address`` is "" where it names none that can be read."""

    address: str
    fate: Fate
    why: str


def statuses_of(message: Message, words: str) -> tuple[RecipientStatus, ...]:
    """What a report says of each recipient; ``words`` is its text, where some servers write the same fields."""
    texts = [_as_lines(part) for part in own_parts(message) if part.get_content_type() in STATUS_PARTS]
    return tuple(status for text in texts or [words] for status in _read(text))[:_MOST]


def own_parts(message: Message) -> Iterator[Message]:
    """The parts of a mail, without those of a mail that lies in it: what is said there is said of another."""
    yield message
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from own_parts(part)


def _as_lines(part: Message) -> str:
    """The fields as text, whether or not the parser knew them for such."""
    inside = part.get_payload()
    if isinstance(inside, list):
        text = "\n\n".join(_plainly(one) for one in inside[: _MOST + 1] if isinstance(one, Message))
    else:
        text = str(inside)
    content = text.encode("utf-8", "surrogateescape")
    how = str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    with suppress(ValueError):  # else it is not what it says it is, and is read as it stands
        if how == "base64":
            content = base64.b64decode(content)
        elif how == "quoted-printable":
            content = quopri.decodestring(content)
    return clean(content.decode("utf-8", "replace").replace("\r\n", "\n"))


def _plainly(block: Message) -> str:
    fields = "\n".join(f"{name}: {value}" for name, value in block.raw_items())
    body = block.get_payload(decode=True)
    if not isinstance(body, bytes) or not body.strip():
        return fields
    return f"{fields}\n\n{body.decode('utf-8', 'surrogateescape')}"


def _read(text: str) -> Iterator[RecipientStatus]:
    for block in re.split(r"\n[ \t>]*\n", text):
        fields = _fields(block)
        named = [
            fields[name] for name in ("original-recipient", "x-actual-recipient", "final-recipient") if name in fields
        ]
        if named:
            yield RecipientStatus(next((one for one in map(_address, named) if one), ""), _fate(fields), _why(fields))


def _fields(block: str) -> dict[str, str]:
    """The fields of one recipient, the first of each name; a line that goes on is joined to the one above."""
    found: dict[str, str] = {}
    last = ""
    for line in block.split("\n"):
        field = _FIELD.match(line[:_LONGEST])
        if field:
            name = field[1].lower()
            last = "" if name in found else name
            found.setdefault(name, field[2].strip())
        elif last and line[:1] in (" ", "\t"):
            found[last] = f"{found[last]} {line.strip()}"[:_LONGEST]
        else:
            last = ""
    return found


def _address(value: str) -> str:
    """``rfc822; shop@example.org`` -> ``shop@example.org``; "" where it is no address."""
    _, mark, behind = value.partition(";")
    return next(iter(addresses(_UTF8.sub(_letter, behind if mark else value)).values()), "")


def _letter(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _fate(fields: dict[str, str]) -> Fate:
    action = _WORD.match(fields.get("action", "").lower())
    if action is None:  # mandatory, and missing all the same: the status tells the three apart, too
        return {"2": Fate.ARRIVED, "4": Fate.DELAYED}.get(fields.get("status", "")[:1], Fate.FAILED)
    if action[0] in _ARRIVED:
        return Fate.ARRIVED
    return Fate.DELAYED if action[0] == "delayed" else Fate.FAILED


def _why(fields: dict[str, str]) -> str:
    for name in ("diagnostic-code", "status"):
        said = " ".join(fields.get(name, "").split())
        if said:
            return said.partition(";")[2].strip()[:300] or said[:300]
    return ""
