"""When jobs should have started, and when maintenance windows are. No clock: all times are passed in, and aware."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from caseproof.config.policy_check import Maintenance
from caseproof.platforms.base import Schedule

_DAY = timedelta(days=1)


def due_start(schedules: Sequence[Schedule], latest: datetime, starts: int) -> datetime | None:
    """The planned start, ``starts`` ones back from ``latest``: where nothing started since, so many were missed.

    None where that cannot be said: there is no schedule, or one of a kind or in words that are not understood.
    """
    planned: set[datetime] = set()
    found: Sequence[datetime]
    for schedule in schedules:
        try:
            found = _planned(schedule, latest, starts)
        except OverflowError:  # its times lie outside the calendar
            found = ()
        if not found:
            return None  # one schedule that is not understood might have meant any start, or none
        planned.update(found)
    last = sorted(planned)[-starts:]
    return last[0] if len(last) == starts else None


def _planned(schedule: Schedule, latest: datetime, count: int) -> Sequence[datetime]:
    """The last ``count`` starts planned up to ``latest``."""
    if schedule.cron:
        return _by_cron(schedule.cron, schedule.timezone, latest, count)
    if schedule.every and schedule.every > timedelta(0):
        return _by_interval(schedule.every, schedule.anchor, schedule.timezone, latest, count)
    return ()


@lru_cache(maxsize=4096)  # many jobs share a schedule
def _by_cron(line: str, timezone: str, latest: datetime, count: int) -> tuple[datetime, ...]:
    try:
        # With a microsecond, so that a start at ``latest`` itself is one of them.
        back = CronSim(line, latest.replace(microsecond=1).astimezone(ZoneInfo(timezone)), reverse=True)
    except (CronSimError, KeyError, ValueError, OSError):
        return ()
    return tuple(start.astimezone(UTC) for start in islice(back, count))


@lru_cache(maxsize=4096)
def _by_interval(
    every: timedelta, anchor: datetime | None, timezone: str, latest: datetime, count: int
) -> tuple[datetime, ...]:
    if anchor is None:
        # Where the beat begins is not known; so much later, that many must have passed in any case.
        return tuple(latest - every * back for back in range(count, 0, -1))
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        return ()
    if every % _DAY:
        last = latest - (latest - anchor) % every
        return tuple(last - every * back for back in range(count - 1, -1, -1))
    # Whole days keep their time of day when the clocks change.
    wall, beat = latest.astimezone(zone).replace(tzinfo=None), anchor.astimezone(zone).replace(tzinfo=None)
    last = wall - (wall - beat) % every
    starts = [(last - every * back).replace(tzinfo=zone).astimezone(UTC) for back in range(count, -1, -1)]
    return tuple([start for start in starts if start <= latest][-count:])


def fits(window: Maintenance, platform: str, job: str, retailer: str | None, marketplace: str | None) -> bool:
    """Whether the window is for this job: what the window names has to agree."""
    same = (
        window.platform in ("", platform),
        window.marketplace in ("", marketplace),
        window.retailer in ("", retailer),
    )
    return all(same) and (not window.job or _like(window.job, job))


def _like(wanted: str, job: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), job, re.DOTALL) is not None


def times_of(window: Maintenance, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the window was open between the two, as (begin, end)."""
    if window.begins is not None and window.ends is not None:
        if window.begins <= until and window.ends >= since:
            yield window.begins, window.ends
        return
    lasts = timedelta(minutes=window.minutes)
    zone = ZoneInfo(window.timezone)
    for begin in CronSim(window.cron, (since - lasts - timedelta(minutes=1)).astimezone(zone)):
        if begin > until:
            return
        # In elapsed time: a window of 90 minutes is that long also in the night in which the clocks change.
        start = begin.astimezone(UTC)
        if start + lasts >= since:
            yield start, start + lasts
