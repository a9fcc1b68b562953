"""The way to the newest revision, and what no migration may touch."""

import sqlite3
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from caseproof.domain.codes import MessageCode, Rest
from caseproof.domain.events import Event
from caseproof.domain.fold import apply, fold
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision, Disposition
from caseproof.store import Contact, Store, StoreDown, StoreError, UnknownCase
from caseproof.store.case_rows import standing_after
from caseproof.store.database_urls import database_of
from caseproof.store.errors import explained
from caseproof.store.guards import GUARDS, guards_changed, guards_missing, guards_off, guards_on
from caseproof.store.migrate import downgrade, upgrade
from caseproof.store.migrations import (
    guards_0002,
    guards_0003,
    guards_0004,
    guards_0005,
    guards_0006,
    guards_0007,
    guards_0009,
    guards_0011,
)
from caseproof.store.migrations.guards import drop, of_dialect
from caseproof.store.migrations.guards import make as make_guards
from caseproof.store.tables import REVISION, VERSION_TABLE, metadata
from tests.support.histories import REOPENED, START, Plan, tell

NEW_IN_0005 = tuple(guard for guard in guards_0005.GUARDS if guard.name == "cases_same_procedure")
SINCE_0006 = (*guards_0007.GUARDS, *guards_0009.GUARDS, *guards_0011.GUARDS)
SINCE_0004 = (*NEW_IN_0005, *guards_0006.GUARDS, *SINCE_0006)
SINCE_0001 = (*guards_0002.GUARDS, *guards_0003.GUARDS, *guards_0004.GUARDS, *SINCE_0004)
on_sqlite = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("stores", ["postgresql"], indirect=True)


@contextmanager
def owner(url):
    """A transaction of the database's owner."""
    database = database_of(url, patience=0)
    engine = database.engine()
    try:
        with engine.connect().execution_options(**database.options(writes=True)) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def contents(url):
    """All that was made in the database: tables, guards, functions."""
    with owner(url) as connection:
        if connection.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        else:
            rows = connection.exec_driver_sql(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION ALL SELECT proname"
                " FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION ALL SELECT tgname FROM pg_trigger"
            )
        return sorted(name for (name,) in rows if not name.startswith("pg_"))


def test_the_migrations_make_the_tables_that_the_repositories_query(url):
    with owner(url) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
        assert guards_missing(connection) == guards_changed(connection) == []


def test_migrating_again_changes_nothing(store, opened):
    store.migrate()
    assert store.case(opened.ref) == opened


def test_down_removes_everything_and_up_makes_a_working_store(store, url, opened, make, bring):
    bring(opened, Kind.CLOSED)
    store.close()
    with owner(url) as connection:
        downgrade(connection, "base")
    with owner(url) as connection:
        assert inspect(connection).get_table_names() == [VERSION_TABLE]
    assert [name for name in contents(url) if VERSION_TABLE not in name] == []
    with pytest.raises(StoreError, match="not a store of this version"):
        store.case(opened.ref)
    store.migrate()
    with pytest.raises(UnknownCase):
        store.case(opened.ref)
    with store.uow() as uow:
        assert uow.cases.create(make.opened()).ref == "JF-000001"


def test_a_store_of_the_first_revision_keeps_its_cases_up_and_down_and_up(stores, make):
    store = Store(url := stores.empty())
    with owner(url) as connection:
        upgrade(connection, "0001")
        first = guards_missing(connection)
        assert {"cases_closed_by_event", "proofs_of_an_event", "incidents_kept"} <= set(first)
        assert len(first) == len(of_dialect(SINCE_0001, stores.name))
    store.migrate()
    with store.uow() as uow:
        for job, until in (("job-1", Kind.CLOSED), ("job-2", Kind.PROOF_MADE)):
            case = uow.cases.create(make.opened(job))
            uow.cases.append(case, *make.to(case, until)[1])
        uow.commit()
    before = [store.case(ref) for ref in ("JF-000001", "JF-000002")]
    for step, missing in ((lambda at: downgrade(at, "0001"), first), (upgrade, [])):
        store.close()
        with owner(url) as connection:
            step(connection)
            assert guards_missing(connection) == missing
    assert [store.case(ref) for ref in ("JF-000001", "JF-000002")] == before
    assert store.change("JF-000002", lambda case: [make.event(case, Kind.CLOSED)]).is_closed
    assert store.change("JF-000001", lambda case: [make.event(case, Kind.TICKET_CLOSED)]).is_closed
    with store.reading() as uow:
        assert uow.cases.damaged() == []
    store.close()
    stores.drop(url)


