"""Who asks: the person of a request, by their cookie or by the proxy that logged them in; what a stranger may do."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Depends, Request, Response

from caseproof.config.settings import Settings
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.logins import LONGEST, Person, TeamLogins

PEER = "caseproof.peer"
"""Where in a request's scope stands who is at the other end of the connection, whatever a proxy says of its clients."""
_PERSON = "caseproof.person"
_HANDED_ON = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")

BY_PROXY = "proxy"


class NotLoggedIn(CaseproofError):
    """This is for people on the team who are logged in."""

    def __init__(self) -> None:
        super().__init__("This is for people on the team.", "Log in first.")


def person_of(request: Request) -> Person | None:
    """Who asks, where we know."""
    found: Person | None = request.scope.get(_PERSON)
    return found


def acting_person(request: Request) -> Person:
    """Who asks, for whatever is done in somebody's name. Raises NotLoggedIn."""
    person = person_of(request)
    if person is None:
        raise NotLoggedIn
    return person


ActingPerson = Annotated[Person, Depends(acting_person)]
"""Who asks, as a route takes them."""


def with_person(request: Request, person: Person | None) -> None:
    """Write down who asks, for the routes."""
    request.scope[_PERSON] = person


def _text(value: str) -> str:
    """What a header says, which starlette reads as Latin-1: UTF-8 where it is that, as proxies write names today."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


class Who:
    """Finds the person of a request, and keeps their cookie; ``cookie`` is its name."""

    def __init__(self, settings: Settings, logins: TeamLogins) -> None:
        self._logins = logins
        self._for_this_machine = settings.is_for_this_machine
        self._proxy_names_people = settings.proxy_names_people
        self._header = settings.proxy_login_header.strip()
        self._proxies = settings.proxy_addresses
        self._secure = settings.public.startswith("https:")
        # A browser's cookies know no ports: two installations of a machine must not log each other out.
        self.cookie = "__Host-caseproof" if self._secure else f"caseproof-{settings.web_url.port or 80}"

    def may_be_known(self, request: Request) -> bool:
        """Whether the request says who asks, in one of the ways that we listen to."""
        return bool(self.token(request)) or self._by_proxy(request)

    def asks(self, request: Request) -> Person | None:
        """Who asks. Where the proxy says it, no cookie says otherwise. Raises StoreDown, StoreError."""
        if self._by_proxy(request):
            named = request.headers.getlist(self._header)
            return self._logins.known_as(_text(named[0]).strip(), way=BY_PROXY) if len(named) == 1 else None
        return self._logins.person(self.token(request))

    def everybody_reads(self, request: Request) -> bool:
        """Whether reading needs no login: nothing here is reached from elsewhere, and no proxy handed this on.

        A proxy that says nothing of itself speaks HTTP/1.0 often, and neither a browser nor a client of ours does.
        """
        handed_on = request.scope.get("http_version") != "1.1" or any(name in request.headers for name in _HANDED_ON)
        return self._for_this_machine and not handed_on

    def refuse_strangers(self, request: Request, *, reads: bool) -> None:
        """Raises NotLoggedIn for who is nobody, and may not do this without being somebody."""
        if person_of(request) is None and not (reads and self.everybody_reads(request)):
            raise NotLoggedIn

    def _by_proxy(self, request: Request) -> bool:
        """Whether our proxy says who asks. The header counts from its addresses alone."""
        if not (self._proxy_names_people and self._header in request.headers):
            return False
        peer = request.scope.get(PEER) or (request.client.host if request.client else "")
        try:
            address = ip_address(str(peer).partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self._proxies)

    # -- the cookie -----------------------------------------------------------------------------------------------

    def token(self, request: Request) -> str:
        """The log-in that the request's cookie names, or ""."""
        return request.cookies.get(self.cookie, "")[:100]

    def form_token(self, request: Request, person: Person, ref: str, number: int) -> str:
        """What the form of a question is for: this question, this person, and their log-in where a cookie has it."""
        return f"{ref}:{number}:{person.name}:{self.token(request)}"

    def keep(self, response: Response, token: str) -> None:
        """Give the browser this log-in."""
        self.set(response, self.cookie, token, int(LONGEST.total_seconds()))

    def forget(self, response: Response) -> None:
        """Have the browser forget its log-in, and all that it kept of our pages."""
        self.set(response, self.cookie, "", 0)
        response.headers["Clear-Site-Data"] = '"cache"'

    def named(self, what: str) -> str:
        """The name of another cookie of ours."""
        return f"{self.cookie}-{what}"

    def set(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Set a cookie that no script reads and no other site sends along with a form."""
        response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="lax", secure=self._secure)
