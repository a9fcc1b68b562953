"""J5: then tell the retailer what is wrong, what they must do, and the next steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from email.message import EmailMessage

from caseproof.channels.mail import DEADLINE_FACTOR, Delivery, MailDown, MailRefused
from caseproof.channels.notice import NoticeFacts, compose, message_id
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Kind
from caseproof.procedure.effects import HELD_SECONDS, Json, once
from caseproof.procedure.office import Office

Send = Callable[[bytes, str, Sequence[str]], Delivery]
"""Sends a message as it is: content, envelope sender, recipients."""


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
    if case.notice is not None or case.contained is None or case.is_closed:  # J2: nothing comes before the stop
        return case
    recipients = _recipients(office, case)
    message = _compose(office, case, recipients)
    digest = office.keep(ref, message.as_bytes(), f"notice-{case.round}.eml", "message/rfc822")

    def effect(plan: Json) -> Json:
        content = office.vault.read(plan["evidence"])
        try:
            delivery = send(content, office.policy.mail.sender, plan["to"])
        except MailDown as down:
            if down.maybe_sent:
                raise
            raise _NotSent(down.problem, down.next_action) from down
        return {**plan, "accepted": list(delivery.accepted), "refused": dict(delivery.refused)}

    told = once(
        office,
        ref,
        "notice",
        f"{ref}/{case.round}/notice",
        plan={"evidence": digest, "message_id": message["Message-ID"], "to": recipients},
        effect=effect,
        read_back=None,  # nobody can read a retailer's mailbox: the same Message-ID is sent again instead
        harmless=(MailRefused, _NotSent, BadInput),
        seconds=max(HELD_SECONDS, (DEADLINE_FACTOR + 1) * office.policy.mail.timeout_seconds),
    )
    event = office.event(Kind.NOTICE_SENT, **told)
    return office.store.change(ref, lambda now: [] if now.notice else [event])


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


def _compose(office: Office, case: Case, recipients: list[str]) -> EmailMessage:
    facts = case.facts
    with office.store.reading() as unit:
        names = tuple(c.name for c in unit.people.contacts(facts["retailer"]) if c.name)
    contained = case.contained
    stopped = contained is not None and contained.event.kind is Kind.STOPPED
    policy = office.policy.mail
    return compose(
        NoticeFacts(
            ref=case.ref,
            retailer=facts["retailer"],
            contact_names=names,
            job_name=facts["job_name"],
            marketplace=facts.get("marketplace"),
            cause=facts["cause"],
            summary=facts["summary"],
            failed_at=datetime.fromisoformat(facts["failed_at"]) if facts.get("failed_at") else None,
            stopped=stopped,
            cannot_stop_why="" if stopped or contained is None else contained["why"],
            who_can="" if stopped or contained is None else contained["who_can"],
            other_jobs=tuple(job["name"] for job in case.stopped_jobs[1:]),
            again=case.round > 1,
            case_url="",  # the case page is the team's: it has no login and names people
        ),
        sender=policy.sender,
        reply_to=policy.reply_to,
        recipients=recipients,
        message_id=message_id(case.ref, case.round, policy.sender),
        date=office.clock(),
    )
