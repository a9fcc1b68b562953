"""What a test page says by mail and on a card: first of all that it is a test."""

from __future__ import annotations

import calendar
import hashlib

from caseproof.channels.outbound.composing import message_of, web_link
from caseproof.channels.outbound.mail import bare_address
from caseproof.channels.teams.card import Card, Mention
from caseproof.procedure.paging.tested import Try

_LETTER = """\
Hello {person},

this is a test of the call list. It is not an emergency, and nothing is wrong.

Please open this page and press its button, so that we know that mail reaches you:
{link}

This mail was written by a program.
"""


def letter(one: Try, sender: str, link: str) -> bytes:
    """The mail of this try; ``link`` is whose page has the button. The same try is the same Message-ID."""
    digest = hashlib.sha256(f"{one.month}{one.key}".encode()).hexdigest()[:32]
    return message_of(
        sender=sender,
        recipients=[one.address],
        subject=f"TEST of the call list, {month_in_words(one.month)}: please press the button",
        text=_LETTER.format(person=one.person, link=web_link(link)),
        date=one.begun,
        message_id=f"<test.{digest}@{bare_address(sender).rpartition('@')[2]}>",
    ).as_bytes()


def card(one: Try, link: str) -> Card:
    """The card of this try, which names whom it is for."""
    return Card(
        title=f"TEST of the call list, {month_in_words(one.month)}: {one.person}",
        text="This is a test. It is not an emergency, and nothing is wrong. Only whoever is named here presses the "
        "button, so that we know that a card reaches them.",
        links=[(f"I am {one.person}, and I see this", link)],
        mentions=[Mention(one.person, one.address)],
        tone="default",
    )


def month_in_words(month: str) -> str:
    """Like "November 2026"."""
    year, number = month.split("-")
    return f"{calendar.month_name[int(number)]} {year}"
