"""Job failures as data: a failing job is stopped, its retailer told, and its case closed with proof (J1 to J11)."""

from __future__ import annotations

from caseproof.domain.case import Case
from caseproof.domain.forms import FORMS
from caseproof.domain.job_failure.claims import claims
from caseproof.domain.job_failure.conditions import CONDITIONS, closure_rule, refuse_more
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import LABELS, SENTENCES, State
from caseproof.domain.job_failure.owing import owes
from caseproof.domain.job_failure.rules import RULES
from caseproof.domain.job_failure.turn import turn_of
from caseproof.domain.procedure import Procedure, require_procedure

JOB_FAILURE = Procedure(
    prefix="JF",
    name="job failure",
    sentences=SENTENCES,
    labels=LABELS,
    kinds=Kind,
    conditions=CONDITIONS,
    rule=closure_rule,
    refuse=refuse_more,
    claims=claims,
    questions={
        "retailers-word": "the retailer's word",
        "agreement": "whether the word counts",
        "decision": "the decision",
        "review": "the review",
        "try-again": "try again",
        "cause": "the cause",
        "shared-cause": "the cause, asked with another case",
    },
    forms=FORMS,
    rules=RULES,
    turn=turn_of,
    waits_in=frozenset({State.WAITING, State.PAUSED}),
    owes=owes,
)


def require_job_failure(case: Case) -> None:
    """Raise NotAllowed for a case of another procedure: what is wanted is about a job and its retailer."""
    require_procedure(case, JOB_FAILURE)
