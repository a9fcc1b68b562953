"""Our reading of planned starts beside Prefect's own, in the nights in which the clocks change: a start that Prefect
never planned would be reported as missed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

from caseproof.checks.schedules import due_start
from caseproof.platforms.base import Schedule

ZONES = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/St_Johns", "America/Santiago",
    "Australia/Sydney", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Cairo", "Asia/Beirut",
)  # fmt: skip
CRONS = (
    "0 * * * *", "30 2 * * *", "*/20 2 * * *", "0 */2 * * *", "15,45 0-3 * * *", "0 0 * * *", "59 23 * * *",
    "30 0,1,2 * * *", "5 2 * * 4-7", "0 3 * * *",
)  # fmt: skip
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@cache
def nights(zone: str) -> list[datetime]:
    """When the clocks of 2026 are changed."""
    hours = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=30) * number for number in range(365 * 48)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours[1:], offsets, offsets[1:], strict=False) if before != after]


def planned(schedule: CronSchedule | IntervalSchedule, since: datetime, until: datetime) -> list[datetime]:
    """What Prefect's scheduler plans between the two."""
    found = asyncio.run(schedule.get_dates(start=since, end=until))
    return sorted(datetime.fromtimestamp(one.timestamp(), UTC) for one in found)  # without Prefect's own type


def _by_the_clock(starts: list[datetime], zone: ZoneInfo, *, whole_days: bool) -> list[datetime]:
    """Of a time of day that comes twice, the first: Prefect plans the one, the other or both, by its own Python."""
    local = [start.astimezone(zone) for start in starts]
    if whole_days:
        local = [one.replace(fold=0) for one in local]
    firsts = {one.replace(tzinfo=None, fold=0): one for one in reversed(local)}
    return sorted(one.astimezone(UTC) for one in firsts.values())


def compared(
    ours: Schedule, theirs: CronSchedule | IntervalSchedule, around: datetime, before: timedelta = 4 * DAY
) -> int:
    """Hold both side by side at every start around this moment, and a second before it; how many starts there were."""
    zone = ZoneInfo(ours.timezone)
    starts = planned(theirs, around - max(before, 4 * (ours.every or DAY)), around + DAY)
    whole_days = ours.every is not None and not ours.every % DAY
    if ours.every:
        starts = _by_the_clock(starts, zone, whole_days=whole_days)
    for start in (start for start in starts if start > around - DAY):
        # A time that comes twice is due the second time: nobody knows here which of them Prefect took.
        second = start.astimezone(zone).replace(fold=1).astimezone(UTC) if whole_days else start
        for latest in (max(start, second), start - SECOND):
            past = [one for one in starts if one <= latest]
            for back in (1, 2, 3):
                if back <= len(past):
                    found = due_start([ours], latest, back)
                    assert found == past[-back], (ours, f"{back} back from {latest}", f"Prefect: {past[-back]}", found)
    return len(starts)


@pytest.mark.full
@pytest.mark.parametrize("zone", ZONES)
def test_both_nights_of_2026_are_read_as_prefect_reads_them(zone: str) -> None:
    assert len(nights(zone)) == 2
    for night in nights(zone):
        for line in CRONS:
            assert compared(Schedule(cron=line, timezone=zone), CronSchedule(cron=line, timezone=zone), night)
        local = night.astimezone(ZoneInfo(zone))
        for every in (timedelta(minutes=30), timedelta(hours=6), DAY, 7 * DAY):
            for minutes in (-90, -30, -1, 0, 30, 75):  # times of day around the change, also those left out or twice
                for days in (-140, 91):
                    # The same time of day as that night's, whatever the offset was on the anchor's day.
                    wall = local.replace(tzinfo=None) + minutes * timedelta(minutes=1) + days * DAY
                    anchor = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
                    ours = Schedule(every=every, anchor=anchor, timezone=zone)
                    compared(ours, IntervalSchedule(interval=every, anchor_date=anchor, timezone=zone), night)


@pytest.mark.parametrize(
    "line",
    [
        "0 5 */2 * mon", "0 5 * * */2", "0 5 */1 * mon", "0 5 1-31 * mon", "0 5 1,15 * fri", "0 5 1,15 * 0-6",
        "0 5 l * *",
        "0 5 * * mon#2", "0 5 * * 7", "0 5 * * 5-7", "50/5 * * * *", "5-50/20 5 * * *", "0 5 * 1/2 *", "0 5 * * * 30",
        "*/10 5 * * mon 15", "0 5 29 2 *",
    ],
)  # fmt: skip
def test_lines_that_other_crons_read_otherwise_are_read_as_prefect_reads_them(line: str) -> None:
    assert compared(
        Schedule(cron=line), CronSchedule(cron=line, timezone="UTC"), datetime(2028, 3, 14, 12, tzinfo=UTC), 21 * DAY
    )


@pytest.mark.parametrize("line", ["0 5 ? * mon", "0 5 * * fri-mon", "0 22-2 * * *", "@daily"])
def test_of_lines_that_only_prefect_reads_nothing_is_said(line: str) -> None:
    assert planned(
        CronSchedule(cron=line, timezone="UTC"), datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    )
    assert due_start([Schedule(cron=line)], datetime(2026, 4, 1, tzinfo=UTC), 1) is None


def test_prefect_plans_the_starts_of_a_cron_line_at_all() -> None:
    """Prefect 3.9.1 with whenever 0.10.5 on Python 3.11 does not: every pass of its scheduler fails at such a line."""
    assert len(asyncio.run(CronSchedule(cron="30 6 * * *", timezone="Europe/Berlin").get_dates(n=3))) == 3
