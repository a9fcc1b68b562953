"""Homes for the tests of backups: a full one, and a way to look at all that is in one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select

from caseproof.backup import Home
from caseproof.backup.files import digest_of, walk
from caseproof.backup.form import FORMAT, MANIFEST, SUMS, _digest, row_line
from caseproof.config.settings import Settings
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.domain.vocabulary import Disposition as Ended
from caseproof.evidence.vault import Vault
from caseproof.store import Store
from caseproof.store.tables import metadata
from caseproof.store.worklist import Did
from tests.support.world import CONTACT, World

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
POLICY = "team: [operator, team lead]\n"


@dataclass(frozen=True)
class Place:
    """A home and where its store is."""

    home: Path
    url: str

    @property
    def parts(self) -> Home:
        """What a backup saves and a restore fills; a store object of its own, as another process has."""
        return Home(Store(self.url), Vault(self.home / "evidence"), self.home / "proofs", self.home / "policy.yaml")

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that is saved, as it is saved; looked at without the code under test."""
        found = {name: rows for name, rows in self.all_tables().items() if name not in NOT_SAVED}
        found["logins"] = [tuple("" if value == HASH else value for value in row) for row in found["logins"]]
        return found

    def all_tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """The same with who is logged in, which no backup holds."""
        engine = create_engine(self.url)
        with engine.connect() as connection:
            found = {
                table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for table in metadata.sorted_tables
            }
        engine.dispose()
        return found

    def files(self) -> dict[str, bytes]:
        """Every evidence and proof file, and the policy."""
        found = [path for name in ("evidence", "proofs") for path in (self.home / name).rglob("*") if path.is_file()]
        own = self.home / "policy.yaml"
        return {
            str(path.relative_to(self.home)): path.read_bytes() for path in [*found, *([own] if own.exists() else [])]
        }


def store_at(home: Path) -> Place:
    home.mkdir(parents=True, exist_ok=True)
    return Place(home, Settings(home=home).database)


def fill(place: Place) -> None:
    """Cases closed by each rule, reopened, paused, waiting and just opened; with tickets, mail and proofs.

    The waiting one is in an incident, and its keeper has put it off.
    """
    Store(place.url).migrate()
    (place.home / "policy.yaml").write_text(POLICY)
    world = World(place.home)
    for number, decision in enumerate((Decision.AFTER_FIX, Decision.AFTER_CHANGE, Decision.REMOVE), 1):
        world.platform.add(f"offers/closed-{number}")
        world.decision = decision
        assert world.walk(world.open(f"offers/closed-{number}")).is_closed
    world.services.ledger.record("JF-000002", Kind.REOPENED, "operator", why="Es schlägt wieder fehl ☹")
    world.walk("JF-000002", until="tell")
    world.decide("JF-000002", Decision.KEEP_PAUSED, until=(world.clock() + timedelta(days=30)).date())
    for job, until in (("offers/waiting", "tell"), ("offers/opened", "contain")):
        world.platform.add(job)
        world.walk(world.open(job), until=until)
    with world.services.store.uow() as uow:
        uow.cases.attach_run("JF-000004", "flow-run-1", 2)
        uow.people.add_contact("Shop Ü", CONTACT, "Frau Ü", "de-at", "Einkauf")
        uow.people.mark_bounced("Shop Ü", CONTACT, "das Postfach ist voll", NOW)
        incident = uow.incidents.create("jobs", "North", "expired_token", world.clock())
        uow.incidents.ask(incident.ref, "flow-run-9", NOW)
        joined = Event(Kind.INCIDENT_JOINED, world.clock(), "caseproof", {"incident": incident.ref})
        case = uow.cases.append(uow.cases.get("JF-000004"), joined)
        uow.cases.set_due(case.ref, case.version, NOW)
        uow.cases.set_rest(case.ref, 2, NOW, "2 runs died")
        uow.worklist.give([case.ref], "frau ü", did=Did.CLAIMED, actor="Frau Ü", whom="Frau Ü", at=NOW)
        uow.causes.choose(
            "ab" * 32, words="der Korb … ist weg ☹", example="Der Korb 7 ist weg ☹", cause="sync", corrects=True,
            by="Frau Ü", at=NOW, ref="JF-000004",
        )  # fmt: skip
        uow.cursors.set("keeper", "4711", NOW)
        login = uow.logins.ensure("Frau Ü", CONTACT, NOW)
        uow.logins.set_password(login, HASH)
        uow.logins.offer(login, "cd" * 32, NOW)
        uow.logins.begin(login, "ef" * 32, "password", NOW)
        uow.commit()
    receive(world.services.vault, world.services.store)
    world.services.store.close()


