"""Prefect as a job platform: a job is a deployment, and its id is ``flow/deployment``.

It speaks Prefect's REST API (open source server or Cloud) and knows nothing of the Prefect library.
Deployment tags say whose a job is (``TagConvention``). Three things here are not what they seem in Prefect:

- A run's ``Completed`` can be set by anybody in the user interface. It counts as a success only where the run
  was executed; else the run is UNKNOWN, and ``said`` tells what Prefect calls it.
- An idempotency key belongs to the flow, not to the deployment, so two deployments of one flow would share a
  run. The deployment's name is therefore part of the key that is sent.
- Pausing deletes the scheduled runs; cancelling them first would lose their places in the schedule for good.
  So a stop pauses first and cancels what is left.
"""

from __future__ import annotations

import base64
import difflib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from caseproof.domain.errors import BadInput
from caseproof.platforms.base import (
    Job,
    PlatformRefused,
    Probe,
    Run,
    RunPage,
    RunState,
    Scope,
    Standing,
    UnknownJob,
    UnknownRun,
)
from caseproof.platforms.http import HttpApi, date_of
from caseproof.platforms.prefect_wire import (
    COUNT,
    DEPLOYMENT,
    DEPLOYMENTS,
    FLOW,
    FLOWS,
    HISTORY,
    RUN,
    RUNNING,
    RUNS,
    WAITING,
    Deployment,
    FlowRun,
    Named,
    meaning_of,
)

T = TypeVar("T")
Row = TypeVar("Row", bound="Named")

PAGE = 200  # the most that Prefect gives at once
CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it cancelled


@dataclass(frozen=True, slots=True)
class TagConvention:
    """How the tags begin that say whose job it is, and (``stopped_by``, J3) who alone can stop it."""

    retailer: str = "retailer:"
    marketplace: str = "marketplace:"
    connection: str = "connection:"
    stopped_by: str = "stopped-by:"


