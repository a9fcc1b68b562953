"""The forms of the ladder, one a tier, as data (``caseproof.domain.forms`` says how), and which one is asked now.

What came of a step, and which exception it is, stand among the first field's choices: the others are texts, and no
field that decides has a default. What an answer asks for says ``answers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.forms import Form, shown
from caseproof.domain.support import choices
from caseproof.domain.support import vocabulary as words
from caseproof.domain.support.choices import (
    DevelopmentDoes,
    Finishes,
    ImplementationDoes,
    L1Does,
    L2Does,
    PtAnswers,
    PtDoes,
)
from caseproof.domain.support.conditions import closed_with_a_run_of_before, linked_jobs
from caseproof.domain.support.ladder import owner_of, who_acts
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.payloads import SupportCorrected
from caseproof.domain.support.vocabulary import (
    Failing,
    Tier,
    Urgency,
)


def _with(does: type[StrEnum], *names: str) -> tuple[str, ...]:
    """The values of those choices that this tier has."""
    return tuple(str(does[name]) for name in names if name in does.__members__)


def _text(does: type[StrEnum], title: str, description: str, *names: str, is_needed: bool = True, **more: Any) -> Any:
    """A text that is asked for with these choices."""
    only = _with(does, *names)
    said = {"only_with": only, "needed_with": only if is_needed else (), **more}
    return field(default="", metadata=shown(title, description, **said))


_WHAT = shown("What is next?", "What you did, or what is to happen.")


def _step(does: type[StrEnum]) -> Any:
    about = "Which step you took, so that a colleague can do it again."
    return _text(does, "The step", about, *choices.TRIED, *choices.ITEMS, *choices.ANSWERS, is_long=True)


def _seen(does: type[StrEnum]) -> Any:
    about = "What you saw then: what came of the step. For an answer: what you answer."
    return _text(does, "What came of it", about, *choices.TRIED, *choices.ITEMS, *choices.ANSWERS, is_long=True)


def _why(does: type[StrEnum], *names: str) -> Any:
    return _text(does, "Why", "A sentence that a colleague understands next week.", *names, is_long=True)


def _technician(does: type[StrEnum]) -> Any:
    return _text(does, "The technician", "Their name, as the policy has it.", *choices.NAMED, *choices.ANSWERS)


def _source(does: type[StrEnum]) -> Any:
    about = "The mail's file as the case shows it, or the other case's reference."
    return _text(does, "What names them", about, *choices.NAMED)


def _clients_words(does: type[StrEnum]) -> Any:
    return _text(does, "The client's words", "Those that ask for it, word for word.", *choices.NEW, is_long=True)


def _solution(does: type[StrEnum]) -> Any:
    return _text(does, "The solution", "What solved it.", "SOLVED", is_long=True)


def _checked(does: type[StrEnum]) -> Any:
    about = "What you looked at, and what you saw there (J11)."
    return _text(does, "What you checked", about, "SOLVED", is_long=True)


def _wanted(does: type[StrEnum], *names: str) -> Any:
    return _text(does, "What you want to know", "One thing, in a sentence.", *names, is_long=True)


def _lines(does: type[StrEnum], title: str, *names: str) -> Any:
    return _text(does, title, "One a line.", *names, is_needed=False, is_long=True)


@dataclass(frozen=True)
class SupportRequest(Form):
    """A support case as somebody raises it: who wants what, in their words (E1)."""

    slug = words.RAISED
    waits_for = "is being raised"

    urgency: Urgency = field(metadata=shown("How urgent", "An emergency has a form of its own (E7)."))
    failing: Failing = field(metadata=shown("Does a job fail?", "Then its own case proves that it runs again (J10)."))
    client: str = field(metadata=shown("The client", "As the policy or the desk names them.", shortest=1))
    product: str = field(metadata=shown("The product", "It says which documents L2 is shown (E2).", shortest=1))
    summary: str = field(metadata=shown("In a line", "What it is about.", shortest=1))
    said: str = field(metadata=shown("What the client said", "Word for word.", shortest=1, is_long=True))
    site: str = field(default="", metadata=shown("The site", "Its address, where there is one."))
    contract: str = field(default="", metadata=shown("The contract", "What they have, if you know it (E11)."))
    continues: str = field(default="", metadata=shown("Earlier case", "The reference of one about the same issue."))


def opening(form: SupportRequest, key: str, how: str) -> dict[str, str]:
    """What the event says that opens this case. ``key`` tells the matter from others, ``how`` is the way it came."""
    names = ("urgency", "failing", "client", "product", "summary", "said", "site", "contract", "continues")
    said = {name: str(getattr(form, name)).strip() for name in names}
    return {name: value for name, value in said.items() if value} | {"key": key, "how": how}


@dataclass(frozen=True)
class FrontLine(Form):
    """What L1 does (E1)."""

    slug = words.ONE
    waits_for = "waits for L1"
    called: ClassVar[str] = "L1's step"
    tier: ClassVar[Tier] = Tier.L1

    what: L1Does = field(metadata=_WHAT)
    document: str = _text(
        L1Does, "Which document", "Its address; empty where you used none.", *choices.TRIED, is_needed=False
    )
    step: str = _step(L1Does)
    seen: str = _seen(L1Does)
    why: str = _why(L1Does, "HAND_OVER")
    technician: str = _technician(L1Does)
    source: str = _source(L1Does)
    clients_words: str = _clients_words(L1Does)
    solution: str = _solution(L1Does)
    checked: str = _checked(L1Does)


@dataclass(frozen=True)
class SecondLine(Form):
    """What L2 does with a case that it owns (E2 to E4)."""

    slug = words.TWO
    waits_for = "waits for L2"
    called: ClassVar[str] = "L2's step"
    tier: ClassVar[Tier] = Tier.L2

    what: L2Does = field(metadata=_WHAT)
    document: str = _text(
        L2Does, "Which document", "The address of one that is linked above for the product (E2).", *choices.TRIED
    )
    item: str = _text(L2Does, "Which of PT's lines", "Its number, as it stands above (E3).", *choices.ITEMS)
    step: str = _step(L2Does)
    seen: str = _seen(L2Does)
    wanted: str = _wanted(L2Does, "ASK_PT", "WANT_DETAILS", "WANT_CALL")
    why: str = _why(L2Does, "EXHAUSTED", "RETURN")
    technician: str = _technician(L2Does)
    source: str = _source(L2Does)
    clients_words: str = _clients_words(L2Does)
    solution: str = _solution(L2Does)
    checked: str = _checked(L2Does)


@dataclass(frozen=True)
class PtAnswer(Form):
    """What PT answers while L2 owns the case (E3), or that it takes it (E4)."""

    slug = words.PT_ASKED
    waits_for = "waits for PT's answer"
    called: ClassVar[str] = "PT's answer"
    tier: ClassVar[Tier] = Tier.PT
    also: ClassVar[tuple[Tier, ...]] = (Tier.L2,)
    """L2 keeps the case meanwhile, and goes on with it."""
    of_another: ClassVar[Mapping[str, Tier]] = dict.fromkeys((*choices.TRIED, "ASK_PT", "SOLVED"), Tier.L2)

    what: PtAnswers = field(metadata=_WHAT)
    suggestions: str = _lines(PtAnswers, "What L2 is to try", "ADVISE")
    questions: str = _lines(PtAnswers, "What PT wants to know", "ADVISE")
    wanted: str = _wanted(PtAnswers, "ASK_PT", "WANT_DETAILS", "WANT_CALL")
    document: str = _text(
        PtAnswers, "Which document", "The address of one that is linked above for the product (E2).", *choices.TRIED
    )
    step: str = _step(PtAnswers)
    seen: str = _seen(PtAnswers)
    technician: str = _technician(PtAnswers)
    solution: str = _solution(PtAnswers)
    checked: str = _checked(PtAnswers)


@dataclass(frozen=True)
class ProductTeam(Form):
    """What PT does with a case that it owns (E4, E5)."""

    slug = words.PT_OWNS
    waits_for = "waits for PT"
    called: ClassVar[str] = "PT's step"
    tier: ClassVar[Tier] = Tier.PT

    what: PtDoes = field(metadata=_WHAT)
    document: str = _text(
        PtDoes, "Which document", "Its address; empty where you used none.", *choices.TRIED, is_needed=False
    )
    step: str = _step(PtDoes)
    seen: str = _seen(PtDoes)
    technician: str = _technician(PtDoes)
    suggestions: str = _lines(PtDoes, "What L2 is to try", "RETURN")
    questions: str = _lines(PtDoes, "What PT wants to know", "RETURN")
    wanted: str = _wanted(PtDoes, "WANT_DETAILS", "WANT_CALL")
    where: str = _text(PtDoes, "Where the code changes", "The component, and the place in it (E5).", "DEVELOP")
    change: str = _text(PtDoes, "The change", "What has to change in the code (E5).", "DEVELOP", is_long=True)
    accepted_when: str = _text(PtDoes, "Done when", "What one sees when it is done (E5).", "DEVELOP", is_long=True)
    ticket: str = _text(
        PtDoes,
        "Development's ticket",
        "Empty: one is raised. Its number, if you raised one.",
        "DEVELOP",
        is_needed=False,
    )
    solution: str = _solution(PtDoes)
    checked: str = _checked(PtDoes)


@dataclass(frozen=True)
class Development(Form):
    """What the development team did (E5)."""

    slug = words.DEVELOPMENT
    waits_for = "waits for development"
    called: ClassVar[str] = "development's answer"
    tier: ClassVar[Tier] = Tier.DEV
    also: ClassVar[tuple[Tier, ...]] = (Tier.PT,)
    """PT hears what development did, and may say so."""

    what: DevelopmentDoes = field(metadata=_WHAT)
    result: str = _text(DevelopmentDoes, "What was done", "Or why nothing was.", "RETURN", is_long=True)
    step: str = _step(DevelopmentDoes)
    seen: str = _seen(DevelopmentDoes)
    technician: str = _technician(DevelopmentDoes)


@dataclass(frozen=True)
class Implementation(Form):
    """What the implementation team does (E6)."""

    slug = words.NEW
    waits_for = "waits for the implementation team"
    called: ClassVar[str] = "the implementation team's step"
    tier: ClassVar[Tier] = Tier.IMPLEMENTATION

    what: ImplementationDoes = field(metadata=_WHAT)
    document: str = _text(
        ImplementationDoes, "Which document", "Its address; empty where you used none.", *choices.TRIED, is_needed=False
    )
    step: str = _step(ImplementationDoes)
    seen: str = _seen(ImplementationDoes)
    technician: str = _technician(ImplementationDoes)
    why: str = _why(ImplementationDoes, "RETURN")
    solution: str = _solution(ImplementationDoes)
    checked: str = _checked(ImplementationDoes)


def tiers_choosing(form: TierForm) -> tuple[Tier, ...]:
    """The tiers one of which somebody acts as who answers so: the one whose choice it is, else those of the form."""
    theirs = form.of_another.get(form.what.name) if isinstance(form, PtAnswer) else None
    return (theirs,) if theirs else (form.tier, *getattr(form, "also", ()))


_TOLD = ("MAIL", "TELEPHONE", "TICKET")


@dataclass(frozen=True)
class About(Form):
    """Which client and which product it is about, where what came does not say it (E1, E2)."""

    slug = words.ABOUT
    waits_for = "waits for what it is about"
    called: ClassVar[str] = "what it is about"

    failing: Failing = field(metadata=shown("Does a job fail?", "Then its own case proves that it runs again (J10)."))
    client: str = field(metadata=shown("The client", "As the policy or the desk names them.", shortest=1))
    product: str = field(metadata=shown("The product", "It says which documents L2 is shown (E2).", shortest=1))
    site: str = field(default="", metadata=shown("The site", "Its address, where there is one."))
    contract: str = field(default="", metadata=shown("The contract", "Empty: as the policy has it (E11)."))


@dataclass(frozen=True)
class Finish(Form):
    """What is left before a solved case closes: the client is told, and a job's case is linked (J5, J10)."""

    slug = words.FINISH
    waits_for = "waits for its last steps"
    called: ClassVar[str] = "the last steps"

    what: Finishes = field(metadata=_WHAT)
    to: str = _text(Finishes, "Whom", "The mail address; or who was told.", *_TOLD)
    words: str = _text(Finishes, "In which words", "What the client reads, or was told.", *_TOLD, is_long=True)
    job: str = _text(Finishes, "The job's case", "Its reference, like JF-000001.", "LINK", "UNLINK")
    why: str = _text(
        Finishes,
        "Why",
        "What is still wrong; or why the job was never part of it.",
        "NO_SOLUTION",
        "UNLINK",
        is_long=True,
    )


