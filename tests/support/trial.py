"""A second procedure, as small as one can be: it is greeted, checked and closed. Importing this makes it known."""

# No "from __future__ import annotations": see caseproof/domain/payloads.py.
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from caseproof.domain import payloads as says
from caseproof.domain.case import Case
from caseproof.domain.closure import Condition, Met
from caseproof.domain.procedure import Procedure, register
from caseproof.domain.specs import EventKind, Move, Role, Spec


class State(StrEnum):
    BEGUN = "begun"
    CHECKED = "checked"
    CLOSED = "closed"


class Greeted(TypedDict):
    who: str


class Checked(TypedDict):
    evidence: str
    remark: NotRequired[str]


ALL = frozenset(State)
VOID = ("look", "proof", "closed", "greeting")


class Kind(EventKind):
    OPENED = "opened", Spec(
        says=says.Opened, role=Role.OPENS, moves=(Move(None, State.BEGUN, "T1"),), voids=VOID,
        counts=("opening", "round"), sentence="Begun: {summary}",
    )  # fmt: skip
    REOPENED = "reopened", Spec(
        says=says.Reopened, role=Role.REOPENS, moves=(Move(State.CLOSED, State.BEGUN, "T1"),), voids=VOID,
        counts=("opening", "round"), sentence="Begun again: {why}",
    )  # fmt: skip
    GREETED = "greeted", Spec(says=Greeted, noted_in=ALL, kept="greeting", sentence="{who} was greeted", rule="T2")
    ASKED = (
        "question_asked",
        Spec(says=says.QuestionAsked, role=Role.ASKS, noted_in=ALL, sentence="Question {number} asked: {_form}"),
    )
    ANSWERED = (
        "question_answered",
        Spec(
            says=says.QuestionAnswered, role=Role.ANSWERS, noted_in=ALL, sentence="Question {number} answered: {_form}"
        ),
    )
    CHECKED = (
        "checked",
        Spec(says=Checked, moves=(Move(State.BEGUN, State.CHECKED, "T3"),), kept="look", sentence="Checked", rule="T3"),
    )
    PROOF_MADE = (
        "proof_made",
        Spec(
            says=says.ProofMade, role=Role.PROVES, noted_in=frozenset({State.CHECKED}), kept="proof", sentence="Proven"
        ),
    )
    CLOSED = (
        "closed",
        Spec(says=says.Closed, role=Role.CLOSES, moves=(Move(State.CHECKED, State.CLOSED, "T3"),), sentence="Closed"),
    )


def _checked(case: Case) -> Met | None:
    return Met((case.look["evidence"],), (case.look.seq,)) if case.look else None


def _claims(case: Case) -> Mapping[str, Any]:
    greeting = case.own.get("greeting")
    return {"greeted": greeting["who"] if greeting else None}


TRIAL = Procedure(
    prefix="TP",
    name="trial",
    sentences={
        State.BEGUN: "It was begun.",
        State.CHECKED: "It was checked.",
        State.CLOSED: "It is closed, with its proof.",
    },
    kinds=Kind,
    conditions=(
        Condition("checked", "T3", "Somebody checked it.", "Check {ref}.", lambda _: True, _checked),
    ),
    rule=lambda case: "T3" if case.look else None,
    claims=_claims,
    questions={"hello": "the greeting"},
)  # fmt: skip
register(TRIAL)
