"""For a program that refuses to run as root: the user without rights that runs it, and a copy that this user reaches.

Root's own home, and most folders that root makes, let only root in. No permission of theirs is changed, and the user
gets no leave to pass through: what passes through everything is root. The program's files are copied to a folder of
the machine, and its data are reached through the folder that it is started in (``HERE``).
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import Distribution
from pathlib import Path

import psutil

from caseproof.up.processes import Account

USER = "nobody"
HERE = "/proc/self/cwd"
"""The folder that a program was started in. The way there asks for no leave, whatever folders lie above it (Linux)."""
COPIES = Path("/var/cache/caseproof")
_UNUSED_SECONDS = 30 * 24 * 3600.0
"""How long a copy that no program runs from is kept: a home of another version may want it again."""
_HALF_SECONDS = 3600.0


def account() -> Account | None:
    """Whom to run as instead of root; None for whoever is not root. Raises LookupError where there is nobody."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise LookupError("only Linux leads another user through folders that root keeps to itself")
    try:
        user = pwd.getpwnam(USER)
    except KeyError as error:
        raise LookupError(f"this machine has no user {USER}, who would run it instead") from error
    return Account(user.pw_uid, user.pw_gid)


def copy_of(packages: Iterable[Path], distribution: Distribution, copies: Path) -> Path:
    """The folder, below ``copies``, of a copy of these folders that everybody may read and only root may write.

    It is made if it is not there, whole or not at all; installations of the same wheel share it. Raises OSError, also
    where somebody else than root may write in ``copies`` or a folder above it.
    """
    _make_safe(copies)
    record = distribution.read_text("RECORD") or str(distribution.locate_file(""))
    mark = hashlib.sha256(record.encode()).hexdigest()[:12]
    copy = copies / f"{distribution.name}-{distribution.version}-{mark}"
    if not copy.is_dir():
        half = Path(tempfile.mkdtemp(prefix="half-", dir=copies))
        try:
            for package in packages:
                shutil.copytree(package, half / package.name, ignore=shutil.ignore_patterns("include", "*.a", "*.py*"))
            _let_everybody_read(half)
            os.sync()  # its name says that it is whole: that must hold after a power cut, too
            with suppress(OSError):  # another program was faster
                half.rename(copy)
        finally:
            shutil.rmtree(half, ignore_errors=True)
        _tidy(copies, keep=copy)
    os.utime(copy)
    return copy


def _make_safe(copies: Path) -> None:
    missing = [folder for folder in (copies, *copies.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)  # another program may make it, too
        folder.chmod(0o755)  # whatever the umask
    for folder in (copies, *copies.parents):
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{folder} is not a folder of root's or ours")
        # In one with the sticky bit, like /tmp, nobody may replace what is root's.
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX:
            raise PermissionError(f"others than root may write in {folder}")


def _let_everybody_read(folder: Path) -> None:
    """An installation under a strict umask lets only its owner read."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)


def _tidy(copies: Path, *, keep: Path) -> None:
    """Remove copies that nothing runs from and nothing has asked for lately, and what was left half-made."""
    running = [command[0] for process in psutil.process_iter(["cmdline"]) if (command := process.info["cmdline"])]
    for folder in copies.iterdir():
        patience = _HALF_SECONDS if folder.name.startswith("half-") else _UNUSED_SECONDS
        try:
            old = time.time() - folder.lstat().st_mtime > patience
        except FileNotFoundError:  # another program finished its copy, or tidied
            continue
        if folder != keep and old and not any(one.startswith(f"{folder}/") for one in running):
            shutil.rmtree(folder, ignore_errors=True)
