"""What a platform tells, as data frames: one row a run, one row a job. Times are naive UTC in microseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from caseproof.checks.causes import classify
from caseproof.checks.paces import has_plan
from caseproof.checks.schedules import due_start
from caseproof.config.policy_check import Missed, Signature
from caseproof.platforms.base import Listed, Run, RunState

TIME = "datetime64[us]"
STATES = [str(state) for state in RunState]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NO_TIME = np.iinfo(np.int64).min
_JOB_FACTS = ("name", "url", "retailer", "marketplace", "connection", "stopped_by")
_JOB_TIMES = ("due", "settled", "since")


@dataclass(frozen=True, slots=True)
class Runs:
    """``frame``: a row a run: job, state and signature (categories), start and end; the signature is told of failed
    runs only, "" where none fits. ``failures``: of the failed runs, under the same index: run, name, message, url.
    ``repeated`` counts rows that came again; the one that came last is kept. ``too_slow``: of signatures, the
    expression that ran out of its time, so that nothing is told of the messages that it met.
    """

    frame: pd.DataFrame
    failures: pd.DataFrame
    repeated: int = 0
    too_slow: Mapping[str, str] = field(default_factory=dict)


def naive(moment: datetime | None) -> np.datetime64:
    """An aware time as naive UTC; NaT for none."""
    return np.datetime64(_micros(moment), "us")


def runs_frame(pages: Iterable[Sequence[Run]], signatures: Sequence[Signature]) -> Runs:
    """The runs of all pages, in whatever order they come. Raises what taking a page raises."""
    rows: dict[str, int] = {}
    jobs: dict[str, int] = {}
    job: list[int] = []
    state: list[int] = []
    start: list[int] = []
    end: list[int] = []
    failed: dict[int, tuple[str, str, str, str]] = {}
    states = {one: number for number, one in enumerate(RunState)}
    told = 0
    for page in pages:
        for run in page:
            told += 1
            row = rows.setdefault(run.id, len(rows))
            facts = (
                jobs.setdefault(run.job, len(jobs)),
                states[run.state],
                *map(_micros, (run.started_at, run.ended_at)),
            )
            if row == len(job):
                for column, fact in zip((job, state, start, end), facts, strict=True):
                    column.append(fact)
            else:
                job[row], state[row], start[row], end[row] = facts
                failed.pop(row, None)
            if run.state is RunState.FAILED:
                failed[row] = (run.id, run.name, run.message or "", run.url)
    order = sorted(failed)
    failures = pd.DataFrame(
        [failed[row] for row in order], index=order, columns=["run", "name", "message", "url"], dtype=object
    )
    names = [*(signature.name for signature in signatures), ""]
    said = np.full(len(job), -1, np.int16)
    too_slow: dict[str, str] = {}
    said[order] = pd.Index(names).get_indexer(classify(failures["message"], signatures, too_slow))
    frame = pd.DataFrame(
        {
            "job": pd.Categorical.from_codes(job, categories=list(jobs)),
            "state": pd.Categorical.from_codes(state, categories=STATES),
            "start": np.array(start, np.int64).view(TIME),
            "end": np.array(end, np.int64).view(TIME),
            "signature": pd.Categorical.from_codes(said, categories=names),
        }
    )  # fmt: skip
    return Runs(frame, failures, told - len(job), too_slow)


def jobs_frame(
    listed: Iterable[Listed], now: datetime, missed: Missed, settled: Mapping[str, datetime] | None = None,
    since: Mapping[str, datetime] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """A row a job, by its id: what the platform tells of it, whether it is ``active``, ``planned`` (by a schedule that
    is understood), and three times.

    ``due``: the planned start that must have been met, or else ``missed.starts`` of them were missed; NaT where nothing
    can be said. ``settled``: until when its failures are dealt with (the closing of its case, on the platform's clock).
    ``since``: from when on its runs were read; NaT where that is as far as the policy says for all.
    """
    latest = now - timedelta(minutes=missed.grace_minutes)
    settled, since = settled or {}, since or {}
    rows: dict[str, dict[str, Any]] = {}
    for one in listed:
        due = _due(one, latest, missed.starts) if one.active else None
        facts = {name: getattr(one.job, name) for name in _JOB_FACTS}
        times = {"due": naive(due), "settled": naive(settled.get(one.job.id)), "since": naive(since.get(one.job.id))}
        rows[one.job.id] = {**facts, "active": one.active, "planned": has_plan(one, now), **times}
    frame = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows.values()], dtype=object) for name in _JOB_FACTS}
        | {name: pd.Series([row[name] for row in rows.values()], dtype=bool) for name in ("active", "planned")}
        | {name: pd.Series(np.array([row[name] for row in rows.values()], TIME)) for name in _JOB_TIMES}
    )
    frame.index = pd.Index(list(rows), dtype=object, name="job")
    return frame


def _due(one: Listed, latest: datetime, starts: int) -> datetime | None:
    """By the platform's own plan where that tells enough; else by the schedule: a scheduler that died plans nothing."""
    late = [start for start in one.late if start <= latest]
    return late[-starts] if len(late) >= starts else due_start(one.schedules, latest, starts)


def strangers(frame: pd.DataFrame, jobs: pd.DataFrame) -> pd.Series:
    """How many runs there are of each job that the platform did not list: they are kept apart, and nobody is stopped
    for them."""
    counts = frame["job"].value_counts(sort=False)
    return counts[~counts.index.isin(jobs.index) & (counts > 0)].sort_index()


def _micros(moment: datetime | None) -> int:
    if moment is None:
        return int(_NO_TIME)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND
