"""One HTTP call of a check: answered in seconds or told as an error for people, and the other side's clock noted."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx

from caseproof.doctor.clocks import Clocks, now
from caseproof.doctor.examination import Failed
from caseproof.platforms.http import date_of, shown

CONNECT_SECONDS = 3.0
READ_SECONDS = 6.0


class Caller:
    """Calls one HTTP server. ``whose`` is what people call it; ``next_action`` what to do when it does not answer."""

    def __init__(
        self, base_url: str, whose: str, clocks: Clocks, *, next_action: str, headers: dict[str, str] | None = None
    ) -> None:
        self.whose = whose
        self.address = shown(base_url)
        self._clocks = clocks
        self._next_action = next_action
        self._client = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/",
            headers=headers,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            verify=_certificates(),
            follow_redirects=True,
        )

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The answer, whatever its status. Raises Failed where there is none."""
        before = now()
        try:
            response = self._client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Failed(f"{self.whose} at {self.address} {_why(error)}.", self._next_action) from None
        self._clocks.note(self.whose, before, date_of(response), now())
        return response

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


@cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust; reading them takes a while, so it is done once."""
    return httpx.create_ssl_context()


def _why(error: Exception) -> str:
    """What happened, in words of ours: the library's own may repeat a header."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"shows a certificate that is not valid ({cause.verify_message})"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "cannot be reached"
    if isinstance(error, httpx.TimeoutException):
        return f"does not answer within {READ_SECONDS:g} s"
    return f"gives no usable answer ({type(error).__name__})"
