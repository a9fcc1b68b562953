"""Incidents and marks in the store."""

from datetime import date, timedelta

import pytest

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import ConcurrentChange, QuestionRow, StoreError, UnknownIncident

PLACE = ("shop", "Market", "website_changed")
HOUR = timedelta(hours=1)


@pytest.fixture
def incident(store, make):
    with store.uow() as uow:
        row = uow.incidents.create(*PLACE, make.start)
        uow.commit()
    return row


def test_a_new_incident_gets_the_next_reference_and_is_due(store, incident, make):
    assert (incident.ref, incident.opened_at, incident.due_at) == ("IN-000001", make.start, make.start)
    assert (incident.platform, incident.marketplace, incident.cause) == PLACE
    assert (incident.decision, incident.asked, incident.flow_run, incident.generation) == ("", 0, None, 0)
    assert (incident.is_closed, incident.closed_at, incident.until, incident.decided_at) == (False, None, None, None)
    with store.uow() as uow:
        assert uow.incidents.create("shop", "Market", "feed", make.start).ref == "IN-000002"
        assert uow.incidents.get(" in-000001 ") == incident


def test_a_cause_has_one_open_incident_on_a_marketplace(store, incident, make):
    with store.uow() as uow:
        with pytest.raises(ConcurrentChange, match="open incident on Market already") as refusal:
            uow.incidents.create(*PLACE, make.start)
        assert "join" in refusal.value.next_action
        assert uow.incidents.open_for(*PLACE) == incident
        assert uow.incidents.open_for("shop", "Market", "feed") is None
        uow.incidents.close(incident.ref, make.start + HOUR)
        assert uow.incidents.open_for(*PLACE) is None
        assert uow.incidents.create(*PLACE, make.start + HOUR).ref == "IN-000002"
        assert [row.ref for row in uow.incidents.rows()] == ["IN-000001", "IN-000002"]
        assert [row.ref for row in uow.incidents.rows(open_only=True)] == ["IN-000002"]


@pytest.mark.parametrize("ref", ["", "IN-1", "IN-000009", "JF-000001", "IN-00000\u0661"])
@pytest.mark.usefixtures("incident")
def test_what_names_no_incident_is_refused_with_the_next_action(store, ref):
    with store.uow() as uow:
        for use in (uow.incidents.get, uow.incidents.pass_on, uow.incidents.question):
            with pytest.raises(UnknownIncident) as refusal:
                use(ref)
            assert isinstance(refusal.value, BadInput)
            assert refusal.value.next_action


def test_members_are_the_cases_that_joined_and_were_not_reopened_since(store, incident, make, bring):
    with store.uow() as uow:
        cases = [uow.cases.create(make.opened(f"job-{n}")) for n in range(3)]
        joined = [uow.cases.append(case, make.event(case, Kind.INCIDENT_JOINED)) for case in cases[:2]]
        uow.commit()
    closed = bring(joined[0], Kind.CLOSED)
    with store.uow() as uow:
        members = [(row.ref, row.state) for row in uow.cases.of_incident(incident.ref)]
        assert members == [("JF-000001", "closed"), ("JF-000002", "opened")]
        uow.cases.append(closed, make.event(closed, Kind.REOPENED))
        assert [row.ref for row in uow.cases.of_incident(incident.ref)] == ["JF-000002"]


def test_questions_are_numbered_and_the_last_decision_holds(store, incident, make):
    with store.uow() as uow:
        assert uow.incidents.question(incident.ref) is None
        assert [uow.incidents.ask(incident.ref, f"run-{n}", make.start) for n in range(2)] == [1, 2]
        assert uow.incidents.question(incident.ref) == QuestionRow(2, "run-1", make.start, 0)
        assert [uow.incidents.note_nudge(incident.ref, 2, times) for times in (1, 1, 2)] == [True, False, True]
        assert uow.incidents.question(incident.ref) == QuestionRow(2, "run-1", make.start, 2)
        until = date(2026, 12, 24)
        uow.incidents.decide(
            incident.ref, "keep_paused", by="operator", reason="Ça ✓", until=until, at=make.start + HOUR
        )
        row = uow.incidents.get(incident.ref)
        assert (row.decision, row.decided_by, row.reason, row.until) == ("keep_paused", "operator", "Ça ✓", until)
        assert (row.asked, row.decided_at, row.due_at) == (2, make.start + HOUR, make.start + HOUR)
        uow.incidents.decide(incident.ref, "after_fix", by="lead", reason="Fixed.", until=None, at=make.start + HOUR)
        assert uow.incidents.get(incident.ref).until is None
        uow.commit()
    with store.uow() as uow, pytest.raises(BadInput, match="NUL"):
        uow.incidents.decide(incident.ref, "x", by="x", reason="a\0b", until=None, at=make.start)


