"""Posts a card to a Teams channel or chat by a Workflows web hook.

The web hook answers 202 before anything is posted, and tells nobody whether it was: what it took counts as handed over,
never as seen. The address is the secret, so it stands in no text, and its query is sent as it was given.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from caseproof.channels.provider import READ_SECONDS, ChannelDown, ChannelRefused, Provider
from caseproof.channels.teams.card import Card, message
from caseproof.domain.errors import BadInput
from caseproof.http.client import Transport

TRIES = 3
PATIENCE_SECONDS = 10.0
"""How long one card waits in all where Teams says that it is asked too often (about four a second)."""

_SAFE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class TeamsHook:
    """A web hook. ``url`` is its whole address, a secret. ``bare``: it wants the card alone. Raises BadInput."""

    name: str
    url: str = field(repr=False)
    bare: bool = False
    read_seconds: float = READ_SECONDS

    def __post_init__(self) -> None:
        parts = _parts(self.url)
        if parts is None or parts.username is not None or not _SAFE.fullmatch(self.url):
            raise BadInput(
                f"The address of the Teams web hook '{self.name}' is none.",
                "Copy it whole from the workflow's first step (When a Teams webhook request is received).",
            )
        if parts.scheme != "https" and not _is_here(parts.hostname or ""):
            raise BadInput(
                f"The address of the Teams web hook '{self.name}' does not start with https://.",
                "Copy it whole from the workflow: the address is a secret, and goes over no open connection.",
            )


class TeamsWebhook:
    """Posts cards to one web hook. ``sleep`` (seconds) is injected by tests. Safe to use from several threads."""

    def __init__(
        self, hook: TeamsHook, *, transport: Transport | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._hook, self._sleep = hook, sleep
        scheme, _, rest = hook.url.partition("://")
        host, _, path = rest.partition("/")
        # The client takes what can be shown and what follows; as text, so that nothing is encoded a second time.
        self._path = path
        self._api = Provider(
            f"{scheme}://{host}",
            f"Teams (the web hook '{hook.name}')",
            read_seconds=hook.read_seconds,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def reach(self) -> None:
        """Whether the web hook's server answers at all; nothing is posted, so its address may still be a wrong one.

        Raises ChannelDown."""
        with suppress(ChannelRefused):  # that it knows no such page is an answer
            self._api.ask("GET", "")

    def post(self, card: Card) -> None:
        """Hand the card over. Where Teams may have posted it and did not say so, it is handed over again (rule 9).

        Raises ChannelError after three tries, or once Teams wants to be left alone for longer than ten seconds in all.
        """
        body = message(card, bare=self._hook.bare)
        patience = PATIENCE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                self._api.ask("POST", self._path, json=body)
            except ChannelDown as down:
                wait = down.wait_seconds if down.wait_seconds is not None else 0.5 * attempt
                if attempt == TRIES or wait > patience:
                    raise
                patience -= wait
                self._sleep(wait)
            else:
                return


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if usable and not parts.fragment and len(parts.path) > 1 else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
