"""A PostgreSQL that restarts, dies, refuses, and is asked by a role that owns nothing."""

import multiprocessing
import re
import signal
import socket
import struct
import threading
import time
from contextlib import closing

import psycopg
import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import ConcurrentChange, Store, StoreDown, StoreError
from caseproof.up.postgres import STOP, EmbeddedPostgres

on_postgresql = pytest.mark.parametrize("stores", ["postgresql"], indirect=True)


# -- a server that goes away -------------------------------------------------------------------------------


class Server:
    """A cluster of this file's own, to be killed and started; it keeps what it was told to keep."""

    def __init__(self, folder):
        self.cluster = EmbeddedPostgres(folder)
        self.cluster.make()
        self.log = folder / "postgres.log"
        self.process = None

    def start(self):
        self.process = self.cluster.start(self.log)

    def stop(self):
        self.process.stop(first=STOP)

    def kill(self):
        """SIGKILL to the server and all its processes."""
        self.process.stop(grace=0, first=signal.SIGKILL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("own"))
    server.start()
    server.cluster.ensure_database("mortal")
    server.store = Store(server.cluster.url("mortal"), patience=0)
    server.store.migrate()
    yield server
    server.stop()


@pytest.fixture
def server(cluster):
    """It runs at the beginning, and is made to run at the end."""
    yield cluster
    if not cluster.process.is_running:
        cluster.start()


@pytest.fixture
def case(server, make):
    jobs = len(_rows(server.store))
    with server.store.uow() as uow:
        case = uow.cases.create(make.opened(f"job-{jobs}"))
        uow.commit()
    return case


def _rows(store):
    with store.reading() as uow:
        return uow.cases.rows()


def test_a_server_that_comes_back_within_the_patience_is_waited_for(server, case):
    server.stop()
    with pytest.raises(StoreDown, match=r"cannot be reached.*Connection refused") as refusal:
        server.store.case(case.ref)
    assert "Start the database" in refusal.value.next_action
    patient, read = Store(server.cluster.url("mortal"), patience=60), []
    waiting = threading.Thread(target=lambda: read.append(patient.case(case.ref)))
    waiting.start()
    server.start()
    waiting.join(60)
    patient.close()
    assert read == [case]
    assert server.store.case(case.ref) == case  # the connections of before are replaced


def test_a_server_killed_in_a_transaction_leaves_nothing_half_written(server, case, make):
    with pytest.raises(StoreDown), server.store.uow() as uow:  # noqa: PT012
        written = uow.cases.append(case, make.event(case, Kind.STOPPED), make.event(case, Kind.TROUBLE))
        server.kill()
        uow.commit()
    server.start()
    assert server.store.case(case.ref) == case
    after = server.store.change(case.ref, lambda now: [make.event(now, Kind.STOPPED)])
    assert (written.version, after.version) == (3, 2)


def test_a_server_killed_while_a_unit_reads_is_down_and_the_next_unit_reads(server, case):
    with pytest.raises(StoreDown), server.store.reading() as uow:  # noqa: PT012
        assert uow.cases.get(case.ref) == case
        server.kill()
        uow.cases.get(case.ref)
    server.start()
    assert server.store.case(case.ref) == case


@on_postgresql
def test_a_connection_ended_by_the_server_between_units_is_replaced(store, raw, opened):
    end_all(raw)
    assert store.case(opened.ref) == opened


@on_postgresql
def test_a_connection_ended_by_the_server_in_a_unit_rolls_it_back(store, raw, opened, make):
    with pytest.raises(StoreDown), store.uow() as uow:  # noqa: PT012
        uow.cases.append(opened, make.event(opened, Kind.STOPPED))
        end_all(raw)
        uow.commit()
    assert store.change(opened.ref, lambda now: [make.event(now, Kind.TROUBLE)]).version == 2


def end_all(raw):
    raw.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# -- what a server refuses ---------------------------------------------------------------------------------


