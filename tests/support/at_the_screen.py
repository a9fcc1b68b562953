"""People at a screen, each click and each text of theirs counted: in the web app, and in either interface of Prefect.

Going into a field is a click, too, and so is each item of a list. Opening a bookmark is none: the worklist, or
Prefect's list of runs.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from caseproof.domain.forms import Form, fields_of
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.procedure.core.asked import choice_field
from sandbox.world import World

PASSWORD = "nine tall chimneys"
SIZE = {"width": 1440, "height": 900}
PATIENCE_MS = 180_000
"""How long a case may take to ask what it asks next."""


@dataclass
class Counted:
    """What somebody did on their pages with the mouse and the keys."""

    clicks: int = 0
    texts: int = 0

    def click(self, where: Locator) -> None:
        where.click()
        self.clicks += 1

    def write(self, where: Locator, text: str) -> None:
        self.click(where)
        where.fill(text)
        self.texts += 1

    def __add__(self, other: Counted) -> Counted:
        return Counted(self.clicks + other.clicks, self.texts + other.texts)


@dataclass
class Screen(ABC):
    """Where a person answers cases; ``done`` is what they did since they were let in."""

    world: World
    page: Page
    name: str
    done: Counted = field(default_factory=Counted)

    @abstractmethod
    def take(self, ref: str) -> None:
        """From the list to the form of the case that waits."""

    @abstractmethod
    def answer(self, form: type[Form], choice: str, **texts: str) -> None:
        """Choose, type into these fields of the form, and send."""


@dataclass
class WebApp(Screen):
    """The team's own pages: the worklist, and the form on the case's page."""

    let_in: Counted = field(default_factory=Counted)
    """What logging in took: once in eight hours, however many cases."""

    def log_in(self) -> None:
        self.page.goto(f"{self.world.web_url}/login?next=/")
        self.page.get_by_label("Name").fill(self.name)  # the cursor is there already
        self.let_in.texts += 1
        self.let_in.write(self.page.get_by_label("Password"), PASSWORD)
        self.let_in.click(self.page.get_by_role("button", name="Log in"))
        self.page.get_by_role("heading", name="What waits for").wait_for()

    def take(self, ref: str) -> None:
        self.page.goto(f"{self.world.web_url}/")
        row = self.page.locator(".worklist tbody tr").filter(has_text=ref)
        if not row.count():
            self.done.click(self.page.get_by_role("link", name="For the retailer"))
        self.done.click(row.locator("a.button"))

    def answer(self, form: type[Form], choice: str, **texts: str) -> None:  # noqa: ARG002 - one is asked at a time
        asked = self.page.locator("form.ask")
        self.done.click(asked.locator(f'input[value="{choice}"] + label'))
        for name, text in texts.items():
            self.done.write(asked.locator(f"#{name}"), text)
        self.done.click(asked.get_by_role("button", name="Send"))

    def await_form(self, form: type[Form]) -> None:
        """The page shows by itself what the case asks next."""
        choice = choice_field(form)
        assert choice is not None
        assert choice.choices is not None
        first = next(iter(choice.choices))
        self.page.locator(f'form.ask input[value="{first}"]').wait_for(state="attached")

    def await_end(self) -> None:
        """The page shows by itself that the case is closed."""
        self.page.locator("#question .callout.done").wait_for()


@dataclass
class OlderPrefect(Screen):
    """Prefect's older interface. In its lists a click opens and shuts at once: then it is the arrow key that opens."""

    RUNS: ClassVar[str] = "/runs"
    STARTS: ClassVar[str] = "/deployments/deployment/{}/run"
    SENDS: ClassVar[str] = "Submit"

    def take(self, ref: str) -> None:
        self.page.goto(f"{self.world.server.ui_url}{self.RUNS}")
        self.done.click(self.page.get_by_role("link", name=re.compile(f"^{ref} ")).first)
        self.resume()
        self.dialog.wait_for()

    def start(self, name: str, choices: Mapping[str, str], **texts: str) -> None:
        """Start a run of the deployment of this name with its form, which a bookmark opens.

        ``choices`` and ``texts`` are its parameters, by their names.
        """
        found = self.world.call(self.world.server, "GET", f"deployments/name/{name}/{name}").json()["id"]
        self.page.goto(f"{self.world.server.ui_url}{self.STARTS.format(found)}")
        for title, choice in choices.items():
            self.choose(title, choice)
        for title, text in texts.items():
            self.write(title, text)
        self.done.click(self.page.get_by_role("button", name="Submit"))
        self.page.wait_for_url(lambda url: not url.endswith("/run"))

    def answer(self, form: type[Form], choice: str, **texts: str) -> None:
        titles = {one.name: one.title for one in fields_of(form)}
        chosen = choice_field(form)
        assert chosen is not None
        self.choose(chosen.title, choice)
        for name, text in texts.items():
            self.write(titles[name], text)
        self.choose(titles["answered_by"], self.name)
        self.done.click(self.dialog.get_by_role("button", name=self.SENDS))
        self.dialog.wait_for(state="hidden")

    def rest(self) -> None:
        """Look at nothing for a while: the picture of a run draws itself anew all the time, in each browser."""
        self.page.goto("about:blank")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def resume(self) -> None:
        self.done.click(self.page.get_by_role("button", name="Resume").first)

    def field(self, title: str) -> Locator:
        begins = re.compile(f"^{re.escape(title)}".replace("_", "[ _]"), re.IGNORECASE)
        label = self.page.locator(".schema-form-property__label", has_text=begins)
        form = self.dialog if self.dialog.count() else self.page.locator("form")
        return form.locator(".schema-form-property").filter(has=label)

    def write(self, title: str, text: str) -> None:
        self.done.write(self.field(title).locator("textarea, input").last, text)

    def choose(self, title: str, choice: str) -> None:
        box, options = self.field(title).locator(".p-select-button__control"), self.page.get_by_role("option")
        self.done.click(box)
        self.page.wait_for_timeout(200)
        if not options.count():
            box.press("ArrowDown")
        self.done.click(self.page.get_by_role("option", name=choice, exact=True))


