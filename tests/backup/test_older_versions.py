"""What a version before wrote is read: a backup of it, its proofs, and a store in which a migration was killed.

``tests/fixtures/before_0005`` was made by the version before procedures were data (revision 0004): five job failures,
three of them closed, by each rule; an incident whose form was asked, refused and asked again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from caseproof.backup import check_backup, make_backup, restore_backup
from caseproof.backup.files import BackupError
from caseproof.backup.form import row_line
from caseproof.cli import app
from caseproof.domain.vocabulary import WORD, Decision
from caseproof.evidence.answer_keys import AnswerKeys
from caseproof.evidence.proof import verify_proof
from caseproof.store import QuestionRow, Store, StoreError
from caseproof.store.errors import Unreadable
from caseproof.store.guards import guards_missing
from caseproof.store.migrate import downgrade
from caseproof.store.migrations import guards, guards_0007, guards_0009, guards_0011
from tests.backup.places import NOW, Place, rewrite, store_at
from tests.support import trial

BEFORE = Path(__file__).parents[1] / "fixtures" / "before_0005" / "backup"
REFS = [f"JF-{number:06d}" for number in range(1, 6)]


def heads() -> dict[str, str]:
    """The digest of each case's last event, as the version before wrote it."""
    rows = [json.loads(line) for line in (BEFORE / "store" / "cases.jsonl").read_text().splitlines()]
    return {row["ref"]: row["head"] for row in rows}


PROOFS = sorted((BEFORE / "proofs").iterdir())


def test_the_proofs_are_there() -> None:
    assert [path.name[:9] for path in PROOFS] == REFS[:3]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda path: path.name)
def test_a_proof_that_was_made_before_still_holds(proof: Path) -> None:
    checks = verify_proof(proof)
    assert len(checks) > 5
    assert [check for check in checks if not check.ok] == []
    done = CliRunner().invoke(app, ["verify", str(proof)])
    assert done.exit_code == 0, done.output


def test_a_proof_that_was_made_before_and_altered_does_not_hold(tmp_path: Path) -> None:
    shutil.copytree(BEFORE, tmp_path / "copy")
    proof = tmp_path / "copy" / "proofs" / PROOFS[0].name
    proof.write_text(proof.read_text().replace('"case": "JF-000001"', '"case": "TP-000001"'))
    assert [check for check in verify_proof(proof) if not check.ok] != []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.full)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty home on each database."""
    home = store_at(tmp_path / "new")
    if request.param == "sqlite":
        return home
    new_postgres: Callable[[], str] = request.getfixturevalue("new_postgres")
    return Place(home.home, new_postgres())


def test_a_backup_of_the_version_before_is_restored_with_its_digests_and_proofs(place: Place) -> None:
    manifest, found = check_backup(BEFORE)
    assert (manifest.revision, found.proofs, found.problems) == ("0004", 2, {})
    restore_backup(place.parts, BEFORE)
    store = Store(place.url)
    assert {ref: store.case(ref).head for ref in REFS} == heads()
    assert [str(store.case(ref).state) for ref in REFS] == ["closed", "paused", "closed", "waiting", "contained"]
    assert store.case("JF-000002").decided is Decision.KEEP_PAUSED
    with store.reading() as uow:
        assert uow.cases.damaged() == []
        assert uow.guards_missing() == uow.guards_changed() == []
        asked = datetime(2026, 11, 20, 8, 0, 0, 30_000, tzinfo=UTC)
        assert uow.incidents.question("IN-000001") == QuestionRow(4, "flow-run-10", asked, 2)
        assert uow.incidents.refused("IN-000001") == "The reason is missing."
        assert uow.cursors.get("incident/IN-000001/question") is None
        assert uow.cursors.get("keeper") == ("4711", NOW)
    for path in (place.home / "proofs").iterdir():
        assert [check for check in verify_proof(path) if not check.ok] == []
    store.close()


def test_the_key_in_a_backup_of_the_version_before_signs_nothing_any_more(tmp_path: Path) -> None:
    """Whoever has such a backup has that key; so who waits for a retailer owes them another link."""
    old, copy = b"\x07" * 32, tmp_path / "copy"
    shutil.copytree(BEFORE, copy)
    rows = copy / "store" / "marks.jsonl"
    lines = rows.read_bytes() + row_line({"name": "secret", "value": old.hex(), "at": NOW.isoformat()})
    rows.write_bytes(lines)
    counts = json.loads((copy / "backup.json").read_text())["rows"]
    rewrite(copy, rows=counts | {"marks": counts["marks"] + 1})
    place = store_at(tmp_path / "new")
    restore_backup(place.parts, copy)
    store = Store(place.url)
    keys = AnswerKeys(place.home / "keys", store, lambda: NOW)
    assert keys.after_restore() is None, "the migration has voided them"
    assert keys.in_force() != old
    assert keys.void() == [old]
    with store.reading() as uow:
        due = {row.ref for row in uow.cases.due(NOW, 9)}
        waiting = {row.ref for row in uow.cases.rows() if row.asked_form == WORD}
    assert waiting <= due
    assert old.hex() not in str(place.tables())
    store.close()


def test_the_notes_about_incidents_go_down_and_up_again(place: Place) -> None:
    restore_backup(place.parts, BEFORE)
    engine = create_engine(place.url)
    with engine.begin() as connection:
        downgrade(connection, "0004")
    with engine.begin() as connection:
        rows = connection.execute(text("SELECT name, value FROM marks ORDER BY name")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        ("incident/IN-000001/question", "4 flow-run-10"),
        ("incident/IN-000001/refused", "The reason is missing."),
        ("incident/IN-000001/told", "4 2"),
        ("keeper", "4711"),
    ]
    store = Store(place.url)
    store.migrate()
    with store.reading() as uow:
        question = uow.incidents.question("IN-000001")
        assert question is not None
        assert (question.number, question.flow_run, question.nudges) == (4, "flow-run-10", 2)
        assert uow.incidents.refused("IN-000001") == "The reason is missing."
    store.close()


KILLED = """
import os, sys
from sqlalchemy import event
from caseproof.store import Store
from caseproof.store.migrations import guards

