"""J5, J6: a retailer who does not answer is reminded, and the team is told what waits for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP

from caseproof.channels.languages import language_of
from caseproof.channels.reminder import ReminderFacts, compose_reminder, reminder_id, team_mail
from caseproof.domain.case import Case, Fact
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.procedure.card import short
from caseproof.procedure.effects import Json
from caseproof.procedure.keeping import WORD
from caseproof.procedure.letters import Letter, addressees, answer_url, first_letter, letter_to, numbered, reply_to
from caseproof.procedure.mailing import Draft, Mailing, kept_letter, send_letters
from caseproof.procedure.office import US, Office
from caseproof.procedure.telling import Send, compose_letter, contacts_of
from caseproof.procedure.untold import as_lines, note_told
from caseproof.store import UnknownCase
from caseproof.store.errors import Unreadable
from caseproof.store.messages import MessageRow
from caseproof.store.people import Contact


def remind(office: Office, send: Send, ref: str) -> list[str]:
    """Remind the retailer of the notice of this case, in its thread; gives the cases that were reminded of.

    Every contact gets a letter of their own; cases that share a notice share its reminders. Each is kept as evidence
    before it is sent; whoever repeats it sends the same bytes with the same Message-ID. Raises NobodyToTell, MailDown,
    MailRefused.
    """
    case = office.case(ref)
    if not _waits_for_word(case) or case.notice is None or not case.notice.data.get("asks", True):
        return []  # "we have no answer from you" is said to nobody who was asked nothing
    if _is_too_soon(office, case):
        return []
    notice = case.notice
    number = len(case.since_notice(Kind.REMINDER_SENT)) + 1
    group = [case, *_sharing(office, case, number)]
    first = first_letter(office, case)

    def draft() -> Draft:
        contacts = contacts_of(office, case)
        messages = [_compose(office, group, notice, number, first, contact) for contact in contacts]
        return Draft([contact.address for contact in contacts], messages, {"number": number})

    key = f"{notice['message_id']}/reminder/{number}"
    mailing = Mailing(first.lead, "reminder", key, f"reminder-{number}")
    told = send_letters(office, send, mailing, draft, lambda _: first.lead)
    return [one.ref for one in group if _record(office, one.ref, number, told)]


def _is_too_soon(office: Office, case: Case) -> bool:
    """Whether the last reminder left just now: what was held up for days leaves no two mails on one day."""
    sent, days = case.since_notice(Kind.REMINDER_SENT), office.policy.keeper.remind_after_days
    if not sent or len(sent) >= len(days):
        return False
    apart = min(timedelta(days=days[len(sent)] - days[len(sent) - 1]), timedelta(days=1))
    return timedelta() <= office.clock() - sent[-1].at < apart


def _record(office: Office, ref: str, number: int, told: Json) -> bool:
    event = office.event(Kind.REMINDER_SENT, **told)

    def unless_recorded(now: Case) -> list[Event]:
        wanted = now.notice is not None and now.state in (State.WAITING, State.PAUSED)
        return [event] if wanted and len(now.since_notice(Kind.REMINDER_SENT)) == number - 1 else []

    after = office.store.change(ref, unless_recorded)
    return len(after.since_notice(Kind.REMINDER_SENT)) == number and after.events[-1] == event


def _waits_for_word(case: Case) -> bool:
    question = case.question
    if case.state is not State.WAITING or question is None or question["form"] != WORD:
        return False
    return not case.confirmations and case.unanswered_since is not None  # nobody is reminded who wrote


def _sharing(office: Office, case: Case, number: int) -> list[Case]:
    """The other cases in the same notice that wait for the retailer's word and had as many reminders."""
    others = [ref for ref in (case.notice.data.get("cases", ()) if case.notice else ()) if ref != case.ref]
    return [other for ref in others if (other := _readable(office, ref)) and _shares(other, case, number)]


def _readable(office: Office, ref: str) -> Case | None:
    try:
        return office.case(ref)
    except (Unreadable, UnknownCase):
        return None  # it holds up no other


def _shares(one: Case, case: Case, number: int) -> bool:
    theirs, ours = one.notice, case.notice
    same = theirs is not None and ours is not None and theirs.data["message_id"] == ours.data["message_id"]
    return same and _waits_for_word(one) and len(one.since_notice(Kind.REMINDER_SENT)) == number - 1


