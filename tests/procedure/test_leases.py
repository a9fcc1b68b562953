"""An intent is its writer's while the writer lives, however slow it is, and free soon after it died; a moved clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from caseproof.procedure.core.idempotent_effect import idempotent_effect
from caseproof.procedure.core.lease import LEASE_SECONDS, RENEW_SECONDS, renewed
from caseproof.procedure.core.services import Services
from caseproof.store import Claim, ConcurrentChange, StoreDown
from caseproof.store.intents import Intents
from tests.support.fakes import Killed
from tests.support.world import World

KEY = "JF-000001/slow"
SECONDS = 60


class Time:
    """The time that the renewing thread waits for, by the test's own hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.asked: list[float] = []
        self._waits, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def wait(self, over: threading.Event, seconds: float) -> bool:
        self.asked.append(seconds)
        self._waits.release()
        while not over.is_set():
            if self._go.acquire(timeout=0.01):
                return False
        return True

    def passes(self, seconds: float = RENEW_SECONDS) -> None:
        """The clock moves on, and the thread has renewed when this returns."""
        assert self._waits.acquire(timeout=SECONDS)
        self.world.clock.move(seconds=seconds)
        self._go.release()
        assert self._waits.acquire(timeout=SECONDS)
        self._waits.release()


@pytest.fixture
def time(world: World) -> Time:
    world.open()
    return Time(world)


@pytest.fixture
def living(world: World, time: Time) -> Services:
    return world.process(wait=time.wait)


def claim(services: Services, owner: str = "another") -> Claim:
    """What another process finds that wants the same."""
    with services.store.uow() as uow:
        found = uow.intents.claim(
            KEY, "JF-000001", "slow", owner=owner, now=services.clock(), seconds=LEASE_SECONDS, plan={}
        )
        uow.commit()
    return found


def act(services: Services, effect: Callable[[Any], Any]) -> Any:
    return idempotent_effect(services.effects, "JF-000001", "slow", KEY, plan={}, effect=effect, read_back=None)


def test_a_slow_writer_that_lives_keeps_its_intent_as_long_as_its_effect_lasts(living: Services, time: Time) -> None:
    def effect(_: Any) -> dict[str, Any]:
        for _ in range(30):
            time.passes()
            assert claim(living).standing == "busy"
        return {"by": "the slow one"}

    assert act(living, effect) == {"by": "the slow one"}
    done = claim(living)
    assert (done.standing, done.result) == ("done", {"by": "the slow one"})
    assert set(time.asked) == {RENEW_SECONDS}
    assert RENEW_SECONDS * 3 <= LEASE_SECONDS, "a renewal may fail twice"


