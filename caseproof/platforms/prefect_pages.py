"""The pages of a Prefect server as a browser has them: which API they call, and which interface an address opens.

A server says both under ``/ui-settings``. Its pages call what it was told at its start; where it was told nothing, that
is port 4200 of the browser's own machine, also where the server listens elsewhere.
"""

from __future__ import annotations

from contextlib import closing
from typing import Any
from urllib.parse import urljoin, urlsplit

from caseproof.config.settings import is_loopback, is_loopback_host
from caseproof.http.client import CallFailed, HttpClient, Transport, is_usable, shown
from caseproof.platforms.base import PlatformDown, PlatformRefused

VARIABLE = "PREFECT_SERVER_UI_API_URL"
"""What tells a Prefect server the address that its pages call."""
INTERFACES = {"v1": "the older interface", "v2": "the newer interface"}
_THIS_MACHINE = "this machine"
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 6.0


def advice(ui_url: str, api_url: str) -> str:
    """What to do where the pages show nothing: a sentence for people."""
    return (
        "Does it show no run at all? Then its server's pages call another address: start that server with "
        f"{VARIABLE}={_right(ui_url, api_url)}. `caseproof doctor` looks at it."
    )


def look_at_pages(ui_url: str, api_url: str, transport: Transport | None = None) -> str:
    """What the pages at ``ui_url`` do, as a sentence.

    Raises PlatformRefused where they call another API than ``api_url``, so that a browser shows another server's runs
    or none; PlatformDown where they do not answer.
    """
    told = _told(ui_url, transport)
    opens = INTERFACES.get(str(told.get("default_ui")), "")
    said = f"{shown(ui_url)} opens {opens}" if opens else f"{shown(ui_url)} answers"
    called = told.get("api_url")
    if not isinstance(called, str) or not called:
        return f"{said}, and does not say which API its pages call"
    if called.startswith("/"):
        called = urljoin(f"{ui_url.rstrip('/')}/", called)
    called = called.rstrip("/")
    if _place(called) in (_place(ui_url), _place(api_url)):
        return f"{said}, and its pages call {shown(called)}"
    # On one machine each port is a server of its own, and elsewhere it would be the machine of whoever opens the page.
    if _place(called)[0] == _THIS_MACHINE or not (is_usable(called) and _answers(called, transport)):
        raise PlatformRefused(
            f"The pages at {shown(ui_url)} call {shown(called)}, and not {shown(api_url)}: a browser shows another "
            "server's runs there, or none, so no picture of a run can be taken.",
            f"Start that Prefect server with {VARIABLE}={_right(ui_url, api_url)}.",
        )
    return f"{said}, and its pages call {shown(called)}, which answers"


def _told(ui_url: str, transport: Transport | None) -> dict[str, Any]:
    """What the server says of its pages; empty where it is one that says nothing (Prefect Cloud)."""
    with closing(_client(ui_url, transport)) as client:
        try:
            answer = client.ask("GET", "ui-settings")
        except CallFailed as failed:
            raise PlatformDown(
                f"The pages at {shown(ui_url)} do not answer: {failed}.",
                "Check the UI address; the browser that takes the pictures opens it from this machine.",
            ) from None
    found = answer.json() if answer.is_success else None
    return found if isinstance(found, dict) else {}


def _answers(api_url: str, transport: Transport | None) -> bool:
    with closing(_client(api_url, transport)) as client:
        return client.answers("health")


def _client(address: str, transport: Transport | None) -> HttpClient:
    return HttpClient(
        address,
        connect_seconds=_CONNECT_SECONDS,
        read_seconds=_READ_SECONDS,
        follow_redirects=True,
        trust_env=not is_loopback(address),
        transport=transport,
    )


def _place(address: str) -> tuple[str, int | None]:
    """Host and port; all names of this machine are one host."""
    try:
        parts = urlsplit(address)
        host, port = (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # what a server says may be no address
        return address, None
    return _THIS_MACHINE if is_loopback_host(host) else host, port


def _right(ui_url: str, api_url: str) -> str:
    """The address that the pages should call: beside them, where the API is there, too."""
    return f"{shown(ui_url).rstrip('/')}/api" if _place(ui_url) == _place(api_url) else shown(api_url)
