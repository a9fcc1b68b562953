"""IMAP servers that lie, hang, refuse or repeat the password: what the reader of the mailbox makes of them."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from caseproof.channels.inbound.imap import STEP_FACTOR, Arrived, ImapInbox, probe
from caseproof.channels.inbound.imap_account import ImapAccount, InboxDown, InboxError, InboxRefused
from caseproof.channels.inbound.imap_connection import LITERAL_BYTES
from caseproof.channels.servers import Security
from tests.support.shown import shown_of

SECRET = 'hunter2"not\\for-people'
TIMEOUT = 1.0
"""Of an account whose server is silent some time; else it is long, also for a slow machine."""


class Liar:
    """A server of one connection at a time that speaks IMAP, but for what ``says`` answers to a command.

    ``says(command, arguments)``: whole lines to send before the tagged OK; what stands instead of the OK, after "=";
    or None for the usual answer. ``heard``: every command, in order.
    """

    GREETING = b"* OK here\r\n"
    CAPABILITIES = b"IMAP4rev1 IDLE MOVE UIDPLUS AUTH=PLAIN"

    def __init__(self, says: Callable[[str, str], bytes | None] | None = None, greeting: bytes = GREETING) -> None:
        self._says = says or (lambda _command, _arguments: None)
        self._greeting = greeting
        self.capabilities = self.CAPABILITIES
        self.heard: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Liar:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._thread.join(60)

    def account(self, security: Security = "plain", timeout: float = 120) -> ImapAccount:
        port = self._listener.getsockname()[1]
        return ImapAccount("127.0.0.1", port, security, "cases", SECRET, timeout_seconds=timeout)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                with suppress(OSError):
                    connection.sendall(self._greeting)
                    for line in connection.makefile("rb"):
                        self._answer(connection, line.decode().strip())

    def _answer(self, connection: socket.socket, line: str) -> None:
        if line == "DONE":
            self.heard.append(line)
            connection.sendall(f"{self._idle} OK over\r\n".encode())
            return
        tag, _, rest = line.partition(" ")
        command, _, arguments = rest.partition(" ")
        if command == "UID":
            command, _, arguments = arguments.partition(" ")
        self.heard.append(command)
        said = self._says(command, arguments)
        usual = {"CAPABILITY": b"* CAPABILITY " + self.capabilities + b"\r\n", "SEARCH": b"* SEARCH\r\n"}
        lines = usual.get(command, b"") if said is None else said
        if said is None and command == "IDLE":
            self._idle = tag
            connection.sendall(b"+ idling\r\n")
        elif lines.startswith(b"="):
            connection.sendall(tag.encode() + b" " + lines[1:] + b"\r\n")
        else:
            connection.sendall(lines + tag.encode() + b" OK done\r\n")


def saying(command: str, text: bytes) -> Callable[[str, str], bytes | None]:
    return lambda asked, _arguments: text if asked == command else None


@contextmanager
def quickly() -> Iterator[None]:
    """What is inside must be over soon, whatever the server does."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 90


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"", "did not answer in time"),
        (b"* OK half a gree", "did not answer in time"),
        (b"220 mail.example.com ESMTP\r\n", "broke off"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke off"),
        (b"* BYE too many connections\r\n", "too many connections"),
        (b"\x00\xff\xfe\r\n", "broke off"),
    ],
)
def test_what_greets_in_no_usable_way_is_down(greeting: bytes, words: str) -> None:
    with Liar(greeting=greeting) as liar, quickly(), pytest.raises(InboxDown, match=words) as down:
        probe(liar.account(timeout=TIMEOUT))
    assert "LOGIN" not in liar.heard
    assert SECRET not in shown_of(down.value)


def test_a_server_that_drips_for_ever_is_left_at_a_deadline() -> None:
    def drip(command: str, _arguments: str) -> bytes | None:
        if command == "SEARCH":
            for _ in range(400):
                liar._open[-1].sendall(b"* OK still here\r\n")
                time.sleep(TIMEOUT / 4)
        return None

    with Liar(drip) as liar, quickly(), pytest.raises(InboxDown, match="did not answer in time"):
        probe(liar.account(timeout=TIMEOUT))


def test_a_literal_without_end_is_not_read() -> None:
    def huge(command: str, _arguments: str) -> bytes | None:
        return f"* 1 FETCH (UID 1 BODY[] {{{LITERAL_BYTES + 1}}}\r\n".encode() if command == "FETCH" else None

    with Liar(huge) as liar, ImapInbox(liar.account()) as inbox, pytest.raises(InboxDown, match="announced"):
        inbox.fetch("1")


def test_a_server_that_repeats_the_password_does_not_make_us_tell_it() -> None:
    quoted = SECRET.replace("\\", "\\\\").replace('"', '\\"')
    for said in (f"NO no such login: {SECRET}", f'BAD LOGIN "cases" "{quoted}"', f"* BYE {SECRET} is wrong"):
        answer = f"{said}\r\n" if said.startswith("*") else f"={said}"
        with Liar(saying("LOGIN", answer.encode())) as liar, pytest.raises(InboxError) as refused:
            probe(liar.account())
        assert SECRET not in shown_of(refused.value)
        assert quoted not in shown_of(refused.value)


