"""The worklist in the database: each open case waits for whom the board says, and who has it is noted once."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import pytest
from sqlalchemy import select, text, update

from benchmarks.store import plans, scans_a_table
from caseproof.config.policy_check import KeeperPolicy
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.turn import Turn, turn_of
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import AGREEMENT, CAUSE, DECISION, REVIEW, SHARED_CAUSE, TRY_AGAIN, WORD
from caseproof.domain.worklist import NOBODY, SIZE, Filters, Group, Order, WorkQuery
from caseproof.procedure.keeper.schedule import CASEPROOF, RETAILER, TEAM, US
from caseproof.procedure.keeper.schedule import NOBODY as NOT_US
from caseproof.procedure.views.board import Returned, line
from caseproof.store import worklist as worklist_store
from caseproof.store.tables import cases
from caseproof.store.worklist import Did
from caseproof.store.worklist_statements import Moment

NOW = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
KEEPER = KeeperPolicy()
VIEWER, OTHER = "operator", "team lead"
GROUPS = {US: Group.TEAM, TEAM: Group.TEAM, RETAILER: Group.RETAILER, NOT_US: Group.TIME, CASEPROOF: Group.CASEPROOF}
EXCLUSIVE = (Group.MINE, Group.TEAM, Group.RETAILER, Group.TIME, Group.CASEPROOF)


def moment(viewer=VIEWER, **more):
    return Moment(NOW, viewer, NOW - timedelta(days=KEEPER.answer_within_days), **more)


def some_cases(store, make, count=120):
    """Open cases whose rows say anything that rows can say."""
    chance = random.Random(7)
    days = [NOW + timedelta(days=n, minutes=m) for m, n in enumerate((-20, -9, -7, -6, -1, 0, 1, 6))]
    with store.uow() as uow:
        made = uow.bulk.open([make.opened(f"job-{n}", retailer=f"Shop {n % 3}") for n in range(count)])
        for case in made:
            pick = chance.choice
            asked = pick(("", WORD, WORD, WORD, AGREEMENT, CAUSE, SHARED_CAUSE, DECISION, REVIEW, TRY_AGAIN, "else"))
            held, put_off = (
                pick(("", "", VIEWER, OTHER)),
                pick((None, None, None, NOW - timedelta(1), NOW + timedelta(1))),
            )
            row = {
                "asked_form": asked, "asked_at": pick(days) if asked else None, "updated_at": pick(days),
                "state": pick(("waiting", "waiting", "paused", "running", "verified")),
                "trouble_code": pick(("", "still_running", "other")) if asked == TRY_AGAIN else "",
                "trouble": "It fails.", "notice_at": pick((None, *days)), "told_neutrally": pick((False, False, True)),
                "paused_until": pick((None, date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 21))),
                "cause": pick(("feed", "feed", "our_platform")), "incident": pick(("", "", "", "IN-000001")),
            }  # fmt: skip
            rest = pick((None, None, None, None, NOW, NOW + timedelta(1)))
            turn, since = turn_of(row, rest)
            own = {
                "rest_until": rest, "rest_code": pick(("", "parked")), "turn": str(turn), "turn_since": since,
                "holder": held, "held_since": NOW if held else None,
                "snoozed_until": put_off, "snoozed_at": pick(days) if put_off else None,
            }  # fmt: skip
            uow._connection.execute(update(cases).where(cases.c.ref == case.ref).values(**row, **own))
        uow.commit()
    return [case.ref for case in made]


def every_page(uow, group, at, query=None):
    """All lines of a group, page by page."""
    query, found = query or WorkQuery(), []
    while rows := uow.worklist.page(query, group, at):
        found += rows
        query = query.but(page=query.page + 1)
    return found


def test_each_open_case_waits_for_exactly_whom_the_board_says(store, make):
    refs = some_cases(store, make)
    problems, cut_off = refs[3:6], ("Shop 1",)
    with store.reading() as uow:
        for at in (moment(), moment(OTHER), moment(""), moment(problems=problems, cut_off=cut_off)):
            found = {group: every_page(uow, group, at) for group in EXCLUSIVE}
            counts = uow.worklist.counts(WorkQuery(), at).of
            assert counts == {group: len(rows) for group, rows in found.items()} | {
                Group.ALL: len(refs), Group.OWED: 0,
            }  # fmt: skip
            assert sorted(row.case.ref for rows in found.values() for row in rows) == refs, "once each"
            for group, rows in found.items():
                assert [row.since for row in rows] == sorted(row.since for row in rows), "the oldest first"
                for row in rows:
                    assert expected(row, at) is group, row
            assert len(every_page(uow, Group.ALL, at)) == len(refs)


def expected(row, at):
    """The group of a case, as the board says who must act, and the row who has it."""
    mine = at.viewer and row.holder == at.viewer
    problem = "It cannot be read." if row.case.ref in at.problems else ""
    returned = Returned(("a@example.com",), True) if row.case.retailer in at.cut_off else None
    group = GROUPS[line(row.case, KEEPER, NOW, problem, returned).who]
    turn, _ = turn_of(asdict(row.case), row.case.rest_until)
    is_urgent = bool(problem) or (returned is not None and turn is Turn.RETAILER)
    if row.snoozed_until is not None and not is_urgent:
        return Group.TIME
    return Group.MINE if group is Group.TEAM and mine else group


def test_the_migration_gives_older_rows_the_turn_that_new_ones_get(store, make):
    some_cases(store, make)
    columns = select(cases.c.ref, cases.c.turn, cases.c.turn_since).order_by(cases.c.id)
    with store.uow() as uow:
        before = uow._connection.execute(columns).all()
        uow._connection.execute(update(cases).values(turn="", turn_since=None))
        uow._connection.execute(text(import_module("caseproof.store.migrations.versions.r0011_the_worklist")._TURN))
        assert uow._connection.execute(columns).all() == before


def test_a_row_says_whose_turn_it_is_after_each_event_and_each_rest(store, opened, bring, make):
    def turn():
        with store.reading() as uow:
            return uow._connection.execute(select(cases.c.turn, cases.c.turn_since)).one()

    def tell(kind, **more):
        with store.uow() as uow:  # as a bulk stop does, and as one case does it by turns
            now = uow.cases.get(opened.ref)
            if now.version % 2:
                uow.bulk.change([now.ref], lambda case: [make.event(case, kind, **more)])
            else:
                uow.cases.append(now, make.event(now, kind, **more))
            uow.commit()
        return store.case(opened.ref).events[-1].at

    assert turn() == ("caseproof", opened.events[0].at)
    told = bring(opened, Kind.NOTICE_SENT).notice.at
    for _ in range(2):
        tell(Kind.QUESTION_ASKED, form=WORD)
        assert turn() == ("retailer", told)
    tell(Kind.REMINDER_SENT)
    assert turn() == ("retailer", told)
    with store.uow() as uow:
        uow.cases.set_rest(opened.ref, 3, NOW, "3 runs died")
        uow.commit()
    assert turn().turn == "team"
    at = tell(Kind.REMINDER_SENT)
    assert turn() == ("team", at), "a rest goes on until its keeper ends it"
    with store.uow() as uow:
        uow.cases.set_rest(opened.ref, 0, None, "")
        uow.commit()
    assert turn() == ("retailer", told)
    for form in (DECISION, WORD):
        at = tell(Kind.QUESTION_ANSWERED)
        assert turn() == ("caseproof", at)
        at = tell(Kind.QUESTION_ASKED, form=form)
        assert turn() == (("team", at) if form == DECISION else ("retailer", told))
    tell(Kind.INCIDENT_JOINED)
    assert turn().turn == "team", "the fault is not theirs any more"


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        (Filters(retailer="Shop 1"), {1}), (Filters(words="SHOP 1"), {1}), (Filters(words="job-2"), {2}),
        (Filters(words="f-00000"), {0, 1, 2}), (Filters(words="%"), set()), (Filters(words="_"), set()),
        (Filters(words="\\"), set()), (Filters(platform="other"), set()), (Filters(state="opened"), {0, 1, 2}),
        (Filters(cause="token", marketplace="Market"), {0, 1, 2}), (Filters(person=VIEWER), {0}),
        (Filters(person=NOBODY), {1, 2}), (Filters(person="'; DROP TABLE cases; --"), set()),
    ],
)  # fmt: skip
def test_a_filter_chooses_those_that_fit_in_every_count_and_page(store, make, filters, chosen):
    with store.uow() as uow:
        uow.bulk.open([make.opened(f"job-{n}", retailer=f"Shop {n}") for n in range(3)])
        uow.worklist.give(["JF-000001"], VIEWER, did=Did.CLAIMED, actor=VIEWER, whom=VIEWER, at=NOW)
        query = WorkQuery(filters=filters)
        found = uow.worklist.page(query, Group.ALL, moment())
        assert {row.case.id - 1 for row in found} == chosen
        assert uow.worklist.counts(query, moment()).of[Group.ALL] == len(chosen)


def test_pages_show_every_case_once_in_each_order(store, make):
    count = SIZE * 2 + 5
    with store.uow() as uow:
        uow.bulk.open([make.opened(f"job-{n}", retailer=f"Shop {n % 7}") for n in range(count)])
        for order in Order:
            for group in (Group.ALL, Group.CASEPROOF):
                rows = every_page(uow, group, moment(), WorkQuery(order=order))
                assert len({row.case.ref for row in rows}) == len(rows) == count
        by_retailer = every_page(uow, Group.ALL, moment(), WorkQuery(order=Order.RETAILER))
    assert [row.case.retailer for row in by_retailer] == sorted(row.case.retailer for row in by_retailer)


def test_a_group_of_very_many_is_not_counted_to_its_end(store, make, monkeypatch):
    monkeypatch.setattr(worklist_store, "MOST_COUNTED", 5)
    with store.uow() as uow:
        uow.bulk.open([make.opened(f"job-{n}", retailer=f"Shop {n % 2}") for n in range(12)])
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.CASEPROOF] == 6
        assert uow.worklist.counts(WorkQuery(filters=Filters(retailer="Shop 9")), moment()).of[Group.CASEPROOF] == 0


def test_what_a_closed_case_owes_is_found_when_it_could_not_be_done(store, opened, bring):
    bring(opened, Kind.CLOSED)
    with store.uow() as uow:
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.OWED] == 0, "what is only to come is no trouble"
        uow.owed.failed(opened.ref, Debt.RECOVERY, "1", "mail_down", "The mail server is down.", NOW)
        uow.owed.failed("", Debt.TEAM_MAIL, "x", "mail_down", "The mail server is down.", NOW)
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.OWED] == 1
        assert uow.worklist.counts(WorkQuery(filters=Filters(cause="other")), moment()).of[Group.OWED] == 0
        assert [row.case.ref for row in uow.worklist.page(WorkQuery(), Group.OWED, moment())] == [opened.ref]
        assert sorted(row.ref for row in uow.owed.late_of(["", opened.ref, "JF-999999"])) == ["", opened.ref]


def test_a_closed_case_is_in_its_own_list_alone(store, opened, bring):
    bring(opened, Kind.CLOSED)
    with store.reading() as uow:
        assert [row.case.ref for row in uow.worklist.page(WorkQuery(), Group.CLOSED, moment())] == [opened.ref]
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.ALL] == 0
        assert all(uow.worklist.page(WorkQuery(), group, moment()) == [] for group in Group if group != Group.CLOSED)


def test_what_was_put_off_comes_back_when_something_new_is_asked(store, opened, bring, make):
    case = bring(opened, Kind.NOTICE_SENT)
    case = store.change(case.ref, lambda now: [make.event(now, Kind.QUESTION_ASKED, form=DECISION)])
    asked = case.events[-1].at
    with store.uow() as uow:
        uow.worklist.snooze([case.ref], NOW + timedelta(30), actor=VIEWER, at=asked + timedelta(seconds=1))
        uow.commit()
    with store.reading() as uow:
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.TIME] == 1
    store.change(case.ref, lambda now: [make.event(now, Kind.QUESTION_ASKED, form=REVIEW)])
    with store.reading() as uow:
        assert uow.worklist.counts(WorkQuery(), moment()).of[Group.TEAM] == 1
        (row,) = uow.worklist.page(WorkQuery(), Group.TEAM, moment())
        assert (row.snoozed_until, row.snoozed_by) == (None, "")


def test_a_trace_tells_who_did_what_and_stays(store, opened, raw):
    with store.uow() as uow:
        uow.worklist.give([opened.ref], VIEWER, did=Did.CLAIMED, actor=VIEWER, whom=VIEWER, at=NOW)
        uow.worklist.give([opened.ref], OTHER, did=Did.HANDED, actor=VIEWER, whom=OTHER, at=NOW)
        uow.worklist.snooze([opened.ref], NOW + timedelta(1), actor=OTHER, at=NOW)
        uow.worklist.snooze([], None, actor=OTHER, at=NOW)
        uow.commit()
    with store.reading() as uow:
        told = uow.worklist.handling(opened.ref)
        assert uow.cases.damaged() == []
    assert [(one.actor, one.what, one.whom) for one in told] == [
        (VIEWER, Did.CLAIMED, VIEWER), (VIEWER, Did.HANDED, OTHER), (OTHER, Did.SNOOZED, ""),
    ]  # fmt: skip
    for statement in ("DELETE FROM case_handling", "UPDATE case_handling SET actor = 'x'"):
        with pytest.raises(Exception, match="What was done with a case stays"):
            raw.execute(statement)


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
def test_no_page_reads_the_whole_table(store):
    for group in Group:
        found = plans(store, lambda of, group=group: _read(of, group))
        assert [plan for plan in found if scans_a_table(plan)] == [], group


def _read(store, group):
    with store.reading() as uow:
        uow.worklist.counts(WorkQuery(), moment())
        uow.worklist.page(WorkQuery(), group, moment())
