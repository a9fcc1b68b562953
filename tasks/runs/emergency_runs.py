"""The flow run of an emergency: it shows the calling on Prefect's pages. Who calls without it is the pager.

While people are called there is one; it ends once somebody has it, and when calling begins again the emergency is given
another. The run is remembered by a mark: that it is lost costs a table and a form, and nobody who is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType

from caseproof.domain.emergency.paging import Paging, paging_of
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import Services
from caseproof.procedure.paging.watch import going_on
from caseproof.store import StoreDown, UnknownCase, locks
from tasks.display.logs import hide, log
from tasks.runs import carrying
from tasks.runs.carrying import STALE, UNSEEN, end_run, make_run
from tasks.runs.emergency_forms import WAITS_SECONDS, hear
from tasks.runs.our_prefect import AT_ONCE as MOST_READ
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
    hear_those_that_ended(services)
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
            if paging.ref in live:
                continue
            with _apart(paging.ref):
                if _give_run(client, deployment, owners[paging.ref], paging, runs.get(known.get(paging.ref, ""))):
                    made.append(paging.ref)
    return made


def _give_run(
    client: SyncPrefectClient, deployment: UUID, owner: EmergencyOwner, paging: Paging, before: FlowRun | None
) -> bool:
    """Whether another run is made for it, after what was answered on the one ``before`` was done."""
    services = owner.services
    if before is not None and _hear_the_last_of(services, before) and not _called_for(services, [paging.ref]):
        return False
    return _may_follow(services, paging, before) and make_run(client, deployment, owner, owner.latest()[1])[1]


def hear_those_that_ended(services: Services) -> None:
    """Do what was answered on runs whose process is no more, whoever has the emergency by now, and end their forms.

    Whatever Prefect says of the run: a worker tells it within a second that one crashed. A run's lock stays where it
    is until all was heard. Raises PrefectDown, StoreDown.
    """
    for run in _runs_of_emergencies(services.clock() - timedelta(seconds=WAITS_SECONDS)):
        with _apart(run.name):
            if locks.is_held(services.at_work(str(run.id))) is False:  # None: it is none of this home's, or was heard
                _hear_the_last_of(services, run)


def _runs_of_emergencies(since: datetime) -> list[FlowRun]:
    """The runs at work, and those that ended since then."""
    at_work = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED, StateType.RUNNING]))
    of_which = FlowRunFilter(state=at_work), FlowRunFilter(end_time=FlowRunFilterEndTime(after_=since))
    flow, found = FlowFilter(name=FlowFilterName(any_=[FLOW])), list[FlowRun]()
    with client_of_prefect() as client:
        for which in of_which:
            for start in count(0, MOST_READ):
                some = client.read_flow_runs(flow_filter=flow, flow_run_filter=which, limit=MOST_READ, offset=start)
                found += some
                if len(some) < MOST_READ:
                    break
    return found


def _hear_the_last_of(services: Services, run: FlowRun) -> list[str]:
    """Do what was answered there, once nothing can be any more. Of one that may only just begin, what was so far."""
    if is_live(services, run):
        return hear(services, run.id)
    end_run(run)
    heard = hear(services, run.id)
    locks.clear(services.at_work(str(run.id)))  # last: while it is there, the run is looked at again
    return heard


@contextmanager
def _apart(about: str) -> Iterator[None]:
    """Whatever goes wrong in here leaves the others alone, and is tried again at the next look. Raises StoreDown."""
    try:
        yield
    except StoreDown:  # for all of them
        raise
    except Exception as error:
        what = str(error) if isinstance(error, CaseproofError) else type(error).__name__
        log().warning("%s: it is looked at again. %s", about, hide(what))


def _called_for(services: Services, refs: Sequence[str]) -> list[Paging]:
    found = []
    for ref in refs:
        with _apart(ref), suppress(UnknownCase):  # the pager forgets that one
            paging = paging_of(services.ledger.case(ref))
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