def test_a_login_that_is_not_possible_just_now_is_down_and_not_refused() -> None:
    later = saying("LOGIN", b"=NO [UNAVAILABLE] the user database is down")
    with Liar(later) as liar, pytest.raises(InboxDown, match="user database is down"):
        probe(liar.account())
    assert liar.heard.count("LOGIN") == 1


@pytest.mark.parametrize(
    ("capabilities", "answer", "error", "words"),
    [
        (b"IMAP4rev1", b"", InboxRefused, "offers no STARTTLS"),
        (b"IMAP4rev1 STARTTLS", b"=NO not today", InboxRefused, "refused STARTTLS"),
        (b"IMAP4rev1 STARTTLS", b"=OK go\r\n* OK [ALERT] forged", InboxDown, "went on in plain text"),
    ],
)
def test_without_tls_the_password_is_never_sent(
    capabilities: bytes, answer: bytes, error: type[InboxError], words: str
) -> None:
    with Liar(saying("STARTTLS", answer)) as liar:
        liar.capabilities = capabilities
        with pytest.raises(error, match=words):
            probe(liar.account("starttls"))
        assert not {"LOGIN", "AUTHENTICATE"} & set(liar.heard)


def test_where_logins_are_off_in_plain_the_password_is_not_sent() -> None:
    with Liar() as liar:
        liar.capabilities = b"IMAP4rev1 LOGINDISABLED"
        with pytest.raises(InboxRefused, match="takes no login over 'plain'"):
            probe(liar.account())
        assert "LOGIN" not in liar.heard


def test_a_folder_that_may_only_be_read_is_refused() -> None:
    with Liar(saying("SELECT", b"* OK [READ-ONLY] look only\r\n")) as liar, pytest.raises(InboxRefused, match="only"):
        probe(liar.account())


def test_one_message_that_the_server_cannot_give_out_is_not_the_end_of_the_others() -> None:
    with Liar(saying("FETCH", b"=NO its file is broken")) as liar, ImapInbox(liar.account()) as inbox:
        with pytest.raises(InboxError, match="its file is broken") as wrong:
            inbox.fetch("7")
        assert not isinstance(wrong.value, InboxDown | InboxRefused)
        assert list(inbox.messages()) == []


def test_a_folder_that_cannot_be_made_is_said_with_what_to_do() -> None:
    def no_folders(command: str, _arguments: str) -> bytes | None:
        return b"=NO over quota" if command in ("MOVE", "CREATE") else None

    with Liar(no_folders) as liar, ImapInbox(liar.account()) as inbox:
        with pytest.raises(InboxRefused, match="over quota") as refused:
            inbox.put_away("7")
        assert "Make the folder Caseproof" in refused.value.next_action


class Cupboard:
    """What a liar says of messages that lie there, some of which it cannot do something with.

    ``refuses``: answers to a command about one message, by command and UID.
    """

    def __init__(self, *uids: str, refuses: dict[tuple[str, str], bytes]) -> None:
        self.lying, self.marked, self.copies, self.refuses = list(uids), list[str](), list[str](), refuses

    def says(self, command: str, arguments: str) -> bytes | None:
        uids = [uid for uid in self.lying if re.search(rf"\b{uid}\b", arguments) or arguments == "UNDELETED"]
        refused = next((self.refuses[command, uid] for uid in uids if (command, uid) in self.refuses), None)
        if refused is not None:
            return refused
        if command == "LIST":
            return b'* LIST () "/" Caseproof\r\n'
        if command == "SEARCH":
            return b"* SEARCH " + " ".join(uid for uid in uids if uid not in self.marked).encode() + b"\r\n"
        if command == "FETCH":
            what = b"RFC822.SIZE 3" if "SIZE" in arguments else b"BODY[]<0> {3}\r\nabc"
            return b"".join(b"* 1 FETCH (UID %b %b)\r\n" % (uid.encode(), what) for uid in uids)
        if command == "COPY":
            self.copies += uids
        elif command == "STORE":
            self.marked += uids
        elif command in ("MOVE", "EXPUNGE"):
            self.lying = [uid for uid in self.lying if uid not in uids]
        return None


@pytest.mark.parametrize("answer", [b"=NO it is locked", b"=BAD what?", b"=NO [SERVERBUG] internal error"])
def test_a_message_that_cannot_be_moved_is_copied_and_deleted(answer: bytes) -> None:
    cupboard = Cupboard("1", "2", "3", refuses={("MOVE", "2"): answer})
    with Liar(cupboard.says) as liar, ImapInbox(liar.account()) as inbox:
        for arrived in inbox.messages():
            inbox.put_away(arrived.uid)
    assert (cupboard.lying, cupboard.copies) == ([], ["2"])


