"""What we sign, so that an answer finds its case and a stranger's does not: links to the page, and reply addresses.

Both are made with the installation's secret (``Services.secret``), and neither holds anything that a person could not
know: a link names the letter that it stood in, an address names the case.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from itsdangerous import BadData, URLSafeSerializer

from caseproof.domain.errors import BadInput

_SIGNED_TO = re.compile(r"\+(?P<ref>[a-z]{2}-\d{6,18})-(?P<mac>[a-z2-7]{16})@", re.IGNORECASE | re.ASCII)
_LINK = "answer"


class BadLink(BadInput):
    """The link was not made here, or somebody changed it."""


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


def read_answer_token(secret: bytes, token: str) -> AnswerLink:
    """What a token says. Whether it has expired, the caller asks its clock. Raises BadLink."""
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
    local, _, domain = address.rpartition("@")
    return f"{local}+{ref.lower()}-{_mac(secret, ref)}@{domain}"


def case_of_address(secret: bytes, address: str) -> str | None:
    """The case (JF-000001) that an address of ours names, or None where the signature is missing or wrong."""
    found = _SIGNED_TO.search(address)
    if found is None or not hmac.compare_digest(found["mac"].lower(), _mac(secret, found["ref"])):
        return None
    return found["ref"].upper()


def _mac(secret: bytes, ref: str) -> str:
    digest = hmac.new(secret, b"reply:" + ref.upper().encode(), hashlib.sha256).digest()
    return base64.b32encode(digest[:10]).decode().lower()