real = guards.make
def make(connection, wanted):
    real(connection, wanted)
    os._exit(9)  # after the new column and guards, before the new table

guards.make = make
Store(sys.argv[1]).migrate()
"""


def test_a_migration_that_was_killed_in_the_middle_left_the_store_as_it_was_and_is_done_again(place: Place) -> None:
    restore_backup(place.parts, BEFORE)
    engine = create_engine(place.url)
    newer = (*guards_0007.GUARDS, *guards_0009.GUARDS, *guards_0011.GUARDS)
    since_0007 = [guard.name for guard in guards.of_dialect(newer, engine.dialect.name)]
    missing = sorted(["cases_same_procedure", "messages_code_as_it_came", *since_0007])
    with engine.begin() as connection:
        downgrade(connection, "0004")
        assert guards_missing(connection) == missing
    killed = subprocess.run([sys.executable, "-c", KILLED, place.url], check=False, timeout=240)
    assert killed.returncode == 9
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM caseproof_version")) == "0004"
        assert guards_missing(connection) == missing
        assert connection.scalar(text("SELECT count(*) FROM marks")) == 4
    engine.dispose()
    store = Store(place.url)
    with pytest.raises(StoreError, match="not a store of this version"):
        store.case("JF-000001")
    store.migrate()
    assert {ref: store.case(ref).head for ref in REFS} == heads()
    with store.reading() as uow:
        assert (uow.cases.damaged(), uow.guards_missing(), uow.guards_changed()) == ([], [], [])
    store.close()


# -- what a newer version wrote -------------------------------------------------------------------------------------


def with_an_unknown_event(backup: Path) -> None:
    """Let an event be of a kind that is not known here, with digests that fit."""
    path = backup / "store" / "events.jsonl"
    path.write_text(path.read_text().replace('"kind":"notice_sent"', '"kind":"notice_sung"', 1))
    rewrite(backup)


def test_a_backup_with_an_event_that_this_version_does_not_know_is_refused_and_nothing_is_written(
    tmp_path: Path, place: Place
) -> None:
    copy = Path(shutil.copytree(BEFORE, tmp_path / "copy"))
    with_an_unknown_event(copy)
    with pytest.raises(BackupError, match=r"JF-000001: its events cannot be read: This version of Caseproof does not"):
        restore_backup(place.parts, copy)
    assert [path for path in place.home.rglob("*") if path.is_file()] == []


def test_a_store_with_an_event_that_this_version_does_not_know_says_so_and_changes_nothing(place: Place) -> None:
    restore_backup(place.parts, BEFORE)
    engine = create_engine(place.url)
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER events_unchanged"))
        else:
            connection.execute(text("DROP TRIGGER events_unchanged ON events"))
        connection.execute(text("UPDATE events SET kind = 'notice_sung' WHERE case_id = 4 AND kind = 'notice_sent'"))
    engine.dispose()
    store = Store(place.url)
    before = place.tables()
    with pytest.raises(Unreadable, match=r"does not know the event 'notice_sung'.*newer"):
        store.case("JF-000004")
    with pytest.raises(Unreadable):
        store.change("JF-000004", lambda _: [])
    assert store.case("JF-000005").ref == "JF-000005"
    with store.reading() as uow:
        assert uow.cases.damaged() == ["JF-000004"]
    assert place.tables() == before
    store.close()


# -- a second procedure ---------------------------------------------------------------------------------------------


def test_a_case_of_a_second_procedure_is_backed_up_and_restored_with_its_proof(tmp_path: Path, place: Place) -> None:
    from tests.store.test_second_procedure import beginning, closed

    home = store_at(tmp_path / "old")
    restore_backup(home.parts, BEFORE)
    store = Store(home.url)
    with store.uow() as uow:
        ref = uow.cases.create(beginning(trial.Kind.OPENED)).ref
        uow.commit()
    assert ref == "TP-000006"
    case, _ = closed(store, ref, home.parts.vault, home.home / "proofs")
    made, found = make_backup(home.parts, tmp_path / "backup", now=NOW)
    assert (made.problems, found.proofs) == ({}, 3)
    restore_backup(place.parts, tmp_path / "backup")
    assert Store(place.url).case(ref) == case
    assert place.tables() == home.tables()
