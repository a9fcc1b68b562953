"""When jobs should have started, and when maintenance windows are. No clock: all times are passed in, and aware.

Planned starts are read as Prefect 3.9 plans them, also in the nights in which the clocks change; a test holds both
side by side. A cron line names times of day: one that comes twice is met the first time, one that is left out that much
later. Hours and minutes of an interval go on through such a night, whole days keep their time of day, and where that is
left out once, they keep the later one from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import count as count_up
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from caseproof.config.policy_check import Maintenance
from caseproof.platforms.base import Schedule

_DAY = timedelta(days=1)
_JUMP = timedelta(hours=3)
"""No clock is changed by so much at once."""


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
        zone = ZoneInfo(timezone)
        times = _times_of_day(line, latest.astimezone(zone).replace(tzinfo=None) + _JUMP)
    except (CronSimError, KeyError, ValueError, OSError):
        return ()
    found: set[datetime] = set()
    for wall in times:
        start = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if start <= latest:
            found.add(start)
        # What was left out in a night was put after what follows it, so the order of both may differ.
        if len(found) >= count and start < sorted(found)[-count] - _JUMP:
            break
    return tuple(sorted(found)[-count:])


def _times_of_day(line: str, before: datetime) -> Iterator[datetime]:
    """The times that a cron line names, backwards and without a time zone. Raises CronSimError."""
    fields = line.split()
    if len(fields) == 6:  # Prefect's seconds are the last field
        fields = [fields[-1], *fields[:-1]]
    back = CronSim(" ".join(fields), before.replace(microsecond=0), reverse=True)
    # Prefect takes either of the two days, the month's and the week's, unless one is a plain star; like */2 is none.
    back.day_and = "*" in (back.parts[3], back.parts[5])
    return back


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
        every_one = (last - every * back for back in count_up())
        return tuple(islice((one for one in every_one if not _comes_again(one, every, zone)), count))[::-1]
    found: list[datetime] = []
    # Up to a day more, for what is late in a night that is longer.
    before = latest.astimezone(zone).replace(tzinfo=None) + _DAY
    for begin, left_out in reversed(_beats(every, anchor, zone, latest)):
        time = before - (before - begin) % every
        while len(found) < count and (left_out is None or time >= begin):
            first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
            # A time that comes twice is met by a start at either, as Prefect's Python decides; due it is at the second.
            if max(first, second) <= latest:
                found.append(first)
            time -= every
        if left_out is not None:
            before = left_out - every
    return tuple(reversed(found))


def _comes_again(start: datetime, every: timedelta, zone: ZoneInfo) -> bool:
    """Whether a start has the same time of day as one before it: Prefect leaves it out, on Python 3.11 and 3.12."""
    local = start.astimezone(zone)
    return bool(local.fold) and not (start - local.replace(fold=0).astimezone(UTC)) % every


def _beats(
    every: timedelta, anchor: datetime, zone: ZoneInfo, latest: datetime
) -> list[tuple[datetime, datetime | None]]:
    """The times of day that the days are counted from: the anchor's, then each later one with the left-out time that it
    took the place of."""
    beat = anchor.astimezone(zone).replace(tzinfo=None)
    found: list[tuple[datetime, datetime | None]] = [(beat, None)]
    for year in range(beat.year, latest.year + 1):
        for begin, end in _left_out(zone, year):
            hit = begin + (beat - begin) % every
            if beat <= hit < end and hit.replace(tzinfo=zone, fold=0).astimezone(UTC) <= latest:
                beat = hit + (end - begin)
                found.append((beat, hit))
    return found


@lru_cache(maxsize=1024)
def _left_out(zone: ZoneInfo, year: int) -> tuple[tuple[datetime, datetime], ...]:
    """The times of day that the clocks of this year leave out, as (from, to)."""
    found = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        low, high = day, day + _DAY
        before, after = (one.astimezone(zone).utcoffset() or timedelta() for one in (low, high))
        if after > before:
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                low, high = (low, middle) if middle.astimezone(zone).utcoffset() == after else (middle, high)
            end = high.replace(microsecond=0).astimezone(zone).replace(tzinfo=None)
            found.append((end - (after - before), end))
        day += _DAY
    return tuple(found)


def fits(window: Maintenance, platform: str, job: str, retailer: str | None, marketplace: str | None) -> bool:
    """Whether the window is for this job: what the window names has to agree."""
    same = (
        window.platform in ("", platform),
        window.marketplace in ("", marketplace),
        window.retailer in ("", retailer),
    )
    return all(same) and (not window.job or _like(window.job, job))


def _like(wanted: str, job: str) -> bool:
    # Of the standard library, which looks for each piece once; stars as ".*" would try all places against each other.
    return fnmatchcase(job, re.sub(r"([?\[])", r"[\1]", wanted))


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
