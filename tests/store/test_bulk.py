"""Many cases in one transaction: the same rows as one by one, the same refusals, in few statements."""

from datetime import timedelta

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import select

from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.job_failure.kinds import Kind
from caseproof.store import AlreadyOpen, EvidenceRow, Store, StoreError, UnknownCase
from caseproof.store.bulk import Wanted
from caseproof.store.tables import cases, events

DIGEST = "d" * 64


def dump(store):
    """Every row of the cases and their events."""
    with store.reading() as uow:
        tables = (select(cases).order_by(cases.c.id), select(events).order_by(events.c.case_id, events.c.seq))
        return [[dict(row) for row in uow.bulk._connection.execute(query).mappings()] for query in tables]


def open_many(store, make, count, **more):
    with store.uow() as uow:
        made = uow.bulk.open([make.opened(job=f"job-{number}", **more) for number in range(count)])
        uow.commit()
    return made


def stop(make, jobs, scope="job"):
    """Decides that a case stopped these jobs."""
    entries = [{"job": job, "was_active": active, "active": False, "waiting": 0} for job, active in jobs.items()]
    return lambda case: [make.event(case, Kind.STOPPED, jobs=entries, scope=scope, not_stopped=[])]


def change(store, refs, decide):
    with store.uow() as uow:
        after = uow.bulk.change(refs, decide)
        uow.commit()
    return after


# -- cases ------------------------------------------------------------------------------------------------------------


def test_many_at_once_leave_the_same_rows_as_one_by_one(store, stores, make):
    made = open_many(store, make, 3)
    after = change(store, [case.ref for case in made], stop(make, {"job-0": True}))
    url = stores.new()
    single = Store(url)
    for number in range(3):
        with single.uow() as uow:
            case = uow.cases.create(make.opened(job=f"job-{number}"))
            uow.cases.append(case, *stop(make, {"job-0": True})(case))
            uow.commit()
    assert dump(store) == dump(single)
    single.close()
    stores.drop(url)
    with store.reading() as uow:
        assert uow.cases.damaged() == []
        assert after == {case.ref: uow.cases.get(case.ref) for case in made}


def test_a_job_with_an_open_case_keeps_that_and_the_others_get_theirs(store, make):
    first = open_many(store, make, 2)
    with store.uow() as uow:
        again = uow.bulk.open([make.opened(job=job) for job in ("job-1", "job-2", "job-2", "job-3")])
        uow.commit()
    assert [type(one) is AlreadyOpen for one in again] == [True, False, True, False]
    assert [one.ref for one in again] == [first[1].ref, "JF-000003", "JF-000003", "JF-000004"]


def test_more_cases_than_a_question_can_name_take_few_statements(store, make):
    open_many(store, make, 1)
    statements = []
    with store.uow() as uow:
        hooks.listen(uow.bulk._connection, "before_cursor_execute", lambda *told: statements.append(told[2]))
        made = uow.bulk.open([make.opened(job=f"other-{number}") for number in range(900)])
        uow.commit()
    assert len(statements) < 12
    with store.reading() as uow:
        found = uow.bulk.cases(case.ref for case in made)
        assert len(uow.bulk.open_rows("shop", [f"other-{number}" for number in range(900)])) == 900
    assert sorted(found.values(), key=lambda case: case.ref) == made


def test_what_is_not_committed_never_was(store, make):
    with store.uow() as uow:
        uow.bulk.open([make.opened()])
    with store.reading() as uow:
        assert uow.cases.rows() == []


def test_for_none_nothing_is_written(store, make):
    before = dump(store)
    with store.uow() as uow:
        assert uow.bulk.open([]) == []
        assert uow.bulk.change([], lambda _: []) == {}
        assert uow.bulk.claim([], owner="a", now=make.start, seconds=1) == {}
        uow.bulk.finish({}, owner="a", now=make.start)
        uow.bulk.release([], owner="a")
        uow.bulk.list_evidence([])
        uow.commit()
    assert dump(store) == before


def test_where_nothing_happened_nothing_is_written(store, make):
    [case] = open_many(store, make, 1)
    before = dump(store)
    assert change(store, [case.ref], lambda _: []) == {case.ref: case}
    assert dump(store) == before


def test_what_the_procedure_does_not_allow_is_refused_for_all(store, make):
    made = open_many(store, make, 2)
    before = dump(store)
    with pytest.raises(NotAllowed), store.uow() as uow:
        uow.bulk.change([case.ref for case in made], lambda case: [make.event(case, Kind.RUN_VERIFIED)])
    assert dump(store) == before


