"""The pages say what the code does: every link leads somewhere, and every command, setting and rule is on its page."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import inspect
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import httpx
import pytest
import typer
import yaml
from pydantic import BaseModel

from blocks.catalogue import KINDS
from caseproof.cli import app
from caseproof.config.policy import BUILT_IN, Policy
from caseproof.config.settings import Settings
from caseproof.domain.decisions import NEEDS
from caseproof.domain.job_failure.conditions import CONDITIONS
from caseproof.domain.job_failure.lifecycle import LABELS, SENTENCES, State
from caseproof.domain.job_failure.rules import RULES
from caseproof.domain.vocabulary import Scope
from caseproof.platforms.base import JobPlatform, RunState, UnknownJob, UnknownRun

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")), *DOCS.rglob("*.md")],
)
NIGHT = "2026-11-20T02:00:00Z"
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


def test_the_readme_shows_the_worklist() -> None:
    picture = DOCS / "pictures" / "worklist.png"
    assert "docs/pictures/worklist.png" in links(ROOT / "README.md")
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
        if getattr(command, "invoke_without_command", False):
            yield f"{before}{name}", command
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


# -- configuration, closing, the life of a case ---------------------------------------------------------------------


def script(name: str) -> ModuleType:
    """A script that draws a page; it has no ending, so that people type it as a command."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def draw_configuration() -> ModuleType:
    return script("draw-configuration")


def test_the_configuration_on_its_page_is_the_one_in_the_code(draw_configuration: ModuleType) -> None:
    page = words("configuration.md")
    assert page == draw_configuration.redraw(page), "Next: scripts/draw-configuration"


def entries(model: type[BaseModel], before: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from entries(kind, f"{before}{name}.")
        else:
            yield before + name


def test_every_setting_policy_entry_and_field_of_a_block_is_drawn(draw_configuration: ModuleType) -> None:
    """Counted here without the script's own code."""
    drawn = draw_configuration.drawing()
    wanted = [f"CASEPROOF_{name.upper()}" for name in Settings.model_fields] + [*entries(Policy)]
    assert [name for name in wanted if drawn.count(f"\n| `{name}` |") != 1] == []
    blocks = {part.splitlines()[0]: part for part in drawn.split("## Block: ")[1:]}
    assert len(blocks) == len(KINDS)
    for kind in KINDS:
        [part] = [text for title, text in blocks.items() if f"`{kind.get_block_type_slug()}`" in title]
        assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == [*kind.model_fields]
        secrets = re.findall(r"^\| `(\w+)` \|.*\| yes \|", part, re.MULTILINE)
        assert secrets == [name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)]


def test_the_defaults_that_are_drawn_are_those_in_force() -> None:
    """A sample of each kind of value, looked up on the page."""
    said = {row[0].strip("`"): row for row in rows("configuration.md")}
    assert said["CASEPROOF_HOME"][1] == f"`{Settings.model_fields['home'].default}`"
    assert said["CASEPROOF_WEB_URL"][1] == f"`{str(Settings.model_fields['web_url'].default).rstrip('/')}`"
    assert said["CASEPROOF_RETRY_DELAYS"][1] == f"`{list(Settings.model_fields['retry_delays'].default)}`"
    built_in = Policy.model_validate(yaml.safe_load(BUILT_IN.read_text()))
    assert said["team"][2] == f"`{json.dumps(built_in.team)}`"
    assert said["mail.sender"][2] == f"`{built_in.mail.sender}`"
    assert said["review.required"][2] == f"`{json.dumps(built_in.review.required)}`"
    assert said["run_patience_seconds"][2] == f"`{built_in.run_patience_seconds:g}`"
    assert said["retailer_tag"][3] == "`retailer:`"
    assert said["ui_url"][3] == "must be given"