LIFE = Plan(Decision.AFTER_FIX, loops=((REOPENED, Decision.AFTER_FIX),), chatter=True)


def rows_of(url):
    with owner(url) as connection:
        query = metadata.tables["cases"].select().order_by("id")
        return [dict(row) for row in connection.execute(query).mappings()]


SINCE_THE_QUESTION = (
    (Kind.QUESTION_ASKED, {"number": 90, "form": "decision\0", "flow_run": "f"}),
    (Kind.TEAM_TOLD, {"about": "the question", "number": 1}),
    (Kind.PARKED, {"until": "x", "flow_run": "f"}),
    (Kind.TROUBLE, {"step": "s", "problem": "It fails. " * 30, "next_action": "n"}),
    (Kind.QUESTION_ANSWERED, {"number": 90, "form": "decision", "answer": {}}),
)


def lives():
    """Beginnings of a life that closed twice, with all that happens beside it; no two of them stand alike."""
    told = tell(LIFE)
    told += [Event(kind, told[-1].at, "x", data) for kind, data in SINCE_THE_QUESTION]
    told += [Event(Kind.TICKET_CLOSED, told[-1].at, "x", {"ticket": "T-17"})]
    seen = set()
    for length in range(1, len(told) + 1):
        standing = standing_after(fold("JF-000001", told[:length]), told[length - 1])
        names = standing.keys() - {"head", "version", "proof", "state"}
        alike = tuple(isinstance(standing[name], datetime) or standing[name] for name in sorted(names))
        if alike not in seen:
            seen.add(alike)
            yield told[:length]


def lived(store, number, events):
    """Write a life down as one of a platform of its own, with what its proofs then have to say."""
    opening = replace(events[0], data={**events[0].data, "platform": f"shop-{number}"})
    with store.uow() as uow:
        begun = case = uow.cases.create(opening)
        for event in events[1:]:
            fitting = {}
            if event.kind is Kind.PROOF_MADE:
                fitting = {"head": case.head, "evidence": f"{case.version:064x}{case.head}"[-64:]}
            if event.kind is Kind.CLOSED:
                fitting = {"proof": case.proof["evidence"]}
            case = apply(case, replace(event, data={**event.data, **fitting}))
        uow.cases.append(begun, *case.events[1:])
        uow.commit()


def test_cases_from_before_0003_say_what_their_events_say_and_are_due(store, url, full_run):
    """The short run has half of these lives on PostgreSQL, all of them on SQLite."""
    half = not full_run and not url.startswith("sqlite")
    first, *others = lives()
    for number, events in enumerate([first, *(others[::2] if half else others)]):
        lived(store, number, events)
    before = rows_of(url)
    assert len(before) >= (10 if half else 20)
    assert {(row["has_news"], row["nudges"], row["asked_form"]) for row in before} >= {
        (False, 0, ""), (True, 1, "decision"), *(() if half else [(False, 1, "decision")]),
    }  # fmt: skip
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0002")
        assert "due_at" not in {column["name"] for column in inspect(connection).get_columns("cases")}
        if connection.dialect.name == "sqlite":
            told = connection.exec_driver_sql("SELECT at, digest FROM events WHERE case_id = 1").one()
            # As a program of revision 0002 wrote them, and can read them.
            assert (datetime.fromisoformat(told[0] + "+00:00"), told[1]) == (
                START + timedelta(minutes=3),
                before[0]["head"],
            )
    store.migrate()
    over = [row["closed"] and row["ticket_closed"] for row in before]
    assert set(over) == {True, False}
    due = [None if done else row["updated_at"] for row, done in zip(before, over, strict=True)]
    # Whose turn it is, nobody asks of closed cases, so the migration leaves them alone.
    turns = [{"turn": "", "turn_since": None} if row["closed"] else {} for row in before]
    then = [row | {"due_at": at} | turn for row, at, turn in zip(before, due, turns, strict=True)]
    assert rows_of(url) == then
    with store.reading() as uow:
        assert uow.cases.damaged() == []
        assert uow.guards_missing() == []


