"""That nobody will be on call is told to the team seven days ahead, and once (E10)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from caseproof.domain.worklist import WorkQuery
from caseproof.procedure.views.board import board
from caseproof.procedure.views.worklist import worklist
from tests.support.keeper import Keeper, mails
from tests.support.world import World


def shift(begins, ends) -> str:
    return (
        f"BEGIN:VEVENT\r\nUID:{begins:%d%H}\r\nSUMMARY:Product Lead\r\nDTSTART:{begins:%Y%m%dT%H%M%SZ}\r\n"
        f"DTEND:{ends:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\n"
    )


def calendar(*shifts: str) -> str:
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//tests//EN\r\n{''.join(shifts)}END:VCALENDAR\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "nights.ics"


@pytest.fixture
def world(make_world, file: Path) -> World:
    return make_world(
        mail={"team": "team@example.com"},
        on_call={
            "people": [{"name": "Product Lead", "mobile": "+442079460123", "days": []}],
            "calendars": [{"name": "nights", "file": str(file)}],
        },
    )


def test_a_gap_is_told_seven_days_ahead_and_once(world: World, file: Path) -> None:
    now = world.clock().replace(microsecond=0)
    last = now + timedelta(days=8, hours=6)
    file.write_text(calendar(shift(now - timedelta(days=1), last)))
    keeper = Keeper(world)
    assert [keeper(hours=12).team_told for _ in range(4)] == [0, 0, 1, 0]  # the end of the shift comes into sight
    (mail,) = mails(world, "team@example.com")
    assert f"nobody is on call and nobody is at work from {last:%Y-%m-%d %H:%M}" in " ".join(mail.get_content().split())
    assert mail["Subject"] == "Caseproof: On call needs you"


def test_a_gap_that_was_filled_and_opens_again_is_told_again(world: World, file: Path) -> None:
    now = world.clock().replace(microsecond=0)
    short, long = (calendar(shift(now - timedelta(days=1), now + timedelta(days=days))) for days in (3, 30))
    keeper, told = Keeper(world), []
    for content in (short, short, long, short):
        file.write_text(content)
        told.append(keeper(hours=1).team_told)
    assert told == [1, 0, 0, 1]


def test_a_calendar_that_breaks_is_told_once_and_again_after_it_was_well(world: World, file: Path) -> None:
    now = world.clock().replace(microsecond=0)
    whole = calendar(shift(now - timedelta(days=1), now + timedelta(days=30)))
    keeper, told = Keeper(world), []
    for content in (whole, "<html>", "<html>", whole, "<html>"):
        file.write_text(content)
        told.append(keeper(hours=1).team_told)
    assert told == [0, 1, 0, 0, 1]
    first = " ".join(mails(world, "team@example.com")[0].get_content().split())
    assert "The calendar 'nights' is no iCalendar." in first


def test_as_long_as_it_is_so_the_board_and_the_worklist_say_it_also_without_an_address_of_the_team(
    make_world, file: Path
) -> None:
    world = make_world(
        on_call={
            "people": [{"name": "Product Lead", "mobile": "+442079460123", "days": []}],
            "calendars": [{"name": "nights", "file": str(file)}],
        }
    )
    now = world.clock().replace(microsecond=0)
    keeper, ledger, policy = Keeper(world), world.services.ledger, world.services.policy.keeper

    def said() -> tuple[str, ...]:
        keeper(hours=1)
        on_the_list = worklist(ledger, policy, lambda: [], WorkQuery(), "").cover
        assert on_the_list == board(ledger, policy).cover
        return on_the_list

    file.write_text(calendar(shift(now - timedelta(days=1), now + timedelta(days=3))))
    assert [f"Nobody is on call and nobody is at work from {now + timedelta(days=3):%Y-%m-%d %H:%M}" in one
            for one in (*said(), *said())] == [True, True]  # fmt: skip
    file.write_text("<html>")
    assert ["The calendar 'nights' is no iCalendar" in one for one in said()] == [False, True]
    file.write_text(calendar(shift(now - timedelta(days=1), now + timedelta(days=30))))
    assert said() == ()


def test_where_the_mail_is_refused_the_gap_is_told_by_the_next_pass(world: World, file: Path) -> None:
    file.write_text(calendar())
    world.mail.faulty.fails("send", before=OSError("The server is away."))
    keeper = Keeper(world)
    assert keeper(minutes=2).team_told == 0
    assert keeper(minutes=2).team_told == 1
