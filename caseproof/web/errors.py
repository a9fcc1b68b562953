"""Whatever goes wrong becomes a page that says what is wrong and what to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from caseproof.desks.base import UnknownTicket
from caseproof.domain.emergency.vocabulary import CRITERIA
from caseproof.domain.errors import CaseproofError
from caseproof.store import ConcurrentChange, StoreDown, UnknownCase, UnknownIncident
from caseproof.web.answer_guard import AnswerHost, TooMuch, is_from_us, sent_with
from caseproof.web.answer_pages import PAGE_HEADERS, AnswerPages
from caseproof.web.files import NotHere
from caseproof.web.hosts import StrangeHost
from caseproof.web.pages import HEADERS, Pages
from caseproof.web.question import CHOICE, TITLES
from caseproof.web.who import NotLoggedIn

_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[CaseproofError], int], ...] = (
    (UnknownCase, 404),
    (UnknownIncident, 404),
    (UnknownTicket, 404),
    (NotHere, 404),
    (NotLoggedIn, 401),
    (ConcurrentChange, 409),
    (TooMuch, 413),
    (StrangeHost, 421),
    (StoreDown, 503),
)


_CALLED = TITLES | {
    CHOICE: "You chose", "down": "What is down", "was_seen": "What was seen", "said": "What they say",
    "own_ladder": "Your own ladder", "whom": "Who is called",
    **{f"seen_{one}": f"Seen: {words}" for one, words in CRITERIA.items()},
}  # fmt: skip
_OF_THE_FORM = frozenset({"key", "number", "events", "do", "one", "back", "case"})
"""Fields that nobody types."""
_NOT_KEPT = ("/account", "/logout", "/login", "/answer", "/page")
"""Forms with a password, and the retailers', whose pages keep by themselves what was typed."""


def keeps_typed(request: Request) -> bool:
    """Whether what was sent may stand on the page of an error: from our own forms for the team, and no password."""
    door = str(request.scope.get("caseproof.door", ""))
    return request.method == "POST" and door != "" and not door.startswith(_NOT_KEPT) and is_from_us(request)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What somebody typed that was not taken: where it goes, all its fields, and the texts with their titles."""

    to: str
    fields: Sequence[tuple[str, str]]
    texts: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, request: Request, base: str) -> _Kept | None:
        """None where nothing was typed."""
        sent = sent_with(request) if keeps_typed(request) else {}
        # Without its key: it may be of a log-in that is over. The form comes again with a new one, as it was typed.
        fields = [(name, value) for name, values in sent.items() if name != "key" for value in values]
        typed = [(name, value) for name, value in fields if name not in _OF_THE_FORM and value.strip()]
        texts = [(_CALLED.get(name, name.capitalize()), value) for name, value in typed]
        return cls(base + request.scope["path"], fields, texts) if texts else None


class ErrorPages:
    """The page of an error; a retailer's names nothing of the team's. ``base`` is what our own links start with."""

    def __init__(self, pages: Pages, answers: AnswerPages, host: AnswerHost, base: str) -> None:
        self._pages, self._answers, self._host, self._base = pages, answers, host, base

    def of(self, request: Request, error: Exception) -> Response:
        """The page; a person who is to log in first is led there, and back when it is done.

        What was typed into a form of ours that could not be taken, because nobody is logged in or something of ours is
        broken, stands on the page, and goes from there to where it was to go.
        """
        match error:
            case NotLoggedIn() if self._opens_a_page(request):
                asked = request.url.query[:1000]
                after = quote(request.scope["path"] + (f"?{asked}" if asked else ""))
                return RedirectResponse(f"{self._base}/login?next={after}", 303, {"Cache-Control": "no-store"})
            case NotLoggedIn() if request.method == "POST" and not self._host.is_for_retailers(request):
                path, _, _ = request.scope["path"].rpartition("/")  # a form is sent to below its page
                login = f"{self._base}/login?next={quote(path)}"
                return self._show(401, error.problem, error.next_action, login, _Kept.of(request, self._base))
            case CaseproofError():
                return self._for_people(request, error)
            case HTTPException():
                return self._of_the_protocol(request, error)
        _log.error("A page could not be made.", exc_info=error)
        return self._unexpected(request)

    @staticmethod
    def _opens_a_page(request: Request) -> bool:
        """Whether somebody wants to see a page; a picture or a program is told plainly."""
        return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")

    def _show(
        self, status: int, problem: str, next_action: str, login: str = "", kept: _Kept | None = None
    ) -> Response:
        title = "Your log-in is over" if kept and login else HTTPStatus(status).phrase
        headers = PAGE_HEADERS if kept else HEADERS
        what = {"problem": problem, "next_action": next_action, "login": login, "kept": kept}
        return self._pages.show("error.html", status, headers, title=title, **what)

    def _for_people(self, request: Request, error: CaseproofError) -> Response:
        if self._host.is_for_retailers(request) and not isinstance(error, StrangeHost):
            return self._answers.trouble(request, error)
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        kept = _Kept.of(request, self._base) if status != 404 else None
        return self._show(status, error.problem, error.next_action, kept=kept)

    def _of_the_protocol(self, request: Request, error: HTTPException) -> Response:
        if self._host.is_for_retailers(request):
            response = self._answers.trouble(request, None)
            response.status_code = error.status_code
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            says = "This address takes no request of that kind."
            next_action = (
                "Act in the form of a case's page, in the Prefect UI, or with the `caseproof` command; for your own "
                "login there is your account."
            )
            response = self._show(405, says, next_action)
        else:
            says = "There is no such page."
            response = self._show(error.status_code, says, "Start from the worklist and follow its links.")
        response.headers.update(error.headers or {})
        return response

    def _unexpected(self, request: Request) -> Response:
        if self._host.is_for_retailers(request):
            return self._answers.trouble(request, CaseproofError("The page could not be made.", "Try again."))
        return self._show(
            500,
            "The page could not be made. That is our mistake; the case itself is safe in the store.",
            "`caseproof case show` gives the same in the terminal; the reason is in the web app's log.",
            kept=_Kept.of(request, self._base),
        )


def add_errors(app: FastAPI, errors: ErrorPages) -> None:
    """Let the app answer every error with a page."""
    for kind in (CaseproofError, HTTPException):
        app.add_exception_handler(kind, errors.of)
    # What is raised here is logged by the server beside it.
    app.add_exception_handler(Exception, lambda request, _: errors._unexpected(request))
