"""What is done to many cases in one transaction, in few statements: a bulk stop stops jobs by the thousand.

The rules are those of one case (``caseproof/store/cases.py``, ``caseproof/store/intents.py``), and so are the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event, json_copy
from caseproof.domain.fold import apply
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.specs import Role
from caseproof.store.case_rows import (
    CaseRow,
    as_stored,
    draft_of,
    event_row,
    facts_of,
    first_row,
    refuse_edited,
    row_after,
)
from caseproof.store.cases import Cases
from caseproof.store.errors import AlreadyOpen, UnknownCase
from caseproof.store.evidence import EvidenceRow
from caseproof.store.intents import Claim, claim_again, written_of
from caseproof.store.owed import Changes, OwedList
from caseproof.store.owed import changes as owed_changes
from caseproof.store.refs import make_ref, normal
from caseproof.store.rows import next_number
from caseproof.store.tables import cases, events, evidence, intents

T = TypeVar("T")

_AT_ONCE = 400  # so many values may stand in one question on every database
_ONE_BY_ONE = frozenset({Role.OPENS, Role.PROVES, Role.CLOSES})


@dataclass(frozen=True, slots=True)
class Wanted:
    """An intent that is wanted: its key, the case and the step it belongs to, and what is about to be done."""

    key: str
    ref: str
    step: str
    plan: Mapping[str, Any]


class Bulk:
    """Every query that is about many cases at once. Nothing here commits."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cases, self._owed = Cases(connection), OwedList(connection)
        self.has_news = False

    # -- cases ---------------------------------------------------------------------------------------------

    def cases(self, refs: Iterable[str]) -> dict[str, Case]:
        """The cases of these references, by them; an unknown one is left out. Raises Unreadable."""
        found: dict[str, Case] = {}
        for some in _portions({normal(ref) for ref in refs}):
            found |= {case.ref: case for case in self._cases.folded(cases.c.ref.in_(some))}
        return found

    def versions(self, refs: Iterable[str]) -> dict[str, int]:
        """How many events each of these cases has; what is none is left out."""
        found: dict[str, int] = {}
        for some in _portions(refs):
            rows = self._connection.execute(select(cases.c.ref, cases.c.version).where(cases.c.ref.in_(some)))
            found |= {row.ref: row.version for row in rows}
        return found

    def open_rows(self, platform: str, jobs: Iterable[str]) -> list[CaseRow]:
        """The rows of the open cases of these jobs."""
        return [row for some in _portions(jobs) for row in self._cases.of_jobs(platform, some)]

    def open(self, opened: Sequence[Event]) -> list[Case | AlreadyOpen]:
        """Open a case an event (J1), in this order; where its job has an open one, that it has.

        Raises BadInput, NotAllowed.
        """
        stored = [as_stored(event) for event in opened]
        drafts = [draft_of(event) for event in stored]
        there = self._open_refs(stored)
        number = next_number(self._connection, cases)
        results: list[Case | AlreadyOpen] = []
        rows, heads, beginnings = [], [], []
        for event, draft in zip(stored, drafts, strict=True):
            facts = facts_of(event)
            here = (draft.procedure.prefix, facts["platform"], facts["job"])
            if here in there:
                results.append(AlreadyOpen(there[here]))
                continue
            case = replace(draft, ref=make_ref(here[0], number))
            rows.append(first_row(number, draft, event))
            heads.append({"number": number, "ref": case.ref})
            beginnings.append(event_row(number, case, event))
            there[here] = case.ref
            results.append(case)
            number += 1
        if rows:
            self._connection.execute(insert(cases), rows)
            self._connection.execute(_the_case(), heads)
            self._connection.execute(insert(events), beginnings)
        return results

    def change(
        self, refs: Iterable[str], decide: Callable[[Case], Sequence[Event]], known: Mapping[str, Case] | None = None
    ) -> dict[str, Case]:
        """Ask ``decide`` what happens to each case as it is now, write that, and give the cases after it.

        Nobody else writes meanwhile, so nobody can be faster. ``known`` are cases as they were seen before: one that
        did not change since is not read again. Raises UnknownCase, NotAllowed, BadInput, AlreadyOpen
        (which case is in the way of a reopening), and StoreError for a case that was edited past us.
        """
        wanted = sorted({normal(ref) for ref in refs})
        rows = self._locked(wanted)
        after = {ref: case for ref, case in (known or {}).items() if ref in rows and _is(case, rows[ref])}
        after |= self.cases(ref for ref in wanted if ref not in after)
        happened: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        owing: list[Changes] = []
        for ref in wanted:
            if ref not in rows or ref not in after:
                raise UnknownCase(ref)
            refuse_edited(after[ref], rows[ref])
            number, before, told = rows[ref].id, after[ref], decide(after[ref])
            for event in told:
                after[ref], stored = self._applied(number, after[ref], event)
                happened.append(event_row(number, after[ref], stored))
            if told:
                row = row_after(after[ref], stored, rows[ref].rest_until)
                self.has_news = self.has_news or row["has_news"]
                changed.append({"number": number, **row})
                owing.append(owed_changes(before, after[ref], stored.at))
        if changed:
            self._connection.execute(insert(events), happened)
            self._connection.execute(_the_case(), changed)
            self._owed.follow(owing)
        return after

    def _applied(self, number: int, case: Case, event: Event) -> tuple[Case, Event]:
        if event.kind.spec.role in _ONE_BY_ONE:
            raise BadInput(f"A case is {event.kind} alone, never with others.", "Use the store's way for one case.")
        stored = as_stored(event)
        refuse_event(case, stored)
        if stored.kind.spec.role is Role.REOPENS:
            self._cases.refuse_second_open(number, case)
        return apply(case, stored), stored

    def held_along(self, platform: str) -> dict[str, frozenset[str]]:
        """The jobs that open cases of a platform stopped beside their own, each with the cases that did.

        Only jobs that could run by themselves before: the last of these cases to go live sets them live again.
        """
        wide = events.c.data["scope"].as_string()
        query = (
            select(cases.c.ref)
            .join_from(cases, events)
            .where(cases.c.platform == platform, cases.c.closed.is_(False), cases.c.procedure == JOB_FAILURE.prefix)
            .where(events.c.kind.in_([Kind.STOPPED, Kind.CANNOT_STOP]), or_(wide.is_(None), wide != "job"))
            .distinct()
        )
        found = self.cases(self._connection.scalars(query)).values()
        return _by_job((job, case.ref) for case in found for job in _stopped(case) if job != case.facts["job"])

    def held_as_own(self, platform: str, jobs: Iterable[str]) -> dict[str, frozenset[str]]:
        """Those of ``jobs`` that an open case of their own stopped and that could run by themselves before."""
        found: list[tuple[str, str]] = []
        for some in _portions(jobs):
            place = (cases.c.platform == platform, cases.c.job.in_(some), cases.c.closed.is_(False))
            here = (*place, cases.c.procedure == JOB_FAILURE.prefix)
            found += [
                (job, case.ref)
                for case in self._cases.folded(*here)
                for job in _stopped(case)
                if job == case.facts["job"]
            ]
        return _by_job(found)

    def _open_refs(self, opened: Sequence[Event]) -> dict[tuple[str, str, str], str]:
        """Who is in the way of these openings: by the procedure's prefix, the platform and the job."""
        facts = [facts_of(event) for event in opened]
        found: dict[tuple[str, str, str], str] = {}
        for platform in {one["platform"] for one in facts}:
            for jobs in _portions({one["job"] for one in facts if one["platform"] == platform}):
                query = select(cases.c.procedure, cases.c.job, cases.c.ref).where(
                    cases.c.platform == platform, cases.c.job.in_(jobs), cases.c.closed.is_(False)
                )
                found |= {(row.procedure, platform, row.job): row.ref for row in self._connection.execute(query)}
        return found

    def _locked(self, refs: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for some in _portions(refs):
            known = (cases.c.ref, cases.c.id, cases.c.version, cases.c.head, cases.c.rest_until)
            query = select(*known).where(cases.c.ref.in_(some))
            # In one order, so that two who lock many never wait for each other.
            rows = self._connection.execute(query.order_by(cases.c.id).with_for_update())
            found |= {row.ref: row for row in rows}
        return found

    # -- intents -------------------------------------------------------------------------------------------

    def claim(
        self,
        wanted: Sequence[Wanted],
        *,
        owner: str,
        now: datetime,
        seconds: float,
        dead: str = "",
        together: bool = False,
    ) -> dict[str, Claim]:
        """Claim intents, as ``Intents.claim`` does one; by key.

        ``dead`` is how the owners begin of whom it is known that none lives: what is theirs need not expire.
        ``together``: where one is busy, none is claimed, and the others only tell how they stand.
        Raises UnknownCase, BadInput.
        """
        until = now + timedelta(seconds=seconds)
        there = self._intents([one.key for one in wanted])
        numbers = {ref: row.id for ref, row in self._locked(sorted({one.ref for one in wanted})).items()}
        claims: dict[str, Claim] = {}
        new: list[dict[str, Any]] = []
        taken: list[dict[str, Any]] = []
        busy: list[dict[str, Any]] = []
        for one in wanted:
            if one.ref not in numbers:
                raise UnknownCase(one.ref)
            row = there.get(one.key)
            if row is None:
                plan = json_copy(one.plan, f"The plan of {one.key}")
                claims[one.key] = Claim(one.key, "new", plan, None, until)
                facts = {"key": one.key, "case_id": numbers[one.ref], "step": one.step, "plan": plan}
                new.append({**facts, "owner": owner, "claimed_at": now, "expires_at": until})
                continue
            if (row.case_id, row.step) != (numbers[one.ref], one.step):
                raise BadInput(f"The intent {one.key} belongs to another case or step.", "Give each its own key.")
            claims[one.key] = claim_again(row, owner, now, until, dead)
            if values := written_of(claims[one.key], row, owner, now):
                (taken if claims[one.key].ours else busy).append({"wanted": one.key, **values})
        if together and any(claim.standing == "busy" for claim in claims.values()):
            new, taken = [], []
        if new:
            self._connection.execute(insert(intents), new)
        for changed in filter(None, (taken, busy)):
            self._connection.execute(update(intents).where(intents.c.key == bindparam("wanted")), changed)
        return claims

    def renew(self, keys: Sequence[str], *, owner: str, now: datetime, seconds: float) -> None:
        """Keep what is the owner's and not done until ``seconds`` after ``now``; other intents stay as they are."""
        until = now + timedelta(seconds=seconds)
        for some in _portions(keys):
            self._connection.execute(update(intents).where(*_ours(some, owner)).values(expires_at=until))

    def finish(self, results: Mapping[str, Mapping[str, Any]], *, owner: str, now: datetime) -> None:
        """Record what the effects led to. An intent that is done already, or another's by now, stays as it is."""
        done = [
            {"wanted": key, "result": json_copy(result, f"The result of {key}"), "done_at": now}
            for key, result in results.items()
        ]
        if done:
            ours = (intents.c.key == bindparam("wanted"), intents.c.owner == owner, intents.c.done_at.is_(None))
            self._connection.execute(update(intents).where(*ours), done)

    def release(self, keys: Sequence[str], *, owner: str) -> None:
        """Withdraw intents whose effects certainly did not happen, as far as they are the owner's and not done."""
        for some in _portions(keys):
            self._connection.execute(delete(intents).where(*_ours(some, owner)))

    def _intents(self, keys: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for some in _portions(keys):
            query = select(intents).where(intents.c.key.in_(some)).order_by(intents.c.key).with_for_update()
            found |= {row.key: row for row in self._connection.execute(query)}
        return found

    # -- evidence ------------------------------------------------------------------------------------------

    def list_evidence(self, files: Sequence[EvidenceRow]) -> None:
        """List files with their cases; twice is harmless (the first name stays). Raises UnknownCase."""
        numbers = {ref: row.id for ref, row in self._locked(sorted({file.ref for file in files})).items()}
        rows = []
        for file in files:
            if file.ref not in numbers:
                raise UnknownCase(file.ref)
            told = {"name": file.name, "media_type": file.media_type, "size": file.size, "at": file.at}
            rows.append({"case_id": numbers[file.ref], "digest": file.digest, **told})
        if rows:
            dialect = sqlite if self._connection.dialect.name == "sqlite" else postgresql
            self._connection.execute(dialect.insert(evidence).on_conflict_do_nothing(), rows)


def _is(case: Case, row: Any) -> bool:
    """Whether this is the case that the row stands for: its head is a digest of all its events."""
    return (case.version, case.head) == (row.version, row.head)


def _the_case() -> Any:
    return update(cases).where(cases.c.id == bindparam("number"))


def _stopped(case: Case) -> list[str]:
    """The jobs that the case stopped, or tried to, and that were active before."""
    if case.contained is None:
        return []
    entries = (*case.contained.get("jobs", ()), *case.contained.get("not_stopped", ()))
    return [entry["job"] for entry in entries if entry.get("was_active")]


def _by_job(held: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    by_job: dict[str, set[str]] = defaultdict(set)
    for job, ref in held:
        by_job[job].add(ref)
    return {job: frozenset(refs) for job, refs in by_job.items()}


def _ours(keys: Sequence[str], owner: str) -> tuple[Any, ...]:
    return intents.c.key.in_(keys), intents.c.owner == owner, intents.c.done_at.is_(None)


def _portions(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists that one question may hold."""
    all_of_them = list(values)
    return (all_of_them[start : start + _AT_ONCE] for start in range(0, len(all_of_them), _AT_ONCE))
