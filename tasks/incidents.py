"""The steps of an incident: read the decision for all, have it reach everybody, ask.

Plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger

from blocks.base import PrefectDown
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.forms import Form, IncidentDecision
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.closing.deciding import read_date
from caseproof.procedure.core.texts import plain
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.questions import incident_heading, incident_question
from caseproof.procedure.views.titles import about_incident, incident_stands
from caseproof.store import CaseRow, IncidentRow
from tasks.common import ports, services
from tasks.display.best_effort import as_far_as_prefect_takes_it
from tasks.display.incident_table import show_table
from tasks.display.labels import label_incident
from tasks.display.logs import hide, speak_in_words
from tasks.forms.asking import Question, Words, act_or_refuse, ask, read_answers_to
from tasks.runs import carrying
from tasks.runs.case_runs import wake
from tasks.runs.incident_runs import IncidentOwner

speak_in_words()

WAKE_AT_ONCE = 3
"""So many cases are woken right after the decision. All have it written down; the keeper wakes the others, paced."""


def take_up(ref: str) -> bool:
    """Whether this flow run carries the incident, and not another live one."""
    return carrying.take_up(IncidentOwner(services(), ref))


@dataclass(frozen=True)
class IncidentAsker:
    """An incident as a ``tasks.forms.asking.Asker``: it has one question at a time, and acts on its answer at once."""

    ref: str

    def unanswered(self) -> list[Question]:
        """The question that waits, whichever of its runs asked it."""
        waits = incidents.question(services().store, self.ref)
        return [Question(waits.number, IncidentDecision.slug, waits.flow_run)] if waits else []

    def take(self, question: Question, answer: Mapping[str, Any]) -> None:
        """Decide for all; who wrote it down passes the question on, so that nobody acts on it twice."""
        number = question.number
        act_or_refuse(self, number, IncidentDecision, answer, lambda form: _decide(self.ref, form, number))

    def refuse(self, number: int, no: CaseproofError) -> None:
        """Beside the question."""
        get_run_logger().warning("%s: the answer was not taken. %s", self.ref, hide(str(no)))
        incidents.refuse(services().store, self.ref, number, str(no))

    def number(self, form: type[Form], flow_run: str) -> int | None:  # noqa: ARG002 - it has one form
        """It asks until it is over."""
        return incidents.ask(services().ledger, self.ref, flow_run)

    def show(self) -> None:
        """The table of its cases, and the run's name and tags."""
        show_the_incident(self.ref)

    def words(self, form: type[Form]) -> Words:  # noqa: ARG002 - it has one form
        """The incident, its cases, and what to decide."""
        row, cases = _look(self.ref)
        question = incident_question(row, cases, incidents.refused(services().store, self.ref))
        return Words(incident_heading(row), question, "waits for a decision")


def take_the_decision(ref: str) -> None:
    """J6: what somebody decided for all, also to a run that died before it read it; a refused answer is asked again."""
    read_answers_to(IncidentAsker(ref))


def _decide(ref: str, form: IncidentDecision, question: int) -> None:
    here, until = services(), read_date(form.paused_until)
    reached = incidents.decide_all(
        here.ledger, here.policy, ref, Decision(form.decision), form.answered_by, form.reason, until, question=question
    )
    get_run_logger().info("J6: %s decided for %s cases of %s: %s.", form.answered_by, len(reached), ref, form.decision)
    for case in reached[:WAKE_AT_ONCE]:
        try:
            wake(services(), case)
        except (PrefectDown, BadInput) as problem:
            get_run_logger().warning("%s is woken by the keeper. %s", case, problem)
            return


def reach_the_late(ref: str) -> None:
    """J6: the decision reaches the cases that wait for one only now."""
    for case in incidents.settle_stragglers(services().ledger, services().policy):
        get_run_logger().info("J6: %s was decided with its incident.", case)
    if incidents.end_if_over(services().ledger, ref):
        get_run_logger().info("%s is over; each of its cases closes alone, with its proof.", ref)


def is_over(ref: str) -> bool:
    """Whether nothing is left to decide for all."""
    return _look(ref)[0].is_closed


def ask_for_all(ref: str) -> None:
    """J6: suspend until somebody decides for all. The cases go on meanwhile: each may be decided by itself."""
    ask(IncidentAsker(ref), IncidentDecision)


def show_the_incident(ref: str) -> None:
    """Refresh the table of its cases, and what the run's name and tags say."""
    row, cases = _look(ref)
    label_incident(row, len(cases), incident_stands(row, bool(incidents.refused(services().store, ref))))
    with as_far_as_prefect_takes_it("table"):
        show_table(services(), ref, ports().carrier.id, f"**The cases** of {plain(about_incident(row))}.")


def _look(ref: str) -> tuple[IncidentRow, list[CaseRow]]:
    with services().store.reading() as uow:
        return uow.incidents.get(ref), uow.cases.of_incident(ref)
