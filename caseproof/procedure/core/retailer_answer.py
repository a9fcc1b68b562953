"""What a retailer said: the choices they have, the ways it comes, and how operators read it."""

from __future__ import annotations

import re

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
    """Why these words do not count by themselves, as sentences without their full stops; mostly none."""
    if is_late(case, word):
        return ["Late: the case was closed already"]
    return [f"It confirms nothing by itself: {word['why']}"] if word.event.kind is Kind.REPLY_RECEIVED else []
