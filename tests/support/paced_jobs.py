"""Jobs of every pace that begin to fail on one day, each in the way of one signature; and mornings on which they are
judged, as a check reads and judges them, without a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd

from caseproof.checks.detection import detect
from caseproof.checks.frames import jobs_frame, runs_frame
from caseproof.config.policy_check import CheckPolicy, Patience
from caseproof.platforms.base import Job, Listed, Run, RunState, Schedule, Survey
from caseproof.procedure.containment.run_reading import RunReading

DAY_0 = datetime(2026, 2, 1, tzinfo=UTC)
"""A Sunday, and the first of a month: jobs of every pace fail at five o'clock for the first time."""
FIRST = DAY_0 + timedelta(hours=5)
CRONS = {"hourly": "0 * * * *", "daily": "0 5 * * *", "weekly": "0 5 * * sun", "monthly": "0 5 1 * *"}
MORNINGS = 60
FOUND_ON = {
    # failures, days: the morning on which it is found; it first fails at five on day 0, the check is at half past six
    (1, 3): {"hourly": 0, "daily": 0, "weekly": 0, "monthly": 0},
    (2, 1): {"hourly": 0, "daily": 1, "weekly": 1, "monthly": 1},
    (3, 3): {"hourly": 1, "daily": 2, "weekly": 3, "monthly": 3},
    (4, 3): {"hourly": 1, "daily": 3, "weekly": 3, "monthly": 3},
    (5, 3): {"hourly": 1, "daily": 3, "weekly": 3, "monthly": 3},
    (10, 3): {"hourly": 1, "daily": 3, "weekly": 3, "monthly": 3},
}
PAGE = 200


def plain(policy: CheckPolicy) -> CheckPolicy:
    """The policy, where a message is simply the number of the signature that it is to have."""
    known = (
        one.model_copy(update={"http": (), "frames": (), "codes": (), "says": (f"^kind {number} happened$",)})
        for number, one in enumerate(policy.signatures)
    )
    return policy.model_copy(update={"signatures": tuple(known)})


def kinds(policy: CheckPolicy) -> list[tuple[str, Patience]]:
    """The messages of a plain policy, and the patience that each has; the last fits no signature."""
    known: list[tuple[str, Patience]] = [
        (f"kind {number} happened", one) for number, one in enumerate(policy.signatures)
    ]
    return [*known, ("nobody knows", policy.otherwise)]


def starts_of(pace: str, begin: datetime, until: datetime) -> Iterator[datetime]:
    """When a job of this pace starts between the two."""
    if pace == "monthly":
        months = (datetime(year, month, 1, 5, tzinfo=UTC) for year in (2025, 2026) for month in range(1, 13))
        yield from (start for start in months if begin <= start <= until)
        return
    every = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}[pace]
    start = FIRST - (FIRST - begin) // every * every
    while start <= until:
        yield start
        start += every


@dataclass
class PacedPlatform:
    """Jobs and runs in memory, read in pages as Prefect gives them. ``pages`` counts those that were fetched."""

    jobs: dict[str, Listed] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    now: datetime = FIRST
    pages: int = 0
    asked: list[tuple[timedelta, int]] = field(default_factory=list)

    def add(self, name: str, starts: Iterable[datetime], schedules: Sequence[Schedule], says: str | None) -> None:
        """A job that works up to the first failure, and never again; one that always works where it says nothing."""
        self.jobs[name] = Listed(Job(name, name, "", "garden-shop", "bazaar", None), True, tuple(schedules))
        self.runs[name] = [self.a_run(name, start, says if start >= FIRST else None) for start in starts]

    def a_run(self, job: str, start: datetime, says: str | None, state: RunState | None = None) -> Run:
        state = state or (RunState.SUCCEEDED if says is None else RunState.FAILED)
        end = start + timedelta(minutes=1)
        return Run(f"{job}@{start:%j %H:%M}", "", job, state, str(state), says or "", "", start, end)

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        chosen = [one for name, one in self.jobs.items() if jobs is None or name in jobs]
        self.asked.append((self.now - since, len(chosen)))
        return Survey(self.now, chosen, self._pages(since, [one.job.id for one in chosen]))

    def _pages(self, since: datetime, jobs: Sequence[str]) -> Iterator[list[Run]]:
        rows = [run for job in jobs for run in self.runs[job] if run.started_at and since < run.started_at <= self.now]
        for begin in range(0, len(rows), PAGE):
            self.pages += 1
            yield rows[begin : begin + PAGE]

    def judged(self, now: datetime, policy: CheckPolicy, *, one_window: bool = False) -> pd.DataFrame:
        """What the check of this moment says of each job; with ``one_window``, no job is read further than all are."""
        self.now = now
        first = timedelta(hours=policy.look_back_hours)
        survey = self.survey(now - first)
        reading = RunReading(self, survey, now, first, policy)  # type: ignore[arg-type] - it asks for surveys alone
        runs = runs_frame(survey.pages if one_window else reading, policy.signatures)
        return detect(runs.frame, jobs_frame(survey.jobs, now, policy.missed, since=reading.since), now, policy)


def every_kind(policy: CheckPolicy, *, planned: bool = True, until: datetime | None = None) -> PacedPlatform:
    """A job of each pace for each kind; without a plan, somebody else starts them at the same times."""
    platform = PacedPlatform()
    until = until or DAY_0 + timedelta(days=MORNINGS)
    for pace, cron in CRONS.items():
        begin = FIRST - timedelta(days=5 if pace == "hourly" else 95)
        for number, (says, _) in enumerate(kinds(policy)):
            schedules = [Schedule(cron=cron)] if planned else []
            platform.add(f"{pace}/{number}", starts_of(pace, begin, until), schedules, says)
    return platform


def morning(day: int) -> datetime:
    """The check of this day, counted from the first failure's."""
    return DAY_0 + timedelta(days=day, hours=6, minutes=30)
