"""What every test may use, and which tests run where: the short run, or all of them with ``--full``.

A fixture starts its server when the first test asks for it. The tests that share a server run in one process, one after
the other: so there is one Prefect server and one PostgreSQL of the whole run, and no test meets what
another is doing there at the same time.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpcore
import pytest
from hypothesis import HealthCheck, settings

from caseproof.store import databases, store
from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.prefect_services import NOBODY
from sandbox.processes import PrefectServer, start_prefect_server
from tests.support import migrated, statements

# Each HTTP client reads all authorities anew, also to speak with 127.0.0.1 without TLS: a twentieth of a second of each
# client, here and in the processes that tests start. No test speaks with the world outside, so nobody needs be trusted.
os.environ.setdefault("SSL_CERT_FILE", str(NOBODY))
os.environ.setdefault("PREFECT_API_SSL_CERT_FILE", str(NOBODY))  # Prefect's clients have a list of their own

# Thousands of tests and all that they import are here to the end: whoever looks for garbage need not walk over them
# again and again, which took an eighth of all the time (`pytest_collection_finish`).
gc.disable()

TESTS = Path(__file__).parent

NEEDS = {"test_real_airflow.py": "CASEPROOF_TEST_AIRFLOW", "test_real_mail.py": "CASEPROOF_TEST_POSTFIX"}
"""The files that need a real server, which their own `make test-...` names in this variable: else they are no tests."""
collect_ignore_glob = [f"*/{name}" for name, variable in NEEDS.items() if not os.environ.get(variable)]

SHARED = {"prefect_server", "postgres"}
"""The servers of the whole run, by their fixtures."""
SHARING = "the shared servers"
"""The xdist group of the tests that use one."""

# How long an example takes is a matter of the machine, so no deadline. The short run draws the same examples each time:
# what it finds, everybody finds; new ones are the full run's.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("short", max_examples=20, derandomize=True, database=None, **_PATIENT)
settings.register_profile("full", max_examples=300, **_PATIENT)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="Also the tests marked `full`, and ten times the examples.")
    parser.addoption(
        "--kills", type=int, help="How often each part of `caseproof up` is killed (default 1, with --full 3)."
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell without job control starts what runs in the background deaf to it, and so would be all that tests start:
    # Prefect's worker, for one, ends itself by this signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.load_profile("full" if config.getoption("full") else "short")
    _begin_elsewhere(config)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL; nothing in it waits for the disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "cluster", durable=False).running() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory, postgres: EmbeddedPostgres) -> Iterator[PrefectServer]:
    """A real Prefect server with its data in that PostgreSQL, without a password and without a worker."""
    postgres.ensure_database("prefect")
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url("prefect", "postgresql+asyncpg")}
    server = start_prefect_server(tmp_path_factory.mktemp("prefect-server"), env=database)
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _environment_stays() -> Iterator[None]:
    """A command that runs in this process sets variables for itself alone."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        if name.startswith(("CASEPROOF_", "PREFECT_")):
            del os.environ[name]


@pytest.fixture(autouse=True)
def _stores_are_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """What thousands of stores would each pay for, in this process: tests/store/ goes without this.

    Each new SQLite store after the first is made as the first one came out, and knows the statements of the others; and
    nothing waits for the disk: only a machine that loses its power could tell.
    """
    monkeypatch.setattr(store, "upgrade", migrated.upgrade)
    monkeypatch.setattr(databases, "create_engine", statements.create_engine)
    pragmas = databases.SqliteDatabase._PRAGMAS
    assert "synchronous = FULL" in pragmas
    monkeypatch.setattr(databases.SqliteDatabase, "_PRAGMAS", (*pragmas, "synchronous = OFF"))
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _nobody_waits_for_who_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's client connects four times, with a second and a half between, to a server that refuses connections."""
    monkeypatch.setattr(httpcore.SyncBackend, "sleep", lambda *_: None)
    monkeypatch.setattr(httpcore.AnyIOBackend, "sleep", lambda *_: asyncio.sleep(0))


@pytest.fixture(scope="session")
def full_run(pytestconfig: pytest.Config) -> bool:
    """Whether this is the full run."""
    return bool(pytestconfig.getoption("full"))


@pytest.fixture
def kills(pytestconfig: pytest.Config, full_run: bool) -> int:
    """How often each part of `caseproof up` is killed."""
    return int(pytestconfig.getoption("kills") or (3 if full_run else 1))


# -- which tests, where, in which order --------------------------------------------------------------------------------


def _begin_elsewhere(config: pytest.Config) -> None:
    """Each process of xdist begins to collect at another file: what one rewrote and compiled, the others find done.

    In a fresh clone each would otherwise do it all, at the same time. The order is the same again in
    `pytest_collection_modifyitems`.
    """
    process, count = (os.environ.get(f"PYTEST_XDIST_WORKER{what}", "") for what in ("", "_COUNT"))
    if process and [Path(argument).resolve() for argument in config.args] == [TESTS]:
        absent = {pattern.removeprefix("*/") for pattern in collect_ignore_glob}  # pytest ignores none that is named
        files = sorted(str(file) for file in TESTS.rglob("test_*.py") if file.name not in absent)
        first = int(process.removeprefix("gw")) * len(files) // int(count)
        config.args[:] = files[first:] + files[:first]


def pytest_collection_finish() -> None:
    """From here on garbage is looked for, among what the tests make; seldom, for they make much."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Leave out what only the full run has, unless it is asked for by its name; say which process runs a test.

    The long ones come first, so that at the end no processor waits for one of them. A wrapper, because xdist reads the
    groups in the same hook, and would read them before they are there.
    """
    named = any("::" in argument for argument in config.args)
    if not (config.getoption("full") or named):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("full")])
        items[:] = [item for item in items if not item.get_closest_marker("full")]
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: (_place(item), item.nodeid.partition("::")[0]))
    yield
    lost = [item.nodeid for item in items if not item.nodeid.endswith(f"@{_group(item)}")]
    if getattr(config.option, "loadgroup", False) and lost:
        raise pytest.UsageError(f"xdist does not group {lost[0]}: each process would start all servers. Pin pytest.")


def _place(item: pytest.Item) -> int:
    if _group(item) == SHARING:  # one process has all of these: no other group takes as long
        return 0
    return 1 if item.get_closest_marker("e2e") else 2


def _group(item: pytest.Item) -> str:
    """The tests of a file run in one process, for they share what is made for the file."""
    used = {*getattr(item, "fixturenames", ())}
    if hasattr(item, "callspec"):  # a store of tests/store/ is on the database that its parameter names
        used |= {"postgres"} if item.callspec.params.get("stores") == "postgresql" else set()
        used |= {*getattr(item.callspec.params.get("line"), "NEEDS", ())}  # and a line of tests/conformance/ says it
    return SHARING if used & SHARED else item.nodeid.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A test is shown by the name that pytest takes, without the group that xdist puts behind it."""
    here_it_is_shown = "PYTEST_XDIST_WORKER" not in os.environ
    if here_it_is_shown and report.nodeid.rfind("@") > report.nodeid.rfind("]"):
        report.nodeid = report.nodeid.rpartition("@")[0]
