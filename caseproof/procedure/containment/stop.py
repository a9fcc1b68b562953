"""What a stop is made of (J2 to J4): how far it reaches, what is read back and kept, and why there can be none.

How it goes, for one job and for thousands: ``caseproof/procedure/containment/bulk_stop.py``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from caseproof.domain.case import Case
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.abilities import Ability, PlatformAbilities
from caseproof.platforms.base import Job, PlatformCannot, PlatformRefused, Standing, UnknownJob
from caseproof.procedure.core.idempotent_effect import EffectNotSeen

SETTLE_SECONDS = 1.0
"""How long to wait before the second read-back: a scheduler may have been about to queue another run."""
HOLD_TRIES = 3
ADMINISTRATOR = "whoever administers the platform"
NO_STOP = (UnknownJob, PlatformRefused, PlatformCannot)
"""What a platform raises where there is no stop, however often it is asked (J3)."""


class Stops(Protocol):
    """The part of a ``JobPlatform`` that a stop needs."""

    @property
    def abilities(self) -> PlatformAbilities: ...
    def job(self, job_id: str) -> Job: ...
    def jobs_in(self, scope: Scope, job: Job) -> list[Job]: ...
    def standing(self, job_id: str) -> Standing: ...
    def stop(self, job_id: str) -> None: ...


class StopNotSeen(EffectNotSeen):
    """The platform took the stop, and the job does not show as stopped."""

    def __init__(self) -> None:
        CaseproofError.__init__(
            self,
            "stop: the platform accepted it, but the job does not show as stopped when read back.",
            "Look there; the case's own run tries again, and reads back before it repeats anything.",
        )


class StopImpossible(CaseproofError):
    """The stop is not ours to make: why (``code``, ``problem``), and who can make it (``who_can``, J3)."""

    def __init__(self, code: Code, why: str, who_can: str) -> None:
        super().__init__(why, f"Who can: {who_can}.")
        self.code, self.who_can = code, who_can


@dataclass
class Stop:
    """What became of the stop of one case: the jobs it reached, the case's own first, and those it did not."""

    case: Case
    narrowed: str = ""
    reached: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def could_not(self, job_id: str, no: CaseproofError) -> None:
        """A job that refuses or is gone. Raises StopImpossible where it is the case's own."""
        if job_id == self.case.facts["job"]:
            raise cannot(no)
        self.refused.append({"job": job_id, "why": no.problem})

    def did_not_hold(self, loose: Collection[str]) -> None:
        """Take back what does not stay stopped. Raises StopImpossible where the case's own job is among it."""
        why = "Stopped, but it does not stay stopped"
        own = self.case.facts["job"]
        for entry in [entry for entry in self.reached if entry["job"] in loose and entry["job"] != own]:
            self.reached.remove(entry)
            self.refused.append({"job": entry["job"], "why": f"{why}.", "was_active": entry["was_active"]})
        if own in loose:
            raise StopImpossible(Code.DOES_NOT_STAY_STOPPED, f"{why}: {own}.", "whoever starts it again")

    def told(self) -> dict[str, Any]:
        """What the event of a stop says, but for its evidence."""
        scope = self.case.facts["scope"]
        return {"scope": scope, "narrowed": self.narrowed, "jobs": self.reached, "not_stopped": self.refused}

    def cannot(self, reason: StopImpossible) -> dict[str, Any]:
        """What the event says that there is no stop (J3)."""
        # What was stopped beside the job is written down, too: it has to go live again with it.
        beside = [entry for entry in self.reached if entry["job"] != self.case.facts["job"]]
        return {
            "code": str(reason.code),
            "why": reason.problem,
            "who_can": reason.who_can,
            "jobs": beside,
            "not_stopped": self.refused,
        }

    def evidence(self, read_at: Any) -> tuple[str, bytes]:
        """The file that keeps what was read back: its name and its content, readable JSON."""
        what = {"case": self.case.ref, "read_at": read_at, **self.told()}
        text = json.dumps(what, indent=2, sort_keys=True, ensure_ascii=False, default=str)
        return f"stop-{self.case.round}.json", text.encode()


