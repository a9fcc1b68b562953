"""What an answered form of the ladder asks for: the request that it makes, and what it brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from caseproof.domain.case import Case
from caseproof.domain.errors import BadInput
from caseproof.domain.support import choices
from caseproof.domain.support.forms import Development, ProductTeam, TierForm, tiers_choosing
from caseproof.domain.support.ladder import tiers_of
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import LADDER, Request
from caseproof.domain.support.vocabulary import Naming, NewWork, Outcome, SameIssue, Tier, Wanted, Way

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


def tiers_making(case: Case, form: type[TierForm], choice: str) -> list[Tier]:
    """The tiers of the form whose people may make this choice of it, as the case is now."""
    does = get_type_hints(form)["what"]
    allowed = tiers_of(LADDER[request_of(form, choice)], State(case.state))
    answering = tiers_choosing(form(answered_by="", what=does(choice)))
    return [tier for tier in answering if not allowed or tier in allowed]


def asks_for(form: TierForm) -> tuple[Request, dict[str, Any]]:
    """The request that an answered form makes, and what it brings.

    Of a case that names a technician the entry adds what it reads there (``there_client``, ``there_product``,
    ``there_names``). Raises BadInput where the form leaves a text empty that its choice needs.
    """
    name = form.what.name
    if name.startswith(("TRIED_", "ITEM_")):
        request, data = _tried(form, name)
    elif name in choices.NAMED:
        request, data = _by_name(form, name)
    elif name in choices.NEW:
        request, data = _new_work(form, name)
    elif name in choices.ANSWERS:
        request, data = _answer(form, name)
    else:
        request, data = _plain(form, name)
    return request, {"tier": str(tiers_choosing(form)[0]), **data}


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


def _new_work(form: TierForm, name: str) -> tuple[Request, dict[str, Any]]:
    """To the implementation team, or to the product team (E6, the third exception)."""
    work = NewWork.IMPLEMENTATION if name.endswith("IMPLEMENTATION") else NewWork.NEW_SITE
    data = {"request": str(work), "words": _of(form, "clients_words")}
    if name.startswith("PT_"):
        return Request.REACH_PT, {"way": str(Way.IMPLEMENTATION), **data}
    return Request.SEND_TO_IMPLEMENTATION, data


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
