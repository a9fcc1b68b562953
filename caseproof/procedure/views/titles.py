"""What a run is called by, and anything that asks: which case or incident it is about, and where that stands."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.forms import IncidentDecision, RetailersWord, TryAgain
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.vocabulary import Decision
from caseproof.procedure.core.texts import in_words, short
from caseproof.store import IncidentRow

_LONGEST = 80
"""How many characters of what a client wants stand in a run's name."""


def about_incident(row: IncidentRow) -> str:
    """Which incident, where, and why: ``IN-000001 · bazaar · expired token``."""
    return f"{row.ref} · {row.marketplace or row.platform} · {in_words(row.cause)}"


def about(case: Case) -> str:
    """Which case, whose, where, which job: ``JF-000001 · garden-shop · bazaar · marketplace-orders``.

    Of a support case: the client, the site, and what is wanted.
    """
    facts = case.procedure.listed_as(case.facts)
    retailer, marketplace = facts.get("retailer"), facts.get("marketplace")
    # On Prefect a job is flow/deployment, and one of the two is often the retailer, who stands there already.
    parts = [part for part in str(facts["job_name"]).split("/") if part not in (retailer, marketplace)]
    job = "/".join(parts) or facts["job_name"]
    job = job if case.procedure is JOB_FAILURE else short(job, _LONGEST)
    whose = retailer or ("no retailer" if case.procedure is JOB_FAILURE else "")
    return " · ".join(part for part in (case.ref, whose, marketplace, job) if part)


def stands(case: Case) -> str:
    """Where the case stands, in the words of who has to act: ``waits for the retailer's word``."""
    if case.is_closed:
        return "closed"
    number = case.question_number
    asked = case.asked.get(number)
    if asked is None or number in case.answered:
        return "at work"
    if asked["form"] == TryAgain.slug and case.trouble is not None:
        return f"needs help: {case.trouble['step']}"
    if asked["form"] == RetailersWord.slug and case.open_replies:
        return "has a reply to read"
    if case.state is State.PAUSED:
        return f"kept paused until {case.paused_until}"
    form = case.procedure.forms.get(asked["form"])
    waits = form.waits_for if form else "waits for an answer"
    refused = case.refused is not None and case.refused.data["number"] == number - 1
    return f"answer refused, {waits}" if refused else waits


def incident_stands(row: IncidentRow, refused: bool) -> str:
    """Where the incident stands; ``refused``: whether the latest answer was not taken."""
    if row.is_closed:
        return "over"
    if row.decision == Decision.KEEP_PAUSED and not refused:
        return f"kept paused until {row.until}"
    if row.decision == Decision.AFTER_FIX and not refused:
        return "decided, and some cases follow"
    return f"{'answer refused, ' if refused else ''}{IncidentDecision.waits_for}"
