"""Logging in and out: by a password, a sign-in link, or a provider; and the page of whoever is logged in.

Opening a page changes nothing, so that a preview of a link uses none up. A form is taken from a page that was made here
for this browser, also where nobody is logged in yet: nobody is made to work under another one's name.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from caseproof.config.settings import Settings
from caseproof.domain.errors import BadInput, CaseproofError
from caseproof.procedure.core.logins import LinkIsVoid, NotLetIn, TeamLogins
from caseproof.store.logins import Login
from caseproof.web.answer_guard import Fields, RateLimit, SentForm, TooMuch, TooOften, is_from_us, one_of
from caseproof.web.answer_pages import PAGE_HEADERS
from caseproof.web.doors import READ, is_next
from caseproof.web.pages import Pages
from caseproof.web.provider import FLOW_SECONDS, LoginProvider, ProviderDown, ProviderRefused
from caseproof.web.who import ActingPerson, Who, acting_person, person_of

_NONCE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_FORM_SECONDS = 86_400
FORMS = (
    "login", "link", "password", "logout", "worklist", "hand", "contacts", "raise", "inbox", "emergency", "connect",
    "after", "picture",
)  # fmt: skip
"""What forms are for; the key of one opens no other."""
_STATUS: tuple[tuple[type[CaseproofError], int], ...] = (
    (TooOften, 429), (TooMuch, 413), (LinkIsVoid, 410), (NotLetIn, 401), (ProviderRefused, 403), (ProviderDown, 502),
    (BadInput, 422),
)  # fmt: skip


class ForeignForm(BadInput):
    """A form that was not made here for this browser, or was open for too long."""

    def __init__(self) -> None:
        super().__init__("This page was open for too long.", "Send it once more.")


class LoginPages:
    """The pages with their forms; each form carries a key that fits this browser's cookie, log-in and purpose."""

    def __init__(self, pages: Pages, who: Who, settings: Settings, provider: LoginProvider | None) -> None:
        self._pages, self.who, self.provider = pages, who, provider
        self.base = urlsplit(settings.public).path.rstrip("/")

    def show(self, template: str, request: Request, status: int = 200, error: CaseproofError | None = None,
             **what: object) -> Response:  # fmt: skip
        """A page with its form; ``error`` is what went wrong with the form that came."""
        nonce = self._nonce(request) or secrets.token_urlsafe(32)
        keys = {f"{name}_key": self._key(request, nonce, name) for name in FORMS}
        wrong = {"problem": error.problem, "next_action": error.next_action} if error else None
        by_provider = self.provider is not None
        response = self._pages.show(
            template, status, PAGE_HEADERS, who=person_of(request), wrong=wrong, by_provider=by_provider, **keys, **what
        )
        self.who.set(response, self.who.named("form"), nonce, _FORM_SECONDS)
        if isinstance(error, TooOften):
            response.headers["Retry-After"] = str(error.seconds)
        return response

    def refused(self, template: str, request: Request, error: CaseproofError, **what: object) -> Response:
        """The page once more, with what was wrong."""
        status = (
            403 if isinstance(error, ForeignForm) else next((n for kind, n in _STATUS if isinstance(error, kind)), 500)
        )
        if status == 500:
            raise error
        return self.show(template, request, status, error, **what)

    def check(self, request: Request, fields: Fields, purpose: str) -> None:
        """Raises ForeignForm where a form was not made here, for this browser and this purpose."""
        nonce, key = self._nonce(request), one_of(fields, "key")
        ours = nonce != "" and hmac.compare_digest(key.encode(), self._key(request, nonce, purpose).encode())
        if not (ours and is_from_us(request)):
            raise ForeignForm

    def let_in(self, token: str, after: str) -> Response:
        """Lead somebody on who is logged in from now."""
        response = RedirectResponse(f"{self.base}{after if is_next(after) else '/'}", 303, PAGE_HEADERS)
        self.who.keep(response, token)
        self.who.set(response, self.who.named("form"), "", 0)
        return response

    def lead_back(self, after: str, page: str, done: str, count: int) -> Response:
        """Lead back to ``after``, where this page says once what was done, and to how many."""
        response = RedirectResponse(f"{self.base}{after}", 303, PAGE_HEADERS)
        self.who.set(response, self.who.named(page), f"{done}.{count}", 60)
        return response

    def told(self, request: Request, page: str) -> tuple[str, int]:
        """What the form did that led to this page. A link cannot say it: it comes with a cookie of ours."""
        done, _, count = request.cookies.get(self.who.named(page), "").partition(".")
        return (done, int(count)) if re.fullmatch(r"[0-9]{1,6}", count, re.ASCII) else ("", 0)

    def said(self, request: Request, page: str, response: Response) -> Response:
        """It was said now, and is not said again."""
        if self.who.named(page) in request.cookies:
            self.who.set(response, self.who.named(page), "", 0)
        return response

    def _nonce(self, request: Request) -> str:
        kept = request.cookies.get(self.who.named("form"), "")
        return kept if _NONCE.fullmatch(kept) else ""

    def _key(self, request: Request, nonce: str, purpose: str) -> str:
        return hmac.new(nonce.encode(), f"{purpose}:{self.who.token(request)}".encode(), hashlib.sha256).hexdigest()


