"""A program of `caseproof up`: how it is started, found again, asked, and started again when it dies."""

from __future__ import annotations

import hashlib
import json
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from caseproof.domain.errors import CaseproofError
from caseproof.store.tables import REVISION
from caseproof.up.processes import GRACE_SECONDS, START_SECONDS, Account, Identity, Process

LOOK_SECONDS = 0.5
ASK_SECONDS = 5.0
"""How often a service is asked whether it answers."""
SILENT_SECONDS = 180.0
"""How long a service may live without answering; then it is ended, and started again."""
_RESTLESS = 3  # deaths within a minute; from there on the next start waits, each time twice as long
_LONGEST_WAIT = 30.0
_SETTINGS = ("CASEPROOF_", "PREFECT_")


class CannotStart(CaseproofError):
    """A service cannot be started."""


class Health(StrEnum):
    """How a service fares."""

    STARTING = "starting"
    UP = "up"
    SILENT = "does not answer"
    DOWN = "down"


def nothing() -> None:
    """Nothing to do."""


def _nobody() -> Identity | None:
    return None


@dataclass(frozen=True)
class Service:
    """A program of `caseproof up`. ``name`` names its log and its record, ``address`` is where people find it.

    ``before`` runs before each start, ``after`` once it answered for the first time; both may raise CaseproofError.
    ``listens`` is the host and port that must be free for it, ``listens_by`` the variable that names them. ``orphan``
    finds a process of it that no record knows. It is started in ``cwd``, else in the supervisor's own folder, and as
    ``account``, else as ourselves.
    """

    name: str
    title: str
    address: str
    command: Callable[[], Sequence[str]]
    env: Mapping[str, str]
    is_ready: Callable[[], bool]
    before: Callable[[], None] = nothing
    after: Callable[[], None] = nothing
    listens: tuple[str, int] | None = None
    listens_by: str = ""
    orphan: Callable[[], Identity | None] = _nobody
    stop_with: signal.Signals = signal.SIGTERM
    cwd: Path | None = None
    account: Account | None = None


