"""Whose turn it is in an open case: by what its row says, behind the worklist; by what happened, in reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from caseproof.domain.codes import Code
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.turn import Turn
from caseproof.domain.turn import turn_of as turn_by_question
from caseproof.domain.vocabulary import NOT_THEIRS, SHARED_CAUSE, TRY_AGAIN, WORD


def owes_word(cause: str, incident: str, told_neutrally: bool) -> bool:
    """Whether the retailer has anything to do: not where the fault is not theirs."""
    return cause not in NOT_THEIRS and not incident and not told_neutrally


def turn_of(row: Mapping[str, Any], rest_until: datetime | None) -> tuple[Turn, datetime]:
    """The same of a job failure: the retailer may owe their word, a pause may go on, or a run of the job."""
    turn, since = turn_by_question(row, rest_until)
    asked = str(row["asked_form"])
    if rest_until is not None or not asked:
        return turn, since
    if asked == TRY_AGAIN:
        goes_on = row["state"] == State.RUNNING and row["trouble_code"] == Code.STILL_RUNNING
        return (Turn.ITSELF if goes_on else Turn.TEAM), since
    if row["state"] == State.PAUSED and row["paused_until"] is not None and row["notice_at"] is not None:
        return Turn.PAUSED, since
    if asked == SHARED_CAUSE:
        return Turn.ITSELF, since
    if asked != WORD or row["notice_at"] is None:
        return Turn.TEAM, since
    if not owes_word(row["cause"], row["incident"], row["told_neutrally"]):
        return Turn.TEAM, since
    return Turn.RETAILER, row["notice_at"]


class Whose(StrEnum):
    """Whose turn a wait was, as reports tell it. The value is what people read."""

    OURS = "ours"
    """The team's, or Caseproof's own."""
    RETAILERS = "the retailer's"
    """They were told, and their word is waited for."""
    A_DATES = "a date's"
    """The account is kept paused until then."""


WHOSE_AFTER: Mapping[Kind, Whose] = {
    Kind.OPENED: Whose.OURS,
    Kind.REOPENED: Whose.OURS,
    Kind.NOTICE_SENT: Whose.RETAILERS,
    Kind.CONFIRMATION_RECEIVED: Whose.OURS,
    Kind.REPLY_RECEIVED: Whose.OURS,
    Kind.KEPT_PAUSED: Whose.A_DATES,
    Kind.QUESTION_ANSWERED: Whose.RETAILERS,  # of these only those by which somebody answered their reply
    Kind.DECIDED: Whose.OURS,
    Kind.RUN_FAILED: Whose.OURS,
    Kind.REVIEW_REJECTED: Whose.OURS,
    Kind.FAILED_AGAIN: Whose.OURS,
}
"""Whose turn it is after an event, until the next of these. A pause that is over is ours, and so is each wait where the
retailer was asked for nothing."""
