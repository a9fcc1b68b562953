"""The proof: one JSON file that states why a closure was allowed, and can be checked without asking anyone.

It names the rule (J7 or J8), each condition of that rule with the evidence that meets it, what the case's procedure
claims (the run as it was read back, the confirmation's digest, the approvals), and the head of the event list. The list
itself is one of the files it names, so whoever checks it folds the same events with the same rules again and compares.
The rules are those of the procedure that the case's reference names.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from caseproof.config.given_files import open_plain, read_plain
from caseproof.config.strict_json import strict_json
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, closure_rule, conditions_met
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.events import Event
from caseproof.domain.fold import fold
from caseproof.domain.procedure import procedure_of
from caseproof.evidence.event_fields import unknown_names
from caseproof.evidence.vault import LARGEST, Vault

FORMAT = 1

LARGEST_PROOF = 32_000_000
"""The largest proof file that is read, in bytes."""

_LARGEST_HISTORY = 200_000_000
_MOST_FILES = 10_000
_FILE_SAYS = {"sha256": str, "name": str, "media_type": str, "bytes": int, "path": str}


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
                "holds": condition.holds(case),
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
    return _read_proof(path)[0]


def _read_proof(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        content = read_plain(path, LARGEST_PROOF)
        raw = strict_json(content)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Give the path of a proof file.") from error
    except ValueError as error:
        raise BadInput(f"{path} is not JSON as Caseproof writes it.", "Give the path of a proof file.") from error
    if not isinstance(raw, dict) or "caseproof_proof" not in raw:
        raise BadInput(f"{path} is not a proof.", "Give a file from the proofs folder, or a ticket's attachment.")
    form = raw["caseproof_proof"]
    if type(form) is not int or form != FORMAT:
        raise BadInput(f"{path} has the format {str(form)[:40]!r}.", "Check it with the version that made it.")
    return raw, content


def verify_proof(path: Path) -> list[Check]:
    """Check a proof against the files it names; every line says what was checked and what was found.

    Raises BadInput when the file is no proof at all. A proof holds when every check is ok: then it is, byte for byte,
    the file that Caseproof writes for these events and files, so there is no room in it for anything else.
    """
    proof, content = _read_proof(path)
    try:
        files = _files_named(proof)
        checks = [_check_file(file, path.parent) for file in files]
        history = _history(proof, files, path.parent) if all(check.ok for check in checks) else None
        if history is None:
            return [
                *checks,
                Check("event list", False, "it is not among the intact files, so nothing can be folded"),
            ]
        return [*checks, *_check_case(proof, content, history)]
    except CaseproofError as error:
        return [Check("form", False, f"the proof or its event list is not well-formed: {error.problem[:500]}")]
    # Whoever gives us a proof may have made it so that our rules stumble over it, in whatever way.
    except Exception as error:
        told = f"{type(error).__name__}: {error}"[:300]
        return [Check("form", False, f"the proof or its event list is not well-formed: {told!r}")]


def _files_named(proof: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the proof says of its files. Raises BadInput for what it does not say so."""
    files = proof["files"]
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise _odd("its files are no list, or too long a one")
    for file in files:
        if not isinstance(file, dict):
            raise _odd("one of its files is no file's description")
        if odd := sorted(file.keys() ^ _FILE_SAYS.keys()):
            raise _odd(f"what it says of a file differs in {_some(odd)}")
        if odd := [name for name, kind in _FILE_SAYS.items() if type(file[name]) is not kind]:
            raise _odd(f"what it says of a file is of another kind in {_some(odd)}")
    digests = [file["sha256"] for file in files]
    if len(set(digests)) < len(digests):
        raise _odd("it names a file twice")
    return files


def _odd(why: str) -> BadInput:
    return BadInput(why, "Compare with the copy on the ticket, or in a backup.")


def _some(names: Iterable[str]) -> str:
    """Names that somebody else chose, as they can be printed."""
    told = [name[:60] if name.replace(".", "_").isidentifier() else repr(name[:60]) for name in names]
    return ", ".join(told[:10]) + (f" and {len(told) - 10} more" if len(told) > 10 else "")


