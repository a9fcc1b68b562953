"""GoTo Connect as "ring me and connect": it rings one of our own lines first, and then dials whom we want to speak to.

It says nothing and hears no key, so it pages nobody by itself. It is for an operator who sits at a telephone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel, TypeAdapter

from caseproof.channels.provider import READ_SECONDS, ChannelRefused, Provider
from caseproof.channels.voice.dialling import Line
from caseproof.config.clock import Clock
from caseproof.domain.errors import BadInput
from caseproof.http.client import Transport, credentials, is_usable, shown

API = "https://api.goto.com"
LOGIN = "https://authentication.logmeininc.com"

_EARLIER = timedelta(minutes=1)
"""A token is renewed so long before it ends."""

_NOT_LET_IN = 401


@dataclass(frozen=True, slots=True)
class GoToAccount:
    """An OAuth client with the scope ``calls.v2.initiate``, and the refresh token it was given. Raises BadInput."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    api_url: str = API
    login_url: str = LOGIN
    read_seconds: float = READ_SECONDS

    def __post_init__(self) -> None:
        missing = [what for what in ("client_id", "client_secret", "refresh_token") if not getattr(self, what).strip()]
        if missing:
            raise BadInput(
                f"The GoTo account '{self.name}' has no {missing[0]}.", "Fill it in (GoTo's developer pages)."
            )
        for address in (self.api_url, self.login_url):
            if not is_usable(address):
                raise BadInput(
                    f"An address of the GoTo account '{self.name}' is none ({shown(address)}).", f"Use {API}."
                )


class _Token(BaseModel):
    access_token: str
    expires_in: int = 3600
    refresh_token: str = ""


_TOKEN = TypeAdapter(_Token)


class GoToVoice:
    """Rings a line of ours and connects it. Safe to use from several threads, which share one token."""

    def __init__(self, account: GoToAccount, clock: Clock, *, transport: Transport | None = None) -> None:
        who = f"GoTo Connect (the account '{account.name}')"
        secret = credentials(f"{account.client_id}:{account.client_secret}", None)
        seconds = account.read_seconds
        self._api = Provider(account.api_url, who, read_seconds=seconds, transport=transport)
        self._login = Provider(account.login_url, who, headers=secret, read_seconds=seconds, transport=transport)
        self._clock, self._lock = clock, threading.Lock()
        self._refresh_token, self._token, self._ends = account.refresh_token, "", clock()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._login.close()

    def connect(self, line_id: str, to: Line) -> None:
        """Ring our line ``line_id``; who picks it up there is connected with ``to``. Asked once.

        An extension is not dialled: GoTo connects, and a person presses it. Raises BadInput, ChannelError.
        """
        if not line_id.strip():
            raise BadInput("Nobody's line is named.", "Fill in the line that GoTo rings first.")
        body = {"dialString": to.number, "from": {"lineId": line_id.strip()}}
        token = self._fresh("")
        try:
            self._api.ask("POST", "calls/v2/calls", json=body, headers=credentials(None, token))
        except ChannelRefused as refused:
            if refused.answered != _NOT_LET_IN:
                raise
            # Nothing was done. A token may end early: somebody logged out, or the clocks differ.
            self._api.ask("POST", "calls/v2/calls", json=body, headers=credentials(None, self._fresh(token)))

    def _fresh(self, refused: str) -> str:
        """A token that is valid, and is not the one that was just refused."""
        with self._lock:
            now = self._clock()
            if self._token and self._token != refused and now < self._ends - _EARLIER:
                return self._token
            form = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
            answer = self._login.ask("POST", "oauth/token", form=form)
            told = self._login.decoded(answer, _TOKEN)
            self._token, self._ends = told.access_token, now + timedelta(seconds=told.expires_in)
            self._refresh_token = told.refresh_token or self._refresh_token
            return self._token