def test_a_case_that_was_forged_or_damaged_before_0003_stops_no_migration(store, url, raw, opened, bring, make):
    bring(opened, Kind.STOPPED)
    with store.uow() as uow:
        other = uow.cases.create(make.opened("job-2"))
        uow.cases.append(other, make.event(other, Kind.QUESTION_ASKED))
        uow.commit()
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0002")
        off = ("cases_closed_with_proof", "cases_closed_by_event", "events_unchanged")
        drop(connection, [guard for guard in GUARDS if guard.name in off])
        connection.exec_driver_sql("UPDATE cases SET closed = true, state = 'closed', proof = 'none' WHERE id = 1")
        damage = "CAST(x'ff' AS TEXT)" if connection.dialect.name == "sqlite" else "'[7]'"
        connection.exec_driver_sql(f"UPDATE events SET data = {damage} WHERE case_id = 1 AND seq = 2")  # noqa: S608
    store.migrate()
    with store.reading() as uow:
        assert uow.cases.damaged() == [opened.ref]
        assert [row.asked_form for row in uow.cases.due(make.start + timedelta(days=1), 9)] == ["", "decision"]
    with pytest.raises((sqlite3.Error, psycopg.Error), match="closed only with a proof"):
        raw.execute("UPDATE cases SET closed = true, state = 'closed', proof = 'none' WHERE id = 2")


def a_message(uow, digest, ref=""):
    return uow.messages.add(
        digest, message_id="<1@x>", sender="a@x", subject="s", size=1, way="mail", place=Disposition.REPLY, why="w",
        ref=ref, at=START,
    )  # fmt: skip


def test_contacts_from_before_0004_stay_and_get_a_language(store, url, opened):
    with store.uow() as uow:
        uow.people.add_contact("R", "a@example.com", "Owner", "de", "buyer")
        uow.people.mark_bounced("R", "a@example.com", "no such user", START)
        uow.people.add_contact("R", "b@example.com")
        a_message(uow, "ab" * 32, opened.ref)
        uow.commit()
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0003")
        names = {column["name"] for column in inspect(connection).get_columns("contacts")}
        assert names == {"id", "retailer_id", "address", "folded", "name"}
        assert not inspect(connection).has_table("messages")
        assert set(guards_missing(connection)) == {
            guard.name for guard in of_dialect((*guards_0004.GUARDS, *SINCE_0004), connection.dialect.name)
        }
        kept = list(connection.exec_driver_sql("SELECT address, name FROM contacts ORDER BY id"))
        assert [tuple(row) for row in kept] == [("a@example.com", "Owner"), ("b@example.com", "")]
    store.migrate()
    with store.uow() as uow:
        assert uow.people.contacts("R") == [Contact("R", "a@example.com", "Owner"), Contact("R", "b@example.com", "")]
        uow.people.add_contact("R", "b@example.com", language="de")
        assert [one.language for one in uow.people.contacts("R")] == ["", "de"]
        assert uow.messages.of_case(opened.ref) == []
        assert a_message(uow, "ab" * 32, opened.ref) == 1
        assert (uow.guards_missing(), uow.guards_changed(), uow.cases.damaged()) == ([], [], [])
    assert store.case(opened.ref) == opened


LONG = f"The run {50 * 'otter'} is still going."


