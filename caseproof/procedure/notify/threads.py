"""Letters: what a retailer is told goes out as one letter a contact, each under a Message-ID of its own.

The first contact's notice is ``<jf-000001.1.notice@...>``, the second's ``<jf-000001.1.notice-2@...>``. What follows
it says so behind that name, and stands in that letter's thread: ``<jf-000001.1.notice-2.reminder-1@...>``. A letter's
name is what stands before the @ of its notice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from caseproof.channels.outbound.mail import named_address
from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.signing import hidden_link, hidden_reply_address, reply_address
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.parts import Effects, ReplyAddresses
from caseproof.store import Store
from caseproof.store.uow import UnitOfWork

_NAME = re.compile(
    r"(?P<lead>[a-z]{2}-\d{6,18})\.(?P<which>[0-9a-z-]{1,100})\.notice(?:-(?P<number>[1-9]\d{0,5}))?"
    r"(?:\.(?:reminder|renewal|recovery|correction|mail)[0-9a-z-]{0,40}){0,2}(?:@(?P<domain>[^\s<>@]{1,253}))?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Thread:
    """A notice's letter to one contact.

    ``id`` is its name, ``number`` which one of the notice it is (from 1), ``to`` the contact's address; ``also`` are
    the others of a notice from before there were letters, when one mail went to all contacts. ``lead`` is the
    case under whose name the notice went out, ``cases`` those that it tells of; ``asks``: whether it asked for
    anything. ``round_or_check``: in which round of the case, or after which check (``check-...``), it was sent.
    """

    id: str
    number: int
    to: str
    lead: str
    cases: tuple[str, ...]
    asks: bool
    round_or_check: str
    also: tuple[str, ...] = ()

    def is_of(self, message_id: str) -> bool:
        """Whether it is one of the letters of the notice with this Message-ID."""
        return message_id.strip("<>").partition("@")[0] == thread_name(self.lead, self.round_or_check, 1)


def notice_key(lead: str, which: str) -> str:
    """The key of a notice's intent; ``which`` is the case's round, or ``check-...``."""
    return f"{lead}/{which}/notice"


def find_thread(uow: UnitOfWork, letter_or_message_id: str) -> Thread | None:
    """The letter of this name, or the one whose thread a Message-ID of ours belongs to; None if we never sent it.

    One that was written down counts as sent: whoever crashed right after sending it could not say so.
    """
    found = _NAME.fullmatch(letter_or_message_id.strip().strip("<>"))
    if found is None:
        return None
    lead, which, number = found["lead"].upper(), found["which"], int(found["number"] or 1)
    told = uow.intents.known(notice_key(lead, which))
    if told is None or (found["number"] and number == 1):
        return None
    domain = str(told.get("message_id", "")).strip("<>").rpartition("@")[2]
    if found["domain"] and found["domain"].casefold() != domain.casefold():
        return None
    to = _to(uow, notice_key(lead, which), told, number)
    if to is None:
        return None
    cases, asks = tuple(told.get("cases") or (lead,)), bool(told.get("asks", True))
    also = () if number > 1 or told.get("more") else tuple(addressees(told)[1:])
    return Thread(thread_name(lead, which, number), number, to, lead, cases, asks, which, also)


def _to(uow: UnitOfWork, key: str, told: Json, number: int) -> str | None:
    """Whose the n-th letter is; those after the notice's own are of contacts who joined since."""
    to = addressees(told)
    if number <= len(to):
        return to[number - 1]
    joined = uow.intents.known(f"{key}-{number}")
    return str(joined["to"]) if joined else None


def thread_name(lead: str, which: str, number: int) -> str:
    """What stands before the @ of the Message-ID of a notice's n-th letter."""
    return f"{lead.lower()}.{which}.notice" + (f"-{number}" if number > 1 else "")


