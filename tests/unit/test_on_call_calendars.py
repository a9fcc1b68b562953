"""On-call calendars: what they say, what is refused of them and how, and the last good copy that counts meanwhile."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.channels.calendars import reading
from caseproof.channels.calendars.reading import read_calendar
from caseproof.channels.calendars.screening import LARGEST, CalendarRefused
from caseproof.channels.calendars.shifts import OnTheList, Reading, whom_they_name
from caseproof.config.policy import Policy
from caseproof.domain.on_call.calling import Alarm, CaseToCall, who_to_call
from caseproof.domain.on_call.duty import OnCall
from caseproof.procedure.core.on_call import FOLDER, Window, call_plan, coming_gaps
from caseproof.procedure.paging.ahead import ReadsAhead

BEGINS = datetime(2026, 3, 27, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=4)
PEOPLE = (OnTheList("Product Lead", "lead@example.com"), OnTheList("Product Engineer"))
BERLIN = ZoneInfo("Europe/Berlin")


def calendar(*events: str, head: str = "") -> bytes:
    body = "".join(
        f"BEGIN:VEVENT\r\nUID:{place}\r\n{event.strip()}\r\nEND:VEVENT\r\n" for place, event in enumerate(events)
    )
    lines = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//tests//EN\n{head}".replace("\n", "\r\n")
    return f"{lines}{body}END:VCALENDAR\r\n".replace("\r\r", "\r").encode()


def event(more: str = "", who: str = "Product Lead", zone: str = ";TZID=Europe/Berlin") -> str:
    return f"SUMMARY:{who}\r\nDTSTART{zone}:20260327T180000\r\nDTEND{zone}:20260328T080000\r\n{more}"


def read(content: bytes, zone: ZoneInfo | None = None, people: tuple[OnTheList, ...] = PEOPLE) -> Reading:
    return whom_they_name(read_calendar(content, "nights", BEGINS, ENDS, zone), "nights", people, BEGINS, ENDS)


def shifts(content: bytes, zone: ZoneInfo | None = None) -> list[tuple[str, str, str]]:
    return [(one.person, f"{one.begins:%d %H:%M}", f"{one.ends:%d %H:%M}") for one in read(content, zone).shifts]


def test_a_shift_ends_by_the_clock_on_the_wall_in_the_night_of_the_change() -> None:
    assert shifts(calendar(event("RRULE:FREQ=DAILY;UNTIL=20260329")))[1] == ("Product Lead", "28 17:00", "29 06:00")


@pytest.mark.parametrize(
    ("title", "who"),
    [
        ("On call: product  lead", ["Product Lead"]),
        ("Product Engineer, Product Lead", ["Product Engineer", "Product Lead"]),
        ("Product Engineer and Product Lead", ["Product Engineer", "Product Lead"]),
    ],
)
def test_the_title_of_an_event_names_who_is_on_call(title: str, who: list[str]) -> None:
    assert [one[0] for one in shifts(calendar(event(who=title)))] == who


def test_a_name_with_a_comma_in_it_is_one_name() -> None:
    people = (OnTheList("Lead, Product and Design"),)
    for title in ("Lead, Product and Design", "On call: lead, product and design"):
        found = read(calendar(event(who=title.replace(",", "\\,"))), people=people)
        assert [one.person for one in found.shifts] == ["Lead, Product and Design"]


def test_where_the_title_names_nobody_the_guests_do_but_for_those_who_declined() -> None:
    guest = "ATTENDEE;PARTSTAT={}:mailto:Lead@example.com"
    assert shifts(calendar(event(guest.format("ACCEPTED"), who="Night duty")))[0][0] == "Product Lead"
    assert shifts(calendar(event(guest.format("DECLINED"), who="Night duty"))) == []


def test_an_event_that_names_nobody_of_the_list_is_told_with_its_time() -> None:
    told = [one.told for one in read(calendar(event(who="Somebody Else"), event())).troubles]
    assert len(told) == 1
    assert "'Somebody Else' on 2026-03-27 17:00 UTC, who is not on the list" in told[0]


def test_a_cancelled_event_puts_nobody_on_call() -> None:
    assert shifts(calendar(event("STATUS:CANCELLED"))) == []


def test_a_calendar_that_says_its_time_zone_has_its_utc_times_follow_it() -> None:
    daily = event("RRULE:FREQ=DAILY;COUNT=3", zone="").replace("0000\r\n", "0000Z\r\n")
    assert shifts(calendar(daily, head="X-WR-TIMEZONE:Europe/Berlin\n"))[2] == ("Product Lead", "29 17:00", "30 07:00")
    assert shifts(calendar(daily), BERLIN)[2] == ("Product Lead", "29 18:00", "30 08:00")


def test_the_policys_zone_counts_for_times_and_days_without_one() -> None:
    assert shifts(calendar(event(zone="")), BERLIN) == [("Product Lead", "27 17:00", "28 07:00")]
    whole = "SUMMARY:Product Lead\r\nDTSTART;VALUE=DATE:20260329\r\nDTEND;VALUE=DATE:20260330"
    assert shifts(calendar(whole), BERLIN) == [("Product Lead", "28 23:00", "29 22:00")]


BROKEN = {
    "50 MB": (b"x" * 50_000_000, "is larger than 2 MB"),
    "a page": (b"<html>Log in</html>", "is no iCalendar"),
    "nothing": (b"", "is no iCalendar"),
    "cut off": (calendar(event())[:-60], "cannot be read"),
    "no time zone": (calendar(event(zone="")), "has no time zone at the event 'Product Lead' of 20260327T180000"),
    "whole days and no time zone": (
        calendar("SUMMARY:Product Lead\r\nDTSTART;VALUE=DATE:20260329"), "has no time zone at the event",
    ),
    "a zone nobody knows": (calendar(event(zone=";TZID=Mars/North")), "has the unknown time zone 'Mars/North'"),
    "a calendar's zone nobody knows": (
        calendar(event(), head="X-WR-TIMEZONE:Mars/North\n"), "says the unknown time zone 'Mars/North'",
    ),
    "no beginning": (calendar("SUMMARY:Product Lead"), "has no beginning"),
    "a date that is none": (calendar(event().replace("20260327T", "20260399T")), "has a DTSTART that cannot be read"),
    "an end before the beginning": (
        calendar(event().replace("20260328T08", "20260327T08")), "ends before it begins",
    ),
    "a day that ends by the hour": (
        calendar("SUMMARY:Product Lead\r\nDTSTART;VALUE=DATE:20260327\r\nDTEND:20260328T080000Z"), "by the day and",
    ),
    "an exception that is none": (calendar(event("EXDATE:soon")), "EXDATE that cannot be read"),
    "one UID twice": (
        calendar(event(), event(who="Product Engineer")).replace(b"UID:1", b"UID:0"), "has one UID for the event",
    ),
    "two beginnings": (calendar(event("DTSTART:20260327T190000Z")), "says DTSTART twice"),
    "no UID": (calendar(event()).replace(b"UID:0\r\n", b""), "has no UID"),
    "a rule that is none": (calendar(event("RRULE:FREQ=OFTEN")), "has a RRULE that cannot be read"),
    "an empty rule": (calendar(event("RRULE:")), "a rule"),
    "a month that is none": (calendar(event("RRULE:FREQ=YEARLY;BYMONTH=13")), "an impossible BYMONTH"),
    "each second": (calendar(event("RRULE:FREQ=SECONDLY")), "a rule that is none of shifts"),
    "all minutes of a day": (
        calendar(event("RRULE:FREQ=DAILY;BYMINUTE=" + ",".join(map(str, range(60))))), "a rule that is none of shifts",
    ),
    "no way on": (calendar(event("RRULE:FREQ=DAILY;INTERVAL=0")), "the interval 0"),
    "less than once": (calendar(event("RRULE:FREQ=DAILY;COUNT=0")), "less than once"),
    "since the year 1": (
        calendar(event("RRULE:FREQ=DAILY").replace("20260327", "00010101")), "since 0001-01-01",
    ),
    "never, many times": (
        calendar(*[event("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")] * 5), "more than can be counted out",
    ),
    "daily, hundreds of times at once": (
        calendar(*[event(f"RRULE:{rule}") for rule in ("FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU") for _ in range(160)]),
        "more than can be counted out",
    ),
    "a zone by the second": (
        calendar(
            event(zone=";TZID=Own"),
            head="BEGIN:VTIMEZONE\nTZID:Own\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\n"
            "TZOFFSETTO:+0100\nRRULE:FREQ=SECO\n NDLY\nEND:STANDARD\nEND:VTIMEZONE\n",
        ),
        "a time zone whose clock does not change by the year",
    ),
    "very many events": (calendar(*["X:1"] * 8_001), "holds more events and time zones than are read"),
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_calendar_is_refused_soon_with_its_name_and_what_is_wrong(broken: str) -> None:
    content, says = BROKEN[broken]
    began = time.process_time()
    with pytest.raises(CalendarRefused) as refused:
        read(content)
    assert time.process_time() - began < 2
    assert refused.value.problem.startswith("The calendar 'nights' ")
    assert says in refused.value.problem
    assert refused.value.next_action


# -- fetched, and the last good copy -----------------------------------------------------------------------------------

AT = datetime(2026, 3, 27, 20, tzinfo=UTC)
SECRET = "https://calendars.example.com/private-8f2c/basic.ics?token=8f2c"


class Server:
    """A calendar's server, with what it answers next."""

    def __init__(self) -> None:
        self.answer = httpx.Response(200, content=calendar(event()))
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        return self.answer


