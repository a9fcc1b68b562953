"""Whether a screenshot shows that a run succeeded: pure, so that each refusal is a line in a test.

J7 and J8 want a screenshot of the job's successful completion. A picture alone proves little: it may show a
login page, an error, another run, or this run before it was over. So the page's text, address and HTTP status
are kept with the picture, and ``refuse_shot`` refuses every picture that is not the right one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

from caseproof.domain.codes import Code
from caseproof.http.redaction import WordsOfOthers
from caseproof.platforms.base import RunPage

# States that a page may show in the place of success. The first state on the page is taken for the run's own.
_OTHER_STATES = frozenset(
    {"aborted", "awaiting retry", "awaitingretry", "canceled", "cancelled", "cancelling", "crashed"}
    | {"deferred", "error", "errored", "failed", "failure", "in progress", "incomplete", "late", "paused"}
    | {"partially completed", "pending", "queued", "removed", "restarting", "retrying", "running"}
    | {"scheduled", "skipped", "stopped", "suspended", "terminated", "timed out", "timedout", "unknown"}
    | {"up for retry", "up_for_retry", "upstream_failed", "waiting"}
)
_LABEL = re.compile(r"^(?:(?:run|job) )?(?:state|status|result|outcome) ?[:=] ?", re.IGNORECASE)
_MARKS = " .\u00b7\u2022\u25cf\u25cb|\u2713\u2714\u2705\u2611"
_LOGIN = re.compile(r"\b(log[ -]?in|log[ -]?on|sign[ -]?in|authenticat\w+|password)\b", re.IGNORECASE)
_LOGIN_PATH = re.compile(r"log[-_]?[io]n|sign[-_]?in|auth|sso|session", re.IGNORECASE)
_NOT_FOUND = re.compile(r"\b(not found|404|no such|does not exist|went wrong|can't connect)\b", re.IGNORECASE)

RENDERED_MARK = "Rendered by Caseproof from what the platform told. This is not a page of the platform."
"""What stands on every page that Caseproof rendered."""

_AGAIN = "Take the screenshot again"
_CREDENTIALS = f"Check the credentials that the platform's block gives the browser. {_AGAIN} then."


class NotTheRun(WordsOfOthers):
    """A picture was taken, and it does not show this run's success."""

    code = Code.NOT_THE_RUN


class ShowsAnotherState(NotTheRun):
    """It is the run's page, and it shows another state than success."""

    code = Code.SHOWS_ANOTHER_STATE


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture (PNG bytes) of a page and what the page said when it was taken.

    ``text`` is the visible text without secrets, which the picture has covered, too; ``address`` the address at the
    end, ``status`` the HTTP status of the main document (None if unknown), ``taken_at`` our clock just after the
    picture, aware. ``unseen`` are words that the page holds and the picture does not show; in ``text`` they have other
    letters.
    """

    png: bytes = field(repr=False)
    text: str = field(repr=False)
    address: str
    status: int | None
    taken_at: datetime
    has_password_field: bool = False
    unseen: Sequence[str] = ()


def refuse_shot(page: RunPage, shot: Shot, *, ended_at: datetime) -> None:
    """Return if the shot shows that this run succeeded; otherwise raise NotTheRun with the reason. Pure.

    All of this must hold: it was taken after the run's end; the page answered below 400, at the run's own
    address, and asks for no password; every name stands in the text or in the run's address as a word of its
    own; and the first state that the text shows is success.

    A state is shown where it fills a line or a table cell by itself, apart from the run's names, a label such
    as "Status:", and a tick or dot; the case of letters counts. So neither "Not Completed", nor "Completed 0
    of 3", nor a log line "Finished in state Completed()" says that the run succeeded; and where a failed
    run's log prints "Completed", its own "Failed" stands above that. For the same reason "login" or "error"
    in the log of a run that succeeded does no harm. Words such as "not found" only choose the reason that is
    given.
    """
    if shot.taken_at < ended_at:
        taken, ended = (time.isoformat(" ", "milliseconds") for time in (shot.taken_at, ended_at))
        raise NotTheRun(
            f"The screenshot is from before the run's end: taken at {taken}, the run ended at {ended}.",
            f"{_AGAIN} now. If this comes back, compare this machine's clock to the platform's.",
        )
    fault = fault_of(page, shot.text, shot.address, shot.status, shot.has_password_field)
    if fault is not None and shot.unseen:
        words = " and ".join(f'"{word}"' for word in shot.unseen)
        raise NotTheRun(
            f"The screenshot does not show this run's success: the page holds {words} where the picture does not show "
            "it, because it is covered, cut off, off the edge, or as good as transparent.",
            f"See what the run's page looks like in a browser, and what lies over it: {page.url}. {_AGAIN} then.",
        )
    if fault is not None:
        raise fault


def fault_of(page: RunPage, text: str, address: str, status: int | None, asks_password: bool) -> NotTheRun | None:
    """What is wrong with what a page shows, whenever it was; None if it shows this run's success."""
    if status in (401, 403):
        return NotTheRun(f"The platform did not let the browser in (HTTP {status}).", _CREDENTIALS)
    if status is not None and status >= 400:
        return NotTheRun(
            f"The screenshot shows an error page (HTTP {status}).",
            f"See whether the run's page opens in a browser: {page.url}. {_AGAIN} then.",
        )
    elsewhere = not (page.html or _same_place(page.url, address))  # what is rendered has no address
    if asks_password or (elsewhere and _LOGIN_PATH.search(without_query(address))):
        return NotTheRun(f"The screenshot shows a login page ({without_query(address)}).", _CREDENTIALS)
    if elsewhere:
        return NotTheRun(
            f"The screenshot shows another page than the run's: {without_query(address)}.",
            f"See where the run's page leads in a browser: {page.url}. {_AGAIN} then.",
        )
    wanted = [*page.names, page.success]
    if not page.names or not all(_plain(word) for word in wanted):
        return NotTheRun(
            "It is not known how to recognise the run's page: a name or the word for success is missing.",
            "Complete the platform's page() in caseproof/platforms.",
        )
    if page.html and RENDERED_MARK not in _plain(text):
        return _unexpected(page, text, "it does not say that Caseproof rendered it")
    found_in = _plain(text if page.html else f"{text}\n{unquote(page.url)}")
    missing = [name for name in page.names if not _by_itself(name).search(found_in)]
    if missing:
        return _unexpected(page, text, f"{' and '.join(missing)} is not on it")
    shown = _first_state(text, page)
    if shown is None:
        return _unexpected(page, text, f'"{page.success}" does not stand on it as a word of its own')
    if shown != _plain(page.success):
        return ShowsAnotherState(
            f'The screenshot shows the run as "{shown}", not as "{page.success}".',
            f"See how the run went: {page.url}. {_AGAIN} of a run that succeeded.",
        )
    return None


