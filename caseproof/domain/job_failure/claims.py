"""What the proof of a job failure says, besides what every proof says: a function of its events alone."""

from __future__ import annotations

from typing import Any

from caseproof.domain import payloads as says
from caseproof.domain.case import Case, FactOf
from caseproof.domain.errors import BadInput
from caseproof.domain.job_failure.pictures import claims_of, kind_of_picture
from caseproof.domain.vocabulary import Decision, Picture, Starter


def claims(case: Case) -> dict[str, Any]:
    """The run that proves it, the retailer's words and the approvals. Raises BadInput where nothing is verified yet."""
    verified, decision = case.verified, case.decision
    if verified is None or decision is None:
        raise BadInput(f"{case.ref} has no verified run or no decision.", f"`caseproof case why {case.ref}`")
    removal = case.decided is Decision.REMOVE
    return {
        "kind": "removal" if removal else "reactivation",
        "statement": " ".join([_statement(case, verified["name"], removal), *_whose(case), *_of_the_picture(case)]),
        "job": {name: case.facts.get(name) for name in ("platform", "job", "job_name", "retailer", "marketplace")},
        "run": {
            name: verified.get(name) for name in ("run", "purpose", "name", "said", "url", "started_at", "ended_at")
        }
        | ({name: case.run[name] for name in ("started_by", "said_by") if name in case.run.data} if case.run else {}),
        **claims_of(case),
        "confirmations": [
            {
                "from": word.data["sender"],
                "at": word.at.isoformat(),
                "sha256": word.data["evidence"],
                **({"original": word.data["original"]} if "original" in word.data else {}),
                **_of_its_entry(case, word),
            }
            for word in case.confirmations
        ],
        "approvals": [
            {"what": what, "by": fact.actor, "at": fact.at.isoformat(), **_known(fact)}
            for what, fact in ((f"decision: {case.decided}", decision), ("review", case.review))
            if fact is not None
        ],
    }


def whose_run(case: Case) -> str:
    """Who started the run that proves it; "" of events from before that was written down."""
    run = case.run
    match run.get("started_by") if run is not None else None:
        case Starter.CASEPROOF:
            return "Caseproof started that run."
        case Starter.PERSON if run is not None:
            return (
                f"That run was started on the platform, by a person as {run.get('said_by')} said, and not by Caseproof."
            )
    return ""


def _whose(case: Case) -> list[str]:
    return [said] if (said := whose_run(case)) else []


def _of_the_picture(case: Case) -> list[str]:
    """What kind of picture it is, where that is not the run's own page; nothing where it is."""
    photo, uploaded = case.photo, case.uploaded
    if kind_of_picture(case) is Picture.RENDERED:
        return [f"Its picture is of {Picture.RENDERED.page}, which has no page of its own for a run."]
    if photo is None or uploaded is None or kind_of_picture(case) is not Picture.UPLOADED:
        return []
    return [f"Its picture was uploaded by {uploaded.actor} and confirmed by {photo.actor}."]


def _of_its_entry(case: Case, word: FactOf[says.ConfirmationReceived]) -> dict[str, Any]:
    """What speaks against a word, who agreed to it all the same, and what is to be known of it; mostly nothing."""
    found: dict[str, Any] = {}
    if doubts := word.data.get("doubts"):
        agreed = case.agreement_to(word)
        found = {"brought_by": word.actor, "doubts": doubts}
        found["agreed"] = {"by": agreed.actor, "at": agreed.at.isoformat(), **_known(agreed)} if agreed else None
    found |= _known(word)
    return found | ({"notes": notes} if (notes := word.data.get("notes")) else {})


def _known(fact: FactOf[Any]) -> dict[str, str]:
    """How whoever acted is known; nothing of events from before there were logins, and of what no person did."""
    return {"known_by": fact.data["known_by"]} if "known_by" in fact.data else {}


def _statement(case: Case, run: str, removal: bool) -> str:
    if removal:
        return (
            f"The integration behind {case.facts['job_name']} was removed: no active schedule and nothing queued, "
            f"read back by run {run}."
        )
    return f"{case.facts['job_name']} ran successfully as {run} after the decision, and is live again."