def locations(page: str) -> dict[str, str]:
    """The locations of nginx that a page shows for our own pages, with what stands in each."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"location ([^\n]+?) \{\n(.*?)\n *\}", text, re.DOTALL)
    return {path: lines for path, lines in found if "127.0.0.1:8321" in lines}


def test_the_lines_for_nginx_name_who_asks_and_keep_links_out_of_the_log() -> None:
    team, answers = locations("run-it-for-real.md"), locations("confirmation-page.md")
    assert (set(team), len(answers)) == ({"/", "/login/link/"}, 1)
    for lines in (*team.values(), *answers.values()):
        assert "proxy_set_header X-Forwarded-For $remote_addr;" in lines
        assert "proxy_set_header Host " in lines
    assert all("access_log off;" in lines for lines in (team["/login/link/"], *answers.values()))


def test_every_condition_of_a_closure_is_on_its_page_with_its_rules() -> None:
    said = {row[0]: row[1] for row in rows("closing.md") if len(row) == 3 and row[0] != "condition"}
    assert said == {condition.code: condition.rule for condition in CONDITIONS}


def test_every_decision_is_on_the_closing_page_with_the_rule_it_leads_to() -> None:
    said = {row[0]: row[1] for row in rows("closing.md") if len(row) == 4 and row[0] != "decision"}
    assert said == {str(decision): needs.rule or "none" for decision, needs in NEEDS.items()}


def test_each_rule_stands_on_its_page_as_pages_and_forms_explain_it() -> None:
    rows = re.findall(r"^\| (J\d+) \| (.*?) \|", words("rules.md"), re.MULTILINE)
    assert rows == list(RULES.items())
    assert [number for number, _ in rows] == [f"J{n}" for n in range(1, 12)]


@pytest.fixture(scope="module")
def draw_life() -> ModuleType:
    return script("draw-life")


def test_the_life_of_a_case_on_its_page_is_the_one_in_the_table(draw_life: ModuleType) -> None:
    page = words("life-of-a-case.md")
    assert page == draw_life.redraw(page), "Next: scripts/draw-life"
    assert draw_life.PICTURE.read_text(encoding="utf-8") == draw_life.picture(), "Next: scripts/draw-life"


def test_the_drawing_shows_every_state_and_every_transition(draw_life: ModuleType) -> None:
    drawn = draw_life.drawing()
    assert [state for state in State if f"| {LABELS[state]} | `{state}` | {SENTENCES[state]} |" not in drawn] == []
    rows = [
        f"| {LABELS[one.before] if one.before else '-'} | `{one.by}` | {LABELS[one.after]} | {one.rule} |"
        for one in draw_life.TRANSITIONS
    ]
    assert [row for row in rows if row not in drawn] == []
    picture = draw_life.picture()
    assert [state for state in State if f">{LABELS[state]}</text>" not in picture] == []
    labels = [label.split(", ") for label in re.findall(r'class="by"[^>]*>([^<]+)<', picture)]
    assert len(labels) == picture.count("marker-end") == len({(one.before, one.after) for one in draw_life.TRANSITIONS})
    assert Counter(event for label in labels for event in label) == Counter(
        str(one.by) for one in draw_life.TRANSITIONS
    )


@pytest.fixture(scope="module")
def draw_architecture() -> ModuleType:
    return script("draw-architecture")


def test_the_house_on_its_page_is_the_one_of_the_import_contract(draw_architecture: ModuleType) -> None:
    page = words("architecture.md")
    assert page == draw_architecture.redraw(page), "Next: scripts/draw-architecture"
    assert draw_architecture.PICTURE.read_text(encoding="utf-8") == draw_architecture.picture()


def test_every_package_of_the_product_is_a_room_that_says_what_it_is_for(draw_architecture: ModuleType) -> None:
    drawn = draw_architecture.drawing()
    packages = [*(ROOT / "caseproof").iterdir(), *(ROOT / "caseproof" / "procedure").iterdir()]
    rooms = {file.relative_to(ROOT).as_posix() for file in packages if (file / "__init__.py").is_file()}
    rooms |= {"flows", "tasks", "blocks"}
    assert {name for name in rooms if f"`{name}` |" not in drawn} == set()
    assert "|  |" not in drawn, "a room's __init__.py says nothing"


def test_the_table_of_systems_is_what_their_clients_declare() -> None:
    page = words("systems.md")
    assert page == script("draw-systems").redraw(page), "Next: scripts/draw-systems"


@pytest.mark.parametrize("name", ["draw-life", "draw-configuration", "draw-architecture", "draw-systems"])
def test_a_page_without_its_markers_is_refused_and_not_half_written(name: str) -> None:
    drawer = script(name)
    with pytest.raises(ValueError, match="lacks a marker"):
        drawer.redraw("# A page\n\n" + drawer.BEGIN)


# -- when things die --------------------------------------------------------------------------------------------------

BACKED_BY = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def failures() -> list[list[str]]:
    """The lines of the failure matrix."""
    return [row for row in rows("failures.md") if row[-1] != "test"]


def names_in(file: str) -> set[str]:
    """The tests of a file under tests/, without running any of it."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_line_of_the_failure_matrix_names_a_test() -> None:
    assert len(failures()) > 50
    assert [row[0] for row in failures() if len(row) != 6 or not all(row)] == []
    assert [row[0] for row in failures() if BACKED_BY.sub("", row[-1]).strip() or not BACKED_BY.search(row[-1])] == []


