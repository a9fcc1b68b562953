"""Reads what an operator gives as a retailer's message: a raw mail, as saved by a mail program (.eml).

It is `read_mail`, and stricter: an operator can get a better file, so several senders, a file that is no mail, or no
words at all are refused with the next action.
"""

from __future__ import annotations

from email.parser import BytesHeaderParser

from caseproof.channels.inbound.mail_headers import Headers, addresses
from caseproof.channels.inbound.reading import Mail, UnreadableMail, read_mail
from caseproof.domain.errors import BadInput

SAVE_AS = "Save the original message in the mail program as a file of type .eml, and give that."


def read_message(raw: bytes, *, authserv: str = "") -> Mail:
    """Read a raw message. ``authserv``: the name by which our own mail server signs its findings.

    Raises BadInput for what is not one message of one sender with words in it.
    """
    try:
        mail = read_mail(raw, authserv=authserv)
    except UnreadableMail as error:
        raise BadInput(error.problem, SAVE_AS) from error
    if not mail.sender_address:
        raise _nobodys(raw)
    if not mail.words.strip():
        raise BadInput(
            "The message has no words in it, only pictures, files or nothing.",
            "Ask the retailer to answer in words, and give that answer.",
        )
    return mail


def _nobodys(raw: bytes) -> BadInput:
    """Why a message has not exactly one sender."""
    senders = Headers(BytesHeaderParser().parsebytes(raw.lstrip(b"\xef\xbb\xbf\r\n"))).all("From")
    if not senders:
        return BadInput("The message names no sender (no From header).", SAVE_AS)
    if not any(addresses(sender) for sender in senders):
        return BadInput("The message's sender is not a mail address.", SAVE_AS)
    return BadInput(
        "The message names several senders, so nobody can tell whose word it is.",
        "Ask the retailer to answer again from one address.",
    )


def same_address(a: str, b: str) -> bool:
    """Whether two texts hold the same mail address; display names, brackets and A-Z/a-z do not matter.

    Letters outside ASCII must be the same ones: a look-alike is another address. Empty texts never match.
    """
    one, other = addresses(a), addresses(b)
    return len(one) == len(other) == 1 and set(one) == set(other)
