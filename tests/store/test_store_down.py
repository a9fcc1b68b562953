"""A store that cannot be used now says so, with the next action, and goes on when it can."""

import traceback

import pytest
from sqlalchemy import Engine, event

from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, StoreDown, StoreError

on_sqlite = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)


def test_a_store_that_another_process_holds_is_down_and_comes_back(store, url, opened, make):
    waiting = Store(f"{url}?timeout=0.05")
    with store.uow():
        with pytest.raises(StoreDown, match="another process") as refusal:
            waiting.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])
        assert "Try again" in refusal.value.next_action
        assert waiting.case(opened.ref) == opened
    assert waiting.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)]).version == 2
    waiting.close()


def test_a_writer_waits_half_a_minute_by_default(store, stores):
    ask = "PRAGMA busy_timeout" if stores.name == "sqlite" else "SELECT current_setting('lock_timeout')"
    with store.uow() as uow:
        assert uow._connection.exec_driver_sql(ask).scalar() in (30_000, "30s")


@on_sqlite
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


@on_sqlite
def test_a_damaged_file_is_told_as_damaged(store, path, opened):
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as refusal:
        store.case(opened.ref)
    assert "backup" in refusal.value.next_action
    assert not isinstance(refusal.value, StoreDown)


def refuse_events(raw, stores, sentence):
    """Let the database refuse every new event, as a guard would."""
    if stores.name == "sqlite":
        raw.execute(f"CREATE TRIGGER odd BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, '{sentence}'); END")
    else:
        raw.execute(
            "CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING"
            f" MESSAGE = '{sentence}', DETAIL = NEW.data::text, ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        raw.execute("CREATE TRIGGER odd BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION odd()")


def test_a_guards_sentence_reaches_the_person(stores, store, raw, opened, make):
    """Where no code asked first, the guard's own sentence is told."""
    refuse_events(raw, stores, "Not today.")
    with pytest.raises(StoreError, match=r"refused this: Not today\.") as refusal:
        store.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])
    assert "odd" not in refusal.value.problem


def test_an_error_shows_no_values(stores, store, raw, opened, make):
    address = "@".join(["a", "example.com"])  # so that no line of this file shows it
    refuse_events(raw, stores, "No.")
    with pytest.raises(StoreError, match=r"No\.") as refusal:
        store.change(opened.ref, lambda case: [make.event(case, Kind.TROUBLE, problem=address)])
    assert isinstance(refusal.value.__cause__, Exception)
    assert address not in "".join(traceback.format_exception(refusal.value))


def test_a_nul_character_is_refused_on_every_database(store, opened, make):
    with store.uow() as uow, pytest.raises(BadInput, match="NUL"):
        uow.cases.create(make.opened("job\0"))
    with pytest.raises(BadInput, match="NUL"):
        store.change(opened.ref, lambda _: [Event(Kind.REVIEW_APPROVED, make.start, "some\0body")])
