"""E1: a support case is opened, from a form, a command, a page, an emergency or a job-failure case; one a matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from caseproof.channels.inbound.reading import read_mail
from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.emergency.raising import ShortCase
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.job_failure.kinds import Kind as JobKind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.payloads import SupportForJob, SupportNotForJob
from caseproof.domain.substance import says_something, stands_in
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, event_of
from caseproof.procedure.core.support import (
    SupportWanted,
    has_words,
    key_of,
    note_mail,
    opening_events,
    tidy,
    write_opening,
)
from caseproof.procedure.escalation.questions import numbered
from caseproof.store import AlreadyOpen, UnitOfWork

__all__ = [
    "SupportWanted", "link_job", "open_from_message", "open_support_case", "short_case_opener", "support_cases_of",
    "support_for_job",
]  # fmt: skip


def open_support_case(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, wanted: SupportWanted, by: str
) -> tuple[Case, bool]:
    """Open a support case, or give the one that there is: ``(case, whether it is new)``.

    A matter has one open case; what came by a ``request`` that was seen before has the case that it opened then, closed
    or not. What the client said besides is written into that case. Raises BadInput, with all that is missing, before
    anything is written.
    """
    wanted = tidy(wanted)
    standing = _standing(ledger, wanted)
    if standing is None:
        events = opening_events(policy.ladder, policy.clients, wanted, ledger.clock(), by)
        try:
            with ledger.store.uow() as uow:
                case = _joined(uow, write_opening(uow, events), wanted)
                uow.commit()
        except AlreadyOpen as other:
            standing = ledger.case(other.ref)
        else:
            return case, True
    return _told_again(ledger, files, standing, wanted, by), False


def _standing(ledger: Ledger, wanted: SupportWanted) -> Case | None:
    with ledger.store.reading() as uow:
        ref = uow.cases.of_key(SUPPORT.prefix, wanted.product, key_of(wanted), closed_too=bool(wanted.request))
        return uow.cases.get(ref) if ref else None


def _joined(uow: UnitOfWork, case: Case, wanted: SupportWanted) -> Case:
    """An earlier case that it continues is one that there is. Raises UnknownCase."""
    if wanted.continues:
        uow.cases.get(wanted.continues)
    return case


def _told_again(ledger: Ledger, files: EvidenceFiles, case: Case, wanted: SupportWanted, by: str) -> Case:
    """Nothing that the client said is lost, only because their case is open already."""
    if case.is_closed or has_words(case, wanted.said):
        return case
    kept = files.keep(case.ref, wanted.said.encode(), "what-the-client-said.txt", "text/plain")
    said = {"sender": wanted.sender or wanted.client, "words": wanted.said, "evidence": kept, "typed": True}
    said |= {"unproven": wanted.unproven} if wanted.unproven else {}
    event = event_of(Kind.CLIENT_WROTE, ledger.clock(), by, said)
    return ledger.change(case.ref, lambda now: [] if now.is_closed or has_words(now, wanted.said) else [event])


def open_from_message(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, number: int, wanted: SupportWanted, by: str
) -> tuple[Case, bool]:
    """Open a support case from a message of the inbox that is of no case; the message is its evidence, and looked at.

    What is left empty of ``wanted``, the message says. Nobody vouches for its sender here, so it names nobody (E6).
    Raises BadInput where there is no such message, or it is of a case.
    """
    with ledger.store.reading() as uow:
        row = uow.messages.get(number)
    if row is None:
        raise BadInput(f"There is no message {number}.", "`caseproof inbox list` shows their numbers.")
    if row.about:
        raise BadInput(
            f"Message {number} is of {row.about}.", f"Open {row.about}; or raise a case without the message."
        )
    mail = read_mail(files.vault.read(row.digest))
    wanted = replace(
        wanted, summary=wanted.summary or row.subject, said=wanted.said or mail.own_words or mail.words,
        sender=row.sender, evidence=row.digest, message_id=row.message_id, unproven=str(row.code),
        request=row.message_id or row.digest,
    )  # fmt: skip
    case, new = open_support_case(ledger, files, policy, wanted, by)
    now = ledger.clock()
    with ledger.store.uow() as uow:
        uow.evidence.add(case.ref, row.digest, row.file_name, row.media_type, row.size, now)
        note_mail(uow, row.message_id, case.ref, now)
        uow.messages.file(number, case.ref)
        uow.messages.done([number], by, now)
        uow.commit()
    return case, new


def short_case_opener(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, site: str = ""
) -> Callable[[ShortCase, str], str]:
    """What writes the thirty-second case of an emergency (E9), for ``raise_emergency``; it gives its reference.

    Nobody waits for better words: what is too long is cut, and what says little is said to be all there was.
    """

    def opened(short: ShortCase, by: str) -> str:
        said = short.said.strip()
        if not says_something(said):
            said = f"{said} (an emergency; the client's words were not written down)"
        names = {"client": short.client[:100], "product": short.product[:100], "site": site[:100]}
        wanted = SupportWanted(
            **names, summary=said[:100], said=said, how="an emergency", urgency=str(Urgency.STOPS),
            failing=str(Failing.NO),
        )  # fmt: skip
        return open_support_case(ledger, files, policy, wanted, by)[0].ref

    return opened


def support_for_job(
    ledger: Ledger, files: EvidenceFiles, policy: Policy, ref: str, wanted: SupportWanted, by: str
) -> tuple[Case, bool]:
    """Open the support case that an open job-failure case needs; each names the other, and the job's goes on waiting.

    The retailer is the client where no other is said. One job-failure case has one open support case: asked again, it
    gives that one. Raises BadInput where ``ref`` is no open job-failure case, UnknownCase.
    """
    job = ledger.case(ref)
    if job.procedure is not JOB_FAILURE or job.is_closed:
        what = "is closed" if job.is_closed else "is no job-failure case"
        raise BadInput(f"{job.ref} {what}.", "Open the support case by itself: `caseproof case open --support`.")
    for one in support_cases_of(job):
        if not (standing := ledger.case(one)).is_closed:
            return _told_again(ledger, files, standing, tidy(wanted), by), False
    facts = job.facts
    wanted = replace(
        wanted,
        client=wanted.client.strip() or str(facts.get("retailer") or ""),
        site=wanted.site.strip() or str(facts.get("marketplace") or ""),
        summary=wanted.summary.strip() or f"{facts['job_name']} fails",
        failing=str(Failing.YES),
        request="",
    )
    case, new = open_support_case(ledger, files, policy, wanted, by)
    return link_job(ledger, case.ref, job.ref, by, asked_for=True, opened_for_it=new), new


def link_job(
    ledger: Ledger,
    ref: str,
    job: str,
    by: str,
    question: int | None = None,
    *,
    asked_for: bool = False,
    opened_for_it: bool = False,
) -> Case:
    """That a job fails in this matter, whose case this is (J10): each of the two names the other from then on.

    ``asked_for``: the job's own case asked for support; ``opened_for_it``: this support case was opened for that.

    Said again, nothing changes. Raises BadInput where one of them is of another procedure, NotAllowed where the support
    case is closed, where the job's case was closed before this one was opened, or is another client's; UnknownCase.
    """
    with ledger.store.uow() as uow:
        case, failing = uow.cases.get(ref), uow.cases.get(job)
        if case.procedure is not SUPPORT:
            raise BadInput(f"{case.ref} is no support case.", "Name a support case, like SC-000001.")
        if failing.procedure is not JOB_FAILURE:
            raise BadInput(
                f"{failing.ref} is no job-failure case.", "Name the case of the job that fails, like JF-000001."
            )
        if failing.ref not in linked_jobs(case) and not case.is_closed:
            _refuse_closed_before(case, failing)
            if not asked_for:
                _refuse_foreign(case, failing)
        now = ledger.clock()
        said = {"ref": failing.ref} | ({"opened_for": True} if opened_for_it else {}) | numbered(question)
        linked = event_of(Kind.JOB_LINKED, now, by, said)
        if failing.ref not in linked_jobs(case) or (question is not None and question not in case.handled):
            case = uow.cases.append(case, *ledger.along(case, [linked]))
        if case.ref not in support_cases_of(failing):
            uow.cases.append(failing, event_of(JobKind.SUPPORT_OPENED, now, by, {"ref": case.ref}))
        uow.commit()
    return case


def _refuse_closed_before(case: Case, job: Case) -> None:
    """J10: what proves nothing here is not linked; nobody would be asked, and the case would wait for it for ever."""
    opened, closed = case.last_opened, job.closed
    if not job.is_closed or opened is None or closed is None or job.verified is None:
        return
    again = f"Where the job fails again, let {job.ref} be opened again; else say that no job fails."
    if closed.at < opened.at:
        why = f"was closed before {case.ref} was opened; that its job ran then proves nothing of now"
        raise NotAllowed(f"J10: {job.ref} {why}.", again)
    if datetime.fromisoformat(job.verified["started_at"]) < opened.at:
        why = f"closed with a run of before {case.ref} was opened, which proves nothing of now"
        raise NotAllowed(f"J10: {job.ref} {why}.", again)


def _refuse_foreign(case: Case, job: Case) -> None:
    """J10: another client's job proves nothing of this matter; a case that was opened for the job's is of its matter,
    whatever its retailer is called."""
    client, retailer = str(case.facts["client"]), str(job.facts.get("retailer") or "")
    is_one = stands_in(client, retailer) or stands_in(retailer, client)
    if retailer and not is_one and case.ref not in support_cases_of(job):
        raise NotAllowed(
            f"J10: the job of {job.ref} is one of {retailer}, and {case.ref} is a case of {client}.",
            f"Name the case of a job of {client}; where {case.ref} is about {retailer}, correct that first.",
        )


def support_cases_of(job: Case) -> list[str]:
    """The support cases that were opened for a job-failure case, or link it, oldest first."""
    unlinked = {str(fact.data["ref"]): fact.seq for fact in job.all_of(SupportNotForJob)}
    linked = {str(fact.data["ref"]): fact.seq for fact in job.all_of(SupportForJob)}
    return [ref for ref, latest in linked.items() if latest > unlinked.get(ref, 0)]
