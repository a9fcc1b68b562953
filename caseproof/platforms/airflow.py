"""Apache Airflow 3 as a job platform: a job is a DAG, and its id is the DAG's.

Tags of a DAG say whose it is (``AirflowTags``). Four things here are not what they seem in Airflow:

- A paused DAG takes a trigger and leaves the run queued for good; unpausing it would let the schedule loose. So a
  job is run once more by its twin: a DAG of the same file with the same tasks and no schedule, tagged
  ``rerun-of:<the job>`` (docs/adr/0026-airflow-reruns-by-a-twin.md). Without one the job cannot be run by us.
- Pausing does not end what runs or waits: its tasks stand still and go on when the DAG is unpaused. So a stop pauses
  first, then gives up each run that is left.
- Airflow knows no state for a run that was given up: it is "failed". And anybody may call a run a success. Only the
  audit log tells who set a state; a run's own times do not change by it.
- ``dag_run_id`` is a real idempotency key, one a DAG: a used one is answered 409.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from caseproof.domain.errors import BadInput
from caseproof.domain.spelling import what_is_alike
from caseproof.domain.vocabulary import Scope
from caseproof.http.client import Transport
from caseproof.platforms.abilities import Ability, Lack, PlatformAbilities, all_but
from caseproof.platforms.airflow_api import AirflowApi
from caseproof.platforms.airflow_pages import look_at_pages
from caseproof.platforms.airflow_runs import AirflowRuns, path_of, started
from caseproof.platforms.airflow_twins import AirflowTwins
from caseproof.platforms.airflow_wire import (
    DAG,
    DAGS,
    MONITOR,
    RUN,
    UNFINISHED,
    Dag,
    DagRun,
    schedule_of,
)
from caseproof.platforms.base import (
    Job,
    Listed,
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
from caseproof.platforms.tags import TagConvention, whose

ABILITIES = all_but(
    Ability,
    {
        Ability.REMOVE: Lack(
            "A deleted DAG takes its runs with it, and they are evidence; it comes back while its file is there.",
            "A removal leaves the DAG paused; take it out of its file.",
        ),
        Ability.RENDERED: Lack("It has a page of its own for each run.", "That page is photographed."),
    },
    {Ability.RUN: "a DAG without a schedule is tagged as the job's twin"},
)
"""What Airflow is able to do."""

CANCEL_PASSES = 3  # a stop looks this often for runs that slipped in while it gave up the others
_NOTE = "Stopped by Caseproof."
_NO_DAG = "caseproof-asks-what-it-may-do"  # no DAG's name
_ALLOWED = re.compile(r"[^A-Za-z0-9_.~:+-]+")  # what Airflow takes in a run's id by default
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class AirflowTags(TagConvention):
    """``rerun_of``: how the tag begins that makes a DAG the twin of another."""

    rerun_of: str = "rerun-of:"


class AirflowClient:
    """A ``JobPlatform`` over one Airflow. Safe to use from several threads.

    ``url`` is where people open its pages; the API is beside them. ``timezone`` is the one that most of its DAGs' cron
    lines are meant in. Methods raise what ``platforms/base.py`` says.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        token: str = "",
        tags: AirflowTags = AirflowTags(),
        timezone: str = "UTC",
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url.rstrip("/")
        self._tags = tags
        self._zone = _zone(timezone)
        self._transport, self._ca, self._proxy = transport, ca, proxy
        self._api = AirflowApi(
            self._url,
            user=user,
            password=password,
            token=token,
            ca=ca,
            proxy=proxy,
            transport=transport,
            sleep=sleep,
        )
        self._runs = AirflowRuns(self._api, self._url)
        self._twins = AirflowTwins(self._api, tags.rerun_of)

    @property
    def abilities(self) -> PlatformAbilities:
        return ABILITIES.lacking({})

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
        """Whether it answers, and what we may do. The right to pause is asked for with a DAG that there is not."""
        answer = self._api.call("GET", "dags", params={"limit": "1"})
        count = self._api.decoded(answer, DAGS).total_entries
        lacks = []
        if not self._api.may("PATCH", f"dags/{_NO_DAG}", json={"is_paused": True}, params={"update_mask": "is_paused"}):
            lacks.append("Our user may not pause every DAG: give it the role Op, or the right to edit DAGs.")
        if not self._api.may("GET", "eventLogs", params={"limit": "1"}):
            lacks.append(
                "Our user may not read the audit log, and so cannot tell a success from one that was set by hand: give"
                " it that right."
            )
        parts = self._api.decoded(self._api.call("GET", "monitor/health"), MONITOR)
        if parts.scheduler.status != "healthy":
            lacks.append("Airflow's scheduler does not run, so no job does: start it.")
        return Probe(f"{self._api.address} has {count} DAGs", answer.date, tuple(lacks))

    def probe_pages(self) -> str:
        return look_at_pages(self._url, ca=self._ca, proxy=self._proxy, transport=self._transport)

    def job(self, job_id: str) -> Job:
        return self._job(self._dag(job_id))

    def jobs_in(self, scope: Scope, job: Job) -> list[Job]:
        if scope is Scope.JOB:
            return [self.job(job.id)]
        wanted = self._tags.of_scope(scope, job, "DAG")
        found = self._api.dags({"tags": wanted, "tags_match_mode": "all"})
        jobs = [self._job(dag) for dag in found.values() if not self._twins.owner(dag)]
        # A tag that is only looked like (by upper and lower case, say) is not the same retailer.
        same = [one for one in jobs if whose(one, scope) == whose(job, scope)]
        first = [one for one in same if one.id == job.id] or [self.job(job.id)]
        return first + [one for one in same if one.id != job.id]

    def survey(self, since: datetime, jobs: Collection[str] | None = None) -> Survey:
        since = aware(since)
        clock = self._api.call("GET", "version").date
        found = self._api.dags()
        # A twin is no job of its own: its runs are the job's.
        owners = {dag_id: self._twins.owner(dag) or dag_id for dag_id, dag in found.items()}
        listed = [
            self._listed(dag, clock)
            for dag_id, dag in found.items()
            if owners[dag_id] == dag_id and (jobs is None or dag_id in jobs)
        ]
        return Survey(clock, listed, self._surveyed(since, owners, jobs))

    def _surveyed(
        self, since: datetime, owners: Mapping[str, str], jobs: Collection[str] | None
    ) -> Iterator[list[Run]]:
        """Runs of these DAGs (a job id each); what was made meanwhile waits for the next survey."""
        chosen = {dag_id: job for dag_id, job in owners.items() if jobs is None or job in jobs}
        by_hand = self._api.by_hand(since)
        for dag_id in ["~"] if jobs is None else sorted(chosen):
            for page in self._api.runs(dag_id, started(since)):
                yield self._runs.started_after([run for run in page if run.dag_id in chosen], since, by_hand, chosen)

    def standing(self, job_id: str) -> Standing:
        """Whether the job can still run by itself. A DAG without a schedule is started by people and other programs,
        so for it not being paused is being active.
        """
        dag = self._dag(job_id)  # before the runs: what was queued before the pause is among them
        states = [run.state for run in self._unfinished(job_id)]
        return Standing(job_id, not dag.is_paused, states.count("queued"), states.count("running"))

    def stop(self, job_id: str) -> None:
        """Pause the DAG, then give up what is left. The twin is left alone: it has no schedule."""
        self._pause(job_id, True)
        for _ in range(CANCEL_PASSES):
            left = self._unfinished(job_id)
            if not left:
                return
            for run in left:
                self._give_up(run)

    def _pause(self, job_id: str, paused: bool) -> None:
        if not job_id:  # the path would be that of all DAGs
            raise self._unknown(job_id)
        path, only = f"dags/{quote(job_id, safe='')}", {"update_mask": "is_paused"}
        if self._api.call("PATCH", path, json={"is_paused": paused}, params=only).is_missing:
            raise self._unknown(job_id)

    def _give_up(self, run: DagRun) -> None:
        """Set a run failed that is not over. One that ended since it was listed stays what it is: it is read before."""
        path = path_of(run.dag_id, run.dag_run_id)
        answer = self._api.call("GET", path)
        if answer.is_missing or self._api.decoded(answer, RUN).state not in UNFINISHED:
            return
        self._api.call("PATCH", path, json={"state": "failed", "note": _NOTE})  # a 404 needs nothing

    def go_live(self, job_id: str) -> None:
        self._dag(job_id)  # a DAG that no file defines can be unpaused, and never runs
        self._pause(job_id, False)

    # -- runs ------------------------------------------------------------------------------------------------

    def start_run(self, job_id: str, key: str, parameters: Mapping[str, str] | None = None) -> Run:
        twin = self._twins.usable(self._dag(job_id))
        asked = {"logical_date": None, "dag_run_id": _run_id(key), "conf": dict(parameters or {})}
        answer = self._api.call("POST", f"dags/{quote(twin, safe='')}/dagRuns", json=asked)
        if answer.status == HTTPStatus.CONFLICT:
            answer = self._api.call("GET", path_of(twin, _run_id(key)))
        if answer.is_missing:
            raise self._unknown(twin)
        return self._runs.told(self._api.decoded(answer, RUN), job_id)

    def run_by_key(self, job_id: str, key: str) -> Run | None:
        for twin in self._twins.of(self._dag(job_id)):
            answer = self._api.call("GET", path_of(twin, _run_id(key)))
            if not answer.is_missing:
                return self._runs.told(self._api.decoded(answer, RUN), job_id)
        return None

    def run(self, run_id: str) -> Run:
        dag_id, _, number = run_id.partition("/")
        answer = self._api.call("GET", path_of(dag_id or "-", number or "-"))
        if answer.is_missing:
            raise UnknownRun(
                f"There is no run {run_id} on {self._api.address}.",
                "It may have been deleted; start the job once more.",
            )
        return self._runs.told(self._api.decoded(answer, RUN), self._twins.job_of(dag_id))

    def runs_since(self, job_id: str, since: datetime) -> list[Run]:
        since = aware(since)
        found: list[Run] = []
        by_hand = self._api.by_hand(since)
        for dag_id in [job_id, *self._twins.of(self._dag(job_id))]:
            for page in self._api.runs(dag_id, started(since)):
                found += self._runs.started_after(page, since, by_hand, {dag_id: job_id})
        return sorted(found, key=lambda run: (run.started_at or since, run.id))

    def page(self, run: Run) -> RunPage:
        """Airflow's page of a run: its head has the DAG's name, the run's id and its state."""
        dag_id, _, number = run.id.partition("/")
        token = self._api.token()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return RunPage(run.url, (dag_id, number), "Success", headers=headers, own=(self._url,), ca=self._ca)

    def remove(self, job_id: str) -> None:
        require(self, Ability.REMOVE, job_id)

    # -- reading Airflow -------------------------------------------------------------------------------------

    def _dag(self, job_id: str) -> Dag:
        answer = self._api.call("GET", f"dags/{quote(job_id, safe='')}") if job_id else None
        if answer is None or answer.is_missing:
            raise self._unknown(job_id)
        found: Dag = self._api.decoded(answer, DAG)
        if found.is_stale or found.dag_id != job_id:
            raise self._unknown(job_id)
        return found

    def _unknown(self, job_id: str) -> UnknownJob:
        """The error for a job that is not there; listing the others proves that it is Airflow who says so."""
        ids = [dag_id for dag_id, dag in self._api.dags().items() if not self._twins.owner(dag)]
        return UnknownJob(
            f"There is no job {job_id!r} on {self._api.address}. {what_is_alike(job_id, ids)}",
            "Name a job by its DAG's id, as Airflow's list of DAGs shows it.",
        )

    def _unfinished(self, dag_id: str) -> list[DagRun]:
        return [run for page in self._api.runs(dag_id, {"state": UNFINISHED}) for run in page]

    # -- translating -----------------------------------------------------------------------------------------

    def _job(self, dag: Dag) -> Job:
        url = f"{self._url}/dags/{quote(dag.dag_id, safe='')}"
        return self._tags.job(dag.dag_id, dag.dag_display_name, url, dag.tag_names)

    def _listed(self, dag: Dag, now: datetime | None) -> Listed:
        schedule = None if dag.is_paused else schedule_of(dag, self._zone)
        planned = None if dag.is_paused else dag.next_dagrun_run_after
        late = (planned.astimezone(UTC),) if planned and now and planned <= now else ()
        return Listed(self._job(dag), not dag.is_paused, (schedule,) if schedule else (), late)


def _run_id(key: str) -> str:
    """A run's id that Airflow takes, from a key: the key itself where it may."""
    plain = _ALLOWED.sub("-", key)[:_LONGEST_ID]
    return plain if plain == key else f"{plain}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(f"{name!r} is no time zone.", "Give one like `Europe/Berlin`, or `UTC`.") from None
    return name
