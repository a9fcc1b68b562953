"""The way to the newest revision, and what no migration may touch."""

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from caseproof.domain.events import Kind
from caseproof.store import Store, StoreDown, StoreError, UnknownCase
from caseproof.store.migrate import downgrade
from caseproof.store.tables import REVISION, VERSION_TABLE, metadata


def names(path):
    with sqlite3.connect(path) as raw:
        return {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}


def test_the_migrations_make_the_tables_that_the_repositories_query(path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
    engine.dispose()


def test_every_table_can_be_made_on_postgresql():
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert "CREATE" in str(CreateIndex(index).compile(dialect=dialect))


def test_migrating_again_changes_nothing(store, opened):
    store.migrate()
    assert store.case(opened.ref) == opened


def test_down_removes_everything_and_up_makes_a_working_store(store, path, opened, make, bring):
    bring(opened, Kind.CLOSED)
    store.close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        downgrade(connection, "base")
    engine.dispose()
    assert names(path) - {"sqlite_sequence"} == {VERSION_TABLE, f"sqlite_autoindex_{VERSION_TABLE}_1"}
    with pytest.raises(StoreError, match="not a store of this version"):
        store.case(opened.ref)
    store.migrate()
    with pytest.raises(UnknownCase):
        store.case(opened.ref)
    with store.unit() as unit:
        assert unit.cases.create(make.opened()).ref == "JF-000001"


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "half.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
        raw.execute("CREATE TABLE tickets (id)")  # in the way of one of the last tables
    before = names(path)
    store = Store(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="table tickets already exists"):
        store.migrate()
    store.close()
    assert names(path) == before


def test_two_at_once_migrate_one_new_store(tmp_path, make):
    stores = [Store(f"sqlite:///{tmp_path / 'new.sqlite'}") for _ in range(3)]
    meet, failures = threading.Barrier(3, timeout=10), []

    def migrate(store):
        meet.wait()
        try:
            store.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert failures == []
    with stores[0].unit() as unit:
        assert unit.cases.create(make.opened()).ref == "JF-000001"
    for store in stores:
        store.close()


def test_a_migrated_store_lets_readers_read_beside_a_writer(raw):
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_of_a_newer_version_is_refused(store, raw):
    raw.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608
    for use in (store.migrate, lambda: store.case("JF-000001")):
        with pytest.raises(StoreError, match="newer version") as refusal:
            use()
        assert "Install that version" in refusal.value.next_action


def test_before_it_is_migrated_a_store_is_refused_and_no_file_is_made(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'none.sqlite'}")
    for use in (lambda: store.case("JF-000001"), lambda: store.unit().__enter__()):
        with pytest.raises(StoreError, match="not a store of this version") as refusal:
            use()
        assert "caseproof" in refusal.value.next_action
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num)")
    before = path.read_bytes()
    store = Store(f"sqlite:///{path}")
    for use in (store.migrate, lambda: store.case("JF-000001")):
        with pytest.raises(StoreError, match="another program") as refusal:
            use()
        assert "CASEPROOF_DATABASE_URL" in refusal.value.next_action
    store.close()
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, not a database. " * 20)
    with pytest.raises(StoreError, match="not a database") as refusal:
        Store(f"sqlite:///{path}").migrate()
    assert not isinstance(refusal.value, StoreDown)
    assert path.read_text().startswith("These are notes")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url"])
def test_a_url_that_names_no_lasting_store_is_refused(url):
    with pytest.raises(StoreError):
        Store(url)


def test_no_secret_of_the_url_is_shown():
    store = Store("postgresql://someone:pa55@db.example.com/cases?sslpassword=s3cret")
    assert repr(store) == "Store(postgresql:cases)"
    with pytest.raises(StoreError) as refusal:
        Store("postgresql//someone:pa55@db.example.com")
    assert "pa55" not in str(refusal.value)
