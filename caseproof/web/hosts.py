"""For which hosts the app answers: those that were set up, and nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from caseproof.config.settings import Settings
from caseproof.domain.errors import CaseproofError
from caseproof.web.answer_guard import asked_host


class StrangeHost(CaseproofError):
    """The request names a host that is not ours, or more than one, or none."""


class OwnHosts:
    """The host names that the app answers for, on whichever port: a proxy hands on the one that it likes.

    A web site that lets its own name point to our address would otherwise read through the browser of whoever visits
    it, with their login, and without any where none is needed. So listening on every address opens no other name.
    """

    def __init__(self, settings: Settings) -> None:
        set_up = (str(settings.web_url), settings.public, settings.answers or "")
        named = {urlsplit(url).hostname for url in set_up}
        self._names = {name for name in named if name} | {"localhost", "127.0.0.1", "::1"}
        self._public = settings.public

    def refuse_strange(self, request: Request) -> None:
        """Raises StrangeHost where the request is not for exactly one host of ours."""
        asked = asked_host(request) if len(request.headers.getlist("Host")) == 1 else None
        if asked is None or asked[0] not in self._names:
            raise StrangeHost(
                "This is not the address of the web app.",
                f"Open {self._public}, or set CASEPROOF_PUBLIC_URL to the address that people use.",
            )
