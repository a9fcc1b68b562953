"""The connection under a sending of mail: one that another thread can cut, with a time-out on all of it."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import suppress


class SmtpConnection:
    """One connection, which the waiting thread can cut whatever the worker is in the middle of.

    It holds a duplicate of the socket, because a TLS handshake takes the first one over and shows the wrapped
    one only when it is finished. ``step`` and ``handed_over`` say how far the worker is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: socket.socket | None = None
        self._is_cut = False
        self.step = "connecting"
        self.handed_over = False

    def hold(self, sock: socket.socket) -> None:
        with self._lock:
            if self._is_cut:
                sock.close()
                raise TimeoutError("timed out")
            self._end = sock.dup()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            end, self._end = self._end, None
        if end is not None:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Smtp(smtplib.SMTP):
    """smtplib's client, with its socket in our hands at once; ``at_once``: TLS before the greeting."""

    def __init__(
        self, host: str, port: int, timeout: float, line: SmtpConnection, at_once: ssl.SSLContext | None
    ) -> None:
        self._line = line
        self._at_once = at_once
        super().__init__(host, port, local_hostname="localhost", timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((host, port), timeout)
        self._line.hold(raw)
        # smtplib would ask DNS for our own name, and that may hang.
        own = socket.gethostname()
        address = raw.getsockname()[0]
        literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
        self._own_name = own if "." in own and own.isascii() else literal
        return self._at_once.wrap_socket(raw, server_hostname=host) if self._at_once else raw

    def ehlo(self, name: str = "") -> tuple[int, bytes]:
        return super().ehlo(name or self._own_name)

    def helo(self, name: str = "") -> tuple[int, bytes]:
        return super().helo(name or self._own_name)
