"""The closed list of routes: what the world reaches, by whichever host, path, method or header it tries."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest
import uvicorn
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from caseproof.config.settings import Settings
from caseproof.web import create_app
from caseproof.web.doors import DOORS, WORLD, Guard, door_of, is_next, routes_of
from caseproof.web.serving import how_served
from tests.support.answer_page import tell

PAGE = {"Accept": "text/html,*/*"}
TEAMS = ("/", "/cases", "/cases/{ref}", "/cases/JF-999999", "/cases/x", "/tickets/T-000001", "/tickets/T-9", "/inbox",
         "/evidence/" + "0" * 64, "/evidence/x", "/reports/x", "/docs", "/docs/", "/docs/index", "/docs/nowhere",
         "/docs/pictures/x.png", "/account", "/worklist", "/overview", "/overview/open.csv", "/overview/x.csv",
         "/inbox/1", "/inbox/1/answer", "/report", "/report/open.csv", "/policy", "/platforms", "/oncall")  # fmt: skip


@pytest.fixture(scope="module")
def public(
    tmp_path_factory: pytest.TempPathFactory, fresh_home: Path, make_world_at: Callable[..., Any],
    make_client: Callable[..., TestClient],
) -> Iterator[Any]:  # fmt: skip
    """An installation that the world reaches by one address, with a case whose retailer got a letter."""
    home = Path(shutil.copytree(fresh_home, tmp_path_factory.mktemp("public") / "home"))
    told = tell(make_world_at(home, public="https://ops.example.com"), make_client)
    told.client.headers["Host"] = "ops.example.com"
    yield told
    told.services.store.close()


# -- the table ------------------------------------------------------------------------------------------------------


def test_the_table_holds_every_route_of_the_app_and_nothing_else(town: Any) -> None:
    """But for those of a provider, which the app has where one is set up."""
    found: dict[str, set[str]] = {}
    for path, methods in routes_of(create_app(town.world.services, provider=object())):  # type: ignore[arg-type]
        found.setdefault(path, set()).update(methods)
    assert found == {door.path: set(door.methods) for door in DOORS}


def test_each_path_stands_in_the_table_once_and_what_the_world_reaches_is_this() -> None:
    assert len({door.path for door in DOORS}) == len(DOORS)
    assert {(door.path, door.guard) for door in DOORS if door.guard in (*WORLD, Guard.SIGN_IN)} == {
        ("/answer/{token}", Guard.SIGNED_LINK), ("/answer/{token}/jobs", Guard.SIGNED_LINK),
        ("/oncall/{token}.ics", Guard.SIGNED_LINK), ("/page/{token}", Guard.SIGNED_LINK),
        ("/voice/{key}/{what}", Guard.PROVIDER_SIGNATURE),
        ("/static/{path:path}", Guard.OPEN), ("/health", Guard.OPEN),
        ("/login", Guard.SIGN_IN), ("/login/link/{token}", Guard.SIGN_IN), ("/login/provider", Guard.SIGN_IN),
        ("/login/provider/back", Guard.SIGN_IN),
    }  # fmt: skip


def test_a_route_that_is_not_in_the_table_is_not_reached_and_neither_is_a_mount(town: Any) -> None:
    app = create_app(town.world.services)
    app.add_api_route("/debug", lambda: "open")
    app.add_api_route("/cases/{ref}/edit", lambda: "open", methods=["GET", "POST"])
    inner = create_app(town.world.services)
    app.mount("/inner", inner)
    app.router.routes.insert(0, app.router.routes.pop())  # before all others, too
    app.add_api_websocket_route("/socket", lambda: None)
    client = TestClient(app, "http://127.0.0.1:8321", raise_server_exceptions=False)
    for path in ("/debug", "/cases/JF-000001/edit", "/inner/cases", "/inner/health", "/inner"):
        assert client.get(path).status_code == 404, path
    assert client.post("/cases/JF-000001/edit").status_code == 404
    for path in ("/socket", "/cases", "/answer/x"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
            pass


def test_a_route_that_the_app_takes_for_another_one_than_the_table_is_not_reached(town: Any) -> None:
    app = create_app(town.world.services)
    app.add_api_route("/health{more:path}", lambda: "open")
    app.router.routes.insert(0, app.router.routes.pop())
    assert TestClient(app, "http://127.0.0.1:8321").get("/health").status_code == 404


# -- a stranger ------------------------------------------------------------------------------------------------------


def test_a_stranger_at_the_public_address_sees_the_list_and_nothing_else(public: Any) -> None:
    assert public.client.get(public.url).status_code == 200
    assert public.client.get("/static/answer.css").status_code == 200
    assert public.client.get("/login").status_code == 200
    assert public.client.get("/health").json() == {"status": "ok"}
    seen = set()
    for path in TEAMS:
        answer = public.client.get(path.format(ref=public.ref))
        seen.add((answer.status_code, answer.text))
    assert len(seen) == 1, "what exists and what does not are told apart"
    ((status, text),) = seen
    assert status == 401
    assert "Log in first" in text
    assert public.ref not in text


def test_a_browser_is_led_to_the_login_and_back_to_the_page(public: Any) -> None:
    answer = public.client.get("/cases/JF-000001", headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/cases/JF-000001")
    assert answer.text == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "get"])
def test_no_method_opens_a_page_of_the_team(public: Any, method: str) -> None:
    for path in ("/", "/cases", f"/cases/{public.ref}", "/account", "/logout", "/worklist"):
        answer = public.client.request(method, path)
        assert answer.status_code in (401, 405), path
        assert public.ref not in answer.text


@pytest.mark.parametrize(
    "path",
    ["//cases", "/./cases", "/answer/../cases", "/answer/%2e%2e/cases", "/answer/..%2fcases", "/%2e%2e/cases",
     "/static/../cases", "/static/..%2f..%2fcases", "/static//cases", "/cases/", "/cases//", "/cases.", "/Cases",
     "/CASES", "/cases%00", "/cases%20", "/cases;x=1", "/answer/..;/cases", "/%63ases/", "/cases%2f", "\\cases",
     "/answer\\..\\cases", "/health/../cases", "/login/../cases", "/login/link/../../cases", "/cases/../answer/x",
     "/static/%2e%2e/%2e%2e/app.py", "/cases/%2e%2e/inbox"],
)  # fmt: skip
def test_no_way_of_writing_a_path_opens_a_page_of_the_team(public: Any, path: str) -> None:
    """As the server hands it on: undone once, and not made tidy."""
    status, _, body = asgi(public.client.app, path)
    assert status in (401, 404), body
    assert public.ref.encode() not in body


@pytest.mark.parametrize(
    "header",
    [("X-Original-URL", "/health"), ("X-Rewrite-URL", "/health"), ("X-Forwarded-Prefix", "/answer"),
     ("X-Forwarded-Host", "127.0.0.1:8321"), ("X-Forwarded-For", "127.0.0.1"),
     ("Forwarded", "for=127.0.0.1;host=localhost"),
     ("X-Real-IP", "127.0.0.1"), ("X-HTTP-Method-Override", "GET"), ("X-Forwarded-Proto", "http"),
     ("Authorization", "Basic b3BlcmF0b3I6eA=="), ("Remote-User", "operator"), ("X-Forwarded-User", "operator"),
     ("X-Caseproof-Health", "health.x.y"), ("Cookie", "__Host-caseproof=x; caseproof-8321=y")],
)  # fmt: skip
def test_no_header_opens_a_page_of_the_team(public: Any, header: tuple[str, str]) -> None:
    name, value = header
    assert public.client.get("/cases", headers={name: value}).status_code == 401
    assert public.client.get("/health", headers={name: value}).json() == {"status": "ok"}


def test_a_path_that_comes_with_its_host_is_none(public: Any) -> None:
    for path in ("http://ops.example.com/cases", "http://127.0.0.1:8321/cases", "*", "cases", ""):
        assert asgi(public.client.app, path)[0] == 404, path


def test_under_an_address_of_their_own_retailers_find_no_login_either(
    make_world: Callable[..., Any], make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEPROOF_ANSWER_URL", "https://answers.example.com")
    client = make_client(make_world(public="https://ops.example.com"))
    for path in ("/login", "/login/link/x", "/account", "/cases"):
        assert client.get(path, headers={"Host": "answers.example.com"} | PAGE).status_code == 404, path


# -- when reading needs no login ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "free"),
    [({}, True), ({"CASEPROOF_PUBLIC_URL": "http://localhost:8321"}, True),
     ({"CASEPROOF_WEB_URL": "http://[::1]:8321"}, True),
     ({"CASEPROOF_PUBLIC_URL": "https://ops.example.com"}, False),
     ({"CASEPROOF_WEB_URL": "http://0.0.0.0:8321"}, False),
     ({"CASEPROOF_WEB_URL": "http://192.0.2.7:8321"}, False),
     ({"CASEPROOF_ANSWER_URL": "https://a.example.com"}, False),
     ({"CASEPROOF_PUBLIC_URL": "http://127.0.0.1.example.com"}, False)],
)  # fmt: skip
def test_reading_is_free_only_where_nothing_is_reached_from_elsewhere(
    town: Any,
    monkeypatch: pytest.MonkeyPatch,
    setting: dict[str, str],
    free: bool,
) -> None:
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    settings = Settings(home=town.world.home)
    client = TestClient(create_app(replace(town.world.services, settings=settings)), "http://127.0.0.1:8321")
    assert client.get("/cases").status_code == (200 if free else 401)
    assert client.get("/account").status_code == 401, "what acts as a person needs the login everywhere"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP"])
def test_what_a_proxy_that_nobody_set_up_hands_on_needs_a_login_on_loopback_too(visitor: TestClient, name: str) -> None:
    assert visitor.get("/cases", headers={name: "203.0.113.9"}).status_code == 401


def test_a_proxy_that_says_nothing_of_itself_is_known_by_its_old_http(visitor: TestClient) -> None:
    """As nginx with a bare `proxy_pass` was for long: it asks for our own address, and names nobody."""

    def spoken(version: str) -> TestClient:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            await visitor.app(scope | {"http_version": version}, receive, send)

        return TestClient(app, "http://127.0.0.1:8321", follow_redirects=False)

    codes = {version: spoken(version).get("/cases").status_code for version in ("1.1", "1.0", "0.9")}
    assert codes == {"1.1": 200, "1.0": 401, "0.9": 401}


def test_what_only_the_team_may_see_stays_in_no_cache(
    public: Any, make_client: Callable[..., TestClient], logged_in: Callable[..., TestClient]
) -> None:
    """The next one at this screen would see it after a log-out."""
    digest = public.services.files.keep(public.ref, b"\x89PNG", "page.png", "image/png")
    client = logged_in(public, make_client(public))
    for path in ("/cases", f"/cases/{public.ref}", f"/evidence/{digest}", "/account"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get_list("Cache-Control")) == (200, ["no-store"]), path


# -- hosts -----------------------------------------------------------------------------------------------------------


STRANGE = (
    "rebound.example.net", "rebound.example.net:8321", "192.0.2.1", "192.0.2.1:8321", "127.0.0.2",
    "127.0.0.1.example.net",
    "localhost.example.net", "x@127.0.0.1", "127.0.0.1@rebound.example.net", "127.0.0.1:8321@rebound.example.net",
    "127.0.0.1:8321.example.net", "127.0.0.1:x", "127.0.0.1:999999", "[::1", "[::2]", "0x7f.1", "2130706433", "127.1",
    "", " ",
    "127.0.0.1 rebound.example.net", "127.0.0.1,rebound.example.net", "127.0.0.1/rebound.example.net", "127.0.0.1?x",
    "127.0.0.1#x", "\u217cocalhost", "LOCALHOST.EVIL", "localhost\\@rebound.example.net", "localhost%00.example.net",
)  # fmt: skip


@pytest.mark.parametrize("listens", ["http://0.0.0.0:8321", "http://[::]:8321", "http://127.0.0.1:8321"])
def test_a_host_that_was_not_set_up_gets_421_wherever_the_app_listens(listeners: dict[str, Any], listens: str) -> None:
    for host in STRANGE:
        assert asgi(listeners[listens], "/cases", [(b"host", host.encode())])[0] == 421, host
    for path in ("/health", "/static/style.css", "/answer/x", "/nowhere", "/login", "/account"):
        assert asgi(listeners[listens], path, [(b"host", b"rebound.example.net")])[0] == 421, path


def test_no_host_and_two_hosts_get_421(listeners: dict[str, Any]) -> None:
    app = listeners["http://127.0.0.1:8321"]
    ours, other = (b"host", b"127.0.0.1:8321"), (b"host", b"rebound.example.net")
    for headers in ([], [ours, other], [other, ours], [ours, ours]):
        status, _, body = asgi(app, "/cases", headers)
        assert status == 421
        assert b"CASEPROOF_PUBLIC_URL" in body
    assert asgi(app, "/cases", [ours])[0] == 200


@pytest.fixture(scope="module")
def listeners(town: Any) -> dict[str, Any]:
    """The app as it is with each of these to listen on."""
    made = {}
    for url in ("http://0.0.0.0:8321", "http://[::]:8321", "http://127.0.0.1:8321"):
        settings = Settings(home=town.world.home, web_url=url)  # type: ignore[arg-type]
        made[url] = create_app(replace(town.world.services, settings=settings))
    return made


# -- where a log-in leads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["https://example.net", "//example.net", "/\\example.net", "\\\\example.net", "/%2f/example.net",
     "/cases@example.net",
     "/cases\n", "/cases\r\nSet-Cookie: x", "/cases?x=//example.net", "javascript:alert(1)", "/login", "/logout",
     "/login/provider", "/answer/x", "/static/x", "", "cases", "/./cases", "/docs/../cases", "/docs//example.net",
     " /cases"],
)  # fmt: skip
def test_a_log_in_leads_to_no_other_place_than_the_teams_pages(path: str) -> None:
    assert not is_next(path)


def test_a_log_in_leads_back_to_the_teams_pages() -> None:
    assert all(is_next(path) for path in ("/", "/cases", "/cases/JF-000001", "/docs/adr/0001-a-choice", "/account"))
    assert door_of("/cases/JF-000001") is not None


def asgi(app: Any, path: str, headers: Any = ((b"host", b"ops.example.com"),)) -> tuple[int, dict[bytes, bytes], bytes]:
    """What the app answers to exactly this, which a tidy client would not send: the path as it stands in a request."""
    sent: list[Any] = []
    coming = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(coming, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": list(headers), "client": ("203.0.113.9", 5000), "server": ("127.0.0.1", 8321),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return (
        sent[0]["status"],
        dict(sent[0]["headers"]),
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


# -- as it comes over the wire ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def port(public: Any) -> Iterator[int]:
    """The app behind the server that it really has."""
    server = uvicorn.Server(how_served(public.client.app))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def raw(port: int, *lines: str) -> bytes:
    """What comes back for exactly these lines."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall("\r\n".join((*lines, "Connection: close", "", "")).encode())
        return b"".join(iter(lambda: line.recv(65536), b""))


