"""What stands open to those who have no business here, found by trying it as they would.

Each check is a function: what it found, or Failed with what stands open and what closes it. None of them gives a
password, and none changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

from caseproof.config.settings import is_loopback
from caseproof.doctor.calls import CONNECT_SECONDS, READ_SECONDS
from caseproof.doctor.examination import Failed
from caseproof.http.client import Answer, CallFailed, HttpClient, shown

ELSEWHERE = "https://a-page-of-somebody-else.invalid"
"""The origin of a page that no server of ours can know."""
RUNS = "flow_runs/filter"


def prefect_asks_for_a_password(api_url: str) -> str:
    """Whether a stranger is refused the flow runs of a Prefect server (``http://.../api``). Raises Failed."""
    answer = _tried(api_url, "POST", {})
    if answer.is_success and isinstance(answer.json(), list):
        raise Failed(
            f"Prefect's server at {shown(api_url)} gives its flow runs to whoever asks, without a password: so it does "
            "what they say, too.",
            "Is it the server of `caseproof up`? Start that without --no-password. One of your own: start it with "
            "PREFECT_SERVER_API_AUTH_STRING=user:password, and give the same to all who use it as "
            "PREFECT_API_AUTH_STRING.",
        )
    # A page to log in at, of a proxy that stands before it, answers with a success that is no list of runs.
    if not (answer.is_unauthorized or answer.is_redirect or answer.is_success):
        raise _not_told(api_url, answer)
    return f"{shown(api_url)} gives no flow runs without a password"


def prefect_lets_no_other_page_in(api_url: str) -> str:
    """Whether a browser keeps the answers of a Prefect server from the pages of others. Raises Failed."""
    host = urlsplit(api_url).hostname or ""
    for page in (ELSEWHERE, f"https://{host}.a-page-of-somebody-else.invalid", "null"):
        asks_first = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        answers = (
            _tried(api_url, "OPTIONS", {"Origin": page, **asks_first}),
            _tried(api_url, "POST", {"Origin": page}),
        )
        if any(answer.headers.get("access-control-allow-origin", "").strip() in ("*", page) for answer in answers):
            whose = "every web page" if page == ELSEWHERE else f"web pages of others ({page})"
            raise Failed(
                f"Prefect's server at {shown(api_url)} allows {whose} that somebody opens in a browser to read its "
                "answers and to send it calls.",
                "Start it with PREFECT_SERVER_CORS_ALLOWED_ORIGINS set to the addresses of its own pages, like "
                "http://localhost:4200,http://127.0.0.1:4200; `caseproof up` does so where you set nothing else.",
            )
    return f"{shown(api_url)} lets no page of others read its answers"


def _tried(api_url: str, method: str, headers: Mapping[str, str]) -> Answer:
    """What a stranger's call is answered. Raises Failed where it is not."""
    client = HttpClient(
        api_url,
        connect_seconds=CONNECT_SECONDS,
        read_seconds=READ_SECONDS,
        follow_redirects=True,
        trust_env=not is_loopback(api_url),
    )
    with closing(client):
        try:
            body = {"limit": 1} if method == "POST" else None
            answer = client.ask(method, RUNS, json=body, headers=headers)
        except CallFailed as failed:
            raise Failed(
                f"Prefect's server at {shown(api_url)} was tried without a password, and did not answer: {failed}.",
                "Try again; if it stays so, look at what stands before that server.",
            ) from None
    if answer.is_overloaded:
        raise _not_told(api_url, answer)
    return answer


def _not_told(api_url: str, answer: Answer) -> Failed:
    return Failed(
        f"Prefect's server at {shown(api_url)} was tried without a password, and its answer ({answer.status}) does not "
        "tell whether it is open.",
        "Try again; if it stays so, look at what stands before that server.",
    )
