"""What a retailer said, as operators read it: which way it came, and what speaks against counting it."""

from __future__ import annotations

from caseproof.domain.case import Case, Fact
from caseproof.domain.events import Kind

_WAYS = {
    "page": "on the confirmation page",
    "mail": "by mail",
    "message": "by mail, handed in by an operator",
    "form": "typed in by an operator",
}
_CHOICES = {
    "changed": "the change is made",
    "remove": "remove the integration",
    "help": "needs help",
    "not_mine": "not theirs",
}


def came_by(word: Fact) -> str:
    """Which way a retailer's words came: ``on the confirmation page, as Jane: "the change is made"``."""
    way, chosen = str(word.get("by_way_of") or ""), str(word.get("choice") or "")
    name = f", as {word['name']}" if word.get("name") else ""
    choice = f': "{_CHOICES.get(chosen, chosen)}"' if chosen and way == "page" else ""
    return f"{_WAYS.get(way, way)}{name}{choice}"


def is_late(case: Case, word: Fact) -> bool:
    """Whether this came after the case was closed: it is kept, and changes nothing."""
    return case.closed is not None and word.seq > case.closed.seq


def doubts(case: Case, word: Fact) -> list[str]:
    """Why these words do not count by themselves, as sentences without their full stops; mostly none."""
    if is_late(case, word):
        return ["Late: the case was closed already"]
    return [f"It confirms nothing by itself: {word['why']}"] if word.event.kind is Kind.REPLY_RECEIVED else []