def test_why_the_latest_answer_was_refused_is_known_until_somebody_decides(store, incident, make):
    with store.uow() as uow:
        for number, why in ((1, "no date"), (3, "no reason ✓")):
            assert uow.incidents.ask(incident.ref, "run", make.start) == number
            uow.incidents.refuse(incident.ref, number, why)
            assert uow.incidents.pass_on(incident.ref) == number + 1
            assert uow.incidents.question(incident.ref) is None
            assert uow.incidents.refused(incident.ref) == why
        uow.incidents.decide(incident.ref, "x", by="x", reason="x", until=None, at=make.start)
        assert uow.incidents.refused(incident.ref) == ""
        with pytest.raises(BadInput, match="NUL"):
            uow.incidents.refuse(incident.ref, 3, "a\0b")


def test_about_an_incident_that_is_over_nothing_is_asked_or_decided(store, incident, make):
    with store.uow() as uow:
        for _ in range(2):  # once more is harmless
            uow.incidents.close(incident.ref, make.start + HOUR)
        row = uow.incidents.get(incident.ref)
        assert (row.is_closed, row.closed_at, row.due_at) == (True, make.start + HOUR, None)
        with pytest.raises(NotAllowed, match="IN-000001 is over"):
            uow.incidents.ask(incident.ref, "run", make.start)
        with pytest.raises(NotAllowed, match="is over"):
            uow.incidents.decide(incident.ref, "x", by="x", reason="x", until=None, at=make.start)


def test_an_incident_is_looked_at_when_it_is_due(store, incident, make):
    with store.uow() as uow:
        uow.incidents.set_due(incident.ref, make.start + HOUR)
        assert uow.incidents.get(incident.ref).due_at == make.start + HOUR
        uow.incidents.set_due(incident.ref, None)
        assert uow.incidents.get(incident.ref).due_at is None
        with pytest.raises(UnknownIncident):
            uow.incidents.set_due("IN-000009", None)


def test_an_incident_has_one_run_a_generation(store, incident):
    with store.uow() as uow:
        for _ in range(2):
            uow.incidents.attach_run(incident.ref, "run-a", 1)
        uow.incidents.attach_run(incident.ref, "run-b", 2)
        for run, generation in (("run-c", 2), ("run-a", 1)):
            with pytest.raises(ConcurrentChange, match="has a run of generation 2 already: run-b"):
                uow.incidents.attach_run(incident.ref, run, generation)
        row = uow.incidents.get(incident.ref)
        assert (row.flow_run, row.generation) == ("run-b", 2)


# -- marks -----------------------------------------------------------------------------------------------------------


def test_a_mark_says_what_was_noted_last_and_when(store, make):
    with store.uow() as uow:
        assert uow.cursors.get("keeper") is None
        uow.cursors.set("keeper", "4711", make.start)
        uow.cursors.set("other", "", make.start)
        uow.cursors.set("keeper", "4712 ✓", make.start + HOUR)
        uow.commit()
    with store.reading() as uow:
        assert uow.cursors.get("keeper") == ("4712 ✓", make.start + HOUR)
        assert uow.cursors.get("other") == ("", make.start)
        with pytest.raises(StoreError, match="only reads"):
            uow.commit()


def test_a_mark_holds_no_nul(store, make):
    with store.uow() as uow, pytest.raises(BadInput, match="NUL"):
        uow.cursors.set("keeper", "a\0b", make.start)
