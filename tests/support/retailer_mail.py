"""What comes back to a letter of ours, as a receiving mail server hands it on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self

from caseproof.channels.inbound.imap import Arrived
from caseproof.channels.inbound.imap_account import MessageGone
from tests.support.fakes import Faulty
from tests.support.world import CONTACT

AUTHSERV = "mx.example.com"
DONE = "We have made the change. The new token is set."
_numbers = itertools.count(1)


def letter_of(raw: bytes) -> EmailMessage:
    """A letter as it left."""
    return message_from_bytes(raw, policy=policy.default)


def answer(
    letter: bytes,
    words: str = DONE,
    *,
    sender: str = CONTACT,
    to: str | None = None,
    threaded: bool = True,
    genuine: bool = True,
    quoted: bool = True,
    subject: str = "",
    message_id: str = "",
    **headers: str,
) -> bytes:
    """An answer to a letter; ``headers`` are more of them, with _ for -."""
    told = letter_of(letter)
    mail = EmailMessage()
    mail["From"] = f"The owner <{sender}>"
    mail["To"] = to or str(told["Reply-To"])
    mail["Subject"] = subject or f"Re: {told['Subject']}"
    mail["Message-ID"] = message_id or f"<{next(_numbers)}@{sender.rpartition('@')[2]}>"
    if threaded:
        mail["In-Reply-To"] = mail["References"] = str(told["Message-ID"])
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    quote = "On Friday we wrote:\n> Please make the change, then tell us.\n" if quoted else ""
    mail.set_content(f"{words}\n\n{quote}")
    return handed_on(mail.as_bytes(), sender, genuine=genuine)


def handed_on(raw: bytes, sender: str, *, genuine: bool = True) -> bytes:
    """A mail with what our own mail server writes above it."""
    domain = sender.rpartition("@")[2]
    above = (
        f"Authentication-Results: {AUTHSERV}; dmarc={'pass' if genuine else 'fail'} header.from={domain}\r\n"
        f"Received: from mail.{domain} by {AUTHSERV} with ESMTPS; Fri, 20 Nov 2026 09:00:00 +0000\r\n"
    )
    return above.encode() + raw


def returned(letter: bytes, *failed: str, to: str | None = None, action: str = "failed") -> bytes:
    """The report of a mail server that did not deliver a letter (RFC 3464)."""
    told = letter_of(letter)
    status = "5.1.1" if action == "failed" else "4.4.1"
    reports = "\r\n\r\n".join(
        f"Final-Recipient: rfc822; {address}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} No such user"
        for address in failed
    )
    return (
        f"Return-Path: <>\r\nDelivered-To: {to or told['Reply-To']}\r\n"
        "From: Mail Delivery System <mailer-daemon@mail.example.net>\r\n"
        f"To: {to or told['Reply-To']}\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        f"Message-ID: <bounce-{next(_numbers)}@mail.example.net>\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nYour mail could not be delivered.\r\n\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mail.example.net\r\n\r\n{reports}\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {told['Message-ID']}\r\n"
        f"Subject: {told['Subject']}\r\n\r\n--b--\r\n"
    ).encode()


class FakeInbox:
    """A mailbox in memory: what lies in its folder, and what was put away. ``fails`` makes a call go wrong, once."""

    def __init__(self, *mails: bytes) -> None:
        self.lying: dict[str, bytes] = {}
        self.away: list[bytes] = []
        self.sizes: dict[str, int] = {}
        self.opened = self.closed = 0
        self.waited: list[float] = []
        self.faulty = Faulty()
        self._uids = itertools.count(1)
        for mail in mails:
            self.comes(mail)

    def comes(self, mail: bytes, size: int | None = None) -> str:
        """A mail arrives; its UID."""
        uid = str(next(self._uids))
        self.lying[uid], self.sizes[uid] = mail, size or len(mail)
        return uid

    def __enter__(self) -> Self:
        self.faulty.do("open", "", lambda: None)
        self.opened += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed += 1

    def messages(self) -> Iterator[Arrived]:
        lying = [Arrived(uid, self.sizes[uid]) for uid in self.lying]
        return self.faulty.do("messages", "", lambda: iter(lying))

    def fetch(self, uid: str) -> bytes:
        return self.faulty.do("fetch", uid, lambda: self._mail(uid))

    def headers(self, uid: str) -> bytes:
        return self.faulty.do("headers", uid, lambda: self._mail(uid).partition(b"\n\n")[0] + b"\n\n")

    def put_away(self, uid: str) -> None:
        self.faulty.do("put_away", uid, lambda: self.away.append(self.lying.pop(uid)) if uid in self.lying else None)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self.faulty.do("wait", "", lambda: False)

    def _mail(self, uid: str) -> bytes:
        if uid not in self.lying:
            raise MessageGone("It is gone.", "Nothing to do.")
        return self.lying[uid]
