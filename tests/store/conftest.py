"""A migrated store a test, and small made-up events for one way to closure."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.string import TextLoader

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.fold import apply
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.store import Store
from caseproof.store.tables import VERSION_TABLE, metadata
from caseproof.up.postgres import EmbeddedPostgres
from tests.support.emergencies import emergency_data

START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Make:
    """Makes the event of a kind that fits a case as it is; a minute passes with each."""

    start = START
    path = (
        Kind.STOPPED, Kind.NOTICE_SENT, Kind.TICKET_OPENED, Kind.DECIDED, Kind.RUN_STARTED, Kind.RUN_VERIFIED,
        Kind.SCHEDULE_LIVE, Kind.PHOTOGRAPHED, Kind.ATTACHED, Kind.REVIEW_APPROVED, Kind.LOOKED_AGAIN,
        Kind.PROOF_MADE, Kind.CLOSED,
    )  # fmt: skip

    def opened(self, job: str = "job-1", platform: str = "shop", **more: Any) -> Event:
        facts = {"job_name": "Stock feed", "retailer": "Retailer", "marketplace": "Market", "cause": "token"}
        rest = {
            "platform": platform,
            "job": job,
            "summary": "It fails.",
            "how": "daily check",
            "scope": "job",
        }
        return Event(Kind.OPENED, START, "caseproof", facts | rest | more)

    def event(self, case: Case, kind: Kind, **more: Any) -> Event:
        if kind is Kind.OPENED:
            return self.opened(**more)
        at = START + timedelta(minutes=case.version + 1)
        data = self._data(case, kind, at) | more
        return Event(kind, at, "operator", data)

    def to(self, case: Case, until: Kind) -> tuple[Case, list[Event]]:
        """Go along the path to ``until``, leaving out what may not happen; the case then, and the events."""
        events = []
        for kind in self.path[: self.path.index(until) + 1]:
            event = self.event(case, kind)
            try:
                refuse_event(case, event)
            except NotAllowed:
                continue
            case = apply(case, event)
            events.append(event)
        return case, events

    def _data(self, case: Case, kind: Kind, at: datetime) -> dict[str, Any]:
        file = digest_of(f"{case.ref} {case.version} {kind}")
        run = case.run["run"] if case.run else "run-0"
        seen = (case.run.at if case.run else at).isoformat()
        photo = case.photo["evidence"] if case.photo else file
        proof = case.proof["evidence"] if case.proof else file
        job = case.opened["job"] if case.opened else "job-1"
        return {
            Kind.REOPENED: {"why": "It failed again."},
            Kind.STOPPED: {"scope": "job", "jobs": [{"job": job, "active": False, "waiting": 0}], "evidence": file},
            Kind.CANNOT_STOP: {"why": "No access.", "who_can": "The retailer"},
            Kind.TICKET_OPENED: {"desk": "desk", "ticket": "T-000001", "adopted": False},
            Kind.TICKET_NAMED: {"ticket": "T-000001", "why": "merged"},
            Kind.NOTICE_SENT: {"message_id": "<1@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.CONFIRMATION_RECEIVED: {
                "sender": "a@example.com", "words": "Ça marche ✓", "evidence": file, "by_way_of": "mail",
            },
            Kind.CONFIRMATION_REFUSED: {"sender": "a@example.com", "why": "automatic", "evidence": file},
            Kind.REPLY_RECEIVED: {
                "sender": "a@example.com", "words": "Wie?", "why": "asks", "evidence": file, "by_way_of": "mail",
            },
            Kind.WORD_AGREED: {"sender": "a@example.com", "evidence": file},
            Kind.ADDRESS_BOUNCED: {"address": "a@example.com", "why": "no such user", "evidence": file},
            Kind.CHANGE_VALIDATED: {"how": "Looked at the token's date."},
            Kind.DECIDED: {"decision": str(Decision.AFTER_FIX), "reason": "Fixed.", "review": "anybody"},
            Kind.KEPT_PAUSED: {"until": "2026-12-24", "reason": "Holidays."},
            Kind.RUN_STARTED: {"run": f"run-{case.attempt + 1}", "purpose": "rerun", "url": "https://example.com"},
            Kind.RUN_VERIFIED: {
                "run": run, "purpose": "rerun", "started_at": seen, "ended_at": seen, "evidence": file,
            },
            Kind.RUN_FAILED: {"run": run, "why": "401"},
            Kind.SCHEDULE_LIVE: {"jobs": [{"job": job, "active": True}]},
            Kind.NEIGHBOURS_LIVE: {"jobs": [{"job": "job-2", "active": True}]},
            Kind.FACTS_CORRECTED: {"retailer": "Retailer", "marketplace": "Market", "connection": None},
            Kind.PHOTOGRAPHED: {
                "run": run, "taken_at": at.isoformat(), "evidence": file, "names_run": True,
                "names_success": True, "url": "https://example.com",
            },
            Kind.PHOTO_REFUSED: {"run": run, "why": "a login page"},
            Kind.PICTURE_UPLOADED: {
                "run": run, "evidence": file, "thumbnail": file, "says": "their shop", "why": "no page",
                "known_by": "login",
            },
            Kind.PICTURE_CONFIRMED: {
                "run": run, "taken_at": at.isoformat(), "evidence": file, "names_run": True, "names_success": True,
                "url": "https://example.com", "uploaded_by": "operator", "why": "no page", "known_by": "login",
            },
            Kind.PICTURE_REFUSED: {"run": run, "evidence": file, "why": "another run", "known_by": "login"},
            Kind.PICTURE_TAKEN_BACK: {"run": run, "evidence": file, "why": "another run", "known_by": "login"},
            Kind.ATTACHED: {"ticket": "T-000001", "evidence": photo, "name": "run.png"},
            Kind.REVIEW_REJECTED: {"why": "Another run."},
            Kind.LOOKED_AGAIN: {"failed": [], "evidence": file},
            Kind.FAILED_AGAIN: {"run": run, "why": "401"},
            Kind.PROOF_MADE: {"evidence": file, "rule": "J7", "head": case.head},
            Kind.CLOSED: {"proof": proof},
            Kind.TICKET_CLOSED: {"ticket": "T-000001"},
            Kind.TICKET_REOPENED: {"ticket": "T-000001"},
            Kind.SAID_ON_TICKET: {
                "ticket": "T-000001", "comment": "c", "by": "b", "words": "w", "written_at": seen, "public": False,
            },
            Kind.STOP_DID_NOT_HOLD: {"jobs": [job], "why": "It ran again.", "evidence": file},
            Kind.INCIDENT_JOINED: {"incident": "IN-000001"},
            Kind.REMINDER_SENT: {"number": 1, "message_id": "<2@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.LINK_RENEWED: {"message_id": "<5@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.RECOVERY_TOLD: {"message_id": "<3@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.TEAM_TOLD: {"about": "the question", "number": 1},
            Kind.CAUSE_AWAITED: {"shape": "s1", "words": "it is odd"},
            Kind.CAUSE_CHOSEN: {
                "cause": "feed", "by": "operator", "on": at.isoformat(), "how": "asked", "was": "token", "shape": "s1",
            },
            Kind.CAUSE_LEFT_OPEN: {"why": "Nobody said it."},
            Kind.NOTICE_CORRECTED: {
                "message_id": "<4@example.com>", "accepted": ["a@x"], "evidence": file, "cause": "feed", "asks": True,
            },
            Kind.MESSAGE_FILED: {"message": 1, "sender": "a@x", "subject": "s", "evidence": file, "remark": ""},
            Kind.MAIL_WRITTEN: {"to": "a@x", "words": "w", "message": 1, "subject": "s", "follows": ""},
            Kind.MAIL_SENT: {"message_id": "<6@x>", "accepted": ["a@x"], "evidence": file, "by": "operator", "of": 1},
            Kind.GIVEN_UP: {"what": "note", "key": "k", "thing": "t", "reason": "r"},
            Kind.NOTED: {"note": "They moved their shop."},
            Kind.SUPPORT_OPENED: {"ref": "SC-000002"},
            Kind.SUPPORT_UNLINKED: {"ref": "SC-000002", "why": "another client's feed"},
            Kind.RUN_FORCED: {"flow_run": "flow-run-1"},
            Kind.PARKED: {"until": at.isoformat(), "flow_run": "f"},
            Kind.QUESTION_ASKED: {"number": case.question_number + 1, "form": "decision", "flow_run": "f"},
            Kind.QUESTION_ANSWERED: {"number": case.question_number, "form": "decision", "answer": {}},
            Kind.ANSWER_REFUSED: {"number": case.question_number, "why": "No reason given."},
            Kind.TROUBLE: {"step": "stop", "problem": "503", "next_action": "Wait."},
            Kind.TROUBLE_OVER: {"step": "stop"},
            **emergency_data(Kind, at, file),
        }.get(kind, {})  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture(autouse=True)
def _stores_are_cheap() -> None:
    """Not here: these tests are about the migrations, the statements and the writing too."""


class SqliteStores:
    """New stores, each a copy of a file that was migrated once."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._template: Path | None = None

    def empty(self) -> str:
        """The URL of a database that is not there yet, or has nothing in it."""
        return f"sqlite:///{self._folder / f'{next(self._numbers)}.sqlite'}"

    def new(self) -> str:
        """The URL of a migrated store of its own."""
        if self._template is None:
            self._template = self.file(migrated(self.empty()))
        url = self.empty()
        shutil.copy(self._template, self.file(url))
        return url

    def take(self) -> tuple[str, Store]:
        """A migrated store of its own, and its URL."""
        return (url := self.new()), Store(url)

    def give_back(self, url: str, store: Store) -> None:
        store.close()
        self.drop(url)

    def drop(self, url: str) -> None:
        self.file(url).unlink(missing_ok=True)

    def connect(self, url: str) -> sqlite3.Connection:
        """The same file through another program: no PRAGMA set, every statement for itself."""
        return sqlite3.connect(self.file(url), isolation_level=None, timeout=5)

    @staticmethod
    def file(url: str) -> Path:
        return Path(url.removeprefix("sqlite:///"))


