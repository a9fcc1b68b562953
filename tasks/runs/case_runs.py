"""Which flow run works on which case, on our own Prefect server.

The store is the truth; a run only carries it (house rule 1). The case remembers its run and a generation; the run's
idempotency key is ``REF:generation:mark``, because Prefect answers a used key with the old, dead run; the mark is the
case's own, since another store may have had a case of the same reference (docs/adr/0007).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterEndTime,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run as this_run
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed, Scheduled

from blocks.base import PrefectDown, require_prefect
from caseproof.domain.errors import BadInput
from caseproof.http.client import LibraryError, is_busy
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.containment.opening import Request, open_case
from caseproof.procedure.core.office import Office
from caseproof.store import CaseRun, ConcurrentChange, locks
from caseproof.store.errors import Unreadable
from tasks.common import load_desk, load_platform

FLOW = "job-failure-case"
DEPLOYMENT = f"{FLOW}/job-failure-case"
STALE = timedelta(minutes=15)
"""How long a run may be Pending: its worker took it and starts its process."""
UNSEEN = timedelta(seconds=30)
"""How long a run may be Running before its process holds its lock; a resumed one finds the lock of before, let go."""
WAKE_SECONDS = 20.0
"""How long a run that is about to suspend is waited for, so that a wake-up is not lost on it."""
_AT_ONCE = 200
_UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
_MOVING = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


_open: ContextVar[SyncPrefectClient | None] = ContextVar("_open", default=None)


@contextmanager
def one_client() -> Iterator[None]:
    """All that is asked of Prefect in here goes over one client: making one takes longer than most questions."""
    with _client() as client:
        before = _open.set(client)
        try:
            yield
        finally:
            _open.reset(before)


@contextmanager
def _client() -> Iterator[SyncPrefectClient]:
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
    with _client() as client:
        try:
            return client.read_flow_run(UUID(flow_run))
        except ObjectNotFound:
            return None


def is_live(office: Office, run: FlowRun | None, claimed_after: datetime | None = None) -> bool:
    """Whether the run still works on its case, or waits to.

    Prefect keeps a run Running or Pending for ever when its process died together with its worker, so the lock that its
    process holds decides. ``claimed_after``: no worker that lives took a Pending run before that. Should a run live
    after all, two live runs of one case are harmless.
    """
    if run is None or run.state is None or run.state.is_final():
        return False
    if not run.state.is_running() and not run.state.is_pending():
        return True
    if locks.is_held(office.at_work(str(run.id))):
        return True
    age = office.clock() - run.state.timestamp
    if run.state.is_running():
        return age <= UNSEEN
    return age <= STALE and not (claimed_after is not None and run.state.timestamp < claimed_after)


def ensure_run(office: Office, ref: str) -> str:
    """Give a case a live run: the one it has, or one of the next generation. Returns its id.

    A run that waits for an answer is left waiting. Raises PrefectDown, and BadInput when we are not deployed.
    """
    with office.store.reading() as unit:
        known = unit.cases.run_of(ref)
    if known is not None and is_live(office, read_run(known.flow_run)):
        return known.flow_run
    return next_run(office, ref, known.generation if known else 0)


def next_run(office: Office, ref: str, generation: int) -> str:
    """Give a case the run after this generation; its id. Two at once get the same one. Its rest is over then."""
    with _client() as client:
        run, _ = _make_run(client, _deployment(client), office, ref, generation, crashes=0)
        return run


def _deployment(client: SyncPrefectClient) -> UUID:
    try:
        return client.read_deployment_by_name(DEPLOYMENT).id
    except ObjectNotFound as error:
        raise BadInput(
            f"Prefect has no deployment {DEPLOYMENT}.", "Deploy it: `prefect deploy --all` in the project's folder."
        ) from error


def _make_run(
    client: SyncPrefectClient, deployment: UUID, office: Office, ref: str, generation: int, crashes: int, why: str = ""
) -> tuple[str, bool]:
    """The case's next run, and whether it is new: somebody else may have made and written down the same just now."""
    run = client.create_flow_run_from_deployment(
        deployment,
        parameters={"case": ref},
        idempotency_key=f"{ref}:{generation + 1}:{office.case(ref).mark}",
        name=f"{ref.lower()}-{generation + 1}",
    )
    with office.store.unit() as unit:
        is_new = unit.cases.attach_run(ref, str(run.id), generation + 1)
        unit.cases.set_rest(ref, crashes, None, why)
        unit.commit()
    return str(run.id), is_new


