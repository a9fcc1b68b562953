"""Whom to call, against an oracle that walks every minute: each IANA zone, each clock change from 2020 to 2035."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from whenever import Instant

from caseproof.channels.calendars.reading import read_calendar
from caseproof.channels.calendars.shifts import OnTheList, whom_they_name
from caseproof.domain.on_call.calling import Alarm, CaseToCall, who_to_call
from caseproof.domain.on_call.duty import OnCall
from caseproof.domain.on_call.roster import Hours, Leave, Line, Override, Person
from caseproof.domain.on_call.turns import turns
from tests.support.examples import examples
from tests.support.rota_oracle import DAY, Colleague, Repeated, Rota, StandIn, Walk, as_icalendar

ZONES = sorted(zone for zone in available_timezones() if not zone.startswith(("posix", "right")))
HOUR = 60


def clock_changes(zone: str) -> Iterator[int]:
    """The minutes of the world at which the clock of a zone changes, from 2020 to 2035."""
    at = Instant.from_utc(2020, 1, 1).to_tz(zone)
    while (found := at.next_transition()) is not None:
        at = found
        if at.timestamp() >= Instant.from_utc(2036, 1, 1).timestamp():
            return
        yield at.timestamp() // 60


CHANGES = [(zone, minute) for zone in ZONES for minute in clock_changes(zone)]


def moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def plan_of(rota: Rota, first: int, last: int) -> OnCall:
    """The rota as the product knows it: the calendars through their text."""
    people = tuple(OnTheList(one.name) for one in rota.list)
    shifts = []
    for place, (zone, rows) in enumerate(rota.calendars):
        says = place % 2 == 1
        text = as_icalendar(zone, rows, says_zone=says)
        given_zone = None if says else ZoneInfo(zone)
        name, begins, ends = f"calendar-{place}", moment(first), moment(last)
        # As it is kept: read for more days than are asked for.
        said = read_calendar(text, name, begins - timedelta(days=2), ends + timedelta(days=4), given_zone)
        found = whom_they_name(said, name, people, begins, ends)
        assert not found.troubles
        shifts += found.shifts
    return OnCall(
        people=tuple(
            Person(
                one.name, one.tier,
                Hours(ZoneInfo(one.zone), one.days, one.begins, one.ends, dict.fromkeys(one.holidays, "Holiday")),
                (Line("+442079460100"),),
            )
            for one in rota.list
        ),
        tiers=rota.tiers,
        shifts=tuple(shifts),
        overrides=tuple(Override(one.who, moment(one.begins), moment(one.ends), one.instead) for one in rota.stand_ins),
        leave=tuple(Leave(one.name, begins, ends) for one in rota.list for begins, ends in one.leave),
    )  # fmt: skip


def disagreements(rota: Rota, walked: tuple[int, int], around: Iterable[int]) -> Iterator[str]:
    """Each minute within three hours of ``around`` at which product and oracle say something else."""
    walk = Walk(rota, *walked)
    begins, ends = walked[0] + DAY, walked[1] - DAY
    plan = plan_of(rota, begins, ends)
    minutes = {minute for edge in around for minute in range(edge - 3 * HOUR, edge + 3 * HOUR)}
    for minute in sorted(minutes & set(range(begins, ends))):
        answer = who_to_call(moment(minute), CaseToCall(), plan)
        found = [(call.person.name, call.why.value) for call in answer.calls]
        if found != walk.called(minute):
            yield f"{moment(minute)}: {found}, and the oracle: {walk.called(minute)}"
        alarm = any(code in (Alarm.NOBODY_ON_DUTY, Alarm.EVERYBODY_AWAY) for code, _ in answer.alarms)
        if alarm != walk.is_nobody(minute):
            yield f"{moment(minute)}: the alarm is {alarm}"


# -- every clock change ------------------------------------------------------------------------------------------------


def night_rota(zone: str, change: int) -> Rota:
    """Two who take turns at each change of the clock, by the clock of ``zone``, with the hours of a third across it."""
    shown = Instant.from_timestamp(change * 60).to_tz(zone)
    here = datetime(shown.year, shown.month, shown.day, shown.hour, shown.minute)
    start = here.replace(hour=0, minute=0) - timedelta(days=4)
    late = here.hour * 60 + here.minute
    everyday = frozenset(range(7))
    return Rota(
        list=(
            Colleague("Product Lead", "PT", zone, frozenset(), 0, DAY),
            Colleague("Product Engineer", "PT", "UTC", frozenset(), 0, DAY),
            Colleague("Day Shift", "PT", zone, everyday, max(0, late - 90), min(DAY, late + 30)),
            Colleague("Front Line", "L1", zone, everyday, 0, DAY),
        ),
        tiers=("PT",),
        calendars=(
            (
                zone,
                (
                    Repeated("Product Lead", zone, start + timedelta(minutes=late - 30), 12 * HOUR, 1, 9),
                    Repeated("Product Engineer", "floating", start + timedelta(minutes=late + 30), 90, 1, 9),
                    Repeated("Front Line", "day", start, DAY, 2, 5),
                ),
            ),
        ),
    )


def night_disagreements(zone: str, change: int) -> list[str]:
    return list(disagreements(night_rota(zone, change), (change - 2 * DAY, change + 2 * DAY), [change]))


def test_every_zone_and_its_clock_changes_are_known() -> None:
    assert len(ZONES) > 500
    assert len(CHANGES) > 5000
    assert ("Europe/Berlin", Instant.from_utc(2026, 3, 29, 1).timestamp() // 60) in CHANGES


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
def test_around_a_clock_change_each_minute_is_answered_as_the_oracle_does(zone: str) -> None:
    both = [minute for of, minute in CHANGES if of == zone][:2]
    assert [night_disagreements(zone, change) for change in both] == [[], []]


@pytest.mark.full
@pytest.mark.parametrize("zone", ZONES)
def test_around_each_clock_change_of_each_zone_no_minute_is_answered_otherwise(zone: str) -> None:
    changes = [minute for of, minute in CHANGES if of == zone] or [Instant.from_utc(2026, 3, 29, 1).timestamp() // 60]
    assert [said for change in changes for said in night_disagreements(zone, change)] == []


# -- whatever a rota may look like -------------------------------------------------------------------------------------

NAMES = ("Product Lead", "Product Engineer", "Second Engineer", "Front Line")


@st.composite
def rotas(draw: st.DrawFn) -> tuple[Rota, int]:
    zone, change = draw(st.sampled_from(CHANGES))
    shown = Instant.from_timestamp(change * 60).to_tz(zone)
    night = datetime(shown.year, shown.month, shown.day, shown.hour, shown.minute)
    midnight = night.replace(hour=0, minute=0)
    near = st.sampled_from([-180, -90, -61, -60, -31, -30, -1, 0, 1, 29, 30, 59, 60, 90, 120, 180])

    def wall() -> datetime:
        return night + timedelta(days=draw(st.integers(-1, 1)), minutes=draw(near))

    def row(*, says_zone: bool) -> Repeated:
        # What is in UTC in a calendar that says its zone follows that zone: a test of its own.
        clock = draw(
            st.sampled_from(
                [zone, zone, "floating", "day", draw(st.sampled_from(ZONES)), *"Z"][: 5 if says_zone else 6]
            )
        )
        every, times = draw(st.sampled_from([1, 2, 3, 7])), draw(st.integers(1, 6))
        first = (midnight if clock == "day" else wall()) - timedelta(days=every * draw(st.integers(0, times)))
        long = st.sampled_from([DAY, 2 * DAY] if clock == "day" else [30, 60, 90, 8 * HOUR, 12 * HOUR, DAY])
        moved = {}
        for nth in draw(st.sets(st.integers(0, times - 1), max_size=2)) if times > 1 else ():
            begins = midnight + timedelta(days=draw(st.integers(-1, 1))) if clock == "day" else wall()
            moved[nth] = (begins, begins + timedelta(minutes=draw(long)), draw(st.sampled_from(NAMES)))
        gone = draw(st.sets(st.integers(0, times - 1), max_size=1)) - set(moved) if times > 1 else set()
        return Repeated(draw(st.sampled_from(NAMES)), clock, first, draw(long), every, times, frozenset(gone), moved)

    def colleague(name: str) -> Colleague:
        today = midnight.date()
        days = st.sampled_from([today + timedelta(days=number) for number in (-1, 0, 1)])
        leave = tuple(sorted(pair) for pair in draw(st.lists(st.tuples(days, days), max_size=1)))
        begins = draw(st.integers(0, 47)) * 30
        return Colleague(
            name, draw(st.sampled_from(["PT", "PT", "L1"])) if name != NAMES[0] else "PT",
            draw(st.sampled_from([zone, zone, "UTC", draw(st.sampled_from(ZONES))])),
            draw(st.frozensets(st.integers(0, 6))), begins, draw(st.integers(begins // 30 + 1, 48)) * 30,
            draw(st.frozensets(days, max_size=1)), tuple((first, last) for first, last in leave),
        )  # fmt: skip

    def stand_in() -> StandIn:
        begins = change + draw(near)
        return StandIn(
            draw(st.sampled_from(NAMES)), begins, begins + draw(st.sampled_from([1, 30, 60, 600])),
            draw(st.sampled_from(["", *NAMES])),
        )  # fmt: skip

    def calendar(place: int) -> tuple[str, tuple[Repeated, ...]]:
        rows = tuple(row(says_zone=place % 2 == 1) for _ in range(draw(st.integers(0, 3))))
        return draw(st.sampled_from([zone, "UTC"])), rows

    return Rota(
        list=tuple(colleague(name) for name in NAMES),
        tiers=("PT",),
        calendars=(calendar(0), calendar(1)),
        stand_ins=tuple(stand_in() for _ in range(draw(st.integers(0, 2)))),
    ), change


@settings(max_examples=examples(8, full=300))
@given(rotas())
def test_moved_swapped_and_overridden_shifts_are_answered_as_the_oracle_does(drawn: tuple[Rota, int]) -> None:
    rota, change = drawn
    walked = (change - 3 * DAY, change + 3 * DAY)
    near = {edge for edge in Walk(rota, *walked).edges() if abs(edge - change) < DAY}
    assert list(disagreements(rota, walked, {change, *sorted(near)[:4]})) == []


@settings(max_examples=examples(8, full=300))
@given(rotas())
def test_the_turns_of_a_day_leave_no_minute_out_and_say_what_the_oracle_says(drawn: tuple[Rota, int]) -> None:
    rota, change = drawn
    walk = Walk(rota, change - 3 * DAY, change + 3 * DAY)
    begins, ends = change - DAY, change + DAY
    found = turns(moment(begins), moment(ends), plan_of(rota, begins, ends))
    assert [one.ends for one in found[:-1]] == [one.begins for one in found[1:]]
    assert (found[0].begins, found[-1].ends) == (moment(begins), moment(ends))
    assert all((one.on_call, one.at_work) != (after.on_call, after.at_work) for one, after in pairwise(found))
    at = iter(found)
    turn = next(at)
    for minute in range(begins, ends, 7):
        while moment(minute) >= turn.ends:
            turn = next(at)
        assert turn.is_gap == walk.is_nobody(minute), moment(minute)


def test_a_whole_day_is_one_of_the_calendars_zone_and_no_gap() -> None:
    rows = tuple(
        Repeated(name, "day", datetime(2026, 3, 28 + place), DAY, 2, 2) for place, name in enumerate(NAMES[:2])
    )
    begins = int(datetime(2026, 3, 27, 23, tzinfo=UTC).timestamp()) // 60
    rota = Rota(
        tuple(Colleague(name, "PT", "Asia/Tokyo", frozenset(), 0, DAY) for name in NAMES[:2]), ("PT",),
        (("Europe/Berlin", rows),),
    )  # fmt: skip
    assert not [
        one
        for one in turns(moment(begins), moment(begins + 3 * DAY), plan_of(rota, begins, begins + 3 * DAY))
        if one.is_gap
    ]
    assert date(2026, 3, 29).weekday() == 6  # the night of the change is among them
