"""How to read a mailbox, and what can go wrong with it.

InboxError           the mailbox was not read, or not wholly
├── InboxDown        not reachable, hanging, or lost in the middle: it passes, try again later
├── InboxRefused     login, folder or right refused: somebody must change it; trying again soon may lock the account
└── MessageGone      this one message is not in the folder any more: somebody else took it away
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from caseproof.channels.servers import MailServer, Security
from caseproof.domain.codes import Code
from caseproof.domain.errors import BadInput, CaseproofError

USUAL_PORTS: dict[Security, int] = {"ssl": 993, "starttls": 143, "plain": 143}


class InboxError(CaseproofError):
    """The mailbox was not read, or not wholly."""

    code = Code.MAILBOX_REFUSED


class InboxDown(InboxError):
    """The mail server cannot be reached, hangs or went away; it may pass by itself."""

    code = Code.MAILBOX_DOWN


class InboxRefused(InboxError):
    """The mail server said no: somebody must change something before it is tried again."""

    code = Code.MAILBOX_REFUSED


class MessageGone(InboxError):
    """This message is not in the folder any more; the others are not touched by that."""


@dataclass(frozen=True, slots=True)
class ImapAccount(MailServer):
    """The server that a mailbox is on, who reads it, and where in it.

    ``folder``: where mail arrives; ``done_folder``: where a message goes once it is taken in, made if missing.
    ``authserv``: the name under which our own mail server writes Authentication-Results; empty: no mail counts as
    genuine. Raises BadInput.
    """

    called = "mailbox"
    ports = (993, 143)

    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    done_folder: str = "Caseproof"
    authserv: str = ""

    def __post_init__(self) -> None:
        MailServer.__post_init__(self)
        if not self.username or not self.password:
            raise BadInput("The mailbox has no user name or no password.", "Fill in both.")
        if re.search(r"[\x00\r\n]", self.username + self.password):
            raise BadInput("The mailbox's user name or password has a line break in it.", "Type it in again.")
        if not self.folder.strip() or not self.done_folder.strip() or _same_folder(self.folder, self.done_folder):
            raise BadInput(
                "The mailbox needs two folders: one where mail arrives, and another for what is taken in.",
                "Leave them at INBOX and Caseproof, or name two different ones.",
            )


def _same_folder(one: str, other: str) -> bool:
    return one == other or one.upper() == other.upper() == "INBOX"
