"""Airflow's pages as a browser has them: whether they are where the block says."""

from __future__ import annotations

import re
from contextlib import closing
from urllib.parse import urljoin

from caseproof.config.settings import is_loopback
from caseproof.http.client import CallFailed, HttpClient, Transport, origin, shown
from caseproof.platforms.base import PlatformDown, PlatformRefused

_BASE = re.compile(r'<base\s+href="([^"]*)"', re.IGNORECASE)
_VARIABLE = "AIRFLOW__API__BASE_URL"
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 6.0


def look_at_pages(url: str, *, ca: str = "", proxy: str = "", transport: Transport | None = None) -> str:
    """What is at ``url``, as a sentence. Raises PlatformDown where nothing answers, PlatformRefused where it is not
    Airflow's pages, or they are those of another address (then a browser is led away from the run's page).
    """
    client = HttpClient(
        url,
        connect_seconds=_CONNECT_SECONDS,
        read_seconds=_READ_SECONDS,
        follow_redirects=True,
        trust_env=not is_loopback(url),
        ca=ca,
        proxy=proxy,
        transport=transport,
    )
    with closing(client):
        try:
            answer = client.ask("GET", "")
        except CallFailed as failed:
            raise PlatformDown(
                f"The pages at {shown(url)} do not answer: {failed}.",
                "Check the address; the browser that takes the pictures opens it from this machine.",
            ) from None
    found = _BASE.search(answer.text[:10_000]) if answer.is_success else None
    if found is None:
        raise PlatformRefused(
            f"{shown(url)} shows something that is not Airflow's pages (it answered {answer.status}).",
            "Give the address at which people open Airflow 3, without anything behind it.",
        )
    built_for = urljoin(f"{url}/", found[1]).rstrip("/")
    if origin(built_for) != origin(url) or built_for != url.rstrip("/"):
        raise PlatformRefused(
            f"The pages at {shown(url)} are built for {shown(built_for)}, so a browser finds no run there.",
            f"Give that address in the block, or start Airflow with {_VARIABLE}={shown(url)}.",
        )
    return f"{shown(url)} shows Airflow's pages"
