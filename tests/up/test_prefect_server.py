"""The Prefect servers of the small world and the tests: each has a PostgreSQL of its own, which never outlives it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from caseproof.up import postgres
from caseproof.up.postgres import EmbeddedPostgres
from sandbox import processes
from sandbox.processes import start_prefect_server

DEADLY = {"PREFECT_SERVER_API_PORT": "no number"}
"""A setting with which Prefect's server ends before it has begun."""


@pytest.fixture
def ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends sooner still, where nothing of it counts but that it ended."""
    monkeypatch.setattr(processes, "server_command", lambda *_: [sys.executable, "-S", "-c", "raise SystemExit(3)"])


def test_a_server_that_does_not_start_leaves_no_database_running(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Prefect server ended"):
        start_prefect_server(tmp_path, env=DEADLY)
    cluster = EmbeddedPostgres(tmp_path / "postgres")
    assert cluster.exists
    assert cluster.orphan() is None
    assert not cluster.answers()


@pytest.mark.usefixtures("ends_at_once")
def test_a_server_whose_database_is_named_gets_no_other(tmp_path: Path) -> None:
    named = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path}/named.sqlite"}
    with pytest.raises(RuntimeError, match="Prefect server ended"):
        start_prefect_server(tmp_path, env=named)
    assert not (tmp_path / "postgres").exists()


@pytest.mark.usefixtures("ends_at_once")
def test_without_a_postgresql_the_server_is_started_all_the_same_and_it_is_said_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_from_the_wheel", list)
    monkeypatch.setattr(postgres, "_on_the_machine", list)
    said: list[str] = []
    with pytest.raises(RuntimeError, match="Prefect server ended"):
        start_prefect_server(tmp_path, say=said.append)
    assert not (tmp_path / "postgres").exists()
    assert len(said) == 1
    assert "on SQLite" in said[0]
    assert "PostgreSQL is not on this machine. Install it (`pip install 'caseproof[postgres]'`)" in said[0]
