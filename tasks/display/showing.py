"""What people see of a case in the Prefect UI: the live card, the link to the run, the picture, the proof.

The Artifacts tab of a run has no order that we could choose, only two groups: what the flow made, then what its tasks
made. So the flow makes the card and nothing else, which puts it on top, and keeps it current in place; it tells
everything in the order it is read. The rest belongs to the task that made it. None of it is needed by a case: where
Prefect does not take it, a warning says so.
"""

from __future__ import annotations

import json

from prefect import get_run_logger

from caseproof.domain.case import Case, Fact
from caseproof.evidence.vault import VaultError
from caseproof.procedure.core.texts import plain
from caseproof.procedure.views.case_page import case_page
from caseproof.procedure.views.owed import owed_lines
from caseproof.procedure.views.questions import picture_in_words
from caseproof.procedure.views.titles import about
from tasks.common import load_case, ports, services
from tasks.display.best_effort import as_far_as_prefect_takes_it
from tasks.display.labels import label
from tasks.display.logs import tell_how_far


def announce(ref: str) -> None:
    """At the start of a run: say how far the case is, in the log, and that it is at work, in the run's name."""
    case = load_case(ref)
    tell_how_far(case)
    if case.contained is not None:  # J2: not even a label comes before the stop
        label(case)


def show_the_case(ref: str) -> None:
    """Refresh the card, and what the run's name and tags say."""
    case = load_case(ref)
    with as_far_as_prefect_takes_it("card"):
        _show_card(case)
    label(case)


def _show_card(case: Case) -> None:
    here = services()
    with here.store.reading() as uow:
        owed = owed_lines(uow.owed.of(case.ref))
    text = case_page(
        case,
        case_url=here.links.case_url(case.ref),
        evidence_url=f"{here.settings.public}/evidence",
        picture=_picture(case.photo),
        owed=owed,
        rules_url=here.links.rules_url,
    )
    ports().carrier.show_card(f"{case.ref.lower()}-case", text, f"**The case.** {plain(about(case))}")


def show_the_job_run(case: Case) -> None:
    """The link to the run that was read back as successful."""
    if case.verified is None or not case.verified.get("url"):  # a row of a table has no page
        return
    with as_far_as_prefect_takes_it("link to the run"):
        ports().carrier.show_link(
            f"{case.ref.lower()}-job-run",
            case.verified.data["url"],
            f"Run {case.verified['name']}",
            description=f"**{'The removal' if _is_removal(case) else 'The run'}** that was read back as "
            f"{case.verified['said']} (J10).",
        )


def _is_removal(case: Case) -> bool:
    return case.verified is not None and case.verified["purpose"] == "removal"


def show_the_picture(case: Case) -> None:
    """The picture of the run's own page."""
    if case.photo is None:
        return
    with as_far_as_prefect_takes_it("picture"):
        ports().carrier.show_image(
            f"{case.ref.lower()}-successful-run",
            services().links.evidence_url(case.photo.data["evidence"]),
            description=f"**The picture** {picture_in_words(case)} (J7, J8).",
        )


def show_the_proof(case: Case) -> None:
    """The proof of a closed case."""
    if case.proof is None or not case.is_closed:
        return
    with as_far_as_prefect_takes_it("proof"):
        ports().carrier.show_text(
            f"{case.ref.lower()}-proof",
            _proof_text(case.ref, case.proof),
            description=f"**The proof** that {case.ref} was allowed to close ({case.proof['rule']}).",
        )


def _picture(photo: Fact | None) -> bytes | None:
    """The small picture of the run; a card without one is better than no card."""
    try:
        return services().vault.read(photo["thumbnail"]) if photo else None
    except VaultError as damaged:
        get_run_logger().warning("The picture is not shown: %s", damaged)
        return None


def _proof_text(ref: str, proof: Fact) -> str:
    """The proof as a table that people read; the file itself is a link."""
    here = services()
    said = json.loads(here.vault.read(proof["evidence"]))
    url = f"{here.settings.public}/evidence"
    rows = [
        f"| {one['rule']} | {' '.join(f'[{d[:8]}]({url}/{d})' for d in one['evidence'])} | {one['holds']} |"
        for one in said["conditions"]
    ]
    approvals = "; ".join(f"{one['what']} by {one['by']}" for one in said.get("approvals", ()))
    lines = [
        f"# {ref} is closed under {said['rule']}",
        said["statement"],
        f"[The proof file]({url}/{proof['evidence']}), SHA-256 `{proof['evidence']}`. "
        f"Anyone can check it: `caseproof verify {proof['file']}`.",
        "\n".join(["| Rule | Evidence | What holds |", "|---|---|---|", *rows]),
        f"Approvals: {approvals}." if approvals else "",
    ]
    return "\n\n".join(line for line in lines if line)
