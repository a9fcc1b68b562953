"""Every route of the app, and what guards it: one table, and the watch that lets nothing else through.

The watch stands before the app, so that it holds for whatever is in it, mounts and websockets too. It takes the path
as the app will take it, and nothing else of a request says where it goes: no X-Forwarded-Host, no X-Original-URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Mount, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from caseproof.store import StoreError
from caseproof.web.answer_guard import AnswerHost, TooMuch, is_typed, read_form
from caseproof.web.errors import ErrorPages, keeps_typed
from caseproof.web.hosts import OwnHosts
from caseproof.web.who import NotLoggedIn, Who, with_person


class Guard(StrEnum):
    """What a request must bring to get through."""

    OPEN = "open"
    """Nothing: there is nothing of a case or a person to see."""
    SIGNED_LINK = "a signed link"
    """A link that we signed, which the route itself checks."""
    PROVIDER_SIGNATURE = "a provider's signature"
    """A call that the provider signed, which the route itself checks."""
    SIGN_IN = "a way to log in"
    """Nothing yet: here one logs in. Not under the retailers' own host."""
    LOGIN = "a login"
    """A person who is logged in; on an installation of this machine alone everybody may look."""
    PERSON = "a login, everywhere"
    """A person who is logged in, also on this machine: something is done in their name."""


WORLD = frozenset({Guard.OPEN, Guard.SIGNED_LINK, Guard.PROVIDER_SIGNATURE})
"""What retailers and providers reach, under whichever host."""

READ = ("GET", "HEAD")
_FORM = (*READ, "POST")


@dataclass(frozen=True)
class Door:
    """A route: its path as the app writes it, its methods, and what guards all of them."""

    path: str
    methods: tuple[str, ...]
    guard: Guard

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", compile_path(self.path)[0])

    def fits(self, path: str) -> bool:
        """Whether the app would take this path for this route."""
        pattern: re.Pattern[str] = self._pattern  # type: ignore[attr-defined]
        return pattern.match(path) is not None


HEALTH = "/health"
"""Open to everybody, and it tells the team more."""

DOORS: tuple[Door, ...] = (
    Door("/answer/{token}", _FORM, Guard.SIGNED_LINK),
    Door("/answer/{token}/jobs", READ, Guard.SIGNED_LINK),
    Door("/voice/{key}/{what}", ("POST",), Guard.PROVIDER_SIGNATURE),
    Door("/page/{token}", _FORM, Guard.SIGNED_LINK),
    Door("/oncall/{token}.ics", READ, Guard.SIGNED_LINK),
    Door("/static/{path:path}", READ, Guard.OPEN),
    Door(HEALTH, READ, Guard.OPEN),
    Door("/login", _FORM, Guard.SIGN_IN),
    Door("/login/link/{token}", _FORM, Guard.SIGN_IN),
    Door("/login/provider", ("GET",), Guard.SIGN_IN),
    Door("/login/provider/back", ("GET",), Guard.SIGN_IN),
    Door("/account", READ, Guard.PERSON),
    Door("/account/password", ("POST",), Guard.PERSON),
    Door("/logout", ("POST",), Guard.PERSON),
    Door("/worklist", ("GET", "POST"), Guard.PERSON),
    Door("/", READ, Guard.LOGIN),
    Door("/overview", READ, Guard.LOGIN),
    Door("/overview/{name}.csv", READ, Guard.LOGIN),
    Door("/cases", READ, Guard.LOGIN),
    Door("/cases/{ref}", READ, Guard.LOGIN),
    Door("/cases/{ref}/question", ("POST",), Guard.PERSON),
    Door("/cases/{ref}/hand", _FORM, Guard.PERSON),
    Door("/cases/{ref}/picture", _FORM, Guard.PERSON),
    Door("/cases/{ref}/after", _FORM, Guard.PERSON),
    Door("/training", READ, Guard.PERSON),
    Door("/raise", _FORM, Guard.PERSON),
    Door("/raise/support", _FORM, Guard.PERSON),
    Door("/emergency", _FORM, Guard.PERSON),
    Door("/emergency/{ref}", READ, Guard.LOGIN),
    Door("/emergency/{ref}/answer", ("POST",), Guard.PERSON),
    Door("/contacts", READ, Guard.LOGIN),
    Door("/contacts/one", _FORM, Guard.PERSON),
    Door("/incidents/{ref}", READ, Guard.LOGIN),
    Door("/incidents/{ref}/question", ("POST",), Guard.PERSON),
    Door("/tickets/{ticket_id}", READ, Guard.LOGIN),
    Door("/inbox", READ, Guard.LOGIN),
    Door("/inbox/{number}", READ, Guard.LOGIN),
    Door("/inbox/{number}/case", ("POST",), Guard.PERSON),
    Door("/inbox/{number}/word", ("POST",), Guard.PERSON),
    Door("/inbox/{number}/answer", ("POST",), Guard.PERSON),
    Door("/inbox/{number}/done", ("POST",), Guard.PERSON),
    Door("/evidence/{digest}", READ, Guard.LOGIN),
    Door("/report", READ, Guard.LOGIN),
    Door("/report/{name}.csv", READ, Guard.LOGIN),
    Door("/reports/{name}", READ, Guard.LOGIN),
    Door("/oncall/connect", ("POST",), Guard.PERSON),
    Door("/oncall", READ, Guard.LOGIN),
    Door("/platforms", READ, Guard.LOGIN),
    Door("/policy", READ, Guard.LOGIN),
    Door("/docs", READ, Guard.LOGIN),
    Door("/docs/", READ, Guard.LOGIN),
    Door("/docs/pictures/{name}", READ, Guard.LOGIN),
    Door("/docs/{page:path}", READ, Guard.LOGIN),
)
"""All there is. A route that is not here is not reached."""