def policy(**source: Any) -> Policy:
    people = [{"name": one.name, "mobile": "+442079460100", "days": []} for one in PEOPLE]
    return Policy.model_validate(
        {"team": ["a", "b"], "on_call": {"people": people, "calendars": [{"name": "nights", **source}]}}
    )


@pytest.fixture
def server() -> Server:
    return Server()


def plan(server: Server, home: Path, at: datetime = AT, *, fetch: bool = True, address: str = SECRET) -> OnCall:
    window = Window.around(at, 7)
    return call_plan(policy(address=address), home, window, fetch=fetch, transport=httpx.MockTransport(server))


def test_a_calendar_is_fetched_once_and_its_copy_counts_until_it_is_old(server: Server, tmp_path: Path) -> None:
    assert [one.person for one in plan(server, tmp_path).shifts] == ["Product Lead"]
    plan(server, tmp_path, AT + timedelta(minutes=14))
    assert server.asked == [SECRET]
    plan(server, tmp_path, AT + timedelta(minutes=16))
    assert server.asked == [SECRET] * 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500), httpx.Response(404), httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"x" * (LARGEST + 1)),
        httpx.Response(200, content=calendar(event("RRULE:FREQ=OFTEN"))),
    ],
    ids=["it is down", "it is gone", "a page", "too large", "a broken rule"],
)  # fmt: skip
def test_when_a_calendar_breaks_its_last_good_copy_counts_and_it_is_told(
    answer: httpx.Response, server: Server, tmp_path: Path
) -> None:
    plan(server, tmp_path)
    server.answer = answer
    for later in (timedelta(hours=1), timedelta(hours=2)):
        found = plan(server, tmp_path, AT + later)
        assert [one.person for one in found.shifts] == ["Product Lead"]
        assert "Until then its copy of 2026-03-27 20:00 UTC counts." in found.troubles[0].told
        said = who_to_call(AT + later, CaseToCall(), found)
        assert (said.calls[0].person.name, [code for code, _ in said.alarms]) == ("Product Lead", [Alarm.CALENDAR])


