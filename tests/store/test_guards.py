"""What the database itself refuses, asked by a plain connection of another program, without any PRAGMA."""
# ruff: noqa: S608 (the statements are made of this file's own constants)

import shutil
import sqlite3
from pathlib import Path

import pytest

from caseproof.domain.events import Kind
from caseproof.store import StoreError
from caseproof.store.migrations.guards_0001 import guards

CLOSED, PROVEN, OPEN = 1, 2, 4
TABLES = ("cases", "events", "proofs")
EVENT = "INTO events (case_id, seq, kind, at, actor, data, digest) VALUES"
PROOF = "INTO proofs (digest, case_id, opening, rule, made_at) VALUES"
ROW = (
    "INTO cases (id, ref, platform, job, job_name, retailer, marketplace, cause, state, opening, version, "
    "head, closed, proof, opened_at, updated_at, generation) VALUES"
)
NOW = "'2026-11-21 06:00:00.000000'"
LAST_OPENINGS = (
    "(SELECT digest FROM proofs WHERE case_id = 3 AND digest NOT IN"
    " (SELECT json_extract(data, '$.proof') FROM events WHERE kind = 'closed'))"
)
WITH_PROOF = "A case is closed only with a proof of its own, made since it was last opened."


@pytest.fixture(scope="module")
def file(new_store, make):
    """1 is closed, 2 has a proof, 3 was closed and opened again, 4 is open for 1's job, 5 is closed.

    Case 3 has a proof that closed it and an older one that did not.
    """
    store = new_store()
    for job, until in (
        ("job-1", Kind.CLOSED), ("job-2", Kind.PROOF_MADE), ("job-3", Kind.PROOF_MADE), ("job-1", None),
        ("job-5", Kind.CLOSED),
    ):  # fmt: skip
        with store.unit() as unit:
            case = unit.cases.create(make.opened(job))
            unit.cases.append(case, *(make.to(case, until)[1] if until else []))
            unit.commit()
    for kind in (Kind.LOOKED_AGAIN, Kind.PROOF_MADE, Kind.CLOSED, Kind.REOPENED):
        store.change("JF-000003", lambda case, kind=kind: [make.event(case, kind)])
    path = Path(repr(store).removeprefix("Store(sqlite:").removesuffix(")"))
    store.close()
    return path


@pytest.fixture
def world(file, tmp_path):
    """The cases of ``file`` through another program: no PRAGMA set, every statement for itself."""
    connection = sqlite3.connect(shutil.copy(file, tmp_path), isolation_level=None)
    yield connection
    connection.close()


def rows(raw):
    return [raw.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES]


def proof_of(number):
    return f"(SELECT digest FROM proofs WHERE case_id = {number})"


def next_seq(number):
    return f"(SELECT MAX(seq) + 1 FROM events WHERE case_id = {number})"


def closing(number, proof):
    data = f"json_object('proof', {proof})"
    return f"{EVENT} ({number}, {next_seq(number)}, 'closed', {NOW}, 'x', {data}, 'd')"


def a_row(number, job="job-7", ref="NULL", state="opened", closed=0, proof="NULL"):
    facts = f"{number}, {ref}, 'shop', '{job}', '', '', '', '', '{state}'"
    return f"{ROW} ({facts}, 1, 1, '', {closed}, {proof}, {NOW}, {NOW}, 0)"


