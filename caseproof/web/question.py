"""The question on a case's page, as one person may answer it; and what they typed, as their answer.

The form is the one that Prefect shows. Nothing of an answer that is refused is written down: it stands in the form
again as it was typed, with what is wrong next to the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from fastapi import Request
from markdown_it import MarkdownIt
from markupsafe import Markup

from caseproof.config.policy import Policy
from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.domain.forms import Form, FormField, fields_of
from caseproof.domain.payloads import QuestionAnswered
from caseproof.domain.procedure import every_form
from caseproof.domain.vocabulary import BY_LOGIN
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.closing.deciding import read_date
from caseproof.procedure.core.answer_ledger import AnswerLedger, Overtaken, overtaken
from caseproof.procedure.core.logins import Person
from caseproof.procedure.core.parts import EvidenceFiles, Ledger, Links
from caseproof.procedure.escalation.acting import Acting, act
from caseproof.procedure.views.asking import AskedNow, answered_in_words, asked_now, needs_words
from caseproof.web.answer_guard import Fields, as_number, form_key, is_our_form, one_of
from caseproof.web.pages import explaining
from caseproof.web.who import Who

CHOICE = "choice"
"""The name under which a form sends its choice, and what is wrong with it."""
OWN = ("number", "events", "key", CHOICE)
"""What a form sends besides the texts of its fields: none of them may be called so."""
_NO_WORDS = Markup("")
_MARKDOWN = explaining(MarkdownIt("commonmark", {"html": False}))


def as_html(text: str) -> Markup:
    """What stands above a form, of markdown."""
    return Markup(_MARKDOWN.render(text))  # noqa: S704 - raw HTML in it is shown as text


class NotOurForm(BadInput):
    """A form that was not made here for this person and this question, or was sent from elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            "This form was open for too long, or was not sent from this page.",
            "Look at it, and send it once more.",
        )


class WrongFields(BadInput):
    """Fields that are not filled in right: ``wrong`` says in words what is wrong with which."""

    def __init__(self, wrong: Mapping[str, str]) -> None:
        super().__init__("Your answer is not complete.", "Correct what is marked, and send it again.")
        self.wrong = wrong


@dataclass(frozen=True, slots=True)
class Typed:
    """What came from the form, as it was typed; ``number`` and ``seen`` are -1 where none was sent."""

    number: int = -1
    seen: int = -1
    key: str = ""
    choice: str = ""
    texts: Mapping[str, str] | None = None

    @classmethod
    def of(cls, sent: Fields) -> Typed:
        """The fields that forms have; whatever else was sent is left out."""
        one = {name: one_of(sent, name) for name in (*OWN, *_NAMES)}
        texts = {name: as_typed(one[name]) for name in _NAMES if one[name]}
        return cls(as_number(one["number"]), as_number(one["events"]), one["key"], one[CHOICE], texts)

    def text(self, name: str) -> str:
        """What stands in a field."""
        return (self.texts or {}).get(name, "")

    def left(self, asked: type[Form] | None) -> list[tuple[str, str]]:
        """What was typed for a question that waits no more, so that nobody types it twice."""
        chosen = [("You chose", self.choice)] if self.choice else []
        known = {one.name: one.title for one in fields_of(asked) if one.choices is None} if asked else TITLES
        names = known if asked else sorted(self.texts or {})
        return [*chosen, *((known.get(name, name), self.text(name)) for name in names if self.text(name).strip())]


TITLES = {one.name: one.title for form in every_form() for one in fields_of(form) if one.choices is None}
"""What the texts of the forms are called, by their fields' names."""
_NAMES = sorted(TITLES)


NOTHING = Typed()


