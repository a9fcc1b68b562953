"""How a receiving mail server hands a mail on to a mailbox: for whom it was, and whether its sender is genuine.

What it writes is what real ones write: Return-Path, Delivered-To, Authentication-Results under its own name (RFC 8601;
whatever carries that name already is forged, and is taken out) and Received, all on top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import format_datetime

from sandbox.imap import ImapServer

AUTHSERV = "mailbox.example.com"
"""The name of the small world's mail server, in what it says about a mail's sender."""

_FIELD = re.compile(rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*\r?\n?")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Takes mail for one address, and for the same with anything after a plus, into a mailbox."""

    address: str
    mailbox: ImapServer
    authserv: str = AUTHSERV

    def takes(self, recipient: str) -> bool:
        """Whether mail to this recipient is ours."""
        local, _, domain = recipient.lower().rpartition("@")
        return f"{local.partition('+')[0]}@{domain}" == self.address.lower()

    def deliver(self, raw: bytes, *, mail_from: str, recipient: str, user: str) -> None:
        """Put the mail into the mailbox. ``user``: who logged in to send it; empty: nobody did.

        The sender counts as genuine (dmarc=pass) where who logged in belongs to the domain of the mail's From: that
        stands for what SPF and DKIM prove between real servers.
        """
        self.mailbox.deliver(self._stamped(raw, mail_from, recipient, user))

    def _stamped(self, raw: bytes, mail_from: str, recipient: str, user: str) -> bytes:
        domain = _from_domain(raw)
        genuine = bool(domain) and user.lower().rpartition("@")[2] == domain
        lines = (
            f"Return-Path: <{mail_from.strip('<>')}>",
            f"Delivered-To: {recipient}",
            f"Authentication-Results: {self.authserv};",
            f"\tdmarc={'pass' if genuine else 'fail'} header.from={domain or 'unknown'}",
            f"Received: from client.example.com by {self.authserv} with ESMTP{'A' if user else ''};",
            f"\t{format_datetime(datetime.now(UTC))}",
        )
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8") + self._without_forged(raw)

    def _without_forged(self, raw: bytes) -> bytes:
        head, gap, body = raw.partition(b"\r\n\r\n")
        mine = re.compile(rb"authentication-results\s*:\s*\"?" + re.escape(self.authserv.lower().encode()) + rb"\b")
        kept = [field for field in _FIELD.findall(head) if not mine.match(re.sub(rb"\s+", b" ", field.lower()))]
        return b"".join(kept) + gap + body


def _from_domain(raw: bytes) -> str:
    """The domain of the one From address; empty where there is not exactly one."""
    try:
        senders = message_from_bytes(raw.partition(b"\r\n\r\n")[0], policy=policy.default).get_all("From", [])
        addresses = [address for sender in senders for address in sender.addresses]
    except Exception:  # the library raises anything over a malformed header
        return ""
    return addresses[0].domain.lower() if len(addresses) == 1 else ""
