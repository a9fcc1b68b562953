"""Mail by connections that stay open for some seconds: in an emergency many leave at once, and a log-in takes longest.

Each mail goes out as ``mail.send`` would send it: exactly its bytes, back by the same deadline (but for the look-up of
the server's name, which the system ends), and the same errors. A connection that the server closed meanwhile is
noticed before anything is handed over, and the mail goes by a new one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from caseproof.channels.outbound.mail import (
    DEADLINE_FACTOR,
    Delivery,
    Envelope,
    MailAccount,
    MailError,
    MailRefused,
    explained,
    greeted,
    hand_over,
    hang_up,
    say_goodbye,
    too_late,
)
from caseproof.channels.outbound.smtp_connection import Smtp, SmtpConnection
from caseproof.channels.servers import timed_out

KEPT_SECONDS = 3.0
"""How long a connection without a mail stays open; servers close one after minutes."""
MOST = 50
"""So many mails go by one connection: many servers take no more."""
_TICK = 0.5

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Open:
    """A connection. ``ends`` is when it is cut, or closed, on the clock of ``time.monotonic``."""

    ends: float
    smtp: Smtp | None = None
    line: SmtpConnection = field(default_factory=SmtpConnection)
    mails: int = 0
    is_late: bool = False


class KeptMail:
    """Sends by one account. Safe to use from several threads: each has a connection of its own while it sends."""

    def __init__(self, account: MailAccount) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._idle: list[_Open] = []
        self._busy: set[_Open] = set()
        self._is_watched = False

    def __call__(self, message: bytes, sender: str, recipients: Sequence[str]) -> Delivery:
        """A ``mail.Send``. Raises MailDown, MailRefused, BadInput."""
        envelope = Envelope.of(message, sender, recipients)
        one = self._taken()
        while True:
            was_kept = one.smtp is not None
            try:
                return self._sent(one, envelope)
            except Exception as error:
                self._drop(one, error)
                was_closed = was_kept and not one.line.handed_over and not timed_out(error)
                if not was_closed or one.is_late or isinstance(error, MailRefused):
                    raise self._told(one, error) from None
            one = self._new()

    def _sent(self, one: _Open, envelope: Envelope) -> Delivery:
        if one.smtp is None:
            one.smtp = greeted(self._account, one.line)
        one.line.handed_over = False
        one.mails += 1
        delivery = hand_over(one.smtp, self._account, envelope, one.line)
        self._give_back(one)
        return delivery

    def _told(self, one: _Open, error: Exception) -> MailError:
        if isinstance(error, MailError):
            return error
        return too_late(self._account, one.line) if one.is_late else explained(error, self._account, one.line)

    # -- connections -----------------------------------------------------------------------------------------

    def _taken(self) -> _Open:
        with self._lock:
            if self._idle:
                one = self._idle.pop()  # the one that was used last
                one.ends = self._deadline()
                self._busy.add(one)
                self._be_watched()
                return one
        return self._new()

    def _new(self) -> _Open:
        one = _Open(self._deadline())
        with self._lock:
            self._busy.add(one)
            self._be_watched()
        return one

    def _be_watched(self) -> None:
        """Under the lock. Where no thread is left the mail goes all the same, and the next one begins the watch."""
        if self._is_watched:
            return
        try:
            threading.Thread(target=self._watch, name="mail-watch", daemon=True).start()
        except RuntimeError as error:
            _log.error("A mail that takes too long is not cut: %s", error)
        else:
            self._is_watched = True

    def _deadline(self) -> float:
        return time.monotonic() + self._account.timeout_seconds * DEADLINE_FACTOR

    def _give_back(self, one: _Open) -> None:
        with self._lock:
            self._busy.discard(one)
            if stays := one.mails < MOST and not one.is_late and self._is_watched:
                one.ends = time.monotonic() + KEPT_SECONDS
                self._idle.append(one)
        if not stays:
            self._close(one)

    def _drop(self, one: _Open, error: Exception) -> None:
        with self._lock:
            self._busy.discard(one)
        if one.smtp is not None:
            hang_up(one.smtp, error)
        one.line.cut()

    def _close(self, one: _Open) -> None:
        if one.smtp is not None:
            say_goodbye(one.smtp)
        one.line.cut()

    def _watch(self) -> None:
        """Cut what takes too long, and close what nobody uses, until there is none."""
        while True:
            time.sleep(_TICK)
            now = time.monotonic()
            with self._lock:
                unused = [one for one in self._idle if one.ends <= now]
                self._idle = [one for one in self._idle if one.ends > now]
                late = [one for one in self._busy if one.ends <= now and not one.is_late]
                for one in late:
                    one.is_late = True
                self._is_watched = bool(self._idle or self._busy)
                over = not self._is_watched
            for one in late:
                one.line.cut()
            for one in unused:
                self._close(one)
            if over:
                return
