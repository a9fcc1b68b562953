"""J5, J6: a retailer who does not answer is reminded, and the team is told what waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage

from caseproof.channels.outbound.languages import language_of
from caseproof.channels.outbound.reminder import ReminderFacts, compose_reminder, reminder_id, renewal_id
from caseproof.config.mail_address import comparable
from caseproof.config.policy import Policy
from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.case import Case, Fact
from caseproof.domain.events import Event
from caseproof.domain.job_failure.cause import asks_for_answer, is_answered
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import WORD
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import Dispatch, Ledger
from caseproof.procedure.notify.letter_keys import kept_letter
from caseproof.procedure.notify.outbox import Draft, OutboxEntry, send_letters
from caseproof.procedure.notify.telling import compose_letter, contacts_of
from caseproof.procedure.notify.threads import (
    Thread,
    addressees,
    answer_url,
    correction_of,
    first_thread,
    numbered,
    reply_to,
    thread_to,
    which_correction,
)
from caseproof.store import UnknownCase
from caseproof.store.errors import Unreadable
from caseproof.store.people import Contact


def remind(ledger: Ledger, dispatch: Dispatch, policy: Policy, ref: str) -> list[str]:
    """Remind the retailer of the notice of this case, in its thread; gives the cases that were reminded of.

    Every contact gets a letter of their own; cases that share a notice share its reminders. Each is kept as evidence
    before it is sent; whoever repeats it sends the same bytes with the same Message-ID. Raises NobodyToTell, MailDown,
    MailRefused.
    """
    case = ledger.case(ref)
    if not waits_for_word(case) or case.last_told is None or not asks_for_answer(case):
        return []  # "we have no answer from you" is said to nobody who was asked nothing
    if _is_too_soon(case, policy.keeper, ledger.clock()):
        return []
    notice: Fact = case.last_told
    number = len(case.since_told(Kind.REMINDER_SENT)) + 1
    group = [case, *_sharing(ledger, case, number)]
    first = first_thread(ledger.store, case)

    def draft() -> Draft:
        contacts = contacts_of(ledger.store, case)
        to = addressees(case.notice.event.data if case.notice else notice.event.data)
        threads = [thread_to(dispatch.effects, first, to, contact.address) for contact in contacts]
        messages = [
            compose_following(ledger, dispatch, policy, group, notice, thread, contact, number=number)
            for thread, contact in zip(threads, contacts, strict=True)
        ]
        names = [thread.id for thread in threads]
        return Draft([contact.address for contact in contacts], messages, names, {"number": number})

    key = f"{notice['message_id']}/reminder/{number}"
    file = f"reminder-{len(case.since_notice(Kind.REMINDER_SENT)) + 1}"  # a correction begins to count anew
    mailing = OutboxEntry(first.lead, "reminder", key, file)
    told = send_letters(dispatch, mailing, draft, lambda _: first.lead)
    return [one.ref for one in group if _record(ledger, one.ref, number, told)]


def _is_too_soon(case: Case, keeper: KeeperPolicy, now: datetime) -> bool:
    """Whether the last reminder left just now: what was held up for days leaves no two mails on one day."""
    sent, days = case.since_told(Kind.REMINDER_SENT), keeper.remind_after_days
    if not sent or len(sent) >= len(days):
        return False
    apart = min(timedelta(days=days[len(sent)] - days[len(sent) - 1]), timedelta(days=1))
    return timedelta() <= now - sent[-1].at < apart


def _record(ledger: Ledger, ref: str, number: int, told: Json) -> bool:
    event = ledger.event(Kind.REMINDER_SENT, **told)

    def unless_recorded(now: Case) -> list[Event]:
        wanted = now.notice is not None and now.state in (State.WAITING, State.PAUSED)
        return [event] if wanted and len(now.since_told(Kind.REMINDER_SENT)) == number - 1 else []

    after = ledger.change(ref, unless_recorded)
    return len(after.since_told(Kind.REMINDER_SENT)) == number and after.events[-1] == event


def waits_for_word(case: Case) -> bool:
    """Whether the retailer was asked for their word, and wrote nothing since."""
    return case.state is State.WAITING and may_answer(case)


def may_answer(case: Case) -> bool:
    """The same, also where the account is kept paused: nobody reminds them then, and their word still counts."""
    question = case.question
    if case.state not in (State.WAITING, State.PAUSED) or question is None or question["form"] != WORD:
        return False
    return not is_answered(case) and case.unanswered_since is not None  # nobody is reminded who wrote


def _sharing(ledger: Ledger, case: Case, number: int) -> list[Case]:
    """The other cases in the same notice that wait for the retailer's word and had as many reminders."""
    sharing = sharing_notice(ledger, case, waits_for_word)
    return [other for other in sharing if len(other.since_told(Kind.REMINDER_SENT)) == number - 1]


def sharing_notice(ledger: Ledger, case: Case, waits: Callable[[Case], bool]) -> list[Case]:
    """The other cases in the same notice that wait for the retailer, too, and were not corrected since."""
    others = [ref for ref in (case.notice.data.get("cases", ()) if case.notice else ()) if ref != case.ref]
    return [other for ref in others if (other := _readable(ledger, ref)) and _shares(other, case) and waits(other)]


def _readable(ledger: Ledger, ref: str) -> Case | None:
    try:
        return ledger.case(ref)
    except (Unreadable, UnknownCase):
        return None  # it holds up no other


def _shares(one: Case, case: Case) -> bool:
    theirs, ours = one.notice, case.notice
    same = theirs is not None and ours is not None and theirs.data["message_id"] == ours.data["message_id"]
    return same and one.correction is None and case.correction is None  # what was corrected alone is followed up alone


def compose_following(
    ledger: Ledger,
    dispatch: Dispatch,
    policy: Policy,
    group: Sequence[Case],
    notice: Fact,
    letter: Thread,
    contact: Contact,
    *,
    number: int,
    renews: str = "",
) -> EmailMessage:
    """The reminder to one contact, in the thread of their own letter, and with their own link.

    ``renews``: the fingerprint of the key of new links, where it brings these and reminds of nothing.
    """
    sent = group[0].notice
    told, last = (sent or notice).event.data, notice.event.data
    name = numbered(str(told["message_id"]), letter.number)
    if group[0].correction is not None:
        name = correction_of(name, which_correction(str(last["message_id"])))
    theirs = [
        number for number, to in enumerate(addressees(last), start=1) if comparable(to) == comparable(contact.address)
    ]
    follows = kept_letter(dispatch.files.vault, last, theirs[0]) if theirs else None
    if follows is None:  # who joined since gets their own to read, never another's: that one is not meant for them
        follows = compose_letter(
            ledger, dispatch.replies, policy, group, contact, letter.lead, name, asks=True
        ).as_bytes()
    return compose_reminder(
        follows,
        ReminderFacts(
            language=language_of(contact.language, policy.mail.language),
            contact_name=contact.name,
            jobs=tuple(f"{one.ref}: {one.facts['job_name']}" for one in sorted(group, key=lambda one: one.ref)),
            told_at=notice.at,
            stopped=bool(group[0].stopped_jobs),
            number=number,
            last=not renews and number >= len(policy.keeper.remind_after_days),
            deadline=notice.at + timedelta(days=policy.keeper.answer_within_days),
            answer_url=answer_url(dispatch.replies),
            renews=bool(renews),
            zone=dispatch.replies.zone,
        ),
        sender=policy.mail.sender,
        reply_to=reply_to(dispatch.replies, letter.lead),
        recipient=contact.address,
        message_id=renewal_id(name, renews) if renews else reminder_id(name, number),
        date=ledger.clock(),
    )
