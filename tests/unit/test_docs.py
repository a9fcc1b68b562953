"""The pages say what the code does: every link leads somewhere, and every command, setting and rule is on its page."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
import typer
import yaml
from pydantic import BaseModel

from caseproof.cli import app
from caseproof.domain.closure import CONDITIONS
from caseproof.domain.decisions import NEEDS
from caseproof.domain.lifecycle import SENTENCES, TRANSITIONS, State
from caseproof.policy import BUILT_IN, Policy
from caseproof.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *DOCS.rglob("*.md")],
)
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def words(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def rows(page: str) -> list[list[str]]:
    """The rows of a page's tables, as cells, without the lines under the headings."""
    lines = [line for line in words(page).splitlines() if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


# -- links ----------------------------------------------------------------------------------------------------------


def links(page: Path) -> list[str]:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text) if not link.startswith("http")]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_something(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_shows_a_case() -> None:
    picture = DOCS / "pictures" / "case.png"
    assert "docs/pictures/case.png" in links(ROOT / "README.md")
    assert picture.read_bytes().startswith(b"\x89PNG\r\n")


def test_the_index_lists_every_page_once() -> None:
    listed = [link for link in links(DOCS / "index.md") if link.endswith(".md")]
    pages = {page.name for page in DOCS.glob("*.md")} - {"index.md"} | {"adr/README.md"}
    assert sorted(listed) == sorted(pages)


def test_the_list_of_decisions_names_every_one() -> None:
    decisions = {page.name for page in (DOCS / "adr").glob("0*.md")}
    assert decisions
    assert {link for link in links(DOCS / "adr" / "README.md") if link.startswith("0")} == decisions


# -- the command ----------------------------------------------------------------------------------------------------


def commands(group: click.Command, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by what a person types."""
    for name, command in getattr(group, "commands", {}).items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: click.Command) -> set[str]:
    found = {name for one in command.params for name in one.opts if name.startswith("--")}
    return found - {"--help"}


def documented() -> dict[str, str]:
    """What docs/command.md says of each command: its row."""
    found: dict[str, str] = {}
    for row in rows("command.md")[1:]:
        for typed in re.findall(r"`(?:caseproof )?([^`-][^`]*)`", row[0]):
            name = " ".join(re.findall(r"^[a-z]+(?: [a-z]+)?(?= |$)", typed))
            found[name] = " ".join(row)
    return found


def test_every_command_has_its_row_and_every_row_its_command() -> None:
    assert set(documented()) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_row_names_its_options_and_no_others(name: str) -> None:
    named = set(re.findall(r"--[a-z-]+", documented()[name]))
    has = options(COMMANDS[name])
    if "--json" not in named:
        assert "`--json` where a program reads" in words("command.md")  # said once, for all that have it
        has -= {"--json"}
    assert named == has


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_names_a_command_that_does_not_exist(page: Path) -> None:
    """Where a page shows `caseproof case ...`, the command is there and takes the options that are shown."""
    wrong = []
    for typed in re.findall(r"(?:^|`)caseproof ([a-z][^`\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE):
        first, second = [*typed.split(), "", ""][:2]
        if "|" in typed or typed in {"case", "contact"}:
            continue  # a list of commands, each of which has its row
        command = COMMANDS.get(f"{first} {second}") or COMMANDS.get(first)
        if command is None or not set(re.findall(r"--[a-z-]+", typed)) <= options(command):
            wrong.append(typed)
    assert wrong == []


# -- settings, policy, closing, the life of a case ------------------------------------------------------------------


def test_every_setting_is_on_its_page_and_nothing_else_is() -> None:
    named = {row[0].strip("`") for row in rows("settings.md")[1:]}
    assert named == {f"CASEPROOF_{name.upper()}" for name in Settings.model_fields}


def test_a_default_that_the_settings_page_shows_is_the_default() -> None:
    said = {row[0].strip("`"): row[1] for row in rows("settings.md")[1:]}
    assert said["CASEPROOF_HOME"] == f"`{Settings.model_fields['home'].default}`"
    assert said["CASEPROOF_WEB_URL"] == f"`{str(Settings.model_fields['web_url'].default).rstrip('/')}`"
    assert said["CASEPROOF_RETRY_DELAYS"] == f"`{list(Settings.model_fields['retry_delays'].default)}`"


def entries(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from entries(kind, f"{before}{name}.")
        else:
            yield before + name


def policy_rows() -> dict[str, str]:
    return {name: row[1] for row in rows("policy.md")[1:] for name in re.findall(r"`([a-z_.]+)`", row[0])}


def test_every_entry_of_the_policy_is_on_its_page_and_nothing_else_is() -> None:
    assert set(policy_rows()) == set(entries(Policy))


def test_the_defaults_on_the_policy_page_are_those_of_the_built_in_policy() -> None:
    said, built_in = policy_rows(), Policy.model_validate(yaml.safe_load(BUILT_IN.read_text()))
    assert said["team"] == ", ".join(built_in.team)
    assert said["desk"].strip("`") == built_in.desk
    assert said["mail.account"].strip("`") == built_in.mail.account
    assert said["mail.reply_to"] == built_in.mail.reply_to
    assert said["mail.reply_to"] in built_in.mail.sender
    assert said["mail.timeout_seconds"] == f"{built_in.mail.timeout_seconds:g}"
    assert said["review.required"] == str(built_in.review.required).lower()
    assert said["review.by"] == built_in.review.by
    scopes = ", ".join(f"{cause}: {scope}" for cause, scope in built_in.stop_scope.items())
    assert said["stop_scope"] == f"`{scopes}`, else `{built_in.scope_for('unknown')}`"
    assert said["run_patience_seconds"] == f"{built_in.run_patience_seconds:g}"


def test_every_condition_of_a_closure_is_on_its_page_with_its_rules() -> None:
    said = {row[0]: row[1] for row in rows("closing.md") if len(row) == 3 and row[0] != "condition"}
    assert said == {condition.code: condition.rule for condition in CONDITIONS}


def test_every_decision_is_on_the_closing_page_with_the_rule_it_leads_to() -> None:
    said = {row[0]: row[1] for row in rows("closing.md") if len(row) == 4 and row[0] != "decision"}
    assert said == {str(decision): needs.rule or "none" for decision, needs in NEEDS.items()}


@pytest.fixture(scope="module")
def draw_life() -> ModuleType:
    """The script that draws the life of a case; it has no ending, so that people type it as a command."""
    loader = importlib.machinery.SourceFileLoader("draw_life", str(ROOT / "scripts" / "draw-life"))
    spec = importlib.util.spec_from_loader("draw_life", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_the_life_of_a_case_on_its_page_is_the_one_in_the_table(draw_life: ModuleType) -> None:
    page = words("life-of-a-case.md")
    assert page == draw_life.redraw(page), "Next: scripts/draw-life"


def test_the_drawing_shows_every_state_and_every_transition(draw_life: ModuleType) -> None:
    drawn = draw_life.drawing()
    assert [state for state in State if f"| {state} | {SENTENCES[state]} |" not in drawn] == []
    assert [
        one
        for one in TRANSITIONS
        if f"| {one.before or '-'} | `{one.by}` | {one.after} | {one.rule} |" not in drawn
        or not re.search(rf"^    {re.escape(one.before or '[*]')} --> {one.after}: .*\b{one.by}\b", drawn, re.MULTILINE)
    ] == []


def test_a_page_without_its_markers_is_refused_and_not_half_written(draw_life: ModuleType) -> None:
    with pytest.raises(ValueError, match="lacks a marker"):
        draw_life.redraw("# The life of a case\n\n" + draw_life.BEGIN)
