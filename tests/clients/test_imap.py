"""The retailers' mailbox by real IMAP: nothing is lost and nothing is waited for too long, whatever the server does.

What needs no server that behaves badly is run on a Dovecot, too (`make test-postfix`).
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from caseproof.channels.inbound.imap import HEADER_BYTES, ImapInbox, Inbox, Probed, probe
from caseproof.channels.inbound.imap_account import ImapAccount, InboxDown, InboxRefused, MessageGone
from caseproof.domain.errors import BadInput
from sandbox.imap import ImapServer
from tests.support.postfix import BOX, POSTFIX, DovecotBox
from tests.support.shown import shown_of

MAIL = b"From: owner@garden-shop.example.com\r\nSubject: Re: [JF-000001]\r\n\r\nThe new token is in place.\r\n"
OTHER = b"From: office@garden-shop.example.com\r\nSubject: another\r\n\r\nHello.\r\n"
SECRET = 'hunter2"not\\for-people'


@pytest.fixture
def small() -> Iterator[ImapServer]:
    """The small world's own server, which also does what no good one does."""
    with ImapServer() as running:
        yield running


@pytest.fixture(params=["small world", *(["dovecot"] if POSTFIX else [])])
def server(request: pytest.FixtureRequest) -> Iterator[ImapServer | DovecotBox]:
    with DovecotBox(BOX) if request.param == "dovecot" else ImapServer() as running:
        yield running


def all_of(inbox: Inbox) -> list[bytes]:
    return [inbox.fetch(arrived.uid) for arrived in inbox.messages()]


# -- reading and putting away ---------------------------------------------------------------------------------------


def test_what_lies_in_the_mailbox_is_read_as_it_came_oldest_first(server: ImapServer | DovecotBox) -> None:
    server.deliver(MAIL)
    server.deliver(OTHER)
    with ImapInbox(server.account()) as inbox:
        first, second = inbox.messages()
        assert (first.size, second.size) == (len(MAIL), len(OTHER))
        assert [inbox.fetch(first.uid), inbox.fetch(second.uid)] == [MAIL, OTHER]
        assert inbox.headers(first.uid) == MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert server.folder() == [MAIL, OTHER], "reading takes nothing away"


@pytest.mark.parametrize("withheld", [(), ("MOVE",)])
def test_a_message_that_was_put_away_is_in_the_other_folder_once(withheld: tuple[str, ...]) -> None:
    with ImapServer(withheld=withheld) as server:
        server.deliver(MAIL)
        server.deliver(OTHER)
        with ImapInbox(server.account()) as inbox:
            assert not inbox.has_done_folder()
            first, _ = inbox.messages()
            inbox.put_away(first.uid)
            inbox.put_away(first.uid)  # its answer was lost, say
            assert inbox.has_done_folder(), "it is made where it is missing"
            assert all_of(inbox) == [OTHER]
        assert (server.folder(), server.folder("Caseproof")) == ([OTHER], [MAIL])


def test_without_uidplus_nothing_of_a_persons_is_expunged_and_nothing_is_read_twice() -> None:
    """A plain EXPUNGE would also take what a person marked as deleted in a mail program."""
    with ImapServer(withheld=("MOVE", "UIDPLUS")) as server:
        server.deliver(MAIL)
        with ImapInbox(server.account()) as inbox:
            (arrived,) = inbox.messages()
            inbox.put_away(arrived.uid)
            inbox.put_away(arrived.uid)
            assert all_of(inbox) == []
        with ImapInbox(server.account()) as inbox:
            assert all_of(inbox) == []
        assert (server.folder(), server.folder("Caseproof")) == ([MAIL], [MAIL])


def test_a_message_that_is_gone_is_no_failure_of_the_mailbox(server: ImapServer | DovecotBox) -> None:
    server.deliver(MAIL)
    with ImapInbox(server.account()) as inbox:
        (arrived,) = inbox.messages()
        inbox.put_away(arrived.uid)
        for read in (inbox.fetch, inbox.headers):
            with pytest.raises(MessageGone, match="is not in INBOX any more"):
                read(arrived.uid)


