"""Whatever goes wrong becomes a page that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from caseproof.config.settings import Settings
from caseproof.desks.base import UnknownTicket
from caseproof.domain.errors import CaseproofError
from caseproof.store import StoreDown, UnknownCase
from caseproof.web.answer_guard import AnswerHost, asked_host
from caseproof.web.answer_pages import AnswerPages
from caseproof.web.files import NotHere
from caseproof.web.pages import Pages

_ANY_ADDRESS = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 - compared with, not bound to


class StrangeHost(CaseproofError):
    """The request names a host that is not ours."""


_STATUS: tuple[tuple[type[CaseproofError], int], ...] = (
    (UnknownCase, 404),
    (UnknownTicket, 404),
    (NotHere, 404),
    (StrangeHost, 421),
    (StoreDown, 503),
)


def own_hosts_only(settings: Settings, answers: AnswerHost) -> Callable[[Request], None]:
    """A check that refuses requests for a host that is not ours (StrangeHost).

    Under the host that retailers see there is nothing but their page (404).

    There is no login: listening on loopback is what keeps strangers out. A web site that lets its own name
    point to 127.0.0.1 would otherwise read every case through the browser of whoever visits it.
    """
    ours = {settings.web_url.host, urlsplit(settings.public).hostname, answers.name, "localhost", "127.0.0.1", "::1"}
    ours = {name.strip("[]") for name in ours if name}
    anywhere = settings.web_url.host in _ANY_ADDRESS

    def refuse_strange_host(request: Request) -> None:
        asked = asked_host(request)
        if asked is None or (not anywhere and asked[0] not in ours):
            raise StrangeHost(
                "This is not the address of the web app.",
                f"Open {settings.public}, or set CASEPROOF_PUBLIC_URL to the address that people use.",
            )
        if not answers.shows(request):
            raise HTTPException(404)

    return refuse_strange_host


def add_errors(app: FastAPI, pages: Pages, answers: AnswerPages, host: AnswerHost) -> None:
    """Let the app answer every error with a page; a retailer's names nothing that is the team's."""

    def show(status: int, problem: str, next_action: str) -> Response:
        title = HTTPStatus(status).phrase
        return pages.show("error.html", status, title=title, problem=problem, next_action=next_action)

    @app.exception_handler(CaseproofError)
    def for_people(request: Request, error: CaseproofError) -> Response:
        if host.is_for_retailers(request) and not isinstance(error, StrangeHost):
            return answers.trouble(request, error)
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        return show(status, error.problem, error.next_action)

    @app.exception_handler(HTTPException)
    def of_the_protocol(request: Request, error: HTTPException) -> Response:
        if host.is_for_retailers(request):
            response = answers.trouble(request, None)
            response.status_code = error.status_code
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            says = "This app only shows; nothing can be changed here."
            response = show(405, says, "Act in the Prefect UI or with the `caseproof` command.")
        else:
            says = "There is no such page."
            response = show(error.status_code, says, "Start from the list of cases and follow its links.")
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def unexpected(request: Request, __: Exception) -> Response:
        if host.is_for_retailers(request):
            return answers.trouble(request, CaseproofError("The page could not be made.", "Try again."))
        return show(
            500,
            "The page could not be made. That is our mistake; the case itself is safe in the store.",
            "`caseproof case show` gives the same in the terminal; the reason is in the web app's log.",
        )
