"""Numbers of each job from the rows of its runs, in whatever order these come, without a loop over runs or jobs.

A run's place is its end, or its start where it has no end that can be. What is waiting, running, cancelled or in a
state that nobody knows is neither a failure nor a success. The rows are gone through in pieces, so that little memory
is needed beside the frame, however many of them failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from caseproof.checks.frames import TIME, naive
from caseproof.platforms.base import RunState

PIECE = 1 << 18
"""So many rows are gone through at once."""

AHEAD = timedelta(hours=1)
"""A time further ahead is a wrong clock's, and is taken for none. What ended while the runs were read is less ahead."""

NEVER = int(np.iinfo(np.int64).min)
"""NaT, as a number of microseconds."""

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The columns of the runs as arrays: views, not copies. ``job`` is the number of a category, -1 for none."""

    job: Codes
    state: Codes
    start: Numbers
    end: Numbers
    signature: Codes
    good: int
    bad: int
    latest: int  # times after this one are none

    @classmethod
    def of(cls, runs: pd.DataFrame, now: datetime) -> Rows:
        states = list(runs["state"].cat.categories)
        good, bad = (states.index(one) if one in states else -2 for one in (RunState.SUCCEEDED, RunState.FAILED))
        job, state, signature = (runs[name].cat.codes.to_numpy() for name in ("job", "state", "signature"))
        start, end = (micros(runs[name].to_numpy()) for name in ("start", "end"))
        return cls(job, state, start, end, signature, good, bad, moment(now + AHEAD))

    def started(self, rows: slice | Numbers) -> Numbers:
        """When the runs started; NEVER where that cannot be."""
        start = self.start[rows]
        return np.where(start > self.latest, NEVER, start)

    def place(self, rows: slice | Numbers) -> Numbers:
        """The times that the runs are ordered by; NEVER where there is none."""
        end = self.end[rows]
        return np.where((end > self.latest) | (end == NEVER), self.started(rows), end)

    def pieces(self) -> Iterator[tuple[slice, Numbers]]:
        """Rows that follow one another, and the numbers of their jobs; -1 (none) reaches into a spare last place."""
        for begin in range(0, len(self.job), PIECE):
            rows = slice(begin, begin + PIECE)
            yield rows, self.job[rows].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is asked of each category of jobs, with one more place at the end, for runs without a job.

    ``listed``: whether its runs count; ``lately``: from when its changes count; ``settled``: up to when its failures do
    not count any more. ``excused`` says which of some failed runs (by row) do not count either.
    """

    listed: Flags
    lately: Numbers
    settled: Numbers
    excused: Callable[[Numbers], Flags]

    def __len__(self) -> int:
        return len(self.listed)


class Tally:
    """A number a job, in the order of ``Jobs``: what its starts and successes say."""

    def __init__(self, rows: Rows, jobs: Jobs) -> None:
        self.runs = np.zeros(len(jobs), np.int64)
        self.last_start = np.full(len(jobs), NEVER)
        self.last_success = np.full(len(jobs), NEVER)
        self.good_lately = np.zeros(len(jobs), np.int64)
        self.undated = np.zeros(len(jobs), np.bool_)  # has a success of which nobody knows when it was
        for piece, job in rows.pieces():
            good, place = rows.state[piece] == rows.good, rows.place(piece)
            np.add.at(self.runs, job, 1)
            started = rows.started(piece)
            np.maximum.at(self.last_start, job, started)
            job, place = job[good], place[good]
            # An end before its start is a wrong clock's: in doubt it went well later.
            np.maximum.at(self.last_success, job, np.maximum(place, started[good]))
            np.add.at(self.good_lately, job[place >= jobs.lately[job]], 1)
            self.undated[job[place == NEVER]] = True


