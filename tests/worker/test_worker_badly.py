"""The warm worker on a real Prefect server, where things go wrong: no run is lost or runs twice, the log says it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from caseproof.up.postgres import EmbeddedPostgres
from caseproof.up.processes import free_port, wait_until
from sandbox import processes
from sandbox.processes import PrefectServer, start_prefect_server
from tests.worker.test_worker import Warm

ROOT = Path(__file__).parents[2]

HASTY = """
import errno, os, pathlib, subprocess, sys, threading
from prefect.cli import app
from warm_worker import client, stable, worker

client.LIFE_SECONDS = float(os.environ["LIFE_SECONDS"])
stable.AGAIN_SECONDS = 1.0
worker.SILENCE_SECONDS = 5.0
worker._end.__defaults__ = (2.0,)
worker.TRIES_SECONDS = (0.5,) * 600
full, nearly = pathlib.Path("full").absolute(), pathlib.Path("nearly full").absolute()

def starts(real, refusing, error):
    def start(*args, **more):
        if any(one.exists() for one in refusing):
            raise error
        return real(*args, **more)
    return start

no_more = BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
subprocess.Popen.__init__ = starts(subprocess.Popen.__init__, [full], no_more)
threading.Thread.start = starts(threading.Thread.start, [full, nearly], RuntimeError("can't start new thread"))
app()
"""
"""The worker with shorter waits, on a machine whose process table is full as long as a file is there."""


class Badly(Warm):
    """A pool with workers that things happen to."""

    def __init__(self, server: PrefectServer, folder: Path, api_url: str | None = None) -> None:
        super().__init__(server, folder)
        self.api_url = api_url or server.api_url
        self.life_seconds = 30.0
        self.workers: list[subprocess.Popen[bytes]] = []

    def run_worker(self, name: str = "one", *, pool: str = "", more: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        env = self.server.env() | {
            "PREFECT_API_URL": self.api_url,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{self.code}",
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
            "PYTHONUNBUFFERED": "1",
            "LIFE_SECONDS": f"{self.life_seconds}",
        }
        given = ["worker", "start", "--type", "warm-process", "--pool", pool or self.pool, "--name", name, *more]
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", HASTY, *given, "--install-policy", "never"]
            self.worker = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=self.folder)
        self.workers.append(self.worker)
        return self.worker

    def start(self, name: str = "one", *more: str) -> None:
        self.run_worker(name, more=more)
        wait_until(f"the worker {name} to start", lambda: f"Worker {name!r} started!" in self.said, 120)

    def says(self, what: str, times: int = 1) -> None:
        wait_until(f"the log to say: {what}", lambda: self.said.count(what) >= times, 120)

    def stop(self, number: int = signal.SIGTERM) -> None:
        for worker in self.workers:
            self.worker = worker
            super().stop(number)

    # What runs do is told in files, so that it can be counted.

    def marks(self, name: str) -> str:
        """What a run does to be counted: its process and its parent's, on a line of a file."""
        return f"pathlib.Path({str(self.folder / name)!r}).open('a').write(f'{{os.getpid()}} {{os.getppid()}}\\n')"

    def marked(self, name: str) -> list[list[str]]:
        file = self.folder / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def waits_for(self, name: str) -> str:
        return f"while not pathlib.Path({str(self.folder / name)!r}).exists(): time.sleep(0.1)"

    def until(self, name: str) -> None:
        (self.folder / name).touch()


