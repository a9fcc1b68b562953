"""What an emergency is (E7), what is refused with the next action, and what is advised and blocks nothing (E9, E11)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.payloads import EmergencyRaised
from caseproof.domain.emergency.raising import (
    EmergencyRefused,
    ShortCase,
    Sighting,
    Terminals,
    advice_on,
    missing_in,
    raised_by,
)
from caseproof.domain.emergency.vocabulary import CRITERIA, Criterion, OwnLadder
from caseproof.domain.errors import NotAllowed
from tests.support.paged import PAGED, START, raising
from tests.support.trial import TRIAL


def codes(**more: object) -> list[str]:
    return [one.code for one in missing_in(raising(**more), START)]


def advised(**more: object) -> list[str]:
    return [one["code"] for one in advice_on(raising(**more), START)]


@pytest.mark.parametrize("criterion", [one for one in Criterion if one is not Criterion.TERMINALS_FAIL])
def test_each_criterion_makes_an_emergency_with_what_was_seen_and_none_without(criterion: Criterion) -> None:
    assert codes(sightings=[Sighting(criterion, "The page says 500.")]) == []
    assert codes(sightings=[Sighting(criterion, " \n")]) == ["nothing_seen"]
    assert CRITERIA[criterion]


@pytest.mark.parametrize(
    ("terminals", "code"),
    [
        (Terminals(3, 5), []), (Terminals(1, 1), []), (Terminals(2, 4), ["not_half"]), (Terminals(0, 3), ["not_half"]),
        (None, ["no_figures"]), (Terminals(0, 0), ["no_figures"]), (Terminals(6, 5), ["no_figures"]),
        (Terminals(-1, -3), ["no_figures"]),
    ],
)  # fmt: skip
def test_terminals_are_an_emergency_where_more_than_half_of_them_fail(
    terminals: Terminals | None, code: list[str]
) -> None:
    sightings = [Sighting(Criterion.TERMINALS_FAIL, "Three waiters say so.")]
    assert codes(sightings=sightings, terminals=terminals) == code


def test_nobody_is_called_without_a_case_and_every_missing_item_is_named_at_once_with_its_next_action() -> None:
    empty = raising(site=" ", sightings=(), case=" ", new_case=ShortCase("Shop A", " "))
    with pytest.raises(EmergencyRefused) as refused:
        raised_by(empty, 1, START)
    assert [one.code for one in refused.value.missing] == ["no_case", "no_site", "no_criterion"]
    assert "E9: there is no case" in refused.value.problem
    assert all(one.next_action in refused.value.next_action for one in refused.value.missing)


def test_a_case_there_is_or_thirty_seconds_of_writing_are_enough() -> None:
    assert codes(case="SC-000001", new_case=None) == []
    assert codes(case="", new_case=ShortCase("Shop A", "Nobody can order.")) == []


def test_it_begins_neither_in_the_future_nor_without_a_time_zone() -> None:
    assert codes(since=START + timedelta(minutes=1)) == ["since"]
    assert codes(since=START.replace(tzinfo=None)) == ["since"]
    assert codes(since=None) == []


def test_all_advice_is_recorded_and_blocks_nothing() -> None:
    said = raising(since=START - timedelta(minutes=1), tried="", own_ladder=OwnLadder.NOT_USED, within_contract=False)
    event = raised_by(said, 1, START)
    assert [(one["code"], one["rule"]) for one in event["advice"]] == [
        ("young", "E7"), ("nothing_tried", "E7"), ("own_ladder", "E9"), ("outside_contract", "E11"),
    ]  # fmt: skip
    assert (event["own_ladder"], event["within_contract"]) == ("not_used", False)


def test_who_did_everything_is_advised_nothing() -> None:
    assert advised() == []
    assert advised(own_ladder=OwnLadder.NONE, since=None) == []
    assert advised(within_contract=None) == ["contract_unknown"], "unknown means say so"
    assert advised(since=START - timedelta(minutes=5)) == [], "what began five minutes ago is not young any more"


def test_a_procedure_without_emergencies_says_so() -> None:
    assert str(kind_with(PAGED, EmergencyRaised)) == "emergency_raised"
    with pytest.raises(NotAllowed, match=r"has no emergencies. Next: Raise the emergency on a support"):
        kind_with(TRIAL, EmergencyRaised)
