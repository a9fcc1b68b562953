"""A Prefect worker that forks its flow runs from a process in which everything is imported already.

``prefect worker start --type warm-process --pool POOL``. Where a run cannot be forked, it is started like the process
worker's, as ``python -m prefect.engine``, and the worker's log says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import Flow, FlowRun, StateType, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import Event
from prefect.exceptions import InfrastructureNotFound, ObjectNotFound
from prefect.states import Cancelled
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult
from pydantic import Field

from warm_worker.client import NotForked
from warm_worker.push import is_in_pool, listen
from warm_worker.stable import Stable

CANCEL_SECONDS = 2.0
"""How often Prefect is asked whether one of our runs is to be cancelled; nobody is asked while none is at work."""
GRACE_SECONDS = 30.0
"""How long a run may take to end after SIGTERM."""
WARM_SECONDS = 5.0
"""How often it is looked beside the runs whether the fork server is ready and has the newest code."""
LOOKS_SECONDS = (0.0, 0.05, 0.2, 0.5, 1.0)
"""How long after the one before each poll for a run that an event told of comes: Prefect sends its events before the
run's new state can be read."""
TRIES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long is waited before the next try where the machine starts no process."""
ONLY_AT_START = ("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONMALLOC", "LD_PRELOAD")
"""What Python and the loader read only when a process starts: a run that wants another value is not forked."""


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
        self.env = {**os.environ, **self.env}

    _own_command: str | None = None

    @property
    def own_command(self) -> str | None:
        """What the pool or the deployment runs instead of Prefect's engine."""
        return self._own_command

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


class _Started(Protocol):
    @property
    def pid(self) -> int: ...

    async def wait(self) -> int | None: ...
    def send(self, number: signal.Signals) -> None: ...


