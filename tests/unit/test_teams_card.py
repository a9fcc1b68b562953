"""The card for Teams: Microsoft's own models read it whole, and nothing from outside formats or links anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from microsoft_teams.cards import core
from pydantic import BaseModel

from caseproof.channels.teams.card import LARGEST, Card, Mention, adaptive_card, message
from caseproof.domain.errors import BadInput

EVIL = "[free money](https://evil.example.com) **bold** <at>Everybody</at> {{DATE(2026-01-01,SHORT)}} ${secret}\n# big"
FULL = Card(
    "Emergency: the store is down",
    EVIL,
    facts=[("Case", "SC-000123"), ("Site", "Pizza & Söhne"), ("Said", EVIL)],
    links=[("Open the case", "https://pages.example.com/cases/SC-000123?key=a%2Bb")],
    mentions=[Mention("First responder", "first@example.com"), Mention("Second <b>*x*</b>", "second@example.com")],
)


MODELS = {
    model.model_fields["type"].default: model
    for model in vars(core).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and "type" in model.model_fields
}


def elements(one: Any) -> Iterator[dict[str, Any]]:
    """Everything in the card that says what it is."""
    if isinstance(one, dict):
        if "type" in one:
            yield one
        for value in one.values():
            yield from elements(value)
    elif isinstance(one, list):
        for value in one:
            yield from elements(value)


@pytest.mark.parametrize("card", [FULL, Card("Only a title", ""), Card("Taken", "by the first responder", tone="good")])
def test_microsofts_own_models_read_the_card_and_know_each_of_its_fields(card: Card) -> None:
    made = adaptive_card(card)
    for one in elements(made):
        # Microsoft's models keep what they do not know, and Teams shows nothing of it.
        read = MODELS[one["type"]].model_validate(one)
        assert set(read.model_extra or {}) <= {"$schema"}, read
    assert {one["type"] for one in made["body"]} <= {"RichTextBlock", "TextBlock"}


def texts(card: dict[str, Any], kind: str) -> list[str]:
    """All texts of elements of this kind."""
    return [one["text"] for one in elements(card) if one["type"] == kind]


def test_words_from_outside_stand_in_runs_alone_which_teams_shows_as_they_are() -> None:
    made = adaptive_card(FULL)
    assert EVIL in texts(made, "TextRun")
    assert texts(made, "TextBlock") == ["<at>First responder</at> <at>Second bxb</at>"]
    assert [one["text"] for one in made["msteams"]["entities"]] == ["<at>First responder</at>", "<at>Second bxb</at>"]


def test_no_button_does_anything_but_open_a_page() -> None:
    actions = adaptive_card(FULL)["actions"]
    assert [(one["type"], one["url"]) for one in actions] == [
        ("Action.OpenUrl", "https://pages.example.com/cases/SC-000123?key=a%2Bb")
    ]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "/cases", "", "mailto:a@example.com"])
def test_a_link_that_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="link"):
        adaptive_card(Card("x", "y", links=[("Open", url)]))


@pytest.mark.parametrize("bare", [False, True])
def test_what_is_too_large_for_teams_loses_facts_and_text_and_keeps_title_and_links(bare: bool) -> None:
    wide = "\U0001f355" * 3_000
    huge = Card("Emergency", wide, facts=[(wide, wide)] * 50, links=[("Open", "https://pages.example.com/c")] * 9)
    made = message(huge, bare=bare)
    assert len(json.dumps(made)) <= LARGEST
    card = made if bare else made["attachments"][0]["content"]
    assert texts(card, "TextRun")[0] == "Emergency"
    assert len(card["actions"]) == 5


@given(st.text(), st.text(), st.text())
def test_any_text_makes_a_card_that_can_be_sent(title: str, text: str, name: str) -> None:
    made = message(Card(title, text, facts=[(title, text)], mentions=[Mention(name, "id")]))
    assert len(json.dumps(made).encode("utf-8")) <= LARGEST
    core.AdaptiveCard.model_validate(made["attachments"][0]["content"])