REFUSED = {
    "an event is changed": ("UPDATE events SET actor = 'x'", "An event is never changed."),
    "an event is changed into another": (
        "UPDATE OR REPLACE events SET seq = 2 WHERE seq = 1",
        "An event is never changed.",
    ),
    "an event is deleted": ("DELETE FROM events WHERE case_id = 4", "An event is never deleted."),
    "an event is replaced": (
        f"INSERT OR REPLACE {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd')",
        "An event takes the next number of its case, and none is replaced.",
    ),
    "an event is upserted": (
        f"INSERT {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd') ON CONFLICT DO UPDATE SET actor = 'x'",
        "An event takes the next number of its case, and none is replaced.",
    ),
    "an event leaves a gap": (
        f"INSERT {EVENT} (4, 3, 'stopped', {NOW}, 'x', '{{}}', 'd')",
        "An event takes the next number of its case, and none is replaced.",
    ),
    "an event has no case": (
        f"INSERT {EVENT} (99, 1, 'opened', {NOW}, 'x', '{{}}', 'd')",
        "An event belongs to a case that exists.",
    ),
    "an open case without a proof gets a closing event": ("INSERT " + closing(4, "'none'"), WITH_PROOF),
    "a closing event names another case's proof": (f"INSERT {closing(4, proof_of(PROVEN))}", WITH_PROOF),
    "a closing event names the last opening's proof": (f"INSERT {closing(3, LAST_OPENINGS)}", WITH_PROOF),
    "a proof closes twice": (f"INSERT {closing(1, proof_of(CLOSED))}", "A proof closes a case once."),
    "a proof is changed": ("UPDATE proofs SET opening = 2", "A proof is never changed."),
    "a proof is deleted": ("DELETE FROM proofs", "A proof is never deleted."),
    "a proof is replaced": (
        f"INSERT OR REPLACE {PROOF} ({proof_of(CLOSED)}, 4, 1, 'J7', {NOW})",
        "A proof is taken once and never replaced.",
    ),
    "a proof is for an opening to come": (
        f"INSERT {PROOF} ('new', 4, 2, 'J7', {NOW})",
        "A proof belongs to a case, as it was last opened.",
    ),
    "a proof is for a case to come": (
        f"INSERT {PROOF} ('new', 99, 1, 'J7', {NOW})",
        "A proof belongs to a case, as it was last opened.",
    ),
    "a case is deleted": ("DELETE FROM cases WHERE id = 4", "A case is never deleted."),
    "a case is replaced": (
        f"INSERT OR REPLACE {a_row(OPEN)}",
        "A case is never replaced, and a job has one open case at a time.",
    ),
    "a case is replaced by another of its job": (
        "INSERT OR REPLACE " + a_row(50, job="job-2"),
        "A case is never replaced, and a job has one open case at a time.",
    ),
    "a case chooses its reference": (
        "INSERT " + a_row(50, ref="'JF-000060'"),
        "A case gets its reference from its number.",
    ),
    "a case is inserted closed": (
        "INSERT " + a_row(50, state="closed", closed=1, proof="'none'"),
        WITH_PROOF,
    ),
    "a case is inserted closed with another's proof": (
        "INSERT " + a_row(50, state="closed", closed=1, proof=proof_of(CLOSED)),
        WITH_PROOF,
    ),
    "a case is closed without a proof": (
        "UPDATE cases SET closed = 1, state = 'closed', proof = 'none' WHERE id = 4",
        WITH_PROOF,
    ),
    "a case is closed with another's proof": (
        f"UPDATE cases SET closed = 1, state = 'closed', proof = {proof_of(PROVEN)} WHERE id = 4",
        WITH_PROOF,
    ),
    "a case is closed with the last opening's proof": (
        f"UPDATE cases SET closed = 1, state = 'closed', proof = {LAST_OPENINGS} WHERE id = 3",
        WITH_PROOF,
    ),
    "a case is closed by a number that only looks true": (
        "UPDATE cases SET closed = 2 WHERE id = 4",
        WITH_PROOF,
    ),
    "a closed case loses its proof": ("UPDATE cases SET proof = NULL WHERE id = 1", WITH_PROOF),
    "an open case says that it is closed": (
        "UPDATE cases SET state = 'closed' WHERE id = 4",
        "CHECK constraint failed: ck_cases_state_says_closed",
    ),
    "the count of openings goes back": (
        "UPDATE cases SET opening = 1 WHERE id = 3",
        "The count of openings never goes back.",
    ),
    "a closed case opens with its old count": (
        "UPDATE cases SET closed = 0, state = 'opened', proof = NULL WHERE id = 5",
        "A case that is opened again counts one opening more, so that it needs a new proof.",
    ),
    "a closed case opens over another open one": (
        "UPDATE OR REPLACE cases SET closed = 0, state = 'opened', proof = NULL, opening = 2 WHERE id = 1",
        "A job has one open case at a time.",
    ),
    "a case changes its reference": (
        "UPDATE cases SET ref = 'JF-000009' WHERE id = 4",
        "A case keeps its reference, its platform and its job.",
    ),
    "a case changes its number": (
        "UPDATE cases SET id = 9, ref = 'JF-000009' WHERE id = 4",
        "A case keeps its reference, its platform and its job.",
    ),
    "a case changes its platform": (
        "UPDATE cases SET platform = 'x' WHERE id = 4",
        "A case keeps its reference, its platform and its job.",
    ),
    "a case changes its job": (
        "UPDATE OR REPLACE cases SET job = 'job-2' WHERE id = 4",
        "A case keeps its reference, its platform and its job.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_plain_sql_is_refused_with_a_sentence_when(world, name):
    statement, sentence = REFUSED[name]
    before = rows(world)
    with pytest.raises(sqlite3.IntegrityError) as refusal:
        world.execute(statement)
    assert str(refusal.value) == sentence
    assert rows(world) == before


def test_a_hidden_row_number_replaces_neither_events_nor_proofs(world):
    for table in ("events", "proofs"):
        with pytest.raises(sqlite3.OperationalError, match="no such column: rowid"):
            world.execute(f"SELECT rowid FROM {table}")


def test_ignoring_conflicts_writes_nothing_either(world):
    before = rows(world)
    with pytest.raises(sqlite3.IntegrityError):
        world.execute(f"INSERT OR IGNORE {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd')")
    with pytest.raises(sqlite3.IntegrityError):
        world.execute("UPDATE OR IGNORE cases SET closed = 1, state = 'closed', proof = 'none' WHERE id = 4")
    assert rows(world) == before


def test_with_its_proof_a_case_can_be_closed(world):
    """Else the refusals above would prove nothing."""
    world.execute(f"INSERT {closing(2, proof_of(PROVEN))}")
    world.execute(f"UPDATE cases SET closed = 1, state = 'closed', proof = {proof_of(PROVEN)} WHERE id = 2")
    assert world.execute("SELECT closed FROM cases WHERE id = 2").fetchone() == (1,)


def test_each_guard_is_needed_for_a_refusal_above(world):
    """Without it some statement is let through, or refused for another reason than it names."""
    names = [name for (name,) in world.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    assert len(names) == len(guards("sqlite"))
    idle = []
    for name in names:
        world.execute("BEGIN")
        world.execute(f"DROP TRIGGER {name}")
        if all(_refused(world, *case) for case in REFUSED.values()):
            idle.append(name)
        world.execute("ROLLBACK")
    assert idle == []


def _refused(raw, statement, sentence):
    raw.execute("SAVEPOINT one")
    try:
        raw.execute(statement)
    except sqlite3.Error as error:
        return str(error) == sentence
    else:
        return False
    finally:
        raw.execute("ROLLBACK TO one")


def test_a_database_without_guards_is_refused():
    with pytest.raises(StoreError, match="not in postgresql"):
        guards("postgresql")
