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
import re
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from caseproof.domain.spelling import what_is_alike
from caseproof.domain.vocabulary import Scope
from caseproof.http.api import HttpApi
from caseproof.http.client import Answer, Transport, credentials
from caseproof.platforms.abilities import Ability, Lack, PlatformAbilities, all_but
from caseproof.platforms.base import (
    Job,
    Listed,
    PlatformDown,
    PlatformRefused,
    Probe,
    Run,
    RunPage,
    Standing,
    Survey,
    UnknownJob,
    UnknownRun,
    aware,
    require,
)
from caseproof.platforms.prefect_lists import PrefectLists, portions, started
from caseproof.platforms.prefect_pages import advice, look_at_pages
from caseproof.platforms.prefect_runs import PrefectRuns, is_id
from caseproof.platforms.prefect_wire import (
    COUNT,
    DEPLOYMENT,
    RUN,
    RUNNING,
    WAITING,
    Deployment,
    FlowRun,
    schedule_of,
)
from caseproof.platforms.tags import TagConvention, whose

OURS = "caseproof"
"""The tag of our own deployments (prefect.yaml)."""

ABILITIES = all_but(
    Ability,
    {
        Ability.REMOVE: Lack(
            "A deleted deployment takes its runs' names with it, and they are evidence.",
            "A removal switches the deployment's schedules off and leaves it there; delete it on its page in Prefect.",
        ),
        Ability.RENDERED: Lack("It has a page of its own for each run.", "That page is photographed."),
    },
)
"""What Prefect is able to do, be it a server of one's own or Prefect Cloud."""

CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it cancelled


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
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._tags = tags
        self._ui = ui_url.rstrip("/")
        self._transport = transport
        self._password = base64.b64encode(auth.encode()).decode() if auth else None
        self._api = HttpApi(
            api_url,
            "the Prefect API",
            down=PlatformDown,
            refused=PlatformRefused,
            headers=credentials(auth, api_key),
            transport=transport,
            sleep=sleep,
        )
        self._lists = PrefectLists(self._api)
        self._runs = PrefectRuns(self._api, self._ui)
        self._ids: dict[str, str] = {}

    @property
    def abilities(self) -> PlatformAbilities:
        return ABILITIES

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
        if answer.is_missing:
            raise self._api.not_the_api()
        count = self._api.decoded(answer, COUNT)
        return Probe(f"{self._api.address} has {count} deployments", answer.date)

    def probe_pages(self) -> str:
        return look_at_pages(self._ui, self._api.address, self._transport)

    def job(self, job_id: str) -> Job:
        return self._job(job_id, self._deployment(job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        wanted = self._tags.of_scope(scope, job, "deployment")
        found = self._jobs({"deployments": {"tags": {"all_": wanted}}})
        # A tag that is only looked like (by upper and lower case, say) is not the same retailer.
        same = [one for one in found if whose(one, scope) == whose(job, scope)]
        first = [one for one in same if one.id == job.id] or [self.job(job.id)]
        return first + sorted((one for one in same if one.id != job.id), key=lambda one: one.id)

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        since = aware(since)
        clock = self.probe().clock
        found = self._lists.whole_deployments(jobs)
        if jobs is None:  # a Caseproof that lives on the same server is no customer's job: no check may stop it
            found = {job_id: one for job_id, one in found.items() if OURS not in one.tags}
        ids = {one.id: job_id for job_id, one in found.items()}
        late = self._late(clock, ids, everything=jobs is None) if clock else {}
        listed = [self._listed(job_id, one, late.get(one.id, ())) for job_id, one in found.items()]
        return Survey(clock, listed, self._surveyed(since, ids, everything=jobs is None))

    def _late(self, now: datetime, ids: Mapping[str, str], *, everything: bool) -> Mapping[str, list[datetime]]:
        """The planned starts that were not made, oldest first, by the deployment's id."""
        found: dict[str, list[datetime]] = defaultdict(list)
        for which in _deployments(ids, everything=everything):
            for run in self._lists.late(now, {"deployment_id": which}):
                if run.deployment_id and run.expected_start_time:
                    found[run.deployment_id].append(run.expected_start_time.astimezone(UTC))
        return {deployment: sorted(starts) for deployment, starts in found.items()}

    def _surveyed(self, since: datetime, ids: Mapping[str, str], *, everything: bool) -> Iterator[list[Run]]:
        """Runs of the deployments of ``ids`` (a job id each); what was deployed meanwhile waits for the next survey."""
        for which in _deployments(ids, everything=everything):
            for page in self._lists.runs_after(since, {"deployment_id": which}):
                known = ((run, ids.get(run.deployment_id or "")) for run in page)
                yield [
                    self._runs.of_list(run, job_id)
                    for run, job_id in known
                    if job_id is not None and run.start_time is not None and run.start_time > since
                ]

    def standing(self, job_id: str) -> Standing:
        """Whether the job can still run by itself.

        Active means: not paused, and not every schedule switched off. A deployment without any schedule is
        started by people, triggers and other programs, so for it not being paused is being active.
        """
        # In this order nothing slips through: what was scheduled before the pause is among the runs, which one
        # answer tells, so none moves on meanwhile.
        found = self._deployment(job_id)
        states = [run.state_type for run in self._unfinished(found.id, (*WAITING, *RUNNING))]
        waiting = sum(state in WAITING for state in states)
        return Standing(job_id, _is_active(found), waiting, len(states) - waiting)

    def stop(self, job_id: str) -> None:
        """Pause the deployment, then cancel what is left.

        A run that no worker has yet is cancelled at once. One that a worker holds becomes Cancelling, which
        can never run again; a worker ends it, or Prefect itself after some minutes. Nothing here waits for
        that.
        """
        deployment_id = self._pause(job_id)
        for _ in range(CANCEL_PASSES):
            # Gathered first: cancelling while paging would move the pages under us.
            left = self._unfinished(deployment_id, (*WAITING, "RUNNING"))
            if not left:
                return
            for run in left:
                self._cancel(run.id)

    def _pause(self, job_id: str) -> str:
        """Pause the job's deployment; its id.

        The deployment that was read last under this name is not looked up again: Prefect renames none, so its id is
        this job or nobody. Nobody (404) means that it was deleted; there may be a new one under its name.
        """
        known = self._ids.get(job_id)
        if known and not self._api.call("POST", f"deployments/{known}/pause_deployment").is_missing:
            return known
        found = self._deployment(job_id)
        self._must_exist(self._api.call("POST", f"deployments/{found.id}/pause_deployment"), job_id)
        return found.id

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
        asked: dict[str, Any] = {"idempotency_key": _run_key(job_id, key), "name": _slug(key)}
        if parameters:
            asked["parameters"] = dict(parameters)
        answer = self._api.call("POST", f"deployments/{found.id}/create_flow_run", json=asked)
        self._must_exist(answer, job_id)
        return self._runs.run(self._api.decoded(answer, RUN), job_id)

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        runs = self._runs_of(job_id, {"idempotency_key": {"any_": [_run_key(job_id, key)]}}, "ID_DESC")
        return self._runs.run(runs[0], job_id) if runs else None

    def run(self, run_id: str) -> Run:
        answer = self._api.call("GET", f"flow_runs/{quote(run_id, safe='')}") if is_id(run_id) else None
        if answer is None or answer.is_missing:
            raise UnknownRun(
                f"There is no run {run_id} on {self._api.address}.",
                "It may have been deleted; start the job once more.",
            )
        found = self._api.decoded(answer, RUN)
        return self._runs.run(found, self._runs.job_id_of(found), forced=self._runs.was_forced(found))

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        asked = started(aware(since))
        runs = [self._runs.of_list(one, job_id) for one in self._runs_of(job_id, asked, "START_TIME_ASC")]
        return [run for run in runs if run.started_at is not None and run.started_at > since]

    def page(self, run: Run) -> RunPage:
        """Prefect's page of a run, at the tab that prints its id; the head has its name and state."""
        # The page sends what it finds under this name as Basic credentials.
        storage = {"prefect-password": self._password} if self._password else {}
        own = (self._ui, self._api.address)  # what was set up, not what an answer says
        address = f"{self._ui}/runs/flow-run/{run.id}?tab=Details"
        empty = advice(self._ui, self._api.address)
        return RunPage(address, (run.name, run.id), "Completed", storage, own=own, advice=empty)

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE, job_id)

    # -- reading Prefect -------------------------------------------------------------------------------------

    def _deployment(self, job_id: str) -> Deployment:
        flow, slash, name = job_id.partition("/")
        if not (flow and slash and name):
            raise self._unknown(job_id)
        answer = self._api.call("GET", f"deployments/name/{quote(flow, safe='')}/{quote(name, safe='')}")
        if answer.is_missing:
            raise self._unknown(job_id)
        found = self._api.decoded(answer, DEPLOYMENT)
        self._ids[job_id] = found.id
        return found

    def _unknown(self, job_id: str) -> UnknownJob:
        """The error for a job that is not there; listing the others proves that it is Prefect who says so."""
        ids = [job.id for job in self._jobs({})]
        return UnknownJob(
            f"There is no job {job_id!r} on {self._api.address}. {what_is_alike(job_id, ids)}",
            "Name a job as `flow/deployment`, as the Deployments page of Prefect shows it.",
        )

    def _must_exist(self, answer: Answer, job_id: str) -> None:
        if answer.is_missing:
            raise self._unknown(job_id)

    def _jobs(self, asked: Mapping[str, Any]) -> list[Job]:
        return [self._job(job_id, found) for job_id, found in self._lists.deployments(asked).items()]

    def _runs_of(self, job_id: str, asked: Mapping[str, Any], sort: str) -> list[FlowRun]:
        """Runs of the job, by its name. Where there are none, it is looked up: an unknown job has none, either."""
        flow, _, name = job_id.partition("/")
        whose = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
        runs = self._lists.runs({**whose, "flow_runs": asked}, sort)
        if not runs:
            self._deployment(job_id)
        return runs

    def _unfinished(self, deployment_id: str, states: Sequence[str]) -> list[FlowRun]:
        runs = {"deployment_id": {"any_": [deployment_id]}, "state": {"type": {"any_": list(states)}}}
        return self._lists.runs({"flow_runs": runs}, "ID_DESC")

    def _cancel(self, run_id: str) -> None:
        state = {"type": "CANCELLING", "message": "Stopped by Caseproof."}
        # Prefect itself makes it Cancelled where no worker has the run, and leaves a run that is over as it
        # is; one that was deleted meanwhile (404) needs nothing.
        self._api.call("POST", f"flow_runs/{run_id}/set_state", json={"state": state})

    # -- translating -----------------------------------------------------------------------------------------

    def _job(self, job_id: str, found: Deployment) -> Job:
        return self._tags.job(job_id, job_id, f"{self._ui}/deployments/deployment/{found.id}", found.tags)

    def _listed(self, job_id: str, found: Deployment, late: Iterable[datetime]) -> Listed:
        schedules = tuple(schedule_of(one.schedule) for one in found.schedules if one.active)
        return Listed(self._job(job_id, found), _is_active(found), schedules, tuple(late))


def _deployments(ids: Iterable[str], *, everything: bool) -> list[dict[str, Any]]:
    """What to ask for runs by: those of any deployment, or of these in portions."""
    return [{"is_null_": False}] if everything else [{"any_": some} for some in portions(ids)]


def _has_way_to_run(found: Deployment) -> bool:
    return not found.schedules or any(schedule.active for schedule in found.schedules)


def _is_active(found: Deployment) -> bool:
    return not found.paused and _has_way_to_run(found)


def _run_key(job_id: str, key: str) -> str:
    return f"{key}@{job_id.partition('/')[2]}"


def _slug(key: str) -> str:
    """A run name that people can read, from a key: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:80] or "run"
