"""A process that dies between an effect and its record: the next one goes on, and repeats nothing blindly (rule 2)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from typing import Any

import pytest

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.base import PlatformDown
from caseproof.procedure.core.idempotent_effect import EffectNotSeen
from caseproof.procedure.core.lease import LEASE_SECONDS
from tests.support.dying import dying
from tests.support.fakes import Faulty, Killed
from tests.support.world import JOB, World

DOWN = PlatformDown("The platform hangs.", "Try again later.")

# Where the fault is put, the call, and what it is about.
EFFECTS: tuple[tuple[str, str, str | None], ...] = (
    ("platform", "stop", None),
    ("vault", "put", "stop-1.json"),
    ("desk", "create", None),
    ("mail", "send", None),
    ("platform", "start_run", None),
    ("platform", "go_live", None),
    ("vault", "put", "run-page-1-small.png"),
    ("desk", "attach", "successful-run"),
    ("vault", "put", "history"),
    ("vault", "put", "JF-000001-1-"),  # the proof's file is written, and not recorded yet
    ("desk", "attach", "JF-000001-1-"),
    ("desk", "comment", "closed"),
    ("desk", "set_status", None),
)


def faulty(world: World, where: str) -> Faulty:
    return getattr(world, where).faulty


def each_effect_took_place_once(world: World, ref: str) -> None:
    assert world.case(ref).is_closed
    assert world.kinds(ref)[-1] is Kind.TICKET_CLOSED
    happened = world.happened(ref)
    assert len(happened) == len(set(happened)) + 1, "only two files are attached, all else is once"
    assert world.platform.faulty.done["stop", JOB] == 1
    assert len(world.tickets()) == 1
    assert len(world.platform.runs) == world.platform.faulty.did("start_run") == 1
    assert world.platform.faulty.done["go_live", JOB] == 1
    assert world.desk.faulty.did("attach") == len(world.attachments(ref)) == 2
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []


@pytest.mark.parametrize(
    ("where", "call", "what", "moment"),
    [
        *((*effect, "after") for effect in EFFECTS),
        *((*effect, "before") for effect in EFFECTS[:4] if effect[0] != "vault"),
        # What nothing came of yet is the simpler half; writes to the store die before and after.
        *(pytest.param(*effect, "before", marks=pytest.mark.full) for effect in EFFECTS[4:] if effect[0] != "vault"),
    ],
)
def test_a_case_whose_process_dies_at_an_effect_is_closed_by_the_next_one(
    world: World, where: str, call: str, what: str | None, moment: str
) -> None:
    ref = world.open()
    faulty(world, where).fails(call, what=what, **{moment: Killed()})
    with pytest.raises(Killed):
        world.walk(ref)
    world.restart()
    world.walk(ref)
    each_effect_took_place_once(world, ref)
    sent = world.mail.taken
    assert len(sent) == (2 if (where, moment) == ("mail", "after") else 1)
    assert len(set(sent)) == 1, "a repeated notice is the same, byte by byte"


def test_a_repeated_notice_has_the_same_bytes_message_id_and_recipients_whatever_changed_meanwhile(
    world: World,
) -> None:
    ref = world.open()
    world.mail.faulty.fails("send", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    world.register("Shop A", "second@shop-a.example.com")
    world.restart(minutes=90)
    world.walk(ref, until="tell")
    first, second = world.mail.taken
    assert first == second
    assert message_from_bytes(first[0])["Message-ID"] == world.case(ref).notice["message_id"]
    assert world.vault.read(world.case(ref).notice["evidence"]) == first[0]


def test_the_next_process_waits_until_the_dead_one_s_time_is_up(world: World) -> None:
    ref = world.open()
    world.platform.faulty.fails("stop", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    died = world.clock.now
    world.restart()
    world.walk(ref, until="contain")
    assert (world.clock.now - died).total_seconds() >= LEASE_SECONDS


@pytest.mark.parametrize(("where", "call"), [("platform", "stop"), ("mail", "send"), ("platform", "start_run")])
@pytest.mark.parametrize("minutes", [-1, 600])
def test_a_clock_that_was_changed_after_a_crash_repeats_nothing(
    world: World, where: str, call: str, minutes: int
) -> None:
    """Set back, the next process waits for a lease; set forward, it takes over at once, and reads back all the same."""
    ref = world.open()
    faulty(world, where).fails(call, after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    world.restart(minutes=minutes)
    world.walk(ref)
    each_effect_took_place_once(world, ref)
    assert len(set(world.mail.taken)) == 1


def test_what_was_active_before_the_stop_is_remembered_over_the_crash(world: World) -> None:
    world.platform.add("offers/other")
    ref = world.open(cause="connection")
    world.platform.faulty.fails("stop", what="offers/other", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    world.restart()
    world.walk(ref, until="contain")
    assert {job["job"]: job["was_active"] for job in world.case(ref).stopped_jobs} == {JOB: True, "offers/other": True}
    assert world.walk(ref).is_closed
    assert world.platform.is_active("offers/other")


@pytest.mark.parametrize(("where", "call"), [("platform", "stop"), ("platform", "start_run"), ("platform", "go_live")])
def test_an_answer_that_was_lost_is_read_back_and_not_asked_for_again(world: World, where: str, call: str) -> None:
    ref = world.open()
    faulty(world, where).fails(call, after=DOWN)
    with pytest.raises(PlatformDown):
        world.walk(ref)
    world.walk(ref)
    each_effect_took_place_once(world, ref)


@pytest.mark.parametrize(
    ("where", "call"), [("platform", "stop"), ("platform", "start_run"), ("platform", "go_live"), ("desk", "attach")]
)
def test_a_system_that_says_ok_and_does_nothing_is_found_out_and_asked_again(
    world: World, where: str, call: str
) -> None:
    ref = world.open()
    faulty(world, where).fails(call, lie=True)
    with pytest.raises(EffectNotSeen, match=r"does not show .*when read back"):
        world.walk(ref)
    world.walk(ref)
    each_effect_took_place_once(world, ref)


def test_a_removal_run_whose_process_died_is_not_started_twice(world: World) -> None:
    ref, world.decision = world.open(), Decision.REMOVE
    world.prefect.faulty.fails("start_run", after=Killed())
    with pytest.raises(Killed):
        world.walk(ref)
    world.restart()
    assert world.walk(ref).is_closed
    assert len(world.prefect.runs) == 1


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory, migrated: Any) -> int:
    """How many transactions of steps a case takes from its opening to its end."""
    world = World(shutil.copytree(migrated, tmp_path_factory.mktemp("counted") / "home"))
    store = dying(world, 0, after=False)
    world.closed()
    world.services.store.close()
    return store.writes


@pytest.mark.parametrize("third", [0, *(pytest.param(third, marks=pytest.mark.full) for third in (1, 2))])
def test_a_process_may_die_at_a_write_to_the_store(make_world: Callable[..., World], writes: int, third: int) -> None:
    assert writes > 30
    for at in range(2 + third, writes + 1, 7):  # three of seven writes, in turns before and after it
        world = make_world()
        dying(world, at, after=at % 4 < 2)
        with pytest.raises(Killed):
            world.closed()
        world.services = replace(world.services, store=world.services.store.real)
        world.restart()
        world.walk("JF-000001")
        each_effect_took_place_once(world, "JF-000001")
        assert len(set(world.mail.taken)) == 1


def test_a_process_may_die_at_a_write_between_letters_and_none_is_lost(make_world: Callable[..., World]) -> None:
    """Of three contacts each gets their letter; of a repeat, which is the same, at most one more."""
    at = 0
    while True:
        at += 2
        world = make_world()
        world.register("Shop A", "second@shop-a.example.com", "third@shop-a.example.com")
        ref = world.open()
        world.walk(ref, until="ticket")
        store = dying(world, at, after=at % 4 == 0)
        try:
            world.step("tell", ref)
        except Killed:
            world.services = replace(world.services, store=store.real)
            world.restart()
            world.step("tell", ref)
        else:
            break
        notice, sent = world.case(ref).notice, world.mail.taken
        assert len(notice["accepted"]) == len({to for *_, to in sent}) == len(set(sent)) == 3
        assert len(sent) <= 4
    assert at > 12, "every second of its writes was the last one once"
