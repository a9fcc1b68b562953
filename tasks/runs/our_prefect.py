"""Flow runs on our own Prefect server: read, woken and buried."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, Scheduled

from blocks.base import PrefectDown, require_prefect
from caseproof.domain.errors import BadInput
from caseproof.http.client import LibraryError
from caseproof.up.prefect_services import CASE

AT_ONCE = 200
"""How many runs are read at once."""
LIVE_TAGS = (CASE,)
"""Tags that a run loses when another one goes on instead of it."""

_open: ContextVar[SyncPrefectClient | None] = ContextVar("_open", default=None)


@contextmanager
def one_client() -> Iterator[None]:
    """All that is asked of Prefect in here goes over one client: making one takes longer than most questions."""
    with client_of_prefect() as client:
        before = _open.set(client)
        try:
            yield
        finally:
            _open.reset(before)


@contextmanager
def client_of_prefect() -> Iterator[SyncPrefectClient]:
    """A client, or the one that is open here. Raises PrefectDown for what goes wrong in here."""
    standing = _open.get()
    try:
        if standing is not None:
            yield standing
            return
        require_prefect()
        with get_client(sync_client=True) as client:
            yield client
    except LibraryError as error:
        raise PrefectDown(
            f"Our Prefect server does not answer: {type(error).__name__}.",
            "Check PREFECT_API_URL and that the server is running; the case itself is safe in the store.",
        ) from error


def read_run(flow_run: str) -> FlowRun | None:
    """The flow run, or None where it was deleted."""
    with client_of_prefect() as client:
        try:
            return client.read_flow_run(UUID(flow_run))
        except ObjectNotFound:
            return None


def read_runs(flow_runs: Sequence[str]) -> dict[str, FlowRun]:
    """The flow runs that are there, by id."""
    found: dict[str, FlowRun] = {}
    for start in range(0, len(flow_runs), AT_ONCE):
        some = FlowRunFilterId(any_=[UUID(one) for one in flow_runs[start : start + AT_ONCE]])
        with client_of_prefect() as client:
            runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=some), limit=AT_ONCE)
        found |= {str(run.id): run for run in runs}
    return found


def bury(flow_run: FlowRun) -> None:
    """Have Prefect say of a run whose process died that it crashed, instead of Running for ever."""
    with client_of_prefect() as client:
        message = "Its process died; a new run goes on."
        client.set_flow_run_state(flow_run.id, Crashed(message=message), force=True)


def set_aside(client: SyncPrefectClient, flow_run: str, ref: str) -> FlowRun | None:
    """Rename a run that another one replaces, so that a search for the reference, or for cases that wait, finds the
    live one alone; gives it as it was. None where it was deleted.

    Doing it again changes nothing.
    """
    try:
        run = client.read_flow_run(UUID(flow_run))
        spelt = re.sub(re.escape(ref), ref.replace("-", " "), run.name, flags=re.IGNORECASE)
        tags = [tag for tag in run.tags if tag not in LIVE_TAGS and not tag.startswith("status:")]
        if (spelt, tags) != (run.name, run.tags):
            client.update_flow_run(run.id, name=f"replaced · {spelt.removeprefix('replaced · ')}", tags=tags)
    except ObjectNotFound:
        return None
    return run


def set_scheduled(flow_run: UUID) -> bool:
    """Wake a suspended run; whether Prefect takes it. Raises PrefectDown."""
    with client_of_prefect() as client:
        return resume(client, flow_run)


def resume(client: SyncPrefectClient, flow_run: UUID) -> bool:
    """Wake a suspended run over this client; whether Prefect takes it."""
    answer: OrchestrationResult[Any] = client.set_flow_run_state(flow_run, Scheduled(name="Resuming"))
    return answer.status is SetStateStatus.ACCEPT


def deployment_id(client: SyncPrefectClient, name: str) -> UUID:
    """The id of one of our deployments (``flow/deployment``). Raises BadInput when we are not deployed."""
    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound as error:
        raise BadInput(
            f"Prefect has no deployment {name}.", "Deploy it: `prefect deploy --all` in the project's folder."
        ) from error
