"""E6, the first exception: what names a technician is read here, from the store, and not believed as a form says it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from caseproof.domain.case import Case
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.domain.substance import stands_in
from caseproof.domain.support import payloads as says
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.efforts import mails_of
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.vocabulary import Naming, Tier, Way
from caseproof.procedure.core.parts import EvidenceFiles, Ledger
from caseproof.procedure.escalation.opening import support_cases_of
from caseproof.store import UnknownCase

_DIGEST = re.compile(r"[0-9a-f]{8,64}", re.ASCII)


def read_there(
    ledger: Ledger,
    files: EvidenceFiles,
    case: Case,
    kind: Kind,
    said: dict[str, Any],
    people: Mapping[Tier, Collection[str]],
) -> dict[str, Any]:
    """What is brought, with what the named case says, or with the file of the mail that is meant."""
    if kind not in (Kind.REACHED_L2, Kind.REACHED_PT) or said.get("way") != Way.NAMED:
        return said
    if said.get("naming") == Naming.MAIL:
        return said | {"evidence": _mail_meant(case, str(said.get("evidence") or ""), str(said.get("technician")))}
    if said.get("naming") != Naming.CASE:
        return said
    return said | _named_by(ledger, files, case, str(said.get("ref") or ""), people)


def _mail_meant(case: Case, typed: str, technician: str) -> str:
    """The file of the case's mail whose digest begins so. Where no digest was typed: the only one that names them; what
    was typed, where that is none or several."""
    mails = {mail.file: mail.words for mail in mails_of(case)}
    begins = typed.strip().strip("`").casefold()
    if _DIGEST.fullmatch(begins):
        meant = [one for one in mails if one.startswith(begins)]
    else:
        meant = [one for one, words in mails.items() if stands_in(technician, words)]
    return meant[0] if len(meant) == 1 else typed


def _named_by(
    ledger: Ledger, files: EvidenceFiles, case: Case, ref: str, people: Mapping[Tier, Collection[str]]
) -> dict[str, Any]:
    """What is read of the case that is said to name the technician: whose it is, of what, and whom it names."""
    if not ref:
        return {"ref": ""}
    try:
        there = ledger.case(ref)
    except UnknownCase as error:
        raise NotAllowed(f"E6: {error.problem}", "Name the case that names the technician; else climb.") from error
    read = {
        "ref": there.ref,
        "there_client": str(there.facts.get("client") or there.facts.get("retailer") or ""),
        "there_product": _product_there(case, there),
        "there_names": _named_in(there, people),
    }
    kept = files.keep_json(case.ref, f"named-by-{there.ref}.json", read | {"head": there.head, "events": there.version})
    return read | {"evidence": kept}


def _product_there(case: Case, there: Case) -> str:
    """The product that the other case is about; a job's case is about that of the support case that it is linked to."""
    if there.procedure is SUPPORT:
        return str(there.facts["product"])
    together = there.ref in linked_jobs(case) or case.ref in support_cases_of(there)
    return str(case.facts["product"]) if together else ""


def _named_in(there: Case, people: Mapping[Tier, Collection[str]]) -> list[str]:
    """The technicians of L2 and PT whom that case names: who worked on it, who was asked for, whom its client names."""
    known = [name for tier in (Tier.L2, Tier.PT) for name in people.get(tier, ())]
    technicians = list(dict.fromkeys(known))
    worked = {event.actor for event in there.events}
    worked |= {str(event.data["technician"]) for event in there.events if event.data.get("technician")}
    words = [text for event in there.events for text in _clients_words(event)]
    return [
        name
        for name in technicians
        if any(same_person(name, one) for one in worked) or any(stands_in(name, text) for text in words)
    ]


def _clients_words(event: Event) -> list[str]:
    """What the client, or the retailer, wrote or said with this event."""
    if event.says(says.SupportOpened) is not None:
        return [] if event.data.get("unproven") else [str(event.data["said"])]
    if event.says(says.ClientWrote) is not None:
        return [] if event.data.get("unproven") else [str(event.data["words"])]
    is_theirs = str(event.kind) in ("confirmation_received", "reply_received")
    return [str(event.data["words"])] if is_theirs and isinstance(event.data.get("words"), str) else []
