"""The page of a case, and the answers that are given on it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.domain.recordings.listing import is_asked_for
from caseproof.evidence.vault import Vault
from caseproof.procedure.core.answer_ledger import Overtaken
from caseproof.procedure.views.emergency import goes_on
from caseproof.store import ConcurrentChange, Store
from caseproof.web.answer_guard import SentForm
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.doors import READ
from caseproof.web.login import ForeignForm
from caseproof.web.pages import HEADERS, Pages, prefect_ui
from caseproof.web.question import NOTHING, NotOurForm, Questions, Typed
from caseproof.web.views import case_page, picture_of
from caseproof.web.who import ActingPerson, person_of

_WAITING_HEADERS = HEADERS | {
    "Content-Security-Policy": f"{HEADERS['Content-Security-Policy']}; script-src 'self'; connect-src 'self'"
}
"""Of a page that looks by itself whether the case went on: one script of ours, and nothing that can be typed."""


def case_routes(store: Store, vault: Vault, questions: Questions, pages: Pages, base: str) -> APIRouter:
    """A case's page, and where its form is sent. Links to flow runs need the environment variable PREFECT_UI_URL."""
    router = APIRouter()
    runs = prefect_ui()

    def show(
        ref: str, request: Request, status: int = 200, typed: Typed = NOTHING, error: CaseproofError | None = None
    ) -> Response:
        page = case_page(store, vault, ref, runs)
        if page.case.ref != ref and error is None:
            return RedirectResponse(f"{base}/cases/{page.case.ref}")
        person = person_of(request)
        asked = questions.show(page.case, request, person, typed, error)
        headers = PAGE_HEADERS if asked.asked else _WAITING_HEADERS if asked.looks else HEADERS
        what = {"page": page, "case": page.case, "question": asked, "emergency": goes_on(page.case)}
        what["recording_asked"] = is_asked_for(page.case)
        what["picture"] = picture_of(page.case)
        return pages.show("case.html", status, headers, who=person, **what)

    @router.api_route("/cases/{ref}", methods=list(READ))
    def case(ref: str, request: Request) -> Response:
        return show(ref, request)

    @router.post("/cases/{ref}/question")
    def answer(
        ref: str,
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        typed = Typed.of(fields)
        try:
            questions.take(ref, request, person, typed)
        except (BadInput, NotAllowed) as error:
            return show(ref, request, status_of(error), typed, error)
        # Loading it again sends nothing again.
        return RedirectResponse(f"{base}/cases/{ref}#question", 303, PAGE_HEADERS)

    return router


def status_of(error: CaseproofError) -> int:
    """The status of the page on which a form that was not taken stands once more."""
    match error:
        case NotOurForm() | ForeignForm():
            return 403
        case Overtaken() | ConcurrentChange():
            return 409
    return 422
