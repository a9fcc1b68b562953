"""A case is the pure fold of its events.

``fold`` is total: what stands in the list happened, in that order, and is never forgotten. Whether an event may be
appended is asked before it is written (``refuse_event``); whether a case is closed is decided by the closure rules,
not by the presence of a "closed" event, so that a forged one closes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from caseproof.domain import lifecycle
from caseproof.domain.decisions import Decision
from caseproof.domain.errors import BadInput
from caseproof.domain.events import GENESIS, Event, Kind, chain
from caseproof.domain.lifecycle import State


@dataclass(frozen=True, slots=True)
class Fact:
    """An event that still counts, with its place in the list."""

    seq: int
    event: Event

    @property
    def at(self) -> datetime:
        return self.event.at

    @property
    def actor(self) -> str:
        return self.event.actor

    def __getitem__(self, name: str) -> Any:
        return self.event.data[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.event.data.get(name, default)


@dataclass(frozen=True, slots=True)
class Case:
    """One failing job, from the stop to the proof.

    ``opening`` counts how often the case was opened (1 at first, +1 a reopening): a proof belongs to one opening.
    ``round`` counts how often it had to be stopped anew: each round has its own stop and notice.
    ``attempt`` counts the runs that were started, over the whole life of the case.
    """

    ref: str
    state: State = State.OPENED
    opening: int = 0
    round: int = 0
    attempt: int = 0
    version: int = 0
    head: str = GENESIS
    opened: Fact | None = None
    last_opened: Fact | None = None
    contained: Fact | None = None
    ticket: Fact | None = None
    notice: Fact | None = None
    confirmations: tuple[Fact, ...] = ()
    decision: Fact | None = None
    validated: Fact | None = None
    run: Fact | None = None
    verified: Fact | None = None
    live: Fact | None = None
    photo: Fact | None = None
    attached: tuple[Fact, ...] = ()
    review: Fact | None = None
    look: Fact | None = None
    proof: Fact | None = None
    closed: Fact | None = None
    ticket_closed: Fact | None = None
    trouble: Fact | None = None
    last_failure: Fact | None = None
    asked: Mapping[int, Fact] = field(default_factory=dict)
    answered: Mapping[int, Fact] = field(default_factory=dict)
    refused: Fact | None = None
    events: tuple[Event, ...] = ()

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the case was opened with: platform, job, job_name, retailer, marketplace, cause, ..."""
        if self.opened is None:
            raise BadInput(f"{self.ref} has no events.", "Check the reference with `caseproof case list`.")
        return self.opened.event.data

    @property
    def decided(self) -> Decision | None:
        """The decision in force. Keeping paused is one too; it never closes a case."""
        if self.decision is None:
            return None
        if self.decision.event.kind is Kind.KEPT_PAUSED:
            return Decision.KEEP_PAUSED
        return Decision(self.decision["decision"])

    @property
    def paused_until(self) -> date | None:
        """The date until which the team keeps the account paused, if it does."""
        if self.decision is None or self.decision.event.kind is not Kind.KEPT_PAUSED:
            return None
        return date.fromisoformat(self.decision["until"])

    @property
    def stopped_jobs(self) -> tuple[Mapping[str, Any], ...]:
        """The jobs this case stopped: mappings with ``job``, ``name`` and ``was_active``."""
        if self.contained is None or self.contained.event.kind is not Kind.STOPPED:
            return ()
        return tuple(self.contained["jobs"])

    @property
    def question_number(self) -> int:
        """The number of the latest question; 0 before the first."""
        return max(self.asked, default=0)


