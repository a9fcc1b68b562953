"""Serving the web app in this process, until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from caseproof.channels.outbound.samples import check_templates
from caseproof.config.settings import Settings
from caseproof.config.signals import handled
from caseproof.domain.errors import CaseproofError
from caseproof.procedure.core.services import bootstrap
from caseproof.web.app import create_app
from caseproof.web.who import PEER

_LAST_ANSWERS_SECONDS = 5
_STOP = (signal.SIGTERM, signal.SIGINT)


class CannotListen(CaseproofError):
    """The address of CASEPROOF_WEB_URL cannot be listened on."""


def serve(settings: Settings) -> None:
    """Serve at the host and port of ``settings.web_url`` until SIGTERM or SIGINT, then return.

    Only for the main thread. Raises CannotListen, BadInput, PolicyError and StoreError before anything is served.
    """
    check_templates()
    app = create_app(bootstrap(settings))
    with _listening(settings) as listener:
        server = uvicorn.Server(how_served(app))
        with _stopping(server):
            server.run(sockets=[listener])


def _behind_proxies(app: ASGIApp) -> ASGIApp:
    """The app as uvicorn would serve it behind a proxy; but who is at the other end of the connection stays known.

    uvicorn puts in its place whom X-Forwarded-For names, and that must not decide whose word on a login we take.
    """
    inner = ProxyHeadersMiddleware(app, os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"))  # type: ignore[arg-type]

    async def remember_the_peer(scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        await inner({**scope, PEER: client[0] if client else "nobody"}, receive, send)  # type: ignore[arg-type]

    return remember_the_peer


def how_served(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves the app: nothing over websockets, and nothing believed of a proxy but whom it speaks for."""
    return uvicorn.Config(
        _behind_proxies(app),
        proxy_headers=False,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The open listener. Opened here, because uvicorn would end the process over a port that is taken."""
    host, port = settings.web_listens
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise CannotListen(
            f"The web app cannot listen on {settings.web_url}: {error.strerror or error}.",
            "End the program that has this port, or set CASEPROOF_WEB_URL to a free one.",
        ) from error
    with listener:
        yield listener


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    """Make a signal end in a return: uvicorn raises it once more when it is done, and would die of it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    with handled(_STOP, stop):
        yield
