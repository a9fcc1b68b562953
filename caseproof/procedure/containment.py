"""J2 to J4: stop the job first. Plain code, so that neither a flow run nor Prefect is waited for (house rule 4)."""

from __future__ import annotations

from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Kind
from caseproof.platforms.base import Job, JobPlatform, PlatformRefused, Scope, UnknownJob
from caseproof.procedure.effects import Json, once
from caseproof.procedure.office import Office

SETTLE_SECONDS = 1.0
"""How long to wait before the second read-back: a scheduler may have been about to queue another run."""
HOLD_TRIES = 3


class _CannotStop(Exception):
    """The stop is not ours to make: why, and who can make it (J3)."""

    def __init__(self, why: str, who_can: str) -> None:
        super().__init__(why)
        self.why, self.who_can = why, who_can


def contain(office: Office, platform: JobPlatform, ref: str) -> Case:
    """Ensure that the job of the case is stopped, or that the case says why it cannot be and who can.

    Raises PlatformDown while the platform cannot be asked: nothing else comes before the stop, so the case waits.
    """
    case = office.case(ref)
    if case.contained is not None or case.is_closed:
        return case
    try:
        jobs, narrowed = _in_scope(platform, case)
        reached, refused = _stop_all(office, platform, case, jobs)
        _hold(office, platform, reached)
    except _CannotStop as reason:
        return _record(office, ref, Kind.CANNOT_STOP, why=reason.why, who_can=reason.who_can)
    told = {"scope": case.facts["scope"], "narrowed": narrowed, "jobs": reached, "not_stopped": refused}
    digest = office.keep_json(ref, f"stop-{case.round}.json", {"case": ref, "read_at": office.clock(), **told})
    return _record(office, ref, Kind.STOPPED, **told, evidence=digest)


def _record(office: Office, ref: str, kind: Kind, **data: Any) -> Case:
    # Two live runs of one case are harmless: whoever comes second finds the stop recorded.
    return office.store.change(ref, lambda now: [] if now.contained else [office.event(kind, **data)])


def _in_scope(platform: JobPlatform, case: Case) -> tuple[list[Job], str]:
    """The jobs the stop reaches, the case's own first, and why it reaches less than asked ("" if it does not)."""
    try:
        job = platform.job(case.facts["job"])
    except UnknownJob as gone:
        raise _CannotStop(
            f"The platform has no such job any more: {gone.problem}", "nobody needs to: nothing runs"
        ) from gone
    if job.stopped_by:
        raise _CannotStop("The job is marked on the platform as not ours to stop.", job.stopped_by)
    try:
        return platform.jobs_in(Scope(case.facts["scope"]), job), ""
    except BadInput as unclear:
        return [job], unclear.problem


def _stop_all(
    office: Office, platform: JobPlatform, case: Case, jobs: list[Job]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    reached: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    for job in jobs:
        try:
            reached.append({"name": job.name, **stop_one(office, platform, case, job.id)})
        except (PlatformRefused, UnknownJob) as no:
            if job is jobs[0]:
                raise _CannotStop(no.problem, "whoever administers the platform") from no
            refused.append({"job": job.id, "why": no.problem})
    return reached, refused


def stop_one(office: Office, platform: JobPlatform, case: Case, job_id: str) -> Json:
    """Stop one job and read it back: ``{"job", "was_active", "active", "waiting", "running"}``."""
    before = platform.standing(job_id)

    def read_back(plan: Json) -> Json | None:
        now = platform.standing(job_id)
        if not now.is_stopped:
            return None
        return {
            "job": job_id,
            "was_active": plan["was_active"],
            "active": now.active,
            "waiting": now.waiting,
            "running": now.running,
        }

    return once(
        office,
        case.ref,
        "stop",
        f"{case.ref}/{case.round}/stop/{job_id}",
        plan={"was_active": before.active},
        effect=lambda _: platform.stop(job_id),
        read_back=read_back,
        harmless=(PlatformRefused, UnknownJob),
    )


def _hold(office: Office, platform: JobPlatform, reached: list[dict[str, Any]]) -> None:
    """Read back a second time, and stop again what a scheduler queued in between."""
    for _ in range(HOLD_TRIES):
        office.sleep(SETTLE_SECONDS)
        loose = [entry["job"] for entry in reached if not platform.standing(entry["job"]).is_stopped]
        if not loose:
            return
        for job_id in loose:
            platform.stop(job_id)
    raise _CannotStop(f"Stopped, but it does not stay stopped: {', '.join(loose)}.", "whoever starts it again")
