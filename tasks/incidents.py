"""The steps of an incident: read the decision for all, have it reach everybody, ask.

Plain functions and not tasks, because asking suspends the run, which Prefect does not allow inside a task.
"""

from __future__ import annotations

from collections import Counter
from typing import cast

from prefect import get_run_logger
from prefect.runtime import flow_run as this_run

from blocks.base import PrefectDown
from caseproof.domain.decisions import Decision
from caseproof.domain.errors import BadInput
from caseproof.procedure.closing.deciding import read_date
from caseproof.procedure.core.texts import in_words, plain
from caseproof.procedure.keeper import incidents
from caseproof.store import CaseRow, IncidentRow
from tasks.asking import answer_in_prefect, refusal, suspend_with
from tasks.common import office
from tasks.display.incident_table import show_table
from tasks.display.labels import UNREACHABLE, about_incident, label_incident
from tasks.display.logs import hide, speak_in_words
from tasks.forms import IncidentDecision
from tasks.runs import incident_runs
from tasks.runs.case_runs import wake

speak_in_words()

WAKE_AT_ONCE = 3
"""So many cases are woken right after the decision. All have it written down; the keeper wakes the others, paced."""


def take_up(ref: str) -> bool:
    """Whether this flow run carries the incident, and not another live one."""
    return incident_runs.take_up(office(), ref)


def take_the_decision(ref: str) -> None:
    """J6: what somebody decided for all, also to a run that died before it read it; a refused answer is asked again."""
    question = incidents.question(office(), ref)
    answer = answer_in_prefect(question.number, question.flow_run) if question else None
    if question is None or answer is None:
        return
    no = refusal(IncidentDecision, answer, lambda form: _decide(ref, cast(IncidentDecision, form), question.number))
    if no is not None:
        get_run_logger().warning("%s: the answer was not taken. %s", ref, hide(no.why))
        incidents.refuse(office(), ref, question.number, no.why)


def _decide(ref: str, form: IncidentDecision, question: int) -> None:
    reached = incidents.decide_all(
        office(), ref, Decision(form.decision), form.answered_by, form.reason, read_date(form.paused_until),
        question=question,
    )  # fmt: skip
    get_run_logger().info("J6: %s decided for %s cases of %s: %s.", form.answered_by, len(reached), ref, form.decision)
    for case in reached[:WAKE_AT_ONCE]:
        try:
            wake(office(), case)
        except (PrefectDown, BadInput) as problem:
            get_run_logger().warning("%s is woken by the keeper. %s", case, problem)
            return


def reach_the_late(ref: str) -> None:
    """J6: the decision reaches the cases that wait for one only now."""
    for case in incidents.settle_stragglers(office()):
        get_run_logger().info("J6: %s was decided with its incident.", case)
    if incidents.end_if_over(office(), ref):
        get_run_logger().info("%s is over; each of its cases closes alone, with its proof.", ref)


def is_over(ref: str) -> bool:
    """Whether nothing is left to decide for all."""
    return _look(ref)[0].is_closed


def ask_for_all(ref: str) -> None:
    """J6: suspend until somebody decides for all. The cases go on meanwhile: each may be decided by itself."""
    number = incidents.ask(office(), ref, str(this_run.id))
    show_the_incident(ref)
    get_run_logger().info("%s waits for a decision. Answer question %s with Resume.", ref, number)
    row, cases = _look(ref)
    heading = plain(about_incident(row)).replace(row.ref, f"**{row.ref}**", 1)
    suspend_with(IncidentDecision, number, _question(row, cases, heading), heading)


def show_the_incident(ref: str) -> None:
    """Refresh the table of its cases, and what the run's name and tags say."""
    row, cases = _look(ref)
    label_incident(row, len(cases), _stands(row))
    try:
        show_table(office(), ref, str(this_run.id), f"**The cases** of {plain(about_incident(row))}.")
    except UNREACHABLE as problem:
        get_run_logger().warning("The table is not shown in Prefect: %s", type(problem).__name__)


def _look(ref: str) -> tuple[IncidentRow, list[CaseRow]]:
    with office().store.reading() as unit:
        return unit.incidents.get(ref), unit.cases.of_incident(ref)


def _stands(row: IncidentRow) -> str:
    if row.is_closed:
        return "over"
    refused = "answer refused, " if incidents.refused(office(), row.ref) else ""
    if row.decision == Decision.KEEP_PAUSED and not refused:
        return f"kept paused until {row.until}"
    if row.decision == Decision.AFTER_FIX and not refused:
        return "decided, and some cases follow"
    return f"{refused}{IncidentDecision.waits_for}"


def _question(row: IncidentRow, cases: list[CaseRow], heading: str) -> str:
    here = office()
    why = incidents.refused(here, row.ref)
    states = Counter(str(case.state) for case in cases)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common())
    cause = plain(in_words(row.cause))
    retailers = len({case.retailer for case in cases})
    parts = [
        f"**Your last answer was not taken.** {plain(why)}" if why else "",
        f"{heading} · {len(cases)} cases of {retailers} retailers: {told}. The table of this run links to each.",
        f"**Decided before:** {plain(row.decision)}, by {plain(row.decided_by)}: {plain(row.reason)}"
        if row.decision
        else "",
        f"**Decide for all cases that wait (J6)**, whose cause is {cause}. 'After our fix' runs every job again and "
        "reads it back (J10); each case is then pictured, reviewed and closed by itself (J7). 'Keep paused' leaves "
        "them open. A case that somebody decided by itself keeps that decision, and one that fails again asks by "
        "itself.",
    ]
    return "\n\n".join(part for part in parts if part)
