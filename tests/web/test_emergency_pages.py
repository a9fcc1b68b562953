"""An emergency in the web app: raised with a form that says all that is missing at once, followed and answered live."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.emergency.vocabulary import Criterion, NewsKind, Outcome, OwnLadder
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.views.emergency import MOST_TRIES
from tests.support.letters import hidden_fields
from tests.support.urgent import LEAD, OWL, SITE, calling, ended, holder, paging, raised, telling

FILLED = {
    "down": "ordering_down", "was_seen": "The checkout says 500.", "site": SITE, "client": "Shop A",
    "said": "Nobody can order.", "own_ladder": "USED", "tried": "restarted it",
}  # fmt: skip


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    return logged_in(world, client, "operator")


def send(client: TestClient, page: str, to: str, /, **fields: Any) -> Any:
    """Open a page, and send its form with these fields."""
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    hidden = {name: value for name, value in hidden_fields(answer.text).items() if name in ("key", "emergency")}
    return client.post(to, data=hidden | fields)


def raise_it(client: TestClient, /, **fields: Any) -> Any:
    return send(client, "/emergency", "/emergency", **fields)


def press(client: TestClient, ref: str, do: str, /, **fields: str) -> Any:
    return send(client, f"/emergency/{ref}", f"/emergency/{ref}/answer", do=do, **fields)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def codes(page: str) -> list[str]:
    """What is missing, as the list at the top says it."""
    errors = page.partition('class="errors"')[2].partition("</ul>")[0]
    return [html.unescape(one) for one in re.findall(r'<a href="#[\w-]+">([^<]+)</a>', errors)]


# -- raising ----------------------------------------------------------------------------------------------------------


def test_a_thirty_second_case_is_written_and_calling_begins_without_prefect(world: Any, operator: TestClient) -> None:
    done = raise_it(operator, **FILLED)
    assert done.status_code == 303, read(done.text)
    ref = done.headers["Location"].rpartition("/")[2]
    case = world.services.ledger.case(ref)
    assert (ref[:3], case.facts["client"], case.opened.actor) == ("SC-", "Shop A", "operator")
    said = paging(world, ref).raised
    assert (said.actor, said.data["site"], said.data["own_ladder"], said.data["all_team"]) == (
        "operator", SITE, "used", False,
    )  # fmt: skip
    assert "An emergency goes on here." in read(operator.get(f"/cases/{ref}").text)
    assert said.data["criteria"] == [{"criterion": "ordering_down", "seen": "The checkout says 500."}]


def test_the_button_pressed_twice_raises_one_emergency_on_one_case(world: Any, operator: TestClient) -> None:
    first, second = (raise_it(operator, **FILLED) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    ref = first.headers["Location"].rpartition("/")[2]
    assert paging(world, ref).number == 1
    assert "SC-000002" not in operator.get("/cases").text


def test_everything_that_is_missing_is_said_at_once_with_its_rule_and_the_next_action_and_nothing_is_written(
    world: Any, operator: TestClient
) -> None:
    answered = {"down": "terminals_fail", "own_ladder": "NOT_USED", "whom": "EVERYBODY"}
    refused = raise_it(operator, **answered, was_seen="  ", site="", tried="<i>rebooted</i>", since="tomorrow")
    assert refused.status_code == 422
    rules = [one[:3] for one in codes(refused.text)]
    assert sorted(rules) == ["E7:", "E7:", "E7:", "E7:", "E9:"]
    told = read(refused.text)
    for words in ("Nobody was called yet", "there is no case", "the site is not named", "nothing is said of what was",
                  "how many of the payment terminals fail", "'tomorrow' is no time", "Write it as 19:50",
                  "thirty seconds are enough"):  # fmt: skip
        assert words in told, words
    with world.services.store.reading() as uow:
        assert uow.cases.rows() == []
    # What was typed stays.
    assert "<i>rebooted" not in refused.text
    assert "&lt;i&gt;rebooted&lt;/i&gt;" in refused.text
    for kept in ('id="down-terminals_fail" name="down" value="terminals_fail" checked', 'value="tomorrow"',
                 'value="NOT_USED" checked', 'value="EVERYBODY" checked'):  # fmt: skip
        assert kept in refused.text, kept


def test_an_empty_form_and_one_of_nonsense_are_told_what_to_fill_in(operator: TestClient) -> None:
    for fields in ({}, {"down": ["nuclear_war", "'; --"], "own_ladder": "x", "whom": "x", "terminals": "x"}):
        refused = raise_it(operator, **fields)
        assert refused.status_code == 422
        assert any("none of the six criteria" in one for one in codes(refused.text))


def test_each_of_the_six_criteria_raises_one(world: Any, operator: TestClient) -> None:
    for criterion in Criterion:
        more = {"terminals": "3 of 5"} if criterion == "terminals_fail" else {}
        done = raise_it(operator, **FILLED | {"down": str(criterion), "said": f"It is {criterion}."} | more)
        assert done.status_code == 303, criterion
        ref = done.headers["Location"].rpartition("/")[2]
        assert [one["criterion"] for one in paging(world, ref).raised.data["criteria"]] == [criterion]


def test_terminals_are_an_emergency_where_more_than_half_fail(operator: TestClient) -> None:
    for terminals, status in (("2 of 4", 422), ("5 of 3", 422), ("most", 422), ("", 422), ("3 of 5", 303)):
        sent = raise_it(operator, **FILLED | {"down": "terminals_fail", "terminals": terminals})
        assert sent.status_code == status, terminals


def test_a_case_that_is_not_there_or_is_closed_is_said_before_anybody_is_called(
    world: Any, operator: TestClient
) -> None:
    closed = world.closed()
    for named, why in (("SC-999999", "there is no case SC-999999"), ("x<y", "there is no case x<y"),
                       (closed, f"{closed} is closed")):  # fmt: skip
        refused = raise_it(operator, **FILLED | {"case": named})
        assert refused.status_code == 422
        assert codes(refused.text) == [f"E9: {why}"]


def test_a_case_s_page_leads_to_the_form_with_its_number_and_the_emergency_is_on_that_case(
    world: Any, operator: TestClient
) -> None:
    ref = world.waiting()
    link = f"/emergency?case={ref}"
    for page in ("/", "/raise", f"/cases/{ref}"):
        assert 'href="/emergency' in operator.get(page).text, page
    assert f'href="{link}"' in operator.get(f"/cases/{ref}").text
    assert f'value="{ref}"' in operator.get(link).text
    assert operator.get(f"/emergency/{ref}").headers["Location"] == link, "it has none yet: there one is raised"
    done = send(operator, link, "/emergency", **FILLED | {"case": ref.lower(), "client": "", "said": ""})
    assert done.headers["Location"] == f"/emergency/{ref}"
    assert "An emergency goes on here." in read(operator.get(f"/cases/{ref}").text)


def test_what_is_advised_blocks_nothing_and_stands_on_the_page_while_people_are_called(
    world: Any, operator: TestClient
) -> None:
    contracts = "contracts: {Office: {kind: business hours, days: []}}\nclients: {Shop A: Office}\n"
    (world.home / "policy.yaml").write_text(f"team: [operator, team lead]\n{contracts}paging: {{young_minutes: 60}}\n")
    now = f"{world.now:%H:%M}"
    done = raise_it(operator, **FILLED | {"own_ladder": "NOT_USED", "since": now, "tried": ""})
    assert done.status_code == 303
    told = read(operator.get(done.headers["Location"]).text)
    for words in ("It began less than 60 minutes ago", "Nothing is said of what support tried", "E9",
                  "Your own ladder (L1, L2, L3 of your team) comes first", "The contract does not cover it now", "E11",
                  "Nobody has it yet."):  # fmt: skip
        assert words in told, words


def test_who_does_not_say_whether_their_own_ladder_was_used_is_advised_and_not_stopped(
    world: Any, operator: TestClient
) -> None:
    done = raise_it(operator, **{name: value for name, value in FILLED.items() if name != "own_ladder"})
    assert done.status_code == 303
    assert paging(world, "SC-000001").raised.data["own_ladder"] == "not_said"
    told = read(operator.get("/emergency/SC-000001").text)
    assert "asked, and not answered" in told
    assert "Nobody said whether your own ladder" in told


def test_of_several_that_are_down_each_has_what_was_seen_of_it_alone(world: Any, operator: TestClient) -> None:
    own = {"down": ["payments_down", "ecm_down", "store_down"], "seen_payments_down": "Each card is declined."}
    blank = operator.get("/emergency").text
    assert blank.count('class="only of-one"') == len(Criterion)
    assert raise_it(operator, **FILLED | own).status_code == 303
    assert {one["criterion"]: one["seen"] for one in paging(world, "SC-000001").raised.data["criteria"]} == {
        "payments_down": "Each card is declined.", "ecm_down": FILLED["was_seen"], "store_down": FILLED["was_seen"],
    }  # fmt: skip
    alone = {"down": ["payments_down", "ecm_down"], "was_seen": "", "said": "", "client": "Shop B"}
    refused = raise_it(operator, **FILLED | alone | {"seen_payments_down": "Each card is declined."})
    assert (refused.status_code, "web ECM" in codes(refused.text)[0]) == (422, True)
    assert 'value="Each card is declined."' in refused.text, "what was typed stays"


def test_times_stand_there_on_the_readers_clocks_besides(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    assert "Europe/Berlin" not in operator.get(f"/emergency/{ref}").text
    (world.home / "policy.yaml").write_text("team: [operator, team lead]\nmail: {timezone: Europe/Berlin}\n")
    assert re.search(r"\d\d:\d\d UTC \(\w{3} \d\d:\d\d Europe/Berlin\)", read(operator.get(f"/emergency/{ref}").text))


def test_everybody_is_called_where_the_policy_or_the_caller_says_so(world: Any, operator: TestClient) -> None:
    text = "team: [operator, team lead]\npaging: {everybody_at_once: [payments_down]}\n"
    (world.home / "policy.yaml").write_text(text)
    raise_it(operator, **FILLED | {"down": ["ordering_down", "payments_down"]})
    raise_it(operator, **FILLED | {"said": "Another matter.", "whom": "EVERYBODY"})
    assert paging(world, "SC-000001").whole_team
    assert paging(world, "SC-000002").whole_team


def test_a_policy_that_nobody_can_read_keeps_nobody_from_raising_one(world: Any, operator: TestClient) -> None:
    (world.home / "policy.yaml").write_text("team: [operator, team lead]\n")
    assert operator.get("/emergency").status_code == 200
    (world.home / "policy.yaml").write_text("team: [operator, team lead\n")
    assert raise_it(operator, **FILLED).status_code == 303


def test_whoever_is_not_logged_in_is_led_there_by_one_click_too(client: TestClient) -> None:
    assert 'href="/login?next=/emergency"' in client.get("/").text


def test_nobody_without_a_log_in_and_no_form_from_elsewhere_raises_one(world: Any, client: TestClient) -> None:
    assert client.get("/emergency", headers={"Accept": "text/html"}).headers["Location"] == "/login?next=/emergency"
    meanwhile = read(client.get("/login?next=/emergency").text)
    assert "An emergency waits for no login." in meanwhile
    assert "caseproof emergency" in meanwhile
    assert "An emergency" not in read(client.get("/login?next=/cases").text)
    sent = client.post("/emergency", data=FILLED)
    assert (sent.status_code, "The checkout says 500." in read(sent.text)) == (401, True), "nothing typed is lost"
    with world.services.store.reading() as uow:
        assert uow.cases.rows() == []


def test_a_form_from_elsewhere_raises_none_and_keeps_what_was_typed(world: Any, operator: TestClient) -> None:
    operator.get("/emergency")
    refused = operator.post("/emergency", data=FILLED | {"key": "x"})
    assert refused.status_code == 403
    assert "The checkout says 500." in refused.text
    with world.services.store.reading() as uow:
        assert uow.cases.rows() == []


# -- the live page ----------------------------------------------------------------------------------------------------


def test_each_try_stands_there_with_what_came_of_it_and_what_is_said_becomes_no_markup(
    world: Any, operator: TestClient
) -> None:
    ref = raised(world)
    calling(world, ref, LEAD, 1)
    ended(world, ref, 1, "no_answer", "<script>rang out</script>")
    calling(world, ref, OWL, 2)
    page = operator.get(f"/emergency/{ref}")
    told = read(page.text)
    assert f"call {LEAD} no answer <script>rang out</script>" in told
    assert f"call {OWL} under way" in told
    assert f"Ringing: {OWL} ." in told
    assert told.index(OWL) < told.index(LEAD), "the newest first"
    assert "<script>rang" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_where_no_telephone_is_set_up_the_page_does_not_say_that_calls_go_down_the_list(
    world: Any, operator: TestClient
) -> None:
    def standing(ref: str) -> str:
        return read(operator.get(f"/emergency/{ref}").text)

    ref = raised(world)
    calling(world, ref, LEAD, 1)
    ended(world, ref, 1, "not_set_up")
    assert "Nobody has it yet. Nobody can be reached, for neither mail nor Teams nor telephone" in standing(ref)
    telling(world, ref, NewsKind.RAISED, 2)  # by mail, which is on its way
    assert "Nobody has it yet. Nobody is telephoned, for no telephone is set up: call people yourself." in standing(ref)
    calling(world, ref, OWL, 3)
    ended(world, ref, 3, "no_answer")
    assert "Nobody has it yet. Calls go down the list" in standing(ref), "it was set up meanwhile"


def test_the_worklist_and_the_form_say_which_emergencies_go_on_those_that_nobody_has_first(
    operator: TestClient,
) -> None:
    raise_it(operator, **FILLED | {"site": "first.example.com"})
    raise_it(operator, **FILLED | {"site": "second.<b>example.com", "said": "Another matter."})
    press(operator, "SC-000001", "take")
    for path in ("/", "/emergency"):
        page = operator.get(path).text
        told = read(page.partition('class="going-on"')[2].partition("</ul>")[0])
        assert re.search(
            r"SC-000002: second.<b>example.com , since .*: nobody has it yet .*SC-000001: first.* operator has it", told
        )
        assert "<b>example" not in page
    for ref in ("SC-000001", "SC-000002"):
        press(operator, ref, "over", why="restarted")
    assert "going-on" not in operator.get("/").text


def test_passwords_that_people_paste_reach_no_mail_no_card_and_no_event(world: Any, operator: TestClient) -> None:
    pasted = "the log says password=hunter2tall"
    raise_it(operator, **FILLED | {"was_seen": pasted, "tried": pasted, "said": pasted, "site": f"{SITE} {pasted}"})
    ref = "SC-000001"
    press(operator, ref, "everybody", why=pasted)
    press(operator, ref, "take")
    press(operator, ref, "back", why=pasted)
    press(operator, ref, "over", why=pasted)
    case = world.services.ledger.case(ref)
    assert paging(world, ref).over
    assert [str(event.kind) for event in case.events if "hunter2tall" in str(event.data)] == []
    assert "password=[hidden]" in str(case.events[-1].data)


def test_of_very_many_tries_the_newest_stand_there(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    telling(world, ref, "raised", *range(1, MOST_TRIES + 3))
    page = operator.get(f"/emergency/{ref}").text
    told = read(page)
    assert (page.count(">mail<"), "2 earlier ones stand in the case's timeline" in told) == (MOST_TRIES, True)


def test_each_kind_of_news_and_each_outcome_has_its_words_on_the_page(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    for number, news in enumerate(NewsKind, 1):
        telling(world, ref, str(news), number)
    for number, outcome in enumerate(Outcome, 100):
        calling(world, ref, LEAD, number)
        ended(world, ref, number, str(outcome))
    page = operator.get(f"/emergency/{ref}").text
    told = read(page)
    assert page.count(">mail<") == len(NewsKind)
    for outcome in Outcome:
        assert f"call {LEAD} {str(outcome).replace('_', ' ')}" in told


def test_who_takes_it_stands_there_with_until_when_and_gives_it_back(world: Any, operator: TestClient) -> None:
    ref = raised(world, own_ladder=OwnLadder.NOT_USED)
    assert "Advised, while people are called" in read(operator.get(f"/emergency/{ref}").text)
    assert press(operator, ref, "take").status_code == 303
    page = read(operator.get(f"/emergency/{ref}").text)
    assert ("Advised" in page, "while people are called" in page) == (True, False)
    assert re.search(r"You have it since .* Nobody is called until \d{4}-", page)
    assert "Call the whole team" not in page
    assert press(operator, ref, "back").status_code == 303
    assert (holder(world, ref), paging(world, ref).again) == ("", 1)


def test_of_two_who_press_at_once_the_second_is_told_who_was_first(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]
) -> None:
    ref, other = raised(world), logged_in(world, make_client(world), "team lead")
    fields = hidden_fields(other.get(f"/emergency/{ref}").text)
    assert fields["key"]
    press(operator, ref, "take")
    page = other.get(f"/emergency/{ref}")
    other.headers["Cookie"] += "; " + "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    keys = hidden_fields(page.text)
    late = other.post(f"/emergency/{ref}/answer", data={"key": keys["key"], "emergency": "1", "do": "take"})
    assert late.status_code == 409
    assert "operator has it already. You need do nothing." in read(late.text)
    assert holder(world, ref) == "operator"
    back = other.post(f"/emergency/{ref}/answer", data={"key": keys["key"], "emergency": "1", "do": "back"})
    assert (back.status_code, holder(world, ref)) == (409, "operator")


def test_the_whole_team_is_called_by_a_button(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    press(operator, ref, "everybody")
    assert paging(world, ref).whole_team
    assert "Call the whole team" not in operator.get(f"/emergency/{ref}").text


def test_it_is_over_only_with_why_and_what_was_typed_stays(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    refused = press(operator, ref, "over", why="  ")
    assert refused.status_code == 409
    assert "It is not said why the emergency is over. Write what solved it" in read(refused.text)
    assert not paging(world, ref).over
    assert press(operator, ref, "over", why="The <b>server</b> was restarted.").status_code == 303
    page = operator.get(f"/emergency/{ref}")
    assert "It is over: The <b>server</b> was restarted." in read(page.text)
    assert "/answer" not in page.text, "nothing is left to press"
    case = operator.get(f"/cases/{ref}").text
    assert "An emergency goes on here" not in case
    assert f'/cases/{ref}/after#recordings">link its recording, or say why there is none' in case


def test_whoever_opens_it_reads_what_is_wrong_before_who_was_tried(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    page, case = operator.get(f"/emergency/{ref}").text, operator.get(f"/cases/{ref}").text
    assert page.index('id="standing"') < page.index("What was seen") < page.index("Who was tried")
    assert case.index("An emergency goes on here") < case.index('id="question"')


def test_a_page_of_an_earlier_emergency_answers_none_that_goes_on_now(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    operator.get(f"/emergency/{ref}")
    end_emergency(world.services.store, world.services.clock, ref, "operator", "restarted")
    raised(world, ref)
    for do in ("take", "over", "everybody", "back"):
        answer = send(operator, f"/emergency/{ref}", f"/emergency/{ref}/answer", do=do, why="x", emergency="1")
        assert answer.status_code == 409, do
        assert "another one goes on" in read(answer.text)
    now = paging(world, ref)
    assert (now.number, now.over, now.whole_team, holder(world, ref)) == (2, 0, False, "")


def test_a_button_that_is_none_and_a_stranger_s_do_nothing(world: Any, operator: TestClient) -> None:
    ref = raised(world)
    assert press(operator, ref, "delete").status_code == 422
    assert operator.post(f"/emergency/{ref}/answer", data={"do": "take", "key": "x"}).status_code == 403
    del operator.headers["Cookie"]
    assert operator.post(f"/emergency/{ref}/answer", data={"do": "take"}).status_code == 401
    looked = operator.get(f"/emergency/{ref}")
    assert (looked.status_code, "Log in" in looked.text, "/answer" in looked.text) == (200, True, False)
    assert holder(world, ref) == ""


def test_a_case_s_number_in_small_letters_leads_to_it_and_one_that_is_none_is_no_page(
    world: Any, operator: TestClient
) -> None:
    ref = raised(world)
    assert operator.get(f"/emergency/{ref.lower()}").headers["Location"] == f"/emergency/{ref}"
    assert operator.get("/emergency/SC-999999").status_code == 404
    assert operator.get("/emergency/..%2f..").status_code == 404
