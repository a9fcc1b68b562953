"""The confirmation page over HTTP: it says what failed, looking changes nothing, and each link has its state."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.channels.outbound.languages import LANGUAGES, words
from caseproof.config.policy import load_policy
from caseproof.config.policy_check import BUILT_IN
from caseproof.web import create_app
from tests.support.answer_page import count, full, send, tell
from tests.support.letters import (
    SHOP,
    WORDS,
    hidden_fields,
    link_of,
    name_of,
    register,
    send_notice,
    stopped,
    write_letters,
)

WEB_URL = "http://127.0.0.1:8321"


# -- looking --------------------------------------------------------------------------------------------------------


def test_the_page_says_in_plain_words_what_failed_and_what_to_do(told: Any) -> None:
    text = unescape(told.client.get(told.url).text)
    for said in (
        "The access to North has run out", "What is wrong", "What to do", "Shop A", told.ref, "We have stopped it",
        "I made the change", "We no longer sell there: remove it", "I need help", "Not mine", "Your name", SHOP,
    ):  # fmt: skip
        assert said in text, said
    assert "<bdi>Offers of &lt;b&gt;shop&lt;/b&gt; A</bdi>" in told.client.get(told.url).text


def test_names_of_ours_and_what_a_system_said_are_one_click_further_down(told: Any) -> None:
    page = told.client.get(told.url).text
    plain, _, technical = page.partition("<details>")
    technical = technical.partition("</details>")[0]
    assert "<summary>Technical details</summary>" in technical
    for internal in ("Offers of &lt;b&gt;shop&lt;/b&gt; A", told.services.ledger.case(told.ref).facts["summary"]):
        assert internal in technical, internal
        assert internal not in plain, internal


def test_the_page_tells_times_by_the_clocks_of_the_policy(told: Any, make_client: Callable[..., TestClient]) -> None:
    policy = load_policy(BUILT_IN)
    times = policy.times.model_copy(update={"timezone": "Europe/Berlin"})
    told.services = replace(told.services, policy=policy.model_copy(update={"times": times}))
    told.client = make_client(told)
    send(told, **full())
    assert re.search(r"Received on</dt><dd><bdi>\d+ \w+, \d\d:\d\d \(Berlin time\)<", told.client.get(told.url).text)


def test_looking_changes_nothing_however_often_and_by_whom(told: Any) -> None:
    """A mail scanner opens every link, follows what it finds there, and sends the form as it is."""
    before = told.services.ledger.case(told.ref)
    for _ in range(3):
        assert told.client.head(told.url).status_code == 200
        page = told.client.get(told.url).text
        for link in re.findall(r'(?:href|src|action)="([^"#][^"]*)"', page):
            told.client.get(link)
        assert told.client.post(told.url).status_code == 403
        assert told.client.post(told.url, data=hidden_fields(page)).status_code == 422
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            assert told.client.request(method, told.url).status_code == 405
    assert told.services.ledger.case(told.ref) == before
    with told.services.store.reading() as uow:
        assert uow.messages.of_case(told.ref) == []


def test_a_preview_of_the_link_shows_nothing_private(told: Any) -> None:
    page = told.client.get(told.url).text
    head = page[: page.index("<body>")]
    for private in ("Shop A", "North", told.ref, "shop@", "Offers", "run out"):
        assert private not in head
    assert 'property="og:title" content="Answer our mail"' in head
    assert "noindex" in head


def test_nothing_can_run_on_the_page_and_it_sends_its_form_to_us_alone(told: Any) -> None:
    headers = told.client.get(told.url).headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert "<script" not in told.client.get(told.url).text
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "noindex" in headers["X-Robots-Tag"]


def test_the_page_speaks_the_language_of_the_contact(world: Any, make_client: Callable[..., TestClient]) -> None:
    told = tell(world, make_client, language="de-AT")
    page = told.client.get(told.url).text
    assert '<html lang="de">' in page
    assert "Ich habe die Änderung gemacht" in page
    assert "I made the change" not in page
    answer = send(told, choice="changed")
    assert "Schreiben Sie Ihren Namen." in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_of_the_page_is_there_in_every_language(language: str) -> None:
    assert words(language, "page").keys() == words("en", "page").keys()


def test_the_page_names_who_asks_and_where_to_write(told: Any, make_client: Callable[..., TestClient]) -> None:
    policy = load_policy(BUILT_IN)
    mail = policy.mail.model_copy(update={"sender": "Shop Helpers <helpers@example.com>", "reply_to": "in@example.com"})
    told.services = replace(told.services, policy=policy.model_copy(update={"mail": mail}))
    page = make_client(told).get("/answer/x").text
    assert "From Shop Helpers" in page
    assert 'href="mailto:in@example.com"' in page


# -- the states of a link -------------------------------------------------------------------------------------------


def test_an_expired_link_says_what_to_do_and_nothing_private(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text)
    told.now += timedelta(days=61)
    answer = told.client.get(told.url)
    assert answer.status_code == 410
    assert "answer the mail that the link stood in" in answer.text
    assert "Shop A" not in answer.text
    late = told.client.post(told.url, data=fields | full())
    assert late.status_code == 409
    assert WORDS in late.text
    assert "Copy it into your mail" in late.text
    assert count(told) == 0


def test_a_broken_link_says_what_to_do_in_the_readers_language(told: Any) -> None:
    answer = told.client.get(told.url + "x", headers={"Accept-Language": "fr-FR, de-CH;q=0.8, en;q=0.5"})
    assert answer.status_code == 404
    assert "Öffnen Sie ihn noch einmal aus unserer Mail" in answer.text
    assert "Open it from our mail once more" in told.client.get("/answer/x").text


def test_a_colleagues_answer_is_mentioned_without_their_words(
    world: Any, make_client: Callable[..., TestClient]
) -> None:
    register(world.services)
    register(world.services, "second@example.com")
    ref = stopped(world.services, world.opened())
    name = send_notice(world.services, ref, to=(SHOP, "second@example.com"))
    world.ref, world.client = ref, make_client(world)
    world.url = f"/answer/{link_of(world.services, name)}"
    send(world, **full())
    world.url = f"/answer/{link_of(world.services, f'{name}-2')}"
    page = unescape(world.client.get(world.url).text)
    assert "Somebody else has answered for Shop A" in page
    assert "“I made the change”" in page
    assert WORDS not in page
    assert send(world, **full(choice="remove")).status_code == 303
    assert count(world) == 2


def test_a_closed_case_says_when_and_takes_a_call_for_help(world: Any, make_client: Callable[..., TestClient]) -> None:
    register(world.services)
    ref = world.closed()
    world.ref, world.client = ref, make_client(world)
    world.url = f"/answer/{link_of(world.services, name_of(write_letters(world.services, ref)))}"
    page = world.client.get(world.url).text
    assert "This matter was settled on 20 November, " in page
    assert "I made the change" not in page
    before = count(world)
    assert send(world, name="Role Name", words="The prices are still wrong.").status_code == 303
    assert count(world) == before + 1
    assert "The prices are still wrong." in world.client.get(world.url).text


def test_several_jobs_are_listed_and_at_least_one_is_chosen(world: Any, make_client: Callable[..., TestClient]) -> None:
    register(world.services)
    refs = [stopped(world.services, world.opened(f"offers/{n}", job_name=f"Job {n}")) for n in "abc"]
    world.ref, world.client = refs[0], make_client(world)
    world.url = f"/answer/{link_of(world.services, send_notice(world.services, *refs, which='check-7'))}"
    assert hidden_fields(world.client.get(world.url).text)["job"] == refs
    none = send(world, **full(job=[]))
    assert none.status_code == 422
    assert "Tick at least one job." in none.text
    assert hidden_fields(none.text)["job"] == []
    assert send(world, **full(job=refs[1:])).status_code == 303
    assert count(world) == 0
    page = world.client.get(world.url).text
    assert hidden_fields(page)["job"] == refs[:1]
    assert page.count("You have answered about this one.") == 2


# -- when something is down -----------------------------------------------------------------------------------------


def test_while_the_store_is_down_nothing_typed_is_lost(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text) | full()
    told.services.store.close()
    store = told.home / "caseproof.sqlite"
    away = store.rename(told.home / "away")
    look = told.client.get(told.url)
    answer = told.client.post(told.url, data=fields)
    away.rename(store)
    assert (look.status_code, answer.status_code) == (503, 503)
    for page in (look.text, answer.text):
        assert "Try again in a minute, or answer our mail" in page
        assert "CASEPROOF" not in page
        assert "sqlite" not in page
    assert WORDS in answer.text
    again = hidden_fields(answer.text)
    assert told.client.post(told.url, data=again).status_code == 303
    assert told.services.ledger.case(told.ref).words[0]["words"] == WORDS


class OddStore:
    """A store that fails in a way nobody thought of."""

    def reading(self) -> Any:
        raise RuntimeError("an inner part")


def test_a_mistake_of_ours_is_a_page_for_retailers(told: Any) -> None:
    odd = replace(told.services, store=OddStore())
    odd.__dict__["secret"] = told.services.secret
    client = TestClient(create_app(odd), WEB_URL, raise_server_exceptions=False)
    answer = client.get(told.url)
    assert answer.status_code == 503
    assert "The mistake is not yours" in answer.text
    assert "inner part" not in answer.text
    assert "/cases" not in answer.text
