"""Read a whole backup again: every digest, every count, every case folded from its events, every closed case's proof.

Two kinds of finding are kept apart. What the backup's own files contradict (a digest, a count, a file too many) makes
it no backup: BackupError. What was missing or edited in the home that was saved is a *problem*: the rest is as good as
it can be, so it is listed, by the file's path or the case's reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from caseproof.backup.files import BackupError, Progress, digest_of, for_people, silent, walk
from caseproof.backup.form import (
    EVIDENCE,
    LONGEST_LINE,
    MANIFEST,
    PROOFS,
    STORE,
    SUMS,
    Manifest,
    belongs,
    proof_name,
    read_manifest,
    read_rows,
    read_sums,
)
from caseproof.domain.errors import CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, blank
from caseproof.evidence.proof import verify_proof
from caseproof.store.case_rows import row_says
from caseproof.store.refs import make_ref

_READ_ANYWAY = 50_000_000  # bytes: what is a little too large is told by name, once its digest is known
_ANOTHER = "Take another backup, or another copy of this one; nothing was written."

Row = dict[str, Any]


@dataclass(slots=True)
class Found:
    """What a backup holds, as it was read: ``size`` counts bytes, ``proofs`` the closed cases whose proof holds."""

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    evidence: int = 0
    cases: int = 0
    closed: int = 0
    events: int = 0
    proofs: int = 0
    problems: dict[str, str] = field(default_factory=dict)


def check_backup(folder: Path, progress: Progress = silent) -> tuple[Manifest, Found]:
    """Check a whole backup, and that it says of itself what is there. Raises BackupError, writes nothing."""
    with for_people(f"The backup {folder} cannot be read", "Make it readable for you, or take another copy."):
        manifest = read_manifest(folder)
        _refuse_another_size(folder, manifest)
        if not (folder / SUMS).is_file() or digest_of(folder / SUMS) != manifest.sums:
            raise BackupError(f"{folder / SUMS} was changed after it was written, or is missing.", _ANOTHER)
        found = check_contents(folder, manifest.files, progress)
    told = (dict(manifest.rows), manifest.files, manifest.size)
    if (found.rows, found.files, found.size) != told:
        raise BackupError(f"{folder} does not hold as many rows and files as its {MANIFEST} says.", _ANOTHER)
    if unlisted := sorted(found.problems.keys() - manifest.problems.keys()):
        first = unlisted[0]
        raise BackupError(
            f"{folder} is not whole: {first}: {found.problems[first]}"
            + (f" ({len(unlisted) - 1} more like it)." if len(unlisted) > 1 else ""),
            _ANOTHER,
        )
    return manifest, found


def _refuse_another_size(folder: Path, manifest: Manifest) -> None:
    """A file that was made huge is found before it is read; a backup says of itself how large it is."""
    size = 0
    for parts, path in walk(folder):
        if parts == (MANIFEST,):
            continue
        here = path.lstat().st_size
        if parts == (SUMS,) and here > LONGEST_LINE * (manifest.files + 1):
            raise BackupError(f"{path} is larger than it can be.", _ANOTHER)
        size += here if parts != (SUMS,) else 0
        if size > manifest.size + _READ_ANYWAY:
            raise BackupError(f"{folder} is larger than its {MANIFEST} says: {path} was changed or added.", _ANOTHER)


def check_contents(folder: Path, files: int, progress: Progress = silent) -> Found:
    """Check everything but ``backup.json``; ``files`` is how many there should be. Raises BackupError, OSError."""
    found = Found()
    for path, digest in _compared(folder):
        parts = path.relative_to(folder).parts
        if digest_of(path) != digest or (parts[0] == EVIDENCE and digest != path.name):
            raise BackupError(f"{path} was changed after it was written.", _ANOTHER)
        found.files += 1
        found.size += path.stat().st_size
        found.evidence += parts[0] == EVIDENCE
        progress("Reading files again", found.files, files)
    for path in sorted((folder / STORE).glob("*.jsonl")):
        found.rows[path.stem] = sum(1 for _ in read_rows(folder, path.stem))
    _check_files_named(folder, found)
    _check_cases(folder, found, progress)
    return found


def _compared(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file with the digest that the list has for it. Both go in one order, so neither is held in memory."""
    listed = read_sums(folder)
    for parts, path in walk(folder):
        if parts in ((MANIFEST,), (SUMS,)):
            continue
        digest, told = next(listed, ("", None))
        if told is not None and told < parts:
            raise BackupError(f"{folder.joinpath(*told)} is missing.", _ANOTHER)
        if told != parts or not belongs(parts):
            raise BackupError(f"{path} was added to the backup, or is listed in another place.", _ANOTHER)
        yield path, digest
    for _, told in listed:
        raise BackupError(f"{folder.joinpath(*told)} is missing.", _ANOTHER)


