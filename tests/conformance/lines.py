"""What every line of a conformance suite is: a harness around one system, and how its world is started."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, ClassVar, Self, TypeVar

import httpx
import pytest

from caseproof.domain.abilities import Abilities

F = TypeVar("F", bound=Callable[..., Any])

NO_HTTP = "It speaks no HTTP."
"""Why no proxy's page can be taken for an answer of it."""
LOGIN_PAGE = "<html><body><h1>Log in</h1></body></html>"


def needs(*abilities: StrEnum) -> Callable[[F], F]:
    """A sentence that is true of a system with these abilities alone."""

    def mark(function: F) -> F:
        function.needed = frozenset(abilities)  # type: ignore[attr-defined]
        return function

    return mark


class Line:
    """A harness around one system.

    ``NEVER`` says of a sentence (the test's name without ``test_``) why it cannot be asked of this system; ``NEEDS``
    are the fixtures of shared servers.
    """

    NAME: ClassVar[str]
    ABILITIES: ClassVar[Abilities[Any]]
    NEVER: ClassVar[Mapping[str, str]] = {}
    NEEDS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.mark = uuid.uuid4().hex[:6]
        """What makes names unique, where a server is shared."""
        self.start(request)

    @classmethod
    @contextmanager
    def started(cls, request: pytest.FixtureRequest) -> Any:
        """The line, for one test."""
        one = cls(request)
        try:
            yield one
        finally:
            one.end()

    def start(self, request: pytest.FixtureRequest) -> None:
        """Start the system's world, and make its client."""
        raise NotImplementedError

    def end(self) -> None:
        """End what was started; the shared servers stay."""

    def enter(self, what: Any, request: pytest.FixtureRequest) -> Any:
        """Enter this context until the test ends."""
        request.addfinalizer(lambda: what.__exit__(None, None, None))
        return what.__enter__()


class Bad:
    """Three servers that are none, for whatever client can be given a transport: ``Bad.HTML`` and so on."""

    @staticmethod
    def html(_: httpx.Request) -> httpx.Response:
        """A proxy's login page, with 200, whatever is asked."""
        return httpx.Response(200, text=LOGIN_PAGE, headers={"Content-Type": "text/html"})

    @staticmethod
    def dead(_: httpx.Request) -> httpx.Response:
        """Nobody is there."""
        raise httpx.ConnectError("nobody is there")

    @staticmethod
    def expired(_: httpx.Request) -> httpx.Response:
        """The credentials are not valid any more, whatever is asked."""
        return httpx.Response(401, json={"detail": "expired"})


class Liar(httpx.BaseTransport):
    """Carries calls to a real server; one whose path has ``about`` in it is answered well and not passed on."""

    def __init__(self, answer: httpx.Response | None = None) -> None:
        self._inner = httpx.HTTPTransport()
        self._answer = answer or httpx.Response(200, json={})
        self.about: str = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.about and self.about in request.url.path and request.method != "GET":
            return httpx.Response(self._answer.status_code, content=self._answer.content, request=request)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        return self


class Losing(httpx.BaseTransport):
    """Carries calls to a real server; of the next change (``next``) the answer is lost, after it took effect."""

    def __init__(self) -> None:
        self._inner = httpx.HTTPTransport()
        self.next = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._inner.handle_request(request)
        if self.next and request.method != "GET":
            self.next = False
            answer.read()
            raise httpx.ReadError("the connection broke", request=request)
        return answer

    def close(self) -> None:
        self._inner.close()
