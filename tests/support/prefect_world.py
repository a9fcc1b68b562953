"""Deployments and runs on a real Prefect server, made over its API as people, schedulers and workers make them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from tests.support.prefect_api import ask_prefect

# Next in 2040: Prefect plans 100 days ahead, so its scheduler adds nothing to what a test plans by itself.
RARELY = {"interval": timedelta(days=7305).total_seconds(), "anchor_date": "2020-01-01T00:00:00Z"}


@dataclass
class PrefectWorld:
    """The deployments of one flow, and their runs."""

    api: httpx.Client
    flow: str

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        return ask_prefect(self.api, method, path, body)

    def flow_id(self) -> str:
        return str(self._do("POST", "flows/", {"name": self.flow})["id"])

    def deploy(
        self,
        name: str,
        tags: tuple[str, ...] = (),
        schedules: tuple[bool, ...] = (),
        parameters: dict[str, str] | None = None,
    ) -> str:
        """A deployment with a schedule for each of ``schedules`` (whether it is active); its job id."""
        body = {
            "name": name,
            "flow_id": self.flow_id(),
            "tags": list(tags),
            "parameters": parameters or {},
            "enforce_parameter_schema": False,
            "schedules": [
                {"schedule": {**RARELY, "timezone": zone}, "active": active}
                for active, zone in zip(schedules, ("UTC", "Europe/Berlin"), strict=False)
            ],
        }
        self._do("POST", "deployments/", body)
        return f"{self.flow}/{name}"

    def deployment(self, job_id: str) -> Any:
        return self._do("GET", f"deployments/name/{job_id}")

    def delete(self, job_id: str) -> None:
        self._do("DELETE", f"deployments/{self.deployment(job_id)['id']}")

    def plan(self, job_id: str) -> int:
        """Make the next five scheduled runs, as the scheduler does; how many runs the job has then."""
        asked = {"end_time": "2200-01-01T00:00:00Z", "max_runs": 5, "min_runs": 5}
        found = self.deployment(job_id)["id"]
        self._do("POST", f"deployments/{found}/schedule", asked)
        filters = {"flow_runs": {"deployment_id": {"any_": [found]}}}
        return int(self._do("POST", "flow_runs/count", filters))

    def start(self, job_id: str, *states: tuple[str, str | None], name: str | None = None) -> str:
        """A run of the job that goes through ``states`` (type and name), forced."""
        body = {"name": name} if name else {}
        run = self._do("POST", f"deployments/{self.deployment(job_id)['id']}/create_flow_run", body)
        for kind, said in states:
            self.set(run["id"], kind, said)
        return str(run["id"])

    def set(self, run_id: str, kind: str, said: str | None = None, message: str | None = None) -> None:
        state = {"type": kind, "message": message} | ({"name": said} if said else {})
        self._do("POST", f"flow_runs/{run_id}/set_state", {"state": state, "force": True})

    def parameters(self, run_id: str) -> Any:
        return self._do("GET", f"flow_runs/{run_id}")["parameters"]

    def state(self, run_id: str) -> str:
        return str(self._do("GET", f"flow_runs/{run_id}")["state_type"])