def test_what_was_written_before_0006_gets_its_codes_and_keeps_its_words(store, url, opened, make):
    """A case that was suspended before the upgrade goes on: board, keeper and audit read the codes of old events."""
    still = {"step": "verify the run", "problem": LONG, "next_action": "Resume."}
    other = {"step": "stop the job", "problem": "The platform is down.", "next_action": "Wait."}
    coded = {"step": "look again", "problem": "x", "next_action": "x", "code": "not_live"}
    with store.uow() as uow:
        refs = [opened.ref, *(uow.cases.create(make.opened(f"job-{number}")).ref for number in (2, 3, 4))]
        for ref, told in zip(refs, ([still], [still, other], [other, still, coded], []), strict=True):
            uow.cases.append(uow.cases.get(ref), *(Event(Kind.TROUBLE, START, "caseproof", data) for data in told))
        uow.cases.set_rest(refs[0], 0, START, "parked: its run was cancelled in the Prefect UI", Rest.PARKED)
        uow.cases.set_rest(refs[1], 3, START, "3 runs in a row died; parked", Rest.RUNS_DIED)
        uow.cases.set_rest(refs[2], 1, None, "its run ended as Crashed")
        for digest, place, why, code in (
            ("aa", Disposition.REPLY, "asks for help; the case was closed already", MessageCode.HELP),
            ("bb", Disposition.REPLY, "the retailer asks something or needs help", MessageCode.QUESTION),
            ("cc", Disposition.REPLY, "the retailer says that it is not theirs", MessageCode.OTHER),
            ("dd", Disposition.REFUSED, "a stranger", MessageCode.OTHER),
        ):
            about = {"message_id": "", "sender": "a@x", "subject": "s", "size": 1, "way": "mail", "at": START}
            uow.messages.add(digest * 32, **about, place=place, why=why, code=code)
        uow.commit()
    heads = [store.case(ref).head for ref in refs]
    with store.reading() as uow:
        rows, messages = uow.cases.rows(), uow.messages.untold()
    assert [(row.trouble_code, row.rest_code) for row in rows] == [
        ("still_running", "parked"), ("other", "runs_died"), ("not_live", ""), ("", ""),
    ]  # fmt: skip
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0004")
        for table, gone in (("cases", {"trouble_code", "rest_code"}), ("messages", {"code"})):
            assert not gone & {column["name"] for column in inspect(connection).get_columns(table)}
    store.migrate()
    with store.reading() as uow:
        assert (uow.cases.rows(), uow.messages.untold()) == (rows, messages)
        assert (uow.cases.damaged(), uow.guards_missing(), uow.guards_changed()) == ([], [], [])
    assert [store.case(ref).head for ref in refs] == heads


def test_what_was_wrong_before_0012_is_owed_as_it_stands_and_nothing_that_was_over(store, url, opened, make):
    """A step that was put right long ago would be told to the team for ever, and no event would take it off."""
    first = {"step": "stop the job", "problem": "The platform is down.", "next_action": "Wait."}
    latest = {"step": "open the ticket", "problem": "The desk is down.", "next_action": "Wait.", "code": "desk_down"}
    with store.uow() as uow:
        refs = [opened.ref, uow.cases.create(make.opened("job-2")).ref]
        over = Event(Kind.TROUBLE_OVER, START, "caseproof", {"step": "stop the job"})
        for ref, told in zip(refs, ([first, over, latest], [first, over]), strict=True):
            happened = [one if isinstance(one, Event) else Event(Kind.TROUBLE, START, "caseproof", one) for one in told]
            uow.cases.append(uow.cases.get(ref), *happened)
        uow.commit()
    with store.reading() as uow:
        before = [(row.ref, row.what, row.key, row.code) for row in uow.owed.rows(9)]
    assert before == [(opened.ref, "step", "open the ticket", "desk_down")]
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0011")
    store.migrate()
    with store.reading() as uow:
        assert [(row.ref, row.what, row.key, row.code) for row in uow.owed.rows(9)] == before
    store.change(opened.ref, lambda _: [replace(over, data={"step": "open the ticket"})])
    with store.reading() as uow:
        assert uow.owed.rows(9) == []


def test_a_case_that_was_forged_before_0006_stops_no_migration(store, url, opened):
    store.change(
        opened.ref, lambda _: [Event(Kind.TROUBLE, START, "x", {"step": "s", "problem": "p", "next_action": ""})]
    )
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0004")
        off = [guard for guard in GUARDS if guard.name in ("cases_closed_with_proof", "cases_closed_by_event")]
        drop(connection, off)
        connection.exec_driver_sql("UPDATE cases SET closed = true, state = 'closed', proof = 'none' WHERE id = 1")
        make_guards(connection, off)
    store.migrate()
    with store.reading() as uow:
        assert uow.cases.damaged() == [opened.ref]


