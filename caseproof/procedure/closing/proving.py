"""J7, J8: the screenshot of the successful run, the proof, and the closing that it allows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from caseproof.config.clock import Clock
from caseproof.config.settings import Settings
from caseproof.desks.base import Desk
from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers, proof_holds, refuse_closure
from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.specs import NAMES, Role
from caseproof.domain.vocabulary import Picture
from caseproof.evidence.browser import require_browser
from caseproof.evidence.page_check import ShowsAnotherState
from caseproof.evidence.proof import build_proof, history_file, proof_file, verify_proof
from caseproof.evidence.rendered import rendered
from caseproof.evidence.screenshot import NotTheRun, Shot, photograph, refuse_shot, thumbnail
from caseproof.evidence.vault import Vault
from caseproof.http.redaction import redact_address
from caseproof.platforms.base import JobPlatform, RunPage, RunState, UnknownRun
from caseproof.procedure.closing.ticket import attach
from caseproof.procedure.core.parts import US, Effects, EvidenceFiles, Ledger, event_of


class ProofNotMade(CaseproofError):
    """The proof could not be written, or does not hold when it is checked."""

    code = Code.PROOF_NOT_MADE


class RenderedPageRefused(CaseproofError):
    """The platform has no page of a run, and the policy takes no picture of one that Caseproof rendered (J7)."""

    code = Code.RENDERED_PAGE

    def __init__(self, platform: str) -> None:
        super().__init__(
            f"J7: {platform} has no page of its own for a run, and the policy takes no picture of one that Caseproof "
            "renders from what the platform told.",
            "Who answers for the policy may allow it (`closing.rendered_pages: true`); then let the case try again.",
        )


Camera = Callable[[RunPage], Shot]
"""Takes a picture of a page: a real browser, except in tests."""


def with_browser(settings: Settings, clock: Clock, page: RunPage) -> Shot:
    """A picture taken with this installation's Chromium. Raises ScreenshotFailed, NoBrowser."""
    browser = require_browser(settings.browser)
    return photograph(page, browser=browser, clock=clock, home=settings.home_folder)


def take_photo(
    ledger: Ledger, files: EvidenceFiles, runner: JobPlatform, ref: str, camera: Camera, *, rendered_pages: bool = False
) -> Case:
    """Ensure that there is a picture of the verified run's own page. Raises NotTheRun, ScreenshotFailed, NoBrowser.

    A picture that does not count is kept with the reason, so that people see what the browser saw. Where the platform
    has no such page, one is rendered from what it tells, if the policy takes that (``rendered_pages``) and it tells the
    run as successful yet; else raises RenderedPageRefused, ShowsAnotherState.
    """
    case = ledger.case(ref)
    if case.verified is None or case.photo is not None:
        return case
    try:
        run = runner.run(case.verified.data["run"])
    except UnknownRun as gone:
        # Without the run there is nothing to photograph, ever: the case needs another one, so another decision.
        again = ledger.event(
            Kind.FAILED_AGAIN, run=case.verified.data["run"], why=f"The verified run is gone. {gone.problem}"
        )
        return ledger.change(ref, lambda now: [again] if now.verified and not now.photo else [])
    page = runner.page(run)
    if page.told:
        if not rendered_pages:
            raise RenderedPageRefused(case.facts["platform"])
        if run.state is not RunState.SUCCEEDED:  # on a page of ours any cell may read as the word for success
            changed = ShowsAnotherState(
                f'The platform tells the run as "{run.said}" by now, which is no success.',
                f"See there who or what changed it: {run.name or run.id}. Send the case back if it did not succeed.",
            )
            ledger.record(ref, Kind.PHOTO_REFUSED, run=run.id, code=str(changed.code), why=changed.problem)
            raise changed
        page = rendered(page, case=ref, platform=case.facts["platform"], read_at=ledger.clock())
    shot = camera(page)
    digest = files.keep(ref, shot.png, f"run-page-{case.attempt}.png", "image/png")
    try:
        refuse_shot(page, shot, ended_at=datetime.fromisoformat(case.verified.data["ended_at"]))
    except NotTheRun as wrong:
        ledger.record(ref, Kind.PHOTO_REFUSED, run=run.id, code=str(wrong.code), why=wrong.problem, evidence=digest)
        raise
    text = files.keep(ref, shot.text.encode(), f"run-page-{case.attempt}.txt", "text/plain")
    small = files.keep(ref, thumbnail(shot.png), f"run-page-{case.attempt}-small.png", "image/png")
    event = ledger.event(
        Kind.PHOTOGRAPHED,
        run=run.id,
        taken_at=shot.taken_at.isoformat(),
        evidence=digest,
        thumbnail=small,
        text=text,
        names_run=True,
        names_success=True,
        url=redact_address(page.url),
        **({"of": str(Picture.RENDERED)} if page.html else {}),
    )
    return ledger.change(ref, lambda now: [] if now.photo or now.verified is None else [event])


def make_proof(ledger: Ledger, files: EvidenceFiles, folder: Path, ref: str) -> Case:
    """Ensure that there is a proof of what is known now, checked as anybody would check it before it counts.

    It is written to ``folder``.

    It is a function of the events and their files, so that two writers, or one after a crash, write the same bytes.
    Raises ClosureRefused with what is missing, and ProofNotMade.
    """
    case = ledger.case(ref)
    if case.is_closed or proof_holds(case):
        return case
    if closure_blockers(case):
        refuse_closure(case)
    history = files.keep(ref, history_file(case), f"{ref}-history-{case.version}.json", "application/json")
    with ledger.store.reading() as uow:
        kept = uow.evidence.of(ref)
    proof = build_proof(case, history=history, files=kept, folder=folder, vault=files.vault)
    content = proof_file(proof)
    path = _write(folder, case, content)
    digest = files.keep(ref, content, path.name, "application/json")
    kind = case.procedure.kinds(NAMES[Role.PROVES])
    said = {"evidence": digest, "rule": proof["rule"], "head": proof["head"], "file": path.name}
    event = event_of(kind, ledger.clock(), US, said)
    # Only if nothing happened in between: the proof speaks of this head and no other.
    return ledger.change(ref, lambda now: [event] if now.head == case.head else [])


def _write(folder: Path, case: Case, content: bytes) -> Path:
    """Write the proof where people find it: one file an opening and version, complete and right or not there at all."""
    path = folder / f"{case.ref}-{case.opening}-{case.version}.json"
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(content)
            _refuse_unsound(case, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise ProofNotMade(
            f"The proof of {case.ref} cannot be written to {folder}: {error.strerror}.",
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


def close(ledger: Ledger, vault: Vault, effects: Effects, desk: Desk, ref: str) -> Case:
    """Attach the proof to the ticket, then close the case. Raises ClosureRefused."""
    case = ledger.case(ref)
    if case.is_closed or case.proof is None:
        return case
    case = attach(ledger, vault, effects, desk, case, case.proof, case.proof.data["file"], "application/json")
    return ledger.change(
        ref,
        lambda now: (
            [] if now.is_closed else [ledger.event(Kind.CLOSED, proof=now.proof.data["evidence"] if now.proof else "")]
        ),
    )


def proof_path(folder: Path, case: Case) -> Path | None:
    """Where in the folder of the proofs the one in force is, if there is one."""
    return folder / case.proof.data["file"] if case.proof else None
