"""Who carries the real flow in a test: no server, no process; a step is a call, and a question ends the walk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from prefect.input import RunInput

from caseproof.domain.case import Case
from caseproof.domain.errors import CaseproofError
from caseproof.domain.forms import Form
from tasks.forms.run_inputs import RunForm
from tasks.ports import Step

MOST_TURNS = 6
"""How often one process may go over the procedure."""


class Suspended(BaseException):
    """The flow asks a person: its process ends here, as Prefect ends it."""

    def __init__(self, form: type[Form], number: int) -> None:
        super().__init__(f"question {number}: {form.slug}")
        self.form, self.number = form, number


class Stopped(BaseException):
    """The walk is as far as it was to go."""


@dataclass
class Walker:
    """A ``tasks.ports.Carrier``. It stops before one step or after another, whichever comes first in the flow."""

    id: str
    until: Step | None = None
    before: Step | None = None
    after: Callable[[Step], None] = lambda _: None
    given: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What people submitted, by the number of the question."""
    processes: list[list[str]] = field(default_factory=list)
    """The steps that each process came by, done or passed over."""
    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""
    tags: Sequence[str] = ()
    form: type[RunInput] | None = None
    """What it was suspended with last."""
    problem: CaseproofError | None = None
    """Why the last step that failed could not be carried out."""

    def carry(self, step: Step, case: Case) -> bool:
        if step is self.before:
            raise Stopped
        here = self.processes[-1]
        here.append(step.name)
        assert here.count(step.name) <= MOST_TURNS, f"The flow walks in circles: {here}"
        is_due = step.is_due(case)
        try:
            if is_due:
                step.task.fn(case.ref)
        except CaseproofError as problem:
            self.problem = problem
            raise
        self.after(step)
        if step is self.until:
            raise Stopped
        return is_due

    def suspend(self, form: type[RunInput], number: int) -> None:
        assert issubclass(form, RunForm)
        self.form = form
        raise Suspended(form.form, number)

    def answer(self, number: int, flow_run: str) -> dict[str, Any] | None:
        return self.given.get(number) if flow_run == self.id else None

    def label(self, name: str, tags: Sequence[str], instead_of: tuple[str, ...]) -> None:
        assert all(tag.startswith(instead_of) for tag in tags)
        self.name, self.tags = name, tags

    def show_card(self, key: str, text: str, description: str) -> None:
        self.shown[key] = (text, description)

    def show_text(self, key: str, text: str, description: str) -> None:
        self.shown[key] = (text, description)

    def show_link(self, key: str, url: str, text: str, description: str) -> None:
        self.shown[key] = (url, text, description)

    def show_image(self, key: str, url: str, description: str) -> None:
        self.shown[key] = (url, description)
