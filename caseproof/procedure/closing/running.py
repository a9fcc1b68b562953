"""J10: carry the decision out by a run, read it back, and set the schedule live again only after that.

"The run" is the job's own for a reactivation, and a run of our ``remove-integration`` deployment for a removal (J9).
``runner`` is the platform that this run is on: the job's own platform, or our own Prefect server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from caseproof.config.clock import Clock
from caseproof.domain import payloads as says
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, is_fresh
from caseproof.domain.codes import Code, StepName
from caseproof.domain.decisions import NEEDS
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Decision, Starter
from caseproof.platforms.abilities import Ability
from caseproof.platforms.base import (
    JobPlatform,
    PlatformCannot,
    PlatformRefused,
    Run,
    RunState,
    Standing,
    UnknownJob,
    UnknownRun,
)
from caseproof.procedure.containment.stop import held_jobs
from caseproof.procedure.core.idempotent_effect import Json, idempotent_effect
from caseproof.procedure.core.parts import US, Effects, EvidenceFiles, Ledger
from caseproof.store import Store

REMOVAL_JOB = "remove-integration/remove-integration"
"""Our own deployment that carries a removal out and fails unless its read-back holds."""


OF_A_PERSON = "Then let the case try again: the newest run of the job since the decision is read back, as any other."

GONE = "The job vanished from the platform before the case was closed, so only a removal is left to decide (J9)."


def what_a_removal_left(case: Case, page: str) -> str:
    """``what_is_left``, by what was read back of this case's removal."""
    return what_is_left(page, gone=bool(case.verified and case.verified.get("gone")))


def what_is_left(page: str, *, gone: bool = False) -> str:
    """What a removal leaves, and how it could be had back; ``page`` is where the job's schedules are switched, ``gone``
    whether the job is not there any more."""
    if gone:
        return "The job does not exist on its platform any more. To have it back one day, set it up there anew."
    return (
        "Its schedules are switched off, and Caseproof deleted none. To have it back one day, switch them on again on "
        f"{page} (on Prefect: the switch of its deployment)."
    )


class NotLive(CaseproofError):
    """The platform took the resume and does not show the schedule as active."""

    code = Code.NOT_LIVE


def run_job(case: Case) -> str:
    """The job that carries out the decision in force."""
    return REMOVAL_JOB if case.decided is Decision.REMOVE else str(case.facts["job"])


def start_run(ledger: Ledger, effects: Effects, runner: JobPlatform, ref: str) -> Case:
    """Ensure that the run which carries out the decision was started, once.

    Where the platform declares that it starts none, a person does it there: that run is looked for, and until it is
    there PlatformCannot says so. A run that cannot be started otherwise (the job vanished, the platform refuses, or is
    not able to now) is a failed verification: it leads back to the decision. Raises PlatformDown; whether the run
    started is read back before the next try.
    """
    case = ledger.case(ref)
    if case.decided is None or case.run is not None or NEEDS[case.decided].run is None:
        return case
    purpose, job = NEEDS[case.decided].run, run_job(case)
    if lack := runner.abilities.lacks.get(Ability.RUN):
        by_hand = _run_by_a_person(runner, case)
        if by_hand is None:
            raise PlatformCannot(f"{job}: {lack.why}", f"{lack.instead} {OF_A_PERSON}")
        run, said_by = by_hand
        started = {
            "run": run.id,
            "name": run.name,
            "url": run.url,
            "started_by": str(Starter.PERSON),
            "said_by": said_by,
        }
        event = ledger.event(Kind.RUN_STARTED, purpose=purpose, job=job, **started)
        return ledger.change(ref, lambda now: [] if now.run else [event])
    key = f"{ref}:{purpose}:{case.attempt + 1}:{case.mark}"
    parameters = {"case": ref} if case.decided is Decision.REMOVE else None

    def read_back(_: Json) -> Json | None:
        run = runner.run_by_key(job, key)
        return {"run": run.id, "name": run.name, "url": run.url} if run else None

    def start(_: Json) -> None:
        runner.start_run(job, key, parameters)

    try:
        found = idempotent_effect(
            effects, ref, "run", key, plan={"job": job}, effect=start, read_back=read_back,
            harmless=(PlatformRefused, PlatformCannot, UnknownJob),
        )  # fmt: skip
    except (PlatformRefused, PlatformCannot, UnknownJob) as no:
        failed = ledger.event(Kind.RUN_FAILED, run="", code=str(no.code), why=f"The run could not be started. {no}")
        return ledger.change(ref, lambda now: [failed] if now.state is State.DECIDED else [])
    ours = str(Starter.CASEPROOF)
    event = ledger.event(Kind.RUN_STARTED, purpose=purpose, key=key, job=job, started_by=ours, **found)
    return ledger.change(ref, lambda now: [] if now.run else [event])


