"""A case is the pure fold of its events.

``fold`` is total: what stands in the list happened, in that order, and is never forgotten. Whether an event may be
appended is asked before it is written (``closure.refuse_event``); whether a case is closed is decided by the closure
rules, not by the presence of a "closed" event, so that a forged one closes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from caseproof.domain import lifecycle
from caseproof.domain.case import Case, Fact
from caseproof.domain.closure import may_close
from caseproof.domain.events import Event, Kind, chain
from caseproof.domain.lifecycle import State

FAILURE = ("cause", "summary", "failed_run", "failed_run_url", "failed_at", "shares_notice_with")
"""What a case says of the failure that it is about; a reopening may say it anew."""

# What an event voids besides what it records. A new round starts from the stop; a failed run needs a new decision.
_SETTLED = ("decision", "validated", "run", "verified", "live", "photo", "review", "look", "proof")
_CLOSING = ("closed", "ticket_closed", "ticket_reopened", "recovery")
_ROUND = ("contained", "notice", "neighbours_live", *_SETTLED)
VOIDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.OPENED: (*_ROUND, *_CLOSING),  # a second one, slipped in, saves nothing
    Kind.REOPENED: (*_ROUND, *_CLOSING),
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
    Kind.NEIGHBOURS_LIVE: "neighbours_live",
    Kind.PHOTOGRAPHED: "photo",
    Kind.REVIEW_APPROVED: "review",
    Kind.LOOKED_AGAIN: "look",
    Kind.PROOF_MADE: "proof",
    Kind.TICKET_CLOSED: "ticket_closed",
    Kind.TICKET_REOPENED: "ticket_reopened",
    Kind.RECOVERY_TOLD: "recovery",
    Kind.INCIDENT_JOINED: "incident",
    Kind.TROUBLE: "trouble",
    Kind.ANSWER_REFUSED: "refused",
}


def apply(case: Case, event: Event) -> Case:
    """The case after ``event``."""
    fact = Fact(case.version + 1, event)
    changes: dict[str, Any] = dict.fromkeys(VOIDS.get(event.kind, ()), None)
    changes |= {"version": fact.seq, "head": chain(case.head, event), "events": (*case.events, event)}
    if "question" in event.data:  # this event is what became of the answer to that question
        changes["handled"] = case.handled | {event.data["question"]}
    if slot := _SLOT.get(event.kind):
        changes[slot] = fact
    changes |= _counted(case, fact)
    changes["state"] = _state_after(case, event)
    after = replace(case, **changes)
    if event.kind is Kind.CLOSED and not case.is_closed and may_close(after, event):
        return replace(after, state=State.CLOSED, closed=fact)
    return after


def _counted(case: Case, fact: Fact) -> dict[str, Any]:
    """What an event adds to a counter or a collection."""
    event = fact.event
    match event.kind:
        case Kind.OPENED | Kind.REOPENED:
            # A new opening needs a new proof from new words: nothing of the old one counts again.
            counters = {"opening": case.opening + 1, "round": case.round + 1, "last_opened": fact}
            first = {"opened": fact} if event.kind is Kind.OPENED and case.opened is None else {}
            # It is the same case; what fails now, and why, may be something else than at first.
            anew = {name: event.data[name] for name in FAILURE if name in event.data}
            corrected = {**case.corrected, **(anew if event.kind is Kind.REOPENED else {})}
            return {**counters, **first, "corrected": corrected, "incident": None} | dict.fromkeys(
                ("confirmations", "replies", "attached"), ()
            )
        case Kind.FAILED_AGAIN | Kind.REVIEW_REJECTED:
            return {"round": case.round + 1}
        case Kind.CONFIRMATION_RECEIVED:
            return {"confirmations": (*case.confirmations, fact)}
        case Kind.REPLY_RECEIVED:
            return {"replies": (*case.replies, fact)}
        case Kind.FACTS_CORRECTED:
            return {"corrected": {**case.corrected, **event.data}}
        case Kind.PROOF_MADE:
            return {"head_before_proof": case.head}
        case Kind.ATTACHED:
            return {"attached": (*case.attached, fact)}
        case Kind.RUN_STARTED:
            return {"attempt": case.attempt + 1}
        case Kind.TROUBLE_OVER:
            return {"trouble": None}
    return _questioned(case, fact)


def _questioned(case: Case, fact: Fact) -> dict[str, Any]:
    number = fact.get("number")
    if fact.event.kind is Kind.QUESTION_ASKED:
        return {"asked": {**case.asked, number: fact}}
    if fact.event.kind is Kind.QUESTION_ANSWERED:
        return {"answered": {**case.answered, number: fact}, "refused": None}
    return {}


def _state_after(case: Case, event: Event) -> State:
    if event.kind is Kind.CLOSED or (case.is_closed and event.kind not in (Kind.OPENED, Kind.REOPENED)):
        return case.state
    return lifecycle.target(event.kind) or case.state


def fold(ref: str, events: Iterable[Event]) -> Case:
    """The case that these events make. An empty list is a case without a beginning: ``opened`` is None."""
    case = Case(ref)
    for event in events:
        case = apply(case, event)
    return case
