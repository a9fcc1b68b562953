"""What is watched after a stop and after a closing, by reading the platforms (J2, J10, J11).

A stop that did not hold is made again. And what is fixed stays fixed: a job that fails again within the policy's days
after its case closed reopens that same case, and is stopped first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta
from itertools import islice

from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.payloads import RunStarted, StopDidNotHold
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job, JobPlatform, PlatformDown, Run, Survey
from caseproof.procedure.containment.checking import CheckPlan, CheckRunning, check_lock, plan_check
from caseproof.procedure.containment.stop import had_to_stop_again, held_jobs
from caseproof.procedure.containment.stop_targets import StopResult, stop_targets
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, Stopping
from caseproof.store import Store
from caseproof.store.errors import Unreadable

HELD = (State.CONTAINED, State.WAITING, State.PAUSED)
"""While the job has to stand still and no run of it is ours: a decision starts one, and a verified one goes live."""
STOPS_READ = "stops-read/"
"""What the marks begin with that note when a platform's runs were read last, before its name."""
OVERLAP = timedelta(minutes=5)
"""Runs are read again that began so shortly before the last pass: a platform may tell of one late."""
FIRST_LOOK = timedelta(hours=1)
QUIET = timedelta(hours=1)
"""How long it is not written down and told again that the stop of a case does not hold."""
SLICE = 200
"""How many cases a pass goes around for jobs that were stopped along with their own."""
_AT_ONCE = 300


def platforms_with_cases(ledger: Ledger, keeper: KeeperPolicy) -> list[str]:
    """The names of the platforms that have open cases, or some that closed lately."""
    since = ledger.clock() - timedelta(days=keeper.watch_days)
    with ledger.store.reading() as uow:
        return sorted({*uow.cases.platforms(), *(row.platform for row in uow.cases.watched(since))})


# -- a stop that did not hold -----------------------------------------------------------------------------------------


Apart = Callable[[str], AbstractContextManager[None]]
"""What keeps an error about one case from the others."""


def hold_stops(ledger: Ledger, files: EvidenceFiles, name: str, platform: JobPlatform, apart: Apart) -> Iterator[str]:
    """Stop again what runs although its case stopped it, read it back, and write it down; gives these cases.

    Raises PlatformError where the platform cannot be read, or is down meanwhile: the next pass looks at all of it.
    """
    mark = f"{STOPS_READ}{name}"
    with ledger.store.reading() as uow:
        before = uow.cursors.get(mark)
    now = ledger.clock()
    last = datetime.fromisoformat(before[0]) if before else now - FIRST_LOOK
    survey = platform.survey(min(last, now) - OVERLAP)
    began = _began(survey)
    active = {listed.job.id for listed in survey.jobs if listed.active}
    skew = survey.clock - now if survey.clock else timedelta()
    for ref in _holders(ledger, name, active | began.keys()):
        loose, down = False, None
        with apart(ref):
            try:
                loose = _is_loose(ledger, files, platform, ref, active, began, skew)
            except PlatformDown as error:
                down = error
        if down:
            raise down  # its time-out once a pass, not once a case
        if loose:
            yield ref
    with ledger.store.uow() as uow:
        uow.cursors.set(mark, (survey.clock or now).isoformat(), now)
        uow.commit()


def _began(survey: Survey) -> dict[str, list[Run]]:
    """The runs by job."""
    found: dict[str, list[Run]] = defaultdict(list)
    for page in survey.pages:
        for run in page:
            if run.started_at is not None:
                found[run.job].append(run)
    return found


def _holders(ledger: Ledger, name: str, jobs: Collection[str]) -> list[str]:
    """The open cases whose own job is one of these, and some of those that stopped one of them along with it.

    No row tells which jobs a wide stop reached, so the cases are gone around, some in each pass.
    """
    found: set[str] = set()
    listed = iter(sorted(jobs))
    with ledger.store.reading() as uow:
        while some := list(islice(listed, _AT_ONCE)):
            found |= {row.ref for row in uow.cases.of_jobs(name, some) if row.state in HELD}
    return sorted(found | _holders_along(ledger, name, jobs))


def _holders_along(ledger: Ledger, name: str, jobs: Collection[str]) -> set[str]:
    mark = f"stops-slice/{name}"
    with ledger.store.reading() as uow:
        place = uow.cursors.get(mark)
        rows = uow.cases.slice(int(place[0]) if place else 0, SLICE)
    found = set()
    for row in rows:
        if row.platform == name and row.state in HELD:
            with suppress(Unreadable):  # `caseproof case list` names it
                found |= {row.ref for job in held_jobs(ledger.case(row.ref)) if job["job"] in jobs}
    with ledger.store.uow() as uow:
        uow.cursors.set(mark, str(rows[-1].id if len(rows) == SLICE else 0), ledger.clock())
        uow.commit()
    return found


