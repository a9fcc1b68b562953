"""A mail to the support address: it joins the support case that it belongs to, or opens one (E1).

A mail belongs to a case when it answers a mail of that case, or when it names the case and comes from somebody who
wrote to it before. What may be of another than it says opens a case all the same, and says so: it names nobody (E6).
Nothing is lost: what opens nothing is looked at by a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from caseproof.config.mail_address import comparable
from caseproof.domain.case import Case
from caseproof.domain.codes import MessageCode
from caseproof.domain.events import Event
from caseproof.domain.substance import says_something
from caseproof.domain.support import payloads as says
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import Disposition
from caseproof.http.redaction import redact
from caseproof.procedure.answers.entry import MailEntry
from caseproof.procedure.core.message_words import Why, why
from caseproof.procedure.core.parts import US, event_of
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.procedure.core.support import (
    LONGEST_NAME,
    LONGEST_WORDS,
    SupportWanted,
    case_of_mail,
    has_words,
    opening_events,
    product_in,
    tidy,
)

MOST_OPENED = 20
"""How many support cases one sender opens by mail in a day; what comes beyond that is read by a person."""
MOST_UNPROVEN = 100
"""How many are opened in a day by mails that may be of another than they say."""
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class SupportMail:
    """What becomes of a mail to support: the case that it joins, "" for none, and what happens to it; or the events
    that open one."""

    place: Disposition
    why: Why
    ref: str = ""
    events: Sequence[Event] = ()
    opens: Sequence[Event] = field(default_factory=tuple)


def is_for_support(entry: MailEntry) -> bool:
    """Whether it is sent to the support address, or answers a mail of a support case."""
    address = entry.replies.ladder.address
    sent = bool(address) and any(_bare(one) == _bare(address) for one in entry.mail.recipients)
    return sent or case_of_mail(entry.uow, entry.mail.references) is not None


def support_mail(entry: MailEntry, digest: str) -> SupportMail:
    """Where a mail to support ends. ``digest`` names its bytes in the vault. Raises StoreDown."""
    mail = entry.mail
    if not mail.sender_address:
        return SupportMail(Disposition.UNMATCHED, why(MessageCode.NO_SENDER))
    standing = _case_of(entry)
    if standing is not None:
        return _joined(entry, standing, digest)
    return _opened(entry, digest)


# -- a case there is ----------------------------------------------------------------------------------------------


def _case_of(entry: MailEntry) -> Case | None:
    """The support case that it belongs to."""
    mail, uow = entry.mail, entry.uow
    by_thread = case_of_mail(uow, [*mail.references, mail.message_id])
    if by_thread is not None:
        return uow.cases.get(by_thread)
    for ref in cases_named(f"{mail.subject}\n{mail.own_words}"):
        rows = uow.cases.of_refs([ref])
        if rows and ref.startswith(f"{SUPPORT.prefix}-"):
            case = uow.cases.get(ref)
            if mail.genuine.ok and _wrote_before(case, mail.sender_address):
                return case
    return None


def _wrote_before(case: Case, sender: str) -> bool:
    told = [
        *(fact.event.data for fact in case.all_of(says.ClientWrote)),
        *([case.opened.event.data] if case.opened else []),
    ]
    return any(
        comparable(str(one.get("sender") or "")) == comparable(sender) for one in told if not one.get("unproven")
    )


def _joined(entry: MailEntry, case: Case, digest: str) -> SupportMail:
    mail = entry.mail
    words = _words(entry)
    if not mail.genuine.ok:
        no = why(MessageCode.NOT_GENUINE, sender=mail.sender_address, reason=mail.genuine.why)
        return SupportMail(Disposition.REFUSED, no, case.ref)
    is_theirs = comparable(mail.sender_address) == comparable(str(case.facts.get("sender") or ""))
    known = is_theirs or _wrote_before(case, mail.sender_address)
    known = known or entry.is_contact(str(case.facts["client"]), mail.sender_address)
    if has_words(case, words) and known and not _was_unproven(case, words):
        return SupportMail(Disposition.DUPLICATE, why(MessageCode.SENT_BEFORE), case.ref)
    if entry.uow.messages.count_for(case.ref, entry.now - _DAY, [Disposition.SUPPORT]) >= MOST_OPENED:
        return SupportMail(Disposition.REPLY, why(MessageCode.SUPPORT_FLOOD, number=MOST_OPENED), case.ref)
    said = {
        "sender": mail.sender_address, "words": words, "evidence": digest, "subject": mail.subject[:LONGEST_NAME],
        "message_id": mail.message_id, **({} if known else {"unproven": str(MessageCode.STRANGER)}),
    }  # fmt: skip
    event = event_of(Kind.CLIENT_WROTE, entry.now, US, said)
    if case.is_closed:  # it is kept with the case; a person says whether it is opened again
        return SupportMail(Disposition.REPLY, why(MessageCode.CASE_CLOSED), case.ref, [event])
    return SupportMail(Disposition.SUPPORT, why(MessageCode.SUPPORT_JOINED, ref=case.ref), case.ref, [event])


def _was_unproven(case: Case, words: str) -> bool:
    """Whether these words stand there only from a mail that may be of another: the true one still counts."""
    told = [
        *(fact.event.data for fact in case.all_of(says.ClientWrote)),
        *([case.opened.event.data] if case.opened else []),
    ]
    same = [one for one in told if str(one.get("words") or one.get("said") or "").split() == words.split()]
    return bool(same) and all(one.get("unproven") for one in same)


def _words(entry: MailEntry) -> str:
    """The words as they are written down: without what only quotes, where that can be told, and without secrets."""
    mail = entry.mail
    return redact((mail.own_words.strip() or mail.words.strip())[:LONGEST_WORDS]).strip()


# -- a new one ----------------------------------------------------------------------------------------------------


def _opened(entry: MailEntry, digest: str) -> SupportMail:
    mail, uow, ladder = entry.mail, entry.uow, entry.replies.ladder
    words = _words(entry)
    said = words if says_something(words) else f"{mail.subject.strip()}\n\n{words}".strip()
    if not says_something(said):
        return SupportMail(Disposition.UNMATCHED, why(MessageCode.NO_OWN_WORDS))
    clients = uow.people.retailers_of(mail.sender_address) if mail.genuine.ok else []
    unproven = "" if mail.genuine.ok else str(MessageCode.NOT_GENUINE)
    if too_many := _flood(entry, bool(unproven)):
        return SupportMail(Disposition.UNMATCHED, too_many)
    wanted = tidy(
        SupportWanted(
            client=clients[0] if len(clients) == 1 else mail.sender_address[:LONGEST_NAME],
            product=product_in(ladder, f"{mail.subject}\n{said}"),
            summary=mail.subject.strip() or said[:100],
            said=said,
            how="a mail to the support address",
            sender=mail.sender_address,
            evidence=digest,
            request=mail.message_id or digest,
            message_id=mail.message_id,
            unproven=unproven,
        )
    )
    opens = opening_events(ladder, {}, wanted, entry.now)
    told = why(MessageCode.SUPPORT_OPENED)
    if unproven:
        told = why(MessageCode.SUPPORT_UNPROVEN, sender=mail.sender_address, reason=mail.genuine.why)
    return SupportMail(Disposition.SUPPORT, told, opens=opens)


def _flood(entry: MailEntry, unproven: bool) -> Why | None:
    messages, since = entry.uow.messages, entry.now - _DAY
    codes = (MessageCode.SUPPORT_OPENED, MessageCode.SUPPORT_UNPROVEN)
    if messages.count_with(codes, since, sender=entry.mail.sender_address) >= MOST_OPENED:
        return why(MessageCode.SUPPORT_FLOOD, number=MOST_OPENED)
    if unproven and messages.count_with((MessageCode.SUPPORT_UNPROVEN,), since) >= MOST_UNPROVEN:
        return why(MessageCode.SUPPORT_FLOOD, number=MOST_UNPROVEN)
    return None


def _bare(address: str) -> str:
    """An address without what stands behind a plus, as it compares."""
    local, _, domain = comparable(address).rpartition("@")
    return f"{local.partition('+')[0]}@{domain}"