def _unexpected(page: RunPage, text: str, what: str) -> NotTheRun:
    if _LOGIN.search(text):
        return NotTheRun(f"The screenshot seems to show a login page: {what}.", f"{_CREDENTIALS} {page.advice}".strip())
    look = " ".join(
        part for part in (f"See whether the run's page opens in a browser: {page.url}.", page.advice, f"{_AGAIN} then.")
        if part
    )  # fmt: skip
    if _NOT_FOUND.search(text):
        return NotTheRun(f"The screenshot seems to show an error page: {what}.", look)
    if not text.strip():
        return NotTheRun("The screenshot shows an empty page.", look)
    return NotTheRun(f"The screenshot does not show this run's success: {what}.", look)


def _same_place(expected: str, address: str) -> bool:
    """Same origin and path, the expected query (more of it is harmless), and the same hash route."""
    try:
        want, got = urlsplit(expected), urlsplit(address)
        query, got_query = parse_qs(want.query, True), parse_qs(got.query, True)
        same_origin = origin_of(expected) == origin_of(address)
    except ValueError:  # not an address at all
        return False
    return (
        same_origin
        and unquote(want.path).rstrip("/") == unquote(got.path).rstrip("/")
        and all(got_query.get(key) == values for key, values in query.items())
        and _route(want.fragment) == _route(got.fragment)
    )


def origin_of(url: str) -> str:
    """As a browser's ``location.origin`` has it: lower case, without the scheme's own port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _route(fragment: str) -> str:
    """A single-page app's route in the fragment (``#/runs/7``); a mere place on the page is none."""
    return unquote(fragment).rstrip("/") if fragment.startswith(("/", "!/")) else ""


def without_query(address: str) -> str:
    """For messages: a query may carry tokens."""
    return address.partition("?")[0]


def _plain(text: str) -> str:
    return " ".join(text.split())


def _by_itself(name: str) -> re.Pattern[str]:
    """The name as a word of its own, so that run-1 is not found in run-12 or in my-run-1."""
    return re.compile(rf"(?<![\w-]){re.escape(_plain(name))}(?![\w-])")


def _first_state(text: str, page: RunPage) -> str | None:
    """The first state that fills a line or a table cell by itself; the run's names are none."""
    success = _plain(page.success)
    names = [_by_itself(name) for name in sorted(page.names, key=len, reverse=True)]
    for line in re.split(r"[\n\t]+", text):
        words = _plain(line)
        for name in names:
            words = name.sub(" ", words)
        words = _plain(words).strip(_MARKS)
        state = _LABEL.sub("", words).strip(_MARKS)
        if success in (words, state):
            return success
        if state.casefold() in _OTHER_STATES:
            return state
    return None
