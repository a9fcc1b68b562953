"""A support case goes up the whole ladder and down to its solution in Prefect's interface alone (E1 to E6), by clicks.

Each click is counted, as in test_one_place.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser

from caseproof.config.policy import BUILT_IN
from caseproof.domain.case import Case
from caseproof.domain.support.choices import (
    Beside,
    DevelopmentDoes,
    Finishes,
    L1Does,
    L2Does,
    PtAnswers,
    PtDoes,
)
from caseproof.domain.support.efforts import documents, items, wanted_by
from caseproof.domain.support.forms import (
    EVERY_FORM,
    Development,
    Finish,
    FrontLine,
    ProductTeam,
    PtAnswer,
    SecondLine,
    SupportForm,
)
from caseproof.domain.support.lifecycle import State
from caseproof.domain.vocabulary import BY_FORM
from caseproof.up.processes import wait_until
from sandbox.starting import small_world
from sandbox.world import World
from tests.support.at_the_screen import Counted, OlderPrefect, at_prefect, browser_here

pytestmark = [pytest.mark.e2e, pytest.mark.full, pytest.mark.timeout(900)]

ONE, TWO, PT, DEV = "front line", "second-line technician", "product technician", "developer"
POLICY = f"""
  people:
    - {{name: {ONE}, tiers: [L1]}}
    - {{name: {TWO}, tiers: [L2]}}
    - {{name: {PT}, tiers: [PT]}}
    - {{name: {DEV}, tiers: [DEV]}}
  leads"""
SAID = "Since this morning customers see an empty cart."


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A small world whose policy names somebody in each tier."""
    home = tmp_path_factory.mktemp("ladder")
    text = BUILT_IN.read_text(encoding="utf-8")
    assert text.count("\n  people: []\n  leads") == 1
    (home / "policy.yaml").write_text(text.replace("\n  people: []\n  leads", POLICY, 1), encoding="utf-8")
    with small_world(home, lambda _: None, by_itself=False) as running:
        yield running


@dataclass
class Climb:
    """A case that climbs, and whoever is at Prefect: each with a browser of their own."""

    world: World
    browser: Browser
    ref: str = ""
    asked: int = 0
    people: dict[str, OlderPrefect] = field(default_factory=dict)

    def at(self, name: str) -> OlderPrefect:
        if name not in self.people:
            self.people[name] = at_prefect(OlderPrefect, self.world, self.browser, name)
        return self.people[name]

    def waits_with(self, form: type[SupportForm]) -> None:
        self.asked = self.world.await_question(self.ref, form.slug, after=self.asked)

    def answers(self, name: str, choice: str, **texts: str) -> None:
        """They open the case's form from the list of runs, fill it in, and send it."""
        form = EVERY_FORM[self.case.asked[self.asked]["form"]]
        screen = self.at(name)
        screen.take(self.ref)
        screen.answer(form, choice, **texts)
        screen.rest()

    def says(self, name: str, what: Beside, words: str) -> None:
        """They say something that is not their tier's turn, in the form of the deployment for it."""
        screen, before = self.at(name), self.case.version
        screen.start("say-in-a-case", {"what": what}, case=self.ref, who=name, words=words)
        screen.rest()
        self.world.await_case(self.ref, "it was said", lambda case: case.version > before)

    @property
    def case(self) -> Case:
        return self.world.services.ledger.case(self.ref)

    @property
    def took(self) -> Counted:
        return sum((one.done for one in self.people.values()), Counted())


def newest(world: World) -> str:
    """The reference of the case that was opened last; "" where there is none."""
    with world.services.store.reading() as uow:
        return max((row.ref for row in uow.cases.rows()), default="")


def test_a_case_climbs_the_whole_ladder_and_closes_in_prefect_alone(world: World) -> None:
    with browser_here() as browser:
        climb = Climb(world, browser)
        climb.at(ONE).start(
            "escalation",
            {"failing": "no"},
            client="Example Foods",
            product="WooCommerce",
            summary="The cart is empty",
            said=SAID,
            opened_by=ONE,
        )
        climb.ref = wait_until("the case to be opened", lambda: newest(world), 60)
        climb.waits_with(FrontLine)

        climb.answers(ONE, L1Does.HAND_OVER, why="the cart stays empty after all of it")
        climb.waits_with(FrontLine)
        screen = climb.at(ONE)
        screen.take(climb.ref)
        shown = screen.dialog.inner_text()
        for said in ("Your last answer was not taken", "E1: What L1 tried", "This form is for L1, the front line"):
            assert said in shown, "a gate that is not open says what is missing"
        climb.says(PT, Beside.WANT_DETAILS, "Which version is it?")
        screen.answer(FrontLine, L1Does.TRIED_NOTHING, step="cleared the session table", seen="the cart is still empty")
        climb.waits_with(FrontLine)
        climb.answers(ONE, L1Does.HAND_OVER, why="the cart stays empty after all of it")
        climb.waits_with(SecondLine)

        page = documents(climb.case)[0]["address"]
        climb.answers(TWO, L2Does.TRIED_NOTHING, document=page, step="switched all plugins off", seen="it stays empty")
        climb.waits_with(SecondLine)
        reply = "version 10.5, as its status report says"
        climb.answers(TWO, L2Does.GIVE_DETAILS, technician=PT, step="opened the status report", seen=reply)
        climb.waits_with(SecondLine)
        assert wanted_by(climb.case) == {}, "a technician of another tier asked, and is answered (E6)"
        climb.answers(TWO, L2Does.ASK_PT, wanted="Which plugin empties the session?")
        climb.waits_with(PtAnswer)
        climb.answers(PT, PtAnswers.ADVISE, suggestions="Switch the object cache off.")
        climb.waits_with(SecondLine)
        line = items(climb.case)[0].key
        climb.answers(TWO, L2Does.ITEM_NOTHING, item=line, step="switched it off", seen="it is as empty as before")
        climb.waits_with(SecondLine)
        climb.answers(TWO, L2Does.EXHAUSTED, why="every document and suggestion is tried")
        climb.waits_with(PtAnswer)

        climb.answers(PT, PtAnswers.TAKE)
        climb.waits_with(ProductTeam)
        climb.answers(
            PT,
            PtDoes.DEVELOP,
            where="cart service, session",
            change="keep the session when the currency changes",
            accepted_when="a cart survives such a change",
        )
        climb.waits_with(Development)
        assert climb.case.state is State.WITH_DEVELOPMENT
        climb.answers(DEV, DevelopmentDoes.RETURN, result="released in version 2.4")
        climb.waits_with(ProductTeam)
        climb.answers(
            PT, PtDoes.SOLVED, solution="version 2.4 keeps the cart", checked="ordered a meal: the cart stayed"
        )
        climb.waits_with(Finish)
        climb.answers(PT, Finishes.TELEPHONE, to="the shop", words="it works again since today")
        case = world.await_case(climb.ref, "closed", lambda case: case.is_closed)
        took = climb.took

    assert {fact.data["known_by"] for fact in case.answered.values()} == {BY_FORM}
    assert [fact.actor for _, fact in sorted(case.answered.items())] == [
        *[ONE] * 3, *[TWO] * 3, PT, TWO, TWO, PT, PT, DEV, PT, PT,
    ]  # fmt: skip
    assert len([one for one in case.events if str(one.kind) == "answer_refused"]) == 1
    assert (took.clicks, took.texts) == (136, 32)
