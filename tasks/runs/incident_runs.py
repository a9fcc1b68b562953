"""Which flow run carries which incident, on our own Prefect server: as with cases, the store is the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from prefect.runtime import flow_run as this_run

from caseproof.procedure.core.office import Office
from caseproof.procedure.keeper import incidents
from caseproof.store import ConcurrentChange, IncidentRow, locks
from tasks.display.incident_table import refresh_table
from tasks.runs.case_runs import is_live, read_run, read_runs, run_deployment, set_scheduled

DEPLOYMENT = "incident/incident"
LATELY = timedelta(days=1)
"""How long the run of an incident that is over is looked after, until it has ended, too."""


def look_after_incidents(office: Office) -> list[str]:
    """Gather storms, have decisions reach the late, end what is over, and give every open incident a live run.

    Says what was done, a sentence each. Raises StoreError and PrefectDown; what the store holds is done by then.
    """
    said = [f"{ref} has new cases" for ref in incidents.gather(office)]
    said += [f"{ref} was decided with its incident" for ref in incidents.settle_stragglers(office)]
    ended = incidents.end_finished(office)
    said += [f"{ref} is over" for ref in ended]
    with office.store.reading() as unit:
        every = unit.incidents.rows()
    for row in (one for one in every if not one.is_closed or one.ref in ended):
        if not row.is_closed and ensure_incident_run(office, row.ref) != row.flow_run:
            said.append(f"{row.ref} has a new run")
        refresh_table(office, row.ref)
    _end_the_runs(office, every)
    return said


def _end_the_runs(office: Office, rows: Sequence[IncidentRow]) -> None:
    """Wake the runs of what is over, so that they end; for a while, since Prefect may not take it at first."""
    lately = office.clock() - LATELY
    over = {row.flow_run for row in rows if row.flow_run and row.closed_at is not None and row.closed_at >= lately}
    for run in read_runs(sorted(over)).values():
        if run.state is not None and run.state.is_paused():
            set_scheduled(run.id)


def ensure_incident_run(office: Office, ref: str) -> str:
    """Give an incident a live run: the one it has, or one of the next generation. Returns its id.

    Raises PrefectDown, and BadInput when we are not deployed.
    """
    row = _row(office, ref)
    if row.flow_run is not None and is_live(office, read_run(row.flow_run)):
        return row.flow_run
    key = f"{row.ref}:{row.generation + 1}:{_mark(row)}"
    name = f"{row.ref.lower()}-{row.generation + 1}"
    run = run_deployment(DEPLOYMENT, {"incident": row.ref}, key, name)
    try:
        _attach(office, row, run)
    except ConcurrentChange:  # another gave it one at the same time
        return _row(office, ref).flow_run or run
    return run


def take_up(office: Office, ref: str) -> bool:
    """Whether this flow run is to carry the incident, and not another live one. Raises UnknownIncident."""
    me = str(this_run.id)
    locks.hold(office.at_work(me))
    row = _row(office, ref)
    if row.flow_run == me:
        return True
    if row.flow_run is not None and is_live(office, read_run(row.flow_run)):
        return False
    try:
        _attach(office, row, me)
    except ConcurrentChange:
        return _row(office, ref).flow_run == me
    return True


def _row(office: Office, ref: str) -> IncidentRow:
    with office.store.reading() as unit:
        return unit.incidents.get(ref)


def _attach(office: Office, row: IncidentRow, run: str) -> None:
    with office.store.unit() as unit:
        unit.incidents.attach_run(row.ref, run, row.generation + 1)
        unit.commit()


def _mark(row: IncidentRow) -> str:
    """What tells this incident from one of the same reference in another store."""
    said = f"{row.opened_at.isoformat()} {row.platform} {row.marketplace} {row.cause}"
    return hashlib.sha256(said.encode()).hexdigest()[:8]
