"""Programs that we start, watch and stop: each with a process group and a log file of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

START_SECONDS = 120.0  # a Prefect server needs 10 to 15 s; two busy cores can make it a minute
GRACE_SECONDS = 8.0
_MOST_KEPT = 100
_kept: deque[int] = deque()
"""The sockets that keep ports free for whoever is told of them, the oldest first; each is open and does not listen."""


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
    """A TCP port of the loopback address on which nobody listens, and which the machine gives to nobody else meanwhile.

    On Linux it is kept for whoever is told of it, until this process ends or has asked for many more: what listens with
    ``SO_REUSEADDR``, as servers do, gets it; no other search for a free port does, and no connection that goes out.
    Until something listens there, connections are refused.
    """
    with socket.socket() as kept:
        if sys.platform == "linux":  # elsewhere nobody could listen beside it
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port: int = kept.getsockname()[1]
        if sys.platform == "linux":
            _kept.append(kept.detach())
            if len(_kept) > _MOST_KEPT:
                os.close(_kept.popleft())
        return port


@dataclass(frozen=True)
class Identity:
    """A process and no later one with the same number.

    ``born`` is when it was started, in seconds since the machine was, so that setting the clock changes nothing;
    ``boot`` tells one start of the machine from the next, where the machine can.
    """

    pid: int
    born: float
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time() - psutil.boot_time(), _boot())

    @property
    def is_running(self) -> bool:
        """Whether it lives: no zombie, and no later process with its number."""
        try:
            now = Identity.of(self.pid)
            alive = psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        return alive and now.is_same(self)

    def is_same(self, other: Identity) -> bool:
        """Whether both are of one process: the clock may have been set between the looks that made them."""
        return (self.pid, self.boot) == (other.pid, other.boot) and abs(self.born - other.born) < 2.0


@dataclass(frozen=True)
class Account:
    """The user and the group that a process runs as, by number."""

    user: int
    group: int

    @property
    def options(self) -> dict[str, Any]:
        """What subprocess wants to be told to run something as this user alone: no other group, no right of root's."""
        return {"user": self.user, "group": self.group, "extra_groups": []}


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


class Process:
    """A program that we started, or found running from an earlier start of ours."""

    def __init__(self, name: str, identity: Identity, log: Path, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.name = name
        self.identity = identity
        self.log = log
        self._popen = popen

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        account: Account | None = None,
    ) -> Process:
        """Start ``command`` in a session of its own; a Ctrl-C in the terminal reaches only us.

        With an ``account`` it runs as that user; its folder and its log are opened with our rights.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            popen = subprocess.Popen(  # noqa: S603 - the commands are ours
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **(account.options if account else {}),
            )
        return cls(name, Identity.of(popen.pid), log, popen)

    @property
    def pid(self) -> int:
        """Its number."""
        return self.identity.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        if self._popen is not None:
            return self._popen.poll() is None
        return self.identity.is_running

    @property
    def ending(self) -> str:
        """How it ended, for people: "exit code 3", "killed by SIGKILL"."""
        code = self._popen.poll() if self._popen is not None else None
        if code is None:
            return "ended"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; the exit code, where it is known. Raises TimeoutError."""
        try:
            if self._popen is not None:
                return self._popen.wait(seconds)
            psutil.wait_procs([psutil.Process(self.pid)] if self.is_running else [], timeout=seconds)
        except subprocess.TimeoutExpired:
            pass
        except psutil.NoSuchProcess:
            return None
        if self.is_running:
            raise TimeoutError(f"{self.name} has not ended within {seconds:g} seconds.")
        return None

    def last_lines(self, count: int = 20) -> str:
        """The end of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def must_run(self) -> None:
        """Raises RuntimeError with the end of the log when the process has ended."""
        if not self.is_running:
            raise RuntimeError(
                f"{self.name} ended ({self.ending}). The end of its log, {self.log}:\n{self.last_lines()}"
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

    def stop(self, grace: float = GRACE_SECONDS, first: signal.Signals = signal.SIGTERM) -> None:
        """End the process and all it started: ``first`` to it alone, then SIGKILL to all after ``grace`` seconds.

        Repeating is harmless.
        """
        if not self.is_running:
            return  # its number may belong to somebody else by now
        # A Prefect worker gives each flow run a session of its own: a signal to our group would leave those.
        started = _descendants(self.pid)
        try:
            with suppress(ProcessLookupError):
                os.kill(self.pid, first)
            with suppress(TimeoutError):
                self.wait(grace)
        finally:  # also when a second Ctrl-C cuts the grace short
            self.end_its_group()
            for process in started:  # psutil compares the birth: never a later process with the same number
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            with suppress(TimeoutError):
                self.wait(GRACE_SECONDS)

    def end_its_group(self) -> None:
        """Kill what is left of its process group, which keeps its number as long as anything is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
