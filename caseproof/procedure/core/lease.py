"""Leases: an intent is its writer's for LEASE_SECONDS, and while the writer is at work it is renewed.

So what a dead process was about to do is free soon, and what a living one does slowly is never taken from it. A thread
renews, because nobody can tell where a slow effect spends its time. It ends with the work, and dies with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from caseproof.procedure.core.parts import Effects
from caseproof.store import StoreError

LEASE_SECONDS = 30.0
"""How long an intent is its writer's after it was claimed, or renewed last."""
RENEW_SECONDS = 10.0
"""How often it is renewed: a renewal may fail twice, and what is quicker than this writes nothing more."""


@contextmanager
def renewed(effects: Effects, owner: str, keys: Sequence[str]) -> Iterator[None]:
    """While the block runs, keep these intents ``owner``'s, who claimed them for LEASE_SECONDS.

    An intent that was lost all the same (the clock was set forward) stays lost: recording its result says so. Where the
    store does not answer, the next renewal tries again.
    """
    over = threading.Event()

    def renew() -> None:
        while not effects.wait(over, RENEW_SECONDS):
            with suppress(StoreError), effects.store.uow() as uow:
                uow.bulk.renew(keys, owner=owner, now=effects.clock(), seconds=LEASE_SECONDS)
                uow.commit()

    thread = threading.Thread(target=renew, name="lease", daemon=True)  # a process never lives on for it
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
