"""What the row of a case says, which follows from its events: written with each of them, and compared in an audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.store.errors import readable


def facts_of(data: Mapping[str, Any]) -> dict[str, str]:
    """What the event that opens a case says of its job, as texts; "" for what it leaves out. Raises BadInput."""
    names = ("platform", "job", "job_name", "retailer", "marketplace", "cause")
    facts = {name: data.get(name) or "" for name in names}
    for name, value in facts.items():
        if not isinstance(value, str) or (name in ("platform", "job") and not value.strip()):
            raise BadInput(f"A case needs a text as its {name}, not {value!r}.", "Name the platform and its job.")
        refuse_nul(name, value)
    return facts


def refuse_nul(name: str, value: str) -> None:
    """PostgreSQL keeps no NUL outside JSON, so no store takes one: a backup of one can be restored on the other."""
    if "\0" in value:
        raise BadInput(f"The {name} {value!r} holds a NUL character.", "Leave it out.")


def whose(case: Case) -> dict[str, str]:
    """Whose job it is, as corrected since the case was opened; the job itself never changes."""
    facts = facts_of(case.facts)
    return {"retailer": facts["retailer"], "marketplace": facts["marketplace"]}


ROW_SAYS = (
    *("version", "head", "state", "opening", "closed", "proof"),
    *("platform", "job", "job_name", "retailer", "marketplace", "cause"),
)
"""The columns of a case that ``row_says`` gives."""


def row_says(case: Case) -> dict[str, Any]:
    """What the row of a case must say, for it follows from the case's events. Raises Unreadable."""
    with readable(f"An event of {case.ref}"):
        begun = facts_of(case.opened.event.data if case.opened else {})
        said = begun | whose(case) | standing_after(case, case.events[-1])
    return {name: said[name] for name in ROW_SAYS}


def standing_after(case: Case, event: Event) -> dict[str, Any]:
    """What the row says of the case after its latest event."""
    try:
        paused_until = case.paused_until
    except ValueError as error:
        raise BadInput(f"The case cannot stay paused: {error}.", "Give the date as YYYY-MM-DD.") from error
    return {
        "state": str(case.state),
        "opening": case.opening,
        "version": case.version,
        "head": case.head,
        "closed": case.is_closed,
        "proof": case.closed["proof"] if case.is_closed and case.closed else None,
        "updated_at": event.at,
        "closed_at": case.closed.at if case.is_closed and case.closed else None,
        "paused_until": paused_until,
    }
