"""The long-lived reader of `caseproof up`: mail is taken in when it comes, cases with news are woken within seconds.

Whatever goes wrong is told once and tried again; the policy and the mailbox are read anew in each round.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

from caseproof.channels.inbound.imap import Inbox
from caseproof.channels.inbound.imap_account import ImapAccount, InboxRefused
from caseproof.config.policy import Policy
from caseproof.domain.codes import Code
from caseproof.procedure.answers.inbox import InboxPass, MailIntake, read_inbox
from caseproof.procedure.core.services import Services, today
from caseproof.procedure.core.told_once import FIRST_PAUSE, LONGEST_PAUSE, ToldOnce
from caseproof.store.bell import Bell

LONGEST_WAKE_PAUSE = 30.0
"""How long waking waits at most after something went wrong: an answer is taken soon after Prefect is there again."""
LOOK_SECONDS = 10.0
"""How often it is looked whether there is a mailbox by now, or another than the one that refused us."""
LOOK_AGAIN_SECONDS = 3.0
"""How soon a case is looked at again whose run could not be woken yet."""
WAKE_SECONDS = 10.0
"""How often it is looked whether a case has news, where nobody rings."""
RUNS_SECONDS, RUNS_READ_AT_MOST = 10.0, 200
"""How often the jobs' runs that cases wait for are read, and how many of them."""
WOKEN_AT_MOST = 2000
"""How many due cases a look for news reads; the others are next."""


@dataclass(frozen=True)
class InboxPorts:
    """What the watch reaches others with.

    ``account``: the mailbox that a policy names, None where it names none; raises CaseproofError. ``connect``: what
    reads an account's mailbox. ``wake``: wakes the suspended flow runs of cases (case to run) and gives the cases whose
    runs can only be woken later. ``is_over``: whether the job's run that a case waits for is over; raises
    PlatformError. ``say`` tells people. ``show`` shows what a pass did, and what a person has to look at since.
    """

    account: Callable[[Policy], ImapAccount | None]
    connect: Callable[[ImapAccount], Inbox]
    wake: Callable[[Services, Mapping[str, str]], list[str]]
    is_over: Callable[[Services, str], bool]
    say: Callable[[str], None]
    show: Callable[[Services, InboxPass], None] = lambda _services, _done: None


class MailboxReader:
    """Reads the mailbox that a policy names, over one connection as long as it is the same mailbox."""

    def __init__(self, ports: InboxPorts) -> None:
        self._ports = ports
        self.account: ImapAccount | None = None
        self._inbox: Inbox | None = None
        self._open = ExitStack()
        self._broke: set[str] = set()
        self._told: list[str] = []

    def find(self, policy: Policy) -> ImapAccount | None:
        """The mailbox that the policy names; None where it names none. Raises CaseproofError."""
        account = self._ports.account(policy)
        if account != self.account:
            self.close()
        self.account = account
        return account

    def read(self, services: Services) -> InboxPass | None:
        """Take in what lies in the mailbox that was found; None where none was, or another pass is at work.

        Raises what ``read_inbox`` raises.
        """
        if self.account is None:
            return None
        if self._inbox is None:
            self._inbox = self._open.enter_context(self._ports.connect(self.account))
        lock = services.settings.home_folder / "inbox" / "pass"
        intake = MailIntake(services.ledger, services.vault, services.replies, lock, self.account.authserv, self._broke)
        done = read_inbox(intake, self._inbox, self._ports.say)
        if done is not None:
            self._tell([f"A mail stays in the mailbox: {problem}" for problem in done.problems])
        return done

    def _tell(self, problems: list[str]) -> None:
        """Tell what is wrong with single mails, each once as long as it lasts."""
        for problem in problems:
            if problem not in self._told:
                self._ports.say(problem)
        self._told = problems

    def wait(self, seconds: float) -> None:
        """Wait for mail, after a ``read``."""
        if self._inbox is not None:
            self._inbox.wait(seconds)

    def close(self) -> None:
        """Let go of the mailbox; the next ``read`` opens it anew."""
        self._inbox = None
        with suppress(Exception):  # it is gone either way
            self._open.close()


def read_once(services: Services, ports: InboxPorts) -> InboxPass | None:
    """One pass over the mailbox that the policy names, then wake whoever has news; None where there was none.

    Raises InboxError, StoreDown, VaultError, and what the ports raise.
    """
    with closing(MailboxReader(ports)) as reader:
        reader.find(services.policy)
        done = reader.read(services)
    Waker(services, ports).round()
    if done is not None:
        ports.show(services, done)
    return done


