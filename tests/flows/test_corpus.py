"""The figure of J8: of all messages of the corpus none confirms that should not, and people's confirmations do.

Each is taken in as it would be from the mailbox, with a real store; the corpus is in tests/corpus, all of our own writing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from caseproof.procedure import deciding
from caseproof.procedure.receiving import Received, receive
from caseproof.store.messages import Place
from tests.corpus.corpus import corpus
from tests.corpus.parts import AUTHSERV, Sample, Thread
from tests.support.world import CONTACT, REVIEWER, World

LEAST_MESSAGES, LEAST_SHARE = 300, 0.98
TRUE_KINDS = ("confirmation", "removal")


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
    deciding.review(world.office, ref, approved=False, by=REVIEWER, remark="It still fails for one offer.")
    world.walk(ref, until="tell")
    return thread


Taken = list[tuple[Sample, Received, str]]


def take_in(world: World, samples: Sequence[Sample]) -> Taken:
    """Each message, and which choice the cases took down with it ("" for none)."""
    taken: Taken = []
    for sample in samples:
        world.clock.move(hours=2)  # no case takes down more than a few mails a day
        got = receive(world.office, sample.raw, authserv=AUTHSERV)
        assert got.new, f"the corpus holds a message twice: {sample.kind}"
        with world.office.store.reading() as unit:
            said = [unit.cases.get(ref).events[-1].data.get("choice", "") for ref in got.cases]
        taken.append((sample, got, str(said[0]) if got.place is Place.COUNTED else ""))
    return taken


def table(taken: Taken) -> str:
    """Counts by kind: messages, those that confirmed, those that should have."""
    of_kind = Counter(sample.kind for sample, _, _ in taken)
    wanted = Counter(sample.kind for sample, _, _ in taken if sample.wanted)
    counted = Counter(sample.kind for sample, _, said in taken if said)
    lines = [f"{'kind':62}{'messages':>10}{'to count':>10}{'counted':>10}"]
    lines += [f"{kind:62}{of_kind[kind]:10}{wanted[kind]:10}{counted[kind]:10}" for kind in of_kind]
    lines.append(f"{'all':62}{of_kind.total():10}{wanted.total():10}{counted.total():10}")
    return "\n".join(lines)


@pytest.fixture
def taken(make_world: Callable[..., World]) -> Taken:
    world = make_world(answers={"mailbox": "retailers"})
    closed, earlier = a_closed_one(world), one_of_an_earlier_round(world)
    threads = [told(world, f"offers/{number}")[1] for number in range(7)]
    return take_in(world, corpus(threads, closed=[closed], earlier=[earlier]))


def test_no_message_of_the_corpus_confirms_falsely_and_the_true_confirmations_are_recognised(taken: Taken) -> None:
    print(f"\n{table(taken)}")  # noqa: T201 - the figure is shown where the test runs with -s
    assert len(taken) >= LEAST_MESSAGES
    false = [f"{sample.kind}: {sample.words!r} -> {said}" for sample, _, said in taken if said not in ("", sample.wanted)]
    missed = [f"{s.kind}: {s.words!r}: {got.place}, {got.why}" for s, got, said in taken if s.wanted and said != s.wanted]
    astray = [
        f"{s.kind}: {s.words!r}: {got.place}, {got.why}" for s, got, _ in taken if not s.wanted and got.place not in s.places
    ]
    true = [sample for sample, _, _ in taken if sample.wanted]
    print(f"false: {len(false)}; recognised: {len(true) - len(missed)} of {len(true)}")  # noqa: T201
    assert false == []
    assert astray == []
    assert len(missed) <= (1 - LEAST_SHARE) * len(true), "\n".join(missed)
    # The share must not be reached by repeating easy words in many forms: it holds for the different words, too.
    written = [sample for sample in true if sample.kind.startswith(TRUE_KINDS) and " in every " not in sample.kind]
    kinds = {sample.kind for sample in written}
    lost = [line for line in missed if line.partition(":")[0] in kinds]
    assert len(written) >= 100
    assert len(lost) <= (1 - LEAST_SHARE) * len(written), "\n".join(lost)
