"""The flow of a support case, form by form: up the ladder with its gates, and down to the solution and the proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest

from caseproof.desks.base import DeskDown
from caseproof.domain.errors import NotAllowed
from caseproof.domain.support import payloads as says
from caseproof.domain.support.choices import Beside
from caseproof.domain.support.efforts import items
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.vocabulary import Failing, Urgency
from caseproof.procedure.core.handling import Handle
from caseproof.procedure.keeper.giving_up import give_up
from caseproof.procedure.views.ladder_table import ladder_lines
from flows.escalation import escalation
from flows.say_in_a_case import say_in_a_case
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


def test_a_form_says_whose_it_is_before_it_is_filled_in(climb: Climb) -> None:
    climb.turn(**RAISED)
    form = climb.walker.form
    question = form.model_json_schema()["properties"]["what"]["description"]
    for said in (form._description, question):
        assert "This form is for **L1, the front line**: front line." in said


def asked_pt(climb: Climb) -> None:
    """L2 asked PT for help: PT owes an answer, and L2 owns the case."""
    l1, l2, *_ = PEOPLE.values()
    climb.turn(**RAISED)
    climb.answers(l1, **TRIED | {"what": "I tried a step: nothing changed", "document": ""})
    climb.answers(l1, what="L1 cannot solve it: hand over to L2 (E1)", why="the cart stays empty")
    climb.answers(l2, **TRIED)
    asked = climb.answers(l2, what="ask PT for help, and keep the case (E2, E3)", wanted="which plugin empties it?")
    assert asked == "pt-asked"


def test_while_pt_owes_an_answer_l2_records_a_step_in_the_same_form_and_no_other_tier_does(climb: Climb) -> None:
    asked_pt(climb)
    l2, pt = PEOPLE["L2"], PEOPLE["PT"]
    assert climb.walker.form.model_json_schema()["properties"]["answered_by"]["enum"] == [pt, l2]
    step = {**TRIED, "what": "for L2: I tried a step of a document: nothing changed", "step": "took another browser"}
    assert climb.answers(pt, **step) == "pt-asked"
    assert f"{pt} is not in L2" in climb.case.refused["why"]
    assert climb.answers(l2, **step) == "pt-asked"
    assert (climb.case.state, climb.case.events[-1].kind) != (State.WITH_L2, Kind.ANSWER_REFUSED)
    tried = climb.case.all_of(says.Tried)[-1]
    assert (tried["tier"], tried.actor, tried["step"], climb.case.state) == ("L2", l2, step["step"], State.PT_ASKED)
    assert climb.holder == "", "it waits for PT all the same"
    assert climb.answers(l2, what="answer L2 with suggestions or questions (E3)", suggestions="x y z") == "pt-asked"
    assert "It is for PT, the product team alone" in climb.case.refused["why"]
    solved = {"solution": "another browser keeps the cart", "checked": "ordered a meal"}
    assert climb.answers(l2, what="for L2: state the solution", **solved) == "finish"
    told = {"what": "I told the client by telephone (J5)", "to": "the shop", "words": "it works again since today"}
    assert climb.answers(l2, **told) == "pt-asked", "PT's answer would be lost"
    last = {"what": "answer L2 with suggestions or questions (E3)", "suggestions": "renew the session table"}
    assert climb.answers(pt, **last) == ""
    assert climb.case.is_closed


def says_in(climb: Climb, who: str, what: str, words: str) -> tuple[bool, str]:
    """What becomes of it, as Prefect shows it: whether it is taken, and the run's message."""
    with climb.world._at_work(climb.walker, climb.world.services):
        state = say_in_a_case.fn(case=climb.ref.lower(), who=who, what=what, words=words)
    return state.is_completed(), str(state.message)


def test_e6_in_prefect_a_technician_asks_in_a_case_of_another_tier_and_is_answered(climb: Climb) -> None:
    climb.turn(**RAISED)
    wish = "a technician of L2 or PT asks for more details (E6)"
    assert says_in(climb, PEOPLE["PT"], wish, "which browser is it?")[0]
    assert climb.turn(case=climb.ref) == "l1"
    question = climb.walker.form.model_json_schema()["properties"]["what"]["description"]
    assert "product technician (PT), more details: which browser is it?" in question
    taken, message = says_in(climb, PEOPLE["L1"], wish, "which browser is it?")
    assert (taken, "E6: front line is in neither L2 nor PT." in message) == (False, True)
    taken, message = says_in(climb, PEOPLE["L2"], wish, "x")
    assert (taken, "Next: " in message) == (False, True)
    taken, message = says_in(climb, PEOPLE["PT"], "PT has a suggestion more for L2 (E3)", "switch the plugin off")
    assert (taken, "Let L1 hand the case over to L2" in message) == (False, True), "no gate is opened beside"


def test_in_prefect_pt_adds_a_line_and_a_solution_is_taken_back_and_a_case_opened_again(climb: Climb) -> None:
    asked_pt(climb)
    l2, pt = PEOPLE["L2"], PEOPLE["PT"]
    assert climb.answers(pt, what="answer L2 with suggestions or questions (E3)", suggestions="look at the log") == "l2"
    assert not says_in(climb, l2, "PT has a suggestion more for L2 (E3)", "switch the plugin off")[0]
    assert says_in(climb, pt, "PT has a suggestion more for L2 (E3)", "switch the plugin off\n\nclear the cache")[0]
    assert says_in(climb, pt, "PT has a question more for L2 (E3)", "since which version?")[0]
    lines = [one.words for one in items(climb.case)]
    assert lines == ["look at the log", "switch the plugin off", "clear the cache", "since which version?"]
    climb.turn(case=climb.ref)
    solved = {"what": "state the solution", "solution": "version 2.4 keeps the cart", "checked": "ordered a meal"}
    assert climb.answers(l2, **solved) == "finish"
    again = "it is empty again since noon"
    assert says_in(climb, l2, "it is no solution after all (J11)", again)[0]
    assert climb.turn(case=climb.ref) == "l2"
    assert climb.answers(l2, **solved) == "finish"
    assert not says_in(climb, l2, "open the closed case again (E1)", again)[0]
    told = {"what": "I told the client by telephone (J5)", "to": "the shop", "words": "it works again since today"}
    assert climb.answers(l2, **told) == ""
    assert says_in(climb, l2, "open the closed case again (E1)", again)[0]
    assert climb.case.state is State.WITH_L1


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
        assert (said.is_completed(), said.message) == (True, "front line has SC-000001 from now on.")
        for given, why in (
            ({}, "front line has it; hand it over instead"),
            ({"what": "hand over", "colleague": "a stranger"}, "a stranger"),
            ({"case": "SC-000099"}, "SC-000099"),
        ):
            refused = who_has_it.fn(**{"case": climb.ref, "who": "second line"} | given)
            assert (refused.is_failed(), why in refused.message, "Next: " in refused.message) == (True, True, True)
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
    assert get_args(get_type_hints(say_in_a_case.fn)["what"]) == tuple(Beside)
