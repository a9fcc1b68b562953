"""What follows an emergency in the web app (E12): recordings with consent, who may hear them, the index for training,
and the timeline for the review."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.recordings.listing import recordings
from caseproof.procedure.core.recordings import end_what_is_over
from caseproof.procedure.paging.raising import end_emergency
from tests.support.letters import hidden_fields
from tests.support.urgent import calling, ended, raised

ADDRESS = "https://meetings.example.com/recordings/77?token=very-secret"
FILLED = {
    "topic": "how a full disk stops the checkout", "made_by": "the meeting system, 20 Nov",
    "consent": "operator: said so at the beginning\nteam lead: wrote it in the chat", "kept_until": "2027-11-20",
    "address": ADDRESS, "others": "team lead",
}  # fmt: skip


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(world, client, "operator")


@pytest.fixture
def lead(world: Any, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(world, make_client(world), "team lead")


def send(client: TestClient, ref: str, do: str, /, **fields: Any) -> Any:
    page = f"/cases/{ref}/after"
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    key = hidden_fields(answer.text)["key"]
    return client.post(page, data={"key": key, "do": do, **fields})


def over(world: Any) -> str:
    ref = raised(world)
    calling(world, ref, "Night Owl")
    ended(world, ref, 1, "no_answer", "rang out")
    end_emergency(world.services.store, world.services.clock, ref, "operator", "the server was restarted")
    return str(ref)


def test_the_page_shows_the_timeline_and_asks_for_the_recording(world: Any, operator: TestClient) -> None:
    ref = over(world)
    page = operator.get(f"/cases/{ref}/after").text
    for said in ("Emergency 1", "the server was restarted", "First ring", "Night Owl", "no answer: rang out",
                 "Link the recording of its session", "The checkout &lt;b&gt;says&lt;/b&gt; 500."):  # fmt: skip
        assert said in page, said
    assert f"/cases/{ref}/after" in operator.get(f"/cases/{ref}").text
    assert f"/cases/{ref}/after" in operator.get(f"/emergency/{ref}").text
    assert "the recording of the emergency" in operator.get(f"/cases/{ref}").text.lower(), "it is owed"


def test_a_recording_is_linked_and_its_address_seen_by_who_may_hear_it_alone(
    world: Any, operator: TestClient, lead: TestClient
) -> None:
    ref = over(world)
    done = send(operator, ref, "link", **FILLED)
    assert done.status_code == 303, done.text
    assert send(operator, ref, "link", **FILLED).status_code == 303, "the button pressed twice"
    (one,) = recordings(world.services.ledger.case(ref))
    assert one.said["listeners"] == ["team lead"]
    hidden = "very-secret"
    pages = (f"/cases/{ref}", f"/cases/{ref}/after", "/training", "/training?q=disk", f"/emergency/{ref}")
    assert [hidden in operator.get(page).text for page in pages] == [False] * 5, "who linked it is no listener"
    assert [hidden in lead.get(page).text for page in pages] == [False, True, True, True, False]
    assert FILLED["topic"] not in operator.get("/training").text, "the index lists what one may hear, and nothing else"
    with world.services.store.reading() as uow:
        assert hidden not in str([event.as_json() for event in uow.cases.get(ref).events])
    assert "Link the recording" not in operator.get(f"/cases/{ref}/after").text, "it was answered"


def test_the_index_is_searched_by_words_product_and_criterion(world: Any, lead: TestClient) -> None:
    ref = over(world)
    send(lead, ref, "link", **FILLED)
    topic = FILLED["topic"]
    for asked, found in (
        ("?q=DISK+checkout", True), ("?q=disk+printer", False), ("?product=jobs", True), ("?product=other", False),
        ("?criterion=online+ordering+is+down", True), ("?criterion=payments+are+down", False), (f"?q={ref}", True),
        ("?q=%3Cscript%3E", False),
    ):  # fmt: skip
        page = lead.get(f"/training{asked}").text
        assert (topic in page) is found, asked
        assert "<script>" not in page


def test_what_is_missing_is_said_with_its_rule_and_what_was_typed_stays(world: Any, operator: TestClient) -> None:
    ref = over(world)
    refused = send(operator, ref, "link", **FILLED | {"consent": "", "others": "", "kept_until": "soon"})
    assert refused.status_code == 422
    for said in ("E12", "who agreed to being recorded", "who may hear it", "how long it is kept", FILLED["topic"]):
        assert said in refused.text, said
    assert recordings(world.services.ledger.case(ref)) == []


def test_that_there_is_none_is_an_answer_and_a_form_without_a_key_is_none(world: Any, operator: TestClient) -> None:
    ref = over(world)
    assert operator.post(f"/cases/{ref}/after", data={"do": "none", "because": "it was a call"}).status_code == 403
    assert send(operator, ref, "none", because=" ").status_code == 422
    assert send(operator, ref, "none", because="nobody pressed the button").status_code == 303
    assert "No recording was made, because nobody pressed the button" in operator.get(f"/cases/{ref}").text
    assert send(operator, ref, "none", because="nobody pressed the button").status_code == 422, "nothing is asked now"


def test_a_recording_that_is_evidence_is_served_to_its_listeners_alone_and_to_nobody_once_its_time_is_over(
    world: Any, operator: TestClient, lead: TestClient, logged_in: Callable[..., TestClient]
) -> None:
    ref = over(world)
    digest = world.services.files.keep(ref, b"ID3 sound", "session.mp3", "audio/mpeg")
    other = world.services.files.keep(ref, b"plain", "note.txt", "text/plain")
    foreign = send(operator, ref, "link", **FILLED | {"address": "", "file": "ab" * 32})
    assert "the case has no such file" in foreign.text
    assert operator.get(f"/evidence/{digest}").status_code == 200, "it is no recording yet"
    said = FILLED | {"address": "", "file": digest, "kept_until": "2026-11-20"}
    assert send(operator, ref, "link", **said).status_code == 303
    shapes = (digest, "-".join(digest[n : n + 8] for n in range(0, 64, 8)))
    for name in shapes:
        assert (operator.get(f"/evidence/{name}").status_code, lead.get(f"/evidence/{name}").status_code) == (404, 200)
    assert operator.get(f"/evidence/{other}").status_code == 200
    world.now += timedelta(days=1)
    logged_in(world, lead, "team lead")
    assert end_what_is_over(world.services.ledger) == [ref]
    assert end_what_is_over(world.services.ledger) == []
    assert lead.get(f"/evidence/{digest}").status_code == 404
    assert FILLED["topic"] not in lead.get("/training").text
    page = lead.get(f"/cases/{ref}/after").text
    assert "not linked any more" in page
    assert "is not linked any more: it was to be kept until 2026-11-20" in lead.get(f"/cases/{ref}").text


def test_consent_that_is_taken_back_takes_the_link_from_everywhere(world: Any, lead: TestClient) -> None:
    ref = over(world)
    send(lead, ref, "link", **FILLED)
    assert send(lead, ref, "unlink", number="7", why="somebody took their consent back").status_code == 422
    assert send(lead, ref, "unlink", number="1", why="no").status_code == 422
    assert send(lead, ref, "unlink", number="1", why="somebody took their consent back").status_code == 303
    assert "very-secret" not in lead.get("/training").text + lead.get(f"/cases/{ref}/after").text
    with world.services.store.reading() as uow:
        assert uow.cursors.below("recording/") == {}


def test_nobody_who_is_not_logged_in_sees_the_index(world: Any, client: TestClient) -> None:
    assert client.get("/training").status_code in (303, 401, 403)
    assert client.get(f"/cases/{over(world)}/after").status_code in (303, 401, 403)


def test_an_update_for_those_who_wait_is_written_on_the_live_page(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    page = f"/emergency/{ref}"
    answer = operator.get(page)
    mine = operator.headers["Cookie"].split("; ")[0]
    operator.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    operator.cookies.clear()
    hidden = {name: value for name, value in hidden_fields(answer.text).items() if name in ("key", "emergency")}
    assert operator.post(f"{page}/answer", data=hidden | {"do": "update", "why": "..."}).status_code == 422
    done = operator.post(f"{page}/answer", data=hidden | {"do": "update", "why": "The database is being restored."})
    assert done.status_code == 303, done.text
    assert "Told those who wait: The database is being restored." in operator.get(page).text
