"""The check of one platform: look, then carry out what the plan says and nothing else (J1, J2, J4).

``plan_check`` reads and changes nothing, so a dry run is a plan. Judged is by the platform's clock; what we do is dated
by ours. A job that somebody stops after the look is left alone, for each job is read once more right before its stop; a
run that succeeds after the look is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pandas as pd

from caseproof.checks.detection import detect
from caseproof.checks.frames import jobs_frame, runs_frame, strangers
from caseproof.checks.planning import WIDER, Choice, Known, PlanEntry, plan
from caseproof.config.policy import Policy
from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import Job, JobPlatform, Listed
from caseproof.procedure.containment.check_lock import CheckRunning, check_lock
from caseproof.procedure.containment.run_reading import RunReading
from caseproof.procedure.containment.stop_targets import StopResult, Target, stop_targets
from caseproof.procedure.core.causes import remembered_causes
from caseproof.procedure.core.contact_list import without_contact
from caseproof.procedure.core.parts import Ledger, Stopping
from caseproof.store import CaseRow, ChosenCause, Store

STOPS = frozenset({"stop", "reopen", "resume"})
"""What a plan calls it where a job is stopped."""
NAMED = 10
"""So many of the jobs that a wide stop reaches are named."""
Group = tuple[Scope, str, str]

__all__ = ["CheckPass", "CheckPlan", "CheckRunning", "carry_out", "check_lock", "plan_check"]


@dataclass(frozen=True)
class CheckPlan:
    """What a look at a platform found. ``plan`` has a line a job, ``targets`` what is to be stopped, in its order.

    ``now`` is the platform's own time (ours, where it tells none); ``jobs`` and ``runs`` are how many there were;
    ``unlisted`` counts runs of jobs that the platform did not list; ``too_slow`` are the expressions of the policy that
    ran out of their time, by the name of their signature; ``without_contact`` are the retailers of its jobs, failing or
    not, of whom nobody is registered, each with the number of these jobs; ``listed`` are all its jobs.
    """

    name: str
    platform: JobPlatform
    now: datetime
    plan: tuple[PlanEntry, ...]
    targets: tuple[Target, ...]
    detected: pd.DataFrame
    jobs: int
    runs: int
    unlisted: int
    too_slow: Mapping[str, str] = field(default_factory=dict)
    without_contact: Mapping[str, int] = field(default_factory=dict)
    listed: tuple[Job, ...] = ()


@dataclass(frozen=True)
class CheckPass:
    """What a pass did: what became of each target, and what could not be done ("" where all was)."""

    results: Sequence[StopResult]
    wrong: str = ""


def plan_check(
    ledger: Ledger,
    policy: Policy,
    name: str,
    platform: JobPlatform,
    only: Collection[str] | None = None,
    back: timedelta = timedelta(),
) -> CheckPlan:
    """Read the jobs and runs of the platform ``name``, and plan. Raises PlatformError where they cannot be read.

    ``only`` these jobs, where they are given; runs are read ``back`` from now, where neither the policy nor a job's own
    pace says further.
    """
    check, ours = policy.check, ledger.clock()
    now = platform.probe().clock or ours
    first = max(timedelta(hours=check.look_back_hours), back)
    survey = platform.survey(now - first, only)
    reading = RunReading(platform, survey, now, first, check)
    runs = runs_frame(reading, check.signatures)
    known = _known(ledger, policy.keeper, name, [listed.job.id for listed in survey.jobs], now - ours)
    settled = {job: closed_at for job, (_, closed_at) in known.closed.items()}
    jobs = jobs_frame(survey.jobs, now, check.missed, settled, reading.since)
    detected = detect(runs.frame, jobs, now, check, name)
    remembered = remembered_causes(ledger)
    chosen = {shape: Choice(one.cause, one.corrects) for shape, one in remembered.items()}
    lines = plan(detected, jobs, runs, known, check, now, name, policy.stop_scope, chosen)
    by_id = {listed.job.id: listed.job for listed in survey.jobs}
    return CheckPlan(
        name=name,
        platform=platform,
        now=now,
        plan=_with_the_others(ledger.store, policy, lines, survey.jobs),
        targets=tuple(
            _target(by_id[line.job], line, remembered.get(line.shape)) for line in lines if line.act in STOPS
        ),
        detected=detected,
        jobs=len(survey.jobs),
        runs=len(runs.frame),
        unlisted=int(strangers(runs.frame, jobs).sum()),
        too_slow=runs.too_slow,
        without_contact=without_contact(ledger.store, (listed.job.retailer for listed in survey.jobs)),
        listed=tuple(by_id.values()),
    )


def carry_out(stopping: Stopping, looked: CheckPlan, said: Callable[[StopResult], None] = lambda _: None) -> CheckPass:
    """Do what the plan says. Raises CheckRunning, and StoreDown where nothing can be written down."""
    pace = stopping.policy.check.pace_of(looked.name)
    results = stop_targets(stopping, looked.name, looked.platform, looked.targets, pace, said)
    late = [one for one in results if one.outcome == "not stopped yet"]
    if not late:
        return CheckPass(results)
    jobs = "1 job is" if len(late) == 1 else f"{len(late)} jobs are"
    return CheckPass(results, f"{jobs} not stopped yet, first {late[0].job}: {late[0].why}")


def _with_the_others(
    store: Store, policy: Policy, lines: tuple[PlanEntry, ...], listed: Sequence[Listed]
) -> tuple[PlanEntry, ...]:
    """The plan, where each line says which other jobs its stop reaches: a wide one hits jobs that may be well."""
    with store.reading() as uow:
        cases = uow.bulk.cases(line.ref for line in lines if line.ref and line.act in STOPS)
    by_id = {one.job.id: one.job for one in listed}
    groups: dict[Group, list[str]] = defaultdict(list)
    for one in listed:
        if one.active and not one.job.stopped_by:
            for scope in WIDER:
                groups[_group(one.job, scope)].append(one.job.id)
    told = []
    for line in lines:
        if line.act in STOPS and not line.alone:
            case, job = cases.get(line.ref), by_id[line.job]
            scope = Scope(case.facts["scope"]) if case else policy.scope_for(line.cause)
            others = [other for other in groups.get(_group(job, scope), ()) if other != line.job]
            if scope in WIDER and others and not job.stopped_by and all(_group(job, scope)):
                line = replace(line, why=f"{line.why} The whole {scope} is stopped with it: {_some(others)}.")
        told.append(line)
    return tuple(told)


def _group(job: Job, scope: Scope) -> Group:
    return scope, job.retailer or "", (job.marketplace if scope is Scope.MARKETPLACE else job.connection) or ""


def _some(jobs: Sequence[str]) -> str:
    more = f" and {len(jobs) - NAMED} more" if len(jobs) > NAMED else ""
    return f"{', '.join(sorted(jobs)[:NAMED])}{more}"


def _target(job: Job, line: PlanEntry, chosen: ChosenCause | None) -> Target:
    return Target(
        job,
        cause=line.cause or "unknown",
        summary=line.summary or line.why,
        failed_run=line.run or None,
        failed_run_url=line.run_url or None,
        failed_at=line.failed_at,
        ref=line.ref,
        why=line.why,
        alone=line.alone,
        chosen=chosen,
    )


def _known(ledger: Ledger, keeper: KeeperPolicy, name: str, jobs: Sequence[str], skew: timedelta) -> Known:
    """What the store knows of these jobs; ``skew`` is how far the platform's clock is ahead of ours."""
    since = ledger.clock() - timedelta(days=keeper.watch_days)
    with ledger.store.reading() as uow:
        standing = uow.bulk.open_rows(name, jobs)
        held = uow.bulk.held_along(name)
        closed = [row for row in uow.cases.watched(since) if row.platform == name]
    return Known(
        open={row.job: row.ref for row in standing},
        uncontained={row.ref for row in standing if row.state is State.OPENED},
        held={job: min(refs) for job, refs in held.items()},
        closed=_latest(closed, skew),
    )


def _latest(rows: Iterable[CaseRow], skew: timedelta) -> dict[str, tuple[str, datetime]]:
    """The case of each job that closed last, and when by the platform's clock."""
    found: dict[str, tuple[str, datetime]] = {}
    for row in rows:
        if row.closed_at is not None and (row.job not in found or found[row.job][1] < row.closed_at + skew):
            found[row.job] = (row.ref, row.closed_at + skew)
    return found
