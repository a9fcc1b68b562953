"""How a case asks a person: one helper for every form.

It numbers the question in the store, shows the case, and suspends the run under ``question-<n>``. A resumed run starts
from the top: ``read_answers`` first writes down what people answered, then the steps act on it. A run that was woken
without an answer finds none, looks at the case again, and asks under the next number if it still needs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect import get_run_logger, suspend_flow_run
from prefect.input.actions import read_flow_run_input
from prefect.runtime import flow_run
from pydantic import ValidationError

from caseproof.domain.case import Case, Fact
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event, Kind
from caseproof.procedure.core.office import US
from caseproof.procedure.core.said import came_by
from caseproof.procedure.core.texts import in_words, plain, short
from tasks.common import look, office
from tasks.display.labels import about, stands
from tasks.display.logs import speak_in_words, told
from tasks.display.showing import show_the_case
from tasks.forms import FORMS, Form, TryAgain, for_team
from tasks.steps import Step

speak_in_words()


def read_answers(ref: str) -> None:
    """Write down every answer that people gave, also to a run that died before it read it; nothing is acted on yet."""
    case = look(ref)
    for number, question in case.asked.items():
        if number in case.answered:
            continue
        answer = answer_in_prefect(number, question["flow_run"])
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
        get_run_logger().info("Question %s was answered by %s.", number, event.actor)
    _trouble_answered(ref)


def answer_in_prefect(number: int, flow_run: str) -> dict[str, Any] | None:
    """What a person answered to a question of this flow run, be it dead or alive; None before somebody did."""
    answer: dict[str, Any] | None = read_flow_run_input(f"suspended-question-{number}-response", UUID(flow_run))
    return answer


def suspend_with(form: type[Form], number: int, question: str, heading: str) -> None:
    """Suspend this flow run with a form, until somebody resumes it: everybody is asked through here."""
    shown = for_team(form, office().policy.team, question).with_initial_data(description=heading)
    suspend_flow_run(wait_for_input=shown, key=f"question-{number}", timeout=None)


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
    version = look(ref).version

    def question(case: Case) -> list[Event]:
        if not needed(case):
            return []
        number = case.question_number + 1
        return [office().event(Kind.QUESTION_ASKED, number=number, form=form.slug, flow_run=flow_run.id)]

    case = office().store.change(ref, question)
    asked = case.asked.get(case.question_number)
    if asked is None or asked.seq <= version or asked["flow_run"] != flow_run.id:
        return
    show_the_case(ref)
    get_run_logger().info("%s %s. Answer question %s with Resume.", ref, stands(case), case.question_number)
    suspend_with(form, asked["number"], _question(case, explain), _heading(case))


LONGEST_WORDS = 1500
"""How many characters of a retailer's mail a form shows; the case page shows all of it."""
MOST_WORDS = 5
"""How many of the retailer's words and replies a form shows, the newest; the case page shows all of them."""


def _question(case: Case, explain: str) -> str:
    facts = case.facts
    parts = [
        f"**Your last answer was not taken.** {plain(case.refused['why'])}" if case.refused else "",
        f"{_heading(case)} · cause: {plain(in_words(facts['cause']))} · [the whole case]({_page(case)})",
        f"What fails: {plain(short(facts['summary']))}",
        f"Part of the incident **{plain(case.incident['incident'])}**, where it may be decided for all its cases."
        if case.incident
        else "",
        f"**The last run failed (J11).** {plain(short(case.last_failure['why']))}" if case.last_failure else "",
        *_what_they_said(case),
        explain,
    ]
    return "\n\n".join(part for part in parts if part)


def _page(case: Case) -> str:
    return office().case_url(case.ref)


def _heading(case: Case) -> str:
    return plain(about(case)).replace(case.ref, f"**{case.ref}**", 1)


def _what_they_said(case: Case) -> list[str]:
    """The retailer's words, and the replies that a person has to read, in the order in which they came."""
    said = sorted((*case.words, *case.open_replies), key=lambda fact: fact.seq)
    older = len(said) - MOST_WORDS
    more = [f"{older} older words of theirs stand on [the case's page]({_page(case)})."] if older > 0 else []
    return [*more, *(_quoted(fact) for fact in said[-MOST_WORDS:])]


def _quoted(fact: Fact) -> str:
    """The retailer's own words, as a quotation that cannot draw anything else into the form."""
    said = str(fact["words"])
    more = " …" if len(said) > LONGEST_WORDS else ""
    lines = "\n".join(f"> {plain(line)}" for line in (said[:LONGEST_WORDS] + more).splitlines())
    what = "replied" if fact.event.kind is Kind.REPLY_RECEIVED else "wrote"
    rule = f"confirms nothing by itself: {plain(fact['why'])}" if what == "replied" else "J8"
    return f"**{plain(fact['sender'])}** {what} {plain(came_by(fact))} ({rule}):\n\n{lines or '> (no words)'}"


def act_on(ref: str, answer: Fact, act: Callable[[Form], object]) -> None:
    """Act on an answer; a malformed or refused one is recorded with the reason and asked again (house rule 7)."""
    with told(ref):
        no = refusal(FORMS[answer["form"]], answer["answer"], act)
        if no is not None:
            _refuse(ref, answer, no)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an answer is not taken: for programs, and for people."""

    code: Code
    why: str


def refusal(form: type[Form], answer: Mapping[str, Any], act: Callable[[Form], object]) -> Refusal | None:
    """Act on an answer; why it cannot be taken, and None where it was."""
    try:
        act(form.model_validate(dict(answer)))
    except ValidationError as wrong:
        fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in wrong.errors())
        return Refusal(Code.FORM_NOT_FILLED_IN, f"The form is not filled in right: {fields}.")
    except CaseproofError as no:
        return Refusal(no.code, str(no))
    return None


def _refuse(ref: str, answer: Fact, no: Refusal) -> None:
    number = answer["number"]
    office().record(ref, Kind.ANSWER_REFUSED, US, number=number, code=str(no.code), why=no.why, question=number)


def carry(step: Step, ref: str) -> None:
    """Carry a step out. Where it cannot be, the case says so and waits for a person: nothing is lost."""
    name = step.name
    try:
        with told(ref):
            step(ref)
    except CaseproofError as problem:
        say_trouble(ref, name, problem)
        explain = f"**'{name}' needs help.** {plain(problem)}\n\nPut it right, then submit: the step is tried again."
        ask(ref, TryAgain, explain, needed=lambda case: case.trouble is not None)
        return
    trouble = look(ref).trouble
    if trouble is not None and trouble["step"] == name:
        office().record(ref, Kind.TROUBLE_OVER, US, step=name)


def say_trouble(ref: str, step: str, problem: CaseproofError) -> None:
    """Write down that a step needs help, once for the same problem."""
    get_run_logger().warning("'%s' needs help: %s", step, problem)
    event = office().event(
        Kind.TROUBLE, step=str(step), code=str(problem.code), problem=problem.problem, next_action=problem.next_action
    )
    office().store.change(ref, lambda now: [] if _is_known(now.trouble, event) else [event])


def _is_known(trouble: Fact | None, event: Event) -> bool:
    """Whether people were told of this trouble in these very words: new words are worth telling, whatever the code."""
    return trouble is not None and all(trouble[name] == event.data[name] for name in ("step", "problem"))
