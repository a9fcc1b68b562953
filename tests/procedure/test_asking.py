"""One helper asks people, whoever asks: here something that is neither a case nor an incident, and keeps no store."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from prefect.logging import disable_run_logger

from caseproof.domain.errors import CaseproofError, NotAllowed
from caseproof.domain.forms import Form, Review, TryAgain, Verdict
from tasks import common
from tasks.forms.asking import Question, Words, act_or_refuse, ask, read_answers_to
from tasks.ports import bound
from tests.support.walker import Suspended, Walker

SEND_BACK = {"answered_by": "operator", "verdict": str(Verdict.SEND_BACK)}


@dataclass
class Stall:
    """It asks for a review until one approves."""

    ref: str = "ST-000001"
    asked: list[Question] = field(default_factory=list)
    done: set[int] = field(default_factory=set)
    refused: list[tuple[int, str]] = field(default_factory=list)
    approved_by: str = ""
    shown: int = 0

    def unanswered(self) -> list[Question]:
        return [one for one in self.asked if one.number not in self.done]

    def take(self, question: Question, answer: Mapping[str, Any]) -> None:
        self.done.add(question.number)
        act_or_refuse(self, question.number, Review, answer, self._review)

    def _review(self, review: Review) -> None:
        if review.verdict is not Verdict.APPROVE:
            raise NotAllowed("It cannot go back.", "Approve it.")
        self.approved_by = review.answered_by

    def refuse(self, number: int, no: CaseproofError) -> None:
        self.refused.append((number, f"{no.code}: {no}"))

    def number(self, form: type[Form], flow_run: str) -> int | None:
        if self.approved_by:
            return None
        self.asked.append(Question(len(self.asked) + 1, form.slug, flow_run))
        return len(self.asked)

    def show(self) -> None:
        self.shown += 1

    def words(self, form: type[Form]) -> Words:  # noqa: ARG002
        return Words("**ST-000001**", "Approve it?", "waits for the review")


@pytest.fixture
def walker(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walker]:
    """The flow run that carries the stall."""
    monkeypatch.setenv("CASEPROOF_HOME", str(tmp_path_factory.mktemp("home")))
    common.installed_services.cache_clear()
    walker = Walker("run-1")
    with bound(dataclasses.replace(common.INSTALLED, carrier=walker)), disable_run_logger():
        yield walker
        common.services().store.close()
    common.installed_services.cache_clear()


Pass = Callable[[], int | None]


@pytest.fixture
def stall() -> Stall:
    return Stall()


@pytest.fixture
def passes(stall: Stall, walker: Walker) -> Pass:
    """A pass of its flow from the top: the number of the question that it suspends with, None where it goes on."""
    assert walker.id

    def once() -> int | None:
        read_answers_to(stall)
        try:
            ask(stall, Review)
        except Suspended as waits:
            return waits.number
        return None

    return once


def test_a_refused_answer_is_written_down_and_asked_again_under_the_next_number(
    stall: Stall, walker: Walker, passes: Pass
) -> None:
    assert passes() == 1
    walker.given[1] = SEND_BACK
    assert passes() == 2
    assert stall.refused == [(1, "not_allowed: It cannot go back. Next: Approve it.")]
    walker.given[2] = SEND_BACK | {"verdict": str(Verdict.APPROVE)}
    assert passes() is None
    assert (stall.approved_by, stall.shown) == ("operator", 2)


def test_a_form_in_prefect_leads_to_what_the_rules_mean(walker: Walker, passes: Pass) -> None:
    """In front, where the newer interface formats it, and in the question, to be copied."""
    passes()
    address = f"{common.services().settings.public}/docs/rules"
    assert walker.form is not None
    assert f"What J1 to J11 mean: {address}" in json.dumps(walker.form.model_json_schema())
    assert f"[What J1 to J11 mean]({address})" in str(walker.form._description)


def test_a_malformed_answer_is_refused_with_its_fields_and_nothing_is_done(
    stall: Stall, walker: Walker, passes: Pass
) -> None:
    passes()
    walker.given[1] = {"answered_by": "operator", "verdict": "perhaps", "more": "than was asked"}
    assert passes() == 2
    [(number, why)] = stall.refused
    assert number == 1
    assert why.startswith("form_not_filled_in: The form is not filled in right: verdict: ")
    assert "more: " in why
    assert stall.approved_by == ""


def test_a_run_that_was_woken_without_an_answer_asks_under_the_next_number(stall: Stall, passes: Pass) -> None:
    assert [passes(), passes()] == [1, 2]
    assert stall.refused == []


def test_an_answer_to_another_runs_question_is_looked_for_at_that_run(stall: Stall, walker: Walker) -> None:
    stall.asked = [Question(1, Review.slug, "a dead run"), Question(2, Review.slug, walker.id)]
    walker.given = {1: SEND_BACK, 2: SEND_BACK}
    read_answers_to(stall)
    assert [number for number, _ in stall.refused] == [2], "this walker knows no other run's answers"


def test_nobody_is_asked_what_need_not_be_asked_any_more(stall: Stall, walker: Walker) -> None:
    stall.approved_by = "operator"
    ask(stall, TryAgain)
    assert (stall.asked, stall.shown, walker.given) == ([], 0, {})
