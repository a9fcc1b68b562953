"""The Adaptive Card of an alert, built from data.

Words from outside (a problem, a site's name) stand in runs of text, which Teams shows as they are: in a text block it
would make links and formats of them. The card never names a way to acknowledge that a mere look could take: its buttons
open pages, and on those a person presses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from caseproof.domain.errors import BadInput
from caseproof.domain.visible import visible
from caseproof.http.client import is_usable

VERSION = "1.5"
"""What Teams shows on every device."""

LARGEST = 28_000
"""Teams refuses a message over 28 KB; so many bytes are sent at most."""

_LONGEST = 2_000
_MOST_FACTS, _MOST_LINKS, _MOST_PEOPLE = 20, 5, 20

Tone = Literal["attention", "warning", "good", "default"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody whom Teams notifies: a name, and the user's id or address in Teams."""

    name: str
    teams_id: str


@dataclass(frozen=True, slots=True)
class Card:
    """What a card says. ``facts``: name and value, in their order; ``links``: title and address.

    The addresses are ours, with a key where it is one person's; Teams' scanners open them, so opening changes nothing.
    """

    title: str
    text: str
    facts: Sequence[tuple[str, str]] = ()
    links: Sequence[tuple[str, str]] = ()
    mentions: Sequence[Mention] = ()
    tone: Tone = "attention"


def adaptive_card(card: Card) -> Json:
    """The card as Microsoft's schema has it. Raises BadInput for a link that is none."""
    body: list[Json] = [_heading(card)]
    if card.text.strip():
        body.append(_text(card.text))
    if card.facts:
        body.append(_table(card.facts[:_MOST_FACTS]))
    made: Json = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": VERSION,
        "fallbackText": _cut(f"{card.title}: {card.text}", 500),
        "body": body,
        "msteams": {"width": "full"},
    }
    if card.mentions:
        entities = [_mention(number, one) for number, one in enumerate(card.mentions[:_MOST_PEOPLE])]
        body.append({"type": "TextBlock", "text": " ".join(one["text"] for one in entities), "wrap": True})
        made["msteams"]["entities"] = entities
    if card.links:
        made["actions"] = [_link(title, url) for title, url in card.links[:_MOST_LINKS]]
    return made


def message(card: Card, *, bare: bool = False) -> Json:
    """The body that a Workflows web hook takes. ``bare``: the card alone, as one of Microsoft's templates wants it.

    What is too large for Teams loses its facts from the end, then its text; the title and the links stay.
    """
    facts, text = list(card.facts[:_MOST_FACTS]), card.text
    while True:
        made = adaptive_card(Card(card.title, text, facts, card.links, card.mentions, card.tone))
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": made}
        body = made if bare else {"type": "message", "attachments": [attachment]}
        if len(json.dumps(body)) <= LARGEST or not (facts or text):
            return body
        if facts:
            facts.pop()
        else:
            text = ""


def _heading(card: Card) -> Json:
    run = {
        "type": "TextRun",
        "text": _cut(card.title, 200),
        "weight": "Bolder",
        "size": "Large",
        "color": card.tone.capitalize(),
    }
    return {"type": "RichTextBlock", "inlines": [run]}


def _text(text: str) -> Json:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": _cut(text, _LONGEST)}]}


def _table(facts: Sequence[tuple[str, str]]) -> Json:
    """The facts, a line each. Not a FactSet, whose values Teams formats."""
    inlines: list[Json] = []
    for number, (name, value) in enumerate(facts):
        start = "\n" if number else ""
        inlines.append({"type": "TextRun", "text": f"{start}{_cut(name, 60)}: ", "weight": "Bolder"})
        inlines.append({"type": "TextRun", "text": _cut(value, 300)})
    return {"type": "RichTextBlock", "inlines": inlines, "spacing": "Medium"}


def _mention(number: int, who: Mention) -> Json:
    # What stands between the tags must be in both places; letters that could end the tag, or format, are left out.
    name = (
        "".join(letter for letter in _cut(who.name, 80) if letter.isalnum() or letter in " .'-") or f"person {number}"
    )
    return {
        "type": "mention", "text": f"<at>{name}</at>", "mentioned": {"id": who.teams_id.strip(), "name": name}
    }  # fmt: skip


def _link(title: str, url: str) -> Mapping[str, str]:
    if not is_usable(url.partition("#")[0].partition("?")[0]):
        raise BadInput(
            "A link of the card is no address.", "Set CASEPROOF_PUBLIC_URL to one that starts with https://."
        )
    return {"type": "Action.OpenUrl", "title": _cut(title, 60), "url": url}


def _cut(text: str, longest: int) -> str:
    shown = visible(text).strip()
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}\u2026"