def test_every_test_that_the_failure_matrix_names_is_there() -> None:
    named = [found for row in failures() for found in BACKED_BY.findall(row[-1])]
    known = {file: names_in(file) for file in {file for file, _ in named} if (ROOT / "tests" / file).is_file()}
    assert [f"{file}::{test}" for file, test in named if test not in known.get(file, ())] == []


PEOPLE = (
    "retailer", "stranger on the network", "stranger with a browser page", "operator", "owner of the files",
    "owner of the database",
)  # fmt: skip


def test_each_line_of_who_can_do_what_names_tests_that_are_there() -> None:
    lines = [row for row in rows("security.md") if row[-1] != "test"]
    assert [row[0] for row in lines if len(row) != 4 or not all(row) or row[0] not in PEOPLE] == []
    assert [row[0] for row in lines if BACKED_BY.sub("", row[-1]).strip() or not BACKED_BY.search(row[-1])] == []
    named = [found for row in lines for found in BACKED_BY.findall(row[-1])]
    assert [f"{file}::{test}" for file, test in named if test not in names_in(file)] == []


# -- adding a platform ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nightly() -> dict[str, Any]:
    """What the page's example of a platform defines, imported as the file that it is meant to be."""
    [code] = re.findall(r'^```python\n("""Nightly.*?)^```', words("platforms.md"), re.MULTILINE | re.DOTALL)
    module = ModuleType("nightly")
    sys.modules[module.__name__] = module  # pydantic looks annotations up there
    exec(compile(code, "docs/platforms.md", "exec"), module.__dict__)  # noqa: S102 - our own page
    return vars(module)


def test_the_example_of_a_platform_has_every_method_as_it_is_called(nightly: dict[str, Any]) -> None:
    methods = {name: one for name, one in vars(JobPlatform).items() if inspect.isfunction(one) and name[0] != "_"}
    assert methods
    mine = {name: inspect.signature(getattr(nightly["NightlyClient"], name)) for name in methods}
    assert mine == {name: inspect.signature(one) for name, one in methods.items()}