def _compose(
    office: Office, group: Sequence[Case], notice: Fact, number: int, first: Letter, contact: Contact
) -> EmailMessage:
    """The reminder to one contact, in the thread of their own letter, and with their own link."""
    policy, told = office.policy, notice.event.data
    letter = letter_to(office, first, addressees(told), contact.address)
    name = numbered(str(notice["message_id"]), letter.number)
    follows = kept_letter(office, told, letter.number)
    if follows is None:  # who joined since gets their own to read, never another's: it would hold that one's link
        follows = compose_letter(office, group, contact, first.lead, letter.id, name, asks=True).as_bytes()
    return compose_reminder(
        follows,
        ReminderFacts(
            language=language_of(contact.language, policy.mail.language),
            contact_name=contact.name,
            jobs=tuple(f"{one.ref}: {one.facts['job_name']}" for one in sorted(group, key=lambda one: one.ref)),
            told_at=notice.at,
            stopped=bool(group[0].stopped_jobs),
            number=number,
            last=number >= len(policy.keeper.remind_after_days),
            deadline=notice.at + timedelta(days=policy.keeper.answer_within_days),
            answer_url=answer_url(office, letter.id),
        ),
        sender=policy.mail.sender,
        reply_to=reply_to(office, first.lead),
        recipient=contact.address,
        message_id=reminder_id(name, number),
        date=office.clock(),
    )


# -- the team -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Telling:
    """What the team is told about a case or an incident: ``number`` counts from 1 since the question that waits.

    ``url`` is where to answer, where that is not the case's page. ``no_answer``: it is that the retailer does not
    answer. ``aside``: it is not about the question, and counts by itself.
    """

    ref: str
    job: str
    about: str
    number: int
    url: str = ""
    no_answer: bool = False
    aside: bool = False


def tell_team(
    office: Office,
    send: Send | None,
    tellings: Sequence[Telling],
    beside: Sequence[Telling] = (),
    messages: Sequence[MessageRow] = (),
) -> int:
    """Tell the team, in one mail for all of it where the policy names an address; gives how many cases and messages
    took it down.

    ``beside`` is about no case: it stands in the same mail, and whoever gives it writes it down.
    The mail leaves before it is written down: a crash in between may tell it twice, never not at all (house rule 9).
    Raises MailDown, MailRefused.
    """
    if not (tellings or beside or messages):
        return 0
    by = "the board"
    if send is not None and office.policy.mail.team:
        mail = _mail(office, [*beside, *tellings], messages)
        send(mail.as_bytes(), office.policy.mail.sender, [office.policy.mail.team])
        by = "mail and the board"
    return note_told(office, messages) + sum(_note_telling(office, one, by) for one in tellings)


def _note_telling(office: Office, one: Telling, by: str) -> bool:
    what = {"no_answer": True} if one.no_answer else {"aside": True} if one.aside else {}
    event = office.event(Kind.TEAM_TOLD, US, about=short(one.about), number=one.number, by=by, **what)

    def unless_noted(now: Case) -> list[Event]:
        told = now.since_question(Kind.TEAM_TOLD) if one.aside else now.nudges
        return [event] if now.question is None or len(told) == one.number - 1 else []

    return office.store.change(one.ref, unless_noted).events[-1] == event


def _mail(office: Office, tellings: Sequence[Telling], messages: Sequence[MessageRow]) -> EmailMessage:
    what = [*sorted((one.ref, one.number, one.about) for one in tellings), *sorted(row.id for row in messages)]
    lines = [(one.ref, one.job, one.about, one.url or office.case_url(one.ref)) for one in tellings]
    message = team_mail(
        lines,
        sender=office.policy.mail.sender,
        to=office.policy.mail.team,
        date=office.clock(),
        messages=as_lines(office, messages),
        inbox=office.inbox_url,
    )
    domain = office.policy.mail.sender.rpartition("@")[2].rstrip("> ")
    message["Message-ID"] = f"<team.{hashlib.sha256(repr(what).encode()).hexdigest()[:32]}@{domain}>"
    message.policy = SMTP.clone(cte_type="7bit")
    return message
