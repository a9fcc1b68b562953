"""The confirmation page over HTTP: looking changes nothing, an answer is taken once, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from html import unescape
from typing import Any

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from caseproof.channels.languages import LANGUAGES, words
from caseproof.channels.mail import Delivery
from caseproof.policy import load_policy
from caseproof.policy_check import BUILT_IN
from caseproof.procedure.answering import MOST_WORDS
from caseproof.procedure.telling import tell_retailer
from caseproof.web import create_app
from caseproof.web.answer_guard import MOST_BODY, read_form
from tests.support.letters import (
    SHOP,
    WORDS,
    answers,
    hidden_fields,
    link_of,
    name_of,
    register,
    send_notice,
    stopped,
    write_letters,
)

WEB_URL = "http://127.0.0.1:8321"
ANSWERS = "https://answers.example.com"


@pytest.fixture
def told(world: Any, make_client: Callable[..., TestClient]) -> Any:
    """A world with one case whose retailer got a letter: ``ref``, ``url`` of its page, and a ``client``."""
    return tell(world, make_client)


def tell(world: Any, make_client: Callable[..., TestClient], **contact: str) -> Any:
    register(world.office, **contact)
    world.ref = stopped(world.office, world.opened(job_name="Offers of <b>shop</b> A\u202e"))
    world.link = link_of(world.office, send_notice(world.office, world.ref))
    world.url, world.client = f"/answer/{world.link}", make_client(world)
    return world


def send(told: Any, headers: dict[str, str] | None = None, **typed: Any) -> Any:
    """Open the page, fill in this much of it, and send it."""
    fields = hidden_fields(told.client.get(told.url).text) | typed
    return told.client.post(told.url, data=fields, headers=headers)


def full(**typed: Any) -> dict[str, Any]:
    return {"choice": "changed", "name": "Role Name", "words": WORDS} | typed


def count(told: Any) -> int:
    return len(answers(told.office.case(told.ref)))


# -- looking --------------------------------------------------------------------------------------------------------


def test_the_page_says_in_plain_words_what_failed_and_what_to_do(told: Any) -> None:
    text = unescape(told.client.get(told.url).text)
    for said in (
        "The access to North has run out", "What is wrong", "What to do", "Shop A", told.ref, "We have stopped it",
        "I made the change", "We no longer sell there: remove it", "I need help", "Not mine", "Your name", SHOP,
    ):  # fmt: skip
        assert said in text, said
    assert "<bdi>Offers of &lt;b&gt;shop&lt;/b&gt; A</bdi>" in told.client.get(told.url).text


def test_looking_changes_nothing_however_often_and_by_whom(told: Any) -> None:
    """A mail scanner opens every link, follows what it finds there, and sends the form as it is."""
    before = told.office.case(told.ref)
    for _ in range(3):
        assert told.client.head(told.url).status_code == 200
        page = told.client.get(told.url).text
        for link in re.findall(r'(?:href|src|action)="([^"#][^"]*)"', page):
            told.client.get(link)
        assert told.client.post(told.url).status_code == 403
        assert told.client.post(told.url, data=hidden_fields(page)).status_code == 422
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
            assert told.client.request(method, told.url).status_code == 405
    assert told.office.case(told.ref) == before
    with told.office.store.reading() as unit:
        assert unit.messages.of_case(told.ref) == []


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


# -- answering ------------------------------------------------------------------------------------------------------


def test_an_answer_is_taken_and_the_page_then_shows_what_was_said_and_when(told: Any) -> None:
    answer = send(told, **full(words="Line one.\r\nLine <two>."))
    assert (answer.status_code, answer.headers["Location"]) == (303, told.url)
    assert count(told) == 1
    page = unescape(told.client.get(told.url).text)
    for said in ("Thank you, we have your answer", "Line one.\nLine <two>.", "Role Name", "I made the change", "2026"):
        assert said in page, said
    assert "<form" not in page


def test_a_form_that_is_sent_twice_is_one_answer(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text) | full()
    assert told.client.post(told.url, data=fields).status_code == 303
    assert told.client.post(told.url, data=fields).status_code == 303
    assert count(told) == 1


def test_what_a_terminal_would_obey_is_not_taken_over_and_sent_twice_is_still_one_answer(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text) | full(
        name="Role\x1b[2J Name", words="Red \x1b[31m.\r\nTwo\x9b"
    )
    assert told.client.post(told.url, data=fields).status_code == 303
    assert told.client.post(told.url, data=fields).status_code == 303
    [said] = answers(told.office.case(told.ref))
    assert (said.data["name"], said.data["words"]) == ("Role\ufffd[2J Name", "Red \ufffd[31m.\nTwo\ufffd")


def test_a_second_and_different_answer_is_not_taken_and_not_lost(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text)
    told.client.post(told.url, data=fields | full())
    second = told.client.post(told.url, data=fields | full(choice="remove", words="No, take it out."))
    assert second.status_code == 409
    assert "No, take it out." in second.text
    assert WORDS in second.text
    assert "answer our mail" in second.text
    assert count(told) == 1


def test_after_a_call_for_help_the_page_says_so_and_still_takes_the_answer(told: Any) -> None:
    assert send(told, **full(choice="help", words="How?")).status_code == 303
    page = unescape(told.client.get(told.url).text)
    assert "we have your call for help" in page
    assert "How?" in page
    assert send(told, **full()).status_code == 303
    assert count(told) == 2


@pytest.mark.parametrize(
    ("typed", "says", "field"),
    [
        (full(choice=""), "Choose what you would like to tell us.", "choice-changed"),
        (full(name="  "), "Write your name.", "name"),
        (full(name="n" * 201), "200 characters are the most", "name"),
        (full(choice="help", words=""), "Write what you need help with.", "words"),
        (full(words="w" * (MOST_WORDS + 1)), "There are 5001 now.", "words"),
        (full(words="a\0b"), "a character that cannot be kept", "words"),
    ],
)
def test_a_mistake_is_named_beside_its_field_and_what_was_typed_stays(
    told: Any, typed: dict[str, str], says: str, field: str
) -> None:
    answer = send(told, **typed)
    assert answer.status_code == 422
    assert answer.text.count(says) == 2, "in the list above, and at the field"
    assert 'role="alert"' in answer.text
    assert f'<a href="#{field}">' in answer.text
    assert f'id="{field}"' in answer.text
    assert f'value="{typed["name"]}"' in answer.text
    assert typed["words"] in answer.text
    assert typed["choice"] == "" or f'value="{typed["choice"]}" aria-describedby' in answer.text
    assert count(told) == 0


def test_a_corrected_form_is_taken(told: Any) -> None:
    page = send(told, **full(name="")).text
    assert told.client.post(told.url, data=hidden_fields(page) | full()).status_code == 303
    assert count(told) == 1


def test_words_that_look_like_markup_are_shown_as_they_were_typed(told: Any) -> None:
    typed = '\n</textarea><script>alert("1")</script>\u202e'
    page = send(told, **full(name="", words=typed)).text
    assert "<script>alert" not in page
    inside = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert inside is not None
    assert unescape(inside[1]) == typed


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example.net"},
        {"Origin": "null"},
    ],
)
def test_another_sites_form_is_not_taken(told: Any, headers: dict[str, str]) -> None:
    answer = send(told, headers, **full())
    assert answer.status_code == 403
    assert WORDS in answer.text
    assert count(told) == 0


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8321"}, {}])
def test_our_own_form_is_taken(told: Any, headers: dict[str, str]) -> None:
    assert send(told, headers, **full()).status_code == 303


@pytest.mark.parametrize("wrong", [{"key": ""}, {"key": "0" * 64}, {"key": "ä"}, {"seen": "1"}, {"seen": "x" * 999}])
def test_a_form_that_was_not_made_here_for_this_link_is_not_taken(told: Any, wrong: dict[str, str]) -> None:
    answer = send(told, **(full() | wrong))
    assert answer.status_code == 403
    assert WORDS in answer.text
    assert count(told) == 0


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"choice": "changed"}', "application/json"),
        (b"choice=changed", "text/plain"),
        (b"\xff\xfe=\x00&&&=&", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % n for n in range(5000)), "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_of_ours_is_not_taken(told: Any, content: bytes, kind: str) -> None:
    answer = told.client.post(told.url, content=content, headers={"Content-Type": kind})
    assert answer.status_code == 403
    assert count(told) == 0


def test_the_longest_answer_fits_and_more_is_refused_before_it_is_read(told: Any) -> None:
    assert told.client.post(told.url, content=b"words=" + b"w" * MOST_BODY).status_code == 413
    assert send(told, **full(words="\U0001f600" * MOST_WORDS)).status_code == 303
    assert count(told) == 1


# -- how often ------------------------------------------------------------------------------------------------------


def test_half_a_form_of_somebody_who_went_away_is_none_and_no_error() -> None:
    came = iter([{"type": "http.request", "body": b"choice=changed", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(came)

    kind = (b"content-type", b"application/x-www-form-urlencoded")
    request = Request({"type": "http", "method": "POST", "headers": [kind]}, receive)
    assert asyncio.run(read_form(request)) == {}


def test_who_sends_too_often_is_asked_to_wait_and_loses_nothing(told: Any) -> None:
    fields = hidden_fields(told.client.get(told.url).text) | full(name="")
    codes = [told.client.post(told.url, data=fields).status_code for _ in range(20)]
    assert set(codes) == {422}
    answer = told.client.post(told.url, data=fields)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert WORDS in answer.text
    again = hidden_fields(answer.text)
    assert again["words"] == WORDS, "it can be sent once more as it is"


def test_who_tries_links_is_slowed_down(told: Any) -> None:
    codes = [told.client.get(f"/answer/{number}").status_code for number in range(125)]
    assert codes == [404] * 120 + [429] * 5
    assert told.client.get("/health").status_code == 200


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
    register(world.office)
    register(world.office, "second@example.com")
    ref = stopped(world.office, world.opened())
    name = send_notice(world.office, ref, to=(SHOP, "second@example.com"))
    world.ref, world.client = ref, make_client(world)
    world.url = f"/answer/{link_of(world.office, name)}"
    send(world, **full())
    world.url = f"/answer/{link_of(world.office, f'{name}-2')}"
    page = unescape(world.client.get(world.url).text)
    assert "Somebody else has answered for Shop A" in page
    assert "“I made the change”" in page
    assert WORDS not in page
    assert send(world, **full(choice="remove")).status_code == 303
    assert count(world) == 2


def test_a_closed_case_says_when_and_takes_a_call_for_help(world: Any, make_client: Callable[..., TestClient]) -> None:
    register(world.office)
    ref = world.closed()
    world.ref, world.client = ref, make_client(world)
    world.url = f"/answer/{link_of(world.office, name_of(write_letters(world.office, ref)))}"
    page = world.client.get(world.url).text
    assert "This matter was settled on 20 November 2026" in page
    assert "I made the change" not in page
    before = count(world)
    assert send(world, name="Role Name", words="The prices are still wrong.").status_code == 303
    assert count(world) == before + 1
    assert "The prices are still wrong." in world.client.get(world.url).text


def test_several_jobs_are_listed_and_at_least_one_is_chosen(world: Any, make_client: Callable[..., TestClient]) -> None:
    register(world.office)
    refs = [stopped(world.office, world.opened(f"offers/{n}", job_name=f"Job {n}")) for n in "abc"]
    world.ref, world.client = refs[0], make_client(world)
    world.url = f"/answer/{link_of(world.office, send_notice(world.office, *refs, which='check-7'))}"
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
    told.office.store.close()
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
    assert told.office.case(told.ref).words[0]["words"] == WORDS


class OddStore:
    """A store that fails in a way nobody thought of."""

    def reading(self) -> Any:
        raise RuntimeError("an inner part")


def test_a_mistake_of_ours_is_a_page_for_retailers(told: Any) -> None:
    odd = replace(told.office, store=OddStore())
    odd.__dict__["secret"] = told.office.secret
    client = TestClient(create_app(odd), WEB_URL, raise_server_exceptions=False)
    answer = client.get(told.url)
    assert answer.status_code == 503
    assert "The mistake is not yours" in answer.text
    assert "inner part" not in answer.text
    assert "/cases" not in answer.text


# -- whose host it is under -----------------------------------------------------------------------------------------


@pytest.fixture
def split(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """An office whose page for retailers has a host of its own."""
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", ANSWERS)
    return tell(make_world(public="https://ops.example.com"), make_client)


def test_under_the_retailers_host_there_is_nothing_but_their_page(split: Any) -> None:
    host = {"Host": "answers.example.com"}
    assert split.client.get(split.url, headers=host).status_code == 200
    assert split.client.get("/static/answer.css", headers=host).status_code == 200
    assert split.client.get("/health", headers=host).json() == {"status": "ok"}
    for path in ("/", "/cases", f"/cases/{split.ref}", "/tickets/T-000001", "/docs", "/docs/index", "/inbox", "/x",
                 "/reports/x", "/evidence/" + "0" * 64, "/answer", "/answer/", "/Cases", "//cases"):  # fmt: skip
        answer = split.client.get(f"http://127.0.0.1:8321{path}", headers=host)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text
        assert split.ref not in answer.text
        assert "/cases" not in answer.text


def test_the_retailers_host_is_known_however_it_is_written(split: Any) -> None:
    for host in ("ANSWERS.example.com", "answers.example.com:443", "answers.example.com:80", "answers.example.com:8321",
                 "answers.example.com:0443", "answers.example.com:", "answers.example.com."):  # fmt: skip
        assert split.client.get("/cases", headers={"Host": host}).status_code == 404, host
        assert split.client.get(split.url, headers={"Host": host}).status_code == 200, host


def test_a_host_that_is_none_shows_nothing(split: Any) -> None:
    for host in ("answers.example.com/@127.0.0.1", "x@127.0.0.1:8321", "answers.example.com ops.example.com", "[::1",
                 "answers.example.com\tx", "answers.example.com/answer/x?", "127.0.0.1\\@answers.example.com",
                 ""):  # fmt: skip
        answer = split.client.get("/cases", headers={"Host": host})
        assert answer.status_code == 421, host
        assert split.ref not in answer.text


def test_an_answer_through_the_retailers_host_is_taken(split: Any) -> None:
    headers = {"Host": "answers.example.com", "Origin": ANSWERS}
    fields = hidden_fields(split.client.get(split.url, headers=headers).text) | full()
    assert split.client.post(split.url, data=fields, headers=headers).status_code == 303
    assert count(split) == 1


def test_the_teams_host_shows_the_cases_as_before(split: Any) -> None:
    for host in ("ops.example.com", "127.0.0.1:8321"):
        assert split.client.get("/cases", headers={"Host": host}).status_code == 200
    assert split.client.get("/cases", headers={"Host": "other.example.net"}).status_code == 421


def test_where_both_have_one_host_everything_is_shown_under_it(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    told = tell(make_world(public="https://ops.example.com"), make_client)
    for path in (told.url, "/cases"):
        assert told.client.get(path, headers={"Host": "ops.example.com"}).status_code == 200


def test_the_page_knows_the_path_that_its_address_has(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", f"{ANSWERS}/shops/")
    told = tell(make_world(public="https://ops.example.com/cases"), make_client)
    page = told.client.get(told.url).text
    assert f'action="/shops{told.url}"' in page
    assert 'href="/shops/static/answer.css"' in page


def test_the_page_names_who_asks_and_where_to_write(told: Any, make_client: Callable[..., TestClient]) -> None:
    policy = load_policy(BUILT_IN)
    mail = policy.mail.model_copy(update={"sender": "Shop Helpers <helpers@example.com>", "reply_to": "in@example.com"})
    told.office = replace(told.office, policy=policy.model_copy(update={"mail": mail}))
    page = make_client(told).get("/answer/x").text
    assert "From Shop Helpers" in page
    assert 'href="mailto:in@example.com"' in page


# -- the link in a mail ---------------------------------------------------------------------------------------------


def test_the_link_in_the_notice_opens_the_page_of_its_own_contact(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient]
) -> None:
    """From the notice as it is really written to the answer, for two contacts in two languages."""
    told = make_world(public="https://ops.example.com")
    register(told.office)
    register(told.office, "laden@example.com", language="de")
    told.ref, told.client, mails = stopped(told.office, told.opened()), make_client(told), {}

    def deliver(content: bytes, sender: str, to: list[str]) -> Delivery:
        del sender
        mails[to[0]] = message_from_bytes(content, policy=default).get_body(("plain",)).get_content()
        return Delivery(tuple(to), {})

    tell_retailer(told.office, deliver, told.ref)
    for address, choice, thanks in ((SHOP, "I made the change", "Thank you"), ("laden@example.com", "Ich ", "Danke")):
        link = re.search(r"https://ops\.example\.com(/answer/\S+)", mails[address])
        assert link is not None, mails[address]
        told.url = link[1]
        page = told.client.get(told.url).text
        assert choice in page
        assert address in page
        assert send(told, **full()).status_code == 303
        assert thanks in told.client.get(told.url).text
    assert [event.data["sender"] for event in answers(told.office.case(told.ref))] == [SHOP, "laden@example.com"]
