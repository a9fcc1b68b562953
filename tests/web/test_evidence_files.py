"""Evidence over HTTP: exactly the bytes that were kept, never a page that could act."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from caseproof.domain.vocabulary import Disposition
from caseproof.procedure.views.questions import in_parts

PNG = b"\x89PNG\r\n\x1a\n..."


def test_a_picture_is_shown_as_it_was_kept_and_may_stand_in_another_page(world: Any, client: TestClient) -> None:
    digest = world.services.files.keep(world.opened(), PNG, "run-page-1.png", "image/png")
    answer = client.get(f"/evidence/{digest}")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert client.get(f"/evidence/{in_parts(digest)}").content == PNG, "as an address has it in which a line can end"
    expected = {
        "Content-Type": "image/png",
        "ETag": f'"{digest}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Content-Disposition": "inline; filename=\"run-page-1.png\"; filename*=UTF-8''run-page-1.png",
    }
    assert {name: answer.headers[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("kind", "served", "how"),
    [
        ("application/json", "application/json; charset=utf-8", "inline"),
        ("text/plain", "text/plain; charset=utf-8", "inline"),
        ("Text/Plain; charset=latin-1", "text/plain; charset=utf-8", "inline"),
        ("message/rfc822", "message/rfc822", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("application/pdf", "application/octet-stream", "attachment"),
        ("", "application/octet-stream", "attachment"),
    ],
)
def test_only_safe_kinds_are_shown_and_all_others_are_downloads(
    world: Any, client: TestClient, kind: str, served: str, how: str
) -> None:
    digest = world.services.files.keep(world.opened(), b"<script>alert(1)</script>", "a.bin", kind)
    answer = client.get(f"/evidence/{digest}")
    assert answer.headers["Content-Type"] == served
    assert answer.headers["Content-Disposition"].startswith(f"{how};")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


@pytest.mark.parametrize(
    ("name", "plain", "full"),
    [
        ('a"b\r\nX-Bad: 1.eml', "a_b__X-Bad: 1.eml", "a_b__X-Bad: 1.eml"),
        ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
        ("Bestätigung.eml", "Best_tigung.eml", "Bestätigung.eml"),
        (" . ", "evidence", "evidence"),
    ],
)
def test_a_files_name_cannot_break_out_of_its_header(
    world: Any, client: TestClient, name: str, plain: str, full: str
) -> None:
    digest = world.services.files.keep(world.opened(), b"mail", name, "message/rfc822")
    headers = client.get(f"/evidence/{digest}").headers
    assert headers["Content-Disposition"] == (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(full, safe='')}"
    )
    assert "X-Bad" not in headers


def test_a_browser_that_has_the_file_is_not_sent_it_again(world: Any, client: TestClient) -> None:
    digest = world.services.files.keep(world.opened(), PNG, "a.png", "image/png")
    again = client.get(f"/evidence/{digest}", headers={"If-None-Match": f'"{digest}"'})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"/evidence/{digest}", headers={"If-None-Match": '"' + "0" * 64 + '"'})
    assert (other.status_code, other.content) == (200, PNG)


def test_a_tickets_own_file_that_no_case_lists_is_a_download(world: Any, client: TestClient) -> None:
    ticket = world.desk.create("raised-by-hand", "Empty feed", "See the file.")
    world.desk.attach(ticket.id, "page.html", b"<script>alert(1)</script>", "text/html")
    with world.services.store.reading() as uow:
        digest = uow.tickets.attachments(1)[0].digest
    answer = client.get(f"/evidence/{digest}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("way", "kind", "how"),
    [("mail", "message/rfc822", "attachment"), ("page", "application/json; charset=utf-8", "inline")],
)
def test_a_message_of_no_case_has_its_kind_and_its_name(
    world: Any, client: TestClient, way: str, kind: str, how: str
) -> None:
    kept = world.services.vault.put(f'{{"by": "{way}"}}'.encode(), "x", "")
    with world.services.store.uow() as uow:
        number = uow.messages.add(
            kept.digest, message_id="", sender="a@example.com", subject="", size=kept.size, way=way,
            place=Disposition.UNMATCHED, why="w", at=world.services.clock(),
        )  # fmt: skip
        uow.commit()
    answer = client.get(f"/evidence/{kept.digest}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
    assert answer.headers["Content-Disposition"].startswith(f'{how}; filename="message-{number}.')


@pytest.mark.parametrize(
    "digest",
    ["f" * 64, "A" * 64, "f" * 63, "x", "..%2f..%2fcaseproof.sqlite", "%2e%2e", "f" * 64 + "%0a", "%00", "٣" * 64],
)
def test_what_names_no_evidence_is_not_found(visitor: TestClient, digest: str) -> None:
    answer = visitor.get(f"/evidence/{digest}")
    assert answer.status_code == 404
    assert "<h1>Not Found</h1>" in answer.text


def test_a_damaged_file_is_never_served_and_the_page_says_to_restore_it(world: Any, client: TestClient) -> None:
    digest = world.services.files.keep(world.opened(), PNG, "a.png", "image/png")
    world.services.vault.path(digest).write_bytes(b"something else")
    for headers in ({}, {"If-None-Match": f'"{digest}"'}):
        answer = client.get(f"/evidence/{digest}", headers=headers)
        assert answer.status_code == 500
        assert "something else" not in answer.text
        assert "is damaged" in answer.text
        assert "Restore it from a backup" in answer.text
        assert "immutable" not in answer.headers["Cache-Control"]
        assert "ETag" not in answer.headers


def test_a_file_that_is_gone_is_said_to_be_gone(world: Any, client: TestClient) -> None:
    digest = world.services.files.keep(world.opened(), PNG, "a.png", "image/png")
    world.services.vault.path(digest).unlink()
    answer = client.get(f"/evidence/{digest}")
    assert answer.status_code == 500
    assert "gone from the vault" in answer.text
    assert str(world.home) not in answer.text
