"""What logging in with a provider looks like to our pages; ``oidc`` does it, and is loaded where one is set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from caseproof.domain.errors import CaseproofError

FLOW_SECONDS = 600
"""How long somebody may take at the provider."""


class ProviderDown(CaseproofError):
    """The provider gives no usable answer."""


class ProviderRefused(CaseproofError):
    """What came back from the provider shows nobody who may log in."""


class LoginProvider(Protocol):
    """Somebody else who knows people by their mail address."""

    def begin(self, after: str) -> tuple[str, str]:
        """Where to send the browser, and what it is to keep until it comes back. Raises ProviderDown."""

    def finish(self, query: Mapping[str, str], kept: str) -> tuple[str, str]:
        """The mail address that the provider vouches for, and where the person wanted to go.

        ``query`` is what the browser brought back, ``kept`` what it was to keep. Raises ProviderRefused, ProviderDown.
        """
