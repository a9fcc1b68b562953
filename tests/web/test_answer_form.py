"""The form of the confirmation page: an answer is taken once, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import Any

import pytest
from fastapi import Request

from caseproof.procedure.answers.answering import MOST_WORDS
from caseproof.web.answer_guard import MOST_BODY, read_form
from tests.support.answer_page import count, full, send
from tests.support.letters import (
    WORDS,
    answers,
    hidden_fields,
)


def test_an_answer_is_taken_and_the_page_then_shows_what_was_said_and_when(told: Any) -> None:
    answer = send(told, **full(words="Line one.\r\nLine <two>."))
    assert (answer.status_code, answer.headers["Location"]) == (303, told.url)
    assert count(told) == 1
    page = unescape(told.client.get(told.url).text)
    for said in ("Thank you, we have your answer", "Line one.\nLine <two>.", "Role Name", "I made the change", "(UTC)"):
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
    [said] = answers(told.services.ledger.case(told.ref))
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


def test_half_a_form_of_somebody_who_went_away_is_none_and_no_error() -> None:
    came = iter([{"type": "http.request", "body": b"choice=changed", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(came)

    kind = (b"content-type", b"application/x-www-form-urlencoded")
    request = Request({"type": "http", "method": "POST", "headers": [kind]}, receive)
    assert asyncio.run(read_form(request)) == {}


# -- how often ------------------------------------------------------------------------------------------------------


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