@pytest.fixture
def badly(prefect_server: PrefectServer, tmp_path: Path) -> Iterator[Badly]:
    """A pool of the test's own, with no worker yet."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        made = Badly(prefect_server, tmp_path)
        made.deploy()
        yield made
        made.stop()


@pytest.fixture(scope="module")
def pool(prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Badly]:
    with temporary_settings({PREFECT_API_URL: prefect_server.api_url}):
        made = Badly(prefect_server, tmp_path_factory.mktemp("badly"))
        made.life_seconds = 15.0
        made.deploy()
        yield made
        made.stop()


@pytest.fixture
def shared(pool: Badly) -> Badly:
    """A pool with one worker that lives, for tests after which it can go on."""
    if pool.worker is None or pool.worker.poll() is not None:
        pool.start()
    return pool


def test_while_the_machine_starts_no_process_runs_wait_and_the_log_says_so(shared: Badly) -> None:
    full, nearly = shared.folder / "full", shared.folder / "nearly full"
    full.touch()
    for server in shared.servers():
        server.kill()
    run = shared.begin(shared.marks("ran when there was room"))
    shared.says("is started the stock way: no fork server: the machine starts no process: Resource temporarily unavail")
    shared.says("The machine starts no process ([Errno 11] Resource temporarily unavailable); tried again in 0.5 s.", 2)
    nearly.touch()
    full.unlink()  # the next process is the last one that it starts
    assert shared.ends(run) == "Completed"
    nearly.unlink()
    assert len(shared.marked("ran when there was room")) == 1


@pytest.mark.full
def test_a_fork_server_that_hangs_is_ended_and_its_run_starts_the_stock_way(shared: Badly) -> None:
    at_work = shared.begin(shared.marks("at work") + "\n" + shared.waits_for("the stock one to end"))
    wait_until("the run to be at work", lambda: shared.marked("at work"), 120)
    [server] = shared.servers()
    assert shared.marked("at work")[0][1] == str(server.pid)
    server.suspend()
    assert shared.ends(shared.begin(shared.marks("stock"))) == "Completed"
    assert "is started the stock way: the fork server does not answer, and was ended." in shared.said
    shared.until("the stock one to end")
    assert shared.ends(at_work) == "Completed"
    assert shared.worker is not None
    assert [parent for _, parent in shared.marked("stock")] == [str(shared.worker.pid)]


def test_a_run_that_hangs_holds_up_no_other_and_is_ended_by_a_cancel_or_with_its_worker(shared: Badly) -> None:
    deaf = shared.marks("deaf") + "\nwhile True:\n  try: time.sleep(300)\n  except BaseException: pass"
    hangs, is_deaf, stays = shared.begin("time.sleep(300)"), shared.begin(deaf), shared.begin("time.sleep(300)")
    wait_until("the deaf one to be at work", lambda: shared.marked("deaf"), 120)
    for run in (hangs, stays):
        shared.becomes(run, "Running")
    assert shared.ends(shared.begin()) == "Completed"
    with shared.client as client:
        for run in (hangs, is_deaf):
            client.set_flow_run_state(run, Cancelling())
    for run in (hangs, is_deaf):  # a run that hears of its end may say Crashed first: the worker has the last word
        shared.becomes(run, "Cancelled")
    pids = [int(str(shared.read(run).infrastructure_pid)) for run in (hangs, is_deaf, stays)]
    assert [psutil.pid_exists(pid) for pid in pids] == [False, False, True]
    shared.stop()
    assert not psutil.pid_exists(pids[2])


@pytest.mark.full
def test_two_workers_share_their_runs_and_one_that_is_killed_takes_none_with_it(badly: Badly, full_run: bool) -> None:
    count = 20 if full_run else 6
    most = ("--limit", str(count - 1))  # so that none takes them all
    badly.run_worker("one", more=most)
    badly.start("two", *most)
    killed = badly.workers[0]
    do = "\n".join([badly.marks("begun"), badly.waits_for("go"), badly.marks("ended")])
    runs = [badly.begin(do) for _ in range(count)]
    wait_until("all to be at work", lambda: len(badly.marked("begun")) == count, 120)
    assert len({server for _, server in badly.marked("begun")}) == 2, "both are at work"
    killed.kill()
    time.sleep(2)  # the other one polls, and finds nothing that it could start again
    badly.until("go")
    assert [badly.ends(run) for run in runs] == ["Completed"] * count
    assert len(badly.marked("begun")) == len(badly.marked("ended")) == count
    assert badly.workers[1].poll() is None


def test_a_pool_of_another_type_is_refused_in_words_and_its_runs_wait(badly: Badly) -> None:
    other = f"{badly.pool}-other"
    with badly.client as client:
        client.create_work_pool(WorkPoolCreate(name=other, type="docker"))
        client._client.patch(f"/deployments/{badly.deployment}", json={"work_pool_name": other})
    run = badly.begin()
    assert badly.run_worker(pool=other).wait(120) == 1
    said = " ".join(badly.said.split())
    assert "is of the type 'docker', and this worker is for 'warm-process': nothing was started." in said
    assert "Start a worker with --type docker, or make a pool for this one: prefect work-pool create NAME" in said
    assert "Traceback" not in said
    assert badly.read(run).state.is_scheduled()  # type: ignore[union-attr]
    with badly.client as client:
        assert client._client.post(f"/work_pools/{other}/workers/filter", json={}).json() == []


# -- Prefect goes away ------------------------------------------------------------------------------------------------


class Line:
    """A way to a Prefect server that can be cut: then nobody listens on its port."""

    def __init__(self, server: PrefectServer) -> None:
        self.to = int(server.ui_url.rpartition(":")[2])
        self.port = free_port()
        self.ends: list[socket.socket] = []
        self.join()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def join(self) -> None:
        self.ends.append(socket.create_server(("127.0.0.1", self.port)))
        threading.Thread(target=self._accept, args=(self.ends[0],), daemon=True).start()

    def cut(self) -> None:
        ends, self.ends = self.ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                here, _ = listening.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                self.ends += here, there
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)


def goes_away(badly: Badly, away: Callable[[Callable[[], None]], UUID | None]) -> None:
    """Runs before, in and after the time that Prefect is away. ``away`` calls what it is given in the middle of it."""
    badly.start()
    begins = badly.marks("begun")  # a run that is Running has some calls to make yet before its first line
    long = badly.begin("\n".join([begins, badly.waits_for("it is back"), badly.marks("ran")]))
    ends = badly.begin("\n".join([begins, badly.waits_for("it is away"), badly.marks("ran")]))
    dies = badly.begin(
        "\n".join([begins, badly.waits_for("it is away"), badly.marks("died"), "os.kill(os.getpid(), 9)"])
    )
    wait_until("three runs to be at work", lambda: len(badly.marked("begun")) == 3, 120)

    def meanwhile() -> None:
        badly.until("it is away")
        badly.says("Prefect does not answer. Runs that are at work go on, others wait until it does.")
        wait_until("two runs to end while it is away", lambda: badly.marked("died") and badly.marked("ran"), 120)

    scheduled = away(meanwhile) or badly.begin(badly.marks("ran"))
    badly.until("it is back")
    assert [badly.ends(run, 150) for run in (long, ends, scheduled)] == ["Completed"] * 3
    assert badly.ends(dies, 150) == "Crashed"
    assert "-9" in str(badly.read(dies).state.message)  # type: ignore[union-attr]
    assert len(badly.marked("ran")) == 3
    assert len(badly.marked("died")) == 1
    badly.says("Prefect answers again.")
    assert badly.worker is not None
    assert badly.worker.poll() is None


@pytest.mark.full
def test_while_prefect_is_away_runs_go_on_and_others_wait_and_the_log_says_so(
    prefect_server: PrefectServer, badly: Badly
) -> None:
    line = Line(prefect_server)
    badly.api_url = line.api_url

    def cut(meanwhile: Callable[[], None]) -> UUID:
        line.cut()
        scheduled = badly.begin(badly.marks("ran"))
        meanwhile()
        line.join()
        return scheduled

    try:
        goes_away(badly, cut)
    finally:
        badly.stop()
        line.cut()


@pytest.mark.full
def test_a_prefect_that_is_away_for_a_minute_costs_no_run(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.ensure_database("away")
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url("away", "postgresql+asyncpg")}
    with ExitStack() as ending:
        server = start_prefect_server(tmp_path / "server", env=database)
        ending.callback(server.stop)
        ending.enter_context(temporary_settings({PREFECT_API_URL: server.api_url}))
        badly = Badly(server, tmp_path)
        badly.deploy()
        ending.callback(badly.stop)

        def stopped(meanwhile: Callable[[], None]) -> None:
            server.process.stop()
            until = time.monotonic() + 60
            meanwhile()
            time.sleep(until - time.monotonic())
            monkeypatch.setattr(processes, "free_port", lambda: int(server.ui_url.rpartition(":")[2]))
            ending.callback(start_prefect_server(tmp_path / "server", env=database).stop)

        goes_away(badly, stopped)
