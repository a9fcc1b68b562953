"""What each job is: well, failing now, flapping, or no longer started. Frames in, a frame out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from caseproof.checks.frames import TIME, naive
from caseproof.checks.schedules import fits, times_of
from caseproof.checks.tally import NEVER, Flags, Jobs, Numbers, Rows, Streaks, Tally, changes, micros, moment
from caseproof.config.policy_check import CheckPolicy, Maintenance, Patience
from caseproof.platforms.base import RunState

DAY = 24 * 60
"""Minutes."""

EARLY = timedelta(minutes=1)
"""A start so much before its planned time is that start: clocks differ a little."""

NOTHING: dict[str, Any] = {
    "runs": 0, "last_start": pd.NaT, "last_success": pd.NaT, "undated": False, "changes": 0, "excused": 0,
    "failures": 0, "failing_since": pd.NaT, "spent": 0.0, "kind": -1, "last_failure": -1,
}  # fmt: skip
"""What is known of a job without runs."""


def detect(
    runs: pd.DataFrame, jobs: pd.DataFrame, now: datetime, policy: CheckPolicy, platform: str = ""
) -> pd.DataFrame:
    """What each of ``jobs`` is (frames as in ``checks.frames``), at ``now`` by the platform's own clock; a row a job:

    verdict        fine; failing (its patience is over); watched (it fails, and has patience left); flapping; missed (it
                   was not started though it should); silent (the same, but nothing is known of any run); maintenance
                   (all its failures fell in a maintenance window)
    runs           how many there are
    failures       how many failed in a row since the last success, without those in a maintenance window (``excused``)
    failing_since  when the first of these started; last_start, last_success: times; NaT where there was none
    changes        how often it changed between success and failure within ``policy.flapping.hours`` (0 if too seldom)
    signature, cause  what most of its patience was spent on; "" where it does not fail, or where no signature fits
    last_failure   the label of the latest failed run of that kind, as in ``Runs.failures``; -1 where it does not fail
    why            all this in a sentence
    """
    rows = Rows.of(runs, now)
    names = runs["job"].cat.categories
    listed = np.append(jobs.index.get_indexer(names), -1)  # by category: its row in jobs, -1 for a stranger
    settled = np.append(micros(jobs["settled"].to_numpy()), NEVER)[listed]
    lately = moment(now - timedelta(hours=policy.flapping.hours))
    since = jobs["since"].fillna(pd.Timestamp(naive(now - timedelta(hours=policy.look_back_hours))))
    excused = _Excuses(rows, listed, jobs, since.min(), now, policy, platform)
    asked = Jobs(listed >= 0, np.maximum(settled, lately), settled, excused.of)
    patience = [*(_patience(policy, name) for name in runs["signature"].cat.categories), policy.otherwise]
    tally = Tally(rows, asked)
    streaks = Streaks(rows, asked, tally.last_success, [one.failures for one in patience])
    found = pd.DataFrame(
        {
            "runs": tally.runs,
            "last_start": tally.last_start.view(TIME),
            "last_success": tally.last_success.view(TIME),
            "undated": tally.undated,
            "changes": changes(rows, asked, tally.good_lately, streaks.bad_lately, policy.flapping.changes),
            "excused": streaks.excused,
            "failures": streaks.failures,
            "failing_since": streaks.failing_since.view(TIME),
            "spent": streaks.spent,
            "kind": streaks.kind,
            "last_failure": streaks.last_failure,
        }
    ).iloc[:-1]
    found.index = pd.Index(names, dtype=object)
    found = found[listed[:-1] >= 0].reindex(jobs.index)
    found = found.fillna({name: value for name, value in NOTHING.items() if value is not pd.NaT})
    found = found.astype({name: type(value) for name, value in NOTHING.items() if value is not pd.NaT})
    found["since"] = since
    found["asleep"] = _asleep(found, jobs, runs, now, policy)
    return _judged(found, jobs, runs, patience, now, policy)


def _judged(
    found: pd.DataFrame,
    jobs: pd.DataFrame,
    runs: pd.DataFrame,
    patience: list[Patience],
    now: datetime,
    policy: CheckPolicy,
) -> pd.DataFrame:
    names = [*runs["signature"].cat.categories, ""]
    causes = {one.name: str(one.cause) for one in policy.signatures}
    kind = found["kind"].to_numpy()
    fails = found["failures"].to_numpy() > 0
    found["signature"] = np.where(fails, np.array(names, object)[kind], "")
    found["cause"] = np.where(fails, found["signature"].map(lambda name: causes.get(name, "unknown")), "")
    due, last = jobs["due"].to_numpy(), found["last_start"].to_numpy()
    late = due >= found["since"].to_numpy()  # of a start before the first run that was read, nothing can be said
    missed = late & (last < due - np.timedelta64(EARLY))
    minutes = np.array([one.minutes for one in patience])[kind]
    days = np.array([np.inf if one.days is None else one.days for one in patience])[kind]
    lasted = (np.datetime64(moment(now), "us") - found["failing_since"].to_numpy()) / np.timedelta64(1, "m")
    # Days say something only of a job that goes on trying: one that is not started any more is missed.
    long = fails & (lasted >= days * DAY) & ~missed
    long[long] = ~_under_way(found[long], runs, days[long], now)
    over = (found["spent"].to_numpy() >= 1) | long
    over &= fails & (lasted >= minutes) & ~found["undated"].to_numpy() & ~found["asleep"].to_numpy()
    flaps = found["changes"].to_numpy() >= policy.flapping.changes
    # A job that flapped and now only fails, is failing: it was well again after fewer failures so far.
    over &= ~flaps | (found["failures"].to_numpy() >= policy.flapping.changes)
    verdicts = (
        (over, "failing"), (flaps, "flapping"), (missed, "missed"), (fails, "watched"),
        (late & np.isnat(last), "silent"), (found["excused"].to_numpy() > 0, "maintenance"),
    )  # fmt: skip
    found["verdict"] = np.select([where for where, _ in verdicts], [word for _, word in verdicts], "fine").astype(
        object
    )
    found["last_failure"] = _labels(runs.index, found["last_failure"].to_numpy())
    found["due"] = jobs["due"]
    found["why"] = ""
    told = found["verdict"] != "fine"
    ill = found[told].to_dict("records")
    found.loc[told, "why"] = np.array([_sentence(one, patience[one["kind"]], policy, now) for one in ill], object)
    return found.drop(columns=["undated", "spent", "kind", "due", "since", "asleep"])


def _under_way(failing: pd.DataFrame, runs: pd.DataFrame, days: Any, now: datetime) -> Flags:
    """Which of these jobs are being run again right now: a stop would cut off what may succeed, so that is waited for.

    It holds for a run that began after the latest failure, and not longer ago than the days of the job's patience.
    """
    if failing.empty:
        return np.zeros(0, np.bool_)
    going = runs.loc[(runs["state"] == RunState.RUNNING) & runs["job"].isin(failing.index), ["job", "start"]]
    begun = going.groupby(going["job"].astype(object))["start"].max().reindex(failing.index)
    failed = runs["start"].to_numpy()[failing["last_failure"].to_numpy()]
    first = np.datetime64(moment(now), "us") - (days * DAY * 60).astype("timedelta64[s]")
    return np.asarray((begun > np.fmax(failed, first)).to_numpy(), np.bool_)


def _asleep(
    found: pd.DataFrame, jobs: pd.DataFrame, runs: pd.DataFrame, now: datetime, policy: CheckPolicy
) -> pd.Series:
    """Which failing jobs nobody starts any more: no plan tells when, so their own pace does.

    That is twice the longest time there was between two of its starts, and never less than what is read of all jobs.
    Where nothing runs, there is nothing to stop; it may be what somebody tried once, long ago.
    """
    free = found.index[~jobs["planned"] & (found["failures"] > 0)]
    pace = pd.Series(pd.NaT, free, dtype="timedelta64[us]")
    if len(free):
        starts = runs.loc[runs["job"].isin(free), ["job", "start"]].sort_values(["job", "start"])
        gaps = starts.groupby("job", observed=True)["start"].diff()
        pace = gaps.groupby(starts["job"].astype(object)).max().reindex(free)
    awake = (2 * pace).fillna(timedelta(0)).clip(lower=timedelta(hours=policy.look_back_hours))
    asleep = found.loc[free, "last_start"] < pd.Timestamp(naive(now)) - awake
    return asleep.reindex(found.index, fill_value=False).astype(bool)


def _patience(policy: CheckPolicy, name: str) -> Patience:
    return next((one for one in policy.signatures if one.name == name), policy.otherwise)


def _labels(index: pd.Index, rows: Numbers) -> Any:
    labels = rows.copy()
    labels[rows >= 0] = index.take(rows[rows >= 0])
    return labels


# -- maintenance ----------------------------------------------------------------------------------------------------


def window_for(
    policy: CheckPolicy, platform: str, job: str, facts: Any, since: datetime, until: datetime
) -> Maintenance | None:
    """The maintenance window that was open for this job between the two; ``facts``: its row in the frame of jobs."""
    fitting = (one for one in policy.maintenance if fits(one, platform, job, facts["retailer"], facts["marketplace"]))
    return next((one for one in fitting if any(times_of(one, since, until))), None)


class _Excuses:
    """Which failed runs were under way while a maintenance window was open for their job."""

    def __init__(
        self, rows: Rows, listed: Numbers, jobs: pd.DataFrame, since: Any, now: datetime, policy: CheckPolicy,
        platform: str,
    ) -> None:  # fmt: skip
        self._rows = rows
        self._windows: list[tuple[Flags, Numbers, Numbers]] = []
        for window in policy.maintenance if len(jobs) else ():
            times = [(moment(begin), moment(end)) for begin, end in times_of(window, _aware(since), now)]
            if times:
                whose = zip(jobs.index, jobs["retailer"], jobs["marketplace"], strict=True)
                fitting = np.array([*(fits(window, platform, *facts) for facts in whose), False], np.bool_)[listed]
                begins, ends = np.array(times).T
                self._windows.append((fitting, begins, np.append(NEVER, np.maximum.accumulate(ends))))

    def of(self, failed: Numbers) -> Flags:
        """Which of these (by row) are excused."""
        inside = np.zeros(len(failed), np.bool_)
        if self._windows and len(failed):
            job, place, started = self._rows.job[failed], self._rows.place(failed), self._rows.started(failed)
            started = np.where(started == NEVER, place, started)
            for fitting, begins, ends in self._windows:
                begun = np.searchsorted(begins, place, "right")  # so many windows had begun when the run ended
                inside |= fitting[job] & (begun > 0) & (ends[begun] >= started)
        return inside


# -- sentences ------------------------------------------------------------------------------------------------------


def _sentence(one: dict[str, Any], patience: Patience, policy: CheckPolicy, now: datetime) -> str:
    if one["verdict"] == "failing":
        return _failed(one)
    if one["verdict"] == "flapping":
        return f"It changed {one['changes']} times between success and failure within {policy.flapping.hours:g} hours."
    if one["verdict"] == "missed":
        planned = f"{policy.missed.starts} planned starts in a row" if policy.missed.starts > 1 else "its planned start"
        return f"It missed {planned}, that of {_time(one['due'])} first; it last started at {_time(one['last_start'])}."
    if one["verdict"] == "watched":
        if one["asleep"]:
            return (
                f"{_failed(one)} It was not started since {_time(one['last_start'])}, and no plan says when it will be."
            )
        undated = " A success of which no time is known may be later." if one["undated"] else ""
        return f"{_failed(one)} That is watched for {_given(patience)} before a stop.{undated}"
    if one["verdict"] == "silent":
        hours = (now - _aware(one["since"])) / timedelta(hours=1)
        span = f"{hours:g} hours" if hours <= policy.look_back_hours else f"{hours / 24:g} days"
        return f"No run is known of the last {span}, though some were planned: new, switched on lately, or not started."
    return f"It failed in a maintenance window only ({one['excused']} times)."


def _given(patience: Patience) -> str:
    given = f"{patience.failures} failure{'s' if patience.failures > 1 else ''}"
    if patience.minutes:
        given += f" and {patience.minutes:g} minutes"
    if patience.days is None or patience.failures == 1:  # the first failure is it
        return given
    return f"{given}{',' if patience.minutes else ''} or {patience.days:g} day{'s' if patience.days != 1 else ''}"


def _failed(one: dict[str, Any]) -> str:
    times = "once" if one["failures"] == 1 else f"{one['failures']} times in a row"
    return (
        f"It failed {times} since {_time(one['failing_since'])}: {one['signature'] or 'no signature fits its message'}."
    )


def _time(time: Any) -> str:
    return f"{_aware(time):%Y-%m-%d %H:%M} UTC"


def _aware(time: Any) -> Any:
    return time.to_pydatetime().replace(tzinfo=UTC)
