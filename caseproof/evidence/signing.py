"""What we sign, so that an answer finds its case and a stranger's does not: links to the page, and reply addresses.

Both are made with the key of the installation (``answer_keys``), and neither holds anything that a person could not
know: a link names the letter that it stood in, an address names the case. What is kept of a letter has the word HIDDEN
in the place of what was signed; it is put in at the moment of sending (``signed_letter``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

from itsdangerous import BadData, URLSafeSerializer

from caseproof.domain.errors import BadInput

_SIGNED_TO = re.compile(r"\+(?P<ref>[a-z]{2}-\d{6,18})-(?P<mac>[a-z2-7]{16})@", re.IGNORECASE | re.ASCII)
_SIGNED_HEADER = re.compile(rb"(\+[a-z]{2}-\d{6,18}-)[a-z2-7]{16}@")
_SIGNED_LINK = re.compile(
    r"(?P<page>https?://[^\s\"'<>]{1,500}?)/answer/(?P<token>\.?[\w-]{8,400}\.[\w-]{43})", re.ASCII
)
_LINK = "answer"
HIDDEN = "hidden"
"""What stands in a kept letter where the one that was sent has a key."""


class BadLink(BadInput):
    """The link was not made here, or somebody changed it."""


class LinkReplaced(BadLink):
    """The link was made here with a key of before, and holds no more.

    ``letter`` is the one that it stood in, ``language`` that letter's, "" where it is not known. ``newer``: whether a
    letter with a link that holds was sent since, or is about to be.
    """

    def __init__(self, letter: str, language: str = "", *, newer: bool = False) -> None:
        newest = "Open the link in our newest mail." if newer else "Answer the mail that it stood in."
        super().__init__("This link was replaced and does not work any more.", newest)
        self.letter, self.language, self.newer = letter, language, newer


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """What a link to the confirmation page says: in which letter it stood, and until when it holds (aware, UTC).

    ``letter`` is what stands before the @ of that letter's Message-ID: ``jf-000001.1.notice``.
    """

    letter: str
    expires: datetime


def answer_token(secret: bytes, letter: str, expires: datetime) -> str:
    """The last part of a link to the confirmation page; the same arguments give the same token."""
    return str(_links(secret).dumps([letter, int(expires.timestamp())]))


def read_answer_token(secret: bytes, token: str, void: Sequence[bytes] = ()) -> AnswerLink:
    """What a token says. Whether it has expired, the caller asks its clock.

    Raises BadLink; LinkReplaced for one that was signed with a key in ``void``.
    """
    try:
        return _read(secret, token)
    except BadLink:
        if letter := next((letter for old in void if (letter := _letter(old, token))), ""):
            raise LinkReplaced(letter) from None
        raise


def _letter(secret: bytes, token: str) -> str:
    """The letter that a token names, "" where it is not signed with this key."""
    try:
        return _read(secret, token).letter
    except BadLink:
        return ""


def _read(secret: bytes, token: str) -> AnswerLink:
    try:
        letter, expires = _links(secret).loads(token)
        return AnswerLink(str(letter), datetime.fromtimestamp(int(expires), UTC))
    except (BadData, ValueError, TypeError, OverflowError, OSError) as error:
        raise BadLink(
            "This link is not complete, or it was changed.",
            "Open it from our mail once more, or answer that mail.",
        ) from error


def _links(secret: bytes) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret, salt=_LINK, signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    )


def reply_address(secret: bytes, address: str, ref: str) -> str:
    """The bare address with the case and its signature behind a plus: ``cases+jf-000001-k5xw...@example.com``."""
    return _behind_plus(address, ref, _mac(secret, ref))


def hidden_reply_address(address: str, ref: str) -> str:
    """The same address as a kept letter has it: ``cases+jf-000001-hidden@example.com``."""
    return _behind_plus(address, ref, HIDDEN)


def _behind_plus(address: str, ref: str, mac: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}+{ref.lower()}-{mac}@{domain}"


def case_of_address(secret: bytes, address: str) -> str | None:
    """The case (JF-000001) that an address of ours names, or None where the signature is missing or wrong."""
    found = _SIGNED_TO.search(address)
    if found is None or not hmac.compare_digest(found["mac"].lower(), _mac(secret, found["ref"])):
        return None
    return found["ref"].upper()


def _mac(secret: bytes, ref: str) -> str:
    digest = hmac.new(secret, b"reply:" + ref.upper().encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:10]).decode().lower()


# -- the letter that is sent, from the one that is kept ----------------------------------------------------------------


def hidden_link(page: str) -> str:
    """The link to the confirmation page as a kept letter has it; ``page`` is what it starts with."""
    return f"{page}/answer/{HIDDEN}"


def signed_letter(secret: bytes, kept: bytes, *, ref: str, page: str, link: AnswerLink | None) -> bytes:
    """The letter as it is sent: the kept one with the address of the case ``ref`` signed, and ``link`` put in.

    The same arguments give the same bytes, so whoever repeats a letter sends the same. ``page`` is what its links start
    with; without a ``link`` it has none.
    """
    head, blank, body = kept.partition(b"\r\n\r\n")
    hidden, signed = (f"+{ref.lower()}-{mac}@".encode() for mac in (HIDDEN, _mac(secret, ref)))
    raw = head.replace(hidden, signed) + blank + body
    if link is None:
        return raw
    # Long lines: what stands in the headers stays as it is folded there.
    message = message_from_bytes(raw, policy=SMTP.clone(cte_type="7bit", max_line_length=900))
    url = f"{page}/answer/{answer_token(secret, link.letter, link.expires)}"
    for part in message.walk():
        if isinstance(part, EmailMessage) and part.get_content_maintype() == "text":
            text = str(part.get_content())
            if (filled := text.replace(hidden_link(page), url)) != text:
                _replace_text(part, filled)
    return message.as_bytes()


def hidden_letter(sent: bytes) -> tuple[bytes, str, AnswerLink | None]:
    """The kept form of a letter that was written with its keys in it, as all were before; one without any stays so.

    Gives what its link starts with, too, and what that link said, by whatever key it was signed; "" and None without
    one.
    """
    head, blank, body = sent.partition(b"\r\n\r\n")
    raw = _SIGNED_HEADER.sub(rb"\g<1>" + HIDDEN.encode() + b"@", head) + blank + body
    message = message_from_bytes(raw, policy=SMTP.clone(cte_type="7bit", max_line_length=900))
    page, link = "", None
    for part in message.walk():
        if isinstance(part, EmailMessage) and part.get_content_maintype() == "text":
            text = str(part.get_content())
            for found in _SIGNED_LINK.finditer(text):
                page, link = found["page"], _unsigned(found["token"]) or link
            if (hidden := _SIGNED_LINK.sub(rf"\g<page>/answer/{HIDDEN}", text)) != text:
                _replace_text(part, hidden)
    return (message.as_bytes() if link else raw), page, link


def _unsigned(token: str) -> AnswerLink | None:
    """What a token says, whoever signed it."""
    try:
        letter, expires = _links(b"").load_payload(token.rpartition(".")[0].encode())
        return AnswerLink(str(letter), datetime.fromtimestamp(int(expires), UTC))
    except (BadData, ValueError, TypeError, OverflowError, OSError):
        return None


def _replace_text(part: EmailMessage, text: str) -> None:
    """Another text in a part, which is written as ``composing.message_of`` writes one."""
    versioned = "MIME-Version" in part
    del part["MIME-Version"]
    part.policy = SMTP.clone(cte_type="7bit")
    part.set_content(text, subtype=part.get_content_subtype(), cte="quoted-printable")
    if not versioned:
        del part["MIME-Version"]
