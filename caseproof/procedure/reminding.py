"""J5, J6: a retailer who does not answer is reminded, and the team is told what waits for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from caseproof.channels.mail import DEADLINE_FACTOR, MailDown, MailRefused
from caseproof.channels.reminder import ReminderFacts, compose_reminder, reminder_id, team_mail
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Event, Kind
from caseproof.domain.lifecycle import State
from caseproof.procedure.card import short
from caseproof.procedure.effects import HELD_SECONDS, Json, once
from caseproof.procedure.keeping import WORD
from caseproof.procedure.office import US, Office
from caseproof.procedure.telling import NobodyToTell, Send
from caseproof.store import UnknownCase
from caseproof.store.errors import Unreadable

_LEAD = re.compile(r"<(jf-\d{6,18})\.", re.IGNORECASE)


class _NotSent(MailDown):
    """The message certainly did not leave: the next try may go to corrected addresses."""


def remind(office: Office, send: Send, ref: str) -> list[str]:
    """Remind the retailer of the notice of this case, in its thread; gives the cases that were reminded of.

    Cases that share a notice share its reminders. The mail is kept as evidence before it is sent; whoever repeats it
    sends the same bytes with the same Message-ID. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = office.case(ref)
    if not _waits_for_word(case) or case.notice is None or not case.notice.get("asks", True):
        return []  # "we have no answer from you" is said to nobody who was asked nothing
    number = len(case.since_notice(Kind.REMINDER_SENT)) + 1
    group = [case, *_sharing(office, case, number)]
    notice_id = str(case.notice["message_id"])
    said = _LEAD.match(notice_id)
    lead = said[1].upper() if said else ref
    recipients, names = _contacts(office, case)
    message = _compose(office, group, number, recipients, names)
    digest = office.keep(lead, message.as_bytes(), f"reminder-{number}.eml", "message/rfc822")

    def effect(plan: Json) -> Json:
        try:
            delivery = send(office.vault.read(plan["evidence"]), office.policy.mail.sender, plan["to"])
        except MailDown as down:
            if down.maybe_sent:
                raise
            raise _NotSent(down.problem, down.next_action) from down
        return {**plan, "accepted": list(delivery.accepted), "refused": dict(delivery.refused)}

    told = once(
        office, lead, "reminder", f"{notice_id}/reminder/{number}",
        plan={"evidence": digest, "message_id": message["Message-ID"], "to": recipients, "number": number},
        effect=effect,
        read_back=None,  # nobody can read a retailer's mailbox: the same Message-ID is sent again instead
        harmless=(MailRefused, _NotSent, BadInput),
        seconds=max(HELD_SECONDS, (DEADLINE_FACTOR + 1) * office.policy.mail.timeout_seconds),
    )  # fmt: skip
    return [one.ref for one in group if _record(office, one.ref, number, told)]


def _record(office: Office, ref: str, number: int, told: Json) -> bool:
    event = office.event(Kind.REMINDER_SENT, **told)

    def unless_recorded(now: Case) -> list[Event]:
        wanted = now.notice is not None and now.state in (State.WAITING, State.PAUSED)
        return [event] if wanted and len(now.since_notice(Kind.REMINDER_SENT)) == number - 1 else []

    after = office.store.change(ref, unless_recorded)
    return len(after.since_notice(Kind.REMINDER_SENT)) == number and after.events[-1] == event


def _waits_for_word(case: Case) -> bool:
    question = case.question
    return case.state is State.WAITING and question is not None and question["form"] == WORD and not case.confirmations


def _sharing(office: Office, case: Case, number: int) -> list[Case]:
    """The other cases in the same notice that wait for the retailer's word and had as many reminders."""
    others = [ref for ref in (case.notice.get("cases", ()) if case.notice else ()) if ref != case.ref]
    return [other for ref in others if (other := _readable(office, ref)) and _shares(other, case, number)]


def _readable(office: Office, ref: str) -> Case | None:
    try:
        return office.case(ref)
    except (Unreadable, UnknownCase):
        return None  # it holds up no other


