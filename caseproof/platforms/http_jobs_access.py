"""How we get into an HTTP job service: all that its block holds beside the declaration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from caseproof.http.client import Transport, credentials, shown
from caseproof.http.tokens import ClientCredentials
from caseproof.platforms.base import PlatformDown, PlatformRefused
from caseproof.platforms.http_jobs_declared import Auth, BasicAuth, BearerAuth, ClientAuth, HeaderAuth


@dataclass(frozen=True, slots=True)
class Access:
    """Where a service is and how we get in: all that a block holds beside the declaration. Secrets are not shown."""

    base: str
    site: str = ""
    user: str = ""
    secret: str = ""
    page_headers: Mapping[str, str] | None = None
    ca: str = ""
    proxy: str = ""

    def __repr__(self) -> str:
        return f"Access({shown(self.base)})"


def headers_of(auth: Auth, access: Access) -> Mapping[str, str]:
    """The headers that let us in for good; none where a token is fetched."""
    match auth:
        case BasicAuth():
            return credentials(f"{access.user}:{access.secret}", None)
        case BearerAuth():
            return credentials(None, access.secret)
        case HeaderAuth(header=name):
            return {name: access.secret}
    return {}


def client_credentials(
    auth: Auth, access: Access, *, transport: Transport | None, sleep: Callable[[float], None]
) -> ClientCredentials | None:
    """What fetches tokens, where the service takes such."""
    if not isinstance(auth, ClientAuth):
        return None
    return ClientCredentials(
        auth.token_url,
        access.user,
        access.secret,
        scope=auth.scope,
        sends=auth.sends,
        down=PlatformDown,
        refused=PlatformRefused,
        ca=access.ca,
        proxy=access.proxy,
        transport=transport,
        sleep=sleep,
    )
