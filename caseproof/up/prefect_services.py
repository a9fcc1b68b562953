"""Prefect's programs from outside: how they are started, and over HTTP how they fare."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from caseproof.config.settings import is_loopback
from caseproof.http.client import CallFailed, HttpClient, credentials, origin

PATIENCE_SECONDS = 30.0
ASKED_OFTEN_SECONDS = 5.0
"""How long a question waits for its answer that is asked again and again."""


@dataclass(frozen=True)
class PrefectApi:
    """A Prefect API: its address (``http://…/api``), and ``user:password`` or a key where it asks for one."""

    url: str
    auth: str | None = None
    key: str | None = None

    def client(self, seconds: float = PATIENCE_SECONDS) -> HttpClient:
        """An HTTP client of it; paths are relative, like ``flow_runs/filter``; ``seconds``: for each step of a call."""
        return HttpClient(
            self.url,
            connect_seconds=seconds,
            read_seconds=seconds,
            headers=credentials(self.auth, self.key),
            follow_redirects=True,
            # A proxy for the world outside must not stand between programs of one machine.
            trust_env=not is_loopback(self.url),
        )

    def is_healthy(self) -> bool:
        """Whether it answers; its health page asks for no password."""
        with closing(self.client(ASKED_OFTEN_SECONDS)) as client:
            return client.answers("health")

    def ensure_pool(self, pool: str) -> bool:
        """Make a process work pool if it is not there; whether it is there now. Prefect on SQLite may answer 503."""
        try:
            with closing(self.client()) as client:
                if client.ask("GET", f"work_pools/{pool}").is_missing:
                    client.ask("POST", "work_pools/", json={"name": pool, "type": STOCK})
                return client.ask("GET", f"work_pools/{pool}").is_success
        except CallFailed:
            return False

    def is_online(self, pool: str, worker: str) -> bool:
        """Whether this worker polls the pool."""
        try:
            with closing(self.client(ASKED_OFTEN_SECONDS)) as client:
                answer = client.ask("POST", f"work_pools/{pool}/workers/filter", json={})
        except CallFailed:
            return False
        workers = (answer.json() or []) if answer.is_success else []
        return any(one["name"] == worker and one["status"] == "ONLINE" for one in workers)

    def claim(self, home: str) -> str:
        """Which home's cases this server carries: ``home``, unless it carries another's already. Raises CallFailed."""
        with closing(self.client()) as client:
            if client.ask("GET", f"variables/name/{HOME}").is_missing:
                client.ask("POST", "variables/", json={"name": HOME, "value": home})
            return str(client.ask("GET", f"variables/name/{HOME}").required().json()["value"])

    def save_filter(self) -> None:
        """Have Prefect's older interface offer the runs of cases alone; the newer one keeps filters in the browser.

        A convenience: where Prefect does not take it, the address with the filter does as well (``cases_url``).
        """
        found: tuple[tuple[str, Any], ...] = (("tag", [CASE]), ("range", {"type": "span", "seconds": -YEAR_SECONDS}))
        filters = [
            {"object": "flowRun", "property": name, "type": "", "operation": "", "value": value}
            for name, value in found
        ]
        with suppress(CallFailed), closing(self.client()) as client:
            client.ask("PUT", "saved_searches/", json={"name": SAVED_FILTER, "filters": filters})


CASE = "case"
"""The tag that the runs of cases have, and no others."""
SAVED_FILTER = "Caseproof: cases"
YEAR_SECONDS = 365 * 24 * 3600


def cases_url(ui: str) -> str:
    """Where the runs of cases alone are listed, in Prefect's older interface: ``ui`` is the server's address."""
    return f"{ui.rstrip('/')}/runs?tag={CASE}&type=span&seconds=-{YEAR_SECONDS}"


def newer_cases_url(ui: str) -> str:
    """The same in the newer interface, which offers no filter that a server keeps."""
    return f"{ui.rstrip('/')}/v2/runs?tags={CASE}"


HOME = "caseproof_home"
"""The Prefect variable that says which home's cases a server carries."""


QUIET: Mapping[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_LOGGING_COLORS": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PYTHONUNBUFFERED": "1",
    # What each client asks its server for at its start, in vain: a token against forged requests, which only a server
    # that is told to gives out (our own clients send none, either), and its version, which `caseproof doctor` compares.
    "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "false",
    "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
}
"""Settings of every Prefect program that we start: it tells nobody outside, asks nothing, and logs plain lines."""

V2 = "PREFECT_SERVER_UI_V2_ENABLED"
OLDER_PAGES: Mapping[str, str] = {V2: "false"}
"""Forms read best in Prefect's older interface: there a question is formatted, with its links and its picture, and
"Resume" is a button. The newer one, under ``/v2``, shows a question's text as it is written (docs/operators-day.md)."""

NOBODY = Path(__file__).with_name("trusts-nobody.pem")
"""A certificate that expired, and whose key nobody has."""


def trusted(api_url: str) -> dict[str, str]:
    """Whom Prefect's clients trust: nobody, where they speak plain HTTP; else it is theirs to say.

    Each client (a case's run makes seven) reads all authorities that the machine trusts at its start, a hundredth of a
    second and most of a megabyte, also where it never sees a certificate.
    """
    return {"PREFECT_API_SSL_CERT_FILE": str(NOBODY)} if urlsplit(api_url).scheme == "http" else {}


_ORIGINS = ("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS")
"""Prefect's two names for it; where both are set, the first counts."""


def pages_let_in(port: int, environment: Mapping[str, str]) -> dict[str, str]:
    """Whose pages a browser lets read our server's answers: its own, under each of its addresses, and nobody else's.

    Prefect's default is every page that somebody opens. What a person set goes before.
    """
    if any(environment.get(name) for name in _ORIGINS):
        return {}
    addresses = (f"http://localhost:{port}", f"http://127.0.0.1:{port}", environment.get("PREFECT_UI_URL", ""))
    return {_ORIGINS[0]: ",".join(dict.fromkeys(one for address in addresses if (one := origin(address))))}


CASES_WORKER: Mapping[str, str] = {
    # Keeps a worker's own routine ("submitting", "downloading") out of the logs of cases.
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "WARNING",
    # No heartbeats: whether a run's process lives, its lock says (tasks/runs/carrying.py), and to stop the thread that
    # sends them takes up to a second at each run's end. The variable of its own takes no null.
    "PREFECT_FLOWS": '{"heartbeat_frequency": null}',
    # What the flows import and read when they come to it: two fifths of a second a run; what is not installed is left
    # out.
    "WARM_WORKER_IMPORTS": "caseproof.store.postgres tasks.ready:make_ready",
    # Who computes with pandas: half a second of imports for these few runs, 50 MB less beside all others.
    "WARM_WORKER_LEAVES_OUT": "daily-job-check case-keeper case-report",
}
"""Settings of the worker of our own pool."""


def server_command(host: str, port: int) -> list[str]:
    """A Prefect server in the foreground."""
    return [sys.executable, "-m", "prefect", "server", "start", "--host", host, "--port", str(port)]


STOCK, WARM = "process", "warm-process"
"""The types of worker that serve a process pool: Prefect's own, and the one that forks runs (docs/warm-worker.md)."""


def worker_type(*, stock: bool) -> str:
    """The warm worker; Prefect's own where the warm one does not run, or ``stock``."""
    return STOCK if stock or sys.platform != "linux" else WARM


def worker_command(pool: str, name: str, *, stock: bool) -> list[str]:
    """A worker of a process pool.

    Without a limit of its own: how many case runs are under way is ours to hold down (``check.runs_at_once``). With
    one, Prefect 3.9.1's worker leaves a suspended run that is resumed before its process has ended to a later look;
    3.8.8's died of it.
    """
    # `never`: a worker that is already installed has nothing to fetch from a registry.
    options = ["--type", worker_type(stock=stock), "--pool", pool, "--name", name, "--install-policy", "never"]
    return [sys.executable, "-m", "prefect", "worker", "start", *options]


def deploy_command(prefect_file: str) -> list[str]:
    """Make or update every deployment of a prefect.yaml."""
    return [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", prefect_file]