def _shares(one: Case, case: Case, number: int) -> bool:
    same = one.notice is not None and case.notice is not None and one.notice["message_id"] == case.notice["message_id"]
    return same and _waits_for_word(one) and len(one.since_notice(Kind.REMINDER_SENT)) == number - 1


def _contacts(office: Office, case: Case) -> tuple[list[str], tuple[str, ...]]:
    retailer = case.facts.get("retailer") or ""
    with office.store.reading() as unit:
        found = unit.people.contacts(retailer) if retailer else []
    if not found:
        raise NobodyToTell(
            f"{retailer or 'The retailer'} has no registered contact, so {case.ref} cannot remind anybody.",
            f"`caseproof contact add --retailer {retailer or 'RETAILER'} --address ADDRESS`; it is tried again.",
        )
    return [contact.address for contact in found], tuple(contact.name for contact in found if contact.name)


def _compose(
    office: Office, group: Sequence[Case], number: int, recipients: list[str], names: tuple[str, ...]
) -> EmailMessage:
    case, policy = group[0], office.policy
    if case.notice is None:
        raise CaseproofError(f"{case.ref} has no notice to remind of.", "Let the case's run tell the retailer first.")
    return compose_reminder(
        office.vault.read(case.notice["evidence"]),
        ReminderFacts(
            contact_names=names,
            jobs=tuple(f"{one.ref}: {one.facts['job_name']}" for one in sorted(group, key=lambda one: one.ref)),
            told_at=case.notice.at,
            stopped=bool(case.stopped_jobs),
            number=number,
            last=number >= len(policy.keeper.remind_after_days),
        ),
        sender=policy.mail.sender,
        reply_to=policy.mail.reply_to,
        recipients=recipients,
        message_id=reminder_id(case.notice["message_id"], number),
        date=office.clock(),
    )


# -- the team -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Telling:
    """What the team is told about a case or an incident: ``number`` counts from 1 since the question that waits.

    ``url`` is where to answer, where that is not the case's page.
    """

    ref: str
    job: str
    about: str
    number: int
    url: str = ""


def tell_team(office: Office, send: Send | None, tellings: Sequence[Telling], beside: Sequence[Telling] = ()) -> int:
    """Tell the team, in one mail for all of it where the policy names an address; gives how many cases took it down.

    ``beside`` is about no case: it stands in the same mail, and whoever gives it writes it down.
    The mail leaves before it is written down: a crash in between may tell it twice, never not at all (house rule 9).
    Raises MailDown, MailRefused.
    """
    if not (tellings or beside):
        return 0
    by = "the board"
    if send is not None and office.policy.mail.team:
        send(_mail(office, [*beside, *tellings]).as_bytes(), office.policy.mail.sender, [office.policy.mail.team])
        by = "mail and the board"
    return sum(_note_telling(office, one, by) for one in tellings)


def _note_telling(office: Office, one: Telling, by: str) -> bool:
    event = office.event(Kind.TEAM_TOLD, US, about=short(one.about), number=one.number, by=by)

    def unless_noted(now: Case) -> list[Event]:
        return [event] if now.question is None or len(now.since_question(Kind.TEAM_TOLD)) == one.number - 1 else []

    return office.store.change(one.ref, unless_noted).events[-1] == event


def _mail(office: Office, tellings: Sequence[Telling]) -> EmailMessage:
    what = sorted((one.ref, one.number, one.about) for one in tellings)
    lines = [(one.ref, one.job, one.about, one.url or office.case_url(one.ref)) for one in tellings]
    message = team_mail(lines, sender=office.policy.mail.sender, to=office.policy.mail.team, date=office.clock())
    domain = office.policy.mail.sender.rpartition("@")[2].rstrip("> ")
    message["Message-ID"] = f"<team.{hashlib.sha256(repr(what).encode()).hexdigest()[:32]}@{domain}>"
    message.policy = SMTP.clone(cte_type="7bit")
    return message