def test_a_wrong_password_is_told_at_once_without_showing_it(postgres):
    before = time.monotonic()
    url = re.sub(r":[^:@]+@", ":wr0ng-pa55@", postgres.url("postgres"))
    with pytest.raises(StoreDown, match="refuses the user or the password of CASEPROOF_DATABASE_URL") as refusal:
        Store(url, patience=120).migrate()
    assert time.monotonic() - before < 60
    seen, error = "", refusal.value
    while error is not None:
        seen, error = f"{seen} {error!r} {vars(error)}", error.__cause__ or error.__context__
    assert "wr0ng-pa55" not in seen


def test_a_database_that_is_not_there_yet_is_told_with_the_command(postgres):
    with pytest.raises(StoreError, match="no database 'cases-2' yet") as refusal:
        Store(postgres.url("cases-2")).migrate()
    assert refusal.value.next_action == "`createdb cases-2`"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("postgresql://nowhere.invalid/x", "host in CASEPROOF_DATABASE_URL is not known"),
        ("postgresql://127.0.0.1/x?colour=blue", "option that PostgreSQL does not know.*colour"),
    ],
)
def test_what_waiting_cannot_help_is_told_at_once(url, problem):
    before = time.monotonic()
    with pytest.raises(StoreError, match=problem) as refusal:
        Store(url, patience=120).case("JF-000001")
    assert time.monotonic() - before < 60
    assert refusal.value.next_action


def refuse_everybody(listener, code, words, asked):
    """Answer every connection with the same refusal, and count them."""
    fields = f"SFATAL\0VFATAL\0C{code}\0M{words}\0\0".encode()
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as wire:
            (length,) = struct.unpack("!i", wire.read(4))
            wire.read(length - 4)
            wire.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            asked.value += 1


@pytest.fixture
def foreign():
    """Starts a server that refuses in German; gives its URL, and how often it was asked.

    A process of its own: the driver lets no other thread run while it asks a server how it is.
    """
    started, context = [], multiprocessing.get_context("fork")

    def start(code, words):
        listener, asked = socket.create_server(("127.0.0.1", 0)), context.Value("i", 0)
        process = context.Process(target=refuse_everybody, args=(listener, code, words, asked), daemon=True)
        process.start()
        started.append((process, listener))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        return f"postgresql://u:pa55@{address}/x?sslmode=disable&gssencmode=disable", asked

    yield start
    for process, listener in started:
        process.kill()
        process.join()
        listener.close()


def test_a_server_that_is_starting_is_waited_for_whatever_language_it_speaks(foreign):
    url, asked = foreign("57P03", "das Datenbanksystem startet")
    with pytest.raises(StoreDown, match="starting or stopping"):
        Store(url, patience=1).case("JF-000001")
    assert asked.value > 4


def test_a_refusal_in_a_language_of_its_own_is_told_soon_with_its_words(foreign):
    url, _ = foreign("28000", "Rolle darf nicht")
    before = time.monotonic()
    with pytest.raises(StoreDown, match="Rolle darf nicht") as refusal:
        Store(url, patience=120).case("JF-000001")
    assert time.monotonic() - before < 60
    assert "pa55" not in str(refusal.value)


WORDS_FOR = (
    ("53100", StoreDown, "the disk is full"),
    ("53300", StoreDown, "no connection left"),
    ("53200", StoreDown, "short of memory"),
    ("57014", StoreDown, "took too long"),
    ("25006", StoreDown, "may only read"),
    ("40001", ConcurrentChange, "Somebody else was faster"),
    ("40P01", ConcurrentChange, "Somebody else was faster"),
    ("42501", StoreError, "role may not do this"),
    ("XX000", StoreError, "The store failed: Words of the server"),
)