def login_routes(logins: TeamLogins, pages: LoginPages) -> APIRouter:
    """The routes for who is not logged in yet."""
    router, pace = APIRouter(), RateLimit()

    @router.api_route("/login", methods=list(READ))
    def look(request: Request) -> Response:
        if person_of(request) is not None:
            return RedirectResponse(f"{pages.base}/account", 303, PAGE_HEADERS)
        after = request.query_params.get("next", "")
        return pages.show("login.html", request, name="", next=after if is_next(after) else "")

    @router.post("/login")
    def send(request: Request, fields: SentForm) -> Response:
        name, after = one_of(fields, "name"), one_of(fields, "next")
        try:
            pace.login(request, name)
            pages.check(request, fields, "login")
            if pages.provider is not None:
                raise ProviderRefused("Here people log in with the provider.", "Use the button below.")
            token = logins.by_password(name, one_of(fields, "password"))
        except CaseproofError as error:
            shown = {"name": name[:200], "next": after if is_next(after) else ""}
            return pages.refused("login.html", request, error, **shown)
        return _let_in(logins, pages, request, token, after)

    _add_links(router, logins, pages, pace)
    if pages.provider is not None:
        _add_provider(router, logins, pages, pages.provider, pace)
    return router


def _add_links(router: APIRouter, logins: TeamLogins, pages: LoginPages, pace: RateLimit) -> None:
    """The two routes of a sign-in link: looking at it, which changes nothing, and choosing a password.

    Who has a link that holds is counted by it, and not by their address: no stranger at the same one can use it up.
    """

    def offered(request: Request, token: str) -> Login:
        try:
            return logins.offered(token)
        except LinkIsVoid:
            pace.look(request)
            raise

    @router.api_route("/login/link/{token}", methods=list(READ))
    def look_at_link(token: str, request: Request) -> Response:
        try:
            login = offered(request, token)
        except CaseproofError as error:
            return pages.refused("login_told.html", request, error)
        return pages.show("login_link.html", request, name=login.name, token=token)

    @router.post("/login/link/{token}")
    def use_link(token: str, request: Request, fields: SentForm) -> Response:
        name = ""
        try:
            name = offered(request, token).name
            pace.link(token)
            pages.check(request, fields, "link")
            token_of_login = logins.use_link(token, _same_twice(fields))
        except LinkIsVoid as error:
            return pages.refused("login_told.html", request, error)
        except CaseproofError as error:
            return pages.refused(
                "login_link.html" if name else "login_told.html", request, error, name=name, token=token
            )
        return _let_in(logins, pages, request, token_of_login, "")


def _add_provider(
    router: APIRouter, logins: TeamLogins, pages: LoginPages, provider: LoginProvider, pace: RateLimit
) -> None:
    """The two routes of a log-in by a provider: to it, and back."""
    kept_as = pages.who.named("flow")

    @router.get("/login/provider")
    def to_the_provider(request: Request) -> Response:
        try:
            pace.provider(request, "to the provider")
            address, kept = provider.begin(request.query_params.get("next", "")[:1300])
        except CaseproofError as error:
            return pages.refused("login_told.html", request, error)
        response = RedirectResponse(address, 303, PAGE_HEADERS)
        pages.who.set(response, kept_as, kept, FLOW_SECONDS)
        return response

    @router.get("/login/provider/back")
    def back(request: Request) -> Response:
        try:
            pace.provider(request, "back")
            email, after = provider.finish(request.query_params, request.cookies.get(kept_as, ""))
            token = logins.by_email(email, way="provider")
        except CaseproofError as error:
            response = pages.refused("login_told.html", request, error)
        else:
            response = _let_in(logins, pages, request, token, after)
        pages.who.set(response, kept_as, "", 0)
        return response


def account_routes(logins: TeamLogins, pages: LoginPages) -> APIRouter:
    """The routes for who is logged in: who they are, another password, and out."""
    router, pace = APIRouter(), RateLimit()

    @router.api_route("/account", methods=list(READ))
    def account(request: Request) -> Response:
        return pages.show("account.html", request, person=acting_person(request), done="")

    @router.post("/account/password")
    def change(
        request: Request,
        fields: SentForm,
        person: ActingPerson,
    ) -> Response:
        try:
            pace.login(request, person.name)
            pages.check(request, fields, "password")
            new = _same_twice(fields)
            token = logins.change_password(person.name, one_of(fields, "old"), new, way=person.way)
        except CaseproofError as error:
            return pages.refused("account.html", request, error, person=person, done="")
        return _let_in(logins, pages, request, token, "/account")

    @router.post("/logout", dependencies=[Depends(acting_person)])
    def out(request: Request, fields: SentForm) -> Response:
        try:
            pages.check(request, fields, "logout")
        except ForeignForm as error:
            return pages.refused("account.html", request, error, person=acting_person(request), done="")
        logins.log_out(pages.who.token(request))
        response = RedirectResponse(f"{pages.base}/login", 303, PAGE_HEADERS)
        pages.who.forget(response)
        return response

    return router


def _let_in(logins: TeamLogins, pages: LoginPages, request: Request, token: str, after: str) -> Response:
    if before := pages.who.token(request):  # also one that somebody else put there: it becomes no way in
        logins.log_out(before)
    return pages.let_in(token, after)


def _same_twice(fields: Fields) -> str:
    new = one_of(fields, "new")
    if new != one_of(fields, "again"):
        raise BadInput("The two passwords are not the same.", "Type it twice.")
    return new
