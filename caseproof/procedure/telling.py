"""J5: then tell the retailer what is wrong, what they must do, and the next steps.

Jobs of one retailer, marketplace and cause that one check found share one mail: each of their cases, opened (or
reopened) by that check, names the first of them in ``shares_notice_with``. Whichever of them comes first sends the mail
for all that are stopped by then (J2 before J5), under an intent of the first one; the others record the same mail. A
case that is not in it (stopped only later, or corrected since) tells alone, and so does every later round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from caseproof.channels.mail import DEADLINE_FACTOR, MailDown, MailRefused
from caseproof.channels.notice import NOT_THEIRS, JobTold, NoticeFacts, compose, message_id
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Kind
from caseproof.domain.lifecycle import State
from caseproof.procedure.effects import HELD_SECONDS, Json, once
from caseproof.procedure.mail_pace import NotYourTurn, Send
from caseproof.procedure.office import Office
from caseproof.store import UnknownCase
from caseproof.store.errors import Unreadable

__all__ = ["NobodyToTell", "Send", "tell_retailer"]


TURNS, LONGEST_SLEEP = 20, 60.0
"""How often a notice waits until the mail's pace allows it, and how many seconds at a time, before it needs help."""


class NobodyToTell(CaseproofError):
    """The retailer of the case has no registered contact."""


class _NotSent(MailDown):
    """The message certainly did not leave: the next try may go to corrected addresses."""


def tell_retailer(office: Office, send: Send, ref: str) -> Case:
    """Ensure that the retailer got this round's notice.

    The message is kept as evidence before it is sent, and whoever repeats the step sends the same bytes with the same
    Message-ID: a crash in between may deliver it twice, never not at all. Raises NobodyToTell, MailDown, MailRefused.
    """
    case = office.case(ref)
    if not _is_to_be_told(case):  # J2: nothing comes before the stop
        return case
    told = _in_turn(office, lambda: _told_together(office, send, case) or _told_alone(office, send, case))
    _keep_with(office, ref, told["evidence"], _file_name(case))
    event = office.event(Kind.NOTICE_SENT, **told)
    return office.store.change(ref, lambda now: [] if now.notice else [event])


def _is_to_be_told(case: Case) -> bool:
    return case.notice is None and case.contained is not None and not case.is_closed


def _in_turn(office: Office, tell: Callable[[], Json]) -> Json:
    """Wait where much mail waits already; the intent is withdrawn meanwhile. Raises NotYourTurn after many turns."""
    for _ in range(TURNS):
        try:
            return tell()
        except NotYourTurn as later:
            office.sleep(min(later.seconds, LONGEST_SLEEP))
    return tell()


# -- which mail it is in --------------------------------------------------------------------------------------------


def _told_alone(office: Office, send: Send, case: Case) -> Json:
    return _ensure_sent(office, send, case, case.ref, str(case.round), lambda: [case])


def _told_together(office: Office, send: Send, case: Case) -> Json | None:
    """What became of the mail that the case shares; None where it shares none, or is not in it."""
    lead = _lead(case)
    if not lead:
        return None
    try:
        told = _ensure_sent(office, send, case, lead, f"check-{_check(case)}", lambda: _sharing(office, case))
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


def _sharing(office: Office, case: Case) -> list[Case]:
    """All cases that this mail tells of, oldest first; those not stopped yet, or that cannot be read, tell later."""
    facts = case.facts
    with office.store.reading() as unit:
        rows = unit.cases.alike(facts["platform"], facts.get("marketplace") or "", facts["cause"])
    sharing = []
    for row in rows:
        if row.retailer != facts["retailer"] or row.state is not State.CONTAINED:
            continue
        try:
            other = office.case(row.ref)
        except Unreadable:
            continue
        if _is_to_be_told(other) and (_lead(other), _check(other)) == (_lead(case), _check(case)):
            sharing.append(other)
    return sharing if any(other.ref == case.ref for other in sharing) else [case]


# -- sending --------------------------------------------------------------------------------------------------------