def test_the_lease_is_renewed_until_the_result_is_written_which_may_have_to_wait_for_the_store(
    living: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, renewing = Intents.finish, []

    def seen(self: Intents, *given: Any, **more: Any) -> None:
        renewing.append("lease" in [thread.name for thread in threading.enumerate()])
        finish(self, *given, **more)

    monkeypatch.setattr(Intents, "finish", seen)
    assert act(living, lambda _: {"ok": True}) == {"ok": True}
    assert renewing == [True]


@pytest.mark.usefixtures("time")
def test_the_intent_of_a_dead_writer_is_free_when_its_lease_is_over_and_not_before(world: World) -> None:
    with pytest.raises(Killed):
        act(world.process(), lambda _: (_ for _ in ()).throw(Killed()))
    world.clock.move(seconds=LEASE_SECONDS - 2)
    assert claim(world.services).standing == "busy"
    world.clock.move(seconds=2)
    assert claim(world.services).standing == "taken_over"


def test_one_that_dies_after_a_long_work_is_waited_for_no_longer_than_a_lease(living: Services, time: Time) -> None:
    def effect(_: Any) -> None:
        for _ in range(20):
            time.passes()
        raise Killed

    with pytest.raises(Killed):
        act(living, effect)
    assert claim(living).standing == "busy"
    time.world.clock.move(seconds=LEASE_SECONDS)
    assert claim(living).standing == "taken_over"


def test_the_second_writer_waits_for_a_slow_one_and_gets_its_result(world: World, living: Services, time: Time) -> None:
    waits = threading.Event()
    second = world.process(sleep=lambda _: (waits.set(), threading.Event().wait(0.01)))

    def effect(_: Any) -> dict[str, Any]:
        other = pool.submit(act, second, lambda _: {"by": "the second"})
        others.append(other)
        assert waits.wait(SECONDS)
        for _ in range(10):
            time.passes()
        return {"by": "the first"}

    others: list[Any] = []
    with ThreadPoolExecutor(1) as pool:
        assert act(living, effect) == {"by": "the first"}
        assert others[0].result(SECONDS) == {"by": "the first"}


def test_a_clock_that_is_set_back_takes_nothing_from_the_living(living: Services, time: Time) -> None:
    def effect(_: Any) -> dict[str, Any]:
        time.passes(-3600)
        for _ in range(10):
            assert claim(living).standing == "busy"
            time.passes()
        return {"ok": True}

    assert act(living, effect) == {"ok": True}


@pytest.mark.usefixtures("time")
def test_a_clock_that_is_set_back_makes_nobody_wait_for_the_dead_longer_than_a_lease(world: World) -> None:
    with pytest.raises(Killed):
        act(world.process(), lambda _: (_ for _ in ()).throw(Killed()))
    world.clock.move(seconds=-3600)
    assert claim(world.services).standing == "busy"
    world.clock.move(seconds=LEASE_SECONDS)
    assert claim(world.services).standing == "taken_over"


def test_an_intent_that_was_lost_to_another_is_not_taken_back_by_a_renewal(living: Services, time: Time) -> None:
    def effect(_: Any) -> dict[str, Any]:
        time.world.clock.move(minutes=10)  # the clock was set forward
        assert claim(living).standing == "taken_over"
        time.passes()
        return {"by": "the one who lost it"}

    with pytest.raises(ConcurrentChange):
        act(living, effect)
    assert claim(living, "a third").standing == "busy"


def test_a_renewal_that_the_store_refuses_is_tried_again(living: Services, time: Time) -> None:
    refused: list[str] = []
    store = living.store

    class Down:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def uow(self) -> Any:
            if threading.current_thread().name == "lease" and len(refused) < 2:
                refused.append("once")
                raise StoreDown("It is locked.", "Wait.")
            return store.uow()

    services = time.world.process(wait=time.wait, store=Down())

    def effect(_: Any) -> dict[str, Any]:
        for _ in range(8):
            time.passes(RENEW_SECONDS - 1)
            assert claim(living).standing == "busy"
        return {}

    act(services, effect)
    assert len(refused) == 2


@pytest.mark.usefixtures("time")
def test_what_is_quick_writes_nothing_more_and_leaves_no_thread(world: World) -> None:
    services, written = world.process(), []

    def effect(_: Any) -> dict[str, Any]:
        [renews] = [thread for thread in threading.enumerate() if thread.name == "lease"]
        assert renews.daemon, "it keeps no process alive"
        written.append(claim(services).expires_at)
        return {}

    act(services, effect)
    assert claim(services).expires_at == written[0]
    assert "lease" not in {thread.name for thread in threading.enumerate()}


def test_many_intents_are_renewed_together_and_those_of_others_are_left_alone(world: World, time: Time) -> None:
    services = world.process(wait=time.wait)
    keys = [f"JF-000001/many/{number}" for number in range(900)]
    with services.store.uow() as uow:
        for key in [*keys, "JF-000001/other"]:
            uow.intents.claim(
                key, "JF-000001", "many", owner="me", now=services.clock(), seconds=LEASE_SECONDS, plan={}
            )
        uow.commit()
    with renewed(services.effects, "me", keys):
        for _ in range(4):  # longer than a lease
            time.passes()
    with services.store.uow() as uow:
        found = [
            uow.intents.claim(key, "JF-000001", "many", owner="x", now=services.clock(), seconds=1, plan={}).standing
            for key in [keys[0], keys[-1], "JF-000001/other"]
        ]
    assert found == ["busy", "busy", "taken_over"]
