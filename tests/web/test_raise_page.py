"""J1 in the web app: somebody picks a job, or comes from a ticket, and wants a case for it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.platforms.base import Job
from caseproof.procedure.containment.known_jobs import jobs_named_in, note_jobs
from caseproof.procedure.keeper.raising import WantedCase, wanted_cases
from tests.support.letters import hidden_fields

OFFERS = Job("offers/feed-a", "Offers of shop A", "https://jobs.example.com/a", "Shop A", "North", None)
ODD = Job("a&b/<i>  x", '"><script>x', "https://jobs.example.com/b", "Shop & Söhne", None, None)


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the operator, who is logged in on this machine, after a check."""
    note_jobs(world.services.store, world.tick, "jobs", [OFFERS, ODD])
    return logged_in(world, client, "operator")


def send(client: TestClient, page: str = "/raise", **fields: str) -> Any:
    """Open a page, and send its form with what stands in it and these fields."""
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    form = answer.text.partition('id="form"')[2]
    typed = dict(re.findall(r'<input type="text" id="\w+" name="(\w+)" value="([^"]*)"', form))
    typed["summary"] = "".join(re.findall(r'<textarea id="summary".*?>\n(.*?)</textarea>', form, re.DOTALL))
    typed["key"] = hidden_fields(form)["key"]
    return client.post("/raise", data={name: html.unescape(value) for name, value in typed.items()} | fields)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def wanted(world: Any) -> list[WantedCase]:
    with world.services.store.reading() as uow:
        return wanted_cases(uow)


def choice(page: str) -> str:
    """Where the only job that may be meant leads to."""
    [found] = re.findall(r'href="(/raise\?platform=[^"]+)#form"', page)
    return html.unescape(found)


def test_a_job_is_found_by_its_name_chosen_and_a_case_wanted_for_it(world: Any, operator: TestClient) -> None:
    page = choice(operator.get("/raise?words=OFFERS+shop").text)
    done = send(operator, page, cause="feed", summary="Half of it is missing.", scope="marketplace", by="team lead")
    assert (done.status_code, done.headers["Location"]) == (303, "/raise?platform=jobs&job=offers%2Ffeed-a")
    [one] = wanted(world)
    said = (one.request.platform, one.request.job, one.request.by, one.request.cause, one.request.summary)
    assert said == ("jobs", "offers/feed-a", "operator", "feed", "Half of it is missing.")
    assert one.request.scope == "marketplace"
    assert "It is wanted." in read(operator.get(done.headers["Location"]).text)


def test_a_job_that_has_an_open_case_leads_to_it(world: Any, operator: TestClient) -> None:
    form = "/raise?platform=jobs&job=offers/feed-a"
    operator.get(form)
    ref = world.opened()
    assert f'href="/cases/{ref}"' in operator.get("/raise?words=offers").text
    assert f'href="/cases/{ref}"' in operator.get(form).text
    done = send(operator, platform="jobs", job="offers/feed-a")
    assert (done.status_code, done.headers["Location"], wanted(world)) == (303, f"/cases/{ref}", [])


def test_from_a_ticket_its_job_is_proposed_and_the_ticket_is_the_cases(world: Any, operator: TestClient) -> None:
    own = world.desk.create("by a person", "Offers", "Shop A called: offers/feed-a is late. token=abcdefabcdef12").id
    button = re.search(r'class="button" href="(/raise\?ticket=[^"]+)"', operator.get(f"/tickets/{own}").text)
    assert button
    done = send(operator, choice(operator.get(button[1]).text))
    assert done.status_code == 303
    [one] = wanted(world)
    assert (one.request.job, one.request.ticket) == ("offers/feed-a", own)
    assert "Shop A called" in one.request.summary
    assert "abcdef" not in one.request.summary
    of_a_case = world.services.ledger.case(world.waiting("offers/b")).ticket["ticket"]
    assert "/raise?ticket" not in operator.get(f"/tickets/{of_a_case}").text


def test_what_could_not_be_opened_says_why_and_is_taken_back(world: Any, operator: TestClient) -> None:
    form = send(operator, platform="jobs", job="offers/feed-z").headers["Location"]
    with world.services.store.uow() as uow:
        uow.owed.tried(wanted(world)[0].row, "no_such_job", "There is no job 'offers/feed-z'.", world.tick())
        uow.commit()
    for page in (form, "/"):
        assert "There is no job 'offers/feed-z'." in read(operator.get(page).text), page
    assert send(operator, back="jobs: offers/feed-z").headers["Location"] == "/raise"
    assert wanted(world) == []
    assert send(operator, back="jobs: offers/feed-z").status_code == 422


def test_what_no_case_can_be_opened_with_is_refused_with_what_was_typed(world: Any, operator: TestClient) -> None:
    many_bytes = {"job": "\u6f22" * 450}
    odd = {"cause": "gremlins"}, {"scope": "world"}, {"ticket": "t" * 501}, many_bytes
    for wrong in ({"job": ""}, {"platform": " "}, *odd):
        fields = {"platform": "jobs", "job": "x/y", "summary": "kept <b>as typed</b>"} | wrong
        refused = send(operator, **fields)
        assert refused.status_code == 422, wrong
        assert "kept &lt;b&gt;as typed&lt;/b&gt;" in refused.text
    assert wanted(world) == []


def test_a_text_without_end_is_looked_through_at_its_beginning_alone(world: Any, operator: TestClient) -> None:
    assert operator
    with world.services.store.reading() as uow:
        assert [one.job for one in jobs_named_in(uow, f"offers/feed-a {'x' * 30_000}", 9)] == ["offers/feed-a"]
        assert jobs_named_in(uow, f"{'x' * 30_000} offers/feed-a", 9) == []


def test_no_database_is_asked_for_what_it_cannot_hold(operator: TestClient) -> None:
    """PostgreSQL takes no NUL, in a question either."""
    for page in ("/raise?platform=a%00b&job=c%00d", "/contacts/one?retailer=a%00b&address=c%00d"):
        shown = operator.get(page, follow_redirects=True)
        assert (shown.status_code, "\0" in shown.text, "a\ufffdb" in shown.text) == (200, False, True), page
    back = send(operator, back="a\0b")
    assert (back.status_code, "a\ufffdb" in back.text) == (422, True)


def test_names_of_jobs_are_only_text(world: Any, operator: TestClient) -> None:
    page = operator.get("/raise?words=söhne").text
    assert "<script" not in page
    assert send(operator, choice(page)).status_code == 303
    assert wanted(world)[0].request.job == "a&b/<i>  x"


def test_nobody_without_a_log_in_and_no_foreign_page_has_a_job_stopped(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient]
) -> None:
    fields = {"platform": "jobs", "job": "offers/feed-a"}
    assert make_client(world).post("/raise", data=fields).status_code == 401
    assert make_client(world).get("/raise", headers={"Accept": "text/html"}).headers["Location"] == "/login?next=/raise"
    assert operator.post("/raise", data=fields).status_code == 403
    assert send(operator, **fields, key="x").status_code == 403
    key = hidden_fields(operator.get("/raise").text)["key"]
    cross = operator.post("/raise", data=fields | {"key": key}, headers={"Origin": "https://evil.example.com"})
    assert (cross.status_code, wanted(world)) == (403, [])