def _ensure_sent(
    office: Office, send: Send, case: Case, owner: str, which: str, together: Callable[[], list[Case]]
) -> Json:
    """Send the notice ``which`` of the case ``owner`` once, and say what became of it; ``case`` is who asks."""
    key = f"{owner}/{which}/notice"
    with office.store.reading() as unit:
        known = unit.intents.result(key)
    if known is not None:
        return known  # nothing is composed for a mail that is out
    cases = together()
    recipients = _recipients(office, case)
    message = _compose(office, cases, recipients, message_id(owner, which, office.policy.mail.sender))
    kept = office.vault.put(message.as_bytes(), _file_name(case), "message/rfc822")

    def effect(plan: Json) -> Json:
        told_of = case.ref if case.ref in plan["cases"] else plan["cases"][0]
        content = _keep_with(office, told_of, plan["evidence"], _file_name(case))  # before it is sent
        try:
            delivery = send(content, office.policy.mail.sender, plan["to"])
        except MailDown as down:
            if down.maybe_sent or isinstance(down, NotYourTurn):
                raise
            raise _NotSent(down.problem, down.next_action) from down
        return {**plan, "accepted": list(delivery.accepted), "refused": dict(delivery.refused)}

    return once(
        office,
        owner,
        "notice",
        key,
        plan={
            "evidence": kept.digest,
            "message_id": message["Message-ID"],
            "to": recipients,
            "cases": [one.ref for one in cases],
            # A retailer who was asked nothing owes no answer.
            "asks": not (cases[0].facts["cause"] in NOT_THEIRS or _reaches_many_shops(office, cases[0])),
        },
        effect=effect,
        read_back=None,  # nobody can read a retailer's mailbox: the same Message-ID is sent again instead
        harmless=(MailRefused, _NotSent, BadInput),
        later=(NotYourTurn,),
        seconds=max(HELD_SECONDS, (DEADLINE_FACTOR + 1) * office.policy.mail.timeout_seconds),
    )


def _file_name(case: Case) -> str:
    return f"notice-{case.round}.eml"


def _keep_with(office: Office, ref: str, digest: str, name: str) -> bytes:
    """List the message with the case's own evidence; what it says."""
    content = office.vault.read(digest)
    office.keep(ref, content, name, "message/rfc822")
    return content


def _recipients(office: Office, case: Case) -> list[str]:
    retailer = case.facts.get("retailer")
    if not retailer:
        raise NobodyToTell(
            f"The job of {case.ref} does not say whose it is.",
            "Tag the job with its retailer on the platform, then let the case try again: it reads the tags anew.",
        )
    with office.store.reading() as unit:
        addresses = [contact.address for contact in unit.people.contacts(retailer)]
    if not addresses:
        raise NobodyToTell(
            f"{retailer} has no registered contact.",
            f"`caseproof contact add --retailer {retailer} --address ADDRESS`, then let the case try again.",
        )
    return addresses


# -- what it says ---------------------------------------------------------------------------------------------------


def _compose(office: Office, cases: Sequence[Case], recipients: list[str], name: str) -> EmailMessage:
    case, facts = cases[0], cases[0].facts
    with office.store.reading() as unit:
        names = tuple(c.name for c in unit.people.contacts(facts["retailer"]) if c.name)
    jobs = tuple(_job_told(one) for one in cases)
    first, policy = jobs[0], office.policy.mail
    own = {one.facts["job"] for one in cases}
    along = {job["job"]: job["name"] for one in cases for job in _stopped_by_us(one) if job["job"] not in own}
    return compose(
        NoticeFacts(
            ref=case.ref,
            retailer=facts["retailer"],
            contact_names=names,
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
            sent_back=first.sent_back,
            case_url="",  # the case page is the team's: it has no login and names people
            jobs=jobs if len(jobs) > 1 else (),
            many_shops=_reaches_many_shops(office, case),
        ),
        sender=policy.sender,
        reply_to=policy.reply_to,
        recipients=recipients,
        message_id=name,
        date=office.clock(),
    )


def _job_told(case: Case) -> JobTold:
    contained = case.contained
    stopped = contained is not None and contained.event.kind is Kind.STOPPED
    if stopped and case.facts["job"] in _loose(case):
        stopped, why, who_can = False, "It was started again after we had stopped it", ""
    else:
        why, who_can = ("", "") if stopped or contained is None else (contained["why"], contained["who_can"])
    told_before, sent_back = case.round > 1, _was_sent_back(case)
    return JobTold(case.ref, case.facts["job_name"], stopped, why, who_can, again=told_before, sent_back=sent_back)


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
    beginnings = [event.kind for event in case.events if event.kind in _BEGINS_A_ROUND]
    return beginnings[-1:] == [Kind.REVIEW_REJECTED]


_BEGINS_A_ROUND = frozenset({Kind.OPENED, Kind.REOPENED, Kind.FAILED_AGAIN, Kind.REVIEW_REJECTED})


def _reaches_many_shops(office: Office, case: Case) -> bool:
    """Whether the case belongs to an incident that reached as many retailers at once as make a storm.

    Then the fault is not theirs. Jobs of one retailer count once: they have one token and one account, and a second
    retailer whose token happens to end on the same day has to renew it all the same.
    """
    if case.incident is None or case.last_opened is None:
        return False
    storm, opened = office.policy.check.storm, case.last_opened.at
    window = timedelta(minutes=storm.minutes)
    with office.store.reading() as unit:
        rows = unit.cases.of_incident(case.incident["incident"])
    at_once = {row.retailer for row in rows if row.retailer and abs(row.last_opened_at - opened) <= window}
    return len(at_once) >= storm.cases
