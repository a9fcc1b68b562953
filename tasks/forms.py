"""The forms that a case or incident asks people with, as they appear when a suspended run is resumed in the Prefect UI.

Flat, with choices where there are choices, and no default on a field that decides: Prefect accepts an empty answer to a
form whose fields all have defaults. Who answers is a choice from the policy's team list, because Prefect's own
resume call carries no name.

What is asked stands in the description of the first field: Prefect's UI squeezes a description of the whole form to
nothing on a screen that the form fills (docs/adr/0005).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar, cast

from prefect.input import RunInput
from pydantic import ConfigDict, Field

from caseproof.domain.vocabulary import Decision


class Word(StrEnum):
    """What an operator says about the retailer's word."""

    WROTE = "the retailer wrote: record it"
    COUNTS = "the reply shown above counts: record it"
    ANSWERED = "I answered the reply shown above: wait on"
    WITHOUT = "decide without the retailer's word"


class ForAll(StrEnum):
    """What may be decided for all cases of an incident: what needs no retailer's word (J8)."""

    AFTER_FIX = str(Decision.AFTER_FIX)
    KEEP_PAUSED = str(Decision.KEEP_PAUSED)


class Verdict(StrEnum):
    """What a reviewer says about the evidence."""

    APPROVE = "approve"
    SEND_BACK = "send back"


def _pick_a_date(schema: dict[str, Any]) -> None:
    """A date picker in Prefect's UI; it cannot show the empty default."""
    schema["format"] = "date"
    schema.pop("default", None)


def _reason() -> Any:
    return Field(title="Why", min_length=1, description="A sentence that a colleague understands next week.")


def _paused_until() -> Any:
    return Field(
        "",
        title="Paused until",
        description="Needed for 'keep paused': the day on which the team decides again. Empty otherwise.",
        json_schema_extra=_pick_a_date,
    )


class Form(RunInput):
    """A question to a person.

    ``slug`` names it in the case's events, ``first`` is the field on top, and ``waits_for`` is what the name of a run
    that waits with it ends with.
    """

    slug: ClassVar[str]
    first: ClassVar[str]
    waits_for: ClassVar[str]

    answered_by: str = Field(
        title="Who are you?",
        description="Your name on the policy's team list: it is written down with your answer.",
        json_schema_extra={"position": 9},  # the UI sorts by it, and a field without one is 0: this is the last
    )


class RetailersWord(Form):
    """What the retailer said, word for word (J8)."""

    slug: ClassVar[str] = "retailers-word"
    first: ClassVar[str] = "what"
    waits_for: ClassVar[str] = "waits for the retailer's word"

    what: Word = Field(
        title="The retailer's word (J8)",
        description="Record what the retailer wrote, say that the newest reply above counts, or go on to the decision.",
    )
    sender: str = Field(
        "",
        title="Who wrote it",
        description="If they wrote: the mail address, which must be one of the retailer's registered contacts.",
    )
    message: str = Field(
        "", title="What they wrote", description="Word for word. What you understood of it is not their word (J11)."
    )


class AccountDecision(Form):
    """What becomes of the account (J6)."""

    slug: ClassVar[str] = "decision"
    first: ClassVar[str] = "decision"
    waits_for: ClassVar[str] = "waits for the decision"

    decision: Decision = Field(title="The account's status (J6)", description="What becomes of the account.")
    reason: str = _reason()
    checked: str = Field(
        "",
        title="What you checked in the system (J8)",
        description="Needed for 'after the retailer's change': what you looked at, and what you saw there.",
    )
    paused_until: str = _paused_until()


class Review(Form):
    """The second approval before the case closes (J7, J8)."""

    slug: ClassVar[str] = "review"
    first: ClassVar[str] = "verdict"
    waits_for: ClassVar[str] = "waits for the review"

    verdict: Verdict = Field(
        title="The evidence (J7, J8)", description="Approve it, or send the case back to the stop (J2)."
    )
    checked: str = Field(
        "",
        title="What you checked in the system (J8)",
        description="Needed to approve where nobody looked at the change yet: what you looked at, and what you saw.",
    )
    remark: str = Field(
        "",
        title="Remark",
        description="Needed when you send it back: the job is stopped again, and the case decided anew.",
    )


class TryAgain(Form):
    """A step needs help: put it right, then resume."""

    slug: ClassVar[str] = "try-again"
    first: ClassVar[str] = "remark"
    waits_for: ClassVar[str] = "needs help"

    remark: str = Field("", title="What you did about it", description="Put it right, then submit.")


class IncidentDecision(Form):
    """What becomes of all the accounts of an incident (J6)."""

    slug: ClassVar[str] = "incident"
    first: ClassVar[str] = "decision"
    waits_for: ClassVar[str] = "waits for the decision for all"

    decision: ForAll = Field(title="All of these accounts (J6)", description="What becomes of them.")
    reason: str = _reason()
    paused_until: str = _paused_until()


FORMS: dict[str, type[Form]] = {form.slug: form for form in (RetailersWord, AccountDecision, Review, TryAgain)}
"""The forms of a case. An incident has one of its own, IncidentDecision."""


def for_team(form: type[Form], team: tuple[str, ...], question: str) -> type[Form]:
    """The form with the team list as the choices of who answers, and the question (markdown) on top."""

    def show(schema: dict[str, Any]) -> None:
        schema["properties"]["answered_by"]["enum"] = list(team)
        # The UI takes the last of each run of line breaks for a space.
        schema["properties"][form.first]["description"] = re.sub(r"(\n+)", r"\1\n", question)

    made: Any = type(form)
    config = ConfigDict(extra="forbid", json_schema_extra=show)
    return cast(type[Form], made(form.__name__, (form,), {"model_config": config, "__module__": __name__}))