def test_the_example_of_a_platform_works(nightly: dict[str, Any]) -> None:
    """On a small Nightly with state: stopped, read back, run again under a key, live again."""
    job = {"id": "feed", "title": "Feed", "active": True, "shop": "garden-shop", "marketplace": "bazaar"}
    runs: dict[str, dict[str, str]] = {"r0": {"id": "r0", "job": "feed", "status": "queued", "key": ""}}

    def answer(request: httpx.Request) -> httpx.Response:
        *_, folder, name = ["", *request.url.path.removeprefix("/api/").split("/")]
        body = json.loads(request.content or "{}")
        if request.method == "PUT":
            job.update(body)
        elif name == "kill":
            runs[folder]["status"] = "killed"
        elif request.method == "POST":
            new = {"id": f"r{len(runs)}", "job": body["job"], "status": "ok", "key": body["key"], "started": NIGHT}
            found = [run for run in runs.values() if run["key"] == body["key"]] or [runs.setdefault(new["id"], new)]
            return httpx.Response(200, json=found[0])
        if (folder, name) == ("", "runs"):
            of = dict(request.url.params)
            return httpx.Response(200, json=[run for run in runs.values() if of.items() <= run.items()])
        if (folder, name) == ("", "jobs"):
            return httpx.Response(200, json=[job, {**job, "id": "other"}, {**job, "id": "stranger", "shop": "else"}])
        one = {"jobs/feed": job, **{f"runs/{run}": runs[run] for run in runs}}.get(f"{folder}/{name}")
        return httpx.Response(200, json=one) if one or name == "kill" else httpx.Response(404)

    client: JobPlatform = nightly["NightlyClient"]("http://nightly.example.com", transport=httpx.MockTransport(answer))
    feed = client.job("feed")
    assert client.probe().found == "http://nightly.example.com/api has 3 jobs"
    assert client.probe_pages().startswith("http://nightly.example.com ")
    assert [one.id for one in client.jobs_in(Scope.MARKETPLACE, feed)] == ["feed", "other"]
    assert not client.standing("feed").is_stopped
    client.stop("feed")
    assert client.standing("feed").is_stopped
    first = client.start_run("feed", "JF-000001:rerun-1")
    assert client.start_run("feed", "JF-000001:rerun-1") == first == client.run_by_key("feed", "JF-000001:rerun-1")
    assert client.run(first.id).state is RunState.SUCCEEDED
    assert client.run_by_key("feed", "another") is None
    surveyed = client.survey(datetime.fromisoformat(NIGHT) - timedelta(hours=1))
    assert [one.active for one in surveyed.jobs] == [False] * 3
    assert [run for page in surveyed.pages for run in page] == [first]
    client.go_live("feed")
    assert client.standing("feed").active
    for missing, error in ((lambda: client.job("no"), UnknownJob), (lambda: client.run("no"), UnknownRun)):
        with pytest.raises(error):
            missing()


# -- the site ---------------------------------------------------------------------------------------------------------


def pages_in(nav: list[Any]) -> Iterator[str]:
    for entry in nav:
        [target] = entry.values()
        yield from pages_in(target) if isinstance(target, list) else [target]


def test_every_page_is_in_the_sites_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(pages_in(nav)) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


def build(project: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as `make check` does."""
    [options] = re.findall(r"^check:.*?mkdocs build (.*?) --site-dir", MAKEFILE, re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-m", "mkdocs", "build", *options.split(), "--site-dir", str(folder)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT, folder)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.full
def test_a_link_to_nothing_or_a_page_outside_the_navigation_fails_the_check(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    wrong = {"up.md": "[x](no-such-page.md)", "mail.md": "[x](setup.md#no-such-heading)", "new.md": "A new page."}
    for page, text in wrong.items():
        with (tmp_path / "docs" / page).open("a", encoding="utf-8") as file:
            file.write(f"\n{text}\n")
    built = build(tmp_path, tmp_path / "site")
    assert built.returncode == 1
    warned = [line for line in built.stderr.splitlines() if any(page in line for page in wrong)]
    assert "no-such-page.md" in next(line for line in warned if "'up.md'" in line)
    assert "no-such-heading" in next(line for line in warned if "'mail.md'" in line)
    assert "new.md" in built.stderr


def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = re.compile(r"""(?:src=|<link[^>]*href=|url\(|@import )["']?(?:https?:)?//[^"')>]+""")
    files = [file for kind in ("html", "css") for file in site.rglob(f"*.{kind}")]
    assert len(files) > len([*DOCS.rglob("*.md")])
    assert {found for file in files for found in fetched.findall(file.read_text(encoding="utf-8"))} == set()


def test_the_sites_pages_show_the_pictures_that_there_are(site: Path) -> None:
    shown = {
        (page.parent / found).resolve()
        for page in site.rglob("*.html")
        for found in re.findall(r'<img[^>]* src="([^"]+\.png)"', page.read_text(encoding="utf-8"))
    }
    assert shown
    assert [picture for picture in shown if not picture.is_file()] == []
