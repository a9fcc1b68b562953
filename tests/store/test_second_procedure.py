"""A second procedure lives in the store beside the first, and nothing but its own data knows of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import BadInput, ClosureRefused, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind as JobFailures
from caseproof.evidence.proof import build_proof, history_file, proof_file, verify_proof
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.retailer_answer import cases_named
from caseproof.procedure.views.case_page import next_action, sentence
from caseproof.store import AlreadyOpen, UnknownCase
from tests.support.trial import TRIAL, Kind, State

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
OTHER = hashlib.sha256(b"something else").hexdigest()


def event(kind, minutes=0, /, **data):
    return Event(kind, NOW + timedelta(minutes=minutes), "operator", data)


def beginning(kind, job="job-1"):
    said = {"job_name": "Job", "cause": "unknown", "summary": "It is odd.", "how": "h", "scope": "job"}
    return event(kind, platform="shop", job=job, **said)


@pytest.fixture
def begun(store):
    """A trial about the same job as an open job failure, which is the first case."""
    with store.uow() as uow:
        uow.cases.create(beginning(JobFailures.OPENED))
        case = uow.cases.create(beginning(Kind.OPENED))
        uow.commit()
    return case


def append(store, ref, *events):
    return store.change(ref, lambda _: list(events))


def closed(store, ref, vault, folder, minutes=1):
    """Check, prove and close it as a procedure does: with a proof file that anybody can check."""

    def keep(content, name):
        kept = vault.put(content, name, "application/json")
        with store.uow() as uow:
            uow.evidence.add(ref, kept.digest, name, "application/json", kept.size, NOW)
            uow.commit()
        return kept.digest

    checked = keep(f"looked at it {minutes}".encode(), "check.json")
    case = append(store, ref, event(Kind.CHECKED, minutes, evidence=checked))
    history = keep(history_file(case), f"history-{case.version}.json")
    with store.reading() as uow:
        files = uow.evidence.of(ref)
    content = proof_file(build_proof(case, history=history, files=files, folder=folder, vault=vault))
    path = folder / f"{ref}-{case.opening}-{case.version}.json"
    folder.mkdir(exist_ok=True)
    path.write_bytes(content)
    digest = keep(content, path.name)
    made = event(Kind.PROOF_MADE, minutes + 1, evidence=digest, rule="T3", head=case.head, file=path.name)
    return append(store, ref, made, event(Kind.CLOSED, minutes + 2, proof=digest)), path


def test_it_is_opened_folded_and_listed_under_its_own_prefix(store, begun):
    assert (begun.ref, begun.procedure, begun.state) == ("TP-000002", TRIAL, State.BEGUN)
    assert store.case("tp-000002") == begun
    with store.reading() as uow:
        assert [(row.ref, row.state) for row in uow.cases.rows()] == [("JF-000001", "opened"), ("TP-000002", "begun")]
        assert isinstance(uow.cases.rows()[1].state, State)
        assert uow.cases.counts() == [(State.BEGUN, "", 1), ("opened", "", 1)]
        assert [case.ref for case in uow.cases.open_on("shop")] == ["JF-000001"], "a bulk stop sees job failures alone"
        assert uow.cases.open_for("shop", "job-1").ref == "JF-000001"
        assert uow.bulk.cases(["TP-000002", "JF-000001"]).keys() == {"TP-000002", "JF-000001"}
        assert uow.cases.damaged() == []
    assert cases_named("about tp-000002, not XX-000002") == ["TP-000002"]


@pytest.mark.usefixtures("begun")
def test_a_reference_of_a_procedure_that_nobody_knows_is_no_case(store):
    for ref in ("XX-000002", "JF-000002", "TP-000001"):
        with pytest.raises(UnknownCase):
            store.case(ref)


@pytest.mark.usefixtures("begun")
def test_a_job_has_one_open_case_of_each_procedure(store):
    with store.uow() as uow:
        with pytest.raises(AlreadyOpen, match="TP-000002"):
            uow.cases.create(beginning(Kind.OPENED))
        found = uow.bulk.open([beginning(Kind.OPENED), beginning(Kind.OPENED, "job-2")])
        assert [getattr(one, "ref", "") for one in found] == ["TP-000002", "TP-000003"]


def test_what_it_keeps_in_a_slot_of_its_own_is_remembered_and_voided(store, begun, tmp_path):
    case = append(store, begun.ref, event(Kind.GREETED, who="the guest"))
    assert case.own["greeting"]["who"] == "the guest"
    assert sentence(case.events[-1]) == "the guest was greeted"
    closed(store, case.ref, Vault(tmp_path / "vault"), tmp_path / "proofs")
    assert append(store, case.ref, event(Kind.REOPENED, 9, why="again")).own == {}


def test_it_asks_its_own_questions(store, begun):
    case = append(store, begun.ref, event(Kind.ASKED, number=1, form="hello", flow_run="f"))
    assert sentence(case.events[-1]) == "Question 1 asked: the greeting"
    with store.reading() as uow:
        assert uow.cases.rows()[1].asked_form == "hello"
    answered = append(store, case.ref, event(Kind.ANSWERED, number=1, form="hello", answer={"who": "x"}))
    assert (answered.question, len(answered.unhandled)) == (None, 1)


def test_it_is_refused_a_closure_in_its_own_words_and_by_the_database(store, begun, raw):
    (missing,) = closure_blockers(begun)
    assert (missing.code, missing.rule) == ("checked", "T3")
    assert next_action(begun) == missing.next_action == "Check TP-000002."
    with pytest.raises(NotAllowed, match=r"'closed' cannot happen now: TP-000002 is 'begun': It was begun\."):
        append(store, begun.ref, event(Kind.CLOSED, proof=OTHER))
    append(store, begun.ref, event(Kind.CHECKED, 1, evidence=OTHER))
    with pytest.raises(ClosureRefused, match="has no proof"):
        append(store, begun.ref, event(Kind.CLOSED, 2, proof=OTHER))
    with pytest.raises(Exception, match="closed only with a proof"):
        raw.execute("UPDATE cases SET closed = true, state = 'closed', proof = 'x' WHERE id = 2")


def test_an_event_of_another_procedure_does_not_happen_to_it(store, begun):
    with pytest.raises(NotAllowed, match="'ticket_opened' cannot happen now"):
        append(store, begun.ref, event(JobFailures.TICKET_OPENED, desk="d", ticket="T-1", adopted=False))
    with pytest.raises(NotAllowed, match="'greeted' cannot happen now"):
        append(store, "JF-000001", event(Kind.GREETED, who="x"))
    with pytest.raises(BadInput):
        append(store, begun.ref, event(Kind.GREETED))


def test_it_is_closed_with_a_proof_and_a_new_opening_needs_a_new_one(store, begun, tmp_path):
    vault, folder = Vault(tmp_path / "vault"), tmp_path / "proofs"
    case, path = closed(store, begun.ref, vault, folder)
    assert case.is_closed
    assert [check for check in verify_proof(path) if not check.ok] == []
    append(store, case.ref, event(Kind.REOPENED, 5, why="again"))
    with pytest.raises(ClosureRefused):
        append(
            store,
            case.ref,
            event(Kind.CHECKED, 6, evidence=OTHER),
            event(Kind.CLOSED, 7, proof=case.proof.data["evidence"]),
        )
    with store.reading() as uow:
        assert uow.cases.damaged() == []


KNOWS_ONE = """
import sys
from caseproof.store import Store, StoreError
store = Store(sys.argv[1])
for ref in ("TP-000002", "JF-000001"):
    try:
        print(store.case(ref).ref)
    except StoreError as refusal:
        print(refusal)
with store.reading() as unit:
    print(unit.cases.damaged())
"""


@pytest.mark.usefixtures("begun")
def test_a_version_that_does_not_know_the_procedure_refuses_its_cases_and_reads_all_others(url):
    done = subprocess.run([sys.executable, "-c", KNOWS_ONE, url], capture_output=True, text=True, check=True)
    first, second, damaged = done.stdout.splitlines()
    assert first.startswith("There is no case 'TP-000002'.")
    assert (second, damaged) == ("JF-000001", "['TP-000002']")
