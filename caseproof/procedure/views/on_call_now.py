"""Who is on call, now and next, as people see it in a table: it changes only where the answer does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from caseproof.config.policy import Policy
from caseproof.domain.on_call.calling import CaseToCall, WhoToCall, who_to_call
from caseproof.domain.on_call.turns import Turn, turns
from caseproof.procedure.core.on_call import Window, call_plan, coming_gaps

DAYS_AHEAD = 14
"""How many whole days ahead the turns are shown."""


@dataclass(frozen=True, slots=True)
class OnCallNow:
    """Whom an emergency would call at ``at``; the turns from the one that is under way, the gaps that come, and in
    sentences what is wrong."""

    at: datetime
    answer: WhoToCall
    turns: tuple[Turn, ...]
    gaps: tuple[Turn, ...]

    @property
    def alarms(self) -> tuple[str, ...]:
        """What is wrong, in sentences."""
        return tuple(dict.fromkeys(told for _, told in self.answer.alarms))


def on_call_now(policy: Policy, home: Path, at: datetime) -> OnCallNow | None:
    """Who is on call, by the copies of the calendars that there are; None where nobody is on the list."""
    if not policy.on_call.people:
        return None
    # Whole days: what is shown does not move with each look.
    ends = datetime.combine(at.astimezone(UTC).date() + timedelta(days=DAYS_AHEAD + 1), time(), UTC)
    plan = call_plan(policy, home, Window.around(at, DAYS_AHEAD + 1), fetch=False)
    coming = [one for one in turns(at - timedelta(days=1), ends, plan) if one.ends > at]
    return OnCallNow(at, who_to_call(at, CaseToCall(), plan), tuple(coming), tuple(coming_gaps(policy, plan, at)))
