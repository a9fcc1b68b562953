"""A small web app to which a telephone's provider posts its call-backs."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from caseproof.channels.voice.signature import HEADER


class VoiceDoor:
    """Serves while it is entered, at ``url``; ``heard`` says how a call-back is answered."""

    url: str

    def heard(self, path: str, body: bytes, given: str) -> tuple[int, bytes]:
        """The status and the page for this call-back; ``given`` is its signature."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        mine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, page = mine.heard(self.path, body, self.headers.get(HEADER, ""))
                self.send_response(status)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
