"""Cases in the store: a row each, for lists and guards, and the events that the case is folded from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, cast, func, insert, select, update

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.codes import Rest
from caseproof.domain.errors import ClosureRefused, NotAllowed
from caseproof.domain.events import Event, kind_of
from caseproof.domain.fold import apply, blank, fold
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.procedure import Procedure, by_prefix, procedure_of
from caseproof.domain.specs import Role
from caseproof.domain.vocabulary import WORD
from caseproof.store.case_rows import (
    ROW_SAYS,
    CaseRow,
    as_stored,
    draft_of,
    event_row,
    facts_of,
    first_row,
    refuse_edited,
    refuse_nul,
    row_after,
    row_says,
    turn_says,
)
from caseproof.store.databases import compact_json
from caseproof.store.errors import AlreadyOpen, ConcurrentChange, UnknownCase, Unreadable, readable
from caseproof.store.folds import Folds
from caseproof.store.owed import OwedList, changes
from caseproof.store.refs import case_id, make_ref, normal
from caseproof.store.rows import insert_once, next_number
from caseproof.store.tables import case_runs, cases, events, in_need, proofs

_OPEN = cases.c.closed.is_(False)
_JOB_FAILURE = cases.c.procedure == JOB_FAILURE.prefix
"""What goes through jobs (the check, a bulk stop, an incident) sees no case of another procedure."""


def _rows_where(*where: ColumnElement[bool], order: tuple[ColumnElement[Any], ...] = ()) -> Select[Any]:
    columns = (cases.c[name] for name in CaseRow.__dataclass_fields__)
    return select(*columns).where(*where).order_by(*order, cases.c.id)


_PLAIN_REFS = select(cases.c.procedure, cases.c.id).order_by(cases.c.id)
# What the keeper asks every few minutes, put together once: that takes longer than the answer.
_DUE = _rows_where(cases.c.due_at <= bindparam("now"), order=(cases.c.due_at,)).limit(bindparam("limit"))
_WATCHED = _rows_where(_JOB_FAILURE, cases.c.closed_at >= bindparam("since"), order=(cases.c.closed_at,))
_MISSING_RUNS = _rows_where(cases.c.flow_run.is_(None), _OPEN).limit(bindparam("limit"))
_SLICE = _rows_where(cases.c.closed_at.is_(None), cases.c.id > bindparam("after")).limit(bindparam("limit"))
_FIRST_PLATFORM = select(func.min(cases.c.platform)).where(_OPEN, _JOB_FAILURE, cases.c.platform > bindparam("after"))
_PLACE = (cases.c.platform, cases.c.marketplace, cases.c.cause)
_NEW = select(*_PLACE).where(_OPEN, _JOB_FAILURE, cases.c.incident == "", cases.c.last_opened_at >= bindparam("since"))
_OF_AN_EVENT = (events.c.kind, events.c.at, events.c.actor, events.c.data)
_SINCE = (
    select(cases.c.version, cases.c.head, *_OF_AN_EVENT)
    .join_from(cases, events, (events.c.case_id == cases.c.id) & (events.c.seq > bindparam("seen")), isouter=True)
    .where(cases.c.ref == bindparam("ref"))
    .order_by(events.c.seq)
)
_TURN = select(
    *(cases.c.asked_form, cases.c.asked_at, cases.c.updated_at, cases.c.state, cases.c.trouble_code),
    *(cases.c.paused_until, cases.c.notice_at, cases.c.cause, cases.c.incident, cases.c.told_neutrally),
)


@dataclass(frozen=True, slots=True)
class CaseRun:
    """The flow run that carries a case, and which one it is, counted from 1."""

    flow_run: str
    generation: int


class Cases:
    """Every query about cases. Nothing here commits."""

    def __init__(self, connection: Connection, folds: Folds | None = None) -> None:
        self._connection = connection
        self._folds = folds or Folds()
        self.has_news = False
        """Whether something was written in here that a case's run has to look at."""

    # -- reading -------------------------------------------------------------------------------------------

    def get(self, ref: str) -> Case:
        """The fold of the case's events. Raises UnknownCase, Unreadable."""
        known = self._folds.of(normal(ref))
        case, stands = self._after(known or blank(normal(ref)))
        if known is not None and not stands:  # it was never written to the end, or the store is another one by now
            case, _ = self._after(blank(known.ref))
        if not case.version:
            raise UnknownCase(ref)
        self._folds.keep(case)
        return case

    def _after(self, case: Case) -> tuple[Case, bool]:
        """The case after what happened since, and whether it is the one that its row stands for.

        One statement, so that a case is never read half before and half after a change.
        """
        with readable(f"An event of {case.ref}"):
            rows = self._connection.execute(_SINCE, {"ref": case.ref, "seen": case.version}).all()
            for row in rows:
                if row.kind is not None:  # nothing happened since
                    kind = kind_of(row.kind, case.procedure.kinds)
                    case = apply(case, Event(kind, row.at, row.actor, row.data))
        return case, bool(rows) and (case.version, case.head) == (rows[0].version, rows[0].head)

    def open_for(self, platform: str, job: str) -> Case | None:
        """The open case of a job, if there is one; there is never a second."""
        found = self.folded(_of_job(JOB_FAILURE, platform, job), _OPEN)
        return found[0] if found else None

    def of_key(self, prefix: str, platform: str, key: str, *, closed_too: bool) -> str | None:
        """The reference of a procedure's case that has this in the columns of the platform and the job: the open one,
        else, if ``closed_too``, the one that was opened last; None for none."""
        here = (cases.c.procedure == prefix, cases.c.platform == platform, cases.c.job == key)
        query = select(cases.c.ref).where(*here, *([] if closed_too else [_OPEN]))
        return self._connection.scalar(query.order_by(cases.c.closed, cases.c.id.desc()).limit(1))

    def open_on(self, platform: str) -> list[Case]:
        """The open cases of a platform, oldest first."""
        return self.folded(cases.c.platform == platform, _JOB_FAILURE, _OPEN)

    def rows(self, open_only: bool = False) -> list[CaseRow]:
        """Every case, or every open one, oldest first."""
        return self._rows(*([_OPEN] if open_only else []))

    def unfinished(self, closed_since: datetime) -> list[CaseRow]:
        """What a flow run still has work on: every open case, and the lately closed ones whose ticket is open yet."""
        return self._rows(_OPEN | ((cases.c.closed_at >= closed_since) & cases.c.ticket_closed.is_(False)))

    def due(self, now: datetime, limit: int) -> list[CaseRow]:
        """The cases that are to be looked at by now, those that wait longest first. Closed ones can be due, too."""
        return self._read(_DUE, now=now, limit=limit)

    def watched(self, closed_since: datetime) -> list[CaseRow]:
        """The job failures that were closed since then and are closed yet, in that order: their jobs are watched."""
        return self._read(_WATCHED, since=closed_since)

    def missing_runs(self, limit: int) -> list[CaseRow]:
        """Open cases that never had a flow run, oldest first."""
        return self._read(_MISSING_RUNS, limit=limit)

    def slice(self, after: int, limit: int) -> list[CaseRow]:
        """Open cases whose ``id`` comes after this number, in that order: a way to go through all, bit by bit."""
        return self._read(_SLICE, after=after, limit=limit)

    def speaking_of(self, name: str, *kinds: str) -> list[str]:
        """The open cases of which an event of these kinds holds this text as a value, whatever it is there."""
        holds = cast(events.c.data, Text).contains(compact_json(name), autoescape=True)
        query = select(cases.c.ref).join_from(cases, events).where(_OPEN, events.c.kind.in_(kinds), holds).distinct()
        return sorted(self._connection.scalars(query))

    def alike(self, platform: str, marketplace: str, cause: str) -> list[CaseRow]:
        """Open cases with one cause on one marketplace, oldest first."""
        same = (cases.c.platform == platform, cases.c.marketplace == marketplace, cases.c.cause == cause)
        return self._rows(*same, _JOB_FAILURE, _OPEN)

    def gathering(self, since: datetime, platform: str = "") -> list[tuple[str, str, str, int]]:
        """How many open cases without an incident were opened since: platform, marketplace, cause and their number.

        Of one platform, or of all.
        """
        query = _NEW.where(cases.c.platform == platform) if platform else _NEW
        with readable("A row of the cases"):
            # Counted here: a database would rather go through all open cases in the order of their places.
            found = Counter(tuple(row) for row in self._connection.execute(query, {"since": since}))
        return sorted((name, marketplace, cause, count) for (name, marketplace, cause), count in found.items())

    def of_incident(self, incident: str) -> list[CaseRow]:
        """The cases that joined this incident and were not reopened since, open or closed, oldest first."""
        return self._rows(cases.c.incident == incident, cases.c.incident != "")

    def of_runs(self, flow_runs: Sequence[str]) -> list[CaseRow]:
        """The cases, open or closed, whose latest flow run is one of these (at most a few hundred), oldest first."""
        numbers = select(case_runs.c.case_id).where(case_runs.c.flow_run.in_(flow_runs))
        return self._rows(cases.c.id.in_(numbers), cases.c.flow_run.in_(flow_runs))

    def of_jobs(self, platform: str, jobs: Sequence[str]) -> list[CaseRow]:
        """The open cases of these jobs (at most a few hundred), oldest first."""
        return self._rows(cases.c.platform == platform, cases.c.job.in_(jobs), _JOB_FAILURE, _OPEN)

    def of_refs(self, refs: Sequence[str]) -> list[CaseRow]:
        """The cases of these references (at most a few hundred); what is none is left out."""
        return self._rows(cases.c.ref.in_(refs))

    def platforms(self) -> list[str]:
        """The platforms that have open cases, sorted: one look into the index a platform, however many cases it has."""
        found: list[str] = []
        while True:
            name = self._connection.scalar(_FIRST_PLATFORM, {"after": found[-1] if found else ""})
            if name is None:
                return found
            found.append(name)

    def open_by_platform(self) -> dict[str, tuple[int, int]]:
        """How many job failures of each platform are open, and how many of them rest or need help with a step."""
        query = select(cases.c.platform, func.count(), func.count().filter(in_need)).where(_OPEN, _JOB_FAILURE)
        found = self._connection.execute(query.group_by(cases.c.platform))
        return {platform: (count, late) for platform, count, late in found}

    def in_need(self, limit: int) -> list[CaseRow]:
        """Open cases that rest, or in which a step needs help, oldest first."""
        return self._rows(in_need, limit=limit)

    def in_state(self, state: StrEnum, limit: int) -> list[str]:
        """The references of open cases in this state, those in which nothing happened for longest first."""
        query = select(cases.c.ref).where(cases.c.state == str(state), _OPEN).order_by(cases.c.updated_at, cases.c.id)
        return list(self._connection.scalars(query.limit(limit)))

    def counts(self) -> list[tuple[StrEnum, str, int]]:
        """How many cases are open: by state and marketplace."""
        place = (cases.c.procedure, cases.c.state, cases.c.marketplace)
        found = self._connection.execute(select(*place, func.count()).where(_OPEN).group_by(*place))
        return sorted((by_prefix(of).state(state), marketplace, count) for of, state, marketplace, count in found)

    def _rows(
        self, *where: ColumnElement[bool], order: tuple[ColumnElement[Any], ...] = (), limit: int | None = None
    ) -> list[CaseRow]:
        return self._read(_rows_where(*where, order=order).limit(limit))

    def _read(self, query: Select[Any], **values: Any) -> list[CaseRow]:
        with readable("A row of the cases"):
            found = self._connection.execute(query, values).all()
            return [CaseRow(number, ref, procedure_of(ref).state(state), *rest) for number, ref, state, *rest in found]

    def damaged(self) -> list[str]:
        """The cases whose row says something else than their events, or whose events cannot be read.

        They were edited past this program, or the file is damaged.
        """
        names = ("id", "ref", "procedure", *ROW_SAYS)
        rows = self._connection.execute(select(*(cases.c[name] for name in names)).order_by(cases.c.id))
        known = {row.id: (row.ref or make_ref(row.procedure, row.id), tuple(row)[3:]) for row in rows}
        try:
            # Never all cases in memory.
            follows = {case.ref: tuple(row_says(case).values()) for case in self._each(yield_per=1000)}
        except Unreadable:
            follows = dict(self._readable_ones(known))
        return [ref for ref, told in known.values() if follows.get(ref) != told]

    def refs(self) -> list[str]:
        """The reference of every case, oldest first, as its number says it, whatever an edit put there."""
        return [make_ref(*row) for row in self._connection.execute(_PLAIN_REFS)]

    def closings(self) -> list[tuple[str, str]]:
        """The closed cases and the digest of the proof that each is closed with, oldest first; read past the fold, so
        that an edited row is among them."""
        query = select(cases.c.procedure, cases.c.id, cases.c.proof).where(cases.c.closed).order_by(cases.c.id)
        return [(make_ref(of, number), str(proof or "")) for of, number, proof in self._connection.execute(query)]

    def _readable_ones(self, numbers: Iterable[int]) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """What the row of each case must say, of those cases whose events can be read; each is asked by itself."""
        for number in numbers:
            try:
                found = [(case.ref, tuple(row_says(case).values())) for case in self.folded(cases.c.id == number)]
            except Unreadable:
                continue
            yield from found

    def folded(self, *where: ColumnElement[bool]) -> list[Case]:
        """The cases that these conditions choose, oldest first. Raises Unreadable."""
        return list(self._each(*where))

    def _each(self, *where: ColumnElement[bool], **options: Any) -> Iterator[Case]:
        """One statement, so that a case is never read half before and half after a change."""
        query = (
            select(cases.c.ref, *_OF_AN_EVENT).join_from(cases, events).where(*where).order_by(cases.c.id, events.c.seq)
        )
        with readable("An event of a case"):
            found = self._connection.execute(query, execution_options=options)
            for ref, rows in groupby(found, key=lambda row: str(row.ref)):
                told = list(rows)  # before it is folded, for the database reads on here
                with readable(f"An event of {ref}"):
                    kinds = procedure_of(ref).kinds
                    case = fold(ref, (Event(kind_of(row.kind, kinds), row.at, row.actor, row.data) for row in told))
                yield case

    # -- writing -------------------------------------------------------------------------------------------

    def create(self, event: Event) -> Case:
        """Open a case (J1). Raises AlreadyOpen if the job has an open one, BadInput, NotAllowed."""
        event = as_stored(event)
        draft = draft_of(event)
        facts = facts_of(event)
        here = _of_job(draft.procedure, facts["platform"], facts["job"])
        number = next_number(self._connection, cases)
        row = first_row(number, draft, event)
        if self._open_ref(here) or insert_once(self._connection, insert(cases).values(**row)) is None:
            raise AlreadyOpen(self._open_ref(here) or "opened a moment ago")
        case = replace(draft, ref=make_ref(draft.procedure.prefix, number))
        self._connection.execute(update(cases).where(cases.c.id == number).values(ref=case.ref))
        self._insert_event(number, case, event)
        OwedList(self._connection).follow([changes(blank(case.ref), case, event.at)])
        return case

    def append(self, case: Case, *new: Event) -> Case:
        """Write what happened to a case, and give the case after it.

        What is asked whether an event may happen is the case in the store, not the one brought here.
        Raises ConcurrentChange if the two differ, NotAllowed (ClosureRefused), BadInput, UnknownCase.
        """
        row = self._locked(case.ref)
        # All of it: nothing is added to what was edited, and who tries is not shown the case as it was before.
        self._folds.forget(normal(case.ref))
        stored, _ = self._after(blank(normal(case.ref)))
        refuse_edited(stored, row)
        if (case.version, case.head) != (stored.version, stored.head):
            raise ConcurrentChange(f"{case.ref} changed meanwhile.", "Read it again, then decide again.")
        for event in new:
            stored = self._append_one(row, stored, as_stored(event))
        self._folds.keep(stored)
        return stored

    def _append_one(self, known: Any, case: Case, event: Event) -> Case:
        number = known.id
        refuse_event(case, event)
        role = event.kind.spec.role
        if role is Role.CLOSES:
            _refuse_other_proof(case, event)
        if role is Role.REOPENS:
            self.refuse_second_open(number, case)
        after = apply(case, event)
        self._insert_event(number, after, event)
        if role is Role.PROVES:
            self._insert_proof(number, after, event)
        OwedList(self._connection).follow([changes(case, after, event.at)])
        row = row_after(after, event, known.rest_until)
        self.has_news = self.has_news or row["has_news"]
        self._connection.execute(update(cases).where(cases.c.id == number).values(**row))
        return after

    def _insert_event(self, number: int, after: Case, event: Event) -> None:
        self._connection.execute(insert(events).values(**event_row(number, after, event)))

    def _insert_proof(self, number: int, after: Case, event: Event) -> None:
        digest = event.data["evidence"]
        if self._connection.scalar(select(proofs.c.case_id).where(proofs.c.digest == digest)) is not None:
            raise NotAllowed(f"{after.ref}: this proof was taken before.", "Let the case's run make a new one.")
        row = {"digest": digest, "case_id": number, "opening": after.opening, "rule": event.data["rule"]}
        self._connection.execute(insert(proofs).values(**row, made_at=event.at))

    def refuse_second_open(self, number: int, case: Case) -> None:
        """A job has one open case at a time. Raises AlreadyOpen."""
        begun = facts_of(case.events[0])
        here = _of_job(case.procedure, begun["platform"], begun["job"])
        other = self._open_ref(here & (cases.c.id != number))
        if other:
            raise AlreadyOpen(other)

    def _open_ref(self, here: ColumnElement[bool]) -> str | None:
        return self._connection.scalar(select(cases.c.ref).where(here, _OPEN))

    def _locked(self, ref: str) -> Any:
        """The row's id, version, head, run and rest, locked until the unit ends (SQLite locks the whole file)."""
        own = (cases.c.flow_run, cases.c.generation, cases.c.rest_until)
        query = select(cases.c.id, cases.c.version, cases.c.head, *own)
        row = self._connection.execute(query.where(cases.c.ref == normal(ref)).with_for_update()).one_or_none()
        if row is None:
            raise UnknownCase(ref)
        return row

    # -- what the keeper notes -----------------------------------------------------------------------------

    def set_due(self, ref: str, version: int, at: datetime | None) -> bool:
        """When the keeper looks at the case next, unless something happened since this version; whether it was noted.

        None: not before something happens. An unknown reference is no trouble.
        """
        same = (cases.c.ref == normal(ref), cases.c.version == version)
        return self._connection.execute(update(cases).where(*same).values(due_at=at)).rowcount > 0

    def look_at_waiting(self, now: datetime) -> int:
        """Let the keeper look at every open case that waits for its retailer's word; gives how many these are."""
        waits = (_OPEN, cases.c.asked_form == WORD, cases.c.notice_at.is_not(None))
        return self._connection.execute(update(cases).where(*waits).values(due_at=now)).rowcount

    def set_rest(self, ref: str, crashes: int, until: datetime | None, why: str, code: Rest | None = None) -> None:
        """How many runs died in a row, until when the case gets no new one, and why. Raises UnknownCase.

        ``why`` is for people; ``code`` says it to programs, None where the case does not rest.
        """
        refuse_nul("reason", why)
        number = self._locked(ref).id
        row = self._connection.execute(_TURN.where(cases.c.id == number)).one()._asdict()
        rest = {"crashes": crashes, "rest_until": until, "rest_why": why, "rest_code": str(code or "")}
        values = {**rest, **turn_says(procedure_of(normal(ref)), row, until)}
        self._connection.execute(update(cases).where(cases.c.id == number).values(**values))

    # -- the flow runs that carry a case -------------------------------------------------------------------

    def attach_run(self, ref: str, flow_run: str, generation: int) -> bool:
        """Remember the flow run that carries the case; False where it was known already, which is harmless.

        Raises ConcurrentChange if the case has another run of this generation or a later one.
        """
        row = self._locked(ref)
        mine = {"flow_run": flow_run, "case_id": row.id, "generation": generation}
        known = self._connection.execute(select(case_runs).where(case_runs.c.flow_run == flow_run)).one_or_none()
        if known is not None and known._asdict() == mine:
            return False
        if known is not None or generation <= row.generation:
            raise ConcurrentChange(
                f"{normal(ref)} has a run of generation {row.generation} already: {row.flow_run or 'none'}.",
                "Leave it to that run.",
            )
        self._connection.execute(insert(case_runs).values(**mine))
        values = {"flow_run": flow_run, "generation": generation}
        self._connection.execute(update(cases).where(cases.c.id == row.id).values(**values))
        return True

    def run_of(self, ref: str) -> CaseRun | None:
        """The latest flow run of the case, if it had one. Raises UnknownCase."""
        query = select(cases.c.flow_run, cases.c.generation).where(cases.c.id == case_id(self._connection, ref))
        row = self._connection.execute(query).one()
        return CaseRun(row.flow_run, row.generation) if row.flow_run else None

    def by_flow_run(self, flow_run: str) -> str | None:
        """The reference of the case that this flow run carries or carried."""
        query = select(cases.c.ref).join_from(cases, case_runs).where(case_runs.c.flow_run == flow_run)
        return self._connection.scalar(query)


def _of_job(procedure: Procedure, platform: str, job: str) -> ColumnElement[bool]:
    return (cases.c.platform == platform) & (cases.c.job == job) & (cases.c.procedure == procedure.prefix)


def _refuse_other_proof(case: Case, event: Event) -> None:
    if case.proof is None or event.data["proof"] != case.proof.data["evidence"]:
        raise ClosureRefused(
            f"{case.ref} closes with its latest proof of this opening, not with {event.data['proof']!r}.",
            "Let the case's run close it with that proof.",
        )
