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
from caseproof.domain.decisions import Decision
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event, Kind
from caseproof.domain.fold import apply
from caseproof.store import Store
from caseproof.up.postgres import EmbeddedPostgres

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
            Kind.NOTICE_SENT: {"message_id": "<1@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.CONFIRMATION_RECEIVED: {
                "sender": "a@example.com", "words": "Ça marche ✓", "evidence": file, "by_way_of": "mail",
            },
            Kind.CONFIRMATION_REFUSED: {"sender": "a@example.com", "why": "automatic", "evidence": file},
            Kind.REPLY_RECEIVED: {
                "sender": "a@example.com", "words": "Wie?", "why": "asks", "evidence": file, "by_way_of": "mail",
            },
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
            Kind.ATTACHED: {"ticket": "T-000001", "evidence": photo, "name": "run.png"},
            Kind.REVIEW_REJECTED: {"why": "Another run."},
            Kind.LOOKED_AGAIN: {"failed": [], "evidence": file},
            Kind.FAILED_AGAIN: {"run": run, "why": "401"},
            Kind.PROOF_MADE: {"evidence": file, "rule": "J7", "head": case.head},
            Kind.CLOSED: {"proof": proof},
            Kind.TICKET_CLOSED: {"ticket": "T-000001"},
            Kind.TICKET_REOPENED: {"ticket": "T-000001"},
            Kind.STOP_DID_NOT_HOLD: {"jobs": [job], "why": "It ran again.", "evidence": file},
            Kind.INCIDENT_JOINED: {"incident": "IN-000001"},
            Kind.REMINDER_SENT: {"number": 1, "message_id": "<2@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.RECOVERY_TOLD: {"message_id": "<3@example.com>", "accepted": ["a@x"], "evidence": file},
            Kind.TEAM_TOLD: {"about": "the question", "number": 1},
            Kind.PARKED: {"until": at.isoformat(), "flow_run": "f"},
            Kind.QUESTION_ASKED: {"number": case.question_number + 1, "form": "decision", "flow_run": "f"},
            Kind.QUESTION_ANSWERED: {"number": case.question_number, "form": "decision", "answer": {}},
            Kind.ANSWER_REFUSED: {"number": case.question_number, "why": "No reason given."},
            Kind.TROUBLE: {"step": "stop", "problem": "503", "next_action": "Wait."},
            Kind.TROUBLE_OVER: {"step": "stop"},
        }.get(kind, {})  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


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

    def drop(self, url: str) -> None:
        self.file(url).unlink(missing_ok=True)

    def connect(self, url: str) -> sqlite3.Connection:
        """The same file through another program: no PRAGMA set, every statement for itself."""
        return sqlite3.connect(self.file(url), isolation_level=None, timeout=5)

    @staticmethod
    def file(url: str) -> Path:
        return Path(url.removeprefix("sqlite:///"))


class PostgresStores:
    """New stores, each a copy of a database that was migrated once."""

    name = "postgresql"

    def __init__(self, cluster: EmbeddedPostgres) -> None:
        self._cluster = cluster
        self._numbers = count()
        self._template: str | None = None
        self._admin = psycopg.connect(cluster.url("postgres", "postgresql"), autocommit=True)

    def empty(self, template: str = "template0") -> str:
        name = f"store_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._cluster.url(name, "postgresql")

    def new(self) -> str:
        if self._template is None:
            self._template = self.database(migrated(self.empty()))
        return self.empty(self._template)

    def drop(self, url: str) -> None:
        self._admin.execute(f"DROP DATABASE {self.database(url)} WITH (FORCE)")

    def connect(self, url: str) -> psycopg.Connection[Any]:
        """The same database through another program: every statement for itself, JSON as it is written."""
        connection = psycopg.connect(url, autocommit=True)
        connection.adapters.register_loader("json", TextLoader)
        return connection

    @staticmethod
    def database(url: str) -> str:
        return url.rpartition("/")[2]


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
def postgres_stores(postgres: EmbeddedPostgres) -> PostgresStores:
    return PostgresStores(postgres)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest) -> Stores:
    """Where the stores of these tests are made: every test is asked on both databases.

    One about a single database says so: ``pytest.mark.parametrize("stores", ["sqlite"], indirect=True)``.
    """
    found: Stores = request.getfixturevalue("sqlite_stores" if request.param == "sqlite" else "postgres_stores")
    return found


@pytest.fixture
def url(stores: Stores) -> Iterator[str]:
    """A migrated store's URL."""
    url = stores.new()
    yield url
    stores.drop(url)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(url)
    yield store
    store.close()


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
    with store.unit() as unit:
        case = unit.cases.create(make.opened())
        unit.commit()
    return case


@pytest.fixture
def bring(store: Store, make: Make) -> Callable[[Case, Kind], Case]:
    """Writes a case along the path to an event."""

    def to(case: Case, until: Kind) -> Case:
        with store.unit() as unit:
            case = unit.cases.append(case, *make.to(case, until)[1])
            unit.commit()
        assert case.events[-1].kind is until
        return case

    return to