@pytest.mark.parametrize("command", ["COPY", "STORE"])
@pytest.mark.parametrize("answer", [b"=NO it is locked", b"=BAD what?", b"=NO [SERVERBUG] internal error"])
def test_a_message_that_stays_whatever_is_tried_is_that_messages_trouble_alone(command: str, answer: bytes) -> None:
    cupboard = Cupboard("1", "2", "3", refuses={("MOVE", "2"): answer, (command, "2"): answer})
    with Liar(cupboard.says) as liar, ImapInbox(liar.account()) as inbox:
        for _ in range(2):
            for arrived in inbox.messages():
                if arrived.uid != "2":
                    inbox.put_away(arrived.uid)
                    continue
                with pytest.raises(InboxError, match="refused at moving a message") as wrong:
                    inbox.put_away(arrived.uid)
                assert not isinstance(wrong.value, InboxDown | InboxRefused)
    assert cupboard.lying == ["2"]
    assert len(cupboard.copies) <= 1, "what cannot be marked as deleted is not copied in every pass"


@pytest.mark.parametrize("answer", [b"=NO its size is unknown", b"=BAD what?", b"* 1 FETCH (UID 2)\r\n"])
def test_a_message_without_a_size_hides_no_other_and_is_read_itself(answer: bytes) -> None:
    cupboard = Cupboard("1", "2", "3", "4", refuses={("FETCH", "2"): answer})
    with Liar(cupboard.says) as liar, ImapInbox(liar.account()) as inbox:
        if answer.startswith(b"*"):
            cupboard.refuses = {("FETCH", "2"): b"* 1 FETCH (UID 1 RFC822.SIZE 3)\r\n* 2 FETCH (UID 2)\r\n"}
            assert list(inbox.messages()) == [Arrived("1", 3), Arrived("2", 0)]
        else:
            assert list(inbox.messages()) == [Arrived("1", 3), Arrived("2", 0), Arrived("3", 3), Arrived("4", 3)]
        cupboard.refuses.clear()
        assert inbox.fetch("2") == b"abc"


def test_idle_is_asked_for_anew_before_a_server_hangs_up_over_it() -> None:
    with Liar() as liar, ImapInbox(liar.account(), idle_seconds=0.05) as inbox:
        for seconds in (0.3, 1, 3, 10, 30):
            assert not inbox.wait(seconds)
            if found := re.search("(IDLE DONE SEARCH ){3}", " ".join(liar.heard)):
                break
        assert found


def test_a_server_that_is_gone_without_a_word_is_found_out_at_the_end_of_an_idle() -> None:
    def mute(command: str, _arguments: str) -> bytes | None:
        if command == "IDLE":
            liar._open[-1].sendall(b"+ idling\r\n")
            while liar._open[-1].recv(100):
                pass  # hears DONE, and says nothing any more
        return None

    with (
        Liar(mute) as liar,
        ImapInbox(liar.account(timeout=TIMEOUT), idle_seconds=0.1) as inbox,
        quickly(),
        pytest.raises(InboxDown, match="did not answer in time"),
    ):
        inbox.wait(120)


def test_where_idle_is_refused_the_server_is_asked_now_and_then() -> None:
    """Each question has a time of its own: waiting longer than one may take is no failure."""
    with Liar(saying("IDLE", b"=NO not for you")) as liar:
        account = liar.account(timeout=TIMEOUT)
        with ImapInbox(account, poll_seconds=0.1) as inbox:
            assert not inbox.wait(account.timeout_seconds * STEP_FACTOR * 2)
        assert liar.heard.count("SEARCH") >= 3


def test_a_folder_that_is_gone_while_it_is_open_is_opened_anew_and_not_given_up() -> None:
    with (
        Liar(saying("SEARCH", b"=NO Mailbox was deleted under us")) as liar,
        ImapInbox(liar.account()) as inbox,
        pytest.raises(InboxDown, match="deleted under us"),
    ):
        inbox.messages()


def test_news_that_came_with_another_answer_is_heard() -> None:
    told = saying("SEARCH", b"* SEARCH\r\n* 5 EXISTS\r\n")
    with Liar(told) as liar, ImapInbox(liar.account()) as inbox:
        assert inbox.wait(60)
        assert "IDLE" not in liar.heard


def test_sizes_come_in_any_order_and_between_other_news() -> None:
    def two(command: str, _arguments: str) -> bytes | None:
        if command == "FETCH":
            sizes = b"* 2 FETCH (RFC822.SIZE 22 UID 7)\r\n* 1 FETCH (FLAGS ())\r\n* 1 FETCH (UID 5 RFC822.SIZE 3)\r\n"
            return b"* 9 EXISTS\r\n" + sizes
        return b"* SEARCH 7 5 6\r\n" if command == "SEARCH" else None

    with Liar(two) as liar, ImapInbox(liar.account()) as inbox:
        assert list(inbox.messages()) == [Arrived("5", 3), Arrived("7", 22)], "the one without a size is gone"
        assert liar.heard.count("SELECT") == 2, "the folder is looked at as it is now"


def test_the_goodbye_is_not_waited_for() -> None:
    def mute(command: str, _arguments: str) -> bytes | None:
        return b"* OK let me think\r\n" * 3 + b"* OK " if command == "LOGOUT" else None

    with Liar(mute) as liar, quickly(), ImapInbox(liar.account()) as inbox:
        assert not inbox.wait(0)
