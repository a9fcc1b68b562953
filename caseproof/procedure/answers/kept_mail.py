"""What is kept and read of a mail that came: without our keys, and never taken for another mail that came.

Two mails may differ in nothing but their keys, and one of them may be forged. So where something is hidden, the digest
of what came stands above what is kept: each mail that came has a kept form of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from caseproof.channels.inbound.reading import UnreadableMail, headers_of, refuse_other_files
from caseproof.evidence.key_hiding import hide_keys

ORIGINAL = b"X-Caseproof-Original"
"""The header of the kept form that names the hex SHA-256 of what came."""


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail without our keys.

    ``came_as`` is the hex SHA-256 of what came, ``original`` the same where something else is kept, else "". ``text``
    is the mail to be read, ``content`` what is kept. ``wrong``: why no more than its headers are in both; else "".
    """

    came_as: str
    text: bytes
    content: bytes
    original: str
    wrong: str


def without_keys(raw: bytes) -> KeptMail:
    """What is kept of a mail (RFC 5322 bytes); whatever a stranger wrote, this gives something that can be kept."""
    text, wrong = raw, ""
    try:
        refuse_other_files(raw)  # first, for it bounds the work of all that looks into the mail
    except UnreadableMail as error:
        text, wrong = headers_of(raw), error.problem
    try:
        hidden = hide_keys(text)
    except Exception as error:  # a mail that finds an error of ours must not come back for ever
        wrong = wrong or f"Looking it through for keys of ours failed ({type(error).__name__})."
        hidden = _hidden_headers(raw)
    came_as = hashlib.sha256(raw).hexdigest()
    if hidden == raw and not raw.startswith(ORIGINAL):
        return KeptMail(came_as, raw, raw, "", wrong)
    return KeptMail(came_as, hidden, ORIGINAL + f": {came_as}\r\n".encode() + hidden, came_as, wrong)


def _hidden_headers(raw: bytes) -> bytes:
    try:
        return hide_keys(headers_of(raw))
    except Exception:
        return b""  # the digest stands for it
