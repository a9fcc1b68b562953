"""Whether the web app's doors are shut: its addresses and host names, who has a login, whose word on one it takes."""

from __future__ import annotations

from urllib.parse import urlsplit

from caseproof.config.settings import Settings, is_loopback
from caseproof.doctor.examination import Failed, Skipped
from caseproof.http.client import CallFailed, HttpClient
from caseproof.procedure.core.logins import TeamLogins
from caseproof.store.logins import folded_name

STRANGE_HOST = "rebound.example.net"
_WIDEST = {4: 8, 6: 32}
"""A network of more addresses than these is nobody's proxy."""
_SECONDS = 3.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not bound to


def addresses(settings: Settings) -> str:
    """Whether what is reached from elsewhere is reached over TLS, and retailers under a host of their own."""
    host, public = (settings.web_url.host or "").strip("[]"), settings.public
    if settings.is_for_this_machine:
        return "nothing is reached from elsewhere, so the pages can be read without a login"
    if host in _EVERYWHERE and settings.public_url is None:
        raise Failed(
            f"The web app listens on {settings.web_url}, and by no address that is set up: people get 421.",
            "Set CASEPROOF_PUBLIC_URL to that address.",
        )
    for name, url in (("CASEPROOF_PUBLIC_URL", public), ("CASEPROOF_ANSWER_URL", settings.answers or "")):
        if url.startswith("http:") and not is_loopback(url):
            raise Failed(
                f"{url} is plain HTTP: whoever is on the way reads passwords, log-ins and retailers' links.",
                f"Put a TLS proxy before it, and its https address in {name}.",
            )
    own = urlsplit(settings.answers or "").hostname
    if not is_loopback(public) and own == urlsplit(public).hostname:
        raise Failed(
            f"Retailers open the address of the team, {public}: the login alone stands between them and the cases.",
            "Give their page a host name of its own, in CASEPROOF_ANSWER_URL (docs/confirmation-page.md).",
        )
    return f"the team at {public}, with a login; retailers at {settings.answers}"


def whose_word(settings: Settings) -> str:
    """Whether a login by a proxy or a provider is set up whole, so that nobody else's word counts."""
    header, networks = settings.proxy_login_header.strip(), settings.proxy_addresses
    if bool(header) != bool(networks):
        given, missing = ("HEADER", "ADDRESSES") if header else ("ADDRESSES", "HEADER")
        names = {"HEADER": "CASEPROOF_PROXY_LOGIN_HEADER", "ADDRESSES": "CASEPROOF_PROXY_ADDRESSES"}
        raise Failed(f"{names[given]} is set without {names[missing]}: it counts for nothing.", "Set both, or neither.")
    if wide := [str(one) for one in networks if one.prefixlen < _WIDEST[one.version]]:
        raise Failed(
            f"CASEPROOF_PROXY_ADDRESSES holds {', '.join(wide)}: anybody there logs in as anybody, by a header.",
            "Name the addresses of the proxy alone.",
        )
    issuer = settings.oidc_issuer
    if issuer is not None and not settings.oidc_client_id:
        raise Failed("CASEPROOF_OIDC_ISSUER is set without CASEPROOF_OIDC_CLIENT_ID.", "Set both, or neither.")
    if issuer is not None and issuer.scheme != "https" and not is_loopback(str(issuer)):
        raise Failed(f"The provider {issuer} is plain HTTP: anybody on the way could be it.", "Name its https address.")
    ways = [f"the provider {issuer}" if issuer else "passwords", *([f"{header} of the proxy"] if header else [])]
    return f"people are known by {' and '.join(ways)}"


def logins(settings: Settings, known: TeamLogins) -> str:
    """Whether the team can log in, and nobody else has kept a login."""
    team, having = known.team(), known.everybody()
    on_team = {folded_name(name) for name in team}
    if gone := [login.name for login in having if folded_name(login.name) not in on_team]:
        raise Failed(
            f"{', '.join(gone)}: not on the policy's team, and has a login, which counts once the name is there again.",
            f"Take it away: `caseproof people remove '{gone[0]}'`.",
        )
    getting_in = known.who_get_in()
    if not getting_in and not settings.is_for_this_machine:
        way = f"invite '{team[0]}' ADDRESS" if known.by_address else f"link '{team[0]}'"
        raise Failed("Nobody can log in, so nobody sees a case.", f"Let somebody in: `caseproof people {way}`.")
    return f"{len(getting_in)} of {len(team)} on the team can log in"


def host_names(settings: Settings) -> str:
    """Whether the app refuses a host that nobody set up, asked where it listens."""
    host, port = settings.web_listens
    here = _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    client = HttpClient(
        f"http://{here}:{port}", connect_seconds=_SECONDS, read_seconds=_SECONDS, trust_env=False,
        headers={"Host": STRANGE_HOST},
    )  # fmt: skip
    try:
        answer = client.ask("GET", "login")
    except CallFailed:
        raise Skipped(f"nothing answers at {settings.web_url} from here") from None
    finally:
        client.close()
    if answer.status != 421:
        raise Failed(
            f"What answers at {settings.web_url} takes {STRANGE_HOST} for its own name (HTTP {answer.status}): a web "
            "page of that name reads it through the browser of whoever visits it.",
            "Start Caseproof's web app of this version there, and nothing that changes the Host before it.",
        )
    return f"a host that nobody set up is refused at {settings.web_url}"
