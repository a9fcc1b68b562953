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
    with store.unit() as unit:
        row = unit.incidents.create(*PLACE, make.start)
        unit.commit()
    return row


def test_a_new_incident_gets_the_next_reference_and_is_due(store, incident, make):
    assert (incident.ref, incident.opened_at, incident.due_at) == ("IN-000001", make.start, make.start)
    assert (incident.platform, incident.marketplace, incident.cause) == PLACE
    assert (incident.decision, incident.asked, incident.flow_run, incident.generation) == ("", 0, None, 0)
    assert (incident.is_closed, incident.closed_at, incident.until, incident.decided_at) == (False, None, None, None)
    with store.unit() as unit:
        assert unit.incidents.create("shop", "Market", "feed", make.start).ref == "IN-000002"
        assert unit.incidents.get(" in-000001 ") == incident


def test_a_cause_has_one_open_incident_on_a_marketplace(store, incident, make):
    with store.unit() as unit:
        with pytest.raises(ConcurrentChange, match="open incident on Market already") as refusal:
            unit.incidents.create(*PLACE, make.start)
        assert "join" in refusal.value.next_action
        assert unit.incidents.open_for(*PLACE) == incident
        assert unit.incidents.open_for("shop", "Market", "feed") is None
        unit.incidents.close(incident.ref, make.start + HOUR)
        assert unit.incidents.open_for(*PLACE) is None
        assert unit.incidents.create(*PLACE, make.start + HOUR).ref == "IN-000002"
        assert [row.ref for row in unit.incidents.rows()] == ["IN-000001", "IN-000002"]
        assert [row.ref for row in unit.incidents.rows(open_only=True)] == ["IN-000002"]


@pytest.mark.parametrize("ref", ["", "IN-1", "IN-000009", "JF-000001", "IN-00000\u0661"])
@pytest.mark.usefixtures("incident")
def test_what_names_no_incident_is_refused_with_the_next_action(store, ref):
    with store.unit() as unit:
        for use in (unit.incidents.get, unit.incidents.members, unit.incidents.pass_on, unit.incidents.question):
            if use == unit.incidents.members and ref == "IN-000009":
                assert use(ref) == []
                continue
            with pytest.raises(UnknownIncident) as refusal:
                use(ref)
            assert isinstance(refusal.value, BadInput)
            assert refusal.value.next_action


def test_members_are_the_cases_that_joined_and_were_not_reopened_since(store, incident, make, bring):
    with store.unit() as unit:
        cases = [unit.cases.create(make.opened(f"job-{n}")) for n in range(3)]
        joined = [unit.cases.append(case, make.event(case, Kind.INCIDENT_JOINED)) for case in cases[:2]]
        unit.commit()
    closed = bring(joined[0], Kind.CLOSED)
    with store.unit() as unit:
        assert unit.incidents.members(incident.ref) == ["JF-000001", "JF-000002"]
        assert [row.state for row in unit.cases.of_incident(incident.ref)] == ["closed", "opened"]
        unit.cases.append(closed, make.event(closed, Kind.REOPENED))
        assert unit.incidents.members(incident.ref) == ["JF-000002"]


def test_questions_are_numbered_and_the_last_decision_holds(store, incident, make):
    with store.unit() as unit:
        assert unit.incidents.question(incident.ref) is None
        assert [unit.incidents.ask(incident.ref, f"run-{n}", make.start) for n in range(2)] == [1, 2]
        assert unit.incidents.question(incident.ref) == QuestionRow(2, "run-1", make.start, 0)
        assert [unit.incidents.note_nudge(incident.ref, 2, times) for times in (1, 1, 2)] == [True, False, True]
        assert unit.incidents.question(incident.ref) == QuestionRow(2, "run-1", make.start, 2)
        until = date(2026, 12, 24)
        unit.incidents.decide(
            incident.ref, "keep_paused", by="operator", reason="Ça ✓", until=until, at=make.start + HOUR
        )
        row = unit.incidents.get(incident.ref)
        assert (row.decision, row.decided_by, row.reason, row.until) == ("keep_paused", "operator", "Ça ✓", until)
        assert (row.asked, row.decided_at, row.due_at) == (2, make.start + HOUR, make.start + HOUR)
        unit.incidents.decide(incident.ref, "after_fix", by="lead", reason="Fixed.", until=None, at=make.start + HOUR)
        assert unit.incidents.get(incident.ref).until is None
        unit.commit()
    with store.unit() as unit, pytest.raises(BadInput, match="NUL"):
        unit.incidents.decide(incident.ref, "x", by="x", reason="a\0b", until=None, at=make.start)


