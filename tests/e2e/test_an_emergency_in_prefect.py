"""An emergency on a real Prefect server: in either of its interfaces alone, and with workers that are killed.

CASEPROOF_PICTURES names a folder for the pictures of it (docs/pictures).
"""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Locator, Page
from prefect.settings import PREFECT_API_URL, temporary_settings

from caseproof.domain.emergency.form import Down, EmergencyReply, Reply
from caseproof.domain.emergency.vocabulary import Via
from caseproof.procedure.paging.watch import going_on
from caseproof.up.plan import EMERGENCY_POOL
from caseproof.up.processes import wait_until
from sandbox.emergency import ON_CALL, SITE, emergency_world, prefect_beside, start_warm_worker
from sandbox.processes import PrefectServer
from sandbox.telephones import Person
from sandbox.world import World
from tasks.runs.emergency_runs import EmergencyOwner, give_emergency_runs
from tests.support.at_the_screen import SIZE, NewerPrefect, OlderPrefect, browser_here
from tests.support.killer import kill_the_process_of

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(600)]

SAID = {
    "what_was_seen": "The checkout says 500 in every browser.", "site": SITE, "since": "19:50",
    "what_was_tried": "restarted the web server; the payment page stays away", "client": "Example Foods",
    "what_they_say": "Nobody can order anything.",
}  # fmt: skip


@dataclass
class Beside:
    """What a screen needs of the world around it."""

    server: PrefectServer


class OlderForm(OlderPrefect):
    """The form of a deployment, on a page of its own."""

    @property
    def dialog(self) -> Locator:
        return self.page.locator("body")


class NewerForm(NewerPrefect):
    """The same in the newer interface."""

    @property
    def dialog(self) -> Locator:
        return self.page.locator("body")


def picture(page: Page, name: str, of: Locator | None = None) -> None:
    folder = os.environ.get("CASEPROOF_PICTURES")
    if folder:
        page.wait_for_timeout(700)
        (of or page).screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize(
    ("prefect", "form", "below"),
    [(OlderPrefect, OlderForm, ""), (NewerPrefect, NewerForm, "/v2")],
    ids=["the older one", "the newer one"],
)
def test_an_emergency_is_raised_followed_and_taken_in_one_of_prefects_interfaces_alone(
    tmp_path: Path, prefect: type[OlderPrefect], form: type[OlderPrefect], below: str
) -> None:
    rings, newer = {ON_CALL[0]: [Person("no answer", rings=60)]}, "-newer" if below else ""
    with (
        emergency_world(tmp_path / "home", rings) as world,
        prefect_beside(world, EMERGENCY_POOL) as server,
        browser_here() as browser,
    ):
        page = browser.new_context(viewport=SIZE).new_page()
        beside = cast(World, Beside(server))
        raising, screen = form(beside, page, "operator"), prefect(beside, page, ON_CALL[0])
        with server.client() as client:
            found = client.get("deployments/name/emergency/emergency").raise_for_status().json()["id"]
        page.goto(f"{server.ui_url}{below}/deployments/deployment/{found}/run")
        raising.choose("what_is_down", str(Down.ORDERING_DOWN))
        for name, text in SAID.items():
            raising.write(name, text)
        raising.field("what_is_down").scroll_into_view_if_needed()
        picture(page, f"emergency-form{newer}")
        page.get_by_role("button", name="Submit").click()
        ref = wait_until("the emergency to be raised", lambda: next(iter(going_on(world.services.store)), ""), 60)
        wait_until("somebody to be rung", world.called, 60)

        screen.take(ref.lower())
        picture(page, f"emergency-answer{newer}", page.get_by_role("dialog"))
        screen.answer(EmergencyReply, Reply.HAVE_IT)
        wait_until("somebody to have it", lambda: world.paging(ref).taken is not None, 60)
        taken = world.paging(ref).taken
        assert taken is not None
        assert (taken.by, taken.via) == (ON_CALL[0], Via.FORM)
        wait_until("the card to say so", lambda: f"{ON_CALL[0]} has it" in world.teams.words(), 60)
        assert world.called() == [ON_CALL[0]], "and nobody else is called"

        wait_until("its run to end", lambda: is_over(server, page.url.rpartition("/")[2]), 60)
        page.get_by_text("Completed").first.wait_for()
        page.goto(f"{server.ui_url}{below}/artifacts/key/emergency-{ref.lower()}")
        page.get_by_text(f"{ON_CALL[0]} has it").first.wait_for()
        page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).click()
        page.get_by_text("delivered").first.wait_for()
        picture(page, f"emergency-tries{newer}")


def test_the_worker_and_its_run_are_killed_twice_and_the_next_run_goes_on_with_the_next_person(tmp_path: Path) -> None:
    """No pager runs here: who calls are the flow's runs, each given as `caseproof up` gives them."""
    rings = {name: [Person("no answer", rings=4)] for name in ON_CALL[:2]}
    takes_it = {ON_CALL[2]: [Person("machine")], ON_CALL[3]: [Person("answers", presses=["1"])]}
    with (
        emergency_world(tmp_path / "home", rings | takes_it) as world,
        prefect_beside(world) as server,
        temporary_settings({PREFECT_API_URL: server.api_url}),
    ):
        workers = [start_warm_worker(world, server, EMERGENCY_POOL, "first")]
        with server.client() as client:
            said = {**SAID, "what_is_down": str(Down.ORDERING_DOWN)}
            found = client.get("deployments/name/emergency/emergency").raise_for_status().json()["id"]
            path = f"deployments/{found}/create_flow_run"
            run = str(client.post(path, json={"parameters": said}).raise_for_status().json()["id"])
        for number, name in enumerate(("second", "last"), 1):
            wait_until(f"telephone {number} to ring", lambda n=number: len(world.called()) >= n, 90, every=0.05)
            assert kill_the_process_of(world.services.at_work(run)), "the run's process is at work"
            os.killpg(workers[-1].pid, signal.SIGKILL)  # the worker, and what it forks runs from
            workers[-1].stop()
            workers.append(start_warm_worker(world, server, EMERGENCY_POOL, name))
            ref = wait_until("another run", lambda: next(iter(give_emergency_runs(world.services)), ""), 90, every=1)
            assert EmergencyOwner(world.services, ref).latest()[0] != run
            run = EmergencyOwner(world.services, ref).latest()[0] or ""
        wait_until("somebody to have it", lambda: world.paging(ref).taken is not None, 120)
        taken = world.paging(ref).taken
        assert taken is not None
        assert (taken.by, taken.via) == (ON_CALL[3], Via.DIGIT)
        wait_until("the card to say so", lambda: f"{ON_CALL[3]} has it" in world.teams.words(), 60)
        assert world.called() == list(ON_CALL), "and nobody twice"
        wait_until("its run to end", lambda: not give_emergency_runs(world.services) and is_over(server, run), 60)
        workers[-1].stop()


def is_over(server: PrefectServer, run: str) -> bool:
    with server.client() as client:
        return str(client.get(f"flow_runs/{run}").raise_for_status().json()["state_type"]) == "COMPLETED"