@dataclass(frozen=True, slots=True)
class ShownQuestion:
    """The question as a page shows it.

    ``asked`` is None where nothing is asked that this person may answer here: then ``waits`` says what waits for
    somebody who is logged in, and ``answered`` what was answered a moment ago. ``left`` is what was typed for a
    question that waits no more. ``not_theirs`` says who may answer, where this person may not: then no form is shown.
    """

    asked: AskedNow | None = None
    says: Markup = _NO_WORDS
    not_theirs: Markup = _NO_WORDS
    key: str = ""
    typed: Typed = NOTHING
    wrong: Mapping[str, str] | None = None
    error: CaseproofError | None = None
    left: Sequence[tuple[str, str]] = ()
    waits: bool = False
    answered: str = ""

    @property
    def looks(self) -> bool:
        """Whether the page looks by itself for what is asked next: nothing on it is typed, or was."""
        return self.asked is None and bool(self.answered) and self.error is None

    def text(self, name: str) -> str:
        """What stands in a field: as it was typed just now, or into an answer that was refused before."""
        if self.typed.texts is not None or self.asked is None:
            return self.typed.text(name)
        return self.asked.typed.get(name, "")

    def with_choices(self, one: FormField) -> str:
        """The classes of a field: the numbers of the choices with which it is asked for; none: with each."""
        if self.asked is None or not one.only_with:
            return ""
        return " ".join(f"for-{n}" for n, of in enumerate(self.asked.offered) if of.value in one.only_with)


class Questions:
    """Shows what a case asks, and takes the answers of people who are logged in.

    ``policy`` gives the policy as it is now; ``secret`` what forms are signed with; ``links`` begin as the app's own.
    """

    def __init__(
        self, ledger: Ledger, files: EvidenceFiles, links: Links, policy: Callable[[], Policy],
        secret: Callable[[], bytes], who: Who,
    ) -> None:  # fmt: skip
        self._ledger, self._files, self._links = ledger, files, links
        self._policy, self._secret, self._who = policy, secret, who

    def show(
        self, case: Case, request: Request, person: Person | None, typed: Typed = NOTHING,
        error: CaseproofError | None = None,
    ) -> ShownQuestion:  # fmt: skip
        """What stands on the page for this person. Raises StoreError."""
        answered = _answered(case)
        if person is None:
            return ShownQuestion(waits=case.question is not None, answered=answered)
        asked = self._asked(case, person)
        if asked is None:
            return ShownQuestion(error=error, left=typed.left(_form_of(case, typed.number)), answered=answered)
        try:
            secret = self._secret()
        except CaseproofError as lost:  # the case can be read all the same
            return ShownQuestion(error=lost, left=typed.left(_form_of(case, typed.number)), answered=answered)
        is_theirs = not asked.not_theirs
        fits = typed is NOTHING or (_form_of(case, typed.number) is asked.form and is_theirs)
        return ShownQuestion(
            asked=asked,
            says=as_html(asked.says),
            not_theirs=as_html(asked.not_theirs) if asked.not_theirs else _NO_WORDS,
            key=form_key(secret, self._who.form_token(request, person, case.ref, asked.number), asked.seen),
            typed=typed if fits else NOTHING,
            wrong=error.wrong if isinstance(error, WrongFields) else None,
            error=error,
            left=[] if fits else typed.left(_form_of(case, typed.number)),
            answered=answered,
        )

    def take(self, ref: str, request: Request, person: Person, typed: Typed) -> None:
        """Write the answer down, with what it becomes; sent twice, it counts once.

        Raises NotOurForm, WrongFields, Overtaken, and whatever the procedure refuses it with; nothing is written then.
        """
        case = self._ledger.case(ref)
        token = self._who.form_token(request, person, case.ref, typed.number)
        if not is_our_form(request, self._secret(), token, typed.seen, typed.key):
            raise NotOurForm
        try:
            self._take(case, person, typed)
        except Overtaken:
            if not _was_given(self._ledger.case(ref), person, typed):
                raise

    def _take(self, case: Case, person: Person, typed: Typed) -> None:
        if (no := overtaken(case, typed.number, typed.seen)) is not None:
            raise no
        policy, asked = self._policy(), self._asked(case, person)
        if asked is None:
            raise Overtaken("This question cannot be answered here.", "Answer it in the Prefect UI.")
        wrong = wrong_fields(case, asked, typed, self._ledger.clock().date())
        if wrong and not asked.not_theirs:  # whoever is in another tier is refused for that
            raise WrongFields(wrong)
        answer = _answer(asked.form, person, typed)
        kind = case.procedure.kind(QuestionAnswered)
        given = self._ledger.event(
            kind, person.name, number=asked.number, form=asked.form.slug, answer=answer, known_by=BY_LOGIN
        )
        ledger = AnswerLedger(self._ledger.store, self._ledger.clock, BY_LOGIN, given, typed.seen)
        act(Acting(ledger, self._files, self._links, policy), case.ref, _filled_in(asked, answer), asked.number)

    def _asked(self, case: Case, person: Person) -> AskedNow | None:
        return asked_now(self._ledger, self._links, self._policy(), case, person.name, self._links.evidence_url)


