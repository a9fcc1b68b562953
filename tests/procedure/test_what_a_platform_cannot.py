"""What a platform is not able to do is said in the case, with why and who can; nothing is faked (J3)."""

from __future__ import annotations

import json

import pytest

from caseproof.domain.codes import Code
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.evidence.proof import verify_proof
from caseproof.platforms.abilities import Ability, Lack
from caseproof.platforms.base import PlatformCannot, RunState
from tests.support.fakes import FAKE_ABILITIES
from tests.support.world import DECIDER, JOB, World


def without(world: World, *abilities: Ability) -> None:
    """The platform lacks these."""
    lacks = {one: Lack(f"It has no {one.name}.", f"Do {one.name} on its page.") for one in abilities}
    world.platform.abilities = FAKE_ABILITIES.lacking(lacks)


def says(world: World, ref: str, step: str, ability: Ability) -> None:
    """The case waits with what is wrong, by its code, and what a person does instead."""
    with pytest.raises(PlatformCannot, match=f"It has no {ability.name}") as cannot:
        world.walk(ref)
    trouble = world.case(ref).trouble
    assert trouble is not None
    assert (trouble["step"], trouble["code"]) == (step, Code.PLATFORM_CANNOT)
    assert f"Do {ability.name} on its page." in cannot.value.next_action
    assert f"Do {ability.name} on its page." in trouble["next_action"]


def try_again(world: World, ref: str) -> None:
    """A person says that they did it."""
    trouble = world.case(ref).trouble
    assert trouble is not None
    world.services.ledger.record(ref, Kind.TROUBLE_OVER, DECIDER, step=trouble["step"], remark="I did it there.")


@pytest.mark.parametrize("lacking", [Ability.STANDING, Ability.STOP])
def test_a_platform_that_cannot_stop_is_said_with_why_and_who_can_and_only_then_the_case_goes_on(
    world: World, lacking: Ability
) -> None:
    without(world, lacking)
    ref = world.open()
    world.walk(ref, until="contain")
    fact = world.case(ref).contained
    assert fact is not None
    assert (fact.event.kind, fact["code"]) == (Kind.CANNOT_STOP, Code.PLATFORM_CANNOT)
    assert f"It has no {lacking.name}. Do {lacking.name} on its page." in fact["why"]
    assert fact["who_can"] == "whoever administers the platform"
    assert (world.tickets(), world.mail.taken, world.platform.faulty.did("stop")) == ([], [], 0)
    world.walk(ref, until="tell")
    assert world.case(ref).state is State.WAITING
    assert len(world.mail.taken) == 1


def test_a_job_that_is_paused_with_runs_left_in_the_queue_is_not_called_stopped(world: World) -> None:
    without(world, Ability.CANCEL)
    world.platform.held[JOB].waiting = 2
    ref = world.open()
    world.walk(ref, until="contain")
    fact = world.case(ref).contained
    assert fact is not None
    assert fact.event.kind is Kind.CANNOT_STOP
    assert "its schedule is off, 2 queued. It has no CANCEL." in fact["why"]
    assert not world.platform.is_active(JOB)
    world.platform.held[JOB].waiting = 0
    assert world.walk(ref).is_closed
    assert world.platform.is_active(JOB), "what we paused is live again"


def test_a_queue_that_is_empty_needs_nobody_who_can_cancel(world: World) -> None:
    without(world, Ability.CANCEL)
    ref = world.open()
    world.walk(ref, until="contain")
    fact = world.case(ref).contained
    assert fact is not None
    assert fact.event.kind is Kind.STOPPED


def test_a_wide_stop_leaves_nothing_unsaid_where_the_platform_cannot(world: World) -> None:
    other = world.platform.add("offers/feed-b").id
    without(world, Ability.STOP)
    ref = world.open(scope="connection")
    world.walk(ref, until="contain")
    fact = world.case(ref).contained
    assert fact is not None
    assert fact.event.kind is Kind.CANNOT_STOP
    assert world.platform.is_active(other)


