"""Support cases as data: a problem climbs L1, L2, PT and development, and closes with its solution (E1 to E6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.forms import TryAgain
from caseproof.domain.procedure import Procedure
from caseproof.domain.support.conditions import CONDITIONS, closure_rule, linked_jobs, proof_of
from caseproof.domain.support.forms import EVERY_FORM
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.ladder import missing, named, refuse
from caseproof.domain.support.lifecycle import LABELS, SENTENCES
from caseproof.domain.support.owing import owes
from caseproof.domain.support.rules import RULES


def claims(case: Case) -> dict[str, Any]:
    """What solved it, who says so, and by which cases failing jobs are proven. Raises BadInput before there is one."""
    solution, told = case.own.get("solution"), case.own.get("told")
    if solution is None or told is None:
        raise BadInput(f"{case.ref} has no solution that the client was told.", f"`caseproof case why {case.ref}`")
    proven = [proof_of(case, ref) for ref in linked_jobs(case)]
    return {
        "kind": "support",
        "statement": f"{case.facts['summary']} Solved: {solution['solution']}",
        "about": {name: case.facts.get(name) for name in ("client", "site", "contract", "product", "urgency")},
        "solution": {
            "by": solution.actor,
            "tier": solution["tier"],
            "at": solution.at.isoformat(),
            "checked": solution["checked"],
        },
        "client_told": {"by": told.actor, "at": told.at.isoformat(), "how": told["how"], "to": told["to"]},
        "jobs": [
            {"case": fact["ref"], "rule": fact["rule"], "sha256": fact["evidence"]}
            for fact in proven
            if fact is not None
        ],
    }


def listed_as(opened: Mapping[str, Any]) -> Mapping[str, Any]:
    """What lists show in the columns that every case has: the client as whose it is, the product as where."""
    return {
        "platform": opened.get("product"),
        "job": opened.get("key"),
        "job_name": opened.get("summary"),
        "retailer": opened.get("client"),
        "marketplace": opened.get("site"),
        "cause": "",
    }


SUPPORT = Procedure(
    prefix="SC",
    name="support",
    sentences=SENTENCES,
    labels=LABELS,
    kinds=Kind,
    conditions=CONDITIONS,
    rule=closure_rule,
    refuse=refuse,
    missing=missing,
    claims=claims,
    questions={**{slug: form.called for slug, form in EVERY_FORM.items()}, TryAgain.slug: "try again"},
    forms={**EVERY_FORM, TryAgain.slug: TryAgain},
    rules=RULES,
    owes=owes,
    listed_as=listed_as,
    named=named,
)