def numbered(message_id: str, number: int) -> str:
    """The Message-ID of the n-th letter of a mailing, from that of its first."""
    head, _, domain = message_id.rpartition("@")
    return f"{head}-{number}@{domain}" if number > 1 else message_id


def correction_of(message_id: str, which: str) -> str:
    """The Message-ID of the letter that corrects this one; ``which`` tells it from other corrections of the notice."""
    head, _, domain = message_id.rpartition("@")
    return f"{head}.correction-{which}@{domain}"


def which_correction(message_id: str) -> str:
    """What tells the correction with this Message-ID, or of which this is a reminder, from others; "" for none."""
    _, found, which = message_id.strip("<>").partition("@")[0].partition(".correction-")
    return which.partition(".")[0].casefold() if found else ""


def first_thread(store: Store, case: Case) -> Thread:
    """The first letter of the notice that the case has in this round. Raises CaseproofError where it has none."""
    if case.notice is None:
        raise CaseproofError(f"{case.ref} has told its retailer nothing yet.", "Let its run tell the retailer first.")
    name = str(case.notice.data["message_id"])
    with store.reading() as uow:
        found = find_thread(uow, name)
    if found is not None:
        return found
    to, cases = addressees(case.notice.event.data), tuple(case.notice.data.get("cases") or (case.ref,))
    said, asks = name.strip("<>").partition("@")[0], bool(case.notice.data.get("asks", True))
    return Thread(said, 1, to[0] if to else "", case.ref, cases, asks, str(case.round))


def thread_to(effects: Effects, first: Thread, to: Sequence[str], address: str) -> Thread:
    """The letter to this contact under the same notice, which went to ``to``.

    A contact who joined since gets the next free number, for good.
    """
    for number, known in enumerate(to, start=1):
        if comparable(known) == comparable(address):
            return _numbered(first, number, known)
    key, number = notice_key(first.lead, first.round_or_check), len(to)
    while True:
        number += 1
        mine = idempotent_effect(
            effects,
            first.lead,
            "notice",
            f"{key}-{number}",
            plan={"to": address},
            effect=lambda p: p,
            read_back=None,
        )
        if comparable(str(mine["to"])) == comparable(address):
            return _numbered(first, number, address)


def _numbered(first: Thread, number: int, to: str) -> Thread:
    return replace(first, id=f"{first.id}-{number}" if number > 1 else first.id, number=number, to=to)


def addressees(told: Json) -> list[str]:
    """To whom a mailing went, or is about to go, in the order of its letters."""
    return [str(address) for address in told.get("to") or told.get("accepted") or ()]


# -- where answers go -----------------------------------------------------------------------------------------------


def envelope_sender(replies: ReplyAddresses, lead: str, secret: bytes | None) -> str:
    """Where bounces go: the notice's case's address, signed with ``secret``, where a mailbox of ours is read."""
    if not replies.answers.mailbox or secret is None:
        return replies.mail.sender
    return reply_address(secret, named_address(replies.mail.reply_to)[1], lead)


def reply_to(replies: ReplyAddresses, lead: str) -> str:
    """What stands in Reply-To of the letter that is kept: that address, not signed yet, under the policy's name."""
    given = replies.mail.reply_to
    if not replies.answers.mailbox:
        return given
    named, address = named_address(given)
    name, hidden = re.sub(r'(["\\])', r"\\\1", named), hidden_reply_address(address, lead)
    return f'"{name}" <{hidden}>' if name else hidden


def answer_url(replies: ReplyAddresses) -> str:
    """The link to the confirmation page as it stands in the letter that is kept; "" where retailers have no page."""
    return "" if replies.page is None else hidden_link(replies.page)


def link_until(replies: ReplyAddresses) -> datetime:
    """Until when the link of a letter holds that is written now."""
    return replies.clock() + timedelta(days=replies.answers.link_days)


def holds_a_key(replies: ReplyAddresses) -> bool:
    """Whether letters hold anything that is signed."""
    return replies.page is not None or bool(replies.answers.mailbox)
