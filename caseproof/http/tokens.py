"""Tokens that do not last: kept while they hold, and fetched anew once, however many calls find out at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from caseproof.domain.errors import CaseproofError
from caseproof.http.api import HttpApi
from caseproof.http.client import Transport, credentials

MARGIN_SECONDS = 30.0
"""So long before its end a token is not used any more: a call takes a while."""
_USUAL_SECONDS = 3600.0


class _Token(BaseModel):
    access_token: str
    expires_in: float | None = None


_TOKEN = TypeAdapter(_Token)


class ClientCredentials:
    """An HttpApi's ``Login`` by OAuth 2 client credentials (RFC 6749, 4.4). Safe to use from several threads.

    ``token_url`` is the whole address that gives tokens. ``sends`` says how it is told who we are: in a header (Basic),
    or in the form. Raises what ``HttpApi`` raises, of "the token server".
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        secret: str,
        *,
        scope: str = "",
        sends: Literal["header", "form"] = "header",
        down: type[CaseproofError],
        refused: type[CaseproofError],
        ca: str = "",
        proxy: str = "",
        transport: Transport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        base, _, self._path = token_url.rpartition("/")
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        if sends == "form":
            self._form |= {"client_id": client_id, "client_secret": secret}
        self._api = HttpApi(
            base,
            "the token server",
            down=down,
            refused=refused,
            headers=credentials(f"{client_id}:{secret}", None) if sends == "header" else None,
            ca=ca,
            proxy=proxy,
            transport=transport,
            sleep=sleep,
        )
        self._now = monotonic
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def headers(self) -> Mapping[str, str]:
        """The header with the token, which is fetched where there is none that holds."""
        with self._lock:
            if not self._token or self._now() >= self._ends:
                self._fetch()
            return credentials(None, self._token)

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Fetch another token, unless another call did so meanwhile."""
        with self._lock:
            if credentials(None, self._token) == dict(rejected):
                self._fetch()
        return True

    def _fetch(self) -> None:
        answer = self._api.call("POST", self._path, reads=True, form=self._form)
        if answer.is_missing:
            raise self._api.not_the_api(answer)
        found = self._api.decoded(answer, _TOKEN)
        lasts = _USUAL_SECONDS if found.expires_in is None else found.expires_in
        # One that is given for less than the margin is used all the same: else each call would fetch one.
        self._token, self._ends = found.access_token, self._now() + max(lasts - MARGIN_SECONDS, min(lasts, 5.0))
