"""The words that all rooms share, in one place: causes, how far a stop reaches, what retailers choose, where a message
ends, and what the forms are called. Their values are stored and stand in forms and files, so they never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, get_args

Cause = Literal[
    "expired_token",
    "retailer_offboarded",
    "website_changed",
    "feed",
    "sync",
    "connection",
    "our_platform",
    "unknown",
]
CAUSES: tuple[str, ...] = get_args(Cause)
"""Why a job fails, as far as it is known; each has its notice in channels/outbound/templates/*/causes."""

UNKNOWN = "unknown"
"""The cause of a failure of which nobody knows why; a person is asked for it before the retailer is told (J5)."""

NO_MESSAGE = "The job fails."
"""What a case says that has no message of a run and no words of a person."""

NOT_THEIRS = frozenset({"our_platform", "website_changed"})
"""The causes that are never the retailer's fault: they are told, and asked nothing."""


class Scope(StrEnum):
    """How far a stop reaches: the job or feed, all jobs of the retailer on its marketplace, or on its connection."""

    JOB = "job"
    MARKETPLACE = "marketplace"
    CONNECTION = "connection"


class Decision(StrEnum):
    """What becomes of the account. The value is what forms, events and proofs show."""

    AFTER_CHANGE = "reactivate after the retailer's change"
    AFTER_FIX = "reactivate after our fix"
    KEEP_PAUSED = "keep paused until a date"
    REMOVE = "remove the integration"


BY_MAIL, BY_PAGE = "mail", "page"
"""What an event says of the way that words came by themselves; an operator hands in the others."""

BY_LOGIN, BY_FORM, BY_COMMAND = "login", "said in Prefect's form", "command"
"""How somebody who acts is known: logged in on our page, or by the name that was chosen in Prefect or typed."""


class Choice(StrEnum):
    """What a retailer may choose on the page. The value is what the event and the form write down.

    The first two are confirmations; clear words in a mail are taken for one of these.
    """

    CHANGED = "changed"
    REMOVE = "remove"
    HELP = "help"
    NOT_MINE = "not_mine"


WAYS = {
    BY_PAGE: "on the confirmation page",
    BY_MAIL: "by mail",
    "message": "by mail, handed in by an operator",
    "form": "in words that an operator typed in",
}


class Starter(StrEnum):
    """Who started the run that proves it; events of before it was written down say nothing."""

    CASEPROOF = "caseproof"
    PERSON = "a person"
    """On the platform, which does not let Caseproof start one."""


class Picture(StrEnum):
    """What a picture of a run is; events of before there were other kinds say nothing, and mean the first."""

    OWN_PAGE = "own page"
    """Of the platform's own page, taken by our browser."""
    RENDERED = "rendered"
    """Of a page that Caseproof made from data read back."""
    UPLOADED = "uploaded"
    """Brought by a person, and confirmed by another."""

    @property
    def page(self) -> str:
        """The page that our browser pictured, in words."""
        return PICTURED.get(self, "no page")


PICTURED: Mapping[str, str] = {
    Picture.OWN_PAGE: "the run's own page",
    Picture.RENDERED: "a page that Caseproof rendered from what the platform told",
}
"""The pages that our browser pictures, in words."""


class Disposition(StrEnum):
    """Where a message ends: each in exactly one of these."""

    COUNTED = "counted"
    """A confirmation that counts."""
    REPLY = "reply"
    """The retailer's word that confirms nothing."""
    REFUSED = "refused"
    """It names a case and cannot be trusted, or says nothing of its own."""
    UNMATCHED = "unmatched"
    """We cannot tell which case it is about."""
    AUTOMATIC = "automatic"
    """A program wrote it."""
    BOUNCE = "bounce"
    """A mail of ours came back."""
    SUPPORT = "support"
    """It opened a support case, or joined one."""
    DUPLICATE = "duplicate"
    """Its sender sent it before."""
    UNREADABLE = "unreadable"
    """It is no mail, or too much of one."""

    @property
    def needs_eye(self) -> bool:
        """Whether a person has to look at what ends here."""
        return self in _NEEDS_EYE


_NEEDS_EYE = frozenset(
    {Disposition.REPLY, Disposition.REFUSED, Disposition.UNMATCHED, Disposition.UNREADABLE, Disposition.BOUNCE}
)

WORD, DECISION, REVIEW, TRY_AGAIN = "retailers-word", "decision", "review", "try-again"
AGREEMENT = "agreement"
CAUSE, SHARED_CAUSE = "cause", "shared-cause"
"""The slugs of a case's forms, as events and rows name them."""
INCIDENT = "incident"
"""The slug of an incident's form."""
