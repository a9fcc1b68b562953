"""The contacts of retailers, in the web app: found, added, corrected, and what waited for one goes on."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.codes import Code
from caseproof.domain.owing import Debt
from caseproof.store import Contact
from tests.support.letters import hidden_fields


@pytest.fixture
def operator(world: Any, client: TestClient, logged_in: Callable[..., TestClient]) -> TestClient:
    """A client of the operator, who is logged in on this machine."""
    return logged_in(world, client, "operator")


def put(world: Any, *contacts: tuple[str, str]) -> None:
    with world.services.store.uow() as uow:
        for retailer, address in contacts:
            uow.people.add_contact(retailer, address, "Ann Example", "de", "shop owner", at=world.tick())
        uow.commit()


def contacts(world: Any, retailer: str = "Shop A") -> list[Contact]:
    with world.services.store.reading() as uow:
        return uow.people.contacts(retailer)


def send(client: TestClient, do: str, page: str = "/contacts/one", **fields: str) -> Any:
    """Open a page, and send its form with these fields; what a browser keeps is kept."""
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    keep(client, answer)
    return client.post(
        "/contacts/one", data={"key": html.unescape(hidden_fields(answer.text)["key"]), "do": do} | fields
    )


def keep(client: TestClient, answer: Any) -> None:
    mine = client.headers.get("Cookie", "").split("; ")[0]
    client.headers["Cookie"] = "; ".join([mine, *(f"{name}={value}" for name, value in answer.cookies.items())])
    client.cookies.clear()


def after(client: TestClient, answer: Any) -> str:
    """What the page says that an answer leads to."""
    assert answer.status_code == 303, answer.text
    keep(client, answer)
    shown = client.get(answer.headers["Location"])
    keep(client, shown)
    return read(shown.text)


def read(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rows(page: str) -> list[str]:
    return re.findall(r'data-label="Address" class="address"><bdi>([^<]+)', page)


def test_contacts_are_found_by_retailer_address_name_and_role(world: Any, client: TestClient) -> None:
    put(world, ("Shop A", "a@example.com"), ("Shop B", "b@example.org"))
    every = ["a@example.com", "b@example.org"]
    for words, found in {
        "": every,
        "shop b": every[1:],
        "EXAMPLE.COM": every[:1],
        "ann": every,
        "owner": every,
    }.items():
        assert rows(client.get("/contacts", params={"words": words}).text) == found, words
    none = client.get("/contacts", params={"words": '"><script>x'}).text
    assert rows(none) == []
    assert "<script" not in none
    assert "/contacts/one" not in none, "who looks on changes nothing"


def test_from_a_cases_page_it_is_one_click_to_its_retailers_contacts_and_one_more_to_add_one(
    world: Any, operator: TestClient
) -> None:
    ref = world.waiting(retailer="Shop & Söhne")
    listed = re.search(r'href="(/contacts\?words=[^"]+)"', operator.get(f"/cases/{ref}").text)
    assert listed
    to_add = re.search(r'href="(/contacts/one\?retailer=[^"]+)"', operator.get(html.unescape(listed[1])).text)
    assert to_add
    form = operator.get(html.unescape(to_add[1])).text
    assert '<input type="text" id="retailer" name="retailer" value="Shop &amp; Söhne"' in form


def test_a_contact_that_is_added_has_what_waited_for_it_tried_at_once(world: Any, operator: TestClient) -> None:
    ref = world.waiting()
    with world.services.store.uow() as uow:
        uow.owed.failed(ref, Debt.REMINDER, "1", Code.NOBODY_TO_TELL, "Nobody is registered.", world.tick())
        uow.commit()
    said = after(
        operator, send(operator, "add", retailer="Shop A", address="Ann Example <ann@example.com>", language="de")
    )
    assert "1 case waited for it, and goes on with the keeper's next pass." in said
    assert contacts(world) == [Contact("Shop A", "ann@example.com", "Ann Example", "de")]
    with world.services.store.reading() as uow:
        [row] = [one for one in uow.owed.of(ref) if one.what is Debt.REMINDER]
    assert row.next_at == row.since
    assert "waited" not in read(operator.get("/contacts").text), "said once, and not by a link"
    said = after(operator, send(operator, "add", retailer="Shopp A", address="b@example.com"))
    assert "Did you mean Shop A ?" in said, "a retailer whose name is nearly another one's"


def test_a_contact_is_corrected_also_to_nothing_and_taken_off(world: Any, operator: TestClient) -> None:
    put(world, ("Shop A", "a@example.com"))
    page = "/contacts/one?retailer=Shop+A&address=a@example.com"
    assert 'value="Ann Example"' in operator.get(page).text
    to = {"retailer": "Shop A", "address": "a@example.com"}
    assert "Corrected." in after(operator, send(operator, "correct", page, **to, name="Bo", language="", role=""))
    assert contacts(world) == [Contact("Shop A", "a@example.com", "Bo")]

    assert "Taken off" in after(operator, send(operator, "remove", page, retailer="Shop A", address="A@example.com"))
    assert contacts(world) == []
    assert operator.get(page).headers["Location"] == "/contacts?words=Shop+A", "there is no such contact any more"
    again = send(operator, "remove", retailer="Shop A", address="a@example.com")
    assert (again.status_code, "is no contact of" in html.unescape(again.text)) == (422, True)


def test_that_mail_came_back_is_forgotten_and_what_waited_is_tried(world: Any, operator: TestClient) -> None:
    put(world, ("Shop A", "a@example.com"))
    ref = world.waiting()
    with world.services.store.uow() as uow:
        uow.people.mark_bounced("Shop A", "a@example.com", "no such user", world.tick())
        uow.owed.failed(ref, Debt.REMINDER, "1", Code.MAIL_REFUSED, "Nobody's mail was taken.", world.tick())
        uow.commit()
    page = "/contacts/one?retailer=Shop+A&address=a@example.com"
    assert "no such user" in read(operator.get("/contacts").text)
    said = after(operator, send(operator, "forget", page, retailer="Shop A", address="a@example.com"))
    assert "1 case waited for it" in said
    assert contacts(world)[0].bounced_at is None


def test_what_cannot_be_used_is_refused_with_what_was_typed(world: Any, operator: TestClient) -> None:
    at = {"retailer": "Shop A", "address": "a@example.com"}
    for wrong, said in (
        ({"retailer": ""}, "has no name"),
        ({"address": ""}, "not a mail address"),
        ({"address": "a@example.com, b@example.com"}, "more than one address"),
        ({"language": "tlh"}, "No mail is written in"),
        ({"role": "r" * 101}, "cannot be kept"),
    ):
        refused = send(operator, "add", **{**at, "name": "Bo Example", **wrong})
        assert refused.status_code == 422, wrong
        assert said in read(refused.text)
        assert 'value="Bo Example"' in refused.text
    assert contacts(world) == []


def test_nobody_without_a_log_in_and_no_foreign_page_changes_a_contact(
    world: Any, operator: TestClient, make_client: Callable[..., TestClient]
) -> None:
    put(world, ("Shop A", "a@example.com"))
    page = "/contacts/one"
    fields = {"retailer": "Shop A", "address": "a@example.com", "name": "Mallory"}
    for do in ("add", "correct", "forget", "remove"):
        assert make_client(world).post(page, data=fields | {"do": do}).status_code == 401
        assert operator.post(page, data=fields | {"do": do, "key": "x"}).status_code == 403
        cross = {"Sec-Fetch-Site": "cross-site"}
        key = html.unescape(hidden_fields(operator.get(page).text)["key"])
        assert operator.post(page, data=fields | {"do": do, "key": key}, headers=cross).status_code == 403
    assert [one.name for one in contacts(world)] == ["Ann Example"]
    assert send(operator, "burn", page, **fields).status_code == 422
