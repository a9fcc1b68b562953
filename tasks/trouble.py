"""A step that cannot be carried out: the case says so, and waits for a person who puts it right."""

from __future__ import annotations

from prefect import get_run_logger

from caseproof.domain.case import Case, Fact
from caseproof.domain.codes import StepName
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.forms import TryAgain
from caseproof.domain.owing import BY_STEP
from caseproof.domain.payloads import Trouble, TroubleOver
from caseproof.domain.procedure import procedure_of
from caseproof.domain.specs import EventKind
from caseproof.procedure.closing.ticket import offer_another
from caseproof.procedure.core.parts import US
from caseproof.procedure.keeper.owing import what_is_wrong
from caseproof.procedure.keeper.ways import WAYS, thing_of
from caseproof.procedure.views.questions import what_to_put_right
from tasks.common import load_case, ports, services
from tasks.display.logs import tell_news
from tasks.forms.asking import ask, read_answers_to
from tasks.forms.cases import CaseAsker
from tasks.ports import Step


def read_answers(ref: str) -> None:
    """Write down every answer that people gave to the case; 'try again' needs no more than that it was said."""
    read_answers_to(CaseAsker(ref))
    CaseAsker(ref).say_what_came_too_late()
    for fact in load_case(ref).unhandled:
        if fact["form"] == TryAgain.slug:
            services().ledger.record(
                ref, _over(ref), fact.actor, step=_troubled(ref), question=fact["number"],
                remark=str(fact["answer"].get("remark", "")),
            )  # fmt: skip


def _over(ref: str) -> EventKind:
    """The kind of event by which the trouble of this case is over."""
    return procedure_of(ref).kind(TroubleOver)


def _troubled(ref: str) -> str:
    trouble = load_case(ref).trouble
    return str(trouble["step"]) if trouble else "the step"


def carry(step: Step, ref: str) -> None:
    """Carry a step out. Where it cannot be, the case says so and waits for a person: nothing is lost."""
    name = step.name
    try:
        now = _carried(step, load_case(ref))
    except CaseproofError as problem:
        if load_case(ref).is_closed:  # nobody is asked: the keeper does it, and says so
            _owe(ref, name, problem)
            return
        offer_another(problem, services().links, ref)
        say_trouble(ref, name, problem)
        ask_to_try_again(ref, what_to_put_right(name, problem))
        return
    if now.trouble is not None and now.trouble["step"] == name:
        services().ledger.record(ref, _over(ref), US, step=name)


def _carried(step: Step, case: Case) -> Case:
    """The case after the step, and what is new of it in the log. Most steps are done already: these cost no look."""
    was_due = True
    try:
        was_due = ports().carrier.carry(step, case)
    finally:
        case = tell_news(case) if was_due else case
    return case


def _owe(ref: str, step: str, problem: CaseproofError) -> None:
    """Note beside what is owed already why it could not be done now."""
    what = BY_STEP.get(StepName(step))
    thing = WAYS[what].thing if what else f"'{step}'"
    get_run_logger().warning("%s is done later, by the keeper: %s", thing[:1].upper() + thing[1:], problem)
    if what is None:
        return
    code, said = what_is_wrong(problem)
    with services().store.uow() as uow:
        uow.owed.failed_all(ref, what, code, said, services().clock())
        uow.commit()


def how_it_ended(ref: str) -> str:
    """What a closed case's run says at its end: also what the case owes yet."""
    with services().store.reading() as uow:
        owed = list(dict.fromkeys(thing_of(row) for row in uow.owed.of(ref)))
    yet = f" Owed yet, and done by the keeper: {'; '.join(owed)}." if owed else ""
    return f"{ref} is closed, with its proof.{yet}"


def ask_to_try_again(ref: str, explain: str) -> None:
    """Wait for a person, as long as the trouble is not over; ``explain`` (markdown) says what is wrong."""
    ask(CaseAsker(ref, explain, needed=lambda case: case.trouble is not None), TryAgain)


def say_trouble(ref: str, step: str, problem: CaseproofError) -> None:
    """Write down that a step needs help, once for the same problem."""
    get_run_logger().warning("'%s' needs help: %s", step, problem)
    kind = procedure_of(ref).kind(Trouble)
    event = services().ledger.event(
        kind, step=str(step), code=str(problem.code), problem=problem.problem, next_action=problem.next_action
    )
    services().store.change(ref, lambda now: [] if _is_known(now.trouble, event) else [event])


def _is_known(trouble: Fact | None, event: Event) -> bool:
    """Whether people were told of this trouble in these very words: new words are worth telling, whatever the code."""
    return trouble is not None and all(trouble[name] == event.data[name] for name in ("step", "problem"))
