"""Cases whose message nobody knows, for the tests of what is asked, told and corrected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from caseproof.domain.forms import CauseChoice
from caseproof.platforms.base import RunState
from caseproof.procedure.core import causes
from tests.support.keeper import mails, waits
from tests.support.world import CONTACT, DECIDER, JOB, REVIEWER, World

MESSAGE = "The basket {} of db-{}.shops.example.com could not be booked"
FEED = {"cause": {"answered_by": DECIDER, "cause": CauseChoice.FEED}}
NEUTRAL = {"cause": {"answered_by": DECIDER, "cause": CauseChoice.NONE}}


def unknown(world: World, number: int = 0, *, message: str = MESSAGE, retailer: str = "Shop A", **more: Any) -> str:
    """A case of its own job whose message nobody knows; each says it with other numbers."""
    job = JOB if number == 0 else f"offers/feed-{number}"
    if number:
        world.platform.add(job, retailer=retailer)
    return world.open(job, cause="unknown", summary=message.format(4711 + number, number), **more)


def asks(world: World, ref: str) -> str:
    """Walk the case to its question, and let it wait there; the question's form."""
    world.walk(ref, people=False)
    question = world.case(ref).question
    assert question is not None, world.kinds(ref)
    return str(waits(world, ref, question["form"]) and question["form"])


def storm(world: World, count: int) -> list[str]:
    """So many cases of one message, each of another shop, that were all walked to their questions."""
    refs = []
    for number in range(1, count + 1):
        world.register(f"Shop {number}", f"owner@shop-{number}.example.com")
        refs.append(unknown(world, number, retailer=f"Shop {number}"))
    for ref in refs:
        asks(world, ref)
    return refs


def subjects(world: World, to: str = CONTACT) -> list[str]:
    return [str(mail["Subject"]) for mail in mails(world, to)]


def corrected(world: World, ref: str, cause: str = "our_platform") -> causes.Corrected:
    return causes.correct_cause(world.services.ledger, world.services.policy.team, ref, cause, by=REVIEWER)


def fails(world: World, job: str, message: str) -> None:
    """The job fails so often that its patience is over."""
    for hours in (30, 20, 10, 1):
        at = world.clock.now + world.platform.skew - timedelta(hours=hours)
        world.platform.add_run(job, RunState.FAILED, at=at, message=message, lasted=timedelta(seconds=30))