def test_an_address_that_lets_anybody_read_is_told_nowhere(server: Server, tmp_path: Path) -> None:
    server.answer = httpx.Response(500)
    told = plan(server, tmp_path).troubles[0].told
    assert "calendars.example.com" in told
    assert "8f2c" not in told
    assert "8f2c" not in str(policy(address=SECRET).model_dump(mode="json"))
    assert "8f2c" not in "".join(path.read_text() for path in (tmp_path / FOLDER).glob("*"))


def test_without_any_copy_nobody_is_on_call_and_the_list_is_called(server: Server, tmp_path: Path) -> None:
    server.answer = httpx.Response(500)
    said = who_to_call(AT, CaseToCall(), plan(server, tmp_path))
    assert [one.person.name for one in said.calls] == ["Product Lead", "Product Engineer"]
    assert {code for code, _ in said.alarms} == {Alarm.NOBODY_ON_DUTY, Alarm.CALENDAR}


def test_an_emergency_waits_for_no_calendars_server(server: Server, tmp_path: Path) -> None:
    plan(server, tmp_path)
    found = plan(server, tmp_path, AT + timedelta(days=3), fetch=False)
    assert server.asked == [SECRET]
    assert found.troubles == ()


def test_an_emergency_before_the_first_copy_goes_down_the_list_at_once(server: Server, tmp_path: Path) -> None:
    said = who_to_call(AT, CaseToCall(), plan(server, tmp_path, fetch=False))
    assert server.asked == []
    assert [one.person.name for one in said.calls] == ["Product Lead", "Product Engineer"]
    assert {code for code, _ in said.alarms} == {Alarm.NOBODY_ON_DUTY, Alarm.CALENDAR}


