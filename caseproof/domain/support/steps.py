"""The ladder, declared once: each request, who may make it, from which states, where it leads, and what it needs.

The lifecycle, the refusals, ``escalation_blockers``, the table in docs/ladder.md and its picture are read from
``LADDER``; nothing else in the product decides who may go where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from caseproof.domain.support import gates
from caseproof.domain.support.gates import Bring, Need
from caseproof.domain.support.lifecycle import WITH_L2, State
from caseproof.domain.support.vocabulary import Tier


class Request(StrEnum):
    """What somebody asks of the ladder. The value is the kind of the event that it becomes."""

    TRY = "tried"
    HAND_TO_L2 = "handed_to_l2"
    RETURN_TO_L1 = "returned_to_l1"
    ASK_PT = "pt_asked"
    ANSWER_L2 = "pt_answered"
    TELL_OUTCOME = "outcome_told"
    EXHAUST = "efforts_exhausted"
    TAKE = "taken_by_pt"
    RETURN_TO_L2 = "returned_to_l2"
    RAISE_DEVELOPMENT = "development_raised"
    RETURN_TO_PT = "returned_to_pt"
    REACH_L2 = "reached_l2"
    REACH_PT = "reached_pt"
    SEND_TO_IMPLEMENTATION = "sent_to_implementation"
    WANT_DETAILS = "details_wanted"
    GIVE_DETAILS = "details_given"
    STATE_SOLUTION = "solution_stated"
    TAKE_SOLUTION_BACK = "solution_failed"
    REOPEN = "reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a request is. ``says``: who does what; ``do``: the same as an order. ``before``: the states it is made in.

    ``after``: where it leads; None: it changes no state. ``by``: the tiers that may make it; none: the tier that owns
    the case; with ``by_anybody`` whoever it is. ``direct``: it skips the ladder, by an exception of E6.
    """

    says: str
    do: str
    rule: str
    before: tuple[State, ...]
    after: State | None = None
    by: tuple[Tier, ...] = ()
    by_anybody: bool = False
    needs: tuple[Need, ...] = ()
    brings: tuple[Bring, ...] = ()
    direct: bool = False


_OPEN = tuple(state for state in State if state is not State.CLOSED)
_SUPPORT = (State.WITH_L1, *WITH_L2)
_L2_NEEDS = (gates.L1_TRIED, gates.L1_UNSOLVED)
_PT_NEEDS = (gates.DOCUMENTED, gates.SUGGESTION_TRIED, gates.OUTCOMES, gates.UNSOLVED)
_EXCEPTIONS = (gates.WAY, gates.NAMES_THEM, gates.SAME_ISSUE, gates.THEY_ASKED, gates.STEPS_TAKEN)
_NEW_WORK = (gates.NEW_WORK, gates.WORDS_ASK, gates.NO_FAULT)

