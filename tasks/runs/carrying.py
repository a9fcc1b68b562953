"""Which flow run carries what, on our own Prefect server: one engine for whatever a run carries.

The store is the truth; a run only carries it (house rule 1). What is carried remembers its run and a generation; the
run's idempotency key is ``REF:generation:mark``, because Prefect answers a used key with the old, dead run; the mark is
its own, since another store may have had one of the same reference (docs/adr/0007).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from caseproof.procedure.core.services import Services
from caseproof.store import ConcurrentChange, locks
from tasks.common import ports
from tasks.runs.our_prefect import bury, client_of_prefect, deployment_id, read_run, set_aside

STALE = timedelta(minutes=15)
"""How long a run may be Pending: its worker took it and starts its process."""
UNSEEN = timedelta(seconds=30)
"""How long a run may be Running before its process holds its lock; a resumed one finds the lock of before, let go."""


class Owner(Protocol):
    """What a flow run carries: a case or an incident."""

    @property
    def services(self) -> Services:
        """Whose it is."""
        ...

    @property
    def ref(self) -> str:
        """Its reference, as the store spells it."""
        ...

    @property
    def deployment(self) -> str:
        """The deployment whose runs carry it (``flow/deployment``)."""
        ...

    @property
    def parameter(self) -> str:
        """The deployment's parameter that takes the reference."""
        ...

    def mark(self) -> str:
        """What tells it from one of the same reference in another store."""
        ...

    def label(self) -> tuple[str, list[str]]:
        """What a run that is made for it is called and tagged until it says more; "" for its reference and number."""
        ...

    def latest(self) -> tuple[str | None, int]:
        """Its latest run and that run's generation; (None, 0) before the first."""
        ...

    def is_taken_by(self, flow_run: str) -> bool:
        """Whether this run is to go on with it: it took it before."""
        ...

    def give(self, flow_run: str, generation: int) -> bool:
        """Write down the run that was made for it; whether that was news. Raises ConcurrentChange."""
        ...

    def take(self, flow_run: str, generation: int) -> None:
        """Write down the run that takes it up by itself. Raises ConcurrentChange."""
        ...

    def is_replaced(self, run: FlowRun) -> None:
        """Another run is about to go on instead of this one, which ended."""
        ...


def is_live(services: Services, run: FlowRun | None, claimed_after: datetime | None = None) -> bool:
    """Whether the run still works on its case, or waits to.

    Prefect keeps a run Running or Pending for ever when its process died together with its worker, so the lock that its
    process holds decides. ``claimed_after``: no worker that lives took a Pending run before that. Should a run live
    after all, two live runs of one case are harmless.
    """
    if run is None or run.state is None or run.state.is_final():
        return False
    if not run.state.is_running() and not run.state.is_pending():
        return True
    if locks.is_held(services.at_work(str(run.id))):
        return True
    age = services.clock() - run.state.timestamp
    if run.state.is_running():
        return age <= UNSEEN
    return age <= STALE and not (claimed_after is not None and run.state.timestamp < claimed_after)


def ensure_run(owner: Owner) -> str:
    """Give it a live run: the one it has, or one of the next generation. Returns its id.

    A run that waits for an answer is left waiting. Raises PrefectDown, and BadInput when we are not deployed.
    """
    flow_run, generation = owner.latest()
    run = read_run(flow_run) if flow_run is not None else None
    if flow_run is not None and is_live(owner.services, run):
        return flow_run
    if run is not None:
        lay_to_rest(owner.services, run)
    try:
        with client_of_prefect() as client:
            return make_run(client, deployment_id(client, owner.deployment), owner, generation)[0]
    except ConcurrentChange:  # another gave it one at the same time
        flow_run, _ = owner.latest()
        if flow_run is None:
            raise
        return flow_run


def lay_to_rest(services: Services, run: FlowRun) -> None:
    """Say of a run whose process died that it crashed, and clear its lock away. Raises PrefectDown."""
    end_run(run)
    locks.clear(services.at_work(str(run.id)))


def end_run(run: FlowRun) -> None:
    """Say of a run whose process died that it crashed, unless it is known how it ended. Raises PrefectDown."""
    if run.state is not None and not run.state.is_final():
        bury(run)


def make_run(client: SyncPrefectClient, deployment: UUID, owner: Owner, generation: int) -> tuple[str, bool]:
    """The run after this generation, and whether it is new: another may have made and written down the same just now.

    Raises ConcurrentChange where another gave it a run of its own meanwhile.
    """
    _set_aside(client, owner, generation)
    name, tags = owner.label()
    run = client.create_flow_run_from_deployment(
        deployment,
        parameters={owner.parameter: owner.ref},
        idempotency_key=f"{owner.ref}:{generation + 1}:{owner.mark()}",
        name=name or f"{owner.ref.lower()}-{generation + 1}",
        tags=tags,
    )
    return str(run.id), owner.give(str(run.id), generation + 1)


def _set_aside(client: SyncPrefectClient, owner: Owner, generation: int) -> None:
    """Before another run goes on: the one of this generation no longer answers to the reference, and is told of."""
    flow_run, latest = owner.latest()
    if flow_run is None or latest != generation:  # another was quicker: what is the latest now, lives
        return
    if (run := set_aside(client, flow_run, owner.ref)) is not None:
        owner.is_replaced(run)


def begin(services: Services) -> str:
    """Hold the lock that says that this flow run's process lives; the run's id."""
    me = ports().carrier.id
    locks.hold(services.at_work(me))
    return me


def take_up(owner: Owner) -> bool:
    """Whether this flow run is to carry it, and not another live one."""
    me = begin(owner.services)
    if owner.is_taken_by(me):
        return True
    flow_run, generation = owner.latest()
    if flow_run is not None and flow_run != me:
        if is_live(owner.services, read_run(flow_run)):
            return False
        with client_of_prefect() as client:
            _set_aside(client, owner, generation)
    try:
        owner.take(me, generation + 1)
    except ConcurrentChange:
        # Whoever made this run wrote it down first, or another run was quicker.
        return owner.is_taken_by(me)
    return True
