"""The telephone's doors: only what a voice account of ours signed gets in, and the page says what was written down."""

from __future__ import annotations

import re
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from fastapi.testclient import TestClient

from caseproof.channels.kept_channels import KeptChannels, keep_channels, path_of
from caseproof.channels.voice.pages import MOST_TURNS
from caseproof.channels.voice.signature import HEADER, LARGEST, form_of, signature
from caseproof.channels.voice.twilio import TwilioAccount
from caseproof.config.clock import utc_now
from caseproof.domain.emergency.due import Callee
from caseproof.domain.on_call.roster import Line
from caseproof.evidence.page_links import PageLink, page_token
from caseproof.procedure.paging import by_link
from caseproof.procedure.paging.by_link import Keys
from caseproof.procedure.paging.calls import CallKey, call_key
from caseproof.procedure.paging.lines import Ring
from caseproof.procedure.paging.ports import Channels, PagingParts, lines_of
from caseproof.procedure.paging.raising import end_emergency
from caseproof.procedure.paging.tested import Came, Try, Way, begin, number_of
from caseproof.procedure.paging.trial_answers import standing
from caseproof.procedure.paging.words import alert_of
from caseproof.web import create_app
from sandbox.provider import Bad, running
from sandbox.telephones import ACCOUNT, CALLER, TOKEN, VERIFIED, Person, Telephones
from tests.support.letters import hidden_fields
from tests.support.urgent import LEAD, OWL, calling, ended, holder, link, paging, raised

KIND = {"Content-Type": "application/x-www-form-urlencoded"}
HERE = "http://127.0.0.1:8321"
FIRST, SECOND = "AC" + "1" * 32, "AC" + "2" * 32
TOKENS = {FIRST: "a token", SECOND: "another token"}
CALL = "CA" + "3" * 32


def keep(world: Any, **tokens: str) -> None:
    voices = (TwilioAccount(sid[:5], sid, token, "+442079460009") for sid, token in (tokens or TOKENS).items())
    keep_channels(world.home, KeptChannels(voices=tuple(voices)))


@pytest.fixture
def ref(world: Any) -> str:
    """A case with an emergency in which the lead's telephone rings."""
    keep(world)
    ref = raised(world)
    calling(world, ref, LEAD)
    return ref


def door(world: Any, ref: str, what: str = "answer", attempt: int = 1, emergency: int = 1) -> str:
    return f"/voice/{call_key(world.services.secret, CallKey(ref, emergency, attempt))}/{what}"


def tell(client: TestClient, path: str, *, sid: str = FIRST, token: str = "", base: str = HERE, **fields: str) -> Any:
    """A call-back as the provider sends it."""
    body = urlencode({"CallSid": CALL, "AccountSid": sid, "CallStatus": "in-progress"} | fields)
    signed = signature(base + path, form_of(body.encode()), token or TOKENS[sid])
    return client.post(path, content=body, headers={HEADER: signed} | KIND)


def spoken(page: Any) -> str:
    return " ".join(one.text or "" for one in ET.fromstring(page.content).iter("Say"))  # noqa: S314 - our own


def version(world: Any, ref: str) -> int:
    return int(world.services.ledger.case(ref).version)


