"""Whose turn it is in an open case, behind the worklist: by what its row says. A procedure may know it better."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from caseproof.domain.codes import Code
from caseproof.domain.vocabulary import TRY_AGAIN


class Turn(StrEnum):
    """Who has to act, before the time is looked at. The value is what the store writes down.

    A retailer who lets the policy's days pass, and a pause that is over, become the team's by themselves.
    """

    TEAM = "team"
    RETAILER = "retailer"
    PAUSED = "paused"
    ITSELF = "itself"
    """It goes on by itself: a run of the job is still going, or another case asks for both."""
    CASEPROOF = "caseproof"


def turn_of(row: Mapping[str, Any], rest_until: datetime | None) -> tuple[Turn, datetime]:
    """Whose turn it is, and since when, by the columns of a case's row; ``rest_until``: it gets no run before.

    A question is the team's, whichever of it is asked; before it is asked anything, its run is at work.
    """
    asked, updated = str(row["asked_form"]), row["updated_at"]
    if rest_until is not None or not asked:
        return (Turn.CASEPROOF if rest_until is None else Turn.TEAM), updated
    waits = asked == TRY_AGAIN and row["trouble_code"] == Code.WAITS_FOR_CASE
    return (Turn.ITSELF if waits else Turn.TEAM), row["asked_at"] or updated
