"""A case's second page: what people do with it beside answering it. A note, another look, what is true of it, and what
it owes no more.

It is a page of its own, because the case's page loads itself anew while its run is at work, and nothing typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.job_failure.procedure import JOB_FAILURE
from caseproof.domain.support.choices import Beside, Finishes
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.forms import About, Finish
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.procedure import SUPPORT
from caseproof.domain.support.steps import Request as LadderRequest
from caseproof.domain.support.vocabulary import Failing, Wanted
from caseproof.domain.vocabulary import CAUSES, UNKNOWN
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.core.by_hand import (
    LONGEST_NAME,
    LONGEST_NOTE,
    ask_to_look,
    correct_whose_job,
    is_nobodys_yet,
    name_ticket,
    write_note,
)
from caseproof.procedure.core.causes import correct_cause
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import EvidenceFiles, Ledger
from caseproof.procedure.core.texts import in_words
from caseproof.procedure.escalation.opening import link_job
from caseproof.procedure.escalation.requesting import answer_form, make_request, say_beside, want_details
from caseproof.procedure.keeper.giving_up import give_up
from caseproof.procedure.views.case_page import cause_in_words
from caseproof.procedure.views.owed import owed_lines
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import SentForm, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.who import ActingPerson

PURPOSE = "hand"
_LINES = [str(one) for one in (Beside.SUGGEST, Beside.QUESTION)]
_CAUSES = [(one, in_words(one)) for one in CAUSES if one != UNKNOWN]
_FORMS = (
    "note",
    "look",
    "ticket",
    "cause",
    "whose",
    "waive",
    "about",
    "link",
    "unlink",
    "ask",
    "line",
    "reopen",
    "failed",
)
_ABOUT = ("client", "product", "site", "contract", "failing")
_TYPED = (
    "note", "ticket", "cause", "retailer", "marketplace", "what", "reason", "job", "why", "wants", "wanted", "more",
    "lines", *_ABOUT,
)  # fmt: skip


@dataclass(frozen=True)
class HandPages:
    """Shows the page, and does what its forms say."""

    ledger: Ledger
    files: EvidenceFiles
    policy: Callable[[], Policy]
    logins: TeamLogins
    forms: LoginPages

    def show(
        self, ref: str, request: Request, status: int = 200, *, typed: Mapping[str, str] | None = None, do: str = "",
        error: CaseproofError | None = None,
    ) -> Response:  # fmt: skip
        """The page; ``do`` is the form that was sent, ``typed`` what stood in it, ``error`` why it is refused."""
        case = self.ledger.case(ref)
        if case.ref != ref and error is None:
            return RedirectResponse(f"{self.forms.base}/cases/{case.ref}/hand")
        with self.ledger.store.reading() as uow:
            owed = owed_lines(uow.owed.of(case.ref))
            retailers = uow.people.retailers()
        facts = {name: str(case.facts.get(name) or "") for name in ("retailer", "marketplace", *_ABOUT)}
        what = {
            "case": case, "is_job": case.procedure is JOB_FAILURE, "cause": cause_in_words(case),
            "retailers": retailers, "do": do,
            "nobodys": is_nobodys_yet(case),
            "causes": [one for one in _CAUSES if one[0] != case.facts.get("cause")],
            "owed": [one for one in owed if one.can_be_given_up],
            "typed": {**dict.fromkeys(_TYPED, ""), **facts, **(typed or {})}, "longest_note": LONGEST_NOTE,
            "longest_name": LONGEST_NAME, "failings": [str(one) for one in Failing],
            "wishes": [str(one) for one in Wanted], "lines": _LINES,
            "pt_may_add": case.state in (State.PT_ASKED, State.PT_ANSWERED),
            "is_solved": case.own.get("solution") is not None, "products": list(self.policy().ladder.documents),
            "jobs": linked_jobs(case) if case.procedure is SUPPORT else [],
        }  # fmt: skip
        return self.forms.show("case_hand.html", request, status, error, **what)

    def do(self, ref: str, typed: Mapping[str, str], do: str, by: str) -> str:
        """Do what this form says; where on the case's page it is seen. Raises BadInput, NotAllowed, UnknownCase."""
        team = self.logins.team()
        match do:
            case "note":
                write_note(self.ledger, team, ref, typed["note"], by=by)
                return "notes"
            case "look":
                ask_to_look(self.ledger, team, ref, by=by)
                return "timeline"
            case "ticket":
                name_ticket(self.ledger, team, ref, typed["ticket"], typed["why"], by=by)
                return "timeline"
            case "cause":
                correct_cause(self.ledger, team, ref, typed["cause"], by=by)
                return "facts"
            case "whose":
                correct_whose_job(self.ledger, team, ref, typed["retailer"], typed["marketplace"], by=by)
                return "facts"
            case "waive":
                give_up(self.ledger, team, ref, typed["what"], by=by, reason=typed["reason"])
                return "timeline"
        return self._support(ref, typed, do, by)

    def _support(self, ref: str, typed: Mapping[str, str], do: str, by: str) -> str:
        """The same of what is done with support cases alone."""
        parts = self.ledger, self.files, self.policy(), ref
        match do:
            case "about":
                if typed["failing"] not in set(Failing):
                    raise BadInput("It is not said whether a job fails (J10).", "Choose one.")
                said = {name: typed[name] for name in _ABOUT if name != "failing"}
                form = About(answered_by=by, failing=Failing(typed["failing"]), **said)
                answer_form(*parts, form)
                return "facts"
            case "link":
                link_job(self.ledger, ref, typed["job"], by)
                return "facts"
            case "unlink":
                answer_form(*parts, Finish(answered_by=by, what=Finishes.UNLINK, job=typed["job"], why=typed["why"]))
                return "timeline"
            case "ask":
                want_details(*parts, typed["wants"], typed["wanted"], by)
                return "timeline"
            case "line":
                if typed["more"] not in _LINES:
                    raise BadInput("It is not said whether it is a suggestion or a question.", "Choose one.")
                say_beside(*parts, Beside(typed["more"]), typed["lines"], by)
                return "tried"
            case "reopen":
                make_request(*parts, LadderRequest.REOPEN, {"why": typed["why"]}, by)
                return "timeline"
            case "failed":
                make_request(*parts, LadderRequest.TAKE_SOLUTION_BACK, {"why": typed["why"]}, by)
                return "timeline"
        raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")


def hand_routes(hand: HandPages) -> APIRouter:
    """The page, and where its forms are sent."""
    router = APIRouter()

    @router.api_route("/cases/{ref}/hand", methods=list(READ))
    def look(ref: str, request: Request) -> Response:
        return hand.show(ref, request)

    @router.post("/cases/{ref}/hand")
    def send(
        ref: str,
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        do = one_of(fields, "do")
        do = do if do in _FORMS else ""
        typed = {name: as_typed(fields[name][0]) for name in _TYPED if name in fields}
        try:
            hand.forms.check(request, fields, PURPOSE)
            place = hand.do(ref, {**dict.fromkeys(_TYPED, ""), **typed}, do, person.name)
        except (BadInput, NotAllowed) as error:
            if isinstance(error, UnknownCase):
                raise
            status = status_of(error)
            return hand.show(ref, request, status, typed=typed, do=do, error=error)
        # Loading it again sends nothing again.
        return RedirectResponse(f"{hand.forms.base}/cases/{hand.ledger.case(ref).ref}#{place}", 303, PAGE_HEADERS)

    return router
