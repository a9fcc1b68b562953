"""What somebody tells those who wait, while an emergency goes on: written down here, and sent by the engine."""

from __future__ import annotations

from collections.abc import Sequence

from caseproof.config.clock import Clock
from caseproof.domain.case import Case
from caseproof.domain.emergency import payloads as says
from caseproof.domain.emergency.kinds import kind_with
from caseproof.domain.emergency.paging import Paging
from caseproof.domain.errors import BadInput, NotAllowed
from caseproof.domain.events import Event
from caseproof.domain.people import same_person
from caseproof.domain.substance import says_something
from caseproof.http.redaction import redact
from caseproof.procedure.core.parts import event_of
from caseproof.procedure.paging.raising import is_done, refuse_another, standing
from caseproof.store import Store

LONGEST = 2000
"""How many characters an update may have: it is read on telephones."""


def give_update(
    store: Store, clock: Clock, ref: str, by: str, words: str, *, emergency: int | None = None, answer: str = ""
) -> Paging:
    """Tell those who wait how it stands; sent twice, it is written once. ``emergency``: the one that is meant, else the
    latest. ``answer`` is the key of the answer to a form with it, "" for none: heard twice, it is written once.

    Raises BadInput for words that say nothing or too much, NotAllowed where it is over or never was, UnknownCase.
    """
    said = words.strip()
    if not says_something(said):
        raise BadInput("The update says nothing.", "Say in a sentence what is known, and what is done next.")
    if len(said) > LONGEST:
        raise BadInput(f"The update has {len(said)} characters.", f"Shorten it to {LONGEST}; the rest is for the case.")
    told = redact(said)  # people paste from logs

    def decide(case: Case) -> Sequence[Event]:
        if is_done(case, answer):
            return []
        paging = standing(case)
        refuse_another(paging, emergency)
        if paging.over:
            raise NotAllowed(f"The emergency of {case.ref} is over: {paging.over_why}", "Tell the client in the case.")
        last = paging.update
        if last is not None and last.words == told and same_person(last.by, by):
            return []
        update = says.UpdateGiven(emergency=paging.number, words=told)
        if answer:
            update["answer"] = answer
        return [event_of(kind_with(case.procedure, says.UpdateGiven), clock(), by, update)]

    return standing(store.change(ref, decide))
