"""A mail server for the small world: it keeps every message, in memory and as .eml, and sends nothing on.

Mail to the address of a ``receiver`` is not kept but put into the mailbox behind it, as a receiving server does.

In tests: ``with Mailbox(folder) as mailbox: ...; mailbox.wait_for(1, seconds=5)``.
By hand: ``python -m sandbox.mailbox --port 8025 --folder DIR`` runs until SIGTERM (or Ctrl-C).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import smtplib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.receiving import Receiver

MessageHook = Callable[[Envelope], str | None]

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of its own attribute at every login


@dataclass(frozen=True)
class Kept:
    """One message as it came: its bytes (without SMTP's dot-stuffing), and the envelope."""

    raw: bytes
    mail_from: str
    rcpt_tos: tuple[str, ...]

    @property
    def parsed(self) -> EmailMessage:
        """The message, parsed."""
        return message_from_bytes(self.raw, policy=policy.default)


class _OneSocket(Controller):
    """A controller on a socket that is bound already, so that nobody takes the free port in between."""

    def __init__(self, handler: Any, sock: socket.socket, **options: Any) -> None:
        self._sock = sock
        host, port = sock.getsockname()[:2]
        super().__init__(handler, hostname=host, port=port, **options)

    def _create_server(self) -> Any:
        return self.loop.create_server(self._factory_invoker, sock=self._sock, ssl=self.ssl_context)


class Mailbox:
    """A real SMTP server on a loopback port (0: a free one), from ``with`` until its end.

    ``folder``: each message is written there as 0001.eml, ... (made if missing; older ones stay).
    ``on_message``: asked when the message is there, before the answer goes out, in its own thread (it may
    block); an answer like "451 4.3.0 try later" goes out instead of "250 OK", and nothing is kept.
    ``login``: (user, password) that a client must give. ``refuse``: recipients answered with 550.
    ``senders``: addresses with passwords, of people who may log in with them, so that their mail is known to be theirs.
    ``receiver``: takes the mail to its own address, for which nothing is kept here.
    ``tls``: a server context; with ``tls_at_once`` for TLS from the first byte, else offered as STARTTLS.
    ``utf8``: whether SMTPUTF8 is offered. ``latency``: how many seconds late a message is answered.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int = 0,
        on_message: MessageHook | None = None,
        login: tuple[str, str] | None = None,
        refuse: Collection[str] = (),
        senders: Mapping[str, str] | None = None,
        receiver: Receiver | None = None,
        tls: ssl.SSLContext | None = None,
        tls_at_once: bool = False,
        utf8: bool = True,
        latency: float = 0.0,
    ) -> None:
        self.folder, self._latency = folder, latency
        self.on_message = on_message
        self.login = login
        self.refuse = frozenset(refuse)
        self.senders = dict(senders or {})
        self.receiver = receiver
        self._kept: list[Kept] = []
        self._changed = threading.Condition()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        self.host, self.port = sock.getsockname()
        options: dict[str, Any] = {"enable_SMTPUTF8": utf8, "server_hostname": "mailbox.example.com"}
        if login is not None or self.senders:
            options |= {"authenticator": self._authenticate, "auth_require_tls": False}
        if tls is not None:
            options["ssl_context" if tls_at_once else "tls_context"] = tls
        self._sock = sock
        self._controller = _OneSocket(self, sock, **options)

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
        self._sock.close()

    @property
    def messages(self) -> list[Kept]:
        """All kept messages, in the order they came."""
        with self._changed:
            return list(self._kept)

    def wait_for(self, n: int, seconds: float) -> list[Kept]:
        """All messages, as soon as there are at least ``n``. Raises TimeoutError after ``seconds``."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._kept) >= n, timeout=seconds):
                raise TimeoutError(f"{len(self._kept)} of {n} messages came within {seconds:g} s")
            return list(self._kept)

    def hand_in(self, message: EmailMessage, *, user: str = "", mail_from: str | None = None) -> None:
        """Send a message through this server to its To, as a mail program does.

        ``user``: one of ``senders`` who logs in first; empty: nobody. ``mail_from``: the envelope's sender, "" for a
        mail that nobody may answer; else it is the From.
        """
        with smtplib.SMTP(self.host, self.port, timeout=60) as smtp:
            if user:
                smtp.login(user, self.senders[user])
            refused = smtp.send_message(message, from_addr=mail_from)
            if refused:
                raise ValueError(f"refused: {refused}")

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        user, password = data.login.decode(), data.password.decode()
        known = (user, password) == self.login or self.senders.get(user) == password
        return AuthResult(success=known, handled=False, auth_data=user if known else "")

    # aiosmtpd calls these by name.

    async def handle_MAIL(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuse:
            return "550 5.1.1 No such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        # In a thread, which also ends what it began where the sender is gone before it has its answer.
        user = str(session.auth_data or "") if session.authenticated else ""
        if self._latency:
            await asyncio.sleep(self._latency)
        return await asyncio.get_running_loop().run_in_executor(None, self._take, envelope, user)

    def _take(self, envelope: Envelope, user: str) -> str:
        answer = self.on_message(envelope) if self.on_message is not None else None
        if answer is None or answer.startswith("2"):
            raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
            if self._receive(envelope, raw, user) < len(envelope.rcpt_tos):
                self._keep(envelope, raw)
        return answer or "250 2.0.0 OK"

    def _receive(self, envelope: Envelope, raw: bytes, user: str) -> int:
        """Hand the mail to the receiver for each recipient that is its own; returns how many these are."""
        receiver = self.receiver
        if receiver is None:
            return 0
        ours = [recipient for recipient in envelope.rcpt_tos if receiver.takes(recipient)]
        for recipient in ours:
            receiver.deliver(raw, mail_from=envelope.mail_from or "", recipient=recipient, user=user)
        return len(ours)

    def _keep(self, envelope: Envelope, raw: bytes) -> None:
        with self._changed:
            if self.folder is not None:
                taken = [int(file.stem) for file in self.folder.glob("*.eml") if file.stem.isdigit()]
                number = max(taken, default=0) + 1
                part = self.folder / f"{number:04d}.part"
                part.write_bytes(raw)
                part.rename(part.with_suffix(".eml"))
            self._kept.append(Kept(raw, envelope.mail_from or "", tuple(envelope.rcpt_tos)))
            self._changed.notify_all()


def main() -> None:
    """Run a mailbox until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.mailbox", description=main.__doc__)
    parser.add_argument("--port", type=int, required=True, help="the loopback port (0: a free one)")
    parser.add_argument("--folder", type=Path, help="where the .eml files go; without it they are kept in memory alone")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how late each message is answered")
    given = parser.parse_args()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with Mailbox(given.folder, port=given.port, latency=given.latency_ms / 1000) as mailbox:
        where = given.folder or "memory"
        sys.stdout.write(f"mailbox listens on {mailbox.host}:{mailbox.port}, keeps in {where}\n")
        sys.stdout.flush()
        over.wait()


if __name__ == "__main__":
    main()
