"""Evidence files, each named by the SHA-256 of its content, so that none can be swapped unnoticed.

VaultError                 the vault could not keep or give a file
├── VaultFull              the disk (or the quota, or the allowed file size) is used up
├── EvidenceMissing        there is no file of that digest
└── EvidenceDamaged        there is one, and its content is not what its name says
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from caseproof.config.given_files import NoPlainFile, open_plain, read_plain
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHUNK = 1 << 20

LARGEST = 1_000_000_000
"""The largest file that is kept or read, in bytes; a larger one in the folder is none of ours."""

PART = ".new-"
"""How the name of a half-written file begins."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where the disk, the quota or the allowed file size is used up."""


class VaultError(CaseproofError):
    """The vault could not keep or give a file."""

    code = Code.EVIDENCE_FAILED


class VaultFull(VaultError):
    """The disk, the quota or the allowed file size is used up. Nothing was kept."""


class EvidenceMissing(VaultError):
    """There is no evidence file of that digest."""


class EvidenceDamaged(VaultError):
    """An evidence file's content is not what its name says."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file in the vault: ``digest`` is its hex SHA-256, ``size`` counts bytes, ``name`` is for people."""

    digest: str
    name: str
    media_type: str
    size: int
    path: Path


class Vault:
    """A folder of evidence files: ``ab/abcdef...``, no extension, each written once and checked on reading.

    Names and media types are not kept here: they belong to the case's events. Two writers of one content are
    harmless, for both put the same bytes in the same place in one step.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes, name: str, media_type: str) -> Evidence:
        """Keep ``content`` and say where. The same content is stored once; a damaged copy of it is replaced.

        When this returns, the file is on the disk, not only in its cache. Raises VaultFull or VaultError;
        then nothing is left behind.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        try:
            if not _is_kept(path, digest):
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as file:
                    for start in range(0, len(content), _CHUNK):
                        file.write(content[start : start + _CHUNK])
                _sync_folder(path.parent.parent)  # it may have a new sub-folder, whose name must last too
        except OSError as error:
            raise _for_people(error, self.folder) from error
        return Evidence(digest, name, media_type, len(content), path)

    def read(self, digest: str) -> bytes:
        """The content. Raises BadInput, EvidenceMissing, EvidenceDamaged or VaultError."""
        path = self.path(digest)
        try:
            content = read_plain(path, LARGEST, links=False)
        except FileNotFoundError as error:
            raise EvidenceMissing(
                f"The evidence file {digest} is not in the vault {self.folder}.",
                "Restore it from a backup, or make the evidence again; until then it proves nothing.",
            ) from error
        except NoPlainFile as error:
            raise EvidenceDamaged(
                f"The evidence file {digest} in the vault {self.folder} cannot be used: {error.strerror}.",
                "Restore it from a backup or make the evidence again, and find out who can write there.",
            ) from error
        except OSError as error:
            raise _for_people(error, self.folder) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise EvidenceDamaged(
                f"The evidence file {digest} in the vault {self.folder} was changed after it was stored.",
                "Restore it from a backup or make the evidence again, and find out who can write there.",
            )
        return content

    def has(self, digest: str) -> bool:
        """Whether the file is there and undamaged. Raises BadInput, or VaultError if it cannot be read."""
        path = self.path(digest)
        try:
            return _digest_of(path) == digest
        except OSError as error:
            raise _for_people(error, self.folder) from error

    def path(self, digest: str) -> Path:
        """Where a file of this digest would stand. Raises BadInput unless it is 64 lower-case hex digits."""
        if not _DIGEST.fullmatch(digest):
            raise BadInput(
                f"{digest[:80]!r} does not name an evidence file.",
                "Give the file's SHA-256 as 64 digits and letters a to f, in lower case.",
            )
        return self.folder / digest[:2] / digest


def _is_kept(path: Path, digest: str) -> bool:
    try:
        return _digest_of(path) == digest
    except NoPlainFile:  # somebody put something else in its place
        return False


def _digest_of(path: Path) -> str | None:
    """Hex SHA-256 of a file's content, None where there is no file. Raises NoPlainFile, OSError."""
    try:
        with open_plain(path, LARGEST, links=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place; it gets its name when it is whole and on the disk. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=PART, dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # Without this a power cut can forget the new name although the content is safe.
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _for_people(error: OSError, folder: Path) -> VaultError:
    what = error.strerror or type(error).__name__
    if error.errno in FULL:
        return VaultFull(
            f"There is no room for the evidence file in {folder} ({what}); nothing was stored.",
            "Free disk space there or raise the limit, then run the step again.",
        )
    return VaultError(
        f"The vault {folder} cannot be used ({what}).",
        "Make the folder readable and writable for the user that Caseproof runs as, then run the step again.",
    )
