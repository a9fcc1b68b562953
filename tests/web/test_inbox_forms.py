"""A message in the web app: read, put to a case, answered by mail, taken off the list, each by somebody."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.job_failure.kinds import Kind
from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.answers.writing_back import MOST_WORDS
from tests.support.letters import hidden_fields, register

SHOP, STRANGER = "shop@example.com", "stranger@example.com"
RAW = b"From: shop@example.com\r\nSubject: JF-000001\r\n\r\nWhich <b>token</b>?\r\n> quoted\r\n"


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the operator, who is logged in on this machine."""
    return logged_in(world, client, "operator")


def came(world: Any, sender: str = SHOP, ref: str = "", place: Disposition = Disposition.REPLY) -> int:
    """A message that waits for an eye."""
    raw = RAW.replace(SHOP.encode(), sender.encode())
    kept = world.services.vault.put(raw, "m.eml", "message/rfc822")
    about = {"message_id": "<q@example.com>", "subject": "About <i>JF-000001</i>", "way": "mail", "why": "a question"}
    with world.services.store.uow() as uow:
        number = uow.messages.add(
            kept.digest, sender=sender, size=kept.size, place=place, ref=ref, at=world.tick(), **about
        )
        uow.commit()
    return int(number)


def page_of(client: TestClient, number: int) -> str:
    """The page, with the cookie of its forms kept as a browser keeps it."""
    answer = client.get(f"/inbox/{number}")
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()
    return answer.text


def send(client: TestClient, number: int, what: str, **fields: str) -> Any:
    """Open the message, fill in one of its forms and send it."""
    headers = fields.pop("headers", None)
    form = page_of(client, number).partition(f'action="/inbox/{number}/{what}"')[2]
    hidden = {name: html.unescape(value) for name, value in hidden_fields(form.partition("</form>")[0]).items()}
    return client.post(f"/inbox/{number}/{what}", data=hidden | fields, headers=headers)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def row(world: Any, number: int) -> Any:
    with world.services.store.reading() as uow:
        return uow.messages.get(number)


def test_a_message_is_read_put_to_its_case_and_answered_without_a_shell(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    register(world.services)
    number = came(world, STRANGER, place=Disposition.UNMATCHED)
    assert f'href="/inbox/{number}"' in operator.get("/inbox").text
    page = page_of(operator, number)
    assert "Which &lt;b&gt;token&lt;/b&gt;?" in page
    assert "<i>" not in page
    assert f'value="{ref}"' in page, "the case that it names is in the field"
    assert "Answer by mail" not in page
    put = send(operator, number, "case", ref=ref, remark="asked by telephone, too")
    assert (put.status_code, put.headers["Location"]) == (303, f"/inbox/{number}")
    said = read(page_of(operator, number))
    assert "operator looked at it" in said
    assert "asked by telephone, too" in said
    assert f"{STRANGER}: wrote this message, no registered contact" in said
    assert "Nobody else can be written to from here." in said

    assert send(operator, number, "answer", to=SHOP, words="Dear all,\r\nplease wait.").status_code == 303
    assert send(operator, number, "answer", to=SHOP, words="again", events="0").status_code == 409
    case = world.services.ledger.case(ref)
    [written] = case.every(Kind.MAIL_WRITTEN)
    assert (written.actor, written["to"], written["words"]) == ("operator", SHOP, "Dear all,\nplease wait.")
    assert "not sent yet; the keeper sends it" in read(page_of(operator, number))
    shown = read(operator.get(f"/cases/{ref}").text)
    assert f"Mail to {SHOP} written: Dear all, please wait." in shown
    assert "The mail to the retailer that somebody on the team wrote, since" in shown, "what is owed"
    assert f"A message from {STRANGER} put to this case by hand" in shown


def test_what_is_refused_stays_in_the_form_and_nothing_is_written(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    number = came(world, ref=ref)
    before = len(world.services.ledger.case(ref).events)
    for what, fields, says in (
        ("answer", {"to": "nobody@example.com", "words": "My <words>"}, "is no registered contact of Shop A"),
        ("answer", {"to": SHOP, "words": " "}, "The mail says nothing"),
        ("case", {"ref": "JF-000077", "remark": "My <words>"}, "There is no case"),
        ("case", {"ref": "", "remark": "My <words>"}, "To which case?"),
    ):
        answer = send(operator, number, what, **fields)
        assert (answer.status_code, says in read(answer.text)) == (422, True), says
        if "My <words>" in fields.values():
            assert "My &lt;words&gt;" in answer.text
    for odd in ("", "x", "-1", "9" * 5000, "\u0663"):
        answer = send(operator, number, "answer", to=SHOP, words="My <words>", events=odd)
        assert (answer.status_code, "My &lt;words&gt;" in answer.text) == (409, True), odd[:9]
    refused = send(operator, number, "word")
    assert (refused.status_code, "is not a registered contact" in read(refused.text)) == (422, True)
    assert row(world, number).needs_eye
    assert {event.kind for event in world.services.ledger.case(ref).events[before:]} <= {Kind.CONFIRMATION_REFUSED}


def test_a_message_is_taken_off_the_list_with_a_remark(world: Any, operator: TestClient) -> None:
    number = came(world, STRANGER, place=Disposition.UNMATCHED)
    assert send(operator, number, "done", remark="an <advert>").status_code == 303
    assert (row(world, number).done_by, row(world, number).remark) == ("operator", "an <advert>")
    listed = operator.get("/inbox").text
    assert "an &lt;advert&gt;" in listed
    assert "Take it off the list" not in page_of(operator, number)


def test_the_longest_mail_fits_in_any_script_and_nothing_of_a_form_is_a_control_character(
    world: Any, operator: TestClient
) -> None:
    ref = world.waiting()
    register(world.services)
    number, words = came(world, ref=ref), "\u0449" * MOST_WORDS
    assert send(operator, number, "answer", to=SHOP, words=words).status_code == 303
    assert world.services.ledger.case(ref).events[-1].data["words"] == words
    other = came(world, STRANGER, place=Disposition.UNMATCHED)
    assert send(operator, other, "case", ref=ref, remark="a\0b").status_code == 303
    assert "\0" not in world.services.ledger.case(ref).events[-1].data["remark"]


def test_only_a_form_that_was_made_for_this_person_does_something(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]
) -> None:
    number = came(world, ref=world.waiting())
    looker = make_client(world)
    assert "Log in to act" in looker.get(f"/inbox/{number}").text
    assert "<form" not in looker.get(f"/inbox/{number}").text
    lead = logged_in(world, make_client(world), "team lead")
    for what in ("case", "word", "answer", "done"):
        assert looker.post(f"/inbox/{number}/{what}").status_code == 401
        assert operator.post(f"/inbox/{number}/{what}", data={"ref": "JF-000001"}).status_code == 403
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert send(operator, number, what, headers=foreign).status_code == 403  # type: ignore[arg-type]
        form = page_of(operator, number)
        key = {"key": re.findall(r'name="key" value="([^"]+)"', form)[0]}
        assert lead.post(f"/inbox/{number}/{what}", data=key).status_code == 403
    assert row(world, number).needs_eye
    for wrong in ("x", "0", "99", "1" * 30, "-1"):
        assert operator.get(f"/inbox/{wrong}").status_code == 404