# What an event voids besides what it records. A new round starts from the stop; a failed run needs a new decision.
_SETTLED = ("decision", "validated", "run", "verified", "live", "photo", "review", "look", "proof")
_ROUND = ("contained", "notice", *_SETTLED)
VOIDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.REOPENED: (*_ROUND, "closed", "ticket_closed"),
    Kind.FAILED_AGAIN: _ROUND,
    Kind.REVIEW_REJECTED: _ROUND,
    Kind.RUN_FAILED: _SETTLED,
    Kind.DECIDED: ("run", "verified", "live", "photo", "review", "look", "proof"),
    Kind.KEPT_PAUSED: ("run", "verified", "live", "photo", "review", "look", "proof"),
    Kind.RUN_STARTED: ("verified", "photo", "review", "look", "proof"),
}

# Where an event is remembered.
_SLOT: Mapping[Kind, str] = {
    Kind.STOPPED: "contained",
    Kind.CANNOT_STOP: "contained",
    Kind.TICKET_OPENED: "ticket",
    Kind.NOTICE_SENT: "notice",
    Kind.DECIDED: "decision",
    Kind.KEPT_PAUSED: "decision",
    Kind.CHANGE_VALIDATED: "validated",
    Kind.RUN_STARTED: "run",
    Kind.RUN_VERIFIED: "verified",
    Kind.RUN_FAILED: "last_failure",
    Kind.FAILED_AGAIN: "last_failure",
    Kind.REVIEW_REJECTED: "last_failure",
    Kind.SCHEDULE_LIVE: "live",
    Kind.PHOTOGRAPHED: "photo",
    Kind.REVIEW_APPROVED: "review",
    Kind.LOOKED_AGAIN: "look",
    Kind.PROOF_MADE: "proof",
    Kind.TICKET_CLOSED: "ticket_closed",
    Kind.TROUBLE: "trouble",
    Kind.ANSWER_REFUSED: "refused",
}


def apply(case: Case, event: Event) -> Case:
    """The case after ``event``."""
    fact = Fact(case.version + 1, event)
    changes: dict[str, Any] = dict.fromkeys(VOIDS.get(event.kind, ()), None)
    changes |= {"version": fact.seq, "head": chain(case.head, event), "events": (*case.events, event)}
    if slot := _SLOT.get(event.kind):
        changes[slot] = fact
    match event.kind:
        case Kind.OPENED:
            changes |= {"opening": 1, "round": 1, "opened": fact, "last_opened": fact}
        case Kind.REOPENED:
            changes |= {"opening": case.opening + 1, "round": case.round + 1, "last_opened": fact}
            # A new opening needs a new proof from new words: nothing of the old one counts again.
            changes |= {"confirmations": (), "attached": ()}
        case Kind.FAILED_AGAIN | Kind.REVIEW_REJECTED:
            changes["round"] = case.round + 1
        case Kind.CONFIRMATION_RECEIVED:
            changes["confirmations"] = (*case.confirmations, fact)
        case Kind.ATTACHED:
            changes["attached"] = (*case.attached, fact)
        case Kind.RUN_STARTED:
            changes["attempt"] = case.attempt + 1
        case Kind.TROUBLE_OVER:
            changes["trouble"] = None
        case Kind.QUESTION_ASKED:
            changes["asked"] = {**case.asked, event.data["number"]: fact}
        case Kind.QUESTION_ANSWERED:
            changes["answered"] = {**case.answered, event.data["number"]: fact}
            changes["refused"] = None
    changes["state"] = _state_after(case, event)
    after = replace(case, **changes)
    if event.kind is Kind.CLOSED and _may_close(after):
        return replace(after, state=State.CLOSED, closed=fact)
    return after


def _state_after(case: Case, event: Event) -> State:
    if event.kind is Kind.CLOSED or (case.is_closed and event.kind is not Kind.REOPENED):
        return case.state
    return lifecycle.target(event.kind) or case.state


def _may_close(case: Case) -> bool:
    from caseproof.domain.closure import may_close

    return may_close(case)


def fold(ref: str, events: Iterable[Event]) -> Case:
    """The case that these events make. An empty list is a case without a beginning: ``opened`` is None."""
    case = Case(ref)
    for event in events:
        case = apply(case, event)
    return case
