"""How a case asks: its questions and answers are events. Its steps act on what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger

from caseproof.domain import payloads as says
from caseproof.domain.case import Case, Fact
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.forms import Form, fields_of
from caseproof.domain.procedure import procedure_of
from caseproof.domain.support.forms import SupportForm
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import BY_FORM
from caseproof.procedure.core.answer_ledger import AnswerLedger
from caseproof.procedure.core.asked import choices_of, typed_before
from caseproof.procedure.core.parts import US
from caseproof.procedure.escalation.acting import Acting, act, who_answers
from caseproof.procedure.views.questions import case_question, form_heading, what_rules_mean
from caseproof.procedure.views.support_parts import who_may_answer
from caseproof.procedure.views.titles import stands
from tasks.common import load_case, ports, services
from tasks.display.ladder import show_the_ladder
from tasks.display.logs import speak_in_words, told
from tasks.display.showing import show_the_case
from tasks.forms.asking import Question, Words, act_or_refuse

speak_in_words()


@dataclass(frozen=True)
class CaseAsker:
    """A case as a ``tasks.forms.asking.Asker``.

    ``explain`` (markdown) says what is to be done; ``needed``: whether it has to be asked, as the case is now.
    """

    ref: str
    explain: str = ""
    needed: Callable[[Case], bool] = lambda _: True

    def unanswered(self) -> list[Question]:
        """Of all its runs: a dead one may have asked."""
        case = load_case(self.ref)
        return [
            Question(number, asked["form"], asked["flow_run"])
            for number, asked in case.asked.items()
            if number not in case.answered
        ]

    def take(self, question: Question, answer: Mapping[str, Any]) -> None:
        """An event, once; nothing is acted on yet."""
        number = question.number
        who = str(answer.get("answered_by") or "somebody in the Prefect UI")
        kind = procedure_of(self.ref).kind(says.QuestionAnswered)
        event = services().ledger.event(
            kind, who, number=number, form=question.form, answer=dict(answer), known_by=BY_FORM
        )
        services().store.change(self.ref, lambda now: [] if number in now.answered else [event])
        get_run_logger().info("Question %s was answered by %s.", number, who)

    def say_what_came_too_late(self) -> None:
        """Log that an answer in Prefect was not taken, where somebody had answered the same question on our page."""
        first = load_case(self.ref).answered_here
        if first is None:
            return
        number, asked = first["number"], load_case(self.ref).asked[first["number"]]
        late = ports().carrier.answer(number, asked["flow_run"])
        if late is not None:
            who = str(late.get("answered_by") or "somebody")
            get_run_logger().warning(
                "%s answered question %s on the case's page first; what %s sent here was not taken.",
                first.actor, number, who,
            )  # fmt: skip

    def refuse(self, number: int, no: CaseproofError) -> None:
        """An event, which handles the answer."""
        refused = {"number": number, "code": str(no.code), "why": str(no), "question": number}
        services().ledger.record(self.ref, procedure_of(self.ref).kind(says.AnswerRefused), US, **refused)

    def number(self, form: type[Form], flow_run: str) -> int | None:
        """An event, which only one of two runs writes at a time."""
        version = load_case(self.ref).version

        def question(case: Case) -> list[Event]:
            if not self.needed(case):
                return []
            number = case.question_number + 1
            kind = case.procedure.kind(says.QuestionAsked)
            return [services().ledger.event(kind, number=number, form=form.slug, flow_run=flow_run)]

        case = services().store.change(self.ref, question)
        asked = case.asked.get(case.question_number)
        if asked is None or asked.seq <= version or asked["flow_run"] != flow_run:
            return None
        return case.question_number

    def show(self) -> None:
        """The card, and the run's name and tags; of a support case also the table of the ladder, where it stands."""
        show_the_case(self.ref)
        if procedure_of(self.ref) is SUPPORT:
            show_the_ladder()

    def words(self, form: type[Form]) -> Words:
        """The case, what was said, and what to do."""
        case = load_case(self.ref)
        links = services().links
        page = links.case_url(case.ref)
        picture = links.evidence_url(case.photo["evidence"]) if case.photo else ""
        who = who_answers(services().policy, case, form)
        whose = who_may_answer(case, form, who) if issubclass(form, SupportForm) else ""
        question = case_question(case, page, self.explain, whose)
        choices = {one.name: choices_of(case, one) for one in fields_of(form) if one.choices is not None}
        heading, mean = form_heading(case, page, picture, whose), what_rules_mean(case.procedure)
        return Words(heading, question, stands(case), who, mean, choices, typed_before(case, form))


def act_on(ref: str, answer: Fact, form: type[Form]) -> None:
    """Act on what was answered with this form, and log what came of it."""
    here, number = services(), answer["number"]
    ledger = AnswerLedger(here.store, here.clock, answer.get("known_by") or BY_FORM)
    acting = Acting(ledger, here.files, here.links, here.policy)
    with told(ref):
        act_or_refuse(CaseAsker(ref), number, form, answer["answer"], lambda given: act(acting, ref, given, number))