def reach(platform: Stops, job: Job, scope: Scope) -> tuple[list[Job], str]:
    """The jobs that a stop reaches, ``job`` first, and why it reaches less than asked ("" if it does not).

    Another job that is not ours to stop (J3) is left alone. Raises StopImpossible where ``job`` is not,
    and PlatformDown.
    """
    if job.stopped_by:
        raise StopImpossible(
            Code.NOT_OURS_TO_STOP, "The job is marked on the platform as not ours to stop.", job.stopped_by
        )
    if scope is Scope.JOB:
        return [job], ""
    try:
        own, *others = platform.jobs_in(scope, job)
    except (BadInput, PlatformRefused, PlatformCannot) as unclear:
        return [job], unclear.problem
    not_ours = [f"{other.id} ({other.stopped_by})" for other in others if other.stopped_by]
    ours = [own, *(other for other in others if not other.stopped_by)]
    return ours, f"Not ours to stop, so left alone: {', '.join(not_ours)}." if not_ours else ""


def cannot(no: CaseproofError) -> StopImpossible:
    """Why there is no stop, where the platform refused it, is not able to, or has no such job."""
    if isinstance(no, UnknownJob):
        gone = f"The platform has no such job any more: {no.problem}"
        return StopImpossible(no.code, gone, "nobody needs to: nothing runs")
    if isinstance(no, PlatformCannot):
        return StopImpossible(no.code, f"{no.problem} {no.next_action}", ADMINISTRATOR)
    return StopImpossible(no.code, no.problem, ADMINISTRATOR)


def held_jobs(case: Case) -> tuple[Mapping[str, Any], ...]:
    """The jobs that this case stopped, or tried to: also where its own could not be (J3)."""
    if case.contained is None:
        return ()
    tried = [job for job in case.contained.get("not_stopped", ()) if job.get("was_active")]
    return (*case.contained.get("jobs", ()), *tried)


def stop_key(case: Case, job_id: str) -> str:
    """The key of the intent to stop this job: each round of the case has its own stop."""
    return f"{case.ref}/{case.round}/stop/{job_id}"


def seen(standing: Standing, *, was_active: bool) -> dict[str, Any]:
    """What was read back of a job that was stopped, as the case keeps it."""
    return {
        "job": standing.job,
        "was_active": was_active,
        "active": standing.active,
        "waiting": standing.waiting,
        "running": standing.running,
    }


def stop_and_read(platform: Stops, job_id: str) -> Standing:
    """Stop one job and read it back. Raises StopNotSeen and what the platform raises.

    Where its schedule is off, and what is queued is not ours to cancel, that is PlatformCannot: the job may run yet.
    """
    platform.stop(job_id)
    now = platform.standing(job_id)
    if not now.is_stopped:
        if not now.active and (lack := platform.abilities.lacks.get(Ability.CANCEL)):
            raise PlatformCannot(f"{job_id}: its schedule is off, {now.waiting} queued. {lack.why}", lack.instead)
        raise StopNotSeen
    return now


def hold(sleep: Callable[[float], None], jobs: list[str], stopped_again: Callable[[list[str]], list[str]]) -> list[str]:
    """Read back a second time, and stop again what a scheduler queued in between; returns what does not stay stopped.

    ``stopped_again`` reads jobs back and returns those that it had to stop again.
    """
    for _ in range(HOLD_TRIES):
        sleep(SETTLE_SECONDS)
        jobs = stopped_again(jobs)
        if not jobs:
            break
    return jobs


def had_to_stop_again(platform: Stops, job_id: str) -> bool:
    """Read a stopped job back once more, and stop it again where it does not stand still."""
    try:
        if platform.standing(job_id).is_stopped:
            return False
    except UnknownJob:
        return False  # what vanished meanwhile cannot run
    with suppress(*NO_STOP):
        platform.stop(job_id)
    return True
