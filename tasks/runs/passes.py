"""The flow runs of passes: an hourly net beside the passes in place, and cleared away so that cases are not buried.

What found nothing to do is deleted soon after it ended, the rest when the policy's days are over
(``prefect.keep_passes_days``). A run does not delete itself: its worker still reports how it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed

from blocks.base import PrefectDown
from caseproof.procedure.core.services import Services
from tasks.runs.our_prefect import client_of_prefect
from tasks.tries import tried_again

PASSES = ("case-keeper/case-keeper", "retailer-inbox/retailer-inbox")
"""The deployments whose runs are cleared away; no other run is ever deleted."""
OURS = "caseproof"
"""The tag of our own deployments."""
NOTHING_TO_DO = "Nothing to do"
"""The name of the state in which an empty pass ends: by it the run is found again."""
SETTLED = timedelta(minutes=2)
"""How long ago a run must have ended, so that its worker has told all that it has to tell."""
AT_ONCE = 100
"""How many runs a pass clears away of each kind; the next pass goes on."""


def nothing_to_do(message: str) -> State[Any]:
    """How a pass ends that did nothing."""
    return Completed(name=NOTHING_TO_DO, message=message)


def clear_away(services: Services) -> int:
    """Delete the finished runs of passes that were empty, or are older than the policy keeps them; how many.

    Where Prefect does not answer, the next pass does it.
    """
    gone = 0
    now = services.clock()
    with suppress(PrefectDown), tried_again(0), client_of_prefect() as client:
        ours = list(_pass_deployments(client))
        empty = FlowRunFilterState(
            type=FlowRunFilterStateType(any_=[StateType.COMPLETED]), name=FlowRunFilterStateName(any_=[NOTHING_TO_DO])
        )
        over = FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES)))
        old = now - timedelta(days=services.policy.prefect.keep_passes_days)
        for state, before in ((empty, now - SETTLED), (over, min(old, now - SETTLED))):
            for run in _ended(client, ours, state, before):
                with suppress(ObjectNotFound):  # somebody else was quicker
                    client.delete_flow_run(run)
                    gone += 1
    return gone


def _pass_deployments(client: SyncPrefectClient) -> Iterator[UUID]:
    for name in PASSES:
        with suppress(ObjectNotFound):
            deployment = client.read_deployment_by_name(name)
            if OURS in deployment.tags:
                yield deployment.id


def _ended(
    client: SyncPrefectClient, deployments: list[UUID], state: FlowRunFilterState, before: datetime
) -> list[UUID]:
    if not deployments:
        return []  # to Prefect an empty list is no condition
    asked = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=deployments),
        state=state,
        end_time=FlowRunFilterEndTime(before_=before),
    )
    return [run.id for run in client.read_flow_runs(flow_run_filter=asked, limit=AT_ONCE)]
