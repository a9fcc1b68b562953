"""The house: parts that are started in order, watched, started again when they die, and stopped in the opposite order.

A part found running from an earlier `caseproof up` that died is taken over, not started twice: its process id and birth
stand in a file of its own.
"""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from caseproof.domain.errors import CaseproofError
from caseproof.up.processes import GRACE_SECONDS, START_SECONDS, Identity, Process

Say = Callable[[str], None]

LOOK_SECONDS = 0.5
ASK_SECONDS = 5.0
"""How often a part is asked whether it answers."""
_RESTLESS = 3  # deaths within a minute; from there on the next start waits, each time twice as long
_LONGEST_WAIT = 30.0


class CannotStart(CaseproofError):
    """A part of the house cannot be started."""


class Health(StrEnum):
    """How a part fares."""

    STARTING = "starting"
    UP = "up"
    SILENT = "does not answer"
    DOWN = "down"


def _nothing() -> None:
    """Nothing to do."""


@dataclass(frozen=True)
class Part:
    """A program of the house. ``name`` names its log and its record, ``address`` is where people find it.

    ``before`` runs before each start, ``after`` once it answered for the first time; both may raise CaseproofError.
    ``listens`` is the host and port that must be free for it.
    """

    name: str
    title: str
    address: str
    command: Callable[[], Sequence[str]]
    env: Mapping[str, str]
    is_ready: Callable[[], bool]
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing
    listens: tuple[str, int] | None = None
    stop_with: signal.Signals = signal.SIGTERM


@dataclass
class Watched:
    """A part and its process."""

    part: Part
    folder: Path
    logs: Path
    process: Process | None = None
    health: Health = Health.DOWN
    since: float = 0.0
    """When its process was started or found (seconds since 1970)."""
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=10))
    _not_before: float = 0.0
    _asked: float = 0.0
    _answer: Future[bool] | None = None

    @property
    def _record(self) -> Path:
        return _record(self.folder, self.part.name)

    def find(self) -> bool:
        """Take over its process from an earlier start, if that lives; whether it does."""
        try:
            identity = Identity(**json.loads(self._record.read_text()))
        except (OSError, ValueError, TypeError):
            return False
        if not identity.is_running:
            return False
        self.process = Process(self.part.title, identity, self.logs / f"{self.part.name}.log")
        self.health, self.since = Health.STARTING, time.time()
        return True

    def start(self) -> None:
        """Start its process, without waiting for it. Raises CaseproofError."""
        self.part.before()
        self._refuse_taken_port()
        log = self.logs / f"{self.part.name}.log"
        # In our own folder: away from any prefect.toml or .env of the folder we are called in.
        self.process = Process.start(self.part.title, self.part.command(), cwd=self.folder, env=self.part.env, log=log)
        half = self._record.with_suffix(".half")
        half.write_text(json.dumps({"pid": self.process.identity.pid, "born": self.process.identity.born}))
        half.replace(self._record)
        self.health, self.since = Health.STARTING, time.time()

    def _refuse_taken_port(self) -> None:
        if self.part.listens is None:
            return
        host, port = self.part.listens
        deadline = time.monotonic() + GRACE_SECONDS  # what was killed a moment ago may still be letting go
        while _is_taken(host, port):
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"{self.part.title} cannot listen on {host}:{port}: another program has this port.",
                    "End that program, or choose another port (docs/configuration.md).",
                )
            time.sleep(LOOK_SECONDS)

    def wait(self) -> None:
        """Wait until it answers for the first time. Raises CannotStart, with where its log is."""
        assert self.process is not None  # noqa: S101 - started before
        try:
            self.process.wait_until_ready(f"{self.part.title} to answer", self.part.is_ready)
        except (RuntimeError, TimeoutError) as error:
            raise CannotStart(
                f"{self.part.title} does not start. {error}", f"Its whole log is {self.process.log}."
            ) from error
        self.part.after()
        self.health = Health.UP

    def look(self, asking: ThreadPoolExecutor) -> list[str]:
        """One look at it: what happened, in sentences. A dead one is started again."""
        if self.process is None or not self.process.is_running:
            return self._start_again()
        if self._answer is None:
            if time.monotonic() - self._asked >= (ASK_SECONDS if self.health is Health.UP else LOOK_SECONDS):
                self._asked, self._answer = time.monotonic(), asking.submit(self.part.is_ready)
            return []
        if not self._answer.done():
            return []
        answers, self._answer = self._answer.exception() is None and self._answer.result(), None
        return self._heard(answers)

    def _heard(self, answers: bool) -> list[str]:
        before = self.health
        if answers:
            self.health = Health.UP
            return [] if before is Health.UP else [f"{self.part.title} is up."]
        if before is Health.UP:
            self.health = Health.SILENT
            return [f"{self.part.title} does not answer. Its log is {self.logs / self.part.name}.log."]
        if before is Health.STARTING and time.time() - self.since > START_SECONDS and self.process is not None:
            self.process.stop(first=self.part.stop_with)
            return [f"{self.part.title} did not come up within {START_SECONDS:g} seconds."]
        return []

    def _start_again(self) -> list[str]:
        now = time.monotonic()
        said = []
        if self.health is not Health.DOWN:
            self._deaths.append(now)
            lately = sum(now - death < 60 for death in self._deaths)
            wait = min(_LONGEST_WAIT, 2.0 ** (lately - _RESTLESS)) if lately >= _RESTLESS else 0.0
            self._not_before, self.health, self._answer = now + wait, Health.DOWN, None
            how = self.process.ending if self.process else "ended"
            again = f"in {wait:.0f} seconds" if wait else "now"
            said.append(f"{self.part.title} ended ({how}). It is started again {again}.")
            if self.process is not None:
                self.process.end_its_group()
        if now >= self._not_before:
            try:
                self.start()
            except CaseproofError as error:
                self._not_before = now + _LONGEST_WAIT
                said.append(f"{error.problem} {error.next_action}")
        return said

    def stop(self) -> None:
        """End it. Repeating is harmless."""
        if self.process is not None:
            self.process.stop(first=self.part.stop_with)
        self._record.unlink(missing_ok=True)
        self.health = Health.DOWN


