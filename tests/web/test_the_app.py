"""The app as a whole: it reads, but for one form; its headers let nothing run, and its errors say what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from caseproof.web import create_app
from caseproof.web.handbook import DOCS

WRITING = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = ("/", "/cases", "/cases/JF-000001", "/tickets/T-000001", "/evidence/" + "0" * 64, "/docs/x", "/health")


@pytest.mark.parametrize("method", WRITING)
def test_a_request_that_would_change_something_is_refused(town: Any, visitor: TestClient, method: str) -> None:
    ref = town.verified
    before = town.world.services.ledger.case(ref)
    for path in (*PATHS, "/static/style.css"):
        assert visitor.request(method, path).status_code == 405, path
    assert town.world.services.ledger.case(ref) == before


def test_the_refusal_says_where_one_acts(visitor: TestClient) -> None:
    answer = visitor.post("/cases")
    assert "Act in the form of a case" in answer.text
    assert "nothing can be changed here" not in visitor.get("/account/password").text, "there, something can"
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD"}


def test_reading_pages_changes_nothing(town: Any, visitor: TestClient) -> None:
    ref = town.closed
    before = town.world.services.ledger.case(ref)
    for path in ("/cases", f"/cases/{ref}", "/tickets/T-000001", "/health"):
        assert visitor.get(path).status_code == 200, path
    assert town.world.services.ledger.case(ref) == before


@pytest.mark.parametrize("path", ["/inbox", "/cases/JF-000001", "/cases/JF-000009", "/tickets/T-000001", "/nowhere"])
def test_no_page_can_run_anything_or_be_framed(visitor: TestClient, path: str) -> None:
    headers = visitor.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "img-src": "'self'", "style-src": "'self'", "base-uri": "'none'",
        "form-action": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<script" not in visitor.get(path).text


@pytest.mark.parametrize("path", ["/openapi.json", "/redoc", "/docs/oauth2-redirect", "/nowhere", "/static/x"])
def test_what_is_not_there_is_a_page_with_a_way_back(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 404
    assert 'href="/cases"' in answer.text
    assert "swagger" not in answer.text.lower()


@pytest.mark.parametrize("name", ["platform.png", "desk.png"])
def test_the_blocks_pictures_are_square_and_may_stand_in_the_prefect_ui(visitor: TestClient, name: str) -> None:
    answer = visitor.get(f"/static/{name}")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.size == (200, 200)


@pytest.mark.parametrize("path", ["/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static/../app.py"])
def test_nothing_beside_the_static_files_is_served(visitor: TestClient, path: str) -> None:
    assert visitor.get(path).status_code == 404


# -- health ------------------------------------------------------------------------------------------------


def test_health_counts_the_open_cases(world: Any, client: TestClient) -> None:
    world.opened("a")
    world.closed("b")
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "store": "ok", "cases_open": 1, "version": version("caseproof")}
    assert answer.headers["Cache-Control"] == "no-store"


def break_store(world: Any) -> None:
    """What stands in the store's place cannot be opened."""
    world.services.store.close()
    path = world.home / "caseproof.sqlite"
    for file in world.home.glob("caseproof.sqlite*"):
        file.unlink()
    path.mkdir()


def test_health_says_why_the_store_is_down(world: Any, client: TestClient) -> None:
    break_store(world)
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "down"
    assert "cannot be opened" in answer.json()["store"]
    assert "CASEPROOF_HOME" in answer.json()["next_action"]


def test_health_says_so_to_somebody_with_a_cookie_too(
    world: Any, client: TestClient, logged_in: Callable[..., TestClient]
) -> None:
    logged_in(world, client)
    break_store(world)
    assert (client.get("/health").status_code, client.get("/health").json()["status"]) == (503, "down")
    assert client.get("/static/style.css").status_code == 200
    assert client.get("/cases").status_code == 503