def test_an_older_store_is_refused_until_it_is_migrated(store, url, opened):
    store.close()
    with owner(url) as connection:
        downgrade(connection, "0001")
    with pytest.raises(StoreError, match="not a store of this version"):
        store.case(opened.ref)
    store.migrate()
    assert store.case(opened.ref) == opened


def test_a_migration_that_fails_leaves_nothing_behind(stores):
    url = stores.empty()
    with closing(stores.connect(url)) as raw:
        raw.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL)")
        raw.execute("CREATE TABLE tickets (id INTEGER)")  # in the way of one of the last tables
    before = contents(url)
    store = Store(url)
    with pytest.raises(StoreError, match=r'tickets"? already exists'):
        store.migrate()
    store.close()
    assert contents(url) == before
    stores.drop(url)


def test_many_at_once_migrate_one_new_store(stores, make):
    url = stores.empty()
    several = [Store(url) for _ in range(3)]
    meet, failures = threading.Barrier(3, timeout=60), []

    def migrate(store):
        meet.wait()
        try:
            store.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(store,)) for store in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    with several[0].uow() as uow:
        assert uow.cases.create(make.opened()).ref == "JF-000001"
    for store in several:
        store.close()
    stores.drop(url)


@on_sqlite
def test_a_migrated_store_lets_readers_read_beside_a_writer(raw):
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_of_a_newer_version_is_refused(store, raw):
    raw.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608
    for use in (store.migrate, lambda: store.case("JF-000001")):
        with pytest.raises(StoreError, match="newer version") as refusal:
            use()
        assert "Install that version" in refusal.value.next_action


def test_before_it_is_migrated_a_store_is_refused_and_nothing_is_made(stores):
    store = Store(url := stores.empty())
    for use in (lambda: store.case("JF-000001"), lambda: store.uow().__enter__()):
        with pytest.raises(StoreError, match="not a store of this version") as refusal:
            use()
        assert "caseproof" in refusal.value.next_action
    store.close()
    if stores.name == "sqlite":
        assert not stores.file(url).exists()
    else:
        assert contents(url) == []
        stores.drop(url)


@on_postgresql
def test_a_store_shares_a_database_with_other_programs(stores, make):
    url = stores.empty()
    with closing(stores.connect(url)) as raw:
        raw.execute("CREATE TABLE alembic_version (version_num TEXT)")
        raw.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    store = Store(url)
    store.migrate()
    with store.uow() as uow:
        assert uow.cases.create(make.opened()).ref == "JF-000001"
    store.close()
    stores.drop(url)


@on_postgresql
def test_two_schemas_of_one_database_are_two_stores_that_do_not_wait_for_each_other(stores, make):
    url = stores.empty()
    with closing(stores.connect(url)) as raw:
        raw.execute('CREATE SCHEMA one; CREATE SCHEMA "Two"')
    one, two = (Store(f"{url}?timeout=10&options=-csearch_path%3D{name}") for name in ("one", "%22Two%22"))
    for store in (one, two):
        store.migrate()
    with one.uow() as uow, two.uow() as other:
        uow.cases.create(make.opened("job-1"))
        other.cases.create(make.opened("job-2"))
        uow.commit()
        other.commit()
    assert [store.case("JF-000001").facts["job"] for store in (one, two)] == ["job-1", "job-2"]
    for store in (one, two):
        store.close()
    stores.drop(url)


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path):
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


# -- the guards of a restore -------------------------------------------------------------------------------


def test_a_restore_writes_every_row_and_the_guards_stand_again(stores, store, url, opened, make, bring):
    bring(opened, Kind.CLOSED)
    with store.uow() as uow:
        uow.tickets.create("key", "subject", "body", make.start)
        uow.commit()
    before = store.case(opened.ref)
    with owner(url) as source:
        kept = {table: list(source.execute(table.select()).mappings()) for table in metadata.sorted_tables}
    restored = Store(copy := stores.new())
    with owner(copy) as connection:
        guards_off(connection)
        for table, rows in kept.items():
            if rows:
                connection.execute(table.insert(), [dict(row) for row in rows])
        guards_on(connection)
        assert guards_missing(connection) == []
    assert restored.case(opened.ref) == before
    with restored.uow() as uow:
        assert uow.cases.damaged() == []
        assert uow.cases.create(make.opened("job-2")).ref == "JF-000002"
        assert uow.tickets.create("other", "s", "b", make.start).id == 2
        uow.commit()
    with pytest.raises(StoreError, match="never deleted"), owner(copy) as connection, explained():
        connection.exec_driver_sql("DELETE FROM events")
    restored.close()
    stores.drop(copy)


