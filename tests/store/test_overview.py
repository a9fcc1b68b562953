"""The overview in the database: its groups are those of the worklist, and its times are those of the report."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from benchmarks.store import plans
from caseproof.checks.report import Period
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.worklist import NOBODY, REOPENED, Age, Filters, Group, WorkQuery
from caseproof.procedure.views.reporting import read_figures
from caseproof.store.guards import guards_off, guards_on
from caseproof.store.tables import cases, events
from caseproof.store.worklist_statements import Moment

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
SINCE = NOW - timedelta(days=30)
TARGETS = {"contain": timedelta(hours=9), "notify": timedelta(hours=30), "confirm": timedelta(days=2),
           "close": timedelta(days=5)}  # fmt: skip
STEPS = (Kind.STOPPED, Kind.CONFIRMATION_RECEIVED, Kind.NOTICE_SENT, Kind.TEAM_TOLD, Kind.CONFIRMATION_RECEIVED)


def history(chance):
    """The events of a case, whatever may come: its kinds, and when; the last opening may be over."""
    at, told = NOW - timedelta(days=chance.choice((0, 1, 5, 20, 31, 60)), minutes=chance.randrange(900)), []
    for opening in range(chance.choice((1, 1, 1, 2, 3))):
        if opening:
            told.append((Kind.CLOSED, at := at + timedelta(minutes=chance.randrange(2000))))
            told += [(Kind.CONFIRMATION_RECEIVED, at)] * chance.choice((0, 1))
            at += timedelta(minutes=chance.randrange(3000))
        told.append((Kind.REOPENED if opening else Kind.OPENED, at))
        for kind in (Kind.CANNOT_STOP, *STEPS[1:]) if chance.random() < 0.2 else STEPS:
            for _ in range(chance.choice((0, 1, 1, 2))):
                told.append((kind, at := at + timedelta(minutes=chance.randrange(2000), microseconds=17)))
    if chance.random() < 0.5:
        told.append((Kind.CLOSED, at + timedelta(minutes=chance.randrange(2000))))
    return [(kind, at) for kind, at in told if at < NOW] or [(Kind.OPENED, NOW - timedelta(hours=1))]


@pytest.fixture
def some(store, make):
    """A store with cases of any age, state, cause, retailer and holder, and with any history."""
    chance = random.Random(11)
    with store.uow() as uow:
        made = uow.bulk.open([make.opened(f"job-{n}") for n in range(90)])
        guards_off(uow._connection)
        for number, case in enumerate(made, 1):
            told, pick = history(chance), chance.choice
            ends = [(kind, at) for kind, at in told if kind in (Kind.OPENED, Kind.REOPENED, Kind.CLOSED)]
            is_closed = ends[-1][0] is Kind.CLOSED
            row = {
                "opened_at": told[0][1], "opening": sum(kind in (Kind.OPENED, Kind.REOPENED) for kind, _ in told),
                "closed": is_closed, "closed_at": ends[-1][1] if is_closed else None,
                "proof": "0" * 64 if is_closed else None,
                "state": "closed" if is_closed else pick(("opened", "waiting", "verified")),
                "cause": pick(("feed", "expired_token")), "retailer": pick(("Shop A", "Shop B", "shop a", "")),
                "holder": pick(("", "operator", "team lead")),
            }  # fmt: skip
            uow._connection.execute(update(cases).where(cases.c.ref == case.ref).values(**row))
            uow._connection.execute(update(events).where(events.c.case_id == number).values(at=told[0][1]))
            rest = [
                {"case_id": number, "seq": seq, "kind": str(kind), "at": at, "actor": "x", "data": {},
                 "digest": f"{number:060d}{seq:04d}"}
                for seq, (kind, at) in enumerate(told[1:], 2)
            ]  # fmt: skip
            if rest:
                uow._connection.execute(insert(events), rest)
        guards_on(uow._connection)
        uow.commit()
    return store


def test_how_long_things_took_is_what_the_report_says(some):
    until = NOW + timedelta(microseconds=1)
    report = read_figures(some, Period(SINCE, until)).times
    with some.reading() as uow:
        took = uow.overview.took(SINCE, until, TARGETS)
    for name, row in report.iterrows():
        found = took[name]
        assert (found.cases, found.waiting) == (row["cases"], row["waiting"]), name
        assert min(found.cases, found.waiting) > 4, "the example tells nothing"
        for one, other in ((found.median, "median"), (found.p90, "p90"), (found.longest, "longest")):
            assert abs(one - row[other]) < timedelta(milliseconds=1), (name, other)
        assert 0 < found.missed < found.cases, name
        assert 0 < found.late <= found.waiting, name
    with some.reading() as uow:
        strict = uow.overview.took(SINCE, until, dict.fromkeys(TARGETS, timedelta(0)))
        lenient = uow.overview.took(SINCE, until, dict.fromkeys(TARGETS, timedelta(days=9999)))
        nothing = uow.overview.took(until, until, TARGETS)
    assert all(one.missed + one.late <= one.cases + one.waiting for one in strict.values())
    assert all(one.missed == one.late == 0 for one in lenient.values())
    assert all((one.cases, one.median, one.p90, one.missed) == (0, None, None, 0) for one in nothing.values())


def test_each_group_is_as_large_as_the_list_of_the_worklist_that_it_leads_to(some):
    at = Moment(NOW, "", NOW - timedelta(days=7))
    with some.reading() as uow:

        def listed(**filters):
            query, found = WorkQuery(filters=Filters(**filters)), 0
            while rows := len(uow.worklist.page(query, Group.ALL, at)):
                query, found = query.but(page=query.page + 1), found + rows
            return found

        states, holders = uow.overview.by_state(NOW), uow.overview.by_holder()
        assert sum(states.values()) == sum(holders.values()) == listed()
        assert {age for _, age in states} == {*Age}
        for (state, age), count in states.items():
            assert count == listed(state=state, age=age)
        for (holder, state), count in holders.items():
            assert count == listed(state=state, person=holder.title() or NOBODY)
        for column in ("cause", "retailer"):
            found = uow.overview.by(column, NOW)
            assert [one.cases for one in found] == sorted((one.cases for one in found), reverse=True)
            assert sum(one.cases for one in found) == listed()
            for one in found:
                if one.name:
                    same = {column: one.name}
                    assert (one.cases, one.reopened, one.old) == (
                        listed(**same), listed(**same, reopened=REOPENED), listed(**same, age=Age.OLDER),
                    )  # fmt: skip
        assert sum(one.reopened for one in uow.overview.by("cause", NOW)) > 3
        again = [one for one in uow.history.events(SINCE, [Kind.REOPENED]) if one[2] >= SINCE]
        assert uow.overview.reopened(SINCE) == len(again) > 3


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)  # PostgreSQL plans by how much a table holds
def test_what_was_closed_long_ago_costs_the_overview_nothing(some):
    with some.reading() as uow:
        found = plans(some, lambda _: uow.overview.took(SINCE, NOW, TARGETS))
    assert found
    assert not any("SCAN events" in plan for plan in found)
