"""The page of who is on call, and the calendar that a program subscribes to."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
from fastapi.testclient import TestClient

from caseproof.config.policy import load_policy
from caseproof.evidence.calendar_links import calendar_token, read_calendar_token
from caseproof.evidence.key_hiding import hide_keys_in_text
from caseproof.evidence.page_links import PageLink, page_token
from caseproof.evidence.signing import BadLink, answer_token
from caseproof.procedure.core.on_call import Window, call_plan

POLICY = """
team: [operator, team lead]
contracts: {Office: {kind: business hours, timezone: Europe/Berlin}}
clients: {Client <One>: Office}
on_call:
  people:
    - {name: Product Lead, mobile: "+442079460123", timezone: Europe/Berlin, country: DE}
    - {name: Night Owl, mobile: "+14155550123", days: []}
    - {name: Away, mobile: "+14155550124"}
  calendars: [{name: nights, file: FILE}]
  leave: [{person: Away, first: 2026-11-01, last: 2026-12-31}]
  overrides:
    - {person: Product Lead, instead_of: Night Owl, begins: 2026-11-21T22:00:00Z, ends: 2026-11-21T23:00:00Z}
"""
NIGHTS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:1
SUMMARY:Night Owl
DTSTART:20261119T180000Z
DTEND:20261124T060000Z
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture
def rota(world: Any) -> Any:
    """An installation with a call list, on a Friday at eight in London."""
    file = world.home / "nights.ics"
    file.write_text(NIGHTS.replace("\n", "\r\n"))
    (world.home / "policy.yaml").write_text(POLICY.replace("FILE", str(file)))
    world.now = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
    return world


@pytest.fixture
def here(rota: Any, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(rota, make_client(rota))


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


def test_the_page_says_who_is_called_now_in_which_order_and_why(here: TestClient) -> None:
    page = here.get("/oncall").text
    told = read(page)
    assert "1. Night Owl PT +14155550123 on call, says the calendar 'nights' (E10)." in told
    assert "2. Product Lead PT +442079460123 next on the list; it is Fri 23:" in told
    assert "Not Away : on leave." in told
    assert 'href="tel:+14155550123"' in page


def test_the_page_says_when_nobody_is_on_duty_and_who_stands_in_or_is_away(rota: Any, here: TestClient) -> None:
    told = read(here.get("/oncall").text)
    assert re.search(r"Nobody from 2026-11-24 16:00 UTC to 2026-11-25 08:00 UTC", told)
    assert "Product Lead stands in for Night Owl from 2026-11-21 22:00 UTC to 2026-11-21 23:00 UTC" in told
    assert "Away is on leave from 2026-11-01 to 2026-12-31" in told
    assert re.search("2026-12-25, [^:]+: Product Lead", told) is None
    rota.now = datetime(2026, 12, 20, 9, tzinfo=UTC)
    assert re.search("2026-12-25, [^:]+: Product Lead", read(here.get("/oncall").text))


def test_what_a_client_s_contract_says_stands_there_and_a_client_nobody_knows_is_nobody_s(here: TestClient) -> None:
    told = read(here.get("/oncall", params={"client": "Client <One>"}).text)
    assert "Client <One> : The contract 'Office' has support Mon, Tue, Wed, Thu, Fri 09:00-17:00 Europe/Berlin" in told
    assert "the caller decides" in told
    for address in ("/oncall?client=<script>", "/oncall?days=99999999&client=x", "/oncall?days=-1"):
        answer = here.get(address)
        assert (answer.status_code, 'id="contract"' in answer.text, "<script>" in answer.text) == (200, False, False)


def test_a_calendar_that_cannot_be_read_is_an_alarm_on_the_page(rota: Any, here: TestClient) -> None:
    (rota.home / "nights.ics").write_text("no calendar")
    told = read(here.get("/oncall").text)
    assert "Alarm:" in told
    assert "nights" in told


def test_where_nobody_is_on_the_list_the_page_says_what_to_do(client: TestClient) -> None:
    assert "fill on_call.people in the policy" in read(client.get("/oncall").text)


# -- the calendar -----------------------------------------------------------------------------------------------------


def address(page: str) -> str:
    [found] = re.findall(r'<code class="address">http://127.0.0.1:8321(/oncall/[^<]+)</code>', page)
    return found


def test_a_program_that_cannot_log_in_reads_the_calendar_by_its_owner_s_address(here: TestClient) -> None:
    own = address(here.get("/oncall").text)
    del here.headers["Cookie"]
    answer = here.get(own)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "noindex" in answer.headers["X-Robots-Tag"]
    titles = {str(one["summary"]) for one in icalendar.Calendar.from_ical(answer.content).walk("VEVENT")}
    assert {"On call: Night Owl", "On call: Product Lead", "NOBODY is on call"} <= titles
    assert b"4155550123" not in answer.content, "numbers are for who is logged in"


def test_a_program_that_asks_again_gets_nothing_as_long_as_nothing_changed(rota: Any, here: TestClient) -> None:
    own = address(here.get("/oncall").text)
    before = here.get(own)
    tag = before.headers["ETag"]
    again = here.get(own, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    (rota.home / "nights.ics").write_text(NIGHTS.replace("Night Owl", "Product Lead").replace("\n", "\r\n"))
    assert here.get(own, headers={"If-None-Match": tag}).status_code == 304, "no request waits for a calendar"
    rota.now += timedelta(minutes=30)
    policy = load_policy(rota.home / "policy.yaml")
    call_plan(policy, rota.home, Window.around(rota.now, 7), fetch=True)  # as the keeper does in each pass
    changed = here.get(own, headers={"If-None-Match": tag})
    assert (changed.status_code, b"On call: Night Owl" in changed.content) == (200, False)


def test_an_event_that_is_under_way_stays_the_same_one_from_day_to_day(rota: Any, here: TestClient) -> None:
    def uids() -> set[str]:
        found = icalendar.Calendar.from_ical(here.get(own).content).walk("VEVENT")
        return {str(one["uid"]) for one in found if one["dtstart"].dt < datetime(2026, 12, 1, tzinfo=UTC)}

    own = address(here.get("/oncall").text)
    before = uids()
    rota.now = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    assert uids() == before


def test_an_address_that_is_changed_or_of_another_kind_opens_nothing(rota: Any, here: TestClient) -> None:
    secret, later = rota.services.secret, datetime(2027, 1, 1, tzinfo=UTC)
    token = calendar_token(secret, "operator")
    others = (
        *(token[:-1] + letter for letter in "AQgw" if letter != token[-1]), "x", "a.b", token.replace(".", ".x"),
        calendar_token(b"another key" * 3, "operator"), answer_token(secret, "on-call", later),
        page_token(secret, PageLink("SC-000001", 1, "operator", later)),
    )  # fmt: skip
    for one in others:
        answer = here.get(f"/oncall/{one}.ics")
        assert (answer.status_code, b"VEVENT" in answer.content) == (404, False), one
    with pytest.raises(BadLink):
        read_calendar_token(secret, page_token(secret, PageLink("SC-000001", 1, "operator", later)))


def test_an_address_ends_with_the_key_and_with_its_owner_s_place_on_the_team(rota: Any, here: TestClient) -> None:
    gone = calendar_token(rota.services.secret, "somebody who left")
    assert here.get(f"/oncall/{gone}.ics").status_code == 410
    own = address(here.get("/oncall").text)
    rota.services.keys.renew()
    answer = here.get(own)
    assert answer.status_code == 410
    assert "copy the new one" in answer.text
    assert here.get(address(here.get("/oncall").text)).status_code == 200


def test_a_calendar_s_address_that_somebody_pastes_into_a_case_is_hidden(rota: Any) -> None:
    token = calendar_token(rota.services.secret, "Al")
    assert token not in hide_keys_in_text(f"see https://ops.example.com/oncall/{token}.ics please")


def test_whoever_asks_too_often_is_told_when_to_come_back(here: TestClient) -> None:
    answers = [here.get("/oncall/x.ics") for _ in range(121)]
    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
