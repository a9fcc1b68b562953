"""The Prefect flow run that carries a case: how it takes a step, waits for a person, and shows what people see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from prefect import get_run_logger, suspend_flow_run
from prefect.artifacts import Artifact, create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.client.schemas.objects import Artifact as Shown
from prefect.exceptions import PrefectException
from prefect.input import RunInput
from prefect.input.actions import read_flow_run_input
from prefect.runtime import flow_run as this_run

from caseproof.domain.case import Case
from caseproof.http.client import LibraryError
from tasks.ports import Step
from tasks.tries import tried_again

SECONDS = 5.0
"""How long Prefect may take for a label; one more try, then the run keeps the one it has."""
UNREACHABLE = (LibraryError, PrefectException, OSError, RuntimeError)
"""What Prefect's client raises while its server is down, slow or refuses."""

_shown: dict[str, tuple[str, list[str]]] = {}
"""What this process has set, by flow run: a label that has not changed costs no call."""

_with_card: set[str] = set()
"""The runs whose card this process has made."""


class PrefectRun:
    """The flow run that this process executes, as a ``tasks.ports.Carrier``."""

    @property
    def id(self) -> str:
        """The flow run's id."""
        return str(this_run.id)

    def carry(self, step: Step, case: Case) -> bool:
        """Each step that is due is a task run, with the retries of its task."""
        is_due = step.is_due(case)
        if is_due:
            step.task(case.ref)
        return is_due

    def suspend(self, form: type[RunInput], number: int) -> None:
        """Suspend without a time-out: patience belongs to the policy and the keeper."""
        suspend_flow_run(wait_for_input=form, key=f"question-{number}", timeout=None)

    def answer(self, number: int, flow_run: str) -> dict[str, Any] | None:
        """What was submitted in Prefect's UI or through its API."""
        answer = read_flow_run_input(f"suspended-question-{number}-response", UUID(flow_run))
        return cast(dict[str, Any] | None, answer)

    def label(self, name: str, tags: Sequence[str], instead_of: tuple[str, ...]) -> None:
        """One PATCH when something changed, a warning where Prefect does not take it."""
        me = self.id
        had_name, had = _shown.get(me) or (this_run.name, list(this_run.tags))
        wanted = sorted({*(tag for tag in had if not tag.startswith(instead_of)), *tags})
        if (name, wanted) == (had_name, sorted(had)):
            return
        try:
            with (
                tried_again(1),
                get_client(httpx_settings={"timeout": SECONDS}, sync_client=True) as client,
            ):
                client.update_flow_run(UUID(me), name=name, tags=wanted)
        except UNREACHABLE as down:
            get_run_logger().warning("The run keeps its old name and tags: Prefect says %s.", type(down).__name__)
            return
        _shown[me] = (name, wanted)

    def show_card(self, key: str, text: str, description: str) -> None:
        """One card a run, kept current: a new one each time would bury the newest among the old."""
        may_have_one = self.id in _with_card or this_run.run_count > 1  # it is resumed
        shown = find_shown(key) if may_have_one else None
        if shown is None or str(shown.flow_run_id) != self.id:
            create_markdown_artifact(text, key=key, description=description)
            _with_card.add(self.id)
        else:
            show_instead(shown, text)

    def show_text(self, key: str, text: str, description: str) -> None:
        """An artifact of the task or flow that shows it."""
        create_markdown_artifact(text, key=key, description=description)

    def show_link(self, key: str, url: str, text: str, description: str) -> None:
        """An artifact of the task or flow that shows it."""
        create_link_artifact(url, link_text=text, key=key, description=description)

    def show_image(self, key: str, url: str, description: str) -> None:
        """An artifact of the task or flow that shows it."""
        create_image_artifact(url, key=key, description=description)


def find_shown(key: str) -> Shown | None:
    """The newest artifact under this key; None before the first."""
    return cast("Shown | None", Artifact.get(key))


def show_instead(shown: Shown, data: str) -> None:
    """Keep an artifact current in place; what has not changed costs no call."""
    if shown.data != data:
        with get_client(sync_client=True) as client:
            client.update_artifact(shown.id, ArtifactUpdate(data=data))
