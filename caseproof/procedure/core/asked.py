"""What a case asked people, which answer counts, and what may be answered now."""

from __future__ import annotations

from collections.abc import Mapping

from caseproof.domain.case import Case, Fact
from caseproof.domain.forms import Form, FormField, Word, fields_of
from caseproof.domain.job_failure.cause import asks_anew_since
from caseproof.domain.vocabulary import WORD


def answer_to(case: Case, form: str) -> Fact | None:
    """The newest answer to this form (its slug) that was not acted on and is not older than what happened since."""
    news = (case.notice, case.last_failure, case.refused)
    since = max((fact.seq for fact in news if fact is not None), default=0)
    fresh = [fact for fact in case.unhandled if fact["form"] == form and fact.seq > since]
    return fresh[-1] if fresh else None


def goes_without_word(case: Case) -> bool:
    """Whether the team said, since the retailer was told last in this round, that it decides without their word.

    It holds until the retailer is asked anew: neither a decision that was refused nor a run that failed takes it back.
    """
    since = max(case.notice.seq if case.notice else 0, asks_anew_since(case))
    said = (fact for fact in case.unhandled if fact["form"] == WORD and fact.seq > since)
    return any(fact["answer"].get("what") == Word.WITHOUT for fact in said)


def choices_of(case: Case, one: FormField) -> list[str]:
    """What of a field's choices may be answered as the case stands: of a reply only where one stands above the form."""
    of_a_reply = () if case.open_replies else (Word.COUNTS, Word.ANSWERED)
    return [str(choice) for choice in one.choices or () if choice not in of_a_reply]


def choice_field(form: type[Form]) -> FormField | None:
    """The field of a form by which the others are asked for or not; None where it has no choices."""
    return next((one for one in fields_of(form) if one.choices is not None), None)


def typed_before(case: Case, form: type[Form]) -> Mapping[str, str]:
    """What was typed into the same form when its latest answer was refused: texts alone, nothing that decides."""
    if case.refused is None:
        return {}
    answer = case.answered.get(case.refused["number"])
    if answer is None or answer["form"] != form.slug:
        return {}
    texts = [one.name for one in fields_of(form) if one.choices is None and one.name != "answered_by"]
    said = ((name, answer["answer"].get(name)) for name in texts)
    return {name: text for name, text in said if isinstance(text, str) and text.strip()}