def test_a_connection_that_is_lost_before_putting_away_leaves_the_message_to_the_next_pass(small: ImapServer) -> None:
    small.deliver(MAIL)
    with ImapInbox(small.account()) as inbox:
        (arrived,) = inbox.messages()
        assert inbox.fetch(arrived.uid) == MAIL
        small.hang_up()
        with pytest.raises(InboxDown, match="no mail is lost"):
            inbox.put_away(arrived.uid)
    assert small.folder("Caseproof") == []
    with ImapInbox(small.account()) as inbox:
        assert all_of(inbox) == [MAIL]


def test_a_new_uidvalidity_loses_and_doubles_nothing(small: ImapServer) -> None:
    """A restored backup numbers its messages anew: no number of an earlier connection means anything (J5)."""
    small.deliver(MAIL)
    small.deliver(OTHER)
    with ImapInbox(small.account()) as inbox:
        before = list(inbox.messages())
        inbox.put_away(before[0].uid)
    small.make_anew()
    with ImapInbox(small.account()) as inbox:
        (now,) = inbox.messages()
        assert now.uid not in {arrived.uid for arrived in before}
        assert inbox.fetch(now.uid) == OTHER
        small.make_anew()  # while we are in it
        assert all_of(inbox) == [OTHER]


@pytest.mark.parametrize(
    "raw", [b"Subject: bare\n\nline\nfeeds\n", b"Subject: a\r\n\r\nnul\x00 and \xff\r\n", b"x", b"A:" + b"\r\n b" * 9]
)
def test_what_no_mail_program_writes_is_read_all_the_same(small: ImapServer, raw: bytes) -> None:
    small.deliver(raw)
    with ImapInbox(small.account()) as inbox:
        (arrived,) = inbox.messages()
        assert inbox.fetch(arrived.uid) == raw
        inbox.put_away(arrived.uid)
    assert small.folder("Caseproof") == [raw]


def test_of_endless_headers_only_so_much_is_read(server: ImapServer | DovecotBox) -> None:
    server.deliver(b"X-Long: " + b"y" * 200_000 + b"\r\n\r\nbody\r\n")
    with ImapInbox(server.account()) as inbox:
        (arrived,) = inbox.messages()
        assert len(inbox.headers(arrived.uid)) == HEADER_BYTES


@pytest.mark.parametrize("name", ["Erledigt & abgelegt/Fälle", "受信済み", 'with "quotes" \\ in it'])
def test_folders_may_have_any_name(server: ImapServer | DovecotBox, name: str) -> None:
    server.deliver(MAIL, "Händler")
    with ImapInbox(server.account(folder="Händler", done_folder=name)) as inbox:
        (arrived,) = inbox.messages()
        inbox.put_away(arrived.uid)
        assert inbox.has_done_folder()
    assert server.folder(name) == [MAIL]


def test_a_probe_says_what_is_there_and_changes_nothing(server: ImapServer | DovecotBox) -> None:
    server.deliver(MAIL)
    assert probe(server.account()) == Probed(waiting=1, has_done_folder=False)
    assert server.folders() == ["INBOX"]


# -- waiting --------------------------------------------------------------------------------------------------------


