"""J5: then tell the retailer what is wrong, what they must do, and the next steps.

Jobs of one retailer, marketplace and cause that one check found share one mail: each of their cases, opened (or
reopened) by that check, names the first of them in ``shares_notice_with``. Whichever of them comes first sends the mail
for all that are stopped by then (J2 before J5), under an intent of the first one; the others record the same mail. A
case that is not in it (stopped only later, or corrected since) tells alone, and so does every later round. Nobody is
told before the cause is known or left open (``core.causes``), where the policy asks a person for it.

Each contact gets a letter of their own: in their language, with their own link to the confirmation page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Literal

from caseproof.channels.outbound.languages import language_of
from caseproof.channels.outbound.mail import Send
from caseproof.channels.outbound.notice import JobTold, NoticeFacts, compose, message_id
from caseproof.config.policy import Policy
from caseproof.config.policy_check import CheckPolicy
from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.cause import is_neutral
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import NOT_THEIRS
from caseproof.procedure.core.causes import may_tell
from caseproof.procedure.core.idempotent_effect import Json
from caseproof.procedure.core.parts import Dispatch, Ledger, ReplyAddresses
from caseproof.procedure.notify.outbox import TURNS, Draft, OutboxEntry, keep_letters, send_letters
from caseproof.procedure.notify.threads import answer_url, notice_key, numbered, reply_to, thread_name
from caseproof.store import Store, UnknownCase
from caseproof.store.errors import Unreadable
from caseproof.store.people import Contact

__all__ = ["Correcting", "NobodyToTell", "Send", "asks_of", "compose_letter", "contacts_of", "tell_retailer"]


@dataclass(frozen=True, slots=True)
class Correcting:
    """The mail that another one takes back: what was wrong with it, when it left, and its Message-ID."""

    what: Literal["wrong", "not known"]
    told_at: datetime
    follows: str


class NobodyToTell(CaseproofError):
    """The retailer of the case has no registered contact."""

    code = Code.NOBODY_TO_TELL


def tell_retailer(ledger: Ledger, dispatch: Dispatch, policy: Policy, ref: str) -> Case:
    """Ensure that the retailer got this round's notice: a letter to each contact.

    Each letter is kept as evidence before it is sent, and whoever repeats the step sends the same bytes with the same
    Message-ID: a crash in between may deliver one twice, never not at all. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = ledger.case(ref)
    if not _is_to_be_told(case, policy):  # J2: nothing comes before the stop; and nobody is told a guess
        return case
    told = _told_together(ledger, dispatch, policy, case) or _told_alone(ledger, dispatch, policy, case)
    keep_letters(dispatch.files, ref, told, _file_name(case))
    event = ledger.event(Kind.NOTICE_SENT, **told)
    return ledger.change(ref, lambda now: [] if now.notice else [event])


def _is_to_be_told(case: Case, policy: Policy) -> bool:
    stopped = case.notice is None and case.contained is not None and not case.is_closed
    return stopped and may_tell(policy.keeper, case)


# -- which mail it is in --------------------------------------------------------------------------------------------


def _told_alone(ledger: Ledger, dispatch: Dispatch, policy: Policy, case: Case) -> Json:
    return _ensure_sent(ledger, dispatch, policy, case, case.ref, str(case.round), lambda: [case])


def _told_together(ledger: Ledger, dispatch: Dispatch, policy: Policy, case: Case) -> Json | None:
    """What became of the mail that the case shares; None where it shares none, or is not in it."""
    lead = _lead(case)
    if not lead:
        return None
    try:
        told = _ensure_sent(
            ledger, dispatch, policy, case, lead, f"check-{_check(case)}", lambda: _sharing(ledger, policy, case)
        )
    except UnknownCase:  # the first of them is not in this store
        return None
    return told if case.ref in told["cases"] else None


def _lead(case: Case) -> str:
    """The case whose intent the shared mail has: the first that the check found; "" where this one shares none."""
    opening = case.last_opened
    if opening is None or not _check(case) or not case.facts.get("retailer"):
        return ""
    if any(event.kind in _LEAVES for event in case.events[opening.seq :]):
        return ""
    return str(opening.get("shares_notice_with") or case.ref)


def _check(case: Case) -> str:
    """The pass of the check that opened the case this time; "" where it was somebody else."""
    return str(case.last_opened.get("check") or "") if case.last_opened else ""