UNMATCHED = b"From: somebody@example.com\n\nThe feed works again.\n"


def receive(vault: Vault, store: Store) -> None:
    """Two messages: one about the waiting case, one that nobody can match; its file is listed nowhere else."""
    with store.uow() as uow:
        for content, place, ref in ((b"About the case.\n", Ended.REPLY, "JF-000004"), (UNMATCHED, Ended.UNMATCHED, "")):
            kept = vault.put(content, "message.eml", "message/rfc822")
            uow.messages.add(
                kept.digest, message_id="<1@example.com>", sender="somebody@example.com", subject="Ça marche ✓",
                size=kept.size, way="mail", place=place, why="w", ref=ref, at=NOW,
            )  # fmt: skip
        uow.messages.set_told([1], NOW)
        uow.messages.done([1], "operator", NOW)
        uow.commit()


OPENED = {"job_name": "x", "cause": "unknown", "summary": "x", "how": "x", "scope": "job", "platform": "jobs"}


def opened(job: str) -> Event:
    """The event that opens a case for this job."""
    return Event(Kind.OPENED, NOW, "caseproof", OPENED | {"job": job})


SINCE_0002_TABLES = (
    "case_handling", "chosen_causes", "incident_questions", "incidents", "logins", "marks", "messages", "owed",
)  # fmt: skip
NOT_SAVED = {"login_links", "login_sessions"}
HASH = "$argon2id$"
"""In the place of a password's hash; no backup holds it."""
SINCE_0002 = {
    "language", "role", "bounced_at", "bounce", "created_at",
    "last_opened_at", "asked_form", "asked_at", "has_news", "notice_at", "reminders", "nudges", "trouble", "incident",
    "ticket_closed", "due_at", "crashes", "rest_until", "rest_why", "procedure", "trouble_code", "rest_code",
    "cause_shape", "cause_since", "told_neutrally",
    "turn", "turn_since", "holder", "held_since", "snoozed_at", "snoozed_until", "snoozed_by",
}  # fmt: skip


def as_before_0003(backup: Path) -> None:
    """Make it what a program of revision 0002 would have written: fewer tables, and fewer columns of the cases."""
    for name in SINCE_0002_TABLES:
        (backup / "store" / f"{name}.jsonl").unlink()
    for table in ("cases", "contacts"):
        path = backup / "store" / f"{table}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        older = [{name: value for name, value in row.items() if name not in SINCE_0002} for row in rows]
        path.write_bytes(b"".join(row_line(row) for row in older))
    counts = json.loads((backup / MANIFEST).read_text())["rows"]
    rewrite(backup, revision="0002", rows={k: v for k, v in counts.items() if k not in SINCE_0002_TABLES})


def rewrite(backup: Path, listed: Callable[[str], str] = str, **changes: Any) -> None:
    """Write backup.json and the list anew, with digests that fit: what a careful forger would do.

    ``listed`` may change the list's text, ``changes`` are entries of backup.json.
    """
    lines = [
        f"{path.name if parts[0] == 'evidence' else digest_of(path)}  {'/'.join(parts)}\n"
        for parts, path in walk(backup)
        if parts not in ((MANIFEST,), (SUMS,))
    ]
    (backup / SUMS).write_text(listed("".join(lines)))
    said = json.loads((backup / MANIFEST).read_text())
    said |= {"caseproof_backup": FORMAT, "files": len(lines), "sums": digest_of(backup / SUMS)}
    said["size"] = sum(path.stat().st_size for parts, path in walk(backup) if parts not in ((MANIFEST,), (SUMS,)))
    said |= changes
    said.pop("digest")
    (backup / MANIFEST).write_text(json.dumps(said | {"digest": _digest(said)}))
