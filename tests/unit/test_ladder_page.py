"""The ladder's page says what the rules do: its tables and its picture are drawn from the table that the code uses."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from collections import Counter
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from caseproof.domain.emergency.rules import RULES as OF_EMERGENCIES
from caseproof.domain.support.conditions import CONDITIONS
from caseproof.domain.support.ladder import cell
from caseproof.domain.support.lifecycle import LABELS, OWNERS, SENTENCES, State
from caseproof.domain.support.rules import RULES
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import TIER_NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ladder.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def draw_ladder() -> ModuleType:
    path = ROOT / "scripts" / "draw-ladder"
    loader = importlib.machinery.SourceFileLoader("draw_ladder", str(path))
    spec = importlib.util.spec_from_loader("draw_ladder", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[one.strip() for one in line.strip("|").split("|")] for line in lines]


def test_the_ladder_on_its_page_is_the_one_in_the_table(draw_ladder: ModuleType) -> None:
    assert draw_ladder.redraw(PAGE) == PAGE, "Next: scripts/draw-ladder"
    assert draw_ladder.PICTURE.read_text(encoding="utf-8") == draw_ladder.picture(), "Next: scripts/draw-ladder"


@pytest.mark.parametrize("state", State)
def test_each_request_stands_on_the_page_as_it_is_answered_in_each_state(state: State) -> None:
    head, *rows = [
        row for row in cells(PAGE.partition("### Every request in every state\n")[2]) if len(row) > len(State)
    ]
    found = {row[0].strip("`"): row[head.index(LABELS[state])] for row in rows if row[0].startswith("`")}
    assert list(found) == [str(request) for request in Request]
    for request in Request:
        said = cell(state, request)
        if said.is_allowed:
            assert found[request] == "✓"
            continue
        first = said.missing[0]
        wanted = {"already": "*has it*", "closed": "*is open*"}.get(first.code, f"`{first.code}`")
        assert found[request] == f"{first.rule}: {wanted}"


def test_each_request_stands_on_the_page_with_who_makes_it_and_what_it_needs() -> None:
    found = {row[0]: row[1:] for row in cells(PAGE.partition("### What each request needs\n")[2]) if len(row) == 5}
    for request, step in LADDER.items():
        says, rule, by, needs = found[f"`{request}`"]
        assert (says, rule) == (step.says, step.rule)
        assert all(one.missing in needs for one in (*step.needs, *step.brings))
        assert by == ("anybody" if step.by_anybody else ", ".join(step.by) or "the owner")


def test_each_state_stands_on_the_page_with_its_owner() -> None:
    for state in State:
        owner = TIER_NAMES[OWNERS[state]] if state in OWNERS else "nobody"
        assert [LABELS[state], f"`{state}`", owner, SENTENCES[state]] in cells(PAGE)


def test_the_picture_shows_every_state_and_every_request_that_leads_somewhere(draw_ladder: ModuleType) -> None:
    picture = draw_ladder.picture()
    ElementTree.fromstring(picture)  # noqa: S314 - our own
    assert [state for state in State if f">{LABELS[state]}</text>" not in picture] == []
    drawn = Counter(re.findall(r"<text[^>]*>(\w+) \(([^)]*)\)</text>", picture))
    leads = Counter((str(one), step.rule) for one, step in LADDER.items() if step.after for _ in step.before)
    assert drawn == leads
    arrows = {(before, step.after) for step in LADDER.values() if step.after for before in step.before}
    assert picture.count("marker-end") == len(arrows) + 1, "and how a case begins"


def test_every_condition_and_every_rule_stands_on_its_page() -> None:
    said = {row[0]: row[1] for row in cells(PAGE) if len(row) == 3 and row[0] in {one.code for one in CONDITIONS}}
    assert said == {one.code: one.rule for one in CONDITIONS}
    rules = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (E\d+) \| (.*?) \|", rules, re.MULTILINE) == [*RULES.items(), *OF_EMERGENCIES.items()]


def test_the_ladder_names_only_rules_that_there_are() -> None:
    named = [rule for step in LADDER.values() for rule in step.rule.split(", ")]
    named += [one.rule for step in LADDER.values() for one in (*step.needs, *step.brings)]
    assert set(named) - {"J11"} <= set(RULES)
    assert set(RULES) <= set(named)
