"""The flow run of an emergency: it shows the calling on Prefect's pages. Who calls without it is the pager.

While people are called there is one; it ends once somebody has it, and when calling begins again the emergency is given
another. The run is remembered by a mark: that it is lost costs a table and a form, and nobody who is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.client.schemas.objects import FlowRun

from caseproof.domain.emergency.paging import Paging, paging_of
from caseproof.procedure.core.services import Services
from caseproof.procedure.paging.watch import going_on
from caseproof.store import UnknownCase, locks
from tasks.runs import carrying
from tasks.runs.carrying import STALE, UNSEEN, lay_to_rest, make_run
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
    if locks.is_held(services.at_work(str(run.id))):
        return True
    at_work = run.state.is_running() or run.state.is_paused()
    return services.clock() - run.state.timestamp <= (UNSEEN if at_work else STALE)


def take_up(services: Services, ref: str) -> bool:
    """Whether this flow run is to show the emergency, and not another live one. Raises PrefectDown."""
    owner, me = EmergencyOwner(services, ref), carrying.begin(services)
    flow_run, generation = owner.latest()
    if flow_run == me:
        return True
    if flow_run is not None and is_live(services, read_run(flow_run)):
        return False
    owner.take(me, generation + 1)
    return True


def give_emergency_runs(services: Services) -> list[str]:
    """Give each emergency in which people are called a live run, where it has none; gives the cases that got one.

    No more than ``AT_ONCE`` are under way; the others get theirs as soon as one of those ends.
    Raises PrefectDown, StoreError, and BadInput when we are not deployed.
    """
    calling = _called_for(services, going_on(services.store))
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
            if paging.ref in live or not _may_follow(services, paging, run):
                continue
            if run is not None:
                lay_to_rest(services, run)
            if make_run(client, deployment, owners[paging.ref], owners[paging.ref].latest()[1])[1]:
                made.append(paging.ref)
    return made


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
