"""What people do with a case by hand: a note, another look, what is true of it, what it owes no more."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.codes import Rest
from caseproof.domain.job_failure.kinds import Kind
from tests.support.letters import hidden_fields

HOSTILE = '<script>alert(1)</script> "><b>x'


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the operator, who is logged in on this machine."""
    return logged_in(world, client, "operator")


def keyed(client: TestClient, page: str) -> str:
    """The key of the page's forms, with the cookie of it kept as a browser keeps it."""
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    return html.unescape(hidden_fields(answer.text)["key"])


def send(client: TestClient, ref: str, do: str, **fields: str) -> Any:
    return client.post(f"/cases/{ref}/hand", data={"key": keyed(client, f"/cases/{ref}/hand"), "do": do} | fields)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def last(world: Any, ref: str) -> tuple[Kind, str, dict[str, Any]]:
    event = world.services.ledger.case(ref).events[-1]
    return event.kind, event.actor, dict(event.data)


# -- a note ----------------------------------------------------------------------------------------------------------


def test_a_note_stands_in_the_case_under_the_name_of_who_is_logged_in_and_wakes_nobody(
    world: Any, operator: TestClient
) -> None:
    ref = world.waiting()
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="f")
    words = f"They moved.\r\nSecond line. {HOSTILE}"
    done = send(operator, ref, "note", note=words, by="team lead", actor="team lead")
    assert (done.status_code, done.headers["Location"]) == (303, f"/cases/{ref}#notes")
    assert last(world, ref) == (Kind.NOTED, "operator", {"note": words.replace("\r\n", "\n")})
    assert not world.services.ledger.case(ref).has_news
    page = operator.get(f"/cases/{ref}").text
    assert HOSTILE not in page
    assert "Second line." in read(page.partition('id="notes"')[2])


def test_a_closed_case_takes_a_note_once_without_its_secrets_and_is_not_looked_at_again(
    world: Any, operator: TestClient
) -> None:
    ref = world.closed()
    for _ in range(2):
        assert send(operator, ref, "note", note="It said password=hunter2hunter2 in the log.").status_code == 303
    case = world.services.ledger.case(ref)
    assert case.is_closed
    [note] = [event.data["note"] for event in case.events if event.kind is Kind.NOTED]
    assert "hunter2" not in note

    assert "Wake it" not in operator.get(f"/cases/{ref}/hand").text
    for do, typed in (("look", {}), ("whose", {"retailer": "Shop <B>"}), ("what?", {})):
        refused = send(operator, ref, do, **typed)
        assert (refused.status_code, 'role="alert"' in refused.text) == (422, True), f"{do}: it is said why"
        assert html.escape(typed.get("retailer", "")) in refused.text
    assert world.services.ledger.case(ref).version == case.version


def test_a_note_that_cannot_be_kept_is_refused_with_what_was_typed(world: Any, operator: TestClient) -> None:
    ref = world.opened()
    for note, said in (("  \r\n ", "The note is empty."), ("a" * 4001, "4001 characters")):
        refused = send(operator, ref, "note", note=note)
        assert refused.status_code == 422
        assert said in read(refused.text)
        assert note.strip() in refused.text
    assert world.services.ledger.case(ref).version == 1


# -- another look ----------------------------------------------------------------------------------------------------


