"""Prefect's REST API on the wire: what is read of its answers, and what its states mean in every platform's words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, timedelta

from pydantic import AwareDatetime, BaseModel, TypeAdapter

from caseproof.platforms.base import RunState, Schedule

WAITING = ("SCHEDULED", "PENDING", "PAUSED")
RUNNING = ("RUNNING", "CANCELLING")
STATES: Mapping[str, RunState] = {
    **dict.fromkeys(WAITING, RunState.WAITING),  # AwaitingRetry and Late are names of SCHEDULED
    **dict.fromkeys(RUNNING, RunState.RUNNING),
    "FAILED": RunState.FAILED,
    "CRASHED": RunState.FAILED,
    "CANCELLED": RunState.CANCELLED,
}


class Named(BaseModel):
    """What has an id and a name: a flow, and what is built on it here."""

    id: str
    name: str


class When(BaseModel):
    """An interval (seconds), a cron line, or an RRULE, of which nothing is read."""

    interval: timedelta | None = None
    anchor_date: AwareDatetime | None = None
    cron: str | None = None
    day_or: bool | None = None
    timezone: str | None = None


class DeploymentSchedule(BaseModel):
    """One of a deployment's schedules, and whether it is live."""

    active: bool
    schedule: When = When()


class Deployment(Named):
    """A job. ``paused`` stops all its schedules."""

    flow_id: str
    paused: bool
    tags: list[str]
    schedules: list[DeploymentSchedule]


class PrefectState(BaseModel):
    """A state that a run has or had; ``message`` is Prefect's or the flow's own."""

    type: str
    name: str | None = None
    message: str | None = None
    timestamp: AwareDatetime | None = None


class FlowRun(Named):
    """A run. One without ``deployment_id`` was started by hand, or its deployment is gone."""

    flow_id: str
    deployment_id: str | None
    state_type: str | None
    state_name: str | None
    state: PrefectState | None = None
    run_count: int
    start_time: AwareDatetime | None
    end_time: AwareDatetime | None
    total_run_time: float | None = None  # seconds that it was Running
    expected_start_time: AwareDatetime | None = None
    auto_scheduled: bool = False  # planned by Prefect's scheduler


class RunsPage(BaseModel):
    """A page of runs, and how many there are on all pages."""

    results: list[FlowRun]
    count: int


COUNT = TypeAdapter(int)
DEPLOYMENT, DEPLOYMENTS = TypeAdapter(Deployment), TypeAdapter(list[Deployment])
FLOW, FLOWS = TypeAdapter(Named), TypeAdapter(list[Named])
RUN, RUNS, RUNS_PAGE = TypeAdapter(FlowRun), TypeAdapter(list[FlowRun]), TypeAdapter(RunsPage)
HISTORY = TypeAdapter(list[PrefectState])


def meaning_of(run: FlowRun) -> RunState:
    """What Prefect's state means. Only an executed run that is called Completed succeeded (J10, J11).

    Prefect gives a start to a run that was called completed without ever running, so the count of
    executions tells. It keeps the end of a run that is called completed after it had failed, so a state
    newer than that end tells.
    """
    if run.state_type == "COMPLETED":
        executed = run.run_count > 0 and run.start_time is not None
        by_hand = run.state and run.state.timestamp and run.end_time and run.state.timestamp > run.end_time
        return RunState.SUCCEEDED if run.state_name == "Completed" and executed and not by_hand else RunState.UNKNOWN
    return STATES.get(run.state_type or "", RunState.UNKNOWN)


def is_doubtful(run: FlowRun) -> bool:
    """Whether the row of a Completed run leaves open that somebody called it so: its history must tell then.

    A run that went from Running straight to Completed was Running from its start to its end. One that was
    retried, suspended or cancelled was not: it may have run to its end after that, or not.
    """
    if meaning_of(run) is not RunState.SUCCEEDED:
        return False
    if run.start_time is None or run.end_time is None or run.total_run_time is None:
        return True
    return (run.end_time - run.start_time).total_seconds() - run.total_run_time > 0.00001  # of rounding


def schedule_of(found: When) -> Schedule:
    """The schedule in every platform's words; of one that we cannot follow only that it is there."""
    zone = found.timezone or "UTC"
    if found.interval and found.interval > timedelta(0) and found.anchor_date:
        with suppress(OverflowError):  # an anchor that is outside the calendar in UTC
            return Schedule(every=found.interval, anchor=found.anchor_date.astimezone(UTC), timezone=zone)
    if found.cron and found.day_or is not False:  # without day_or it means what no other cron means
        return Schedule(cron=found.cron, timezone=zone)
    return Schedule(timezone=zone)
