"""The screenshot with a real Chromium, against a small web server that shows pages as platforms do."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from caseproof.clock import utc_now
from caseproof.domain.errors import BadInput
from caseproof.evidence.browser import require_browser
from caseproof.evidence.screenshot import (
    NotTheRun,
    ScreenshotFailed,
    Shot,
    photograph,
    refuse_shot,
    thumbnail,
)
from caseproof.platforms.base import RunPage

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

RIGHT = "<h1>calm-otter</h1><p>Completed</p><pre>please login, error, Failed</pre>"
LATE = f"<p>Loading</p><script>setTimeout(() => document.body.innerHTML = '{RIGHT}', 700)</script>"
APP = f"""<p>Loading</p><script>
if (localStorage.getItem("password") === "hunter2") document.body.innerHTML = "{RIGHT}";
else location.href = "/login?next=" + location.pathname;
</script>"""
FOREIGN = """<h1>calm-otter</h1><div id=state></div>
<img src="OTHER/seen.png"><iframe src="OTHER/frame"></iframe><script>
fetch("/api/state").then(answer => answer.text())
  .then(text => { document.getElementById("state").innerHTML = text; });
</script>"""
PAGES: dict[str, str] = {
    "/runs/right": RIGHT,
    "/runs/late": LATE,
    "/runs/never": "<h1>calm-otter</h1><p>Running</p>",
    "/runs/failed": "<h1>calm-otter</h1><p>Failed</p><pre>INFO\nCompleted\nlog in state Completed()</pre>",
    "/runs/app": APP,
    "/runs/foreign": FOREIGN,
    "/runs/asks": RIGHT + "<form><input type=password></form>",
    "/runs/hidden": RIGHT + "<form style='display: none'><input type=password></form>",
    "/runs/invisible": "<h1>calm-otter</h1><p style='display: none'>Completed</p>",
    "/runs/huge": RIGHT + "<p>line of a log</p>" * 20_000,
    "/runs/endless": RIGHT + "<script>setTimeout(() => { while (true); }, 0)</script>",
    "/runs/stays-busy": RIGHT + "<script>setInterval(() => fetch('/api/state'), 100)</script>",
    "/runs/moves-on": f"{RIGHT}<script>setTimeout(() => location.href = '/login', 300)</script>",
    "/runs/alerts": f"<script>alert('hello')</script>{RIGHT}",
    "/login": "<h1>Log in</h1><form><input type=password></form>",
    "/frame": "<p>a frame</p>",
}


class Platform:
    """A web server on a free port that keeps what it was asked, and can be told to answer badly."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()
        self.other = ""
        self.on_death: Path | None = None
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                platform.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                platform.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        path = to.path.partition("?")[0]
        if path == "/runs/hangs":
            self.release.wait(60)
        if path == "/runs/kills" and self.on_death is not None:
            end_browsers_in(self.on_death)
        if path == "/runs/redirects":
            return self.send(to, 302, "", location="/login?next=/runs/redirects")
        if path == "/runs/leaves":
            return self.send(to, 302, "", location=f"{self.other}/runs/right")
        if path in ("/runs/slash", "/runs/secure"):
            signed_in = to.headers.get("Authorization") == "Bearer hunter2"
            if path == "/runs/slash":
                return self.send(to, 302, "", location="/runs/secure")
            return self.send(to, 200 if signed_in else 401, RIGHT if signed_in else "Unauthorized")
        if path == "/api/state":
            return self.send(to, 200, "Completed" if to.headers.get("Authorization") else "Unauthorized")
        if path.startswith("/status/"):
            return self.send(to, int(path.rpartition("/")[2]), RIGHT)
        page = PAGES.get(path)
        return self.send(to, 404 if page is None else 200, (page or "Page not found").replace("OTHER", self.other))

    def send(self, to: BaseHTTPRequestHandler, status: int, page: str, location: str | None = None) -> None:
        content = f"<!doctype html><meta charset=utf-8><body>{page}</body>".encode()
        to.send_response(status)
        to.send_header("Content-Type", "text/html; charset=utf-8")
        to.send_header("Content-Length", str(len(content)))
        if location is not None:
            to.send_header("Location", location)
        to.end_headers()
        to.wfile.write(content)

    def page(self, path: str, **more: Any) -> RunPage:
        return RunPage(url=self.url + path, names=["calm-otter"], success="Completed", **more)

    def headers_at(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.asked if asked == path]


def end_browsers_in(home: Path) -> None:
    for lock in home.glob("*/profile/Singleton*"):
        if lock.name == "SingletonLock":
            os.kill(int(lock.readlink().name.rpartition("-")[2]), signal.SIGKILL)


@pytest.fixture(scope="session")
def browser() -> Path:
    return require_browser()


@pytest.fixture
def platform() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def elsewhere() -> Iterator[Platform]:
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def take(browser: Path, tmp_path: Path) -> Any:
    def take(page: RunPage, seconds: float = 20) -> Shot:
        return photograph(page, browser=browser, clock=utc_now, home=tmp_path / "home", seconds=seconds)

    return take


