"""The screenshot with a real Chromium of its own: how that starts, what it is told, what it leaves, and how it ends.

Which pages are pictured, and which are refused, is in ``test_screenshot_pages``.
"""

from __future__ import annotations

import asyncio
import io
import ssl
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from caseproof.config.clock import utc_now
from caseproof.domain.errors import BadInput
from caseproof.evidence import screenshot
from caseproof.evidence.browser import require_browser
from caseproof.evidence.gate import Gate
from caseproof.evidence.own_certificates import keys_of
from caseproof.evidence.screenshot import THUMBNAIL_BYTES, ScreenshotFailed, Shot, photograph, thumbnail
from caseproof.platforms.base import RunPage
from caseproof.up.processes import wait_until
from tests.support.run_pages import Platform, accepted, picture


@pytest.fixture(scope="session")
def browser() -> Path:
    return require_browser()


@pytest.fixture
def soon(full_run: bool) -> float:
    """How many seconds it may take until a page is given up after 5, and its browser after 15 more; when busy, more."""
    return 20 if full_run else 120


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture
def take(browser: Path, tmp_path: Path) -> Any:
    def take(page: RunPage, seconds: float = 120) -> Shot:
        return photograph(page, browser=browser, clock=utc_now, home=tmp_path / "home", seconds=seconds)

    return take


def test_a_page_with_a_certificate_of_an_authority_of_ones_own_is_pictured_where_that_is_given(
    take: Any, tls: ssl.SSLContext, certificate: Path
) -> None:
    own = certificate.read_text().partition("-----BEGIN PRIVATE KEY")[0]
    with Platform(tls) as platform:
        page = platform.page("/runs/right", ca=own)
        accepted(page, take(page))
        with Gate([platform.url]) as gate:
            assert keys_of(gate, [platform.url], own)
            assert keys_of(gate, [platform.url], "") == []  # nobody said that it may be trusted
            assert keys_of(gate, [platform.url.replace("127.0.0.1", "localhost")], own) == []  # another's name


def noting(what: str, browser: Path, folder: Path) -> Path:
    """A program that notes in a file of the folder what a shell says of it, and then is the browser."""
    program = folder / "browser"
    program.write_text(f'#!/bin/sh\n{what} > "{folder / "noted"}"\nexec "{browser}" "$@"\n')
    program.chmod(0o755)
    return program


def test_a_run_s_page_is_pictured_with_its_text_address_and_status_in_a_home_deep_down_while_an_event_loop_runs(
    platform: Platform, browser: Path, tmp_path: Path
) -> None:
    page = platform.page("/runs/right")
    home = tmp_path.joinpath(*["a-folder-in-a-folder"] * 6)

    async def inside_a_loop() -> Shot:
        return photograph(page, browser=browser, clock=utc_now, home=home, seconds=120)

    before = utc_now()
    shot = asyncio.run(inside_a_loop())
    accepted(page, shot)
    assert "calm-otter\n" in shot.text
    assert (shot.address, shot.status, shot.has_password_field) == (page.url, 200, False)
    assert before < shot.taken_at < utc_now()
    assert picture(shot.png).size == (1280, 900)
    assert len(picture(shot.png).getcolors(maxcolors=100_000)) > 2


def test_nothing_is_written_outside_the_home_folder_nothing_stays_in_it_and_no_secret_gets_into_the_browser(
    platform: Platform, browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    monkeypatch.setenv("HOME", str(outside))
    monkeypatch.setenv("TMPDIR", str(outside))
    monkeypatch.setenv("CASEPROOF_DATABASE_URL", "hunter2")
    seen: list[Path] = []

    def clock() -> datetime:
        seen.extend(outside.rglob("*"))
        return utc_now()

    page = platform.page("/runs/right")
    program = noting("env", browser, tmp_path)
    accepted(page, photograph(page, browser=program, clock=clock, home=tmp_path / "home", seconds=120))
    assert seen == []
    assert list(outside.iterdir()) == []
    assert list((tmp_path / "home").iterdir()) == []
    told = (tmp_path / "noted").read_text()
    assert "PATH=" in told
    assert "hunter2" not in told


# What goes wrong.


def test_a_page_that_never_answers_is_given_up_at_the_deadline(platform: Platform, take: Any, soon: float) -> None:
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match=r"could not picture .*/runs/hangs.* Next: "):
        take(platform.page("/runs/hangs"), seconds=5)
    assert time.monotonic() - started < soon


