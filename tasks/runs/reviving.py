"""Every open case has one live flow run: where it died, was deleted or force-completed, the case gets another.

`caseproof up` does this every few seconds and the keeper in each of its passes; they share what they know through the
store. Prefect is asked only for what changed: the runs that ended since the last look, and those at work now. A slow
look around all cases, some at a time, finds what leaves no trace: runs that were deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from prefect.client.schemas.objects import FlowRun

from caseproof.domain.case import Case
from caseproof.domain.codes import Rest
from caseproof.domain.events import Event
from caseproof.domain.payloads import Parked
from caseproof.domain.procedure import procedure_of
from caseproof.domain.specs import Role
from caseproof.http.redaction import without_secrets
from caseproof.procedure.core.services import Services
from caseproof.procedure.core.texts import short
from caseproof.store import CaseRow, locks
from caseproof.store.errors import Unreadable
from tasks.runs.carrying import UNSEEN, is_live, lay_to_rest
from tasks.runs.case_runs import NextRun, make_runs, read_ended, read_moving
from tasks.runs.our_prefect import one_client, read_runs

OVERLAP = timedelta(minutes=2)
"""Ended runs are read again that ended so shortly before the last look: they do not end in the order of their times."""
FIRST_LOOK = timedelta(days=1)
SLICE = 200
"""How many cases the slow look takes at a time."""
_AT_ONCE = 200


@dataclass
class Revived:
    """What became of the runs: sentences for people, the cases that got a run, and how many wait for theirs."""

    said: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    waiting: int = 0
    lost: int = 0  # those of them whose run ended: they are found again by that


def revive(services: Services, claimed_after: datetime | None = None, also: Sequence[CaseRow] = ()) -> Revived:
    """Give every case whose run is over a new one, as many as may wait for a worker, or let it rest.

    ``claimed_after``: since when the worker of today is there; what another took before and did not start is lost.
    ``also`` are cases to look at besides. One process at a time does it; another's call does nothing. Raises
    PrefectDown, StoreError, and BadInput when we are not deployed.
    """
    lock = services.settings.home_folder / "keeper" / "runs"
    if locks.is_held(lock) or not locks.hold(lock, wait=False):
        return Revived()
    try:
        with one_client():
            return _revive(services, claimed_after, also)
    finally:
        locks.let_go(lock)


def _revive(services: Services, claimed_after: datetime | None, also: Sequence[CaseRow]) -> Revived:
    found = Revived()
    around = _Around(services)
    ended = read_ended(around.ended_since)
    moving = read_moving()
    some = around.next_slice()
    # The runs are read before the cases: what a run did before it ended stands in the case that is read then.
    runs = {str(run.id): run for run in [*ended, *moving]}
    runs |= read_runs([row.flow_run for row in [*some, *also] if row.flow_run and row.flow_run not in runs])
    wanted = []
    for row in _cases_of(services, runs, [*some, *also]):
        try:
            wanted += _look_at(services, row, runs.get(row.flow_run or ""), claimed_after, found)
        except Unreadable:
            continue  # `caseproof case list` and doctor name it; the other cases go on
    _make(services, wanted, found)
    around.remember(ended if found.lost == 0 else [])
    return found


class _Around:
    """How far the looks came, as the store remembers it."""

    _ENDED, _SLICE = "runs-ended", "runs-slice"

    def __init__(self, services: Services) -> None:
        self._services = services
        with services.store.reading() as uow:
            ended, place = uow.cursors.get(self._ENDED), uow.cursors.get(self._SLICE)
        self._last = datetime.fromisoformat(ended[0]) if ended else services.clock() - FIRST_LOOK
        self._place = int(place[0]) if place else 0

    @property
    def ended_since(self) -> datetime:
        return self._last - OVERLAP

    def next_slice(self) -> list[CaseRow]:
        """Some cases more; after the last ones it begins again."""
        with self._services.store.reading() as uow:
            rows = uow.cases.slice(self._place, SLICE)
        self._place = rows[-1].id if len(rows) == SLICE else 0
        return rows

    def remember(self, ended: Iterable[FlowRun]) -> None:
        """Note Prefect's own times, so that it does not matter whose clock is right."""
        latest = max([self._last, *(run.end_time for run in ended if run.end_time)])
        with self._services.store.uow() as uow:
            uow.cursors.set(self._ENDED, latest.isoformat(), self._services.clock())
            uow.cursors.set(self._SLICE, str(self._place), self._services.clock())
            uow.commit()


def _cases_of(services: Services, runs: Mapping[str, FlowRun], others: Sequence[CaseRow]) -> list[CaseRow]:
    """The cases as they are now that these runs carry, those given, and those that never had a run."""
    ids = sorted({*runs, *(row.flow_run for row in others if row.flow_run)})
    rows: dict[str, CaseRow] = {}
    with services.store.reading() as uow:
        for start in range(0, len(ids), _AT_ONCE):
            rows |= {row.ref: row for row in uow.cases.of_runs(ids[start : start + _AT_ONCE])}
        rows |= {row.ref: row for row in uow.cases.missing_runs(services.policy.check.runs_at_once)}
    return sorted(rows.values(), key=lambda row: row.id)


