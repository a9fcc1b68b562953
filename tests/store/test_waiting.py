"""What a keeper reads: rows that say what their events say, in queries that do not grow with the cases that wait."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.many_cases import multiply
from benchmarks.store import make_due, plans, scans_a_table
from caseproof.domain.errors import BadInput
from caseproof.domain.events import Event
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import Store, UnknownCase
from caseproof.store.databases import compact_json
from tests.support.examples import examples

LATER = timedelta(days=1)


@pytest.fixture
def waiting(store, opened, bring, make):
    """A case whose retailer was told, and whose team is asked."""
    told = bring(opened, Kind.NOTICE_SENT)
    return append(store, told, make.event(told, Kind.QUESTION_ASKED))


def append(store, case, *events):
    with store.uow() as uow:
        after = uow.cases.append(case, *events)
        uow.commit()
    return after


def row_of(store, ref="JF-000001"):
    with store.reading() as uow:
        return next(row for row in uow.cases.rows() if row.ref == ref)


# -- what a row says ---------------------------------------------------------------------------------------------------


def test_a_new_row_says_that_nobody_was_asked_and_that_its_keeper_has_to_look(store, opened):
    row = row_of(store)
    assert (row.id, row.version, row.due_at, row.last_opened_at) == (1, 1, opened.events[0].at, opened.events[0].at)
    assert (row.asked_form, row.asked_at, row.has_news, row.notice_at) == ("", None, False, None)
    assert (row.reminders, row.nudges, row.trouble, row.incident, row.ticket_closed) == (0, 0, "", "", False)
    assert (row.crashes, row.rest_until, row.rest_why) == (0, None, "")


def test_a_row_says_who_was_asked_and_told_what_and_when(store, waiting, make):
    row = row_of(store)
    assert (row.asked_form, row.asked_at) == ("decision", waiting.events[-1].at)
    assert row.notice_at == waiting.notice.at
    for kind in (Kind.REMINDER_SENT, Kind.REMINDER_SENT, Kind.TEAM_TOLD, Kind.INCIDENT_JOINED):
        waiting = append(store, waiting, make.event(waiting, kind))
    row = row_of(store)
    assert (row.reminders, row.nudges, row.incident, row.has_news) == (2, 1, "IN-000001", False)
    append(store, waiting, make.event(waiting, Kind.TROUBLE, problem="It\0 fails. " * 40))
    row = row_of(store)
    assert row.has_news
    assert (row.trouble[:9], len(row.trouble)) == ("It fails.", 200)


def test_an_answered_question_waits_no_more(store, waiting, make):
    append(store, waiting, make.event(waiting, Kind.QUESTION_ANSWERED))
    row = row_of(store)
    assert (row.asked_form, row.asked_at, row.has_news, row.nudges) == ("", None, False, 0)


def test_a_reopening_may_say_another_cause_and_the_clock_runs_on(store, opened, bring, make):
    closed = bring(opened, Kind.CLOSED)
    again = make.event(closed, Kind.REOPENED, cause="website_changed", summary="404")
    append(store, closed, again)
    row = row_of(store)
    assert (row.cause, row.opened_at, row.last_opened_at) == ("website_changed", opened.events[0].at, again.at)
    assert store.case(opened.ref).facts["summary"] == "404"
    with store.reading() as uow:
        assert uow.cases.damaged() == []
        assert [row.ref for row in uow.cases.alike("shop", "Market", "website_changed")] == [opened.ref]
        assert uow.cases.alike("shop", "Market", "token") == []


@pytest.mark.parametrize("cause", [7, ["x"], "a\0b"])
def test_a_reopening_with_a_cause_that_is_no_text_is_refused(store, opened, bring, make, cause):
    closed = bring(opened, Kind.CLOSED)
    with store.uow() as uow, pytest.raises(BadInput, match="cause"):
        uow.cases.append(closed, make.event(closed, Kind.REOPENED, cause=cause))


@pytest.mark.parametrize("column", ["has_news", "asked_form", "reminders", "nudges", "incident", "ticket_closed"])
def test_a_row_that_says_something_else_than_its_events_is_damaged(store, raw, waiting, column):
    value = {"has_news": "true", "ticket_closed": "true"}.get(column, "7" if column.endswith("s") else "'x'")
    raw.execute(f"UPDATE cases SET {column} = {value}")  # noqa: S608
    with store.reading() as uow:
        assert uow.cases.damaged() == [waiting.ref]


# -- what is due -------------------------------------------------------------------------------------------------------


def due(store, now, limit=100):
    with store.reading() as uow:
        return [row.ref for row in uow.cases.due(now, limit)]


def test_whatever_happens_to_a_case_it_is_due_at_that_time(store, opened, make, bring):
    assert due(store, opened.events[0].at - timedelta(seconds=1)) == []
    assert due(store, opened.events[0].at) == [opened.ref]
    case = bring(opened, Kind.CLOSED)
    for kind in (None, Kind.CONFIRMATION_RECEIVED):  # a late word on a closed case, too
        case = append(store, case, make.event(case, kind)) if kind else case
        assert row_of(store).due_at == case.events[-1].at
        with store.uow() as uow:
            assert uow.cases.set_due(case.ref, case.version, None)
            uow.commit()
        assert due(store, make.start + 900 * LATER) == []


def test_what_is_due_longest_comes_first_and_not_more_than_asked_for(store, make):
    with store.uow() as uow:
        cases = [uow.cases.create(make.opened(f"job-{n}")) for n in range(4)]
        for case, hours in zip(cases, (3, 1, 2, 30), strict=True):
            assert uow.cases.set_due(case.ref, case.version, make.start + timedelta(hours=hours))
        uow.commit()
    assert due(store, make.start + timedelta(hours=9)) == ["JF-000002", "JF-000003", "JF-000001"]
    assert due(store, make.start + timedelta(hours=9), limit=2) == ["JF-000002", "JF-000003"]


def test_when_a_case_is_due_is_not_put_off_after_something_happened(store, waiting, make):
    after = append(store, waiting, make.event(waiting, Kind.CONFIRMATION_REFUSED))
    with store.uow() as uow:
        assert not uow.cases.set_due(waiting.ref, waiting.version, make.start + LATER)
        assert not uow.cases.set_due("JF-000099", 1, None)
        uow.commit()
    assert row_of(store).due_at == after.events[-1].at


def test_a_rest_says_how_often_a_run_died_until_when_and_why(store, opened, make):
    with store.uow() as uow:
        uow.cases.set_rest(opened.ref, 3, make.start + LATER, "3 runs died")
        uow.commit()
    row = row_of(store)
    assert (row.crashes, row.rest_until, row.rest_why) == (3, make.start + LATER, "3 runs died")
    with store.uow() as uow:
        assert [row.ref for row in uow.cases.in_need(9)] == [opened.ref]
        uow.cases.set_rest(opened.ref, 0, None, "")
        assert uow.cases.in_need(9) == []
        with pytest.raises(UnknownCase):
            uow.cases.set_rest("JF-000099", 0, None, "")


# -- other lists -------------------------------------------------------------------------------------------------------


def test_what_closed_lately_is_watched_in_the_order_of_closing(store, make, bring):
    with store.uow() as uow:
        first, second = (uow.cases.create(make.opened(f"job-{n}")) for n in (1, 2))
        uow.commit()
    closed = [bring(second, Kind.CLOSED), bring(first, Kind.CLOSED)]
    earlier, later = (case.closed.at for case in closed)
    with store.reading() as uow:
        assert [row.ref for row in uow.cases.watched(later)] == [first.ref, second.ref][: 2 - (earlier < later)]
        assert uow.cases.watched(later + LATER) == []
    append(store, closed[0], make.event(closed[0], Kind.REOPENED))
    with store.reading() as uow:
        assert [row.ref for row in uow.cases.watched(make.start)] == [first.ref]


def test_open_cases_are_gone_through_bit_by_bit(store, make, bring):
    with store.uow() as uow:
        cases = [uow.cases.create(make.opened(f"job-{n}")) for n in range(5)]
        uow.cases.attach_run(cases[0].ref, "run-a", 1)
        uow.commit()
    bring(cases[2], Kind.CLOSED)
    with store.reading() as uow:
        slices = [[row.id for row in uow.cases.slice(after, 2)] for after in (0, 2, 5)]
        assert slices == [[1, 2], [4, 5], []]
        assert [row.id for row in uow.cases.missing_runs(2)] == [2, 4]


def test_platforms_are_those_with_open_cases(store, make, bring):
    with store.uow() as uow:
        cases = [uow.cases.create(make.opened(platform=name)) for name in ("b", "a", "c")]
        uow.commit()
    bring(cases[2], Kind.CLOSED)
    with store.reading() as uow:
        assert uow.cases.platforms() == ["a", "b"]


def test_a_storm_is_counted_by_place_without_those_that_joined_an_incident(store, make):
    with store.uow() as uow:
        for job, cause in (("1", "token"), ("2", "token"), ("3", "feed"), ("4", "token")):
            case = uow.cases.create(make.opened(job, cause=cause))
            if job == "4":
                uow.cases.append(case, make.event(case, Kind.INCIDENT_JOINED))
        assert uow.cases.gathering(make.start) == [("shop", "Market", "feed", 1), ("shop", "Market", "token", 2)]
        assert uow.cases.gathering(make.start, "other") == []
        assert uow.cases.gathering(make.start + LATER) == []
        assert [row.job for row in uow.cases.of_incident("IN-000001")] == ["4"]


# -- how it is read ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(stores, make):
    """3,000 waiting cases, 30 of them due; the database knows how many rows it has."""
    store = Store(url := stores.new())
    with store.uow() as uow:
        case = uow.cases.create(make.opened())
        case = uow.cases.append(case, *make.to(case, Kind.TICKET_OPENED)[1])
        uow.cases.append(case, make.event(case, Kind.QUESTION_ASKED))
        uow.cases.attach_run(case.ref, "3f0c2b1e-5d1f-4f3a-9c1e-7d52a0f00aaa", 1)
        uow.commit()
    with store._connect(writes=True) as connection, connection.begin():
        multiply(connection, 2999)
        make_due(connection, 3000, 30)
        if stores.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")  # which its autovacuum does after a while
    yield store
    store.close()
    stores.drop(url)


DAY = datetime.fromisoformat("2026-11-22T06:00:00+00:00")
READS = {
    "due": lambda uow: uow.cases.due(DAY, 100),
    "watched": lambda uow: uow.cases.watched(DAY - LATER),
    "without a run": lambda uow: uow.cases.missing_runs(20),
    "a slice": lambda uow: uow.cases.slice(1500, 20),
    "platforms": lambda uow: uow.cases.platforms(),
    "a storm": lambda uow: uow.cases.gathering(DAY),
    "in need": lambda uow: uow.cases.in_need(20),
    "of an incident": lambda uow: uow.cases.of_incident("IN-000001"),
    "alike": lambda uow: uow.cases.alike("shop", "Market", "another"),
}


@pytest.mark.parametrize("name", READS)
def test_no_query_of_a_keeper_goes_through_all_cases_or_touches_events(many, name):
    def reads(store):
        with store.reading() as uow:
            READS[name](uow)

    found = plans(many, reads)
    assert found
    assert [plan for plan in found if scans_a_table(plan) or "events" in plan] == []


def test_the_due_ones_are_one_read_of_one_index(many):
    def reads(store):
        with store.reading() as uow:
            rows = uow.cases.due(DAY, 1000)
            assert len(rows) == 30
            assert all(one.due_at <= other.due_at for one, other in pairwise(rows))

    assert [plan for plan in plans(many, reads) if "ix_cases_due_at" in plan] == plans(many, reads)


def test_a_plan_that_scans_would_be_seen(many):
    """Else the tests above would prove nothing."""

    def scans(store):
        with store.reading() as uow:
            uow._connection.exec_driver_sql("SELECT * FROM cases WHERE job_name = 'x'")
            uow._connection.exec_driver_sql("SELECT * FROM events WHERE actor = 'x'")

    assert [scans_a_table(plan) for plan in plans(many, scans)] == [True, True]


# -- how it is kept ----------------------------------------------------------------------------------------------------


@settings(max_examples=examples(20, full=500), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.datetimes(timezones=st.just(UTC)), other=st.datetimes(timezones=st.just(UTC)))
def test_times_come_back_to_the_microsecond_and_keep_their_order(many, at, other):
    with many.uow() as uow:
        for name, moment in (("one", at), ("other", other)):
            uow.cursors.set(name, "", moment)
        assert [uow.cursors.get(name)[1] for name in ("one", "other")] == [at, other]
        assert uow.cases.set_due("JF-000001", 5, at)
        found = {row.ref for row in uow.cases.due(other, 5000)}
        assert ("JF-000001" in found) == (at <= other)


@pytest.mark.parametrize(
    "digest", ["0" * 64, "a1" * 32, "A1" * 32, "f" * 63, "no digest", "ü" * 64, "0" * 63 + "\u0661"]
)
def test_a_digest_comes_back_as_it_was_and_is_found_by_it(store, opened, digest):
    with store.uow() as uow:
        uow.evidence.add(opened.ref, digest, "file.txt", "text/plain", 3, opened.events[0].at)
        uow.evidence.add(opened.ref, digest, "again.txt", "text/plain", 3, opened.events[0].at)
        assert [(row.digest, row.name) for row in uow.evidence.of(opened.ref)] == [(digest, "file.txt")]
        assert uow.evidence.find(digest).ref == opened.ref


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
def test_on_sqlite_times_and_digests_take_the_room_of_numbers_and_bytes(raw):
    found = raw.execute("SELECT typeof(opened_at), typeof(due_at), typeof(head) FROM cases").fetchone()
    assert found == ("integer", "integer", "blob")
    assert raw.execute("SELECT typeof(at), typeof(digest), length(digest) FROM events").fetchone() == (
        "integer", "blob", 32,
    )  # fmt: skip
    assert '"job":"job-1","summary":"It fails."' in raw.execute("SELECT data FROM events").fetchone()[0]


@pytest.mark.parametrize(
    "value", [{"a": ["ü ✓", None, 1.5, True]}, {"half a pair": "\ud800"}, [], "text", float("inf")]
)
def test_json_is_written_without_spaces_and_reads_back(value):
    text = compact_json(value)
    assert json.loads(text) == value
    text.encode()


def test_a_question_whose_form_is_no_text_is_named_by_what_it_is(store, opened, make):
    asked = Event(Kind.QUESTION_ASKED, make.start, "caseproof", {"number": 1, "form": {"a": 1}, "flow_run": "f"})
    append(store, opened, asked)
    assert row_of(store).asked_form == "{'a': 1}"
