"""E5: PT, and only PT, has a ticket raised for the development team. Here development works in Jira Cloud: a made-up
one over real HTTP, whose search lags all the time, so that nothing that was made is ever found by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from caseproof.desks.base import Desk
from caseproof.desks.jira import JiraCloud
from caseproof.desks.jira_text import as_text
from caseproof.desks.jira_wire import JiraAccount
from caseproof.domain.case import Case
from caseproof.domain.errors import NotAllowed
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.steps import Request
from caseproof.procedure.keeper.afterwards import ask_development
from caseproof.procedure.keeper.owing import work_off
from caseproof.procedure.keeper.problems import Problems
from caseproof.procedure.keeper.ways import Hands
from sandbox.jira import EMAIL, PROJECT, TOKEN, JiraSimulator
from sandbox.provider import Bad, running
from tests.support.described import not_as_described
from tests.support.fakes import Killed
from tests.support.specs import spec
from tests.support.support_desk import LADDER
from tests.support.support_desk import Desk as Ladder
from tests.support.world import World


class Killing(httpx.BaseTransport):
    """Carries calls to a real server; the process is killed when a call that ends so took effect and was answered."""

    def __init__(self, after: str = "") -> None:
        self._inner, self.after = httpx.HTTPTransport(), after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        if self.after and request.method == "POST" and request.url.path.endswith(self.after):
            self.after = ""
            response.close()
            raise Killed
        return response

    def close(self) -> None:
        self._inner.close()


class House:
    """A world whose policy has development in Jira, and a client a process."""

    def __init__(self, world: World, jira: JiraSimulator, url: str) -> None:
        self.world, self.jira, self.ladder = world, jira, Ladder(world)
        self._account = JiraAccount("code", url, EMAIL, TOKEN, PROJECT)
        self._open: list[JiraCloud] = []
        self.client()

    def client(self, killed_after: str = "") -> JiraCloud:
        """Another process's."""
        self._open.append(JiraCloud(self._account, transport=Killing(killed_after), sleep=lambda _: None))
        return self._open[-1]

    def close(self) -> None:
        for one in self._open:
            one.close()

    def work(self) -> Problems:
        """A pass of what is owed, an hour later."""
        self.world.clock.move(minutes=60)
        services, problems = self.world.services, Problems()
        hands = Hands(
            services.ledger, services.effects, services.links, services.policy, lambda: self.world.desk,
            lambda: services.dispatch(self.world.send), services.files, self.desk,
        )  # fmt: skip
        work_off(hands, problems, 60)
        return problems

    def desk(self, name: str) -> Desk:
        return self._open[-1] if name == "code" else self.world.desk

    def tickets(self, case: Case) -> list[str]:
        return [str(one.data["ticket"]) for one in case.events if one.kind is Kind.DEVELOPMENT_TICKET]


@pytest.fixture
def house(make_world: Callable[..., World]) -> Iterator[House]:
    with running(JiraSimulator(lag=3600)) as (jira, url):
        house = House(make_world(ladder=LADDER, desks={"development": "code"}), jira, url)
        yield house
        house.close()
        try:
            described = spec("jira-issues.json")
        except pytest.skip.Exception:
            return
        assert not_as_described(described, jira.asked, ("/attachments",))[1] == []


def test_what_pt_asks_for_is_one_issue_in_jira_that_carries_the_whole_bundle(house: House) -> None:
    ref = house.ladder.with_pt()
    for tier in ("L1", "L2", "DEV"):
        with pytest.raises(NotAllowed, match=r"E5|PT"):
            house.ladder.ask(ref, Request.RAISE_DEVELOPMENT, tier)
    house.work()
    assert house.jira.issues == {}, "nobody but PT raises it"
    house.ladder.ask(ref, Request.RAISE_DEVELOPMENT)
    for _ in range(3):
        house.work()
    (issue,) = house.jira.issues.values()
    case = house.world.case(ref)
    fact = case.own["development_ticket"]
    assert (house.tickets(case), fact["desk"], fact["url"]) == ([issue.id], "code", house.client().ticket("DEV-1").url)
    assert issue.summary.startswith(f"[{ref}] cart service, session store: keep the session")
    said = as_text(issue.description)
    for words in ("Done when: a cart survives", "What was tried", "L1 tried: cleared the session table", f"/{ref}"):
        assert words in said, words
    (file,) = issue.files
    bundle = issue.contents[file["id"]]
    assert bundle == Path(house.world.vault.path(fact["evidence"])).read_bytes()
    assert b"## The history" in bundle
    assert case.state is State.WITH_DEVELOPMENT


@pytest.mark.parametrize("after", ["/issue", "/attachments"])
def test_it_is_there_once_when_the_process_is_killed_between_making_and_recording_it(house: House, after: str) -> None:
    ref = house.ladder.with_pt()
    house.ladder.ask(ref, Request.RAISE_DEVELOPMENT)
    house.client(killed_after=after)
    with pytest.raises(Killed):
        house.work()
    assert house.tickets(house.world.case(ref)) == []
    for _ in range(3):
        house.world.restart()
        house.client()
        house.work()
    (issue,) = house.jira.issues.values()
    assert (house.tickets(house.world.case(ref)), len(issue.files)) == ([issue.id], 1)


def test_while_jira_goes_wrong_nothing_is_made_twice_and_it_catches_up(house: House) -> None:
    ref = house.ladder.with_pt()
    house.ladder.ask(ref, Request.RAISE_DEVELOPMENT)
    for bad in ("broken", "nonsense", "drop", "too many"):
        house.jira.bad = [Bad(bad, "POST", 2, value=1)]  # type: ignore[arg-type]
        house.work()
        house.client()
    house.jira.bad = []
    for _ in range(3):
        house.work()
    (issue,) = house.jira.issues.values()
    assert (house.tickets(house.world.case(ref)), len(issue.files)) == ([issue.id], 1)


def test_that_development_closed_it_in_jira_is_heard_wherever_it_is_by_now(
    house: House,
) -> None:
    ref = house.ladder.with_pt()
    house.ladder.ask(ref, Request.RAISE_DEVELOPMENT)
    house.work()
    (issue,) = house.jira.issues.values()
    policy = house.world.services.policy
    desks = policy.desks.model_copy(update={"development": "elsewhere"})  # its number is somebody else's there
    house.world.services = house.world.process(policy=policy.model_copy(update={"desks": desks}))
    assert ask_development(house.world.services.ledger, house.desk, lambda _: None) == []
    house.jira.move(issue.id)
    house.jira.rename("Rejected", "Released")
    house.jira.set(issue.id, "Released")
    for _ in range(2):
        ask_development(house.world.services.ledger, house.desk, lambda _: None)
    kinds = [one.kind for one in house.world.case(ref).events]
    assert kinds.count(Kind.DEVELOPMENT_ANSWERED) == 1
    house.ladder.ask(ref, Request.RETURN_TO_PT)
    for _ in range(3):
        house.work()
    (told,) = [as_text(one["body"]) for one in issue.comments]
    assert told.startswith("developer gave it back to PT: released in version 2.4")
