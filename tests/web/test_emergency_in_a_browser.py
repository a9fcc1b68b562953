"""What an emergency has in the web app, in a real browser: on a telephone, with a keyboard, live; axe finds nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from caseproof.channels.kept_channels import KeptChannels, keep_channels
from caseproof.channels.voice.goto import GoToAccount
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.web import create_app
from tests.support.axe import PHONE, look_closely
from tests.support.serving import serving
from tests.support.urgent import LEAD, OWL, calling, ended, holder, link, paging, raised

expect.set_options(timeout=60_000)  # milliseconds

POLICY = """
team: [operator, team lead]
contracts: {Gold: {kind: 24x7}}
clients: {A client whose name is as long as names of clients get GmbH & Co. KG: Gold}
on_call:
  main_number: "+14155550100"
  tiers: [L1, PT]
  people:
    - {name: Product Lead, mobile: "+442079460123", extension: "1,101", timezone: Europe/Berlin, country: DE}
    - {name: Night Owl With A Name That Goes On, mobile: "+14155550123", days: []}
    - {name: operator, tier: L1, mobile: "+14155550125", goto_line: "line-1"}
  calendars: [{name: nights, file: nowhere.ics}]
  leave: [{person: Product Lead, first: 2026-01-01, last: 2036-12-31}]
"""


class Office:
    """An installation whose app really listens, with an emergency in which somebody's telephone rings."""

    def __init__(self, world: Any, cookie: str) -> None:
        self.world, self.cookie = world, cookie
        (world.home / "policy.yaml").write_text(POLICY)
        keep_channels(world.home, KeptChannels(connect=GoToAccount("desk", "client", "hidden", "refresh")))
        self.ref = raised(world, tried="")
        calling(world, self.ref, LEAD, 1)
        ended(world, self.ref, 1, "no_answer", "rang out")
        calling(world, self.ref, OWL, 2)
        app = create_app(world.services, logins=world.logins)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))

    def enter(self, context: BrowserContext) -> Page:
        """A page of the operator, who is logged in."""
        context.set_default_timeout(60_000)
        name, _, value = self.cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.url}])
        return context.new_page()

    @property
    def url(self) -> str:
        [socket] = self.server.servers[0].sockets
        return f"http://127.0.0.1:{socket.getsockname()[1]}"


@pytest.fixture(scope="module")
def office(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, make_world_at: Callable[..., Any], make_client: Any,
    logged_in: Any,
) -> Iterator[Office]:  # fmt: skip
    world = make_world_at(Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("urgent") / "home")))
    world.now = datetime.now(UTC) - timedelta(hours=3)
    made = Office(world, logged_in(world, make_client(world)).headers["Cookie"])
    with serving(made.server, world):
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def watched(browser: Browser, office: Office) -> Iterator[Page]:
    """The operator's page, which axe may look at: the page's own rules would let nothing run there."""
    context = browser.new_context(bypass_csp=True)
    yield office.enter(context)
    context.close()


def test_axe_finds_nothing_wrong_with_any_of_its_pages_and_each_fits_a_telephone(office: Office, watched: Page) -> None:
    address = office.url
    for path in ("/oncall?days=14", f"/emergency/{office.ref}", link(office.world, office.ref, LEAD), "/page/x"):
        watched.goto(address + path)
        assert look_closely(watched) == [], path
    watched.goto(f"{address}/emergency")
    watched.get_by_label("more than half of the payment terminals fail").check()
    expect(watched.get_by_label("How many payment terminals fail?")).to_be_visible()
    watched.get_by_role("button", name="Call people now").click()
    expect(watched.get_by_role("alert")).to_contain_text("Nobody was called yet")
    expect(watched.get_by_label("more than half of the payment terminals fail")).to_be_checked()
    assert look_closely(watched) == []


def test_the_live_page_shows_by_itself_what_happens_and_what_is_typed_there_stays(
    office: Office, browser: Browser
) -> None:
    context = browser.new_context(viewport=PHONE)
    page = office.enter(context)
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(f"{office.url}/emergency/{office.ref}")
    expect(page.locator("#standing")).to_contain_text(f"Ringing: {OWL}")
    page.get_by_label("Why?").fill("half a sent")
    ended(office.world, office.ref, 2, "busy")
    calling(office.world, office.ref, "third on call", 3)
    expect(page.locator("#standing")).to_contain_text("Ringing: third on call")
    expect(page.locator("#table")).to_contain_text("busy")
    expect(page.get_by_label("Why?")).to_have_value("half a sent")
    assert wrong == []
    context.close()


def test_at_night_without_scripts_a_thumb_takes_it_by_the_personal_link(office: Office, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(office.url + link(office.world, office.ref, LEAD))
    button = page.get_by_role("button", name="I have it")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 48, "a thumb finds it"
    assert box["y"] + box["height"] < PHONE["height"], "nobody scrolls for it"
    assert holder(office.world, office.ref) == ""
    button.click()
    expect(page.get_by_role("status")).to_contain_text("You have it until")
    assert paging(office.world, office.ref).taken.by == LEAD
    context.close()
