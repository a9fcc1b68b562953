"""The personal link of whoever is called: it shows the emergency, and its buttons say who has it.

Opening it changes nothing, however often and by whom: link scanners open every link. A button posts a form that was
made here for this link. No log-in is needed: whose link it is stands in it, signed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.domain.errors import BadInput, CaseproofError, NotAllowed
from caseproof.evidence.page_links import LinkExpired
from caseproof.evidence.signing import BadLink
from caseproof.procedure.paging import by_link
from caseproof.procedure.paging.ports import PagingParts
from caseproof.procedure.paging.trial_answers import answer_test, see_test
from caseproof.procedure.paging.words import criterion_in_words
from caseproof.store import UnknownCase
from caseproof.web.answer_guard import RateLimit, SentForm, TooOften, form_key, is_our_form, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.doors import READ
from caseproof.web.pages import Pages
from caseproof.web.question import NotOurForm

_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[CaseproofError], int], ...] = (
    (LinkExpired, 410), (BadLink, 404), (UnknownCase, 404), (NotOurForm, 403), (NotAllowed, 409), (BadInput, 422),
    (TooOften, 429),
)  # fmt: skip
_DONE = {
    "next": "You said that you cannot. The next one is called.",
    "everybody": "Everybody on the list is called now.",
    "returned": "You gave it back. Calling begins again.",
}
_ELSE = "Press 1 when we call, or tell a colleague: until somebody has it, people are called."


@dataclass(frozen=True)
class PersonalPages:
    """Shows what a link is about, and does what its buttons say. ``base`` is what our own addresses start with."""

    parts: PagingParts
    pages: Pages
    base: str

    def show(self, token: str, request: Request, status: int = 200, error: CaseproofError | None = None) -> Response:
        """The page as the emergency stands now. Raises BadLink, LinkExpired, NotAllowed, UnknownCase, StoreError."""
        keys = self.parts.keys()
        shown = by_link.see(self.parts.ledger.store, self.parts.ledger.clock, keys, token)
        zone = self.parts.zone(shown.person)

        def local(at: datetime | str) -> str:
            moment = datetime.fromisoformat(at) if isinstance(at, str) else at
            return f"{moment.astimezone(zone):%a %d %b %H:%M} ({zone.key})"

        what = {
            "shown": shown, "local": local, "action": self.action(token), "key": form_key(keys.secret, token, 0),
            "done": _DONE.get(request.query_params.get("done", ""), "") if error is None else "",
            "seen": [(criterion_in_words(one["criterion"]), one["seen"]) for one in shown.said["criteria"]],
            "wrong": error,
        }  # fmt: skip
        return self.pages.show("personal.html", status, PAGE_HEADERS, **what)

    def test(self, token: str, status: int = 200, error: CaseproofError | None = None) -> Response | None:
        """The page of a test link; None for a link of an emergency. Raises as ``show``."""
        keys = self.parts.keys()
        shown = see_test(self.parts.ledger.store, keys, token, self.parts.ledger.clock())
        if shown is None:
            return None
        what = {"shown": shown, "action": self.action(token), "key": form_key(keys.secret, token, 0), "wrong": error}
        return self.pages.show("personal_test.html", status, PAGE_HEADERS, **what)

    def trouble(self, error: CaseproofError) -> Response:
        """The page of a link that cannot be shown, and what to do instead."""
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
        told = {"told": error.problem, "next_action": error.next_action}
        if status == 503:
            _log.error("A personal link could not be shown, or its answer not kept: %s", error)
            told = {"told": "This could not be read or written down just now. Nothing was done.", "next_action": ""}
        response = self.pages.show("personal_told.html", status, PAGE_HEADERS, instead=_ELSE, **told)
        if isinstance(error, TooOften):
            response.headers["Retry-After"] = str(error.seconds)
        return response

    def do(self, token: str, what: str) -> str:
        """Do what a button says; what the page says of it then. Raises as ``show``, and BadInput."""
        store, clock, keys = self.parts.ledger.store, self.parts.ledger.clock, self.parts.keys()
        if see_test(store, keys, token, clock()) is not None:
            answer_test(store, keys, token, clock())
            return ""
        match what:
            case "take":
                person = by_link.see(store, clock, keys, token).person
                by_link.take(store, clock, keys, token, self.parts.paging.rules, self.parts.shift_ends(person))
                return ""  # the page says who has it
            case "next":
                by_link.decline(store, clock, keys, token)
            case "everybody":
                by_link.call_everybody(store, clock, keys, token)
            case "returned":
                by_link.return_it(store, clock, keys, token)
            case _:
                raise BadInput("It is not clear what is to be done.", "Use one of the buttons.")
        return f"?done={what}"

    def action(self, token: str) -> str:
        """Where the form of a link is sent: the page's own address."""
        return f"{self.base}/page/{quote(token, safe='')}"


def personal_routes(personal: PersonalPages) -> APIRouter:
    """The link's page, and where its buttons post."""
    router, pace = APIRouter(), RateLimit()

    @router.api_route("/page/{token}", methods=list(READ))
    def look(token: str, request: Request) -> Response:
        try:
            pace.look(request)
            return personal.test(token) or personal.show(token, request)
        except CaseproofError as error:
            return personal.trouble(error)

    @router.post("/page/{token}")
    def send(token: str, request: Request, fields: SentForm) -> Response:
        try:
            if not is_our_form(request, personal.parts.keys().secret, token, 0, one_of(fields, "key")):
                wrong = NotOurForm()
                return personal.test(token, 403, wrong) or personal.show(token, request, 403, wrong)
            after = personal.do(token, one_of(fields, "do"))
        except (BadLink, UnknownCase) as error:
            return personal.trouble(_counted(pace, request, error))
        except (NotAllowed, BadInput) as error:
            return _refused(personal, token, request, error)
        except CaseproofError as error:
            return personal.trouble(error)
        return RedirectResponse(f"{personal.action(token)}{after}", 303, PAGE_HEADERS)

    return router


def _counted(pace: RateLimit, request: Request, error: CaseproofError) -> CaseproofError:
    """What is answered to whoever sends links that are none. One of ours is never turned away for being one of many: in
    an emergency of a whole region, somebody presses a button for each."""
    try:
        pace.send(request)
    except TooOften as too_often:
        return too_often
    return error


def _refused(personal: PersonalPages, token: str, request: Request, error: CaseproofError) -> Response:
    """The page as it stands, with why the button did nothing: somebody was quicker, or it is over."""
    try:
        return personal.show(token, request, 409 if isinstance(error, NotAllowed) else 422, error)
    except CaseproofError as worse:
        return personal.trouble(worse)
