"""The doctor at a store on a real PostgreSQL: its clock is read, and another writer's lock is not waited out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from caseproof.doctor.clocks import Clocks
from caseproof.doctor.examination import Failed
from caseproof.doctor.store import StoreChecks
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store
from caseproof.up.postgres import EmbeddedPostgres


@pytest.fixture
def url(postgres: EmbeddedPostgres) -> str:
    postgres.ensure_database("doctor")
    return postgres.url("doctor")


@pytest.fixture
def checks(url: str) -> Iterator[StoreChecks]:
    made = StoreChecks(url, Clocks())
    yield made
    made.store.close()


def test_a_store_on_postgresql_is_looked_at_without_being_changed(url: str, checks: StoreChecks) -> None:
    with pytest.raises(Failed, match="There is no store at postgresql"):
        checks.revision()
    store = Store(url)
    store.migrate()
    assert checks.revision().endswith("/doctor holds 0 cases")
    assert "rolled back" in checks.writes()
    assert checks.unedited() == "Every case is what its events say"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute("ALTER TABLE events DISABLE TRIGGER events_unchanged")
        with pytest.raises(Failed, match="switched off: events_unchanged") as disabled:
            checks.unedited()
        assert "makes the guards anew" in disabled.value.next_action
        owner.execute("ALTER TABLE events ENABLE TRIGGER events_unchanged")
    clocks = checks._clocks.compare()
    assert clocks == "Within 5 s of ours: the database."
    facts = {
        "platform": "p",
        "job": "j",
        "job_name": "j",
        "cause": "feed",
        "summary": "x",
        "how": "test",
        "scope": "job",
    }
    opened = Event(Kind.OPENED, datetime.now(UTC), "operator", facts)
    with store.uow() as uow:
        uow.cases.create(opened)
        with pytest.raises(Failed, match="takes no writes") as locked:
            checks.writes()
        uow.commit()
    assert locked.value.next_action
    assert checks.revision().endswith("/doctor holds 1 cases")
    with store.reading() as uow:
        assert uow.people.retailers() == []
    store.close()


def test_the_password_of_a_database_is_never_shown(postgres: EmbeddedPostgres) -> None:
    checks = StoreChecks(postgres.url("no_such_database"), Clocks())
    with pytest.raises(Failed) as refused:
        checks.revision()
    checks.store.close()
    address = postgres.url("x")
    password = address.partition("//")[2].partition("@")[0].partition(":")[2]
    assert "no_such_database" in refused.value.problem
    assert not password or password not in str(refused.value)
