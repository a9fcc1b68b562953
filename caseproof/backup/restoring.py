"""Restore a backup onto nothing: the whole backup is checked first, a live system is never written over.

Files go first, each whole or not at all and under its own digest; then every row in one transaction. So a restore that
dies leaves an empty store and perhaps files that the backup names, and restoring again goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from caseproof.backup.checking import Found, check_backup
from caseproof.backup.files import LARGEST, BackupError, Progress, digest_of, for_people, silent, walk, writing
from caseproof.backup.form import EVIDENCE, KEYS, POLICY, PROOFS, STORE, Manifest, read_manifest, read_rows, row_line
from caseproof.backup.making import Home
from caseproof.config import kept_key
from caseproof.config.given_files import open_plain
from caseproof.domain.errors import CaseproofError
from caseproof.evidence import answer_keys
from caseproof.evidence.vault import PART, Vault, VaultError
from caseproof.store.copying import Loading, can_hold, loading, rows_in
from caseproof.store.uow import UnitOfWork

_ELSEWHERE = "Restore into an empty home and store: name them in CASEPROOF_HOME and CASEPROOF_DATABASE_URL."
_PIECE = 1 << 20
_AGAIN = "Then restore again; it goes on from here."


def not_up() -> str | None:
    """Nothing is known to run at this home."""
    return None


def restore_backup(
    home: Home,
    folder: Path,
    *,
    is_up: Callable[[], str | None] = not_up,
    anyway: bool = False,
    progress: Progress = silent,
) -> tuple[Manifest, Found]:
    """Put a backup where nothing is yet. ``home.policy`` is where its policy goes, if there is none.

    ``is_up`` says what runs at this home, if something does. A backup that lists problems is restored with
    ``anyway`` only, and then has the same problems. Raises BackupError, StoreError and StoreDown; the store is then
    as it was.
    """
    folder = folder.expanduser().absolute()
    with for_people("The backup cannot be restored", f"Put that right. {_AGAIN}"):
        _refuse_another_version(read_manifest(folder))
        _refuse_live(home, folder, is_up)
        manifest, found = check_backup(folder, progress)
        if manifest.problems and not anyway:
            raise BackupError(
                f"This backup is not whole: {_listed(manifest)}.",
                "Restore one without problems, or this one as it is with --anyway.",
            )
        _put_files(home, folder, found, progress)
        _load(home, folder, manifest, found, progress)
        home.store.migrate()  # sets what stays with an SQLite file
    return manifest, found


def _listed(manifest: Manifest) -> str:
    told = [f"{name}: {text}" for name, text in manifest.problems.items()]
    return "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")


def _refuse_another_version(manifest: Manifest) -> None:
    if not can_hold(manifest.revision):
        raise BackupError(
            f"This backup is of a newer store (revision {manifest.revision}) than this version of Caseproof knows.",
            f"Install Caseproof {manifest.caseproof} or newer.",
        )


# -- nothing live is written over -------------------------------------------------------------------------------------


def _refuse_live(home: Home, folder: Path, is_up: Callable[[], str | None]) -> None:
    if running := is_up():
        raise BackupError(f"Caseproof is up: {running}.", "Stop it, then restore.")
    if rows := rows_in(home.store):
        held = "a row" if rows == 1 else f"{rows} rows"
        raise BackupError(
            f"The store {home.store.name} holds {held} already; a restore never writes over a store.", _ELSEWHERE
        )
    for own, saved in ((home.vault.folder, folder / EVIDENCE), (home.proofs, folder / PROOFS)):
        _refuse_foreign(own, saved)


def _refuse_foreign(own: Path, saved: Path) -> None:
    """What a restore that died put there may stay; anything else means that the home is in use."""
    for parts, path in walk(own):
        if path.name.startswith(PART):
            continue
        from_backup = saved.joinpath(*parts)
        if from_backup.is_symlink() or not from_backup.is_file() or digest_of(path) != digest_of(from_backup):
            raise BackupError(f"{own} is not empty: {path} is not from this backup.", _ELSEWHERE)


# -- files ------------------------------------------------------------------------------------------------------------


def _put_files(home: Home, folder: Path, found: Found, progress: Progress) -> None:
    source = Vault(folder / EVIDENCE)
    for number, (parts, _) in enumerate(walk(source.folder), 1):
        try:
            home.vault.put(source.read(parts[-1]), parts[-1], "")
        except VaultError as error:
            raise BackupError(f"The backup cannot be restored: {error.problem}", f"Put that right. {_AGAIN}") from error
        progress("Putting evidence back", number, found.evidence)
    for parts, path in walk(folder / PROOFS):
        _put(path, home.proofs.joinpath(*parts))
    for own in (home.vault.folder, home.proofs):
        _tidy(own)
    _put_keys(home, folder)
    saved = folder / POLICY
    if home.policy is not None and saved.exists() and not home.policy.exists():
        _put(saved, home.policy)


def _put_keys(home: Home, folder: Path) -> None:
    """The keys of the backup, where it has some: those that belong to its store take the place of the home's own."""
    for parts, path in walk(folder / KEYS):
        if home.keys is None or parts[-1] not in answer_keys.NAMES:
            continue
        own = home.keys.joinpath(*parts)
        kept_key.forget(own)
        kept_key.read_or_make(own, path.read_text(encoding="utf-8").strip)


def _put(saved: Path, to: Path) -> None:
    if not to.exists():
        with writing(to) as file, open_plain(saved, LARGEST, links=False) as content:
            for piece in iter(partial(content.read, _PIECE), b""):
                file.write(piece)


def _tidy(own: Path) -> None:
    """Take away what a killed restore had begun to write."""
    for _, path in walk(own):
        if path.name.startswith(PART):
            path.unlink()


# -- rows -------------------------------------------------------------------------------------------------------------


def _load(home: Home, folder: Path, manifest: Manifest, found: Found, progress: Progress) -> None:
    with loading(home.store, manifest.revision) as new:
        if set(new.tables) != set(found.rows):
            raise BackupError("This backup does not hold the tables of its revision.", "Take another backup.")
        done, total = 0, sum(found.rows.values())
        for table in new.tables:
            for count in new.load(table, read_rows(folder, table)):
                done += count
                progress("Putting rows back", done, total)
        for table in new.tables:
            _compare(folder, new, table)
        _refuse_damaged(new.finish(), manifest)
        progress("Keeping it", 1, 1)
        new.commit()


def _refuse_damaged(uow: UnitOfWork, manifest: Manifest) -> None:
    try:
        damaged = set(uow.cases.damaged()) - manifest.problems.keys()
    except (CaseproofError, ValueError) as error:
        raise BackupError(f"A case of this backup cannot be read: {error}.", "Restore an older backup.") from error
    if damaged:
        raise BackupError(
            f"The rows of {', '.join(sorted(damaged))} say something else than their events.", "Restore another backup."
        )


def _compare(folder: Path, new: Loading, table: str) -> None:
    """Read the rows back: written down again, they are the backup's file, byte for byte."""
    read_back = hashlib.sha256()
    for row in new.rows(table):
        read_back.update(row_line(row))
    if read_back.hexdigest() != digest_of(folder / STORE / f"{table}.jsonl"):
        raise BackupError(
            f"The rows of {table}, read back from the store, are not those of the backup.",
            "Nothing was written. Keep the backup, and tell who maintains Caseproof.",
        )
