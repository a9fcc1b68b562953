"""The personal link of whoever is called: scanners open it, and only a pressed button says anything."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.evidence.calendar_links import calendar_token
from caseproof.evidence.signing import answer_token
from caseproof.procedure.paging.raising import end_emergency
from tests.support.letters import hidden_fields
from tests.support.urgent import LEAD, OWL, SITE, calling, holder, link, paging, raised


@pytest.fixture
def ref(world: Any) -> str:
    return raised(world)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def press(client: TestClient, path: str, do: str, **headers: str) -> Any:
    """Open the link, and press a button."""
    fields = hidden_fields(client.get(path).text)
    return client.post(path, data={"key": fields.get("key", ""), "do": do}, headers=headers)


def version(world: Any, ref: str) -> int:
    return int(world.services.ledger.case(ref).version)


def test_a_scanner_that_opens_every_link_and_tries_every_method_changes_nothing(
    world: Any, ref: str, client: TestClient
) -> None:
    before, path = version(world, ref), link(world, ref, LEAD)
    for method in ("GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE", "PATCH"):
        answer = client.request(method, path)
        assert answer.status_code == (200 if method in ("GET", "HEAD") else 405), method
    for sent in ({}, {"do": "take"}, {"do": "take", "key": "x"}, {"do": "take", "key": "ä"}):
        assert client.post(path, data=sent).status_code == 403
    assert client.post(path, content=b'{"do": "take"}', headers={"Content-Type": "application/json"}).status_code == 403
    assert version(world, ref) == before


def test_the_page_says_what_is_wrong_and_nothing_of_it_becomes_markup(world: Any, ref: str, client: TestClient) -> None:
    answer = client.get(link(world, ref, LEAD))
    told = read(answer.text)
    for words in (f"Emergency at {SITE}", "online ordering is down", "The checkout <b>says</b> 500.", "restarted it",
                  f"This link is of {LEAD}", "Nobody has it yet.", "Raised by operator"):  # fmt: skip
        assert words in told, words
    assert "<b>" not in answer.text


def test_the_page_is_kept_by_nobody_indexed_by_nobody_and_tells_its_address_to_nobody(
    world: Any, ref: str, client: TestClient
) -> None:
    for path in (link(world, ref, LEAD), "/page/x"):
        headers = client.get(path).headers
        assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "same-origin")
        assert "noindex" in headers["X-Robots-Tag"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]


def test_the_button_takes_it_and_pressed_twice_it_is_taken_once(world: Any, ref: str, client: TestClient) -> None:
    path = link(world, ref, LEAD)
    first = press(client, path, "take")
    assert (first.status_code, first.headers["Location"]) == (303, path)
    fields = {"key": re.findall(r'name="key" value="(\w+)"', client.get(path).text)[0], "do": "take"}
    before = version(world, ref)
    assert client.post(path, data=fields).status_code == 303
    assert (holder(world, ref), version(world, ref)) == (LEAD, before)
    assert "You have it until" in read(client.get(path).text)


def test_who_comes_second_is_told_who_has_it(world: Any, ref: str, client: TestClient) -> None:
    mine, other = link(world, ref, LEAD), link(world, ref, OWL)
    fields = hidden_fields(client.get(other).text)  # opened while nobody had it
    press(client, mine, "take")
    assert client.post(other, data={"key": fields["key"], "do": "take"}).status_code == 303
    told = read(client.get(other).text)
    assert f"{LEAD} has it until" in told
    assert "You need do nothing." in told
    assert "I have it" not in told, "nothing is left to press"
    assert holder(world, ref) == LEAD


def test_i_cannot_ends_that_person_s_call_and_no_other_and_takes_nothing(
    world: Any, ref: str, client: TestClient
) -> None:
    calling(world, ref, LEAD, 1)
    calling(world, ref, OWL, 2)
    answer = press(client, link(world, ref, LEAD), "next")
    assert "The next one is called." in read(client.get(answer.headers["Location"]).text)
    assert [one.person for one in paging(world, ref).ringing] == [OWL]
    assert str(paging(world, ref).attempt(1).outcome) == "declined"
    before = version(world, ref)
    press(client, link(world, ref, LEAD), "next")
    assert (version(world, ref), holder(world, ref)) == (before, "")


def test_the_whole_team_is_called_where_somebody_says_that_it_needs_everybody(
    world: Any, ref: str, client: TestClient
) -> None:
    path = link(world, ref, LEAD)
    press(client, path, "everybody")
    press(client, path, "everybody")
    assert paging(world, ref).whole_team
    page = read(client.get(path).text)
    assert "Everybody is called at once." in page
    assert "It needs everybody" not in page


def test_who_has_it_gives_it_back_and_nobody_else_does(world: Any, ref: str, client: TestClient) -> None:
    mine, other = link(world, ref, LEAD), link(world, ref, OWL)
    stale = hidden_fields(client.get(other).text)["key"]
    press(client, mine, "take")
    refused = client.post(other, data={"key": stale, "do": "returned"})
    assert (refused.status_code, holder(world, ref)) == (409, LEAD)
    assert f"{OWL} does not have the emergency" in read(refused.text)
    press(client, mine, "returned")
    assert holder(world, ref) == ""
    assert paging(world, ref).again == 1


def test_times_are_those_of_the_clock_on_that_person_s_wall(world: Any, ref: str, client: TestClient) -> None:
    entry = '{name: Product Lead, mobile: "+442079460123", timezone: Asia/Tokyo}'
    (world.home / "policy.yaml").write_text(f"team: [operator, lead]\non_call: {{people: [{entry}]}}\n")
    path = link(world, ref, LEAD)
    press(client, path, "take")
    until = paging(world, ref).taken.until
    assert f"until {until + timedelta(hours=9):%a %d %b %H:%M} (Asia/Tokyo)" in read(client.get(path).text)


def test_a_policy_that_nobody_can_read_keeps_nobody_from_taking_it(world: Any, ref: str, client: TestClient) -> None:
    path = link(world, ref, LEAD)
    (world.home / "policy.yaml").write_text("on_call: [\n")
    assert press(client, path, "take").status_code == 303
    assert holder(world, ref) == LEAD
    assert "(UTC)" in client.get(path).text


def test_what_is_taken_in_a_shift_is_held_to_its_end_and_no_longer(world: Any, ref: str, client: TestClient) -> None:
    world.now = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    entry = '{name: Product Lead, mobile: "+442079460123"}'
    (world.home / "policy.yaml").write_text(f"team: [operator, lead]\non_call: {{people: [{entry}]}}\n")
    press(client, link(world, ref, LEAD), "take")
    assert paging(world, ref).taken.until == datetime(2026, 11, 20, 17, tzinfo=UTC)


def test_links_that_are_forged_old_void_or_of_something_else_open_nothing_and_say_what_to_do(
    world: Any, ref: str, client: TestClient
) -> None:
    good, secret, later = link(world, ref, LEAD), world.services.secret, world.now + timedelta(days=1)
    old = good
    world.now += timedelta(days=2)
    good = link(world, ref, LEAD)
    wrong = {
        good[:-1] + ("A" if good[-1] != "A" else "Q"): 404, good + "x": 404, "/page/x": 404, "/page/%00": 404,
        f"/page/{answer_token(secret, ref.lower(), later)}": 404, f"/page/{calendar_token(secret, LEAD)}": 404,
        link(world, ref, LEAD, secret=b"k" * 32): 404, old: 410, link(world, "JF-999999", LEAD): 404,
        link(world, ref, LEAD, emergency=7): 409,
    }  # fmt: skip
    before = version(world, ref)
    for path, status in wrong.items():
        shown = client.get(path)
        assert shown.status_code == status, path
        assert "until somebody has it, people are called" in read(shown.text)
        assert SITE not in shown.text
        assert client.post(path, data={"key": "x", "do": "take"}).status_code in (403, status), path
    world.services.keys.renew()
    assert client.get(good).status_code == 410
    assert version(world, ref) == before


def test_a_link_of_an_emergency_that_is_over_says_why_and_takes_nothing(
    world: Any, ref: str, client: TestClient
) -> None:
    path = link(world, ref, LEAD)
    key = hidden_fields(client.get(path).text)["key"]
    end_emergency(world.services.store, world.services.clock, ref, "operator", "The server was restarted.")
    answer = client.post(path, data={"key": key, "do": "take"})
    assert (answer.status_code, holder(world, ref)) == (409, "")
    told = read(client.get(path).text)
    assert "It is over: The server was restarted." in told
    assert "I have it" not in told


def test_another_site_s_page_presses_no_button(world: Any, ref: str, client: TestClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example.com"}):
        assert press(client, link(world, ref, LEAD), "take", **headers).status_code == 403
    assert holder(world, ref) == ""


def test_what_is_sent_without_a_button_that_means_something_does_nothing(
    world: Any, ref: str, client: TestClient
) -> None:
    answer = press(client, link(world, ref, LEAD), "delete")
    assert (answer.status_code, holder(world, ref)) == (422, "")
    assert "Use one of the buttons." in read(answer.text)


def test_who_makes_links_up_is_turned_away_soon_and_who_has_one_never_is(
    world: Any, ref: str, client: TestClient
) -> None:
    path = link(world, ref, LEAD)
    for _ in range(45):
        answer = press(client, path, "next")
    assert answer.status_code in (200, 303)
    made_up = [client.post("/page/made-up", data={"key": "x", "do": "take"}).status_code for _ in range(45)]
    assert (made_up[0], made_up[-1]) == (404, 429)
    press(client, path, "take")
    assert holder(world, ref) == LEAD


def test_the_link_works_under_the_address_that_the_world_has_and_shows_nothing_of_the_team(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    world = make_world(public="https://ops.example.com/cases-app")
    ref = raised(world)
    client = make_client(world)
    client.headers["Host"] = "ops.example.com"
    path = link(world, ref, LEAD)
    answer = client.get(path)
    assert (answer.status_code, f'action="/cases-app{path}"' in answer.text) == (200, True)
    assert "Worklist" not in answer.text


def test_where_the_store_is_away_the_page_says_to_press_1_and_no_link_is_lost(
    world: Any, ref: str, client: TestClient
) -> None:
    path = link(world, ref, LEAD)
    key = hidden_fields(client.get(path).text)["key"]
    store = world.home / "caseproof.sqlite"
    world.services.store.close()
    away = store.rename(store.with_suffix(".away"))
    store.mkdir()
    for answer in (client.get(path), client.post(path, data={"key": key, "do": "take"})):
        assert answer.status_code == 503
        assert "Nothing was done." in read(answer.text)
        assert "Press 1 when we call" in read(answer.text)
    store.rmdir()
    away.rename(store)
    world.services.store.close()
    assert client.get(path).status_code == 200
