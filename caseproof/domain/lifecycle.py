"""The life of a case: a sentence a state, and every transition in one table.

The diagram in docs/life-of-a-case.md is drawn from this table, and the store asks it before it appends an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from caseproof.domain.events import Kind


class State(StrEnum):
    OPENED = "opened"
    CONTAINED = "contained"
    WAITING = "waiting"
    PAUSED = "paused"
    DECIDED = "decided"
    RUNNING = "running"
    VERIFIED = "verified"
    REVIEWED = "reviewed"
    CLOSED = "closed"


SENTENCES: dict[State, str] = {
    State.OPENED: "The case exists and the job is being stopped; nothing else comes before that.",
    State.CONTAINED: "The job is stopped, or the case says why it cannot be and who can.",
    State.WAITING: "The retailer was told; the case waits for the retailer's word or the team's decision.",
    State.PAUSED: "The team keeps the account paused until a date; the case stays open.",
    State.DECIDED: "The team decided what becomes of the account; the decision is being carried out.",
    State.RUNNING: "The job is run again, or the removal is carried out, and read back.",
    State.VERIFIED: "The run was read back as successful; its picture and the review are gathered.",
    State.REVIEWED: "A second person approved what was gathered.",
    State.CLOSED: "The case is closed, with its proof.",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """From a state, by an event, to a state, under a rule of the procedures."""

    before: State | None
    by: Kind
    after: State
    rule: str


def _t(before: State | None, by: Kind, after: State, rule: str) -> Transition:
    return Transition(before, by, after, rule)


TRANSITIONS: tuple[Transition, ...] = (
    _t(None, Kind.OPENED, State.OPENED, "J1"),
    _t(State.OPENED, Kind.STOPPED, State.CONTAINED, "J2"),
    _t(State.OPENED, Kind.CANNOT_STOP, State.CONTAINED, "J3"),
    _t(State.CONTAINED, Kind.NOTICE_SENT, State.WAITING, "J5"),
    _t(State.WAITING, Kind.DECIDED, State.DECIDED, "J6"),
    _t(State.WAITING, Kind.KEPT_PAUSED, State.PAUSED, "J6"),
    _t(State.PAUSED, Kind.DECIDED, State.DECIDED, "J6"),
    _t(State.PAUSED, Kind.KEPT_PAUSED, State.PAUSED, "J6"),
    _t(State.DECIDED, Kind.RUN_STARTED, State.RUNNING, "J10"),
    # A run that cannot be started (the job vanished, the platform refuses) is a failed verification, too.
    _t(State.DECIDED, Kind.RUN_FAILED, State.WAITING, "J11"),
    _t(State.RUNNING, Kind.RUN_VERIFIED, State.VERIFIED, "J10"),
    _t(State.RUNNING, Kind.RUN_FAILED, State.WAITING, "J11"),
    _t(State.VERIFIED, Kind.REVIEW_APPROVED, State.REVIEWED, "J7"),
    # Sent back or failed again: the schedule may be live by now, so the first act is to stop it once more.
    _t(State.VERIFIED, Kind.REVIEW_REJECTED, State.OPENED, "J2"),
    # An approval may not count (the decider's own, or one older than the picture): it can be given again or withdrawn.
    _t(State.REVIEWED, Kind.REVIEW_APPROVED, State.REVIEWED, "J7"),
    _t(State.REVIEWED, Kind.REVIEW_REJECTED, State.OPENED, "J2"),
    _t(State.VERIFIED, Kind.FAILED_AGAIN, State.OPENED, "J2"),
    _t(State.REVIEWED, Kind.FAILED_AGAIN, State.OPENED, "J2"),
    _t(State.VERIFIED, Kind.CLOSED, State.CLOSED, "J7, J8"),
    _t(State.REVIEWED, Kind.CLOSED, State.CLOSED, "J7, J8"),
    _t(State.CLOSED, Kind.REOPENED, State.OPENED, "J2"),
)

_OPEN = frozenset(State) - {State.CLOSED}
_PROVING = frozenset({State.VERIFIED, State.REVIEWED})

# Facts are recorded without a change of state, in the states named here.
FACTS: dict[Kind, frozenset[State]] = {
    Kind.FACTS_CORRECTED: _OPEN - {State.OPENED},
    Kind.TICKET_OPENED: _OPEN - {State.OPENED},  # J2: nothing comes before the stop
    Kind.CONFIRMATION_RECEIVED: frozenset(State),  # a late word on a closed case is kept too
    Kind.CONFIRMATION_REFUSED: frozenset(State),
    Kind.REPLY_RECEIVED: frozenset(State),
    Kind.ADDRESS_BOUNCED: frozenset(State),
    # Where the case went on by itself after a clear choice on the page, the reviewer says what was checked.
    Kind.CHANGE_VALIDATED: frozenset({State.WAITING, State.PAUSED, State.DECIDED}) | _PROVING,
    Kind.SCHEDULE_LIVE: _PROVING,
    Kind.NEIGHBOURS_LIVE: _PROVING,
    Kind.PHOTOGRAPHED: _PROVING,
    Kind.PHOTO_REFUSED: _PROVING,
    Kind.ATTACHED: _PROVING,
    Kind.LOOKED_AGAIN: _PROVING,
    Kind.PROOF_MADE: _PROVING,
    Kind.TICKET_CLOSED: frozenset({State.CLOSED}),
    Kind.TICKET_REOPENED: _OPEN - {State.OPENED},
    Kind.RECOVERY_TOLD: frozenset({State.CLOSED}),
    Kind.STOP_DID_NOT_HOLD: _OPEN - {State.OPENED},
    Kind.INCIDENT_JOINED: _OPEN,
    Kind.REMINDER_SENT: frozenset({State.WAITING, State.PAUSED}),
    Kind.TEAM_TOLD: frozenset(State),
    Kind.PARKED: frozenset(State),
    Kind.QUESTION_ASKED: frozenset(State),
    Kind.QUESTION_ANSWERED: frozenset(State),
    Kind.ANSWER_REFUSED: frozenset(State),
    Kind.TROUBLE: frozenset(State),
    Kind.TROUBLE_OVER: frozenset(State),
}

_TABLE = {(t.before, t.by): t for t in TRANSITIONS}
_TARGET = {t.by: t.after for t in TRANSITIONS}


def transition(before: State | None, by: Kind) -> Transition | None:
    """The transition that the table has for this state and event, or None."""
    return _TABLE.get((before, by))


def allowed(before: State | None, by: Kind) -> bool:
    """Whether the procedure allows this event in this state."""
    return (before, by) in _TABLE or (before is not None and before in FACTS.get(by, ()))


def target(by: Kind) -> State | None:
    """The state that an event of this kind leads to, from wherever it comes; None for a fact."""
    return _TARGET.get(by)
