"""The form on a case's page in a real browser: on a telephone, without scripts; and axe finds nothing in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, expect, sync_playwright

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Decision
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.web import create_app
from tests.support.axe import DESK, PHONE, violations
from tests.support.serving import serving

expect.set_options(timeout=60_000)  # milliseconds


class Place:
    """An app that really listens, with a case that asks for the decision, and the cookie of who is logged in."""

    def __init__(self, world: Any, cookie: str) -> None:
        self.world = world
        self.ref = world.waiting()
        self.ask(1)
        self.server = uvicorn.Server(
            uvicorn.Config(create_app(world.services, logins=world.logins), port=0, log_level="error")
        )
        self.headers = {"Cookie": cookie}

    def ask(self, number: int) -> None:
        self.world.record(self.ref, Kind.QUESTION_ASKED, number=number, form="decision", flow_run="a-run")

    @property
    def url(self) -> str:
        [socket] = self.server.servers[0].sockets
        return f"http://127.0.0.1:{socket.getsockname()[1]}/cases/{self.ref}"


@pytest.fixture
def place(
    tmp_path: Path, fresh_home: Path, make_world_at: Callable[..., Any], make_client: Any, logged_in: Any
) -> Iterator[Place]:
    world = make_world_at(Path(shutil.copytree(fresh_home, tmp_path / "home")))
    made = Place(world, logged_in(world, make_client(world)).headers["Cookie"])
    with serving(made.server, world):
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield started
        started.close()


def test_on_a_telephone_without_scripts_only_what_the_choice_needs_is_asked_and_nothing_typed_is_lost(
    place: Place, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, extra_http_headers=place.headers)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(place.url)
    expect(page.locator("#paused_until")).to_be_hidden()
    page.get_by_label("Keep paused until a date").check()
    expect(page.locator("#paused_until")).to_be_visible()
    expect(page.locator("#checked")).to_be_hidden()
    page.get_by_label("Why").fill("Holidays until then.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_contain_text("Paused until: this is needed here.")
    expect(page.get_by_label("Why")).to_have_value("Holidays until then.")
    page.locator("#paused_until").fill("2027-01-31")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#question")).to_contain_text("operator answered at")
    assert place.world.services.ledger.case(place.ref).decided is Decision.KEEP_PAUSED
    context.close()


def test_after_an_answer_the_page_shows_by_itself_what_the_case_asks_next_and_axe_finds_nothing(
    place: Place, browser: Browser
) -> None:
    context = browser.new_context(viewport=DESK, color_scheme="dark", extra_http_headers=place.headers)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(place.url)
    facts = page.locator(".question .beside").bounding_box()
    assert facts is not None
    assert facts["width"] > 200, "what the case is stands beside its form, in words and not letter by letter"
    page.get_by_label("Reactivate after our fix").check()
    page.get_by_label("Why").fill("Mended.")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#question")).to_contain_text("operator answered at")
    place.world.record(place.ref, Kind.RUN_FAILED, run="r", why="401 again")
    place.ask(2)
    expect(page.get_by_role("heading", name="What becomes of the account?")).to_be_visible()
    context.close()

    for size, scheme in ((PHONE, "light"), (DESK, "dark")):
        watched = browser.new_context(
            viewport=size, color_scheme=scheme, extra_http_headers=place.headers, bypass_csp=True
        )
        page = watched.new_page()
        page.goto(place.url)
        page.get_by_role("button", name="Send").click()  # with nothing chosen, so that errors stand there, too
        found = violations(page)
        assert found.violations_count == 0, found.generate_report()
        watched.close()