def test_where_none_can_be_started_a_person_runs_it_there_and_that_run_is_verified_as_any_other(world: World) -> None:
    without(world, Ability.RUN, Ability.KEYED_RUN)
    ref = world.open()
    says(world, ref, "run it again, or remove it", Ability.RUN)
    world.clock.move(minutes=1)
    by_hand = world.platform.add_run(JOB, RunState.SUCCEEDED)
    with pytest.raises(PlatformCannot):  # nobody said yet that it is theirs
        world.walk(ref)
    try_again(world, ref)
    case = world.walk(ref)
    assert case.is_closed
    assert case.verified is not None
    assert case.verified["run"] == by_hand.id
    assert world.platform.faulty.did("start_run") == 0
    proof = json.loads(world.proof(ref).read_bytes())
    said = f"That run was started on the platform, by a person as {DECIDER} said, and not by Caseproof."
    assert said in proof["statement"]
    assert (proof["run"]["started_by"], proof["run"]["said_by"]) == ("a person", DECIDER)
    assert said in on_the_ticket(world, ref)
    assert [check for check in verify_proof(world.proof(ref)) if not check.ok] == []


def on_the_ticket(world: World, ref: str) -> str:
    fact = world.case(ref).ticket
    assert fact is not None
    return " ".join(one.text for one in world.desk.comments(fact["ticket"]))


def test_of_a_run_that_caseproof_started_the_proof_and_the_ticket_say_so(world: World) -> None:
    ref = world.closed()
    proof = json.loads(world.proof(ref).read_bytes())
    assert "Caseproof started that run." in proof["statement"]
    assert proof["run"]["started_by"] == "caseproof"
    assert "Caseproof started that run." in on_the_ticket(world, ref)


def test_that_something_else_was_put_right_says_of_no_run_that_it_is_a_person_s(world: World) -> None:
    without(world, Ability.RUN, Ability.KEYED_RUN)
    ref = world.open()
    says(world, ref, "run it again, or remove it", Ability.RUN)
    world.clock.move(minutes=1)
    world.platform.add_run(JOB, RunState.SUCCEEDED)  # whose, nobody said
    world.services.ledger.record(ref, Kind.TROUBLE_OVER, DECIDER, step="note on the ticket", remark="The desk is back.")
    with pytest.raises(PlatformCannot):
        world.walk(ref)
    assert world.case(ref).run is None


def test_a_person_who_says_so_and_ran_nothing_is_asked_again(world: World) -> None:
    without(world, Ability.RUN, Ability.KEYED_RUN)
    world.platform.add_run(JOB, RunState.SUCCEEDED)  # before the decision: it proves nothing
    ref = world.open()
    for _ in range(2):
        says(world, ref, "run it again, or remove it", Ability.RUN)
        try_again(world, ref)
    assert world.case(ref).run is None


def test_a_failed_run_of_a_person_s_proves_nothing(world: World) -> None:
    without(world, Ability.RUN, Ability.KEYED_RUN)
    ref = world.open()
    says(world, ref, "run it again, or remove it", Ability.RUN)
    world.clock.move(minutes=1)
    world.platform.add_run(JOB, RunState.FAILED)
    try_again(world, ref)
    with pytest.raises(PlatformCannot):
        world.walk(ref)
    assert world.count(ref, Kind.RUN_FAILED) == 1
    assert not world.case(ref).is_closed


def test_where_it_cannot_be_set_live_a_person_does_it_and_it_is_read_back(world: World) -> None:
    without(world, Ability.RESUME)
    ref = world.open()
    says(world, ref, "set the schedule live", Ability.RESUME)
    try_again(world, ref)
    says(world, ref, "set the schedule live", Ability.RESUME)
    world.platform.held[JOB].active = True
    try_again(world, ref)
    assert world.walk(ref).is_closed
    assert world.platform.faulty.did("go_live") == 0


@pytest.mark.parametrize(
    ("lacking", "step"), [(Ability.PAGE, "photograph the run"), (Ability.VERIFY, "verify the run")]
)
def test_a_case_whose_run_cannot_be_read_or_photographed_says_so_and_does_not_close(
    world: World, lacking: Ability, step: str
) -> None:
    without(world, lacking)
    ref = world.open()
    for _ in range(2):
        says(world, ref, step, lacking)
        try_again(world, ref)
    assert not world.case(ref).is_closed
    assert world.camera.taken == 0
