"""Airflow's runs in every platform's words, with the reason of a failure as a task's log tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from caseproof.http.client import Answer
from caseproof.platforms.airflow_api import AirflowApi
from caseproof.platforms.airflow_wire import TASK_INSTANCES, UNFINISHED, ByHand, DagRun, reason_in
from caseproof.platforms.base import PlatformError, Run, RunState


class AirflowRuns:
    """Translates runs. ``url`` is where people open Airflow's pages."""

    def __init__(self, api: AirflowApi, url: str) -> None:
        self._api, self._url = api, url

    def started_after(
        self, found: list[DagRun], since: datetime, by_hand: ByHand, jobs: Mapping[str, str]
    ) -> list[Run]:
        """What of it started after ``since``. Why a run failed is asked for once a job: for the last on the page."""
        runs = [run for run in found if run.start_date is not None and run.start_date > since]
        states = [by_hand.meaning_of(run) for run in runs]
        last = {run.dag_id: run for run, state in zip(runs, states, strict=True) if state is RunState.FAILED}
        return [
            self._run(run, jobs[run.dag_id], state, self._reason(run) if last.get(run.dag_id) is run else "")
            for run, state in zip(runs, states, strict=True)
        ]

    def told(self, found: DagRun, job_id: str) -> Run:
        """A run that is read alone: of one that is over the audit log tells how it came to be so."""
        if found.state in UNFINISHED or found.start_date is None:  # what never ran is no success, whoever called it so
            return self._run(found, job_id, ByHand([]).meaning_of(found))
        state = self._api.by_hand(found.start_date).meaning_of(found)
        return self._run(found, job_id, state, self._reason(found) if state is RunState.FAILED else "")

    def _run(self, found: DagRun, job_id: str, state: RunState, message: str = "") -> Run:
        return Run(
            id=found.whole_id,
            name=found.dag_run_id,
            job=job_id,
            state=state,
            said=found.state,
            message=message,
            url=f"{self._url}/dags/{quote(found.dag_id, safe='')}/runs/{quote(found.dag_run_id, safe='')}",
            started_at=found.start_date.astimezone(UTC) if found.start_date else None,
            ended_at=found.end_date.astimezone(UTC) if found.end_date else None,
        )

    def _reason(self, run: DagRun) -> str:
        """Why a run failed, as the log of the task that failed last tells it. Never in the way: "" without one."""
        path = path_of(run.dag_id, run.dag_run_id)
        asked: dict[str, str | Sequence[str]] = {"state": ["failed"], "order_by": "-end_date", "limit": "1"}
        try:
            answer = self._api.call("GET", f"{path}/taskInstances", params=asked)
            failed = self._api.decoded(answer, TASK_INSTANCES).task_instances
            if not failed:
                return ""
            task = failed[0]
            log = f"{path}/taskInstances/{quote(task.task_id, safe='')}/logs/{task.try_number}"
            told = reason_in(self._log(log, task.map_index).json())
        except PlatformError:
            return ""
        return f"Task {task.task_id}: {told}" if told else f"Task {task.task_id} failed."

    def _log(self, path: str, map_index: int) -> Answer:
        return self._api.call("GET", path, params={"map_index": str(map_index), "full_content": "true"})


def path_of(dag_id: str, run_id: str) -> str:
    """The path of a run below the API's address."""
    return f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"


def started(since: datetime) -> dict[str, str]:
    """The filter for runs that started at this moment or later; Airflow gives those that did not start, too."""
    return {"start_date_gte": since.astimezone(UTC).isoformat()}