@dataclass
class _Own:
    """A process that was started the stock way."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def wait(self) -> int | None:
        return await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


def _is_no_news(record: logging.LogRecord) -> bool:
    """Prefect warns of a pool of another type; one of type ``process`` says of its runs what ours does."""
    return not (record.levelno == logging.WARNING and record.getMessage().startswith("Worker type mismatch!"))


class WarmWorker(BaseWorker[WarmConfiguration, WarmVariables, WarmResult]):
    """Forks each run from a process that has imported Prefect and the deployments' flows."""

    type = "warm-process"
    job_configuration = WarmConfiguration
    job_configuration_variables = WarmVariables
    _description = "Executes flow runs as processes that are forked from one with everything imported."
    _display_name = "Warm process"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self._logger, logging.Logger):
            self._logger.addFilter(_is_no_news)
        self._stable = Stable(self._flows_of_the_pool, self._logger)
        self._at_work: dict[UUID, _Started] = {}
        self._cancelling: set[UUID] = set()
        self._told: dict[UUID, int] = {}
        self._news = asyncio.Event()
        self._polling = asyncio.Lock()

    async def start(
        self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print
    ) -> None:
        """As the base class does; beside it, look after cancellations, be told of runs, and keep the server warm."""
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._look_after_cancellations, beside)
            if not run_once:
                beside.start_soon(self._keep_warm)
                beside.start_soon(listen, self._is_ours, self._was_told, self._logger)
                beside.start_soon(self._poll_when_told)
            try:
                await super().start(run_once, with_healthcheck, printer)
            finally:
                beside.cancel_scope.cancel()
                self._stable.close()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        """Start the run's process and wait for its end."""
        with _folder(configuration.working_dir) as cwd:
            started = await self._begin(flow_run, configuration, cwd)
            self._at_work[flow_run.id] = started
            if task_status is not None:
                task_status.started(started.pid)
            try:
                code = await started.wait()
            except BaseException:  # the worker ends: what it started ends with it
                with anyio.CancelScope(shield=True):
                    await _end(started)
                raise
            finally:
                del self._at_work[flow_run.id]
        if flow_run.id in self._cancelling:
            self._cancelling.discard(flow_run.id)
            await self._is_cancelled(flow_run)
            code = 0
        if code is None:
            code = await self._judge(flow_run)
        return WarmResult(status_code=code, identifier=str(started.pid))

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: WarmConfiguration,  # noqa: ARG002 - what the base class hands over
        grace_seconds: int = 30,
    ) -> None:
        """End the process of a run that was cancelled before it began."""
        for started in self._at_work.values():
            if str(started.pid) == infrastructure_pid:
                await _end(started, grace_seconds)
                return
        raise InfrastructureNotFound(f"No process {infrastructure_pid} of this worker is at work.")

    # -- polling at once ----------------------------------------------------------------------------------------------

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """One poll at a time: an older answer must not start what a newer one has started and seen end."""
        async with self._polling:
            return await super().get_and_submit_flow_runs()

    def _is_ours(self, event: Event) -> bool:
        return is_in_pool(event, self._work_pool_name)

    def _was_told(self, flow_run: UUID) -> None:
        self._told[flow_run] = 0
        self._news.set()

    async def _poll_when_told(self) -> None:
        """Poll for the runs that events told of; not for ever, for another worker may have them."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._told:
                await anyio.sleep(LOOKS_SECONDS[min(self._told.values())])
                asked = dict(self._told)
                try:
                    begun = {run.id for run in await self.get_and_submit_flow_runs()}
                except Exception as error:  # the polling loop meets it, too, and tells it
                    self._logger.debug("A poll for what an event told of failed: %r", error)
                    begun = set()
                for flow_run, looks in asked.items():
                    if flow_run in begun or looks + 1 == len(LOOKS_SECONDS):
                        self._told.pop(flow_run, None)
                    elif flow_run in self._told:
                        self._told[flow_run] = looks + 1

    async def _keep_warm(self) -> None:
        """Have the fork server ready before a run comes, and a fresh one before a run of new code comes."""
        while True:
            with contextlib.suppress(RuntimeError):  # before the worker has a client
                if self.client:
                    await self._stable.look()
            await anyio.sleep(WARM_SECONDS)

    # -- starting -----------------------------------------------------------------------------------------------------

    async def _begin(self, flow_run: FlowRun, configuration: WarmConfiguration, cwd: str) -> _Started:
        env, output = configuration.environment, configuration.stream_output
        if configuration.own_command is None and not _needs_its_own_start(env):
            try:
                return await self._stable.fork(str(flow_run.id), env, cwd, output=output)
            except NotForked as why:
                self._logger.warning("Flow run '%s' is started the stock way: %s.", flow_run.name, why)
        where = None if output else asyncio.subprocess.DEVNULL
        command = [sys.executable, "-m", "prefect.engine"]
        for seconds in (*TRIES_SECONDS, None):
            try:
                if configuration.own_command is not None:
                    made = await asyncio.create_subprocess_shell(
                        configuration.own_command, env=env, cwd=cwd, stdout=where, stderr=where
                    )
                else:
                    made = await asyncio.create_subprocess_exec(*command, env=env, cwd=cwd, stdout=where, stderr=where)
                return _Own(made)
            except BlockingIOError as full:  # EAGAIN: no process more for now
                if seconds is None:
                    raise
                self._logger.warning("The machine starts no process (%s); tried again in %g s.", full, seconds)
                await asyncio.sleep(seconds)
        raise AssertionError("the last try returns or raises")

    async def _flows_of_the_pool(self) -> list[tuple[str, str]]:
        """What the deployments of this pool run: entrypoints, each with the folder that it is found from."""
        from prefect.client.schemas.filters import WorkPoolFilter, WorkPoolFilterName

        deployments = await self.client.read_deployments(
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[self._work_pool_name])), limit=200
        )
        found = {(one.entrypoint or "", _folder_of(one)) for one in deployments}
        return sorted((entrypoint, folder) for entrypoint, folder in found if folder or _is_module(entrypoint))

    # -- ending -------------------------------------------------------------------------------------------------------

    async def _look_after_cancellations(self, beside: anyio.abc.TaskGroup) -> None:
        """Prefect's base class cancels what has not begun; of what runs, its worker has to ask."""
        while True:
            await anyio.sleep(CANCEL_SECONDS)
            if not self._at_work:
                continue
            try:
                for flow_run in await self.client.read_flow_runs(
                    flow_run_filter=FlowRunFilter(
                        id=FlowRunFilterId(any_=list(self._at_work)),
                        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
                    )
                ):
                    if flow_run.id in self._at_work and flow_run.id not in self._cancelling:
                        self._cancelling.add(flow_run.id)
                        beside.start_soon(_end, self._at_work[flow_run.id])
            except Exception as error:  # Prefect may be away for a while: the next look finds it
                self._logger.debug("Whether runs are to be cancelled could not be read: %r", error)

    async def _is_cancelled(self, flow_run: FlowRun) -> None:
        with contextlib.suppress(ObjectNotFound):
            await self.client.set_flow_run_state(
                flow_run.id, Cancelled(message="Its process was ended by the worker."), force=True
            )

    async def _judge(self, flow_run: FlowRun) -> int:
        """The exit code of a run whose parent died before it could tell: by the state that it came to."""
        with contextlib.suppress(ObjectNotFound):
            state = (await self.client.read_flow_run(flow_run.id)).state
            return 0 if state is None or not (state.is_running() or state.is_pending()) else 1
        return 0


def _needs_its_own_start(env: Mapping[str, str]) -> bool:
    return any(env.get(name) != os.environ.get(name) for name in ONLY_AT_START)


def _is_module(entrypoint: str) -> bool:
    """Whether it is found by its name (``package.module.flow``) wherever Python runs, and in no folder."""
    return bool(entrypoint) and ":" not in entrypoint


def _folder_of(deployment: DeploymentResponse) -> str:
    """The folder of this machine that a deployment's entrypoint is found from; "" where its code lies elsewhere."""
    folder = deployment.path or ""
    for step in deployment.pull_steps or []:
        for name, given in step.items():
            if name != "prefect.deployments.steps.set_working_directory":
                return ""  # fetched for each run: no two runs need have the same
            folder = str(given.get("directory", ""))
    return folder if folder and Path(folder).is_dir() else ""


@contextlib.contextmanager
def _folder(given: Path | None) -> Any:
    if given is not None:
        yield str(given)
        return
    with tempfile.TemporaryDirectory(suffix="prefect") as made:
        yield made


async def _end(started: _Started, grace_seconds: float = GRACE_SECONDS) -> None:
    """SIGTERM, and SIGKILL after a while."""
    started.send(signal.SIGTERM)
    with anyio.move_on_after(grace_seconds):
        await started.wait()
        return
    started.send(signal.SIGKILL)
    await started.wait()
