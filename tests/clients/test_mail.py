"""Mail leaves by real SMTP: what is accepted, refused, tried again, and never waited for too long."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from caseproof.channels.outbound.mail import (
    DEADLINE_FACTOR,
    Delivery,
    MailAccount,
    MailDown,
    MailRefused,
    bare_address,
    send,
)
from caseproof.domain.errors import BadInput
from sandbox.mailbox import Mailbox

MESSAGE = (
    b"From: Caseproof <cases@example.com>\r\nTo: shop@example.com\r\nSubject: A notice\r\n"
    b"Message-ID: <jf-000001.1.notice@example.com>\r\n\r\nDear shop,\r\n.a line with a dot\r\n..two\r\n"
)
SENDER = "Caseproof <cases@example.com>"
SHOP = "shop@example.com"
TIMEOUT = 0.4
REACHED = 1.0
"""A time-out in which what comes before the silence is said, also on a slow machine."""
LIMIT = 60.0


def account(port: int, host: str = "127.0.0.1", **more: object) -> MailAccount:
    options: dict[str, object] = {
        "security": "plain",
        "username": None,
        "password": "",
        "timeout_seconds": 120,
    }
    return MailAccount(host=host, port=port, **(options | more))  # type: ignore[arg-type]


def post(where: MailAccount, message: bytes = MESSAGE, to: tuple[str, ...] = (SHOP,)) -> Delivery:
    return send(where, message, sender=SENDER, recipients=to)


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server of one connection that says whatever ``talk`` says; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(120)
    held: list[socket.socket] = []

    def serve() -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        held.append(connection)
        connection.settimeout(120)
        with suppress(OSError):  # the client hung up, which is what some of these tests are about
            talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for connection in held:
            connection.close()
        thread.join(60)


def conversation(connection: socket.socket, answers: dict[str, str], after_data: Callable[[], None]) -> None:
    """Speak SMTP up to the final dot, then call ``after_data`` instead of answering."""
    reader = connection.makefile("rb")
    connection.sendall(b"220 here\r\n")
    while line := reader.readline():
        verb = line[:4].decode().upper().strip()
        if verb == "DATA":
            connection.sendall(b"354 go on\r\n")
            while reader.readline() not in (b".\r\n", b""):
                pass
            after_data()
            return
        connection.sendall((answers.get(verb, "250 fine") + "\r\n").encode())


def wait_for_hang_up(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def test_exactly_the_given_bytes_arrive_also_lines_that_start_with_a_dot(tmp_path: Path) -> None:
    with Mailbox(tmp_path) as mailbox:
        delivery = post(account(mailbox.port))
        [kept] = mailbox.wait_for(1, seconds=60)
    assert delivery == Delivery(accepted=(SHOP,), refused={})
    assert kept.raw == MESSAGE
    assert (kept.mail_from, kept.rcpt_tos) == ("cases@example.com", (SHOP,))
    assert (tmp_path / "0001.eml").read_bytes() == MESSAGE


def test_a_message_that_is_sent_again_keeps_its_message_id_and_its_content() -> None:
    answers = ["451 4.3.0 try later", None]
    with Mailbox(on_message=lambda _envelope: answers.pop(0)) as mailbox:
        with pytest.raises(MailDown) as caught:
            post(account(mailbox.port))
        assert mailbox.messages == []
        post(account(mailbox.port))
        [kept] = mailbox.wait_for(1, seconds=60)
    assert not caught.value.maybe_sent
    assert "451" in caught.value.problem
    assert kept.raw == MESSAGE
    assert kept.parsed["Message-ID"] == "<jf-000001.1.notice@example.com>"


def test_one_refused_recipient_of_three_is_named_and_the_others_get_the_message() -> None:
    with Mailbox(refuse={"gone@example.com"}) as mailbox:
        delivery = post(account(mailbox.port), to=("one@example.com", "gone@example.com", "two@example.com"))
        [kept] = mailbox.wait_for(1, seconds=60)
    assert delivery.accepted == ("one@example.com", "two@example.com")
    assert delivery.refused == {"gone@example.com": "550 5.1.1 No such mailbox here"}
    assert kept.rcpt_tos == delivery.accepted


def test_when_all_recipients_are_refused_nothing_is_sent_and_the_contacts_are_named() -> None:
    with (
        Mailbox(refuse={"a@example.com", "b@example.com"}) as mailbox,
        pytest.raises(MailRefused) as caught,
    ):
        post(account(mailbox.port), to=("a@example.com", "b@example.com"))
    assert mailbox.messages == []
    assert "a@example.com" in caught.value.problem
    assert "contacts" in caught.value.next_action
    assert "550" in caught.value.reason, "another message may be taken"


def test_recipients_that_are_refused_for_now_are_worth_another_try() -> None:
    def greylist(connection: socket.socket) -> None:
        conversation(connection, {"RCPT": "450 4.2.0 greylisted"}, lambda: None)

    with server(greylist) as port, pytest.raises(MailDown, match="450") as caught:
        post(account(port))
    assert caught.value.reason == "450 4.2.0 greylisted"


def test_a_refused_message_is_refused_with_the_servers_words() -> None:
    with (
        Mailbox(on_message=lambda _envelope: "554 5.7.1 looks like spam") as mailbox,
        pytest.raises(MailRefused, match="looks like spam") as caught,
    ):
        post(account(mailbox.port))
    assert caught.value.next_action
    assert caught.value.reason == "554 5.7.1 looks like spam"


def test_a_refused_sender_names_the_policy_entry() -> None:
    def picky(connection: socket.socket) -> None:
        conversation(connection, {"MAIL": "553 5.7.1 not your address"}, lambda: None)

    with server(picky) as port, pytest.raises(MailRefused, match=r"mail\.sender") as caught:
        post(account(port))
    assert caught.value.reason == "", "no other message would be taken either"


def test_a_login_reaches_the_server_and_the_right_one_is_let_in() -> None:
    with Mailbox(login=("cases", "right")) as mailbox:
        post(account(mailbox.port, username="cases", password="right"))
        assert len(mailbox.wait_for(1, seconds=60)) == 1


def test_a_wrong_login_is_refused_and_the_password_is_not_told() -> None:
    with Mailbox(login=("cases", "right")) as mailbox, pytest.raises(MailRefused) as caught:
        post(account(mailbox.port, username="cases", password="wr0ng-secret"))
    assert mailbox.messages == []
    assert "login" in caught.value.problem
    assert "password of the mail account" in caught.value.next_action
    assert "wr0ng-secret" not in str(caught.value) + repr(caught.value.__cause__)


def test_no_login_where_one_is_wanted_is_refused() -> None:
    with Mailbox(login=("cases", "right")) as mailbox, pytest.raises(MailRefused, match="530"):
        post(account(mailbox.port))


def test_a_password_outside_ascii_is_refused_without_showing_it() -> None:
    with Mailbox(login=("cases", "right")) as mailbox, pytest.raises(MailRefused) as caught:
        post(account(mailbox.port, username="cases", password="gehe\u00edm"))
    assert "gehe" not in str(caught.value)


def test_a_server_without_login_refuses_an_account_that_has_one() -> None:
    with Mailbox() as mailbox, pytest.raises(MailRefused, match="login"):
        post(account(mailbox.port, username="cases", password="x"))


def test_the_password_stays_out_of_the_accounts_text() -> None:
    assert "hidden-word" not in repr(account(25, username="cases", password="hidden-word"))


def test_starttls_and_a_login_inside_it_work(tls: ssl.SSLContext) -> None:
    with Mailbox(tls=tls, login=("cases", "right")) as mailbox:
        post(account(mailbox.port, security="starttls", verify=False, username="cases", password="right"))
        assert [kept.raw for kept in mailbox.wait_for(1, seconds=60)] == [MESSAGE]


def test_tls_from_the_first_byte_works(tls: ssl.SSLContext) -> None:
    with Mailbox(tls=tls, tls_at_once=True) as mailbox:
        post(account(mailbox.port, security="ssl", verify=False))
        assert [kept.raw for kept in mailbox.wait_for(1, seconds=60)] == [MESSAGE]


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_an_unknown_certificate_is_refused(tls: ssl.SSLContext, security: str) -> None:
    with (
        Mailbox(tls=tls, tls_at_once=security == "ssl") as mailbox,
        pytest.raises(MailRefused, match="certificate"),
    ):
        post(account(mailbox.port, security=security))
    assert mailbox.messages == []


def test_a_server_without_starttls_gets_nothing_in_plain() -> None:
    with Mailbox() as mailbox, pytest.raises(MailRefused, match="STARTTLS"):
        post(account(mailbox.port, security="starttls"))
    assert mailbox.messages == []


def test_tls_spoken_to_a_plain_port_names_port_and_security() -> None:
    with Mailbox() as mailbox, pytest.raises(MailRefused, match="465 goes with 'ssl'"):
        post(account(mailbox.port, security="ssl"))


def test_a_port_where_nobody_listens_is_worth_another_try() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(MailDown, match="nothing was sent") as caught:
            post(account(port))
    assert not caught.value.maybe_sent


def test_a_server_that_is_busy_at_its_greeting_is_worth_another_try() -> None:
    def busy(connection: socket.socket) -> None:
        connection.sendall(b"421 4.3.2 too busy\r\n")
        wait_for_hang_up(connection)

    with server(busy) as port, pytest.raises(MailDown, match="421"):
        post(account(port))


@pytest.mark.parametrize("security", ["plain", "ssl"])
def test_a_server_that_hangs_after_the_connect_is_left_after_the_time_out(security: str) -> None:
    began = time.monotonic()
    with server(wait_for_hang_up) as port, pytest.raises(MailDown, match="did not answer within"):
        post(account(port, security=security, timeout_seconds=TIMEOUT))
    assert time.monotonic() - began < LIMIT


def drip(connection: socket.socket, what: bytes, over: threading.Event) -> None:
    """Send one byte again and again, each sooner than the time-out, until the client has gone."""
    while not over.wait(0.05):
        connection.sendall(what)


@pytest.mark.parametrize("where", ["greeting", "TLS", "final answer"])
def test_a_server_that_drips_is_left_at_the_deadline(where: str) -> None:
    over = threading.Event()

    def dripping(connection: socket.socket) -> None:
        if where == "greeting":
            drip(connection, b"2", over)
        elif where == "TLS":
            connection.sendall(b"\x16\x03\x03\x3f\xff")  # the head of a long handshake record
            drip(connection, b"\x02", over)
        else:
            conversation(connection, {}, lambda: drip(connection, b"2", over))

    seconds = TIMEOUT if where == "TLS" else REACHED
    began = time.monotonic()
    with server(dripping) as port:
        with pytest.raises(MailDown) as caught:
            post(account(port, security="ssl" if where == "TLS" else "plain", timeout_seconds=seconds))
        took = time.monotonic() - began
        over.set()
    # A TLS handshake keeps to its time-out as a whole; single reads do not, and only the deadline ends those.
    assert (seconds if where == "TLS" else seconds * DEADLINE_FACTOR) <= took < LIMIT
    assert ("did not answer" if where == "TLS" else "not through after") in caught.value.problem
    assert caught.value.maybe_sent == (where == "final answer")


def test_no_thread_is_left_behind_by_a_server_that_hangs() -> None:
    with server(wait_for_hang_up) as port, pytest.raises(MailDown):
        post(account(port, timeout_seconds=TIMEOUT))
    assert [thread for thread in threading.enumerate() if thread.name == "mail"] == []


def test_a_time_out_after_the_message_was_handed_over_says_that_it_may_have_been_sent() -> None:
    def silent(connection: socket.socket) -> None:
        conversation(connection, {}, lambda: wait_for_hang_up(connection))

    with (
        server(silent) as port,
        pytest.raises(MailDown, match="whether the message was sent is unknown") as caught,
    ):
        post(account(port, timeout_seconds=REACHED))
    assert caught.value.maybe_sent
    assert "same Message-ID" in caught.value.next_action


def test_a_connection_lost_after_the_message_was_handed_over_says_that_it_may_have_been_sent() -> None:
    def dropping(connection: socket.socket) -> None:
        conversation(connection, {}, lambda: connection.shutdown(socket.SHUT_RDWR))

    with server(dropping) as port, pytest.raises(MailDown, match="closed the connection") as caught:
        post(account(port))
    assert caught.value.maybe_sent


def test_a_final_answer_that_is_not_smtp_says_that_it_may_have_been_sent() -> None:
    def babbling(connection: socket.socket) -> None:
        conversation(connection, {}, lambda: connection.sendall(b"hello?\r\n"))

    with server(babbling) as port, pytest.raises(MailDown, match="not SMTP") as caught:
        post(account(port))
    assert caught.value.maybe_sent


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs at QUIT", "hangs up at QUIT"])
def test_a_failing_quit_after_acceptance_is_a_success(hangs: bool) -> None:
    def rude(connection: socket.socket) -> None:
        def accept() -> None:
            connection.sendall(b"250 taken\r\n")
            if hangs:
                wait_for_hang_up(connection)
            else:
                connection.shutdown(socket.SHUT_RDWR)

        conversation(connection, {}, accept)

    began = time.monotonic()
    with server(rude) as port:
        assert post(account(port)).accepted == (SHOP,)
    assert time.monotonic() - began < LIMIT


def test_a_host_name_that_does_not_exist_is_worth_another_try() -> None:
    with pytest.raises(MailDown, match="not found"):
        post(account(25, host="mail.invalid"))


def test_an_address_outside_ascii_goes_out_where_the_server_can_carry_it() -> None:
    with Mailbox() as mailbox:
        assert post(account(mailbox.port), to=("b\u00fccher@example.com",)).refused == {}
        [kept] = mailbox.wait_for(1, seconds=60)
    assert kept.rcpt_tos == ("b\u00fccher@example.com",)


def test_an_address_outside_ascii_is_refused_clearly_where_the_server_cannot_carry_it() -> None:
    with Mailbox(utf8=False) as mailbox:
        delivery = post(account(mailbox.port), to=("b\u00fccher@example.com", SHOP))
        with pytest.raises(MailRefused, match="SMTPUTF8"):
            post(account(mailbox.port), MESSAGE.replace(b"A notice", "B\u00fccher".encode()))
        assert len(mailbox.wait_for(1, seconds=60)) == 1
    assert delivery.accepted == (SHOP,)
    assert "SMTPUTF8" in delivery.refused["b\u00fccher@example.com"]


def test_a_domain_outside_ascii_travels_in_its_dns_form() -> None:
    with Mailbox(utf8=False) as mailbox:
        assert post(account(mailbox.port), to=("shop@b\u00fccher.example",)).accepted == ("shop@b\u00fccher.example",)
        [kept] = mailbox.wait_for(1, seconds=60)
    assert kept.rcpt_tos == ("shop@xn--bcher-kva.example",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "a@example.com, b@example.com",
        "a b@example.com",
        "a@example.com\r\nRCPT TO:<x@example.com>",
        "@x",
    ],
)
def test_what_is_not_one_address_is_refused_before_any_connection(text: str) -> None:
    with pytest.raises(BadInput, match="is not a mail address"):
        post(account(1), to=(text,))


def test_an_address_is_taken_out_of_its_display_name() -> None:
    assert bare_address('"Shop, the" <shop@example.com>') == SHOP


@pytest.mark.parametrize("message", [b"", b"From: a@example.com\n\nbare line feeds\n", b"a\rb\r\n"])
def test_a_message_that_smtp_cannot_carry_is_refused(message: bytes) -> None:
    with pytest.raises(BadInput):
        post(account(1), message)


def test_a_message_without_recipients_is_refused() -> None:
    with pytest.raises(BadInput, match="no recipient"):
        post(account(1), to=())


@pytest.mark.parametrize("wrong", [{"host": " "}, {"port": 0}, {"port": 70000}, {"timeout_seconds": 0}])
def test_an_account_that_cannot_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        account(**({"port": 25} | wrong))  # type: ignore[arg-type]


def test_the_mailbox_runs_by_itself_until_it_is_told_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.mailbox", "--port", "0", "--folder", str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().split(",")[0].rpartition(":")[2])
            post(account(port))
            process.terminate()
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
    assert [file.read_bytes() for file in tmp_path.glob("*.eml")] == [MESSAGE]
