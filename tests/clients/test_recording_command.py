"""`caseproof recording`: refused with all that is missing; listed for who may hear it, and for nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from caseproof.procedure.core.services import bootstrap
from caseproof.procedure.core.support import SupportWanted
from caseproof.procedure.escalation.opening import open_support_case
from tests.support.command import Run

REF, ADDRESS = "SC-000001", "https://meetings.example.com/r/1"
WHOLE = (
    "recording", "link", REF, "--by", "operator", "--topic", "a full disk", "--address", ADDRESS,
    "--agreed", "operator: said so", "--listener", "team lead", "--until", "2030-01-31",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _opened(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "policy.yaml").write_text(yaml.safe_dump({"team": ["operator", "team lead"]}))
    here = bootstrap()
    wanted = SupportWanted(client="Shop A", product="Shop", summary="down", said="Nobody can order.", how="telephone")
    open_support_case(here.ledger, here.files, here.policy, wanted, "operator")
    here.store.close()


def test_it_is_linked_listed_for_its_listeners_and_taken_out(run: Run) -> None:
    empty = run("recording", "link", REF, "--by", "operator")
    assert empty.code == 1
    for lack in ("topic", "who agreed", "who may hear it", "how long it is kept", "address"):
        assert lack in " ".join(empty.err.split()), lack
    assert run(*WHOLE).code == 0
    mine, theirs = (run("recording", "list", "--by", who, "--json").json for who in ("operator", "team lead"))
    assert (mine, [one["address"] for one in theirs]) == ([], [ADDRESS])
    assert "a full disk" in run("recording", "list", "disk", "--by", "team lead").out
    assert "There is none." in run("recording", "list", "printer", "--by", "team lead").out
    assert ADDRESS not in run("case", "show", REF, "--json").out
    assert "asks for no recording" in run("recording", "none", REF, "--by", "operator", "--because", "no meeting").err
    assert run("recording", "unlink", REF, "1", "--by", "operator", "--why", "consent was taken back").code == 0
    assert run("recording", "list", "--by", "team lead", "--json").json == []
