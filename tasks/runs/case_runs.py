"""The flow runs of cases: given as many as may be under way, and woken."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
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
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.payloads import RunForced
from caseproof.domain.procedure import Procedure, procedure_of, require_procedure
from caseproof.domain.specs import Role
from caseproof.domain.support.procedure import SUPPORT
from caseproof.http.client import LibraryError, is_busy
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.containment.containment import contain
from caseproof.procedure.containment.opening import Request, open_case
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.support import SupportWanted
from caseproof.procedure.escalation.opening import open_support_case
from caseproof.store import ConcurrentChange
from caseproof.store.errors import Unreadable
from tasks.common import load_desk, load_platform
from tasks.display.labels import label_of
from tasks.runs import carrying
from tasks.runs.carrying import begin, ensure_run, is_live, make_run
from tasks.runs.our_prefect import (
    AT_ONCE,
    client_of_prefect,
    deployment_id,
    read_run,
    read_runs,
    resume,
    set_scheduled,
)
from tasks.tries import tried_again

DEPLOYMENTS = {JOB_FAILURE.prefix: "job-failure-case/job-failure-case", SUPPORT.prefix: "escalation/escalation"}
"""The deployment whose runs carry the cases of each procedure (``flow/deployment``), by the procedure's prefix."""
_FLOWS = [name.partition("/")[0] for name in DEPLOYMENTS.values()]
KEPT_FOR_ANSWERS = 4
"""How many runs more than ``check.runs_at_once`` may be under way, where somebody answered: no storm of new cases keeps
who answered waiting."""
WAKE_SECONDS = 20.0
"""How long a run that is about to suspend is waited for, so that a wake-up is not lost on it."""
_UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
_MOVING = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


@dataclass(frozen=True)
class CaseOwner:
    """A case as a ``tasks.runs.carrying.Owner``; ``crashes`` runs in a row died before the one that it is given."""

    services: Services
    ref: str
    crashes: int = 0
    why: str = ""
    parameter: str = "case"

    @property
    def deployment(self) -> str:
        """That of its procedure."""
        return DEPLOYMENTS[procedure_of(self.ref).prefix]

    @cached_property
    def _case(self) -> Case:
        return self.services.ledger.case(self.ref)

    def mark(self) -> str:
        """Of its first event."""
        return self._case.mark

    def label(self) -> tuple[str, list[str]]:
        """As its run will call itself when it begins, which is spared a call."""
        return label_of(self._case)

    def latest(self) -> tuple[str | None, int]:
        """As its row says."""
        with self.services.store.reading() as uow:
            known = uow.cases.run_of(self.ref)
        return (known.flow_run, known.generation) if known else (None, 0)

    def is_taken_by(self, flow_run: str) -> bool:
        """A run that is resumed goes on with the case that it took before."""
        with self.services.store.reading() as uow:
            return uow.cases.by_flow_run(flow_run) == self.ref

    def give(self, flow_run: str, generation: int) -> bool:
        """Its rest is over then."""
        with self.services.store.uow() as uow:
            is_new = uow.cases.attach_run(self.ref, flow_run, generation)
            uow.cases.set_rest(self.ref, self.crashes, None, self.why)
            uow.commit()
        return is_new

    def take(self, flow_run: str, generation: int) -> None:
        """Nothing else is said of it."""
        with self.services.store.uow() as uow:
            uow.cases.attach_run(self.ref, flow_run, generation)
            uow.commit()

    def is_replaced(self, run: FlowRun) -> None:
        """Where somebody set it to Completed while the case was open, the case tells of it, once."""
        told = self.services.ledger.event(self._case.procedure.kind(RunForced), flow_run=str(run.id))

        def once_a_run(now: Case) -> list[Event]:
            is_told = any(fact.data["flow_run"] == str(run.id) for fact in now.all_of(RunForced))
            return [told] if self.was_forced(run, now) and not is_told else []

        self.services.store.change(self.ref, once_a_run)

    @staticmethod
    def was_forced(run: FlowRun, now: Case) -> bool:
        """Whether this run was set to Completed by hand: it ended so while its case was open."""
        if run.state is None or not run.state.is_completed() or now.is_closed:
            return False
        reopened = [event.at for event in now.events if event.kind.spec.role is Role.REOPENS]
        return not reopened or run.end_time is None or run.end_time > reopened[-1]