OURS = "Host: ops.example.com"
LOGIN = "HTTP/1.1 401"


@pytest.mark.parametrize(
    ("expected", "lines"),
    [
        (LOGIN, ("GET /cases HTTP/1.1", OURS)),
        (LOGIN, ("GET /cases HTTP/1.1", OURS, "X-Forwarded-For: 127.0.0.1", "X-Original-URL: /health")),
        (LOGIN, ("GET /cases HTTP/1.1", OURS, "Upgrade: websocket", "Sec-WebSocket-Version: 13")),
        (LOGIN, ("GET /cases?/health HTTP/1.1", OURS)),
        ("HTTP/1.1 40", ("GET http://ops.example.com/cases HTTP/1.1", OURS)),
        ("HTTP/1.1 4", ("GET http://ops.example.com/cases HTTP/1.1", "Host: rebound.example.net")),
        ("HTTP/1.1 40", ("GET /answer/%2e%2e/cases HTTP/1.1", OURS)),
        ("HTTP/1.1 40", ("GET /answer/../cases HTTP/1.1", OURS)),
        ("HTTP/1.1 40", ("GET //cases HTTP/1.1", OURS)),
        ("HTTP/1.1 40", ("OPTIONS * HTTP/1.1", OURS)),
        ("HTTP/1.1 421", ("GET /cases HTTP/1.0",)),
        ("HTTP/1.1 421", ("GET /health HTTP/1.1", "Host: rebound.example.net")),
        ("HTTP/1.1 421", ("GET /health HTTP/1.1", "Host: ops.example.com@rebound.example.net")),
        ("HTTP/1.1 4", ("GET /health HTTP/1.1", OURS, "Host: rebound.example.net")),
        ("HTTP/1.1 4", ("GET /health HTTP/1.1",)),
        ("HTTP/1.1 200", ("GET /health HTTP/1.1", OURS)),
    ],
)
def test_over_the_wire_it_is_the_same(public: Any, port: int, expected: str, lines: tuple[str, ...]) -> None:
    answer = raw(port, *lines)
    assert answer.startswith(expected.encode()), answer[:300]
    assert public.ref.encode() not in answer