def test_a_copy_of_another_address_does_not_count(server: Server, tmp_path: Path) -> None:
    plan(server, tmp_path)
    server.answer = httpx.Response(500)
    assert plan(server, tmp_path, address="https://other.example.com/x.ics").shifts == ()


def test_a_damaged_copy_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    plan(server, tmp_path)
    copy = tmp_path / FOLDER / "nights.copy"
    copy.write_bytes(copy.read_bytes()[:-40])
    assert len(plan(server, tmp_path).shifts) == 1
    assert len(server.asked) == 2


def test_a_file_is_read_and_one_that_vanished_leaves_its_copy(tmp_path: Path) -> None:
    file = tmp_path / "nights.ics"
    file.write_bytes(calendar(event()))
    own, window = policy(file=str(file)), Window.around(AT, 7)
    assert len(call_plan(own, tmp_path, window, fetch=True).shifts) == 1
    file.unlink()
    later = call_plan(own, tmp_path, Window.around(AT + timedelta(hours=1), 7), fetch=True)
    assert len(later.shifts) == 1
    assert "No such file" in later.troubles[0].told


def test_gaps_are_told_where_a_calendar_is_meant_to_fill_them(server: Server, tmp_path: Path) -> None:
    found = plan(server, tmp_path)
    assert [(one.begins, one.ends) for one in coming_gaps(policy(address=SECRET), found, AT)] == [
        (datetime(2026, 3, 28, 7, tzinfo=UTC), AT + timedelta(days=7))
    ]
    alone = policy(address=SECRET).on_call.model_copy(update={"calendars": ()})
    assert coming_gaps(policy(address=SECRET).model_copy(update={"on_call": alone}), found, AT) == []


# -- read once, and kept beside the copy ------------------------------------------------------------------------------


def test_rules_that_are_over_and_seldom_ones_keep_no_calendar_from_being_read() -> None:
    over = event("RRULE:FREQ=DAILY;UNTIL=20260301").replace("20260327", "20260228").replace("20260328", "20260301")
    seldom = [event(f"RRULE:{rule}") for rule in ("FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY")]
    assert len(read(calendar(*[over] * 210, *seldom * 70)).shifts) == 1


