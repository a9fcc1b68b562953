"""Storms: many cases with one cause on one marketplace in one window are an incident, decided about together.

A case is one job, always: an incident decides for its cases and does nothing else for them. Each verifies, photographs,
is reviewed and closes alone. What a decision reaches is a case that waits for one; a case that somebody decided about
by itself, or that failed since the decision was taken, goes its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from caseproof.config.policy import Policy
from caseproof.config.policy_check import Storm
from caseproof.domain.case import Case
from caseproof.domain.decisions import refuse_decision, require_member
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.fold import blank
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.vocabulary import BY_FORM, DECISION, Decision
from caseproof.procedure.core.asked import answer_to
from caseproof.procedure.core.parts import Ledger, event_of
from caseproof.store import (
    CaseRow,
    ConcurrentChange,
    IncidentRow,
    QuestionRow,
    Store,
    StoreDown,
    StoreError,
    UnitOfWork,
)
from caseproof.store.errors import Unreadable

MAY_DECIDE = (Decision.AFTER_FIX, Decision.KEEP_PAUSED)
"""What an incident's form may decide: neither needs the word of a single retailer (J8)."""

WITHOUT_MARKETPLACE = frozenset({"our_platform"})
"""Causes that are one cause also where jobs name no marketplace. For any other, such jobs have nothing in common."""

_TRIES = 5
_BEFORE_THE_DECISION = frozenset({State.OPENED, State.CONTAINED, State.WAITING})


# -- gathering ------------------------------------------------------------------------------------------------------


def gather(ledger: Ledger, storm: Storm, platform: str = "") -> list[str]:
    """Make incidents of what came in within the policy's window, or have it join the one that is open.

    ``storm`` is the policy's. Of one platform, or of all. Gives the references of the incidents that cases joined.
    Raises StoreError.
    """
    since = ledger.clock() - timedelta(minutes=storm.minutes)
    with ledger.store.reading() as uow:
        groups = uow.cases.gathering(since, platform)
        standing = {(row.platform, row.marketplace, row.cause) for row in uow.incidents.rows(open_only=True)}
    joined = []
    for name, marketplace, cause, count in groups:
        place = (name, marketplace, cause)
        if not marketplace and cause not in WITHOUT_MARKETPLACE:
            continue
        if place in standing or count >= storm.cases:
            joined += _again_if_changed(partial(_join, ledger, storm, *place, since))
    return joined


def _join(ledger: Ledger, storm: Storm, platform: str, marketplace: str, cause: str, since: datetime) -> list[str]:
    """One transaction: the incident, and one event a case."""
    with ledger.store.uow() as uow:
        rows = uow.cases.alike(platform, marketplace, cause)
        new = [row for row in rows if not row.incident and row.last_opened_at >= since]
        incident = uow.incidents.open_for(platform, marketplace, cause)
        if incident is None:
            if len(new) < storm.cases:  # another was quicker
                return []
            incident = uow.incidents.create(platform, marketplace, cause, ledger.clock())
        event = ledger.event(Kind.INCIDENT_JOINED, incident=incident.ref)
        joined = _change(uow, _refs(new), lambda case: None if case.incident or case.is_closed else event)
        uow.commit()
    return [incident.ref] if joined else []


# -- deciding -------------------------------------------------------------------------------------------------------


def decide_all(
    ledger: Ledger, policy: Policy, ref: str, decision: Decision, by: str, reason: str, until: date | None = None,
    question: int | None = None, known_by: str = BY_FORM,
) -> list[str]:  # fmt: skip
    """Decide for every case of the incident that waits for a decision now: one event a case, in one transaction.

    ``question`` is the number of the question that was answered: two runs that read one answer act on it once;
    ``known_by`` says how whoever decides is known. Gives the references of the cases that it reached. Raises
    NotOnTheTeam, NotAllowed and BadInput; nothing is recorded then.
    """
    member = require_member(by, policy.team)
    if decision not in MAY_DECIDE:
        raise NotAllowed(
            f"'{decision}' is decided case by case: it needs the word of the retailer (J8, J9).",
            f"For all of them choose one of: {', '.join(MAY_DECIDE)}.",
        )
    today = ledger.clock().date()
    refuse_decision(blank(ref, JOB_FAILURE), decision, reason=reason, checked="", until=until, today=today)

    def write() -> list[str]:
        with ledger.store.uow() as uow:
            row = uow.incidents.get(ref)
            if question is not None and row.asked != question:
                return []
            now = ledger.clock()
            event = _decided(policy, row.ref, decision, member, reason, until, now, known_by)
            waiting = [one for one in uow.cases.of_incident(row.ref) if one.state in (State.WAITING, State.PAUSED)]
            reached = _change(uow, _refs(waiting), lambda case: event if _waits(case, row) else None)
            uow.incidents.decide(row.ref, str(decision), by=member, reason=reason, until=until, at=now)
            uow.incidents.pass_on(row.ref)  # the question is answered: nobody reads this answer again
            uow.commit()
        return reached

    return _again_if_changed(write)


