"""`caseproof oncall`: who would be called, as a person and as a program reads it."""

from __future__ import annotations

from pathlib import Path

import icalendar
import pytest

from caseproof.config.settings import Settings
from tests.support.command import Run, for_home, runner

POLICY = """
team: [a, b]
on_call:
  main_number: "+14155550100"
  people:
    - {{name: Product Lead, timezone: Europe/Berlin, extension: "101"}}
    - {{name: Product Engineer, timezone: Europe/Berlin, mobile: "+442079460123", days: []}}
  calendars: [{{name: nights, file: "{calendar}", timezone: Europe/Berlin}}]
contracts: {{Office: {{kind: business hours}}}}
clients: {{Client One: Office}}
"""
NIGHTS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:1
SUMMARY:Product Engineer
DTSTART:20261201T170000
DTEND:20261202T080000
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    home = for_home(tmp_path, monkeypatch)
    (home / "nights.ics").write_text(NIGHTS)
    (home / "policy.yaml").write_text(POLICY.format(calendar=home / "nights.ics"))
    return runner(monkeypatch, capsys)


def test_who_is_on_call_now_and_next_is_told_with_the_reason(run: Run, tmp_path: Path) -> None:
    told = run("oncall", "--at", "2026-12-01 20:00", "--client", "Client One", "--calendar", tmp_path / "out.ics")
    assert told.code == 0
    assert "Product Engineer" in told.out
    assert "on call, says the calendar 'nights' (E10)." in told.out
    assert "+14155550100 ext. 101" in told.out
    assert "the caller decides, and it is recorded (E11)" in told.out
    assert "Nobody is on duty from 2026-12-02 07:00 to 2026-12-02 08:00 UTC." in told.out
    written = icalendar.Calendar.from_ical((tmp_path / "out.ics").read_bytes())
    assert str(written.walk("VEVENT")[0]["SUMMARY"]) == "On call: Product Engineer"
    assert not (tmp_path / "caseproof.sqlite").exists()


def test_a_program_reads_the_order_the_alarms_and_the_gaps(run: Run) -> None:
    said = run("oncall", "--at", "2026-12-05T12:00", "--days", "2", "--json").json
    assert [(one["name"], one["why"]) for one in said["calls"]] == [
        ("Product Lead", "next on the list"), ("Product Engineer", "next on the list"),
    ]  # fmt: skip
    assert [one["alarm"] for one in said["alarms"]] == ["nobody on duty"]
    assert said["calls"][0]["numbers"] == [{"number": "+14155550100", "extension": "101", "pause_seconds": 2.0}]
    assert (said["gaps"][0]["begins"], said["gaps"][0]["ends"]) == (
        "2026-12-05T12:00:00+00:00", "2026-12-07T08:00:00+00:00",
    )  # fmt: skip


def test_without_a_list_the_next_action_says_where_it_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("team: [a, b]")
    told = run("oncall")
    assert told.code == 1
    assert "on_call.people" in told.err


def test_a_test_page_is_sent_at_once_and_its_report_is_shown(run: Run) -> None:
    policy = Path(Settings().home_folder / "policy.yaml")
    always = 'days: [mon, tue, wed, thu, fri, sat, sun], begins: "00:00", ends: "24:00", mail: engineer@example.com'
    policy.write_text(policy.read_text().replace("days: []", always) + "paging: {voice: nowhere}\n")
    told = run("oncall", "--test", "--json")
    assert told.code == 0
    rows = {(row["person"], row["way"]): row for row in told.json["rows"]}
    assert "NOT REACHED: it could not be made" in rows["Product Engineer", "call"]["found"]
    assert "There is no voice account." in rows["Product Engineer", "call"]["detail"]
    assert ("Product Lead", "call") in rows
    assert told.json["report"].endswith(f"/reports/test-page-{told.json['month']}.html")
    again = run("oncall", "--test")
    assert "Sent:" not in again.out, "once a month"
    assert "Nothing was left to send this month" in again.out
    assert "By nothing: Product Engineer, Product Lead." in " ".join(again.out.split())
