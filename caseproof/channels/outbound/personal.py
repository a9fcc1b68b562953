"""A mail that a person wrote: their words, under the case's number, and nothing of ours between them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage

from caseproof.channels.outbound.composing import message_of, one_line
from caseproof.channels.outbound.mail import named_address
from caseproof.domain.errors import BadInput


def compose_personal(
    words: str,
    *,
    ref: str,
    subject: str,
    sender: str,
    reply_to: str,
    recipient: str,
    message_id: str,
    date: datetime,
    follows: str = "",
    thread: Sequence[str] = (),
) -> EmailMessage:
    """The mail, as plain text; the same arguments give the same bytes (CRLF lines).

    ``subject`` is that of the mail that it follows, "" for none; ``follows`` the Message-ID of the mail that it
    answers, ``thread`` those that it stands below. Raises BadInput for no words, and for what is no address.
    """
    if not words.strip():
        raise BadInput("The mail says nothing.", "Write what the retailer is to read.")
    name, address = named_address(sender)
    known = one_line(subject, 300)
    answers = known if known.casefold().startswith("re:") else f"Re: {known}"
    return message_of(
        sender=sender, recipients=[recipient], date=date, message_id=message_id, reply_to=reply_to, follows=follows,
        thread=thread, by_a_person=True, subject=answers if known else f"[{ref}]",
        text=f"{words.rstrip()}\n\n-- \n{one_line(name, 80) or address}\n[{one_line(ref, 40)}]\n",
    )  # fmt: skip