@dataclass(frozen=True, slots=True)
class NextRun:
    """The run that a case is to get: the one after ``generation``; ``crashes`` runs in a row died before it."""

    ref: str
    generation: int
    crashes: int = 0
    why: str = ""


def make_runs(office: Office, wanted: Sequence[NextRun]) -> list[str]:
    """Make as many of these runs as may be under way; gives the cases that got theirs.

    The server is not pressed: one that is too busy (503) gets no second request now, and the others get their runs in a
    later pass. Raises PrefectDown where it does not answer at all, BadInput when we are not deployed.
    """
    if not wanted:
        return []
    made: list[str] = []
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), _client() as client:
        free = _free(client, office)
        deployment = _deployment(client)
        for one in wanted[: max(free, 0)]:
            try:
                _, is_new = _make_run(client, deployment, office, one.ref, one.generation, one.crashes, one.why)
            except LibraryError as busy:
                if not is_busy(busy):
                    raise
                return made
            except (ConcurrentChange, Unreadable):
                continue  # somebody gave it one just now, or `caseproof case list` names it
            if is_new:
                made.append(one.ref)
    return made


def _free(client: SyncPrefectClient, office: Office) -> int:
    """How many more runs may be under way: each is a process of its own, which costs seconds to start and 150 MB."""
    under_way = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)))
    return office.policy.check.runs_at_once - client.count_flow_runs(flow_filter=_OURS, flow_run_filter=under_way)


def give_runs(office: Office, refs: Sequence[str]) -> int:
    """Give these cases a run each, as far as the policy lets them be under way; how many have one now.

    The keeper makes the others in its later passes. Raises PrefectDown, BadInput when we are not deployed.
    """
    with office.store.reading() as unit:
        known = {ref: unit.cases.run_of(ref) for ref in refs}
    runs = read_runs([one.flow_run for one in known.values() if one])
    live = {ref for ref, one in known.items() if one and is_live(office, runs.get(one.flow_run))}
    wanted = [NextRun(ref, one.generation if one else 0) for ref, one in known.items() if ref not in live]
    return len(live) + len(make_runs(office, wanted))


def run_deployment(deployment: str, parameters: Mapping[str, str], key: str, name: str) -> str:
    """Make a run of one of our deployments; its id. A used key gives the run it made.

    Raises PrefectDown, and BadInput when we are not deployed.
    """
    with _client() as client:
        try:
            number = client.read_deployment_by_name(deployment).id
        except ObjectNotFound as error:
            raise BadInput(
                f"Prefect has no deployment {deployment}.",
                "Deploy it: `prefect deploy --all` in the project's folder.",
            ) from error
        run = client.create_flow_run_from_deployment(
            number, parameters=dict(parameters), idempotency_key=key, name=name
        )
    return str(run.id)


def read_runs(flow_runs: Sequence[str]) -> dict[str, FlowRun]:
    """The flow runs that are there, by id."""
    found: dict[str, FlowRun] = {}
    for start in range(0, len(flow_runs), _AT_ONCE):
        some = FlowRunFilterId(any_=[UUID(one) for one in flow_runs[start : start + _AT_ONCE]])
        with _client() as client:
            runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=some), limit=_AT_ONCE)
        found |= {str(run.id): run for run in runs}
    return found


_OURS = FlowFilter(name=FlowFilterName(any_=[FLOW]))


def read_ended(since: datetime) -> list[FlowRun]:
    """The case runs that ended after this time (Prefect's clock), the latest first; however they ended."""
    return _read_all(FlowRunFilter(end_time=FlowRunFilterEndTime(after_=since)), FlowRunSort.END_TIME_DESC)


def read_moving() -> list[FlowRun]:
    """The case runs that a process works on, or should: running, pending, or being cancelled."""
    moving = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_MOVING)))
    return _read_all(moving, FlowRunSort.ID_DESC)


def _read_all(asked: FlowRunFilter, sort: FlowRunSort) -> list[FlowRun]:
    found: dict[UUID, FlowRun] = {}
    offset = 0
    with _client() as client:
        while True:
            page = client.read_flow_runs(
                flow_filter=_OURS, flow_run_filter=asked, sort=sort, limit=_AT_ONCE, offset=offset
            )
            found |= {run.id: run for run in page}
            offset += len(page)
            if len(page) < _AT_ONCE:
                return list(found.values())


def bury(flow_run: FlowRun) -> None:
    """Have Prefect say of a run whose process died that it crashed, instead of Running for ever."""
    with _client() as client:
        message = "Its process died; the case goes on in a new run."
        client.set_flow_run_state(flow_run.id, Crashed(message=message), force=True)


