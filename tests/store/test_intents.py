"""Intents: one performs the effect, a dead one's is taken over after its time, by a moved clock."""

import threading
from datetime import timedelta, timezone

import pytest

from caseproof.domain.errors import BadInput
from caseproof.store import ConcurrentChange, UnknownCase

KEY = "JF-000001:stop:1"
PLAN = {"job": "job-1", "Zürich": ["ß", 1]}


@pytest.fixture
def claim(store, opened, make):
    """Claims the key in a unit of its own, some minutes after the start."""

    def one(owner, minute=0, plan=PLAN, seconds=300.0):
        with store.uow() as uow:
            now = make.start + timedelta(minutes=minute)
            made = uow.intents.claim(KEY, opened.ref, "stop", owner=owner, now=now, seconds=seconds, plan=plan)
            uow.commit()
        return made

    return one


@pytest.fixture
def finish(store, make):
    def one(owner, result):
        with store.uow() as uow:
            uow.intents.finish(KEY, owner=owner, result=result, now=make.start)
            uow.commit()

    return one


def test_who_writes_the_intent_performs_the_effect(claim, make):
    first = claim("a")
    assert (first.standing, first.plan, first.result, first.ours) == ("new", PLAN, None, True)
    assert first.expires_at == make.start + timedelta(minutes=5)


def test_another_waits_until_the_time_is_up_and_then_takes_over_with_the_original_plan(claim, make):
    claim("a")
    busy = claim("b", minute=4, plan={"other": 1})
    assert (busy.standing, busy.ours, busy.expires_at) == ("busy", False, make.start + timedelta(minutes=5))
    over = claim("b", minute=5, plan={"other": 1})
    assert (over.standing, over.plan, over.ours) == ("taken_over", PLAN, True)
    assert over.expires_at == make.start + timedelta(minutes=10)
    assert claim("a", minute=6).standing == "busy"


def test_a_clock_that_was_set_back_makes_nobody_wait_longer_than_the_time_of_a_claim(claim, make):
    claim("dead", minute=120)
    busy = claim("b")
    assert (busy.standing, busy.expires_at) == ("busy", make.start + timedelta(minutes=5))
    assert claim("b", minute=4).standing == "busy"
    assert claim("b", minute=5).standing == "taken_over"


def test_the_same_owner_claims_again_and_has_more_time(claim):
    claim("a")
    assert claim("a", minute=4, plan={}).standing == "mine"
    assert claim("b", minute=8).standing == "busy"
    assert claim("a", minute=60).standing == "mine"


def test_a_finished_intent_gives_its_result_to_everybody(claim, finish):
    claim("a")
    finish("a", {"status": "gestoppt ✓"})
    finish("a", {"status": "again"})
    for owner in ("a", "b"):
        done = claim(owner, minute=600)
        assert (done.standing, done.result, done.plan) == ("done", {"status": "gestoppt ✓"}, PLAN)


@pytest.mark.parametrize("more", [{}, {"when": {"ü": [1, None]}}])
def test_a_plan_that_its_result_repeats_is_kept_once_and_still_read(claim, finish, more):
    plan = {"was_active": True} | more
    claim("a", plan=plan)
    finish("a", {"read_back": "stopped"} | plan)
    assert dict(claim("b", minute=600).plan).items() >= plan.items()


def test_a_result_that_only_looks_like_the_plan_leaves_it_as_it_was(claim, finish):
    claim("a", plan={"was_active": True})
    finish("a", {"was_active": 1})
    assert claim("b", minute=600).plan == {"was_active": True}
    assert claim("b", minute=600).plan["was_active"] is True


def test_what_is_known_of_an_intent_is_its_plan_until_there_is_a_result(store, claim, finish):
    def known():
        with store.reading() as uow:
            return uow.intents.known(KEY)

    assert known() is None
    claim("a")
    assert known() == PLAN
    finish("a", {**PLAN, "ok": True})
    assert known() == {**PLAN, "ok": True}


def test_who_was_taken_over_can_neither_finish_nor_release(store, claim, finish):
    claim("a")
    claim("b", minute=5)
    with pytest.raises(ConcurrentChange):
        finish("a", {})
    with store.uow() as uow, pytest.raises(ConcurrentChange):
        uow.intents.release(KEY, owner="a")
    finish("b", {"by": "b"})
    with pytest.raises(ConcurrentChange):
        finish("a", {})
    assert claim("c").result == {"by": "b"}


def test_who_comes_late_but_was_not_taken_over_may_finish(claim, finish):
    claim("a", seconds=1)
    finish("a", {"late": True})
    assert claim("b", minute=600).result == {"late": True}


def test_a_withdrawn_intent_is_new_again_and_a_done_one_is_not_withdrawn(store, claim, finish):
    claim("a")
    with store.uow() as uow:
        uow.intents.release(KEY, owner="a")
        uow.commit()
    assert claim("b", plan={"new": 1}).plan == {"new": 1}
    finish("b", {})
    with store.uow() as uow, pytest.raises(ConcurrentChange):
        uow.intents.release(KEY, owner="b")
    assert claim("a").standing == "done"


def test_an_intent_is_rolled_back_with_its_unit(store, opened, make, claim):
    with store.uow() as uow:
        uow.intents.claim(KEY, opened.ref, "stop", owner="a", now=make.start, seconds=9, plan={})
    assert claim("b").standing == "new"


def test_of_many_threads_one_gets_the_intent(claim):
    meet, standings = threading.Barrier(4, timeout=60), []

    def one(owner):
        meet.wait()
        standings.append(claim(owner).standing)

    threads = [threading.Thread(target=one, args=(f"owner-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(standings) == ["busy", "busy", "busy", "new"]


def test_of_many_threads_one_takes_a_dead_ones_intent_over(claim):
    claim("dead")
    meet, standings = threading.Barrier(4, timeout=60), []

    def one(owner):
        meet.wait()
        standings.append(claim(owner, minute=10).standing)

    threads = [threading.Thread(target=one, args=(f"owner-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(standings) == ["busy", "busy", "busy", "taken_over"]


def test_times_from_any_zone_are_compared_as_moments(store, opened, make, claim):
    claim("a")
    tokyo = timezone(timedelta(hours=9))
    with store.uow() as uow:
        now = (make.start + timedelta(minutes=4)).astimezone(tokyo)
        again = uow.intents.claim(KEY, opened.ref, "stop", owner="b", now=now, seconds=9, plan={})
        assert again.standing == "busy"


def test_unusable_claims_are_refused(store, opened, make, claim):
    claim("a")
    usual = {"owner": "a", "now": make.start, "seconds": 9, "plan": {}}
    with store.uow() as uow:
        with pytest.raises(UnknownCase):
            uow.intents.claim("k", "JF-000009", "stop", **usual)
        with pytest.raises(BadInput, match="another case or step"):
            uow.intents.claim(KEY, opened.ref, "notice", **usual)
        with pytest.raises(BadInput, match="JSON"):
            uow.intents.claim("k", opened.ref, "stop", **usual | {"plan": {"x": object()}})
    usual["now"] = make.start.replace(tzinfo=None)
    with pytest.raises(BadInput, match="time zone"), store.uow() as uow:
        uow.intents.claim("k", opened.ref, "stop", **usual)
