"""`caseproof audit`: what was changed past Caseproof is named, whoever did it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest

from caseproof.domain.events import head
from caseproof.domain.job_failure.kinds import Kind
from tests.backup.places import Place
from tests.support.command import Ended, Run, for_home, runner


@pytest.fixture
def run(full: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for_home(full.home, monkeypatch)
    return runner(monkeypatch, capsys)


def edit(place: Place, *statements: str) -> None:
    """What the owner of the tables can do."""
    with sqlite3.connect(place.home / "caseproof.sqlite") as database:
        for statement in statements:
            database.execute(statement)
    database.close()


def wrong(ended: Ended) -> list[str]:
    assert (ended.code, ended.json["ok"]) == (1, False)
    return [one["what"] for one in ended.json["faults"]]


def test_a_home_that_nobody_touched_passes_and_nothing_in_it_changes(run: Run, full: Place) -> None:
    before = (full.tables(), full.files())
    told = run("audit", "--json").json
    assert (told["ok"], told["cases"], told["closed"], told["proofs"], told["faults"]) == (True, 5, 2, 2, [])
    assert "the proofs of 2 closed cases, of which 2 hold" in run("audit").out
    assert (full.tables(), full.files()) == before


def test_where_there_is_no_store_nothing_passes_and_none_is_made(run: Run, tmp_path, monkeypatch) -> None:
    home = for_home(tmp_path / "mistyped", monkeypatch)
    ended = run("audit")
    assert (ended.code, "is not a store of this version yet" in ended.err) == (1, True)
    assert not list(home.rglob("*.sqlite"))


def test_a_row_and_an_event_that_were_edited_and_a_guard_that_was_dropped_are_named(run: Run, full: Place) -> None:
    edit(full, "DROP TRIGGER events_unchanged", "UPDATE cases SET retailer = 'Another' WHERE id = 4")
    edit(full, "UPDATE events SET actor = 'another' WHERE case_id = 1 AND seq = 2")
    found = wrong(run("audit", "--json"))
    assert {"JF-000001", "JF-000004", "guard events_unchanged"} <= set(found)
    told = run("audit")
    assert "JF-000001: The store says something else than its events" in told.err
    assert "Next: Find out who can write there" in told.err


def test_an_evidence_file_that_was_changed_or_is_gone_is_named(run: Run, full: Place) -> None:
    here = full.parts
    with here.store.reading() as uow:
        gone, changed = [file.digest for file in uow.evidence.of("JF-000002") if file.media_type == "text/plain"][:2]
    here.vault.path(gone).unlink()
    here.vault.path(changed).write_bytes(b"another")
    ended = run("audit", "--json")
    files = [one for one in ended.json["faults"] if not one["what"].startswith("proof of ")]
    assert (ended.code, len(files)) == (1, 2)
    assert {digest for digest in (gone, changed) for one in files if digest in one["found"]} == {gone, changed}


def test_a_proof_that_is_gone_or_changed_is_named(run: Run, full: Place) -> None:
    first, *_, last = sorted((full.home / "proofs").glob("*.json"))
    first.unlink()
    said = json.loads(last.read_text())
    last.write_text(json.dumps(said | {"rule": "J8"}))
    assert set(wrong(run("audit", "--json"))) == {f"proof of {first.name[:9]}", f"proof of {said['case']}"}


def test_a_history_that_was_written_anew_with_fitting_digests_is_not_the_one_that_was_proven(
    run: Run, full: Place
) -> None:
    events = list(full.parts.store.case("JF-000001").events)
    events[1] = replace(events[1], actor="another")
    proven = next(place for place, event in enumerate(events) if event.kind is Kind.PROOF_MADE)
    events[proven] = replace(events[proven], data=events[proven].data | {"head": head(events[:proven])})
    with sqlite3.connect(full.home / "caseproof.sqlite") as database:
        guards = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            database.execute(f"DROP TRIGGER {name}")
        for seq, event in enumerate(events, 1):
            digest = (bytes.fromhex(head(events[:seq])), event.actor, json.dumps(event.data), seq)
            database.execute("UPDATE events SET digest = ?, actor = ?, data = ? WHERE case_id = 1 AND seq = ?", digest)
        database.execute("UPDATE cases SET head = ? WHERE id = 1", (bytes.fromhex(head(events)),))
        for _, text in guards:
            database.execute(text)
    assert wrong(run("audit", "--json")) == ["proof of JF-000001"]
    assert "others than those that it was made of" in run("audit").err
