"""What the database itself refuses, asked by a plain connection of another program, without any setting."""
# ruff: noqa: S608 (the statements are made of this file's own constants)

import sqlite3

import psycopg
import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.store import Store, StoreError
from caseproof.store.guards import GUARDS
from caseproof.store.migrations.guards import of_dialect
from caseproof.store.worklist import Did

CLOSED, PROVEN, REOPENED, OPEN = 1, 2, 3, 4
TABLES = ("cases", "events", "proofs", "incidents", "messages", "chosen_causes", "case_handling")
EVENT = "INTO events (case_id, seq, kind, at, actor, data, digest) VALUES"
PROOF = "INTO proofs (digest, case_id, opening, rule, made_at) VALUES"
ROW = (
    "INTO cases (id, ref, platform, job, job_name, retailer, marketplace, cause, state, opening, version, "
    "head, closed, proof, opened_at, updated_at, generation) VALUES"
)
NOW = "'2026-11-21 06:00:00.000000'"
# Of the two proofs of case 3, the one that did not close it: JSON is compared as text, on both databases.
LAST_OPENINGS = (
    "(SELECT digest FROM proofs WHERE case_id = 3 AND NOT EXISTS"
    " (SELECT 1 FROM events WHERE kind = 'closed' AND CAST(data AS TEXT) LIKE '%' || proofs.digest || '%'))"
)
WITH_PROOF = "A case is closed only with a proof of its own, made since it was last opened."
BY_EVENT = "A case is closed only after the event that closes it with this proof."
OF_AN_EVENT = "A proof is taken only with the event that made it, the newest of its case."
IN_ORDER = "An event takes the next number of its case, and none is replaced."
ONE_OPEN = "A case is never replaced, and a job has one open case at a time."
SAME_JOB = "A case keeps its reference, its platform and its job."
INCIDENT = (
    "INTO incidents (id, ref, platform, marketplace, cause, opened_at, decision, reason, decided_by, asked, generation)"
    " VALUES"
)
ONE_INCIDENT = "An incident is never replaced, and a cause has one open incident on a marketplace at a time."
SAME_INCIDENT = "An incident keeps its reference, its cause and its place."
MESSAGE = "INTO messages (id, digest, message_id, sender, subject, size, way, place, why, at) VALUES"
ONE_MESSAGE = "A message is never replaced, and the same bytes are one message."
AS_IT_CAME = "A message stays as it came, in the place that it was given."
CHOICE = "INTO chosen_causes (id, shape, words, example, cause, corrects, chosen_by, chosen_at, ref, used) VALUES"
ONE_CHOICE = "A choice is never replaced, and a message has one in force at a time."
AS_CHOSEN = "A choice stays as it was made; another is made in its place."
on_sqlite = pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("stores", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def cases(stores, make):
    """1 is closed, 2 has a proof, 3 was closed and opened again, 4 is open for 1's job, 5 is closed.

    Case 3 has a proof that closed it and an older one that did not. Here they are through another program.
    Incident 1 is over, 2 is open. Message 1 is of case 4. Choice 1 is in force, 2 is undone.
    """
    store = Store(url := stores.new())
    for job, until in (
        ("job-1", Kind.CLOSED), ("job-2", Kind.PROOF_MADE), ("job-3", Kind.PROOF_MADE), ("job-1", None),
        ("job-5", Kind.CLOSED),
    ):  # fmt: skip
        with store.uow() as uow:
            case = uow.cases.create(make.opened(job))
            uow.cases.append(case, *(make.to(case, until)[1] if until else []))
            uow.commit()
    for kind in (Kind.LOOKED_AGAIN, Kind.PROOF_MADE, Kind.CLOSED, Kind.REOPENED):
        store.change("JF-000003", lambda case, kind=kind: [make.event(case, kind)])
    with store.uow() as uow:
        for cause in ("token", "website"):
            uow.incidents.create("shop", "Market", cause, make.start)
        uow.incidents.close("IN-000001", make.start)
        uow.messages.add(
            "ab" * 32, message_id="<1@x>", sender="a@x", subject="s", size=1, way="mail", place=Disposition.REFUSED,
            why="a stranger", ref="JF-000004", at=make.start,
        )  # fmt: skip
        for shape in ("s1", "s2"):
            uow.causes.choose(
                shape, words="w", example="e", cause="feed", corrects=False, by="operator", at=make.start,
                ref="JF-000004",
            )  # fmt: skip
        uow.causes.undo(2, "operator", make.start)
        uow.worklist.give(["JF-000004"], "operator", did=Did.CLAIMED, actor="operator", whom="operator", at=make.start)
        uow.commit()
    store.close()
    connection = stores.connect(url)
    yield connection
    connection.close()
    stores.drop(url)


@pytest.fixture
def world(cases):
    """The same; what a test writes is rolled back at its end."""
    cases.execute("BEGIN")
    yield cases
    cases.execute("ROLLBACK")


def rows(raw):
    return [raw.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES]


def proof_of(number):
    return f"(SELECT digest FROM proofs WHERE case_id = {number})"


def next_seq(number):
    return f"(SELECT MAX(seq) + 1 FROM events WHERE case_id = {number})"


def event(number, kind, data):
    """``data`` is JSON as text, in which SQL may join something."""
    return f"{EVENT} ({number}, {next_seq(number)}, '{kind}', {NOW}, 'x', ('{data}')::json, 'd')"


def closing(number, proof):
    return event(number, "closed", f'{{"proof": "\' || {proof} || \'"}}')


def a_row(number, job="job-7", ref="NULL", state="opened", closed="false", proof="NULL"):
    facts = f"{number}, {ref}, 'shop', '{job}', '', '', '', '', '{state}'"
    return f"{ROW} ({facts}, 1, 1, '', {closed}, {proof}, {NOW}, {NOW}, 0)"


def an_incident(number, cause="feed"):
    return f"{INCIDENT} ({number}, 'IN-{number:06d}', 'shop', 'Market', '{cause}', {NOW}, '', '', '', 0, 0)"


def a_message(number, digest="'d'"):
    return f"{MESSAGE} ({number}, {digest}, '', '', '', 1, 'mail', 'reply', '', {NOW})"


def a_choice(number, shape="s9"):
    return f"{CHOICE} ({number}, '{shape}', 'w', 'e', 'feed', false, 'x', {NOW}, 'JF-000004', 0)"


def spoken(statement, stores):
    """The statement as the database says it."""
    return statement.replace("::json", "") if stores.name == "sqlite" else statement


REFUSED = {
    "an event is changed": ("UPDATE events SET actor = 'x'", "An event is never changed."),
    "an event is deleted": ("DELETE FROM events WHERE case_id = 4", "An event is never deleted."),
    "an event is upserted": (
        f"INSERT {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd') ON CONFLICT (case_id, seq)"
        " DO UPDATE SET actor = 'x'",
        IN_ORDER,
    ),
    "an event leaves a gap": (f"INSERT {EVENT} (4, 3, 'stopped', {NOW}, 'x', '{{}}', 'd')", IN_ORDER),
    "an event has no case": (
        f"INSERT {EVENT} (99, 1, 'opened', {NOW}, 'x', '{{}}', 'd')",
        "An event belongs to a case that exists.",
    ),
    "an open case without a proof gets a closing event": ("INSERT " + closing(OPEN, "'none'"), WITH_PROOF),
    "a closing event names another case's proof": (f"INSERT {closing(OPEN, proof_of(PROVEN))}", WITH_PROOF),
    "a closing event names the last opening's proof": (f"INSERT {closing(REOPENED, LAST_OPENINGS)}", WITH_PROOF),
    "a proof closes twice": (f"INSERT {closing(CLOSED, proof_of(CLOSED))}", "A proof closes a case once."),
    "a proof is changed": ("UPDATE proofs SET opening = 2", "A proof is never changed."),
    "a proof is deleted": ("DELETE FROM proofs", "A proof is never deleted."),
    "a proof is taken again": (
        f"INSERT {PROOF} ({proof_of(CLOSED)}, 4, 1, 'J7', {NOW})",
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
    "a proof was made by no event": (f"INSERT {PROOF} ('new', 4, 1, 'J7', {NOW})", OF_AN_EVENT),
    "a proof was not made by the newest event": (f"INSERT {PROOF} ('new', 1, 1, 'J7', {NOW})", OF_AN_EVENT),
    "a proof is not the one that its event names": (f"INSERT {PROOF} ('new', 2, 1, 'J7', {NOW})", OF_AN_EVENT),
    "a case is deleted": ("DELETE FROM cases WHERE id = 4", "A case is never deleted."),
    "a case has the number of another": ("INSERT " + a_row(OPEN), ONE_OPEN),
    "a job gets a second open case": ("INSERT " + a_row(50, job="job-2"), ONE_OPEN),
    "a case chooses its reference": (
        "INSERT " + a_row(50, ref="'JF-000060'"),
        "A case gets its reference from its number.",
    ),
    "a case is inserted closed": ("INSERT " + a_row(50, state="closed", closed="true", proof="'none'"), WITH_PROOF),
    "a case is inserted closed with another's proof": (
        "INSERT " + a_row(50, state="closed", closed="true", proof=proof_of(CLOSED)),
        WITH_PROOF,
    ),
    "a case is closed without a proof": (
        "UPDATE cases SET closed = true, state = 'closed', proof = 'none' WHERE id = 4",
        WITH_PROOF,
    ),
    "a case is closed with another's proof": (
        f"UPDATE cases SET closed = true, state = 'closed', proof = {proof_of(PROVEN)} WHERE id = 4",
        WITH_PROOF,
    ),
    "a case is closed with the last opening's proof": (
        f"UPDATE cases SET closed = true, state = 'closed', proof = {LAST_OPENINGS} WHERE id = 3",
        WITH_PROOF,
    ),
    "a case with a proof is closed without the event": (
        f"UPDATE cases SET closed = true, state = 'closed', proof = {proof_of(PROVEN)} WHERE id = 2",
        BY_EVENT,
    ),
    "a closed case loses its proof": ("UPDATE cases SET proof = NULL WHERE id = 1", WITH_PROOF),
    "the count of openings goes back": (
        "UPDATE cases SET opening = 1 WHERE id = 3",
        "The count of openings never goes back.",
    ),
    "a closed case opens with its old count": (
        "UPDATE cases SET closed = false, state = 'opened', proof = NULL WHERE id = 5",
        "A case that is opened again counts one opening more, so that it needs a new proof.",
    ),
    "a closed case opens over another open one": (
        "UPDATE cases SET closed = false, state = 'opened', proof = NULL, opening = 2 WHERE id = 1",
        "A job has one open case at a time.",
    ),
    "a case changes its reference": ("UPDATE cases SET ref = 'JF-000009' WHERE id = 4", SAME_JOB),
    "a case changes its number": ("UPDATE cases SET id = 9, ref = 'JF-000009' WHERE id = 4", SAME_JOB),
    "a case changes its platform": ("UPDATE cases SET platform = 'x' WHERE id = 4", SAME_JOB),
    "a case changes its procedure": ("UPDATE cases SET procedure = 'TP' WHERE id = 4", "A case keeps its procedure."),
    "a case changes its job": ("UPDATE cases SET job = 'job-2' WHERE id = 4", SAME_JOB),
    "an incident is deleted": ("DELETE FROM incidents WHERE id = 1", "An incident is never deleted."),
    "an incident has the number of another": ("INSERT " + an_incident(1), ONE_INCIDENT),
    "a cause gets a second open incident": ("INSERT " + an_incident(3, "website"), ONE_INCIDENT),
    "an incident changes its reference": ("UPDATE incidents SET ref = 'IN-000009' WHERE id = 2", SAME_INCIDENT),
    "an incident changes its cause": ("UPDATE incidents SET cause = 'feed' WHERE id = 2", SAME_INCIDENT),
    "an incident that is over opens again": (
        "UPDATE incidents SET closed_at = NULL WHERE id = 1",
        "An incident that is over stays over; new cases make another.",
    ),
    "a message is deleted": ("DELETE FROM messages", "A message is never deleted."),
    "a message has the number of another": ("INSERT " + a_message(1), ONE_MESSAGE),
    "a message has the bytes of another": (
        "INSERT " + a_message(2, "(SELECT digest FROM messages)"),
        ONE_MESSAGE,
    ),
    "a message gets another place": ("UPDATE messages SET place = 'counted'", AS_IT_CAME),
    "a message gets another case": ("UPDATE messages SET case_id = 1", AS_IT_CAME),
    "a message loses its case": ("UPDATE messages SET case_id = NULL", AS_IT_CAME),
    "a message gets another sender": ("UPDATE messages SET sender = 'owner@x'", AS_IT_CAME),
    "a message gets another code": ("UPDATE messages SET code = 'changed'", AS_IT_CAME),
    "a message is said to have come as another": (f"UPDATE messages SET original = '{'ab' * 32}'", AS_IT_CAME),
    "a message gets other bytes": ("UPDATE messages SET digest = 'd'", AS_IT_CAME),
    "a choice is deleted": ("DELETE FROM chosen_causes WHERE id = 2", "A choice is undone, never deleted."),
    "a choice has the number of another": ("INSERT " + a_choice(1), ONE_CHOICE),
    "a message gets a second choice": ("INSERT " + a_choice(3, "s1"), ONE_CHOICE),
    "a choice becomes another cause": ("UPDATE chosen_causes SET cause = 'sync' WHERE id = 1", AS_CHOSEN),
    "a choice becomes another's": ("UPDATE chosen_causes SET chosen_by = 'x' WHERE id = 1", AS_CHOSEN),
    "a choice that was undone holds again": (
        "UPDATE chosen_causes SET undone_at = NULL WHERE id = 2",
        "A choice that was undone stays undone; another is made in its place.",
    ),
    "what was done with a case is deleted": ("DELETE FROM case_handling", "What was done with a case stays."),
    "what was done with a case was done by another": (
        "UPDATE case_handling SET actor = 'x'",
        "What was done with a case stays as it was.",
    ),
    "what was done with a case has the number of something else": (
        "INSERT INTO case_handling (id, case_id, at, actor, what) SELECT id, case_id, at, 'x', what FROM case_handling",
        "What was done with a case is never replaced.",
    ),
}
ONLY = {
    # REPLACE deletes rows without asking a trigger for deletions.
    "sqlite": {
        "an event is changed into another": (
            "UPDATE OR REPLACE events SET seq = 2 WHERE seq = 1",
            "An event is never changed.",
        ),
        "an event is replaced": (f"INSERT OR REPLACE {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd')", IN_ORDER),
        "a proof is replaced": (
            f"INSERT OR REPLACE {PROOF} ({proof_of(CLOSED)}, 4, 1, 'J7', {NOW})",
            "A proof is taken once and never replaced.",
        ),
        "a case is replaced": (f"INSERT OR REPLACE {a_row(OPEN)}", ONE_OPEN),
        "a case is replaced by another of its job": ("INSERT OR REPLACE " + a_row(50, job="job-2"), ONE_OPEN),
        "a case is replaced when it takes another's job": (
            "UPDATE OR REPLACE cases SET job = 'job-2' WHERE id = 4",
            SAME_JOB,
        ),
        "an open case is replaced by a closed one of its job": (
            "UPDATE OR REPLACE cases SET closed = false, state = 'opened', proof = NULL, opening = 2 WHERE id = 1",
            "A job has one open case at a time.",
        ),
        "an open case says that it is closed": (
            "UPDATE cases SET state = 'closed' WHERE id = 4",
            "CHECK constraint failed: ck_cases_state_says_closed",
        ),
        "an incident is replaced": ("INSERT OR REPLACE " + an_incident(3, "website"), ONE_INCIDENT),
        "a choice is replaced": ("INSERT OR REPLACE " + a_choice(1), ONE_CHOICE),
        "a message is replaced": ("INSERT OR REPLACE " + a_message(1), ONE_MESSAGE),
        "a case is closed by a number that only looks true": ("UPDATE cases SET closed = 2 WHERE id = 4", WITH_PROOF),
    },
    "postgresql": {
        "the events are truncated": ("TRUNCATE events", "An event is never deleted."),
        "the proofs are truncated": ("TRUNCATE proofs", "A proof is never deleted."),
        "the incidents are truncated": ("TRUNCATE incidents CASCADE", "An incident is never deleted."),
        "the choices are truncated": ("TRUNCATE chosen_causes", "A choice is undone, never deleted."),
        "what was done with cases is truncated": ("TRUNCATE case_handling", "What was done with a case stays."),
        "the messages are truncated": ("TRUNCATE messages", "A message is never deleted."),
        "the cases are truncated with all that points at them": (
            "TRUNCATE cases RESTART IDENTITY CASCADE",
            "A case is never deleted.",
        ),
        "an open case says that it is closed": (
            "UPDATE cases SET state = 'closed' WHERE id = 4",
            'new row for relation "cases" violates check constraint "ck_cases_state_says_closed"',
        ),
        "a case and its proof come in one statement": (
            f"WITH forged AS (INSERT {PROOF} ('new', 4, 1, 'J7', {NOW}) RETURNING digest)"
            " UPDATE cases SET closed = true, state = 'closed', proof = (SELECT digest FROM forged) WHERE id = 4",
            OF_AN_EVENT,
        ),
        "an event is merged over another": (
            "MERGE INTO events USING (SELECT 4 AS id) AS x ON case_id = x.id WHEN MATCHED THEN DELETE",
            "An event is never deleted.",
        ),
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_plain_sql_is_refused_with_a_sentence_when(world, stores, name):
    refuses(world, stores, *REFUSED[name])


@on_sqlite
@pytest.mark.parametrize("name", ONLY["sqlite"])
def test_sqlite_refuses_with_a_sentence_when(world, stores, name):
    refuses(world, stores, *ONLY["sqlite"][name])


@on_postgresql
@pytest.mark.parametrize("name", ONLY["postgresql"])
def test_postgresql_refuses_with_a_sentence_when(world, stores, name):
    refuses(world, stores, *ONLY["postgresql"][name])


def refuses(world, stores, statement, sentence):
    before = rows(world)
    assert said(world, stores, statement) == sentence
    assert rows(world) == before


def said(world, stores, statement):
    """What the database says to this statement, of which nothing stays."""
    world.execute("SAVEPOINT one")
    try:
        world.execute(spoken(statement, stores))
    except (sqlite3.Error, psycopg.Error) as error:
        return error.diag.message_primary if isinstance(error, psycopg.Error) else str(error)
    else:
        return ""
    finally:
        world.execute("ROLLBACK TO SAVEPOINT one")


@on_sqlite
def test_a_hidden_row_number_replaces_neither_events_nor_proofs(world):
    for table in ("events", "proofs"):
        with pytest.raises(sqlite3.OperationalError, match="no such column: rowid"):
            world.execute(f"SELECT rowid FROM {table}")


@on_sqlite
def test_ignoring_conflicts_writes_nothing_either(world):
    before = rows(world)
    with pytest.raises(sqlite3.IntegrityError):
        world.execute(f"INSERT OR IGNORE {EVENT} (4, 1, 'opened', {NOW}, 'x', '{{}}', 'd')")
    with pytest.raises(sqlite3.IntegrityError):
        world.execute("UPDATE OR IGNORE cases SET closed = 1, state = 'closed', proof = 'none' WHERE id = 4")
    assert rows(world) == before


def test_with_its_proof_a_case_can_be_closed(world, stores):
    """Else the refusals above would prove nothing."""
    for statement in (
        "INSERT " + event(OPEN, "proof_made", '{"evidence": "new", "rule": "J7"}'),
        f"INSERT {PROOF} ('new', 4, 1, 'J7', {NOW})",
        f"INSERT {closing(OPEN, proof_of(OPEN))}",
        f"UPDATE cases SET closed = true, state = 'closed', proof = {proof_of(OPEN)} WHERE id = 4",
        "INSERT " + event(OPEN, "ticket_closed", '{"ticket": "T-000001"}'),
        "UPDATE cases SET version = 5 WHERE id = 4",
    ):
        world.execute(spoken(statement, stores))
    assert world.execute("SELECT closed, version FROM cases WHERE id = 4").fetchone() == (True, 5)


def test_who_was_told_of_a_message_and_who_looked_at_it_is_free(world):
    world.execute(f"UPDATE messages SET told_at = {NOW}, done_at = {NOW}, done_by = 'operator'")
    assert world.execute("SELECT done_by FROM messages").fetchall() == [("operator",)]


@pytest.mark.parametrize("number", [CLOSED, PROVEN, REOPENED, OPEN])
def test_the_notes_of_the_keeper_are_free_on_open_and_on_closed_cases(world, number):
    noted = f"due_at = NULL, crashes = 3, rest_until = {NOW}, rest_why = 'cancelled'"
    world.execute(f"UPDATE cases SET {noted} WHERE id = {number}")
    found = world.execute(f"SELECT due_at, crashes, rest_why FROM cases WHERE id = {number}").fetchone()
    assert tuple(found) == (None, 3, "cancelled")


def test_a_cause_whose_incident_is_over_may_have_another(world):
    world.execute("INSERT " + an_incident(3, "token"))
    world.execute("UPDATE incidents SET decision = 'reactivate_after_our_fix', asked = 2 WHERE id = 3")
    assert world.execute("SELECT COUNT(*) FROM incidents WHERE cause = 'token'").fetchone() == (2,)


def test_a_closing_event_of_the_last_opening_closes_nothing_again(world, stores):
    """It had its proof, and still it is of the opening before."""
    world.execute(spoken("INSERT " + event(CLOSED, "reopened", '{"why": "x"}'), stores))
    assert said(world, stores, "UPDATE cases SET version = version + 1 WHERE id = 1") == BY_EVENT


def test_each_guard_is_needed_for_a_refusal_above(world, stores):
    """Without it some statement is let through, or refused for another reason than it names."""
    cases = [*REFUSED.values(), *ONLY[stores.name].values()]
    idle = []
    for guard in of_dialect(GUARDS, stores.name):
        world.execute("SAVEPOINT all_guards")
        table = guard.moment.partition(" ON ")[2]
        world.execute(f"DROP TRIGGER {guard.name}" + (f" ON {table}" if stores.name == "postgresql" else ""))
        if all(said(world, stores, statement) == sentence for statement, sentence in cases):
            idle.append(guard.name)
        world.execute("ROLLBACK TO SAVEPOINT all_guards")
    assert idle == []


def test_another_database_gets_no_guards():
    with pytest.raises(StoreError, match="not in mysql"):
        of_dialect(GUARDS, "mysql")
