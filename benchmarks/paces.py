"""Jobs of every pace: what is found on its day, and what reading that costs.

`python -m benchmarks.paces` prints both, beside the reading of before: 72 hours for all jobs, and failures alone.

Found: a job of each pace (hourly, daily, weekly, monthly) for each signature begins to fail on one day, and is judged
on sixty mornings. Pages: all that a check asks of Prefect for 400 hourly, 200 daily, 100 weekly and 40 monthly jobs, of
which every fiftieth fails (the job farm answers); each call is a page of jobs or of 200 runs, or counts them.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from caseproof.config.policy_check import CheckPolicy
from caseproof.procedure.containment.run_reading import RunReading
from tests.support.farm_here import farm_here
from tests.support.paced_jobs import (
    CRONS,
    FIRST,
    FOUND_ON,
    MORNINGS,
    every_kind,
    kinds,
    morning,
    plain,
    starts_of,
)

MOST_PAGES = 1.5
COMMAND = "python -m benchmarks.paces"


def found_in_time(policy: CheckPolicy, *, one_window: bool) -> tuple[int, int]:
    """How many job kinds fail from their day of the table on and are never fine before; and how many there are."""
    platform = every_kind(policy)
    days = {
        f"{pace}/{number}": FOUND_ON[patience.failures, patience.days][pace]
        for pace in CRONS
        for number, (_, patience) in enumerate(kinds(CheckPolicy()))
    }
    late = set()
    for day in range(MORNINGS):
        told = platform.judged(morning(day), policy, one_window=one_window)["verdict"]
        late |= {job for job, verdict in told.items() if verdict != ("failing" if day >= days[job] else "watched")}
    return len(days) - len(late), len(days)


def pages(policy: CheckPolicy) -> tuple[int, int]:
    """The pages that one check fetches on the morning after the first failures: each job's window, and one for all."""
    jobs, now = [], morning(1)
    for pace, count in {"hourly": 400, "daily": 200, "weekly": 100, "monthly": 40}.items():
        starts = [*starts_of(pace, FIRST - timedelta(days=5 if pace == "hourly" else 95), now)]
        for number in range(count):
            bad = number % 50 == 0
            told = [
                {"start": one.isoformat(), "state": "FAILED" if bad and one >= FIRST else "COMPLETED"} for one in starts
            ]
            when = [{"schedule": {"cron": CRONS[pace], "timezone": "UTC"}, "active": True}]
            jobs.append({"id": f"{pace}/{number}", "schedules": when, "runs": told})
    first = timedelta(hours=policy.look_back_hours)
    with farm_here(jobs, now=now) as farm, closing(farm.client()) as client:
        once = len(list(client.survey(now - first).pages)) and farm.requests()
        survey = client.survey(now - first)
        list(RunReading(client, survey, now, first, policy))
        return farm.requests() - once, once


def before(policy: CheckPolicy) -> CheckPolicy:
    """The policy as it was: failures alone."""
    alone = {"days": None}
    signatures = tuple(one.model_copy(update=alone) for one in policy.signatures)
    return policy.model_copy(update={"signatures": signatures, "otherwise": policy.otherwise.model_copy(update=alone)})


def figures() -> list[dict[str, object]]:
    """The two rows of the table."""
    policy = plain(CheckPolicy())
    (old, _), (new, whole) = found_in_time(before(policy), one_window=True), found_in_time(policy, one_window=False)
    fetched, once = pages(policy)
    return [
        {
            "figure": f"job kinds found by the day that the table names: {new} of {whole}",
            "baseline": f"72 hours for all jobs, and failures alone: {old} of {whole}",
            "ratio": round(new / whole, 3),
            "target": "all of them (1)",
            "ok": new == whole,
            "command": COMMAND,
        },
        {
            "figure": f"pages fetched by a check of jobs of every pace: {fetched}",
            "baseline": f"72 hours for all jobs: {once}",
            "ratio": round(fetched / once, 3),
            "target": f"at most {MOST_PAGES:g} x",
            "ok": fetched <= MOST_PAGES * once,
            "command": COMMAND,
        },
    ]


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
