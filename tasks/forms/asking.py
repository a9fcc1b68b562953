"""How people are asked: one helper, whoever asks.

It numbers the question in the store, shows where things stand, and suspends the run under ``question-<n>``. A resumed
run starts from the top: the helper reads what people answered since, and a malformed or refused answer is written down
and asked again. A run that was woken without an answer finds none, and asks under the next number if it still needs to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prefect import get_run_logger

from caseproof.domain.errors import CaseproofError
from caseproof.domain.forms import Form
from tasks.common import ports, services
from tasks.forms.run_inputs import AForm, filled_in, for_team


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was asked: its number, its form's slug, and the flow run that asked it."""

    number: int
    form: str
    flow_run: str


@dataclass(frozen=True, slots=True)
class Words:
    """What is said with a form (markdown): the heading, and all that stands above its fields.

    ``who`` may answer it (none: the team). ``waits`` is what the log says of who asks: ``waits for the decision``.
    ``rules`` is what the link to the rules is called. ``choices`` are those that a field has now, by its name (all,
    where nothing is said); ``typed``: the texts that stand in the fields, from an answer that was refused.
    """

    heading: str
    question: str
    waits: str
    who: Sequence[str] = ()
    rules: str = "What J1 to J11 mean"
    choices: Mapping[str, Collection[str]] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


class Asker(Protocol):
    """Who asks: a case or an incident. Each remembers its questions in its own way."""

    @property
    def ref(self) -> str:
        """Its reference."""
        ...

    def unanswered(self) -> list[Question]:
        """What it asked and has no answer to yet, the oldest first."""
        ...

    def take(self, question: Question, answer: Mapping[str, Any]) -> None:
        """A person answered this: write it down, or act on it."""
        ...

    def refuse(self, number: int, no: CaseproofError) -> None:
        """Write down why the answer to this question is not taken; the next question says so (house rule 7)."""
        ...

    def number(self, form: type[Form], flow_run: str) -> int | None:
        """Number the next question, which this flow run asks; None where it need not be asked any more."""
        ...

    def show(self) -> None:
        """Show people where it stands, before it waits for them."""
        ...

    def words(self, form: type[Form]) -> Words:
        """What is asked now, with this form."""
        ...


def read_answers_to(asker: Asker) -> None:
    """Take every answer that people gave, also to a run that died before it read it."""
    for question in asker.unanswered():
        answer = ports().carrier.answer(question.number, question.flow_run)
        if answer is not None:
            asker.take(question, answer)


def ask(asker: Asker, form: type[Form]) -> None:
    """Ask a person, and suspend the run until somebody resumes it. Returns at once where it is no longer needed."""
    number = asker.number(form, ports().carrier.id)
    if number is None:
        return
    asker.show()
    words, rules = asker.words(form), services().links.rules_url
    get_run_logger().info("%s %s. Answer question %s with Resume.", asker.ref, words.waits, number)
    question = f"{words.question}\n\n{words.rules}: {rules}"
    shown = for_team(form, tuple(words.who) or services().policy.team, question, words.choices, words.typed)
    heading = f"{words.heading}\n\n[{words.rules}]({rules})"
    ports().carrier.suspend(shown.with_initial_data(description=heading), number)


def act_or_refuse(
    asker: Asker, number: int, form: type[AForm], answer: Mapping[str, Any], act: Callable[[AForm], object]
) -> None:
    """Act on the answer to this question; one that is malformed or refused is written down with the reason."""
    try:
        act(filled_in(form, answer))
    except CaseproofError as no:
        asker.refuse(number, no)
