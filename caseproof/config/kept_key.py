"""A secret that this home makes for itself and keeps: a file of its own, for its owner alone."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from caseproof.config.given_files import read_plain
from caseproof.domain.errors import BadInput

_LONGEST = 100_000

FOLDER = "keys"
"""Where in the home such files lie."""


def read(path: Path) -> str | None:
    """What is kept there; None where nothing is. Raises BadInput where it cannot be read.

    Looser modes of a copy are mended by `caseproof up` with those of the whole home, and found by the doctor.
    """
    try:
        kept = read_plain(path, _LONGEST, links=False).decode().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    if not kept:
        raise BadInput(f"{path} is empty.", "Delete it, and it is made anew.")
    return kept


def read_or_make(path: Path, make: Callable[[], str]) -> str:
    """What is kept there; where nothing is, what ``make`` gives is kept.

    Of two processes at once, both get what the first one kept. The file is 0600, its folder 0700.
    Raises BadInput where that cannot be.
    """
    if (kept := read(path)) is not None:
        return kept

    def first_one_wins(half: Path) -> None:
        with suppress(FileExistsError):  # another process was first: its secret is the one that counts
            os.link(half, path)  # whole or not at all, and never over one that is there

    _write(path, make, first_one_wins)
    if (kept := read(path)) is None:
        raise BadInput(f"{path} was taken away while it was made.", "Try again.")
    return kept


def replace(path: Path, text: str) -> None:
    """Keep this instead of what was kept; whoever reads meanwhile gets the one or the other. Raises BadInput."""
    _write(path, lambda: text, lambda half: half.replace(path))


def forget(path: Path) -> None:
    """Keep it no longer. Raises BadInput where it cannot be deleted."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def _write(path: Path, make: Callable[[], str], put: Callable[[Path], object]) -> None:
    """Write a file for its owner alone, and put it in its place once it is whole."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        try:
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(make() + "\n")
                file.flush()
                os.fsync(descriptor)
            put(half)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> BadInput:
    why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return BadInput(
        f"{path} cannot be kept for its owner alone: {why}.",
        "Look whose file and folder that is; a home belongs to one user, on a disk that has modes and hard links.",
    )