def _is_loose(
    ledger: Ledger,
    files: EvidenceFiles,
    platform: JobPlatform,
    ref: str,
    active: Collection[str],
    began: Mapping[str, Sequence[Run]],
    skew: timedelta,
) -> bool:
    case = ledger.case(ref)
    stopped = case.contained
    if stopped is None or case.state not in HELD:
        return False
    known = {fact.data["run"] for fact in case.all_of(RunStarted)}
    known |= {run for fact in case.all_of(StopDidNotHold) for run in fact.data.get("runs", ())}
    # Only what we stopped ourselves: another's job (J3) may run.
    jobs = [str(job["job"]) for job in held_jobs(case)]
    all_runs = [run for job in jobs for run in began.get(job, ()) if run.id not in known]
    runs = [run for run in all_runs if run.started_at is not None and run.started_at > stopped.at + skew]
    again = [job for job in jobs if job in active and had_to_stop_again(platform, job)]
    ran = sorted({run.job for run in runs} - set(again))
    again += [job for job in ran if had_to_stop_again(platform, job)]
    if not again and not runs:
        return False
    told = [event.at for event in case.events if event.kind is Kind.STOP_DID_NOT_HOLD]
    if told and ledger.clock() - told[-1] < QUIET:
        return False  # stopped again all the same: who works against it does so in every pass
    _write_down(ledger, files, platform, case, sorted({*again, *ran}), runs)
    return True


def _write_down(
    ledger: Ledger, files: EvidenceFiles, platform: JobPlatform, case: Case, jobs: Sequence[str], runs: Sequence[Run]
) -> None:
    standing = [platform.standing(job) for job in jobs]
    back = [{"job": one.job, "active": one.active, "waiting": one.waiting, "running": one.running} for one in standing]
    ran = f"it ran again ({', '.join(run.name for run in runs[:5])})" if runs else "it was active again"
    held = all(one.is_stopped for one in standing)
    why = f"{ran}; {'read back as stopped' if held else 'it does not stand still yet, and is looked at again'}"
    read = {
        "case": case.ref,
        "read_at": ledger.clock(),
        "jobs": back,
        "runs": [{"run": run.id, "job": run.job, "said": run.said, "started_at": run.started_at} for run in runs],
    }
    number = sum(event.kind is Kind.STOP_DID_NOT_HOLD for event in case.events) + 1
    digest = files.keep_json(case.ref, f"stopped-again-{number}.json", read)
    event = ledger.event(Kind.STOP_DID_NOT_HOLD, jobs=back, why=why, evidence=digest, runs=[run.id for run in runs])

    def unless_written(now: Case) -> list[Event]:
        count = sum(event.kind is Kind.STOP_DID_NOT_HOLD for event in now.events)
        return [event] if count == number - 1 and now.state in HELD else []

    ledger.change(case.ref, unless_written)


# -- fixed stays fixed ------------------------------------------------------------------------------------------------


def reopen_what_fails_again(stopping: Stopping, name: str, platform: JobPlatform) -> list[StopResult]:
    """Stop the jobs that fail again after their cases closed, and reopen these cases (J2); gives what became of each.

    Judged as by the daily check: where one is at work, it does this itself. Raises PlatformError where the platform
    cannot be read.
    """
    ledger, policy = stopping.ledger, stopping.policy
    now = ledger.clock()
    with ledger.store.reading() as uow:
        rows = uow.cases.watched(now - timedelta(days=policy.keeper.watch_days))
    closed = {row.job: row.closed_at for row in rows if row.platform == name and row.closed_at is not None}
    if not closed:
        return []
    back = now - min(closed.values()) + OVERLAP
    with suppress(CheckRunning), check_lock(stopping.settings, name):
        looked = plan_check(ledger, policy, name, platform, closed.keys(), back)
        if along := _along(ledger.store, platform, looked):
            looked = plan_check(ledger, policy, name, platform, closed.keys() | along, back)
        again = {line.job for line in looked.plan if line.act == "reopen"}
        targets = [target for target in looked.targets if target.job.id in again]
        return stop_targets(stopping, name, platform, targets, policy.check.pace_of(name)) if targets else []
    return []


def _along(store: Store, platform: JobPlatform, looked: CheckPlan) -> set[str]:
    """The jobs that the stops of the reopened cases would reach besides: whether one of them works has to be known."""
    refs = [line.ref for line in looked.plan if line.act == "reopen"]
    with store.reading() as uow:
        wide = [case.facts["job"] for case in uow.bulk.cases(refs).values() if case.facts["scope"] != Scope.JOB]
    if not wide:
        return set()
    jobs = {listed.job.id: listed.job for listed in platform.survey(looked.now).jobs}
    reached = {group for job in wide if job in jobs for group in _groups(jobs[job])}
    return {job.id for job in jobs.values() if reached & _groups(job)}


def _groups(job: Job) -> set[tuple[str, str, str]]:
    """What a wide stop of the job reaches."""
    others = {"marketplace": job.marketplace, "connection": job.connection}
    return {(job.retailer, what, other) for what, other in others.items() if job.retailer and other}