def test_pages_say_that_the_store_is_down(world: Any, client: TestClient) -> None:
    ref = world.opened()
    digest = world.services.files.keep(ref, b"x", "x.txt", "text/plain")
    break_store(world)
    for path in ("/cases", f"/cases/{ref}", "/tickets/T-000001", f"/evidence/{digest}"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert "cannot be opened" in answer.text
        assert "CASEPROOF_HOME" in answer.text


class OddStore:
    """A store that fails in a way nobody thought of."""

    def reading(self) -> Any:
        raise RuntimeError("an inner part")


def test_a_mistake_of_ours_is_a_page_without_its_inner_parts(world: Any) -> None:
    services = replace(world.services, store=OddStore())
    client = TestClient(create_app(services), "http://127.0.0.1:8321", raise_server_exceptions=False)
    answer = client.get("/cases")
    assert answer.status_code == 500
    assert "That is our mistake" in answer.text
    assert "an inner part" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


# -- hosts -------------------------------------------------------------------------------------------------


def test_a_request_for_a_strangers_host_is_refused(town: Any, visitor: TestClient) -> None:
    ref = town.opened
    for path in ("/cases", f"/cases/{ref}", "/health"):
        answer = visitor.get(path, headers={"Host": "rebound.example.net:8321"})
        assert answer.status_code == 421, path
        assert ref not in answer.text
        assert "CASEPROOF_PUBLIC_URL" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost:8321", "localhost", "[::1]:8321", "ops.example.com"])
def test_our_own_addresses_are_served(
    make_world: Callable[..., Any],
    make_client: Callable[..., TestClient],
    logged_in: Callable[..., TestClient],
    host: str,
) -> None:
    world = make_world(public="https://ops.example.com")
    assert logged_in(world, make_client(world)).get("/cases", headers={"Host": host}).status_code == 200


# -- docs --------------------------------------------------------------------------------------------------


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "adr").mkdir(parents=True)
    (folder / "policy.md").write_text(
        "# The policy\n\n<script>alert(1)</script>\n\n[evil](javascript:alert(2)) [other](life.md#the-end)\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n## Who decides?\n\n## Who decides?\n",
        encoding="utf-8",
    )
    (folder / "adr" / "0001-a-choice.md").write_text("# A choice\n", encoding="utf-8")
    (tmp_path / "secret.md").write_text("# Secret\n", encoding="utf-8")
    (folder / "way-out.md").symlink_to(tmp_path / "secret.md")
    return folder


def test_a_page_of_the_docs_is_rendered_with_raw_html_as_text(
    town: Any, make_client: Callable[..., TestClient], docs: Path
) -> None:
    answer = make_client(town.world, docs=docs).get("/docs/policy")
    assert answer.status_code == 200
    assert '<h1 id="the-policy">The policy</h1>' in answer.text
    assert "<title>The policy " in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert 'href="javascript:' not in answer.text
    assert "<td>1</td>" in answer.text
    assert 'id="who-decides"' in answer.text
    assert 'id="who-decides-1"' in answer.text


def test_pages_may_link_to_each_other_by_file_name(
    town: Any, make_client: Callable[..., TestClient], docs: Path
) -> None:
    client = make_client(town.world, docs=docs)
    assert client.get("/docs/policy.md").headers["Location"] == "/docs/policy"
    assert "A choice" in client.get("/docs/adr/0001-a-choice").text


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_docs_begin_with_their_index(town: Any, make_client: Callable[..., TestClient], path: str) -> None:
    assert make_client(town.world).get(path).headers["Location"] == "/docs/index"


class _Led(HTMLParser):
    """Where a page leads, and the places on it that others may lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        given = dict(attrs)
        self.links += [link for link in (given.get("href"), given.get("src")) if link]
        self.places |= {place for place in (given.get("id"),) if place}


def test_every_link_and_picture_of_the_real_docs_leads_somewhere(
    town: Any, make_client: Callable[..., TestClient]
) -> None:
    """Followed as a browser does, from where each page stands."""
    client = make_client(town.world)
    client.follow_redirects = True
    pages = [f"/docs/{page.relative_to(DOCS).with_suffix('')}" for page in sorted(DOCS.rglob("*.md"))]
    assert len(pages) > 20
    read: dict[str, Any] = {}

    @cache
    def led(path: str) -> _Led:
        read[path] = answer = client.get(path)
        return _Led(answer.text if answer.headers["Content-Type"].startswith("text/html") else "")

    broken, followed = [], 0
    for page in pages:
        for link in led(page).links:
            path, _, place = urljoin(page, link).partition("#")
            if urlsplit(path).netloc:
                continue
            followed += 1
            there = led(path)
            if read[path].status_code != 200 or (place and place not in there.places):
                broken.append(f"{page}: {link}")
    assert broken == []
    assert followed > 100
    assert read["/docs/adr/README.md"].url.path == "/docs/adr/README"


def test_a_picture_of_the_docs_is_shown_where_a_page_names_it(
    town: Any, make_client: Callable[..., TestClient], docs: Path
) -> None:
    (docs / "pictures").mkdir()
    (docs / "pictures" / "form.png").write_bytes(b"\x89PNG")
    (docs / "pictures" / "secret.png").symlink_to(docs.parent / "secret.md")
    client = make_client(town.world, docs=docs)
    answer = client.get("/docs/pictures/form.png")
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "image/png", b"\x89PNG")
    for name in ("other.png", "secret.png", "..%2fform.png", "form.html"):
        assert client.get(f"/docs/pictures/{name}").status_code == 404, name


@pytest.mark.parametrize(
    "page",
    [
        "missing",
        "..%2fsecret",
        "%2e%2e/secret",
        "adr/..%2f..%2fsecret",
        "way-out",
        "Policy",
        "policy%00",
        ".md",
        "a/b/c",
    ],
)
def test_only_pages_of_the_docs_are_shown(
    town: Any, make_client: Callable[..., TestClient], docs: Path, page: str
) -> None:
    answer = make_client(town.world, docs=docs).get(f"/docs/{page}")
    assert answer.status_code == 404
    assert "Secret" not in answer.text