def _run_by_a_person(runner: JobPlatform, case: Case) -> tuple[Run, str] | None:
    """The newest run of the job since the decision, once somebody said that they ran it, and who said so: whoever sent
    the form of this very step. That another step was put right says nothing of a run."""
    if case.decision is None:
        return None
    said = [
        one.actor
        for one in case.all_of(says.TroubleOver)
        if one.seq > case.decision.seq and one["step"] == StepName.RUN_IT_AGAIN and one.actor != US
    ]
    if not said:
        return None
    runs = runner.runs_since(run_job(case), case.decision.at)
    return (runs[-1], said[-1]) if runs else None


def await_run(
    runner: JobPlatform, run_id: str, *, patience: float, clock: Clock, sleep: Callable[[float], None]
) -> Run | None:
    """Read the run until it is over, for ``patience`` seconds; None if it takes longer."""
    waited = 0.0
    while True:
        try:
            run = runner.run(run_id)
        except UnknownRun as gone:
            return Run(run_id, "", "", RunState.UNKNOWN, "gone", gone.problem, "", None, clock())
        if run.state.is_over or run.ended_at is not None:
            return run
        if waited >= patience:
            return None
        sleep(1.0)
        waited += 1.0


def verify(ledger: Ledger, files: EvidenceFiles, platform: JobPlatform, ref: str, run: Run) -> Case:
    """Record what was read back: verified, or failed and why (a failed verification needs a new decision, J11)."""
    case = ledger.case(ref)
    if case.run is None or case.verified is not None or case.run.data["run"] != run.id:
        return case
    left, gone = _standing(platform, case) if case.decided is Decision.REMOVE else (None, False)
    why = _not_successful(case, run, left)
    if why:
        failed = ledger.event(Kind.RUN_FAILED, run=run.id, why=why, url=run.url)
        return ledger.change(ref, lambda now: [failed] if _still(now, run) else [])
    read: dict[str, Any] = {
        "run": run.id,
        "purpose": case.run.data["purpose"],
        "name": run.name,
        "said": run.said,
        "url": run.url,
        "started_at": _text(run.started_at),
        "ended_at": _text(run.ended_at),
    }
    if left is not None:
        read |= {"active": left.active, "waiting": left.waiting, "gone": gone}
    digest = files.keep_json(ref, f"run-{case.attempt}.json", {"case": ref, "read_at": ledger.clock(), **read})
    event = ledger.event(Kind.RUN_VERIFIED, **read, evidence=digest)
    return ledger.change(ref, lambda now: [event] if _still(now, run) else [])


def _still(case: Case, run: Run) -> bool:
    return case.run is not None and case.run.data["run"] == run.id and case.verified is None


def _not_successful(case: Case, run: Run, left: Standing | None) -> str:
    if run.state is RunState.UNKNOWN and run.started_at is not None:
        return (
            f"The platform calls the run '{run.said}', but not as one that was executed to its end: somebody may "
            "have set that state by hand."
        )
    if run.state is not RunState.SUCCEEDED:
        detail = f": {run.message}" if run.message else ""
        return f"The run ended as {run.said}{detail}"
    if run.started_at is None or run.ended_at is None:
        return "The platform calls the run successful, but says neither when it started nor when it ended."
    if case.decision is not None and run.started_at < case.decision.at:
        return (
            f"The platform says that the run started at {run.started_at.isoformat()}, before the decision at "
            f"{case.decision.at.isoformat()}: check the clocks of both systems."
        )
    if left is not None and not left.is_stopped:
        return f"The removal does not hold: active {left.active}, {left.waiting} queued."
    return ""


def _standing(platform: JobPlatform, case: Case) -> tuple[Standing, bool]:
    """Read the job itself, and whether it vanished: then nothing is active and nothing queued (J9)."""
    try:
        return platform.standing(case.facts["job"]), False
    except UnknownJob:
        return Standing(case.facts["job"], active=False, waiting=0, running=0), True


