"""Intent, effect, read-back (house rule 2): how a step touches another system.

A crash at any point leaves either no intent (nothing was done), or an intent without a result: whoever takes it over
reads back first, and only then does what is not there yet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.parts import Effects
from caseproof.store import Claim

Json = Mapping[str, Any]

HELD_SECONDS = 60.0
"""How long an intent is its writer's. Longer than any single effect's time-outs together."""


class EffectNotSeen(CaseproofError):
    """The other system took the request and shows no sign of it."""

    code = Code.NOT_SEEN


def once(
    office: Effects,
    ref: str,
    step: str,
    key: str,
    *,
    plan: Json,
    effect: Callable[[Json], Json | None],
    read_back: Callable[[Json], Json | None] | None,
    harmless: tuple[type[Exception], ...] = (),
    later: tuple[type[Exception], ...] = (),
    seconds: float = HELD_SECONDS,
) -> Json:
    """Do ``effect`` once, and return what was read back.

    ``plan`` is what is about to be done; after a take-over it is the first writer's plan. ``read_back`` returns None
    where the effect is not there; where nothing can be read back (a sent mail) it is None itself, and what the effect
    returns is recorded. ``harmless`` are the errors after which the effect certainly did not happen: the intent is
    withdrawn. After those in ``later`` it did not happen this time, either; but what a writer that died may have done
    keeps its plan, so that it is repeated and not made anew. ``seconds`` is how long the intent is its writer's. Waits
    for another writer until it is done or its time is up. Raises EffectNotSeen.
    """
    owner = _owner(office)
    claim = _claim(office, ref, step, key, plan, seconds)
    if claim.standing == "done":
        return claim.result or {}
    seen = read_back(claim.plan) if read_back and claim.standing != "new" else None
    if seen is None:
        try:
            returned = effect(claim.plan)
        except (*harmless, *later) as error:
            if claim.standing != "new" and isinstance(error, later):
                raise
            with office.store.unit() as unit:
                unit.intents.release(key, owner=owner)
                unit.commit()
            raise
        seen = read_back(claim.plan) if read_back else returned
    if seen is None:
        raise EffectNotSeen(
            f"{step}: the other system accepted it, but it does not show when read back.",
            "Look there, then let the case try again: it reads back before it repeats anything.",
        )
    with office.store.unit() as unit:
        unit.intents.finish(key, owner=owner, result=dict(seen), now=office.clock())
        unit.commit()
    return seen


def _owner(office: Effects) -> str:
    """Who writes here: two threads of one process are two writers, too."""
    return f"{office.owner}-{threading.get_ident()}"


def _claim(office: Effects, ref: str, step: str, key: str, plan: Json, seconds: float) -> Claim:
    while True:
        with office.store.unit() as unit:
            claim = unit.intents.claim(
                key, ref, step, owner=_owner(office), now=office.clock(), seconds=seconds, plan=dict(plan)
            )
            unit.commit()
        if claim.standing != "busy":
            return claim
        office.sleep(1.0)
