"""The screenshot that counts: a picture of the platform's own page of a run, taken with a real browser.

``photograph`` takes it, ``refuse_shot`` (pure, in ``page_check``) refuses a picture that does not show this
run's success, ``thumbnail`` makes it small enough for a form or an artifact.

ScreenshotFailed     no picture could be taken (browser or platform down, page hanging)
NotTheRun            a picture was taken, and it does not show this run's success
"""

from __future__ import annotations

import io
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import BrowserContext, Error, Page, Playwright, Response, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

from caseproof.config.clock import Clock
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput
from caseproof.evidence.browser import ARGUMENTS, started
from caseproof.evidence.gate import Gate, place_of
from caseproof.evidence.masking import cover, is_covered
from caseproof.evidence.own_certificates import keys_of
from caseproof.evidence.page_check import NotTheRun, Shot, fault_of, origin_of, refuse_shot, without_query
from caseproof.evidence.seen_words import text_that_is_seen
from caseproof.http.redaction import WordsOfOthers, secrets_in
from caseproof.platforms.base import RunPage

__all__ = ["NotTheRun", "ScreenshotFailed", "Shot", "photograph", "refuse_shot", "thumbnail"]

WIDTH, HEIGHT = 1280, 900
# A page longer than this is cut: what says how a run went stands at its top, and evidence must stay small.
TALLEST = 4000
LONGEST_TEXT = 200_000
THUMBNAIL_BYTES = 40_000
"""A thumbnail goes into every form and card of its case as text, and Prefect keeps each of them."""

_ARGUMENTS = (
    *ARGUMENTS,
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    # All that it sends goes through our gate, or not at all.
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--no-first-run",
)
# What the browser may know of our environment; the rest may hold secrets. Proxies are for our gate.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH")
# Chromium puts a socket under TMPDIR, and the path of a socket may not be longer than 107 bytes.
_LONGEST_TMPDIR = 60
# How long after the deadline a picture may still come, and then how long an ended browser takes to be gone.
_GRACE, _LAST = 10.0, 5.0
_LOOK = """limit => ({
    text: (document.body ? document.body.innerText : "").slice(0, limit),
    address: location.href,
    height: document.documentElement ? document.documentElement.scrollHeight : 0,
    password: [...document.querySelectorAll("input[type=password]")].some(box => box.checkVisibility()),
})"""


def _close(opened: Page) -> None:
    with suppress(Error):
        opened.close()


class ScreenshotFailed(WordsOfOthers):
    """No picture could be taken."""

    code = Code.SCREENSHOT_FAILED


def photograph(page: RunPage, *, browser: Path, clock: Clock, home: Path | None = None, seconds: float = 30) -> Shot:
    """Open the run's page in a real browser, wait until it shows the run's success, and take a picture of it.

    A page that does not show it within ``seconds`` is pictured all the same; ``refuse_shot`` then says what it is. One
    that Caseproof rendered is shown as it is, without any address. The top 1280 by 4000 pixels are taken. The browser
    starts without any earlier state, and everything it writes goes to a folder under ``home`` (the system's folder
    for temporary files if None) that is removed afterwards. The page's headers go to its own origin only, and of
    private addresses only the platform's own are reached, whatever the page loads or leads to. Returns or raises
    within ``seconds`` and about 15 more, whatever the browser does. Raises ScreenshotFailed, or BadInput for an
    address that is not http or https.
    """
    own = () if page.html else page.own or (page.url,)
    for url in own if page.html else (page.url, *own):
        try:
            place_of(url)
        except ValueError:
            raise BadInput(
                f"{without_query(url)} is not the address of a web page.", "Give an address with http or https."
            ) from None
    if home is not None:
        home.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="shot-", dir=home, ignore_cleanup_errors=True) as folder,
        Gate(own) as gate,
    ):
        camera = _Camera(page, browser, clock, Path(folder).resolve(), gate, seconds)
        # A thread of its own: Playwright refuses to work in one whose event loop is running, and may hang.
        result: Future[Shot] = Future()
        threading.Thread(target=camera.work, args=(result,), daemon=True, name="screenshot").start()
        try:
            return _result(result, camera, seconds)
        except (Error, TimeoutError, OSError) as error:
            told = "it hangs" if isinstance(error, TimeoutError) else str(error).partition("\n")[0].rstrip(".")
            raise ScreenshotFailed(
                f"The browser could not picture {without_query(page.url)}: {told}{gate.why}.",
                "See whether that page opens in a browser on this machine and whether"
                f" `{browser} --version` answers. The screenshot can be taken again at any time.",
            ) from error