def test_a_page_whose_script_never_ends_is_given_up_and_its_browser_ended(
    platform: Platform, browser: Path, tmp_path: Path, soon: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshot, "_GRACE", 2.0)  # until then, such a script has a processor for itself
    wrapper = noting("echo $$", browser, tmp_path)
    page = platform.page("/runs/endless")
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(page, browser=wrapper, clock=utc_now, home=tmp_path / "home", seconds=5)
    assert time.monotonic() - started < soon
    pid = int((tmp_path / "noted").read_text())
    wait_until("the browser to end", lambda: not psutil.pid_exists(pid), 60, every=0.05)
    assert list((tmp_path / "home").iterdir()) == []


def test_a_platform_that_is_down_is_told(platform: Platform, take: Any) -> None:
    page = platform.page("/runs/right")
    platform.close()
    with pytest.raises(ScreenshotFailed, match="Connection refused"):
        take(page)


def test_a_browser_that_dies_is_told(platform: Platform, take: Any, tmp_path: Path) -> None:
    platform.on_death = tmp_path / "home"
    with pytest.raises(ScreenshotFailed, match="closed"):
        take(platform.page("/runs/kills"))


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexec sleep 240\n"], ids=["ends", "hangs"])
def test_a_browser_that_does_not_start_is_told(platform: Platform, tmp_path: Path, script: str, soon: float) -> None:
    broken = tmp_path / "broken"
    broken.write_text(script)
    broken.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(platform.page("/runs/right"), browser=broken, clock=utc_now, home=tmp_path / "home", seconds=5)
    assert time.monotonic() - started < soon
    assert platform.asked == []


def test_no_browser_at_all_is_told(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(ScreenshotFailed, match="could not picture"):
        photograph(platform.page("/runs/right"), browser=tmp_path / "none", clock=utc_now, home=tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "runs/7",
        "",
        "http://x:99999",
        "http:///x",
        "view-source:http://x",
        "data:text/html,x",
    ],
)
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


def test_a_thumbnail_is_small_however_crowded_the_page_is() -> None:
    noise = Image.merge("RGB", [Image.effect_noise((480, 800), 200) for _ in range(3)])  # compresses to nothing smaller
    content = thumbnail(png_of(noise))
    small = picture(content)
    assert len(content) <= THUMBNAIL_BYTES
    assert 200 < small.width < 480
    assert small.height / small.width == pytest.approx(3 / 4, abs=0.01)


def test_a_crowded_thumbnail_loses_colours_before_it_loses_pixels() -> None:
    page = Image.new("RGB", (480, 360), "white")
    page.paste(Image.merge("RGB", [Image.effect_noise((480, 120), 200) for _ in range(3)]), (0, 0))
    small = picture(thumbnail(png_of(page)))
    assert small.size == (480, 360)
    assert len(small.getcolors() or []) == 32


def test_a_picture_that_is_small_already_is_not_blown_up() -> None:
    assert picture(thumbnail(png_of(Image.new("RGB", (100, 50))))).size == (100, 50)


def test_what_is_not_a_picture_has_no_thumbnail() -> None:
    cut = png_of(Image.effect_noise((300, 300), 50))[:5000]
    for content in (b"", bytes(range(256)), cut):
        with pytest.raises(BadInput, match="not a picture"):
            thumbnail(content)