def test_why_the_latest_answer_was_refused_is_known_until_somebody_decides(store, incident, make):
    with store.unit() as unit:
        for number, why in ((1, "no date"), (3, "no reason ✓")):
            assert unit.incidents.ask(incident.ref, "run", make.start) == number
            unit.incidents.refuse(incident.ref, number, why)
            assert unit.incidents.pass_on(incident.ref) == number + 1
            assert unit.incidents.question(incident.ref) is None
            assert unit.incidents.refused(incident.ref) == why
        unit.incidents.decide(incident.ref, "x", by="x", reason="x", until=None, at=make.start)
        assert unit.incidents.refused(incident.ref) == ""
        with pytest.raises(BadInput, match="NUL"):
            unit.incidents.refuse(incident.ref, 3, "a\0b")


def test_about_an_incident_that_is_over_nothing_is_asked_or_decided(store, incident, make):
    with store.unit() as unit:
        for _ in range(2):  # once more is harmless
            unit.incidents.close(incident.ref, make.start + HOUR)
        row = unit.incidents.get(incident.ref)
        assert (row.is_closed, row.closed_at, row.due_at) == (True, make.start + HOUR, None)
        with pytest.raises(NotAllowed, match="IN-000001 is over"):
            unit.incidents.ask(incident.ref, "run", make.start)
        with pytest.raises(NotAllowed, match="is over"):
            unit.incidents.decide(incident.ref, "x", by="x", reason="x", until=None, at=make.start)


def test_an_incident_is_looked_at_when_it_is_due(store, incident, make):
    with store.unit() as unit:
        unit.incidents.set_due(incident.ref, make.start + HOUR)
        assert unit.incidents.get(incident.ref).due_at == make.start + HOUR
        unit.incidents.set_due(incident.ref, None)
        assert unit.incidents.get(incident.ref).due_at is None
        with pytest.raises(UnknownIncident):
            unit.incidents.set_due("IN-000009", None)


def test_an_incident_has_one_run_a_generation(store, incident):
    with store.unit() as unit:
        for _ in range(2):
            unit.incidents.attach_run(incident.ref, "run-a", 1)
        unit.incidents.attach_run(incident.ref, "run-b", 2)
        for run, generation in (("run-c", 2), ("run-a", 1)):
            with pytest.raises(ConcurrentChange, match="has a run of generation 2 already: run-b"):
                unit.incidents.attach_run(incident.ref, run, generation)
        row = unit.incidents.get(incident.ref)
        assert (row.flow_run, row.generation) == ("run-b", 2)


# -- marks -----------------------------------------------------------------------------------------------------------


def test_a_mark_says_what_was_noted_last_and_when(store, make):
    with store.unit() as unit:
        assert unit.marks.get("keeper") is None
        unit.marks.set("keeper", "4711", make.start)
        unit.marks.set("other", "", make.start)
        unit.marks.set("keeper", "4712 ✓", make.start + HOUR)
        unit.commit()
    with store.reading() as unit:
        assert unit.marks.get("keeper") == ("4712 ✓", make.start + HOUR)
        assert unit.marks.get("other") == ("", make.start)
        with pytest.raises(StoreError, match="only reads"):
            unit.commit()


def test_a_mark_holds_no_nul(store, make):
    with store.unit() as unit, pytest.raises(BadInput, match="NUL"):
        unit.marks.set("keeper", "a\0b", make.start)
