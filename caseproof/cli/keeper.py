"""`caseproof keeper`: a pass over the cases, and with --watch one after the other, as `caseproof up` has it."""

from __future__ import annotations

import os
import time
from typing import Annotated

import typer

from caseproof.cli.common import no_traceback, out, safe, say_now
from caseproof.procedure.core.services import Services, bootstrap
from caseproof.store import locks
from caseproof.up.plan import keeper_lock


def keeper(
    stay: Annotated[bool, typer.Option("--watch", help="Stay, and make passes at the policy's pace.")] = False,
) -> None:
    """Look after the cases once: stop again, reopen, give runs, wake, remind, tell the team, draw the board."""
    if stay:
        _watch(bootstrap())
    else:
        _once()


def _once() -> None:
    from tasks.keeping import keep_once

    kept = keep_once(lambda said: out.print(safe(said), soft_wrap=True, highlight=False))
    out.print(safe(kept.in_words) if kept else "Another pass is at work; nothing was done twice.")


def _watch(services: Services) -> None:
    with no_traceback():
        from tasks.keeping import KeeperWatch

    lock = keeper_lock(services.settings)
    if (other := locks.holder(lock)) is not None:
        say_now(f"Process {other} looks after the cases already; this one waits until that ends.")
    locks.hold(lock)
    say_now("The cases are looked after.")
    watch = KeeperWatch(services, say_now)
    while True:  # until a signal ends the process
        lock.touch()  # `caseproof up` sees by it that no pass hangs, and that a long pause is none
        pause = watch.round()
        next_pass = time.time() + pause
        os.utime(lock, (next_pass, next_pass))
        time.sleep(pause)