@dataclass(frozen=True, slots=True)
class NextRun:
    """The run that a case is to get: the one after ``generation``; ``crashes`` runs in a row died before it."""

    ref: str
    generation: int
    crashes: int = 0
    why: str = ""


def make_runs(services: Services, wanted: Sequence[NextRun]) -> list[str]:
    """Make as many of these runs as may be under way; gives the cases that got theirs.

    The server is not pressed: one that is too busy (503) gets no second request now, and the others get their runs in a
    later pass. Raises PrefectDown where it does not answer at all, BadInput when we are not deployed.
    """
    if not wanted:
        return []
    made: list[str] = []
    with tried_again(0), client_of_prefect() as client:
        deployments, missing = _Deployments(client), None
        for one in wanted[: max(_free(client, services), 0)]:
            try:
                owner = CaseOwner(services, one.ref, one.crashes, one.why)
                _, is_new = make_run(client, deployments.id_of(owner.deployment), owner, one.generation)
            except _NotDeployed as error:
                missing = error  # the cases of other procedures get theirs
                continue
            except LibraryError as busy:
                if not is_busy(busy):
                    raise
                return made
            except (ConcurrentChange, Unreadable):
                continue  # somebody gave it one just now, or `caseproof case list` names it
            if is_new:
                made.append(one.ref)
    if missing is not None and not made:
        raise missing
    return made


class _NotDeployed(BadInput):
    """One of our deployments is not there."""