class House:
    """All parts. ``groups``: each group is started once the ones before it answer. ``say`` tells people."""

    def __init__(self, folder: Path, logs: Path, groups: Sequence[Sequence[Part]], say: Say) -> None:
        self._groups = [[Watched(part, folder, logs) for part in group] for group in groups]
        self._say = say

    @property
    def parts(self) -> list[Watched]:
        """Every part, in the order of starting."""
        return [watched for group in self._groups for watched in group]

    @property
    def is_up(self) -> bool:
        """Whether every part answers."""
        return all(watched.health is Health.UP for watched in self.parts)

    def part(self, name: str) -> Watched:
        """The part of this name."""
        return next(watched for watched in self.parts if watched.part.name == name)

    def start(self) -> None:
        """Start what does not run yet, and wait until everything answers. Raises CaseproofError."""
        for group in self._groups:
            for watched in group:
                if watched.find():
                    self._say(f"{watched.part.title} runs already; it is not started twice.")
                else:
                    self._say(f"{watched.part.title} is starting.")
                    watched.start()
            for watched in group:
                watched.wait()

    def watch(self, over: threading.Event, also: Callable[[], None] = _nothing) -> None:
        """Look after everything until ``over`` is set; ``also`` is called at each look."""
        with ThreadPoolExecutor(max_workers=len(self.parts)) as asking:
            while not over.wait(LOOK_SECONDS):
                for watched in self.parts:
                    for sentence in watched.look(asking):
                        self._say(sentence)
                also()

    def stop(self) -> None:
        """Stop everything, in the opposite order."""
        for watched in reversed(self.parts):
            watched.stop()


def was_started(folder: Path, name: str) -> bool:
    """Whether a part of this name was started by a house in this folder and not stopped by it."""
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
