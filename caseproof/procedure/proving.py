"""J7, J8: the screenshot of the successful run, the proof, and the closing that it allows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, proof_holds, refuse_closure
from caseproof.domain.events import Kind
from caseproof.evidence.browser import require_browser
from caseproof.evidence.proof import build_proof, history_file, proof_file
from caseproof.evidence.screenshot import NotTheRun, photograph, refuse_shot, thumbnail
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.office import Office
from caseproof.procedure.ticket import attach


def take_photo(office: Office, runner: JobPlatform, ref: str) -> Case:
    """Ensure that there is a picture of the verified run's own page. Raises NotTheRun, ScreenshotFailed, NoBrowser.

    A picture that does not count is kept with the reason, so that people see what the browser saw.
    """
    case = office.case(ref)
    if case.verified is None or case.photo is not None:
        return case
    run = runner.run(case.verified["run"])
    page = runner.page(run)
    shot = photograph(
        page,
        browser=require_browser(office.settings.browser),
        clock=office.clock,
        home=office.settings.home_folder,
    )
    digest = office.keep(ref, shot.png, f"run-page-{case.attempt}.png", "image/png")
    try:
        refuse_shot(page, shot, ended_at=datetime.fromisoformat(case.verified["ended_at"]))
    except NotTheRun as wrong:
        office.record(ref, Kind.PHOTO_REFUSED, run=run.id, why=wrong.problem, evidence=digest)
        raise
    text = office.keep(ref, shot.text.encode(), f"run-page-{case.attempt}.txt", "text/plain")
    small = office.keep(ref, thumbnail(shot.png), f"run-page-{case.attempt}-small.png", "image/png")
    event = office.event(
        Kind.PHOTOGRAPHED,
        run=run.id,
        taken_at=shot.taken_at.isoformat(),
        evidence=digest,
        thumbnail=small,
        text=text,
        names_run=True,
        names_success=True,
        url=page.url,
    )
    return office.store.change(ref, lambda now: [] if now.photo or now.verified is None else [event])


def make_proof(office: Office, ref: str) -> Case:
    """Ensure that there is a proof of what is known now. Raises ClosureRefused with what is missing."""
    case = office.case(ref)
    if case.is_closed or proof_holds(case):
        return case
    if closure_blockers(case):
        refuse_closure(case)
    history = office.keep(ref, history_file(case), f"{ref}-history-{case.version}.json", "application/json")
    with office.store.reading() as unit:
        files = unit.evidence.of(ref)
    proof = build_proof(
        case, made_at=office.clock(), history=history, files=files, folder=office.proofs, vault=office.vault
    )
    path = _write(office, case, proof_file(proof))
    digest = office.keep(ref, path.read_bytes(), path.name, "application/json")
    event = office.event(Kind.PROOF_MADE, evidence=digest, rule=proof["rule"], head=proof["head"], file=path.name)
    # Only if nothing happened in between: the proof speaks of this head and no other.
    return office.store.change(ref, lambda now: [event] if now.head == case.head else [])


def _write(office: Office, case: Case, content: bytes) -> Path:
    """Write the proof where people find it: one file an opening and version, complete or not there at all."""
    office.proofs.mkdir(parents=True, exist_ok=True)
    path = office.proofs / f"{case.ref}-{case.opening}-{case.version}.json"
    draft = path.with_suffix(".part")
    draft.write_bytes(content)
    draft.replace(path)
    return path


def close(office: Office, desk: Desk, ref: str) -> Case:
    """Attach the proof to the ticket, then close the case. Raises ClosureRefused."""
    case = office.case(ref)
    if case.is_closed or case.proof is None:
        return case
    case = attach(office, desk, case, case.proof, case.proof["file"], "application/json")
    return office.store.change(
        ref,
        lambda now: (
            [] if now.is_closed else [office.event(Kind.CLOSED, proof=now.proof["evidence"] if now.proof else "")]
        ),
    )


def proof_path(office: Office, case: Case) -> Path | None:
    """Where the proof in force is, if there is one."""
    return office.proofs / case.proof["file"] if case.proof else None
