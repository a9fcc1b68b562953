"""A migrated store a test, and small made-up events for one way to closure."""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from caseproof.domain.case import Case
from caseproof.domain.closure import refuse_event
from caseproof.domain.decisions import Decision
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event, Kind
from caseproof.domain.fold import apply
from caseproof.store import Store

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
            Kind.QUESTION_ASKED: {"number": case.question_number + 1, "form": "decision", "flow_run": "f"},
            Kind.QUESTION_ANSWERED: {"number": case.question_number, "form": "decision", "answer": {}},
            Kind.ANSWER_REFUSED: {"number": case.question_number, "why": "No reason given."},
            Kind.TROUBLE: {"step": "stop", "problem": "503", "next_action": "Wait."},
            Kind.TROUBLE_OVER: {"step": "stop"},
        }.get(kind, {})  # fmt: skip


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Store]:
    """Makes migrated stores, each a copy of a file that was migrated once."""
    folder = tmp_path_factory.mktemp("stores")
    template, numbers = folder / "template.sqlite", count()
    first = Store(f"sqlite:///{template}")
    first.migrate()
    first.close()

    def another() -> Store:
        path = folder / f"{next(numbers)}.sqlite"
        shutil.copy(template, path)
        return Store(f"sqlite:///{path}")

    return another


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Iterator[Store]:
    store = new_store()
    yield store
    store.close()


@pytest.fixture
def path(store: Store) -> Path:
    """The file of ``store``."""
    return Path(repr(store).removeprefix("Store(sqlite:").removesuffix(")"))


@pytest.fixture
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """The same file through another program: no PRAGMA set, every statement for itself."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    yield connection
    connection.close()


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
