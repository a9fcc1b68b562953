"""What an emergency and its session leave to be done in a case (E12), whichever procedure that is of."""

from __future__ import annotations

from collections.abc import Iterator

from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.codes import Code
from caseproof.domain.emergency import payloads as emergency
from caseproof.domain.owing import Debt, Owed
from caseproof.domain.recordings import payloads as recordings
from caseproof.domain.recordings.listing import is_asked_for

TOLD = frozenset(
    {
        emergency.EmergencyRaised, emergency.EmergencyTaken, emergency.CallingAgain, emergency.UpdateGiven,
        emergency.EmergencyOver, recordings.RecordingLinked, recordings.NoRecording,
    }
)  # fmt: skip
"""What is told on the ticket, where support and the product team work on it together."""

ASKED = "Link it from the meeting or telephone system on the case's page of recordings, or say there why there is none."


def told_on_ticket(case: Case) -> list[Fact]:
    """The events of these kinds, oldest first."""
    return [FactOf(seq, event) for seq, event in enumerate(case.events, 1) if event.kind.spec.says in TOLD]


def note_key_of(case: Case, fact: Fact) -> str:
    """By what the ticket's comment about an event is known: to the desk, to its intent, on the list of what is owed."""
    return f"{case.ref}/note/{fact.seq}"


def without_review(case: Case) -> list[int]:
    """The numbers of the emergencies that are over and whose timeline is not kept yet."""
    kept = {fact.data["emergency"] for fact in case.all_of(emergency.ReviewKept)}
    return [number for fact in case.all_of(emergency.EmergencyOver) if (number := fact.data["emergency"]) not in kept]


def owes_after(case: Case) -> Iterator[Owed]:
    """What is owed of it now. It is asked with each event of every case, and most have nothing of the kind."""
    told = told_on_ticket(case)
    if any(fact.says(emergency.EmergencyOver) for fact in told):
        yield from (Owed(Debt.REVIEW, str(number)) for number in without_review(case))
        if number := is_asked_for(case):
            yield Owed(Debt.RECORDING, str(number), str(Code.ASKED_OF_A_PERSON), ASKED)
    if case.ticket is not None:
        yield from (Owed(Debt.NOTE, note_key_of(case, fact)) for fact in told)
