"""J7, J8: the screenshot of the successful run, the proof, and the closing that it allows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, proof_holds, refuse_closure
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.browser import require_browser
from caseproof.evidence.proof import build_proof, history_file, proof_file, verify_proof
from caseproof.evidence.screenshot import NotTheRun, Shot, photograph, refuse_shot, thumbnail
from caseproof.platforms.base import JobPlatform, RunPage, UnknownRun
from caseproof.procedure.closing.ticket import attach
from caseproof.procedure.core.services import Services


class ProofNotMade(CaseproofError):
    """The proof could not be written, or does not hold when it is checked."""

    code = Code.PROOF_NOT_MADE


Camera = Callable[[Services, RunPage], Shot]
"""Takes a picture of a page: a real browser, except in tests."""


def with_browser(services: Services, page: RunPage) -> Shot:
    """A picture taken with this installation's Chromium. Raises ScreenshotFailed, NoBrowser."""
    browser = require_browser(services.settings.browser)
    return photograph(page, browser=browser, clock=services.clock, home=services.settings.home_folder)


def take_photo(services: Services, runner: JobPlatform, ref: str, camera: Camera = with_browser) -> Case:
    """Ensure that there is a picture of the verified run's own page. Raises NotTheRun, ScreenshotFailed, NoBrowser.

    A picture that does not count is kept with the reason, so that people see what the browser saw.
    """
    case = services.case(ref)
    if case.verified is None or case.photo is not None:
        return case
    try:
        run = runner.run(case.verified.data["run"])
    except UnknownRun as gone:
        # Without the run there is nothing to photograph, ever: the case needs another one, so another decision.
        again = services.event(
            Kind.FAILED_AGAIN, run=case.verified.data["run"], why=f"The verified run is gone. {gone.problem}"
        )
        return services.store.change(ref, lambda now: [again] if now.verified and not now.photo else [])
    page = runner.page(run)
    shot = camera(services, page)
    digest = services.keep(ref, shot.png, f"run-page-{case.attempt}.png", "image/png")
    try:
        refuse_shot(page, shot, ended_at=datetime.fromisoformat(case.verified.data["ended_at"]))
    except NotTheRun as wrong:
        services.record(ref, Kind.PHOTO_REFUSED, run=run.id, code=str(wrong.code), why=wrong.problem, evidence=digest)
        raise
    text = services.keep(ref, shot.text.encode(), f"run-page-{case.attempt}.txt", "text/plain")
    small = services.keep(ref, thumbnail(shot.png), f"run-page-{case.attempt}-small.png", "image/png")
    event = services.event(
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
    return services.store.change(ref, lambda now: [] if now.photo or now.verified is None else [event])


def make_proof(services: Services, ref: str) -> Case:
    """Ensure that there is a proof of what is known now, checked as anybody would check it before it counts.

    It is a function of the events and their files, so that two writers, or one after a crash, write the same bytes.
    Raises ClosureRefused with what is missing, and ProofNotMade.
    """
    case = services.case(ref)
    if case.is_closed or proof_holds(case):
        return case
    if closure_blockers(case):
        refuse_closure(case)
    history = services.keep(ref, history_file(case), f"{ref}-history-{case.version}.json", "application/json")
    with services.store.reading() as uow:
        files = uow.evidence.of(ref)
    proof = build_proof(case, history=history, files=files, folder=services.proofs, vault=services.vault)
    content = proof_file(proof)
    path = _write(services, case, content)
    digest = services.keep(ref, content, path.name, "application/json")
    event = services.event(Kind.PROOF_MADE, evidence=digest, rule=proof["rule"], head=proof["head"], file=path.name)
    # Only if nothing happened in between: the proof speaks of this head and no other.
    return services.store.change(ref, lambda now: [event] if now.head == case.head else [])


def _write(services: Services, case: Case, content: bytes) -> Path:
    """Write the proof where people find it: one file an opening and version, complete and right or not there at all."""
    path = services.proofs / f"{case.ref}-{case.opening}-{case.version}.json"
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        services.proofs.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            _refuse_unsound(case, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ProofNotMade(
            f"The proof of {case.ref} cannot be written to {services.proofs}: {error.strerror}.",
            "Free space there, or make the folder writable; then let the case try again.",
        ) from error
    return path


def _refuse_unsound(case: Case, draft: Path) -> None:
    wrong = [f"{check.what}: {check.found}" for check in verify_proof(draft) if not check.ok]
    if wrong:
        raise ProofNotMade(
            f"The proof of {case.ref} would not hold: {'; '.join(wrong)}.",
            "Restore the evidence from a backup, or send the case back in the review; then let the case try again.",
        )


def close(services: Services, desk: Desk, ref: str) -> Case:
    """Attach the proof to the ticket, then close the case. Raises ClosureRefused."""
    case = services.case(ref)
    if case.is_closed or case.proof is None:
        return case
    case = attach(services, desk, case, case.proof, case.proof.data["file"], "application/json")
    return services.store.change(
        ref,
        lambda now: (
            []
            if now.is_closed
            else [services.event(Kind.CLOSED, proof=now.proof.data["evidence"] if now.proof else "")]
        ),
    )


def proof_path(services: Services, case: Case) -> Path | None:
    """Where the proof in force is, if there is one."""
    return services.proofs / case.proof.data["file"] if case.proof else None
