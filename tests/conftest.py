"""What every test may use. A fixture starts its server when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from caseproof.store import store
from caseproof.up.postgres import EmbeddedPostgres
from sandbox.processes import PrefectServer, start_prefect_server
from tests.support import migrated

# Each HTTP client reads all authorities anew, also to speak with 127.0.0.1 without TLS: a twentieth of a second of each
# client, here and in the processes that tests start. No test speaks with the world outside, so one authority will do.
os.environ.setdefault("SSL_CERT_FILE", str(Path(__file__).parent / "support" / "nobody.pem"))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A real Prefect server of this test session's own, without a password and without a worker."""
    server = start_prefect_server(tmp_path_factory.mktemp("prefect-server"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL of this test session's own; nothing in it waits for the disk."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "cluster", durable=False).running() as cluster:
        yield cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills", type=int, default=1, help="How often each part of `caseproof up` is killed (default 1)."
    )


@pytest.fixture(autouse=True)
def _environment_stays() -> Iterator[None]:
    """A command that runs in this process sets variables for itself alone."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        if name.startswith(("CASEPROOF_", "PREFECT_")):
            del os.environ[name]


@pytest.fixture(autouse=True)
def _new_stores_are_migrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new SQLite store after the first is made as the first one came out; tests/store/ goes without this."""
    monkeypatch.setattr(store, "upgrade", migrated.upgrade)


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    """How often each part of `caseproof up` is killed."""
    return int(pytestconfig.getoption("kills"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that at the end no processor waits for one of them."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