def wake(office: Office, ref: str) -> str:
    """Have the case looked at again, after something was written down: says what was done.

    A suspended run is set Scheduled (nobody's answer is written for them); a dead one is replaced.
    """
    flow_run = ensure_run(office, ref)
    deadline = time.monotonic() + WAKE_SECONDS
    while time.monotonic() < deadline:
        run = read_run(flow_run)
        if run is None or run.state is None or run.state.is_final():
            return f"its run ended; {ensure_run(office, ref)} carries it now"
        if run.state.is_scheduled() or run.state.is_pending():
            return "its run is about to start (if it never does: cancel it in the Prefect UI and wake the case again)"
        if run.state.is_paused() and set_scheduled(run.id):
            return "its run was woken"
        # Running: it may be about to ask, and a wake-up now would be refused by Prefect.
        time.sleep(1.0)
    return "its run is at work and sees it by itself"


def set_scheduled(flow_run: UUID) -> bool:
    """Wake a suspended run; whether Prefect takes it. Raises PrefectDown."""
    with _client() as client:
        return _resume(client, flow_run)


def _resume(client: SyncPrefectClient, flow_run: UUID) -> bool:
    answer = client.set_flow_run_state(flow_run, Scheduled(name="Resuming"))
    return answer.status is SetStateStatus.ACCEPT


@dataclass
class Woken:
    """The cases whose runs were woken, and those whose runs can be soon: too many wait, or they are about to ask."""

    woken: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


def wake_runs(office: Office, runs: Mapping[str, str]) -> Woken:
    """Wake the suspended ones of these runs (by case), as many as may be under way.

    A run that is at work is left to a later pass: the news stay, so nothing is lost. Raises PrefectDown.
    """
    found = read_runs(list(runs.values())) if runs else {}
    states = {ref: run.state for ref, one in runs.items() if (run := found.get(one)) is not None}
    asleep = [ref for ref, state in states.items() if state is not None and state.is_paused()]
    done = Woken(later=[ref for ref, state in states.items() if state is not None and state.is_running()])
    if not asleep:
        return done
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), _client() as client:
        free = max(_free(client, office), 0)
        for place, ref in enumerate(asleep[:free]):
            try:
                accepted = _resume(client, UUID(runs[ref]))
            except ObjectNotFound:
                continue  # deleted a moment ago: it gets another
            except LibraryError as busy:
                if not is_busy(busy):
                    raise
                done.later += asleep[place:]
                return done
            (done.woken if accepted else done.later).append(ref)
    done.later += asleep[free:]
    return done


def open_and_stop(office: Office, request: Request) -> tuple[str, bool, str]:
    """J1, J2: open the case and stop the job, before any flow run exists: ``(ref, whether it is new, what is wrong)``.

    A platform that fails once the case exists is no reason to leave the case alone: its run goes on trying to stop.
    """
    platform = load_platform(request.platform)
    case, new = open_case(office, platform, load_desk(), request)
    try:
        contain(office, platform, case.ref)
    except PlatformDown as down:
        return case.ref, new, str(down)
    return case.ref, new, ""


def take_up(office: Office, request: Request, ref: str) -> str | None:
    """The case that this flow run is to carry, or None where another live run carries it already.

    A run made for a case (``ref``) takes that one; a run from the UI's form opens one for the job, or takes the open
    one if nobody works on it. A run that is resumed finds the case it took before.
    """
    me = str(this_run.id)
    locks.hold(office.at_work(me))
    with office.store.reading() as unit:
        mine = unit.cases.by_flow_run(me)
    if mine is not None:
        return mine
    if not ref:
        if not request.platform or not request.job:
            raise BadInput("Neither a case nor a job was given.", "Fill in platform and job, or the case's reference.")
        ref = open_case(office, load_platform(request.platform), load_desk(), request)[0].ref
    ref = office.case(ref).ref
    with office.store.reading() as unit:
        known = unit.cases.run_of(ref)
    if known is not None and known.flow_run != me and is_live(office, read_run(known.flow_run)):
        return None
    return ref if _attach(office, ref, me, known) else None


def _attach(office: Office, ref: str, me: str, known: CaseRun | None) -> bool:
    try:
        with office.store.unit() as unit:
            unit.cases.attach_run(ref, me, known.generation + 1 if known else 1)
            unit.commit()
    except ConcurrentChange:
        # The command that made this run wrote it down first, or another run was quicker.
        with office.store.reading() as unit:
            return unit.cases.by_flow_run(me) == ref
    return True