class _Deployments:
    """The ids of our deployments, each asked for once."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client, self._ids = client, dict[str, UUID]()

    def id_of(self, name: str) -> UUID:
        """Raises _NotDeployed."""
        if name not in self._ids:
            try:
                self._ids[name] = deployment_id(self._client, name)
            except BadInput as error:
                raise _NotDeployed(error.problem, error.next_action) from error
        return self._ids[name]


def _free(client: SyncPrefectClient, services: Services) -> int:
    """How many more runs may be under way: each is a process of its own, which costs seconds to start and 150 MB."""
    under_way = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)))
    return services.policy.check.runs_at_once - client.count_flow_runs(flow_filter=_OURS, flow_run_filter=under_way)


def give_runs(services: Services, refs: Sequence[str]) -> int:
    """Give these cases a run each, as far as the policy lets them be under way; how many have one now.

    The keeper makes the others in its later passes. Raises PrefectDown, BadInput when we are not deployed.
    """
    with services.store.reading() as uow:
        known = {ref: uow.cases.run_of(ref) for ref in refs}
    runs = read_runs([one.flow_run for one in known.values() if one])
    live = {ref for ref, one in known.items() if one and is_live(services, runs.get(one.flow_run))}
    wanted = [NextRun(ref, one.generation if one else 0) for ref, one in known.items() if ref not in live]
    return len(live) + len(make_runs(services, wanted))


_OURS = FlowFilter(name=FlowFilterName(any_=_FLOWS))


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
    with client_of_prefect() as client:
        while True:
            page = client.read_flow_runs(
                flow_filter=_OURS, flow_run_filter=asked, sort=sort, limit=AT_ONCE, offset=offset
            )
            found |= {run.id: run for run in page}
            offset += len(page)
            if len(page) < AT_ONCE:
                return list(found.values())


def wake(services: Services, ref: str) -> str:
    """Have the case looked at again, after something was written down: says what was done.

    A suspended run is set Scheduled (nobody's answer is written for them); a dead one is replaced.
    """
    case = CaseOwner(services, ref)
    flow_run = ensure_run(case)
    deadline = time.monotonic() + WAKE_SECONDS
    while time.monotonic() < deadline:
        run = read_run(flow_run)
        if run is None or run.state is None or run.state.is_final():
            return f"its run ended; {ensure_run(case)} carries it now"
        if run.state.is_scheduled() or run.state.is_pending():
            return "its run is about to start (if it never does: cancel it in the Prefect UI and wake the case again)"
        if run.state.is_paused() and set_scheduled(run.id):
            return "its run was woken"
        # Running: it may be about to ask, and a wake-up now would be refused by Prefect.
        time.sleep(1.0)
    return "its run is at work and sees it by itself"


@dataclass
class Woken:
    """The cases whose runs were woken, and those whose runs can be soon: too many wait, or they are about to ask."""

    woken: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


def wake_runs(services: Services, runs: Mapping[str, str]) -> Woken:
    """Wake the suspended ones of these runs (by case), as many as may be under way.

    A run that is at work is left to a later pass: the news stay, so nothing is lost. Raises PrefectDown.
    """
    found = read_runs(list(runs.values())) if runs else {}
    states = {ref: run.state for ref, one in runs.items() if (run := found.get(one)) is not None}
    asleep = [ref for ref, state in states.items() if state is not None and state.is_paused()]
    done = Woken(later=[ref for ref, state in states.items() if state is not None and state.is_running()])
    if not asleep:
        return done
    with tried_again(0), client_of_prefect() as client:
        free = max(_free(client, services) + KEPT_FOR_ANSWERS, 0)
        for place, ref in enumerate(asleep[:free]):
            try:
                accepted = resume(client, UUID(runs[ref]))
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


def open_and_stop(services: Services, request: Request) -> tuple[str, bool, str]:
    """J1, J2: open the case and stop the job, before any flow run exists: ``(ref, whether it is new, what is wrong)``.

    A platform that fails once the case exists is no reason to leave the case alone: its run goes on trying to stop.
    """
    platform = load_platform(request.platform)
    case, new = open_case(services.ledger, services.policy, platform, load_desk, request)
    try:
        contain(services.stopping, platform, case.ref)
    except PlatformDown as down:
        return case.ref, new, str(down)
    return case.ref, new, ""


def take_up(services: Services, request: Request, ref: str) -> str | None:
    """The job-failure case that this flow run is to carry, or None where another live run carries it already.

    A run made for a case (``ref``) takes that one; a run from the UI's form opens one for the job, or takes the open
    one if nobody works on it. A run that is resumed finds the case it took before.
    """

    def opened(_: str) -> Case:
        if not request.platform or not request.job:
            raise BadInput("Neither a case nor a job was given.", "Fill in platform and job, or the case's reference.")
        return open_case(services.ledger, services.policy, load_platform(request.platform), load_desk, request)[0]

    return _take_up(services, JOB_FAILURE, ref, opened)


def take_up_support(services: Services, wanted: SupportWanted, by: str, ref: str) -> str | None:
    """The same of a support case: one made for a case takes that, one from the UI's form opens one a matter."""

    def opened(me: str) -> Case:
        if not wanted.client.strip() or not wanted.said.strip():
            raise BadInput(
                "Neither a case nor what a client said was given.",
                "Fill in the client and their words, or the case's reference.",
            )
        return open_support_case(services.ledger, services.files, services.policy, replace(wanted, request=me), by)[0]

    return _take_up(services, SUPPORT, ref, opened)


def _take_up(services: Services, procedure: Procedure, ref: str, opened: Callable[[str], Case]) -> str | None:
    me = begin(services)
    with services.store.reading() as uow:
        mine = uow.cases.by_flow_run(me)
    if mine is not None:
        return mine
    case = services.ledger.case(ref) if ref else opened(me)
    require_procedure(case, procedure)
    return case.ref if carrying.take_up(CaseOwner(services, case.ref)) else None