def _check_file(file: Mapping[str, Any], folder: Path) -> Check:
    """Whether the file is the one that the proof means. Only a file of a vault is ever opened, by its digest's name:
    else a proof could ask what is in any other file."""
    what, digest, size = f"file {file['name'][:200]}", file["sha256"], file["bytes"]
    place = PurePosixPath(file["path"])
    if place.is_absolute() or place.parts[-2:] != (digest[:2], digest):
        return Check(what, False, "cannot be read: its path does not lead to an evidence file of that digest")
    try:
        with open_plain(folder / place, LARGEST, links=False) as opened:
            found = os.fstat(opened.fileno()).st_size
            if found != size:
                return Check(what, False, f"{found} bytes, and the proof says {size}")
            told = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        return Check(what, False, f"cannot be read: {error.strerror}")
    return Check(what, told == digest, f"sha256 {told[:12]}…, {found} bytes")


def _history(proof: Mapping[str, Any], files: Iterable[Mapping[str, Any]], folder: Path) -> bytes | None:
    """The event list, from its file, which was checked; once more, for it may be another one by now."""
    for file in files:
        if file["sha256"] == proof["history"]:
            content = read_plain(folder / file["path"], _LARGEST_HISTORY, links=False)
            return content if hashlib.sha256(content).hexdigest() == proof["history"] else None
    return None


def _check_case(proof: Mapping[str, Any], content: bytes, history: bytes) -> list[Check]:
    told = strict_json(history)
    kinds = procedure_of(proof["case"]).kinds
    case = fold(proof["case"], [Event.from_json(raw, kinds) for raw in told["events"]])
    same_case = told["case"] == proof["case"]
    checks = [
        Check("whose event list", same_case, f"of {told['case']}"[:100]),
        Check("head of the event list", case.head == proof["head"], f"{case.head[:12]}…, {case.version} events"),
        _same("the event list as we write it", history_file(case), history),
    ]
    if unknown := unknown_names(case.events):
        checks.append(Check("what the events say", False, f"no event says {_some(unknown)}"))
    blockers = closure_blockers(case)
    if blockers:
        missing = "; ".join(f"{b.rule} {b.code}" for b in blockers)
        return [*checks, Check("closure rules", False, f"the events do not meet them: {missing}")]
    named = sorted(file["sha256"] for file in proof["files"])
    rests_on = {digest for _, met in conditions_met(case) for digest in met.evidence}
    wrong = _wrong_claims(proof, case)
    # Rebuilt in the order in which we write it: what this file says more, twice or otherwise shows here at the latest.
    again = {"caseproof_proof": FORMAT, "case": case.ref, **_claims(case), "history": proof["history"]}
    files = [{name: file[name] for name in _FILE_SAYS} for file in proof["files"]]
    return [
        *checks,
        Check("closure rules", True, f"all {len(conditions_met(case))} conditions hold when folded again"),
        Check("every file is named", named == sorted(rests_on | {proof["history"]}), f"{len(rests_on)} evidence files"),
        Check("what the proof says", not wrong, f"differs in {_some(wrong)}" if wrong else "as the events say"),
        _same("the proof as we write it", proof_file({**again, "files": files}), content),
    ]


def _same(what: str, ours: bytes, theirs: bytes) -> Check:
    return Check(what, ours == theirs, "byte for byte" if ours == theirs else "something else stands in the file, too")


def _wrong_claims(proof: Mapping[str, Any], case: Case) -> list[str]:
    """The entries that do not follow from the events, and those that a proof does not have."""
    claims = _claims(case)
    known = claims.keys() | {"caseproof_proof", "case", "history", "files"}
    # As JSON: to Python 1, 1.0 and true are the same.
    differ = [name for name, value in claims.items() if json.dumps(proof.get(name)) != json.dumps(value)]
    return differ + sorted(proof.keys() - known)