def test_the_voice_repeats_the_problem_and_asks_and_says_back_what_was_chosen(
    world: Any, ref: str, client: TestClient
) -> None:
    asked = tell(client, door(world, ref) + "?turn=2", Digits="")
    assert (asked.status_code, asked.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert spoken(asked).count("online ordering is down") == 2
    assert "press 1" in spoken(asked)
    [gather] = ET.fromstring(asked.content).iter("Gather")  # noqa: S314 - our own
    assert gather.attrib["action"] == f"{HERE}{door(world, ref)}?turn=3"
    assert holder(world, ref) == ""
    said = tell(client, door(world, ref) + "?turn=3", Digits="1")
    assert "You said: I have it. Nobody else is called now." in spoken(said)
    assert (holder(world, ref), str(paging(world, ref).taken.via)) == (LEAD, "digit")


def test_i_cannot_calls_the_next_one_and_escalate_calls_everybody(world: Any, ref: str, client: TestClient) -> None:
    calling(world, ref, OWL, 2)
    assert "The next person is called now." in spoken(tell(client, door(world, ref), Digits="2"))
    assert str(paging(world, ref).attempt(1).outcome) == "declined"
    assert not paging(world, ref).whole_team
    assert "Everybody on the list is called now." in spoken(tell(client, door(world, ref, attempt=2), Digits="3"))
    assert (paging(world, ref).whole_team, holder(world, ref)) == (True, "")


def test_a_forged_call_back_is_refused_and_changes_nothing(world: Any, ref: str, client: TestClient) -> None:
    path, before = door(world, ref), version(world, ref)
    good = {"CallSid": CALL, "AccountSid": FIRST, "Digits": "1"}
    signed = signature(HERE + path, form_of(urlencode(good).encode()), TOKENS[FIRST])

    def sent(path: str, body: str, **headers: str) -> int:
        return client.post(path, content=body, headers=KIND | headers).status_code

    body = urlencode(good)
    forged = [
        sent(path, body), sent(path, body, **{HEADER: ""}), sent(path, body, **{HEADER: "x" * 28}),
        sent(path, body, **{HEADER: signed.swapcase()}), sent(path, body + "&x=", **{HEADER: signed}),
        sent(path, body.replace("Digits=1", "Digits=3"), **{HEADER: signed}), sent(path + "?", body + "x"),
        sent(path + "?turn=2", body, **{HEADER: signed}),
        sent(path.replace("answer", "status"), body, **{HEADER: signed}),
        sent(door(world, ref, attempt=2), body, **{HEADER: signed}), sent(path, "", **{HEADER: signed}),
        sent(path, body.replace(FIRST, SECOND), **{HEADER: signed}),
        sent(path, body.replace(FIRST, "AC9"), **{HEADER: signed}),
        sent(path, '{"Digits": "1"}', **{HEADER: signed}), sent("/voice/x/answer", body, **{HEADER: signed}),
        tell(client, path, token="of somebody else", Digits="1").status_code,
        tell(client, path, base="https://elsewhere.example.com", Digits="1").status_code,
        tell(client, path, sid=SECOND, token=TOKENS[FIRST], Digits="1").status_code,
    ]  # fmt: skip
    assert set(forged) == {403}
    assert (version(world, ref), holder(world, ref)) == (before, "")


def test_the_same_call_back_twice_is_written_once(world: Any, ref: str, client: TestClient) -> None:
    first = tell(client, door(world, ref), Digits="1")
    before = version(world, ref)
    again = tell(client, door(world, ref), Digits="1")
    assert (spoken(again), version(world, ref)) == (spoken(first), before)
    for what in ("status", "machine"):
        for _ in range(2):
            assert tell(client, door(world, ref, what), CallStatus="completed", AnsweredBy="human").status_code == 204
        before = version(world, ref)
        assert tell(client, door(world, ref, what), CallStatus="completed").status_code == 204
        assert version(world, ref) == before


def test_what_is_told_out_of_order_ends_the_same(world: Any, ref: str, client: TestClient) -> None:
    for state in ("completed", "ringing", "in-progress", "busy", "initiated"):
        assert tell(client, door(world, ref, "status"), CallStatus=state).status_code == 204
    assert str(paging(world, ref).attempt(1).outcome) == "answered"
    assert "You said: I have it." in spoken(tell(client, door(world, ref), Digits="1")), "the key comes last"
    assert holder(world, ref) == LEAD


def test_what_is_replayed_later_takes_nothing_that_goes_on_then(world: Any, ref: str, client: TestClient) -> None:
    tell(client, door(world, ref), Digits="1")
    by_link.return_it(
        world.services.store, world.services.clock, Keys(world.services.secret),
        link(world, ref, LEAD).rpartition("/")[2],
    )  # fmt: skip
    replayed = tell(client, door(world, ref), Digits="1")
    assert (holder(world, ref), "could not be written down" in spoken(replayed)) == ("", True)
    end_emergency(world.services.store, world.services.clock, ref, "operator", "restarted")
    assert "is over" in spoken(tell(client, door(world, ref), Digits="1"))
    raised(world, ref)
    calling(world, ref, OWL)
    before = version(world, ref)
    assert "is over" in spoken(tell(client, door(world, ref), Digits="1")), "of the emergency before"
    assert (holder(world, ref), version(world, ref)) == ("", before)


NONE = ("0", "4", "9", "*", "#", "11", "12", "1 1", "\uff11", "one", "-1", "1" * 500, "<b>")


def test_a_digit_that_is_none_is_asked_again_and_takes_nothing(world: Any, ref: str, client: TestClient) -> None:
    for digits in NONE:
        said = tell(client, door(world, ref), Digits=digits)
        assert said.status_code == 200, digits
        assert "none of the keys" in spoken(said), digits
        assert "press 1" in spoken(said), digits
    assert holder(world, ref) == ""
    assert str(paging(world, ref).attempt(1).outcome or "under way") == "under way"


def test_the_first_key_that_means_something_counts(world: Any, ref: str, client: TestClient) -> None:
    for digits in ("7", "2", "1", "3"):
        said = tell(client, door(world, ref), Digits=digits)
    assert "You said: I can't." in spoken(said)
    assert (holder(world, ref), paging(world, ref).whole_team) == ("", False)


def test_who_is_second_is_told_who_has_it_also_before_they_press(world: Any, ref: str, client: TestClient) -> None:
    calling(world, ref, OWL, 2)
    tell(client, door(world, ref), Digits="1")
    for fields in ({}, {"Digits": "1"}, {"Digits": "2"}):
        said = spoken(tell(client, door(world, ref, attempt=2), **fields))
        assert f"{LEAD} has case" in said, fields
        assert "You need to do nothing." in said
    assert holder(world, ref) == LEAD


def test_silence_is_asked_again_a_few_times_and_then_the_call_ends(world: Any, ref: str, client: TestClient) -> None:
    turns = [
        tell(client, f"{door(world, ref)}?turn={turn}") for turn in (*range(1, MOST_TURNS + 2), 99, 10**12, "x", -3)
    ]
    asks = [b"<Gather" in one.content for one in turns]
    assert asks == [True] * MOST_TURNS + [False, False, True, True, True]
    assert "No key was pressed" in spoken(turns[MOST_TURNS])
    assert holder(world, ref) == ""


def test_a_machine_and_a_call_that_nobody_answers_acknowledge_nothing(world: Any, ref: str, client: TestClient) -> None:
    calling(world, ref, OWL, 2)
    tell(client, door(world, ref, "machine"), AnsweredBy="machine_end_beep")
    tell(client, door(world, ref, "status", 2), CallStatus="no-answer")
    assert [str(one.outcome) for one in paging(world, ref).calls] == ["machine", "no_answer"]
    assert holder(world, ref) == ""


def test_a_call_that_never_was_or_a_door_that_is_none_does_nothing(world: Any, ref: str, client: TestClient) -> None:
    before = version(world, ref)
    other = call_key(b"k" * 32, CallKey(ref, 1, 1))
    assert tell(client, f"/voice/{other}/answer", Digits="1").status_code == 404
    assert tell(client, door(world, ref, "delete"), Digits="1").status_code == 404
    assert tell(client, door(world, ref), CallSid="x", Digits="1").status_code == 404
    for attempt, emergency, of in ((99, 1, ref), (1, 9, ref), (1, 1, "JF-999999")):
        said = tell(client, door(world, of, "answer", attempt, emergency), Digits="1")
        assert "is over" in spoken(said)
        assert tell(client, door(world, of, "status", attempt, emergency), CallStatus="busy").status_code == 204
    assert version(world, ref) == before


def test_the_doors_take_post_alone_no_login_and_no_more_than_a_call_back_holds(
    world: Any, ref: str, client: TestClient
) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert client.request(method, door(world, ref)).status_code == 405
    much = client.post(door(world, ref), content=b"a=" + b"x" * LARGEST)
    assert much.status_code == 413


def test_forged_ones_are_turned_away_soon_and_a_signed_one_never_is(world: Any, ref: str, client: TestClient) -> None:
    answers = [client.post(door(world, ref), content=b"Digits=1") for _ in range(125)]
    assert (answers[0].status_code, answers[-1].status_code) == (403, 429)
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert "You said: I have it." in spoken(tell(client, door(world, ref), Digits="1"))


def test_a_second_account_signs_with_its_own_token_and_one_that_is_taken_out_signs_nothing(
    world: Any, ref: str, client: TestClient
) -> None:
    assert tell(client, door(world, ref), sid=SECOND).status_code == 200
    keep(world, **{FIRST: TOKENS[FIRST]})
    assert tell(client, door(world, ref), sid=SECOND).status_code == 403


def test_without_a_copy_of_the_accounts_nobody_s_word_counts(world: Any, ref: str, client: TestClient) -> None:
    path_of(world.home).write_text("half of {")
    assert tell(client, door(world, ref), Digits="1").status_code == 503
    path_of(world.home).unlink()
    assert tell(client, door(world, ref), Digits="1").status_code == 403
    assert holder(world, ref) == ""


def test_under_the_public_address_behind_a_proxy_the_signature_is_of_that_address(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    world = make_world(public="https://ops.example.com/cases-app")
    keep(world)
    ref = raised(world)
    calling(world, ref, LEAD)
    client = make_client(world)
    client.headers["Host"] = "ops.example.com"
    path = door(world, ref)
    assert tell(client, path, base=HERE, Digits="1").status_code == 403, "what the proxy asks us is not what was signed"
    for base in ("https://ops.example.com/cases-app", "https://ops.example.com:443/cases-app"):
        assert "I have it" in spoken(tell(client, path, base=base, Digits="1"))
    asked = tell(client, door(world, ref), base="https://ops.example.com/cases-app")
    assert holder(world, ref) == LEAD
    assert re.search("You said: I have it", spoken(asked))


def test_where_the_store_is_away_the_voice_says_that_it_is_not_written_down(
    world: Any, ref: str, client: TestClient
) -> None:
    path, status = door(world, ref), door(world, ref, "status")
    tell(client, path)
    store = world.home / "caseproof.sqlite"
    world.services.store.close()
    away = store.rename(store.with_suffix(".away"))
    store.mkdir()
    said = tell(client, path, Digits="1")
    assert said.status_code == 200
    assert "others are still called" in spoken(said)
    assert tell(client, status, CallStatus="completed").status_code == 503
    store.rmdir()
    away.rename(store)
    world.services.store.close()
    assert holder(world, ref) == ""


def test_what_is_said_of_a_try_that_was_given_up_still_counts(world: Any, ref: str, client: TestClient) -> None:
    ended(world, ref, 1, "unknown", "its time was up")
    assert "I have it" in spoken(tell(client, door(world, ref), Digits="1"))
    assert holder(world, ref) == LEAD


# -- the test page ----------------------------------------------------------------------------------------------------


def tried(world: Any, way: Way, address: str) -> Try:
    """A try of this month's test page."""
    keep(world)
    now = world.services.clock()
    one = Try("2026-11", LEAD, way, address, now, now, Came.SENT)
    with world.services.store.uow() as uow:
        begin(uow, one)
        uow.commit()
    return one


def was_reached(world: Any) -> bool:
    return any(one.answered for one in standing(world.services.store))


def test_who_presses_1_in_a_test_call_was_reached_and_no_other_key_says_so(world: Any, client: TestClient) -> None:
    one = tried(world, Way.CALL, "+442079460123")
    key = call_key(world.services.secret, CallKey(f"TEST-{one.month}", 0, number_of(one.key)))
    path = f"/voice/{key}/answer"
    asked = tell(client, f"{path}?turn=2", Digits="")
    assert spoken(asked).count("It is not an emergency") == 2
    assert f"{HERE}{path}?turn=3" in asked.text
    assert "7 is not the key." in spoken(tell(client, f"{path}?turn=3", Digits="7"))
    assert "No key was pressed." in spoken(tell(client, f"{path}?turn={MOST_TURNS + 1}", Digits=""))
    assert tell(client, f"/voice/{key}/status", CallStatus="completed").status_code == 204
    assert tell(client, path, token="of somebody else", Digits="1").status_code == 403
    assert not was_reached(world)
    for _ in range(2):
        assert "We reach you at this number." in spoken(tell(client, path, Digits="1"))
    assert was_reached(world)
    never = call_key(world.services.secret, CallKey("TEST-2026-10", 0, 5))
    assert "No key was pressed." in spoken(tell(client, f"/voice/{never}/answer", Digits=""))


def test_the_link_of_a_test_page_says_that_it_is_one_and_only_its_button_says_anything(
    world: Any, client: TestClient
) -> None:
    one = tried(world, Way.MAIL, "lead@example.com")
    until = world.services.clock() + timedelta(days=1)
    token = page_token(world.services.secret, PageLink(f"TEST-{one.month}", number_of(one.key), LEAD, until))
    path = f"/page/{token}"
    for _ in range(2):
        page = client.get(path)
        assert page.status_code == 200
        assert "A test: this is no emergency" in page.text
        assert LEAD in page.text
    assert client.post(path, data={"do": "reached"}).status_code == 403
    assert not was_reached(world)
    sent = client.post(path, data={"key": hidden_fields(page.text)["key"], "do": "reached"}, follow_redirects=False)
    assert sent.status_code == 303
    assert was_reached(world)
    assert "We know that mail reaches you." in " ".join(client.get(path).text.replace("<strong>", "").split())


def test_a_telephone_that_really_rings_is_answered_by_these_doors_and_the_pressed_key_is_taken(
    make_world: Callable[..., Any],
) -> None:
    """Twilio's simulator signs and calls back over a real connection, a wrong key first, and each call-back twice."""
    with socket.socket() as listener, running(Telephones({VERIFIED: [Person(presses=["9", "1"])]})) as (phones, url):
        phones.bad.append(Bad("twice"))
        listener.bind(("127.0.0.1", 0))
        world = make_world(public=f"http://127.0.0.1:{listener.getsockname()[1]}")
        world.now, world.services = datetime.now(UTC), replace(world.services, clock=utc_now)
        keep_channels(world.home, KeptChannels(voices=(TwilioAccount("main", ACCOUNT, TOKEN, CALLER, url),)))
        ref = raised(world)
        calling(world, ref, LEAD)
        server = uvicorn.Server(uvicorn.Config(create_app(world.services, logins=world.logins), log_level="error"))
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        secret, services = world.services.secret, world.services
        parts = PagingParts(services.ledger, lambda: services.policy, lambda: Keys(secret), world.home, services.links)
        voice = lines_of(parts, Channels(world.home, utc_now), threading.Event.wait).voice
        person = Callee(LEAD, (Line(VERIFIED),))
        alert = alert_of(paging(world, ref))
        rung = voice.ring(Ring("k", ref, 1, 1, person, 1, alert, utc_now(), (), 5, 120))
        server.should_exit = True
        thread.join(60)
    assert (holder(world, ref), str(rung.outcome)) == (LEAD, "answered")
    [call] = phones.calls
    heard = " ".join(call.said)
    assert "9 is none of the keys." in heard
    assert "You said: I have it. Nobody else is called now." in heard
    kinds = [str(event.kind) for event in world.services.ledger.case(ref).events]
    assert (kinds.count("emergency_taken"), kinds.count("page_pressed"), kinds.count("page_ended")) == (1, 2, 1)
