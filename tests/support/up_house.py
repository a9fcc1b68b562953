"""`caseproof up` as its users run it: a process of its own, on a home of its own, with services that can be killed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from caseproof.up.addresses import password_file
from caseproof.up.processes import Identity, Process, free_port, wait_until
from sandbox.mailbox import Mailbox
from sandbox.processes import PrefectServer, clean_env, start_prefect_server, start_worker
from sandbox.world import CUSTOMER_POOL, PLATFORM, ROOT, World

OPEN = {"PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": "*"}
SERVICES = ("server", "worker", "emergency-worker", "web", "inbox", "keeper", "pager", "database")


def recorded(home: Path, service: str) -> Identity:
    """The process of a service, as the supervisor wrote it down. Raises OSError where there is none."""
    known = json.loads((home / "up" / f"{service}.json").read_text())
    return Identity(known["pid"], known["born"], known["boot"])


@dataclass
class UpHouse:
    """A running `caseproof up`, and the world that it stands in."""

    world: World
    process: Process

    @property
    def password(self) -> str:
        """What its Prefect server asks for."""
        return str(self.world.server.auth)

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return self.process.log.read_text()

    def identity(self, service: str) -> Identity | None:
        """The process of a service, as the supervisor wrote it down; None while it is being started again."""
        try:
            return recorded(self.world.home, service)
        except (OSError, ValueError):
            return None

    def kill(self, service: str) -> Identity:
        """SIGKILL the process of a service; returns which one it was."""
        victim = wait_until(f"the {service} to run", lambda: self._running(service), 120)
        os.kill(victim.pid, signal.SIGKILL)
        return victim

    def await_another(self, service: str, than: Identity, seconds: float = 300) -> None:
        """Wait until the supervisor has started the service again."""
        wait_until(f"another {service}", lambda: (now := self._running(service)) is not None and now != than, seconds)

    def _running(self, service: str) -> Identity | None:
        identity = self.identity(service)
        return identity if identity is not None and identity.is_running else None


@contextmanager
def up_house(home: Path, *options: str, env: Mapping[str, str] | None = None) -> Iterator[UpHouse]:
    """Start `caseproof up` for a new home, customers' jobs on another Prefect server, and mail; set up from a file."""
    home.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(folder=home.parent / "mailbox"))
        ours = {"CASEPROOF_PREFECT_URL": f"http://127.0.0.1:{free_port()}", **(env or {})}
        web_url = f"http://127.0.0.1:{free_port()}"
        settings = {**clean_env(home), **ours, "CASEPROOF_HOME": str(home), "CASEPROOF_WEB_URL": web_url}
        settings |= {"PREFECT_HOME": str(home / "prefect")}
        process = Process.start(
            "caseproof up", [sys.executable, "-m", "caseproof.cli", "up", *options], cwd=ROOT, env=settings,
            log=home.parent / "up.log",
        )  # fmt: skip
        stack.callback(process.stop, 30)
        # While the other one starts; open to every page, as Prefect by itself is.
        jobs_server = start_prefect_server(home.parent / "jobs-server", env=OPEN)
        stack.callback(jobs_server.stop)
        customers = start_worker(jobs_server, CUSTOMER_POOL, home.parent, name="customers", cwd=home.parent)
        stack.callback(customers.stop)
        process.wait_until_ready("Caseproof to be up", lambda: "Caseproof is up." in process.log.read_text(), 400)
        ui_url = ours["CASEPROOF_PREFECT_URL"]
        server = PrefectServer(process, home, f"{ui_url}/api", ui_url, password_file(home).read_text().strip())
        # Other terminals are told of the home alone, and find the server and its password by themselves.
        found = {"PREFECT_API_URL": "", "PREFECT_UI_URL": "", "PREFECT_API_AUTH_STRING": ""}
        world = World(home, server, jobs_server, mailbox, web_url, extra_env={**ours, **found})
        _set_up(world)
        yield UpHouse(world, process)


def _set_up(world: World) -> None:
    """What an operator does once, from a file."""
    file = world.home / "setup.yaml"
    jobs = world.jobs_server
    facts = {
        "platforms": [{"name": PLATFORM, "type": "prefect-jobs", "api_url": jobs.api_url, "ui_url": jobs.ui_url}],
        "desk": {"name": "desk", "type": "embedded-desk"},
        "mail": {"name": "mail", "host": world.mailbox.host, "port": world.mailbox.port, "security": "plain"},
    }
    file.write_text(yaml.safe_dump(facts))
    world.python("-m", "caseproof.cli", "setup", str(file), "--yes")
