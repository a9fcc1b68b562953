"""What a retailer said: the choices they have, the ways it comes, and how operators read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from caseproof.domain.case import Case, Fact
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.procedure import prefixes
from caseproof.domain.vocabulary import BY_PAGE, WAYS, Choice

_CHOICES: dict[str, str] = {
    Choice.CHANGED: "the change is made",
    Choice.REMOVE: "remove the integration",
    Choice.HELP: "needs help",
    Choice.NOT_MINE: "not theirs",
}
_REF = re.compile(r"\b([A-Z]{2})-\d{6,18}\b", re.IGNORECASE | re.ASCII)


def came_by(word: Fact) -> str:
    """Which way a retailer's words came: ``on the confirmation page, as Jane: "the change is made"``."""
    way, chosen = str(word.get("by_way_of") or ""), str(word.get("choice") or "")
    name = f", as {word['name']}" if word.get("name") else ""
    choice = f': "{_CHOICES.get(chosen, chosen)}"' if chosen and way == BY_PAGE else ""
    return f"{WAYS.get(way, way)}{name}{choice}"


def cases_named(text: str) -> list[str]:
    """The references of cases that a text names, in capitals, each once."""
    found = (match for match in _REF.finditer(text) if match[1].upper() in prefixes())
    return list(dict.fromkeys(match[0].upper() for match in found))


def is_late(case: Case, word: Fact) -> bool:
    """Whether this came after the case was closed: it is kept, and changes nothing."""
    return case.closed is not None and word.seq > case.closed.seq


def doubts(case: Case, word: Fact) -> list[str]:
    """What is to be known of these words, as sentences without their full stops; mostly nothing: why they do not count
    by themselves, what speaks against them, and who agreed to them all the same."""
    found = ["Late: the case was closed already"] if is_late(case, word) else []
    if word.event.kind is Kind.REPLY_RECEIVED:
        found = found or [f"It confirms nothing by itself: {word['why']}"]
    elif word.get("doubts"):
        against = "; ".join(_sentences(word["doubts"]))
        found += [f"Something speaks against it: {against}", _agreed(case, word)]
    return [*found, *notes(word)]


def notes(word: Fact) -> list[str]:
    """What is only to be known of who wrote these words, as sentences without their full stops."""
    return [f"To be known: {note}" for note in _sentences(word.get("notes"))]


def _agreed(case: Case, word: Fact) -> str:
    agreed = case.agreement_to(word)
    if agreed is not None:
        how = f": {agreed.data['remark']}" if agreed.data.get("remark") else ""
        return f"{agreed.actor} agreed that it counts all the same{how}"
    if (no := case.refusal_of(word)) is not None:
        return f"It does not count: {no.data['why']}"
    return f"It founds nothing before somebody else than {word.actor} agrees"


def _sentences(found: Any) -> list[str]:
    return [str(one.get("why")) for one in found or () if isinstance(one, Mapping)]
