"""Cases and their flow runs on a real Prefect server, without a worker: what tests look at and change."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.settings import get_current_settings
from prefect.states import Scheduled, Suspended

from caseproof.domain.job_failure.kinds import Kind
from caseproof.procedure.core.services import Services

_numbers = count()


@flow(name="job-failure-case")
def stand_in() -> None:
    """Stands for the case's flow: no worker runs it."""


@cache
def deploy_stand_in(api_url: str) -> None:
    """Deploy it on the server that this process talks to, which is the one at ``api_url``; once is enough."""
    assert get_current_settings().api.url == api_url
    with get_client(sync_client=True) as client:
        client.create_deployment(client.create_flow(stand_in), name="job-failure-case")


def suspended() -> State[Any]:
    return Suspended(timeout_seconds=None, pause_key="question-1")


def opened(services: Services) -> str:
    """A case that never had a run."""
    event = services.ledger.event(
        Kind.OPENED, platform="p", job=f"j{next(_numbers)}", job_name="j", cause="feed", summary="It fails.",
        how="a test", scope="job",
    )  # fmt: skip
    with services.store.uow() as uow:
        ref = uow.cases.create(event).ref
        uow.commit()
    return ref


def carried_by_a_run(services: Services, state: State[Any], ref: str = "") -> tuple[str, str]:
    """A case (a new one, where none is given) whose run is in a state; the case and the run."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("job-failure-case/job-failure-case")
        run = client.create_flow_run_from_deployment(deployment.id, state=Scheduled())
        client.set_flow_run_state(run.id, state, force=True)
    ref = ref or opened(services)
    with services.store.uow() as uow:
        known = uow.cases.run_of(ref)
        uow.cases.attach_run(ref, str(run.id), known.generation + 1 if known else 1)
        uow.commit()
    return ref, str(run.id)


def generation(services: Services, ref: str) -> int:
    with services.store.reading() as uow:
        known = uow.cases.run_of(ref)
    return known.generation if known else 0
