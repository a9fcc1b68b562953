"""The flow of a support case, form by form: up the ladder with its gates, and down to the solution and the proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from caseproof.desks.base import DeskDown
from caseproof.domain.errors import NotAllowed, NotOnTheTeam
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.core.handling import Handle
from caseproof.procedure.keeper.owing import give_up
from caseproof.procedure.views.ladder_table import ladder_lines
from flows.escalation import escalation
from flows.who_has_it import who_has_it
from tests.support.keeper import Keeper
from tests.support.support_cases import PAGE
from tests.support.walker import Suspended, Walker
from tests.support.world import World

MakeWorld = Callable[..., World]
PEOPLE = {"L1": "front line", "L2": "second line", "PT": "product technician", "DEV": "developer"}
LADDER = {
    "people": [{"name": name, "tiers": [tier]} for tier, name in PEOPLE.items()],
    "documents": {"WooCommerce": [{"name": "Cart", "address": PAGE}]},
}
RAISED = {
    "client": "Example Foods", "product": "WooCommerce", "summary": "The cart is empty",
    "said": "Customers see an empty cart since this morning.", "opened_by": "front line",
    "failing": str(Failing.NO),
}  # fmt: skip
TRIED = {
    "what": "I tried a step of a document: nothing changed", "document": PAGE, "step": "cleared the session table",
    "seen": "the cart is still empty",
}  # fmt: skip


class Climb:
    """A support case and its run; ``turn`` carries it until it asks or ends."""

    def __init__(self, world: World) -> None:
        self.world, self.walker, self.ref, self.asked = world, Walker("a-run"), "", Suspended.__new__(Suspended)
        self.ended = False

    def turn(self, **given: Any) -> str:
        """The form's slug that it waits with; "" where it ended."""
        try:
            with self.world._at_work(self.walker, self.world.services):
                escalation.fn(**given)
        except Suspended as asked:
            self.asked = asked
        else:
            self.ended = True
        with self.world.services.store.reading() as uow:
            self.ref = uow.cases.by_flow_run(self.walker.id) or ""
        return "" if self.ended else self.asked.form.slug

    def answers(self, who: str, **said: str) -> str:
        self.walker.given[self.asked.number] = {"answered_by": who, **said}
        return self.turn(case=self.ref)

    @property
    def holder(self) -> str:
        with self.world.services.store.reading() as uow:
            return uow.worklist.standing([self.ref])[self.ref][1]

    @property
    def case(self) -> Any:
        return self.world.case(self.ref)


@pytest.fixture
def climb(make_world: MakeWorld) -> Climb:
    return Climb(make_world(ladder=LADDER))


