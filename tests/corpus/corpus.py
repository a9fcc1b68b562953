"""The corpus: every message that the figures of docs/confirmation.md are about. All of it is made here, none is real."""

from __future__ import annotations

from collections.abc import Sequence

from tests.corpus import machines, people, strangers
from tests.corpus.parts import Sample, Thread


def corpus(
    threads: Sequence[Thread], *, closed: Sequence[Thread] = (), earlier: Sequence[Thread] = ()
) -> list[Sample]:
    """All messages, in the order in which they arrive; ``threads`` are letters of open cases, at least three."""
    return [*people.samples(threads), *machines.samples(threads), *strangers.samples(threads, closed, earlier)]
