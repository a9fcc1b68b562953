"""What a support case owes, by its events: its ticket, what is told there, development's ticket, what follows an
emergency."""

from __future__ import annotations

from collections.abc import Iterator

from caseproof.domain import payloads as kernel
from caseproof.domain.aftermath import TOLD, note_key_of, owes_after
from caseproof.domain.case import Case, Fact, FactOf
from caseproof.domain.owing import Debt, Owed, given_up, has_open_ticket, is_given_up, step_in_trouble
from caseproof.domain.support import payloads as says

TOLD_ON_TICKET = frozenset(
    {
        *TOLD, says.Tried, says.HandedToL2, says.ReturnedToL1, says.PtAsked, says.PtAnswered, says.OutcomeTold,
        says.EffortsExhausted, says.TakenByPt, says.ReturnedToL2, says.DevelopmentRaised, says.DevelopmentTicket,
        says.DevelopmentAnswered, says.ReturnedToPt, says.ReachedL2, says.ReachedPt, says.SentToImplementation,
        says.DetailsWanted, says.DetailsGiven, says.SolutionStated, says.SolutionFailed, says.ClientTold,
        says.ClientWrote, says.SupportCorrected, says.JobLinked, says.JobUnlinked, says.JobProven,
        kernel.Noted,
    }
)  # fmt: skip
"""What the ticket tells: what happened, and who has the case."""


def owes(case: Case) -> list[Owed]:
    """What is owed now, but for what a person gave up."""
    if case.opened is None:
        return []
    found = [*_tickets(case), *_notes(case), *(one for one in owes_after(case) if one.what is not Debt.NOTE)]
    if not case.is_closed:
        found += step_in_trouble(case)
    no_more = given_up(case)
    return [one for one in found if (one.what, one.key) not in no_more]


def lacks_ticket(case: Case) -> bool:
    """Whether a ticket is to be opened for it; one that closed without any gets it all the same."""
    lacks = case.ticket is None if case.is_closed else not has_open_ticket(case)
    return lacks and not is_given_up(case, Debt.TICKET_OPENING, str(case.opening))


def told_on_ticket(case: Case) -> list[Fact]:
    """The events that the ticket tells, oldest first."""
    return [FactOf(seq, event) for seq, event in enumerate(case.events, 1) if event.kind.spec.says in TOLD_ON_TICKET]


def without_ticket(case: Case) -> list[FactOf[says.DevelopmentRaised]]:
    """What PT asked of the development team and has no ticket yet, and is to get one."""
    raised = {fact.data["raised"] for fact in case.all_of(says.DevelopmentTicket)}
    lacks = (fact for fact in case.all_of(says.DevelopmentRaised) if fact.seq not in raised)
    return [fact for fact in lacks if not is_given_up(case, Debt.DEVELOPMENT, str(fact.seq))]


def development_answers(case: Case) -> list[tuple[FactOf[says.DevelopmentTicket], FactOf[says.ReturnedToPt]]]:
    """What came back from development, each with the ticket that it answers."""
    found = []
    for fact in case.all_of(says.ReturnedToPt):
        asked = max((one.seq for one in case.all_of(says.DevelopmentRaised) if one.seq < fact.seq), default=0)
        of_it = (one for one in case.all_of(says.DevelopmentTicket) if one.data["raised"] == asked)
        found += [(ticket, fact) for ticket in of_it]
    return found


def answer_key(case: Case, fact: Fact) -> str:
    """By what the comment about this answer is known: to the desk, to its intent, and on the list of what is owed."""
    return f"{case.ref}/development/answer/{fact.seq}"


def _tickets(case: Case) -> Iterator[Owed]:
    if lacks_ticket(case):
        yield Owed(Debt.TICKET_OPENING, str(case.opening))
    elif case.is_closed and case.ticket_closed is None:
        yield Owed(Debt.TICKET, str(case.opening))
    if case.own.get("development") is None:
        return
    yield from (Owed(Debt.DEVELOPMENT, str(fact.seq)) for fact in without_ticket(case))
    yield from (Owed(Debt.DEVELOPMENT, answer_key(case, fact)) for _, fact in development_answers(case))


def _notes(case: Case) -> Iterator[Owed]:
    """Every event that is told: whether its comment was made, its intent knows, and settles it on the list."""
    if case.ticket is not None:
        yield from (Owed(Debt.NOTE, note_key_of(case, fact)) for fact in told_on_ticket(case))
