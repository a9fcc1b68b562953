"""Files of a backup: written whole or not at all, listed in one order, and never reached through a link."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from caseproof.config.given_files import open_plain
from caseproof.domain.errors import CaseproofError
from caseproof.evidence.vault import FULL, whole_file

LARGEST = 1 << 50
"""No file of a backup is larger, in bytes: how large it is, its ``backup.json`` says, and that is asked first."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is (0 where nobody knows)."""


class BackupError(CaseproofError):
    """A backup cannot be made or must not be restored."""


def silent(what: str, done: int, total: int) -> None:
    """Progress for nobody."""
    del what, done, total


class Writer:
    """A file that is being written; ``digest`` is the hex SHA-256 of what it got so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, content: bytes) -> None:
        """Add these bytes."""
        self._hash.update(content)
        self._file.write(content)

    @property
    def digest(self) -> str:
        """The hex SHA-256 of what was written so far."""
        return self._hash.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Write a file of a backup, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        yield Writer(file)


def digest_of(path: Path) -> str:
    """The hex SHA-256 of a file's content. Raises OSError, also for what is no plain file."""
    with open_plain(path, LARGEST, links=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def walk(folder: Path, *, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Every file under a folder as (the parts of its path there, where it is), in the order of the parts.

    A folder that is not there has no files: some ways of copying forget empty ones. Raises BackupError for a link, a
    device or a pipe, OSError for what cannot be read.
    """
    if not folder.is_dir():
        return
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        parts = (*before, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from walk(Path(entry.path), before=parts)
        elif entry.is_file(follow_symlinks=False):
            yield parts, Path(entry.path)
        else:
            raise BackupError(
                f"{entry.path} is a link or no file at all; a backup has none.", "Take another copy of the backup."
            )


@contextmanager
def for_people(what: str, next_action: str) -> Iterator[None]:
    """Turn what the disk says into an error for people. ``what`` begins the sentence: "The backup cannot be ..."."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        where = f" ({error.filename})" if error.filename else ""
        if error.errno in FULL:
            raise BackupError(f"{what}: there is no room{where}: {why}.", f"Free disk space. {next_action}") from error
        raise BackupError(f"{what}: {why}{where}.", next_action) from error
