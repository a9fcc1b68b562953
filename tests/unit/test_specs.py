"""The entry of each kind of event hangs together: its payload, its slot, its sentence; and a procedure is whole."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import fields
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

import pytest

from caseproof.domain import payloads
from caseproof.domain.case import Case
from caseproof.domain.events import UnknownKind, kind_of
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.procedure import Procedure, by_prefix, procedure_of, register
from caseproof.domain.specs import EventKind, Move, Role, Spec

SLOTS = {one.name for one in fields(Case)}
MADE_FOR_PEOPLE = {
    "_jobs", "_to", "_way", "_opened", "_form", "_cause", "_on", "_said", "_outcome", "_page", "_because",
}  # fmt: skip
"""What the case page adds to the names of an event."""


def test_every_kind_has_a_payload_of_its_own_so_that_the_type_says_the_kind() -> None:
    assert [says for says, times in Counter(kind.spec.says for kind in Kind).items() if times > 1] == []


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_keeps_voids_and_counts_in_slots_that_a_case_has(kind: Kind) -> None:
    spec = kind.spec
    assert {spec.kept, spec.gathered, *spec.voids, *spec.counts} - {""} <= SLOTS


@pytest.mark.parametrize("kind", Kind)
def test_a_sentence_and_what_is_corrected_use_names_that_the_payload_has(kind: Kind) -> None:
    names = set(kind.spec.says.__annotations__)
    assert {name for _, name, _, _ in string.Formatter().parse(kind.spec.sentence) if name} <= names | MADE_FOR_PEOPLE
    assert set(kind.spec.corrects) <= names


def test_what_came_later_to_a_payload_is_not_required_of_older_events() -> None:
    assert payloads.Stopped.__required_keys__ == {"scope", "jobs", "evidence"}
    assert "remark" not in payloads.ReviewApproved.__required_keys__


def test_a_kind_that_nobody_knows_is_refused_in_words() -> None:
    with pytest.raises(UnknownKind, match=r"does not know the event 'emigrated'. Next: Install"):
        kind_of("emigrated", Kind)
    with pytest.raises(UnknownKind):
        kind_of(None, Kind)


# -- a procedure that is not whole --------------------------------------------------------------------------------


class Postponed(TypedDict):
    """This module postpones annotations, so that Python takes ``remark`` for required."""

    remark: NotRequired[str]


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


FACT: dict[str, Any] = {"says": payloads.Parked, "sentence": "x", "noted_in": frozenset(State)}
ROLES = {"opened": Role.OPENS, "reopened": Role.REOPENS, "proof_made": Role.PROVES, "closed": Role.CLOSES}
WHOLE = {value.upper(): (value, Spec(**FACT, role=role)) for value, role in ROLES.items()}


def made(kinds: dict[str, tuple[str, Spec]], **more: Any) -> Procedure:
    """A procedure with these kinds."""
    found = EventKind("Kinds", kinds)  # type: ignore[call-arg, arg-type]
    said: dict[str, Any] = {"prefix": "XY", "name": "trial", "sentences": {State.OPEN: "Open.", State.CLOSED: "Shut."}}
    said |= {"conditions": (), "rule": lambda _: None, "claims": lambda _: {}, "questions": {}}
    return Procedure(kinds=found, **(said | more))  # type: ignore[arg-type]


def test_a_whole_procedure_is_made() -> None:
    assert made(WHOLE).state("open") is State.OPEN
    with pytest.raises(ValueError, match="'gone' is"):
        made(WHOLE).state("gone")


@pytest.mark.parametrize("prefix", ["", "X", "XYZ", "xy", "X1"])
def test_a_procedure_needs_two_capitals(prefix: str) -> None:
    with pytest.raises(ValueError, match="two capitals"):
        made(WHOLE, prefix=prefix)


@pytest.mark.parametrize("value", ROLES)
def test_a_procedure_needs_the_events_on_which_the_guards_hang(value: str) -> None:
    with pytest.raises(ValueError, match=f"'{value}'"):
        made({name: kind for name, kind in WHOLE.items() if kind[0] != value})
    called_otherwise = {name: ("x" if kind[0] == value else kind[0], kind[1]) for name, kind in WHOLE.items()}
    with pytest.raises(ValueError, match=f"'{value}'"):
        made(called_otherwise)


@pytest.mark.parametrize(
    "more",
    [
        {"noted_in": frozenset()},
        {"moves": (Move(State.OPEN, State.CLOSED, "T1"),)},
        {
            "noted_in": frozenset(),
            "moves": (Move(State.OPEN, State.CLOSED, "T1"), Move(State.CLOSED, State.OPEN, "T1")),
        },
    ],
    ids=["neither", "both", "two ways"],
)
def test_an_event_is_a_fact_or_leads_to_one_state(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"'odd' of trial leads to one state, or is a fact"):
        made(WHOLE | {"ODD": ("odd", Spec(**(FACT | more)))})


def test_a_payload_whose_optional_names_would_be_required_is_refused() -> None:
    with pytest.raises(ValueError, match="Postponed: its module must not postpone"):
        made(WHOLE | {"ODD": ("odd", Spec(**(FACT | {"says": Postponed})))})


def test_a_procedure_needs_the_state_that_the_guards_know() -> None:
    with pytest.raises(ValueError, match="a state 'closed'"):
        made(WHOLE, sentences={State.OPEN: "Open."})


def test_a_prefix_is_one_procedures_own() -> None:
    register(JOB_FAILURE)  # once more is harmless
    with pytest.raises(ValueError, match="job failure has the prefix JF already"):
        register(made(WHOLE, prefix="JF"))
    assert procedure_of("JF-000001") is by_prefix("JF") is JOB_FAILURE
