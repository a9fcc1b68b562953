"""The connection under the mailbox: the standard library's IMAP client, with an end to every wait and to every size."""

from __future__ import annotations

import imaplib
import socket
import ssl
import time
from contextlib import suppress
from typing import Literal

LITERAL_BYTES = 32_000_000
"""What a server may announce at once: more than the largest message that is read (25 MB)."""
LINE_BYTES = 8_000_000
"""A line of an answer: the list of all messages of a folder is one, with about 10 bytes a message."""
_CHUNK = 262_144


class ImapConnection(imaplib.IMAP4):
    """imaplib's client on a socket of ours; ``at_once``: TLS before the greeting.

    ``allow(seconds)`` begins a step: the server may be silent for ``timeout`` seconds at a time, and the step is over
    after ``seconds`` whatever it sends. What waits too long raises TimeoutError and leaves what came in the buffer,
    so that IDLE can go on waiting in the middle of a line.
    """

    def __init__(self, host: str, port: int, timeout: float, at_once: ssl.SSLContext | None) -> None:
        self._silence = timeout
        self._at_once = at_once
        self._buffer = bytearray()
        self._over = 0.0
        self.allow(timeout * 2)
        super().__init__(host, port, timeout)

    def allow(self, seconds: float) -> None:
        """Begin a step that may take this long."""
        self._over = time.monotonic() + seconds

    # What imaplib calls for its bytes: these five methods are all that touches the socket.

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        raw = socket.create_connection((host, port), timeout)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.sock: socket.socket = raw
        if self._at_once is not None:
            try:
                self.sock = self._at_once.wrap_socket(raw, server_hostname=host)
            except BaseException:
                raw.close()
                raise

    def read(self, size: int) -> bytes:
        if size > LITERAL_BYTES:
            raise self.abort(f"it announced {size} bytes at once")
        while len(self._buffer) < size:
            self._fill()
        return self._taken(size)

    def readline(self) -> bytes:
        looked_at = 0
        while (end := self._buffer.find(b"\n", looked_at)) < 0:
            looked_at = len(self._buffer)
            if looked_at > LINE_BYTES:
                raise self.abort(f"it sent a line of more than {LINE_BYTES} bytes")
            self._fill()
        return self._taken(end + 1)

    def send(self, data: bytes) -> None:  # type: ignore[override]
        self.sock.settimeout(self._patience())
        self.sock.sendall(data)

    def shutdown(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> tuple[Literal["OK"], list[None]]:
        """Go over to TLS; what somebody on the way put behind the server's yes never counts as said under TLS."""
        if "STARTTLS" not in self.capabilities:
            raise self.error("it offers no STARTTLS")
        typ, _ = self._simple_command("STARTTLS")
        if typ != "OK" or ssl_context is None:
            raise self.error("it refused STARTTLS")
        if self._buffer:
            raise self.abort("it went on in plain text after STARTTLS")
        self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
        self._get_capabilities()
        return "OK", [None]

    # -- IDLE: imap-tools looks at the bare socket, and misses what TLS or a buffer holds already ----------------------

    def idle_begin(self) -> bytes | None:
        """Ask for IDLE; its tag once the server agreed, None where it refused."""
        tag: bytes = self._command("IDLE")
        while self._get_response() is not None:
            if self.tagged_commands[tag] is not None:
                del self.tagged_commands[tag]
                return None
        return tag

    def idle_hear(self, seconds: float) -> bool:
        """Wait for one answer; False where none came. What it says stands in ``untagged_responses``."""
        self.allow(seconds)
        patience, self._silence = self._silence, seconds
        try:
            self._get_response()
        except TimeoutError:
            return False
        finally:
            self._silence = patience
        self._check_bye()
        return True

    def idle_end(self, tag: bytes) -> None:
        """End IDLE; raises TimeoutError where the server is not there any more."""
        self.send(b"DONE\r\n")
        self._get_tagged_response(tag)

    def heard(self, what: str) -> bool:
        """Whether the server said this by itself since we last asked; asking forgets it."""
        return self.untagged_responses.pop(what, None) is not None

    # -- bytes --------------------------------------------------------------------------------------------------------

    def _patience(self) -> float:
        left = min(self._over - time.monotonic(), self._silence)
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def _fill(self) -> None:
        self.sock.settimeout(self._patience())
        came = self.sock.recv(_CHUNK)
        if not came:
            raise self.abort("it closed the connection")
        self._buffer += came

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
