"""What the job farm holds: flows, deployments and runs, as Prefect keeps them, in memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_NAMES = {"AWAITINGRETRY": "AwaitingRetry"}
OVER = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_SPACE = uuid.UUID("6f7b1f0c-6a1e-4f0e-9a51-000000000000")


def id_of(*what: object) -> str:
    """The same id for the same thing at every start of a farm."""
    return str(uuid.uuid5(_SPACE, "/".join(map(str, what))))


def wire(moment: datetime | None) -> str | None:
    """A moment as Prefect writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


@dataclass(slots=True)
class State:
    kind: str
    name: str
    message: str | None
    at: datetime

    def row(self) -> dict[str, Any]:
        return {"type": self.kind, "name": self.name, "message": self.message, "timestamp": wire(self.at)}


@dataclass(slots=True)
class FarmRun:
    """A run, with Prefect's bookkeeping: start and end are set once, and the time that it was Running is added up."""

    id: str
    name: str
    deployment: Deployment
    planned: datetime
    key: str | None = None
    by_itself: bool = False  # made by the scheduler
    parameters: dict[str, Any] = field(default_factory=dict)
    count: int = 0
    start: datetime | None = None
    end: datetime | None = None
    ran: timedelta = timedelta()
    history: list[State] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.history[-1]

    @property
    def sorted_by(self) -> datetime:
        return self.start or self.planned

    def becomes(self, kind: str, at: datetime, name: str | None = None, message: str | None = None) -> None:
        """Take a state without asking whether it may."""
        if self.history and self.state.kind == "RUNNING":
            self.ran += at - self.state.at
        if kind == "RUNNING":
            self.count += 1
            self.start = self.start or at
        if kind in OVER:
            self.start = self.start or at
            self.end = self.end or at
        else:
            self.end = None
        self.history.append(State(kind, name or kind.capitalize(), message, at))

    def row(self) -> dict[str, Any]:
        state = self.state
        return {
            "id": self.id,
            "name": self.name,
            "flow_id": self.deployment.flow_id,
            "deployment_id": self.deployment.id,
            "state_type": state.kind,
            "state_name": state.name,
            "state": state.row(),
            "run_count": self.count,
            "expected_start_time": wire(self.planned),
            "start_time": wire(self.start),
            "end_time": wire(self.end),
            "total_run_time": self.ran.total_seconds(),
            "idempotency_key": self.key,
            "auto_scheduled": self.by_itself,
            "parameters": self.parameters,
        }


@dataclass(slots=True)
class Deployment:
    id: str
    flow_id: str
    flow: str
    name: str
    created: int
    tags: list[str]
    schedules: list[dict[str, Any]]
    paused: bool
    parameters: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, FarmRun] = field(default_factory=dict)
    pauses: int = 0  # calls
    stops: int = 0  # those that changed something
    resumes: int = 0

    @property
    def job_id(self) -> str:
        return f"{self.flow}/{self.name}"

    def row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "flow_id": self.flow_id,
            "paused": self.paused,
            "tags": self.tags,
            "schedules": self.schedules,
            "parameters": self.parameters,
        }

    def counts(self) -> dict[str, Any]:
        kinds = [run.state.kind for run in self.runs.values()]
        return {
            "job": self.job_id,
            "paused": self.paused,
            "pauses": self.pauses,
            "stops": self.stops,
            "resumes": self.resumes,
            "runs": len(kinds),
            "unfinished": sum(kind not in OVER for kind in kinds),
        }


class FarmState:
    """All of it. ``now`` is the farm's clock. A job's description is told in ``sandbox/farm.py``."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.flows: dict[str, str] = {}  # name by id
        self.deployments: dict[str, Deployment] = {}
        self.by_job: dict[str, Deployment] = {}
        self.runs: dict[str, FarmRun] = {}
        self.keys: dict[tuple[str, str], FarmRun] = {}
        self._in_order: list[FarmRun] | None = None

    def flow(self, name: str) -> str:
        found = id_of("flow", name)
        self.flows[found] = name
        return found

    def deploy(
        self,
        flow_id: str,
        name: str,
        *,
        tags: Iterable[str] = (),
        schedules: Iterable[Mapping[str, Any]] = (),
        paused: bool = False,
        parameters: Mapping[str, Any] | None = None,
    ) -> Deployment:
        flow = self.flows[flow_id]
        found = Deployment(
            id_of("deployment", flow, name),
            flow_id,
            flow,
            name,
            len(self.deployments),
            list(tags),
            [{"active": True, **one} for one in schedules],
            paused,
            dict(parameters or {}),
        )
        self.deployments[found.id] = self.by_job[found.job_id] = found
        return found

    def describe(self, job: Mapping[str, Any]) -> None:
        """Make a job with its runs, as its description tells."""
        flow, _, name = job["id"].partition("/")
        found = self.deploy(
            self.flow(flow),
            name,
            tags=job.get("tags", ()),
            schedules=job.get("schedules", ()),
            paused=job.get("paused", False),
        )
        for told in job.get("runs", ()):
            self._happened(found, told)
        for number in range(job.get("planned", 0)):
            self.new_run(found, by_itself=True, planned=self.now() + timedelta(hours=number + 1))

    def new_run(self, of: Deployment, *, planned: datetime | None = None, **facts: Any) -> FarmRun:
        """A Scheduled run."""
        number = len(self.runs) + 1
        facts.setdefault("name", f"run-{number}")
        at = self.now()
        run = FarmRun(id_of("run", number, of.id), facts.pop("name"), of, planned or at, **facts)
        run.becomes("SCHEDULED", at)
        self.runs[run.id] = of.runs[run.id] = run
        if run.key:
            self.keys[of.flow_id, run.key] = run
        self.changed()
        return run

    def delete(self, run: FarmRun) -> None:
        del self.runs[run.id], run.deployment.runs[run.id]
        self.changed()

    def changed(self) -> None:
        """To be called when a run came, went or started."""
        self._in_order = None

    def in_order(self) -> list[FarmRun]:
        """All runs by their start, the planned one where there is no other."""
        if self._in_order is None:
            self._in_order = sorted(self.runs.values(), key=lambda run: run.sorted_by)
        return self._in_order

    def _happened(self, found: Deployment, told: Mapping[str, Any]) -> None:
        start = datetime.fromisoformat(told["start"])
        number = len(self.runs) + 1
        run = FarmRun(id_of("run", number, found.id), f"run-{number}", found, start, by_itself=True)
        self.runs[run.id] = found.runs[run.id] = run
        run.becomes("SCHEDULED", start)
        kind, seconds = told.get("state", "COMPLETED"), told.get("seconds", 30)
        if kind != "SCHEDULED":
            run.becomes("RUNNING", start)
        if kind not in ("SCHEDULED", "RUNNING") and seconds is not None:
            end = start + timedelta(seconds=seconds)
            if told.get("forced"):  # it failed, and somebody called it completed a minute later
                run.becomes("FAILED", end)
                end += timedelta(minutes=1)
            run.becomes(kind, end, told.get("name"), told.get("message"))
