"""J7, J8, J10, J11: a support case closes with its solution, the client told, and the proof of each job that failed.

What proves a job is read here from the store: the closing of its own case and that case's proof, which is checked
as anybody would check it. Nothing of it is typed by anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, is_fresh, proof_holds
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.support.conditions import last_closing_of, linked_jobs, proof_of
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.vault import VaultError
from caseproof.platforms.base import JobPlatform, RunState, UnknownJob
from caseproof.procedure.closing.proving import ProofNotMade, make_proof, proof_path
from caseproof.procedure.core.parts import US, EvidenceFiles, Ledger, event_of


def prove_the_jobs(ledger: Ledger, files: EvidenceFiles, folder: Path, ref: str) -> Case:
    """Ensure that the closing of each linked job's case is written down, once that case is closed with its proof.

    Only a closing after this case was opened is written down, and it counts if its run was made after that, too.
    ``folder`` is where proofs lie. Raises ProofNotMade for a proof that does not hold.
    """
    case = ledger.case(ref)
    if case.is_closed or case.procedure is not SUPPORT:
        return case
    for job in linked_jobs(case):
        there = ledger.case(job)
        if is_closed_anew(case, there):
            case = _prove(ledger, files, folder, case, there)
    return case


def is_closed_anew(case: Case, there: Case) -> bool:
    """Whether a linked job's case is closed, after this one was opened, with a proof that is not written down here."""
    opened, known = case.last_opened, last_closing_of(case, there.ref)
    if there.procedure is not JOB_FAILURE or not there.is_closed or there.closed is None or opened is None:
        return False
    return there.closed.at >= opened.at and (known is None or known["evidence"] != _proof_in_force(there))


def _proof_in_force(there: Case) -> str:
    return str(there.closed.data["proof"]) if there.is_closed and there.closed else ""


def _prove(ledger: Ledger, files: EvidenceFiles, folder: Path, case: Case, there: Case) -> Case:
    if there.closed is None or there.proof is None or there.verified is None:
        return case
    content = _checked(files, folder, there)
    said = {
        "ref": there.ref,
        "rule": str(there.proof.data["rule"]),
        "evidence": files.keep(case.ref, content, str(there.proof.data["file"]), "application/json"),
        "closed_at": there.closed.at.isoformat(),
        "run_started_at": str(there.verified["started_at"]),
    }
    event = event_of(Kind.JOB_PROVEN, ledger.clock(), US, said)

    def once(now: Case) -> list[Any]:
        return [event] if not now.is_closed and is_closed_anew(now, there) else []

    return ledger.change(case.ref, once)


def _checked(files: EvidenceFiles, folder: Path, there: Case) -> bytes:
    """The proof with which the job's case closed. Raises ProofNotMade where it is not there, or does not hold."""
    path, digest = proof_path(folder, there), _proof_in_force(there)
    again = f"Let {there.ref} be opened again and closed with a new proof, or restore the file from a backup."
    try:
        content = files.vault.read(digest)
        wrong = [] if path is None else [f"{one.what}: {one.found}" for one in verify_proof(path) if not one.ok]
        same = path is not None and hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except (VaultError, OSError) as error:
        raise ProofNotMade(f"The proof of {there.ref} cannot be read: {error}.", again) from error
    if wrong or not same:
        told = "; ".join(wrong) or "its file is another than the one with which it closed"
        raise ProofNotMade(f"The proof of {there.ref} does not hold: {told}.", again)
    return content


def look_again(
    ledger: Ledger, files: EvidenceFiles, ref: str, platform: Callable[[str], JobPlatform] | None = None
) -> Case:
    """At closing time: each linked job's case is closed yet with the proof that counts here, and no later run failed.

    Where no platform is given, the job's case alone is read, which its keeper opens again when the job fails. Raises
    PlatformDown.
    """
    case = ledger.case(ref)
    if case.is_closed or case.procedure is not SUPPORT or _looked(case, ledger.clock()):
        return case
    if any(blocker.code != "looked" for blocker in closure_blockers(case)):
        return case
    if not Kind.LOOKED_AGAIN.spec.allowed(case.state):  # PT or development owes an answer
        return case
    seen = [_look_at(ledger.case(job), case, platform) for job in linked_jobs(case)]
    failed = sorted({run for one in seen for run in one["failed"]})
    if failed and case.look is not None and case.look["failed"] == failed and is_fresh(case, ledger.clock()):
        return case  # it was said already
    now = ledger.clock()
    kept = files.keep_json(ref, f"last-look-{case.version}.json", {"case": ref, "read_at": now, "jobs": seen})
    event = event_of(Kind.LOOKED_AGAIN, now, US, {"failed": failed, "evidence": kept})
    return ledger.change(ref, lambda after: [event] if after.head == case.head else [])


def _look_at(there: Case, case: Case, platform: Callable[[str], JobPlatform] | None) -> dict[str, Any]:
    proven = proof_of(case, there.ref)
    stands = there.is_closed and proven is not None and proven["evidence"] == _proof_in_force(there)
    failed = [] if stands else [there.ref]
    if stands and platform is not None and there.verified is not None and there.decided is not Decision.REMOVE:
        since = datetime.fromisoformat(there.verified["started_at"])
        try:
            runs = platform(str(there.facts["platform"])).runs_since(str(there.facts["job"]), since)
            later = [run.id for run in runs if run.state is RunState.FAILED and run.id != there.verified["run"]]
            failed = [there.ref, *later] if later else []
        except UnknownJob:
            failed = [there.ref]
    return {"case": there.ref, "closed": there.is_closed, "proof": _proof_in_force(there), "failed": failed}


def _looked(case: Case, now: datetime) -> bool:
    return is_fresh(case, now) and all(blocker.code != "looked" for blocker in closure_blockers(case))


def close_support(ledger: Ledger, files: EvidenceFiles, folder: Path, ref: str) -> Case:
    """Make the proof and close the case, where nothing blocks; else nothing happens. Raises ProofNotMade."""
    case = ledger.case(ref)
    if case.is_closed or case.procedure is not SUPPORT or closure_blockers(case) or not _looked(case, ledger.clock()):
        return case
    if not Kind.CLOSED.spec.allowed(case.state):
        return case
    if not proof_holds(case):
        case = make_proof(ledger, files, folder, ref)
    return ledger.change(ref, lambda now: _closing(ledger.clock, now))


def _closing(clock: Clock, case: Case) -> list[Any]:
    if case.is_closed or case.proof is None or not proof_holds(case):
        return []
    return [event_of(Kind.CLOSED, clock(), US, {"proof": case.proof.data["evidence"]})]
