"""`caseproof demo`, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caseproof.evidence.proof import verify_proof


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_the_demo_ends_with_closed_cases_whose_proofs_stay_and_leaves_nothing_running(tmp_path: Path) -> None:
    home, out, elsewhere = tmp_path / "home", tmp_path / "out.json", tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CASEPROOF_", "PREFECT_"))}
    # Where a program would leave something if it forgot the home folder.
    env |= {"CASEPROOF_HOME": str(home), "HOME": str(elsewhere), "TMPDIR": str(elsewhere)}
    done = subprocess.run(
        [sys.executable, "-m", "caseproof.cli", "demo", "--exit", "--json", str(out)],
        env=env, capture_output=True, text=True, timeout=400, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(out.read_text())
    by_mail, on_the_page = facts, facts["other"]
    assert by_mail["status"] == on_the_page["status"] == "closed"
    assert "confirmation page" in str(on_the_page["timeline"]), "the second retailer answers there"
    kinds = [step["type"] for step in facts["timeline"]]
    order = ["opened", "stopped", "ticket_opened", "notice_sent", "confirmation_received", "decided", "run_started",
             "run_verified", "schedule_live", "photographed", "attached", "review_approved", "looked_again",
             "proof_made", "closed", "ticket_closed", "recovery_told"]  # fmt: skip
    assert [kind for kind in kinds if kind in order and kind != "attached"] == [k for k in order if k != "attached"]
    assert all(step["at"] for step in facts["timeline"])
    for case in (by_mail, on_the_page):
        assert all(check.ok for check in verify_proof(Path(case["proof"])))
    assert Path(facts["screenshot"]).read_bytes().startswith(b"\x89PNG")
    assert facts["ticket"] == "T-000001"
    assert set(facts["urls"]) >= {"case", "ticket", "flow_run", "job_run", "screenshot"}
    assert facts["case"] in done.stdout, "people see the timeline"
    assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == [], "nothing outside the home is touched"
    alive = [p for p in Path("/proc").glob("[0-9]*/environ") if _names(p, str(home))]
    assert alive == [], "everything that was started is stopped"


def _names(environ: Path, home: str) -> bool:
    try:
        return home.encode() in environ.read_bytes()
    except OSError:
        return False