class PostgresStores:
    """New stores, each a copy of a database that was migrated once, or one of before that is empty again."""

    name = "postgresql"

    def __init__(self, cluster: EmbeddedPostgres) -> None:
        self._cluster = cluster
        self._numbers = count()
        self._template: str | None = None
        self._untouched = ""
        self._emptying = ""
        self._empty_again: list[tuple[str, Store]] = []
        self._hands: dict[str, psycopg.Connection[Any]] = {}
        self._admin = psycopg.connect(cluster.url("postgres", "postgresql"), autocommit=True)

    def empty(self, template: str = "template0") -> str:
        name = f"store_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._cluster.url(name, "postgresql")

    def new(self) -> str:
        if self._template is None:
            self._template = self.database(migrated(url := self.empty()))
            with closing(self.connect(url)) as connection:
                self._untouched = _structure(connection)
                self._emptying = _emptying(connection)
        return self.empty(self._template)

    def drop(self, url: str) -> None:
        self._admin.execute(f"DROP DATABASE {self.database(url)} WITH (FORCE)")

    def take(self) -> tuple[str, Store]:
        """A migrated store of its own, and its URL: one that was given back, where there is one."""
        if self._empty_again:
            return self._empty_again.pop()
        url = self.new()
        self._hands[url] = self.connect(url)
        return url, Store(url)

    def give_back(self, url: str, store: Store) -> None:
        """Empty it for another test: to make a database costs more than most tests do. One that is altered is dropped.

        So tests see one store object after another's use, too; it looks at its database anew.
        """
        try:
            untouched = _structure(self._hands[url]) == self._untouched
            if untouched:
                self._hands[url].execute(self._emptying)
        except psycopg.Error:  # a test that ended all connections, say
            untouched = False
        if untouched:
            store._checked = False
            self._empty_again.append((url, store))
        else:
            store.close()
            self._hands.pop(url).close()
            self.drop(url)

    def close(self) -> None:
        for _, store in self._empty_again:
            store.close()
        for connection in (*self._hands.values(), self._admin):
            connection.close()

    def connect(self, url: str) -> psycopg.Connection[Any]:
        """The same database through another program: every statement for itself, JSON as it is written."""
        connection = psycopg.connect(url, autocommit=True)
        connection.adapters.register_loader("json", TextLoader)
        return connection

    @staticmethod
    def database(url: str) -> str:
        return url.rpartition("/")[2]