class Streaks:
    """A number a job, in the order of ``Jobs``: what its failures since the last success say.

    failures, failing_since; ``spent``: how much of the patience is used up (1: all of it), each failure its part of the
    ``patience`` of its signature (by number, the last for none); ``kind``: the number of the signature that most was
    spent on, the latest of equals; ``last_failure``: the row of the latest failure of that kind (both -1 where there is
    none); ``excused``: how many did not count; ``bad_lately``: all failures that count for changes.
    """

    def __init__(self, rows: Rows, jobs: Jobs, last_success: Numbers, patience: Sequence[int]) -> None:
        self._kinds, self._part = len(patience), 1 / np.asarray(patience, np.float64)
        self.failures, self.excused, self.bad_lately = (np.zeros(len(jobs), np.int64) for _ in range(3))
        self._since = np.full(len(jobs), np.iinfo(np.int64).max)
        self._weight = np.zeros(len(jobs) * self._kinds)
        self._latest = np.full(len(self._weight), NEVER)
        self._row = np.full(len(self._weight), -1)
        floor = np.maximum(last_success, jobs.settled)
        for piece, _ in rows.pieces():
            failed = np.flatnonzero(rows.state[piece] == rows.bad) + piece.start
            failed = failed[jobs.listed[rows.job[failed]]]
            job, place, out = rows.job[failed].astype(np.int64), rows.place(failed), jobs.excused(failed)
            now = place > floor[job]
            np.add.at(self.excused, job[now & out], 1)
            np.add.at(self.bad_lately, job[~out & (place >= jobs.lately[job])], 1)
            now &= ~out
            self._take(rows, failed[now], job[now], place[now])
        self._judge(len(jobs))

    def _take(self, rows: Rows, failed: Numbers, job: Numbers, place: Numbers) -> None:
        kind = rows.signature[failed].astype(np.int64) % self._kinds  # -1 is the last
        started = rows.started(failed)
        np.minimum.at(self._since, job, np.where(started == NEVER, place, started))
        np.add.at(self.failures, job, 1)
        pair = job * self._kinds + kind
        np.add.at(self._weight, pair, self._part[kind])
        np.maximum.at(self._latest, pair, place)
        latest = place == self._latest[pair]
        self._row[pair[latest]] = failed[latest]

    def _judge(self, jobs: int) -> None:
        weight = self._weight.round(9).reshape(jobs, self._kinds)
        heaviest = weight == weight.max(axis=1, keepdims=True)
        kind = np.where(heaviest, self._latest.reshape(weight.shape), NEVER).argmax(axis=1)
        fails = self.failures > 0
        self.failing_since = np.where(fails, self._since, NEVER)
        self.spent = weight.sum(axis=1).round(8)
        self.kind = np.where(fails, kind, -1)
        self.last_failure = self._row.reshape(weight.shape)[np.arange(jobs), kind]


def changes(rows: Rows, jobs: Jobs, good: Numbers, bad: Numbers, least: int) -> Numbers:
    """How often each job changed between success and failure lately; 0 where it cannot be ``least``.

    ``good`` and ``bad`` are how many of each there were lately.
    """
    keen = (2 * bad >= least) & (good > 0)  # a failure is two changes at most: into it and out of it
    if not keen.any():
        return np.zeros(len(jobs), np.int64)
    begin, uow = int(jobs.lately.min()), 1
    while len(jobs) * ((rows.latest - begin) // uow + 1) * 2 >= 1 << 62:
        uow *= 1000
    span = (rows.latest - begin) // uow + 1
    # A job, a time and an outcome in one number: sorting plain numbers in place is quick and takes no memory.
    values = np.empty(int((good + bad)[keen].sum()), np.int64)
    count = 0
    for piece, job in rows.pieces():
        place, well = rows.place(piece), rows.state[piece] == rows.good
        chosen = keen[job] & (place >= jobs.lately[job]) & (well | (rows.state[piece] == rows.bad))
        failed = np.flatnonzero(chosen & ~well)
        chosen[failed[jobs.excused(failed + piece.start)]] = False
        some = (job[chosen] * span + (place[chosen] - begin) // uow) * 2 + well[chosen]
        values[count : count + len(some)] = some
        count += len(some)
    values.sort()
    found = np.zeros(len(jobs), np.int64)
    for start in range(0, len(values) - 1, PIECE):
        some = values[start : start + PIECE + 1]
        whose, well = (some >> 1) // span, (some & 1).astype(np.bool_)
        np.add.at(found, whose[1:][(whose[1:] == whose[:-1]) & (well[1:] != well[:-1])], 1)
    return found


def micros(times: npt.NDArray[Any]) -> Numbers:
    """Times as microseconds, without a copy where they are that already."""
    return times.astype(TIME, copy=False).view(np.int64)


def moment(time: datetime) -> int:
    """An aware time as microseconds."""
    return int(naive(time).astype(np.int64))