_LEAVES = frozenset({Kind.FACTS_CORRECTED, Kind.FAILED_AGAIN, Kind.REVIEW_REJECTED})
"""After these the case is another's than it was taken for, or in a later round: it tells alone."""


def _sharing(ledger: Ledger, policy: Policy, case: Case) -> list[Case]:
    """All cases that this mail tells of, oldest first; those not stopped yet, or that cannot be read, tell later."""
    facts = case.facts
    with ledger.store.reading() as uow:
        rows = uow.cases.alike(facts["platform"], facts.get("marketplace") or "", facts["cause"])
    sharing = []
    for row in rows:
        if row.retailer != facts["retailer"] or row.state is not State.CONTAINED:
            continue
        try:
            other = ledger.case(row.ref)
        except Unreadable:
            continue
        if _is_to_be_told(other, policy) and _tells_alike(other, case):
            sharing.append(other)
    return sharing if any(other.ref == case.ref for other in sharing) else [case]


def _tells_alike(one: Case, other: Case) -> bool:
    """Whether both share the mail of one check, and it may say the same of both."""
    return (_lead(one), _check(one), is_neutral(one)) == (_lead(other), _check(other), is_neutral(other))


# -- sending --------------------------------------------------------------------------------------------------------


def _ensure_sent(
    ledger: Ledger,
    dispatch: Dispatch,
    policy: Policy,
    case: Case,
    owner: str,
    which: str,
    together: Callable[[], list[Case]],
) -> Json:
    """Send the notice ``which`` of the case ``owner`` once, and say what became of it; ``case`` is who asks."""

    def draft() -> Draft:
        cases, contacts = together(), contacts_of(ledger.store, case)
        asks = asks_of(ledger.store, policy.check, cases[0])  # a retailer who was asked nothing owes no answer
        first = message_id(owner, which, policy.mail.sender)
        messages = [
            compose_letter(
                ledger,
                dispatch.replies,
                policy,
                cases,
                contact,
                owner,
                numbered(first, number),
                asks=asks,
            )
            for number, contact in enumerate(contacts, start=1)
        ]
        threads = [thread_name(owner, which, number) for number in range(1, len(contacts) + 1)] if asks else []
        cause = _cause_told(ledger.store, policy.check, cases[0])
        facts = {"cases": [one.ref for one in cases], "asks": asks, "cause": cause}
        return Draft([contact.address for contact in contacts], messages, threads, facts)

    mailing = OutboxEntry(owner, "notice", notice_key(owner, which), _file_name(case), TURNS)
    return send_letters(
        dispatch, mailing, draft, lambda told: case.ref if case.ref in told["cases"] else told["cases"][0]
    )


def _file_name(case: Case) -> str:
    return f"notice-{case.round}"


def contacts_of(store: Store, case: Case) -> list[Contact]:
    """Whom a mail about the case goes to: the retailer's registered contacts. Raises NobodyToTell, StoreError."""
    retailer = case.facts.get("retailer")
    if not retailer:
        raise NobodyToTell(
            f"The job of {case.ref} does not say whose it is.",
            "Tag the job with its retailer on the platform, then let the case try again: it reads the tags anew.",
        )
    with store.reading() as uow:
        contacts = uow.people.contacts(retailer)
    if not contacts:
        raise NobodyToTell(
            f"{retailer} has no registered contact.",
            f"Register one on the web app's page Contacts, or with `caseproof contact add --retailer {retailer} "
            "--address ADDRESS`: the case then goes on by itself.",
        )
    return contacts


# -- what it says ---------------------------------------------------------------------------------------------------


