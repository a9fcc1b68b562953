"""The flow run of an emergency: it shows the calling on Prefect's pages. Who calls without it is the pager.

While people are called there is one; it ends once somebody has it, and when calling begins again the emergency is given
another. The run is remembered by a mark: that it is lost costs a table and a form, and nobody who is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType

from caseproof.domain.emergency.paging import Paging, paging_of
from caseproof.procedure.core.services import Services
from caseproof.procedure.paging.watch import going_on
from caseproof.store import UnknownCase, locks
from tasks.runs import carrying
from tasks.runs.carrying import STALE, UNSEEN, lay_to_rest, make_run
from tasks.runs.emergency_forms import hear
from tasks.runs.our_prefect import client_of_prefect, deployment_id, read_run, read_runs

FLOW = "emergency"
DEPLOYMENT = f"{FLOW}/emergency"
TAG = "emergency"
AGAIN = timedelta(minutes=1)
"""How long after a run that failed the next one comes: it does not help those who are called."""

AT_ONCE = 12
"""So many are given at the same time: each is a process for as long as people are called, and must not take the memory
that the calling needs. The web app shows all of them."""

_MARK = "emergency-run "


@dataclass(frozen=True)
class EmergencyOwner:
    """An emergency as a ``tasks.runs.carrying.Owner``."""

    services: Services
    ref: str
    deployment: str = DEPLOYMENT
    parameter: str = "case"

    def mark(self) -> str:
        """Of its case."""
        return self.services.ledger.case(self.ref).mark

    def label(self) -> tuple[str, list[str]]:
        """Which case's, and the site."""
        paging = paging_of(self.services.ledger.case(self.ref))
        return (label_of(paging) if paging is not None else "", [TAG])

    def latest(self) -> tuple[str | None, int]:
        """As the mark says."""
        with self.services.store.reading() as uow:
            found = uow.cursors.get(f"{_MARK}{self.ref}")
        if found is None:
            return None, 0
        generation, _, flow_run = found[0].partition(" ")
        return flow_run, int(generation)

    def is_taken_by(self, flow_run: str) -> bool:
        """Whether it is the latest."""
        return self.latest()[0] == flow_run

    def give(self, flow_run: str, generation: int) -> bool:
        """Two that give one at the same time get the same from Prefect."""
        is_new = self.latest()[0] != flow_run
        self.take(flow_run, generation)
        return is_new

    def take(self, flow_run: str, generation: int) -> None:
        """Note it."""
        self.services.store.note(f"{_MARK}{self.ref}", f"{generation} {flow_run}", self.services.clock())

    def is_replaced(self, run: FlowRun) -> None:
        """Nothing: the case tells of the calling, and not of runs."""


def label_of(paging: Paging) -> str:
    """What its run is called."""
    return f"{paging.ref.lower()} · {str(paging.raised.data['site'])[:60]}"


def is_live(services: Services, run: FlowRun | None) -> bool:
    """Whether a process shows the calling by this run, or is about to. One that waits with its form is at work, too."""
    if run is None or run.state is None or run.state.is_final():
        return False
    held = locks.is_held(services.at_work(str(run.id)))
    if held:
        return True
    if held is False and run.state.is_paused():  # whoever pauses it goes on: that process died
        return False
    at_work = run.state.is_running() or run.state.is_paused()
    return services.clock() - run.state.timestamp <= (UNSEEN if at_work else STALE)


def take_up(services: Services, ref: str) -> bool:
    """Whether this flow run is to show the emergency, and not another live one. Raises PrefectDown."""
    owner, me = EmergencyOwner(services, ref), carrying.begin(services)
    flow_run, generation = owner.latest()
    if flow_run == me:
        return True
    before = read_run(flow_run) if flow_run is not None else None
    if is_live(services, before):
        return False
    if before is not None:
        _hear_the_last_of(services, before)
    owner.take(me, generation + 1)
    return True


def give_emergency_runs(services: Services) -> list[str]:
    """Give each emergency in which people are called a live run, where it has none; gives the cases that got one.

    No more than ``AT_ONCE`` are under way; the others get theirs as soon as one of those ends.
    Raises PrefectDown, StoreError, and BadInput when we are not deployed.
    """
    made = _give_runs(services, _called_for(services, going_on(services.store)))
    hear_those_that_died(services)
    return made


def _give_runs(services: Services, calling: Sequence[Paging]) -> list[str]:
    if not calling:
        return []
    owners = {paging.ref: EmergencyOwner(services, paging.ref) for paging in calling}
    known = {ref: flow_run for ref, owner in owners.items() if (flow_run := owner.latest()[0]) is not None}
    runs, made = read_runs(list(known.values())), list[str]()
    live = {ref for ref in owners if is_live(services, runs.get(known.get(ref, "")))}
    with client_of_prefect() as client:
        deployment = deployment_id(client, DEPLOYMENT)
        for paging in calling:
            if len(live) + len(made) >= AT_ONCE:
                break
            run = runs.get(known.get(paging.ref, ""))
            if paging.ref in live:
                continue
            if run is not None and _hear_the_last_of(services, run) and not _called_for(services, [paging.ref]):
                continue
            if not _may_follow(services, paging, run):
                continue
            if make_run(client, deployment, owners[paging.ref], owners[paging.ref].latest()[1])[1]:
                made.append(paging.ref)
    return made


def hear_those_that_died(services: Services) -> None:
    """Do what was answered on runs whose process died, whoever has the emergency by now, and end their forms.

    Raises PrefectDown, StoreError.
    """
    with client_of_prefect() as client:
        tagged = FlowRunFilterTags(all_=[TAG])
        at_work = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED, StateType.RUNNING]))
        runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tagged, state=at_work))
    for run in runs:
        if locks.is_held(services.at_work(str(run.id))) is False:  # None: it is none of this home's
            _hear_the_last_of(services, run)


def _hear_the_last_of(services: Services, run: FlowRun) -> list[str]:
    """Do what was answered there, once nothing can be any more. Of one that may only just begin, what was so far."""
    if not is_live(services, run):
        lay_to_rest(services, run)
    return hear(services, run.id)


def _called_for(services: Services, refs: Sequence[str]) -> list[Paging]:
    found = []
    for ref in refs:
        try:
            paging = paging_of(services.ledger.case(ref))
        except UnknownCase:  # the pager forgets it
            continue
        if paging is not None and not paging.over and paging.holder(services.clock()) is None:
            found.append(paging)
    return found


def _may_follow(services: Services, paging: Paging, run: FlowRun | None) -> bool:
    """Whether another run may come after this one: not at once after one that failed, nor after one that somebody
    cancelled while the same calling goes on."""
    ended = run.end_time if run is not None and run.state is not None and run.state.is_final() else None
    if run is None or run.state is None or ended is None or run.state.is_completed():
        return True
    if run.state.is_cancelled():
        return ended < paging.began_at
    return services.clock() - ended >= AGAIN
