"""An emergency from end to end: simulated telephones and Teams, real mail, our own doors; Prefect is down all the time.

Somebody raises it, people are called in their order until one of them presses a digit, and everybody is told who.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from caseproof.domain.emergency.vocabulary import Channel, Outcome
from caseproof.procedure.paging.installed import pagers_of
from caseproof.procedure.paging.watch import PagingWatch
from caseproof.up.processes import wait_until
from caseproof.web import create_app
from caseproof.web.serving import how_served
from caseproof.web.who import Who
from sandbox.emergency import ON_CALL, PRODUCT_TEAM, SITE, EmergencyWorld, address_of, emergency_world, raise_here
from sandbox.provider import Bad
from sandbox.telephones import Person
from tests.support.letters import hidden_fields

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

FIRST, SECOND, THIRD, FOURTH = ON_CALL
UNANSWERED, MACHINE, TAKES_IT = Person("no answer"), Person("machine"), Person("answers", presses=["1"])
STORY = {FIRST: [UNANSWERED], SECOND: [UNANSWERED], THIRD: [MACHINE], FOURTH: [TAKES_IT]}
HAS_IT = f"{FOURTH} has it: {SITE}"


class WebHere:
    """The web app in a thread of this process: its doors are the real ones."""

    def __init__(self, world: EmergencyWorld) -> None:
        port = int(world.web_url.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", port))
        self._server = uvicorn.Server(how_served(create_app(world.services)))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True)
        self._thread.start()

    def wait_until_ready(self, what: str, ready: Any) -> None:
        wait_until(what, ready, 60, every=0.05)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        self._listener.close()


@contextmanager
def world_of(folder: Path, people: dict[str, Sequence[Person]] = STORY) -> Iterator[EmergencyWorld]:
    with emergency_world(folder / "home", people, WebHere) as world:
        yield world


@contextmanager
def pager_here(world: EmergencyWorld) -> Iterator[None]:
    """What `caseproof up` keeps running for emergencies, in threads of this process."""
    over, said = threading.Event(), list[str]()
    watch = PagingWatch(world.services.store, world.services.clock, pagers_of(world.services, "a test"), said.append)

    def run() -> None:
        while not over.wait(watch.round() / 5):
            pass

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join(60)
    assert said == [], "nothing was wrong with looking"


def taken_by(world: EmergencyWorld, ref: str, seconds: float = 180) -> str:
    """Who has it, once somebody does."""
    wait_until("somebody to have it", lambda: world.paging(ref).taken is not None, seconds, every=0.05)
    taken = world.paging(ref).taken
    assert taken is not None
    return taken.by


def came_of(world: EmergencyWorld, ref: str) -> list[tuple[str, ...]]:
    """What came of each try, for whoever reads why a test failed."""
    return [(one.person or one.channel, str(one.outcome), one.detail) for one in world.paging(ref).attempts]


def mail_and_card_say_who(world: EmergencyWorld, ref: str, seconds: float = 180) -> None:
    """Everybody on the list, the product team, and the channel; and the page on which it is followed."""
    addresses = [PRODUCT_TEAM, *map(address_of, ON_CALL)]
    has_it = f"[{ref}] {HAS_IT}"

    def told() -> bool:
        return HAS_IT in world.teams.words() and all(has_it in world.mail_to(one) for one in addresses)

    try:
        wait_until("mail and card to say who has it", told, seconds, every=0.05)
    except TimeoutError:
        pytest.fail(f"neither mail nor card say who has it: {came_of(world, ref)}")
    page = httpx.get(f"{world.web_url}/emergency/{ref}", timeout=60, trust_env=False).text
    assert f"{FOURTH} has it" in " ".join(re.sub("<[^>]+>", " ", page).split())


def nobody_is_called_any_more(world: EmergencyWorld, ref: str) -> None:
    """What is under way may end, and nothing begins."""
    calls = len(world.telephones.calls)
    begun = len(world.paging(ref).attempts)
    for _ in range(3):
        PagingWatch(world.services.store, world.services.clock, pagers_of(world.services, "late"), print).look()
        threading.Event().wait(0.1)
    assert (len(world.telephones.calls), len(world.paging(ref).attempts)) == (calls, begun)


def test_two_do_not_answer_a_machine_does_the_next_one_presses_1_and_calling_stops(tmp_path: Path) -> None:
    with world_of(tmp_path) as world, pager_here(world):
        ref = raise_here(world)
        assert taken_by(world, ref) == FOURTH
        mail_and_card_say_who(world, ref)
        assert world.called() == [FIRST, SECOND, THIRD, FOURTH]
        outcomes = [one.outcome for one in world.paging(ref).calls]
        assert outcomes == [Outcome.NO_ANSWER, Outcome.NO_ANSWER, Outcome.MACHINE, Outcome.ANSWERED]
        last = world.telephones.calls[-1]
        wait_until("the last call to be over", lambda: last.status == "completed", 60, every=0.05)
        heard = " ".join(last.said)
        assert SITE in heard, "the voice repeats the problem"
        assert "You said: I have it. Nobody else is called now." in heard, "and says back what was chosen"
        assert not [call.trouble for call in world.telephones.calls if call.trouble]
        nobody_is_called_any_more(world, ref)


def test_with_teams_and_mail_both_down_people_are_called_and_both_say_who_once_they_are_back(tmp_path: Path) -> None:
    with world_of(tmp_path) as world:
        world.teams.bad = [Bad("broken")]
        world.mailbox.on_message = lambda _: "451 4.3.0 try later"
        with pager_here(world):
            ref = raise_here(world)
            assert taken_by(world, ref) == FOURTH
            assert world.called() == [FIRST, SECOND, THIRD, FOURTH], str(came_of(world, ref))
            messages = [one for one in world.paging(ref).attempts if one.channel is not Channel.CALL]
            assert Outcome.DELIVERED not in {one.outcome for one in messages}
            assert (world.mailbox.messages, world.teams.cards) == ([], [])
            world.teams.bad, world.mailbox.on_message = [], None
            mail_and_card_say_who(world, ref)


RAISED = (
    "emergency", "--site", SITE, "--down", "ordering_down", "--seen", "The checkout says 500.",
    "--client", "Example Foods", "--said", "Nobody can order.", "--tried", "restarted the server",
)  # fmt: skip


def test_the_process_that_calls_is_killed_twice_and_the_next_one_goes_on_with_the_next_person(tmp_path: Path) -> None:
    """The command, which calls by itself, dies while the first telephone rings, and the pager while the second does."""
    rings = {FIRST: [Person("no answer", rings=4)], SECOND: [Person("no answer", rings=4)]}
    with world_of(tmp_path, STORY | rings) as world:
        for number, (process, who) in enumerate(((world.start("command", *RAISED), FIRST), (None, SECOND)), 1):
            process = process or world.start("pager", "emergency", "watch")
            wait_until(f"{who} to be rung", lambda n=number: len(world.called()) >= n, 120, every=0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.stop()
        ref = "SC-000001"
        last = world.start("another pager", "emergency", "watch")
        assert taken_by(world, ref) == FOURTH
        mail_and_card_say_who(world, ref)
        last.stop()
        assert world.called() == [FIRST, SECOND, THIRD, FOURTH], "and nobody twice"
        assert world.telephones.calls[-1].pressed == ["1"]


FORM = {
    "down": "ordering_down", "was_seen": "The checkout says 500.", "site": SITE, "client": "Example Foods",
    "said": "Nobody can order.", "own_ladder": "USED", "tried": "restarted it",
}  # fmt: skip


def test_it_is_raised_by_the_web_page_and_the_call_begins_at_once(tmp_path: Path) -> None:
    with world_of(tmp_path, {FIRST: [TAKES_IT]}) as world, pager_here(world), client_of(world, "operator") as client:
        key = hidden_fields(client.get("/emergency").text)["key"]
        sent = client.post("/emergency", data=FORM | {"key": key})
        assert sent.status_code == 303, sent.text
        ref = sent.headers["Location"].rpartition("/")[2]
        assert taken_by(world, ref) == FIRST
        paging = world.paging(ref)
        assert paging.raised.actor == "operator"
        first = {one.channel: one.begun for one in reversed(paging.attempts)}
        assert set(first) == set(Channel), "all three (E8)"
        assert max(first.values()) - paging.raised.at < timedelta(seconds=30), "nobody waits for a keeper's pass"


@contextmanager
def client_of(world: EmergencyWorld, name: str) -> Iterator[httpx.Client]:
    """A browser of somebody of the team, who is logged in."""
    logins, settings = world.services.logins, world.services.settings
    token = logins.use_link(logins.invite(name)[1], "nine tall chimneys")
    cookies = {Who(settings, logins).cookie: token}
    with httpx.Client(base_url=world.web_url, cookies=cookies, timeout=60, trust_env=False) as client:
        yield client
