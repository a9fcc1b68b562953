"""A whole home against itself: each case and its events, the guards, each file, each closed case's proof.

What somebody changed past Caseproof is found here, unless everything fits: the owner of the tables can drop a guard,
but what they write says something else than the events then, or the events say something else than the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from caseproof.domain.errors import CaseproofError
from caseproof.domain.fold import fold
from caseproof.evidence.proof import read_proof, verify_proof
from caseproof.evidence.vault import Vault
from caseproof.store import Store, UnitOfWork
from caseproof.store.errors import Unreadable

Told = Callable[[str, int, int], None]
"""Told what is being looked at, how much of it is done, and how much there is."""

_COMPARE = "Find out who can write there; compare with a backup, and restore it from one."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as it was written down: which, what is wrong with it, and what to do."""

    what: str
    found: str
    next_action: str = _COMPARE


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, counted, and what is wrong with it."""

    cases: int
    closed: int
    proofs: int
    files: int
    faults: tuple[Fault, ...]


def audit(store: Store, vault: Vault, proofs: Path, told: Told) -> Audit:
    """Look through the whole store, the vault and the folder of the proofs. Changes nothing. Raises StoreError."""
    with store.reading() as uow:
        refs, closings, named = uow.cases.refs(), uow.cases.closings(), uow.evidence.named()
        faults = list(_edited(uow))
    # Files take their time, and no transaction waits for them.
    faults += _files(vault, named, told)
    wrong = [list(_proof(store, vault, proofs, ref, digest)) for ref, digest in _counted(closings, told)]
    sound = sum(not found for found in wrong)
    return Audit(len(refs), len(closings), sound, len(named), (*faults, *(one for found in wrong for one in found)))


def _edited(uow: UnitOfWork) -> Iterator[Fault]:
    for ref in uow.cases.damaged():
        yield Fault(ref, "The store says something else than its events, or these cannot be read.")
    anew = "`caseproof backup`, and `caseproof restore` into an empty home, makes the guards anew."
    for name in uow.guards_missing():
        yield Fault(f"guard {name}", "It was dropped or switched off.", anew)
    for name in uow.guards_changed():
        yield Fault(f"trigger {name}", "It is not Caseproof's, or not as Caseproof made it.", anew)


def _files(vault: Vault, named: dict[str, str], told: Told) -> Iterator[Fault]:
    for done, (digest, what) in enumerate(sorted(named.items()), 1):
        try:
            if not vault.has(digest):
                yield Fault(what, f"Its file {digest} is missing, or was changed after it was stored.")
        except CaseproofError as error:
            yield Fault(what, error.problem, error.next_action)
        told("Reading files again", done, len(named))


def _counted(closings: list[tuple[str, str]], told: Told) -> Iterator[tuple[str, str]]:
    for done, closing in enumerate(closings, 1):
        yield closing
        told("Checking proofs", done, len(closings))


def _proof(store: Store, vault: Vault, folder: Path, ref: str, digest: str) -> Iterator[Fault]:
    """What is wrong with the proof with which a case is closed, as anybody would check it, and against the store."""
    with store.reading() as uow:
        name = next((file.name for file in uow.evidence.of(ref) if file.digest == digest), "")
    if not name or Path(name).name != name:
        yield Fault(f"proof of {ref}", "The case is closed, and lists no proof of it.")
        return
    path = folder / name
    try:
        if path.read_bytes() != vault.read(digest):
            yield Fault(f"proof of {ref}", f"{path} is another one than the case closed with.")
            return
        wrong = [f"{check.what}: {check.found}" for check in verify_proof(path) if not check.ok]
        if not wrong and not _is_of_these_events(store, ref, path):
            wrong = ["the events in the store are others than those that it was made of"]
    except OSError as error:
        wrong = [f"{path} cannot be read ({error.strerror})"]
    except CaseproofError as error:
        wrong = [error.problem]
    if wrong:
        yield Fault(f"proof of {ref}", f"It does not hold: {'; '.join(wrong)}")


def _is_of_these_events(store: Store, ref: str, path: Path) -> bool:
    proof = read_proof(path)
    try:
        case = store.case(ref)
    except Unreadable:  # said of the case itself
        return True
    return bool(fold(ref, case.events[: proof["events"]]).head == proof["head"])
