"""How a case asks a person: one helper for every form.

It numbers the question in the store, shows the case, and suspends the run under ``question-<n>``. A resumed run starts
from the top: ``read_answers`` first writes down what people answered, then the steps act on it. A run that was woken
without an answer finds none, looks at the case again, and asks under the next number if it still needs to.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from prefect import get_run_logger, suspend_flow_run
from prefect.input.actions import read_flow_run_input
from prefect.runtime import flow_run
from pydantic import ValidationError

from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event, Kind
from caseproof.procedure.card import plain
from caseproof.procedure.office import US
from tasks.common import Step, look, office
from tasks.forms import FORMS, Form, TryAgain, for_team
from tasks.showing import show_the_case


def read_answers(ref: str) -> None:
    """Write down every answer that people gave, also to a run that died before it read it; nothing is acted on yet."""
    case = look(ref)
    for number, question in case.asked.items():
        if number in case.answered:
            continue
        answer = read_flow_run_input(f"suspended-question-{number}-response", UUID(question["flow_run"]))
        if answer is None:
            continue
        event = office().event(
            Kind.QUESTION_ANSWERED,
            str(answer.get("answered_by") or "somebody in the Prefect UI"),
            number=number,
            form=question["form"],
            answer=answer,
        )
        office().store.change(ref, _unless_answered(number, event))
    _trouble_answered(ref)


def _unless_answered(number: int, event: Event) -> Callable[[Case], list[Event]]:
    return lambda now: [] if number in now.answered else [event]


def _trouble_answered(ref: str) -> None:
    """'Try again' needs no more than that it was said."""
    for fact in look(ref).unhandled:
        if fact["form"] == TryAgain.slug:
            office().record(
                ref, Kind.TROUBLE_OVER, fact.actor, step=_troubled(ref), question=fact["number"],
                remark=str(fact["answer"].get("remark", "")),
            )  # fmt: skip


def _troubled(ref: str) -> str:
    trouble = look(ref).trouble
    return str(trouble["step"]) if trouble else "the step"


def answer_to(case: Case, form: type[Form]) -> Fact | None:
    """The newest answer to this form that was not acted on and is not older than what happened since."""
    news = (case.notice, case.last_failure, case.refused)
    since = max((fact.seq for fact in news if fact is not None), default=0)
    fresh = [fact for fact in case.unhandled if fact["form"] == form.slug and fact.seq > since]
    return fresh[-1] if fresh else None


def ask(ref: str, form: type[Form], explain: str, *, needed: Callable[[Case], bool]) -> None:
    """Ask a person, and suspend the run until somebody resumes it. Returns at once where it is no longer needed."""
    version = show_the_case(ref)

    def question(case: Case) -> list[Event]:
        if not needed(case):
            return []
        number = case.question_number + 1
        return [office().event(Kind.QUESTION_ASKED, number=number, form=form.slug, flow_run=flow_run.id)]

    case = office().store.change(ref, question)
    asked = case.asked.get(case.question_number)
    if asked is None or asked.seq <= version or asked["flow_run"] != flow_run.id:
        return
    get_run_logger().info("%s asks: %s", ref, explain)
    question_form = for_team(form, office().policy.team, _question(case, explain))
    shown = question_form.with_initial_data(description=_heading(case))
    suspend_flow_run(wait_for_input=shown, key=f"question-{asked['number']}", timeout=None)


LONGEST_WORDS = 1500
"""How many characters of a retailer's mail a form shows; the case page shows all of it."""


def _question(case: Case, explain: str) -> str:
    facts = case.facts
    parts = [
        f"**Your last answer was not taken.** {plain(case.refused['why'])}" if case.refused else "",
        explain,
        _heading(case) + f" · {plain(facts.get('retailer') or 'no retailer')} · {plain(facts['cause'])}",
        f"What fails: {plain(facts['summary'])}",
        f"The last attempt: {plain(case.last_failure['why'])}" if case.last_failure else "",
        *(_quoted(word) for word in case.words),
        f"[The whole case]({office().case_url(case.ref)})",
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(case: Case) -> str:
    return f"**{case.ref}** · {plain(case.facts['job_name'])}"


def _quoted(word: Fact) -> str:
    """The retailer's own words, as a quotation that cannot draw anything else into the form."""
    said = str(word["words"])
    more = " …" if len(said) > LONGEST_WORDS else ""
    lines = "\n".join(f"> {plain(line)}" for line in (said[:LONGEST_WORDS] + more).splitlines())
    return f"**{plain(word['sender'])}** wrote:\n\n{lines}"


def act_on(ref: str, answer: Fact, act: Callable[[Form], object]) -> None:
    """Act on an answer; a malformed or refused one is recorded with the reason and asked again (house rule 7)."""
    try:
        form = FORMS[answer["form"]].model_validate(dict(answer["answer"]))
        act(form)
    except ValidationError as wrong:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong.errors())
        _refuse(ref, answer, f"The form is not filled in right: {fields}.")
    except CaseproofError as no:
        _refuse(ref, answer, str(no))


def _refuse(ref: str, answer: Fact, why: str) -> None:
    number = answer["number"]
    get_run_logger().warning("%s: the answer to question %s was not taken: %s", ref, number, why)
    office().record(ref, Kind.ANSWER_REFUSED, US, number=number, why=why, question=number)


def carry(step: Step, ref: str) -> None:
    """Carry a step out. Where it cannot be, the case says so and waits for a person: nothing is lost."""
    name = str(getattr(step, "name", step))
    try:
        step(ref)
    except CaseproofError as problem:
        say_trouble(ref, name, problem)
        explain = f"'{name}' needs help. {problem}"
        ask(ref, TryAgain, explain, needed=lambda case: case.trouble is not None)
        return
    trouble = look(ref).trouble
    if trouble is not None and trouble["step"] == name:
        office().record(ref, Kind.TROUBLE_OVER, US, step=name)


def say_trouble(ref: str, step: str, problem: CaseproofError) -> None:
    """Write down that a step needs help, once for the same problem."""
    get_run_logger().warning("%s: %s needs help: %s", ref, step, problem)
    event = office().event(Kind.TROUBLE, step=step, problem=problem.problem, next_action=problem.next_action)
    office().store.change(ref, lambda now: [] if _said(now.trouble, event) else [event])


def _said(trouble: Fact | None, event: Event) -> bool:
    return trouble is not None and (trouble["step"], trouble["problem"]) == (event.data["step"], event.data["problem"])
