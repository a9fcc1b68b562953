"""A case's picture by hand (J7): one person uploads it where no page can be photographed, and another confirms it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.policy import Policy
from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.job_failure.pictures import may_be_taken_back, may_be_uploaded, waiting_picture, why_no_page
from caseproof.domain.people import same_person
from caseproof.domain.vocabulary import BY_LOGIN
from caseproof.procedure.answers.answering import as_typed
from caseproof.procedure.closing.pictures import (
    LONGEST_SAYS,
    confirm_picture,
    refuse_uploaded,
    take_back,
    upload_picture,
)
from caseproof.procedure.core.logins import TeamLogins
from caseproof.procedure.core.parts import EvidenceFiles, Ledger
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.cases import status_of
from caseproof.web.doors import READ
from caseproof.web.login import LoginPages
from caseproof.web.multipart import ASentFile, SentFile
from caseproof.web.who import ActingPerson, person_of

PURPOSE = "picture"
_FORMS = ("upload", "confirm", "refuse", "back")
_TYPED = ("run", "says", "why")


@dataclass(frozen=True)
class PicturePages:
    """Shows the page, and does what its forms say; ``policy`` gives what is in force."""

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
            return RedirectResponse(f"{self.forms.base}/cases/{case.ref}/picture")
        waiting, person = waiting_picture(case), person_of(request)
        may_back = may_be_taken_back(case)
        # What is wrong stands at its form; where that is there no more, at the top.
        there = {"upload": True, "confirm": waiting is not None, "refuse": waiting is not None, "back": may_back}
        is_mine = waiting is not None and person is not None and same_person(waiting.actor, person.name)
        what = {
            "case": case, "waiting": waiting, "is_mine": is_mine, "may": may_be_uploaded(case),
            "do": do if there.get(do) else "", "may_back": may_back,
            "why": why_no_page(case), "allowed": self.policy().closing.uploaded_pictures, "longest": LONGEST_SAYS,
            "typed": {**dict.fromkeys(_TYPED, ""), **(typed or {})},
        }  # fmt: skip
        return self.forms.show("case_picture.html", request, status, error, **what)

    def do(self, ref: str, sent: SentFile, typed: Mapping[str, str], do: str, by: str) -> None:
        """Do what this form says. Raises BadInput, NotAllowed, UnknownCase."""
        team, closing, evidence = self.logins.team(), self.policy().closing, one_of(sent.fields, "evidence")
        match do:
            case "upload":
                upload_picture(
                    self.ledger, self.files, closing, team, ref, sent.content, run=typed["run"], says=typed["says"],
                    by=by, known_by=BY_LOGIN,
                )  # fmt: skip
            case "confirm":
                confirm_picture(self.ledger, closing, team, ref, evidence=evidence, by=by, known_by=BY_LOGIN)
            case "refuse":
                refuse_uploaded(
                    self.ledger, team, ref, evidence=evidence, why=typed["why"], by=by, known_by=BY_LOGIN
                )  # fmt: skip
            case "back":
                leads = tuple(self.policy().ladder.leads.values())
                take_back(
                    self.ledger, team, leads, ref, evidence=evidence, why=typed["why"], by=by, known_by=BY_LOGIN
                )  # fmt: skip
            case _:
                raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")


def picture_routes(pages: PicturePages) -> APIRouter:
    """The page, and where its forms are sent."""
    router = APIRouter()

    @router.api_route("/cases/{ref}/picture", methods=list(READ))
    def look(ref: str, request: Request) -> Response:
        return pages.show(ref, request)

    @router.post("/cases/{ref}/picture")
    def send(ref: str, request: Request, sent: ASentFile, person: ActingPerson) -> Response:
        do = one_of(sent.fields, "do")
        do = do if do in _FORMS else ""
        typed = {name: as_typed(one_of(sent.fields, name)) for name in _TYPED}
        try:
            pages.forms.check(request, sent.fields, PURPOSE)
            pages.do(ref, sent, typed, do, person.name)
        except (BadInput, NotAllowed) as error:
            if isinstance(error, UnknownCase):
                raise
            return pages.show(ref, request, status_of(error), typed=typed, do=do, error=error)
        # Loading it again sends nothing again.
        return RedirectResponse(f"{pages.forms.base}/cases/{pages.ledger.case(ref).ref}#picture", 303, PAGE_HEADERS)

    return router
