"""A store that cannot be used now says so, with the next action, and goes on when it can."""

import sqlite3

import pytest
from sqlalchemy import Engine, event

from caseproof.domain.events import Kind
from caseproof.store import Store, StoreDown, StoreError


def test_a_store_that_another_process_holds_is_down_and_comes_back(path, raw, opened, make):
    store = Store(f"sqlite:///{path}?timeout=0.05")
    raw.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreDown, match="another process") as refusal:
        store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])
    assert "Try again" in refusal.value.next_action
    assert store.case(opened.ref) == opened
    raw.execute("ROLLBACK")
    assert store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)]).version == 2
    store.close()


def test_a_writer_waits_half_a_minute_by_default(store, opened):
    found = []

    def ask(connection, *_):
        found.append(connection.connection.execute("PRAGMA busy_timeout").fetchone()[0])

    event.listen(Engine, "begin", ask)
    try:
        store.case(opened.ref)
    finally:
        event.remove(Engine, "begin", ask)
    assert found == [30_000]


def test_a_full_disk_is_told_and_nothing_is_written(store, path, opened, make):
    """SQLite raises the error of a full disk when a file reaches the size that is set here."""
    full = Store(f"sqlite:///{path}")

    def limit(connection, _):
        connection.execute("PRAGMA max_page_count = 1")

    event.listen(Engine, "connect", limit)
    try:
        with pytest.raises(StoreDown, match="disk is full") as refusal:
            full.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE, problem="x" * 300_000)])
    finally:
        event.remove(Engine, "connect", limit)
        full.close()
    assert "Free some space" in refusal.value.next_action
    assert store.case(opened.ref) == opened


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreDown, match="cannot be opened") as refusal:
        Store(f"sqlite:///{tmp_path / 'no' / 'such' / 'x.sqlite'}").migrate()
    assert "CASEPROOF_HOME" in refusal.value.next_action


def test_a_damaged_file_is_told_as_damaged(store, path, opened):
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as refusal:
        store.case(opened.ref)
    assert "backup" in refusal.value.next_action
    assert not isinstance(refusal.value, StoreDown)


def test_a_guards_sentence_reaches_the_person(store, raw, opened, make):
    """Where no code asked first, the guard's own sentence is told."""
    raw.execute("CREATE TRIGGER odd BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'Not today.'); END")
    with pytest.raises(StoreError, match="Not today"):
        store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])


def test_an_error_shows_no_values(store, raw, opened, make):
    raw.execute("CREATE TRIGGER odd BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'No.'); END")
    with pytest.raises(StoreError) as refusal:
        store.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE, problem="a@example.com")])
    assert isinstance(refusal.value.__cause__, Exception)
    assert "a@example.com" not in f"{refusal.value} {refusal.value.__cause__}"
    with pytest.raises(sqlite3.IntegrityError):  # the trigger stands: the test did ask it
        raw.execute("INSERT INTO events VALUES (1, 2, 'x', '', '', '{}', '')")