TierForm = FrontLine | SecondLine | PtAnswer | ProductTeam | Development | Implementation
FORMS: Mapping[str, type[TierForm]] = {
    form.slug: form for form in (FrontLine, SecondLine, PtAnswer, ProductTeam, Development, Implementation)
}
"""The forms of the ladder, by slug."""
SupportForm = TierForm | About | Finish
EVERY_FORM: Mapping[str, type[SupportForm]] = {**FORMS, About.slug: About, Finish.slug: Finish}
"""The forms of a support case, by slug."""

_OWNERS_FORMS: Mapping[Tier, type[TierForm]] = {
    Tier.L1: FrontLine,
    Tier.L2: SecondLine,
    Tier.PT: ProductTeam,
    Tier.DEV: Development,
    Tier.IMPLEMENTATION: Implementation,
}


def form_for(case: Case) -> type[SupportForm] | None:
    """The form that whoever has to act is asked with; None where nobody has to.

    First it is asked what it is about, where that is not known; once it is solved, what is left before it closes. A
    case that waits for a job's own case to close asks nobody.
    """
    tier = who_acts(case)
    if tier is None:
        return None
    if case.facts["product"] == words.PRODUCT_UNKNOWN or not _is_told_apart(case):
        return About
    if case.own.get("solution") is not None:
        lacks = {blocker.code for blocker in closure_blockers(case)}
        nobody_closes = not linked_jobs(case) or closed_with_a_run_of_before(case)
        if "told" in lacks or ("proven" in lacks and nobody_closes):
            return Finish
        if case.state is not State.PT_ASKED:  # there PT owes L2 an answer, which would be lost
            return None
    return PtAnswer if tier is Tier.PT and owner_of(case) is Tier.L2 else _OWNERS_FORMS[tier]


def _is_told_apart(case: Case) -> bool:
    """Whether a person said what it is about: of what came by mail nobody has, before they do."""
    came_by_mail = case.facts.get("message_id") or case.facts.get("unproven")
    return not came_by_mail or bool(case.all_of(SupportCorrected))


def tiers_answering(case: Case, form: type[SupportForm]) -> tuple[Tier, ...]:
    """Whose people may answer this form in this case: its own tier's, and those that it names besides; else those of
    the tier that owns the case, and what the case is about, L1 knows as well."""
    own = form.__dict__.get("tier")
    if own is not None:
        return (own, *form.__dict__.get("also", ()))
    owner = owner_of(case)
    return tuple(dict.fromkeys([*([owner] if owner else []), *([Tier.L1] if form is About else [])]))
