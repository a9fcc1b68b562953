"""Many cases with one cause, decided about together (J6)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from tasks.common import KEEP_NOTHING
from tasks.incidents import ask_for_all, is_over, reach_the_late, show_the_incident, take_the_decision, take_up


@flow(name="incident", **KEEP_NOTHING)
def incident(incident: str) -> State[Any]:
    """Decide for all cases of an incident at once; each of them is still verified, pictured, reviewed and closed alone.

    Args:
        incident: The incident (IN-000001).
    """
    if not take_up(incident):
        return Completed(message="Another live run carries this incident already; nothing was done twice.")
    take_the_decision(incident)  # J6: what somebody answered
    reach_the_late(incident)  # J6: cases that were being stopped when it was decided
    if not is_over(incident):
        ask_for_all(incident)  # suspends; after "keep paused" it asks again
    show_the_incident(incident)
    return Completed(message=f"{incident} is over; its cases close by themselves.")
