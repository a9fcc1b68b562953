"""What the forms of the ladder offer. The values are stored and stand in Prefect's forms, so they never change."""

from __future__ import annotations

from enum import StrEnum


class L1Does(StrEnum):
    """What the front line does."""

    TRIED_SOLVED = "I tried a step: it solved the problem"
    TRIED_PARTLY = "I tried a step: something changed, the problem stays"
    TRIED_NOTHING = "I tried a step: nothing changed"
    HAND_OVER = "L1 cannot solve it: hand over to L2 (E1)"
    L2_BY_MAIL = "a mail in this case names an L2 technician for the same issue (E6)"
    L2_BY_CASE = "another case names an L2 technician for the same issue (E6)"
    PT_BY_MAIL = "a mail in this case names a PT technician for the same issue (E6)"
    PT_BY_CASE = "another case names a PT technician for the same issue (E6)"
    ANSWER_L2 = "reach the L2 technician who asked for details or a call (E6)"
    ANSWER_PT = "reach the PT technician who asked for details or a call (E6)"
    IMPLEMENTATION = "it is an implementation request (E6)"
    NEW_SITE = "it is a new-site request (E6)"
    PT_IMPLEMENTATION = "it is an implementation request for the product team (E6)"
    PT_NEW_SITE = "it is a new-site request for the product team (E6)"
    SOLVED = "state the solution"


class L2Does(StrEnum):
    """What L2 does with a case that it owns."""

    TRIED_SOLVED = "I tried a step of a document: it solved the problem"
    TRIED_PARTLY = "I tried a step of a document: something changed, the problem stays"
    TRIED_NOTHING = "I tried a step of a document: nothing changed"
    ASK_PT = "ask PT for help, and keep the case (E2, E3)"
    ITEM_SOLVED = "PT's suggestion: it solved the problem (E3)"
    ITEM_PARTLY = "PT's suggestion: something changed, the problem stays (E3)"
    ITEM_NOTHING = "PT's suggestion: nothing changed (E3)"
    ITEM_ANSWERED = "PT's question: this is the answer (E3)"
    ITEM_COULD_NOT = "PT's suggestion or question: it could not be done (E3)"
    EXHAUSTED = "L2's efforts are exhausted: PT may take it (E4)"
    RETURN = "give it back to L1"
    WANT_DETAILS = "ask for more details (E6)"
    WANT_CALL = "ask that the client is called (E6)"
    GIVE_DETAILS = "answer the technician who asked for details or a call (E6)"
    PT_BY_MAIL = "a mail in this case names a PT technician for the same issue (E6)"
    PT_BY_CASE = "another case names a PT technician for the same issue (E6)"
    IMPLEMENTATION = "it is an implementation request (E6)"
    NEW_SITE = "it is a new-site request (E6)"
    PT_IMPLEMENTATION = "it is an implementation request for the product team (E6)"
    PT_NEW_SITE = "it is a new-site request for the product team (E6)"
    SOLVED = "state the solution"


class PtAnswers(StrEnum):
    """What PT does with a case that L2 owns; and L2, which goes on with it meanwhile."""

    ADVISE = "answer L2 with suggestions or questions (E3)"
    TAKE = "take the case: L2's efforts are exhausted (E4)"
    WANT_DETAILS = "ask for more details (E6)"
    WANT_CALL = "ask that the client is called (E6)"
    GIVE_DETAILS = "answer the technician who asked for details or a call (E6)"
    TRIED_SOLVED = "for L2: I tried a step of a document: it solved the problem"
    TRIED_PARTLY = "for L2: I tried a step of a document: something changed, the problem stays"
    TRIED_NOTHING = "for L2: I tried a step of a document: nothing changed"
    ASK_PT = "for L2: ask PT for further steps (E3)"
    SOLVED = "for L2: state the solution"


class PtDoes(StrEnum):
    """What PT does with a case that it owns."""

    TRIED_SOLVED = "I tried a step: it solved the problem"
    TRIED_PARTLY = "I tried a step: something changed, the problem stays"
    TRIED_NOTHING = "I tried a step: nothing changed"
    DEVELOP = "a code change is needed: a ticket for the development team (E5)"
    RETURN = "give it back to L2 with suggestions or questions (E3)"
    WANT_DETAILS = "ask for more details (E6)"
    WANT_CALL = "ask that the client is called (E6)"
    GIVE_DETAILS = "answer the technician who asked for details or a call (E6)"
    SOLVED = "state the solution"


class DevelopmentDoes(StrEnum):
    """What the development team does."""

    RETURN = "give it back to PT, with what was done (E5)"
    GIVE_DETAILS = "answer the technician who asked for details or a call (E6)"


class ImplementationDoes(StrEnum):
    """What the implementation team does."""

    TRIED_SOLVED = "I tried a step: it solved the problem"
    TRIED_PARTLY = "I tried a step: something changed, the problem stays"
    TRIED_NOTHING = "I tried a step: nothing changed"
    RETURN = "it is no new work: give it back to L1"
    GIVE_DETAILS = "answer the technician who asked for details or a call (E6)"
    SOLVED = "state the solution"


class Beside(StrEnum):
    """What somebody says in a case whichever tier has to act."""

    WANT_DETAILS = "a technician of L2 or PT asks for more details (E6)"
    WANT_CALL = "a technician of L2 or PT asks that the client is called (E6)"
    SUGGEST = "PT has a suggestion more for L2 (E3)"
    QUESTION = "PT has a question more for L2 (E3)"
    NO_SOLUTION = "it is no solution after all (J11)"
    REOPEN = "open the closed case again (E1)"
    UNLINK = "a linked case's job was never part of this matter (J10)"


class Finishes(StrEnum):
    """How the client is told of the solution, and which job-failure case proves that a job runs again."""

    MAIL = "send the client this mail (J5)"
    TELEPHONE = "I told the client by telephone (J5)"
    TICKET = "I told the client on the ticket (J5)"
    LINK = "a job fails in this matter: this is its case (J10)"
    UNLINK = "this linked case's job was never part of this matter (J10)"
    NO_JOB = "no job, feed or sync fails in this matter"
    NO_SOLUTION = "it is no solution after all"


TRIED = ("TRIED_SOLVED", "TRIED_PARTLY", "TRIED_NOTHING")
ITEMS = ("ITEM_SOLVED", "ITEM_PARTLY", "ITEM_NOTHING", "ITEM_ANSWERED", "ITEM_COULD_NOT")
NAMED = ("L2_BY_MAIL", "L2_BY_CASE", "PT_BY_MAIL", "PT_BY_CASE")
NEW = ("IMPLEMENTATION", "NEW_SITE", "PT_IMPLEMENTATION", "PT_NEW_SITE")
ANSWERS = ("ANSWER_L2", "ANSWER_PT", "GIVE_DETAILS")
"""The names of choices that bring the same."""