@pytest.mark.parametrize("kind", [Kind.OPENED, Kind.PROOF_MADE, Kind.CLOSED])
def test_a_proof_and_a_closing_are_never_made_for_many(store, make, kind):
    [case] = open_many(store, make, 1)
    with pytest.raises(BadInput, match="alone"), store.uow() as uow:
        uow.bulk.change([case.ref], lambda case: [make.event(case, kind)])


def test_an_unknown_case_is_named(store, make):
    with pytest.raises(UnknownCase, match="JF-000009"), store.uow() as uow:
        uow.bulk.change(["JF-000009"], lambda _: [])
    with pytest.raises(UnknownCase), store.uow() as uow:
        uow.bulk.claim([Wanted("k", "JF-000009", "stop", {})], owner="a", now=make.start, seconds=1)
    with pytest.raises(UnknownCase), store.uow() as uow:
        uow.bulk.list_evidence([EvidenceRow("JF-000009", DIGEST, "a", "b", 1, make.start)])


@pytest.mark.parametrize("stores", ["sqlite"], indirect=True)
def test_a_case_that_was_edited_past_us_is_not_added_to(store, raw, make):
    [case] = open_many(store, make, 1)
    raw.execute("DROP TRIGGER events_unchanged")
    raw.execute("UPDATE events SET actor = 'somebody else'")
    with pytest.raises(StoreError, match="edited past Caseproof"), store.uow() as uow:
        uow.bulk.change([case.ref], stop(make, {"job-0": True}))


def test_a_reopening_beside_an_open_case_of_the_job_is_refused(store, make, opened, bring):
    closed = bring(opened, Kind.CLOSED)
    with store.uow() as uow:
        other = uow.cases.create(make.opened())
        uow.commit()
    with pytest.raises(AlreadyOpen, match=other.ref), store.uow() as uow:
        uow.bulk.change([closed.ref], lambda case: [make.event(case, Kind.REOPENED)])


# -- who holds which job ----------------------------------------------------------------------------------------------


def test_who_stopped_a_job_along_and_who_its_own(store, make):
    wide, narrow, closed_scope = open_many(store, make, 3)
    change(store, [wide.ref], stop(make, {"job-0": True, "beside": True, "still": False}, scope="connection"))
    change(store, [narrow.ref], stop(make, {"job-1": True}))
    with store.reading() as uow:
        assert uow.bulk.held_along("shop") == {"beside": {wide.ref}}
        own = uow.bulk.held_as_own("shop", ["job-0", "job-1", "job-2", "beside"])
        assert uow.bulk.held_along("elsewhere") == {}
    assert own == {"job-0": {wide.ref}, "job-1": {narrow.ref}}
    assert closed_scope.contained is None


# -- intents ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def claim(store, make):
    """Claims intents in a unit of its own, some minutes after the start."""

    def some(owner, wanted, minute=0, dead=""):
        with store.uow() as uow:
            now = make.start + timedelta(minutes=minute)
            found = uow.bulk.claim(wanted, owner=owner, now=now, seconds=300, dead=dead)
            uow.commit()
        return found

    return some


def test_many_intents_are_claimed_as_one_is(store, make, claim):
    made = open_many(store, make, 3)
    wanted = [Wanted(f"{case.ref}/stop", case.ref, "stop", {"was_active": True}) for case in made]
    first = claim("a", wanted)
    assert [one.standing for one in first.values()] == ["new"] * 3
    with store.uow() as uow:
        uow.bulk.finish({wanted[0].key: {"was_active": True, "active": False}}, owner="a", now=make.start)
        uow.commit()
    later = claim("b", wanted, minute=4)
    assert [one.standing for one in later.values()] == ["done", "busy", "busy"]
    assert later[wanted[0].key].plan["was_active"] is True
    assert later[wanted[0].key].result == {"was_active": True, "active": False}
    assert [one.standing for one in claim("a", wanted[1:], minute=4).values()] == ["mine", "mine"]
    over = claim("b", [Wanted(one.key, one.ref, "stop", {"was_active": False}) for one in wanted[1:]], minute=10)
    assert [(one.standing, one.plan) for one in over.values()] == [("taken_over", {"was_active": True})] * 2
    with store.uow() as uow:  # and the repository of one intent sees the same
        one = uow.intents.claim(wanted[1].key, made[1].ref, "stop", owner="b", now=make.start, seconds=1, plan={})
    assert one.standing == "mine"