def accepted(page: RunPage, shot: Shot) -> None:
    refuse_shot(page, shot, ended_at=LONG_AGO)


def refused(page: RunPage, shot: Shot) -> str:
    with pytest.raises(NotTheRun) as reason:
        refuse_shot(page, shot, ended_at=LONG_AGO)
    return reason.value.problem


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def test_the_page_of_a_successful_run_is_pictured_with_its_text_address_and_status(
    platform: Platform, take: Any
) -> None:
    page = platform.page("/runs/right")
    before = utc_now()
    shot = take(page)
    accepted(page, shot)
    assert "calm-otter\n" in shot.text
    assert (shot.address, shot.status, shot.has_password_field) == (page.url, 200, False)
    assert before < shot.taken_at < utc_now()
    assert picture(shot.png).size == (1280, 900)
    assert len(picture(shot.png).getcolors(maxcolors=100_000)) > 2


def test_a_page_that_renders_late_is_waited_for(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/late")
    accepted(page, take(page))


def test_a_page_that_never_is_idle_is_pictured_all_the_same(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/stays-busy")
    accepted(page, take(page))


def test_a_page_that_opens_a_dialog_is_pictured_all_the_same(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/alerts")
    accepted(page, take(page))


def test_the_time_is_stamped_after_the_picture(platform: Platform, browser: Path, tmp_path: Path) -> None:
    asked_at_stamp: list[int] = []

    def clock() -> datetime:
        asked_at_stamp.append(len(platform.headers_at("/runs/right")))
        return LONG_AGO

    page = platform.page("/runs/right")
    shot = photograph(page, browser=browser, clock=clock, home=tmp_path)
    assert asked_at_stamp == [1]
    assert shot.taken_at == LONG_AGO
    with pytest.raises(NotTheRun, match="before the run's end"):
        refuse_shot(page, shot, ended_at=LONG_AGO + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/runs/never", 'shows the run as "Running"'),
        ("/runs/failed", 'shows the run as "Failed"'),
        ("/runs/redirects", "login page"),
        ("/runs/asks", "login page"),
        ("/runs/app", "login page"),
        ("/runs/moves-on", "login page"),
        ("/runs/invisible", "a word of its own"),
        ("/runs/gone", "error page (HTTP 404)"),
        ("/status/500", "error page (HTTP 500)"),
        ("/status/401", "HTTP 401"),
    ],
)
def test_a_page_that_is_not_the_run_s_success_is_pictured_and_refused(
    platform: Platform, take: Any, path: str, reason: str
) -> None:
    page = platform.page(path)
    shot = take(page, seconds=5)
    assert reason in refused(page, shot)
    assert picture(shot.png).size == (1280, 900)


def test_a_password_field_that_nobody_sees_does_no_harm(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/hidden")
    accepted(page, take(page))


def test_local_storage_logs_a_single_page_app_in(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/app", storage={"password": "hunter2"})
    shot = take(page)
    accepted(page, shot)
    assert "hunter2" not in repr(page) + repr(shot) + shot.text


def test_headers_go_to_the_page_and_its_api_and_to_nobody_else(
    platform: Platform, elsewhere: Platform, take: Any
) -> None:
    platform.other = elsewhere.url.replace("127.0.0.1", "localhost")
    page = platform.page("/runs/foreign", headers={"Authorization": "Bearer hunter2"})
    accepted(page, take(page))
    for path in ("/runs/foreign", "/api/state"):
        assert [headers["authorization"] for headers in platform.headers_at(path)] == ["Bearer hunter2"]
    assert {path for path, _ in elsewhere.asked} >= {"/seen.png", "/frame"}
    assert all("authorization" not in headers for _, headers in elsewhere.asked)


def test_headers_do_not_follow_a_redirect_to_another_place(platform: Platform, elsewhere: Platform, take: Any) -> None:
    platform.other = elsewhere.url
    page = platform.page("/runs/leaves", headers={"Authorization": "Bearer hunter2"})
    assert "another page" in refused(page, take(page, seconds=5))
    assert platform.headers_at("/runs/leaves")[0]["authorization"] == "Bearer hunter2"
    assert all("authorization" not in headers for headers in elsewhere.headers_at("/runs/right"))
    assert len(elsewhere.headers_at("/runs/right")) == 1


def test_headers_follow_a_redirect_within_the_platform(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/slash", headers={"authorization": "Bearer hunter2"})
    shot = take(page, seconds=5)
    assert (shot.status, shot.address) == (200, f"{platform.url}/runs/secure")


def test_a_huge_page_is_cut_at_its_top(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/huge")
    shot = take(page)
    accepted(page, shot)
    assert picture(shot.png).size == (1280, 4000)
    assert len(shot.text) == 200_000
    assert picture(thumbnail(shot.png)).size == (480, 360)
    assert len(thumbnail(shot.png)) < 40_000


def test_it_works_where_an_event_loop_is_running(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/right")

    async def inside_a_loop() -> Shot:
        return take(page)

    accepted(page, asyncio.run(inside_a_loop()))


def test_nothing_is_written_outside_the_home_folder_and_nothing_stays_in_it(
    platform: Platform, browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("HOME", str(outside))
    monkeypatch.setenv("TMPDIR", str(outside))
    seen: list[Path] = []

    def clock() -> datetime:
        seen.extend(outside.rglob("*"))
        return utc_now()

    page = platform.page("/runs/right")
    accepted(page, photograph(page, browser=browser, clock=clock, home=tmp_path / "home"))
    assert seen == []
    assert list(outside.iterdir()) == []
    assert list((tmp_path / "home").iterdir()) == []


def test_a_home_folder_deep_down_is_no_obstacle(platform: Platform, browser: Path, tmp_path: Path) -> None:
    page = platform.page("/runs/right")
    home = tmp_path.joinpath(*["a-folder-in-a-folder"] * 6)
    accepted(page, photograph(page, browser=browser, clock=utc_now, home=home))


def test_the_environment_s_secrets_stay_out_of_the_browser(
    platform: Platform, browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", "hunter2")
    told = tmp_path / "environment"
    wrapper = tmp_path / "browser"
    wrapper.write_text(f'#!/bin/sh\nenv > "{told}"\nexec "{browser}" "$@"\n')
    wrapper.chmod(0o755)
    page = platform.page("/runs/right")
    accepted(page, photograph(page, browser=wrapper, clock=utc_now, home=tmp_path / "home"))
    assert "PATH=" in told.read_text()
    assert "hunter2" not in told.read_text()


# What goes wrong.


def test_a_page_that_never_answers_is_given_up_at_the_deadline(platform: Platform, take: Any) -> None:
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match=r"could not picture .*/runs/hangs.* Next: "):
        take(platform.page("/runs/hangs"), seconds=5)
    assert time.monotonic() - started < 20


def test_a_page_whose_script_never_ends_is_given_up_and_its_browser_ended(
    platform: Platform, browser: Path, tmp_path: Path
) -> None:
    wrapper = tmp_path / "browser"
    wrapper.write_text(f'#!/bin/sh\necho $$ > "{tmp_path / "pid"}"\nexec "{browser}" "$@"\n')
    wrapper.chmod(0o755)
    page = platform.page("/runs/endless")
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(page, browser=wrapper, clock=utc_now, home=tmp_path / "home", seconds=5)
    assert time.monotonic() - started < 20
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))
    assert list((tmp_path / "home").iterdir()) == []


def test_a_platform_that_is_down_is_told(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/right")
    platform.close()
    with pytest.raises(ScreenshotFailed, match="ERR_CONNECTION_REFUSED"):
        take(page)


def test_a_browser_that_dies_is_told(platform: Platform, take: Any, tmp_path: Path) -> None:
    platform.on_death = tmp_path / "home"
    with pytest.raises(ScreenshotFailed, match="closed"):
        take(platform.page("/runs/kills"))


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexec sleep 40\n"], ids=["ends", "hangs"])
def test_a_browser_that_does_not_start_is_told(platform: Platform, tmp_path: Path, script: str) -> None:
    broken = tmp_path / "broken"
    broken.write_text(script)
    broken.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(platform.page("/runs/right"), browser=broken, clock=utc_now, home=tmp_path / "home", seconds=5)
    assert time.monotonic() - started < 20
    assert platform.asked == []


def test_no_browser_at_all_is_told(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(platform.page("/runs/right"), browser=tmp_path / "none", clock=utc_now, home=tmp_path)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "javascript:alert(1)", "runs/7", ""])
def test_what_is_not_a_web_address_is_never_opened(browser: Path, tmp_path: Path, url: str) -> None:
    with pytest.raises(BadInput, match="not the address of a web page"):
        photograph(RunPage(url, ["calm-otter"], "Completed"), browser=browser, clock=utc_now, home=tmp_path)


# Thumbnails.


def png_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_a_thumbnail_keeps_the_shape_of_what_it_shows() -> None:
    small = picture(thumbnail(png_of(Image.new("RGBA", (1280, 900), "navy"))))
    assert (small.format, small.size) == ("PNG", (480, 338))


def test_a_thumbnail_shows_the_top_of_a_long_page() -> None:
    page = Image.new("RGB", (1000, 4000), "white")
    page.paste("red", (0, 0, 1000, 700))
    small = picture(thumbnail(png_of(page), width=200)).convert("RGB")
    assert small.size == (200, 150)
    assert small.getpixel((100, 50)) == (255, 0, 0)
    assert small.getpixel((100, 148)) == (255, 255, 255)


def test_a_picture_that_is_small_already_is_not_blown_up() -> None:
    assert picture(thumbnail(png_of(Image.new("RGB", (100, 50))))).size == (100, 50)


def test_what_is_not_a_picture_has_no_thumbnail() -> None:
    cut = png_of(Image.effect_noise((300, 300), 50))[:5000]
    for content in (b"", bytes(range(256)), cut):
        with pytest.raises(BadInput, match="not a picture"):
            thumbnail(content)