def named_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file that the store names, as its digest and what it is for people; the same file may come twice."""
    refs = {row["id"]: _ref(row) for row in read_rows(folder, "cases")}
    for row in read_rows(folder, "evidence"):
        yield row["digest"], f"{row['name']} of {refs.get(row['case_id'], 'no case')}"
    for row in read_rows(folder, "proofs"):
        yield row["digest"], f"a proof of {refs.get(row['case_id'], 'no case')}"
    for row in read_rows(folder, "ticket_attachments"):
        yield row["digest"], f"{row['name']} on T-{row['ticket']:06d}"
    if (folder / STORE / "messages.jsonl").exists():  # a backup of an older revision has none
        for row in read_rows(folder, "messages"):
            yield row["digest"], f"message {row['id']}"


def evidence_name(digest: str) -> str:
    """What a problem with an evidence file goes by: its path in the backup."""
    return f"{EVIDENCE}/{digest[:2]}/{digest}"


def _check_files_named(folder: Path, found: Found) -> None:
    for digest, what in named_files(folder):
        name = evidence_name(digest)
        if not (belongs(tuple(name.split("/"))) and (folder / name).is_file()):
            found.problems.setdefault(name, f"{what} is not in the backup")


# -- cases ------------------------------------------------------------------------------------------------------------


def _ref(row: Mapping[str, Any]) -> str:
    """The reference that a case's row must have. A backup from before revision 0005 has job failures alone."""
    return make_ref(str(row.get("procedure", "JF")), row["id"])


class _Beside:
    """The rows of a table, case by case, for a walk along the cases; both stand in the order of the cases."""

    def __init__(self, what: str, rows: Iterable[Row]) -> None:
        self._what = what
        self._groups = groupby(rows, key=lambda row: int(row["case_id"]))
        self._next: tuple[int, list[Row]] | None = None

    def of(self, case: int | None) -> list[Row]:
        """The rows of this case; None: there must be none left. Raises BackupError for rows of no case."""
        if self._next is None:
            self._next = next(((number, list(group)) for number, group in self._groups), None)
        if self._next is None:
            return []
        number, rows = self._next
        if case is None or number < case:
            raise BackupError(f"The backup's table {self._what} has rows of a case that is not there.", _ANOTHER)
        if number > case:
            return []
        self._next = None
        return rows


def _check_cases(folder: Path, found: Found, progress: Progress) -> None:
    events = _Beside("events", read_rows(folder, "events"))
    evidence = _Beside("evidence", read_rows(folder, "evidence"))
    total = found.rows.get("cases", 0)
    for row in read_rows(folder, "cases"):
        told, files = events.of(row["id"]), evidence.of(row["id"])
        found.cases += 1
        found.closed += bool(row["closed"])
        found.events += len(told)
        if wrong := _case_wrong(row, told):
            found.problems[_ref(row)] = wrong
        if row["closed"]:
            _check_proof(folder, row, files, found)
        progress("Folding cases", found.cases, total)
    for rest in (events, evidence):
        rest.of(None)


def _case_wrong(row: Mapping[str, Any], told: list[Row]) -> str:
    """What is wrong with a case; the row must say what follows from the events, and each event be chained."""
    try:
        case = blank(_ref(row))
        for event in told:
            case = apply(case, Event.from_json(event, case.procedure.kinds))
            if (case.version, case.head) != (event["seq"], event["digest"]):
                return f"its event {event['seq']} does not match its digest: it was edited past Caseproof"
        # A backup of an older revision has fewer columns.
        follows = {name: value for name, value in {"ref": case.ref, **row_says(case)}.items() if name in row}
    except (CaseproofError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its events cannot be read: {error}"
    says = {name: row[name] for name in follows}
    return "" if follows == says else "its row says something else than its events: it was edited past Caseproof"


def _check_proof(folder: Path, row: Mapping[str, Any], files: list[Row], found: Found) -> None:
    """The closed case's proof, as anybody would check it, from the files of the backup alone."""
    names = [file["name"] for file in files if file["digest"] == row["proof"]]
    path = folder / PROOFS / names[0] if names and proof_name(names[0]) else None
    wrong = []
    if path is None or not path.is_file():
        wrong.append("its proof is not in the backup")
    elif digest_of(path) != row["proof"]:
        wrong.append("its proof file is another one")
    else:
        try:
            wrong += [f"{check.what}: {check.found}" for check in verify_proof(path) if not check.ok]
        except CaseproofError as error:
            wrong.append(error.problem)
    if wrong:
        found.problems[f"proof of {_ref(row)}"] = f"it does not hold: {'; '.join(wrong)}"
    else:
        found.proofs += 1
