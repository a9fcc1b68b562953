"""A backup restored is the same home: every row, every byte, every case and every proof, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from caseproof.backup import BackupError, check_backup, make_backup, restore_backup
from caseproof.domain.closure import closure_blockers
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.proof import verify_proof
from caseproof.store import CaseRow, Store
from caseproof.store.guards import guards_missing
from caseproof.store.migrate import downgrade
from tests.backup.places import (
    CONTACT,
    HASH,
    NOT_SAVED,
    NOW,
    POLICY,
    UNMATCHED,
    Place,
    as_before_0003,
    opened,
    rewrite,
    store_at,
)


def test_every_row_and_every_byte_comes_back(saved: tuple[Place, Path], empty: Place) -> None:
    place, backup = saved
    before = place.tables()
    assert {name for name, rows in before.items() if not rows} == set()  # a table without rows would show nothing
    restore_backup(empty.parts, backup)
    assert empty.tables() == before
    assert empty.files() == place.files()
    assert (empty.home / "policy.yaml").read_text() == POLICY


def test_a_restore_brings_back_who_has_a_login_but_nobody_who_was_logged_in(
    saved: tuple[Place, Path], empty: Place
) -> None:
    assert [len(saved[0].all_tables()[name]) for name in sorted(NOT_SAVED)] == [1, 1]
    restore_backup(empty.parts, saved[1])
    found = empty.all_tables()
    assert (len(found["logins"]), [found[name] for name in sorted(NOT_SAVED)]) == (1, [[], []])
    assert HASH in saved[0].all_tables()["logins"][0]
    assert HASH not in found["logins"][0], "nor the password of that day"
    assert CONTACT in found["logins"][0]
    assert HASH not in (saved[1] / "store" / "logins.jsonl").read_text()


def test_a_password_that_was_put_into_a_backup_is_not_restored(copy: Path, empty: Place) -> None:
    path = copy / "store" / "logins.jsonl"
    path.write_text(path.read_text().replace('"password":""', f'"password":"{HASH}"'))
    assert HASH in path.read_text()
    rewrite(copy)
    with pytest.raises(BackupError, match="The rows of logins"):
        restore_backup(empty.parts, copy)


def test_every_case_reads_as_before_and_every_proof_holds(saved: tuple[Place, Path], empty: Place) -> None:
    restore_backup(empty.parts, saved[1])
    then, now = Store(saved[0].url), Store(empty.url)
    refs = [f"JF-{number:06d}" for number in range(1, 6)]
    assert [now.case(ref) for ref in refs] == [then.case(ref) for ref in refs]
    assert [str(now.case(ref).state) for ref in refs] == ["closed", "paused", "closed", "waiting", "contained"]
    assert [closure_blockers(now.case(ref)) for ref in refs] == [closure_blockers(then.case(ref)) for ref in refs]
    with now.reading() as uow:
        assert uow.cases.damaged() == []
    proofs = sorted((empty.home / "proofs").iterdir())
    assert [path.name[:9] for path in proofs] == ["JF-000001", "JF-000002", "JF-000003"]
    assert [check for path in proofs for check in verify_proof(path) if not check.ok] == []


def test_the_restored_store_goes_on_where_it_was(saved: tuple[Place, Path], empty: Place) -> None:
    restore_backup(empty.parts, saved[1])
    goes_on(empty.url)


def goes_on(url: str) -> None:
    """It is guarded, gives the next reference and takes the next event."""
    store = Store(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert guards_missing(connection) == []
    engine.dispose()
    with store.uow() as uow:
        assert uow.cases.create(opened("offers/new")).ref == "JF-000006"
        assert uow.tickets.create("a new key", "x", "x", NOW).id == 5
        uow.people.add_contact("Shop Z", "z@example.com")
        uow.commit()
    after = store.change("JF-000003", lambda _: [Event(Kind.REOPENED, NOW, "operator", {"why": "again"})])
    assert not after.is_closed
    store.close()


def test_a_backup_goes_from_sqlite_to_postgresql_and_back(
    saved: tuple[Place, Path], tmp_path: Path, new_postgres: Callable[[], str]
) -> None:
    first, backup = saved
    moved = Place(store_at(tmp_path / "moved").home, new_postgres())
    restore_backup(moved.parts, backup)
    assert moved.tables() == first.tables()
    there = make_backup(moved.parts, tmp_path / "there", now=NOW)[0]
    goes_on(moved.url)
    back = store_at(tmp_path / "back")
    restore_backup(back.parts, tmp_path / "there")
    assert back.tables() == first.tables()
    assert back.files() == first.files()
    assert there.sums == check_backup(backup)[0].sums  # the same files, byte for byte, from both


def test_rows_of_postgresql_are_taken_at_one_moment(tmp_path: Path, new_postgres: Callable[[], str]) -> None:
    place = Place(store_at(tmp_path / "home").home, new_postgres())
    backed_up_while_written(place, tmp_path)


def test_a_backup_while_others_write_is_of_one_moment(tmp_path: Path) -> None:
    backed_up_while_written(store_at(tmp_path / "home"), tmp_path)


def backed_up_while_written(place: Place, tmp_path: Path) -> None:
    """Another thread keeps opening cases and appending events with evidence; what is restored is a prefix of it."""
    home = replace(place.parts, policy=None)
    home.store.migrate()
    over, wrote = threading.Event(), threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            number += 1
            file = home.vault.put(f"file {number}".encode(), "x.txt", "text/plain")
            with home.store.uow() as uow:
                case = uow.cases.create(opened(f"offers/{number}"))
                uow.evidence.add(case.ref, file.digest, "x.txt", "text/plain", file.size, NOW)
                uow.commit()
            for ref in ("JF-000001", case.ref):
                home.store.change(ref, lambda case: [trouble(case.version)])
            wrote.set()

    def until_written(what: str = "", done: int = 0, total: int = 0) -> None:
        """After each table, and each file: the writer gets further before the next."""
        del what, done, total
        wrote.clear()
        assert wrote.wait(60)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            until_written()
        reader = replace(home, store=Store(place.url))
        manifest, found = make_backup(reader, tmp_path / "b", now=NOW, progress=until_written)
    finally:
        over.set()
        writer.join(60)
    assert found.problems == {}
    restored = store_at(tmp_path / "restored")
    restore_backup(restored.parts, tmp_path / "b")
    then, now = Store(place.url), Store(restored.url)
    with now.reading() as uow:
        assert uow.cases.damaged() == []
        rows = uow.cases.rows()
    with then.reading() as uow:
        assert len(uow.cases.rows()) > len(rows) + 10  # the writer went on meanwhile
    assert len(rows) == manifest.rows["cases"] == found.evidence >= 2
    for row in rows:
        events = now.case(row.ref).events
        assert events == then.case(row.ref).events[: len(events)]
    for store in (home.store, reader.store, then, now):
        store.close()


def trouble(number: int) -> Event:
    return Event(Kind.TROUBLE, NOW, "caseproof", {"step": "x", "problem": str(number), "next_action": "x"})


def test_what_the_snapshot_does_not_name_stays_behind(full: Place, tmp_path: Path) -> None:
    full.parts.vault.put(b"of a case to come", "x", "text/plain")
    (full.home / "proofs" / ".draft").write_text("half")
    _, found = make_backup(full.parts, tmp_path / "b", now=NOW)
    assert found.problems == {}
    restored = store_at(tmp_path / "restored")
    restore_backup(restored.parts, tmp_path / "b")
    assert len(restored.files()) == len(full.files()) - 2


def test_a_backup_of_an_older_revision_is_brought_up_to_date(full: Place, tmp_path: Path, empty: Place) -> None:
    """The rows go into tables of their own revision first; migrating them is left to the migrations."""
    backup = tmp_path / "older"
    make_backup(full.parts, backup, now=NOW)
    as_before_0003(backup)
    restore_backup(empty.parts, backup)
    was, now = full.tables(), empty.tables()
    assert {name for name in was if was[name] != now[name]} == {
        "case_handling", "cases", "chosen_causes", "contacts", "incident_questions", "incidents", "logins", "marks",
        "messages", "owed",
    }  # fmt: skip
    with Store(full.url).reading() as before, Store(empty.url).reading() as after:
        expected = [replace(row, **KEPT_BY_NOBODY, due_at=now_due(row)) for row in before.cases.rows()]
        assert after.cases.rows() == expected
        assert [row.incident for row in expected] == ["", "", "", "IN-000001", ""]  # the events tell it
        assert after.cases.damaged() == []
    with Store(empty.url).uow() as uow:
        assert (uow.incidents.rows(), uow.cursors.get("keeper")) == ([], None)
    goes_on(empty.url)


KEPT_BY_NOBODY: dict[str, Any] = {"crashes": 0, "rest_until": None, "rest_why": "", "rest_code": ""}


def now_due(row: CaseRow) -> datetime | None:
    """When a migrated case is looked at."""
    return None if row.ticket_closed and row.closed_at else row.updated_at


def test_a_message_of_no_case_is_saved_with_what_was_sent(
    saved: tuple[Place, Path], empty: Place, tmp_path: Path
) -> None:
    restore_backup(empty.parts, saved[1])
    with Store(empty.url).reading() as uow:
        (row,) = uow.messages.to_look_at(9)
    assert (row.ref, empty.parts.vault.read(row.digest)) == ("", UNMATCHED)
    empty.parts.vault.path(row.digest).unlink()
    manifest, _ = make_backup(empty.parts, tmp_path / "b", now=NOW)
    (problem,) = manifest.problems.values()
    assert problem == f"message {row.id} is missing in the vault"


def test_a_store_with_nothing_but_marks_takes_a_backup_and_its_marks(saved: tuple[Place, Path], empty: Place) -> None:
    """A keeper may have passed there; what is signed with the saved secret must stay good."""
    store = Store(empty.url)
    store.migrate()
    with store.uow() as uow:
        for name in ("keeper", "secret"):
            uow.cursors.set(name, "of the new store", NOW)
        uow.commit()
    store.close()
    restore_backup(empty.parts, saved[1])
    assert empty.tables() == saved[0].tables()


def test_an_empty_store_of_an_older_revision_takes_a_backup(saved: tuple[Place, Path], empty: Place) -> None:
    store = Store(empty.url)
    store.migrate()
    store.close()
    engine = create_engine(empty.url)
    with engine.begin() as connection:
        downgrade(connection, "0001")
    engine.dispose()
    restore_backup(empty.parts, saved[1])
    goes_on(empty.url)


def test_an_empty_home_can_be_saved_and_restored(tmp_path: Path, empty: Place) -> None:
    """A team that set up and has no case yet."""
    place = store_at(tmp_path / "home")
    place.parts.store.migrate()
    manifest, found = make_backup(replace(place.parts, policy=None), tmp_path / "b", now=NOW)
    assert (sum(manifest.rows.values()), found.cases, manifest.problems) == (0, 0, {})
    for folder in ("evidence", "proofs"):
        (tmp_path / "b" / folder).rmdir()  # some ways of copying forget empty folders
    restore_backup(empty.parts, tmp_path / "b")
    assert not (empty.home / "policy.yaml").exists()
    with Store(empty.url).uow() as uow:
        assert uow.cases.create(opened("x")).ref == "JF-000001"