class PrefectJobsClient:
    """A ``JobPlatform`` over one Prefect server. Safe to use from several threads.

    ``api_url`` ends in ``/api`` (Cloud: the workspace's API address); ``ui_url`` is where people look.
    ``auth`` is the server's ``user:password``, ``api_key`` a Prefect Cloud key. Methods raise what
    ``platforms/base.py`` says.
    """

    def __init__(
        self,
        api_url: str,
        ui_url: str,
        *,
        auth: str | None = None,
        api_key: str | None = None,
        tags: TagConvention = TagConvention(),
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tags = tags
        self._ui = ui_url.rstrip("/")
        self._password = base64.b64encode(auth.encode()).decode() if auth else None
        headers = {}
        if self._password:
            headers["Authorization"] = f"Basic {self._password}"
        elif api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._api = HttpApi(api_url, "the Prefect API", headers=headers, transport=transport, sleep=sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    # -- jobs ------------------------------------------------------------------------------------------------

    def probe(self) -> Probe:
        answer = self._api.call("POST", "deployments/count", reads=True, json={})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise self._api.not_the_api()
        count = self._api.decoded(answer, COUNT)
        return Probe(f"{self._api.address} has {count} deployments", date_of(answer))

    def job(self, job_id: str) -> Job:
        return self._job(job_id, self._deployment(job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        other = {
            Scope.MARKETPLACE: ("marketplace", self._tags.marketplace, job.marketplace),
            Scope.CONNECTION: ("connection", self._tags.connection, job.connection),
        }[scope]
        wanted = []
        for what, prefix, value in (("retailer", self._tags.retailer, job.retailer), other):
            if not value:
                raise BadInput(
                    f"The job {job.id} does not say its {what}, so it is unknown what else to stop with it.",
                    f"Give its deployment the tag `{prefix}...`, or stop this job alone.",
                )
            wanted.append(f"{prefix}{value}")
        found = self._jobs({"deployments": {"tags": {"all_": wanted}}})
        # A tag that is only looked like (by upper and lower case, say) is not the same retailer.
        same = [one for one in found if _whose(one, scope) == _whose(job, scope)]
        first = [one for one in same if one.id == job.id] or [self.job(job.id)]
        return first + sorted((one for one in same if one.id != job.id), key=lambda one: one.id)

    def standing(self, job_id: str) -> Standing:
        """Whether the job can still run by itself.

        Active means: not paused, and not every schedule switched off. A deployment without any schedule is
        started by people, triggers and other programs, so for it not being paused is being active.
        """
        # In this order nothing slips through: what was scheduled before the pause is in the counts, and a
        # run that moves on between the two counts is in the second.
        found = self._deployment(job_id)
        waiting = self._count(found, WAITING)
        unfinished = self._count(found, (*WAITING, *RUNNING))
        active = not found.paused and _has_way_to_run(found)
        return Standing(job_id, active, waiting, max(unfinished - waiting, 0))

    def stop(self, job_id: str) -> None:
        """Pause the deployment, then cancel what is left.

        A run that no worker has yet is cancelled at once. One that a worker holds becomes Cancelling, which
        can never run again; a worker ends it, or Prefect itself after some minutes. Nothing here waits for
        that.
        """
        found = self._deployment(job_id)
        self._must_exist(self._api.call("POST", f"deployments/{found.id}/pause_deployment"), job_id)
        for _ in range(CANCEL_PASSES):
            # Gathered first: cancelling while paging would move the pages under us.
            left = self._runs_of(found, {"state": {"type": {"any_": [*WAITING, "RUNNING"]}}}, "ID_DESC")
            if not left:
                return
            for run in left:
                self._cancel(run.id)

    def go_live(self, job_id: str) -> None:
        """Resume the deployment. Schedules that somebody switched off one by one stay off.

        Raises PlatformRefused, with nothing changed, when that leaves no schedule that would run.
        """
        found = self._deployment(job_id)
        if not _has_way_to_run(found):
            raise PlatformRefused(
                f"Every schedule of {job_id} is switched off, so it would not run by itself.",
                "Switch on the right schedule on the deployment's page in Prefect, then try again.",
            )
        self._must_exist(self._api.call("POST", f"deployments/{found.id}/resume_deployment"), job_id)

    # -- runs ------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        found = self._deployment(job_id)
        asked: dict[str, Any] = {"idempotency_key": _run_key(found, key), "name": _slug(key)}
        if parameters:
            asked["parameters"] = dict(parameters)
        answer = self._api.call("POST", f"deployments/{found.id}/create_flow_run", json=asked)
        self._must_exist(answer, job_id)
        return self._run(self._api.decoded(answer, RUN), job_id)

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        found = self._deployment(job_id)
        runs = self._runs_of(found, {"idempotency_key": {"any_": [_run_key(found, key)]}}, "ID_DESC")
        return self._run(runs[0], job_id) if runs else None

    def run(self, run_id: str) -> Run:
        answer = self._api.call("GET", f"flow_runs/{quote(run_id, safe='')}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise UnknownRun(
                f"There is no run {run_id} on {self._api.address}.",
                "It may have been deleted; start the job once more.",
            )
        found = self._api.decoded(answer, RUN)
        return self._run(found, self._job_id_of(found), forced=self._was_forced(found))

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        if since.tzinfo is None:
            raise BadInput("The time to look from has no time zone.", "Give an aware datetime, in UTC.")
        found = self._deployment(job_id)
        # Prefect compares the planned start where there is no real one, and counts the moment itself.
        asked = {"start_time": {"after_": since.astimezone(UTC).isoformat(), "is_null_": False}}
        runs = [self._run(one, job_id) for one in self._runs_of(found, asked, "START_TIME_ASC")]
        return [run for run in runs if run.started_at is not None and run.started_at > since]

    def page(self, run: Run) -> RunPage:
        """Prefect's page of a run, at the tab that prints its id; the head has its name and state."""
        # The page sends what it finds under this name as Basic credentials.
        storage = {"prefect-password": self._password} if self._password else {}
        return RunPage(f"{run.url}?tab=Details", (run.name, run.id), "Completed", storage)

    # -- reading Prefect -------------------------------------------------------------------------------------

    def _deployment(self, job_id: str) -> Deployment:
        flow, slash, name = job_id.partition("/")
        if not (flow and slash and name):
            raise self._unknown(job_id)
        answer = self._api.call("GET", f"deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise self._unknown(job_id)
        return self._api.decoded(answer, DEPLOYMENT)

    def _unknown(self, job_id: str) -> UnknownJob:
        """The error for a job that is not there; listing the others proves that it is Prefect who says so."""
        ids = [job.id for job in self._jobs({})]
        alike = difflib.get_close_matches(job_id, ids, n=5, cutoff=0.4)
        exists = f"Alike are: {', '.join(alike)}." if alike else f"It has {len(ids)} others, none alike."
        return UnknownJob(
            f"There is no job {job_id!r} on {self._api.address}. {exists}",
            "Name a job as `flow/deployment`, as the Deployments page of Prefect shows it.",
        )

    def _must_exist(self, answer: httpx.Response, job_id: str) -> None:
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise self._unknown(job_id)

    def _jobs(self, asked: Mapping[str, Any]) -> list[Job]:
        found = self._pages("deployments/filter", asked, "NAME_ASC", DEPLOYMENTS)
        flows: dict[str, str] = {}
        ids = sorted({one.flow_id for one in found})
        for start in range(0, len(ids), PAGE):
            chosen = {"flows": {"id": {"any_": ids[start : start + PAGE]}}}
            flows |= {flow.id: flow.name for flow in self._pages("flows/filter", chosen, "NAME_ASC", FLOWS)}
        # One that lost its flow between the two questions is just being deleted.
        return [self._job(f"{flows[one.flow_id]}/{one.name}", one) for one in found if one.flow_id in flows]

    def _runs_of(self, found: Deployment, asked: Mapping[str, Any], sort: str) -> list[FlowRun]:
        runs = {"flow_runs": {**asked, "deployment_id": {"any_": [found.id]}}}
        return self._pages("flow_runs/filter", runs, sort, RUNS)

    def _pages(self, path: str, asked: Mapping[str, Any], sort: str, shape: TypeAdapter[list[Row]]) -> list[Row]:
        """All rows, each once: a page may repeat a row when another came in before it."""
        rows: dict[str, Row] = {}
        offset = 0
        while True:
            body = {**asked, "sort": sort, "limit": PAGE, "offset": offset}
            page = self._read(path, body, shape)
            rows |= {row.id: row for row in page}
            offset += len(page)
            if len(page) < PAGE:
                return list(rows.values())

    def _read(self, path: str, body: Mapping[str, Any], shape: TypeAdapter[T]) -> T:
        answer = self._api.call("POST", path, reads=True, json=body)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise self._api.not_the_api()
        return self._api.decoded(answer, shape)

    def _count(self, found: Deployment, types: Sequence[str]) -> int:
        runs = {"deployment_id": {"any_": [found.id]}, "state": {"type": {"any_": list(types)}}}
        return self._read("flow_runs/count", {"flow_runs": runs}, COUNT)

    def _cancel(self, run_id: str) -> None:
        state = {"type": "CANCELLING", "message": "Stopped by Caseproof."}
        # Prefect itself makes it Cancelled where no worker has the run, and leaves a run that is over as it
        # is; one that was deleted meanwhile (404) needs nothing.
        self._api.call("POST", f"flow_runs/{run_id}/set_state", json={"state": state})

    def _was_forced(self, run: FlowRun) -> bool:
        """Whether a run was called completed while it was not running, say after it had failed."""
        if run.state_type != "COMPLETED":
            return False
        answer = self._api.call("GET", "flow_run_states/", params={"flow_run_id": run.id})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise self._api.not_the_api()
        history = [state.type for state in self._api.decoded(answer, HISTORY)]
        return len(history) < 2 or history[-2:] != ["RUNNING", "COMPLETED"]

    def _job_id_of(self, run: FlowRun) -> str:
        """``flow/deployment``; the flow's name alone for a run whose deployment is gone."""
        paths = [f"flows/{run.flow_id}"]
        if run.deployment_id:
            paths.append(f"deployments/{run.deployment_id}")
        answers = [self._api.call("GET", path) for path in paths]
        there = [answer for answer in answers if answer.status_code != httpx.codes.NOT_FOUND]
        return "/".join(self._api.decoded(answer, FLOW).name for answer in there)

    # -- translating -----------------------------------------------------------------------------------------

    def _job(self, job_id: str, found: Deployment) -> Job:
        return Job(
            id=job_id,
            name=job_id,
            url=f"{self._ui}/deployments/deployment/{found.id}",
            retailer=_tagged(found.tags, self._tags.retailer),
            marketplace=_tagged(found.tags, self._tags.marketplace),
            connection=_tagged(found.tags, self._tags.connection),
            stopped_by=_tagged(found.tags, self._tags.stopped_by),
        )

    def _run(self, found: FlowRun, job_id: str, *, forced: bool = False) -> Run:
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


def _has_way_to_run(found: Deployment) -> bool:
    return not found.schedules or any(schedule.active for schedule in found.schedules)


def _whose(job: Job, scope: Scope) -> tuple[str | None, str | None]:
    return job.retailer, job.marketplace if scope is Scope.MARKETPLACE else job.connection


def _tagged(tags: Iterable[str], prefix: str) -> str | None:
    """What follows ``prefix`` in the first tag (by the alphabet) that has it."""
    values = sorted(tag[len(prefix) :].strip() for tag in tags if tag.startswith(prefix))
    return next((value for value in values if value), None)


def _run_key(found: Deployment, key: str) -> str:
    return f"{key}@{found.name}"


def _slug(key: str) -> str:
    """A run name that people can read, from a key: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:80] or "run"