def door_of(path: str) -> Door | None:
    """The door that a path leads to, decoded as the app takes it; None where it leads nowhere."""
    if _ODD.search(path) or not path.startswith("/"):
        return None
    return next((door for door in DOORS if door.fits(path)), None)


# What programs before us may read in another way: going up, empty parts, slashes of Windows, a part's parameters.
_ODD = re.compile(r"//|\\|/\.{1,2}(?:/|$)|;")


def is_next(path: str) -> bool:
    """Whether somebody may be led to this path after a log-in: one of our own pages for the team, and nothing else."""
    page, _, asked = path.partition("?")
    # A saved filter is an address with what is asked for; of that, no more than what we write ourselves.
    plain = re.fullmatch(r"[\w./-]{1,300}", page, re.ASCII) and re.fullmatch(r"[\w.%+=&~-]{0,1000}", asked, re.ASCII)
    door = door_of(page) if plain else None
    return door is not None and "GET" in door.methods and door.guard in (Guard.LOGIN, Guard.PERSON)


def routes_of(app: FastAPI) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every route that the app has, with its methods; a mount has all paths below it."""
    waiting: list[Any] = list(app.routes)
    while waiting:
        route = waiting.pop()
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting += inner.routes
        elif isinstance(route, Mount):
            yield f"{route.path}/{{path:path}}", READ
        else:
            yield route.path, tuple(sorted(getattr(route, "methods", None) or ("any",)))


class Watch:
    """Lets a request through to the app: one for a host of ours, a door of the table, by who may.

    Whoever gets through is known to the routes: ``who.person_of`` and ``who.acting_person``.
    """

    def __init__(self, app: ASGIApp, *, hosts: OwnHosts, answers: AnswerHost, who: Who, errors: ErrorPages) -> None:
        self._app, self._hosts, self._answers, self._who, self._errors = app, hosts, answers, who, errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":  # nothing here speaks over a websocket: 403
            return await send({"type": "websocket.close", "code": 1008})
        request = Request(scope)
        try:
            private = await self._let_in(request)
        except Exception as error:  # whatever broke here must let nobody in
            if isinstance(error, NotLoggedIn | StoreError):
                await _read_typed(Request(scope, receive))
            refusal = await to_thread.run_sync(self._errors.of, request, error)
            return await refusal(scope, receive, send)
        await self._app(scope, receive, _not_kept(send) if private else send)

    async def _let_in(self, request: Request) -> bool:
        """Whether what is shown is for this person's eyes. Raises what refuses the request."""
        self._hosts.refuse_strange(request)
        door = door_of(request.scope["path"])
        if door is None or (self._answers.is_asked(request) and door.guard not in WORLD):
            raise HTTPException(404)
        request.scope["caseproof.door"] = door.path
        if self._who.may_be_known(request) and (door.guard not in WORLD or door.path == HEALTH):
            # What the world may see is shown to the team, too, while the store cannot say who they are.
            with suppress(StoreError) if door.guard in WORLD else nullcontext():
                with_person(request, await to_thread.run_sync(self._who.asks, request))
        if door.guard in (Guard.LOGIN, Guard.PERSON):
            self._who.refuse_strangers(request, reads=door.guard is Guard.LOGIN)
        if request.method not in door.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(door.methods)})
        return door.guard not in WORLD and not self._who.everybody_reads(request)


async def _read_typed(request: Request) -> None:
    """Read what was typed into a form of ours that does not reach its route: the page of the error shows it."""
    if keeps_typed(request) and is_typed(request):  # a file is sent again by whoever has it
        with suppress(TooMuch):
            await read_form(request)


def same_door(request: Request) -> None:
    """A check in each route: that the app took the path for the same one as the table. Else there is no such page."""
    if request.scope["route"].path != request.scope.get("caseproof.door"):
        raise HTTPException(404)


def _not_kept(send: Send) -> Send:
    """What only a person may see stays in no cache: the next one at this screen would see it after a log-out."""

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
            message = {**message, "headers": [*headers, (b"cache-control", b"no-store")]}
        await send(message)

    return sending
