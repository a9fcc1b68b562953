"""What a case asked people, and which answer counts."""

from __future__ import annotations

from caseproof.domain.case import Case, Fact


def answer_to(case: Case, form: str) -> Fact | None:
    """The newest answer to this form (its slug) that was not acted on and is not older than what happened since."""
    news = (case.notice, case.last_failure, case.refused)
    since = max((fact.seq for fact in news if fact is not None), default=0)
    fresh = [fact for fact in case.unhandled if fact["form"] == form and fact.seq > since]
    return fresh[-1] if fresh else None
