"""The Postfix and the Dovecot that `make test-postfix` starts; the tests on them run where they are there."""

from __future__ import annotations

import imaplib
import json
import os
import re
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from imap_tools.utils import encode_folder
from prefect_email import EmailServerCredentials

from blocks.mail import account_of, smtp_type_of
from caseproof.channels.inbound.imap_account import ImapAccount
from caseproof.channels.outbound.mail import MailAccount

POSTFIX: dict[str, Any] = json.loads(os.environ.get("CASEPROOF_TEST_POSTFIX", "{}"))
"""Ports, by what listens there, and the files of the certificate and of both logs; empty where they do not run."""

AUTHSERV = "mx.example.com"
"""The name under which that Postfix vouches for senders."""
PASSWORD = "made-up-password"
CASES = "cases@example.com"
OWNER, AWAY = "owner@shop-a.example.com", "away@shop-a.example.com"
"""Two of a shop: one who reads mail, and one whose Sieve script answers that they are away."""
GONE = "gone@shop-a.example.com"
"""Taken by Postfix, and refused by Dovecot, which knows of no such user: Postfix returns the mail."""
BOX = "box@example.com"
"""A mailbox for tests of IMAP alone."""


class DovecotBox(AbstractContextManager["DovecotBox"]):
    """A user's mailbox in Dovecot, emptied at the start. It is looked at and filled by a connection of its own."""

    def __init__(self, user: str) -> None:
        self.user = user

    def __enter__(self) -> DovecotBox:
        self._box = imaplib.IMAP4("127.0.0.1", POSTFIX["imap"], timeout=30)
        self._box.login(self.user, PASSWORD)
        for name in sorted(self.folders(), reverse=True):
            if name != "INBOX":
                self._ok(self._box.delete(_quoted(name)))
        self._ok(self._box.select("INBOX"))
        if self._ok(self._box.uid("SEARCH", "ALL"))[0]:
            self._ok(self._box.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Deleted)"))
            self._ok(self._box.expunge())
        return self

    def __exit__(self, *_: object) -> None:
        self._box.logout()

    def account(self, **other: Any) -> ImapAccount:
        """How this mailbox is read; ``other``: fields that shall be otherwise."""
        given = {
            "host": "127.0.0.1", "port": POSTFIX["imap"], "security": "plain", "username": self.user,
            "password": PASSWORD, "timeout_seconds": 20.0,
        }  # fmt: skip
        return ImapAccount(**(given | other))

    def deliver(self, raw: bytes, folder: str = "INBOX") -> None:
        """Put a message into a folder, which is made if missing; whoever waits in IDLE is told."""
        name = encode_folder(folder).decode("ascii")
        if self._box.append(name, "", "", raw)[0] != "OK":
            self._ok(self._box.create(name))
            self._ok(self._box.append(name, "", "", raw))

    def folder(self, name: str = "INBOX") -> list[bytes]:
        """The messages of a folder, in the order they came; empty where there is no such folder."""
        if self._box.select(encode_folder(name).decode("ascii"), readonly=True)[0] != "OK":
            return []
        uids = self._ok(self._box.uid("SEARCH", "ALL"))[0].split()
        return [self._ok(self._box.uid("FETCH", uid, "(BODY.PEEK[])"))[0][1] for uid in uids]

    def folders(self) -> list[str]:
        """The names of all folders, as they are written in IMAP."""
        lines = [line for line in self._ok(self._box.list()) if line]
        names = [line[1] if isinstance(line, tuple) else line.rpartition(b' "/" ')[2] for line in lines]
        return [re.sub(r"\\(.)", r"\1", name.decode("ascii").removeprefix('"').removesuffix('"')) for name in names]

    def wait_for(self, many: int, seconds: float = 60) -> list[bytes]:
        """The messages of INBOX, once there are so many."""
        over = time.monotonic() + seconds
        while len(found := self.folder()) < many:
            assert time.monotonic() < over, f"{self.user} has {len(found)} of {many} mails"
            time.sleep(0.1)
        return found

    @staticmethod
    def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
        assert answer[0] == "OK", answer
        return answer[1]


def _quoted(name: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def log() -> str:
    """What Postfix and Dovecot said so far."""
    return "".join(Path(POSTFIX[one]).read_text(encoding="utf-8", errors="replace") for one in ("postfix", "dovecot"))


def mail_account(user: str = CASES, **other: Any) -> MailAccount:
    """How this user hands mail to Postfix, as a saved block says it; ``other``: fields that shall be otherwise."""
    given = {"security": "starttls", "username": user, "password": PASSWORD} | other
    block = EmailServerCredentials(
        smtp_server="127.0.0.1", smtp_port=POSTFIX["submission"], smtp_type=smtp_type_of(given["security"]),
        username=given["username"], password=given["password"],
    )  # fmt: skip
    return account_of(block, timeout_seconds=20.0)