def test_a_problem_climbs_from_l1_to_development_and_closes_with_its_solution(climb: Climb) -> None:
    l1, l2, pt, dev = PEOPLE.values()
    assert climb.turn(**RAISED) == "l1"
    assert climb.turn(case=climb.ref) == "l1", "woken without an answer, it asks again"
    assert climb.answers(l1, what="L1 cannot solve it: hand over to L2 (E1)", why="the cart stays empty") == "l1"
    assert "E1: What L1 tried" in climb.case.refused["why"]
    tried = "I tried a step: nothing changed"
    assert climb.answers(l1, what=tried, step=TRIED["step"], seen=TRIED["seen"]) == "l1"
    assert climb.answers(l1, what="L1 cannot solve it: hand over to L2 (E1)", why="the cart stays empty") == "l2"
    assert climb.holder == "", "another tier has to act"
    assert climb.answers(l2, **TRIED) == "l2"
    assert climb.holder == l2, "who answers has it"
    ask = "ask PT for help, and keep the case (E2, E3)"
    assert climb.answers(l2, what=ask, wanted="which plugin empties the session?") == "pt-asked"
    assert climb.holder == ""
    advise = "answer L2 with suggestions or questions (E3)"
    assert climb.answers(pt, what=advise, suggestions="switch the cache plugin off") == "l2"
    assert climb.holder == l2, "the answer goes back to who asked"
    exhausted = "L2's efforts are exhausted: PT may take it (E4)"
    assert climb.answers(l2, what=exhausted, why="every document and suggestion is tried") == "l2"
    assert "E3" in climb.case.refused["why"]
    shown = climb.walker.form.model_json_schema()["properties"]["what"]["description"]
    assert "PT's lines without an outcome" in shown
    assert "switch the cache plugin off" in shown
    assert "second line: L2 asked PT: which plugin empties the session?" in shown, "its history stands above the form"
    key = next(key for key in shown.split("**") if key.count(".") == 1 and key.replace(".", "").isdigit())
    nothing = "PT's suggestion: nothing changed (E3)"
    assert climb.answers(l2, what=nothing, item=key, step="switched it off", seen="the cart is still empty") == "l2"
    assert climb.answers(l2, what=exhausted, why="every document and suggestion is tried") == "pt-asked"
    assert climb.answers(pt, what="take the case: L2's efforts are exhausted (E4)") == "pt"
    change = {
        "what": "a code change is needed: a ticket for the development team (E5)", "where": "cart service, session",
        "change": "keep the session when the currency changes", "accepted_when": "a cart survives such a change",
        "ticket": "DEV-9",
    }  # fmt: skip
    assert climb.answers(pt, **change) == "development"
    assert climb.case.state is State.WITH_DEVELOPMENT
    assert climb.answers(dev, what="give it back to PT, with what was done (E5)", result="released in 2.4") == "pt"
    del climb.world.send  # no mail account is looked for where no address is known
    solved = {"what": "state the solution", "solution": "version 2.4 keeps the cart", "checked": "ordered a meal"}
    assert climb.answers(pt, **solved) == "finish"
    told = {"what": "I told the client by telephone (J5)", "to": "the shop", "words": "it works again since today"}
    assert climb.answers(pt, **told) == ""
    assert climb.case.is_closed
    assert climb.case.proof["rule"] == "J11"
    assert sum(event.kind is Kind.ANSWER_REFUSED for event in climb.case.events) == 2
    assert "Suggestion of PT: switch the cache plugin off" in next(iter(climb.walker.shown.values()))[0]


def test_its_form_names_the_people_of_its_tier_and_a_stranger_is_refused_by_rule(climb: Climb) -> None:
    climb.turn(**RAISED)
    who = climb.walker.form.model_json_schema()["properties"]["answered_by"]["enum"]
    assert who == ["front line"]
    assert climb.walker.name == "SC-000001 · Example Foods · The cart is empty · waits for L1"
    assert {"client:Example Foods", "product:WooCommerce", "tier:L1", "status:with_l1"} <= set(climb.walker.tags)
    assert climb.answers("a stranger", what="I tried a step: nothing changed", step="x", seen="y") == "l1"
    assert "a stranger is not in L1" in climb.case.refused["why"]
    heading = climb.walker.form.model_json_schema()["properties"]["what"]["description"]
    assert "**Your last answer was not taken.**" in heading
    assert "Documents to consult" in heading


def test_a_case_whose_job_fails_waits_for_that_jobs_own_case(climb: Climb) -> None:
    job = climb.world.open()
    climb.turn(**RAISED | {"client": "Shop A", "failing": str(Failing.YES)}, urgency=str(Urgency.STOPS))
    solved = {"what": "state the solution", "solution": "version 2.4 keeps the cart", "checked": "ordered a meal"}
    assert climb.answers("front line", **solved) == "finish"
    told = {"what": "I told the client by telephone (J5)", "to": "the shop", "words": "it works again since today"}
    assert climb.answers("front line", **told) == "finish"
    link = {"what": "a job fails in this matter: this is its case (J10)", "job": job}
    assert climb.answers("front line", **link) == "try-again"
    assert climb.case.trouble["code"] == "waits_for_case"
    assert job in climb.case.trouble["problem"]
    climb.world.walk(job)
    assert climb.world.case(job).is_closed
    assert climb.turn(case=climb.ref) == ""
    assert climb.case.is_closed


