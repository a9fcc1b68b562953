"""What a broken or refusing IMAP server means for a person."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imap_tools.errors import UnexpectedCommandStatusError

from caseproof.channels.inbound.imap_account import ImapAccount, InboxDown, InboxError, InboxRefused
from caseproof.channels.servers import tidy, timed_out
from caseproof.domain.errors import CaseproofError

FETCHING, LISTING, ASKING, IDLING = "fetching a message", "listing the messages", "asking for news", "IDLE"
MOVING = "moving a message"
_ONCE_OPEN = (LISTING, ASKING, IDLING)
_OF_ONE = (FETCHING, MOVING)


@dataclass(slots=True)
class ImapStep:
    """What is being done, for the text of an error."""

    account: ImapAccount
    name: str = "connecting"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Make whatever the libraries raise an error for people; what they raised may hold the password."""
        try:
            yield
        except CaseproofError:
            raise
        except Exception as error:  # a broken server makes the libraries raise anything
            explained = self._explained(error)
        else:
            return
        raise explained from None

    def _explained(self, error: Exception) -> InboxError:
        if isinstance(error, UnexpectedCommandStatusError):
            data = error.command_result[1]
            return self._said_no(b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace"))
        if isinstance(error, imaplib.IMAP4.readonly):
            return InboxRefused(
                f"The mail server {self.account.where} lets us only read the folder {self.account.folder}, "
                "not move mail away from it.",
                "Give the mailbox's user the right to change this folder.",
            )
        if timed_out(error):
            return self._lost(f"did not answer in time ({self.account.timeout_seconds:g} s)")
        if isinstance(error, imaplib.IMAP4.abort):
            return self._lost(f"broke off: {self._tidy(str(error))}")
        if isinstance(error, imaplib.IMAP4.error):
            return self._said_no(str(error))
        return self._of_the_connection(error)

    def _of_the_connection(self, error: Exception) -> InboxError:
        connecting = self.name == "connecting"
        known = self.account.unreached(error, connecting=connecting, down=InboxDown, refused=InboxRefused)
        if known is not None:
            return known
        if isinstance(error, OSError):
            return self._lost(f"is not reachable ({error.strerror or type(error).__name__})")
        return self._lost(f"gave an answer that is not IMAP ({type(error).__name__})")

    def _said_no(self, text: str) -> InboxError:
        said = self._tidy(text)
        problem = f"The mail server {self.account.where} refused at {self.name}: {said or 'no reason given'}."
        # RFC 5530: words for "not now". A greeting that is no greeting ("too many connections") is one, too. A server
        # that stumbles over one message calls that a bug of its own: it is that message's trouble, and no other's.
        later = r"\[(UNAVAILABLE|INUSE|LIMIT)\b" if self.name in _OF_ONE else r"\[(UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\b"
        if self.name == "connecting" or re.search(later, said, re.IGNORECASE):
            return InboxDown(problem, "It is tried again; if this goes on, ask whoever runs the mail server.")
        if self.name in _OF_ONE:
            return InboxError(problem, "Look at this one in a mail program; the others are taken in all the same.")
        if self.name in _ONCE_OPEN:  # the folder was opened, so it was there and ours to read
            return InboxDown(problem, "The mailbox is opened anew.")
        actions = {
            "login": f"Check the user name ({self.account.username}) and the password of the mailbox; many providers "
            "want an app password, and IMAP switched on.",
            "STARTTLS": "Choose 'ssl' with port 993 in the mailbox, or ask the provider for the port.",
            "opening the folder": f"Check the mailbox's folder ({self.account.folder}); for most servers it is INBOX.",
            "putting a message away": f"Make the folder {self.account.done_folder} in the mailbox, or name "
            "another one; some servers want INBOX.Caseproof.",
        }
        return InboxRefused(problem, actions.get(self.name, "Check host, port and security of the mailbox."))

    def _lost(self, what: str) -> InboxDown:
        return InboxDown(
            f"The mail server {self.account.where} {what} (at {self.name}); no mail is lost.",
            "It is tried again. Check that it runs, and host, port and security of the mailbox.",
        )

    def _tidy(self, text: str) -> str:
        """A server's words on one line, without the password, which some repeat."""
        for secret in (self.account.password, self.account.password.replace("\\", "\\\\").replace('"', '\\"')):
            text = text.replace(secret, "...")
        return tidy(text).rstrip(".")
