"""The mailbox that retailers' mail arrives in, over IMAP: what lies in its folder is what nobody has taken in yet.

Nothing is remembered between two connections: a message that was taken in is moved to another folder, so a new
UIDVALIDITY, a restored server or a lost connection only mean that a message is seen once more.
"""

from __future__ import annotations

import imaplib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from imap_tools import BaseMailBox, ImapToolsError
from imap_tools.errors import UnexpectedCommandStatusError
from imap_tools.utils import encode_folder

from caseproof.channels.inbound.imap_account import ImapAccount, InboxDown, InboxRefused, MessageGone
from caseproof.channels.inbound.imap_connection import LITERAL_BYTES, ImapConnection
from caseproof.channels.inbound.imap_errors import ASKING, FETCHING, IDLING, LISTING, MOVING, ImapStep

HEADER_BYTES = 65_536
"""How much of a message's headers is read where the message itself is too large."""
IDLE_SECONDS = 600.0
"""How long one IDLE lasts before it is asked for anew. Servers may hang up after 30 minutes, and routers sooner."""
POLL_SECONDS = 15.0
"""How often a server without IDLE is asked for news."""
STEP_FACTOR, FETCH_FACTOR = 3, 15
"""How many time-outs a command, and the fetching of a message, may take in all, however the server drips."""
GOODBYE_SECONDS = 2.0
_AT_ONCE = 500
_NEW = "UNDELETED"  # what is marked as deleted was put away by us, or thrown away by a person


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message in the folder: its UID, good for this connection only, and its size in bytes as the server says.

    The size is 0 where the server gives none.
    """

    uid: str
    size: int


class Inbox(Protocol):
    """A mailbox as its reader sees it; every method raises InboxDown and InboxRefused."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def messages(self) -> Iterator[Arrived]:
        """What lies in the folder now, oldest first."""

    def fetch(self, uid: str) -> bytes:
        """The whole message, as it arrived; it stays unread. Raises MessageGone, and InboxError for this one alone."""

    def headers(self, uid: str) -> bytes:
        """The message's headers, at most HEADER_BYTES of them. Raises MessageGone."""

    def put_away(self, uid: str) -> None:
        """Move the message to the folder of what is taken in; nothing happens where it is not there any more.

        Raises InboxError where it is this one alone that cannot be moved.
        """

    def wait(self, seconds: float) -> bool:
        """Wait for mail that ``messages`` has not shown yet; whether there may be some."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a look at a mailbox found: how many messages wait, and whether the folder for the others is there."""

    waiting: int
    has_done_folder: bool


def probe(account: ImapAccount) -> Probed:
    """Log in, look at both folders and log out; nothing is changed. Raises InboxDown, InboxRefused."""
    with ImapInbox(account) as inbox:
        return Probed(sum(1 for _ in inbox.messages()), inbox.has_done_folder())


