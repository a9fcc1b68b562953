"""Mails of an emergency go by connections that stay open: the same mails and errors, and a log-in for many."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from caseproof.channels.outbound import kept_mail
from caseproof.channels.outbound.kept_mail import KeptMail
from caseproof.channels.outbound.mail import DEADLINE_FACTOR, MailAccount, MailDown, MailRefused
from caseproof.up.processes import wait_until
from sandbox.mailbox import Mailbox

MESSAGE = b"From: cases@example.com\r\nTo: shop@example.com\r\nSubject: A notice\r\n\r\nDear shop,\r\n"
SENDER, SHOP = "cases@example.com", ("shop@example.com",)


class Server:
    """A mail server that counts its connections; ``closes_after`` so many mails of one, ``hangs`` at this command."""

    def __init__(self) -> None:
        self.connections = self.open = 0
        self.mails = 0
        self.closes_after, self.hangs, self.refuses = 99, "", ""
        self.said: list[str] = []
        self.patience = 30.0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def account(self) -> MailAccount:
        port = self._listener.getsockname()[1]
        return MailAccount("127.0.0.1", port, "plain", None, "", timeout_seconds=self.patience)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self.open += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        mails, lines = 0, connection.makefile("rb")
        with suppress(OSError), connection:
            connection.sendall(b"220 here\r\n")
            while mails < self.closes_after and (line := lines.readline()):
                command = line[:4].decode().strip().upper()
                self.said.append(command)
                if command == self.hangs:
                    lines.readline()
                    break
                answer = "250 fine"
                if command == self.refuses:
                    answer = "550 not here"
                elif command == "DATA":
                    connection.sendall(b"354 go on\r\n")
                    while lines.readline() != b".\r\n":
                        pass
                    mails += 1
                    self.mails += 1
                connection.sendall(f"{answer}\r\n".encode())
        self.open -= 1


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_mails_one_after_the_other_go_by_one_connection_which_is_closed_politely(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_mail, "KEPT_SECONDS", 60)
    monkeypatch.setattr(kept_mail, "_TICK", 0.05)
    send = KeptMail(server.account)
    for number in range(5):
        if number == 4:
            monkeypatch.setattr(kept_mail, "KEPT_SECONDS", 0.05)  # after this one nobody uses it any more
        assert send(MESSAGE, SENDER, SHOP).accepted == SHOP
    assert (server.mails, server.connections) == (5, 1)
    wait_until("the connection to be closed", lambda: server.open == 0, 60, every=0.02)
    assert server.said[-1] == "QUIT"
    send(MESSAGE, SENDER, SHOP)
    assert server.connections == 2


def test_mails_at_once_have_a_connection_each_and_all_of_them_arrive() -> None:
    with Mailbox(latency=0.02) as mailbox:
        send = KeptMail(MailAccount(mailbox.host, mailbox.port, "plain", None, ""))
        with ThreadPoolExecutor(8) as pool:
            texts = [MESSAGE + f"{number}\r\n".encode() for number in range(40)]
            list(pool.map(lambda text: send(text, SENDER, SHOP), texts))
        assert sorted(one.raw for one in mailbox.messages) == sorted(texts)


def test_a_connection_that_the_server_closed_meanwhile_costs_no_mail(server: Server) -> None:
    server.closes_after = 2
    send = KeptMail(server.account)
    for _ in range(5):
        send(MESSAGE, SENDER, SHOP)
    assert (server.mails, server.connections) == (5, 3)


def test_one_connection_carries_so_many_mails_as_servers_take(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_mail, "MOST", 2)
    send = KeptMail(server.account)
    for _ in range(4):
        send(MESSAGE, SENDER, SHOP)
    assert (server.mails, server.connections) == (4, 2)


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT"])
def test_a_server_that_hangs_is_left_after_its_time_out_by_a_kept_connection_too(server: Server, command: str) -> None:
    server.patience = 1.0
    send = KeptMail(server.account)
    if command != "EHLO":
        send(MESSAGE, SENDER, SHOP)
    server.hangs = command
    with pytest.raises(MailDown) as caught:
        send(MESSAGE, SENDER, SHOP)
    assert not caught.value.maybe_sent
    assert server.connections == 1, "it hangs for the next connection, too, and nobody has the time"


def test_a_mail_that_was_handed_over_is_sent_by_no_other_connection(server: Server) -> None:
    """Whether it was sent is unknown, and whoever asked for it knows how to go on."""
    server.patience = 1.0
    send = KeptMail(server.account)
    send(MESSAGE, SENDER, SHOP)
    server.hangs = "DATA"
    with pytest.raises(MailDown) as caught:
        send(MESSAGE, SENDER, SHOP)
    assert caught.value.maybe_sent
    assert server.connections == 1


def test_what_is_refused_for_good_is_refused_once_and_the_next_mail_goes(server: Server) -> None:
    send = KeptMail(server.account)
    send(MESSAGE, SENDER, SHOP)
    server.refuses = "RCPT"
    with pytest.raises(MailRefused):
        send(MESSAGE, SENDER, SHOP)
    assert server.said.count("RCPT") == 2
    server.refuses = ""
    send(MESSAGE, SENDER, SHOP)
    assert server.mails == 2


def test_a_server_that_drips_is_cut_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_mail, "_TICK", 0.05)
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drips() -> None:
        connection, _ = listener.accept()
        with suppress(OSError), connection:
            while not over.wait(0.01):
                connection.sendall(b"2")

    threading.Thread(target=drips, daemon=True).start()
    account = MailAccount("127.0.0.1", listener.getsockname()[1], "plain", None, "", timeout_seconds=1.0)
    with pytest.raises(MailDown, match=f"was not through after {1.0 * DEADLINE_FACTOR:g} s"):
        KeptMail(account)(MESSAGE, SENDER, SHOP)
    over.set()
    listener.close()


def test_where_no_thread_is_left_a_mail_goes_all_the_same_and_the_next_one_is_watched(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unwatched, no connection stays open: nobody would close it."""
    send, started = KeptMail(server.account), threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name == "mail-watch":
            raise RuntimeError("can't start new thread")
        started(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        assert send(MESSAGE, SENDER, SHOP).accepted == SHOP
        wait_until("the connection to be closed", lambda: server.open == 0, 60, every=0.01)
    for _ in range(2):
        send(MESSAGE, SENDER, SHOP)
    assert (server.mails, server.connections, server.open) == (3, 2, 1)
