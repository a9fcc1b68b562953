"""The forms that people are asked with, as data: whatever shows one, and whatever reads its answer, goes by these.

Flat, with choices where there are choices, and no default on a field that decides: Prefect accepts an empty answer to a
form whose fields all have defaults. Who answers is a choice from the policy's team list, because Prefect's own resume
call carries no name. An instance of a form is an answer that was filled in right.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import ClassVar, get_type_hints

from caseproof.domain.vocabulary import (
    AGREEMENT,
    CAUSE,
    DECISION,
    INCIDENT,
    REVIEW,
    SHARED_CAUSE,
    TRY_AGAIN,
    WORD,
    Decision,
)


class Word(StrEnum):
    """What an operator says about the retailer's word."""

    WROTE = "the retailer wrote: record it"
    COUNTS = "the reply shown above counts: record it"
    ANSWERED = "I answered the reply shown above: wait on"
    WITHOUT = "decide without the retailer's word"


class Counts(StrEnum):
    """What somebody else than who brought it in says of a word that something speaks against."""

    AGREE = "I agree: it is the retailer's word"
    NO = "it does not count"


class ForAll(StrEnum):
    """What may be decided for all cases of an incident: what needs no retailer's word (J8)."""

    AFTER_FIX = str(Decision.AFTER_FIX)
    KEEP_PAUSED = str(Decision.KEEP_PAUSED)


class Verdict(StrEnum):
    """What a reviewer says about the evidence."""

    APPROVE = "approve"
    SEND_BACK = "send back"


class CauseChoice(StrEnum):
    """Why a job fails, as an operator says it where no signature does. The values are causes, but for the last."""

    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a cause
    RETAILER_OFFBOARDED = "retailer_offboarded"
    WEBSITE_CHANGED = "website_changed"
    FEED = "feed"
    SYNC = "sync"
    CONNECTION = "connection"
    OUR_PLATFORM = "our_platform"
    NONE = "none of these: tell them neutrally, and ask nothing"


class Apart(StrEnum):
    """What may be said of a case whose message another case asks about."""

    BY_ITSELF = "this failure is another: ask about this case by itself"


def shown(title: str, description: str, **more: object) -> dict[str, object]:
    """How a field is shown. ``more``: what else of a FormField is said, by its names."""
    return {"title": title, "description": description, **more}


_WHY = shown("Why", "A sentence that a colleague understands next week.", shortest=1, is_long=True)
_PAUSED_UNTIL = shown(
    "Paused until",
    "Needed for 'keep paused': the day on which the team decides again. Empty otherwise.",
    is_date=True,
    only_with=(str(Decision.KEEP_PAUSED),),
    needed_with=(str(Decision.KEEP_PAUSED),),
)


@dataclass(frozen=True)
class Form:
    """A question to a person, and its answer.

    ``slug`` names it in the case's events, and ``waits_for`` is what the name of a run that waits with it ends with.
    """

    slug: ClassVar[str]
    waits_for: ClassVar[str]

    answered_by: str = field(
        metadata=shown(
            "Who are you?",
            "Your name on the policy's team list: it is written down with your answer.",
            position=9,  # Prefect's UI sorts by it, and a field without one is 0: this is the last
        )
    )


@dataclass(frozen=True)
class RetailersWord(Form):
    """What the retailer said, word for word (J8)."""

    slug = WORD
    waits_for = "waits for the retailer's word"

    what: Word = field(
        metadata=shown(
            "The retailer's word (J8)",
            "Record what the retailer wrote, say that the newest reply above counts, or go on to the decision.",
        )
    )
    sender: str = field(
        default="",
        metadata=shown(
            "Who wrote it",
            "If they wrote: the mail address, which must be one of the retailer's registered contacts.",
            is_contact=True,
            only_with=(str(Word.WROTE),),
            needed_with=(str(Word.WROTE),),
        ),
    )
    message: str = field(
        default="",
        metadata=shown(
            "What they wrote",
            "Word for word. What you understood of it is not their word (J11).",
            is_long=True,
            only_with=(str(Word.WROTE),),
            needed_with=(str(Word.WROTE),),
        ),
    )


@dataclass(frozen=True)
class WordAgreement(Form):
    """Whether a word counts that something speaks against: two people say so, or it founds nothing (J8)."""

    slug = AGREEMENT
    waits_for = "waits for somebody else to agree to the retailer's word"

    counts: Counts = field(
        metadata=shown(
            "Is it the retailer's word? (J8)",
            "Agree only where you know it from elsewhere: you saw the mail arrive, or asked the retailer. Who brought "
            "it in can only take it back.",
        )
    )
    remark: str = field(
        default="", metadata=shown("How you know", "What you looked at, or whom you asked.", is_long=True)
    )


