"""J2 to J4: stop the job first. Plain code, so that neither a flow run nor Prefect is waited for (house rule 4)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
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
ADMINISTRATOR = "whoever administers the platform"


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
    reached: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    try:
        jobs, narrowed = _in_scope(platform, case)
        _stop_all(office, platform, case, jobs, reached, refused)
        _hold(office, platform, reached, refused)
    except _CannotStop as reason:
        # What was stopped beside the job is written down, too: it has to go live again with it.
        return _record(
            office, ref, Kind.CANNOT_STOP, why=reason.why, who_can=reason.who_can, jobs=reached[1:], not_stopped=refused
        )
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
        raise _gone(gone) from gone
    except PlatformRefused as no:
        raise _CannotStop(no.problem, ADMINISTRATOR) from no
    if job.stopped_by:
        raise _CannotStop("The job is marked on the platform as not ours to stop.", job.stopped_by)
    try:
        return platform.jobs_in(Scope(case.facts["scope"]), job), ""
    except (BadInput, PlatformRefused) as unclear:
        return [job], unclear.problem


def _gone(error: UnknownJob) -> _CannotStop:
    return _CannotStop(f"The platform has no such job any more: {error.problem}", "nobody needs to: nothing runs")


def _stop_all(
    office: Office,
    platform: JobPlatform,
    case: Case,
    jobs: list[Job],
    reached: list[dict[str, Any]],
    refused: list[dict[str, Any]],
) -> None:
    held = _active_before_others(office, case)
    for job in jobs:
        try:
            found = stop_one(office, platform, case, job.id, was_active=job.id in held)
            reached.append({"name": job.name, **found})
        except UnknownJob as gone:
            if job is jobs[0]:
                raise _gone(gone) from gone
            refused.append({"job": job.id, "why": gone.problem})
        except PlatformRefused as no:
            if job is jobs[0]:
                raise _CannotStop(no.problem, ADMINISTRATOR) from no
            refused.append({"job": job.id, "why": no.problem})


def _active_before_others(office: Office, case: Case) -> frozenset[str]:
    """Jobs that stand still only because another open case stopped them: whoever is last sets them live again."""
    with office.store.reading() as unit:
        others = [c for c in unit.cases.open_on(case.facts["platform"]) if c.ref != case.ref]
    return frozenset(job["job"] for other in others for job in held_jobs(other) if job.get("was_active"))


def held_jobs(case: Case) -> tuple[Mapping[str, Any], ...]:
    """The jobs that this case stopped, or tried to: also where its own could not be (J3)."""
    if case.contained is None:
        return ()
    tried = [job for job in case.contained.get("not_stopped", ()) if job.get("was_active")]
    return (*case.contained.get("jobs", ()), *tried)


def stop_one(office: Office, platform: JobPlatform, case: Case, job_id: str, *, was_active: bool = False) -> Json:
    """Stop one job and read it back: ``{"job", "was_active", "active", "waiting", "running"}``.

    ``was_active`` says that the job stands still only because another case stopped it.
    """
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
        plan={"was_active": before.active or was_active},
        effect=lambda _: platform.stop(job_id),
        read_back=read_back,
        harmless=(PlatformRefused, UnknownJob),
    )


def _hold(office: Office, platform: JobPlatform, reached: list[dict[str, Any]], refused: list[dict[str, Any]]) -> None:
    """Read back a second time, and stop again what a scheduler queued in between."""
    for _ in range(HOLD_TRIES):
        office.sleep(SETTLE_SECONDS)
        loose = [entry for entry in reached if _is_loose(platform, entry["job"])]
        if not loose:
            return
        for entry in loose:
            with suppress(PlatformRefused, UnknownJob):
                platform.stop(entry["job"])
    why = "Stopped, but it does not stay stopped"
    if reached[0] in loose:
        raise _CannotStop(f"{why}: {reached[0]['job']}.", "whoever starts it again")
    for entry in loose:
        reached.remove(entry)
        refused.append({"job": entry["job"], "why": f"{why}.", "was_active": entry["was_active"]})


def _is_loose(platform: JobPlatform, job_id: str) -> bool:
    try:
        return not platform.standing(job_id).is_stopped
    except UnknownJob:
        return False  # what vanished meanwhile cannot run
