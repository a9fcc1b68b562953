"""The states of a job failure: a name and a sentence a state. Which event leads from which to which says ``kinds``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a case stands. The value is what the store writes down."""

    OPENED = "opened"
    CONTAINED = "contained"
    WAITING = "waiting"
    PAUSED = "paused"
    DECIDED = "decided"
    RUNNING = "running"
    VERIFIED = "verified"
    REVIEWED = "reviewed"
    CLOSED = "closed"


SENTENCES: Mapping[StrEnum, str] = {
    State.OPENED: "The case exists and the job is being stopped; nothing else comes before that.",
    State.CONTAINED: "The job is stopped, or the case says why it cannot be and who can.",
    State.WAITING: "The retailer was told; the case waits for the retailer's word or the team's decision.",
    State.PAUSED: "The team keeps the account paused until a date; the case stays open.",
    State.DECIDED: "The team decided what becomes of the account; the decision is being carried out.",
    State.RUNNING: "The job is run again, or the removal is carried out, and read back.",
    State.VERIFIED: "The run, or the removal, was read back as it should end; its picture and the review are gathered.",
    State.REVIEWED: "A second person approved what was gathered.",
    State.CLOSED: "The case is closed, with its proof.",
}

LABELS: Mapping[StrEnum, str] = {
    State.OPENED: "being stopped",
    State.CONTAINED: "retailer to be told",
    State.WAITING: "retailer told",
    State.PAUSED: "kept paused",
    State.DECIDED: "decided",
    State.RUNNING: "being carried out",
    State.VERIFIED: "read back",
    State.REVIEWED: "approved",
    State.CLOSED: "closed",
}
"""What people read where a state is named; the store, tags, addresses and JSON have its value."""
