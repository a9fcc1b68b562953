"""A Prefect worker that forks its flow runs from a process in which everything is imported already.

``prefect worker start --type warm-process --pool POOL``. Where a run cannot be forked, it is started like the process
worker's, as ``python -m prefect.engine``, and the worker's log says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import anyio
import anyio.abc
import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import InfrastructureNotFound, ObjectNotFound
from prefect.states import Cancelled
from prefect.workers.base import BaseWorker

from warm_worker.client import NotForked
from warm_worker.configuration import WarmConfiguration, WarmResult, WarmVariables, runs_environment
from warm_worker.push import ToldOf
from warm_worker.stable import Stable

SAME_TEMPLATE = "process"
"""The type of pool that says of its runs what ours does: this worker serves it, too."""
LEAVES_OUT = "WARM_WORKER_LEAVES_OUT"
"""The variable that names deployments, with blanks between them, whose flows are not imported ahead: what they alone
need is in no other run's memory, and they import it when they run."""
CANCEL_SECONDS = 2.0
"""How often Prefect is asked whether one of our runs is to be cancelled; nobody is asked while none is at work."""
GRACE_SECONDS = 30.0
"""How long a run may take to end after SIGTERM."""
WARM_SECONDS = 5.0
"""How often it is looked beside the runs whether the fork server is ready and has the newest code."""
TRIES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long is waited before the next try where the machine starts no process."""
SILENCE_SECONDS = 3.0
"""After how long without an answer the log says that Prefect is away."""


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
    """Prefect warns of a pool of another type, also of one that this worker serves; others were refused before."""
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
        self._stable = Stable(self._flows_of_the_pool, runs_environment, self._logger)
        self._at_work: dict[int, tuple[UUID, _Started]] = {}  # by process: a run may go on before its last one ended
        self._cancelling: set[UUID] = set()
        self._told = ToldOf(self._work_pool_name, self._logger)
        self._polling = asyncio.Lock()
        self._is_away = False

    async def start(
        self, run_once: bool = False, with_healthcheck: bool = False, printer: Callable[..., None] = print
    ) -> None:
        """As the base class does; beside it, look after cancellations, hear of runs, and keep the server warm.

        A pool of another type ends it at once.
        """
        await self._refuse_another_type(printer)
        async with _no_thread_for_each_process(), anyio.create_task_group() as beside:
            beside.start_soon(self._look_after_cancellations, beside)
            if not run_once:
                beside.start_soon(self._keep_warm)
                beside.start_soon(self._told.listen)
                beside.start_soon(self._told.poll, self.get_and_submit_flow_runs)
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
            self._at_work[started.pid] = flow_run.id, started
            if task_status is not None:
                task_status.started(started.pid)
            try:
                code = await started.wait()
            except BaseException:  # the worker ends: what it started ends with it
                with anyio.CancelScope(shield=True):
                    await _end(started)
                raise
            finally:
                del self._at_work[started.pid]
        if flow_run.id in self._cancelling:
            if all(run != flow_run.id for run, _ in self._at_work.values()):
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
        for _, started in self._at_work.values():
            if str(started.pid) == infrastructure_pid:
                await _end(started, grace_seconds)
                return
        raise InfrastructureNotFound(f"No process {infrastructure_pid} of this worker is at work.")

    async def _keep_warm(self) -> None:
        """Have the fork server ready before a run comes, and a fresh one before a run of new code comes."""
        while True:
            if self.is_setup:
                await self._stable.look()
            await anyio.sleep(WARM_SECONDS)

    # -- starting -----------------------------------------------------------------------------------------------------

    async def _begin(self, flow_run: FlowRun, configuration: WarmConfiguration, cwd: str) -> _Started:
        env, output = configuration.environment, configuration.stream_output
        if configuration.can_be_forked:
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
            except OSError as full:
                if seconds is None or full.errno not in (errno.EAGAIN, errno.ENOMEM):  # no process more for now
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
        left_out = os.environ.get(LEAVES_OUT, "").split()
        found = {(one.entrypoint or "", _folder_of(one)) for one in deployments if one.name not in left_out}
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
                        id=FlowRunFilterId(any_=list({run for run, _ in self._at_work.values()})),
                        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CANCELLING])),
                    )
                ):
                    if flow_run.id not in self._cancelling:
                        for run, started in self._at_work.values():
                            if run == flow_run.id:
                                self._cancelling.add(run)
                                beside.start_soon(_end, started)
            except Exception as error:  # Prefect may be away for a while: the next look finds it
                self._logger.debug("Whether runs are to be cancelled could not be read: %r", error)

    async def _is_cancelled(self, flow_run: FlowRun) -> None:
        await self._prefect_answers()
        with contextlib.suppress(ObjectNotFound):
            await self.client.set_flow_run_state(
                flow_run.id, Cancelled(message="Its process was ended by the worker."), force=True
            )

    async def _judge(self, flow_run: FlowRun) -> int:
        """The exit code of a run whose parent died before it could tell: by the state that it came to."""
        await self._prefect_answers()
        with contextlib.suppress(ObjectNotFound):
            state = (await self.client.read_flow_run(flow_run.id)).state
            return 0 if state is None or not (state.is_running() or state.is_pending()) else 1
        return 0

    # -- what the base class does otherwise ---------------------------------------------------------------------------

    async def _refuse_another_type(self, printer: Callable[..., None]) -> None:
        """The base class only warns, and goes on with another type's settings."""
        async with get_client() as client:
            try:
                pool = await client.read_work_pool(self._work_pool_name)
            except (ObjectNotFound, httpx.HTTPError):  # it is made, or Prefect is away: both are the base class's
                return
        if pool.type not in (self.type, SAME_TEMPLATE):
            printer(
                f"The work pool {pool.name!r} is of the type {pool.type!r}, and this worker is for {self.type!r}: "
                f"nothing was started. Start a worker with --type {pool.type}, or make a pool for this one: "
                f"prefect work-pool create NAME --type {self.type}"
            )
            raise SystemExit(1)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """As the base class does; it gives up after some failures, and would end its runs, where Prefect is away.

        One poll at a time: an older answer must not start what a newer one has started and seen end.
        """
        late = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._goes_away)
        try:
            async with self._polling:
                found = await super().get_and_submit_flow_runs()
        except httpx.HTTPError as error:
            if not _is_for_a_while(error):
                raise
            self._goes_away()
            return []
        finally:
            late.cancel()
        if self._is_away:
            self._is_away = False
            self._logger.info("Prefect answers again.")
        return found

    def _goes_away(self) -> None:
        if not self._is_away:
            self._is_away = True
            self._logger.warning("Prefect does not answer. Runs that are at work go on, others wait until it does.")

    async def sync_with_backend(self) -> None:
        """As the base class does; where Prefect is away, the next time will do once the worker is set up."""
        try:
            await super().sync_with_backend()
        except httpx.HTTPError as error:
            if not (self.is_setup and _is_for_a_while(error)):
                raise

    async def _submit_run(self, flow_run: FlowRun) -> None:
        """As the base class does, where an error of the first call would end the worker and all its runs."""
        try:
            await super()._submit_run(flow_run)
        except httpx.HTTPError as error:
            if not _is_for_a_while(error):
                raise
            self._logger.warning("Flow run '%s' is not started yet, Prefect does not answer: %r", flow_run.name, error)
            self._submitting_flow_run_ids.discard(flow_run.id)
            self._release_limit_slot(flow_run.id)

    async def _propose_crashed_state(self, *args: Any, **more: Any) -> None:
        """As the base class does, which tries it once: a run that ended while Prefect was away would run for ever."""
        await self._prefect_answers()
        await super()._propose_crashed_state(*args, **more)

    async def _prefect_answers(self) -> None:
        while isinstance(error := await self.client.api_healthcheck(), httpx.HTTPError) and _is_for_a_while(error):
            await anyio.sleep(CANCEL_SECONDS)


def _is_for_a_while(error: httpx.HTTPError) -> bool:
    return not isinstance(error, httpx.HTTPStatusError) or error.response.status_code >= 500


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


@contextlib.asynccontextmanager
async def _no_thread_for_each_process() -> AsyncIterator[None]:
    """Python 3.11 waits for each process in a thread, which cannot be had where the machine is full; 3.12 does not."""
    if sys.version_info >= (3, 12):
        yield
        return
    policy, watcher = asyncio.get_event_loop_policy(), asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    policy.set_child_watcher(watcher)
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a fork server may still end: nobody waits for it
            policy.set_child_watcher(None)  # type: ignore[arg-type]


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
