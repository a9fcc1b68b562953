"""What people and other programs do with the simulators: the job service's pages and its door, Zoho's tickets."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from caseproof.checks.causes import classify
from caseproof.cli import DemoDesk, DemoPlatform
from caseproof.config.policy import BUILT_IN, load_policy
from caseproof.platforms.base import RunState
from sandbox.farm_http import Asked, Part, Reply
from sandbox.job_service import TOKEN, JobService, SimulatedJob
from sandbox.provider import running
from sandbox.systems import DESKS, PLATFORMS, SimulatedJobs, write_jobs
from sandbox.zoho import ZohoSimulator
from tests.support.job_service import Service

JOB = "orders/garden"
EVIL = "<script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n made up"


def test_the_command_offers_what_a_world_can_have() -> None:
    assert (tuple(DemoPlatform), tuple(DemoDesk)) == (PLATFORMS, DESKS)


# -- the job service -------------------------------------------------------------------------------------------------


@pytest.fixture
def there() -> Service:
    service = Service()
    service.add(JOB, title=f"Orders {EVIL}")
    return service


def shown(service: JobService | ZohoSimulator, path: str, does: str | None = None) -> Reply:
    body: Any = {} if does is None else [("does", does)]
    return service.answer(Asked("GET" if does is None else "POST", path, {}, body))


def test_a_person_breaks_a_job_on_its_page_runs_it_and_mends_it(there: Service) -> None:
    client, page, began = there.client(), f"/ui/jobs/{JOB}", there.now - timedelta(hours=1)
    for does in ("break", "run"):
        assert shown(there.service, page, does).status == 303
    (broken,) = client.runs_since(JOB, began)
    assert broken.state is RunState.FAILED
    signatures = load_policy(BUILT_IN).check.signatures
    (name,) = classify([broken.message], signatures)
    (signature,) = [one for one in signatures if one.name == name]
    assert (signature.cause, signature.failures) == ("expired_token", 1), "the check stops it at once"
    for does in ("mend", "run"):
        shown(there.service, page, does)
    assert [run.state for run in client.runs_since(JOB, began)] == [RunState.FAILED, RunState.SUCCEEDED]
    text = shown(there.service, page).body.decode()
    assert text.index("Done") < text.index("Broken"), "the latest run comes first"
    assert EVIL not in text
    assert shown(there.service, page, "explode").status == 404


def test_others_change_a_job_by_the_door_and_nothing_that_is_not_theirs(there: Service) -> None:
    def door(body: Any) -> int:
        return there.service.answer(Asked("POST", "/simulator/jobs", {}, body)).status

    assert door({"id": JOB, "outcome": "broken", "text": "401"}) == 200
    assert (there.service.jobs[JOB].outcome, there.service.jobs[JOB].text) == ("broken", "401")
    for body in ({"id": "nobody"}, {"id": JOB, "enabled": False}, {"id": JOB, "outcome": "splendid"}, [], {}):
        assert door(body) == 422
    assert there.service.jobs[JOB].enabled
    assert there.service.jobs[JOB].outcome == "broken"


def test_a_job_that_calls_an_address_is_broken_where_that_refuses_and_done_where_it_does_not(there: Service) -> None:
    with running(JobService()) as (_, address):
        there.add(JOB, calls=f"{address}/api/jobs")
        client = there.client()
        said = []
        for token in ("", "an old one", TOKEN):
            there.service.jobs[JOB].token = token
            run = client.run(client.start_run(JOB, f"token {token}").id)
            said.append((run.state, run.message))
    refused = f'GET {address}/api/jobs answered 401: {{"detail":"Who are you?"}}'
    assert said == [
        (RunState.FAILED, refused),
        (RunState.FAILED, refused),
        (RunState.SUCCEEDED, f"GET {address}/api/jobs answered 200"),
    ]
    run = client.run(client.start_run(JOB, "nobody listens there any more").id)
    assert run.state is RunState.FAILED
    assert "was not answered" in run.message


def test_the_jobs_of_a_world_run_with_the_tokens_that_they_are_given_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    write_jobs(file, ["garden-shop", "toy-store"], "http://127.0.0.1:1")
    service = JobService([SimulatedJob(**job) for job in json.loads(file.read_text())])
    with running(service) as (_, address):
        SimulatedJobs(address).use_tokens({"toy-store": "new"})
        assert {name for name, job in service.jobs.items() if job.token} == {
            "marketplace-orders/toy-store",
            "stock-feed/toy-store",
        }
        for job in service.jobs.values():
            job.calls = job.takes = 0  # type: ignore[assignment]
        ended = SimulatedJobs(address).run("stock-feed/toy-store", 10)
    assert ended["state"]["name"] == "done"
    assert len(service.jobs) == 6


# -- Zoho Desk -------------------------------------------------------------------------------------------------------


def test_a_ticket_has_a_page_with_what_was_said_and_attached_and_a_browser_runs_nothing_of_it() -> None:
    desk = ZohoSimulator(site="http://127.0.0.1:1")
    desk.statuses = {"Offen": "Open", "Erledigt": "Closed"}
    number = desk.raise_ticket(f"Orders fail {EVIL}", "First line<br/>2 &lt; 3")
    desk.say(number, "<p>We look at it</p>", public=True)
    ticket = desk.tickets[number]
    desk._comment(ticket, EVIL, False, "plainText", "Caseproof")
    for name, content in (("run.png", PNG), (f"{EVIL}.html", EVIL.encode())):
        desk._attach(ticket, [Part("file", name, "text/html", content)])
    url = desk.told()["tickets"][0]["webUrl"]
    assert url == f"http://127.0.0.1:1/agent/made-up/tickets/details/{number}"
    path = url.removeprefix("http://127.0.0.1:1")

    text = shown(desk, path).body.decode()
    assert EVIL not in text
    for words in (
        "Offen (Open)",
        "First line\n2 &lt; 3",
        "We look at it",
        "the contact sees it",
        "agents alone see it",
    ):
        assert words in text
    picture, other = (shown(desk, f"{path}/files/{file['id']}") for file in ticket.files)
    assert text.count("<img") == 1
    assert f'src="{path}/files/{ticket.files[0]["id"]}"' in text
    assert (picture.body, picture.headers["Content-Type"]) == (PNG, "image/png")
    assert (other.body, other.headers["Content-Type"]) == (EVIL.encode(), "text/plain; charset=utf-8")
    assert f'href="{path}"' in shown(desk, "/agent/made-up/tickets").body.decode()
    desk.delete(number)
    assert "Offen (Open), deleted" in shown(desk, path).body.decode()
    assert shown(desk, f"{path}9").status == 404


def test_a_page_of_a_ticket_is_served_over_http_beside_the_api() -> None:
    with running(ZohoSimulator()) as (desk, address):
        number = desk.raise_ticket("Orders fail", "They do.")
        answer = httpx.get(f"{address}/agent/made-up/tickets/details/{number}", timeout=60, trust_env=False)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Orders fail" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
