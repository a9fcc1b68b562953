"""The words of an emergency. The values are stored, in events: they never change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Criterion(StrEnum):
    """What makes an emergency (E7): any one of these."""

    STORE_DOWN = "store_down"
    ORDERING_DOWN = "ordering_down"
    PAYMENTS_DOWN = "payments_down"
    TERMINALS_FAIL = "terminals_fail"
    STAFF_LOCKED_OUT = "staff_locked_out"
    ECM_DOWN = "ecm_down"


CRITERIA: Mapping[Criterion, str] = MappingProxyType(
    {
        Criterion.STORE_DOWN: "the store is down: no food can be ordered",
        Criterion.ORDERING_DOWN: "online ordering is down",
        Criterion.PAYMENTS_DOWN: "payments are down",
        Criterion.TERMINALS_FAIL: "more than half of the payment terminals fail",
        Criterion.STAFF_LOCKED_OUT: "staff cannot use the site for any of these: server or network down, no log-in",
        Criterion.ECM_DOWN: "the web ECM servers are down, failing or not responding, or customers cannot reach them",
    }
)
"""Each as people read it."""


class OwnLadder(StrEnum):
    """Whether the callers' own ladder (L1, L2, L3 of their team) was used first (E9)."""

    USED = "used"
    NOT_USED = "not_used"
    NONE = "none"
    """The caller's team has none, or nobody of it can be reached."""
    NOT_SAID = "not_said"
    """It was asked, and nobody answered: that blocks nothing, and is told as what it is."""


class Channel(StrEnum):
    """What people are reached by. In an emergency all three are used, not one of them (E8)."""

    MAIL = "mail"
    TEAMS = "teams"
    CALL = "call"


MESSAGES = (Channel.MAIL, Channel.TEAMS)
"""The channels that carry a text to everybody at once."""


class Outcome(StrEnum):
    """What came of one try. None of them is an acknowledgement: that is an event of its own, made by a person."""

    DELIVERED = "delivered"
    """The mail or the card was taken by its server."""
    ANSWERED = "answered"
    """Somebody picked up, and pressed nothing that says they have it."""
    DECLINED = "declined"
    """Somebody said that they cannot, or that it needs more people."""
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    MACHINE = "machine"
    """An answering machine took the call."""
    FAILED = "failed"
    """It certainly reached nobody."""
    UNKNOWN = "unknown"
    """Its time is up and nobody knows: the channel hangs, or the worker died."""
    NOT_SET_UP = "not_set_up"
    """There is no such channel here: it is tried again with the next news, and not before."""
    HUNG_UP = "hung_up"
    """We ended the call, because somebody else had it meanwhile."""


class Via(StrEnum):
    """How somebody said that they have it."""

    DIGIT = "digit"
    LINK = "link"
    CARD = "card"
    FORM = "form"


class Press(StrEnum):
    """What a digit on the telephone means; every other digit means nothing."""

    HAVE_IT = "1"
    CANNOT = "2"
    ESCALATE = "3"


class NewsKind(StrEnum):
    """What a mail or a card tells."""

    RAISED = "raised"
    STILL_CALLING = "still_calling"
    UPDATE = "update"
    """What somebody wrote for those who wait."""
    STILL_HELD = "still_held"
    """Whoever has it has it yet, and has said nothing for a while."""
    TAKEN = "taken"
    CALLING_AGAIN = "calling_again"
    OVER = "over"


CALLING = frozenset({NewsKind.RAISED, NewsKind.STILL_CALLING, NewsKind.CALLING_AGAIN})
"""The news of which somebody may say that they have it."""
