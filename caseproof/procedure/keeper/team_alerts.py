"""The team is told what waits for it: in one mail for all of it, and on the board (house rule 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from caseproof.channels.outbound.mail import Send
from caseproof.channels.outbound.reminder import team_mail
from caseproof.config.policy import MailPolicy
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.payloads import TeamTold
from caseproof.domain.procedure import procedure_of
from caseproof.procedure.core.parts import US, Ledger, Links
from caseproof.procedure.core.texts import short
from caseproof.procedure.keeper.pending_team_alerts import as_lines, note_told
from caseproof.store import OwedRow
from caseproof.store.errors import Unreadable
from caseproof.store.messages import MessageRow


@dataclass(frozen=True, slots=True)
class TeamAlert:
    """What the team is told about a case or an incident: ``number`` counts from 1 since the question that waits.

    ``url`` is where to answer, where that is not the case's page. ``no_answer``: it is that the retailer does not
    answer. ``aside``: it is not about the question, and counts by itself: ``of`` is the number of the event that it
    tells of, ``row`` what is owed.
    """

    ref: str
    job: str
    about: str
    number: int
    url: str = ""
    no_answer: bool = False
    aside: bool = False
    of: int = 0
    row: OwedRow | None = None


def tell_team(
    ledger: Ledger,
    links: Links,
    mail: MailPolicy,
    send: Send | None,
    tellings: Sequence[TeamAlert],
    beside: Sequence[TeamAlert] = (),
    messages: Sequence[MessageRow] = (),
) -> int:
    """Tell the team, in one mail for all of it where the policy names an address; gives how many cases and messages
    took it down.

    ``beside`` is about no case: it stands in the same mail, and whoever gives it writes it down.
    The mail leaves before it is written down: a crash in between may tell it twice, never not at all (house rule 9).
    Raises MailDown, MailRefused.
    """
    # What cannot be written down would be told with each pass again: of what cannot be read the board tells.
    tellings = [one for one in tellings if _can_be_read(ledger, one.ref)]
    if not (tellings or beside or messages):
        return 0
    by = "the board"
    if send is not None and mail.team:
        letter = _mail(ledger, links, mail, [*beside, *tellings], messages)
        send(letter.as_bytes(), mail.sender, [mail.team])
        by = "mail and the board"
    return note_told(ledger, messages) + sum(_note_telling(ledger, one, by) for one in tellings)


def _can_be_read(ledger: Ledger, ref: str) -> bool:
    try:
        ledger.case(ref)
    except Unreadable:
        return False
    return True


def _note_telling(ledger: Ledger, one: TeamAlert, by: str) -> bool:
    if one.row is not None and not _is_news(ledger, one.row):
        return False
    what = {"no_answer": True} if one.no_answer else {"aside": True} if one.aside else {}
    of = {"of": one.of} if one.of else {}
    kind = procedure_of(one.ref).kind(TeamTold)
    event = ledger.event(kind, US, about=short(one.about), number=one.number, by=by, **what, **of)

    def unless_noted(now: Case) -> list[Event]:
        if one.row is not None:
            return [event]
        if one.of:
            known = any(told.kind is kind and told.data.get("of") == one.of for told in now.events)
            return [] if known else [event]
        return [event] if now.question is None or len(now.nudges) == one.number - 1 else []

    return ledger.change(one.ref, unless_noted).events[-1] == event


def _is_news(ledger: Ledger, row: OwedRow) -> bool:
    with ledger.store.uow() as uow:
        news = uow.owed.note_told(row)
        uow.commit()
    return news


def _mail(
    ledger: Ledger, links: Links, mail: MailPolicy, tellings: Sequence[TeamAlert], messages: Sequence[MessageRow]
) -> EmailMessage:
    what = [*sorted((one.ref, one.number, one.about) for one in tellings), *sorted(row.id for row in messages)]
    lines = [(one.ref, one.job, one.about, one.url or links.case_url(one.ref)) for one in tellings]
    message = team_mail(
        lines,
        sender=mail.sender,
        to=mail.team,
        date=ledger.clock(),
        messages=as_lines(ledger, messages),
        inbox=links.inbox_url,
        rules=links.rules_url,
    )
    domain = mail.sender.rpartition("@")[2].rstrip("> ")
    message["Message-ID"] = f"<team.{hashlib.sha256(repr(what).encode()).hexdigest()[:32]}@{domain}>"
    message.policy = SMTP.clone(cte_type="7bit")
    return message
