"""What is written down before the stops: the cases, and the intents to stop their jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import NO_MESSAGE
from caseproof.platforms.base import Job, Standing
from caseproof.procedure.containment.opening import opened
from caseproof.procedure.containment.stop import stop_key
from caseproof.procedure.containment.stop_work import Target, Work
from caseproof.procedure.core.lease import LEASE_SECONDS
from caseproof.procedure.core.parts import Stopping
from caseproof.store import AlreadyOpen, ChosenCause, Claim, UnitOfWork
from caseproof.store.bulk import Wanted

Group = tuple[str, str, str]
Standings = dict[str, Standing | Exception]
"""How a job stood when it was last read, or why that is not known."""


class Openings:
    """Opens cases and claims intents for the stops on the platform ``name``, one batch after another.

    ``owner`` writes the intents. ``dead`` is how the owners begin of whom it is known that none lives. ``waits``: where
    somebody else is about to stop one of the jobs of a batch, none of them is claimed, and the pass waits; else that
    one job is left to the other. ``check`` is the id of the pass that opens cases.
    """

    def __init__(
        self, stopping: Stopping, name: str, owner: str, *, dead: str = "", waits: bool = False, check: str = ""
    ) -> None:
        self._with, self._name, self._dead, self._check = stopping, name, dead, check
        self.owner, self.waits = owner, waits
        self._first: dict[Group, str] = {}
        self._stopped: set[str] = set()
        with stopping.ledger.store.reading() as uow:
            self._along = uow.bulk.held_along(name)

    def stand_still_by_us(self, job_id: str) -> bool:
        """Whether an open case of another job, or this pass, stopped the job along."""
        return job_id in self._along or job_id in self._stopped

    def stopping(self, jobs: Iterable[str]) -> None:
        """These jobs are about to be stopped, and could run by themselves before."""
        self._stopped.update(jobs)

    def open(self, works: Sequence[Work], standings: Standings) -> None:
        """Open or reopen the cases, and claim the stops of their own jobs; all of it or nothing.

        Raises StoreError, and NotAllowed or BadInput for what a case cannot hold.
        """
        first = dict(self._first)
        with self._with.ledger.store.uow() as uow:
            cases = self._cases(uow, works, first)
            wanted = [(cases[work.own][0], work.jobs[:1]) for work in works if work.goes_on]
            claims = self._claims(uow, wanted, standings)
            for work in works:
                if work.target.chosen and cases[work.own][1]:
                    uow.causes.count(work.target.chosen.shape)
            uow.commit()
        self._first = first
        for work in works:
            work.case, work.new = cases[work.own]
            _hand_out(claims, work, work.case)

    def claim_along(self, works: Sequence[Work], standings: Standings) -> None:
        """Claim the stops of the jobs that the cases reach beside their own. Raises StoreError."""
        with self._with.ledger.store.uow() as uow:
            claims = self._claims(uow, [(work.stop.case, work.along) for work in works], standings)
            uow.commit()
        for work in works:
            _hand_out(claims, work, work.stop.case)

    def _cases(self, uow: UnitOfWork, works: Sequence[Work], first: dict[Group, str]) -> dict[str, tuple[Case, bool]]:
        """The case of each job, and whether it is open only now. ``first`` is the first case of each group, whose
        notice the others share: it is made before them, so that they can name it."""
        found = {work.own: (work.case, False) for work in works if work.case and not work.begins}
        begun = [work for work in works if work.begins]
        leads: dict[Group, str] = {}
        for work in begun:
            if work.target.group and work.target.group not in first:
                leads.setdefault(work.target.group, work.own)
        led = set(leads.values())
        found |= self._begun(uow, [work for work in begun if work.own in led], first)
        # Of a case that was open already its retailer may have been told.
        first |= {group: found[own][0].ref for group, own in leads.items() if found[own][1]}
        found |= self._begun(uow, [work for work in begun if work.own not in led], first)
        return found

    def _begun(
        self, uow: UnitOfWork, works: Sequence[Work], first: Mapping[Group, str]
    ) -> dict[str, tuple[Case, bool]]:
        found = {work.own: self._reopened(uow, work.case, work.target, first) for work in works if work.case}
        fresh = [work for work in works if work.case is None]
        for work, case in zip(fresh, uow.bulk.open([self._event(work.target, first) for work in fresh]), strict=True):
            # A person may have been faster than we.
            found[work.own] = (uow.cases.get(case.ref), False) if isinstance(case, AlreadyOpen) else (case, True)
        return found

    def _event(self, target: Target, first: Mapping[Group, str]) -> Event:
        scope = target.scope(self._with.policy)
        lead = _lead(target, first)
        shares = {"shares_notice_with": lead} if lead else {}
        told = {"how": "daily check", "check": self._check, "scope": str(scope), **_failure(target), **shares}
        return opened(self._with.ledger, self._name, target.job, **told)

    def _reopened(self, uow: UnitOfWork, case: Case, target: Target, first: Mapping[Group, str]) -> tuple[Case, bool]:
        told = {"why": target.why, "check": self._check, "shares_notice_with": _lead(target, first)}
        event = self._with.ledger.event(Kind.REOPENED, **told, **_failure(target))
        try:
            after = uow.bulk.change([case.ref], lambda now: [event] if now.is_closed else [])[case.ref]
        except AlreadyOpen as other:
            return uow.cases.get(other.ref), False
        return after, after.version > case.version

    def _claims(
        self, uow: UnitOfWork, wanted: Sequence[tuple[Case, Sequence[Job]]], standings: Standings
    ) -> dict[str, Claim]:
        """The claims by their keys. What the platform did not tell is not claimed."""
        wanted = [(case, jobs) for case, jobs in wanted if case.contained is None]
        # Its own job is held by nobody but the case itself: a job has one open case.
        along = {job.id for case, jobs in wanted for job in jobs if job.id != case.facts["job"]}
        held = uow.bulk.held_as_own(self._name, sorted(along))
        intents = [intent for case, jobs in wanted for intent in self._intents(case, jobs, held, standings)]
        return uow.bulk.claim(
            intents,
            owner=self.owner,
            now=self._with.ledger.clock(),
            seconds=LEASE_SECONDS,
            dead=self._dead,
            together=self.waits,
        )

    def _intents(
        self, case: Case, jobs: Sequence[Job], held: Mapping[str, frozenset[str]], standings: Standings
    ) -> Iterator[Wanted]:
        for job in jobs:
            standing, none = standings.get(job.id), frozenset[str]()
            if isinstance(standing, Standing):
                # One that stands still only because another case stopped it: whoever is last sets it live again.
                others = (self._along.get(job.id, none) | held.get(job.id, none)) - {case.ref}
                active = standing.active or bool(others) or job.id in self._stopped
                yield Wanted(stop_key(case, job.id), case.ref, "stop", {"was_active": active})


def _hand_out(claims: Mapping[str, Claim], work: Work, case: Case) -> None:
    keys = {job.id: stop_key(case, job.id) for job in work.jobs}
    work.claims |= {job_id: claims[key] for job_id, key in keys.items() if key in claims}


def _lead(target: Target, first: Mapping[Group, str]) -> str:
    return first.get(target.group, "") if target.group else ""


def _remembered(chosen: ChosenCause | None) -> dict[str, str] | None:
    if chosen is None:
        return None
    return {"shape": chosen.shape, "by": chosen.chosen_by, "on": chosen.chosen_at.isoformat()}


def _failure(target: Target) -> dict[str, Any]:
    return {
        "cause": target.cause,
        "remembered": _remembered(target.chosen),
        "summary": target.summary.strip() or NO_MESSAGE,
        "failed_run": target.failed_run,
        "failed_run_url": target.failed_run_url,
        "failed_at": target.failed_at.isoformat() if target.failed_at else None,
    }