class ImapInbox:
    """An ``Inbox`` over IMAP: ``with ImapInbox(account) as inbox: ...``. One connection; a lost one stays lost.

    ``idle_seconds``, ``poll_seconds``: how long one IDLE lasts, and how often a server without IDLE is asked.
    """

    def __init__(
        self, account: ImapAccount, *, idle_seconds: float = IDLE_SECONDS, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._account = account
        self._idle_seconds = idle_seconds
        self._poll_seconds = poll_seconds
        self._box: _MailBox | None = None
        self._shown: set[str] = set()
        self._copied: set[str] = set()

    def __enter__(self) -> Self:
        step = ImapStep(self._account)
        try:
            with step.explained():
                self._box = box = _MailBox(self._account, step)
                step.name = "login"
                _log_in(box, self._account)
                # Servers say what they can do anew once they know who asks, and some only then name MOVE and IDLE.
                box.client._get_capabilities()
                step.name = "opening the folder"
                box.folder.set(self._account.folder)
        except BaseException:
            self._hang_up(politely=False)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up(politely=kind is None)

    def messages(self) -> Iterator[Arrived]:
        """What lies in the folder now, oldest first. See ``Inbox``."""
        with self._step(LISTING) as box:
            box.folder.set(self._account.folder)  # anew, so that a folder that was made anew is seen as it is
            uids = sorted(box.uids(_NEW, charset=None), key=int)
            self._shown = set(uids)
            sizes: dict[str, int] = {}
            for start in range(0, len(uids), _AT_ONCE):
                sizes |= self._sizes(box, uids[start : start + _AT_ONCE])
        return iter([Arrived(uid, sizes[uid]) for uid in uids if uid in sizes])

    def _sizes(self, box: _MailBox, uids: list[str]) -> dict[str, int]:
        """The sizes of messages; one that the server stumbles over hides no other's, and is asked for all the same."""
        box.client.allow(self._account.timeout_seconds * STEP_FACTOR)
        answered = _tried(box, "FETCH", ",".join(uids), _SIZE)
        if answered is not None:
            return _sizes(answered)
        if len(uids) == 1:
            return {uids[0]: 0}
        half = len(uids) // 2
        return self._sizes(box, uids[:half]) | self._sizes(box, uids[half:])

    def fetch(self, uid: str) -> bytes:
        """The whole message, or as much of it as a server may send at once. See ``Inbox``."""
        return self._part(uid, f"BODY.PEEK[]<0.{LITERAL_BYTES}>", FETCH_FACTOR)

    def headers(self, uid: str) -> bytes:
        """The message's headers. See ``Inbox``."""
        return self._part(uid, f"BODY.PEEK[HEADER]<0.{HEADER_BYTES}>", STEP_FACTOR)

    def _part(self, uid: str, part: str, factor: int) -> bytes:
        with self._step(FETCHING, factor) as box:
            found = _body(_ok(box.client.uid("FETCH", uid, f"(UID {part})")))
        if found is None:
            raise MessageGone(
                f"The message {uid} is not in {self._account.folder} any more.",
                "Nothing to do, unless a mail program or a filter takes mail away from Caseproof's mailbox.",
            )
        return found

    def put_away(self, uid: str) -> None:
        """Move the message to the folder of what is taken in. See ``Inbox``."""
        with self._step("putting a message away") as box:
            moves = "MOVE" in box.client.capabilities
            if moves and _tried(box, "MOVE", uid, self._done) is not None:
                return
            if self._makes_done_folder(box) and moves and _tried(box, "MOVE", uid, self._done) is not None:
                return
            if not box.uids(f"UID {uid} {_NEW}", charset=None):
                return  # it was put away before, and the answer got lost: no second copy
        with self._step(MOVING) as box:
            self._copy(box, uid)
            _ok(box.client.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"))
            # A plain EXPUNGE would also take what a person marked; what stays marked is not read again.
            if "UIDPLUS" in box.client.capabilities:
                _ok(box.client.uid("EXPUNGE", uid))

    @property
    def _done(self) -> str:
        return encode_folder(self._account.done_folder).decode("ascii")

    def _makes_done_folder(self, box: _MailBox) -> bool:
        """Whether the folder was missing, and is made now. Where it cannot be made, no message can be put away."""
        if box.folder.exists(self._account.done_folder):
            return False
        box.folder.create(self._account.done_folder)
        with suppress(ImapToolsError, imaplib.IMAP4.error):
            box.folder.subscribe(self._account.done_folder, True)
        return True

    def _copy(self, box: _MailBox, uid: str) -> None:
        """Copy it, once over this connection: where it cannot be marked as deleted, copies would heap up."""
        if uid not in self._copied:
            _ok(box.client.uid("COPY", uid, self._done))
            self._copied.add(uid)

    def has_done_folder(self) -> bool:
        """Whether the folder for what is taken in is there already."""
        with self._step("looking for the folder of what is taken in") as box:
            return box.folder.exists(self._account.done_folder)

    def wait(self, seconds: float) -> bool:
        """Wait for mail that was not shown yet. See ``Inbox``."""
        over = time.monotonic() + seconds
        while True:
            with self._step(ASKING) as box:
                # News may have come in the answer to any command since, and is not told a second time.
                box.client.heard("EXISTS")
                if set(box.uids(_NEW, charset=None)) - self._shown or box.client.heard("EXISTS"):
                    return True
            left = over - time.monotonic()
            if left <= 0:
                return False
            if self._idle(min(left, self._idle_seconds)):
                return True

    def _idle(self, seconds: float) -> bool:
        """Whether mail was announced within ``seconds``; without IDLE, be back after one pause."""
        with self._step(IDLING) as box:
            line = box.client
            tag = line.idle_begin() if "IDLE" in line.capabilities else None
            if tag is None:
                time.sleep(min(seconds, self._poll_seconds))
                return False
            over = time.monotonic() + seconds
            news = line.heard("EXISTS")
            while not news and (left := over - time.monotonic()) > 0:
                line.idle_hear(left)
                news = line.heard("EXISTS")
            line.allow(self._account.timeout_seconds * STEP_FACTOR)
            line.idle_end(tag)
            return news or line.heard("EXISTS")

    @contextmanager
    def _step(self, name: str, factor: int = STEP_FACTOR) -> Iterator[_MailBox]:
        if self._box is None:
            raise InboxDown("The mailbox is not open.", "Open it anew.")
        step = ImapStep(self._account, name)
        with step.explained():
            self._box.client.allow(self._account.timeout_seconds * factor)
            yield self._box

    def _hang_up(self, *, politely: bool) -> None:
        box, self._box = self._box, None
        if box is None:
            return
        if politely:
            with suppress(Exception):  # whatever it answers, we are gone
                box.client.allow(GOODBYE_SECONDS)
                box.logout()
        box.client.shutdown()


class _MailBox(BaseMailBox):
    """imap-tools' mailbox on our own connection."""

    client: ImapConnection

    def __init__(self, account: ImapAccount, step: ImapStep) -> None:
        self._account, self._step = account, step
        super().__init__()

    def _get_mailbox_client(self) -> ImapConnection:
        account = self._account
        context = account.context()
        line = ImapConnection(
            account.host, account.port, account.timeout_seconds, context if account.security == "ssl" else None
        )
        if account.security == "starttls":
            self._step.name = "STARTTLS"
            try:
                line.starttls(context)
            except BaseException:
                line.shutdown()
                raise
        return line


def _log_in(box: _MailBox, account: ImapAccount) -> None:
    if "LOGINDISABLED" in box.client.capabilities:
        raise InboxRefused(
            f"The mail server {account.where} takes no login over '{account.security}'.",
            "Choose 'ssl' (port 993) or 'starttls' (port 143) in the mailbox.",
        )
    ascii_only = account.username.isascii() and account.password.isascii()
    log_in: Callable[..., Any] = box.login if ascii_only else box.login_utf8
    box.client.allow(account.timeout_seconds * STEP_FACTOR)
    log_in(account.username, account.password, initial_folder=None)


# -- answers ----------------------------------------------------------------------------------------------------------

_SIZE = "(UID RFC822.SIZE)"
_ASKED = re.compile(rb"\((?:UID \d+|RFC822\.SIZE \S+|\s)*\)")  # an answer to that, and no news of something else


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    """What the server told, if it said OK."""
    if answer[0] != "OK":
        raise UnexpectedCommandStatusError(command_result=answer, expected="OK")
    return answer[1]


def _tried(box: _MailBox, command: str, *arguments: str) -> list[Any] | None:
    """What the server told; None where it refused, by NO or BAD."""
    try:
        typ, told = box.client.uid(command, *arguments)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        return None
    return told if typ == "OK" else None


def _sizes(told: list[Any]) -> dict[str, int]:
    """The sizes by UID: 0 where a message is there and its size is not."""
    found = {}
    for one in told:
        text = one[0] if isinstance(one, tuple) else one or b""
        uid, size = re.search(rb"\bUID (\d+)", text), re.search(rb"\bRFC822\.SIZE (\d+)", text)
        if uid and (size or _ASKED.search(text)):
            found[uid[1].decode()] = int(size[1]) if size else 0
    return found


def _body(told: list[Any]) -> bytes | None:
    """The bytes of the one message that was asked for; None where the server has none."""
    for one in told:
        if isinstance(one, tuple) and b"BODY[" in one[0].upper():
            return bytes(one[1])
    empty = any(isinstance(one, bytes) and re.search(rb'BODY\[[^\]]*\](<\d+>)? (""|NIL)', one) for one in told)
    return b"" if empty else None