def _structure(connection: psycopg.Connection[Any]) -> str:
    """Tables, guards, rights and revision of a database: which rows say what they are, and by which transactions."""
    catalogues = " UNION ALL ".join(
        f"SELECT '{name} ' || oid || ' ' || xmin FROM {name} WHERE oid >= 16384"  # noqa: S608
        for name in ("pg_class", "pg_trigger", "pg_proc", "pg_constraint", "pg_rewrite", "pg_type", "pg_attrdef")
    )
    (found,) = connection.execute(
        f"SELECT md5(string_agg(one, ',' ORDER BY one)) FROM ({catalogues}"  # noqa: S608
        " UNION ALL SELECT 'pg_namespace ' || oid || ' ' || xmin FROM pg_namespace"
        " UNION ALL SELECT attrelid || ' ' || attnum || ' ' || xmin FROM pg_attribute WHERE attrelid >= 16384"
        f" UNION ALL SELECT version_num FROM {VERSION_TABLE}) AS every (one)"
    ).fetchone()
    return str(found)


def _emptying(connection: psycopg.Connection[Any]) -> str:
    """What ends the other connections and makes every table as empty as a migration leaves it, past the guards."""
    numbers = connection.execute("SELECT sequencename, start_value FROM pg_sequences WHERE schemaname = 'public'")
    return "; ".join(
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'",
            "SET LOCAL session_replication_role = replica",
            *(f"DELETE FROM {table.name}" for table in metadata.sorted_tables),  # noqa: S608
            *(f"SELECT setval('{name}', {start}, false)" for name, start in numbers),
        )
    )