def test_a_restore_that_fails_leaves_the_guards_as_they_were(url):
    with pytest.raises(RuntimeError), owner(url) as connection:  # noqa: PT012
        guards_off(connection)
        assert len(guards_missing(connection)) > 20
        raise RuntimeError
    with owner(url) as connection:
        assert guards_missing(connection) == []


def test_a_dropped_guard_is_missed_and_made_anew(stores, raw, url):
    raw.execute("DROP TRIGGER events_kept" + (" ON events" if stores.name == "postgresql" else ""))
    with owner(url) as connection:
        assert guards_missing(connection) == ["events_kept"]
        guards_on(connection)
        assert guards_missing(connection) == []


@on_postgresql
def test_a_guard_that_is_switched_off_is_missed(raw, url):
    raw.execute("ALTER TABLE cases DISABLE TRIGGER cases_kept")
    with owner(url) as connection:
        assert guards_missing(connection) == ["cases_kept"]


EMPTY = {
    "sqlite": "CREATE TRIGGER events_kept BEFORE DELETE ON events BEGIN SELECT 1; END",
    "postgresql": "CREATE OR REPLACE FUNCTION caseproof_events_kept() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RETURN OLD; END $$",
}


def test_a_guard_replaced_by_an_empty_one_of_its_name_is_found_and_made_anew(stores, raw, url):
    if stores.name == "sqlite":
        raw.execute("DROP TRIGGER events_kept")
    raw.execute(EMPTY[stores.name])
    with owner(url) as connection:
        assert guards_missing(connection) == []
        assert guards_changed(connection) == ["events_kept"]
        guards_on(connection)
        assert guards_changed(connection) == []


@on_postgresql
@pytest.mark.parametrize(
    ("trick", "undone"),
    [
        (
            "CREATE OR REPLACE TRIGGER events_kept BEFORE DELETE ON events FOR EACH ROW WHEN (false)"
            " EXECUTE FUNCTION caseproof_events_kept()",
            "",
        ),
        (
            "CREATE OR REPLACE TRIGGER events_kept AFTER DELETE ON events FOR EACH ROW"
            " EXECUTE FUNCTION caseproof_events_kept()",
            "",
        ),
        (
            "CREATE OR REPLACE TRIGGER events_kept BEFORE DELETE ON events FOR EACH ROW"
            " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "",
        ),
        ("ALTER FUNCTION caseproof_events_kept() SET search_path = pg_temp", ""),
        ("CREATE RULE quietly AS ON DELETE TO events DO INSTEAD NOTHING", "DROP RULE quietly ON events"),
    ],
    ids=["never asked", "asked too late", "another function", "elsewhere", "a rule before it"],
)
def test_a_guard_that_is_there_and_guards_nothing_is_found(raw, url, trick, undone):
    raw.execute(trick)
    with owner(url) as connection:
        assert guards_changed(connection) == (["quietly"] if undone else ["events_kept"])
        guards_on(connection)
        if undone:
            connection.exec_driver_sql(undone)
        assert guards_changed(connection) == []


@on_postgresql
def test_guards_that_a_setting_of_the_role_switches_off_are_all_missed(raw, url):
    raw.execute("ALTER ROLE CURRENT_USER SET session_replication_role = replica")
    try:
        with owner(url) as connection:
            assert len(guards_missing(connection)) > 20
    finally:
        raw.execute("ALTER ROLE CURRENT_USER RESET session_replication_role")


def test_a_trigger_that_is_not_ours_is_found(stores, raw, url):
    if stores.name == "sqlite":
        raw.execute("CREATE TRIGGER helper AFTER INSERT ON events BEGIN UPDATE cases SET updated_at = 0; END")
    else:
        raw.execute("CREATE FUNCTION helper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")
        raw.execute("CREATE TRIGGER helper AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION helper()")
    with owner(url) as connection:
        assert guards_changed(connection) == ["helper"]
