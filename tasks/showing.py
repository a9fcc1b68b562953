"""What people see of a case in the Prefect UI: the live card, the picture, the links, the proof."""

from __future__ import annotations

import json

from prefect import get_run_logger, task
from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from caseproof.domain.case import Fact
from caseproof.evidence.vault import VaultError
from caseproof.procedure.card import card
from tasks.common import look, office


@task(name="show the case", cache_policy=NO_CACHE)
def _show(ref: str) -> None:
    """Refresh the artifacts of the case; keyed by the case, so each run's pages carry the newest."""
    case = look(ref)
    here, key = office(), case.ref.lower()
    picture = _picture(case.photo)
    text = card(
        case, case_url=here.case_url(case.ref), evidence_url=f"{here.settings.public}/evidence", picture=picture
    )
    create_markdown_artifact(text, key=f"{key}-case", description=f"{case.ref}: {case.facts['job_name']}")
    if case.verified is not None:
        create_link_artifact(
            case.verified["url"], link_text=f"Run {case.verified['name']}", key=f"{key}-job-run",
            description="The run that was read back as successful.",
        )  # fmt: skip
    if case.photo is not None:
        create_image_artifact(
            here.evidence_url(case.photo["evidence"]), key=f"{key}-successful-run",
            description=f"The platform's own page of the run, taken {case.photo['taken_at']}.",
        )  # fmt: skip
    if case.is_closed and case.proof is not None:
        create_markdown_artifact(
            _proof_text(case.ref, case.proof), key=f"{key}-proof", description=f"The proof of {case.ref}."
        )


def _picture(photo: Fact | None) -> bytes | None:
    """The small picture of the run; a card without one is better than no card."""
    try:
        return office().vault.read(photo["thumbnail"]) if photo else None
    except VaultError as damaged:
        get_run_logger().warning("The picture is not shown: %s", damaged)
        return None


def _proof_text(ref: str, proof: Fact) -> str:
    """The proof as a table that people read; the file itself is a link."""
    here = office()
    said = json.loads(here.vault.read(proof["evidence"]))
    url = f"{here.settings.public}/evidence"
    rows = [
        f"| {one['rule']} | {' '.join(f'[{d[:8]}]({url}/{d})' for d in one['evidence'])} | {one['holds']} |"
        for one in said["conditions"]
    ]
    approvals = "; ".join(f"{one['what']} by {one['by']}" for one in said["approvals"])
    lines = [
        f"# {ref} is closed under {said['rule']}",
        said["statement"],
        f"[The proof file]({url}/{proof['evidence']}), SHA-256 `{proof['evidence']}`. "
        f"Anyone can check it: `caseproof verify {proof['file']}`.",
        "\n".join(["| Rule | Evidence | What holds |", "|---|---|---|", *rows]),
        f"Approvals: {approvals}.",
    ]
    return "\n\n".join(lines)


def show_the_case(ref: str) -> int:
    """Refresh what people see; returns the version of the case that was shown."""
    version = look(ref).version
    _show(ref)
    return version
