"""The form of a backup: which files it has, and what ``backup.json`` says of them.

A folder is a whole backup when it has ``backup.json``, for that is written last. That file holds the digest of the
list ``SHA256SUMS`` and, last, its own; the list names every other file. A digest finds a slip and a rotten disk; who
can rewrite all files can write other digests too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from caseproof.backup.files import LARGEST, BackupError, writing
from caseproof.config.given_files import open_plain, read_plain
from caseproof.config.strict_json import once_each, strict_json

FORMAT = 1
LONGEST_LINE = 1000
"""Of the list, in bytes: a digest and a path are much shorter."""

_LARGEST_MANIFEST = 100_000_000
_LONGEST_ROW = 200_000_000
MANIFEST, SUMS = "backup.json", "SHA256SUMS"
STORE, EVIDENCE, PROOFS, POLICY, KEYS = "store", "evidence", "proofs", "policy.yaml", "keys"

_ANOTHER = "Take another backup, or another copy of this one; nothing was written."
_SHAPES = (
    (STORE, re.compile(r"[a-z_]+\.jsonl", re.ASCII)),
    (PROOFS, re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.json", re.ASCII)),
    (KEYS, re.compile(r"[a-z][a-z-]{0,60}", re.ASCII)),
)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What ``backup.json`` says: who made the backup when, how much there is, and what was wrong already then.

    ``rows`` counts by table; ``files`` and ``size`` (bytes) count all files but ``backup.json`` and the list;
    ``problems`` says by file or case what is missing or was changed in the home that was saved.
    """

    caseproof: str
    revision: str
    made_at: datetime
    rows: Mapping[str, int]
    files: int
    size: int
    sums: str
    problems: Mapping[str, str]


def belongs(parts: tuple[str, ...]) -> bool:
    """Whether a backup may have a file at this place."""
    match parts:
        case (name,):
            return name == POLICY
        case (folder, name):
            return any(folder == where and shape.fullmatch(name) for where, shape in _SHAPES)
        case (folder, start, name):
            return folder == EVIDENCE and bool(_DIGEST.fullmatch(name)) and start == name[:2]
    return False


def proof_name(name: str) -> bool:
    """Whether a proof file may have this name in a backup."""
    return belongs((PROOFS, name))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``backup.json``, which makes the folder a backup. Raises OSError."""
    said = {"caseproof_backup": FORMAT, **asdict(manifest), "made_at": manifest.made_at.isoformat()}
    text = json.dumps({**said, "digest": _digest(said)}, indent=2, ensure_ascii=False) + "\n"
    with writing(folder / MANIFEST) as file:
        file.write(text.encode())


def read_manifest(folder: Path) -> Manifest:
    """Read ``backup.json``. Raises BackupError for a folder that is no whole backup, and for another format."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BackupError(f"There is no folder {folder}.", "Name the folder that `caseproof backup` wrote.")
    if not path.exists():
        raise BackupError(
            f"{folder} is no whole backup: it has no {MANIFEST}, which is written last.",
            "Name a folder that `caseproof backup` finished.",
        )
    if path.is_symlink() or not path.is_file():
        raise BackupError(f"{path} is a link or no file; a backup has none.", _ANOTHER)
    try:
        said = strict_json(read_plain(path, _LARGEST_MANIFEST, links=False))
        form = said["caseproof_backup"]
    except (ValueError, TypeError, KeyError) as error:
        raise BackupError(f"{path} is not as Caseproof writes it.", _ANOTHER) from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}.", "Make the backup readable for you.") from error
    if form != FORMAT:
        raise BackupError(
            f"{folder} is a backup of the format {form!r}; this version of Caseproof reads {FORMAT}.",
            "Install the version of Caseproof that made it, or a newer one.",
        )
    if _digest({name: value for name, value in said.items() if name != "digest"}) != said.get("digest"):
        raise BackupError(f"{path} was changed after it was written.", _ANOTHER)
    return _manifest(said, path)


def _manifest(said: Mapping[str, Any], path: Path) -> Manifest:
    try:
        return Manifest(
            caseproof=str(said["caseproof"]),
            revision=str(said["revision"]),
            made_at=datetime.fromisoformat(said["made_at"]),
            rows={str(name): int(count) for name, count in said["rows"].items()},
            files=int(said["files"]),
            size=int(said["size"]),
            sums=str(said["sums"]),
            problems={str(name): str(text) for name, text in said["problems"].items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupError(f"{path} is not as Caseproof writes it.", _ANOTHER) from error


def read_sums(folder: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the list says: a digest and the parts of a path, line by line. Raises BackupError, OSError."""
    with open_plain(folder / SUMS, LARGEST, links=False) as file:
        for raw in iter(partial(file.readline, LONGEST_LINE), b""):
            line = raw.decode("utf-8", "replace")
            digest, _, path = line.removesuffix("\n").partition("  ")
            if not _DIGEST.fullmatch(digest) or not belongs(tuple(path.split("/"))):
                raise BackupError(f"{folder / SUMS} names what no backup has: {path[:80]!r}.", _ANOTHER)
            yield digest, tuple(path.split("/"))


def read_rows(folder: Path, table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table. Raises BackupError for a line that is no row, OSError."""
    path = folder / STORE / f"{table}.jsonl"
    with open_plain(path, LARGEST, links=False) as file:
        for number, line in enumerate(iter(partial(file.readline, _LONGEST_ROW), b""), 1):
            try:
                row = json.loads(line, object_pairs_hook=once_each)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict) or not line.endswith(b"\n"):
                raise BackupError(f"{path}, line {number}, is no row of a table.", _ANOTHER)
            yield row


def row_line(row: Mapping[str, Any]) -> bytes:
    """A row as it is written: in ASCII, so that even half a character pair, which UTF-8 cannot hold, comes through."""
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _digest(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
