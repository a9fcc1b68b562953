"""J2 to J4 by the thousand: every target is stopped in this pass, in plain code and without Prefect (house rule 4).

A batch of jobs is one transaction that opens the cases and claims the intents to stop, then the stops and their
read-backs in threads, then one transaction that records them (house rule 2). Some batches are under way at once, so
that the platform is asked while another batch settles or is written down.

A crash at any point loses nothing: a case without a stop is open and uncontained, and the next check (or the case's own
run) goes on with it: it reads back first. Who holds the check's lock knows that no other check of this home lives, so
what an earlier one left behind is taken over at once. A case's own run may stop the same job at the same time; the
intents keep the effect single, and whoever comes second finds the stop recorded.

Where the platform does not answer for one job, its case is open and its own run goes on trying. Where it does not
answer ``pace.at_once`` times in a row, the pass ends and opens no more cases: two thousand cases that nobody can stop
help nobody, and the next check finds the same jobs.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from caseproof.config.policy_check import Pace
from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job, JobPlatform, PlatformRefused, Standing, UnknownJob
from caseproof.procedure.containment.check_lock import check_lock
from caseproof.procedure.containment.containment import (
    CannotStop,
    cannot,
    had_to_stop_again,
    hold,
    reach,
    seen,
    stop_and_read,
)
from caseproof.procedure.containment.pacing import PacedPlatform
from caseproof.procedure.containment.sweep_opening import Openings
from caseproof.procedure.containment.sweep_work import Outcome, Swept, Target, Work
from caseproof.procedure.core.office import Office
from caseproof.store import Claim, EvidenceRow, StoreDown

__all__ = ["Outcome", "Swept", "Target", "sweep"]

T = TypeVar("T")
R = TypeVar("R")
Looked = dict[str, Standing | Exception]
"""How a job stood when it was last read, or why that is not known."""

LANES = 6
"""How many batches are under way at once: while some settle or are written down, the others keep the platform busy."""
ALONE = "A wider stop would reach a job that works, so this one was stopped alone."


def sweep(
    office: Office,
    name: str,
    platform: JobPlatform,
    targets: Sequence[Target],
    pace: Pace,
    said: Callable[[Swept], None] = lambda _: None,
    *,
    check: str = "",
) -> list[Swept]:
    """Stop every target on the platform ``name``, a case each; what became of each, in their order.

    An error on one job never ends the pass. ``said`` hears of each target when its batch is done, in the caller's
    thread. ``check`` is the id of the pass. Raises CheckRunning, and StoreDown where nothing can be written.
    """
    # Jobs of one retailer lie together, so that a wide stop is one batch's.
    order = sorted(targets, key=lambda target: (target.group or ("", "", ""), target.job.id))
    # So few that a batch is through in some seconds: its intents are ours for two minutes.
    size = max(1, min(2 * pace.at_once, int(pace.per_second)))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    done: dict[str, Swept] = {}
    unheard: Exception | None = None
    with check_lock(office, name), ThreadPoolExecutor(pace.at_once, "stop") as hands:
        crew = _Crew(office, name, PacedPlatform(platform, pace), hands, check or secrets.token_hex(8))
        with ThreadPoolExecutor(LANES, "batch") as lanes:
            try:
                for swept in (one for batch in lanes.map(crew.carry_out, batches) for one in batch):
                    done[swept.job] = swept
                    try:
                        said(swept)
                    except Exception as error:  # the stops do not depend on who looks on
                        unheard = unheard or error
            except BaseException:
                crew.platform.give_up("The pass was ended.")
                lanes.shutdown(cancel_futures=True)
                raise
    if unheard:
        raise unheard
    return [done[target.job.id] for target in targets]


class _Crew:
    """What the batches of one pass share, and the steps of a batch."""

    def __init__(
        self, office: Office, name: str, platform: PacedPlatform, hands: ThreadPoolExecutor, check: str
    ) -> None:
        self.office, self.name, self.platform, self._hands = office, name, platform, hands
        self._openings = Openings(office, name, check)
        self._beginning = threading.Lock()

    def carry_out(self, targets: Sequence[Target]) -> list[Swept]:
        """One batch, from the look to what is written down."""
        works = [Work(target) for target in targets]
        with self._beginning:  # one after another, so that the first jobs are stopped before the last are looked at
            _each_if_not_all(works, self._know)
            self._reach([work for work in works if work.goes_on])
            looked = self._look(works)
            _each_if_not_all([work for work in works if work.end is None], lambda some: self._open(some, looked))
        self._stop(works, looked)
        self._settle([work for work in works if work.goes_on])
        self._keep([work for work in works if work.goes_on])
        _each_if_not_all([work for work in works if work.end is None], self._record)
        return [work.end for work in works if work.end is not None]

    def _know(self, works: Sequence[Work]) -> None:
        with self.office.store.reading() as unit:
            cases = unit.bulk.cases(work.target.ref for work in works if work.target.ref)
        for work in works:
            work.case = cases.get(work.target.ref)
            if work.case is not None and not work.case.is_closed and work.case.contained is not None:
                work.ends_as(work.case)

    def _reach(self, works: Sequence[Work]) -> None:
        def scope(work: Work) -> Scope:
            return Scope(work.case.facts["scope"]) if work.case else work.target.scope(self.office.policy)

        def ask(work: Work) -> tuple[list[Job], str]:
            if work.target.alone and scope(work) is not Scope.JOB:
                return reach(self.platform, work.target.job, Scope.JOB)[0], ALONE
            return reach(self.platform, work.target.job, scope(work))

        # Only a wide stop asks the platform how far it reaches.
        wide = [work for work in works if scope(work) is not Scope.JOB]
        narrow = [work for work in works if scope(work) is Scope.JOB]
        for work, reached in [*self._all(ask, wide), *((work, _or_error(ask, work)) for work in narrow)]:
            if isinstance(reached, CannotStop):
                work.not_ours = reached
            elif isinstance(reached, Exception):
                work.waits = reached
            else:
                work.jobs, work.narrowed = reached

    def _look(self, works: Sequence[Work]) -> Looked:
        """How the jobs stand right before the stop. What stands still by somebody else's hand is left alone."""
        looked = dict(self._all(self.platform.standing, _jobs_of(works)))
        for work in works:
            standing = looked.get(work.own)
            if not work.goes_on or standing is None:
                continue
            if isinstance(standing, UnknownJob | PlatformRefused):
                work.not_ours = cannot(standing)
            elif isinstance(standing, Exception):
                work.waits = standing
            elif not standing.active and work.begins and not self._openings.stand_still_by_us(work.own):
                work.ends("left alone", "Somebody stopped it since the check looked.")
        return looked

    def _open(self, works: Sequence[Work], looked: Looked) -> None:
        if over := self.platform.over:
            for work in works:
                work.ends("not stopped yet", str(over))
            return
        self._openings.open(works, looked)

    def _stop(self, works: Sequence[Work], looked: Looked) -> None:
        """The cases' own jobs first, then the others: where its own cannot be stopped, a case stops no other."""
        own = {work.own for work in works if work.goes_on}
        self._stop_jobs(works, own, looked)
        for work in works:
            if work.goes_on:
                self._gather(work, work.jobs[:1], looked)
        self._stop_jobs(works, set(_jobs_of(works)) - own, looked)
        for work in works:
            if work.goes_on:
                self._gather(work, work.jobs[1:], looked)

    def _stop_jobs(self, works: Sequence[Work], jobs: Collection[str], looked: Looked) -> None:
        """Stop these jobs once each, whoever of the batch wants it; afterwards ``looked`` has the read-back."""
        claims: dict[str, list[Claim]] = {}
        for work in works:
            for job_id, claim in work.claims.items() if work.goes_on else ():
                if job_id in jobs and claim.standing != "busy":
                    claims.setdefault(job_id, []).append(claim)
        were_active = [job_id for job_id, mine in claims.items() if any(one.plan["was_active"] for one in mine)]
        self._openings.stopping(were_active)
        looked |= self._all(lambda job_id: self._stop_one(job_id, looked[job_id], claims[job_id]), sorted(claims))

    def _stop_one(self, job_id: str, before: Standing | Exception, claims: Sequence[Claim]) -> Standing:
        """Stop one job and read it back. What is done already is not done twice."""
        if isinstance(before, Standing) and before.is_stopped and not before.running:
            return before
        if all(claim.standing != "new" for claim in claims):  # somebody tried before: maybe since the look
            now = self.platform.standing(job_id)
            if now.is_stopped:
                return now
        return stop_and_read(self.platform, job_id)

    def _gather(self, work: Work, jobs: Sequence[Job], looked: Looked) -> None:
        """What became of these jobs of a case."""
        for job in jobs:
            standing, claim = looked[job.id], work.claims.get(job.id)
            try:
                if isinstance(standing, UnknownJob | PlatformRefused):
                    work.withdrawn += [claim.key] if claim and claim.ours else []
                    work.stop.could_not(job.id, standing)
                elif isinstance(standing, Exception):
                    work.waits = standing
                elif claim is None or claim.standing == "busy":
                    work.waits = _Busy()
                else:
                    work.stop.reached.append({"name": job.name, **seen(standing, was_active=claim.plan["was_active"])})
            except CannotStop as reason:
                work.not_ours = reason

    def _settle(self, works: Sequence[Work]) -> None:
        """The second read-back, for the whole batch at once."""
        unknown: dict[str, Exception] = {}

        def stopped_again(some: list[str]) -> list[str]:
            found = self._all(lambda job_id: had_to_stop_again(self.platform, job_id), some)
            unknown.update({job_id: was for job_id, was in found if isinstance(was, Exception)})
            return [job_id for job_id, was in found if was is True]

        jobs = sorted({job_id for work in works for job_id in work.reached})
        loose = set(hold(self.office, jobs, stopped_again)) if jobs else set()
        for work in works:
            work.waits = next((unknown[job_id] for job_id in work.reached if job_id in unknown), None)
            try:
                work.stop.did_not_hold(loose & set(work.reached))
            except CannotStop as reason:
                work.not_ours = reason

    def _keep(self, works: Sequence[Work]) -> None:
        """The evidence: what was read back, a file a case."""

        def put(work: Work) -> EvidenceRow:
            now = self.office.clock()
            name, content = work.stop.evidence(now)
            kept = self.office.vault.put(content, name, "application/json")
            return EvidenceRow(work.stop.case.ref, kept.digest, name, kept.media_type, kept.size, now)

        for work, kept in self._all(put, works):
            if isinstance(kept, Exception):
                work.waits = kept
            else:
                work.file = kept

    def _record(self, works: Sequence[Work]) -> None:
        of = {work.stop.case.ref: work for work in works}

        def what_happened(case: Case) -> list[Event]:
            work = of[case.ref]
            if case.contained or case.is_closed or work.waits:
                return []
            if work.not_ours:
                return [self.office.event(Kind.CANNOT_STOP, **work.stop.cannot(work.not_ours))]
            digest = work.file.digest if work.file else ""
            return [self.office.event(Kind.STOPPED, **work.stop.told(), evidence=digest)]

        with self.office.store.unit() as unit:
            unit.bulk.list_evidence([work.file for work in works if work.file])
            results = {key: result for work in works for key, result in work.results()}
            unit.bulk.finish(results, owner=self._openings.owner, now=self.office.clock())
            unit.bulk.release([key for work in works for key in work.withdrawn], owner=self._openings.owner)
            after = unit.bulk.change(of, what_happened)
            unit.commit()
        for ref, case in after.items():
            of[ref].ends_as(case)

    def _all(self, do: Callable[[T], R], things: Sequence[T]) -> list[tuple[T, R | Exception]]:
        """Do it for each, in threads; an error of one is its result, and no other's trouble."""
        return list(zip(things, self._hands.map(partial(_or_error, do), things), strict=True))


class _Busy(CaseproofError):
    def __init__(self) -> None:
        super().__init__("The case's own run is stopping it at this moment.", "The case says what came of it.")


def _jobs_of(works: Iterable[Work]) -> list[str]:
    return sorted({job.id for work in works if work.goes_on for job in work.jobs})


def _or_error(do: Callable[[T], R], thing: T) -> R | Exception:
    try:
        return do(thing)
    except Exception as error:
        return error


def _each_if_not_all(works: Sequence[Work], do: Callable[[Sequence[Work]], None]) -> None:
    """Do it for all at once; where that is refused, for each alone, so that one bad case holds up no other."""
    try:
        do(works)
    except StoreDown:
        raise
    except CaseproofError as error:
        if len(works) == 1:
            works[0].ends("not stopped yet", str(error))
            return
        for work in works:
            _each_if_not_all([work], do)
