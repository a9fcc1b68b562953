"""Intent, effect, read-back (house rule 2): how a step touches another system.

A crash at any point leaves either no intent (nothing was done), or an intent without a result: whoever takes it over
reads back first, and only then does what is not there yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from caseproof.domain.codes import Code
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.lease import LEASE_SECONDS, renewed
from caseproof.procedure.core.parts import Effects
from caseproof.store import Claim

Json = Mapping[str, Any]


class EffectNotSeen(CaseproofError):
    """The other system took the request and shows no sign of it."""

    code = Code.NOT_SEEN

    def __init__(self, step: str) -> None:
        super().__init__(
            f"{step}: the other system accepted it, but it does not show when read back.",
            "Look there, then let the case try again: it reads back before it repeats anything.",
        )


def idempotent_effect(
    effects: Effects,
    ref: str,
    step: str,
    key: str,
    *,
    plan: Json,
    effect: Callable[[Json], Json | None],
    read_back: Callable[[Json], Json | None] | None,
    harmless: tuple[type[Exception], ...] = (),
    later: tuple[type[Exception], ...] = (),
) -> Json:
    """Do ``effect`` once, and return what was read back.

    ``plan`` is what is about to be done; after a take-over it is the first writer's plan. ``read_back`` returns None
    where the effect is not there; where nothing can be read back (a sent mail) it is None itself, and what the effect
    returns is recorded. ``harmless`` are the errors after which the effect certainly did not happen: the intent is
    withdrawn. After those in ``later`` it did not happen this time, either; but what a writer that died may have done
    keeps its plan, so that it is repeated and not made anew. Waits for another writer as long as that one lives, and
    for what is left of its lease after that. Raises EffectNotSeen, ConcurrentChange where the intent was lost to
    another, and what ``effect`` and ``read_back`` raise.
    """
    owner = effects.writer
    claim = _claim(effects, ref, step, key, plan)
    if claim.standing == "done":
        return claim.result or {}
    with renewed(effects, owner, [key]):
        seen = read_back(claim.plan) if read_back and claim.standing != "new" else None
        if seen is None:
            try:
                returned = effect(claim.plan)
            except (*harmless, *later) as error:
                if claim.standing == "new" or not isinstance(error, later):
                    _withdraw(effects, claim, owner)
                raise
            seen = read_back(claim.plan) if read_back else returned
        if seen is None:
            raise EffectNotSeen(step)
        with effects.store.uow() as uow:  # it may have to wait for the store, so the lease is still renewed
            uow.intents.finish(key, owner=owner, result=dict(seen), now=effects.clock())
            uow.commit()
    return seen


def _claim(effects: Effects, ref: str, step: str, key: str, plan: Json) -> Claim:
    while True:
        with effects.store.uow() as uow:
            claim = uow.intents.claim(
                key, ref, step, owner=effects.writer, now=effects.clock(), seconds=LEASE_SECONDS, plan=dict(plan)
            )
            uow.commit()
        if claim.standing != "busy":
            return claim
        effects.sleep(1.0)


def _withdraw(effects: Effects, claim: Claim, owner: str) -> None:
    with effects.store.uow() as uow:
        uow.intents.release(claim.key, owner=owner)
        uow.commit()