def test_a_calendar_of_two_megabytes_that_was_read_before_costs_an_emergency_nothing(
    server: Server, tmp_path: Path
) -> None:
    day = "RRULE:FREQ=DAILY;COUNT=40\r\nDESCRIPTION:" + "x" * 74_500
    content = calendar(*[event(day, who=who) for who in ("Product Lead", "Product Engineer") * 13])
    assert 1_900_000 < len(content) < LARGEST
    server.answer = httpx.Response(200, content=content)
    before = plan(server, tmp_path)
    began = time.process_time()
    found = plan(server, tmp_path, AT + timedelta(hours=1), fetch=False)
    assert time.process_time() - began < 0.3
    assert before.shifts[:2] == found.shifts[:2]
    assert len(found.shifts) == len(before.shifts) > 1


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calendars that were read, each time that one was."""
    found: list[str] = []
    read_it = reading.read_calendar
    monkeypatch.setattr(reading, "read_calendar", lambda *given: (found.append(given[1]), read_it(*given))[1])
    return found


def test_what_was_read_counts_for_days_and_for_whoever_is_on_the_list(
    server: Server, tmp_path: Path, readings: list[str]
) -> None:
    server.answer = httpx.Response(200, content=calendar(event("RRULE:FREQ=DAILY", who="Product Engineer")))
    for hours in (0, 1, 47):
        found = plan(server, tmp_path, AT + timedelta(hours=hours))
    assert readings == ["nights"]
    own = policy(address=SECRET)
    lead = own.on_call.model_copy(update={"people": own.on_call.people[:1]})
    later = Window.around(AT + timedelta(hours=47), 7)
    alone = call_plan(own.model_copy(update={"on_call": lead}), tmp_path, later, fetch=False)
    assert (readings, alone.shifts) == (["nights"], ())
    assert "'Product Engineer' on 2026-03-28 17:00 UTC, who is not on the list" in alone.troubles[0].told
    assert len(found.shifts) > 1


def test_what_was_read_of_another_copy_time_or_zone_or_is_damaged_is_read_again(
    server: Server, tmp_path: Path, readings: list[str]
) -> None:
    def look(at: datetime = AT, zone: str = "") -> list[str]:
        own = policy(address=SECRET, timezone=zone)
        window = Window.around(at, 7)
        found = call_plan(own, tmp_path, window, fetch=True, transport=httpx.MockTransport(server))
        return [f"{one.person} {one.begins:%d %H}" for one in found.shifts]

    daily = event("RRULE:FREQ=DAILY;COUNT=2", zone="")
    server.answer = httpx.Response(200, content=calendar(daily))
    assert look(zone="Europe/Berlin") == ["Product Lead 27 17", "Product Lead 28 17"]
    assert look(zone="Europe/London") == ["Product Lead 27 18", "Product Lead 28 18"]
    server.answer = httpx.Response(200, content=calendar(daily.replace("Lead", "Engineer")))
    later = AT + timedelta(hours=1)
    assert look(later, "Europe/London") == ["Product Engineer 27 18", "Product Engineer 28 18"]
    kept = tmp_path / FOLDER / "nights.shifts"
    for damaged in (kept.read_bytes()[:-3], kept.read_bytes().replace(b"Engineer", b"Lead"), b"[]\n[]", b"\xff", b""):
        kept.write_bytes(damaged)
        assert look(later, "Europe/London") == ["Product Engineer 27 18", "Product Engineer 28 18"]
    assert look(AT + timedelta(days=60), "Europe/London") == []
    assert len(readings) == 3 + 5 + 1


def test_a_fresh_calendar_that_cannot_be_kept_counts_all_the_same_and_it_is_told(
    server: Server, tmp_path: Path
) -> None:
    plan(server, tmp_path)
    server.answer = httpx.Response(200, content=calendar(event(who="Product Engineer")))
    folder = tmp_path / FOLDER
    folder.rename(tmp_path / "before")
    folder.write_bytes(b"")  # no folder any more, so nothing can be written there: whoever runs this
    found = plan(server, tmp_path, AT + timedelta(hours=1))
    assert [one.person for one in found.shifts] == ["Product Engineer"]
    assert "no copy of it can be kept in" in found.troubles[0].told


# -- whatever it holds -------------------------------------------------------------------------------------------------

MEND = [
    b"FREQ=",
    b"-",
    b"0",
    b"99999999999",
    b"\r\n",
    b"DTSTART",
    b"VALUE=DATE",
    b"\xff",
    b"\x00",
    b"END:VEVENT\r\n",
    b"Z",
]


@given(st.data())
def test_whatever_bytes_a_calendar_holds_it_is_read_or_refused_in_words(data: st.DataObject) -> None:
    content = bytearray(
        calendar(
            event("RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,FR;UNTIL=20260401T000000Z"),
            event("RRULE:FREQ=DAILY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20260328T180000"),
            event("RECURRENCE-ID;TZID=Europe/Berlin:20260329T180000", who="Product Engineer"),
            head="X-WR-TIMEZONE:Europe/Berlin\n",
        ).replace(b"UID:2", b"UID:1")
    )
    assert len(read(bytes(content)).shifts) > 2
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.sampled_from(MEND))
    with suppress(CalendarRefused):
        read(bytes(content))


# -- read ahead -------------------------------------------------------------------------------------------------------


def test_the_pager_reads_the_calendars_before_anybody_has_to_be_called(tmp_path: Path, readings: list[str]) -> None:
    (tmp_path / "a.ics").write_bytes(calendar(event("RRULE:FREQ=DAILY", who="Product Lead")))
    (tmp_path / "b.ics").write_bytes(calendar(event("RRULE:FREQ=DAILY", who="Product Engineer")))
    named, now = {"a": policy(file=str(tmp_path / "a.ics"))}, [AT]
    ahead = ReadsAhead(lambda: named["a"], tmp_path, lambda: now[0])
    assert ahead.look()
    found = call_plan(named["a"], tmp_path, Window.around(AT, 2), fetch=False)
    assert (readings, found.shifts[0].person) == (["nights"], "Product Lead"), "nobody waits for it in an emergency"
    now[0] += timedelta(minutes=1)
    assert not ahead.look(), "it is at hand"
    named["a"] = policy(file=str(tmp_path / "b.ics"))  # another policy
    assert ahead.look()
    found = call_plan(named["a"], tmp_path, Window.around(now[0], 2), fetch=False)
    assert (len(readings), found.shifts[0].person) == (2, "Product Engineer")
    now[0] += timedelta(minutes=6)
    assert (ahead.look(), len(readings)) == (True, 2), "looked at again, and read already"
    named.clear()
    assert not ahead.look(), "whatever is wrong ends no process"
