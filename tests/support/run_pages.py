"""A small web server that shows the pages of runs as platforms do, and what a picture of one must be."""

from __future__ import annotations

import io
import os
import signal
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from PIL import Image

from caseproof.evidence import screenshot
from caseproof.evidence.screenshot import NotTheRun, Shot, refuse_shot
from caseproof.platforms.base import RunPage

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

RIGHT = "<h1>calm-otter</h1><p>Completed</p><pre>please login, error, Failed</pre>"
LATE = f"<p>Loading</p><script>setTimeout(() => document.body.innerHTML = '{RIGHT}', 700)</script>"
APP = f"""<p>Loading</p><script>
if (localStorage.getItem("password") === "hunter2") document.body.innerHTML = "{RIGHT}";
else location.href = "/login?next=" + location.pathname;
</script>"""
FOREIGN = """<h1>calm-otter</h1><div id=state></div>
<img src="OTHER/seen.png"><iframe src="OTHER/frame"></iframe><script>
fetch("/api/state").then(answer => answer.text())
  .then(text => { document.getElementById("state").innerHTML = text; });
</script>"""
PAGES: dict[str, str] = {
    "/runs/right": RIGHT,
    "/runs/late": LATE,
    "/runs/never": "<h1>calm-otter</h1><p>Running</p>",
    "/runs/failed": "<h1>calm-otter</h1><p>Failed</p><pre>INFO\nCompleted\nlog in state Completed()</pre>",
    "/runs/app": APP,
    "/runs/foreign": FOREIGN,
    "/runs/asks": RIGHT + "<form><input type=password></form>",
    "/runs/hidden": RIGHT + "<form style='display: none'><input type=password></form>",
    "/runs/invisible": "<h1>calm-otter</h1><p style='display: none'>Completed</p>",
    "/runs/huge": RIGHT + f"<p>{'line of a log ' * 40}</p>" * 500,
    "/runs/endless": RIGHT + "<script>setTimeout(() => { while (true); }, 0)</script>",
    "/runs/stays-busy": RIGHT + "<script>setInterval(() => fetch('/api/state'), 100)</script>",
    "/runs/moves-on": f"{RIGHT}<script>setTimeout(() => location.href = '/login', 300)</script>",
    "/runs/alerts": f"<script>alert('hello')</script>{RIGHT}",
    "/runs/secret": f"{RIGHT}<pre>The <b>password</b>: <b>hunt</b>er22 of it</pre>",
    "/runs/other-secret": f"{RIGHT}<pre>The <b>password</b>: <b>gehe</b>im77 of it</pre>",
    "/runs/secret-anew": RIGHT
    + "<p id=p></p><script>setInterval(() => p.innerHTML = 'password: hunter22', 1)</script>",
    "/runs/covered": RIGHT + "<div style='position:fixed;inset:0;background:white;pointer-events:none'></div>",
    "/runs/uncovered": RIGHT + "<div id=over style='position:fixed;inset:0;background:white'></div>"
    "<script>setTimeout(() => document.getElementById('over').remove(), 900)</script>",
    "/runs/reaches": RIGHT
    + """<img src="OTHER/img"><iframe src="OTHER/iframe"></iframe><object data="OTHER/object">
</object><link rel=stylesheet href="OTHER/css"><style>body{background: url(OTHER/background)}</style><script>
fetch("OTHER/fetch", {mode: "no-cors"}).catch(() => 0); navigator.sendBeacon("OTHER/beacon");
new WebSocket("OTHER/socket".replace("http", "ws"));
new Worker(URL.createObjectURL(new Blob(["fetch('OTHER/worker')"])));
window.open("OTHER/popup"); new EventSource("OTHER/events"); fetch("/runs/leaves").catch(() => 0);</script>""",
    "/login": "<h1>Log in</h1><form><input type=password></form>",
    "/frame": "<p>a frame</p>",
}


@contextmanager
def in_time_however_slow(seconds: float | None = None) -> Iterator[None]:
    """A camera that is made for long takes its picture however slow the machine is.

    ``seconds`` are what a page has that will never be right, counted from when it is first seen.
    """
    look, begun = screenshot._Camera._look, set[int]()

    def looked(camera: Any, tab: Any) -> Any:
        seen = look(camera, tab)
        if seconds is not None and seen.text and id(camera) not in begun:
            begun.add(id(camera))
            camera.deadline = time.monotonic() + seconds
        return seen

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(screenshot, "_GRACE", 60.0)  # what a single step of the browser may take goes by it, too
        patched.setattr(screenshot._Camera, "_look", looked)
        yield


class Platform:
    """A web server on a free port that keeps what it was asked, and can be told to answer badly."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.release = threading.Event()
        self.other = ""
        self.on_death: Path | None = None
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                platform.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                platform.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
            self.url = self.url.replace("http:", "https:")
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(60)

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        path = to.path.partition("?")[0]
        if path == "/runs/hangs":
            self.release.wait(240)
        if path == "/runs/kills" and self.on_death is not None:
            end_browsers_in(self.on_death)
        if path == "/runs/redirects":
            return self.send(to, 302, "", location="/login?next=/runs/redirects")
        if path == "/runs/leaves":
            return self.send(to, 302, "", location=f"{self.other}/runs/right")
        if path in ("/runs/slash", "/runs/secure"):
            signed_in = to.headers.get("Authorization") == "Bearer hunter2"
            if path == "/runs/slash":
                return self.send(to, 302, "", location="/runs/secure")
            return self.send(to, 200 if signed_in else 401, RIGHT if signed_in else "Unauthorized")
        if path == "/api/state":
            return self.send(to, 200, "Completed" if to.headers.get("Authorization") else "Unauthorized")
        if path.startswith("/status/"):
            return self.send(to, int(path.rpartition("/")[2]), RIGHT)
        page = PAGES.get(path)
        return self.send(to, 404 if page is None else 200, (page or "Page not found").replace("OTHER", self.other))

    def send(self, to: BaseHTTPRequestHandler, status: int, page: str, location: str | None = None) -> None:
        content = f"<!doctype html><meta charset=utf-8><body>{page}</body>".encode()
        to.send_response(status)
        to.send_header("Content-Type", "text/html; charset=utf-8")
        to.send_header("Content-Length", str(len(content)))
        if location is not None:
            to.send_header("Location", location)
        to.end_headers()
        to.wfile.write(content)

    def page(self, path: str, **more: Any) -> RunPage:
        return RunPage(url=self.url + path, names=["calm-otter"], success="Completed", **more)

    def headers_at(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.asked if asked == path]


def end_browsers_in(home: Path) -> None:
    for lock in home.glob("*/profile/Singleton*"):
        if lock.name == "SingletonLock":
            os.kill(int(lock.readlink().name.rpartition("-")[2]), signal.SIGKILL)


def accepted(page: RunPage, shot: Shot) -> None:
    refuse_shot(page, shot, ended_at=LONG_AGO)


def refused(page: RunPage, shot: Shot) -> str:
    with pytest.raises(NotTheRun) as reason:
        refuse_shot(page, shot, ended_at=LONG_AGO)
    return reason.value.problem


def picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))
