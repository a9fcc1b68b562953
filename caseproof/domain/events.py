"""The events of a case: what happened, when, and who did it.

An event is never changed and never deleted. Each is chained to the one before it by a SHA-256, so that the
digest of the last one (the *head*) stands for the whole list.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from caseproof.domain.errors import BadInput


class Kind(StrEnum):
    """What can happen to a case. The value is what the store and the proof write down."""

    OPENED = "opened"
    REOPENED = "reopened"
    FACTS_CORRECTED = "facts_corrected"
    STOPPED = "stopped"
    CANNOT_STOP = "cannot_stop"
    TICKET_OPENED = "ticket_opened"
    NOTICE_SENT = "notice_sent"
    CONFIRMATION_RECEIVED = "confirmation_received"
    CONFIRMATION_REFUSED = "confirmation_refused"
    REPLY_RECEIVED = "reply_received"
    ADDRESS_BOUNCED = "address_bounced"
    CHANGE_VALIDATED = "change_validated"
    DECIDED = "decided"
    KEPT_PAUSED = "kept_paused"
    RUN_STARTED = "run_started"
    RUN_VERIFIED = "run_verified"
    RUN_FAILED = "run_failed"
    SCHEDULE_LIVE = "schedule_live"
    NEIGHBOURS_LIVE = "neighbours_live"
    PHOTOGRAPHED = "photographed"
    PHOTO_REFUSED = "photo_refused"
    ATTACHED = "attached"
    REVIEW_APPROVED = "review_approved"
    REVIEW_REJECTED = "review_rejected"
    LOOKED_AGAIN = "looked_again"
    FAILED_AGAIN = "failed_again"
    PROOF_MADE = "proof_made"
    CLOSED = "closed"
    TICKET_CLOSED = "ticket_closed"
    TICKET_REOPENED = "ticket_reopened"
    RECOVERY_TOLD = "recovery_told"
    STOP_DID_NOT_HOLD = "stop_did_not_hold"
    INCIDENT_JOINED = "incident_joined"
    REMINDER_SENT = "reminder_sent"
    TEAM_TOLD = "team_told"
    PARKED = "parked"
    QUESTION_ASKED = "question_asked"
    QUESTION_ANSWERED = "question_answered"
    ANSWER_REFUSED = "answer_refused"
    TROUBLE = "trouble"
    TROUBLE_OVER = "trouble_over"


# What each event must say. An event without these could not be folded, so it is refused when it is made.
REQUIRED: Mapping[Kind, frozenset[str]] = {
    Kind.OPENED: frozenset({"platform", "job", "job_name", "cause", "summary", "how", "scope"}),
    Kind.REOPENED: frozenset({"why"}),
    Kind.FACTS_CORRECTED: frozenset({"retailer", "marketplace", "connection"}),
    Kind.STOPPED: frozenset({"scope", "jobs", "evidence"}),
    Kind.CANNOT_STOP: frozenset({"why", "who_can"}),
    Kind.TICKET_OPENED: frozenset({"desk", "ticket", "adopted"}),
    Kind.NOTICE_SENT: frozenset({"message_id", "accepted", "evidence"}),
    Kind.CONFIRMATION_RECEIVED: frozenset({"sender", "words", "evidence", "by_way_of"}),
    Kind.CONFIRMATION_REFUSED: frozenset({"sender", "why", "evidence"}),
    # A contact's words that are no clear confirmation: a question, "not yet", a call for help. A person reads them.
    Kind.REPLY_RECEIVED: frozenset({"sender", "words", "why", "evidence", "by_way_of"}),
    Kind.ADDRESS_BOUNCED: frozenset({"address", "why", "evidence"}),
    Kind.CHANGE_VALIDATED: frozenset({"how"}),
    Kind.DECIDED: frozenset({"decision", "reason", "review"}),
    Kind.KEPT_PAUSED: frozenset({"until", "reason"}),
    Kind.RUN_STARTED: frozenset({"run", "purpose", "url"}),
    Kind.RUN_VERIFIED: frozenset({"run", "purpose", "started_at", "ended_at", "evidence"}),
    Kind.RUN_FAILED: frozenset({"run", "why"}),
    Kind.SCHEDULE_LIVE: frozenset({"jobs"}),
    Kind.NEIGHBOURS_LIVE: frozenset({"jobs"}),
    Kind.PHOTOGRAPHED: frozenset({"run", "taken_at", "evidence", "names_run", "names_success", "url"}),
    Kind.PHOTO_REFUSED: frozenset({"run", "why"}),
    Kind.ATTACHED: frozenset({"ticket", "evidence", "name"}),
    Kind.REVIEW_APPROVED: frozenset(),
    Kind.REVIEW_REJECTED: frozenset({"why"}),
    Kind.LOOKED_AGAIN: frozenset({"failed", "evidence"}),
    Kind.FAILED_AGAIN: frozenset({"run", "why"}),
    Kind.PROOF_MADE: frozenset({"evidence", "rule", "head"}),
    Kind.CLOSED: frozenset({"proof"}),
    Kind.TICKET_CLOSED: frozenset({"ticket"}),
    Kind.TICKET_REOPENED: frozenset({"ticket"}),
    Kind.RECOVERY_TOLD: frozenset({"message_id", "accepted", "evidence"}),
    Kind.STOP_DID_NOT_HOLD: frozenset({"jobs", "why", "evidence"}),
    Kind.INCIDENT_JOINED: frozenset({"incident"}),
    Kind.REMINDER_SENT: frozenset({"number", "message_id", "accepted", "evidence"}),
    Kind.TEAM_TOLD: frozenset({"about", "number"}),
    Kind.PARKED: frozenset({"until", "flow_run"}),
    Kind.QUESTION_ASKED: frozenset({"number", "form", "flow_run"}),
    Kind.QUESTION_ANSWERED: frozenset({"number", "form", "answer"}),
    Kind.ANSWER_REFUSED: frozenset({"number", "why"}),
    Kind.TROUBLE: frozenset({"step", "problem", "next_action"}),
    Kind.TROUBLE_OVER: frozenset({"step"}),
}

ASIDE = frozenset(
    {
        Kind.REMINDER_SENT,
        Kind.TEAM_TOLD,
        Kind.PARKED,
        Kind.INCIDENT_JOINED,
        Kind.STOP_DID_NOT_HOLD,
        Kind.CONFIRMATION_REFUSED,  # what does not count changes nothing, so that a stranger's mail wakes nobody
        Kind.ADDRESS_BOUNCED,
    }
)
"""What happens beside the procedure: no reason to wake the run of a case that waits for somebody."""

GENESIS = "0" * 64
"""The digest that the first event of a case is chained to."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a case.

    ``at`` is aware and kept in UTC; ``actor`` is a role name or "caseproof"; ``data`` holds JSON values only and at
    least the fields that ``REQUIRED`` names. Raises BadInput for anything else.
    """

    kind: Kind
    at: datetime
    actor: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise BadInput(f"The event {self.kind} has a time without a time zone.", "Pass an aware datetime.")
        object.__setattr__(self, "at", self.at.astimezone(UTC))
        if not self.actor.strip():
            raise BadInput(f"The event {self.kind} names nobody who did it.", "Pass the actor's role name.")
        missing = sorted(REQUIRED[self.kind] - self.data.keys())
        if missing:
            raise BadInput(f"The event {self.kind} lacks {', '.join(missing)}.", "Pass these fields.")
        object.__setattr__(self, "data", _own_copy(self.kind, self.data))
        for number in ("number", "question"):
            if number in self.data and type(self.data[number]) is not int:
                raise BadInput(f"The event {self.kind} has a {number} that is no number.", "Pass a whole number.")

    def as_json(self) -> dict[str, Any]:
        """The event as plain JSON values; ``from_json`` reads it back."""
        return {
            "kind": str(self.kind),
            "at": self.at.isoformat(),
            "actor": self.actor,
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Event:
        """Read what ``as_json`` wrote. Raises BadInput when it is not an event."""
        try:
            return cls(Kind(raw["kind"]), datetime.fromisoformat(raw["at"]), raw["actor"], raw["data"])
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise BadInput(f"This is not an event of a case: {error}.", "Take the file from a backup.") from error


def _own_copy(kind: Kind, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data as JSON reads it back, so that nobody can change it later and every event can be chained."""
    try:
        text = json.dumps(dict(data), allow_nan=False, ensure_ascii=False)
        text.encode()
        copy: dict[str, Any] = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"The event {kind} holds what JSON cannot: {error}.", "Pass JSON values.") from error
    return copy


def chain(previous: str, event: Event) -> str:
    """The digest of ``event`` after ``previous`` (hex SHA-256 over canonical JSON)."""
    text = json.dumps([previous, event.as_json()], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def head(events: Iterable[Event]) -> str:
    """The digest that stands for the whole list; ``GENESIS`` for an empty one."""
    digest = GENESIS
    for event in events:
        digest = chain(digest, event)
    return digest
