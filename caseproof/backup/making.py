"""Make a backup while Caseproof works: one snapshot of the store first, then the files that the snapshot names.

Evidence is written to the vault before its row to the store, so every file of the snapshot is there by then. What the
vault gained later belongs to the next backup.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from caseproof.backup.checking import Found, check_contents, evidence_name, named_files
from caseproof.backup.files import BackupError, Progress, digest_of, for_people, silent, walk, writing
from caseproof.backup.form import (
    EVIDENCE,
    KEYS,
    MANIFEST,
    POLICY,
    PROOFS,
    STORE,
    SUMS,
    Manifest,
    proof_name,
    read_rows,
    row_line,
    write_manifest,
)
from caseproof.config import kept_key
from caseproof.config.given_files import read_plain
from caseproof.config.shipped import this_version
from caseproof.config.yaml_file import LARGEST as LARGEST_YAML
from caseproof.domain.errors import BadInput
from caseproof.evidence import answer_keys
from caseproof.evidence.vault import PART, EvidenceDamaged, EvidenceMissing, Vault, VaultError
from caseproof.store.copying import snapshot
from caseproof.store.store import Store
from caseproof.store.tables import REVISION

_EVERY = 500  # rows between two words of progress
_AGAIN = "Remove that folder or name another one, then run the backup again."


@dataclass(frozen=True)
class Home:
    """What is saved, and where it goes back: ``policy`` is the policy file, None where the built-in one is in force;
    ``keys`` is the folder of keys, which a backup has only where that was asked for."""

    store: Store
    vault: Vault
    proofs: Path
    policy: Path | None
    keys: Path | None = None


def make_backup(
    home: Home, folder: Path, *, now: datetime, with_keys: bool = False, progress: Progress = silent
) -> tuple[Manifest, Found]:
    """Write everything to a new or empty folder, and read it again. Problems of the home are listed, not raised.

    The home's keys are left out unless ``with_keys``: who has them can answer in a retailer's name.

    Raises BackupError for a folder that cannot be used or got full, StoreError and StoreDown. Then there is no
    ``backup.json``, so the folder cannot be taken for a backup.
    """
    folder = folder.expanduser().absolute()
    with for_people(f"The backup in {folder} cannot be written", _AGAIN):
        _claim(home, folder)
        digests = _write_store(home.store, folder, progress)
        problems = _copy_evidence(home.vault, folder, progress)
        problems |= _copy_proofs(home, folder, problems)
        if home.policy is not None:
            problems |= _copy_policy(home.policy, folder, digests)
        if with_keys and home.keys is not None:
            problems |= _copy_keys(home.keys, folder, digests)
        sums, files, size = _write_sums(folder, digests)
        found = check_contents(folder, files, progress)
        found.problems = found.problems | problems  # the reason from the home says more than "it is not there"
        manifest = Manifest(
            caseproof=this_version(),
            revision=REVISION,
            made_at=now,
            rows=found.rows,
            files=files,
            size=size,
            sums=sums,
            problems=found.problems,
        )
        write_manifest(folder, manifest)
    return manifest, found


def _claim(home: Home, folder: Path) -> None:
    """Take the folder for this backup; a second one at the same time finds it taken."""
    ours = (home.vault.folder, home.proofs)
    if any(folder.resolve().is_relative_to(place.resolve()) for place in ours):
        raise BackupError(f"{folder} lies in what is to be saved.", "Name a folder outside, best on another disk.")
    if folder.exists() and not folder.is_dir():
        raise BackupError(f"{folder} is a file.", "Name a folder that is new or empty.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds retailers' words and addresses
    if any(folder.iterdir()):
        what = "holds a backup already" if (folder / MANIFEST).exists() else "is not empty"
        raise BackupError(f"{folder} {what}.", "Name a folder that is new or empty; nothing was written.")
    (folder / STORE).mkdir()


def _write_store(store: Store, folder: Path, progress: Progress) -> dict[tuple[str, ...], str]:
    digests: dict[tuple[str, ...], str] = {}
    done = 0
    with snapshot(store) as now:
        total = sum(now.count(table) for table in now.tables)
        for table in now.tables:
            with writing(folder / STORE / f"{table}.jsonl") as file:
                for row in now.rows(table):
                    file.write(row_line(row))
                    done += 1
                    if done % _EVERY == 0:
                        progress("Copying rows", done, total)
            progress("Copying rows", done, total)
            digests[(STORE, f"{table}.jsonl")] = file.digest
    return digests


def _copy_evidence(vault: Vault, folder: Path, progress: Progress) -> dict[str, str]:
    """Copy what the snapshot names, each once, checked on reading; gives what is missing or damaged."""
    target, problems = Vault(folder / EVIDENCE), dict[str, str]()
    target.folder.mkdir()
    total = sum(1 for _ in named_files(folder))
    for number, (digest, what) in enumerate(named_files(folder), 1):
        name = evidence_name(digest)
        settled = name in problems or (folder / name).exists()  # another case has the same file
        if not settled and (wrong := _copy_one(vault, target, digest, what)):
            problems[name] = f"{what} {wrong}"
        progress("Copying evidence", number, total)
    return problems


def _copy_one(vault: Vault, target: Vault, digest: str, what: str) -> str:
    try:
        content = vault.read(digest)
    except EvidenceMissing:
        return "is missing in the vault"
    except EvidenceDamaged:
        return "was changed in the vault after it was stored; it was left out"
    except (VaultError, BadInput) as error:
        return f"cannot be read: {error.problem}"
    _put(target, content, what)
    return ""


def _put(target: Vault, content: bytes, name: str) -> None:
    try:
        target.put(content, name, "")
    except VaultError as error:
        raise BackupError(f"The backup cannot be written: {error.problem}", f"Free disk space. {_AGAIN}") from error


def _copy_proofs(home: Home, folder: Path, known: dict[str, str]) -> dict[str, str]:
    """Write the proof files that cases took, from their copies in the evidence, and compare them with the home's."""
    taken = {row["digest"] for row in read_rows(folder, "proofs")}
    (folder / PROOFS).mkdir()
    problems: dict[str, str] = {}
    kept = Vault(folder / EVIDENCE)
    for row in read_rows(folder, "evidence"):
        digest, name = row["digest"], str(row["name"])
        if digest not in taken or evidence_name(digest) in known or not proof_name(name):
            continue
        with writing(folder / PROOFS / name) as file:
            file.write(kept.read(digest))
        own = home.proofs / name
        if not own.is_file() or digest_of(own) != digest:
            problems[f"{PROOFS}/{name}"] = "is missing or was changed in the home; the backup has it from the vault"
    return problems


