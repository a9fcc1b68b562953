"""The worklist in a real browser: by a keyboard alone, on a telephone, without JavaScript; axe finds nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from caseproof.config.policy_check import Storm
from caseproof.domain.errors import CaseproofError
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.owing import Debt
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.browser import ARGUMENTS, require_browser
from caseproof.platforms.base import Job
from caseproof.procedure.containment.known_jobs import note_jobs
from caseproof.procedure.keeper import incidents
from caseproof.procedure.views.check_report import Checked
from caseproof.procedure.views.platforms import note_check
from caseproof.web import create_app
from tests.support.axe import ALL, DESK, EACH, PHONE, look_closely
from tests.support.serving import serving

PASSWORD = "nine tall chimneys"


class Office:
    """An installation whose app really listens, with cases that wait for several."""

    def __init__(self, world: Any) -> None:
        self.world = world
        world.now = datetime.now(UTC) - timedelta(hours=3)  # the browser has no moved clock
        forms = ("decision", "review", "retailers-word", "try-again", "cause")
        self.refs = [self._asked(f"offers/{number}", form) for number, form in enumerate(forms)]
        app = create_app(world.services, logins=world.logins)
        self.server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))

    def _asked(self, job: str, form: str) -> str:
        ref = self.world.waiting(
            job, retailer="A retailer whose name is as long as names of retailers get GmbH & Co. KG"
        )
        self.world.record(ref, Kind.QUESTION_ASKED, number=1, form=form, flow_run="f")
        return str(ref)

    @property
    def url(self) -> str:
        [socket] = self.server.servers[0].sockets
        return f"http://127.0.0.1:{socket.getsockname()[1]}"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, make_world_at: Callable[..., Any]) -> Any:
    made = Office(make_world_at(Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("office") / "home"))))
    with serving(made.server, made.world):
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=require_browser(), args=list(ARGUMENTS))
        yield started
        started.close()


def entered(context: BrowserContext, office: Office, name: str) -> Page:
    """A page of somebody who has logged in with a link."""
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{office.url}/login/link/{office.world.logins.invite(name)[1]}")
    for label in ("New password", "The same once more"):
        page.get_by_label(label).fill(PASSWORD)
    page.get_by_role("button").click()
    page.get_by_role("heading", name="What waits for").wait_for()
    return page


@pytest.fixture(scope="module")
def plain(browser: Browser, office: Office) -> Iterator[Page]:
    """The operator's page, without JavaScript."""
    context = browser.new_context(java_script_enabled=False, viewport=DESK)
    yield entered(context, office, "operator")
    context.close()


@pytest.fixture(scope="module")
def watched(browser: Browser, office: Office) -> Iterator[Page]:
    """The lead's page, which axe may look at: the page's own rules would let nothing run there."""
    context = browser.new_context(bypass_csp=True)
    yield entered(context, office, "team lead")
    context.close()


def test_axe_finds_nothing_wrong_with_the_list(office: Office, watched: Page) -> None:
    for address, looks in (("/?waits=team&order=retailer", ALL), ("/cases", EACH)):
        watched.goto(office.url + address)
        assert watched.get_by_role("row").count() > 3
        assert look_closely(watched, looks) == []


def test_the_list_fits_screens_between_a_telephone_and_a_desk_too(office: Office, watched: Page) -> None:
    for width in (768, 1024, 1280):
        watched.set_viewport_size({"width": width, "height": 900})
        watched.goto(f"{office.url}/cases")
        assert not watched.evaluate("document.documentElement.scrollWidth > window.innerWidth"), width


def test_axe_finds_nothing_wrong_where_something_could_not_be_done(office: Office, watched: Page) -> None:
    watched.goto(f"{office.url}/?waits=team")
    watched.get_by_role("button", name="Claim", exact=True).click()
    assert "No case was ticked" in watched.get_by_role("alert").inner_text()
    assert look_closely(watched) == []