def test_a_case_that_sleeps_is_woken_and_only_once(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    world.record(ref, Kind.QUESTION_ASKED, number=1, form="retailers-word", flow_run="f")
    assert send(operator, ref, "look").status_code == 303
    assert last(world, ref) == (Kind.LOOK_ASKED, "operator", {})
    assert world.services.ledger.case(ref).has_news, "who looks after the runs wakes it"
    again = send(operator, ref, "look")
    assert (again.status_code, "about to be looked at already" in again.text) == (422, True)


def test_a_case_whose_runs_died_or_were_cancelled_rests_no_longer(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    with world.services.store.uow() as uow:
        uow.cases.attach_run(ref, "a-run", 1)
        uow.cases.set_rest(ref, 3, world.now + timedelta(days=1), "3 runs in a row died", Rest.RUNS_DIED)
        uow.commit()
    assert send(operator, ref, "look").status_code == 303
    with world.services.store.reading() as uow:
        row = uow.cases.of_refs([ref])[0]
    assert row.rest_until is not None
    assert row.rest_until <= world.now
    assert row.rest_code == Rest.RUNS_DIED, "it was a rest, so that it gets its next run and not a new rest"


# -- what is true of it ----------------------------------------------------------------------------------------------


def test_the_cause_is_corrected_as_the_command_does_it(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    assert send(operator, ref, "cause", cause="website_changed").headers["Location"] == f"/cases/{ref}#facts"
    kind, actor, data = last(world, ref)
    assert (kind, actor, data["cause"], data["was"], data["how"]) == (
        Kind.CAUSE_CHOSEN, "operator", "website_changed", "expired_token", "corrected",
    )  # fmt: skip
    for wrong in ("website_changed", "unknown", "", "x" * 300):
        assert send(operator, ref, "cause", cause=wrong).status_code == 422, wrong
    assert world.services.ledger.case(ref).facts["cause"] == "website_changed"


def stopped(world: Any, **facts: Any) -> str:
    """A case whose job stands still, and whose retailer was not told."""
    ref: str = world.opened(**facts)
    stop = world.services.files.keep_json(ref, "stop-1.json", {})
    world.record(ref, Kind.STOPPED, scope="job", jobs=[{"job": "offers/feed-a", "active": False}], evidence=stop)
    return ref


def test_whose_job_it_is_is_corrected_before_the_retailer_is_told(world: Any, operator: TestClient) -> None:
    ref = stopped(world, retailer=None)
    for none in ("", "  ", "x" * 201):
        assert send(operator, ref, "whose", retailer=none, marketplace="North").status_code == 422, none
    assert send(operator, ref, "whose", retailer=" Shop\u200b B ", marketplace="South").status_code == 303
    case = world.services.ledger.case(ref)
    assert (case.facts["retailer"], case.facts["marketplace"]) == ("Shop B", "South")
    assert case.events[-1].actor == "operator"
    assert "operator says whose job it is: Shop B, South" in read(operator.get(f"/cases/{ref}").text)
    with world.services.store.reading() as uow:
        assert uow.cases.of_refs([ref])[0].retailer == "Shop B"
    assert send(operator, ref, "whose", retailer="Shop B", marketplace="South").status_code == 422, (
        "it is there already"
    )


def test_whose_job_it_is_is_not_corrected_once_somebody_was_told_nor_before_the_stop(
    world: Any, operator: TestClient
) -> None:
    for ref in (world.waiting("offers/a"), world.closed("offers/b"), world.opened("offers/c")):
        before = world.services.ledger.case(ref)
        refused = send(operator, ref, "whose", retailer="Shop B", marketplace="North")
        assert refused.status_code == 422, ref
        assert world.services.ledger.case(ref).version == before.version
    told = send(operator, world.waiting("offers/d"), "whose", retailer="Shop B", marketplace="North")
    assert "was told to Shop A already" in read(told.text)

    ref = world.verified("offers/e")  # and in the next round, in which nobody was told yet
    world.record(ref, Kind.REVIEW_REJECTED, "team lead", why="Another account.")
    stop = world.services.files.keep_json(ref, "stop-2.json", {})
    world.record(ref, Kind.STOPPED, scope="job", jobs=[{"job": "offers/e", "active": False}], evidence=stop)
    assert send(operator, ref, "whose", retailer="Shop B", marketplace="North").status_code == 422
    assert world.services.ledger.case(ref).facts["retailer"] == "Shop A"


# -- what it owes ----------------------------------------------------------------------------------------------------


def test_the_ticket_that_a_case_goes_on_in_is_named_with_a_reason(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    refused = send(operator, ref, "ticket", ticket="4711", why=" ")
    assert (refused.status_code, "It is not said why." in read(refused.text)) == (422, True)
    assert 'value="4711"' in refused.text
    done = send(operator, ref, "ticket", ticket=f" 4711 {HOSTILE}", why=f"Merged. {HOSTILE}")
    assert (done.status_code, done.headers["Location"]) == (303, f"/cases/{ref}#timeline")
    named = {"ticket": f"4711 {HOSTILE}", "why": f"Merged. {HOSTILE}"}
    assert last(world, ref) == (Kind.TICKET_NAMED, "operator", named)
    assert HOSTILE not in operator.get(f"/cases/{ref}").text
    closed = world.closed("offers/feed-b")
    assert 'id="ticket"' not in operator.get(f"/cases/{closed}/hand").text
    refused = send(operator, closed, "ticket", ticket="4711", why="x")
    assert (refused.status_code, "is closed" in read(refused.text)) == (422, True)


def test_what_is_owed_is_given_up_with_a_reason(world: Any, operator: TestClient) -> None:
    ref = world.closed()  # its retailer was told of the failure, and not yet how it ended
    page = operator.get(f"/cases/{ref}").text
    assert f'href="/cases/{ref}/hand#waive"' in page
    assert send(operator, ref, "waive", what="recovery", reason=" ").status_code == 422
    assert send(operator, ref, "waive", what="recovery", reason="I called them.").status_code == 303
    kind, actor, data = last(world, ref)
    assert (kind, actor, data["what"], data["reason"]) == (Kind.GIVEN_UP, "operator", "recovery", "I called them.")
    with world.services.store.reading() as uow:
        assert "recovery" not in [row.what for row in uow.owed.of(ref)]
    assert send(operator, ref, "waive", what="recovery", reason="again").status_code == 422


# -- who may ---------------------------------------------------------------------------------------------------------


def test_nobody_without_a_log_in_and_no_foreign_page_does_any_of_it(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient]
) -> None:
    ref = stopped(world)
    key, stranger = keyed(operator, f"/cases/{ref}/hand"), make_client(world)
    before = world.services.ledger.case(ref).version
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.com"}
    for do in ("note", "look", "cause", "whose", "waive"):
        fields = {"note": "n", "cause": "feed", "retailer": "Shop B", "what": "recovery", "reason": "r", "do": do}
        assert stranger.post(f"/cases/{ref}/hand", data=fields | {"key": key}).status_code == 401
        for sent in (fields, fields | {"key": "x"}):
            assert operator.post(f"/cases/{ref}/hand", data=sent).status_code == 403
        assert operator.post(f"/cases/{ref}/hand", data=fields | {"key": key}, headers=foreign).status_code == 403
    assert world.services.ledger.case(ref).version == before

    world.logins.remove("operator")
    assert operator.post(f"/cases/{ref}/hand", data={"key": key, "do": "note", "note": "x"}).status_code == 401


def test_who_looks_on_is_offered_none_of_it_and_no_script_runs_beside_the_forms(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient]
) -> None:
    ref = world.closed()
    onlooker = make_client(world).get(f"/cases/{ref}").text
    assert "/hand" not in onlooker
    assert "caseproof case waive" in onlooker
    page = operator.get(f"/cases/{ref.lower()}/hand")
    assert page.headers["Location"] == f"/cases/{ref}/hand"
    shown = operator.get(f"/cases/{ref}/hand")
    assert "<script" not in shown.text
    assert "script-src" not in shown.headers["Content-Security-Policy"]
    assert operator.get("/cases/JF-000999/hand").status_code == 404
    assert send(operator, ref, "what?").status_code == 422
