"""`caseproof demo`, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.proof import verify_proof
from caseproof.store import Store
from sandbox.demo import BY_MAIL, STRANGER
from sandbox.world import CONTACTS


@pytest.mark.e2e
@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_demo_ends_with_closed_cases_whose_proofs_stay_and_leaves_nothing_running(tmp_path: Path) -> None:
    home, out, elsewhere = tmp_path / "home", tmp_path / "out.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CASEPROOF_", "PREFECT_"))}
    # Where a program would leave something if it forgot the home folder.
    env |= {"CASEPROOF_HOME": str(home), "HOME": str(elsewhere), "TMPDIR": str(elsewhere)}
    done = subprocess.run(
        [sys.executable, "-m", "caseproof.cli", "demo", "--exit", "--json", str(out)],
        env=env, capture_output=True, text=True, timeout=900, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(out.read_text())
    by_mail, on_the_page = facts, facts["other"]
    assert by_mail["status"] == on_the_page["status"] == "closed"
    the_page_leads_to_the_rerun(home, on_the_page["case"])
    nothing_counts_but_the_contacts_own_word(home, by_mail["case"])
    kinds = [step["type"] for step in facts["timeline"]]
    order = ["opened", "stopped", "ticket_opened", "notice_sent", "confirmation_received", "decided", "run_started",
             "run_verified", "schedule_live", "photographed", "attached", "review_approved", "looked_again",
             "proof_made", "closed", "ticket_closed", "recovery_told"]  # fmt: skip
    assert [kind for kind in kinds if kind in order and kind != "attached"] == [k for k in order if k != "attached"]
    assert all(step["at"] for step in facts["timeline"])
    for case in (by_mail, on_the_page):
        assert all(check.ok for check in verify_proof(Path(case["proof"])))
    assert Path(facts["screenshot"]).read_bytes().startswith(b"\x89PNG")
    assert {by_mail["ticket"], on_the_page["ticket"]} == {"T-000001", "T-000002"}
    assert set(facts["urls"]) >= {"case", "ticket", "flow_run", "job_run", "screenshot"}
    assert facts["case"] in done.stdout, "people see the timeline"
    first = next(word for word in done.stdout.split() if word.startswith("http"))
    assert first == facts["urls"]["worklist"] == next(iter(facts["urls"].values())), "the first address to open"
    assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == [], "nothing outside the home is touched"
    alive = [p for p in Path("/proc").glob("[0-9]*/environ") if _names(p, str(home))]
    assert alive == [], "everything that was started is stopped"


def the_page_leads_to_the_rerun(home: Path, ref: str) -> None:
    """The button in a real browser, and then nobody of the team until the review (J8, J10)."""
    case = Store(f"sqlite:///{home / 'caseproof.sqlite'}").case(ref)
    (word,) = case.words
    assert (word["by_way_of"], word["choice"]) == ("page", "changed")
    assert case.decision is not None
    assert (case.decision.actor, case.decision["validation"]) == ("caseproof", AT_THE_REVIEW)
    assert case.validated is not None
    assert case.review is not None
    assert case.validated.actor == case.review.actor == "team lead", "a person looked at the change before it closed"


def nothing_counts_but_the_contacts_own_word(home: Path, ref: str) -> None:
    """A vacation reply and a stranger's, in the very thread of the notice, changed nothing and woke nobody (J8)."""
    store = Store(f"sqlite:///{home / 'caseproof.sqlite'}")
    with store.reading() as uow:
        came = [row.place for row in uow.messages.of_case(ref)]
    assert came == [Disposition.AUTOMATIC, Disposition.REFUSED, Disposition.COUNTED]
    case = store.case(ref)
    (word,) = case.words
    assert (word["sender"], word["by_way_of"]) == (CONTACTS[BY_MAIL], "mail")
    assert word["words"].startswith("Hello, thank you for telling us. We renewed the access"), "without what it quotes"
    kinds = [event.kind for event in case.events]
    asked = kinds.index(Kind.QUESTION_ASKED)
    until_the_word = case.events[asked + 1 : kinds.index(Kind.CONFIRMATION_RECEIVED)]
    assert [event.kind for event in until_the_word] == [Kind.CONFIRMATION_REFUSED], "the same question all the time"
    assert STRANGER in until_the_word[0].data["why"], "an operator reads why"


def _names(environ: Path, home: str) -> bool:
    try:
        return home.encode() in environ.read_bytes()
    except OSError:
        return False
