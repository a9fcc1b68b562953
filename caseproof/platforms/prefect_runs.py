"""Prefect's runs in every platform's words: whether one was executed, whose it was, and what people see of it."""

from __future__ import annotations

from datetime import UTC
from uuid import UUID

from caseproof.http.api import HttpApi
from caseproof.platforms.base import Run, RunState
from caseproof.platforms.prefect_wire import FLOW, HISTORY, FlowRun, is_doubtful, meaning_of


class PrefectRuns:
    """Translates runs. ``ui`` is where people open Prefect's pages."""

    def __init__(self, api: HttpApi, ui: str) -> None:
        self._api, self._ui = api, ui
        self._names: dict[str, str] = {}

    def of_list(self, found: FlowRun, job_id: str) -> Run:
        """A run of a list: its history would be a call for each, so it is asked for only where the row leaves doubt."""
        return self.run(found, job_id, forced=is_doubtful(found) and self.was_forced(found))

    def run(self, found: FlowRun, job_id: str, *, forced: bool = False) -> Run:
        """A run. ``forced``: it was called completed, and was not executed."""
        return Run(
            id=found.id,
            name=found.name,
            job=job_id,
            state=RunState.UNKNOWN if forced else meaning_of(found),
            said=found.state_name or found.state_type or "",
            message=(found.state.message if found.state else None) or "",
            url=f"{self._ui}/runs/flow-run/{found.id}",
            started_at=found.start_time.astimezone(UTC) if found.start_time else None,
            ended_at=found.end_time.astimezone(UTC) if found.end_time else None,
        )

    def was_forced(self, run: FlowRun) -> bool:
        """Whether a run was called completed while it was not running, say after it had failed."""
        if run.state_type != "COMPLETED":
            return False
        answer = self._api.call("GET", "flow_run_states/", params={"flow_run_id": run.id})
        if answer.is_missing:
            raise self._api.not_the_api()
        history = [state.type for state in self._api.decoded(answer, HISTORY)]
        return len(history) < 2 or history[-2:] != ["RUNNING", "COMPLETED"]

    def job_id_of(self, run: FlowRun) -> str:
        """``flow/deployment``; the flow's name alone for a run whose deployment is gone."""
        paths = [f"flows/{run.flow_id}"]
        if run.deployment_id:
            paths.append(f"deployments/{run.deployment_id}")
        return "/".join(name for name in map(self._name_of, paths) if name)

    def _name_of(self, path: str) -> str | None:
        """The name of a flow or deployment. It never changes, so it is read once: a run is read until it is over."""
        if path not in self._names:
            answer = self._api.call("GET", path)
            if answer.is_missing:
                return None
            self._names[path] = self._api.decoded(answer, FLOW).name
        return self._names[path]


def is_id(text: str) -> bool:
    """Whether a run may have this id: any other text would be another path."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