def test_axe_finds_nothing_wrong_with_what_is_done_by_hand(office: Office, watched: Page) -> None:
    here, last = office.world, office.refs[-1]
    note_jobs(here.services.store, here.tick, "jobs", [Job("offers/x", "Offers", "", "Shop A", "North", None)])
    with here.services.store.uow() as uow:
        uow.people.add_contact("Shop A", "ann@example.com", "Ann Example", "de", at=here.tick())
        uow.people.mark_bounced("Shop A", "ann@example.com", "no such user", here.tick())
        uow.owed.begin("", Debt.RAISE, "jobs: offers/y", here.tick())
        uow.commit()
    one = "/contacts/one?retailer=Shop+A&address=ann@example.com"
    phone, desk = (PHONE, "dark"), (DESK, "light")
    for address, look in ((f"/cases/{last}/hand", phone), (one, desk), ("/contacts", phone), ("/raise?words=o", desk)):
        watched.goto(office.url + address)
        assert look_closely(watched, [look]) == [], address
    watched.goto(f"{office.url}/cases/{last}/hand")
    watched.get_by_role("button", name="Keep it").click()
    assert "The note is empty." in watched.get_by_role("alert").inner_text()
    assert look_closely(watched, [phone]) == []
    watched.get_by_label("What the next one should know").fill("They moved.")
    watched.get_by_role("button", name="Keep it").click()
    assert "They moved." in watched.get_by_role("region", name="Notes").inner_text()


def test_a_finger_hits_every_control(office: Office, watched: Page) -> None:
    watched.set_viewport_size(PHONE)
    watched.goto(f"{office.url}/?waits=team&order=newest")
    for control in watched.locator("button, .act a, .tabs a, select, input[type=search], input[type=date]").all():
        box = control.bounding_box()
        assert box is not None
        assert box["height"] >= 44, control.inner_text()


def test_a_case_is_claimed_found_put_off_and_taken_back_by_the_keyboard_alone(office: Office, plain: Page) -> None:
    first = office.refs[0]
    plain.goto(f"{office.url}/?waits=team")
    plain.keyboard.press("Tab")
    assert focused(plain) == "To the content"
    press(plain, f"Claim {first}")
    assert plain.get_by_role("status").inner_text() == "You have 1 case now."
    plain.goto(office.url)
    assert plain.get_by_role("heading", level=1).inner_text() == "What waits for me 1"
    assert plain.get_by_role("link", name=f"Decide {first}").get_attribute("href") == f"/cases/{first}#question"
    plain.get_by_role("checkbox", name=f"Tick {first}").focus()
    plain.keyboard.press("Space")
    plain.get_by_label("until").fill(f"{(datetime.now(UTC) + timedelta(days=3)).date()}")
    press(plain, "Put off")
    assert plain.get_by_role("status").inner_text() == "1 case put off."
    plain.reload()
    assert plain.get_by_role("status").count() == 0, "said once"
    plain.goto(f"{office.url}/?waits=time")
    press(plain, f"Back now {first}")
    plain.goto(office.url)
    press(plain, f"Let go of {first}")
    plain.goto(office.url)
    plain.get_by_role("searchbox", name="Search").fill(first.lower())
    with plain.expect_navigation():
        plain.keyboard.press("Enter")
    assert plain.url.startswith(f"{office.url}/?words={first.lower()}")
    assert plain.locator("tbody tr").count() == 1


def test_axe_finds_nothing_wrong_with_any_other_page_of_the_team(office: Office, watched: Page) -> None:
    here, ledger, one = office.world, office.world.services.ledger, office.refs[0]
    kept = here.services.vault.put(b"Subject: token\r\n\r\nWhich one?", "m.eml", "message/rfc822")
    about = {"message_id": "<q@example.com>", "subject": "Token", "way": "mail", "why": "a question", "ref": one}
    with here.services.store.uow() as uow:
        uow.messages.add(
            kept.digest, sender="ann@example.com", size=kept.size, place=Disposition.REPLY, at=here.tick(), **about
        )
        uow.commit()
    note_check(ledger, Checked("jobs", error=CaseproofError("It refuses us: 401.", "Save a new token.")))
    assert incidents.gather(ledger, Storm(cases=3, minutes=600)) == ["IN-000001"]
    with here.services.store.uow() as uow:
        uow.incidents.attach_run("IN-000001", "a-run", 1)
        uow.commit()
    assert incidents.ask(ledger, "IN-000001", "a-run") == 1
    dark, light, wide = (PHONE, "dark"), (PHONE, "light"), (DESK, "light")
    for address, look in (
        ("/overview", dark), ("/inbox", light), ("/inbox/1", dark), ("/report", light), ("/policy", dark),
        ("/platforms", light), ("/incidents/IN-000001", dark), ("/overview", wide), ("/report", wide),
    ):  # fmt: skip
        answer = watched.goto(office.url + address)
        assert answer is not None
        assert answer.ok, address
        assert look_closely(watched, [look]) == [], address


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    button.focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")


def focused(page: Page) -> str:
    return page.locator(":focus").inner_text()
