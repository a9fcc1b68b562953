"""The check's stops, by the thousand (J4): every target is stopped in this pass, a case each.

Some batches are under way at once, so that the platform is asked while another batch settles or is written down. Who
holds the check's lock knows that no other check of this home lives, so what an earlier one left behind is taken over at
once; what a case's own run is stopping is left to it.

Where the platform does not answer for one job, its case is open and its own run goes on trying. Where it does not
answer ``pace.at_once`` times in a row, the pass ends and opens no more cases: two thousand cases that nobody can stop
help nobody, and the next check finds the same jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from caseproof.config.policy_check import Pace
from caseproof.platforms.base import JobPlatform
from caseproof.procedure.containment.bulk_stop import BulkStop
from caseproof.procedure.containment.check_lock import check_lock
from caseproof.procedure.containment.openings import Openings
from caseproof.procedure.containment.stop_work import Outcome, StopResult, Target, Work
from caseproof.procedure.core.parts import Stopping

__all__ = ["Outcome", "StopResult", "Target", "stop_targets"]

LANES = 6
"""How many batches are under way at once: while some settle or are written down, the others keep the platform busy."""


def stop_targets(
    stopping: Stopping,
    name: str,
    platform: JobPlatform,
    targets: Sequence[Target],
    pace: Pace,
    said: Callable[[StopResult], None] = lambda _: None,
    *,
    check: str = "",
) -> list[StopResult]:
    """Stop every target on the platform ``name``, a case each; what became of each, in their order.

    An error on one job never ends the pass. ``said`` hears of each target when its batch is done, in the caller's
    thread. ``check`` is the id of the pass. Raises CheckRunning, and StoreDown where nothing can be written.
    """
    # Jobs of one retailer lie together, so that a wide stop is one batch's.
    order = sorted(targets, key=lambda target: (target.group or ("", "", ""), target.job.id))
    # So few that a batch is through in some seconds, and its stops are written down.
    size = max(1, min(2 * pace.at_once, int(pace.per_second)))
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    done: dict[str, StopResult] = {}
    unheard: Exception | None = None
    with check_lock(stopping.settings, name):
        openings = _openings(stopping, name, check or secrets.token_hex(8))
        with BulkStop.of(stopping, platform, pace, openings) as stops, ThreadPoolExecutor(LANES, "batch") as lanes:
            try:
                for result in (one for batch in lanes.map(partial(_batch, stops), batches) for one in batch):
                    done[result.job] = result
                    try:
                        said(result)
                    except Exception as error:  # the stops do not depend on who looks on
                        unheard = unheard or error
            except BaseException:
                stops.platform.give_up("The pass was ended.")
                lanes.shutdown(cancel_futures=True)
                raise
    if unheard:
        raise unheard
    return [done[target.job.id] for target in targets]


def _openings(stopping: Stopping, name: str, check: str) -> Openings:
    """The owner names this home and platform, so that the next check knows whose the intents were."""
    checks = f"check {stopping.settings.installation}/{name} "
    return Openings(stopping, name, f"{checks}{secrets.token_hex(8)}", dead=checks, check=check)


def _batch(stops: BulkStop, targets: Sequence[Target]) -> list[StopResult]:
    works = [Work(target) for target in targets]
    stops.carry_out(works)
    return [work.end for work in works if work.end is not None]
