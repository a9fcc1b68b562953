"""Raises an emergency on a case, which there is or which is written in the same form (E7, E9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import Paging, emergencies, paging_of
from caseproof.domain.emergency.raising import YOUNG, Raising, ShortCase, raised_by, refuse_raising
from caseproof.domain.errors import NotAllowed
from caseproof.domain.events import Event
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import event_of
from caseproof.store import CaseStore

GOING_ON = "emergency "
"""What the marks begin with that say, by the case's reference, in which cases people may have to be called."""

OpenCase = Callable[[ShortCase, str], str]
"""Writes the thirty-second case for somebody, and returns its reference."""


def raise_emergency(
    store: CaseStore, clock: Clock, raising: Raising, by: str, *, open_case: OpenCase, young: timedelta = YOUNG
) -> Paging:
    """How the emergency stands that is raised here, or that is under way on this case already.

    Raises EmergencyRefused with every missing item, before a case is written; UnknownCase, NotAllowed.
    """
    refuse_raising(raising, clock())
    ref = raising.case.strip().upper()
    if not ref and raising.new_case is not None:
        ref = open_case(raising.new_case, by)
    store.note(f"{GOING_ON}{ref}", "", clock())  # first: one for a case without an emergency costs a look

    def decide(case: Case) -> Sequence[Event]:
        before = paging_of(case)
        if before is not None and not before.over:
            return []  # two who raise the same: nobody is called twice for it
        now = clock()
        said = raised_by(_without_secrets(raising), emergencies(case) + 1, now, young)
        return [event_of(kind_with(case.procedure, says.EmergencyRaised), now, by, said)]

    return standing(store.change(ref, decide))


def _without_secrets(raising: Raising) -> Raising:
    """The same; what people paste from logs goes into mails, cards and events, and its passwords do not."""
    seen = tuple(replace(one, seen=redact(one.seen)) for one in raising.sightings)
    return replace(raising, site=redact(raising.site), sightings=seen, tried=redact(raising.tried))


def is_done(case: Case, answer: str) -> bool:
    """Whether an event says already what this answer to a form says; ``answer`` is its key, "" for no form."""
    return bool(answer) and any(event.data.get("answer") == answer for event in case.events)


def standing(case: Case) -> Paging:
    """The emergency of the case. Raises NotAllowed where it has none."""
    paging = paging_of(case)
    if paging is None:
        raise NotAllowed(f"{case.ref} has no emergency.", "Raise one with the emergency form.")
    return paging


def refuse_another(paging: Paging, emergency: int | None) -> None:
    """Raise NotAllowed unless this is the emergency that goes on: what was kept of an earlier one counts no more.

    None is whichever goes on.
    """
    if emergency is not None and paging.number != emergency:
        raise NotAllowed(
            f"This answers an earlier emergency of {paging.ref}.", "Look at the case's page: another one goes on."
        )


def end_emergency(
    store: CaseStore, clock: Clock, ref: str, by: str, why: str, *, emergency: int | None = None
) -> Paging:  # fmt: skip
    """Nobody need be called any more; said twice, it is written once. ``emergency``: the one that is meant, else the
    latest. Raises NotAllowed, also where another one goes on; UnknownCase."""
    if not why.strip():
        raise NotAllowed("It is not said why the emergency is over.", "Write what solved it, or who goes on with it.")

    def decide(case: Case) -> Sequence[Event]:
        paging = standing(case)
        refuse_another(paging, emergency)
        if paging.over:
            return []
        said = says.EmergencyOver(emergency=paging.number, why=redact(why.strip()))
        return [event_of(kind_with(case.procedure, says.EmergencyOver), clock(), by, said)]

    return standing(store.change(ref, decide))
