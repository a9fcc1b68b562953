"""The words of the ladder. Their values are stored and stand in forms, so they never change."""

from __future__ import annotations

from enum import StrEnum


class Tier(StrEnum):
    """Who owns a support case: the tiers of the ladder, and the implementation team that stands beside them (E6)."""

    L1 = "L1"
    L2 = "L2"
    PT = "PT"
    DEV = "DEV"
    IMPLEMENTATION = "implementation"


TIER_NAMES = {
    Tier.L1: "L1, the front line",
    Tier.L2: "L2",
    Tier.PT: "PT, the product team",
    Tier.DEV: "the development team",
    Tier.IMPLEMENTATION: "the implementation team",
}
"""What people read."""


class Urgency(StrEnum):
    """How much the client's work suffers. An emergency (E7) is raised on a case, whatever its urgency."""

    CAN_WAIT = "can wait"
    HINDERS = "hinders their work"
    STOPS = "stops part of their work"


class Failing(StrEnum):
    """Whether a job, a feed or a sync fails: then the case needs J7's or J8's proof (J10)."""

    YES = "yes: a job, a feed or a sync fails"
    NO = "no"


class Outcome(StrEnum):
    """What came of a step that was tried, or of a question that was asked."""

    SOLVED = "it solved the problem"
    PARTLY = "something changed, the problem stays"
    NO_CHANGE = "nothing changed"
    ANSWERED = "the question is answered"
    COULD_NOT = "it could not be done"


class Way(StrEnum):
    """By which of the three exceptions a higher tier is reached directly (E6)."""

    NAMED = "the client asks for a technician by name, and a case or a mail names them for the same issue"
    ASKED = "the technician asked for details or a call: this is the answer"
    IMPLEMENTATION = "an implementation or new-site request"


class Naming(StrEnum):
    """What names the technician (E6, first exception)."""

    CASE = "a case"
    MAIL = "a mail in this case"


class SameIssue(StrEnum):
    """Whether what names the technician is about the same issue (E6): a person says it."""

    SAME = "the same issue"
    ANOTHER = "another issue"


class Wanted(StrEnum):
    """What a technician asks for (E6, second exception)."""

    DETAILS = "more details"
    CALL = "that the client is called"


class NewWork(StrEnum):
    """What belongs to the implementation team or the product team (E6, third exception)."""

    IMPLEMENTATION = "an implementation request"
    NEW_SITE = "a new-site request"


class Told(StrEnum):
    """How the client was told of the solution."""

    MAIL = "by mail"
    TELEPHONE = "by telephone"
    TICKET = "on the ticket"


ONE, TWO, PT_ASKED, PT_OWNS = "l1", "l2", "pt-asked", "pt"
DEVELOPMENT, NEW, RAISED = "development", "implementation", "support-request"
"""The slugs of the tiers' forms, as events and rows name them."""
ABOUT, FINISH = "about", "finish"
"""And of those that are asked at a case's beginning and at its end."""

PRODUCT_UNKNOWN = "not known yet"
"""What stands for the product until somebody says it: then it is asked."""
