"""A recording is linked with its topic, its consent, who may hear it and until when; without one of these it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from caseproof.domain.recordings.linking import Link, LinkRefused, digest_of, lacking_in, linked_by
from caseproof.domain.recordings.listing import EVERYBODY, Ends, is_asked_for, may_hear, recordings
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from tests.support.emergencies import emergency_data
from tests.support.support_cases import START, SupportCase, digest, in_state

TODAY = date(2026, 11, 27)
PEOPLE = ("product technician", "second-line technician")
WHOLE = Link(
    topic="how a full session table empties the cart",
    made_by="the meeting system",
    consent="product technician: said so at the beginning\nsecond-line technician: wrote it in the chat",
    listeners=["l2", "Product  Technician"],
    kept_until="2027-11-27",
    address="https://meetings.example.com/recordings/1?key=abc",
)


def test_a_whole_link_is_taken_and_no_event_holds_its_address() -> None:
    told = in_state(State.WITH_PT)
    said = linked_by(WHOLE, told.case, TODAY, PEOPLE)
    assert "meetings.example.com" not in str(said)
    assert said["link"] == digest_of(WHOLE)
    assert said["recording"] == 1
    assert said["listeners"] == ["L2", "product technician"], "as the policy spells them"
    assert [one["who"] for one in said["consent"]] == list(PEOPLE)
    told.note(Kind.RECORDING_LINKED, "product technician", **said)
    assert linked_by(WHOLE, told.case, TODAY, PEOPLE)["recording"] == 2


LACKS = [
    ("topic", {"topic": ""}), ("topic", {"topic": "..."}), ("topic", {"topic": "x " * 300}),
    ("consent", {"consent": ""}), ("consent", {"consent": "everybody"}), ("consent", {"consent": "first:  "}),
    ("consent", {"consent": ": yes"}), ("consent", {"consent": "first: yes\nsecond"}), ("consent", {"consent": " \n "}),
    ("listeners", {"listeners": []}), ("listeners", {"listeners": [" "]}), ("listeners", {"listeners": ["L2", "L9"]}),
    ("listeners", {"listeners": ["a stranger"]}),
    ("kept_until", {"kept_until": ""}), ("kept_until", {"kept_until": "for ever"}),
    ("kept_until", {"kept_until": "2026-11-26"}), ("kept_until", {"kept_until": "2026-02-30"}),
    ("kept_until", {"kept_until": "2099-01-01"}), ("kept_until", {"kept_until": "20271127"}),
    ("where", {"address": ""}), ("where", {"file": digest("talk")}), ("address", {"address": "C:\\talk.mp4"}),
    ("address", {"address": "https://example.com/a\0b"}),
    ("address", {"address": "javascript:alert(1)"}), ("address", {"address": "https://"}),
    ("file", {"address": "", "file": "talk.mp4"}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "other"), LACKS)
def test_without_any_of_what_it_needs_it_is_refused_with_the_rule_and_the_next_action(code: str, other: Any) -> None:
    link = replace(WHOLE, **other)
    assert [one.code for one in lacking_in(link, TODAY, PEOPLE)] == [code]
    with pytest.raises(LinkRefused, match="E12: ") as refused:
        linked_by(link, in_state(State.WITH_PT).case, TODAY, PEOPLE)
    assert refused.value.next_action


def test_all_that_it_lacks_is_said_at_once() -> None:
    link = Link("", "", "", [], "")
    assert [one.code for one in lacking_in(link, TODAY, PEOPLE)] == [
        "where", "topic", "consent", "listeners", "kept_until",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("listeners", "name", "tiers", "may"),
    [
        ([EVERYBODY], "anybody of the team", (), True),
        (["L2"], "second-line technician", ("L2",), True),
        (["L2"], "front line", ("L1",), False),
        (["Product Technician"], "product  technician", ("PT",), True),
        (["PT"], "product technician", (), False),
        ([EVERYBODY], "", (), False),
        ([], "front line", ("L1",), False),
    ],
)
def test_who_may_hear_it(listeners: list[str], name: str, tiers: tuple[str, ...], may: bool) -> None:
    assert may_hear(listeners, name, tiers) is may


def test_what_is_linked_no_more_says_why() -> None:
    told = in_state(State.WITH_PT)
    for _ in range(2):
        told.note(Kind.RECORDING_LINKED, "PT", **linked_by(WHOLE, told.case, TODAY, PEOPLE))
    told.note(Kind.RECORDING_UNLINKED, recording=1, because=str(Ends.TIME_IS_OVER), why="its time is over")
    assert [(one.number, one.ends, one.is_linked) for one in recordings(told.case)] == [
        (1, Ends.TIME_IS_OVER, False), (2, None, True),
    ]  # fmt: skip


def emergency(told: SupportCase, number: int = 1, *, over: bool) -> SupportCase:
    data = emergency_data(Kind, START, digest("probe"))
    for kind in (Kind.EMERGENCY_RAISED, *([Kind.EMERGENCY_OVER] if over else [])):
        told.note(kind, "front line", **{**data[kind], "emergency": number})
    return told


def test_an_emergency_that_is_over_asks_for_its_recording_or_why_there_is_none() -> None:
    assert is_asked_for(in_state(State.WITH_PT).case) == 0, "no emergency"
    told = emergency(in_state(State.WITH_PT), over=False)
    assert is_asked_for(told.case) == 0, "it goes on"
    told.note(Kind.EMERGENCY_OVER, "PT", emergency=1, why="the server was restarted")
    assert is_asked_for(told.case) == 1
    told.note(Kind.NO_RECORDING, "PT", emergency=1, because="nobody pressed record")
    assert is_asked_for(told.case) == 0, "that is an answer"
    emergency(told, 2, over=True)
    assert is_asked_for(told.case) == 2, "the next emergency asks anew"
    told.note(Kind.RECORDING_LINKED, "PT", **linked_by(WHOLE, told.case, TODAY, PEOPLE))
    assert is_asked_for(told.case) == 0
