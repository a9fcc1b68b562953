"""The forms of the ladder, one a tier, as data (``caseproof.domain.forms`` says how), and what an answer asks for.

What came of a step, and which exception it is, stand among the first field's choices: the others are texts, and no
field that decides has a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, get_type_hints

from caseproof.domain.case import Case
from caseproof.domain.closure import closure_blockers
from caseproof.domain.errors import BadInput
from caseproof.domain.forms import Form, shown
from caseproof.domain.support import vocabulary as words
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.ladder import owner_of, who_acts
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.payloads import SupportCorrected
from caseproof.domain.support.steps import Request
from caseproof.domain.support.vocabulary import (
    Failing,
    Naming,
    NewWork,
    Outcome,
    SameIssue,
    Tier,
    Urgency,
    Wanted,
    Way,
)


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
    SOLVED = "state the solution"


class PtAnswers(StrEnum):
    """What PT does with a case that L2 owns."""

    ADVISE = "answer L2 with suggestions or questions (E3)"
    TAKE = "take the case: L2's efforts are exhausted (E4)"
    WANT_DETAILS = "ask for more details (E6)"
    WANT_CALL = "ask that the client is called (E6)"


class PtDoes(StrEnum):
    """What PT does with a case that it owns."""

    TRIED_SOLVED = "I tried a step: it solved the problem"
    TRIED_PARTLY = "I tried a step: something changed, the problem stays"
    TRIED_NOTHING = "I tried a step: nothing changed"
    DEVELOP = "a code change is needed: a ticket for the development team (E5)"
    RETURN = "give it back to L2 with suggestions or questions (E3)"
    WANT_DETAILS = "ask for more details (E6)"
    WANT_CALL = "ask that the client is called (E6)"
    SOLVED = "state the solution"


class DevelopmentDoes(StrEnum):
    """What the development team does."""

    RETURN = "give it back to PT, with what was done (E5)"


class ImplementationDoes(StrEnum):
    """What the implementation team does."""

    RETURN = "it is no new work: give it back to L1"
    SOLVED = "state the solution"


_TRIED = ("TRIED_SOLVED", "TRIED_PARTLY", "TRIED_NOTHING")
_ITEMS = ("ITEM_SOLVED", "ITEM_PARTLY", "ITEM_NOTHING", "ITEM_ANSWERED", "ITEM_COULD_NOT")
_NAMED = ("L2_BY_MAIL", "L2_BY_CASE", "PT_BY_MAIL", "PT_BY_CASE")
_NEW = ("IMPLEMENTATION", "NEW_SITE")
_ANSWERS = ("ANSWER_L2", "ANSWER_PT", "GIVE_DETAILS")


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
    return _text(does, "The step", about, *_TRIED, *_ITEMS, *_ANSWERS, is_long=True)


def _seen(does: type[StrEnum]) -> Any:
    about = "What you saw then: what came of the step. For an answer: what you answer."
    return _text(does, "What came of it", about, *_TRIED, *_ITEMS, *_ANSWERS, is_long=True)


def _why(does: type[StrEnum], *names: str) -> Any:
    return _text(does, "Why", "A sentence that a colleague understands next week.", *names, is_long=True)


def _technician(does: type[StrEnum]) -> Any:
    return _text(does, "The technician", "Their name, as the policy has it.", *_NAMED, *_ANSWERS)


def _source(does: type[StrEnum]) -> Any:
    about = "The mail's file as the case shows it, or the other case's reference."
    return _text(does, "What names them", about, *_NAMED)


def _clients_words(does: type[StrEnum]) -> Any:
    return _text(does, "The client's words", "Those that ask for it, word for word.", *_NEW, is_long=True)


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
    document: str = _text(L1Does, "Which document", "Its address; empty where you used none.", *_TRIED, is_needed=False)
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
        L2Does, "Which document", "The address of one that is linked above for the product (E2).", *_TRIED
    )
    item: str = _text(L2Does, "Which of PT's lines", "Its number, as it stands above (E3).", *_ITEMS)
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

    what: PtAnswers = field(metadata=_WHAT)
    suggestions: str = _lines(PtAnswers, "What L2 is to try", "ADVISE")
    questions: str = _lines(PtAnswers, "What PT wants to know", "ADVISE")
    wanted: str = _wanted(PtAnswers, "WANT_DETAILS", "WANT_CALL")


@dataclass(frozen=True)
class ProductTeam(Form):
    """What PT does with a case that it owns (E4, E5)."""

    slug = words.PT_OWNS
    waits_for = "waits for PT"
    called: ClassVar[str] = "PT's step"
    tier: ClassVar[Tier] = Tier.PT

    what: PtDoes = field(metadata=_WHAT)
    document: str = _text(PtDoes, "Which document", "Its address; empty where you used none.", *_TRIED, is_needed=False)
    step: str = _step(PtDoes)
    seen: str = _seen(PtDoes)
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

    what: DevelopmentDoes = field(metadata=_WHAT)
    result: str = _text(DevelopmentDoes, "What was done", "Or why nothing was.", "RETURN", is_long=True)


@dataclass(frozen=True)
class Implementation(Form):
    """What the implementation team does (E6)."""

    slug = words.NEW
    waits_for = "waits for the implementation team"
    called: ClassVar[str] = "the implementation team's step"
    tier: ClassVar[Tier] = Tier.IMPLEMENTATION

    what: ImplementationDoes = field(metadata=_WHAT)
    why: str = _why(ImplementationDoes, "RETURN")
    solution: str = _solution(ImplementationDoes)
    checked: str = _checked(ImplementationDoes)


class Finishes(StrEnum):
    """How the client is told of the solution, and which job-failure case proves that a job runs again."""

    MAIL = "send the client this mail (J5)"
    TELEPHONE = "I told the client by telephone (J5)"
    TICKET = "I told the client on the ticket (J5)"
    LINK = "a job fails in this matter: this is its case (J10)"
    NO_JOB = "no job, feed or sync fails in this matter"
    NO_SOLUTION = "it is no solution after all"


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
    job: str = _text(Finishes, "The job's case", "Its reference, like JF-000001.", "LINK")
    why: str = _text(Finishes, "Why", "What is still wrong.", "NO_SOLUTION", is_long=True)


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
        if "told" in lacks or ("proven" in lacks and not linked_jobs(case)):
            return Finish
        if case.state is not State.PT_ASKED:  # there PT owes L2 an answer, which would be lost
            return None
    return PtAnswer if tier is Tier.PT and owner_of(case) is Tier.L2 else _OWNERS_FORMS[tier]


def _is_told_apart(case: Case) -> bool:
    """Whether a person said what it is about: of what came by mail nobody has, before they do."""
    came_by_mail = case.facts.get("message_id") or case.facts.get("unproven")
    return not came_by_mail or bool(case.all_of(SupportCorrected))


def tiers_answering(case: Case, form: type[SupportForm]) -> tuple[Tier, ...]:
    """Whose people may answer this form in this case: its own tier's; else those of the tier that owns the case, and
    what the case is about, L1 knows as well."""
    own = form.__dict__.get("tier")
    if own is not None:
        return (own,)
    owner = owner_of(case)
    return tuple(dict.fromkeys([*([owner] if owner else []), *([Tier.L1] if form is About else [])]))


_OUTCOMES = {
    "SOLVED": Outcome.SOLVED,
    "PARTLY": Outcome.PARTLY,
    "NOTHING": Outcome.NO_CHANGE,
    "ANSWERED": Outcome.ANSWERED,
    "COULD_NOT": Outcome.COULD_NOT,
}


def request_of(form: type[TierForm], choice: str) -> Request:
    """The request that this choice of the form makes. Raises BadInput where the form offers no such choice."""
    does = get_type_hints(form)["what"]
    if choice not in set(does):
        raise BadInput(f"{choice!r} is no choice of this form.", "Choose what the form offers.")
    return asks_for(form(answered_by="", what=does(choice)))[0]


def asks_for(form: TierForm) -> tuple[Request, dict[str, Any]]:
    """The request that an answered form makes, and what it brings.

    Of a case that names a technician the entry adds what it reads there (``there_client``, ``there_product``,
    ``there_names``). Raises BadInput where the form leaves a text empty that its choice needs.
    """
    name = form.what.name
    if name.startswith(("TRIED_", "ITEM_")):
        request, data = _tried(form, name)
    elif name in _NAMED:
        request, data = _by_name(form, name)
    elif name in _NEW:
        work = NewWork.IMPLEMENTATION if name == "IMPLEMENTATION" else NewWork.NEW_SITE
        request, data = Request.SEND_TO_IMPLEMENTATION, {"request": str(work), "words": _of(form, "clients_words")}
    elif name in _ANSWERS:
        request, data = _answer(form, name)
    else:
        request, data = _plain(form, name)
    return request, {"tier": str(form.tier), **data}


def _of(form: TierForm, name: str) -> str:
    return str(getattr(form, name)).strip()


def _tried(form: TierForm, name: str) -> tuple[Request, dict[str, Any]]:
    kind, _, outcome = name.partition("_")
    data = {"outcome": str(_OUTCOMES[outcome]), "step": _of(form, "step"), "seen": _of(form, "seen")}
    if kind == "ITEM":
        return Request.TELL_OUTCOME, {"of": _of(form, "item"), **data}
    return Request.TRY, {"document": _of(form, "document"), **data}


def _by_name(form: TierForm, name: str) -> tuple[Request, dict[str, Any]]:
    by_mail = name.endswith("MAIL")
    return Request.REACH_L2 if name.startswith("L2") else Request.REACH_PT, {
        "way": str(Way.NAMED),
        "technician": _of(form, "technician"),
        "naming": str(Naming.MAIL if by_mail else Naming.CASE),
        "evidence" if by_mail else "ref": _of(form, "source"),
        "same_issue": str(SameIssue.SAME),  # the choice says so
    }


def _answer(form: TierForm, name: str) -> tuple[Request, dict[str, Any]]:
    data = {"technician": _of(form, "technician"), "reply": _of(form, "seen"), "steps": _of(form, "step")}
    if name == "GIVE_DETAILS":
        return Request.GIVE_DETAILS, data
    return Request.REACH_L2 if name == "ANSWER_L2" else Request.REACH_PT, {"way": str(Way.ASKED), **data}


_PLAIN: Mapping[str, tuple[Request, tuple[str, ...]]] = {
    "HAND_OVER": (Request.HAND_TO_L2, ("why",)),
    "ASK_PT": (Request.ASK_PT, ("wanted",)),
    "EXHAUSTED": (Request.EXHAUST, ("why",)),
    "TAKE": (Request.TAKE, ()),
    "DEVELOP": (Request.RAISE_DEVELOPMENT, ("where", "change", "accepted_when", "ticket")),
    "SOLVED": (Request.STATE_SOLUTION, ("solution", "checked")),
}
_BACK = {Tier.L2: Request.RETURN_TO_L1, Tier.IMPLEMENTATION: Request.RETURN_TO_L1}


def _plain(form: TierForm, name: str) -> tuple[Request, dict[str, Any]]:
    if name in _PLAIN:
        request, names = _PLAIN[name]
        return request, {one: _of(form, one) for one in names}
    if name in ("WANT_DETAILS", "WANT_CALL"):
        wants = Wanted.DETAILS if name == "WANT_DETAILS" else Wanted.CALL
        return Request.WANT_DETAILS, {"wants": str(wants), "wanted": _of(form, "wanted")}
    if name == "ADVISE":
        return Request.ANSWER_L2, _advice(form)
    if isinstance(form, ProductTeam):
        return Request.RETURN_TO_L2, _advice(form)
    if isinstance(form, Development):
        return Request.RETURN_TO_PT, {"result": _of(form, "result")}
    if name == "RETURN":
        return _BACK[form.tier], {"why": _of(form, "why")}
    raise BadInput(f"'{form.what}' is no request.", "Choose what the form offers.")


def _advice(form: TierForm) -> dict[str, Any]:
    both = ("suggestions", "questions")
    return {name: [line.strip() for line in _of(form, name).splitlines() if line.strip()] for name in both}
