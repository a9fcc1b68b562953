"""How far back the runs of each job are read: as its own schedule and its patience ask for. Nothing is read here.

A daily job has three runs in 72 hours, a monthly one none: whoever reads all jobs equally far either judges the slow
ones by nothing, or reads a month of the quick ones. So each job is read by the shortest of a few windows that holds the
failures it takes; and one of which that window tells neither a success nor enough failures by the next longer one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from caseproof.checks.schedules import due_start
from caseproof.config.policy_check import CheckPolicy
from caseproof.platforms.base import Listed, Run, RunState

LONGER = tuple(timedelta(days=days) for days in (5, 20, 80, 400))
"""The windows beside the policy's own. With the shipped policy they fit a daily, a weekly and a monthly job, each with
two planned starts that it may have missed, and one that runs once a year."""
SLACK = timedelta(hours=1)
"""A window reaches so much further than the start it is for: clocks and starts are not exact."""


def windows(first: timedelta) -> tuple[timedelta, ...]:
    """``first``, which all jobs are read by, and the longer ones."""
    return first, *(one for one in LONGER if one > first)


def window_for_job(one: Listed, now: datetime, check: CheckPolicy, among: Sequence[timedelta]) -> timedelta:
    """The first of ``among`` (growing) that holds all that can count of the job; the first, if it has no plan."""
    needed = _needed(one, now, check)
    return next((window for window in among if needed is None or now - window <= needed), among[-1])


def _needed(one: Listed, now: datetime, check: CheckPolicy) -> datetime | None:
    """From when on the job's runs can count: failures that use up a patience, and the start it must have met."""
    most: dict[tuple[float | None, float], int] = defaultdict(int)
    for patience in (*check.signatures, check.otherwise):
        limits = (patience.days, patience.minutes)
        most[limits] = max(most[limits], patience.failures)
    found = [due_start(one.schedules, now - timedelta(minutes=check.missed.grace_minutes), check.missed.starts)]
    for (days, minutes), failures in most.items():
        first = due_start(one.schedules, now, failures)
        if first is not None:
            if days is not None:
                first = max(first, now - timedelta(days=days))
            first = min(first, now - timedelta(minutes=minutes))
            first = due_start(one.schedules, first, 1)  # the failure that the time is counted from is before it
        found.append(first)
    known = [first for first in found if first is not None]
    return min(known) - SLACK if len(known) == len(found) else None


class Told:
    """What the runs that were read so far tell of each job."""

    def __init__(self, check: CheckPolicy) -> None:
        self._enough = max(patience.failures for patience in (*check.signatures, check.otherwise))
        self._well: set[str] = set()
        self._failed: dict[str, set[str]] = defaultdict(set)  # by their ids: a longer window tells them again
        self._known: set[str] = set()

    def take(self, page: Iterable[Run]) -> None:
        for run in page:
            self._known.add(run.job)
            if run.state is RunState.SUCCEEDED:
                self._well.add(run.job)
                self._failed.pop(run.job, None)
            elif run.state is RunState.FAILED and run.job not in self._well:
                self._failed[run.job].add(run.id)

    def leaves_open(self, one: Listed, now: datetime) -> bool:
        """Whether older runs may change what the job is: none succeeded, and too few failed.

        A job that does not run by itself is stopped already; one that has a plan and no run at all did not start.
        """
        job = one.job.id
        if not one.active or job in self._well or len(self._failed.get(job, ())) >= self._enough:
            return False
        return job in self._known or not has_plan(one, now)


def has_plan(one: Listed, now: datetime) -> bool:
    """Whether the job is started by a schedule that is understood; else it goes by the pace of its own runs."""
    return due_start(one.schedules, now, 1) is not None


def asked_by(
    window: timedelta, own: dict[str, timedelta], jobs: Collection[Listed], told: Told, now: datetime
) -> list[str]:
    """The jobs that this window is read for: it is their own, or a shorter one left open what they are."""
    return [
        one.job.id
        for one in jobs
        if own[one.job.id] == window or (own[one.job.id] < window and told.leaves_open(one, now))
    ]