def _look_at(
    services: Services, row: CaseRow, run: FlowRun | None, claimed_after: datetime | None, found: Revived
) -> list[NextRun]:
    """What the case needs: its next run, a rest, or nothing. What a closed one owes, the keeper does without a run."""
    if row.closed_at is not None or (is_live(services, run, claimed_after) and not _was_cancelled(run)):
        return []
    if row.flow_run is None:
        fresh = services.clock() - row.updated_at < UNSEEN  # the command that opened it is about to give it its run
        return [] if fresh else [NextRun(row.ref, row.generation)]
    if row.rest_until is not None:
        return _after_rest(services, row)
    if _was_cancelled(run):
        _park(services, row, found)
        return []
    if run is not None:
        lay_to_rest(services, run)
    return _after_death(services, row, run, found)


def _was_cancelled(run: FlowRun | None) -> bool:
    return run is not None and run.state is not None and (run.state.is_cancelled() or run.state.is_cancelling())


def _park(services: Services, row: CaseRow, found: Revived) -> None:
    """A person cancelled the run in the Prefect UI, and has a reason: the case rests, and says so."""
    until = services.clock() + timedelta(hours=services.policy.keeper.parked_hours)
    why = "parked: its run was cancelled in the Prefect UI"
    event = services.ledger.event(procedure_of(row.ref).kind(Parked), until=until.isoformat(), flow_run=row.flow_run)

    def once_a_run(now: Case) -> list[Event]:
        parked = any(fact.data["flow_run"] == row.flow_run for fact in now.all_of(Parked))
        return [] if parked else [event]

    services.store.change(row.ref, once_a_run)
    with services.store.uow() as uow:
        uow.cases.set_rest(row.ref, 0, until, why, Rest.PARKED)
        uow.commit()
    found.said.append(f"{row.ref} is parked until {until:%Y-%m-%d %H:%M} UTC: its run was cancelled")


def _after_rest(services: Services, row: CaseRow) -> list[NextRun]:
    over = row.rest_until is not None and row.rest_until <= services.clock()
    hope = row.rest_code != Rest.PARKED and _has_moved(services, row, _deaths(services, row.ref))
    return [NextRun(row.ref, row.generation)] if over or hope else []


def _after_death(services: Services, row: CaseRow, run: FlowRun | None, found: Revived) -> list[NextRun]:
    """Another run, unless too many in a row died without the case moving: then it rests, and people are asked."""
    policy = services.policy.keeper
    if run is None:  # deleted by somebody, which says nothing about the case
        services.ledger.case(row.ref)  # one that cannot be read gets none
        return [NextRun(row.ref, row.generation, row.crashes, row.rest_why)]
    count = _count_death(services, row)
    # Prefect puts the text of an error that nobody foresaw into a state, and that may repeat anything.
    message = without_secrets(run.state.message or "") if run.state else ""
    why = short(f"its run ended as {run.state_name}{': ' if message else ''}{message}")
    if count < policy.crashes:
        return [NextRun(row.ref, row.generation, count, why)]
    until = services.clock() + timedelta(minutes=policy.rest_minutes)
    told = f"{count} runs in a row died; {why}"
    with services.store.uow() as uow:
        uow.cases.set_rest(row.ref, count, until, told, Rest.RUNS_DIED)
        uow.commit()
    found.said.append(f"{row.ref} has an error to put right: {told}. It gets no new run before {until:%H:%M} UTC")
    return []


@dataclass(frozen=True, slots=True)
class _Deaths:
    """How many runs of a case died in a row: the last of them, and how far the case was then."""

    run: str = ""
    version: int = 0
    count: int = 0


def _deaths(services: Services, ref: str) -> _Deaths:
    with services.store.reading() as uow:
        mark = uow.cursors.get(f"deaths/{ref}")
    return _Deaths(**json.loads(mark[0])) if mark else _Deaths()


def _count_death(services: Services, row: CaseRow) -> int:
    """Count the death of the run that the case has, once."""
    before = _deaths(services, row.ref)
    if before.run == row.flow_run:
        return before.count
    now = _Deaths(row.flow_run or "", row.version, 1 if _has_moved(services, row, before) else before.count + 1)
    with services.store.uow() as uow:
        uow.cursors.set(f"deaths/{row.ref}", json.dumps(asdict(now)), services.clock())
        uow.commit()
    return now.count


def _has_moved(services: Services, row: CaseRow, before: _Deaths) -> bool:
    """Whether the case made progress since a run of it died last."""
    since = [event.kind.spec for event in services.ledger.case(row.ref).events[before.version :]]
    return any(spec.wakes and spec.role is not Role.ASKS for spec in since)


def _make(services: Services, wanted: Sequence[NextRun], found: Revived) -> None:
    found.given = make_runs(services, wanted)
    found.waiting = len(wanted) - len(found.given)
    found.lost = sum(one.generation > 0 and one.ref not in found.given for one in wanted)
    first = {one.ref for one in wanted if one.generation == 0}
    found.said += [
        f"{ref} has its first run now" if ref in first else f"{ref}: its run died, and a new one goes on"
        for ref in found.given
    ]