def _result(result: Future[Shot], camera: _Camera, seconds: float) -> Shot:
    try:
        return result.result(timeout=seconds + _GRACE)
    except TimeoutError:
        camera.end_browser()
        return result.result(timeout=_LAST)


@dataclass(frozen=True, slots=True)
class _Seen:
    text: str
    address: str
    asks_password: bool
    height: int = 0
    unseen: tuple[str, ...] = ()
    secrets: Sequence[tuple[str, str]] = ()
    """What was taken out of the text, each with what stands in front of it."""


def _words(seen: _Seen) -> set[str]:
    return {secret for _, secret in seen.secrets}


class _Camera:
    """One browser that takes one picture; ``work`` runs in a thread of its own."""

    def __init__(self, page: RunPage, browser: Path, clock: Clock, folder: Path, gate: Gate, seconds: float) -> None:
        self.page = page
        self.browser = browser
        self.clock = clock
        self.folder = folder
        self.gate = gate
        self.deadline = time.monotonic() + seconds
        self.status: int | None = None

    def work(self, result: Future[Shot]) -> None:
        try:
            with sync_playwright() as playwright:
                result.set_result(self._shot(playwright))
        # It belongs to whoever waits for the picture; after a result it only comes from closing the browser.
        except BaseException as error:
            if not result.done():
                result.set_exception(error)

    def end_browser(self) -> None:
        """End a browser that hangs; Chromium names its process in its profile."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / "profile" / "SingletonLock").readlink().name.rpartition("-")[2])
            os.kill(pid, signal.SIGKILL)

    def _shot(self, playwright: Playwright) -> Shot:
        keys = [] if self.page.html else keys_of(self.gate, self.page.own or (self.page.url,), self.page.ca)
        context = started(self.browser, partial(self._context, playwright, keys))
        try:
            context.set_default_timeout(_GRACE * 500)
            tab = context.pages[0] if context.pages else context.new_page()
            tab.on("response", self._note_status)
            tab.on("popup", _close)
            self._log_in(tab)
            if self.page.html:
                tab.set_content(self.page.html, wait_until="commit", timeout=self._milliseconds())
            else:
                tab.goto(self.page.url, wait_until="commit", timeout=self._milliseconds())
            return self._picture_when_right(tab)
        finally:
            with suppress(Error):
                context.close()

    def _context(self, playwright: Playwright, keys: Sequence[str], sandbox: bool) -> BrowserContext:
        return playwright.chromium.launch_persistent_context(
            self.folder / "profile",
            executable_path=self.browser,
            args=[*_ARGUMENTS, *([f"--ignore-certificate-errors-spki-list={','.join(keys)}"] if keys else [])],
            env=self._environment(),
            artifacts_dir=self.folder / "artifacts",
            viewport={"width": WIDTH, "height": HEIGHT},
            accept_downloads=False,
            # A service worker could answer in the platform's place, and its requests are not ours to see.
            service_workers="block",
            proxy={"server": self.gate.address, "bypass": "<-loopback>"},
            chromium_sandbox=sandbox,
            timeout=self._milliseconds(),
        )

    def _environment(self) -> dict[str, str | float | bool]:
        """For the browser: nothing secret, and our folder for everything it writes."""
        known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        if len(os.fsencode(temporary)) <= _LONGEST_TMPDIR:
            known["TMPDIR"] = str(temporary)
        return {**known, "HOME": str(self.folder)}

    def _milliseconds(self) -> float:
        """What is left until the deadline, never none: 0 means for ever to Playwright."""
        return max(250.0, (self.deadline - time.monotonic()) * 1000)

    def _note_status(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and request.frame.parent_frame is None:
            self.status = response.status

    def _log_in(self, tab: Page) -> None:
        """Give the page its local storage before its scripts run, and its headers: its own origin alone."""
        if self.page.html:
            return  # it goes nowhere
        own = origin_of(self.page.url)
        if self.page.storage:
            tab.add_init_script(
                f"if (location.origin === {json.dumps(own)})"
                f" for (const [key, value] of {json.dumps(list(self.page.storage.items()))})"
                " localStorage.setItem(key, value);"
            )
        if not self.page.headers:
            return
        # Not Playwright's route(): headers that it adds go along when the request is redirected elsewhere.
        wire = tab.context.new_cdp_session(tab)
        replaced = {name.lower() for name in self.page.headers}

        def add_headers(event: dict[str, Any]) -> None:
            answer: dict[str, Any] = {"requestId": event["requestId"]}
            if origin_of(event["request"]["url"]) == own:
                sent = {k: v for k, v in event["request"]["headers"].items() if k.lower() not in replaced}
                sent.update(self.page.headers)
                answer["headers"] = [{"name": name, "value": value} for name, value in sent.items()]
            with suppress(Error):  # the page went elsewhere and the request with it
                wire.send("Fetch.continueRequest", answer)

        wire.on("Fetch.requestPaused", add_headers)
        wire.send("Fetch.enable", {"patterns": [{"urlPattern": f"{own}/*"}]})

    def _picture_when_right(self, tab: Page) -> Shot:
        """Right if the page was right before the picture and after it; else the shot tells what was wrong."""
        while True:
            before = self._wait_until_right(tab)
            with suppress(TooSlow):  # some pages never are idle
                tab.wait_for_load_state("networkidle", timeout=min(2000.0, self._milliseconds()))
            # Not Playwright's full_page: it renders all of a page before it cuts a piece out.
            tab.set_viewport_size({"width": WIDTH, "height": min(max(before.height, HEIGHT), TALLEST)})
            # What the page says at its new size is covered, and must be all that it says when the picture is taken.
            seen = self._look(tab)
            covered = cover(tab, seen.secrets, (*self.page.names, self.page.success))
            png = tab.screenshot(animations="disabled")
            taken_at = self.clock()
            after = self._look(tab)
            covered = covered and _words(after) <= _words(seen) and is_covered(tab, seen.secrets)
            wrong = next((seen for seen in (before, after) if not self._is_right(seen)), None)
            if wrong is None and covered:
                after = self._seen_in(tab, after, png)
                wrong = None if self._is_right(after) else after
            if not covered and self._is_over():
                raise NotTheRun(
                    "The page shows what looks like a secret, and it cannot be covered in a picture.",
                    f"Look at {self.page.url}, have the job say it no more, and let it run again.",
                )
            if covered and (wrong is None or self._is_over()):
                seen = wrong or after
                unseen = seen.unseen if wrong else ()
                return Shot(png, seen.text, seen.address, self.status, taken_at, seen.asks_password, unseen)
            tab.wait_for_timeout(200)  # what covers it may go away

    def _seen_in(self, tab: Page, after: _Seen, png: bytes) -> _Seen:
        """The page with those of its words only that its picture shows."""
        words = (*self.page.names, self.page.success)
        try:
            text = text_that_is_seen(tab, png, words, LONGEST_TEXT)
        except Error:  # the page goes to another address just now
            tab.wait_for_timeout(200)
            return replace(after, text="")
        text, _ = secrets_in(text, words)
        unseen = tuple(word for word in words if word in after.text and word not in text)
        return replace(after, text=text, unseen=unseen)

    def _wait_until_right(self, tab: Page) -> _Seen:
        while True:
            seen = self._look(tab)
            if self._is_right(seen) or self._is_over():
                return seen
            tab.wait_for_timeout(200)

    def _look(self, tab: Page) -> _Seen:
        try:
            seen = tab.evaluate(_LOOK, LONGEST_TEXT)
        except Error:
            # The page may just go to another address; if it is the browser that is gone, waiting raises.
            tab.wait_for_timeout(200)
            return _Seen("", tab.url, False)
        text, secrets = secrets_in(seen["text"], (*self.page.names, self.page.success))
        return _Seen(text, seen["address"], seen["password"], int(seen["height"]), secrets=secrets)

    def _is_right(self, seen: _Seen) -> bool:
        return fault_of(self.page, seen.text, seen.address, self.status, seen.asks_password) is None

    def _is_over(self) -> bool:
        """No use in waiting longer: an error page does not become the run's page."""
        return time.monotonic() >= self.deadline or (self.status is not None and self.status >= 400)


def thumbnail(png: bytes, width: int = 480) -> bytes:
    """A small PNG of a picture's top, ``width`` pixels wide at most and three quarters of that high.

    It has few colours, for showing beside text, and is never evidence. A crowded page gets fewer colours, then fewer
    pixels, until the file has at most ``THUMBNAIL_BYTES``. Raises BadInput if it is not given a picture.
    """
    try:
        with Image.open(io.BytesIO(png)) as image:
            top = image.convert("RGB").crop((0, 0, image.width, min(image.height, image.width * 3 // 4)))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInput("This file is not a picture.", "Give a PNG.") from error
    while True:
        top.thumbnail((width, width), Image.Resampling.LANCZOS)
        for colours in (64, 32, 16):
            small = io.BytesIO()
            top.quantize(colours).save(small, "PNG", optimize=True)
            if small.tell() <= THUMBNAIL_BYTES:
                return small.getvalue()
        width = max(top.size) * 3 // 4
