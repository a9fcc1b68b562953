"""The emergency's form asks for what decides, fills in nothing for a person, and is read once."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from caseproof.domain.emergency.form import Down, EmergencyForm, Ladder, Whom, raising_of
from caseproof.domain.emergency.raising import EmergencyRefused, Terminals, missing_in
from caseproof.domain.emergency.vocabulary import CRITERIA, Criterion, OwnLadder, Press
from caseproof.domain.forms import fields_of
from tests.support.paged import START

BERLIN = ZoneInfo("Europe/Berlin")  # 21:00 there at START


def form(**more: Any) -> EmergencyForm:
    said: dict[str, Any] = {
        "down": Down.ORDERING_DOWN, "seen": "500 at the checkout", "site": "shop.example.com",
        "own_ladder": Ladder.NOT_USED, "whom": Whom.IN_TURN, "answered_by": "operator", "client": "Shop A",
        "said": "Nobody can order.",
    }  # fmt: skip
    return EmergencyForm(**(said | more))


def test_each_choice_is_one_of_the_criteria_and_of_the_ladder_s_answers() -> None:
    assert [one.name for one in Down] == [one.name for one in Criterion]
    assert [one.name for one in Ladder] == [one.name for one in OwnLadder if one is not OwnLadder.NOT_SAID]


def test_nothing_that_decides_is_filled_in_for_a_person() -> None:
    needed = {one.name for one in fields_of(EmergencyForm) if one.is_needed}
    assert needed == {"down", "seen", "site", "own_ladder", "whom", "answered_by"}


def test_a_form_that_is_filled_in_in_thirty_seconds_is_enough() -> None:
    said = raising_of(form(), START, BERLIN)
    assert missing_in(said, START) == []
    assert (said.since, said.own_ladder, said.all_team) == (None, OwnLadder.NOT_USED, False)


def test_a_form_without_a_case_and_without_the_client_is_refused() -> None:
    assert [one.code for one in missing_in(raising_of(form(client=""), START, BERLIN), START)] == ["no_case"]
    assert missing_in(raising_of(form(client="", case="SC-000001"), START, BERLIN), START) == []


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("20:50", 10), ("20.50", 10), ("21:00", 0), ("21:01", 24 * 60 - 1), ("2026-11-27 20:30", 30),
     ("2026-11-27T19:30Z", 30)],
)  # fmt: skip
def test_a_time_of_day_is_the_last_one_that_has_passed(text: str, minutes: int) -> None:
    assert raising_of(form(since=text), START, BERLIN).since == START - timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["soon", "25:00", "20:99", "99999-01-01", "\u0661\u0669:50"])
def test_a_time_that_is_none_is_refused_with_the_next_action(text: str) -> None:
    with pytest.raises(EmergencyRefused, match=r"is no time.*Write it as 19:50, or leave it empty"):
        raising_of(form(since=text), START, BERLIN)


@pytest.mark.parametrize(
    ("text", "figures"),
    [("3 of 5", Terminals(3, 5)), ("3/5", Terminals(3, 5)), ("most", None), ("3", None), ("", None), ("1 2 3", None)],
)
def test_figures_of_terminals_are_read_or_asked_for(text: str, figures: Terminals | None) -> None:
    said = raising_of(form(down=Down.TERMINALS_FAIL, terminals=text), START, BERLIN)
    assert said.terminals == figures
    assert bool(missing_in(said, START)) is (figures is None)


def test_the_page_for_whoever_calls_says_what_the_code_says_and_fits_on_a_telephone() -> None:
    page = (Path(__file__).parents[2] / "docs" / "emergency.md").read_text(encoding="utf-8")
    assert re.findall(r"^[1-6]\. (.+)$", page, re.MULTILINE)[:6] == list(CRITERIA.values())
    assert re.findall(r"^\| \*\*(.)\*\* \|", page, re.MULTILINE) == [str(press) for press in Press]
    assert len(page.split()) < 400, "two screens of a telephone"
