"""The mail that gives somebody of the team their login: a link that works once."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage

from caseproof.channels.outbound.composing import message_of, web_link


def invitation(name: str, link: str, *, sender: str, to: str, date: datetime, until: datetime) -> EmailMessage:
    """An invitation as a mail of plain text. Raises BadInput where the link or an address is none."""
    text = (
        f"Hello,\n\nyou are on the team of Caseproof as {name}. Choose your password here:\n\n{web_link(link)}\n\n"
        f"The link works once, until {until:%Y-%m-%d %H:%M} UTC. Whoever has it can log in as you, so hand it to "
        "nobody; a newer one makes it void.\n\nDid nobody tell you of this? Then do nothing, and tell the sender.\n\n"
        "This mail was written by a program."
    )
    return message_of(sender=sender, recipients=[to], subject="Caseproof: your login", text=text, date=date)
