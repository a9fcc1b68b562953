"""E1 in the web app: a support case is raised by itself, for a job's case, or from a message; what is done by hand."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.support.choices import Beside
from caseproof.domain.support.conditions import linked_jobs
from caseproof.domain.support.efforts import items, wanted_by
from caseproof.domain.support.kinds import Kind
from caseproof.domain.support.lifecycle import State
from caseproof.domain.support.vocabulary import Failing, Urgency, Wanted
from caseproof.procedure.answers.receiving import receive
from tests.support.letters import hidden_fields
from tests.support.retailer_mail import AUTHSERV, answer
from tests.support.support_cases import in_state, written

SAID = {
    "client": "Example Foods", "product": "WooCommerce", "summary": "The cart is empty",
    "said": 'Customers see <b>"nothing"</b> in the cart.', "urgency": str(Urgency.STOPS), "failing": str(Failing.NO),
}  # fmt: skip


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(world, client, "operator")


def send(client: TestClient, page: str, action: str = "", /, **fields: str) -> Any:
    """Open a page, and send its form with what stands in it and these fields."""
    answered = client.get(page)
    assert answered.status_code == 200, answered.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answered.cookies.items())])
    client.cookies.clear()
    form = answered.text.partition('id="form"')[2] or answered.text
    typed = dict(re.findall(r'<input type="text" id="[\w-]+" name="(\w+)" value="([^"]*)"', form))
    typed |= {name: "".join(found) for name, found in {
        "said": re.findall(r'<textarea id="said".*?>\n(.*?)</textarea>', form, re.DOTALL)}.items()}  # fmt: skip
    typed |= hidden_fields(form)
    return client.post(action or page.partition("?")[0], data={k: html.unescape(v) for k, v in typed.items()} | fields)


def case(world: Any, done: Any) -> Any:
    assert done.status_code == 303, done.text
    return world.services.ledger.case(done.headers["Location"].rpartition("/")[2])


def test_a_support_case_is_raised_shown_and_raised_once(world: Any, operator: TestClient) -> None:
    raised = case(world, send(operator, "/raise/support", **SAID))
    assert (raised.events[0].actor, raised.facts["client"]) == ("operator", "Example Foods")
    page = operator.get(f"/cases/{raised.ref}").text
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert case(world, send(operator, "/raise/support", **SAID)).ref == raised.ref
    refused = send(operator, "/raise/support", **SAID | {"client": " ", "urgency": ""})
    assert (refused.status_code, "lacks the client, the urgency" in refused.text) == (422, True)
    assert "The cart is empty" in refused.text, "what was typed stays"


def test_from_a_jobs_case_each_shows_the_other(world: Any, operator: TestClient) -> None:
    job = world.opened()
    assert f"/raise/support?for={job}" in operator.get(f"/cases/{job}").text
    raised = case(world, send(operator, f"/raise/support?for={job}", urgency=str(Urgency.HINDERS)))
    assert (linked_jobs(raised), raised.facts["failing"]) == ([job], Failing.YES)
    assert raised.facts["client"] == world.services.ledger.case(job).facts["retailer"]
    assert f"/cases/{raised.ref}" in operator.get(f"/cases/{job}").text
    assert f'<a href="/cases/{job}">' in operator.get(f"/cases/{raised.ref}").text


def test_from_a_message_that_is_of_no_case_or_put_to_one(world: Any, operator: TestClient) -> None:
    services = world.services
    for number in (1, 2):
        raw = answer(
            b"Subject: x\r\nReply-To: c@example.com\r\n\r\n", f"Our cart is empty, number {number}.", threaded=False,
            quoted=False, subject="Empty cart",
        )  # fmt: skip
        receive(services.ledger, services.vault, services.replies, raw, authserv=AUTHSERV)
    assert "/raise/support?message=1" in operator.get("/inbox/1").text
    done = send(operator, "/raise/support?message=1", client="Example Foods", urgency=SAID["urgency"], failing="no")
    raised = case(world, done)
    assert (raised.facts["said"], raised.facts["summary"]) == ("Our cart is empty, number 1.", "Empty cart")
    assert f"/cases/{raised.ref}" in operator.get("/inbox/1").text
    put = send(operator, "/inbox/2", "/inbox/2/case", ref=raised.ref)
    assert put.status_code == 303, put.text
    wrote = services.ledger.case(raised.ref).events[-1]
    assert (wrote.kind, wrote.data["words"]) == (Kind.CLIENT_WROTE, "Our cart is empty, number 2.")
    assert wrote.data["unproven"]


def test_by_hand_it_is_said_what_it_is_about_and_a_jobs_case_is_linked(world: Any, operator: TestClient) -> None:
    raised = case(world, send(operator, "/raise/support", **SAID | {"product": ""}))
    hand, job = f"/cases/{raised.ref}/hand", world.opened()
    about = {"client": "Shop A", "product": "WooCommerce", "failing": str(Failing.YES)}
    assert send(operator, hand, do="about", **about).status_code == 303
    assert world.services.ledger.case(raised.ref).facts["product"] == "WooCommerce"
    asks = {"wants": str(Wanted.CALL), "wanted": "which browsers are concerned?"}
    assert send(operator, hand, do="ask", **asks).status_code == 303
    assert wanted_by(world.services.ledger.case(raised.ref)) != {}, "the policy names nobody, so the team is L2"
    assert send(operator, hand, do="link", job=job.lower()).status_code == 303
    assert linked_jobs(world.services.ledger.case(raised.ref)) == [job]
    assert f"<option>{job}</option>" in operator.get(hand).text
    refused = send(operator, hand, do="unlink", job=job, why="ok")
    assert (refused.status_code, "why the job of" in refused.text) == (422, True)
    assert send(operator, hand, do="unlink", job=job, why="it is their other shop's").status_code == 303
    assert linked_jobs(world.services.ledger.case(raised.ref)) == []
    assert "was linked by mistake" in operator.get(f"/cases/{raised.ref}").text
    wrong = send(operator, hand, do="link", job=raised.ref)
    assert (wrong.status_code, "is no job-failure case" in wrong.text) == (422, True)
    assert send(operator, hand, do="reopen", why="the client called again").status_code in (409, 422)


def test_by_hand_pt_adds_a_line_for_l2_while_l2_has_the_case(world: Any, operator: TestClient) -> None:
    ref = written(world.services.store, in_state(State.PT_ASKED))
    hand = f"/cases/{ref}/hand"
    assert "A line more for L2, as PT" in operator.get(hand).text
    line = {"more": str(Beside.SUGGEST), "lines": "switch the plugin off\r\n\r\nclear the cache"}
    refused = send(operator, hand, do="line", lines=line["lines"])
    assert (refused.status_code, "switch the plugin off" in refused.text) == (422, True)
    assert send(operator, hand, do="line", **line).status_code == 303
    assert [one.words for one in items(world.services.ledger.case(ref))] == ["switch the plugin off", "clear the cache"]
    other = written(world.services.store, in_state(State.WITH_L1), key="another")
    assert "A line more for L2, as PT" not in operator.get(f"/cases/{other}/hand").text
    assert "Let L1 hand the case over" in send(operator, f"/cases/{other}/hand", do="line", **line).text
