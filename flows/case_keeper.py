"""The keeper: every few minutes it sees to it that no case is forgotten (J2, J5, J6, J10)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.common import KEEP_NOTHING
from tasks.keeping import keep_once
from tasks.runs.passes import nothing_to_do


@flow(name="case-keeper", flow_run_name="keeper pass", **KEEP_NOTHING)
def case_keeper() -> State[Any]:
    """Stop again what does not stand still, reopen what fails again, give every open case a live run, wake those with
    news, remind the retailers, tell the team, and draw the board.

    The hourly net: `caseproof up` makes the passes in between in place.
    """
    kept = keep_once()
    if kept is None:
        return nothing_to_do("Another pass is at work; nothing was done twice.")
    return nothing_to_do(kept.in_words) if kept.done.is_empty else Completed(message=kept.in_words)