def soon(work: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(0.1, work)
    timer.start()
    return timer


@pytest.mark.parametrize("how", ["IDLE", "asking again", *(["dovecot"] if POSTFIX else [])])
def test_waiting_ends_as_soon_as_mail_comes(how: str) -> None:
    small = ImapServer(withheld=("IDLE",) if how == "asking again" else ())
    with (
        DovecotBox(BOX) if how == "dovecot" else small as server,
        ImapInbox(server.account(), poll_seconds=0.05) as inbox,
    ):
        assert all_of(inbox) == []
        assert not inbox.wait(0.05)
        timer = soon(lambda: server.deliver(MAIL))
        assert inbox.wait(60)
        timer.join()
        assert inbox.wait(60), "it is news until it was shown"
        assert all_of(inbox) == [MAIL]
        assert not inbox.wait(0.05), "what was shown is no news"


def test_mail_that_came_between_a_pass_and_the_wait_is_not_slept_over(server: ImapServer | DovecotBox) -> None:
    """The server tells of it in the answer to any command, once; IDLE would not tell again."""
    server.deliver(MAIL)
    with ImapInbox(server.account()) as inbox:
        (arrived,) = inbox.messages()
        server.deliver(OTHER)
        inbox.fetch(arrived.uid)
        inbox.put_away(arrived.uid)
        assert inbox.wait(60)


def test_a_server_that_ends_while_we_wait_is_down(small: ImapServer) -> None:
    with ImapInbox(small.account()) as inbox:
        timer = soon(small.hang_up)
        with pytest.raises(InboxDown):
            inbox.wait(60)
        timer.join()


# -- refused and down -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [{"password": SECRET}, {"password": "passwört"}, {"username": "nobody"}])
def test_a_wrong_login_is_refused_and_not_tried_again_by_itself(
    server: ImapServer | DovecotBox, wrong: dict[str, str]
) -> None:
    with pytest.raises(InboxRefused, match="refused at login") as refused:
        probe(server.account(**wrong))
    assert "password" in refused.value.next_action
    assert wrong.get("password", SECRET) not in shown_of(refused.value)


def test_a_folder_that_is_not_there_is_named(server: ImapServer | DovecotBox) -> None:
    with pytest.raises(InboxRefused, match="opening the folder") as refused:
        probe(server.account(folder="Nowhere"))
    assert "Nowhere" in refused.value.next_action


def test_a_server_that_does_not_run_is_down() -> None:
    with ImapServer() as server:
        account = server.account()
    with pytest.raises(InboxDown, match=r"not reachable \(Connection refused\)"):
        probe(account)


def test_a_name_that_nobody_knows_is_down_and_named() -> None:
    with pytest.raises(InboxDown, match=r"no-such-host\.invalid is not found"):
        probe(ImapAccount("no-such-host.invalid", 993, "ssl", "cases", SECRET))


def test_the_password_shows_nowhere() -> None:
    account = ImapAccount("imap.example.com", 993, "ssl", "cases", SECRET)
    assert SECRET not in repr(account) + str(account) + repr(ImapInbox(account))


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": " "}, {"port": 0}, {"timeout_seconds": 0}, {"username": ""}, {"password": ""},
        {"password": f"{SECRET}\r\nA1 DELETE INBOX"}, {"folder": ""}, {"done_folder": "inbox"},
    ],
)  # fmt: skip
def test_an_account_that_no_mailbox_can_be_read_with_is_refused(wrong: dict[str, Any]) -> None:
    given = {"host": "h", "port": 993, "security": "ssl", "username": "cases", "password": SECRET}
    with pytest.raises(BadInput) as refused:
        ImapAccount(**(given | wrong))
    assert refused.value.next_action
    assert SECRET not in str(refused.value)


# -- TLS ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
def test_a_known_certificate_is_taken_and_an_unknown_one_refused(
    tls: ssl.SSLContext, certificate: Path, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ImapServer(tls=tls, tls_at_once=at_once) as server:
        server.deliver(MAIL)
        with pytest.raises(InboxRefused, match=r"certificate of the mail server .* is not valid"):
            probe(server.account())
        assert probe(server.account(verify=False)).waiting == 1
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert probe(server.account()).waiting == 1


def test_idle_over_tls_hears_mail(tls: ssl.SSLContext) -> None:
    with (
        ImapServer(tls=tls, tls_at_once=True) as server,
        ImapInbox(server.account(verify=False)) as inbox,
    ):
        timer = soon(lambda: server.deliver(MAIL))
        assert inbox.wait(60)
        timer.join()


def test_tls_spoken_to_a_plain_port_names_port_and_security(server: ImapServer | DovecotBox) -> None:
    with pytest.raises(InboxRefused, match="does not speak TLS for 'ssl'"):
        probe(server.account(security="ssl"))
