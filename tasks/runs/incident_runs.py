"""The flow runs of incidents: every open one has a live run, and what is over ends."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from prefect.client.schemas.objects import FlowRun

from caseproof.procedure.core.services import Services
from caseproof.procedure.keeper import incidents
from caseproof.store import IncidentRow
from tasks.display.incident_table import refresh_table
from tasks.runs.carrying import ensure_run
from tasks.runs.our_prefect import read_runs, set_scheduled

DEPLOYMENT = "incident/incident"
LATELY = timedelta(days=1)
"""How long the run of an incident that is over is looked after, until it has ended, too."""


def look_after_incidents(services: Services) -> list[str]:
    """Gather storms, have decisions reach the late, end what is over, and give every open incident a live run.

    Says what was done, a sentence each. Raises StoreError and PrefectDown; what the store holds is done by then.
    """
    said = [f"{ref} has new cases" for ref in incidents.gather(services.ledger, services.policy.check.storm)]
    said += [
        f"{ref} was decided with its incident" for ref in incidents.settle_stragglers(services.ledger, services.policy)
    ]
    ended = incidents.end_finished(services.ledger)
    said += [f"{ref} is over" for ref in ended]
    with services.store.reading() as uow:
        every = uow.incidents.rows()
    for row in (one for one in every if not one.is_closed or one.ref in ended):
        if not row.is_closed and ensure_run(IncidentOwner(services, row.ref)) != row.flow_run:
            said.append(f"{row.ref} has a new run")
        elif row.flow_run and incidents.asks_nothing(services.store, row.ref):
            _wake_if_paused([row.flow_run])  # somebody answered on its page
        refresh_table(services, row.ref)
    _end_the_runs(services, every)
    return said


def _end_the_runs(services: Services, rows: Sequence[IncidentRow]) -> None:
    """Wake the runs of what is over, so that they end; for a while, since Prefect may not take it at first."""
    lately = services.clock() - LATELY
    over = {row.flow_run for row in rows if row.flow_run and row.closed_at is not None and row.closed_at >= lately}
    _wake_if_paused(sorted(over))


def _wake_if_paused(flow_runs: Sequence[str]) -> None:
    for run in read_runs(flow_runs).values():
        if run.state is not None and run.state.is_paused():
            set_scheduled(run.id)


@dataclass(frozen=True)
class IncidentOwner:
    """An incident as a ``tasks.runs.carrying.Owner``."""

    services: Services
    ref: str
    deployment: str = DEPLOYMENT
    parameter: str = "incident"

    def mark(self) -> str:
        """Of when it began, and where, and why."""
        row = self._row()
        said = f"{row.opened_at.isoformat()} {row.platform} {row.marketplace} {row.cause}"
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    def label(self) -> tuple[str, list[str]]:
        """Its run says it, with how many cases there are by then."""
        return "", []

    def latest(self) -> tuple[str | None, int]:
        """As its row says."""
        row = self._row()
        return row.flow_run, row.generation

    def is_taken_by(self, flow_run: str) -> bool:
        """Its latest run alone."""
        return self._row().flow_run == flow_run

    def give(self, flow_run: str, generation: int) -> bool:
        """It never rests."""
        is_new = not self.is_taken_by(flow_run)
        self.take(flow_run, generation)
        return is_new

    def take(self, flow_run: str, generation: int) -> None:
        """Nothing else is said of it."""
        with self.services.store.uow() as uow:
            uow.incidents.attach_run(self.ref, flow_run, generation)
            uow.commit()

    def is_replaced(self, run: FlowRun) -> None:
        """Its table says which run it has now; nothing else is kept of it."""

    def _row(self) -> IncidentRow:
        with self.services.store.reading() as uow:
            return uow.incidents.get(self.ref)
