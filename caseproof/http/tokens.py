"""Tokens that do not last: kept while they hold, and fetched anew once, however many calls find out at once."""

from __future__ import annotations

import math
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
FRESH_SECONDS = 120.0
"""A token that was fetched in the place of a refused one, and is refused so soon, is not at fault itself."""
REFUSED_SECONDS, DOWN_SECONDS = 60.0, 5.0
"""So long it is not asked again where it refused us, or was down: each of thousands of calls would."""


class KeptToken:
    """A token that one call fetches while all others wait for it, and that is kept while it holds.

    ``fetch`` gives it, and the seconds that it lasts (None: nobody knows); where it raises, those who wait get the same
    error, and whoever asks soon after it, too: thousands of wrong passwords would lock an account. ``refused`` is what
    it raises where we are not let in. Safe to use from several threads.
    """

    def __init__(
        self,
        fetch: Callable[[], tuple[str, float | None]],
        *,
        refused: type[CaseproofError],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch, self._refused, self._now = fetch, refused, monotonic
        self._lock = threading.Lock()
        self._token, self._ends = "", 0.0
        self._replaced_at: float | None = None  # when it came in the place of one that was refused
        self._failed: CaseproofError | None = None
        self._quiet_until = 0.0

    def get(self, instead_of: str | None = None) -> str:
        """A token that holds; ``instead_of`` was just refused, and is given again where another would be, too."""
        with self._lock:
            now, is_refused = self._now(), bool(self._token) and self._token == instead_of
            if self._token and now < self._ends:
                replaced = self._replaced_at is not None and now - self._replaced_at < FRESH_SECONDS
                if not is_refused or replaced:
                    return self._token
            if self._failed is not None and now < self._quiet_until:
                raise type(self._failed)(self._failed.problem, self._failed.next_action)
            try:
                token, lasts = self._fetch()
            except CaseproofError as error:
                quiet = REFUSED_SECONDS if isinstance(error, self._refused) else DOWN_SECONDS
                self._failed, self._quiet_until = error, self._now() + quiet
                raise
            self._failed, self._token, now = None, token, self._now()
            self._replaced_at = now if is_refused else None
            # One that is given for less than the margin is used all the same: else each call would fetch one.
            self._ends = math.inf if lasts is None else now + max(lasts - MARGIN_SECONDS, min(lasts, 5.0))
            return token


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
        self._kept = KeptToken(self._fetch, refused=refused, monotonic=monotonic)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def headers(self) -> Mapping[str, str]:
        """The header with the token, which is fetched where there is none that holds."""
        return credentials(None, self._kept.get())

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Fetch another token, unless another call did so meanwhile; False where another would be refused, too."""
        token = self._kept.get()
        if credentials(None, token) != dict(rejected):
            return True
        return self._kept.get(instead_of=token) != token

    def _fetch(self) -> tuple[str, float]:
        answer = self._api.call("POST", self._path, reads=True, form=self._form)
        if answer.is_missing:
            raise self._api.not_the_api(answer)
        found = self._api.decoded(answer, _TOKEN)
        return found.access_token, _USUAL_SECONDS if found.expires_in is None else found.expires_in
