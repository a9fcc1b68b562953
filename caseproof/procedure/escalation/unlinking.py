"""J10: a job-failure case that was linked to a support case by mistake is unlinked, with the reason, in both."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.job_failure.kinds import Kind as JobKind
from caseproof.domain.support.kinds import Kind
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import Ledger, event_of
from caseproof.procedure.escalation.opening import support_cases_of
from caseproof.procedure.escalation.questions import is_done, numbered


def unlink_job(ledger: Ledger, ref: str, job: str, why: str, by: str, question: int | None = None) -> Case:
    """That the job of this case was never part of this matter, and why; both histories keep it.

    A case that was opened with a failing job still needs one, or somebody who says that none fails. Said again, nothing
    changes. Raises BadInput where it is not linked, NotAllowed where this case was opened for it or no reason is given,
    UnknownCase.
    """
    with ledger.store.uow() as uow:
        case, there = uow.cases.get(ref), uow.cases.get(job)
        said = {"ref": there.ref, "why": redact(why.strip())}
        event = event_of(Kind.JOB_UNLINKED, ledger.clock(), by, said | numbered(question))
        if is_done(case, event, question):
            return case
        case = uow.cases.append(case, *ledger.along(case, [event]))
        if case.ref in support_cases_of(there):
            gone = {"ref": case.ref, "why": said["why"]}
            uow.cases.append(there, event_of(JobKind.SUPPORT_UNLINKED, event.at, by, gone))
        uow.commit()
    return case
