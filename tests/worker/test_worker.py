"""The warm worker on a real Prefect server: what the stock process worker gives, it gives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.up.processes import wait_until
from sandbox.processes import PrefectServer

FLOW = """
import os, pathlib, signal, sys, threading, time
from prefect import flow, get_run_logger, suspend_flow_run, task
from prefect.input import RunInput
import beside

class Said(RunInput):
    word: str = ""

@task
def one(number):
    return number + 1

@flow(log_prints=True)
def job(do: str = "pass"):
    get_run_logger().info("begun in %s with %s", os.getpid(), beside.WORD)
    print("printed")
    assert one(1) == 2
    exec(do)
"""

BESIDE = """
import logging

logging.getLogger("prefect.flow_runs").setLevel(logging.INFO)
"""
"""A module that does something to Prefect's loggers when it is imported, as a flow's modules may."""


class Warm:
    """A pool with a worker of ours, and one deployment in it."""

    pool_type = "warm-process"
    query_seconds = 0.5

    def __init__(self, server: PrefectServer, folder: Path) -> None:
        self.server, self.folder, self.pool = server, folder, f"warm-{folder.name}"
        self.log = folder / "worker.log"
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "beside.py").write_text(BESIDE + "WORD = 'first'\n")
        (self.code / "jobs.py").write_text(FLOW)
        self.worker: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> SyncPrefectClient:
        return get_client(sync_client=True)

    def start(self) -> None:
        root = Path(__file__).parents[2]
        given = ["worker", "start", "--type", "warm-process", "--pool", self.pool, "--install-policy", "never"]
        env = self.server.env() | {
            "PYTHONPATH": f"{root}{os.pathsep}{self.code}",
            "PREFECT_WORKER_QUERY_SECONDS": f"{self.query_seconds:g}",
            "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "prefect", *given]
            self.worker = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.folder)
        wait_until("the worker to start", lambda: "started!" in self.said, 120)

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def deploy(self) -> None:
        steps = [{"prefect.deployments.steps.set_working_directory": {"directory": str(self.code)}}]
        with self.client as client:
            client.create_work_pool(WorkPoolCreate(name=self.pool, type=self.pool_type))
            flow = client._client.post("/flows/", json={"name": "job"}).json()["id"]
            made = {
                "name": self.pool, "flow_id": flow, "entrypoint": "jobs.py:job", "work_pool_name": self.pool,
                "pull_steps": steps, "enforce_parameter_schema": False,
            }  # fmt: skip
            self.deployment = UUID(client._client.post("/deployments/", json=made).json()["id"])

    def begin(self, do: str = "pass", **more: Any) -> UUID:
        with self.client as client:
            return client.create_flow_run_from_deployment(self.deployment, parameters={"do": do}, **more).id

    def read(self, run: UUID) -> FlowRun:
        with self.client as client:
            return client.read_flow_run(run)

    def state(self, run: UUID) -> str:
        return str(self.read(run).state_name)

    def ends(self, run: UUID, seconds: float = 120) -> str:
        wait_until("the run to end", lambda: (state := self.read(run).state) is not None and state.is_final(), seconds)
        return self.state(run)

    def becomes(self, run: UUID, name: str) -> None:
        wait_until(f"the run to be {name}", lambda: self.state(run) == name, 120)

    def logs(self, run: UUID) -> str:
        found = {"flow_run_id": {"any_": [str(run)]}}
        with self.client as client:
            return "\n".join(one["message"] for one in client._client.post("/logs/filter", json={"logs": found}).json())

    def servers(self) -> list[psutil.Process]:
        assert self.worker is not None
        children = psutil.Process(self.worker.pid).children()
        return [one for one in children if "warm_worker.forkserver" in one.cmdline()]

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.send_signal(number)
            self.worker.wait(240)


@pytest.fixture(scope="module")
def warm(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        made = Warm(prefect_server, tmp_path_factory.mktemp("worker"))
        made.deploy()
        made.start()
        yield made
        made.stop()


def test_runs_are_forked_log_print_fail_crash_suspend_and_are_resumed_like_any(warm: Warm) -> None:
    good, bad, killed = warm.begin(), warm.begin("1 / 0"), warm.begin("os.kill(os.getpid(), signal.SIGKILL)")
    assert warm.ends(good) == "Completed"
    wait_until("the logs to arrive", lambda: "printed" in warm.logs(good), 60)
    assert re.search(r"begun in \d+ with first", warm.logs(good))
    assert warm.ends(bad) == "Failed"
    assert warm.ends(killed) == "Crashed"
    assert "-9" in str(warm.read(killed).state.message)  # type: ignore[union-attr]
    asking = warm.begin("suspend_flow_run(wait_for_input=Said, key='q', timeout=None)")
    warm.becomes(asking, "Suspended")
    with warm.client as client:
        answer = client._client.post(f"/flow_runs/{asking}/resume", json={"run_input": {"word": "yes"}})
        assert answer.json()["status"] == "ACCEPT"
    assert warm.ends(asking) == "Completed"
    other = {"env": {"PREFECT_CLIENT_MAX_RETRIES": "3"}}
    settings = "import prefect.settings as s; print('tries', s.get_current_settings().client.max_retries)"
    others = warm.begin(settings, job_variables=other)
    assert warm.ends(others) == "Completed"
    wait_until("the logs to arrive", lambda: "tries 3" in warm.logs(others), 60)
    assert "begun in" in warm.logs(others)
    assert "the stock way" not in warm.said
    assert len(warm.servers()) == 1


def test_a_run_that_goes_on_before_its_last_process_has_ended_is_carried_to_its_end(warm: Warm) -> None:
    gone, may_go = warm.folder / "gone", warm.folder / "the first process may go"
    lingers = "\n".join([
        "def linger():",
        "    ends = time.monotonic() + 240",
        f"    while not pathlib.Path({str(may_go)!r}).exists() and time.monotonic() < ends: time.sleep(0.1)",
        f"    pathlib.Path({str(gone)!r}).touch()",
        "import atexit; atexit.register(linger)",
    ])  # fmt: skip
    run = warm.begin(f"{lingers}\nsuspend_flow_run(wait_for_input=Said, key='q', timeout=None)")
    warm.becomes(run, "Suspended")
    with warm.client as client:
        client._client.post(f"/flow_runs/{run}/resume", json={"run_input": {"word": "yes"}})
    wait_until("it to be carried by a second process", lambda: warm.state(run) in ("Running", "Completed"), 120)
    assert not gone.exists(), "its first process is still there"
    may_go.touch()
    assert warm.ends(run) == "Completed"
    wait_until("the first process to end", gone.exists, 120)
    assert warm.ends(warm.begin()) == "Completed"
    assert "Lost connection" not in warm.said
    assert "KeyError" not in warm.said


def test_a_server_that_is_killed_in_the_middle_of_its_runs_loses_none_and_starts_none_twice(
    warm: Warm, full_run: bool
) -> None:
    count = 10 if full_run else 4
    out, go = warm.folder / "ran", warm.folder / "go"
    wait = f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.2)"
    do = f"{wait}\npathlib.Path({str(out)!r}).open('a').write(f'{{os.getpid()}} ')"
    runs = [warm.begin(do) for _ in range(count)]
    for run in runs:
        warm.becomes(run, "Running")
    [server] = warm.servers()
    server.kill()
    later = warm.begin(do)
    warm.becomes(later, "Running")
    go.touch()
    assert [warm.ends(run) for run in (*runs, later)] == ["Completed"] * (count + 1)
    ran = out.read_text().split()
    assert len(ran) == len(set(ran)) == count + 1
    assert "The fork server died; its runs go on, and a new one is started." in warm.said


def test_new_code_is_picked_up_without_losing_a_run_and_a_syntax_error_keeps_the_old(warm: Warm) -> None:
    def word(run: UUID) -> str:
        assert warm.ends(run) == "Completed"
        wait_until("the logs to arrive", lambda: "begun in" in warm.logs(run), 60)
        return warm.logs(run).partition("begun in")[2].split()[2]

    assert word(warm.begin()) == "first"
    go = warm.folder / "new code is there"
    long = warm.begin(f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.2)")
    warm.becomes(long, "Running")
    (warm.code / "beside.py").write_text(BESIDE + "WORD = 'second'\n")
    time.sleep(1.1)
    assert word(warm.begin()) == "second"
    go.touch()
    assert warm.ends(long) == "Completed"
    (warm.code / "beside.py").write_text("WORD = = 'third'\n")
    time.sleep(1.1)
    assert word(warm.begin()) == "second"
    assert "runs go on with what was there before" in warm.said
    assert "SyntaxError" in warm.said
