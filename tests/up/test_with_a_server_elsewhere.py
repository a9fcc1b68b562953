"""`caseproof up` on a Prefect server that runs already: none is started; killed and started again, it takes over."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from caseproof.config.clock import utc_now
from caseproof.up.other_clients import other_clients
from caseproof.up.processes import Identity, Process, free_port, wait_until
from sandbox.processes import PrefectServer, clean_env
from sandbox.world import ROOT, World
from tests.support.command import for_home, runner
from tests.support.up_house import recorded

SERVICES = ("worker", "web")


class Installation:
    """A home with its settings; ``up`` starts `caseproof up` for it."""

    def __init__(self, folder: Path, server: PrefectServer) -> None:
        self.home = folder / "home"
        self.folder = folder
        self.env = {
            **clean_env(folder),
            "CASEPROOF_HOME": str(self.home),
            "CASEPROOF_WEB_URL": f"http://127.0.0.1:{free_port()}",
            "PREFECT_API_URL": server.api_url,
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }
        self.started: list[Process] = []

    def up(self) -> Process:
        command = [sys.executable, "-m", "caseproof.cli", "up"]
        log = self.folder / f"up-{len(self.started)}.log"
        self.started.append(Process.start("caseproof up", command, cwd=ROOT, env=self.env, log=log))
        return self.started[-1]

    def running(self) -> Process:
        """The one that an earlier test started, or one of its own."""
        if not self.started:
            self.is_up(self.up())
        return self.started[-1]

    def is_up(self, process: Process) -> None:
        process.wait_until_ready("Caseproof to be up", lambda: "Caseproof is up." in process.log.read_text(), 300)

    def identity(self, service: str) -> Identity:
        return recorded(self.home, service)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, prefect_server: PrefectServer) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("elsewhere"), prefect_server)
    yield made
    for process in made.started:
        process.stop(20)
    for service in SERVICES:
        assert not (made.home / "up" / f"{service}.json").exists(), "a stopped supervisor leaves nothing running"


@pytest.mark.full
def test_it_uses_the_server_that_is_named_and_starts_none(
    installation: Installation, prefect_server: PrefectServer
) -> None:
    process = installation.up()
    installation.is_up(process)
    said = process.log.read_text()
    assert "Prefect's server (yours)" in said
    assert "Prefect's server is starting" not in said
    assert "Nobody can log in yet: `caseproof people link operator` prints a sign-in link." in said
    assert "/login/link/" not in said, "what is kept as a log lets nobody in"
    assert not (installation.home / "up" / "server.json").exists()
    for name in ("job-failure-case", "remove-integration"):
        deployment = World.call(prefect_server, "GET", f"deployments/name/{name}/{name}").json()
        assert deployment["work_pool_name"] == "caseproof"
        assert str(ROOT) not in json.dumps(deployment), "no folder of this machine is written into a deployment"
    forms = {one["slug"] for one in World.call(prefect_server, "POST", "block_types/filter", json={}).json()}
    assert {"caseproof-prefect-jobs", "caseproof-embedded-desk", "email-server-credentials"} <= forms


@pytest.mark.full
@pytest.mark.usefixtures("installation")
def test_who_else_uses_a_server_is_read_from_prefect_itself(prefect_server: PrefectServer) -> None:
    pool = f"customers-{uuid4().hex[:8]}"
    World.call(prefect_server, "POST", "work_pools/", json={"name": pool, "type": "process"})
    World.call(prefect_server, "POST", f"work_pools/{pool}/workers/heartbeat", json={"name": "theirs"})
    flow = World.call(prefect_server, "POST", "flows/", json={"name": "orders-feed"}).json()["id"]
    World.call(prefect_server, "POST", "deployments/", json={"name": f"0-served-{pool}", "flow_id": flow})
    named = other_clients(prefect_server.api, "ours", utc_now())
    (worker,) = [one for one in named if pool in one and "the worker theirs" in one]
    assert f"last seen {utc_now():%Y-%m-%d}" in worker
    assert any(f"0-served-{pool}" in one for one in named if "no work pool" in one)
    assert not [one for one in named if "case-keeper" in one]
    World.call(prefect_server, "DELETE", f"work_pools/{pool}")


@pytest.mark.full
def test_killed_itself_the_next_up_takes_its_services_over_and_then_stops_them(installation: Installation) -> None:
    first = installation.running()
    before = {service: installation.identity(service) for service in SERVICES}
    os.kill(first.pid, signal.SIGKILL)
    first.wait(60)
    assert all(identity.is_running for identity in before.values()), "its services go on without it"
    second = installation.up()
    installation.is_up(second)
    assert {service: installation.identity(service) for service in SERVICES} == before
    assert "Worker runs already; it is not started twice." in second.log.read_text()
    os.kill(before["web"].pid, signal.SIGKILL)
    wait_until("the web app to be started again", lambda: installation.identity("web") != before["web"], 60)
    os.kill(second.pid, signal.SIGTERM)
    second.wait(240)
    assert not any(identity.is_running for identity in before.values())
    assert "Everything that was started here is stopped" in second.log.read_text()


def refused(home: Path, api_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What `caseproof up`, here in this process, says before it gives up."""
    for_home(home, monkeypatch)
    monkeypatch.setenv("CASEPROOF_WEB_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("PREFECT_API_URL", api_url)
    ended = runner(monkeypatch, capsys)("up")
    assert ended.code == 1
    return ended.out + ended.err


@pytest.mark.full
@pytest.mark.usefixtures("installation")
def test_a_server_that_carries_another_homes_cases_is_refused(
    tmp_path: Path, prefect_server: PrefectServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else both homes would take each other's runs: both have a JF-000001."""
    said = refused(tmp_path / "home", prefect_server.api_url, monkeypatch, capsys)
    assert "carries the cases of another CASEPROOF_HOME" in said
    assert "caseproof_home" in said
    assert "Everything that was started here is stopped" in said
    assert "is starting" not in said
    assert not (tmp_path / "home" / "up" / "worker.json").exists()


def test_a_named_server_that_does_not_answer_is_said_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(tmp_path / "home", f"http://127.0.0.1:{free_port()}/api", monkeypatch, capsys)
    assert "does not answer" in said
    assert "unset PREFECT_API_URL" in said
    assert "is starting" not in said


def test_an_error_in_the_policy_is_told_before_anything_is_started_and_one_from_before_stays_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, nowhere = tmp_path / "home", f"http://127.0.0.1:{free_port()}/api"
    home.mkdir()
    (home / "policy.yaml").write_text("team: [operator, lead]\non_call:\n  people: [{name: technician, mobil: '1'}]\n")
    said = refused(home, nowhere, monkeypatch, capsys)
    assert "on_call.people.technician.mobil: there is no such entry (misspelt?)" in said
    assert "Next: Correct these entries." in said
    assert "does not answer" not in said, "nothing was asked yet, and nothing begun"
    assert [path.name for path in home.iterdir()] == ["policy.yaml"]
    (home / "policy.yaml").write_text("team: [operator, lead]\n")
    assert "does not answer" in refused(home, nowhere, monkeypatch, capsys)
    (home / "policy.yaml").write_text("team: [operator, lead\n")
    said = refused(home, nowhere, monkeypatch, capsys)
    assert "is not YAML at line 2" in said
    assert "Until then the policy from before stays in force" in said
    assert "does not answer" in said, "a typing error keeps no case waiting"


@pytest.mark.full
def test_stopped_while_it_is_starting_it_leaves_nothing(installation: Installation) -> None:
    process = installation.up()
    process.wait_until_ready("the worker to be started", lambda: (installation.home / "up" / "worker.json").exists())
    worker = installation.identity("worker")
    os.kill(process.pid, signal.SIGTERM)
    process.wait(240)
    assert not worker.is_running
    assert "Stopped while it was starting." in process.log.read_text()
