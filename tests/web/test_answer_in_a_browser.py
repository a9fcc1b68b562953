"""The confirmation page in a real browser: nobody is kept out, by a small screen, by a keyboard alone, or without
JavaScript; and axe finds nothing to complain about."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from caseproof.channels.outbound.languages import Phrases
from caseproof.domain.vocabulary import Choice
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.procedure.answers.answering import Given, answer
from caseproof.web import create_app
from tests.support.axe import ALL, EACH, PHONE, Look, look_closely
from tests.support.letters import (
    SHOP,
    WORDS,
    answers,
    link_of,
    name_of,
    register,
    send_notice,
    stopped,
    write_letters,
)
from tests.support.serving import serving

GERMAN = "laden@example.com"
SHOWN = {"choices": {str(choice): Phrases("en", "page")(f"choice_{choice}") for choice in Choice}}


class Street:
    """An installation whose app really listens, with a link in each of the states that one can be in."""

    def __init__(self, world: Any) -> None:
        self.world, self.services = world, world.services
        register(self.services, name="Role Name")
        register(self.services, GERMAN, language="de")
        self.links = {
            "form": self._letter("a"),
            "german": self._letter("b", to=GERMAN),
            "several": self._several(),
            "answered": self._letter("c", choice="changed"),
            "helped": self._letter("d", choice="help"),
            "expired": self._letter("e", days=-1),
            "superseded": self._superseded(),
            "no contact": self._letter("g", to="gone@example.com"),
            "closed": self._closed(),
            "broken": "x",
        }
        self.server = uvicorn.Server(
            uvicorn.Config(create_app(self.services, logins=world.logins), port=0, log_level="error")
        )

    def _letter(self, job: str, to: str = SHOP, days: float = 60, choice: str = "") -> str:
        ref = stopped(self.services, self.world.opened(f"offers/{job}", failed_at="2026-11-20T05:00:00+00:00"))
        link = link_of(self.services, send_notice(self.services, ref, to=(to,)), days)
        if choice:
            here, given = self.services, Given(choice, "Role Name", WORDS, (ref,), 0, SHOWN)
            answer(here.ledger, here.vault, here.replies, link, given)
        return link

    def _several(self) -> str:
        refs = [stopped(self.services, self.world.opened(f"stock/{n}", job_name=f"Stock {n}")) for n in "pqr"]
        link = link_of(self.services, send_notice(self.services, *refs, which="check-1"))
        here, given = self.services, Given("remove", "Role Name", "", (refs[2],), 0, SHOWN)
        answer(here.ledger, here.vault, here.replies, link, given)
        return link

    def _superseded(self) -> str:
        ref = stopped(self.services, self.world.opened("offers/f"))
        before = name_of(write_letters(self.services, ref))
        send_notice(self.services, ref, which="2")
        return link_of(self.services, before)

    def _closed(self) -> str:
        return link_of(self.services, name_of(write_letters(self.services, self.world.closed("offers/h"))))

    def fresh(self, job: str) -> tuple[str, str]:
        """A case that waits for an answer, and its link."""
        link = self._letter(job)
        with self.services.store.reading() as uow:
            return uow.cases.rows(open_only=True)[-1].ref, self.url(link)

    def url(self, link: str) -> str:
        """Where a link leads."""
        [socket] = self.server.servers[0].sockets
        return f"http://127.0.0.1:{socket.getsockname()[1]}/answer/{link}"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, make_world_at: Callable[..., Any]) -> Any:
    world = make_world_at(Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("street") / "home")))
    made = Street(world)
    with serving(made.server, world):
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="module")
def watched(browser: Browser) -> Iterator[Page]:
    """A page that axe may look at: the page's own rules would let nothing run there."""
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A page without JavaScript, as small as a phone."""
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def test_axe_would_find_what_is_wrong(watched: Page) -> None:
    watched.set_content("<html><body><img src='x'><p style='color: #ccc'>pale</p><input></body></html>")
    found = " ".join(look_closely(watched))
    for rule in ("image-alt", "label", "html-has-lang", "color-contrast"):
        assert rule in found


# -- seen -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "looks"),
    [
        ("form", ALL), ("several", EACH), ("answered", EACH), ("closed", EACH),
        # Of the same few parts as those: the short run looks at each once.
        ("german", EACH[:1]), ("helped", EACH[1:]), ("expired", EACH[:1]), ("superseded", EACH[1:]),
        ("no contact", EACH[:1]), ("broken", EACH[1:]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_axe_finds_nothing_wrong_with_the_page(
    street: Street, watched: Page, full_run: bool, state: str, looks: tuple[Look, ...]
) -> None:
    watched.goto(street.url(street.links[state]))
    assert look_closely(watched, ALL if full_run else looks) == []
    assert watched.locator("html").get_attribute("lang") == ("de" if state == "german" else "en")


def test_axe_finds_nothing_wrong_with_the_page_that_names_mistakes(street: Street, watched: Page) -> None:
    watched.goto(street.url(street.links["several"]))
    for box in watched.locator("input[type=checkbox]").all():
        box.uncheck()
    watched.get_by_label("I need help").check()
    watched.locator("button").click()
    assert watched.locator(".errors li").count() == 3
    assert look_closely(watched, ALL) == []


def test_axe_finds_nothing_wrong_with_how_the_jobs_stand(street: Street, watched: Page) -> None:
    watched.goto(f"{street.url(street.links['several'])}/jobs")
    assert watched.get_by_role("listitem").count() >= 3
    assert look_closely(watched) == []


def test_a_finger_hits_every_control(street: Street, watched: Page) -> None:
    watched.set_viewport_size(PHONE)
    watched.goto(street.url(street.links["several"]))
    for control in watched.locator(".pick, input[type=text], textarea, button").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 44


# -- used -----------------------------------------------------------------------------------------------------------


def test_an_answer_needs_neither_javascript_nor_a_mouse(street: Street, plain: Page) -> None:
    ref, url = street.fresh("keys")
    plain.goto(url)
    keys = plain.keyboard
    keys.press("Tab")
    assert focused(plain) == "To your answer"
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Space")  # the first of the four
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    keys.press("Tab")
    keys.type("Role Name")
    keys.press("Tab")
    keys.type("Set the new key,")
    keys.press("Enter")
    keys.type("on Thursday.")
    keys.press("Tab")
    assert focused(plain) == "Send the answer"
    keys.press("Enter")
    plain.get_by_role("heading", name="Thank you, we have your answer").wait_for()
    [said] = answers(street.services.ledger.case(ref))
    assert {name: said.data[name] for name in ("choice", "name", "words")} == {
        "choice": "changed", "name": "Role Name", "words": "Set the new key,\non Thursday.",
    }  # fmt: skip
    plain.reload()
    assert len(answers(street.services.ledger.case(ref))) == 1


def focused(page: Page) -> str:
    return page.locator(":focus").inner_text()


def test_a_mistake_gets_the_focus_and_leads_to_its_field(street: Street, plain: Page) -> None:
    ref, url = street.fresh("mistakes")
    plain.goto(url)
    plain.get_by_label("In your own words").fill(WORDS)
    plain.locator("button").press("Enter")
    plain.get_by_role("alert").wait_for()
    assert focused(plain).startswith("The answer was not sent yet")
    plain.keyboard.press("Tab")
    assert focused(plain) == "Choose what you would like to tell us."
    plain.keyboard.press("Tab")
    plain.keyboard.press("Enter")
    assert plain.locator(":focus").get_attribute("id") == "name"
    assert plain.get_by_label("In your own words").input_value() == WORDS
    assert answers(street.services.ledger.case(ref)) == []


def test_going_back_and_sending_once_more_is_no_second_answer(street: Street, plain: Page) -> None:
    ref, url = street.fresh("back")
    plain.goto(url)
    fill(plain)
    plain.go_back()
    plain.go_forward()
    plain.goto(url)
    assert plain.locator("form").count() == 0
    assert len(answers(street.services.ledger.case(ref))) == 1


def test_two_windows_with_one_link_give_one_answer(street: Street, browser: Browser, plain: Page) -> None:
    ref, url = street.fresh("windows")
    context = browser.new_context()
    other = context.new_page()
    for page in (plain, other):
        page.goto(url)
    fill(plain)
    other.get_by_label("Not mine").check()
    other.get_by_label("Your name").fill("Another Role")
    other.get_by_label("In your own words").fill("Ask somebody else.")
    other.locator("button").click()
    other.get_by_role("heading", name="Thank you, we have your answer").wait_for()
    assert "Ask somebody else." in other.locator("blockquote").inner_text()
    context.close()
    assert [event.data["choice"] for event in answers(street.services.ledger.case(ref))] == ["changed"]


def fill(page: Page) -> None:
    page.get_by_label("I made the change").check()
    page.get_by_label("Your name").fill("Role Name")
    page.locator("button").click()
    page.get_by_role("heading", name="Thank you, we have your answer").wait_for()


# -- people of the team --------------------------------------------------------------------------------------------


def test_a_person_logs_in_out_and_in_again_without_javascript(street: Street, plain: Page) -> None:
    start = street.url("").partition("/answer/")[0]
    plain.goto(f"{start}/account")
    assert plain.url == f"{start}/login?next=/account"
    _, link = street.world.logins.invite("operator")
    plain.goto(f"{start}/login/link/{link}")
    for label in ("New password", "The same once more"):
        plain.get_by_label(label).fill("nine tall chimneys")
    plain.get_by_role("button").click()
    assert plain.url == f"{start}/"
    plain.get_by_role("link", name="operator").click()
    plain.get_by_role("button", name="Log out").click()
    assert plain.url == f"{start}/login"
    plain.goto(f"{start}/account")
    plain.get_by_label("Name").fill("operator")
    plain.get_by_label("Password").fill("nine tall chimneys")
    plain.get_by_role("button", name="Log in").click()
    assert plain.url == f"{start}/account"
    assert plain.locator("h1").inner_text() == "operator"


def test_axe_finds_nothing_wrong_with_the_pages_of_a_login(street: Street, watched: Page) -> None:
    start = street.url("").partition("/answer/")[0]
    _, link = street.world.logins.invite("team lead")
    watched.goto(f"{start}/login")
    assert look_closely(watched, ALL) == []
    watched.goto(f"{start}/login/link/{link}")
    assert look_closely(watched) == []
    for label in ("New password", "The same once more"):
        watched.get_by_label(label).fill("nine tall chimneys")
    watched.get_by_role("button").click()
    watched.goto(f"{start}/account")
    assert watched.locator("h1").inner_text() == "team lead"
    assert look_closely(watched) == []
