"""The files of the home are its owner's alone: retailers' words, addresses, keys and pictures of pages lie there.

``close_home`` takes from everybody else what they may do there, whatever was there before; ``looseness`` says what is
still open to others, and why, and changes nothing. What is made later is private by the umask (``be_private``).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from caseproof.config.cluster import Cluster
from caseproof.domain.errors import BadInput

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SHOWN = 5


class NotPrivate(BadInput):
    """Files of the home are open to others, and cannot be closed."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A file or folder that others than its owner can do something with; ``why`` is the end of "PATH ..."."""

    path: Path
    why: str


def be_private() -> None:
    """Whatever this process and its children make from now on, its owner alone may read and write."""
    os.umask(_OTHERS)


def close_folder(folder: Path) -> None:
    """Let nobody else into this folder; what cannot be done is for `caseproof doctor` to tell."""
    with suppress(OSError):
        _close(folder, folder.lstat())


def close_home(home: Path) -> None:
    """Let nobody else read or change anything in the home. Raises NotPrivate where that cannot be had."""
    for path, found in _all(home):
        with suppress(OSError):  # what stays open is told below
            _close(path, found)
    loose = looseness(home)
    if loose:
        raise NotPrivate(
            f"Others can read or change files of CASEPROOF_HOME: {told(loose)}.",
            "Give them to the user that Caseproof runs as, put the home on a disk that keeps permissions, or name "
            "another folder in CASEPROOF_HOME.",
        )


def looseness(home: Path) -> list[Loose]:
    """What of the home others than its owner can read or change, the home itself first.

    So are folders elsewhere that a link in the home stands for. Those it is not ours to close: they may be shared.
    """
    ours = {0, os.geteuid(), home.lstat().st_uid}
    linked = (path.resolve() for path in sorted(home.iterdir()) if path.is_symlink() and path.is_dir())
    found = (one for folder in (home, *linked) for one in _all(folder))
    whys = ((path, _open_to_others(file) or _of_another(path, file, ours, home)) for path, file in found)
    return [Loose(path, why) for path, why in whys if why]


def open_way(home: Path) -> list[Loose]:
    """The folders above the home in which anybody may put another home in its place."""
    above = ((folder, folder.lstat().st_mode) for folder in home.parents)
    # With the sticky bit, as in /tmp, nobody replaces what is another's.
    return [
        Loose(folder, f"lets anybody replace what is in it ({stat.S_IMODE(mode):04o})")
        for folder, mode in above
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX
    ]


def open_file(path: Path, *, secret: bool) -> list[Loose]:
    """The same for a file of ours outside the home, which others may not change; nor read, where it is ``secret``."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return []
    closed = _OTHERS if secret else stat.S_IWGRP | stat.S_IWOTH
    return [Loose(path, f"is open to others ({stat.S_IMODE(mode):04o})")] if mode & closed else []


def told(loose: list[Loose]) -> str:
    """The first of them in one sentence, without its full stop."""
    more = f"; and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else ""
    return "; ".join(f"{one.path} {one.why}" for one in loose[:_SHOWN]) + more


def _all(home: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in the home, it itself first, each folder before what is in it; symbolic links lead out of it.

    But for the pages that a Prefect server copies there: whoever opens them reads them, and they keep their modes.
    """
    yield home, home.lstat()
    for folder, names, files in os.walk(home):
        if Path(folder) in (home / "prefect", home / "server"):
            names[:] = [name for name in names if name != "ui"]
        for name in sorted([*names, *files]):
            path = Path(folder, name)
            try:
                found = path.lstat()
            except OSError:  # gone meanwhile: locks and half-written files come and go
                continue
            if not stat.S_ISLNK(found.st_mode):
                yield path, found


def _close(path: Path, found: os.stat_result) -> None:
    if found.st_mode & _OTHERS:
        path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def _open_to_others(found: os.stat_result) -> str:
    return f"is open to others ({stat.S_IMODE(found.st_mode):04o})" if found.st_mode & _OTHERS else ""


def _of_another(path: Path, found: os.stat_result, ours: set[int], home: Path) -> str:
    """Whose file it is may open it again; where we are root, the embedded PostgreSQL's data are another user's."""
    if found.st_uid in ours or path.is_relative_to(Cluster(home / "postgres").data):
        return ""
    return f"belongs to another user (number {found.st_uid})"