LADDER: Mapping[Request, Step] = {
    Request.TRY: Step(
        says="The tier that owns the case records a step that it tried",
        do="Record what you tried, in the form of the tier that owns the case.",
        rule="E2",
        before=tuple(state for state in _OPEN if state is not State.WITH_DEVELOPMENT),
        brings=(gates.DOCUMENT, gates.STEP, gates.STEP_OUTCOME),
    ),
    Request.HAND_TO_L2: Step(
        says="L1 hands over to L2",
        do="Let L1 hand the case over to L2, with what it tried.",
        rule="E1",
        before=(State.WITH_L1,),
        after=State.WITH_L2,
        by=(Tier.L1,),
        needs=_L2_NEEDS,
        brings=(gates.WHY_NOT_L1,),
    ),
    Request.RETURN_TO_L1: Step(
        says="L2, or the implementation team, gives it back to L1",
        do="Let L2, or the implementation team, give the case back to L1.",
        rule="E1",
        before=(State.WITH_L2, State.PT_ANSWERED, State.WITH_IMPLEMENTATION),
        after=State.WITH_L1,
        brings=(gates.WHY_BACK,),
    ),
    Request.ASK_PT: Step(
        says="L2 asks PT for help, and keeps the case",
        do="Let L2 ask PT for help.",
        rule="E2, E3",
        before=(State.WITH_L2, State.PT_ANSWERED),
        after=State.PT_ASKED,
        by=(Tier.L2,),
        needs=(gates.DOCUMENTED, gates.OUTCOMES, gates.UNSOLVED),
        brings=(gates.QUESTION,),
    ),
    Request.ANSWER_L2: Step(
        says="PT answers L2 with suggestions or questions",
        do="Let PT answer L2 with suggestions or questions.",
        rule="E3",
        before=(State.PT_ASKED, State.PT_ANSWERED),
        after=State.PT_ANSWERED,
        by=(Tier.PT,),
        brings=(gates.ADVICE, gates.ANOTHERS_ANSWER),
    ),
    Request.TELL_OUTCOME: Step(
        says="L2 says what came of a suggestion or question of PT",
        do="Let L2 try each of PT's suggestions and say what came of it.",
        rule="E3",
        before=WITH_L2,
        by=(Tier.L2,),
        brings=(gates.WHICH_ITEM, gates.TOLD_STEP, gates.ITEM_OUTCOME),
    ),
    Request.EXHAUST: Step(
        says="L2 says that its best efforts are exhausted",
        do="Let L2 say why nothing is left that it could try.",
        rule="E4",
        before=(State.PT_ANSWERED,),
        by=(Tier.L2,),
        needs=_PT_NEEDS,
        brings=(gates.WHY_EXHAUSTED,),
    ),
    Request.TAKE: Step(
        says="PT takes the case",
        do="Let PT take the case.",
        rule="E4",
        before=(State.PT_ANSWERED,),
        after=State.WITH_PT,
        by=(Tier.PT,),
        needs=(*_PT_NEEDS, gates.EXHAUSTED),
    ),
    Request.RETURN_TO_L2: Step(
        says="PT gives it back to L2 with what is still to be tried",
        do="Let PT give the case back to L2, with what is still to be tried.",
        rule="E3",
        before=(State.WITH_PT,),
        after=State.PT_ANSWERED,
        by=(Tier.PT,),
        brings=(gates.ADVICE,),
    ),
    Request.RAISE_DEVELOPMENT: Step(
        says="PT has a ticket raised for the development team, with the change in code",
        do="Let PT state the change in code; the ticket for the development team is raised with it.",
        rule="E5",
        before=(State.WITH_PT,),
        after=State.WITH_DEVELOPMENT,
        by=(Tier.PT,),
        brings=(gates.CODE_PLACE, gates.CODE_CHANGE, gates.CODE_DONE),
    ),
    Request.RETURN_TO_PT: Step(
        says="The development team gives it back to PT with what it did",
        do="Let the development team give the case back to PT, with what it did.",
        rule="E5",
        before=(State.WITH_DEVELOPMENT,),
        after=State.WITH_PT,
        by=(Tier.DEV, Tier.PT),
        brings=(gates.RESULT,),
    ),
    Request.REACH_L2: Step(
        says="L1 reaches an L2 technician directly, by an exception",
        do="Where an exception of E6 holds, reach the technician with its evidence.",
        rule="E6",
        before=(State.WITH_L1,),
        after=State.WITH_L2,
        by=(Tier.L1,),
        brings=(*_EXCEPTIONS, gates.NOT_L2),
        direct=True,
    ),
    Request.REACH_PT: Step(
        says="L1 or L2 reaches the product team directly, by an exception",
        do="Where an exception of E6 holds, reach PT with its evidence.",
        rule="E6",
        before=_SUPPORT,
        after=State.WITH_PT,
        brings=(*_EXCEPTIONS, gates.FROM_L1, *_NEW_WORK),
        direct=True,
    ),
    Request.SEND_TO_IMPLEMENTATION: Step(
        says="L1 or L2 sends an implementation or new-site request to the implementation team",
        do="Where the client asks for new work, send it to the implementation team with the client's words.",
        rule="E6",
        before=_SUPPORT,
        after=State.WITH_IMPLEMENTATION,
        brings=tuple(gates.for_any_way(one) for one in _NEW_WORK),
        direct=True,
    ),
    Request.WANT_DETAILS: Step(
        says="A technician of L2 or PT asks for details, or that the client is called",
        do="Let the technician ask in the case.",
        rule="E6",
        before=_OPEN,
        by=(Tier.L2, Tier.PT),
        brings=(gates.WHAT_THEY_WANT, gates.WANTED),
    ),
    Request.GIVE_DETAILS: Step(
        says="The answer goes back to the technician who asked, with the steps taken",
        do="Answer the technician who asked, with the steps that you took.",
        rule="E6",
        before=_OPEN,
        by=tuple(Tier),
        brings=(gates.TO_ASKER, gates.ANOTHERS_DETAILS, gates.for_any_way(gates.STEPS_TAKEN)),
    ),
    Request.STATE_SOLUTION: Step(
        says="The tier that owns the case states what solved it",
        do="Let the tier that owns the case state what solved it, and what was checked.",
        rule="J11",
        before=tuple(state for state in _OPEN if state is not State.WITH_DEVELOPMENT),
        brings=(gates.SOLVES, gates.CHECKED),
    ),
    Request.TAKE_SOLUTION_BACK: Step(
        says="Somebody says that it is no solution after all",
        do="Say why it is no solution.",
        rule="J11",
        before=_OPEN,
        by_anybody=True,
        brings=(gates.WHY_NO_SOLUTION,),
    ),
    Request.REOPEN: Step(
        says="The case is opened again, with L1",
        do="Open the case again, and say why.",
        rule="E1",
        before=(State.CLOSED,),
        after=State.WITH_L1,
        by_anybody=True,
        brings=(gates.WHY_AGAIN,),
    ),
}
"""Every request on the ladder."""

TAKES: Mapping[Tier, Request] = {
    Tier.L2: Request.HAND_TO_L2,
    Tier.PT: Request.TAKE,
    Tier.DEV: Request.RAISE_DEVELOPMENT,
    Tier.IMPLEMENTATION: Request.SEND_TO_IMPLEMENTATION,
}
"""By which request a tier comes to own a case on the ordinary way."""
