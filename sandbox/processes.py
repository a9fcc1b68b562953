"""Prefect servers and workers of the small world and the tests, on free loopback ports.

Everything a process writes (database, user interface, temporary files, log) stays under the folder it is
given, and nothing of the person's own Prefect profile or environment reaches it. Prefect's own intervals
are left alone (a schedule set live gets its next runs within 5 seconds), but for how often a worker looks
for work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from caseproof.http.client import certificates, credentials
from caseproof.up.postgres import EmbeddedPostgres, NoPostgres
from caseproof.up.prefect_services import (
    OLDER_PAGES,
    QUIET,
    PrefectApi,
    pages_let_in,
    server_command,
    trusted,
    worker_command,
)
from caseproof.up.processes import Process, free_port, wait_until

_START_SECONDS = 240.0
"""How long one may take until it is there: 15 s on a machine with nothing else to do."""
_DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"


@dataclass(frozen=True)
class PrefectServer:
    """A Prefect server that runs: where it is, and how to talk to it."""

    process: Process
    home: Path
    api_url: str
    ui_url: str
    auth: str | None = field(default=None, repr=False)
    behind: ExitStack = field(default_factory=ExitStack)
    """What ends after it: its database, where it has one of its own."""

    @property
    def api(self) -> PrefectApi:
        return PrefectApi(self.api_url, self.auth)

    def env(self) -> dict[str, str]:
        """The whole environment for a client of this server (a worker, a deploying command, a flow)."""
        env = clean_env(self.home) | trusted(self.api_url)
        env |= {"PREFECT_API_URL": self.api_url, "PREFECT_UI_URL": self.ui_url}
        if self.auth:
            env["PREFECT_API_AUTH_STRING"] = self.auth
        return env

    def client(self) -> httpx.Client:
        """An HTTP client of its API with the password set."""
        return httpx.Client(
            base_url=f"{self.api_url}/",
            headers=credentials(self.auth, None),
            timeout=60,
            trust_env=False,
            verify=certificates(trust_env=False),
            follow_redirects=True,
        )

    def stop(self) -> None:
        """Stop it, then its database. Repeating is harmless."""
        try:
            self.process.stop()
        finally:
            self.behind.close()


def answered(api: httpx.Client, method: str, path: str, seconds: float = 120, **request: Any) -> httpx.Response:
    """Prefect's answer to a call, which is made again where it answers 503 and does nothing, or closes the connection.

    That happens under load, above all on SQLite. Raises TimeoutError.
    """

    def taken() -> httpx.Response | None:
        try:
            answer = api.request(method, path, **request)
        except httpx.TransportError:
            return None
        return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

    return wait_until(f"Prefect to answer {method} {path}", taken, seconds)


def clean_env(home: Path) -> dict[str, str]:
    """The caller's environment without its Prefect settings, with every folder under ``home``."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return (
        kept
        | dict(QUIET)
        | {
            "PREFECT_HOME": str(home / "prefect"),
            "TMPDIR": str(temporary),
            "PREFECT_LOGGING_LEVEL": "INFO",
            # A proxy for the world outside must not stand between programs of one machine.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
    )


def _silent(_text: str) -> None:
    """Say nothing."""


def start_prefect_server(
    home: Path,
    *,
    auth: str | None = None,
    env: Mapping[str, str] | None = None,
    say: Callable[[str], None] = _silent,
) -> PrefectServer:
    """Start a Prefect server with its own database and pages under ``home``, and wait until it is healthy.

    The database is a PostgreSQL, where one is to be had and ``env`` names no other: on SQLite, Prefect answers 503
    ("database is locked") when it is busy; ``say`` is told of it, and why. ``auth`` is the password that it asks for,
    as ``user:password``. ``env`` adds settings.
    Raises RuntimeError (with the end of the log) when it dies, TimeoutError when it is not up in time.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as behind:
        database = {} if env and _DATABASE in env else _postgres(home, behind, say)
        port = free_port()
        ui_url = f"http://127.0.0.1:{port}"
        api_url = f"{ui_url}/api"
        settings = clean_env(home) | {
            "PREFECT_API_URL": api_url,
            "PREFECT_UI_URL": ui_url,
            **pages_let_in(port, {}),
            "PREFECT_SERVER_UI_API_URL": api_url,  # what the pages in the browser call
            **OLDER_PAGES,
            # The pages are built at the first start, by default inside the installed package.
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        }
        if auth:
            settings |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
        process = Process.start(
            "Prefect server",
            server_command("127.0.0.1", port),
            cwd=home,  # away from any prefect.toml or .env of the folder we are called in
            env=settings | database | dict(env or {}),
            log=home / "logs" / "prefect-server.log",
        )
        process.wait_until_ready(
            "the Prefect server to be healthy", PrefectApi(api_url, auth).is_healthy, _START_SECONDS
        )
        return PrefectServer(process, home, api_url, ui_url, auth, behind.pop_all())


def _postgres(home: Path, behind: ExitStack, say: Callable[[str], None]) -> dict[str, str]:
    """Start a PostgreSQL below ``home``; the setting that leads to it, or none where there is no PostgreSQL."""
    cluster = EmbeddedPostgres(home / "postgres", durable=False)
    try:
        behind.enter_context(cluster.running())
    except NoPostgres as error:
        say(f"it on SQLite, where it is slower when it is busy. {error.problem} {error.next_action}")
        return {}  # Prefect's own default is an SQLite file in its home
    cluster.ensure_database("prefect")
    return {_DATABASE: cluster.url("prefect", "postgresql+asyncpg")}


def start_worker(
    server: PrefectServer,
    pool: str,
    home: Path,
    *,
    name: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    query_seconds: float = 2,
    stock: bool = True,
) -> Process:
    """Start a worker of ``pool`` (made if it is not there) in ``cwd``, and wait until it is online.

    ``query_seconds`` is how often it looks for work: Prefect's 10 seconds are long for somebody who watches.
    Its temporary files lie under the server's home, so a deployment that copies its code from a folder around
    that home would copy itself for ever.
    """
    wait_until(f"the work pool {pool}", lambda: server.api.ensure_pool(pool), 60)
    process = Process.start(
        f"Prefect worker {name}",
        worker_command(pool, name, stock=stock),
        cwd=cwd,
        env=server.env() | {"PREFECT_WORKER_QUERY_SECONDS": f"{query_seconds:g}"} | dict(env or {}),
        log=home.resolve() / "logs" / f"worker-{name}.log",
    )
    process.wait_until_ready(
        f"the worker {name} to be online", lambda: server.api.is_online(pool, name), _START_SECONDS
    )
    return process