def test_who_has_it_is_said_in_prefects_form_and_stands_in_the_ladders_table(climb: Climb) -> None:
    climb.turn(**RAISED)
    with climb.world._at_work(climb.walker, climb.world.services):
        said = who_has_it.fn(case=climb.ref.lower(), who="Front Line", what="claim")
        assert said == "front line has SC-000001 from now on."
        with pytest.raises(NotAllowed, match="front line has it; hand it over instead"):
            who_has_it.fn(case=climb.ref, who="second line")
        with pytest.raises(NotOnTheTeam):
            who_has_it.fn(case=climb.ref, who="second line", what="hand over", colleague="a stranger")
        who_has_it.fn(case=climb.ref, who="second line", what="hand over", colleague="developer")
    assert climb.holder == "developer"
    services = climb.world.services
    assert [line.holder for line in ladder_lines(services.ledger, services.policy.keeper)] == ["developer"]


def test_the_keeper_keeps_it_alive_and_does_nothing_of_a_job_failures_to_it(climb: Climb) -> None:
    keeper = Keeper(climb.world)
    climb.turn(**RAISED)
    done = keeper()
    assert (done.looked_at, done.woken, keeper.looked_after) == (1, [], [])
    ledger = climb.world.services.ledger
    ledger.record(climb.ref, Kind.CLIENT_WROTE, sender="shop@example.com", words="it is back", evidence="0" * 64)
    assert keeper().woken == [climb.ref], "there is news since it asked"
    assert climb.turn(case=climb.ref) == "l1"
    late = keeper(days=40)
    assert (late.reminded, late.paused, late.renewed, late.reopened, late.stopped_again) == ([], [], [], [], [])
    assert late.problems.said == {}
    assert late.by_time == [climb.ref], "its tier's time is over"
    climb.world.services.ledger.record(climb.ref, Kind.TROUBLE, step="look again", problem="x", next_action="y")
    with pytest.raises(NotAllowed, match="cannot be given up"):
        give_up(ledger, ["operator"], climb.ref, "step", by="operator", reason="x")


def test_the_run_tells_the_ticket_and_goes_on_where_the_desk_is_down(climb: Climb) -> None:
    desk, l1 = climb.world.desk, PEOPLE["L1"]
    desk.faulty.fails("create", before=DeskDown("The desk hangs.", "Wait."))
    assert climb.turn(**RAISED) == "l1"
    assert climb.case.ticket is None
    tried = "I tried a step: nothing changed"
    assert climb.answers(l1, what=tried, step=TRIED["step"], seen=TRIED["seen"]) == "l1"
    assert climb.case.ticket["ticket"] == "T-000001"
    assert climb.answers(l1, what="L1 cannot solve it: hand over to L2 (E1)", why="the cart stays empty") == "l2"
    with climb.world.services.store.reading() as uow:
        told = [row.text for row in uow.tickets.comments(1)]
    assert [one.partition(", ")[2].partition(":")[0] for one in told] == ["front line (L1)"] * 2
    assert "Now with L2 (second line)." in told[-1]
    assert climb.case.trouble is None, "a desk that is down holds up nobody"


def test_nothing_that_decides_is_filled_in_by_the_form_that_raises_a_case(climb: Climb) -> None:
    left = {name: value for name, value in RAISED.items() if name != "failing"}
    with climb.world._at_work(climb.walker, climb.world.services):
        refused = escalation.fn(**left)
    assert refused.is_failed()
    assert "lacks whether a job, a feed or a sync fails" in str(refused.message)
    with climb.world.services.store.reading() as uow:
        assert uow.cases.rows() == []


def test_the_forms_that_start_its_runs_offer_what_a_case_knows() -> None:
    asked = get_type_hints(escalation.fn)
    assert get_args(asked["urgency"]) == tuple(Urgency)
    assert set(get_args(asked["failing"])) == {*Failing, "not said yet"}
    assert set(get_args(get_type_hints(who_has_it.fn)["what"])) <= set(Handle)