def test_what_a_dead_owner_holds_is_taken_over_at_once_and_nobody_else_s(store, make, claim):
    made = open_many(store, make, 2)
    wanted = [Wanted(case.ref, case.ref, "stop", {}) for case in made]
    claim("check home/jobs 1", wanted[:1])
    claim("a run", wanted[1:])
    found = claim("check home/jobs 2", wanted, dead="check home/jobs ")
    assert [found[one.key].standing for one in wanted] == ["taken_over", "busy"]


def test_intents_that_are_claimed_together_are_claimed_all_or_none(store, make, claim):
    one, two = open_many(store, make, 2)
    wanted = [Wanted(f"{case.ref}/1/stop/x", case.ref, "stop", {}) for case in (one, two)]
    claim("a", wanted[:1])

    def together(minute):
        with store.uow() as uow:
            now = make.start + timedelta(minutes=minute)
            found = uow.bulk.claim(wanted, owner="b", now=now, seconds=300, together=True)
            uow.commit()
        return sorted(one.standing for one in found.values())

    assert together(1) == ["busy", "new"]
    with store.reading() as uow:
        assert uow.intents.known(wanted[1].key) is None
    assert together(5) == ["new", "taken_over"]
    assert {one.standing for one in claim("c", wanted, minute=6).values()} == {"busy"}


def test_only_its_owner_renews_an_intent_and_one_that_is_done_stays_as_it_is(store, make, claim):
    [case] = open_many(store, make, 1)
    mine, done, other = [Wanted(name, case.ref, "stop", {}) for name in ("mine", "done", "other")]
    claim("a", [mine, done])
    claim("b", [other])
    with store.uow() as uow:
        uow.bulk.finish({"done": {"ok": True}}, owner="a", now=make.start)
        keys = ["mine", "done", "other", "nobody's"]
        uow.bulk.renew(keys, owner="a", now=make.start + timedelta(minutes=4), seconds=300)
        uow.commit()
    found = claim("c", [mine, done, other], minute=8)
    assert [found[key].standing for key in ("mine", "done", "other")] == ["busy", "done", "taken_over"]
    assert found["mine"].expires_at == make.start + timedelta(minutes=9)
    assert claim("c", [mine], minute=9)["mine"].standing == "taken_over"


def test_what_was_claimed_later_than_now_is_waited_for_no_longer_than_its_time(store, make, claim):
    """The clock was set back by two hours."""
    [case] = open_many(store, make, 1)
    wanted = [Wanted("key", case.ref, "stop", {})]
    claim("dead", wanted, minute=120)
    busy = claim("b", wanted)["key"]
    assert (busy.standing, busy.expires_at) == ("busy", make.start + timedelta(minutes=5))
    assert claim("b", wanted, minute=4)["key"].expires_at == busy.expires_at
    assert claim("b", wanted, minute=5)["key"].standing == "taken_over"


def test_an_intent_of_another_case_or_step_is_refused(store, make, claim):
    one, two = open_many(store, make, 2)
    claim("a", [Wanted("key", one.ref, "stop", {})])
    for other in (Wanted("key", two.ref, "stop", {}), Wanted("key", one.ref, "run", {})):
        with pytest.raises(BadInput, match="another case or step"):
            claim("a", [other])


def test_only_its_owner_finishes_or_withdraws_an_intent_and_a_result_stays(store, make, claim):
    made = open_many(store, make, 3)
    keys = [case.ref for case in made]
    claim("a", [Wanted(key, key, "stop", {}) for key in keys])

    def do(owner, result):
        with store.uow() as uow:
            uow.bulk.finish({keys[0]: result}, owner=owner, now=make.start)
            uow.bulk.release(keys[:2], owner=owner)
            uow.commit()

    do("b", {"by": "b"})
    assert {one.standing for one in claim("c", [Wanted(key, key, "stop", {}) for key in keys]).values()} == {"busy"}
    do("a", {"by": "a"})
    do("a", {"by": "a again"})
    after = claim("c", [Wanted(key, key, "stop", {}) for key in keys], minute=1)
    assert [after[key].standing for key in keys] == ["done", "new", "busy"]
    assert after[keys[0]].result == {"by": "a"}


# -- evidence ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_listed_twice_is_there_once_under_its_first_name(store, make):
    made = open_many(store, make, 2)
    files = [EvidenceRow(case.ref, DIGEST, "first.json", "application/json", 3, make.start) for case in made]
    with store.uow() as uow:
        uow.bulk.list_evidence(files)
        uow.bulk.list_evidence([EvidenceRow(made[0].ref, DIGEST, "again.json", "text/plain", 3, make.start)])
        uow.commit()
    with store.reading() as uow:
        assert [uow.evidence.of(case.ref) for case in made] == [[file] for file in files]
