"""J1: a case starts from the daily check, or from a ticket that a person raised."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from caseproof.config.policy import Policy
from caseproof.desks.base import Desk, DeskError, UnknownTicket
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import named_ticket
from caseproof.domain.spelling import no_such
from caseproof.domain.vocabulary import CAUSES, NO_MESSAGE, Scope
from caseproof.http.redaction import redact
from caseproof.platforms.base import Job, JobPlatform, Run, RunState, UnknownJob
from caseproof.procedure.core.parts import US, Ledger
from caseproof.store import AlreadyOpen
from caseproof.store.errors import Unreadable

LOOK_BACK = timedelta(days=7)
"""How far back the failed run that the case is about is looked for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is needed to open a case. ``platform`` is a saved block's name; ``job`` is what a person types."""

    platform: str
    job: str
    by: str
    how: str
    cause: str = "unknown"
    summary: str = ""
    ticket: str = ""
    scope: Scope | None = None


def open_case(
    ledger: Ledger, policy: Policy, platform: JobPlatform, desk: Callable[[], Desk], request: Request
) -> tuple[Case, bool]:
    """Open a case for the job, or return the one that is open for it: ``(case, whether it is new)``.

    The desk is looked up only for a ticket that is named, and not waited for: nothing comes before the stop. Raises
    UnknownJob, UnknownTicket and BadInput before anything is written.
    """
    if request.cause not in CAUSES:
        raise no_such("cause", request.cause, CAUSES)
    with ledger.store.reading() as uow:
        standing = uow.cases.open_for(request.platform, request.job)
    if standing is not None:
        return standing, False
    job = platform.job(request.job)
    if request.ticket:
        _refuse_shared(ledger, request.ticket, policy.desk)
        try:
            desk().ticket(request.ticket)
        except UnknownTicket:
            raise
        except DeskError:  # J2: a desk that is down or refuses holds up no stop; without such a ticket it gets its own
            pass
    failed = _last_failure(ledger, platform, job)
    scope = request.scope or policy.scope_for(request.cause)
    event = opened(
        ledger,
        request.platform,
        job,
        request.by,
        cause=request.cause,
        # What a person types may be pasted from a log; a message of the platform holds no secret any more.
        summary=redact(request.summary.strip()) or (failed.message if failed else "") or NO_MESSAGE,
        how=request.how,
        scope=str(scope),
        ticket=request.ticket,
        failed_run=failed.id if failed else None,
        failed_run_url=failed.url if failed else None,
        failed_at=failed.ended_at.isoformat() if failed and failed.ended_at else None,
    )
    try:
        with ledger.store.uow() as uow:
            case = uow.cases.create(event)
            uow.commit()
    except AlreadyOpen as other:
        return ledger.case(other.ref), False
    return case, True


def opened(ledger: Ledger, platform: str, job: Job, by: str = US, /, **failure: Any) -> Event:
    """The event that opens a case for this job. ``failure`` says what fails and how it was found."""
    return ledger.event(
        Kind.OPENED,
        by,
        platform=platform,
        job=job.id,
        job_name=job.name,
        job_url=job.url,
        retailer=job.retailer,
        marketplace=job.marketplace,
        connection=job.connection,
        **failure,
    )


def read_whose_job(ledger: Ledger, platform: Callable[[], JobPlatform], ref: str) -> Case:
    """Where the job did not say whose it is, read it again: somebody may have tagged it since. Raises PlatformDown."""
    case = ledger.case(ref)
    if case.facts.get("retailer") or case.is_closed:
        return case
    try:
        job = platform().job(case.facts["job"])
    except UnknownJob:
        return case
    if not job.retailer:
        return case
    event = ledger.event(
        Kind.FACTS_CORRECTED, retailer=job.retailer, marketplace=job.marketplace, connection=job.connection
    )
    return ledger.store.change(ref, lambda now: [] if now.facts.get("retailer") else [event])


def _refuse_shared(ledger: Ledger, ticket: str, desk: str) -> None:
    """One ticket, one case: closing one would close the other's."""
    if case := open_case_with(ledger, ticket, desk):
        raise BadInput(f"{ticket} is the ticket of {case.ref} already.", "Give this job's own ticket, or none.")


def open_case_with(ledger: Ledger, ticket: str, desk: str) -> Case | None:
    """The open case that carries this ticket of the desk that the policy calls so, or is about to."""
    with ledger.store.reading() as uow:
        for ref in uow.cases.speaking_of(ticket, Kind.OPENED, Kind.TICKET_OPENED, Kind.TICKET_NAMED):
            with suppress(Unreadable):  # it holds up no other
                if carries(case := uow.cases.get(ref), ticket, desk):
                    return case
    return None


def carries(case: Case, ticket: str, desk: str) -> bool:
    """Whether this ticket is the case's, the one that it was raised from, or the one that it is to go on in.

    On another desk than the case's own, the same number is another ticket.
    """
    named = named_ticket(case)
    theirs: list[str | None] = [named.data["ticket"]] if named is not None else []
    if case.ticket is None or case.ticket.data["desk"] == desk:
        theirs += [case.facts.get("ticket"), case.ticket.data["ticket"] if case.ticket else None]
    return bool(ticket) and ticket in theirs


def _last_failure(ledger: Ledger, platform: JobPlatform, job: Job) -> Run | None:
    failed = [r for r in platform.runs_since(job.id, ledger.clock() - LOOK_BACK) if r.state is RunState.FAILED]
    return failed[-1] if failed else None