@on_postgresql
def test_what_the_server_says_in_the_middle_is_told_for_people(store, raw, opened, make):
    function = "CREATE OR REPLACE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING"
    for code, kind, problem in WORDS_FOR:
        raw.execute(f"{function} MESSAGE = 'Words of the server.', ERRCODE = '{code}'; END $$")
        raw.execute("CREATE OR REPLACE TRIGGER odd BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION odd()")
        with pytest.raises(kind, match=problem) as refusal, store.uow() as uow:
            uow.cases.append(opened, make.event(opened, Kind.STOPPED))
        assert type(refusal.value) is kind, code
        assert refusal.value.next_action
        assert store.case(opened.ref) == opened


@on_postgresql
def test_another_programs_lock_on_a_row_is_not_waited_for_without_end(url, raw, opened, make):
    waiting = Store(f"{url}?timeout=0.05")
    raw.execute("BEGIN")
    raw.execute("UPDATE cases SET cause = cause")
    with pytest.raises(StoreDown, match="another process"):
        waiting.change(opened.ref, lambda case: [make.event(case, Kind.STOPPED)])
    assert waiting.case(opened.ref) == opened
    raw.execute("ROLLBACK")
    waiting.close()


@on_postgresql
def test_a_writer_whose_machine_vanished_makes_room(store):
    with store.uow() as uow:
        shown = uow._connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
    assert shown == "5min"


# -- a role that owns nothing ------------------------------------------------------------------------------


@pytest.fixture
def clerk(raw, url):
    """The URL for a role that may read and write every row, and no more."""
    raw.execute("DROP ROLE IF EXISTS clerk")
    raw.execute("CREATE ROLE clerk LOGIN PASSWORD 'made-up'")
    raw.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk")
    raw.execute("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO clerk")
    yield re.sub(r"//[^@]+@", "//clerk:made-up@", url)
    raw.execute("DROP OWNED BY clerk CASCADE")
    raw.execute("DROP ROLE clerk")


@on_postgresql
def test_a_role_that_owns_nothing_carries_cases_to_their_end(clerk, make):
    store = Store(clerk)
    store.migrate()
    with store.uow() as uow:
        case = uow.cases.create(make.opened())
        assert uow.cases.append(case, *make.to(case, Kind.CLOSED)[1]).is_closed
        uow.commit()
    store.close()


REFUSED = {
    "DROP TRIGGER events_kept ON events": "must be owner",
    "ALTER TABLE cases DISABLE TRIGGER ALL": "must be owner",
    "DROP FUNCTION caseproof_cases_kept() CASCADE": "must be owner",
    "CREATE OR REPLACE FUNCTION caseproof_cases_kept() RETURNS trigger LANGUAGE sql AS ''": "denied|return type",
    "SET session_replication_role = replica": "permission denied",
    "TRUNCATE events": "permission denied",
    "CREATE RULE r AS ON DELETE TO events DO INSTEAD NOTHING": "must be owner",
}


@on_postgresql
def test_a_role_that_owns_nothing_cannot_take_a_guard_away(clerk):
    with closing(psycopg.connect(clerk, autocommit=True)) as connection:
        for statement, refusal in REFUSED.items():
            with pytest.raises(psycopg.Error, match=refusal):
                connection.execute(statement)


@on_postgresql
@pytest.mark.usefixtures("opened")
def test_a_temporary_table_cannot_stand_in_for_the_proofs(clerk):
    """The guards look at their own schema alone."""
    with closing(psycopg.connect(clerk, autocommit=True)) as connection:
        connection.execute("CREATE TEMPORARY TABLE proofs AS SELECT 'forged' AS digest, 1 AS case_id, 1 AS opening")
        connection.execute(
            "CREATE TEMPORARY TABLE events AS SELECT 1 AS case_id, 9 AS seq, 'closed' AS kind,"
            ' \'{"proof": "forged"}\'::json AS data'
        )
        connection.execute("SET search_path = pg_temp, public")
        with pytest.raises(psycopg.errors.IntegrityError, match="closed only with a proof of its own"):
            connection.execute("UPDATE public.cases SET closed = true, state = 'closed', proof = 'forged'")
