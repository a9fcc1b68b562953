"""How jobs are stopped, one or thousands (J2 to J4): the engine of ``contain`` and of the check; no Prefect in it.

A batch is one transaction that opens the cases and claims the intents to stop their own jobs, then the stops and their
read-backs in threads, then one transaction that records them (house rule 2). What a wide stop reaches besides is looked
at and claimed when the cases' own jobs are stopped, so that nothing comes before these.

A crash at any point loses nothing: a case without a stop is open and uncontained, and the next check, or the case's own
run, goes on with it: it reads back first. Both may stop the same job at the same time; the intents keep the effect
single, and whoever comes second finds the stop recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from caseproof.config.policy_check import Pace
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job, Standing
from caseproof.procedure.containment.openings import Openings, Standings
from caseproof.procedure.containment.pacing import PacedPlatform
from caseproof.procedure.containment.stop import (
    NO_STOP,
    StopImpossible,
    Stops,
    cannot,
    had_to_stop_again,
    hold,
    reach,
    seen,
    stop_and_read,
)
from caseproof.procedure.containment.stop_work import Work
from caseproof.procedure.core.lease import renewed
from caseproof.procedure.core.parts import Stopping
from caseproof.store import Claim, EvidenceRow, StoreDown

T = TypeVar("T")
R = TypeVar("R")

ALONE = "A wider stop would reach a job that works, so this one was stopped alone."


class BulkStop:
    """What the batches of one pass share, and the steps of a batch."""

    def __init__(
        self, stopping: Stopping, platform: PacedPlatform, pool: ThreadPoolExecutor, openings: Openings
    ) -> None:
        self._with, self.platform, self._pool, self._openings = stopping, platform, pool, openings
        self._beginning = threading.Lock()

    @classmethod
    @contextmanager
    def of(cls, stopping: Stopping, platform: Stops, pace: Pace, openings: Openings) -> Iterator[BulkStop]:
        """The stops of one pass, which leans on the platform no harder than ``pace`` says."""
        with ThreadPoolExecutor(pace.at_once, "stop") as pool:
            yield cls(stopping, PacedPlatform(platform, pace), pool, openings)

    def carry_out(self, works: Sequence[Work]) -> None:
        """One batch, from the look to what is written down: then each work has its ``end``.

        Of one that is not stopped yet ``waits`` is why. An error about one job is its own. Raises StoreDown.
        """
        with self._beginning:  # one after another, so that the first jobs are stopped before the last are looked at
            _each_if_not_all([work for work in works if work.case is None], self._know)
            self._reach(_going(works))
            standings: Standings = {}
            self._read(works, standings)
            _each_if_not_all(_unended(works), lambda some: self._open(some, standings))
        keys = [claim.key for claim in _claims(works)]
        with renewed(self._with.effects, self._openings.owner, keys):
            stopped = self._stop(works, {work.own for work in _going(works)}, standings)
            self._gather(works, lambda work: work.jobs[:1], standings)
            if wide := [work for work in _going(works) if work.along]:
                self._read_along(wide, standings)
                _each_if_not_all(wide, lambda some: self._claim_along(some, standings))
                keys += [claim.key for claim in _claims(wide)]
                self._stop(wide, _ids(job for work in _going(wide) for job in work.along) - stopped, standings)
                self._gather(wide, lambda work: work.along, standings)
            self._settle(_going(works))
            self._keep(_going(works))
            _each_if_not_all(_unended(works), self._record)

    def _know(self, works: Sequence[Work]) -> None:
        """The cases that are there already."""
        with self._with.ledger.store.reading() as uow:
            cases = uow.bulk.cases(work.target.ref for work in works if work.target.ref)
        for work in works:
            work.case = cases.get(work.target.ref)
            if work.case is not None and not work.case.is_closed and work.case.contained is not None:
                work.ends_as(work.case)

    def _reach(self, works: Sequence[Work]) -> None:
        def scope(work: Work) -> Scope:
            return Scope(work.case.facts["scope"]) if work.case else work.target.scope(self._with.policy)

        def ask(work: Work) -> tuple[list[Job], str]:
            if work.target.alone and scope(work) is not Scope.JOB:
                return reach(self.platform, work.target.job, Scope.JOB)[0], ALONE
            return reach(self.platform, work.target.job, scope(work))

        # Only a wide stop asks the platform how far it reaches.
        wide = [work for work in works if scope(work) is not Scope.JOB]
        narrow = [work for work in works if scope(work) is Scope.JOB]
        for work, reached in [*self._all(ask, wide), *((work, _or_error(ask, work)) for work in narrow)]:
            if isinstance(reached, StopImpossible):
                work.not_ours = reached
            elif isinstance(reached, Exception):
                work.has_to_wait(reached)
            else:
                work.jobs, work.narrowed = reached

    def _read(self, works: Sequence[Work], standings: Standings) -> None:
        """How their own jobs stand right before the stop. What stands still by somebody else's hand is left alone."""
        standings.update(self._all(self.platform.standing, sorted({work.own for work in _going(works)})))
        for work in _going(works):
            standing = standings[work.own]
            if isinstance(standing, NO_STOP):
                work.not_ours = cannot(standing)
            elif isinstance(standing, Exception):
                work.has_to_wait(standing)
            elif not standing.active and work.begins and not self._openings.stand_still_by_us(work.own):
                work.ends("left alone", "Somebody stopped it since the check looked.")

    def _read_along(self, works: Sequence[Work], standings: Standings) -> None:
        """How the other jobs stand that the stops reach; what this batch has read is not read twice."""
        others = _ids(job for work in works for job in work.along) - standings.keys()
        standings.update(self._all(self.platform.standing, sorted(others)))

    def _open(self, works: Sequence[Work], standings: Standings) -> None:
        if over := self.platform.over:
            for work in works:
                work.has_to_wait(over)
                work.ends("not stopped yet", str(over))
            return
        if self._claimed(works, lambda: self._openings.open(works, standings)):
            self._read(works, standings)

    def _claim_along(self, works: Sequence[Work], standings: Standings) -> None:
        if self._claimed(works, lambda: self._openings.claim_along(works, standings)):
            # What could not be read was not claimed, either: its error stands, and the step is tried again.
            known = {job_id for job_id, standing in standings.items() if isinstance(standing, Standing)}
            along = _ids(job for work in works for job in work.along) & known
            standings.update(self._all(self.platform.standing, sorted(along)))

    def _claimed(self, works: Sequence[Work], claim: Callable[[], None]) -> bool:
        """Claim; a pass that waits does so until nobody else is at it. Whether it had to: then all may be otherwise."""
        claim()
        waited = False
        while self._openings.waits and any(work.is_busy for work in works):
            self._with.effects.sleep(1.0)
            claim()
            waited = True
        if waited:
            with self._with.ledger.store.reading() as uow:
                cases = uow.bulk.cases(work.case.ref for work in works if work.case)
            for work in works:
                if work.case and (now := cases[work.case.ref]) and (now.contained is not None or now.is_closed):
                    work.ends_as(now)
        return waited

    def _stop(self, works: Sequence[Work], jobs: Collection[str], standings: Standings) -> set[str]:
        """Stop these jobs once each, whoever of the batch wants it; afterwards ``standings`` has the read-back.

        Gives those that were stopped, or tried to be.
        """
        claims: dict[str, list[Claim]] = {}
        for work in _going(works):
            for job_id, claim in work.claims.items():
                if job_id in jobs and claim.standing != "busy":
                    claims.setdefault(job_id, []).append(claim)
        self._openings.stopping(
            job_id for job_id, mine in claims.items() if any(one.plan["was_active"] for one in mine)
        )
        standings.update(
            self._all(lambda job_id: self._stop_one(job_id, standings[job_id], claims[job_id]), sorted(claims))
        )
        return set(claims)

    def _stop_one(self, job_id: str, before: Standing | Exception, claims: Sequence[Claim]) -> Standing:
        """Stop one job and read it back. What is done already is not done twice."""
        if isinstance(before, Standing) and before.is_stopped and not before.running:
            return before
        if all(claim.standing != "new" for claim in claims):  # somebody tried before: maybe since the look
            now = self.platform.standing(job_id)
            if now.is_stopped:
                return now
        return stop_and_read(self.platform, job_id)

    def _gather(self, works: Sequence[Work], jobs: Callable[[Work], Sequence[Job]], standings: Standings) -> None:
        """What became of these jobs of each case. Where its own cannot be stopped, a case stops no other."""
        for work in _going(works):
            for job in jobs(work):
                try:
                    self._gather_one(work, job, standings[job.id])
                except StopImpossible as reason:
                    work.not_ours = reason

    def _gather_one(self, work: Work, job: Job, standing: Standing | Exception) -> None:
        claim = work.claims.get(job.id)
        if isinstance(standing, NO_STOP):
            work.withdrawn += [claim.key] if claim and claim.ours else []
            work.stop.could_not(job.id, standing)
        elif isinstance(standing, Exception):
            work.has_to_wait(standing)
        elif claim is None or claim.standing == "busy":
            work.has_to_wait(_Busy())
        else:
            work.stop.reached.append({"name": job.name, **seen(standing, was_active=claim.plan["was_active"])})

    def _settle(self, works: Sequence[Work]) -> None:
        """The second read-back, for the whole batch at once."""
        unknown: dict[str, Exception] = {}

        def stopped_again(some: list[str]) -> list[str]:
            found = self._all(lambda job_id: had_to_stop_again(self.platform, job_id), some)
            unknown.update({job_id: was for job_id, was in found if isinstance(was, Exception)})
            return [job_id for job_id, was in found if was is True]

        jobs = sorted({job_id for work in works for job_id in work.reached})
        loose = set(hold(self._with.effects.sleep, jobs, stopped_again)) if jobs else set()
        for work in works:
            for job_id in work.reached:
                if job_id in unknown:
                    work.has_to_wait(unknown[job_id])
            try:
                work.stop.did_not_hold(loose & set(work.reached))
            except StopImpossible as reason:
                work.not_ours = reason

    def _keep(self, works: Sequence[Work]) -> None:
        """The evidence: what was read back, a file a case."""

        def put(work: Work) -> EvidenceRow:
            now = self._with.ledger.clock()
            name, content = work.stop.evidence(now)
            kept = self._with.vault.put(content, name, "application/json")
            return EvidenceRow(work.stop.case.ref, kept.digest, name, kept.media_type, kept.size, now)

        for work, kept in self._all(put, works):
            if isinstance(kept, Exception):
                work.has_to_wait(kept)
            else:
                work.file = kept

    def _record(self, works: Sequence[Work]) -> None:
        of = {work.stop.case.ref: work for work in works}

        def what_happened(case: Case) -> list[Event]:
            work = of[case.ref]
            if case.contained or case.is_closed or work.waits:
                return []
            if work.not_ours:
                return [self._with.ledger.event(Kind.CANNOT_STOP, **work.stop.cannot(work.not_ours))]
            digest = work.file.digest if work.file else ""
            return [self._with.ledger.event(Kind.STOPPED, **work.stop.told(), evidence=digest)]

        with self._with.ledger.store.uow() as uow:
            uow.bulk.list_evidence([work.file for work in works if work.file])
            results = {key: result for work in works for key, result in work.results()}
            uow.bulk.finish(results, owner=self._openings.owner, now=self._with.ledger.clock())
            uow.bulk.release([key for work in works for key in work.withdrawn], owner=self._openings.owner)
            after = uow.bulk.change(of, what_happened)
            uow.commit()
        for ref, case in after.items():
            of[ref].ends_as(case)

    def _all(self, do: Callable[[T], R], things: Sequence[T]) -> list[tuple[T, R | Exception]]:
        """Do it for each, in threads; an error of one is its result, and no other's trouble."""
        return list(zip(things, self._pool.map(partial(_or_error, do), things), strict=True))


class _Busy(CaseproofError):
    def __init__(self) -> None:
        super().__init__("The case's own run is stopping it at this moment.", "The case says what came of it.")


def _going(works: Iterable[Work]) -> list[Work]:
    return [work for work in works if work.goes_on]


def _unended(works: Iterable[Work]) -> list[Work]:
    return [work for work in works if work.end is None]


def _claims(works: Iterable[Work]) -> Iterator[Claim]:
    """What was claimed for them."""
    return (claim for work in works for claim in work.claims.values() if claim.ours)


def _ids(jobs: Iterable[Job]) -> set[str]:
    return {job.id for job in jobs}


def _or_error(do: Callable[[T], R], thing: T) -> R | Exception:
    try:
        return do(thing)
    except Exception as error:
        return error


def _each_if_not_all(works: Sequence[Work], do: Callable[[Sequence[Work]], None]) -> None:
    """Do it for all at once; where that is refused, for each alone, so that one bad case holds up no other."""
    if not works:
        return
    try:
        do(works)
    except StoreDown:
        raise
    except CaseproofError as error:
        if len(works) == 1:
            works[0].has_to_wait(error)
            works[0].ends("not stopped yet", str(error))
            return
        for work in works:
            _each_if_not_all([work], do)
