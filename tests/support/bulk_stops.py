"""Bulk stops in a test's world: what is wanted, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caseproof.config.policy_check import Pace
from caseproof.platforms.base import Job, PlatformDown, PlatformRefused
from caseproof.procedure.containment.stop_targets import StopResult, Target, stop_targets
from tests.support.world import World

DOWN = PlatformDown("It hangs.", "Wait.")
REFUSED = PlatformRefused("The platform answered 403.", "Check the block's credentials.")
FAST = Pace(at_once=5, per_second=10_000)


def jobs(world: World, count: int, **facts: Any) -> list[Job]:
    return [world.platform.add(f"feeds/job-{number:03}", **facts) for number in range(count)]


def targets(some: Sequence[Job], **more: Any) -> list[Target]:
    return [Target(job, **({"cause": "expired_token", "summary": "401 Unauthorized"} | more)) for job in some]


def bulk_stop(world: World, wanted: Sequence[Target], pace: Pace = FAST, **more: Any) -> list[StopResult]:
    return stop_targets(world.services.stopping, "jobs", world.platform, wanted, pace, **more)


def again(world: World, wanted: Sequence[Target]) -> list[Target]:
    """What the next check wants of the same jobs: to go on with the cases that are open."""
    with world.services.store.reading() as uow:
        cases = {target.job.id: uow.cases.open_for("jobs", target.job.id) for target in wanted}
    refs = {job: case.ref for job, case in cases.items() if case}
    return [Target(one.job, one.cause, one.summary, ref=refs.get(one.job.id, "")) for one in wanted]


def outcomes(done: Sequence[StopResult]) -> list[str]:
    return [one.outcome for one in done]


def stops(world: World) -> dict[str, int]:
    return {job: count for (call, job), count in world.platform.faulty.done.items() if call == "stop"}


def rows(world: World) -> list[Any]:
    with world.services.store.reading() as uow:
        return uow.cases.rows()
