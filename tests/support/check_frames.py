"""Runs and jobs for tests of the check: histories as people draw them, oldest first, and the frames made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from caseproof.checks.detection import detect
from caseproof.checks.frames import Runs, jobs_frame, runs_frame
from caseproof.config.policy_check import CheckPolicy
from caseproof.platforms.base import Job, Listed, Run, RunState, Schedule

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURLY = Schedule(every=timedelta(hours=1), anchor=datetime(2026, 1, 1, tzinfo=UTC))
MESSAGES = {
    "T": "JobFailed: GET https://api.example.com answered 401: token expired",
    "O": "httpx.ReadTimeout: timed out",
    "F": "Something broke.",
}
STATES = {
    **dict.fromkeys(MESSAGES, RunState.FAILED), "s": RunState.SUCCEEDED, "c": RunState.CANCELLED,
    "r": RunState.RUNNING, "u": RunState.UNKNOWN, "w": RunState.WAITING,
}  # fmt: skip
"""T: a refused token, O: a time-out, F: a failure nobody knows; s: success, c: cancelled, r: running, u: unknown."""


def run(job: str, letter: str, start: datetime | None, end: datetime | None = None, **facts: Any) -> Run:
    state = STATES[letter]
    told = {"id": f"{job}@{start}/{end}/{letter}", "message": MESSAGES.get(letter, "")} | facts
    return Run(
        id=told["id"], name=f"name-of-{told['id']}", job=job, state=state, said=str(state), message=told["message"],
        url=f"https://runs.example.com/{told['id']}", started_at=start, ended_at=end,
    )  # fmt: skip


def history(job: str, letters: str, every: timedelta = timedelta(hours=1), last: datetime = NOW) -> list[Run]:
    """A run a letter, the last one ending a minute after it started, which is ``every`` before ``last``."""
    starts = [last - every * back for back in range(len(letters), 0, -1)]
    return [
        run(job, letter, start, start + timedelta(minutes=1) if STATES[letter].is_over else None)
        for letter, start in zip(letters, starts, strict=True)
    ]


def listed(job: str, *, active: bool = True, schedules: Iterable[Schedule] = (), **facts: Any) -> Listed:
    told = {"retailer": "garden-shop", "marketplace": "bazaar", "connection": "api"} | facts
    return Listed(Job(job, job, f"https://jobs.example.com/{job}", **told), active, tuple(schedules))


def seen(
    histories: Mapping[str, str] | Iterable[Run],
    *,
    jobs: Iterable[Listed] | None = None,
    policy: CheckPolicy | None = None,
    now: datetime = NOW,
    settled: Mapping[str, datetime] | None = None,
    platform: str = "shops",
) -> tuple[pd.DataFrame, pd.DataFrame, Runs]:
    """What detection says of these runs: (its frame, the jobs, the runs)."""
    policy = policy or CheckPolicy()
    given = histories
    rows = (
        [one for job, told in given.items() for one in history(job, told)] if isinstance(given, Mapping) else [*given]
    )
    known = [listed(job) for job in dict.fromkeys(one.job for one in rows)] if jobs is None else list(jobs)
    runs = runs_frame([rows], policy.signatures)
    table = jobs_frame(known, now, policy.missed, settled)
    return detect(runs.frame, table, now, policy, platform), table, runs
