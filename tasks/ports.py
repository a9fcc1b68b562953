"""What the flow of a case needs from outside: this installation's services, the systems around it, and who carries it.

The blocks and the flow run give it (``tasks.common``, ``tasks.prefect_run``); whoever runs the flow anywhere else
binds other ports around it. The flow and its steps are the same then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from prefect.input import RunInput
from prefect.tasks import Task

from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.closing.proving import Camera
from caseproof.procedure.core.services import Services
from caseproof.procedure.notify.telling import Send


@dataclass(frozen=True)
class Step:
    """A step: its task, and whether anything is left to do. A resumed run passes it by in silence (house rule 3)."""

    name: str
    task: Task[[str], None]
    is_due: Callable[[Case], bool]


class Carrier(Protocol):
    """The flow run that carries a case."""

    @property
    def id(self) -> str:
        """The flow run's id: which run works on the case, and which one asked a question."""
        ...

    def carry(self, step: Step, case: Case) -> bool:
        """Do the step's task, where anything is left to do; whether there was. Raises CaseproofError where a person has
        to help."""
        ...

    def suspend(self, form: type[RunInput], number: int) -> None:
        """End here, until somebody answers question ``number``; the flow starts again from the top then."""
        ...

    def answer(self, number: int, flow_run: str) -> dict[str, Any] | None:
        """What a person answered to this question of this flow run, be it dead or alive; None before somebody did."""
        ...

    def label(self, name: str, tags: Sequence[str], instead_of: tuple[str, ...]) -> None:
        """Name the run and tag it, instead of the tags that start with one of these; others are left alone."""
        ...

    def show_card(self, key: str, text: str, description: str) -> None:
        """Show the case (markdown): one card a run, kept current in place."""
        ...

    def show_text(self, key: str, text: str, description: str) -> None:
        """Show a page of markdown."""
        ...

    def show_link(self, key: str, url: str, text: str, description: str) -> None:
        """Show a link to another system's page."""
        ...

    def show_image(self, key: str, url: str, description: str) -> None:
        """Show a picture."""
        ...


@dataclass(frozen=True)
class Ports:
    """Everything outside of the procedure. What may be changed while a process lives is looked up when it is needed."""

    services: Callable[[], Services]
    platform: Callable[[str], JobPlatform]
    our_prefect: Callable[[], JobPlatform]
    desk: Callable[[], Desk]
    sender: Callable[[], Send]
    camera: Camera
    carrier: Carrier
    desk_called: Callable[[str], Desk] | None = None
    """The desk of this name, where there may be several."""


_bound: ContextVar[Ports | None] = ContextVar("_bound", default=None)


@contextmanager
def bound(ports: Ports) -> Iterator[None]:
    """The flow and the steps that run in here use these ports, and not this installation's."""
    before = _bound.set(ports)
    try:
        yield
    finally:
        _bound.reset(before)


def bound_here() -> Ports | None:
    """The ports that are bound here; None where this installation's are meant."""
    return _bound.get()
