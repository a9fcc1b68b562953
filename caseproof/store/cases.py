"""Cases in the store: a row each, for lists and guards, and the events that the case is folded from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, insert, select, update

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.errors import ClosureRefused, NotAllowed
from caseproof.domain.events import Event, Kind
from caseproof.domain.fold import apply, fold
from caseproof.domain.lifecycle import State
from caseproof.store.case_rows import ROW_SAYS, facts_of, refuse_nul, row_says, standing_after, whose
from caseproof.store.errors import AlreadyOpen, ConcurrentChange, StoreError, UnknownCase, Unreadable, readable
from caseproof.store.refs import case_id, make_ref, normal
from caseproof.store.rows import insert_once, next_number, plain
from caseproof.store.tables import case_runs, cases, events, proofs


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as lists show it; times are aware, in UTC. ``generation`` is 0 before its first flow run."""

    ref: str
    state: State
    opening: int
    platform: str
    job: str
    job_name: str
    retailer: str
    marketplace: str
    cause: str
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    flow_run: str | None
    generation: int
    paused_until: date | None


@dataclass(frozen=True, slots=True)
class CaseRun:
    """The flow run that carries a case, and which one it is, counted from 1."""

    flow_run: str
    generation: int


class Cases:
    """Every query about cases. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, ref: str) -> Case:
        """The fold of the case's events. Raises UnknownCase."""
        for case in self._folded(cases.c.ref == normal(ref)):
            return case
        raise UnknownCase(ref)

    def open_for(self, platform: str, job: str) -> Case | None:
        """The open case of a job, if there is one; there is never a second."""
        found = self._folded(_of_job(platform, job), cases.c.closed.is_(False))
        return found[0] if found else None

    def open_on(self, platform: str) -> list[Case]:
        """The open cases of a platform, oldest first."""
        return self._folded(cases.c.platform == platform, cases.c.closed.is_(False))

    def latest_for(self, platform: str, job: str) -> str | None:
        """The newest case of a job, open or closed: its reference."""
        newest = select(cases.c.ref).where(_of_job(platform, job)).order_by(cases.c.id.desc()).limit(1)
        return self._connection.scalar(newest)

    def rows(self, open_only: bool = False) -> list[CaseRow]:
        """Every case, or every open one, oldest first."""
        return self._rows(*([cases.c.closed.is_(False)] if open_only else []))

    def unfinished(self, closed_since: datetime) -> list[CaseRow]:
        """What a flow run still has work on: every open case, and the lately closed ones whose ticket is open yet."""
        ticket_closed = exists().where(
            events.c.case_id == cases.c.id, events.c.kind == Kind.TICKET_CLOSED, events.c.at >= cases.c.closed_at
        )
        return self._rows(cases.c.closed.is_(False) | ((cases.c.closed_at >= closed_since) & ~ticket_closed))

    def _rows(self, *where: ColumnElement[bool]) -> list[CaseRow]:
        names = CaseRow.__dataclass_fields__
        query = select(*(cases.c[name] for name in names)).where(*where).order_by(cases.c.id)
        with readable("A row of the cases"):
            found = self._connection.execute(query).mappings()
            return [CaseRow(**{**row, "state": State(row["state"])}) for row in found]

    def damaged(self) -> list[str]:
        """The cases whose row says something else than their events, or whose events cannot be read.

        They were edited past this program, or the file is damaged.
        """
        names = ("id", "ref", *ROW_SAYS)
        rows = self._connection.execute(select(*(cases.c[name] for name in names)).order_by(cases.c.id))
        known = {row.id: (row.ref or make_ref(row.id), tuple(row)[2:]) for row in rows}
        try:
            # Never all cases in memory.
            follows = {case.ref: tuple(row_says(case).values()) for case in self._each(yield_per=1000)}
        except Unreadable:
            follows = dict(self._readable_ones(known))
        return [ref for ref, told in known.values() if follows.get(ref) != told]

    def _readable_ones(self, numbers: Iterable[int]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """What the row of each case must say, of those cases whose events can be read; each is asked by itself."""
        for number in numbers:
            try:
                found = [(case.ref, tuple(row_says(case).values())) for case in self._folded(cases.c.id == number)]
            except Unreadable:
                continue
            yield from found

    def _folded(self, *where: ColumnElement[bool]) -> list[Case]:
        return list(self._each(*where))

    def _each(self, *where: ColumnElement[bool], **options: Any) -> Iterator[Case]:
        """One statement, so that a case is never read half before and half after a change."""
        query = (
            select(cases.c.ref, events.c.kind, events.c.at, events.c.actor, events.c.data)
            .join_from(cases, events)
            .where(*where)
            .order_by(cases.c.id, events.c.seq)
        )
        with readable("An event of a case"):
            found = self._connection.execute(query, execution_options=options)
            for ref, rows in groupby(found, key=lambda row: str(row.ref)):
                told = list(rows)  # before it is folded, for the database reads on here
                with readable(f"An event of {ref}"):
                    case = fold(ref, (Event(Kind(row.kind), row.at, row.actor, row.data) for row in told))
                yield case

    # -- writing -------------------------------------------------------------------------------------------

    def create(self, event: Event) -> Case:
        """Open a case (J1). Raises AlreadyOpen if the job has an open one, BadInput, NotAllowed."""
        event = _as_stored(event)
        refuse_event(Case("The new case"), event)
        facts = facts_of(event.data)
        draft = apply(Case("The new case"), event)
        here = _of_job(facts["platform"], facts["job"])
        number = next_number(self._connection, cases)
        row = {"id": number, "opened_at": event.at, "generation": 0, **facts, **standing_after(draft, event)}
        if self._open_ref(here) or insert_once(self._connection, insert(cases).values(**row)) is None:
            raise AlreadyOpen(self._open_ref(here) or "opened a moment ago")
        case = apply(Case(make_ref(number)), event)
        self._connection.execute(update(cases).where(cases.c.id == number).values(ref=case.ref))
        self._insert_event(number, case, event)
        return case

    def append(self, case: Case, *new: Event) -> Case:
        """Write what happened to a case, and give the case after it.

        What is asked whether an event may happen is the case in the store, not the one brought here.
        Raises ConcurrentChange if the two differ, NotAllowed (ClosureRefused), BadInput, UnknownCase.
        """
        row = self._locked(case.ref)
        stored = self.get(case.ref)
        if (stored.version, stored.head) != (row.version, row.head):
            raise StoreError(
                f"The events of {case.ref} were edited past Caseproof: they do not match their digests.",
                "Nothing is added to it; restore the store from a backup.",
            )
        if (case.version, case.head) != (stored.version, stored.head):
            raise ConcurrentChange(f"{case.ref} changed meanwhile.", "Read it again, then decide again.")
        for event in new:
            stored = self._append_one(row.id, stored, _as_stored(event))
        return stored

    def _append_one(self, number: int, case: Case, event: Event) -> Case:
        refuse_event(case, event)
        if event.kind is Kind.CLOSED:
            _refuse_other_proof(case, event)
        if event.kind is Kind.REOPENED:
            self._refuse_second_open(number, case)
        after = apply(case, event)
        self._insert_event(number, after, event)
        if event.kind is Kind.PROOF_MADE:
            self._insert_proof(number, after, event)
        row = {**standing_after(after, event), **whose(after)}
        self._connection.execute(update(cases).where(cases.c.id == number).values(**row))
        return after

    def _insert_event(self, number: int, after: Case, event: Event) -> None:
        row = event.as_json() | {
            "at": event.at,
            "case_id": number,
            "seq": after.version,
            "digest": after.head,
        }
        self._connection.execute(insert(events).values(**row))

    def _insert_proof(self, number: int, after: Case, event: Event) -> None:
        digest = event.data["evidence"]
        if self._connection.scalar(select(proofs.c.case_id).where(proofs.c.digest == digest)) is not None:
            raise NotAllowed(f"{after.ref}: this proof was taken before.", "Let the case's run make a new one.")
        row = {"digest": digest, "case_id": number, "opening": after.opening, "rule": event.data["rule"]}
        self._connection.execute(insert(proofs).values(**row, made_at=event.at))

    def _refuse_second_open(self, number: int, case: Case) -> None:
        here = _of_job(str(case.facts["platform"]), str(case.facts["job"]))
        other = self._open_ref(here & (cases.c.id != number))
        if other:
            raise AlreadyOpen(other)

    def _open_ref(self, here: ColumnElement[bool]) -> str | None:
        return self._connection.scalar(select(cases.c.ref).where(here, cases.c.closed.is_(False)))

    def _locked(self, ref: str) -> Any:
        """The row's id, version and head, locked until the unit ends (SQLite locks the whole file)."""
        query = select(cases.c.id, cases.c.version, cases.c.head, cases.c.flow_run, cases.c.generation)
        row = self._connection.execute(query.where(cases.c.ref == normal(ref)).with_for_update()).one_or_none()
        if row is None:
            raise UnknownCase(ref)
        return row

    # -- the flow runs that carry a case -------------------------------------------------------------------

    def attach_run(self, ref: str, flow_run: str, generation: int) -> None:
        """Remember the flow run that carries the case; the same values twice are harmless.

        Raises ConcurrentChange if the case has another run of this generation or a later one.
        """
        row = self._locked(ref)
        mine = {"flow_run": flow_run, "case_id": row.id, "generation": generation}
        known = self._connection.execute(select(case_runs).where(case_runs.c.flow_run == flow_run)).one_or_none()
        if known is not None and known._asdict() == mine:
            return
        if known is not None or generation <= row.generation:
            raise ConcurrentChange(
                f"{normal(ref)} has a run of generation {row.generation} already: {row.flow_run or 'none'}.",
                "Leave it to that run.",
            )
        self._connection.execute(insert(case_runs).values(**mine))
        values = {"flow_run": flow_run, "generation": generation}
        self._connection.execute(update(cases).where(cases.c.id == row.id).values(**values))

    def run_of(self, ref: str) -> CaseRun | None:
        """The latest flow run of the case, if it had one. Raises UnknownCase."""
        query = select(cases.c.flow_run, cases.c.generation).where(cases.c.id == case_id(self._connection, ref))
        row = self._connection.execute(query).one()
        return CaseRun(row.flow_run, row.generation) if row.flow_run else None

    def by_flow_run(self, flow_run: str) -> str | None:
        """The reference of the case that this flow run carries or carried."""
        query = select(cases.c.ref).join_from(cases, case_runs).where(case_runs.c.flow_run == flow_run)
        return self._connection.scalar(query)


def _of_job(platform: str, job: str) -> ColumnElement[bool]:
    return (cases.c.platform == platform) & (cases.c.job == job)


def _as_stored(event: Event) -> Event:
    """The event as it will be read back, so that its digest today is its digest then."""
    refuse_nul("actor", event.actor)
    return Event.from_json(plain(event.as_json(), f"The event {event.kind}"))


def _refuse_other_proof(case: Case, event: Event) -> None:
    if case.proof is None or event.data["proof"] != case.proof["evidence"]:
        raise ClosureRefused(
            f"{case.ref} closes with its latest proof of this opening, not with {event.data['proof']!r}.",
            "Let the case's run close it with that proof.",
        )