Stores = SqliteStores | PostgresStores


def migrated(url: str) -> str:
    store = Store(url)
    store.migrate()
    store.close()
    return url


@pytest.fixture(scope="session")
def sqlite_stores(tmp_path_factory: pytest.TempPathFactory) -> SqliteStores:
    return SqliteStores(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def postgres_stores(postgres: EmbeddedPostgres) -> Iterator[PostgresStores]:
    made = PostgresStores(postgres)
    yield made
    made.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Where the stores of these tests are made: every test is asked on both databases.

    One about a single database says so: ``pytest.mark.parametrize("stores", ["sqlite"], indirect=True)``.
    """
    found: Stores = request.getfixturevalue("sqlite_stores" if request.param == "sqlite" else "postgres_stores")
    return found


@pytest.fixture
def taken(stores: Stores) -> Iterator[tuple[str, Store]]:
    url, store = stores.take()
    yield url, store
    stores.give_back(url, store)


@pytest.fixture
def url(taken: tuple[str, Store]) -> str:
    """A migrated store's URL."""
    return taken[0]


@pytest.fixture
def store(taken: tuple[str, Store]) -> Store:
    return taken[1]


@pytest.fixture
def path(url: str) -> Path:
    """The file of ``store``, on SQLite."""
    return SqliteStores.file(url)


@pytest.fixture
def raw(stores: Stores, url: str) -> Iterator[Any]:
    """The database of ``store`` through its plain driver, as another program would use it."""
    with closing(stores.connect(url)) as connection:
        yield connection


@pytest.fixture
def opened(store: Store, make: Make) -> Case:
    """The first case, just opened."""
    with store.uow() as uow:
        case = uow.cases.create(make.opened())
        uow.commit()
    return case


@pytest.fixture
def bring(store: Store, make: Make) -> Callable[[Case, Kind], Case]:
    """Writes a case along the path to an event."""

    def to(case: Case, until: Kind) -> Case:
        with store.uow() as uow:
            case = uow.cases.append(case, *make.to(case, until)[1])
            uow.commit()
        assert case.events[-1].kind is until
        return case

    return to