@dataclass
class Watched:
    """A service and its process."""

    service: Service
    folder: Path
    logs: Path
    process: Process | None = None
    health: Health = Health.DOWN
    since: float = 0.0
    """When its process was started or found (seconds since 1970)."""
    _heard_at: float = 0.0
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=10))
    _not_before: float = 0.0
    _asked_at: float = 0.0
    _answer: Future[bool] | None = None

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.logs / f"{self.service.name}.log"

    # -- starting -----------------------------------------------------------------------------------------------------

    def find(self) -> bool:
        """Take over its process from an earlier start, if that lives; whether it does."""
        known = self._recorded()
        identity = known[0] if known and known[0].is_running else self.service.orphan()
        if identity is not None:
            self._has(Process(self.service.title, identity, self.log))
        return identity is not None

    def is_as_planned(self) -> bool:
        """Whether the process that was found was started with the settings and by the version of today."""
        known = self._recorded()
        return known is not None and known[1] == self._likeness(known[1].partition("$")[0])

    def start(self, patience: float | None = None) -> None:
        """Start its process, without waiting for it. Raises CaseproofError, OSError.

        ``patience``: how many seconds what was killed a moment ago may take to let go of the port.
        """
        self.service.before()
        self._refuse_taken_port(GRACE_SECONDS if patience is None else patience)
        # In our own folder: away from any prefect.toml or .env of the folder we are called in.
        process = Process.start(
            self.service.title,
            self.service.command(),
            cwd=self.service.cwd or self.folder,
            env=self.service.env,
            log=self.log,
            account=self.service.account,
        )
        self._has(process)
        half = _record(self.folder, self.service.name).with_suffix(".half")
        half.write_text(json.dumps(asdict(process.identity) | {"like": self._likeness(secrets.token_hex(8))}))
        half.replace(_record(self.folder, self.service.name))

    def wait(self) -> None:
        """Wait until it answers for the first time. Raises CannotStart, with where its log is."""
        assert self.process is not None  # noqa: S101 - started before
        try:
            self.process.wait_until_ready(f"{self.service.title} to answer", self.service.is_ready)
        except (RuntimeError, TimeoutError) as error:
            raise CannotStart(
                f"{self.service.title} does not start. {error}", f"Its whole log is {self.log}."
            ) from error
        self.service.after()
        self.health = Health.UP

    def stop(self) -> None:
        """End it. Repeating is harmless."""
        if self.process is not None:
            self.process.stop(first=self.service.stop_with)
        _record(self.folder, self.service.name).unlink(missing_ok=True)
        self.health = Health.DOWN

    def _has(self, process: Process) -> None:
        self.process, self.health, self._answer = process, Health.STARTING, None
        self.since, self._heard_at = time.time(), time.monotonic()

    def _recorded(self) -> tuple[Identity, str] | None:
        try:
            raw: dict[str, Any] = json.loads(_record(self.folder, self.service.name).read_text())
            return Identity(int(raw["pid"]), float(raw["born"]), str(raw["boot"])), str(raw["like"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _likeness(self, salt: str) -> str:
        """Tells whether a start would be the same again. The settings hold passwords, so nothing leads back to them."""
        command = list(self.service.command())
        settings = sorted(item for item in self.service.env.items() if item[0].startswith(_SETTINGS))
        text = json.dumps([version("caseproof"), REVISION, command, settings])
        return f"{salt}${hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()}"

    def _refuse_taken_port(self, patience: float) -> None:
        if self.service.listens is None:
            return
        host, port = self.service.listens
        deadline = time.monotonic() + patience
        while _is_taken(host, port):
            if time.monotonic() >= deadline:
                raise CannotStart(
                    f"{self.service.title} cannot listen on {host}:{port}: another program has this port.",
                    f"End it, or choose another port: export {self.service.listens_by}=http://{host}:{port + 10}",
                )
            time.sleep(LOOK_SECONDS)

    # -- watching -----------------------------------------------------------------------------------------------------

    def look(self, asking: ThreadPoolExecutor) -> list[str]:
        """One look at it: what happened, in sentences. A dead one is started again."""
        if self.process is None or not self.process.is_running:
            return self._start_again()
        if self._answer is None:
            if time.monotonic() - self._asked_at >= (ASK_SECONDS if self.health is Health.UP else LOOK_SECONDS):
                self._asked_at, self._answer = time.monotonic(), asking.submit(self.service.is_ready)
            return []
        if not self._answer.done():
            return []
        answers, self._answer = self._answer.exception() is None and self._answer.result(), None
        return self._heard(answers)

    def _heard(self, answers: bool) -> list[str]:
        before, now = self.health, time.monotonic()
        if answers:
            self.health, self._heard_at = Health.UP, now
            return [] if before is Health.UP else [f"{self.service.title} is up."]
        if before is Health.UP:
            self.health = Health.SILENT
            return [f"{self.service.title} does not answer. Its log is {self.log}."]
        patience = START_SECONDS if before is Health.STARTING else SILENT_SECONDS
        if now - self._heard_at > patience and self.process is not None:
            self.process.stop(first=self.service.stop_with)
            return [f"{self.service.title} has not answered for {patience:g} seconds, and was ended."]
        return []

    def _start_again(self) -> list[str]:
        now = time.monotonic()
        said = [self._bury(now)] if self.health is not Health.DOWN else []
        if now < self._not_before:
            return said
        try:
            self.start(patience=2.0)  # not longer: the others are watched meanwhile
        except (CaseproofError, OSError) as error:
            self._not_before = now + _LONGEST_WAIT
            why = f"{error.problem} {error.next_action}" if isinstance(error, CaseproofError) else f"{error}."
            said.append(
                f"{self.service.title} could not be started: {why} It is tried again in {_LONGEST_WAIT:g} seconds."
            )
        return said

    def _bury(self, now: float) -> str:
        self._deaths.append(now)
        lately = sum(now - death < 60 for death in self._deaths)
        wait = min(_LONGEST_WAIT, 2.0 ** (lately - _RESTLESS)) if lately >= _RESTLESS else 0.0
        # What it leaves may still hold its port for a moment.
        self._not_before, self.health = now + max(wait, LOOK_SECONDS), Health.DOWN
        how = self.process.ending if self.process else "ended"
        if self.process is not None:
            self.process.end_its_group()
        return f"{self.service.title} ended ({how}). It is started again {f'in {wait:.0f} seconds' if wait else 'now'}."


def was_started(folder: Path, name: str) -> bool:
    """Whether a service of this name was started by a supervisor in this folder and not stopped by it."""
    return _record(folder, name).exists()


def _record(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _is_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
