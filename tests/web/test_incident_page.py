"""The page of an incident: it asks once for all its cases, who is logged in answers, and the first answer counts."""

from __future__ import annotations

import html
from datetime import date
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from caseproof.config.policy import Policy
from caseproof.config.policy_check import Storm
from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.job_failure.lifecycle import State
from caseproof.domain.vocabulary import BY_LOGIN, Decision
from caseproof.procedure.core.answer_ledger import Overtaken
from caseproof.procedure.core.logins import Person
from caseproof.procedure.keeper import incidents
from caseproof.web.answer_guard import form_key
from caseproof.web.incidents import IncidentPages
from caseproof.web.pages import Pages
from caseproof.web.question import Typed
from caseproof.web.who import Who
from tests.support.letters import hidden_fields

FIX = {"choice": str(Decision.AFTER_FIX), "reason": "The marketplace lifted its block."}


@pytest.fixture
def storm(world: Any) -> list[str]:
    """Three cases of one cause whose incident, IN-000001, waits for the decision for all."""
    refs = [world.waiting(f"offers/{number}", retailer=f"Shop {number}") for number in range(3)]
    assert incidents.gather(world.services.ledger, Storm(cases=3, minutes=600)) == ["IN-000001"]
    with world.services.store.uow() as uow:
        uow.incidents.attach_run("IN-000001", "a-run", 1)
        uow.commit()
    assert incidents.ask(world.services.ledger, "IN-000001", "a-run") == 1
    return refs


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Any) -> TestClient:
    return logged_in(world, client)  # type: ignore[no-any-return]


def form_of(page: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in hidden_fields(page).items()}


def send(client: TestClient, **said: str) -> Any:
    form = form_of(client.get("/incidents/IN-000001").text)
    return client.post("/incidents/IN-000001/question", data=form | said)


def test_one_decision_is_made_for_all_cases_by_who_is_logged_in(
    world: Any, storm: list[str], operator: TestClient
) -> None:
    page = operator.get("/?waits=team").text
    assert 'href="/incidents/IN-000001#question">Decide<' in page
    page = operator.get("/incidents/IN-000001").text
    assert all(f'href="/cases/{ref}"' in page for ref in storm)
    assert "What becomes of all these accounts?" in page
    form = form_of(page)
    assert operator.post("/incidents/IN-000001/question", data=form | FIX).status_code == 303
    for ref in storm:
        case = world.services.ledger.case(ref)
        assert (case.state, case.decision.actor) == (State.DECIDED, "operator")
        assert (case.decision["incident"], case.decision.data["known_by"]) == ("IN-000001", BY_LOGIN)
    assert operator.post("/incidents/IN-000001/question", data=form | FIX).status_code == 303, "pressed twice"
    other = operator.post("/incidents/IN-000001/question", data=form | FIX | {"reason": "Another."})
    assert (other.status_code, "Another." in other.text) == (409, True), "and what was typed is not lost"
    told = [event.kind for event in world.services.ledger.case(storm[0]).events]
    assert told.count(Kind.DECIDED) == 1
    assert "The marketplace lifted its block." in operator.get("/incidents/IN-000001").text
    assert operator.get("/incidents/in-000001").headers["Location"] == "/incidents/IN-000001"


@pytest.mark.usefixtures("storm")
def test_of_two_who_decide_for_all_at_once_the_second_is_told_and_the_first_decision_stands(world: Any) -> None:
    ledger, policy, secret = world.services.ledger, world.services.policy, b"k" * 32

    def meanwhile() -> Policy:
        """The policy is read right before the decision is written down: a colleague is faster by that much."""
        until = date(2027, 1, 31)
        incidents.decide_all(ledger, policy, "IN-000001", Decision.KEEP_PAUSED, "team lead", "Wait.", until, question=1)
        return policy  # type: ignore[no-any-return]

    shown = IncidentPages(ledger, meanwhile, lambda: secret, Who(world.services.settings, world.logins), Pages(""), "")
    request = Request({"type": "http", "method": "POST", "headers": []})
    key = form_key(secret, "IN-000001:1:operator:", 1)
    typed = Typed(1, 1, key, FIX["choice"], {"reason": FIX["reason"]})
    with pytest.raises(Overtaken):
        shown.take("IN-000001", request, Person("operator", "password"), typed)
    with world.services.store.reading() as uow:
        row = uow.incidents.get("IN-000001")
    assert (row.decision, row.decided_by) == (Decision.KEEP_PAUSED, "team lead")


