"""Which pages are pictured, and which refused: in windows of one real Chromium that none of them sees start.

How a picture's own browser is started and ended, and what goes wrong there, is in ``test_screenshot``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

from caseproof.config.clock import Clock, utc_now
from caseproof.evidence import screenshot
from caseproof.evidence.browser import require_browser
from caseproof.evidence.gate import Gate
from caseproof.evidence.screenshot import THUMBNAIL_BYTES, NotTheRun, Shot, refuse_shot, thumbnail
from caseproof.platforms.base import RunPage
from tests.support.run_pages import LONG_AGO, Platform, accepted, in_time_however_slow, picture, refused

Take = Callable[..., Shot]


class Windows:
    """Stands where Playwright starts a browser, and opens a window without any earlier state in one that runs."""

    def __init__(self, running: Browser) -> None:
        self.chromium = self
        self.running = running

    def launch_persistent_context(self, folder: Path, **asked: Any) -> BrowserContext:
        assert folder.name == "profile"
        for_the_process = ("executable_path", "args", "env", "artifacts_dir", "timeout", "chromium_sandbox")
        return self.running.new_context(**{name: asked[name] for name in asked if name not in for_the_process})


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=require_browser(), args=list(screenshot._ARGUMENTS))
        yield Windows(running)
        running.close()


@pytest.fixture
def take(windows: Any, tmp_path: Path) -> Take:
    def take(page: RunPage, seconds: float | None = None, clock: Clock = utc_now) -> Shot:
        folder = Path(mkdtemp(dir=tmp_path))
        with Gate(page.own or (page.url,)) as gate, in_time_however_slow(seconds):
            camera = screenshot._Camera(page, Path("browser"), clock, folder, gate, 120)
            return camera._shot(windows)

    return take


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture
def elsewhere() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.mark.parametrize("path", ["/runs/late", "/runs/stays-busy", "/runs/alerts", "/runs/hidden"])
def test_a_page_that_is_late_or_never_idle_or_opens_a_dialog_or_hides_a_password_field_is_pictured(
    platform: Platform, take: Take, path: str
) -> None:
    page = platform.page(path)
    accepted(page, take(page))


def test_the_time_is_stamped_after_the_picture(platform: Platform, take: Take) -> None:
    asked_at_stamp: list[int] = []

    def clock() -> datetime:
        asked_at_stamp.append(len(platform.headers_at("/runs/right")))
        return LONG_AGO

    page = platform.page("/runs/right")
    shot = take(page, clock=clock)
    assert asked_at_stamp == [1]
    assert shot.taken_at == LONG_AGO
    with pytest.raises(NotTheRun, match="before the run's end"):
        refuse_shot(page, shot, ended_at=LONG_AGO + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/runs/never", 'shows the run as "Running"'),
        pytest.param("/runs/failed", 'shows the run as "Failed"', marks=pytest.mark.full),
        ("/runs/redirects", "login page"),
        pytest.param("/runs/asks", "login page", marks=pytest.mark.full),
        pytest.param("/runs/app", "login page", marks=pytest.mark.full),
        ("/runs/moves-on", "login page"),
        pytest.param("/runs/invisible", "a word of its own", marks=pytest.mark.full),
        ("/runs/gone", "error page (HTTP 404)"),
        ("/status/500", "error page (HTTP 500)"),
        pytest.param("/status/401", "HTTP 401", marks=pytest.mark.full),
    ],
)
def test_a_page_that_is_not_the_run_s_success_is_pictured_and_refused(
    platform: Platform, take: Take, path: str, reason: str
) -> None:
    page = platform.page(path)
    shot = take(page, seconds=3)
    assert reason in refused(page, shot)
    assert picture(shot.png).size == (1280, 900)


def test_a_secret_on_the_run_s_page_is_in_neither_the_text_nor_the_picture(platform: Platform, take: Take) -> None:
    shots = [take(platform.page(path)) for path in ("/runs/secret", "/runs/other-secret")]
    for shot in shots:
        accepted(platform.page("/runs/secret"), replace(shot, address=platform.url + "/runs/secret"))
    assert shots[0].text == shots[1].text
    assert "The password: [hidden] of it" in shots[0].text
    assert shots[0].png == shots[1].png, "which of the two secrets it was, nobody can see"


def test_a_page_whose_secret_cannot_be_covered_is_not_pictured(platform: Platform, take: Take) -> None:
    with pytest.raises(NotTheRun, match=r"cannot be covered.* Next: "):
        take(platform.page("/runs/secret-anew"), seconds=2)


def test_local_storage_logs_a_single_page_app_in(platform: Platform, take: Take) -> None:
    page = platform.page("/runs/app", storage={"password": "hunter2"})
    shot = take(page)
    accepted(page, shot)
    assert "hunter2" not in repr(page) + repr(shot) + shot.text


def test_headers_go_to_the_page_and_its_api_and_to_nobody_else(
    platform: Platform, elsewhere: Platform, take: Take
) -> None:
    platform.other = elsewhere.url.replace("127.0.0.1", "localhost")
    own = (platform.url, platform.other)  # as where a platform's pages and its API are set up at two addresses
    page = platform.page("/runs/foreign", headers={"Authorization": "Bearer hunter2"}, own=own)
    accepted(page, take(page))
    for path in ("/runs/foreign", "/api/state"):
        assert [headers["authorization"] for headers in platform.headers_at(path)] == ["Bearer hunter2"]
    assert {path for path, _ in elsewhere.asked} >= {"/seen.png", "/frame"}
    assert all("authorization" not in headers for _, headers in elsewhere.asked)


def test_headers_do_not_follow_a_redirect_to_another_place(platform: Platform, elsewhere: Platform, take: Take) -> None:
    platform.other = elsewhere.url
    own = (platform.url, elsewhere.url)
    page = platform.page("/runs/leaves", headers={"Authorization": "Bearer hunter2"}, own=own)
    assert "another page" in refused(page, take(page, seconds=2))
    assert platform.headers_at("/runs/leaves")[0]["authorization"] == "Bearer hunter2"
    assert all("authorization" not in headers for headers in elsewhere.headers_at("/runs/right"))
    assert len(elsewhere.headers_at("/runs/right")) == 1


def test_success_that_is_covered_is_refused_with_the_reason_and_pictured_once_it_is_not(
    platform: Platform, take: Take
) -> None:
    page = platform.page("/runs/covered")
    shot = take(page, seconds=1)
    assert 'holds "calm-otter" and "Completed" where the picture does not show it' in refused(page, shot)
    page = platform.page("/runs/uncovered")
    accepted(page, take(page))


def test_a_page_reaches_no_private_address_but_the_platform_s_whatever_it_loads(
    platform: Platform, elsewhere: Platform, take: Take
) -> None:
    by_name = elsewhere.url.replace("127.0.0.1", "localhost")
    number = elsewhere.url.replace("127.0.0.1", "2130706433")
    for other in (by_name, number, elsewhere.url.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
        platform.other = other
        page = platform.page("/runs/reaches")
        accepted(page, take(page))
    assert elsewhere.asked == []
    platform.other = elsewhere.url  # and all of that is really asked where it is the platform's own
    page = platform.page("/runs/reaches", own=(platform.url, elsewhere.url))
    accepted(page, take(page))
    assert {path for path, _ in elsewhere.asked} >= {"/img", "/iframe", "/css", "/background", "/fetch", "/worker"}


def test_a_page_that_redirects_to_a_private_address_is_refused_before_that_is_asked(
    platform: Platform, elsewhere: Platform, take: Take
) -> None:
    platform.other = elsewhere.url
    with pytest.raises(Error, match="ERR_SOCKS_CONNECTION_FAILED"):
        take(platform.page("/runs/leaves"))
    assert elsewhere.asked == []


def test_a_page_that_a_platform_s_answer_puts_at_a_private_address_is_refused(
    platform: Platform, elsewhere: Platform, take: Take
) -> None:
    with pytest.raises(Error, match="ERR_SOCKS_CONNECTION_FAILED"):
        take(elsewhere.page("/runs/right", own=(platform.url,)))
    assert elsewhere.asked == []


def test_headers_follow_a_redirect_within_the_platform(platform: Platform, take: Take) -> None:
    page = platform.page("/runs/slash", headers={"authorization": "Bearer hunter2"})
    shot = take(page, seconds=3)
    assert (shot.status, shot.address) == (200, f"{platform.url}/runs/secure")


def test_a_huge_page_is_cut_at_its_top(platform: Platform, take: Take) -> None:
    page = platform.page("/runs/huge")
    shot = take(page)
    accepted(page, shot)
    assert picture(shot.png).size == (1280, 4000)
    assert len(shot.text) == 200_000
    small = picture(thumbnail(shot.png))  # how crowded it is depends on the machine's fonts
    assert small.width / small.height == pytest.approx(4 / 3, abs=0.01)
    assert len(thumbnail(shot.png)) <= THUMBNAIL_BYTES
