"""Real processes for the small world and the tests: a Prefect server and its workers, on free loopback ports.

Everything a process writes (database, user interface, temporary files, log) stays under the folder it is
given, and nothing of the person's own Prefect profile or environment reaches it. Prefect's own intervals
are left alone (a schedule set live gets its next runs within 5 seconds), but for how often a worker looks
for work.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx

T = TypeVar("T")

START_SECONDS = 120.0  # a Prefect server needs 10 to 15 s; two busy cores can make it a minute
GRACE_SECONDS = 8.0


def wait_until(what: str, check: Callable[[], T | None], seconds: float, every: float = 0.3) -> T:
    """Ask ``check`` every so many seconds until it answers something true, and return that.

    Raises TimeoutError that names ``what`` when it has not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := check():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} seconds in vain for {what}.")
        time.sleep(every)


def free_port() -> int:
    """A TCP port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A running program with its own process group and a log file."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.popen = popen
        self.log = log

    @classmethod
    def start(cls, name: str, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Process:
        """Start ``command`` in a session of its own; a Ctrl-C in the terminal reaches only us."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            popen = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, popen, log)

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def last_lines(self, count: int = 20) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def must_run(self) -> None:
        """Raises RuntimeError with the end of the log when the process has ended."""
        if not self.is_running:
            raise RuntimeError(
                f"The {self.name} ended with exit code {self.popen.returncode}. "
                f"The end of its log:\n{self.last_lines()}"
            )

    def wait_until_ready(self, what: str, check: Callable[[], T | None], seconds: float = START_SECONDS) -> T:
        """``wait_until``, but gives up at once when the process dies; a late one is stopped."""

        def alive_and_ready() -> T | None:
            self.must_run()
            return check()

        try:
            return wait_until(what, alive_and_ready, seconds)
        except TimeoutError as error:
            self.stop()
            raise TimeoutError(f"{error} The end of its log:\n{self.last_lines()}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the process and all it started: SIGTERM, then SIGKILL after ``grace`` seconds.

        Repeating is harmless.
        """
        if not self.is_running:
            return  # reaped: its number may belong to somebody else by now
        # A Prefect worker gives each flow run a session of its own: a signal to our group would leave those.
        started = _descendants(self.pid)
        try:
            _signal_group(self.pid, signal.SIGTERM)
            self.popen.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            pass
        finally:  # also when a second Ctrl-C cuts the grace short
            _signal_group(self.pid, signal.SIGKILL)
            still = started.items() & {one.pid: one.born for one in _processes()}.items()
            for pid, _ in still:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.popen.wait(timeout=GRACE_SECONDS)


class _Running(NamedTuple):
    pid: int
    parent: int
    born: int  # clock ticks since boot: tells a process from a later one with the same number


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _processes() -> Iterator[_Running]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # "pid (name) state parent ...": the name may hold anything, so count from its closing bracket
            fields = stat.read_text().rpartition(")")[2].split()
            yield _Running(int(stat.parent.name), int(fields[1]), int(fields[19]))


def _descendants(pid: int) -> dict[int, int]:
    """The processes below ``pid``, each with its time of birth."""
    running = list(_processes())
    found = {pid}
    while more := {one.pid for one in running if one.parent in found} - found:
        found |= more
    return {one.pid: one.born for one in running if one.pid in found - {pid}}


# -- Prefect ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server that runs: where it is, and how to talk to it."""

    process: Process
    home: Path
    api_url: str
    ui_url: str
    auth: str | None = None

    def env(self) -> dict[str, str]:
        """The whole environment for a client of this server (a worker, a deploying command, a flow)."""
        env = _clean_env(self.home) | {"PREFECT_API_URL": self.api_url, "PREFECT_UI_URL": self.ui_url}
        if self.auth:
            env["PREFECT_API_AUTH_STRING"] = self.auth
        return env

    def client(self) -> httpx.Client:
        """An HTTP client of its API with the password set."""
        user, _, password = (self.auth or "").partition(":")
        auth = httpx.BasicAuth(user, password) if self.auth else None
        return httpx.Client(base_url=f"{self.api_url}/", auth=auth, timeout=30, trust_env=False)

    def stop(self) -> None:
        self.process.stop()


def _clean_env(home: Path) -> dict[str, str]:
    """The caller's environment without its Prefect settings, with every folder under ``home``."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return kept | {
        "PREFECT_HOME": str(home / "prefect"),
        "TMPDIR": str(temporary),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_CLI_PROMPT": "false",
        "PYTHONUNBUFFERED": "1",
        # A proxy for the world outside must not stand between programs of one machine.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def start_prefect_server(home: Path, *, auth: str | None = None, env: Mapping[str, str] | None = None) -> PrefectServer:
    """Start a Prefect server with its own database and pages under ``home``, and wait until it is healthy.

    ``auth`` is the password that it asks for, as ``user:password``. ``env`` adds settings.
    Raises RuntimeError (with the end of the log) when it dies, TimeoutError when it is not up in time.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    ui_url = f"http://127.0.0.1:{port}"
    api_url = f"{ui_url}/api"
    settings = _clean_env(home) | {
        "PREFECT_API_URL": api_url,
        "PREFECT_UI_URL": ui_url,
        "PREFECT_SERVER_UI_API_URL": api_url,  # what the pages in the browser call
        # The pages are built at the first start, by default inside the installed package.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    }
    if auth:
        settings |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = Process.start(
        "Prefect server",
        [sys.executable, *command],
        cwd=home,  # away from any prefect.toml or .env of the folder we are called in
        env=settings | dict(env or {}),
        log=home / "logs" / "prefect-server.log",
    )
    process.wait_until_ready("the Prefect server to be healthy", lambda: _answers(f"{api_url}/health"))
    return PrefectServer(process, home, api_url, ui_url, auth)


def _answers(url: str) -> bool | None:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return None


def start_worker(
    server: PrefectServer,
    pool: str,
    home: Path,
    *,
    name: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    query_seconds: float = 2,
) -> Process:
    """Start a process worker of ``pool`` (made if it is not there) in ``cwd``; wait until it is online.

    ``query_seconds`` is how often it looks for work: Prefect's 10 seconds are long for somebody who watches.
    Its temporary files lie under the server's home, so a deployment that copies its code from a folder around
    that home would copy itself for ever.
    """
    wait_until(f"the work pool {pool}", lambda: _pool_is_there(server, pool), 30)
    # `never`: a worker that is already installed has nothing to fetch from a registry.
    options = ["--type", "process", "--pool", pool, "--name", name, "--install-policy", "never"]
    process = Process.start(
        f"Prefect worker {name}",
        [sys.executable, "-m", "prefect", "worker", "start", *options],
        cwd=cwd,
        env=server.env() | {"PREFECT_WORKER_QUERY_SECONDS": f"{query_seconds:g}"} | dict(env or {}),
        log=home.resolve() / "logs" / f"worker-{name}.log",
    )
    process.wait_until_ready(f"the worker {name} to be online", lambda: _is_online(server, pool, name))
    return process


def _pool_is_there(server: PrefectServer, pool: str) -> bool:
    """Whether the pool is there; asks for it if not (and Prefect on SQLite may well answer 503)."""
    with server.client() as client:
        if client.get(f"work_pools/{pool}").status_code == httpx.codes.NOT_FOUND:
            client.post("work_pools/", json={"name": pool, "type": "process"})
        return client.get(f"work_pools/{pool}").is_success


def _is_online(server: PrefectServer, pool: str, name: str) -> bool | None:
    try:
        with server.client() as client:
            answer = client.post(f"work_pools/{pool}/workers/filter", json={})
    except httpx.TransportError:
        return None
    workers = answer.json() if answer.is_success else []
    return any(worker["name"] == name and worker["status"] == "ONLINE" for worker in workers)
