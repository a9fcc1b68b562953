"""Prefect's REST API on the wire: what is read of its answers, and what its states mean in every platform's words."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, TypeAdapter

from caseproof.platforms.base import RunState

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
    id: str
    name: str


class Schedule(BaseModel):
    active: bool


class Deployment(Named):
    flow_id: str
    paused: bool
    tags: list[str]
    schedules: list[Schedule]


class State(BaseModel):
    type: str
    name: str | None = None
    message: str | None = None


class FlowRun(Named):
    flow_id: str
    deployment_id: str | None
    state_type: str | None
    state_name: str | None
    state: State | None = None
    run_count: int
    start_time: AwareDatetime | None
    end_time: AwareDatetime | None


COUNT = TypeAdapter(int)
DEPLOYMENT, DEPLOYMENTS = TypeAdapter(Deployment), TypeAdapter(list[Deployment])
FLOW, FLOWS = TypeAdapter(Named), TypeAdapter(list[Named])
RUN, RUNS = TypeAdapter(FlowRun), TypeAdapter(list[FlowRun])
HISTORY = TypeAdapter(list[State])


def meaning_of(run: FlowRun) -> RunState:
    """What Prefect's state means. Only an executed run that is called Completed succeeded (J10, J11).

    Prefect gives a start to a run that was called completed without ever running, so the count of
    executions tells.
    """
    if run.state_type == "COMPLETED":
        executed = run.run_count > 0 and run.start_time is not None
        return RunState.SUCCEEDED if run.state_name == "Completed" and executed else RunState.UNKNOWN
    return STATES.get(run.state_type or "", RunState.UNKNOWN)