def _form_of(case: Case, number: int) -> type[Form] | None:
    """The form of a question that was asked."""
    asked = case.asked.get(number)
    return case.procedure.forms.get(asked["form"]) if asked else None


def wrong_fields(case: Case | None, asked: AskedNow, typed: Typed, today: date) -> dict[str, str]:
    """What is wrong with which field; of those alone that this choice asks for. Without a case it is an incident's."""
    wrong = {}
    if asked.choice is not None:
        chosen = next((one for one in asked.offered if one.value == typed.choice), None)
        if chosen is None:
            return {CHOICE: "Choose one of these."}
        if chosen.not_now:
            return {CHOICE: chosen.not_now}
    for one in asked.asked_with(typed.choice):
        text = typed.text(one.name).strip()
        if not text and needs_words(case, one, typed.choice):
            wrong[one.name] = f"{one.title}: this is needed here."
        elif text and one.is_date and (why := _wrong_date(text, today)):
            wrong[one.name] = why
        elif text and one.is_contact and text not in asked.contacts:
            wrong[one.name] = "Choose one of the registered contacts."
    return wrong


def _wrong_date(text: str, today: date) -> str:
    try:
        day = read_date(text)
    except BadInput as error:
        return f"{error.problem} {error.next_action}"
    return "" if day is None or day > today else f"{text} is not after today: give a later day."


def _answer(form: type[Form], person: Person, typed: Typed) -> dict[str, str]:
    """The answer as events have it: who, what was chosen, and the texts that this choice asks for."""
    said = {"answered_by": person.name}
    for one in fields_of(form):
        if one.choices is not None:
            said[one.name] = typed.choice
        elif one.name != "answered_by" and one.is_asked_with(typed.choice):
            said[one.name] = typed.text(one.name).strip() if one.is_date or one.is_contact else typed.text(one.name)
    return said


def _filled_in(asked: AskedNow, answer: Mapping[str, str]) -> Form:
    choice = asked.choice
    if choice is None or choice.choices is None:
        return asked.form(**answer)
    return asked.form(**{**answer, choice.name: choice.choices(answer[choice.name])})


def _was_given(case: Case, person: Person, typed: Typed) -> bool:
    """Whether this person gave this very answer here already: they pressed the button twice."""
    before, form = case.answered.get(typed.number), _form_of(case, typed.number)
    if before is None or form is None or before.data.get("known_by") != BY_LOGIN or before.actor != person.name:
        return False
    return bool(before["answer"] == _answer(form, person, typed))


def _answered(case: Case) -> str:
    """Who answered the latest question here, when and what, as long as the case has asked nothing since."""
    answer = case.answered_here
    if answer is None or case.is_closed:
        return ""
    return f"{answer.actor} answered at {answer.at:%Y-%m-%d %H:%M} UTC: {answered_in_words(answer)}."
