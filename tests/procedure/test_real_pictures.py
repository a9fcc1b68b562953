"""The picture with a real Chromium, from a small platform page to the closed case (J7, J8)."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from caseproof.config.clock import Clock
from caseproof.config.settings import Settings
from caseproof.domain.job_failure.kinds import Kind
from caseproof.evidence.browser import require_browser
from caseproof.evidence.proof import verify_proof
from caseproof.evidence.screenshot import NotTheRun, Shot, photograph
from caseproof.platforms.base import RunPage
from caseproof.procedure.closing import proving
from caseproof.procedure.closing.proving import take_photo, with_browser
from tests.support.run_pages import in_time_however_slow
from tests.support.world import World


class Pages:
    """A platform's web server: a page a run, with the state that ``state`` says."""

    def __init__(self) -> None:
        self.state = "Succeeded"
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                body = f"<h1>otter-{name}</h1><p>{name}</p><p>{pages.state}</p>".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


def patient(settings: Settings, clock: Clock, page: RunPage) -> Shot:
    """The real browser, as long as it needs; it does not wait long for a page that will never be right."""
    home, browser = settings.home_folder, require_browser(settings.browser)
    with in_time_however_slow(1):
        return photograph(page, browser=browser, clock=clock, home=home, seconds=120)


@pytest.fixture
def pages() -> Iterator[Pages]:
    pages = Pages()
    yield pages
    pages.server.shutdown()
    pages.server.server_close()


def test_the_platform_s_own_page_is_pictured_kept_attached_and_part_of_the_proof(
    world: World, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "photograph", partial(photograph, seconds=120))
    world.platform.url = pages.url
    ref = world.open()
    world.walk(ref, until="live")
    take_photo(
        world.services.ledger,
        world.services.files,
        world.platform,
        ref,
        partial(with_browser, world.services.settings, world.clock),
    )
    photo = world.case(ref).photo
    assert Image.open(io.BytesIO(world.vault.read(photo["evidence"]))).format == "PNG"
    assert photo["url"].startswith(pages.url)
    assert "Succeeded" in world.vault.read(photo["text"]).decode()
    assert Image.open(io.BytesIO(world.vault.read(photo["thumbnail"]))).width < 1280
    assert world.walk(ref).is_closed
    assert world.camera.taken == 0
    assert all(check.ok for check in verify_proof(world.proof(ref)))


def test_a_page_that_shows_the_run_as_failed_is_kept_and_refused(world: World, pages: Pages) -> None:
    world.platform.url = pages.url
    pages.state = "Failed"
    ref = world.open()
    world.walk(ref, until="live")
    with pytest.raises(NotTheRun, match='"Failed", not as "Succeeded"'):
        take_photo(
            world.services.ledger,
            world.services.files,
            world.platform,
            ref,
            partial(patient, world.services.settings, world.clock),
        )
    assert world.case(ref).events[-1].kind is Kind.PHOTO_REFUSED
    assert world.case(ref).photo is None
