"""What `make test-airflow`, `test-mariadb`, `test-postfix` and the like share: real servers, for tests to run on.

A script finds its servers (``program``), starts them out of a ``folder``, runs the tests (``run_tests``), and whatever
happens, also a signal (``ended_by_signals``), what it started is stopped. The standard library only: such a script is
run by any Python, and starts servers also for one that has not got our packages.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/sbin"))
"""Where programs are looked for: Debian's servers are not in everybody's PATH."""
GRACE_SECONDS = 30.0
_TAIL = 3000
_NO_STARTING = Path("/usr/sbin/policy-rc.d")


def free_port() -> int:
    """A TCP port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether an HTTP server there answers at all, be it with an error."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - the loopback interface
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A temporary folder that also a server's own user may enter; it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix=f"caseproof-{name}-", ignore_cleanup_errors=True) as made:
        path = Path(made).resolve()
        path.chmod(0o755)
        yield path


# -- programs ---------------------------------------------------------------------------------------------------------


def program(name: str, *packages: str, also: str = "", services: Sequence[str] = ()) -> str:
    """The path of a program. As root, Debian's ``packages`` are installed where it is missing, and nothing is started.

    ``also`` is a file that has to be there besides; ``services`` are what the packages would start with the machine,
    and is switched off. Exits with the next action where the program cannot be had.
    """
    path = _found(name, also)
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(packages, services)
        path = _found(name, also)
    if path is None:
        raise SystemExit(f"{name} is not on this machine. Next: install it (Debian: {' '.join(packages)}).")
    return path


def _found(name: str, also: str) -> str | None:
    return shutil.which(name, path=PLACES) if not also or Path(also).exists() else None


def _install(packages: Sequence[str], services: Sequence[str]) -> None:
    print(f"Installing {' '.join(packages)} from Debian.", file=sys.stderr)  # noqa: T201 - for who ran it
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with _nothing_is_started():
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-qq", *arguments], env=quiet, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise SystemExit(f"apt-get {arguments[0]} failed:\n{(done.stdout + done.stderr)[-_TAIL:]}")
    for service in services:
        subprocess.run(["update-rc.d", service, "disable"], capture_output=True, check=False)


@contextmanager
def _nothing_is_started() -> Iterator[None]:
    """Debian starts a service once it is installed, unless this file says that it must not."""
    if _NO_STARTING.exists():
        yield
        return
    _NO_STARTING.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _NO_STARTING.chmod(0o755)
    try:
        yield
    finally:
        _NO_STARTING.unlink()


# -- servers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A program that runs, with all that it starts; what it says goes to ``log``."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready. Exits with the end of its log as soon as it has ended, or when the time is over."""
        over = time.monotonic() + seconds
        while not ready():
            if (code := self.process.poll()) is not None:
                raise SystemExit(f"{self.name} ended by itself, with {code}. {self.tail}")
            if time.monotonic() > over:
                raise SystemExit(f"{self.name} did not start within {seconds:g} seconds. {self.tail}")
            time.sleep(0.2)

    @property
    def tail(self) -> str:
        """The end of what it said, with a line before it."""
        said = self.log.read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()
        return f"The end of its log:\n{said}" if said else "It said nothing."


@contextmanager
def started(
    name: str, command: Sequence[str | Path], log: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a program in the foreground; at the end it and all that it started is stopped."""
    with log.open("ab") as out, _signals_wait() as hear_them:
        process = subprocess.Popen(
            command, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
        try:
            hear_them()
            yield Server(name, process, log)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    _signal(process, signal.SIGKILL)  # what it started may not have heard, or may not have ended
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and SIGINT end the script as an error would: what was started is stopped on the way out."""

    def end(number: int, _: FrameType | None) -> None:
        for one in before:
            signal.signal(one, signal.SIG_IGN)  # a second one must not break off the stopping
        if _waiting:
            _waiting.append(number)
            return
        raise SystemExit(128 + number)

    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    for one in before:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


_waiting: list[int] = []
"""Empty, but while something is being started: then a zero, and the signal that came meanwhile."""


@contextmanager
def _signals_wait() -> Iterator[Callable[[], None]]:
    """A signal waits until what it would end is in our hands: one between the start and that left the program behind.

    Gives what is called once the program's stopping is sure: it ends us there if a signal came.
    """

    def hear_them() -> None:
        came = _waiting[1:]
        _waiting.clear()
        if came:
            raise SystemExit(128 + came[0])

    _waiting[:] = [0]
    try:
        yield hear_them
    finally:
        hear_them()


# -- tests ------------------------------------------------------------------------------------------------------------


def run_tests(told: Mapping[str, str], *arguments: str) -> int:
    """Run pytest with these arguments and environment variables; its exit code.

    PYTHON names the interpreter, that of .venv where it does not; PYTEST_ADDOPTS is pytest's own.
    """
    python = os.environ.get("PYTHON", str(ROOT / ".venv" / "bin" / "python"))
    command = [python, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *arguments]
    with _signals_wait() as hear_them:
        # A session of its own: a Ctrl-C reaches us alone, who hand it on once.
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **told}, start_new_session=True)
        try:
            hear_them()
            return process.wait()
        except BaseException:
            _signal(process, signal.SIGINT)  # so that the tests stop what they started
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()
            raise
