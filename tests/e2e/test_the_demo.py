"""`caseproof demo`, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import httpx
import pytest

from caseproof.domain.job_failure.conditions import AT_THE_REVIEW
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.proof import verify_proof
from caseproof.store import Store
from caseproof.up.processes import wait_until
from sandbox.demo import BY_MAIL, STRANGER
from sandbox.world import CONTACTS, PLATFORM


@pytest.mark.e2e
@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_demo_ends_with_closed_cases_whose_proofs_stay_and_leaves_nothing_running(tmp_path: Path) -> None:
    home, out, elsewhere = tmp_path / "home", tmp_path / "out.json", tmp_path / "elsewhere"
    env = environment(home, elsewhere)
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
    nothing_is_left(home, elsewhere)


@pytest.mark.e2e
@pytest.mark.full
@pytest.mark.timeout(1200)
def test_on_a_job_service_with_a_zoho_desk_it_closes_there_and_a_person_who_stays_makes_a_case_of_their_own(
    tmp_path: Path,
) -> None:
    home, out, elsewhere = tmp_path / "home", tmp_path / "out.json", tmp_path / "elsewhere"
    env = environment(home, elsewhere)
    told = tmp_path / "told.txt"
    command = ["demo", "--platform", "http", "--desk", "zoho", "--json", str(out)]
    with told.open("w") as file, started([sys.executable, "-m", "caseproof.cli", *command], env, file) as playing:
        wait_until("the demo to stay", lambda: _says(playing, told, "Ctrl-C ends it."), 900)
        facts = json.loads(out.read_text())
        for case in (facts, facts["other"]):
            assert case["status"] == "closed"
            assert all(check.ok for check in verify_proof(Path(case["proof"])))
            the_ticket_has_the_picture_and_the_proof(case)
        assert all(url in told.read_text() for url in facts["urls"].values())
        ref = a_case_of_ones_own(facts, env)
        wait_until("its notice", lambda: _kinds(home, ref) >= {Kind.STOPPED, Kind.TICKET_OPENED, Kind.NOTICE_SENT}, 120)
        ticket = Store(f"sqlite:///{home / 'caseproof.sqlite'}").case(ref).ticket
        assert ticket is not None
        assert f"[{ref}]" in _page(ticket["url"]).text
        playing.send_signal(signal.SIGINT)
        assert playing.wait(120) == 0, told.read_text()
    nothing_is_left(home, elsewhere)


def environment(home: Path, elsewhere: Path) -> dict[str, str]:
    """A newcomer's: ``elsewhere`` is where a program would leave something if it forgot the home folder."""
    elsewhere.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CASEPROOF_", "PREFECT_"))}
    return env | {"CASEPROOF_HOME": str(home), "HOME": str(elsewhere), "TMPDIR": str(elsewhere)}


def nothing_is_left(home: Path, elsewhere: Path) -> None:
    assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == [], "nothing outside the home is touched"
    alive = [p for p in Path("/proc").glob("[0-9]*/environ") if _names(p, str(home))]
    assert alive == [], "everything that was started is stopped"


def the_ticket_has_the_picture_and_the_proof(case: dict[str, Any]) -> None:
    """On the page that a person opens: closed, with the very picture of the run's own page, and the proof."""
    page = _page(case["urls"]["ticket"]).text
    assert "<td>Closed</td>" in page
    here = urlsplit(case["urls"]["ticket"])
    files = {name: _page(f"{here.scheme}://{here.netloc}{path}").content for path, name in _FILES.findall(page)}
    picture, proof = (files[next(name for name in files if name.endswith(end))] for end in (".png", ".json"))
    assert picture == Path(case["screenshot"]).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert proof == Path(case["proof"]).read_bytes()
    assert "<td>Done</td>" in _page(case["urls"]["job_run"]).text


def a_case_of_ones_own(facts: dict[str, Any], env: dict[str, str]) -> str:
    """Break a job with the buttons of its page, and let the check find it by the line that the demo prints."""
    page = f"{facts['urls']['job_service']}/jobs/stock-feed/toy-store"
    for does in ("break", "run"):
        httpx.post(page, data={"does": does}, follow_redirects=True, timeout=60, trust_env=False).raise_for_status()
    wait_until("the run to break", lambda: "<td>Broken</td>" in _page(page).text, 60)
    checked = subprocess.run(
        [sys.executable, "-m", "caseproof.cli", "check", "--json"], env=env, capture_output=True, text=True,
        timeout=240, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    lines = json.loads(checked.stdout)["platforms"][PLATFORM]["lines"]
    found = next(line for line in lines if line["job"] == "stock-feed/toy-store")
    assert found["outcome"] == "stopped", found
    assert "is stopped" in _page(page).text
    return str(found["case"])


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


_FILES = re.compile(r'<p><a href="([^"]+)">([^<]+)</a>, [\d,]+ bytes</p>')
"""A file on the page of a ticket: its path, and its name."""


@contextmanager
def started(command: list[str], env: dict[str, str], file: IO[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A command that stays; it ends with this, whatever happens."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def _says(playing: subprocess.Popen[bytes], told: Path, words: str) -> bool:
    assert playing.poll() is None, told.read_text()
    return words in told.read_text()


def _page(url: str) -> httpx.Response:
    return httpx.get(url, timeout=60, trust_env=False).raise_for_status()


def _kinds(home: Path, ref: str) -> set[Kind]:
    return {Kind(event.kind) for event in Store(f"sqlite:///{home / 'caseproof.sqlite'}").case(ref).events}


def _names(environ: Path, home: str) -> bool:
    try:
        return home.encode() in environ.read_bytes()
    except OSError:
        return False