def settle_stragglers(ledger: Ledger, policy: Policy) -> list[str]:
    """Have the decision of each open incident reach its cases that wait for one only since: their references.

    Not those that were opened after it, or that failed since: the decision did not know of that. Raises StoreError.
    """
    reached = []
    with ledger.store.reading() as uow:
        incidents = uow.incidents.rows(open_only=True)
    for row in incidents:
        if row.decided_at is not None and (row.until is None or row.until > ledger.clock().date()):
            reached += _again_if_changed(partial(_reach_the_late, ledger, policy, row))
    return reached


def _reach_the_late(ledger: Ledger, policy: Policy, row: IncidentRow) -> list[str]:
    with ledger.store.reading() as uow:
        rows = [one for one in uow.cases.of_incident(row.ref) if one.state is State.WAITING]
    if not rows:
        return []
    with ledger.store.uow() as uow:
        if uow.incidents.get(row.ref) != row:  # decided anew, or over
            return []
        decision, known_by = Decision(row.decision), _known_by(uow, row)
        event = _decided(policy, row.ref, decision, row.decided_by, row.reason, row.until, ledger.clock(), known_by)
        late = _change(uow, _refs(rows), lambda case: event if _is_late(case, row) else None)
        uow.commit()
    return late


def _known_by(uow: UnitOfWork, row: IncidentRow) -> str:
    """How who decided for all was known, as the cases say that it reached at once; the weaker where it reached none."""
    for case in _readable(uow, uow.cases.of_incident(row.ref)):
        mine = case.decision
        if mine is not None and mine.get("incident") == row.ref and mine.at == row.decided_at:
            return str(mine.get("known_by", BY_FORM))
    return BY_FORM


def _decided(
    policy: Policy, incident: str, decision: Decision, by: str, reason: str, until: date | None, at: datetime,
    known_by: str,
) -> Event:  # fmt: skip
    said = {"reason": reason, "incident": incident, "known_by": known_by}
    if until is not None:
        return event_of(Kind.KEPT_PAUSED, at, by, {"until": until.isoformat(), **said})
    return event_of(Kind.DECIDED, at, by, {"decision": str(decision), **policy.review_terms, **said})


def _waits(case: Case, row: IncidentRow) -> bool:
    """Whether a decision for all may be taken for this case: it waits, or this incident itself keeps it paused."""
    by_us = case.decision is not None and case.decision.get("incident") == row.ref
    waits = case.state is State.WAITING or (case.state is State.PAUSED and by_us)
    return waits and not _is_answered_alone(case)


def _is_answered_alone(case: Case) -> bool:
    """Whether somebody decided about this case by itself, and its run has not acted on that yet: it comes first."""
    return answer_to(case, DECISION) is not None


def _is_late(case: Case, row: IncidentRow) -> bool:
    """Whether the case waits, and the decision was taken with it in mind: opened before it, and not failed since."""
    opened = case.last_opened
    if case.state is not State.WAITING or row.decided_at is None or opened is None or opened.at > row.decided_at:
        return False
    if _is_answered_alone(case):
        return False
    return case.last_failure is None or case.last_failure.at <= row.decided_at


# -- ending ---------------------------------------------------------------------------------------------------------


def end_finished(ledger: Ledger) -> list[str]:
    """End the incidents that have nothing left to decide: their references. Raises StoreError."""
    with ledger.store.reading() as uow:
        incidents = uow.incidents.rows(open_only=True)
    return [row.ref for row in incidents if end_if_over(ledger, row.ref)]


