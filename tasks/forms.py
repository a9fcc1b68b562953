"""The forms that a case asks people with, as they appear when a suspended run is resumed in the Prefect UI.

Flat, with choices where there are choices, and no default on a field that decides: Prefect accepts an empty answer to a
form whose fields all have defaults. Who answers is a choice from the policy's team list, because Prefect's own
resume call carries no name.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from prefect.input import RunInput
from pydantic import Field, create_model

from caseproof.domain.decisions import Decision


class Word(StrEnum):
    """What an operator says about the retailer's word."""

    WROTE = "the retailer wrote: record it"
    WITHOUT = "decide without the retailer's word"


class Verdict(StrEnum):
    """What a reviewer says about the evidence."""

    APPROVE = "approve"
    SEND_BACK = "send back"


class Form(RunInput):
    """A question to a person. ``slug`` names it in the case's events."""

    slug: ClassVar[str]

    answered_by: str = Field(title="Who are you?", description="Your name as it stands on the team list.")


class RetailersWord(Form):
    """What the retailer said, word for word (J8)."""

    slug: ClassVar[str] = "retailers-word"

    what: Word = Field(title="What now?", description="Record what the retailer wrote, or go on to the decision.")
    sender: str = Field("", title="From", description="The mail address that the retailer wrote from.")
    message: str = Field("", title="Their words", description="What they wrote, word for word.")


class AccountDecision(Form):
    """What becomes of the account (J6)."""

    slug: ClassVar[str] = "decision"

    decision: Decision = Field(title="Decision", description="What becomes of the account.")
    reason: str = Field(title="Why", min_length=1, description="A sentence that a colleague understands next week.")
    checked: str = Field(
        "",
        title="What you checked in the system",
        description="For 'after the retailer's change': what you looked at and what you saw there (J8).",
    )
    paused_until: str = Field(
        "", title="Paused until", description="For 'keep paused': the date, as YYYY-MM-DD. Empty otherwise."
    )


class Review(Form):
    """The second approval before the case closes (J7, J8)."""

    slug: ClassVar[str] = "review"

    verdict: Verdict = Field(title="Verdict", description="Approve the evidence, or send the case back to the stop.")
    remark: str = Field("", title="Remark", description="Needed when you send it back.")


class TryAgain(Form):
    """A step needs help: put it right, then resume."""

    slug: ClassVar[str] = "try-again"

    remark: str = Field("", title="Remark", description="What you did about it, if anything.")


FORMS: dict[str, type[Form]] = {form.slug: form for form in (RetailersWord, AccountDecision, Review, TryAgain)}


def for_team(form: type[Form], team: tuple[str, ...]) -> type[Form]:
    """The form with the team list as the choices of who answers."""
    choices: dict[str, Any] = {"enum": list(team)}
    who = Field(title="Who are you?", description="Your name as it stands on the team list.", json_schema_extra=choices)
    return create_model(form.__name__, __base__=form, answered_by=(str, who))
