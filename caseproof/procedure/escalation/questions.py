"""What answers a question says so, and is written once however often it comes."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.events import Event
from caseproof.domain.support.kinds import Kind


def numbered(question: int | None) -> dict[str, int]:
    """What an event says besides where it answers the question of this number."""
    return {} if question is None else {"question": question}


def is_done(case: Case, event: Event, question: int | None) -> bool:
    """Whether the question is handled; of what answers none, whether it is the last that happened (documents and mails
    to the team aside): a form that was sent twice."""
    if question is not None:
        return question in case.handled
    aside = (Kind.DOCUMENTS_LINKED, Kind.TEAM_TOLD)
    own = [one for one in case.events if one.kind not in aside and one.kind.spec.news]
    last = own[-1] if own else None
    return last is not None and (last.kind, last.actor, last.data) == (event.kind, event.actor, event.data)
