"""How a run's process is started: what the pool and the deployment say, and what each run is given."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import Settings, get_current_settings
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult
from pydantic import Field

PATIENT = {"PREFECT_CLIENT_MAX_RETRIES": "6"}
"""A run waits two minutes for a Prefect that is away, where nobody set it otherwise; Prefect's own 5 is just one."""
ONLY_AT_START = ("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONMALLOC", "LD_PRELOAD")
"""What Python and the loader read only when a process starts: a run that wants another value is not forked."""
LOGGING = "PREFECT_LOGGING_"
"""Nor one that wants other loggers: these are set up when Prefect is imported, and modules build on that."""


_written: tuple[Settings, dict[str, str]] | None = None


def _settings_environment() -> dict[str, str]:
    """Our settings as variables. They do not change, and to write them down takes longer than to fork a run."""
    global _written
    settings = get_current_settings()
    if _written is None or _written[0] is not settings:
        _written = settings, settings.to_environment_variables(exclude_unset=True)
    return dict(_written[1])


def runs_environment() -> dict[str, str]:
    """What each run is given, and so the process that it is forked from: our own environment, and our settings."""
    return {**PATIENT, **os.environ, **_settings_environment()}


class WarmConfiguration(BaseJobConfiguration):
    """How a run's process is started, as the pool and the deployment say."""

    stream_output: bool = Field(default=True)
    working_dir: Path | None = Field(default=None)

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: Flow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """The worker's own environment, and over it what Prefect and the deployment add."""
        self._own_command = self.command
        super().prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id)
        self.env = {**runs_environment(), **self.env}

    _own_command: str | None = None

    @classmethod
    def _base_environment(cls) -> dict[str, str]:
        return _settings_environment()

    @property
    def own_command(self) -> str | None:
        """What the pool or the deployment runs instead of Prefect's engine."""
        return self._own_command

    @property
    def can_be_forked(self) -> bool:
        """Whether its process can begin as a copy of one that was started with ``runs_environment``."""
        ours, its = runs_environment(), self.environment
        fixed = {name for name in {**ours, **its} if name in ONLY_AT_START or name.startswith(LOGGING)}
        return self.own_command is None and all(its.get(name) == ours.get(name) for name in fixed)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        return {name: value for name, value in self.env.items() if value is not None}


class WarmVariables(BaseVariables):
    """What a pool of this type can be told."""

    stream_output: bool = Field(default=True, description="Whether what runs print stands in the worker's output.")
    working_dir: Path | None = Field(
        default=None,
        title="Working Directory",
        description="The folder that runs are started in; a new temporary one for each run where none is given.",
    )


class WarmResult(BaseWorkerResult):
    """How the process of a run ended."""
