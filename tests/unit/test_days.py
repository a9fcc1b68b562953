"""Which days a sentence names: what was done before our mail is no answer to it (J8)."""

from __future__ import annotations

from datetime import date

import pytest

from caseproof.channels.inbound.days import days_named

FRIDAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("sentence", "day"),
    [
        ("We renewed it on Monday.", date(2026, 11, 16)),
        ("We renewed it on Friday.", FRIDAY),
        ("Wir haben ihn am Samstag erneuert.", date(2026, 11, 14)),
        ("yesterday evening", date(2026, 11, 19)),
        ("gestern abend", date(2026, 11, 19)),
        ("the day before yesterday", date(2026, 11, 18)),
        ("vorgestern", date(2026, 11, 18)),
        ("two days ago", date(2026, 11, 18)),
        ("vor drei Tagen", date(2026, 11, 17)),
        ("on 19 November", date(2026, 11, 19)),
        ("on the 19th of November 2026", date(2026, 11, 19)),
        ("on November 19, 2026", date(2026, 11, 19)),
        ("Nov. 19", date(2026, 11, 19)),
        ("am 19.11.", date(2026, 11, 19)),
        ("am 19.11.26", date(2026, 11, 19)),
        ("am 3. März", date(2026, 3, 3)),
        ("on 24 December", date(2025, 12, 24)),
        ("2026-11-19", date(2026, 11, 19)),
    ],
)
def test_a_day_is_the_last_one_that_is_called_so(sentence: str, day: date) -> None:
    assert days_named(sentence, FRIDAY) == [day]


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "We renewed it.",
        "valid until 20 November 2027",
        "on 99 November",
        "31.2.",
        "at 10.15",
        "1.2.3.4",
        "may be",
        "Monde",
    ],
)
def test_what_names_no_day_up_to_today_names_none(sentence: str) -> None:
    assert days_named(sentence, FRIDAY) == []


def test_all_days_of_a_sentence_are_named() -> None:
    found = days_named("It expired on Monday, we renewed it on 19 November.", FRIDAY)
    assert found == [date(2026, 11, 16), date(2026, 11, 19)]
