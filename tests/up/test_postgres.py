"""The embedded PostgreSQL: made once, private, on loopback alone, as root too, and whole after a kill."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from caseproof.config.settings import Settings
from caseproof.up import postgres as module
from caseproof.up.postgres import STOP, EmbeddedPostgres, NoPostgres


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster") / "a home with spaces" / "postgres"


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(folder, durable=False).running() as running:
        yield running


def connect(cluster: EmbeddedPostgres, database: str = "postgres") -> psycopg.Connection:
    return psycopg.connect(cluster.url(database, "postgresql"), autocommit=True)


def test_it_has_the_extension_that_prefect_asks_for(cluster: EmbeddedPostgres) -> None:
    with connect(cluster) as connection:
        found = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'").fetchone()
    assert found == (1,)


def test_a_database_is_made_once(cluster: EmbeddedPostgres) -> None:
    cluster.ensure_database("made_once")
    with connect(cluster, "made_once") as connection:
        connection.execute("CREATE TABLE kept (id int)")
    cluster.ensure_database("made_once")
    with connect(cluster, "made_once") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_nobody_gets_in_without_the_password_which_its_owner_alone_may_read(
    cluster: EmbeddedPostgres, folder: Path
) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://caseproof:wrong@127.0.0.1:{cluster.port}/postgres")
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_listens_on_loopback_alone_and_never_runs_as_root(cluster: EmbeddedPostgres) -> None:
    server = cluster.orphan()
    assert server is not None
    assert psutil.Process(server.pid).uids().effective != 0
    # Of the whole machine: in a container, root may not look into the process of another user.
    open_ports = [one.laddr for one in psutil.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert [address.ip for address in open_ports if address.port == cluster.port] == ["127.0.0.1"]


def test_what_runs_already_is_used_and_left_running(cluster: EmbeddedPostgres, folder: Path) -> None:
    with EmbeddedPostgres(folder).running() as again:
        assert again.port == cluster.port
    assert cluster.answers()


def test_killed_it_comes_up_again_on_its_port_with_what_was_committed(tmp_path: Path) -> None:
    cluster = EmbeddedPostgres(tmp_path / "postgres")
    cluster.make()
    port = cluster.port
    process = cluster.start(tmp_path / "log")
    with connect(cluster) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    process.end_its_group()
    assert not cluster.answers()
    process = cluster.start(tmp_path / "log")
    try:
        assert cluster.port == port
        with connect(cluster) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    finally:
        process.stop(first=STOP)


def test_a_cluster_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    cluster = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    (tmp_path / "postgres" / "data" / "base").mkdir(parents=True)
    assert not cluster.exists
    with EmbeddedPostgres(tmp_path / "postgres", durable=False).running() as running:
        assert running.answers()


def test_without_binaries_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_from_the_wheel", list)
    monkeypatch.setattr(module, "_on_the_machine", list)
    with pytest.raises(NoPostgres, match="not on this machine") as refusal:
        EmbeddedPostgres(tmp_path / "postgres").make()
    assert "CASEPROOF_DATABASE_URL" in refusal.value.next_action
    assert not (tmp_path / "postgres").exists()


def test_data_of_another_major_version_are_not_touched(tmp_path: Path) -> None:
    cluster = EmbeddedPostgres(tmp_path / "postgres")
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    (tmp_path / "postgres" / "port").write_text("1")
    with pytest.raises(NoPostgres, match=r"PostgreSQL 9, which made this data"):
        cluster.command()


def test_from_the_day_it_was_made_it_is_the_store_of_its_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASEPROOF_DATABASE_URL", raising=False)
    settings = Settings(home=tmp_path / "home")
    assert settings.database.startswith("sqlite:")
    EmbeddedPostgres(settings.postgres.folder).make()
    assert settings.database == settings.postgres.url("caseproof")
    assert settings.model_copy(update={"database_url": None}).database.startswith("postgresql+psycopg://caseproof:")
