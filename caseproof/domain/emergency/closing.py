"""What an emergency asks of its case's closing: that it is over. A procedure takes it in among its conditions."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.closure import Condition, Met
from caseproof.domain.emergency.paging import emergencies, paging_of


def _over(case: Case) -> Met | None:
    paging = paging_of(case)
    return Met(events=(paging.over,)) if paging is not None and paging.over else None


EMERGENCY_OVER = Condition(
    "emergency_over",
    "E8",
    "The emergency is over: nobody is called any more.",
    "Let whoever has it say that it is over, and what solved it.",
    lambda case: emergencies(case) > 0,
    _over,
)