def go_live(ledger: Ledger, effects: Effects, platform: JobPlatform, ref: str) -> Case:
    """Ensure that the schedules this case stopped are live again and read back as live (J6).

    The case's own job was verified, so it goes live whoever else reached it with a wider stop (two cases of one
    connection would wait for each other for ever). Every other job stays stopped while another open case holds it; the
    last one sets it live. After a removal (J9) only the jobs that were stopped along with it go live. A job that
    vanished sends the case back (J9). Raises PlatformDown, PlatformRefused.
    """
    case = ledger.case(ref)
    removal = case.decided is Decision.REMOVE
    if case.verified is None or (case.neighbours_live if removal else case.live) is not None:
        return case
    own, held = case.facts["job"], _held_by_others(ledger.store, case)
    live: list[Mapping[str, Any]] = []
    left: list[dict[str, str]] = []
    for job_id in _to_wake(case)[1 if removal else 0 :]:
        if job_id != own and job_id in held:
            left.append({"job": job_id, "case": held[job_id]})
            continue
        try:
            live.append(_wake(effects, platform, case, job_id))
        except UnknownJob as gone:
            if job_id == own:
                return _failed_again(ledger, ref, "", f"{GONE} {gone.problem}")
            left.append({"job": job_id, "why": gone.problem})
    if removal:
        event = ledger.event(Kind.NEIGHBOURS_LIVE, jobs=live, left_stopped=left)
        nothing = not live and not left
        return ledger.change(ref, lambda now: [] if nothing or now.neighbours_live or now.verified is None else [event])
    event = ledger.event(Kind.SCHEDULE_LIVE, jobs=live, left_stopped=left)
    return ledger.change(ref, lambda now: [] if now.live or now.verified is None else [event])


def _to_wake(case: Case) -> list[str]:
    own = case.facts["job"]
    return [own, *(job["job"] for job in held_jobs(case) if job["job"] != own and job["was_active"])]


def _held_by_others(store: Store, case: Case) -> dict[str, str]:
    """Jobs that other open cases hold, until these set them live: ``{job: case}``."""
    with store.reading() as uow:
        others = [c for c in uow.cases.open_on(case.facts["platform"]) if c.ref != case.ref and c.live is None]
    theirs = {job["job"]: other.ref for other in others for job in held_jobs(other)}
    return theirs | {other.facts["job"]: other.ref for other in others}


def _failed_again(ledger: Ledger, ref: str, run: str, why: str) -> Case:
    again = ledger.event(Kind.FAILED_AGAIN, run=run, why=why)
    return ledger.change(ref, lambda now: [again] if now.verified and not now.is_closed else [])


def _wake(effects: Effects, platform: JobPlatform, case: Case, job_id: str) -> Mapping[str, Any]:
    def read_back(_: Json) -> Json | None:
        standing = platform.standing(job_id)
        return {"job": job_id, "active": True} if standing.active else None

    if Ability.RESUME not in platform.abilities and (by_hand := read_back({})):
        return by_hand
    return idempotent_effect(
        effects, case.ref, "live", f"{case.ref}/{case.round}/live/{case.attempt}/{job_id}", plan={},
        effect=lambda _: platform.go_live(job_id), read_back=read_back,
        harmless=(PlatformRefused, PlatformCannot, UnknownJob),
    )  # fmt: skip


def recheck_job(ledger: Ledger, files: EvidenceFiles, platform: JobPlatform, ref: str) -> Case:
    """At closing time: no later run of the job failed, and a removed one still stands still (J10, J11)."""
    case = ledger.case(ref)
    verified = case.verified
    if verified is None or case.is_closed or _looked(case, ledger.clock()):
        return case
    since = datetime.fromisoformat(verified["started_at"])
    removal = case.decided is Decision.REMOVE
    try:
        later = [r for r in platform.runs_since(case.facts["job"], since) if r.id != verified["run"]]
    except UnknownJob as gone:
        if not removal:
            return _failed_again(ledger, ref, "", f"{GONE} {gone.problem}")
        later = []
    standing, _ = _standing(platform, case)
    failed = [r for r in later if r.state is RunState.FAILED or (removal and r.state is not RunState.CANCELLED)]
    why = f"A later run ended as {failed[0].said}: {failed[0].message}" if failed else ""
    if removal and not standing.is_stopped:
        why = "The removed job is active or queued again."
    elif not removal and not failed and not standing.active:
        raise NotLive(
            "The schedule was stopped again after the case had set it live.",
            "Set it live on the platform, then let the case try again.",
        )
    if why:
        return _failed_again(ledger, ref, failed[0].id if failed else "", why)
    read = {
        "case": ref,
        "read_at": ledger.clock(),
        "since": verified["started_at"],
        "active": standing.active,
        "runs": [{"run": r.id, "said": r.said, "started_at": _text(r.started_at)} for r in later],
    }
    digest = files.keep_json(ref, "last-look.json", read)
    event = ledger.event(Kind.LOOKED_AGAIN, failed=[], later=len(later), evidence=digest)
    return ledger.change(ref, lambda now: [event] if now.verified and not _looked(now, ledger.clock()) else [])


def _looked(case: Case, now: datetime) -> bool:
    """Whether the last look is later than everything that a look must follow, and recent enough to close on."""
    return is_fresh(case, now) and all(blocker.code != "looked" for blocker in closure_blockers(case))


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