def end_if_over(ledger: Ledger, ref: str) -> bool:
    """Whether the incident is over, and ended: all its cases are closed, or the decision to go on reached all."""
    with ledger.store.reading() as uow:
        row = uow.incidents.get(ref)
        if row.is_closed:
            return True
        left = _left(uow, row)
    if left:
        return False
    with ledger.store.uow() as uow:
        uow.incidents.close(ref, ledger.clock())
        uow.commit()
    return True


def _left(uow: UnitOfWork, row: IncidentRow) -> bool:
    """Whether the incident has something to decide yet, or a decision that has to reach somebody."""
    rows = [one for one in uow.cases.of_incident(row.ref) if one.closed_at is None]
    if row.decision != Decision.AFTER_FIX:
        return bool(rows)
    undecided = [one for one in rows if one.state in (*_BEFORE_THE_DECISION, State.PAUSED)]
    return any(_is_undecided(case, row) for case in _readable(uow, undecided))


def _is_undecided(case: Case, row: IncidentRow) -> bool:
    """Whether nobody decided about the case yet. One that failed since the decision asks by itself."""
    if row.decided_at is not None and case.last_failure is not None and case.last_failure.at > row.decided_at:
        return False
    return case.state in _BEFORE_THE_DECISION or _waits(case, row) or _is_answered_alone(case)


# -- asking ---------------------------------------------------------------------------------------------------------


def ask(ledger: Ledger, ref: str, flow_run: str) -> int:
    """Number the incident's next question, which this flow run asks. Raises NotAllowed where it is over."""
    with ledger.store.uow() as uow:
        number = uow.incidents.ask(ref, flow_run, ledger.clock())
        uow.commit()
    return number


def question(store: Store, ref: str) -> QuestionRow | None:
    """The question that waits; None where none does, or its answer was acted on."""
    with store.reading() as uow:
        return uow.incidents.question(ref)


def refuse(store: Store, ref: str, number: int, why: str) -> None:
    """Write down why the answer to this question is not taken; the next question shows it (house rule 7).

    An incident that ended while somebody answered asks nothing more.
    """
    with store.uow() as uow:
        row = uow.incidents.get(ref)
        if row.asked == number and not row.is_closed:
            uow.incidents.refuse(ref, number, why)
            uow.incidents.pass_on(ref)
        uow.commit()


def asks_nothing(store: Store, ref: str) -> bool:
    """Whether its latest question was answered elsewhere than in its run, which asks anew when it is woken."""
    with store.reading() as uow:
        row = uow.incidents.get(ref)
        return row.asked > 0 and not row.is_closed and uow.incidents.question(ref) is None


def refused(store: Store, ref: str) -> str:
    """Why the latest answer was not taken; "" where it was."""
    with store.reading() as uow:
        return uow.incidents.refused(ref)


# -- all of them -----------------------------------------------------------------------------------------------------


def _readable(uow: UnitOfWork, rows: list[CaseRow]) -> Iterator[Case]:
    """The cases of the rows; one that cannot be read holds up no other."""
    for row in rows:
        try:
            yield uow.cases.get(row.ref)
        except Unreadable:
            continue


def _refs(rows: Sequence[CaseRow]) -> list[str]:
    return [row.ref for row in rows]


def _change(uow: UnitOfWork, refs: Sequence[str], decide: Callable[[Case], Event | None]) -> list[str]:
    """Write what happens to these cases, an event each; the references of those to which something did.

    One that cannot be read, or was edited past us, holds up no other: it is searched for by halves, because nobody else
    writes meanwhile. Raises StoreDown.
    """
    changed: list[str] = []

    def happens(case: Case) -> list[Event]:
        event = decide(case)
        changed.extend([case.ref] if event else [])
        return [event] if event else []

    try:
        uow.bulk.change(refs, happens)
    except StoreDown:
        raise
    except StoreError:
        half = len(refs) // 2
        return [*_change(uow, refs[:half], decide), *_change(uow, refs[half:], decide)] if half else []
    return changed


def _again_if_changed(write: Callable[[], list[str]]) -> list[str]:
    """Whole once more where a case changed meanwhile. Raises ConcurrentChange after some tries."""
    for _ in range(_TRIES - 1):
        try:
            return write()
        except ConcurrentChange:
            continue
    return write()
