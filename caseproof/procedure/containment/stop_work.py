"""A job that is stopped, on its way from the plan to what is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job
from caseproof.procedure.containment.stop import Stop, StopImpossible
from caseproof.store import ChosenCause, Claim, EvidenceRow

Outcome = Literal["stopped", "cannot stop", "not stopped yet", "left alone"]
FAILED_AGAIN = "The job failed again after the case was closed."


@dataclass(frozen=True, slots=True)
class Target:
    """A job to stop, and why. ``ref``: "" opens a case; a closed case is reopened; an open one is gone on with.

    ``chosen``: the choice of a person that the cause comes from. ``why`` is the reason of a reopening. ``alone``: a
    wider stop would reach a job that works.
    """

    job: Job
    cause: str
    summary: str
    failed_run: str | None = None
    failed_run_url: str | None = None
    failed_at: datetime | None = None
    ref: str = ""
    why: str = FAILED_AGAIN
    alone: bool = False
    chosen: ChosenCause | None = None

    @property
    def group(self) -> tuple[str, str, str] | None:
        """The jobs that share one notice; None where it is not known whose job it is."""
        job = self.job
        return (job.retailer, job.marketplace or "", self.cause) if job.retailer else None

    def scope(self, policy: Policy) -> Scope:
        """How far the stop of a new case reaches."""
        return Scope.JOB if self.alone else policy.scope_for(self.cause)


@dataclass(frozen=True, slots=True)
class StopResult:
    """What became of a target; ``job`` is the job's id. ``new``: this pass opened or reopened the case.

    "not stopped yet": its own run, or the next check, goes on trying. "left alone": somebody else stopped it since the
    check looked. ``ref`` is "" where there is no case. ``why`` is for people, "" where there is nothing to say.
    """

    ref: str
    job: str
    outcome: Outcome
    new: bool
    why: str


@dataclass(eq=False)
class Work:
    """A target on its way. ``end`` is set once it is done with, ``waits`` where it cannot be stopped just now,
    ``not_ours`` where it can never be from our side (J3)."""

    target: Target
    case: Case | None = None
    new: bool = False
    jobs: list[Job] = field(default_factory=list)
    narrowed: str = ""
    claims: dict[str, Claim] = field(default_factory=dict)
    withdrawn: list[str] = field(default_factory=list)
    file: EvidenceRow | None = None
    not_ours: StopImpossible | None = None
    waits: Exception | None = None
    end: StopResult | None = None
    _stop: Stop | None = None

    @property
    def own(self) -> str:
        """The id of the target's own job."""
        return self.target.job.id

    @property
    def along(self) -> list[Job]:
        """The jobs that its stop reaches beside its own."""
        return self.jobs[1:]

    @property
    def is_busy(self) -> bool:
        """Whether somebody else is about to stop one of its jobs."""
        return self.goes_on and any(claim.standing == "busy" for claim in self.claims.values())

    @property
    def begins(self) -> bool:
        """Whether the case is yet to be opened, or reopened."""
        return self.case is None or self.case.is_closed

    @property
    def goes_on(self) -> bool:
        """Whether the platform is to be asked about it."""
        return self.end is None and self.waits is None and self.not_ours is None

    @property
    def stop(self) -> Stop:
        """What became of the stop so far; there is none before there is a case."""
        if self._stop is None:
            if self.case is None:
                raise LookupError(f"{self.own} has no case yet")
            self._stop = Stop(self.case, self.narrowed)
        return self._stop

    @property
    def reached(self) -> list[str]:
        """The ids of the jobs that were stopped and read back."""
        return [entry["job"] for entry in self.stop.reached]

    def results(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What was read back under each intent of ours, by its key."""
        for entry in self.stop.reached:
            if self.claims[entry["job"]].ours:
                yield self.claims[entry["job"]].key, {name: entry[name] for name in entry if name != "name"}

    def has_to_wait(self, why: Exception) -> None:
        """It cannot be stopped just now. The first reason is the one that is told."""
        self.waits = self.waits or why

    def ends(self, outcome: Outcome, why: str = "") -> None:
        """It is done with."""
        self.end = StopResult(self.case.ref if self.case else "", self.own, outcome, self.new, why)

    def ends_as(self, case: Case) -> None:
        """It is done with, as its case says now."""
        self.case = case
        if case.contained is None:
            unexpected = self.waits and not isinstance(self.waits, CaseproofError)
            why = f"It failed unexpectedly: {type(self.waits).__name__}: {self.waits}" if unexpected else self.waits
            self.ends("not stopped yet", str(why or "Its own run goes on with it."))
        elif case.contained.event.kind is Kind.CANNOT_STOP:
            self.ends("cannot stop", f"{case.contained['why']} Who can: {case.contained['who_can']}.")
        else:
            left = [job["job"] for job in case.contained.get("not_stopped", ())]
            narrowed = case.contained.get("narrowed", "")
            self.ends("stopped", f"Not stopped with it: {', '.join(left)}." if left else narrowed)
