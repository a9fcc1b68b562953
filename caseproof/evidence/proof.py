"""The proof: one JSON file that states why a closure was allowed, and can be checked without asking anyone.

It names the rule (J7 or J8), each condition of that rule with the evidence that meets it, what the case's procedure
claims (the run as it was read back, the confirmation's digest, the approvals), and the head of the event list. The list
itself is one of the files it names, so whoever checks it folds the same events with the same rules again and compares.
The rules are those of the procedure that the case's reference names.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, closure_rule, conditions_met
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.fold import fold
from caseproof.domain.procedure import procedure_of
from caseproof.evidence.vault import Vault

FORMAT = 1


class _File(Protocol):
    """What an evidence row says: its digest, name, media type and size in bytes."""

    @property
    def digest(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: what, whether it holds, and what was found."""

    what: str
    ok: bool
    found: str


def history_file(case: Case) -> bytes:
    """The event list as a file: what the head in the proof stands for."""
    events = [event.as_json() for event in case.events]
    return _readable({"case": case.ref, "head": case.head, "events": events})


def proof_file(proof: Mapping[str, Any]) -> bytes:
    """The proof as the bytes that are written, attached and named by their digest."""
    return _readable(proof)


def _readable(what: Mapping[str, Any]) -> bytes:
    return (json.dumps(what, indent=2, ensure_ascii=False) + "\n").encode()


def build_proof(case: Case, *, history: str, files: Iterable[_File], folder: Path, vault: Vault) -> dict[str, Any]:
    """The proof of a case that nothing blocks.

    It is a function of the events and files alone: whoever makes it again writes the same bytes. ``made_at`` is the
    time of the last event. ``history`` is the digest of ``history_file(case)`` in the vault; ``files`` are the case's
    evidence rows; paths are written relative to ``folder``, where the proof will lie. Raises BadInput when something
    still blocks.
    """
    if closure_blockers(case):
        raise BadInput(f"{case.ref} is not proven yet.", f"`caseproof case why {case.ref}` lists what is missing.")
    return {
        "caseproof_proof": FORMAT,
        "case": case.ref,
        **_claims(case),
        "history": history,
        "files": [_file(file, folder, vault) for file in _named(case, files, history)],
    }


def _claims(case: Case) -> dict[str, Any]:
    """What the proof says of the case, as a function of its events alone: made once, and made again to check it."""
    own = dict(case.procedure.claims(case))
    about: dict[str, Any] = {name: own.pop(name) for name in ("kind", "statement", "job") if name in own}
    return {
        "made_at": case.events[-1].at.isoformat(),
        "opening": case.opening,
        "rule": closure_rule(case),
        **about,
        "conditions": [
            {
                "code": condition.code,
                "rule": condition.rule,
                "holds": condition.sentence,
                "evidence": list(met.evidence),
                "events": list(met.events),
            }
            for condition, met in conditions_met(case)
        ],
        **own,
        "head": case.head,
        "events": case.version,
    }


def _named(case: Case, files: Iterable[_File], history: str) -> list[_File]:
    """The files that the proof rests on, each once: its conditions' evidence and the history."""
    wanted = {digest for _, met in conditions_met(case) for digest in met.evidence} | {history}
    found: dict[str, _File] = {}
    for file in files:
        if file.digest in wanted:
            found.setdefault(file.digest, file)
    return [found[digest] for digest in sorted(found, key=lambda d: found[d].name)]


def _file(file: _File, folder: Path, vault: Vault) -> dict[str, Any]:
    path = os.path.relpath(vault.path(file.digest), folder)
    return {
        "sha256": file.digest,
        "name": file.name,
        "media_type": file.media_type,
        "bytes": file.size,
        "path": path,
    }


# -- checking a proof ---------------------------------------------------------------------------------------------


def read_proof(path: Path) -> dict[str, Any]:
    """Read a proof file. Raises BadInput when it is not one."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=once_each)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Give the path of a proof file.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON as Caseproof writes it.", "Give the path of a proof file.") from error
    if not isinstance(raw, dict) or "caseproof_proof" not in raw:
        raise BadInput(f"{path} is not a proof.", "Give a file from the proofs folder, or a ticket's attachment.")
    if raw["caseproof_proof"] != FORMAT:
        raise BadInput(f"{path} has the format {raw['caseproof_proof']!r}.", "Check it with the version that made it.")
    return raw


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose every name stands there once: people read the first of two, programs the last."""
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a name stands there twice")
    return read


def verify_proof(path: Path) -> list[Check]:
    """Check a proof against the files it names; every line says what was checked and what was found.

    Raises BadInput when the file is no proof at all. A proof holds when every check is ok.
    """
    proof = read_proof(path)
    try:
        contents, checks = _check_files(proof["files"], path.parent)
        history = contents.get(proof["history"])
        if history is None:
            return [
                *checks,
                Check("event list", False, "it is not among the intact files, so nothing can be folded"),
            ]
        return [*checks, *_check_case(proof, history)]
    except (KeyError, TypeError, ValueError, AttributeError, CaseproofError) as error:
        return [Check("form", False, f"the proof or its event list is not well-formed: {error!r}")]


def _check_files(files: Sequence[Mapping[str, Any]], folder: Path) -> tuple[dict[str, bytes], list[Check]]:
    contents: dict[str, bytes] = {}
    checks = []
    for file in files:
        path = folder / file["path"]
        try:
            if not path.is_file():  # a device or a pipe would never end
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            content = path.read_bytes()
        except OSError as error:
            checks.append(Check(f"file {file['name']}", False, f"cannot be read: {error.strerror}"))
            continue
        digest = hashlib.sha256(content).hexdigest()
        ok = digest == file["sha256"] and len(content) == file["bytes"]
        checks.append(Check(f"file {file['name']}", ok, f"sha256 {digest[:12]}…, {len(content)} bytes"))
        if ok:
            contents[digest] = content
    return contents, checks


def _check_case(proof: Mapping[str, Any], history: bytes) -> list[Check]:
    told = json.loads(history)
    kinds = procedure_of(proof["case"]).kinds
    case = fold(proof["case"], [Event.from_json(raw, kinds) for raw in told["events"]])
    same_case = told["case"] == proof["case"]
    checks = [
        Check("whose event list", same_case, f"of {told['case']}"),
        Check("head of the event list", case.head == proof["head"], f"{case.head[:12]}…, {case.version} events"),
    ]
    blockers = closure_blockers(case)
    if blockers:
        missing = "; ".join(f"{b.rule} {b.code}" for b in blockers)
        return [*checks, Check("closure rules", False, f"the events do not meet them: {missing}")]
    named = sorted(file["sha256"] for file in proof["files"])
    rests_on = {digest for _, met in conditions_met(case) for digest in met.evidence}
    wrong = _wrong_claims(proof, case)
    return [
        *checks,
        Check("closure rules", True, f"all {len(conditions_met(case))} conditions hold when folded again"),
        Check("every file is named", named == sorted(rests_on | {proof["history"]}), f"{len(rests_on)} evidence files"),
        Check("what the proof says", not wrong, f"differs in {', '.join(wrong)}" if wrong else "as the events say"),
    ]


def _wrong_claims(proof: Mapping[str, Any], case: Case) -> list[str]:
    """The entries that do not follow from the events, and those that a proof does not have."""
    claims = _claims(case)
    known = claims.keys() | {"caseproof_proof", "case", "history", "files"}
    differ = [name for name, value in claims.items() if proof.get(name) != value]
    return differ + sorted(proof.keys() - known)
