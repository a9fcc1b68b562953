"""Detection over 10 million run rows, beside the plainest question that one can ask of the same frame.

`python -m benchmarks.detection` prints the ratio of times and the peak of memory. The frame is as a check makes it: a
thousand runs of each of ten thousand jobs within three days, in no order; one job in a hundred fails since a while,
one in a hundred flaps, and of all others every hundredth run fails.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from caseproof.checks.detection import detect
from caseproof.checks.frames import STATES, TIME, jobs_frame
from caseproof.config.policy_check import CheckPolicy
from caseproof.platforms.base import Job, Listed, RunState, Schedule

ROWS, JOBS, HOURS = 10_000_000, 10_000, 72
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROUNDS = 5
SLOWEST, MOST = 3.0, 2.0
COMMAND = "python -m benchmarks.detection"


def a_frame(policy: CheckPolicy, rows: int = ROWS, jobs: int = JOBS) -> pd.DataFrame:
    """The runs, in a random order."""
    some = np.random.default_rng(20261121)
    job = some.integers(0, jobs, rows).astype(np.int16)
    ago = some.integers(60, HOURS * 3600, rows)
    kind = job % 100
    failing = (kind == 1) & (ago < 6 * 3600)
    flapping = (kind == 2) & (some.random(rows) < 0.4)
    bad = failing | flapping | ((kind > 2) & (some.random(rows) < 0.01))
    state = np.where(bad, STATES.index(RunState.FAILED), STATES.index(RunState.SUCCEEDED)).astype(np.int8)
    names = [*(signature.name for signature in policy.signatures), ""]
    signature = np.where(bad, some.integers(0, len(names), rows), -1).astype(np.int8)
    start = np.datetime64(NOW.replace(tzinfo=None), "us") - ago.astype("timedelta64[s]")
    return pd.DataFrame(
        {
            "job": pd.Categorical.from_codes(job, categories=[f"feed/shop-{number:05}" for number in range(jobs)]),
            "state": pd.Categorical.from_codes(state, categories=STATES),
            "start": start.astype(TIME),
            "end": (start + some.integers(1, 60, rows).astype("timedelta64[s]")).astype(TIME),
            "signature": pd.Categorical.from_codes(signature, categories=names),
        }
    )


def baseline(runs: pd.DataFrame) -> pd.DataFrame:
    """Count, last start and last success of each job: the quickest way we know to write that in pandas."""
    found = runs.groupby("job", observed=True).agg(runs=("state", "size"), last_start=("start", "max"))
    good = runs.loc[runs["state"] == RunState.SUCCEEDED, ["job", "end"]]
    return found.join(good.groupby("job", observed=True)["end"].max().rename("last_success"))


def figures() -> list[dict[str, object]]:
    """The two rows of the table: time and memory."""
    policy = CheckPolicy()
    runs = a_frame(policy)
    listed = [
        Listed(Job(name, name, "", None, None, None), True, (Schedule(every=timedelta(minutes=5), anchor=NOW),))
        for name in runs["job"].cat.categories
    ]
    jobs = jobs_frame(listed, NOW, policy.missed)
    size = int(runs.memory_usage(index=True).sum())
    found = detect(runs, jobs, NOW, policy)
    plain = baseline(runs)
    # The two are about the same frame, and both see it right.
    assert (found["runs"] == plain["runs"]).all()  # noqa: S101
    assert (found["last_success"] == plain["last_success"]).all()  # noqa: S101
    plainly, detecting = [], []
    for _ in range(ROUNDS):  # by turns, so that a busy moment of the machine hits both
        plainly.append(_seconds(lambda: baseline(runs)))
        detecting.append(_seconds(lambda: detect(runs, jobs, NOW, policy)))
    ratio = min(detecting) / min(plainly)
    more = (size + _peak(lambda: detect(runs, jobs, NOW, policy))) / size
    shown = f"groupby(job) with count, last start and last success: {min(plainly):.2f} s"
    return [
        _row(f"detection over {len(runs):,} run rows", shown, ratio, SLOWEST),
        _row("peak memory of that detection, the frame with it", f"the frame: {size / 1e6:.0f} MB", more, MOST),
    ]


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _peak(work: Callable[[], object]) -> int:
    """The most bytes that are held at once beside what is there already; numpy tells tracemalloc of its own."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _row(figure: str, against: str, ratio: float, target: float) -> dict[str, object]:
    return {
        "figure": figure,
        "baseline": against,
        "ratio": round(ratio, 3),
        "target": f"at most {target:g} x",
        "ok": ratio <= target,
        "command": COMMAND,
    }


if __name__ == "__main__":
    for row in figures():
        print(f"{row['figure']}: {row['ratio']} ({row['target']}; against {row['baseline']})")  # noqa: T201
