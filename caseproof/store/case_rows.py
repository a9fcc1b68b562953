"""What the row of a case says, which follows from its events: written with each of them, and compared in an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.codes import trouble_code
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event, json_copy
from caseproof.domain.fold import apply, blank
from caseproof.domain.job_failure.cause import is_neutral, owes_cause
from caseproof.domain.procedure import Procedure, of_kind
from caseproof.store.errors import StoreError, readable

WORD = 200
"""How many characters of an event's words a row repeats."""


@dataclass(slots=True)  # not frozen: that makes each ten times slower, and a keeper reads many
class CaseRow:
    """A case as lists show it, a copy; times are aware, in UTC. ``generation`` is 0 before its first flow run.

    What follows from its events: ``opened_at`` is when it was opened first and ``last_opened_at`` when last;
    ``asked_form`` is the form of the question that waits ("" if none does) and ``has_news`` whether its run should look
    at the case again; ``notice_at`` is ``Case.unanswered_since``: when the retailer was told in this round,
    ``reminders`` how often again since, ``nudges`` how often the team of the question; ``trouble`` is the problem's
    beginning, for people, and ``trouble_code`` its ``Code``; ``incident`` is a reference, "" for none; ``cause_shape``
    is the key of the message whose cause it waits for ("" for none, or one of its own), ``cause_since`` since when;
    ``told_neutrally``: the retailer was told without a cause, and owes nothing.

    What its keeper notes: ``due_at`` is when it looks at the case next (None: not before something happens),
    ``crashes`` counts runs that died in a row, and it gives the case no new one before ``rest_until``; ``rest_why``
    says the reason to people, ``rest_code`` (a ``Rest``, "" for none) to programs.
    """

    id: int
    ref: str
    state: StrEnum
    version: int
    opening: int
    platform: str
    job: str
    job_name: str
    retailer: str
    marketplace: str
    cause: str
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    flow_run: str | None
    generation: int
    paused_until: date | None
    last_opened_at: datetime
    asked_form: str
    asked_at: datetime | None
    has_news: bool
    notice_at: datetime | None
    reminders: int
    nudges: int
    trouble: str
    incident: str
    ticket_closed: bool
    due_at: datetime | None
    crashes: int
    rest_until: datetime | None
    rest_why: str
    trouble_code: str = ""
    rest_code: str = ""
    cause_shape: str = ""
    cause_since: datetime | None = None
    told_neutrally: bool = False


def facts_of(event: Event) -> dict[str, str]:
    """What the event that opens a case says of its job, as texts; "" for what it leaves out. Raises BadInput."""
    return _listed(of_kind(event.kind), event.data)


def _listed(procedure: Procedure, data: Mapping[str, Any]) -> dict[str, str]:
    """What the columns that every case has say of what a case is about."""
    names = ("platform", "job", "job_name", "retailer", "marketplace", "cause")
    listed = procedure.listed_as(data)
    facts = {name: listed.get(name) or "" for name in names}
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
    """Whose job it is and why it fails, as corrected since the case was opened; the job itself never changes."""
    facts = _listed(case.procedure, case.facts)
    return {name: facts[name] for name in ("retailer", "marketplace", "cause")}


ROW_SAYS = (
    *("version", "head", "state", "opening", "closed", "proof"),
    *("platform", "job", "job_name", "retailer", "marketplace", "cause"),
    *("asked_form", "has_news", "reminders", "nudges", "trouble", "trouble_code", "incident", "ticket_closed"),
    *("cause_shape", "told_neutrally"),
)
"""The columns of a case that ``row_says`` gives. Times are none of them: a backup has them as texts."""


def row_says(case: Case) -> dict[str, Any]:
    """What the row of a case must say, for it follows from the case's events. Raises Unreadable."""
    with readable(f"An event of {case.ref}"):
        begun = _listed(case.procedure, case.opened.event.data if case.opened else {})
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
        "proof": case.closed.data["proof"] if case.is_closed and case.closed else None,
        "updated_at": event.at,
        "closed_at": case.closed.at if case.is_closed and case.closed else None,
        "paused_until": paused_until,
        "last_opened_at": case.last_opened.at if case.last_opened else None,
        **_waiting(case),
    }


