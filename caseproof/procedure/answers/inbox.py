"""A pass over the retailers' mailbox: each mail is taken in, then put away (J5).

What lies in the mailbox is what nobody has taken in. So a pass that dies anywhere loses nothing, and the next one
takes in nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from caseproof.channels.inbound.imap import Arrived, Inbox
from caseproof.channels.inbound.imap_account import InboxDown, InboxRefused, MessageGone
from caseproof.channels.inbound.reading import LARGEST
from caseproof.domain.errors import CaseproofError
from caseproof.domain.vocabulary import Disposition
from caseproof.evidence.vault import Vault, VaultError
from caseproof.procedure.answers.receiving import Received, receive, receive_too_large
from caseproof.procedure.core.parts import Ledger, ReplyAddresses
from caseproof.store import StoreDown, locks

_STOPS = (InboxDown, InboxRefused, StoreDown, VaultError)
"""After these no other mail can be taken in, either."""
_SHOWN = 20
IS_BEING_READ = "Another pass reads the mailbox; nothing was done twice."
"""What is said of a pass that found another at work."""


@dataclass
class InboxPass:
    """What a pass did: how many new mails ended in which place, the cases that have news, and what went wrong.

    ``problems`` are about single mails, which stay in the mailbox.
    """

    counts: Counter[Disposition] = field(default_factory=Counter)
    cases: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it neither took anything in nor found anything wrong."""
        return not (self.counts or self.problems)

    @property
    def in_words(self) -> str:
        """What the pass did, in a sentence."""
        said = f"{self.counts.total()} new mails{_listed(self.counts)}." if self.counts else "No new mail."
        left = f" {len(self.problems)} stayed in the mailbox: {self.problems[0]}" if self.problems else ""
        return said + left


def _listed(counts: Mapping[Disposition, int]) -> str:
    return ": " + ", ".join(f"{number} {place}" for place, number in sorted(counts.items())) if counts else ""


@dataclass(frozen=True)
class MailIntake:
    """What mails are taken in with. ``lock`` is held by the pass that is at work; ``authserv`` is the name under which
    our own mail server vouches for senders, "" where it does not. ``broke``: the messages at which the connection was
    lost; whoever makes several passes hands it on, and they are read after the others."""

    ledger: Ledger
    vault: Vault
    replies: ReplyAddresses
    lock: Path
    authserv: str = ""
    broke: set[str] = field(default_factory=set)


def read_inbox(intake: MailIntake, inbox: Inbox, say: Callable[[str], None]) -> InboxPass | None:
    """Take in all that lies in the mailbox; None where another pass is at work.

    ``say`` is told a sentence a mail, without its words. A mail that goes wrong stays where it is and
    holds up no other: it stands in the pass's ``problems``. Raises InboxDown, InboxRefused, StoreDown, VaultError: what
    was taken in stays taken in.
    """
    if locks.is_held(intake.lock) or not locks.hold(intake.lock, wait=False):
        return None
    try:
        done = InboxPass()
        for arrived in sorted(inbox.messages(), key=lambda one: one.uid in intake.broke):
            _one(intake, inbox, arrived, done, say)
        return done
    finally:
        locks.let_go(intake.lock)


def _one(intake: MailIntake, inbox: Inbox, arrived: Arrived, done: InboxPass, say: Callable[[str], None]) -> None:
    try:
        taken = _taken_in(intake, inbox, arrived)
        if taken.new:  # else a pass that died took it in
            done.counts[taken.place] += 1
            done.cases += [ref for ref in taken.cases if ref not in done.cases]
            say(_sentence(taken))
        inbox.put_away(arrived.uid)
    except MessageGone:
        return  # another pass, or a person, was quicker
    except InboxDown:
        intake.broke.add(arrived.uid)  # a server may die of one message, each time
        raise
    except _STOPS:
        raise
    except Exception as error:
        said = f"{error.problem} {error.next_action}" if isinstance(error, CaseproofError) else type(error).__name__
        done.problems.append(f"mail {arrived.uid} of {arrived.size} bytes: {said}")


def _taken_in(intake: MailIntake, inbox: Inbox, arrived: Arrived) -> Received:
    parts = intake.ledger, intake.vault, intake.replies
    if arrived.size > LARGEST:  # its size first: it is not even fetched
        return receive_too_large(*parts, inbox.headers(arrived.uid), arrived.size)
    raw = inbox.fetch(arrived.uid)
    if len(raw) > LARGEST:  # the server did not say so
        return receive_too_large(*parts, inbox.headers(arrived.uid), len(raw))
    return receive(*parts, raw, authserv=intake.authserv)


def _sentence(taken: Received) -> str:
    about = ", ".join(taken.cases[:_SHOWN]) or "No case"
    return f"{about}: a mail was taken in as {taken.place}: {taken.why}"