def compose_letter(
    ledger: Ledger,
    replies: ReplyAddresses,
    policy: Policy,
    cases: Sequence[Case],
    contact: Contact,
    lead: str,
    name: str,
    *,
    asks: bool,
    correcting: Correcting | None = None,
) -> EmailMessage:
    """The notice of these cases to one contact; ``name`` is its Message-ID; ``lead`` the case that it is signed for.

    ``correcting``: what it takes back. Where ``asks`` is not set, it asks nothing.
    """
    case, facts = cases[0], cases[0].facts
    jobs = tuple(_job_told(one) for one in cases)
    first, now = jobs[0], ledger.clock()
    own = {one.facts["job"] for one in cases}
    along = {job["job"]: job["name"] for one in cases for job in _stopped_by_us(one) if job["job"] not in own}
    return compose(
        NoticeFacts(
            ref=case.ref,
            language=language_of(contact.language, policy.mail.language),
            retailer=facts["retailer"],
            contact_name=contact.name,
            job_name=first.job_name,
            marketplace=facts.get("marketplace"),
            cause=facts["cause"],
            summary=facts["summary"],
            failed_at=datetime.fromisoformat(facts["failed_at"]) if facts.get("failed_at") else None,
            stopped=first.stopped,
            cannot_stop_why=first.cannot_stop_why,
            who_can=first.who_can,
            other_jobs=tuple(along.values()),
            again=first.again,
            deadline=now + timedelta(days=policy.keeper.answer_within_days) if asks else None,
            answer_url=answer_url(replies) if asks else "",
            jobs=jobs if len(jobs) > 1 else (),
            many_shops=_reaches_many_shops(ledger.store, policy.check, case),
            neutral=is_neutral(case),
            corrects=correcting.what if correcting else "",
            told_at=correcting.told_at if correcting else None,
            is_over=correcting is not None and case.is_closed,
            sent_back=first.sent_back,
            started_again=first.started_again,
            zone=replies.zone,
        ),
        sender=policy.mail.sender,
        reply_to=reply_to(replies, lead),
        recipient=contact.address,
        message_id=name,
        date=now,
        follows=correcting.follows if correcting else "",
    )


def asks_of(store: Store, check: CheckPolicy, case: Case) -> bool:
    """Whether the retailer is asked for an answer: never where the fault is not theirs, or nobody knows whose it is."""
    return not (case.facts["cause"] in NOT_THEIRS or is_neutral(case) or _reaches_many_shops(store, check, case))


def _cause_told(store: Store, check: CheckPolicy, case: Case) -> str:
    """The cause in whose words the notice is; "" in those of an incident, which says that the fault is not theirs."""
    cause = str(case.facts["cause"])
    return "" if cause not in NOT_THEIRS and _reaches_many_shops(store, check, case) else cause


def _job_told(case: Case) -> JobTold:
    contained = case.contained
    stopped = contained is not None and contained.event.kind is Kind.STOPPED
    loose = stopped and case.facts["job"] in _loose(case)
    why, who_can = ("", "") if stopped or contained is None else (contained["why"], contained["who_can"])
    return JobTold(
        case.ref, case.facts["job_name"], stopped and not loose, why, who_can,
        again=case.round > 1, sent_back=_was_sent_back(case), started_again=loose,
    )  # fmt: skip


def _stopped_by_us(case: Case) -> list[Mapping[str, Any]]:
    """The jobs that could run by themselves until this case stopped them; also where its own could not be (J3)."""
    reached = case.contained.get("jobs", ()) if case.contained else ()
    return [job for job in reached if job.get("was_active", True) and job["job"] not in _loose(case)]


def _loose(case: Case) -> set[str]:
    """The jobs that ran again since the stop and did not stand still when they were last read back."""
    since = case.contained.seq if case.contained else 0
    last = {
        job["job"]: job
        for event in case.events[since:]
        if event.kind is Kind.STOP_DID_NOT_HOLD
        for job in event.data["jobs"]
    }
    return {name for name, job in last.items() if job.get("active") or job.get("waiting") or job.get("running")}


def _was_sent_back(case: Case) -> bool:
    """Whether this round began with a reviewer who sent the evidence back: the job did not fail then."""
    beginnings = [event.kind for event in case.events if "round" in event.kind.spec.counts]
    return beginnings[-1:] == [Kind.REVIEW_REJECTED]


def _reaches_many_shops(store: Store, check: CheckPolicy, case: Case) -> bool:
    """Whether the case belongs to an incident that reached as many retailers at once as make a storm.

    Then the fault is not theirs. Jobs of one retailer count once: they have one token and one account, and a second
    retailer whose token happens to end on the same day has to renew it all the same.
    """
    if case.incident is None or case.last_opened is None:
        return False
    storm, opened = check.storm, case.last_opened.at
    window = timedelta(minutes=storm.minutes)
    with store.reading() as uow:
        rows = uow.cases.of_incident(case.incident.data["incident"])
    at_once = {row.retailer for row in rows if row.retailer and abs(row.last_opened_at - opened) <= window}
    return len(at_once) >= storm.cases