@pytest.mark.usefixtures("storm")
def test_a_case_that_waits_only_later_says_how_who_decided_was_known(world: Any, operator: TestClient) -> None:
    late = world.opened("offers/late", retailer="Shop late")
    assert incidents.gather(world.services.ledger, Storm(cases=3, minutes=600)) == ["IN-000001"]
    assert send(operator, **FIX).status_code == 303
    world.record(late, Kind.STOPPED, scope="job", jobs=[], evidence="0" * 64)
    world.record(late, Kind.NOTICE_SENT, message_id="<x@example.com>", accepted=["a@example.com"], evidence="0" * 64)
    assert incidents.settle_stragglers(world.services.ledger, world.services.policy) == [late]
    decision = world.services.ledger.case(late).decision
    assert (decision.actor, decision.data["known_by"]) == ("operator", BY_LOGIN)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"choice": ""}, "Choose one of these."),
        ({"reason": " "}, "Why: this is needed here."),
        ({"choice": str(Decision.KEEP_PAUSED)}, "Paused until: this is needed here."),
        ({"choice": str(Decision.KEEP_PAUSED), "paused_until": "2026-11-01"}, "is not after today"),
        ({"choice": str(Decision.REMOVE)}, "Choose one of these."),
    ],
)
def test_an_answer_that_is_not_filled_in_right_stands_there_as_it_was_typed(
    world: Any, storm: list[str], operator: TestClient, wrong: dict[str, str], says: str
) -> None:
    no = send(operator, **(FIX | wrong))
    assert no.status_code == 422
    assert says in html.unescape(no.text)
    assert (FIX | wrong)["reason"].strip() in no.text
    assert world.services.ledger.case(storm[0]).decision is None
    assert form_of(no.text)["key"]


def test_who_looks_on_is_led_to_the_login_and_a_form_from_elsewhere_decides_nothing(
    world: Any, storm: list[str], client: TestClient, operator: TestClient
) -> None:
    form = form_of(operator.get("/incidents/IN-000001").text)
    cross = operator.post("/incidents/IN-000001/question", data=form | FIX, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    assert operator.post("/incidents/IN-000001/question", data=form | FIX | {"key": "x"}).status_code == 403
    del client.headers["Cookie"]
    page = client.get("/incidents/IN-000001").text
    assert "<form" not in page
    assert 'href="/login?next=/incidents/IN-000001"' in page
    assert client.post("/incidents/IN-000001/question", data=form | FIX).status_code == 401
    assert client.get("/incidents/IN-999999").status_code == 404
    assert world.services.ledger.case(storm[0]).decision is None


def test_after_a_pause_from_here_its_run_is_to_ask_anew(world: Any, storm: list[str], operator: TestClient) -> None:
    ledger = world.services.ledger
    assert not incidents.asks_nothing(world.services.store, "IN-000001")
    assert send(operator, choice=str(Decision.KEEP_PAUSED), reason="Holidays.", paused_until="2026-12-24").is_redirect
    assert world.services.ledger.case(storm[0]).state is State.PAUSED
    assert incidents.asks_nothing(world.services.store, "IN-000001")
    assert "Nothing is asked now." in operator.get("/incidents/IN-000001").text
    incidents.ask(ledger, "IN-000001", "a-run")
    assert not incidents.asks_nothing(world.services.store, "IN-000001")
    assert send(operator, **FIX).status_code == 303, "and decided anew"
    assert world.services.ledger.case(storm[0]).state is State.DECIDED