def turn_says(procedure: Procedure, row: Mapping[str, Any], rest_until: datetime | None) -> dict[str, Any]:
    """What the row of a case of this procedure says of whose turn it is; ``rest_until`` is its keeper's own."""
    turn, since = procedure.turn(row, rest_until)
    return {"turn": str(turn), "turn_since": since}


def _waiting(case: Case) -> dict[str, Any]:
    """What somebody who goes through many cases has to know: who was asked and told what, and since when."""
    question = case.question
    trouble = _word(case.trouble.data["problem"]) if case.trouble else ""
    return {
        "asked_form": _word(question["form"]) if question else "",
        "asked_at": question.at if question else None,
        "has_news": case.has_news,
        "notice_at": case.unanswered_since,
        "reminders": case.reminders,
        "nudges": len(case.nudges),
        "trouble": trouble,
        # Of what the row tells, as migration 0006 has it for older rows.
        "trouble_code": str(trouble_code(case.trouble.event.data)) if case.trouble and trouble else "",
        "incident": _word(case.incident.data["incident"]) if case.incident else "",
        "ticket_closed": case.ticket_closed is not None,
        **_of_the_cause(case),
    }


def _of_the_cause(case: Case) -> dict[str, Any]:
    awaited = case.cause_awaited if case.opened and owes_cause(case) else None
    return {
        "cause_shape": _word(awaited["shape"]) if awaited else "",
        "cause_since": awaited.at if awaited else None,
        "told_neutrally": case.opened is not None and is_neutral(case),
    }


def _word(value: object) -> str:
    """A value of an event as a short text that every database keeps."""
    return str(value).replace("\0", "")[:WORD]


# -- the rows that are written ------------------------------------------------------------------------------------


def draft_of(event: Event) -> Case:
    """The case that this event opens, without its reference yet. Raises NotAllowed, BadInput."""
    empty = blank("The new case", of_kind(event.kind))
    refuse_event(empty, event)
    return apply(empty, event)


def first_row(number: int, draft: Case, event: Event) -> dict[str, Any]:
    """The row of a case that this event opens, still without its reference; ``draft`` is the case after it."""
    begun = {"id": number, "procedure": draft.procedure.prefix, "opened_at": event.at, "generation": 0}
    noted = {"due_at": event.at, "crashes": 0, "rest_why": "", "rest_code": ""}
    row = {**begun, **facts_of(event), **standing_after(draft, event), **noted}
    return {**row, **turn_says(draft.procedure, row, None)}


def event_row(number: int, after: Case, event: Event) -> dict[str, Any]:
    """The row of an event of the case with this row number; ``after`` is the case after it."""
    return event.as_json() | {"at": event.at, "case_id": number, "seq": after.version, "digest": after.head}


def row_after(after: Case, event: Event, rest_until: datetime | None) -> dict[str, Any]:
    """What changes in the row of a case with its latest event; ``rest_until``: its keeper gives it no run before."""
    # Whatever happens to a case, its keeper looks at it.
    row = {**standing_after(after, event), **whose(after), "due_at": event.at}
    return {**row, **turn_says(after.procedure, row, rest_until)}


def refuse_edited(stored: Case, row: Any) -> None:
    """The events in the store must be those that the row of their case stands for. Raises StoreError."""
    if (stored.version, stored.head) != (row.version, row.head):
        raise StoreError(
            f"The events of {stored.ref} were edited past Caseproof: they do not match their digests.",
            "Nothing is added to it; restore the store from a backup.",
        )


def as_stored(event: Event) -> Event:
    """The event as it will be read back, so that its digest today is its digest then."""
    refuse_nul("actor", event.actor)
    json_copy({"actor": event.actor}, f"The event {event.kind}")
    return replace(event)  # which copies the data as JSON reads it back
