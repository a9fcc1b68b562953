"""Events: what each must say, that they come back from JSON as they were, and that the chain shows any change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caseproof.domain.errors import BadInput
from caseproof.domain.events import GENESIS, Event, chain, head
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from tests.support.histories import LOOPS, START, Plan, tell

EVENTS = tell(Plan(Decision.AFTER_CHANGE, loops=tuple((n, Decision.REMOVE) for n in LOOPS), chatter=True))
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(BadInput, match=r"reopened has a time without a time zone.*aware"):
        Event(Kind.REOPENED, NOON.replace(tzinfo=None), "operator", {"why": "w"})


def test_a_time_is_kept_in_utc() -> None:
    far = NOON.astimezone(timezone(timedelta(hours=-9)))
    event = Event(Kind.REOPENED, far, "operator", {"why": "w"})
    assert event.at == NOON
    assert event.at.tzinfo is UTC


@pytest.mark.parametrize("actor", ["", "  "])
def test_an_event_names_who_did_it(actor: str) -> None:
    with pytest.raises(BadInput, match=r"names nobody who did it.*role name"):
        Event(Kind.REOPENED, NOON, actor, {"why": "w"})


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind.spec.required])
def test_an_event_that_lacks_a_field_is_refused_by_the_fields_name(kind: Kind) -> None:
    for name in kind.spec.required:
        with pytest.raises(BadInput, match=f"The event {kind} lacks {name}."):
            Event(kind, NOON, "caseproof", dict.fromkeys(kind.spec.required - {name}, "x"))


@pytest.mark.parametrize("odd", [NOON, date(2026, 11, 21), {1, 2}, b"bytes", float("nan")], ids=repr)
def test_what_json_cannot_hold_is_refused_when_the_event_is_made(odd: object) -> None:
    with pytest.raises(BadInput):
        Event(Kind.REOPENED, NOON, "operator", {"why": "w", "more": odd})


def test_letters_that_no_encoding_knows_are_refused_or_kept_but_never_break_the_chain() -> None:
    try:
        event = Event(Kind.REOPENED, NOON, "operator", {"why": "a mail's broken byte: \udce4"})
    except BadInput:
        return
    assert len(chain(GENESIS, event)) == 64
    assert Event.from_json(event.as_json(), Kind) == event


def test_nobody_changes_an_event_by_changing_what_it_was_made_of() -> None:
    data: dict[str, Any] = {"why": "w", "list": [1]}
    event = Event(Kind.REOPENED, NOON, "operator", data)
    before = chain(GENESIS, event)
    data["why"] = "another"
    data["list"].append(2)
    assert chain(GENESIS, event) == before


def test_events_come_back_from_json_as_they_were() -> None:
    assert [Event.from_json(event.as_json(), Kind) for event in EVENTS] == EVENTS


@pytest.mark.parametrize(
    "raw",
    [
        {},
        [],
        "text",
        None,
        {"kind": "invented", "at": NOON.isoformat(), "actor": "a", "data": {}},
        {"kind": "reopened", "at": "yesterday", "actor": "a", "data": {"why": "w"}},
        {"kind": "reopened", "at": "2026-11-21T12:00:00", "actor": "a", "data": {"why": "w"}},
        {"kind": "reopened", "at": 5, "actor": "a", "data": {"why": "w"}},
        {"kind": "reopened", "at": NOON.isoformat(), "actor": None, "data": {"why": "w"}},
        {"kind": "reopened", "at": NOON.isoformat(), "actor": "a", "data": None},
        {"kind": "reopened", "at": NOON.isoformat(), "actor": "a", "data": ["why"]},
        {"kind": "reopened", "at": NOON.isoformat(), "actor": "a", "data": {}},
        {"kind": "reopened", "at": "0001-01-01T00:00:00+05:00", "actor": "a", "data": {"why": "w"}},
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused_with_a_sentence(raw: Any) -> None:
    with pytest.raises(BadInput) as refusal:
        Event.from_json(raw, Kind)
    assert refusal.value.problem.endswith(".")
    assert refusal.value.next_action


def test_no_events_have_the_head_that_everything_starts_from() -> None:
    assert head([]) == GENESIS == "0" * 64


CHANGES: list[Callable[[Event], Event]] = [
    lambda e: replace(e, at=e.at + timedelta(microseconds=1)),
    lambda e: replace(e, actor=e.actor + "."),
    lambda e: replace(e, data={**e.data, "more": None}),
    lambda e: replace(e, data={"x": "", **e.data} | {k: f"{v}." for k, v in e.data.items() if isinstance(v, str)}),
]


@given(st.integers(0, len(EVENTS) - 1), st.sampled_from(CHANGES))
def test_any_change_of_any_event_changes_the_head(at: int, change: Callable[[Event], Event]) -> None:
    assert head([*EVENTS[:at], change(EVENTS[at]), *EVENTS[at + 1 :]]) != head(EVENTS)


@given(st.integers(0, len(EVENTS) - 2))
def test_leaving_out_doubling_or_swapping_events_changes_the_head(at: int) -> None:
    one, other = EVENTS[at], EVENTS[at + 1]
    rest = EVENTS[at + 2 :]
    heads = {head([*EVENTS[:at], *middle, *rest]) for middle in ([one], [other], [one, one, other], [other, one])}
    assert head(EVENTS) not in heads
    assert len(heads) == 4


def test_another_kind_with_the_same_words_is_another_event() -> None:
    one = Event(Kind.REOPENED, START, "operator", {"why": "w"})
    assert chain(GENESIS, one) != chain(GENESIS, replace(one, kind=Kind.REVIEW_REJECTED))


def test_the_order_of_the_fields_means_nothing() -> None:
    one = Event(Kind.RUN_FAILED, NOON, "caseproof", {"run": "r", "why": "w"})
    other = Event(Kind.RUN_FAILED, NOON, "caseproof", {"why": "w", "run": "r"})
    assert chain(GENESIS, one) == chain(GENESIS, other)
