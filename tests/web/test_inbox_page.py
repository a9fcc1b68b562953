"""The page of what came from retailers: what a person has to read, why, and nothing that text from outside could do."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.vocabulary import Disposition
from caseproof.web import views
from tests.support.histories import digest


def text_of(page: str) -> str:
    """What a reader reads."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"</?abbr[^>]*>", "", page))).split())


def came(world: Any, name: str, place: Disposition, *, ref: str = "", **more: Any) -> str:
    """A message of this place; its digest."""
    told = {"message_id": f"<{name}@example.com>", "sender": f"{name}@example.com", "subject": f"About {name}"} | more
    told = {"size": 2048, "way": "mail", "why": f"why {name}", "at": world.tick()} | told
    with world.services.store.uow() as uow:
        uow.messages.add(digest(name), place=place, ref=ref, **told)
        uow.commit()
    return digest(name)


def test_where_nothing_waits_the_page_says_so(client: TestClient) -> None:
    page = client.get("/inbox")
    assert page.status_code == 200
    assert "Nothing waits" in text_of(page.text)
    assert "<table" not in page.text
    cases = client.get("/cases").text
    assert "nothing waits to be read" in text_of(cases)
    assert 'href="/inbox"' in cases


def test_each_message_that_needs_an_eye_is_shown_with_its_case_its_reason_and_its_file(
    world: Any, client: TestClient
) -> None:
    ref = world.waiting()
    kept = [
        came(world, "asks", Disposition.REPLY, ref=ref),
        came(world, "stranger", Disposition.REFUSED, ref=ref),
        came(world, "lost", Disposition.UNMATCHED),
        came(world, "broken", Disposition.UNREADABLE, sender="", subject=""),
        came(world, "gone", Disposition.BOUNCE, ref=ref),
    ]
    for name, place in (
        ("fine", Disposition.COUNTED),
        ("away", Disposition.AUTOMATIC),
        ("twice", Disposition.DUPLICATE),
    ):
        came(world, name, place, ref=ref)
    page = client.get("/inbox").text
    read = text_of(page)
    rows = (
        f"Reply: why asks asks@example.com About asks {ref}",
        f"Does not count: why stranger stranger@example.com About stranger {ref}",
        "No case: why lost lost@example.com About lost none",
        "Unreadable: why broken nobody no subject none",
        f"Came back: why gone gone@example.com About gone {ref}",
    )
    places = [read.index(row) for row in rows]
    assert places == sorted(places), "oldest first"
    assert all(f'href="/evidence/{one}"' in page for one in kept)
    waiting, _, settled = read.partition("wait for nobody")
    assert not {"fine", "away", "twice"} & set(re.findall(r"why (\w+)", waiting))
    named = ("Came twice: why twice", "Automatic: why away", "Counted: why fine")
    assert sorted(named, key=settled.index) == list(named), "also what a program wrote leaves a trace, the latest first"
    assert page.count(f'href="/cases/{ref}"') == 6
    assert "2 kB" in read
    assert "5 messages wait to be read" in text_of(client.get("/cases").text)


def test_the_kinds_are_counted_with_what_to_do_about_each(world: Any, client: TestClient) -> None:
    for number in range(3):
        came(world, f"lost-{number}", Disposition.UNMATCHED)
    read = text_of(client.get("/inbox").text)
    assert "No case (3): Find the case that it is about." in read
    assert "Came back" not in read


def test_every_place_that_needs_an_eye_has_a_name_and_something_to_do(world: Any, client: TestClient) -> None:
    waits = [place for place in Disposition if place.needs_eye]
    for place in waits:
        came(world, str(place), place)
    read = text_of(client.get("/inbox").text)
    assert [place for place in waits if f"why {place}" not in read] == []


def test_what_somebody_looked_at_waits_no_more_and_says_who_it_was(world: Any, client: TestClient) -> None:
    came(world, "lost", Disposition.UNMATCHED)
    with world.services.store.uow() as uow:
        [row] = uow.messages.to_look_at(10)
        uow.messages.done([row.id], "operator", world.tick())
        uow.commit()
    read = text_of(client.get("/inbox").text)
    assert "Nothing waits" in read
    assert "No case: why lost Looked at by operator ." in read, "it stands among those that wait for nobody"


def test_of_very_many_the_oldest_are_shown_and_the_rest_counted(
    world: Any, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        came(world, f"lost-{number}", Disposition.UNMATCHED)
    monkeypatch.setattr(views, "INBOX_SHOWN", 2)
    read = text_of(client.get("/inbox").text)
    assert ("why lost-0" in read, "why lost-2" in read) == (True, False)
    assert "1 newer ones are not shown." in read


def test_an_answer_from_the_page_says_so(world: Any, client: TestClient) -> None:
    ref = world.waiting()
    came(world, "help", Disposition.REPLY, ref=ref, way="page")
    assert "UTC from the page message-1.json" in text_of(client.get("/inbox").text)


def test_hostile_senders_subjects_and_reasons_are_only_text(world: Any, client: TestClient) -> None:
    bad = "<script>alert(1)</script>\" onload='x' javascript:alert(2)"
    came(world, "bad", Disposition.UNMATCHED, sender=bad, subject=bad, why=bad)
    page = client.get("/inbox").text
    assert "<script" not in page
    assert html.unescape(page).count(bad) == 3
    assert not re.search(r'(?:href|src)="javascript', page)


def test_looking_changes_nothing(world: Any, client: TestClient) -> None:
    came(world, "lost", Disposition.UNMATCHED)
    for method in ("GET", "HEAD"):
        assert client.request(method, "/inbox").status_code == 200
    assert client.post("/inbox").status_code == 405
    with world.services.store.reading() as uow:
        assert len(uow.messages.to_look_at(10)) == 1
