"""Many deployments with runs behind them on a real Prefect server, made by its API as a worker would.

A run is created, set Running and set to its end, so Prefect itself keeps its times and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.processes import PrefectServer
from tests.support.prefect_api import ask_prefect

OK = "COMPLETED"


@dataclass(frozen=True)
class PastJob:
    """A job and how its runs ended, oldest first: ``OK``, or the message that it failed with."""

    name: str
    runs: Sequence[str]
    tags: Sequence[str] = ()
    every: float = 3600  # seconds


@dataclass(frozen=True)
class History:
    """What is on the server: the flow's name, and each deployment's id by the job's name."""

    flow: str
    deployments: dict[str, str] = field(default_factory=dict)

    def job(self, name: str) -> str:
        return f"{self.flow}/{name}"


def make_history(server: PrefectServer, jobs: Sequence[PastJob], flow: str = "shop-job") -> History:
    """Make the jobs and their runs, several at once."""
    with server.client() as client, ThreadPoolExecutor(8) as at_once:
        flow_id = ask_prefect(client, "POST", "flows/", {"name": flow})["id"]
        ids = list(at_once.map(lambda job: _make(client, flow_id, job), jobs))
    return History(flow, {job.name: found for job, found in zip(jobs, ids, strict=True)})


def _make(client: httpx.Client, flow_id: str, job: PastJob) -> str:
    wanted: dict[str, Any] = {"flow_id": flow_id, "name": job.name, "tags": list(job.tags)}
    deployment: str = ask_prefect(client, "POST", "deployments/", {**wanted, "paused": False})["id"]
    _run(client, deployment, job.runs)
    # Last, so that the scheduler makes no runs while these are made.
    schedule = [{"active": True, "schedule": {"interval": job.every}}]
    ask_prefect(client, "POST", f"deployments/{deployment}/schedules", schedule)
    return deployment


def _run(client: httpx.Client, deployment: str, runs: Sequence[str]) -> None:
    for ended in runs:
        run = ask_prefect(client, "POST", f"deployments/{deployment}/create_flow_run", {})["id"]
        end = {"type": OK, "name": "Completed"} if ended == OK else {"type": "FAILED", "message": ended}
        for state in ({"type": "RUNNING"}, end):
            ask_prefect(client, "POST", f"flow_runs/{run}/set_state", {"state": state, "force": True})
