"""A small HTTP server that a test fills with answers; it keeps what it was asked, and over how many connections."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Loopback:
    """Gives each path (without its query) its answer; None breaks the connection off, what is missing is 404."""

    answers: dict[str, Answer | Callable[[], Answer] | None] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path and headers (small letters) of each question."""
    connections: int = 0

    def __enter__(self) -> Self:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                loopback.connections += 1

            def do_GET(self) -> None:
                loopback._answer(self)

            do_POST = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        path = handler.path.partition("?")[0]
        self.asked.append((handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}))
        told = self.answers.get(path, (404, {}, b""))
        if told is None:
            handler.close_connection = True
            return
        status, headers, content = told() if callable(told) else told
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            handler.send_header(name, value)
        with suppress(ConnectionError):  # who asked may have gone
            handler.end_headers()
            handler.wfile.write(content)