class MailboxWatch:
    """Reads the mailbox whenever mail comes, one ``round`` after the other; ``close`` ends it."""

    def __init__(self, services: Services, ports: InboxPorts) -> None:
        self._services, self._ports, self._reader = services, ports, MailboxReader(ports)
        self._refused: ImapAccount | None = None
        self._not_before = services.clock()
        self._trouble = ToldOnce(ports.say, "The mailbox is read again.")

    def round(self) -> float:
        """Take in what lies there, then wait for mail; gives how many seconds to pause before the next round."""
        try:
            return self._round(today(self._services))
        except InboxRefused as error:
            self._refused = self._reader.account
            self._not_before = self._services.clock() + timedelta(seconds=LONGEST_PAUSE)
            self._failed(error)
            return LOOK_SECONDS  # one that is corrected is tried at once
        except Exception as error:  # whatever it is, the watch goes on
            return self._failed(error)

    def _round(self, services: Services) -> float:
        account = self._reader.find(services.policy)
        if account is None or (account == self._refused and services.clock() < self._not_before):
            return LOOK_SECONDS
        done = self._reader.read(services)
        if done is None:
            return FIRST_PAUSE
        self._refused = None
        self._trouble.is_over()
        if not done.is_empty:
            self._ports.show(services, done)
        self._reader.wait(services.policy.times.inbox_minutes * 60)
        return 0.0

    def _failed(self, error: Exception) -> float:
        pause = self._trouble.is_this(error)
        self.close()
        return pause

    def close(self) -> None:
        """Let go of the mailbox; the next round opens it anew."""
        self._reader.close()


class Waker:
    """Wakes the suspended flow runs of cases that have news, so that an answer is taken within seconds.

    The keeper wakes them, too: nothing is lost where this fails.
    """

    def __init__(self, services: Services, ports: InboxPorts) -> None:
        self._services, self._ports = services, ports
        self._woken: dict[str, int] = {}
        self._trouble = ToldOnce(ports.say, "Cases can be woken again.", LONGEST_WAKE_PAUSE)

    def round(self) -> float:
        """Wake those that have news since the last round; gives how many seconds to pause before the next."""
        try:
            return self._round()
        except Exception as error:  # whatever it is, the watch goes on
            return self._trouble.is_this(error)

    def _round(self) -> float:
        with self._services.store.reading() as uow:
            due = uow.cases.due(self._services.clock(), WOKEN_AT_MOST)
        # Of a closed case only what somebody answered on its page: a step after the closing needed help.
        news = {
            row.ref: row
            for row in due
            if row.has_news and row.flow_run and (row.closed_at is None or not row.asked_form)
        }
        new = {ref: row for ref, row in news.items() if self._woken.get(ref) != row.version}
        later = self._ports.wake(self._services, {ref: str(row.flow_run) for ref, row in new.items()}) if new else []
        self._woken = {ref: row.version for ref, row in news.items() if ref not in later}
        self._trouble.is_over()
        return LOOK_AGAIN_SECONDS if later else WAKE_SECONDS


class JobRunWatch:
    """Wakes the cases that wait for a job's run which takes longer than it was polled for, soon after it is over.

    The keeper does so, too, more seldom: nothing is lost where this fails.
    """

    def __init__(self, services: Services, ports: InboxPorts) -> None:
        self._services, self._ports = services, ports
        self._trouble = ToldOnce(ports.say, "The runs that cases wait for are read again.")

    def round(self) -> float:
        """Read the runs that are waited for; gives how many seconds to pause before the next round."""
        try:
            return self._round(today(self._services))
        except Exception as error:  # whatever it is, the watch goes on
            return self._trouble.is_this(error)

    def _round(self, services: Services) -> float:
        with services.store.reading() as uow:
            in_need = uow.cases.in_need(RUNS_READ_AT_MOST)
        waiting = {row.ref: str(row.flow_run) for row in in_need if row.trouble_code == Code.STILL_RUNNING}
        if over := {ref: run for ref, run in waiting.items() if self._ports.is_over(services, ref)}:
            self._ports.wake(services, over)
        self._trouble.is_over()
        return RUNS_SECONDS


def watch(services: Services, ports: InboxPorts, bell: Bell, over: threading.Event) -> None:
    """Read the mailbox and wake cases until ``over`` is set and ``bell`` rings.

    The mailbox and the platforms, which may be slow, have threads of their own that nobody waits for: what they hold in
    their hands is not lost with them.
    """

    def go_on(round_: Callable[[], float]) -> None:
        while not over.wait(round_()):
            pass

    for name, beside in (("mailbox", MailboxWatch(services, ports)), ("job runs", JobRunWatch(services, ports))):
        threading.Thread(target=copy_context().run, args=(go_on, beside.round), name=name, daemon=True).start()
    waker = Waker(services, ports)
    while not over.is_set():
        bell.wait(waker.round())