@dataclass(frozen=True)
class AccountDecision(Form):
    """What becomes of the account (J6)."""

    slug = DECISION
    waits_for = "waits for the decision"

    decision: Decision = field(metadata=shown("The account's status (J6)", "What becomes of the account."))
    reason: str = field(metadata=_WHY)
    checked: str = field(
        default="",
        metadata=shown(
            "What you checked in the system (J8)",
            "Needed for 'after the retailer's change': what you looked at, and what you saw there.",
            is_long=True,
            only_with=(str(Decision.AFTER_CHANGE),),
            needed_with=(str(Decision.AFTER_CHANGE),),
        ),
    )
    paused_until: str = field(default="", metadata=_PAUSED_UNTIL)


@dataclass(frozen=True)
class Review(Form):
    """The second approval before the case closes (J7, J8)."""

    slug = REVIEW
    waits_for = "waits for the review"

    verdict: Verdict = field(
        metadata=shown("The evidence (J7, J8)", "Approve it, or send the case back to the stop (J2).")
    )
    checked: str = field(
        default="",
        metadata=shown(
            "What you checked in the system (J8)",
            "Needed to approve where nobody looked at the change yet: what you looked at, and what you saw.",
            is_long=True,
            only_with=(str(Verdict.APPROVE),),
        ),
    )
    remark: str = field(
        default="",
        metadata=shown(
            "Remark",
            "Needed when you send it back: the job is stopped again, and the case decided anew.",
            is_long=True,
            needed_with=(str(Verdict.SEND_BACK),),
        ),
    )


@dataclass(frozen=True)
class TryAgain(Form):
    """A step needs help: put it right, then resume."""

    slug = TRY_AGAIN
    waits_for = "needs help"

    remark: str = field(default="", metadata=shown("What you did about it", "Put it right, then submit.", is_long=True))


@dataclass(frozen=True)
class CauseOfFailure(Form):
    """Why the job fails, where no signature of the policy says it (J5): nobody is told a guess."""

    slug = CAUSE
    waits_for = "waits for the cause"

    cause: CauseChoice = field(
        metadata=shown("The cause (J5)", "It is remembered for messages like this one; it chooses the notice's words.")
    )


@dataclass(frozen=True)
class CauseElsewhere(Form):
    """The cause of a message that another case asks about: its answer holds for this one, too."""

    slug = SHARED_CAUSE
    waits_for = "waits for the cause, asked with another case"

    apart: Apart = field(
        metadata=shown("Another failure?", "Nothing is to be done here, unless the message only looks like the other.")
    )


@dataclass(frozen=True)
class IncidentDecision(Form):
    """What becomes of all the accounts of an incident (J6)."""

    slug = INCIDENT
    waits_for = "waits for the decision for all"

    decision: ForAll = field(metadata=shown("All of these accounts (J6)", "What becomes of them."))
    reason: str = field(metadata=_WHY)
    paused_until: str = field(default="", metadata=_PAUSED_UNTIL)


FORMS: dict[str, type[Form]] = {
    form.slug: form
    for form in (CauseOfFailure, CauseElsewhere, RetailersWord, WordAgreement, AccountDecision, Review, TryAgain)
}
"""The forms of a case, by slug. An incident has one of its own, IncidentDecision."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as a form shows it: a text, a date, or one of ``choices``.

    ``is_needed``: it decides, and nothing is filled in for a person; one that is not may stay empty. ``shortest`` is
    how many characters it takes at least. Fields stand in the order of their ``position``, else as they are written.
    ``only_with`` and ``needed_with`` are choices of the form: with which of them the field is asked for at all (none:
    with each), and with which it may not stay empty. ``is_long`` takes several lines, ``is_contact`` the address of one
    of the retailer's registered contacts.
    """

    name: str
    title: str
    description: str
    is_needed: bool
    choices: type[StrEnum] | None = None
    is_date: bool = False
    is_long: bool = False
    is_contact: bool = False
    shortest: int = 0
    position: int = 0
    only_with: tuple[str, ...] = ()
    needed_with: tuple[str, ...] = ()

    def is_asked_with(self, choice: str) -> bool:
        """Whether it is asked for where this was chosen."""
        return not self.only_with or choice in self.only_with

    def needs_a_word_with(self, choice: str) -> bool:
        """Whether it may not stay empty where this was chosen."""
        return self.is_asked_with(choice) and (self.is_needed or choice in self.needed_with)


def fields_of(form: type[Form]) -> list[FormField]:
    """The form's fields as they stand, the first on top."""
    kinds = get_type_hints(form)
    found = [
        FormField(
            name=one.name,
            is_needed=one.default is MISSING,
            choices=None if kinds[one.name] is str else kinds[one.name],
            **dict(one.metadata),
        )
        for one in fields(form)
    ]
    return sorted(found, key=lambda one: one.position)