@dataclass
class NewerPrefect(OlderPrefect):
    """Prefect's newer interface."""

    RUNS: ClassVar[str] = "/v2/runs"
    SENDS: ClassVar[str] = "Resume"

    def resume(self) -> None:
        self.done.click(self.page.get_by_role("button", name="Open menu"))
        self.done.click(self.page.get_by_role("menuitem", name="Resume"))

    def field(self, title: str) -> Locator:
        return self.dialog.get_by_label(re.compile(f"^(Select )?{re.escape(title)}")).last

    def write(self, title: str, text: str) -> None:
        self.done.write(self.field(title), text)

    def choose(self, title: str, choice: str) -> None:
        self.done.click(self.field(title))
        self.done.click(self.page.get_by_role("option", name=choice))


@contextmanager
def browser_here() -> Iterator[Browser]:
    """A browser, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def people_with_passwords(world: World) -> None:
    """The team's people have chosen their passwords, as they do once."""
    logins = world.services.logins
    for name in world.services.policy.team:
        logins.use_link(logins.invite(name)[1], PASSWORD)


def at_the_web_app(world: World, browser: Browser, name: str) -> WebApp:
    """Somebody of the team, logged in with their password."""
    screen = WebApp(world, _page(browser), name)
    screen.log_in()
    return screen


def at_prefect(kind: type[OlderPrefect], world: World, browser: Browser, name: str) -> OlderPrefect:
    """Somebody who has typed Prefect's password in this browser, as one does once."""
    page = _page(browser)
    kept = base64.b64encode((world.server.auth or "").encode()).decode()
    page.add_init_script(f"localStorage.setItem('prefect-password', '{kept}')")
    return kind(world, page, name)


def _page(browser: Browser) -> Page:
    page = browser.new_context(viewport=SIZE).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    return page