def _copy_policy(policy: Path, folder: Path, digests: dict[tuple[str, ...], str]) -> dict[str, str]:
    try:
        content = read_plain(policy, LARGEST_YAML)
    except OSError as error:
        return {POLICY: f"{policy} cannot be read: {error.strerror}"}
    with writing(folder / POLICY) as file:
        file.write(content)
    digests[(POLICY,)] = file.digest
    return {}


def _copy_keys(keys: Path, folder: Path, digests: dict[tuple[str, ...], str]) -> dict[str, str]:
    problems: dict[str, str] = {}
    (folder / KEYS).mkdir(mode=0o700)
    for name in answer_keys.NAMES:  # the password of Prefect's server belongs to that server, not to the cases
        if (kept := kept_key.read(keys / name)) is None:
            continue
        with writing(folder / KEYS / name) as file:
            file.write(f"{kept}\n".encode())
        digests[(KEYS, name)] = file.digest
    return problems


def _write_sums(folder: Path, digests: dict[tuple[str, ...], str]) -> tuple[str, int, int]:
    """List every file with the digest of what was meant to be in it; gives the list's digest, the count, the bytes."""
    files = size = 0
    with writing(folder / SUMS) as sums:
        for parts, path in walk(folder):
            if path.name.startswith(PART):
                continue  # this list
            digest = digests.get(parts) or (path.name if parts[0] == EVIDENCE else digest_of(path))
            sums.write(f"{digest}  {'/'.join(parts)}\n".encode())
            files, size = files + 1, size + path.stat().st_size
    return sums.digest, files, size
