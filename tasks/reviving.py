"""Cases whose flow run died get a new one: what `caseproof up` does beside watching its programs.

A run that a person cancelled is left alone; `caseproof case wake` gives the case another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from prefect.client.schemas.objects import FlowRun

from caseproof import locks
from caseproof.procedure.office import Office
from caseproof.store import CaseRow
from caseproof.store.errors import Unreadable
from tasks.case_runs import UNSEEN, bury, is_live, next_run, read_runs

AT_MOST = 3
"""How many runs in a row may die without the case moving; then it rests."""
REST = timedelta(minutes=30)
_CLOSED_LATELY = timedelta(days=7)


@dataclass
class _Deaths:
    moved: datetime  # when the case last moved
    count: int = 0
    last: datetime | None = None


@dataclass
class Reviver:
    """Remembers how often each case's run died, so that one that always dies does not turn in circles."""

    office: Office
    _deaths: dict[str, _Deaths] = field(default_factory=dict)

    def __call__(self, claimed_after: datetime | None = None) -> list[str]:
        """Give every case whose run died a new one; says each in a sentence. Raises PrefectDown, StoreError, BadInput.

        ``claimed_after``: since when the worker of today is there; what another took before and did not start is lost.
        """
        with self.office.store.reading() as unit:
            rows = unit.cases.unfinished(self.office.clock() - _CLOSED_LATELY)
        runs = read_runs([row.flow_run for row in rows if row.flow_run])
        return [said for row in rows if (said := self._revive(row, runs.get(row.flow_run or ""), claimed_after))]

    def _revive(self, row: CaseRow, run: FlowRun | None, claimed_after: datetime | None) -> str:
        if _was_cancelled(run) or is_live(self.office, run, claimed_after) or self._is_being_opened(row):
            return ""
        try:
            if self._has_moved(row) or not self._may_try(row):
                return ""
        except Unreadable:
            return ""  # `caseproof case list` and doctor name it; the other cases go on
        if run is not None:
            if run.state is not None and not run.state.is_final():
                bury(run)
            locks.clear(self.office.at_work(str(run.id)))
        next_run(self.office, row.ref, row.generation)
        return f"{row.ref}: its run died, and a new one goes on" if row.flow_run else f"{row.ref} has its first run now"

    def _is_being_opened(self, row: CaseRow) -> bool:
        """Whether the command that opened it is about to give it its run."""
        return row.flow_run is None and self.office.clock() - row.updated_at < UNSEEN

    def _has_moved(self, row: CaseRow) -> bool:
        """Whether the case changed since it was read: then its run was at work, and has perhaps closed it."""
        return self.office.case(row.ref).events[-1].at != row.updated_at

    def _may_try(self, row: CaseRow) -> bool:
        now = self.office.clock()
        deaths = self._deaths.setdefault(row.ref, _Deaths(row.updated_at))
        if deaths.moved != row.updated_at or (deaths.last is not None and now - deaths.last > REST):
            deaths.moved, deaths.count = row.updated_at, 0
        if deaths.count >= AT_MOST:
            return False
        deaths.count, deaths.last = deaths.count + 1, now
        return True


def _was_cancelled(run: FlowRun | None) -> bool:
    return run is not None and run.state is not None and (run.state.is_cancelled() or run.state.is_cancelling())
