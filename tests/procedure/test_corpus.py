"""The figure of J8 with a real store: every stranger, forger and machine of the corpus, and people between them.

Each message is taken in as it would be from the mailbox, and ends where the rules say.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caseproof.channels.inbound.meaning import answers_something_else
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.answers.receiving import Received, receive
from tests.corpus import machines, people, strangers
from tests.corpus.parts import AUTHSERV, Sample, Thread
from tests.corpus.reading import false_of, few, read, shown
from tests.support.world import CONTACT, World

MOST_BEFORE = 8
"""How many of them say that it was done yesterday, or on a day before their notice; the notice is hours old here."""
MANY = 7
"""How many cases share the messages; every eighth of the people's mails is taken, so that each case gets its part."""


def told(world: World, job: str) -> tuple[str, Thread]:
    """A case whose retailer was told, and the letter."""
    world.platform.add(job)
    ref = world.open(job=job)
    world.walk(ref, until="tell")
    return ref, Thread.of(world.mail.taken[-1][0], CONTACT)


def a_closed_one(world: World) -> Thread:
    ref, thread = told(world, "offers/closed")
    assert world.walk(ref).is_closed
    return thread


def one_of_an_earlier_round(world: World) -> Thread:
    ref, thread = told(world, "offers/earlier")
    world.walk(ref, until="attach")
    world.send_back(ref, "It still fails for one offer.")
    world.walk(ref, until="tell")
    return thread


def take_in(world: World, sample: Sample) -> tuple[Received, str]:
    """Where it ended, and the choice that its case took down."""
    world.clock.move(hours=1)
    got = receive(world.services.ledger, world.services.vault, world.services.replies, sample.raw, authserv=AUTHSERV)
    assert got.new, f"the corpus holds it twice: {sample.kind}"
    if got.place is not Disposition.COUNTED:
        return got, ""
    return got, str(world.case(got.cases[0]).words[-1]["choice"])


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose policy names a mailbox."""
    return make_world(answers={"mailbox": "retailers"})


def test_every_message_ends_in_its_place_and_none_confirms_that_should_not(world: World) -> None:
    closed, earlier = a_closed_one(world), one_of_an_earlier_round(world)
    threads = [told(world, f"offers/{number}")[1] for number in range(MANY)]
    samples = [
        *few([*people.samples(threads)], every=8),
        *machines.samples(threads),
        *strangers.samples(threads, [closed], [earlier]),
    ]
    taken = [(sample, *take_in(world, sample)) for sample in samples]
    judged = [(sample, said) for sample, _, said in taken]
    print(shown(judged))  # noqa: T201 - the table is shown where the test runs with -s
    assert len(taken) >= 300
    assert false_of(judged) == []
    lost = [(sample, got) for sample, got, said in taken if sample.wanted and said != read(sample.raw)]
    before = [sample for sample, got in lost if got.why.startswith("it tells what was done before our mail: \u00bb")]
    elsewhere = [sample for sample, got in lost if got.why.startswith("it tells of something else than our mail asked")]
    unexplained = [sample.words for sample, _ in lost if sample not in before and sample not in elsewhere]
    assert unexplained == [], "a clear word in the right thread counts"
    assert all(answers_something_else(sample.words, "expired_token") for sample in elsewhere)
    assert len(before) <= MOST_BEFORE, "a person looks at what was done on a day before our mail"
    astray = [
        f"{sample.kind}: {sample.words!r}: {got.place}, {got.why}"
        for sample, got, _ in taken
        if not sample.wanted and got.place not in sample.places
    ]
    assert astray == []
