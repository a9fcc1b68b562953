"""Prefect's programs from outside: how they are started, and over HTTP how they fare."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import httpx


@cache
def _certificates(*, trust_env: bool) -> ssl.SSLContext:
    """Whom a client trusts; reading them takes a while, so it is done once."""
    return httpx.create_ssl_context(trust_env=trust_env)


@dataclass(frozen=True)
class PrefectApi:
    """A Prefect API: its address (``http://…/api``), and ``user:password`` or a key where it asks for one."""

    url: str
    auth: str | None = None
    key: str | None = None

    def client(self, timeout: float = 30) -> httpx.Client:
        """An HTTP client of it; paths are relative, like ``flow_runs/filter``."""
        user, _, password = (self.auth or "").partition(":")
        basic = httpx.BasicAuth(user, password) if self.auth else None
        # A proxy for the world outside must not stand between programs of one machine.
        outside = not _is_local(self.url)
        bearer = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.Client(
            base_url=f"{self.url}/",
            auth=basic,
            headers=bearer,
            timeout=timeout,
            trust_env=outside,
            verify=_certificates(trust_env=outside),
            follow_redirects=True,
        )

    def is_healthy(self) -> bool:
        """Whether it answers; its health page asks for no password."""
        try:
            with self.client(5) as client:
                return client.get("health").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def ensure_pool(self, pool: str) -> bool:
        """Make a process work pool if it is not there; whether it is there now. Prefect on SQLite may answer 503."""
        try:
            with self.client() as client:
                if client.get(f"work_pools/{pool}").status_code == httpx.codes.NOT_FOUND:
                    client.post("work_pools/", json={"name": pool, "type": "process"})
                return client.get(f"work_pools/{pool}").is_success
        except httpx.TransportError:
            return False

    def is_online(self, pool: str, worker: str) -> bool:
        """Whether this worker polls the pool."""
        try:
            with self.client(5) as client:
                answer = client.post(f"work_pools/{pool}/workers/filter", json={})
        except httpx.TransportError:
            return False
        workers = answer.json() if answer.is_success else []
        return any(one["name"] == worker and one["status"] == "ONLINE" for one in workers)

    def claim(self, home: str) -> str:
        """Which home's cases this server carries: ``home``, unless it carries another's already.

        Raises httpx.HTTPError.
        """
        with self.client() as client:
            if client.get(f"variables/name/{HOME}").status_code == httpx.codes.NOT_FOUND:
                client.post("variables/", json={"name": HOME, "value": home})
            return str(client.get(f"variables/name/{HOME}").raise_for_status().json()["value"])


HOME = "caseproof_home"
"""The Prefect variable that says which home's cases a server carries."""


def _is_local(url: str) -> bool:
    return httpx.URL(url).host in ("127.0.0.1", "localhost", "::1")


QUIET: Mapping[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_LOGGING_COLORS": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Settings of every Prefect program that we start: it tells nobody outside, asks nothing, and logs plain lines."""

CASES_WORKER: Mapping[str, str] = {"PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "WARNING"}
"""Keeps a worker's own routine ("submitting", "downloading") out of the logs of cases."""


def server_command(host: str, port: int) -> list[str]:
    """A Prefect server in the foreground."""
    return [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]


def worker_command(pool: str, name: str) -> list[str]:
    """A process worker of a pool.

    Without a limit of its own: Prefect 3.8.8's worker dies of one where a suspended run is resumed before its process
    has ended. How many case runs are under way is ours to hold down (``check.runs_at_once``).
    """
    # `never`: a worker that is already installed has nothing to fetch from a registry.
    options = ["--type", "process", "--pool", pool, "--name", name, "--install-policy", "never"]
    return [sys.executable, "-m", "prefect", "worker", "start", *options]


def deploy_command(prefect_file: str) -> list[str]:
    """Make or update every deployment of a prefect.yaml."""
    return [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", prefect_file]
