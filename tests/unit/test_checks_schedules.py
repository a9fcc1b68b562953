"""When jobs should have started, and when maintenance windows are: also in the nights in which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.checks.schedules import due_start, times_of
from caseproof.config.policy_check import Maintenance
from caseproof.platforms.base import Schedule

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def due(latest: datetime, starts: int, *schedules: Schedule) -> str | None:
    found = due_start(schedules, latest, starts)
    return f"{found:%m-%d %H:%M}" if found else None


@pytest.mark.parametrize(
    ("schedule", "starts", "expected"),
    [
        (Schedule(every=HOUR, anchor=AT), 1, "11-21 12:00"),  # a start at the very moment counts
        (Schedule(every=HOUR, anchor=AT), 3, "11-21 10:00"),
        (Schedule(every=HOUR, anchor=AT - timedelta(minutes=20)), 1, "11-21 11:40"),
        (Schedule(every=HOUR, anchor=AT + timedelta(days=300, minutes=15)), 1, "11-21 11:15"),  # an anchor to come
        (Schedule(cron="0 * * * *"), 1, "11-21 12:00"),
        (Schedule(cron="0 * * * *"), 2, "11-21 11:00"),
        (Schedule(cron="30 6 * * *", timezone="Europe/Berlin"), 1, "11-21 05:30"),
        (Schedule(cron="30 6 * * mon"), 1, "11-16 06:30"),
        (Schedule(every=HOUR), 2, "11-21 10:00"),  # from an unknown beat: in so long two must have passed
    ],
)
def test_the_start_that_is_due_is_counted_back_from_now(schedule: Schedule, starts: int, expected: str) -> None:
    assert due(AT, starts, schedule) == expected


def test_the_starts_of_several_schedules_are_counted_together() -> None:
    both = (Schedule(cron="0 * * * *"), Schedule(cron="30 * * * *"))
    assert [due(AT, count, *both) for count in (1, 2, 3)] == ["11-21 12:00", "11-21 11:30", "11-21 11:00"]
    same = (Schedule(cron="0 * * * *"), Schedule(every=HOUR, anchor=AT))
    assert due(AT, 2, *same) == "11-21 11:00"


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(), Schedule(cron="no cron"), Schedule(cron="0 0 31 2 *"), Schedule(cron="0 * * * *", timezone="Mars"),
        Schedule(every=timedelta(0)), Schedule(every=HOUR, anchor=AT, timezone="Nowhere/At all"),
        Schedule(every=timedelta(days=999_999), anchor=AT),
        Schedule(every=24 * HOUR, anchor=datetime(9999, 12, 31, 23, tzinfo=UTC), timezone="Pacific/Auckland"),
    ],
)  # fmt: skip
def test_of_a_schedule_that_is_not_understood_nothing_is_said(schedule: Schedule) -> None:
    assert due(AT, 1, schedule) is None
    assert due(AT, 1, Schedule(cron="0 * * * *"), schedule) is None
    assert due(AT, 1) is None


def test_a_daily_time_stays_the_same_when_the_clocks_change() -> None:
    anchor = datetime(2026, 3, 1, 6, 30, tzinfo=BERLIN)
    for schedule in (
        Schedule(cron="30 6 * * *", timezone="Europe/Berlin"),
        Schedule(every=DAY, anchor=anchor, timezone="Europe/Berlin"),
    ):
        before, after = datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC)
        assert due(before, 1, schedule) == "03-28 05:30"
        assert due(after, 1, schedule) == "03-29 04:30"
        assert due(after, 2, schedule) == "03-28 05:30"
        winter = datetime(2026, 10, 25, 12, tzinfo=UTC)
        assert due(winter, 2, schedule) == "10-24 04:30"
        assert due(winter, 1, schedule) == "10-25 05:30"


def test_hours_go_on_through_the_night_in_which_the_clocks_change() -> None:
    schedule = Schedule(every=timedelta(hours=6), anchor=datetime(2026, 3, 28, tzinfo=UTC), timezone="Europe/Berlin")
    assert due(datetime(2026, 3, 29, 13, tzinfo=UTC), 1, schedule) == "03-29 12:00"


@given(st.integers(0, 365 * 24 * 60), st.integers(1, 5))
def test_the_due_start_is_one_that_cron_names_and_so_many_back(minutes: int, starts: int) -> None:
    latest = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    schedule = Schedule(cron="15 3 * * *", timezone="Europe/Berlin")
    found = due_start([schedule], latest, starts)
    assert found is not None
    local = found.astimezone(BERLIN)
    assert (local.hour, local.minute) == (3, 15)
    assert starts - 1 <= (latest - found) / DAY + 1 / 24
    assert (latest - found) / DAY <= starts + 1 / 24


# -- maintenance ------------------------------------------------------------------------------------------------------


def opened(since: datetime, until: datetime, **facts: object) -> list[str]:
    window = Maintenance.model_validate({"why": "backup", **facts})
    return [f"{begin:%d %H:%M}-{end.astimezone(UTC):%H:%M}" for begin, end in times_of(window, since, until)]


def test_a_window_that_is_once_is_open_once() -> None:
    facts = {"begins": AT, "ends": AT + HOUR}
    assert opened(AT - DAY, AT + DAY, **facts) == ["21 12:00-13:00"]
    assert opened(AT + HOUR, AT + DAY, **facts) == ["21 12:00-13:00"]  # its last moment
    assert opened(AT - DAY, AT - HOUR, **facts) == []
    assert opened(AT + 2 * HOUR, AT + DAY, **facts) == []


def test_a_repeated_window_is_open_each_time_also_where_it_began_before() -> None:
    facts = {"cron": "0 2 * * *", "minutes": 90, "timezone": "UTC"}
    since = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert opened(since, AT, **facts) == ["20 02:00-03:30", "21 02:00-03:30"]
    assert opened(since + HOUR, since + 2 * HOUR, **facts) == []


@pytest.mark.parametrize(
    ("day", "expected"),
    [(28, ["28 01:30-02:30"]), (29, ["29 01:00-02:00"]), (30, ["30 00:30-01:30"])],
)
def test_a_window_is_open_as_long_as_ever_when_the_clocks_change(day: int, expected: list[str]) -> None:
    """At 02:30 in Berlin; on the 29th of March there is no 02:30, and it opens at 03:00 summer time."""
    since = datetime(2026, 3, day, tzinfo=UTC)
    assert (
        opened(since, since + timedelta(hours=20), cron="30 2 * * *", minutes=60, timezone="Europe/Berlin") == expected
    )
