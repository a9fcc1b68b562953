"""A front door before a real HTTP server, which passes everything on, and goes wrong when it is told to."""

from __future__ import annotations

import base64
import json
import socket
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

import httpx

_OWN_HEADERS = {"connection", "content-length", "transfer-encoding", "content-encoding", "date", "server", "keep-alive"}


class Front:
    """``shift``: how far the clock behind it is off; ``password``: ``user:password`` that it asks for, as Prefect does;
    ``instead``: answers (status, JSON) in the place of the real ones, by path. ``asked`` counts the questions by path.

    Where it has a ``guard`` it asks for that password as long as it is well, and lets no page of others read its
    answers, but ``lets_in``, or all ("*").
    """

    def __init__(self, upstream: str, guard: str = "") -> None:
        self.guard = guard
        self._client = httpx.Client(
            limits=httpx.Limits(keepalive_expiry=1), base_url=upstream, timeout=60, trust_env=False
        )
        self.well()
        front = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                front._pass_on(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def well(self) -> None:
        """Nothing goes wrong any more."""
        self.shift = timedelta()
        self.password = self.guard
        self.lets_in = ""
        self.instead: dict[str, tuple[int, Any]] = {}
        self.asked: Counter[str] = Counter()

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._client.close()

    def _connect(self, door: BaseHTTPRequestHandler) -> None:
        """A websocket: both ways as it comes, until one side ends it."""
        there = self._client.base_url
        with socket.create_connection((there.host, there.port or 80)) as behind:
            head = "".join(f"{name}: {value}\r\n" for name, value in door.headers.items())
            behind.sendall(door.raw_requestline + head.encode() + b"\r\n")
            back = Thread(target=_pump, args=(behind, door.connection), daemon=True)
            back.start()
            _pump(door.connection, behind)
            back.join(60)
        door.close_connection = True

    def _pass_on(self, door: BaseHTTPRequestHandler) -> None:
        if door.headers.get("Upgrade"):
            self._connect(door)
            return
        body = door.rfile.read(int(door.headers.get("Content-Length") or 0))
        wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}"
        date = datetime.now(UTC)
        headers = {"Content-Type": "application/json"}
        self.asked[door.path] += 1
        if door.path in self.instead:
            status, told = self.instead[door.path]
            content = json.dumps(told).encode()
        elif self.password and door.headers.get("Authorization") != wanted:
            status, content = 401, b'{"exception_message":"Unauthorized"}'
        else:
            sent = {k: v for k, v in door.headers.items() if k.lower() not in ("connection", "accept-encoding")}
            answer = self._client.request(door.command, door.path, content=body, headers=sent)
            status, content = answer.status_code, answer.content
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _OWN_HEADERS}
            if door.path == "/ui-settings" and answer.is_success:  # its pages are told to call it under this name
                content = json.dumps({**answer.json(), "api_url": f"{self.url}/api"}).encode()
            date = parsedate_to_datetime(answer.headers["Date"])
        if self.guard:
            headers = {k: v for k, v in headers.items() if not k.lower().startswith("access-control-")}
            if self.lets_in in ("*", door.headers.get("Origin")):
                headers["Access-Control-Allow-Origin"] = self.lets_in
        door.send_response_only(status)
        for name, value in headers.items():
            door.send_header(name, value)
        door.send_header("Date", format_datetime(date + self.shift, usegmt=True))
        if status != 204:
            door.send_header("Content-Length", str(len(content)))
        door.end_headers()
        if door.command != "HEAD":
            door.wfile.write(content)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while some := source.recv(65536):
            sink.sendall(some)
        sink.shutdown(socket.SHUT_RDWR)
